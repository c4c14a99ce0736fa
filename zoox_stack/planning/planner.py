"""The planner: makes candidate plans, judges them by the futures of others, asks how these would react, decides."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState, TrackedAgents, TrafficSignals
from zoox_stack.core.classes import PredictionSource, SignalState, WhatIfStatus
from zoox_stack.core.collision import rows_of
from zoox_stack.core.constant_velocity import constant_velocity_prediction
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.geometry import boxes_overlap
from zoox_stack.core.plans import EgoPlan, PlanDecision, Route, Trajectory
from zoox_stack.core.predictions import STEP, STEPS, PredictedAgents, WhatIfAnswer, WhatIfRequest
from zoox_stack.planning.candidates import make_candidates
from zoox_stack.planning.config import PlannerConfig
from zoox_stack.planning.costs import motion_costs
from zoox_stack.planning.decision import choose
from zoox_stack.planning.feasibility import check_motion
from zoox_stack.planning.futures import later, overlay, staying
from zoox_stack.planning.giving_way import trust_in_giving_way
from zoox_stack.planning.lane_choice import lane_terms
from zoox_stack.planning.occlusion import sight_speeds
from zoox_stack.planning.path_agents import find_path_agents
from zoox_stack.planning.path_sides import LaneSides
from zoox_stack.planning.proposal import Preparation, Proposal
from zoox_stack.planning.recent_motion import RecentAccelerations
from zoox_stack.planning.reference_path import PathSource, ReferencePath, ReferencePathFinder
from zoox_stack.planning.right_of_way import GiveWayFinder, GiveWayPlaces, OwnWay
from zoox_stack.planning.signal_states import kept_by_signals, known_states
from zoox_stack.planning.standing import StandingWatch, belief_in_staying, find_blocker, has_way_past, waiting_term
from zoox_stack.planning.weighing import weigh
from zoox_stack.road_network.drivable import DrivableGrid
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.road_network.queries import LaneIndex, StopPoints

_JUST_OVER = 2.0  # [m] beyond a stop line: still waiting at it,
_NEARLY_STANDS = 1.0  # [m/s] if the ego is not faster
_GROUND_CELL = 0.25  # [m] of the grid of drivable ground: plans pass close to its edge
_GOAL_BRAKING = 1.5  # times the usual braking that stopping at the goal is worth
_SPARE = 1.5  # of the way that usual braking takes
_STANDS_STILL = 0.3  # [m] that a stop line leaves open beyond it
_SMALLER = np.arange(0.95, 0.45, -0.05)  # shares of their size that boxes which reach into the ego's may be
_LONGEST_MEMORY = 1.0  # [s] predictions older than this say less than present velocities
LONGEST_GAP = 2.0  # [s] between scenes; after a longer one, or when time runs back, the past is forgotten


class Planner:
    """Plans one scene after the other: `prepare`, `judge` with its predictions, then `decide`, answered or not.

    Deterministic: the same calls give the same results. Keeps the last chosen plan and the way taken so far.

    Args:
        config: Parameters.
    """

    def __init__(self, config: PlannerConfig | None = None) -> None:
        self.config = config or PlannerConfig()
        self._standing = StandingWatch()
        self._accelerations = RecentAccelerations()
        self._finder = ReferencePathFinder(self.config.max_route_distance)
        self._index: LaneIndex | None = None
        self._grid: DrivableGrid | None = None
        self._sides: LaneSides | None = None
        self._give_way: GiveWayFinder | None = None
        self._last_plan: tuple[int, EgoPlan] | None = None
        self._predicted: PredictedAgents | None = None
        self._last_stamp: int | None = None
        self._wanted_speed: float | None = None
        self._wanted_to_start = 0  # decisions in a row

    def set_road_network(self, network: RoadNetwork | None) -> None:
        """Use another map; None: plan without."""
        self._index = LaneIndex(network) if network is not None and len(network.lane_ids) else None
        self._grid = DrivableGrid(self._index, cell=_GROUND_CELL, margin=0.0) if self._index is not None else None
        self._sides = LaneSides(self._index) if self._index is not None else None
        self._give_way = GiveWayFinder(self._index) if self._index is not None else None
        self._finder.set_index(self._index, self._grid)

    @property
    def index(self) -> LaneIndex | None:
        """The map in use."""
        return self._index

    def set_route(self, route: Route | None, *, stop_at_end: bool = False) -> None:
        """Follow another route; None: follow the lanes.

        Args:
            route: The way.
            stop_at_end: Its end is a goal; else it goes on along the lanes there.

        Raises:
            InvalidInputError: The route names lanes the map does not have.
        """
        self._finder.set_route(route, stop_at_end=stop_at_end)

    def set_wanted_speed(self, speed: float | None) -> None:
        """Want this speed [m/s] in place of all limits, to be somewhere at some time; None: the limits.

        Raises:
            InvalidInputError: Not a number above 0.
        """
        if speed is not None and not (np.isfinite(speed) and speed > 0):
            raise InvalidInputError("wanted speed", "> 0 m/s", f"{speed}")
        self._wanted_speed = speed

    def reset(self) -> None:
        """Forget the last plan and the way taken; keep map and route."""
        self._finder.reset()
        self._standing.reset()
        self._accelerations.reset()
        self._last_plan = None
        self._wanted_to_start = 0
        self._predicted = None
        self._last_stamp = None

    def propose(
        self, scene: TrackedAgents, predicted: PredictedAgents | None, signals: TrafficSignals | None
    ) -> Proposal:
        """`prepare` and `judge` in one, for callers that have scene and predictions at the same time."""
        return self.judge(self.prepare(scene, signals), predicted)

    def prepare(self, scene: TrackedAgents, signals: TrafficSignals | None) -> Preparation:
        """Make candidates for a scene whose predictions are still to come.

        Leads to follow and crossing agents to yield to are found with what is expected already: the last predictions,
        and constant velocities of agents that were not in them.

        Args:
            scene: Agents and ego.
            signals: States of the traffic signals, None if none are known.

        Raises:
            InvalidInputError: The scene has no ego.
        """
        ego = scene.ego
        if ego is None:
            raise InvalidInputError("scene.ego", "the state of the ego", "none", "is odometry published?")
        self._notice_time(scene.stamp_ns)
        config = self.config
        path = self._finder.find(ego, min(8.0 * max(ego.speed, 0.0) + 80.0, 8.0 * config.max_speed) + 20.0)
        path = with_goal_line(path, ego)
        if self._wanted_speed is not None:
            path = replace(path, speed_limit=np.full(len(path.speed_limit), self._wanted_speed))
        scene = beside_ego(scene, ego)
        rows, overlapping = relevant_agents(scene, ego, config.trust_followers)
        agents = find_path_agents(
            path, ego, self._expected(scene).take(rows), scene.position[rows, :2], scene.yaw[rows],
            scene.size[rows, :2].astype(np.float64), scene.existence[rows].astype(np.float64),
        )  # fmt: skip
        give_way = self._give_way.find(path, ego) if self._give_way is not None else GiveWayPlaces.of([])
        waits_at = np.concatenate([path.stops.s, give_way.begin, path.line.s[path.in_intersection]])
        stood = self._standing.update(scene)
        stays = belief_in_staying(scene, ego, stood, self._standing.ego_stood)
        states = known_states(signals, scene.stamp_ns, config)
        if self._index is not None:
            kept = kept_by_signals(scene, path, give_way, stood, states, self._index)
            stays = np.maximum(stays, kept)
        own_way = self._own_way(path, ego, states)
        blocker = find_blocker(path, ego, agents, scene, rows, stood, waits_at, stays)
        if blocker is not None and not has_way_past(path, ego, blocker, self._grid):
            blocker = None
        candidates = make_candidates(path, ego, agents, config, self._grid, blocker)
        stops = closed_stops(path, ego, states, config)
        last = self._last_positions(scene.stamp_ns)
        past = self._accelerations.update(ego)
        sides = self._sides.along(path) if self._sides is not None else None
        sight = sight_speeds(path, ego, scene, give_way, self._index, config)
        motion = check_motion(candidates, path, ego, stops, self._grid, last, config, sides, sight, past)
        waiting = waiting_term(candidates, ego, blocker)
        lanes = lane_terms(candidates, path, ego, agents, config)
        return Preparation(
            scene=scene,
            ego=ego,
            path=path,
            rows=rows,
            stays=stays[rows],
            overlapping=scene.ids[overlapping],
            candidates=candidates,
            rejections=motion.rejections,
            motion=motion_costs(candidates, path, motion.terms, config, waiting, lanes),
            give_way=give_way,
            own_way=own_way,
            notes=_notes(path, signals, config),
        )

    def judge(self, prepared: Preparation, predicted: PredictedAgents | None) -> Proposal:
        """Judge the candidates by unconditional futures, and choose what to ask.

        Args:
            prepared: From `prepare`.
            predicted: Futures of this scene; agents it leaves out, or all if it is None, are taken to keep their
                velocity.

        Raises:
            InvalidInputError: The predictions are of another scene or have other steps.
        """
        scene, ego, path, candidates, config = (
            prepared.scene, prepared.ego, prepared.path, prepared.candidates, self.config,
        )  # fmt: skip
        planning_scene = prepared.planning_scene(complete_futures(scene, predicted))
        futures = staying(planning_scene.futures, planning_scene.position, planning_scene.stays)
        planning_scene = replace(planning_scene, futures=futures)
        self._predicted = predicted if predicted is not None else self._predicted
        agents = find_path_agents(
            path, ego, planning_scene.futures, planning_scene.position, planning_scene.yaw, planning_scene.sizes,
            planning_scene.existence,
        )  # fmt: skip
        weighed = weigh(prepared, planning_scene, agents, config)
        asked = weighed.asked
        if len(asked) < 2 or not len(planning_scene.ids):
            asked = np.zeros(0, np.int64)
        request = None
        if len(asked):
            plans = tuple(candidates.plan(int(row)) for row in asked)
            request = WhatIfRequest(scene.stamp_ns, plans, config.what_if_deadline, affected_only=True)
        return Proposal(
            stamp_ns=scene.stamp_ns,
            ego=ego,
            path=path,
            known_ids=scene.ids,
            scene=planning_scene,
            predictions_from=PredictionSource.CONSTANT_VELOCITY if predicted is None else predicted.source,
            agents=agents,
            candidates=candidates,
            rejections=weighed.rejections,
            motion=prepared.motion,
            costs=weighed.costs,
            report=weighed.report,
            danger=weighed.danger,
            asked=asked,
            request=request,
            own_way=prepared.own_way,
            notes=prepared.notes,
        )

    def decide(
        self, proposal: Proposal, answer: WhatIfAnswer | None, status: WhatIfStatus
    ) -> tuple[Trajectory, PlanDecision]:
        """Choose a plan.

        Args:
            proposal: From `judge` or `propose`.
            answer: The answer to `proposal.request`, None if there is none.
            status: Outcome of the question as the caller knows it (`TIMEOUT`, `NO_SERVICE`, ...); of an answer its
                own status counts, after it is checked.

        Returns:
            What the ego is to do, and why. There is always a trajectory: without an acceptable candidate a stop on
            the current path.
        """
        may_start = self._wanted_to_start >= self.config.start_ticks - 1
        trajectory, decision, drives_off = choose(proposal, answer, status, self.config, may_start)
        self._wanted_to_start = self._wanted_to_start + 1 if drives_off else 0
        self._last_plan = (proposal.stamp_ns, trajectory.plan)
        return trajectory, decision

    def _notice_time(self, stamp_ns: int) -> None:
        last = self._last_stamp
        if last is not None and not 0 <= stamp_ns - last <= LONGEST_GAP * 1e9:
            self.reset()
        self._last_stamp = stamp_ns

    def _own_way(self, path: ReferencePath, ego: EgoState, states: dict[int, SignalState]) -> OwnWay:
        """Where others have to give way to the ego."""
        if self._give_way is None:
            return OwnWay(GiveWayPlaces.of([]), (), 0.0)
        places = self._give_way.find_own(path, ego, states)
        trust = trust_in_giving_way(self.config.right_of_way_trust, self._standing.ego_stood)
        return OwnWay(places, tuple(self._give_way.line(int(row)) for row in places.lanes), trust)

    def _expected(self, scene: TrackedAgents) -> PredictedAgents:
        """Futures of the scene's agents as far as they are known without predictions of this scene."""
        last = self._predicted
        if last is None or not 0 <= (age := (scene.stamp_ns - last.stamp_ns) / 1e9) <= _LONGEST_MEMORY:
            return constant_velocity_prediction(scene)
        known = later(last, round(age / STEP))
        if np.array_equal(known.agent_ids, scene.ids):
            return known
        return overlay(constant_velocity_prediction(scene), known)

    def _last_positions(self, stamp_ns: int) -> NDArray[np.float64] | None:
        """The last chosen plan at the times of the new candidates, ``[STEPS, 2]`` [m]; NaN beyond its end."""
        if self._last_plan is None:
            return None
        made, plan = self._last_plan
        have = plan.step * np.arange(1, len(plan) + 1)
        wanted = (stamp_ns - made) / 1e9 + STEP * np.arange(1, STEPS + 1)
        return np.stack([np.interp(wanted, have, axis, right=np.nan) for axis in (plan.x, plan.y)], axis=1)


