"""Events of a simulation: what happened that counts."""

from __future__ import annotations

from dataclasses import dataclass

from zoox_stack.core.classes import AgentClass, Blame, EventKind
from zoox_stack.core.validation import check_finite_scalar

NOBODY = -1  # agent id of an event in which nobody but the ego takes part


@dataclass(frozen=True)
class SimulationEvent:
    """Something that happened, map frame.

    Attributes:
        stamp_ns: When it began [ns].
        kind: What it is.
        blame: Who would have had to avoid it.
        agent_id: The other road user, `NOBODY` if there is none.
        agent_class: Its class.
        x: Where [m].
        y: Where [m].
        value: What was measured, by kind: COLLISION closing speed [m/s], RED_LIGHT time since red began [s], OFF_ROAD
            greatest distance [m], WRONG_WAY greatest heading error [rad], HARSH_BRAKING greatest deceleration
            [m/s^2], NEAR_MISS least time to collision [s]. Never negative.
        duration: [s], 0 for an instant.
        text: In one sentence.
    """

    stamp_ns: int
    kind: EventKind
    blame: Blame
    x: float
    y: float
    value: float
    text: str
    agent_id: int = NOBODY
    agent_class: AgentClass = AgentClass.UNKNOWN
    duration: float = 0.0

    def __post_init__(self) -> None:
        for name, kind in (("kind", EventKind), ("blame", Blame), ("agent_class", AgentClass)):
            object.__setattr__(self, name, kind(getattr(self, name)))
        for name in ("x", "y", "value", "duration"):
            object.__setattr__(self, name, check_finite_scalar(f"SimulationEvent.{name}", getattr(self, name)))
