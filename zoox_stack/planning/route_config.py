"""Parameters of routes, declared once."""

from __future__ import annotations

from dataclasses import dataclass

from zoox_stack.core.parameters import parameter


@dataclass(frozen=True)
class RouteConfig:
    """Parameters of looking for a route and of following it."""

    unknown_limit: float = parameter(
        13.9, "Speed that counts where the map gives no limit", unit="m/s", low=0.5, high=60.0
    )
    lane_change_cost: float = parameter(
        5.0, "Driving time that a lane change in good room is worth", unit="s", low=0.0, high=600.0
    )
    lane_change_time: float = parameter(
        4.0, "A lane change with less room than this at the speed limit costs more", unit="s", low=0.0, high=20.0
    )
    least_change_room: float = parameter(
        10.0, "Way along the road without which a lane change is not planned", unit="m", low=1.0, high=100.0
    )
    largest_offset: float = parameter(
        4.0, "Start and goal are at most so far from the centre of a lane", unit="m", low=0.5, high=20.0
    )
    goal_tolerance: float = parameter(
        2.5, "Who stands within this distance of the goal has reached it", unit="m", low=0.1, high=20.0
    )
    standing_speed: float = parameter(0.3, "Below this speed the ego stands", unit="m/s", low=0.0, high=5.0)
    miss_time: float = parameter(
        1.0, "The route is missed when the ego has been off it for so long", unit="s", low=0.0, high=30.0
    )
    blocked_time: float = parameter(
        20.0, "A lane is blocked when the ego has stood behind a standing obstacle for so long, without a red light",
        unit="s", low=1.0, high=600.0,
    )  # fmt: skip
    closed_time: float = parameter(
        60.0, "A blocked lane is left out of new routes for so long", unit="s", low=0.0, high=3600.0
    )
    reroute_period: float = parameter(
        1.0, "While no new route is found the next is looked for after this time", unit="s", low=0.1, high=60.0
    )
