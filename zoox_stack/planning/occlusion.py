"""How fast may the ego go where somebody hidden might come out?

Tracked boxes that are too high to look over cast shadows, seen from the middle of the ego. Where somebody could stand
in a shadow and get into the way, the ego is to be slow enough to stop for them, once it sees them:

- beside the path: a pedestrian behind the far end of a standing box, who walks out past it;
- at a crosswalk: a pedestrian on either side of it;
- where others go first: a vehicle on that lane, at the speed limit, that is there before the ego is through.

Wherever nothing is hidden there is nothing to be slow for. Visibility over the whole path at once is that from where
the ego is now; each tick sees more.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import CYCLIST_CLASSES, AgentClass
from zoox_stack.core.compiled import plain
from zoox_stack.planning.config import PlannerConfig
from zoox_stack.planning.occlusion_loop import cast_shadows
from zoox_stack.planning.proposal import WALKERS
from zoox_stack.planning.reference_path import ReferencePath
from zoox_stack.planning.right_of_way import GiveWayPlaces
from zoox_stack.road_network.queries import LaneIndex

_TOO_HIGH = 1.2  # [m] boxes lower than this are looked over
_LONG = 1.5  # [m] shorter ones hide nobody for long
_STANDS = 0.5  # [m/s] faster ones nobody walks out from behind of
_BESIDE = 5.0  # [m] between the path and the near side of a box at most
_AHEAD = 50.0  # [m]
_PERSON = 0.3  # [m] half of one
_STEPS_BACK = (0.4, 0.4)  # [m] a pedestrian stands so far beyond the end of a box, and so far behind its near side
_WALK = 1.5  # [m/s]
_CROSSWALK_SIDES = (1.5, 3.0)  # [m] beside the ego's strip
_REACTION = 0.3  # [s]
_SLOWEST = 3.0  # [m/s] nothing hidden asks for less from pedestrians' side
_CREEP = 2.0  # [m/s] nor from vehicles'
_LANE_EVERY, _LANE_REACH = 5.0, 40.0  # [m] points on a lane whose vehicles go first
_SPREAD = 2.0  # [m] before a place, within which its speed has to be kept
_HIDES_NOBODY = (*WALKERS, *CYCLIST_CLASSES, AgentClass.HAZARD)


def sight_speeds(
    path: ReferencePath,
    ego: EgoState,
    scene: TrackedAgents,
    give_way: GiveWayPlaces,
    index: LaneIndex | None,
    config: PlannerConfig,
) -> NDArray[np.float64]:
    """Speed at each point of the path at which the ego, with base_link there, can stop for who is hidden.

    Args:
        path: Reference path, P points.
        ego: The ego.
        scene: All agents.
        give_way: Where others go first.
        index: The map; None without.
        config: Braking, speed where the map gives no limit.

    Returns:
        ``[P]`` [m/s], inf where nobody is hidden.
    """
    speeds = np.full(len(path.line.s), np.inf)
    hides = (scene.size[:, 2] > _TOO_HIGH) & (scene.size[:, 0] > _LONG) & ~np.isin(scene.classes, _HIDES_NOBODY)
    hides &= np.hypot(*(scene.position[:, :2] - ego.centre).T) > ego.length / 2
    rows = np.flatnonzero(hides)
    if not len(rows):
        return speeds
    xy, half = scene.position[rows, :2], scene.size[rows, :2].astype(np.float64) / 2
    boxes = np.column_stack([xy, scene.yaw[rows], half])
    parts = [
        _behind_boxes(path, ego, xy, scene.yaw[rows], half, scene.speed[rows], config),
        _at_crosswalks(path, ego, give_way, config),
        _on_lanes(ego, give_way, index, config),
    ]
    points = np.concatenate([part[0] for part in parts])
    station = np.concatenate([part[1] for part in parts])
    allowed = np.concatenate([part[2] for part in parts])
    hidden = np.zeros(len(points), bool)
    eye = ego.centre
    cast_shadows(float(eye[0]), float(eye[1]), plain(points, np.float64), plain(boxes, np.float64), hidden)
    to_front = ego.rear_axle_to_centre + ego.length / 2
    for s, speed in zip(station[hidden] - to_front, allowed[hidden], strict=True):
        near = (path.line.s > s - _SPREAD) & (path.line.s <= s + 0.5)
        speeds[near] = np.minimum(speeds[near], speed)
    return speeds


_Places = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]  # points [N, 2], stations, speeds [N]


def _stoppable(gap: NDArray[np.float64], config: PlannerConfig) -> NDArray[np.float64]:
    """Speed from which the ego stops in the time that a pedestrian takes for a way of `gap` [m]; [m/s].

    It is seen when it has the whole gap before it. At speed v the ego either is past it by then or has v t to stop in,
    which is enough up to v = 2 b (t - reaction).
    """
    return np.maximum(2.0 * config.max_deceleration * (gap / _WALK - _REACTION), _SLOWEST)


def _behind_boxes(
    path: ReferencePath,
    ego: EgoState,
    xy: NDArray[np.float64],
    yaw: NDArray[np.float64],
    half: NDArray[np.float64],
    speed: NDArray[np.float64],
    config: PlannerConfig,
) -> _Places:
    flat = path.line.project(xy)
    turn = yaw - flat.heading
    cos, sin = np.abs(np.cos(turn)), np.abs(np.sin(turn))
    along, across = half[:, 0] * cos + half[:, 1] * sin, half[:, 0] * sin + half[:, 1] * cos
    front = path.ego_s + ego.rear_axle_to_centre + ego.length / 2
    side, near = np.sign(flat.d), np.abs(flat.d) - across
    gap = near - ego.width / 2
    end = flat.s + along + _STEPS_BACK[0]
    fitting = (speed < _STANDS) & (gap > 0) & (near < _BESIDE) & (end > front) & (end < front + _AHEAD)
    end, side, near, gap = end[fitting], side[fitting], near[fitting], gap[fitting]
    place, heading, _ = path.line.at(end)
    normal = np.stack([-np.sin(heading), np.cos(heading)], axis=-1)
    points = place + (side * (near + _STEPS_BACK[1]))[:, None] * normal
    return points, end, _stoppable(np.maximum(gap - _PERSON, 0.0), config)


def _at_crosswalks(path: ReferencePath, ego: EgoState, give_way: GiveWayPlaces, config: PlannerConfig) -> _Places:
    front = path.ego_s + ego.rear_axle_to_centre + ego.length / 2
    here = (give_way.lanes < 0) & (give_way.begin > front) & (give_way.begin < front + _AHEAD)
    begin, middle = give_way.begin[here], (give_way.begin[here] + give_way.end[here]) / 2
    place, heading, _ = path.line.at(middle)
    normal = np.stack([-np.sin(heading), np.cos(heading)], axis=-1)
    aside = [side * (ego.width / 2 + far) for side in (-1.0, 1.0) for far in _CROSSWALK_SIDES]
    points = [place + d * normal for d in aside]
    allowed = [np.full(len(begin), abs(d) - ego.width / 2 - _PERSON) for d in aside]
    return np.concatenate(points), np.tile(begin, len(aside)), _stoppable(np.concatenate(allowed), config)


def _on_lanes(ego: EgoState, give_way: GiveWayPlaces, index: LaneIndex | None, config: PlannerConfig) -> _Places:
    """Points on the lanes that go first; slow for those from where a vehicle is here before the ego is through."""
    points, stations, allowed = [np.zeros((0, 2))], [np.zeros(0)], [np.zeros(0)]
    for z in np.flatnonzero(give_way.lanes >= 0) if index is not None else ():
        assert index is not None
        row, left = int(give_way.lanes[z]), _LANE_REACH
        limit = float(index.network.lane_speed_limits[row])
        limit = limit if np.isfinite(limit) else config.cruise_speed
        begin, away = float(give_way.lane_begin[z]), 0.0
        through = float(give_way.end[z] - give_way.begin[z]) + ego.length
        while left > 0:
            back = np.arange(min(_LANE_EVERY, begin), min(begin, left) + 1e-6, _LANE_EVERY)
            points.append(index.lines[row].at(begin - back)[0])
            stations.append(np.full(len(back), give_way.begin[z]))
            time = np.maximum((away + back) / limit - _REACTION, 0.1)
            allowed.append(np.where(through / max(ego.speed, _SLOWEST) > time, _CREEP, np.inf))
            left, away = left - begin, away + begin
            before = [int(r) for r in index.predecessors[row] if int(r) in index.lines]
            if left <= 0 or not before:
                break
            row = before[0]
            begin = index.lines[row].length
    return np.concatenate(points), np.concatenate(stations), np.concatenate(allowed)