def closed_stops(
    path: ReferencePath, ego: EgoState, states: dict[int, SignalState], config: PlannerConfig
) -> NDArray[np.float64]:
    """Stop lines that must not be crossed now, the goal among them, arc lengths [m].

    Who faces the wrong way on a lane must not go farther than it takes to stop. The goal is closed while it can be
    reached in comfort: who cannot stop there any more drives on and comes back.
    Red closes a line unless the ego can no longer stop before it with full braking; yellow closes it if the usual
    braking is enough. Who stands a little beyond a line still waits at it. Unknown, off and flashing states close
    nothing: there the agents and the map decide.
    """
    front = path.ego_s + ego.rear_axle_to_centre + ego.length / 2
    closed = []
    goal = goal_line(path, ego)
    if goal is not None and front <= goal + _JUST_OVER:
        needed = max(ego.speed, 0.0) ** 2 / (2 * max(goal + _JUST_OVER - front, 0.1))
        closed = [goal] if needed <= _GOAL_BRAKING * config.comfort_deceleration else []
    if path.source == PathSource.AGAINST:  # to a stop, and no farther
        closed.append(front + max(ego.speed, 0.0) ** 2 / (2 * config.comfort_deceleration) * _SPARE - _STANDS_STILL)
    for s, governing in zip(path.stops.s, path.stops.signals, strict=True):
        gap = float(s) - front
        if gap < 0 and (gap < -_JUST_OVER or ego.speed > _NEARLY_STANDS):
            continue
        needed = max(ego.speed, 0.0) ** 2 / (2 * max(gap, 0.1))
        shown = {states.get(i) for i in governing}
        red = SignalState.RED in shown and needed <= config.max_deceleration
        if red or (SignalState.YELLOW in shown and needed <= config.comfort_deceleration):
            closed.append(float(s))
    return np.array(closed)


