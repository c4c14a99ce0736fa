"""One planning problem in recorded traffic, in lock-step: the recording moves on as it was and reacts to nobody.

The ego's body follows its trajectory exactly, as CommonRoad has it (Althoff et al., "CommonRoad: Composable benchmarks
for motion planning on roads", IV 2017).
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import TrajectorySource
from zoox_stack.core.errors import InvalidInputError, ZooxStackError
from zoox_stack.core.geometry import box_corners, boxes_overlap, wrap_angle
from zoox_stack.core.plans import Trajectory
from zoox_stack.core.predictions import STEP
from zoox_stack.evaluation.closed_loop_map import DriveMap
from zoox_stack.evaluation.planning_stack import CONSTANT_VELOCITY, StackDriver
from zoox_stack.evaluation.recorded_futures import RECORDED, RecordedFutures
from zoox_stack.evaluation.recorded_target import find_target, wanted_speed
from zoox_stack.logs.importers.commonroad import load_commonroad_traffic
from zoox_stack.logs.importers.commonroad_problems import PlanningProblem, load_planning_problems
from zoox_stack.planning.config import PlannerConfig
from zoox_stack.road_network.importers.commonroad import load_commonroad
from zoox_stack.road_network.network import RoadNetwork

SOLVED, GOAL_MISSED, COLLISION, OFF_ROAD, FAILED = "solved", "goal_missed", "collision", "off_road", "failed"
FRONT, BEHIND, SIDE, CUT_IN, AT_START = "front", "from_behind", "side", "after_lane_change", "at_start"
OFF_ROAD_LIMIT = 0.3  # [m] of a corner of the ego's box, as in closed-loop scores
_LEAST_JUDGED = 0.5  # [s]
# Goals are where somebody was who drove faster through curves and from a stop than our planner usually does, and to be
# there in time counts more than comfort. The body turns on a smaller circle: with 1.066 rad at the wheels 0.70 1/m.
_BRISK: Mapping[str, Any] = {
    "max_acceleration": 4.0, "comfort_acceleration": 2.0, "max_lateral_acceleration": 6.0,
    "comfort_lateral_acceleration": 3.5, "max_curvature": 0.6, "start_ticks": 1,
    "weight_progress": 24.0, "weight_lateral": 0.05, "weight_lane_deviation": 2.0, "weight_lane_change": 6.0,
}  # fmt: skip
# Who knows everyone's future need not be ready for another one.
_KNOWING: Mapping[str, Any] = {"weight_unrecoverable": 0.0, "weight_straight_on": 0.0}
_RECENT = 30  # [steps] after a lane change one is still held responsible for who comes from behind


@dataclass(frozen=True)
class RecordedSettings:
    """What all problems of a benchmark have in common.

    Attributes:
        length: Of the ego [m]: vehicle 2 of the CommonRoad vehicle models, a BMW 320i.
        width: [m].
        rear_axle_to_centre: [m].
        wheelbase: [m].
        usual_speed: Wanted where the map gives no limit [m/s]: 55 mph, as on US motorways of the time.
    """

    length: float = 4.508
    width: float = 1.61
    rear_axle_to_centre: float = 1.4227
    wheelbase: float = 2.5789
    usual_speed: float = 24.6


@dataclass(frozen=True)
class ProblemResult:
    """How a problem ended.

    Attributes:
        scenario: Name of the file.
        problem: Id of the problem in it.
        planner: Who decided.
        outcome: `SOLVED`, `GOAL_MISSED`, `COLLISION`, `OFF_ROAD` or `FAILED`: it could not be driven.
        detail: Of a collision the kind; of a missed goal what did not hold; why it failed.
        steps: Driven.
        last_step: At which the goal could have been reached.
        goal: What is asked for: words of `place`, `orientation`, `velocity`; `time` always.
        safe_stops: Steps at which no candidate was acceptable.
        mishaps: Scenes of which nothing came because the planner failed.
        first_mishap: What it said the first time.
        lane_changes: Of the route.
        latencies_ms: Of each decision.
    """

    scenario: str
    problem: int
    planner: str
    outcome: str
    detail: str = ""
    steps: int = 0
    last_step: int = 0
    goal: str = ""
    safe_stops: int = 0
    mishaps: int = 0
    first_mishap: str = ""
    lane_changes: int = 0
    latencies_ms: tuple[float, ...] = ()

    def to_values(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self) | {"latencies_ms": [round(value, 3) for value in self.latencies_ms]}

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> ProblemResult:
        """Back from what `to_values` gave.

        Raises:
            InvalidInputError: Something else.
        """
        try:
            return cls(**{**values, "latencies_ms": tuple(map(float, values["latencies_ms"]))})
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidInputError("record of a problem", "one written by this version", repr(error)) from error


@dataclass(eq=False)
class _Way:
    """The ego so far, and what came of its decisions."""

    egos: list[EgoState]
    latencies: list[float] = field(default_factory=list)
    safe_stops: int = 0
    mishaps: int = 0
    first_mishap: str = ""


def drive_problem(
    path: Path,
    number: int,
    planner: str,
    settings: RecordedSettings | None = None,
    parameters: PlannerConfig | None = None,
    model_dir: str = "",
) -> ProblemResult:
    """Drive one problem of a file.

    Args:
        path: A CommonRoad scenario.
        number: Which of its problems, from 0.
        planner: A kind of `StackDriver`, or `RECORDED`: without a network, futures as they were recorded.
        settings: The ego's body.
        parameters: Of the planner; those of the ego's body are put in.
        model_dir: Folder with the two ONNX files; empty for the ones shipped with the package.

    Raises:
        InvalidInputError: The file cannot be read, or has no such problem.
    """
    settings = settings or RecordedSettings()
    problems = load_planning_problems(path)
    if number >= len(problems):
        raise InvalidInputError(str(path), f"at least {number + 1} planning problems", str(len(problems)))
    problem = problems[number]
    scenes = load_commonroad_traffic(path).scenes
    network, _ = load_commonroad(path)
    known = ProblemResult(path.stem, problem.id, planner, FAILED, last_step=problem.last_step, goal=_asked(problem))
    try:
        return _drive(problem, scenes, network, known, settings, parameters or PlannerConfig(), model_dir)
    except ZooxStackError as error:
        return replace(known, detail=str(error))


def _drive(
    problem: PlanningProblem,
    scenes: Sequence[TrackedAgents],
    network: RoadNetwork,
    known: ProblemResult,
    settings: RecordedSettings,
    parameters: PlannerConfig,
    model_dir: str,
) -> ProblemResult:
    config = replace(parameters, wheelbase=settings.wheelbase, trust_followers=False, **_BRISK)
    if known.planner == RECORDED:
        config = replace(config, **_KNOWING)
    driver = StackDriver(CONSTANT_VELOCITY if known.planner == RECORDED else known.planner, config, model_dir)
    if known.planner == RECORDED:
        driver.predictor = RecordedFutures(scenes)
    place = DriveMap(network)
    ego = start_of(problem, scenes[0].stamp_ns, settings)
    target = find_target(problem, ego, place.index, settings.usual_speed)
    driver.begin(network, None if target is None else target.route)
    way = _Way([ego])

    def result(outcome: str, detail: str = "") -> ProblemResult:
        return replace(
            known, outcome=outcome, detail=detail, steps=len(way.egos) - 1, safe_stops=way.safe_stops,
            mishaps=way.mishaps, first_mishap=way.first_mishap, latencies_ms=tuple(1e3 * s for s in way.latencies),
            lane_changes=0 if target is None else target.lane_changes,
        )  # fmt: skip

    if len(_touched(ego, scenes[0])):
        return result(COLLISION, AT_START)
    trajectory: Trajectory | None = None
    usual = usual_speed(ego, place, settings.usual_speed)
    missed: list[tuple[str, ...]] = []
    for step in range(problem.last_step):
        scene = replace(_scene(scenes, step), ego=ego)
        limit = usual_speed(ego, place, usual)
        # The problem ends with its last step: what comes later does not matter.
        left = float(np.clip(STEP * (problem.last_step - step), _LEAST_JUDGED, config.judged_time))
        driver.planner.config = replace(driver.planner.config, judged_time=left)
        driver.planner.set_wanted_speed(limit if target is None else wanted_speed(target, ego, step, limit))
        trajectory = _decide(driver, scene, way) or trajectory
        if trajectory is None:
            return result(FAILED, way.first_mishap)
        ego = follow(ego, trajectory, scene.stamp_ns + round(STEP * 1e9))
        way.egos.append(ego)
        hit = _touched(ego, _scene(scenes, step + 1))
        if len(hit):
            return result(COLLISION, _kind(way.egos, _scene(scenes, step + 1), int(hit[0]), place))
        if off_road(ego, place) > OFF_ROAD_LIMIT:
            return result(OFF_ROAD)
        held = [goal for goal in problem.goals if goal.steps.holds(step + 1)]
        states = [goal.missed(float(ego.centre[0]), float(ego.centre[1]), ego.yaw, ego.speed) for goal in held]
        if any(not state for state in states):
            return result(SOLVED)
        missed += states
    least = min(missed, key=lambda names: len(names), default=("time",))
    return result(GOAL_MISSED, "+".join(least))


def start_of(problem: PlanningProblem, stamp_ns: int, settings: RecordedSettings) -> EgoState:
    """The ego at the start of a problem, which gives the middle of the vehicle."""
    behind = settings.rear_axle_to_centre
    return EgoState(
        stamp_ns, problem.x - behind * np.cos(problem.yaw), problem.y - behind * np.sin(problem.yaw), 0.0, problem.yaw,
        problem.speed, 0.0, problem.acceleration, problem.yaw_rate, settings.length, settings.width,
        rear_axle_to_centre=behind,
    )  # fmt: skip


def follow(ego: EgoState, trajectory: Trajectory, stamp_ns: int) -> EgoState:
    """The ego where its trajectory has it at a time; at its end it stays."""
    plan = trajectory.plan
    row = min(round((stamp_ns - trajectory.stamp_ns) / (plan.step * 1e9)) - 1, len(plan) - 1)
    speed = float(plan.speed[row])
    return replace(
        ego, stamp_ns=stamp_ns, x=float(plan.x[row]), y=float(plan.y[row]), yaw=float(wrap_angle(plan.yaw[row])),
        speed=speed, acceleration=float(plan.acceleration[row]), yaw_rate=float(plan.curvature[row]) * speed,
    )  # fmt: skip


def usual_speed(ego: EgoState, place: DriveMap, unknown: float) -> float:
    """Speed wanted without a goal [m/s]: the limit of the lane under the ego."""
    row = int(place.lanes_under(ego.centre[None], np.array([ego.yaw])).rows[0])
    limit = float(place.limits[row]) if row >= 0 else np.nan
    return limit if np.isfinite(limit) and limit > 0 else unknown


def off_road(ego: EgoState, place: DriveMap) -> float:
    """How far the outermost corner of the ego's box lies off the drivable areas [m]."""
    corners = box_corners(ego.centre, np.asarray(ego.yaw), ego.length, ego.width)
    return float(place.off_road(corners).max())


