"""SimulationEvent, the message and the dataclass."""

from __future__ import annotations

from zoox_stack.core.classes import AgentClass, Blame, EventKind
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.events import SimulationEvent
from zoox_stack.msg import SimulationEvent as SimulationEventMessage
from zoox_stack.ros.conversions.basics import header_to_message, short_float, stamp_and_frame


def simulation_event_to_message(event: SimulationEvent) -> SimulationEventMessage:
    """An event as a message."""
    return SimulationEventMessage(
        header=header_to_message(event.stamp_ns),
        kind=int(event.kind),
        blame=int(event.blame),
        agent_id=event.agent_id,
        agent_class=int(event.agent_class),
        position=[event.x, event.y],
        value=event.value,
        duration=event.duration,
        text=event.text,
    )


def simulation_event_from_message(message: SimulationEventMessage) -> SimulationEvent:
    """The event of a message; raises InvalidInputError for unknown kinds and numbers that are not finite."""
    stamp_ns, _ = stamp_and_frame("SimulationEvent", message.header)
    for name, kind in (("kind", EventKind), ("blame", Blame), ("agent_class", AgentClass)):
        if getattr(message, name) > max(kind):
            raise InvalidInputError(f"SimulationEvent.{name}", f"0..{max(kind)}", str(getattr(message, name)))
    return SimulationEvent(
        stamp_ns=stamp_ns,
        kind=EventKind(message.kind),
        blame=Blame(message.blame),
        x=float(message.position[0]),
        y=float(message.position[1]),
        value=short_float(message.value),
        text=message.text,
        agent_id=message.agent_id,
        agent_class=AgentClass(message.agent_class),
        duration=short_float(message.duration),
    )