def goal_line(path: ReferencePath, ego: EgoState) -> float | None:
    """A stop line for the goal, arc length [m]: whose bumper is there has base_link at the goal.

    As before every line the margin is kept, so that who stops a little late is still at the goal.
    """
    return None if path.goal_s is None else path.goal_s + ego.rear_axle_to_centre + ego.length / 2


def with_goal_line(path: ReferencePath, ego: EgoState) -> ReferencePath:
    """The path with the goal as one more stop line, without signals."""
    goal = goal_line(path, ego)
    if goal is None:
        return path
    stops = sorted([*zip(path.stops.s.tolist(), path.stops.signals, strict=True), (goal, ())])
    return replace(path, stops=StopPoints(np.array([s for s, _ in stops]), tuple(ids for _, ids in stops)))


def _notes(path: ReferencePath, signals: TrafficSignals | None, config: PlannerConfig) -> tuple[str, ...]:
    """What is missing in the input, for the explanation."""
    notes = []
    here = float(np.interp(path.ego_s, path.line.s, path.speed_limit))
    if not np.isfinite(here) or here <= 0:
        notes.append(f"no speed limit known, {min(config.cruise_speed, config.max_speed):.1f} m/s assumed")
    known = set()
    if signals is not None:
        sure = (signals.confidence >= config.signal_confidence) & (signals.states != SignalState.UNKNOWN)
        known = set(signals.ids[sure].tolist())
    dark = sum(bool(governing) and known.isdisjoint(governing) for governing in path.stops.signals)
    if dark:
        notes.append(f"signals unknown at {dark} stop line{'s' * (dark > 1)} ahead")
    return tuple(notes)


