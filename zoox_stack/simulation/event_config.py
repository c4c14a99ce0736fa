"""Parameters of `EventDetector`, declared once. In a file of their own: every node reads them, one needs the rest."""

from __future__ import annotations

from dataclasses import dataclass

from zoox_stack.core.parameters import parameter


@dataclass(frozen=True)
class EventConfig:
    """From where on something counts."""

    off_road_distance: float = parameter(
        0.3, "A corner of the ego so far off the drivable area", unit="m", low=0.0, high=10.0
    )
    wrong_way_distance: float = parameter(2.0, "Driven so far against a lane", unit="m", low=0.0, high=100.0)
    harsh_deceleration: float = parameter(4.05, "Braking so hard is not comfortable", unit="m/s^2", low=0.1, high=15.0)
    near_miss_time: float = parameter(0.95, "Time to collision at constant velocities", unit="s", low=0.0, high=3.0)