def _scene(scenes: Sequence[TrackedAgents], step: int) -> TrackedAgents:
    """The recording at a time step; nobody is left after its end."""
    if step < len(scenes):
        return scenes[step]
    return TrackedAgents.empty(scenes[0].stamp_ns + round(step * STEP * 1e9))


def _touched(ego: EgoState, scene: TrackedAgents) -> NDArray[np.int64]:
    """Rows of the agents whose boxes touch the ego's."""
    overlap = boxes_overlap(
        ego.centre, ego.yaw, np.array([ego.length, ego.width]), scene.position[:, :2], scene.yaw, scene.size[:, :2]
    )
    return np.flatnonzero(overlap)


def _kind(egos: Sequence[EgoState], scene: TrackedAgents, row: int, place: DriveMap) -> str:
    """What part of the ego was touched, and whether it had changed lane before."""
    ego = egos[-1]
    offset = scene.position[row, :2] - ego.centre
    ahead = float(offset @ [np.cos(ego.yaw), np.sin(ego.yaw)])
    if ahead > ego.length / 2:
        return FRONT
    before = egos[-min(len(egos), _RECENT)]
    lanes = place.lanes_under(np.stack([before.centre, ego.centre]), np.array([before.yaw, ego.yaw])).rows
    network = place.index.network
    beside = (
        {int(network.left_neighbours[lanes[0]]), int(network.right_neighbours[lanes[0]])} if lanes[0] >= 0 else set()
    )
    if int(lanes[1]) in beside:
        return CUT_IN
    return BEHIND if ahead < -ego.length / 2 else SIDE


def _decide(driver: StackDriver, scene: TrackedAgents, way: _Way) -> Trajectory | None:
    try:
        decided = driver.decide(scene, None)
    except Exception as error:  # noqa: BLE001 - a problem is judged by what comes of it
        way.mishaps += 1
        if not way.first_mishap:
            spot = traceback.extract_tb(error.__traceback__)[-1]
            way.first_mishap = f"{type(error).__name__}: {error} ({Path(spot.filename).name}:{spot.lineno})"
        return None
    way.latencies.append(decided.latency)
    way.safe_stops += decided.trajectory.source != TrajectorySource.DECISION
    return decided.trajectory


def _asked(problem: PlanningProblem) -> str:
    goal = problem.goals[0]
    named = (("place", goal.regions), ("orientation", goal.yaw), ("velocity", goal.speed))
    return "+".join(["time", *(name for name, value in named if value is not None)])