def complete_futures(scene: TrackedAgents, predicted: PredictedAgents | None) -> PredictedAgents:
    """Futures of all agents of the scene: predicted, or with constant velocity.

    Raises:
        InvalidInputError: The predictions are of another scene or have other steps.
    """
    if predicted is None:
        return constant_velocity_prediction(scene)
    if predicted.stamp_ns != scene.stamp_ns:
        raise InvalidInputError("PredictedAgents.stamp_ns", f"the scene's {scene.stamp_ns}", f"{predicted.stamp_ns}")
    if predicted.steps != STEPS or abs(predicted.step - STEP) > 1e-6:
        raise InvalidInputError(
            "PredictedAgents steps", f"{STEPS} of {STEP} s", f"{predicted.steps} of {predicted.step} s"
        )
    if np.array_equal(predicted.agent_ids, scene.ids):
        return predicted
    if (rows_of(predicted.agent_ids, scene) < 0).any():
        raise InvalidInputError("PredictedAgents.agent_ids", "ids of the scene", "others")
    return overlay(constant_velocity_prediction(scene), predicted)


def beside_ego(scene: TrackedAgents, ego: EgoState) -> TrackedAgents:
    """The scene with boxes that reach a little into the ego's made smaller: measured boxes are not exact.

    Otherwise every plan would collide with them, or they would have to be left out and might be hit. Those that would
    have to lose more than half their size stay as they are.
    """
    touching = np.flatnonzero(_overlaps(scene, ego, np.arange(len(scene)), 1.0))
    if not len(touching):
        return scene
    size = scene.size.copy()
    for row in touching:
        fitting = [share for share in _SMALLER if not _overlaps(scene, ego, np.array([row]), share)[0]]
        size[row, :2] *= fitting[0] if fitting else 1.0
    return replace(scene, size=size)


