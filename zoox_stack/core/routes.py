"""What is said about routes and goals; the route itself is `zoox_stack.core.plans.Route`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zoox_stack.core.classes import GoalStatus
from zoox_stack.core.errors import InvalidInputError


@dataclass(frozen=True)
class RouteProgress:
    """How far the ego still has to drive, and whether it is on its way. Without a route numbers are NaN.

    Attributes:
        stamp_ns: Of the ego's state [ns].
        route_stamp_ns: Of the route this is about [ns]; 0 without one.
        has_goal: The route leads to a goal, at which the ego stops; else it was given.
        travelled: From the start of the route [m]; of a missed route to where it was left.
        remaining: To the end of the route [m]; of a missed route from where it was left.
        remaining_time: For that at the speed limits [s].
        offset: Of base_link to the left of the route [m]; NaN where the ego is off it.
        reached: The ego has stopped at the goal, now or before; never without goal.
        off_route: The ego has left the route, and there is no new one.
        rerouted: New routes to the same goal since it was set or the route was given.
        problem: What is wrong with the route; empty if nothing is.
    """

    stamp_ns: int
    route_stamp_ns: int = 0
    has_goal: bool = False
    travelled: float = np.nan
    remaining: float = np.nan
    remaining_time: float = np.nan
    offset: float = np.nan
    reached: bool = False
    off_route: bool = False
    rerouted: int = 0
    problem: str = ""

    def __post_init__(self) -> None:
        for name in ("travelled", "remaining", "remaining_time"):
            value = float(getattr(self, name))
            if value < 0 or value == np.inf:
                raise InvalidInputError(f"RouteProgress.{name}", "a finite number >= 0, or NaN", f"{value}")
            object.__setattr__(self, name, value)


@dataclass(frozen=True)
class GoalAnswer:
    """What became of a goal.

    Attributes:
        status: Whether the ego is on its way.
        message: Empty if it is, else what was expected and what was found.
        route_stamp_ns: Of the route there [ns]; 0 if refused.
        length: Of the route [m]; NaN if refused.
        travel_time: At the speed limits [s]; NaN if refused.
        lane_changes: On the route.
    """

    status: GoalStatus
    message: str = ""
    route_stamp_ns: int = 0
    length: float = np.nan
    travel_time: float = np.nan
    lane_changes: int = 0

    @property
    def accepted(self) -> bool:
        """The ego is on its way."""
        return self.status is GoalStatus.ACCEPTED
