"""SimulationEvent as a message of the type store."""

from __future__ import annotations

from typing import Any

import numpy as np

from zoox_stack.core.classes import AgentClass, Blame, EventKind
from zoox_stack.core.events import SimulationEvent
from zoox_stack.logs.codec_basics import enumerated, header, new, read_header, short_float


def simulation_event(event: SimulationEvent) -> Any:
    """zoox_stack/SimulationEvent."""
    return new(
        "zoox_stack/msg/SimulationEvent",
        header=header(event.stamp_ns),
        kind=int(event.kind),
        blame=int(event.blame),
        agent_id=event.agent_id,
        agent_class=int(event.agent_class),
        position=np.array([event.x, event.y]),
        value=event.value,
        duration=event.duration,
        text=event.text,
    )


def read_simulation_event(message: Any) -> SimulationEvent:
    """Inverse of `simulation_event`; raises InvalidInputError for unknown kinds and numbers that are not finite."""
    stamp_ns, _ = read_header("SimulationEvent", message.header)
    return SimulationEvent(
        stamp_ns=stamp_ns,
        kind=enumerated("SimulationEvent.kind", message.kind, EventKind),
        blame=enumerated("SimulationEvent.blame", message.blame, Blame),
        x=float(message.position[0]),
        y=float(message.position[1]),
        value=short_float(message.value),
        text=message.text,
        agent_id=int(message.agent_id),
        agent_class=enumerated("SimulationEvent.agent_class", message.agent_class, AgentClass),
        duration=short_float(message.duration),
    )
