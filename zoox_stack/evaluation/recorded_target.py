"""How a planning problem is told to a planner: a route to the goal, and a speed to be there at the right time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.plans import Route
from zoox_stack.core.predictions import STEP
from zoox_stack.logs.importers.commonroad_problems import GoalState, PlanningProblem, inside
from zoox_stack.planning.lane_ends import PoseGoal
from zoox_stack.planning.routing import PlannedRoute, Router
from zoox_stack.road_network.polyline import Polyline
from zoox_stack.road_network.queries import LaneIndex

_SPACING = 3.0  # [m] between places of a region that are looked at
_CHANGE = 12.0  # [m] that a lane change counts against coming too far or not far enough
_ASIDE = 3.0  # counts a metre of the place beside the route as so many of the way
_MARGIN = 0.15  # share of a region's length that is kept at either end
_ACCELERATION, _BRAKING = 1.2, 1.5  # [m/s^2] with which a wanted speed is reached
_LEAST = 0.5  # [m/s] wanted speed
_BEYOND = 60.0  # [m] that a route goes on behind the last place


@dataclass(frozen=True, eq=False)
class Target:
    """Where to be, and when.

    Attributes:
        route: The way there; it ends at the place that is aimed at.
        goal: Which of the goals of the problem.
        line: The line of the route, for the rear axle.
        aim: Way along it to the place [m].
        first: Where on it the goal begins to hold [m].
        last: Where it ends [m].
        lane_changes: How many.
    """

    route: Route
    goal: GoalState
    line: Polyline
    aim: float
    first: float
    last: float
    lane_changes: int


def find_target(problem: PlanningProblem, ego: EgoState, index: LaneIndex, usual_speed: float) -> Target | None:
    """The place of the goals that is reached most naturally; None where any place does.

    Of all places on lanes, and of those within regions without one, the one wins that is nearest to where the ego will
    be in time at the speed it has (or `usual_speed`, if it stands), lane changes counted against it.

    Raises:
        InvalidInputError: No place of the goals can be driven to.
    """
    if any(goal.regions is None for goal in problem.goals):
        return None
    router, best, least, why = Router(index), None, np.inf, ""
    for goal in problem.goals:
        steps = np.arange(goal.steps.low, goal.steps.high + 1)
        ways = _way(ego.speed, max(ego.speed, 0.5 * usual_speed), steps * STEP)
        for x, y, yaw, aside in _places(goal, index, ego.rear_axle_to_centre):
            try:
                route = router.plan(ego, PoseGoal(x, y, yaw))
            except InvalidInputError as error:
                why = str(error)
                continue
            length = route.length
            misfit = float(np.abs(ways - length).min()) + _CHANGE * route.lane_changes + _ASIDE * aside
            if misfit < least:
                best, least = _target(route, goal, ego), misfit
    if best is None:
        raise InvalidInputError(f"goal of planning problem {problem.id}", "a way there", why or "no lane in it")
    return best


def wanted_speed(target: Target, ego: EgoState, step: int, usual: float) -> float:
    """A constant speed that brings the ego into the goal's region in time [m/s]: the usual one if it does.

    Args:
        target: Where to be, and when.
        ego: Now.
        step: Now, time steps since the begin.
        usual: Speed wanted without a goal [m/s].
    """
    foot = target.line.project_pose(ego.x, ego.y, ego.yaw, 0.0, target.line.length)
    if foot is None:
        return usual
    here = float(foot.s[0])
    margin = _MARGIN * (target.last - target.first)
    first, last = target.first + margin - here, target.last - margin - here
    soonest = max(target.goal.steps.low - step, 1.0) * STEP
    latest = max(target.goal.steps.high - step, 1.0) * STEP
    slowest = _speed_for(first, ego.speed, latest)
    fastest = max(_speed_for(last, ego.speed, soonest), slowest)
    speed = float(np.clip(usual, slowest, fastest))
    if target.goal.speed is not None:
        near = first <= speed * latest  # who is too fast or too slow there has to change it before
        speed = float(np.clip(speed, target.goal.speed.low, target.goal.speed.high)) if near else speed
    return max(speed, _LEAST)


def _way(speed: float, later: float, time: NDArray[np.float64]) -> NDArray[np.float64]:
    """Way within some times, from one speed to another [m]."""
    rate = _ACCELERATION if later > speed else _BRAKING
    change = np.minimum(time, abs(later - speed) / rate)
    reached = speed + np.sign(later - speed) * rate * change
    return np.asarray((speed + reached) / 2 * change + reached * (time - change))


def _speed_for(way: float, speed: float, time: float) -> float:
    """Speed to change to in order to cover a way in a time [m/s], by bisection; at most 60."""
    low, high = 0.0, 60.0
    for _ in range(40):
        middle = (low + high) / 2
        if float(_way(speed, middle, np.array(time))) < way:
            low = middle
        else:
            high = middle
    return high


def _places(goal: GoalState, index: LaneIndex, behind: float) -> Iterator[tuple[float, float, float, float]]:
    """Places of the rear axle for a goal: x, y [m], yaw [rad], and how far from a lane's centre it would be [m]."""
    assert goal.regions is not None
    for ring in goal.regions:
        for line in index.lines.values():
            stations = np.arange(0.0, line.length + 1e-6, _SPACING)
            point, heading, _ = line.at(stations)
            held = inside(ring, point)
            if goal.yaw is not None:
                held &= np.array([goal.yaw.holds_angle(float(angle)) for angle in heading])
            for s in stations[held]:
                (x, y), yaw, _ = line.at(max(float(s) - behind, 0.0))
                yield float(x), float(y), float(yaw), 0.0
        middle = ring.mean(axis=0)
        ahead = goal.yaw
        if ahead is not None:
            yaw = (ahead.low + ahead.high) / 2
            x, y = middle - behind * np.array([np.cos(yaw), np.sin(yaw)])
            yield float(x), float(y), float(yaw), 1.0


def _target(route: PlannedRoute, goal: GoalState, ego: EgoState) -> Target:
    assert goal.regions is not None
    line, behind = route.path.line, ego.rear_axle_to_centre
    stations = np.arange(0.0, line.length + _BEYOND, 0.25)
    point, heading, _ = line.at(np.minimum(stations, line.length))
    over = (np.maximum(stations - line.length, 0.0) + behind)[:, None]
    middle = point + over * np.stack([np.cos(heading), np.sin(heading)], axis=1)
    held = np.zeros(len(stations), bool)
    for ring in goal.regions:
        held |= inside(ring, middle)
    # The stretch that the end of the route lies in.
    at = int(np.searchsorted(stations, line.length))
    if not held[at]:
        near = np.flatnonzero(held)
        at = int(near[np.abs(near - at).argmin()]) if len(near) else at
    begin = end = at
    while begin > 0 and held[begin - 1]:
        begin -= 1
    while end < len(held) - 1 and held[end + 1]:
        end += 1
    xy = np.column_stack([line.xy, np.zeros(len(line.xy))])
    return Target(
        Route(ego.stamp_ns, xy), goal, line, line.length, float(stations[begin]), float(stations[end]),
        route.lane_changes,
    )  # fmt: skip
