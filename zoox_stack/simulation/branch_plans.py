"""What the ego may do in a scene: a fixed set of behaviours, and candidates of the stack's own planner.

Speeds along SUMO's own way are driven by SUMO's driver; plans with a geometry of their own come from the planner and
are driven point by point.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState, TrackedAgents, TrafficSignals
from zoox_stack.core.classes import Rejection
from zoox_stack.core.plans import Route
from zoox_stack.core.predictions import STEP, STEPS
from zoox_stack.planning.candidates import Candidates
from zoox_stack.planning.config import PlannerConfig
from zoox_stack.planning.planner import Planner
from zoox_stack.road_network.drivable import DrivableGrid
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.road_network.queries import LaneIndex

OFFSET = 0.8  # [m] to the side in LEFT_OFFSET and RIGHT_OFFSET
TOP_SPEED = 15.3  # [m/s] that ACCELERATE and GO do not exceed unless the ego is faster already
FIXED_SHARE = 0.7  # of the plans of a scene; the others are candidates of the planner
_LEAST_DIFFERENCE = 0.5  # [m] mean distance to every other candidate chosen


class PlanKind(IntEnum):
    """What the ego does from the instant of a scene on, in the order in which few plans are chosen."""

    KEEP = 0  # what SUMO's driver does: the identity branch
    STOP = 1  # brake to a stand
    GO = 2  # accelerate and claim the gap, without giving way
    YIELD = 3  # slow for 3 s, then go on as SUMO's driver does
    BRAKE = 4  # to half the speed
    ACCELERATE = 5  # as far as safety and right of way allow
    LEFT_OFFSET = 6  # 0.8 m to the left in the lane
    RIGHT_OFFSET = 7  # 0.8 m to the right in the lane
    LANE_LEFT = 8  # change to the lane on the left
    LANE_RIGHT = 9  # change to the lane on the right
    CANDIDATE = 10  # a candidate of the planner
    GO_AT_RED = 11  # as GO, and at red too; takes its place where that is asked for


FIXED = tuple(kind for kind in PlanKind if kind not in (PlanKind.CANDIDATE, PlanKind.GO_AT_RED))
_SIDEWAYS = {  # how the planner calls them, after the name of the speed profile
    PlanKind.LEFT_OFFSET: " left in lane",
    PlanKind.RIGHT_OFFSET: " right in lane",
    PlanKind.LANE_LEFT: " to left lane",
    PlanKind.LANE_RIGHT: " to right lane",
}
_NOT_OFFERED = dict.fromkeys((PlanKind.LANE_LEFT, PlanKind.LANE_RIGHT), "there is no such lane") | dict.fromkeys(
    (PlanKind.LEFT_OFFSET, PlanKind.RIGHT_OFFSET), "the planner has no way beside the middle of the lane here"
)
_PROFILES = (
    "keep",
    "go",
    "brisk",
    "90 %",
    "ease",
    "slow then go",
    "slow",
    "crawl",
)  # of plans to the side, by preference


@dataclass(frozen=True, eq=False)
class BranchPlan:
    """One thing the ego may do.

    Attributes:
        kind: What.
        name: For people, unique in its scene.
        states: float64 ``[T, 4]`` x, y, yaw, speed of the box centre, map frame; None: SUMO drives, at the speeds of
            `speed_at`.
        reason: Why it cannot be driven; empty if it can.
    """

    kind: PlanKind
    name: str
    states: NDArray[np.float64] | None = None
    reason: str = ""


def _name(kind: PlanKind) -> str:
    return kind.name.lower().replace("_", " ")


def speed_at(kind: PlanKind, start: float, time: float) -> float | None:
    """Speed [m/s] that a plan without geometry asks for at `time` [s], from speed `start`; None: as the driver likes.

    Raises:
        KeyError: The kind has a geometry.
    """
    top = max(start, TOP_SPEED)
    return {
        PlanKind.KEEP: None,
        PlanKind.STOP: max(0.0, start - 3.5 * time),
        PlanKind.GO: min(top, start + 2.2 * time),
        PlanKind.GO_AT_RED: min(top, start + 2.2 * time),
        PlanKind.YIELD: max(0.0, start - 3.0 * time) if time <= 3.0 else None,
        PlanKind.BRAKE: max(start / 2, start - 2.0 * time),
        PlanKind.ACCELERATE: min(top, start + 1.5 * time),
    }[kind]


class PlanChooser:
    """Chooses plans for scenes of one town.

    Args:
        network: The map.
    """

    def __init__(self, network: RoadNetwork) -> None:
        self.index = LaneIndex(network)
        self._grid = DrivableGrid(self.index)
        self._planner = Planner(PlannerConfig(nudge=OFFSET))
        self._planner.set_road_network(network)

    def choose(
        self,
        scene: TrackedAgents,
        signals: TrafficSignals,
        route: Route | None,
        count: int,
        *,
        runs_red: bool = False,
    ) -> list[BranchPlan]:
        """At most `count` plans that can be driven, and those of the fixed set that cannot, with the reason.

        Args:
            scene: The instant, with ego.
            signals: Of that instant.
            route: The ego's way; None: the planner follows the lanes.
            count: Plans wanted; 7 of 10 are of the fixed set, in the order of `PlanKind`. Where a plan of the fixed
                set is impossible, a candidate takes its place.
            runs_red: GO_AT_RED in the place of GO.
        """
        assert scene.ego is not None
        self._planner.set_route(route)
        self._planner.reset()
        prepared = self._planner.prepare(scene, signals)
        candidates, codes = prepared.candidates, prepared.rejections
        plans: list[BranchPlan] = []
        used: list[int] = []
        for kind in FIXED[: max(1, round(FIXED_SHARE * count))]:
            if kind not in _SIDEWAYS:
                driven = PlanKind.GO_AT_RED if runs_red and kind is PlanKind.GO else kind
                plans.append(BranchPlan(driven, _name(driven)))
                continue
            row = _row_of(candidates, codes, kind)
            if row is None:
                plans.append(BranchPlan(kind, _name(kind), reason=_NOT_OFFERED[kind]))
                continue
            used.append(row)
            plans.append(self._plan(kind, candidates, row, scene.ego))
        possible = [
            row
            for row in np.flatnonzero(codes == Rejection.KEPT).tolist()
            if row not in used and not self._plan(PlanKind.CANDIDATE, candidates, row, scene.ego).reason
        ]
        wanted = count - sum(not plan.reason for plan in plans)
        rows = most_different(candidates, possible, used, wanted)
        return plans + [self._plan(PlanKind.CANDIDATE, candidates, row, scene.ego) for row in rows]

    def _plan(self, kind: PlanKind, candidates: Candidates, row: int, ego: EgoState) -> BranchPlan:
        states = centre_states(candidates, row, ego.rear_axle_to_centre)
        name = f"planner: {candidates.names[row]}" if kind is PlanKind.CANDIDATE else _name(kind)
        return BranchPlan(kind, name, states, leaves_the_road(states, ego, self._grid))


def centre_states(candidates: Candidates, row: int, to_centre: float) -> NDArray[np.float64]:
    """A candidate as x, y, yaw, speed of the box centre, ``[T, 4]``."""
    x, y, yaw = candidates.x[row], candidates.y[row], candidates.yaw[row]
    return np.stack([x + to_centre * np.cos(yaw), y + to_centre * np.sin(yaw), yaw, candidates.speed[row]], axis=1)


def leaves_the_road(states: NDArray[np.float64], ego: EgoState, grid: DrivableGrid) -> str:
    """Where a plan leaves the drivable ground, in words; empty if it does not.

    Looked at are the middles of the box, its front and its rear. An ego that stands beside the road already may stay
    there.

    Args:
        states: ``[T, >= 3]`` x, y, yaw of the box centre.
        ego: Before the plan begins.
        grid: The drivable ground.
    """
    start = np.array([[*ego.centre, ego.yaw]])
    poses = np.concatenate([start, states[:, :3]])
    heading = np.stack([np.cos(poses[:, 2]), np.sin(poses[:, 2])], axis=1)
    reach = np.array([-ego.length / 2, 0.0, ego.length / 2])
    points = poses[:, None, :2] + reach[:, None] * heading[:, None, :]
    off = ~grid.contains(points)
    off &= ~off[:1]
    steps = np.flatnonzero(off.any(axis=1))
    if not len(steps):
        return ""
    x, y = poses[steps[0], :2]
    return f"leaves the road after {steps[0] * STEP:.1f} s at ({x:.1f}, {y:.1f})"


def _row_of(candidates: Candidates, codes: NDArray[np.uint8], kind: PlanKind) -> int | None:
    """The candidate that is a fixed plan to the side, one the planner accepts if there is one; None without any."""
    wanted = {profile + _SIDEWAYS[kind] for profile in _PROFILES}
    rows = [row for row, name in enumerate(candidates.names) if name in wanted]
    if not rows:
        return None
    return min(rows, key=lambda row: (codes[row] != Rejection.KEPT, _PROFILES.index(candidates.profiles[row])))


def most_different(candidates: Candidates, rows: Sequence[int], taken: Sequence[int], count: int) -> list[int]:
    """Up to `count` of `rows` that differ much: each is the farthest from those before it and from `taken`.

    Distance is the mean distance over the horizon; plans closer than 0.5 m to one chosen are left out. Farthest-point
    sampling after Gonzalez, "Clustering to minimize the maximum intercluster distance", 1985.
    """
    if count <= 0 or not rows:
        return []
    xy = np.stack([candidates.x, candidates.y], axis=-1)
    assert xy.shape[1] == STEPS
    chosen: list[int] = []
    order = np.asarray(rows)
    nearest = np.full(len(order), np.inf)
    for row in taken:
        nearest = np.minimum(nearest, _mean_distance(xy[order], xy[row]))
    if not taken:
        nearest = _mean_distance(xy[order], xy[order].mean(axis=0))
    while len(chosen) < count:
        best = int(nearest.argmax())
        if nearest[best] < _LEAST_DIFFERENCE and (chosen or taken):
            break
        row = int(order[best])
        distance = _mean_distance(xy[order], xy[row])
        nearest = distance if not chosen and not taken else np.minimum(nearest, distance)
        chosen.append(row)
    return chosen


def _mean_distance(many: NDArray[np.float64], one: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.hypot(*np.moveaxis(many - one, -1, 0)).mean(axis=-1))
