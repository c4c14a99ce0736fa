"""How a planning problem is told to a planner: a way to the goal, and a speed to be there at the right time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.geometry import wrap_angle
from zoox_stack.core.plans import Route
from zoox_stack.core.predictions import STEP
from zoox_stack.logs.importers.commonroad_problems import GoalState, PlanningProblem, inside
from zoox_stack.planning.lane_ends import PoseGoal
from zoox_stack.planning.routing import PlannedRoute, Router
from zoox_stack.road_network.polyline import Polyline
from zoox_stack.road_network.queries import LaneIndex

_SPACING = 3.0  # [m] between places of a region that are looked at
_CHANGE = 12.0  # [m] that a lane change counts against coming too far or not far enough
_MARGIN, _LARGEST_MARGIN = 0.2, 5.0  # share of a region's length that is kept at either end, and at most [m]
_ACCELERATION, _BRAKING = 1.2, 1.5  # [m/s^2] with which a wanted speed is reached
_LEAST = 0.5  # [m/s] wanted speed
_FASTEST = 30.0  # [m/s] wanted speed
_BEYOND = 60.0  # [m] behind the end of a line where a goal is still looked for
_BEHIND = 10.0  # [m] of a line behind the ego
_CURVE = 25.0  # [m] before a goal with a heading at which the line leaves the lanes
_SOON = 4.5  # [s] within which a lane change has to be done as the route draws it
_RUNS_OUT = 15.0  # [m] within which a line behind such a goal becomes straight
_SHARPEST = 0.3  # [1/m] at its ends
_DRIVES = 1.0  # [m/s] above it the yaw rate tells a curvature
_EARLY = 2.0  # [m] before the middle of a region the heading asked for is reached
_SMOOTHING = 6.0  # [m] of a line with lane changes
_NEAR = 7.0  # [m] beside the ego the lane that a route changes to has to be


@dataclass(frozen=True, eq=False)
class Target:
    """Where to be, and when.

    Attributes:
        route: The way there; None: along the lanes, as long as they go on.
        goal: Which of the goals of the problem.
        line: The line of the way, for the rear axle.
        first: Where on it the goal begins to hold [m].
        last: Where it ends [m].
        lane_changes: How many there are on the way.
    """

    route: Route | None
    goal: GoalState
    line: Polyline
    first: float
    last: float
    lane_changes: int = 0


def find_target(problem: PlanningProblem, ego: EgoState, index: LaneIndex, usual_speed: float) -> Target | None:
    """The place of the goals that is reached most naturally; None where any place does and no lane lies under the ego.

    Of all places on lanes the one wins that is nearest to where the ego will be in time if it drives on, at half the
    usual speed [m/s] if it stands, lane changes counted against it. Where a heading is asked for, the way ends in a
    curve to the middle of the region. Where any place does, the mapped lanes must not be left at their end.

    Raises:
        InvalidInputError: No place of the goals can be driven to.
    """
    router, best, least, why = Router(index), None, np.inf, "no lane in it"
    for goal in problem.goals:
        if goal.regions is None:
            return _until_the_end(goal, ego, index, usual_speed)
        ways = _way(ego.speed, max(ego.speed, 0.5 * usual_speed), STEP * np.arange(goal.steps.low, goal.steps.high + 1))
        for x, y, yaw in _places(goal, index, ego.rear_axle_to_centre):
            route = None
            try:
                route = router.plan(ego, PoseGoal(x, y, yaw))
            except InvalidInputError as error:
                why = str(error)
                if goal.yaw is None:
                    continue
            changes = 0 if route is None else route.lane_changes
            length = float(np.hypot(x - ego.x, y - ego.y)) if route is None else route.length
            misfit = float(np.abs(ways - length).min()) + _CHANGE * changes
            if misfit < least:
                if goal.yaw is None:
                    assert route is not None
                    line = _smooth(route) if goal.steps.high * STEP < _SOON else _lanes_of(route, ego, index)
                else:
                    line = _curved(route, ego, np.array([x, y]), yaw)
                best, least = _along(line, np.array([x, y]), goal, ego, changes), misfit
    if best is None:
        raise InvalidInputError(f"goal of planning problem {problem.id}", "a way there", why)
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
    margin = min(_MARGIN * (target.last - target.first), _LARGEST_MARGIN)
    first, last = target.first + margin - here, target.last - margin - here
    soonest = max(target.goal.steps.low - step, 1.0) * STEP
    latest = max(target.goal.steps.high - step, 1.0) * STEP
    slowest = _speed_for(first, ego.speed, latest)
    fastest = max(_speed_for(last, ego.speed, soonest), slowest)
    if target.goal.speed is not None:
        middle = (target.goal.speed.low + target.goal.speed.high) / 2
        usual = min(usual, max(middle, 0.0))
    return max(float(np.clip(usual, slowest, fastest)), _LEAST)


def _way(speed: float, later: float, time: NDArray[np.float64]) -> NDArray[np.float64]:
    """Way within some times, from one speed to another [m]."""
    rate = _ACCELERATION if later > speed else _BRAKING
    change = np.minimum(time, abs(later - speed) / rate)
    reached = speed + np.sign(later - speed) * rate * change
    return np.asarray((speed + reached) / 2 * change + reached * (time - change))


def _speed_for(way: float, speed: float, time: float) -> float:
    """Speed to change to in order to cover a way in a time [m/s], by bisection."""
    low, high = 0.0, _FASTEST
    for _ in range(40):
        middle = (low + high) / 2
        if float(_way(speed, middle, np.array(time))) < way:
            low = middle
        else:
            high = middle
    return high


def _places(goal: GoalState, index: LaneIndex, behind: float) -> Iterator[tuple[float, float, float]]:
    """Poses of the rear axle for a goal: on lanes, or where a heading is asked for the middles of the regions."""
    assert goal.regions is not None
    for ring in goal.regions:
        if goal.yaw is not None:
            yaw = (goal.yaw.low + goal.yaw.high) / 2
            x, y = ring.mean(axis=0) - behind * np.array([np.cos(yaw), np.sin(yaw)])
            yield float(x), float(y), yaw
            continue
        for line in index.lines.values():
            stations = np.arange(0.0, line.length + 1e-6, _SPACING)
            for s in stations[inside(ring, line.at(stations)[0])]:
                (x, y), heading, _ = line.at(max(float(s) - behind, 0.0))
                yield float(x), float(y), float(heading)


def _lanes_of(route: PlannedRoute, ego: EgoState, index: LaneIndex) -> Polyline:
    """The lanes of a route behind its last change, from beside the ego on: when to move over the planner decides.

    Where these lanes do not begin beside the ego it is the line of the route itself.
    """
    rows = list(route.way.rows)
    successors = index.network.successors
    last = max((k for k in range(1, len(rows)) if rows[k] not in successors[rows[k - 1]]), default=0)
    chain = rows[last:]
    at = float(index.lines[chain[0]].project(np.array([[ego.x, ego.y]])).s[0])
    while at < _BEHIND:
        before = [row for row in map(int, index.predecessors[chain[0]]) if row in index.lines and row not in chain]
        if not before:
            break
        chain.insert(0, min(before, key=lambda row: abs(float(index.lines[row].heading[-1] - ego.yaw) % np.pi)))
        at += index.lines[chain[0]].length
    line = index.path_of(chain).line
    foot = line.project_pose(ego.x, ego.y, ego.yaw, 0.0, line.length)
    if last and (foot is None or abs(foot.d[0]) > _NEAR or foot.s[0] < 0.0):
        return _smooth(route)
    return line


def _smooth(route: PlannedRoute) -> Polyline:
    """The line of a route; lane changes in short lanes make it wind."""
    line = route.path.line
    return Polyline.from_points(line.xy, smoothing=_SMOOTHING) if route.lane_changes else line


def _curved(route: PlannedRoute | None, ego: EgoState, place: NDArray[np.float64], yaw: float) -> Polyline:
    """A line that ends in a pose: along the lanes of a route, then in a curve; without lanes in a curve from the ego.

    The curve is a quintic Hermite spline that begins with the curvature of the ego's motion, or of the lane, and ends
    with half its mean; behind the pose it runs out into a straight line.
    """
    start, heading, bend, before = np.array([ego.x, ego.y]), ego.yaw, 0.0, np.zeros((0, 2))
    if ego.speed > _DRIVES:
        bend = float(np.clip(ego.yaw_rate / ego.speed, -_SHARPEST, _SHARPEST))
    if route is not None and route.length > 2 * _CURVE:
        line = route.path.line
        at, angle, curvature = line.at(route.length - _CURVE)
        before, start, heading, bend = line.xy[line.s < route.length - _CURVE], at, float(angle), float(curvature)
    reach = float(np.hypot(*(place - start)))
    place = place - min(_EARLY, 0.2 * reach) * np.array([np.cos(yaw), np.sin(yaw)])
    reach = float(np.hypot(*(place - start)))
    out = float(np.clip(0.5 * wrap_angle(yaw - heading) / max(reach, 1.0), -_SHARPEST, _SHARPEST))
    t = np.linspace(0.0, 1.0, max(int(4 * reach), 8))[:, None]
    curve = (
        (1 - 10 * t**3 + 15 * t**4 - 6 * t**5) * start
        + (t - 6 * t**3 + 8 * t**4 - 3 * t**5) * reach * _along_heading(heading)
        + (t**2 - 3 * t**3 + 3 * t**4 - t**5) / 2 * reach**2 * bend * _along_heading(heading + np.pi / 2)
        + (t**3 - 2 * t**4 + t**5) / 2 * reach**2 * out * _along_heading(yaw + np.pi / 2)
        + (-4 * t**3 + 7 * t**4 - 3 * t**5) * reach * _along_heading(yaw)
        + (10 * t**3 - 15 * t**4 + 6 * t**5) * place
    )
    if not len(before):
        before = start - np.arange(_BEHIND, 0.0, -1.0)[:, None] * _along_heading(heading)
    ahead = np.arange(0.0, _RUNS_OUT, 0.5)
    turned = yaw + np.cumsum(out * (1 - ahead / _RUNS_OUT) * 0.5)
    after = place + 0.5 * np.cumsum(np.stack([np.cos(turned), np.sin(turned)], axis=1), axis=0)
    return Polyline.from_points(np.concatenate([before, curve, after]), 0.5)


def _along_heading(yaw: float) -> NDArray[np.float64]:
    return np.array([np.cos(yaw), np.sin(yaw)])


def _along(line: Polyline, place: NDArray[np.float64], goal: GoalState, ego: EgoState, lane_changes: int) -> Target:
    """The target along a line: the stretch on which the goal holds, around or next to a place on it."""
    assert goal.regions is not None
    stations = np.arange(0.0, line.length + _BEYOND, 0.25)
    middle, _, _ = line.at(stations + ego.rear_axle_to_centre)
    held = np.zeros(len(stations), bool)
    for ring in goal.regions:
        held |= inside(ring, middle)
    begin = int(np.searchsorted(stations, float(line.project(place[None]).s[0])))
    near = np.flatnonzero(held)
    if len(near):
        begin = int(near[np.abs(near - begin).argmin()])
    end = begin = min(begin, len(held) - 1)
    while begin > 0 and held[begin - 1]:
        begin -= 1
    while end < len(held) - 1 and held[end + 1]:
        end += 1
    points = np.column_stack([line.xy, np.zeros(len(line.xy))])
    return Target(Route(ego.stamp_ns, points), goal, line, float(stations[begin]), float(stations[end]), lane_changes)


def _until_the_end(goal: GoalState, ego: EgoState, index: LaneIndex, usual_speed: float) -> Target | None:
    reach = max(usual_speed, ego.speed) * goal.steps.high * STEP + 50.0
    path = index.path_ahead(ego.x, ego.y, ego.yaw, reach, behind=_BEHIND)
    if path is None:
        return None
    line = path.line
    return Target(None, goal, line, -reach, line.length - ego.rear_axle_to_centre - ego.length / 2)
