"""Motions in recorded traffic that no road user could make."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import AgentClass
from zoox_stack.core.geometry import wrap_angle
from zoox_stack.core.motion_limits import LimitColumn, limits_of
from zoox_stack.evaluation.traffic_recording import TrafficRecording

JUMP = 0.5  # [m] in one step that the recorded velocity does not explain
_ROUNDING = 1e-3  # relative: single precision and step times are not exact


@dataclass(frozen=True)
class PhysicsCheck:
    """One quantity of one class, checked over every agent and step.

    Attributes:
        agent_class: Name of the class.
        quantity: ``speed``, ``acceleration``, ``yaw_rate`` or ``jump``.
        bound: The most that is possible [m/s, m/s^2, rad/s, m].
        steps: Steps checked.
        violations: Steps beyond the bound.
        agents: Agents with at least one such step.
        worst: Largest value found [unit of `bound`]; NaN without steps.
        worst_id: Agent that has it, None without steps.
        worst_time: When, since the start of the recording [s]; NaN without steps.
    """

    agent_class: str
    quantity: str
    bound: float
    steps: int
    violations: int
    agents: int
    worst: float
    worst_id: int | None
    worst_time: float


def physics_violations(recording: TrafficRecording) -> tuple[PhysicsCheck, ...]:
    """Check every agent at every step against `zoox_stack.core.motion_limits`.

    From the states as recorded, without smoothing, between each two successive instants of an agent:

    - *speed*: the larger of the recorded speed and the distance covered over the step's time.
    - *acceleration*: length of the change of the recorded velocity over the step's time.
    - *yaw_rate*: change of heading over the step's time, of bodies fast enough not to turn as they like.
    - *jump*: distance between where the agent is and where the mean of its recorded velocities before and after would
      have taken it; bound `JUMP`.

    Returns:
        Four checks for every class that is present, in the order of `AgentClass`.
    """
    rows = np.flatnonzero(recording.follows()) if len(recording.agent) > 1 else np.zeros(0, np.int64)
    agent, time = recording.agent[rows], recording.time
    dt = (time[rows + 1] - time[rows]) if len(rows) else np.zeros(0)
    moved = recording.position[rows + 1] - recording.position[rows]
    before, after = recording.velocity[rows], recording.velocity[rows + 1]
    speed = np.maximum(recording.speed[rows + 1], np.hypot(*moved.T) / dt)
    limits = limits_of(recording.classes)[agent]
    turned = np.abs(wrap_angle(recording.yaw[rows + 1] - recording.yaw[rows])) / dt
    turns = speed >= limits[:, LimitColumn.FREE_TURN_BELOW]
    everyone = np.ones(len(rows), bool)
    quantities: dict[str, tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]] = {
        "speed": (speed, limits[:, LimitColumn.SPEED], everyone),
        "acceleration": (np.hypot(*(after - before).T) / dt, limits[:, LimitColumn.ACCELERATION], everyone),
        "yaw_rate": (turned, limits[:, LimitColumn.YAW_RATE], turns),
        "jump": (np.hypot(*(moved - (before + after) / 2 * dt[:, None]).T), np.full(len(rows), JUMP), everyone),
    }
    checks = []
    kinds = recording.classes[agent]
    for kind in np.unique(recording.classes).tolist():
        for quantity, (values, bounds, applies) in quantities.items():
            mine = np.flatnonzero((kinds == kind) & applies)
            bound = JUMP if quantity == "jump" else float(limits_of(np.array([kind], np.uint8))[0, _COLUMNS[quantity]])
            beyond = mine[values[mine] > bounds[mine] * (1 + _ROUNDING)]
            worst = int(mine[np.argmax(values[mine])]) if len(mine) else None
            checks.append(
                PhysicsCheck(
                    agent_class=AgentClass(kind).name,
                    quantity=quantity,
                    bound=bound,
                    steps=len(mine),
                    violations=len(beyond),
                    agents=len(np.unique(agent[beyond])),
                    worst=float("nan") if worst is None else float(values[worst]),
                    worst_id=None if worst is None else int(recording.ids[agent[worst]]),
                    worst_time=float("nan") if worst is None else float(time[rows[worst] + 1]),
                )
            )
    return tuple(checks)


_COLUMNS = {
    "speed": LimitColumn.SPEED, "acceleration": LimitColumn.ACCELERATION, "yaw_rate": LimitColumn.YAW_RATE,
}  # fmt: skip


def as_rows(checks: tuple[PhysicsCheck, ...]) -> list[dict[str, Any]]:
    """The checks ready for JSON (NaN becomes None)."""
    return [{k: None if isinstance(v, float) and np.isnan(v) else v for k, v in asdict(c).items()} for c in checks]