def _overlaps(scene: TrackedAgents, ego: EgoState, rows: NDArray[np.int64], share: float) -> NDArray[np.bool_]:
    """Whether boxes of so much of their size overlap the ego's, ``[len(rows)]``."""
    return boxes_overlap(
        ego.centre, ego.yaw, (ego.length, ego.width),
        scene.position[rows, :2], scene.yaw[rows], share * scene.size[rows, :2].astype(np.float64),
    )  # fmt: skip


def relevant_agents(
    scene: TrackedAgents, ego: EgoState, trust_followers: bool = True
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of the agents that matter, and of those that overlap the ego's box now (most likely the ego itself).

    Those that drive behind the ego in its lane must keep their distance themselves and do not matter, if they are
    trusted.
    """
    cos, sin = np.cos(ego.yaw), np.sin(ego.yaw)
    offset = scene.position[:, :2] - ego.centre
    ahead, left = offset @ [cos, sin], offset @ [-sin, cos]
    turn = scene.yaw - ego.yaw
    length, width = scene.size[:, 0].astype(np.float64), scene.size[:, 1].astype(np.float64)
    across = (np.abs(np.sin(turn)) * length + np.abs(np.cos(turn)) * width) / 2
    overlapping = _overlaps(scene, ego, np.arange(len(scene)), 1.0)
    beside = np.abs(left) < across + ego.width / 2 + 0.3
    following = ~overlapping & beside & (ahead < -(ego.length / 2)) & (np.cos(turn) > 0.7)
    matter = ~overlapping & ~(following & trust_followers)
    return np.flatnonzero(matter), np.flatnonzero(overlapping)
