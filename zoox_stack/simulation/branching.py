"""One instant, forked once per plan of the ego."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState, TrackedAgents, TrafficSignals
from zoox_stack.core.geometry import wrap_angle
from zoox_stack.core.plans import Route
from zoox_stack.core.predictions import STEPS
from zoox_stack.prediction.history import HISTORY_STEPS, HistoryColumn
from zoox_stack.simulation.branch_plans import BranchPlan, PlanChooser, PlanKind, speed_at
from zoox_stack.simulation.forking import in_fork
from zoox_stack.simulation.lane_route import lane_chain
from zoox_stack.simulation.samples import CounterfactualSample, CounterfactualScene, PlanColumn, RefusedPlan
from zoox_stack.simulation.world import STEP, Snapshot, TrafficWorld

_X_Y_YAW, _VALID, _SPEED, _VALUES = slice(0, 3), 3, 4, 5  # columns of one road user at one step of a roll-out
# SUMO's speed modes of egos that do not drive as SUMO's drivers do
_GO = 23  # does not give way to approaching vehicles, but stops at red and behind others
_GO_AT_RED = 7  # also drives at red
_FREE = 32  # no checks: the plan says it all
_MODES = {PlanKind.GO: _GO, PlanKind.GO_AT_RED: _GO_AT_RED}
_TURN_STEPS = 5  # over which the yaw rate of an ego is measured: lanes have corners
_BEHIND = 5.0  # [m] a route begins at least so far behind the rear axle
_AXLE_SHARE = 0.3  # of its length from the rear axle of an ego to its middle


@dataclass(frozen=True, eq=False)
class Branches:
    """What came of one instant, while the world goes on and its log is written.

    Attributes:
        sample: The driven plans and their futures.
        plans: The driven plans.
        refused: The others.
        plan_errors: float32 ``[M]`` [m].
        speeds: float32 ``[M, N, T]`` [m/s].
        ego_class: `AgentClass` of the ego.
        speed_now: Of the ego at the instant [m/s].
        twice: float64 ``[2, T, N + 1, 5]``: the first plan, driven twice; the ego is the last row.
        steps: Rows of the log so far, float64 ``[N + 1, 5]``.
    """

    sample: CounterfactualSample
    plans: tuple[BranchPlan, ...]
    refused: tuple[RefusedPlan, ...]
    plan_errors: NDArray[np.float32]
    speeds: NDArray[np.float32]
    ego_class: int
    speed_now: float
    twice: NDArray[np.float64]
    steps: list[NDArray[np.float64]] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether the log covers the horizon."""
        return len(self.steps) == STEPS

    def log(self, world: TrafficWorld) -> None:
        """Note what the world has just done; too late steps are ignored."""
        if not self.complete:
            self.steps.append(_observed(world, np.append(self.sample.ids, self.sample.ego_id)))

    def scene(self, seed: int) -> CounterfactualScene:
        """Everything together, once `complete`."""
        log = np.stack(self.steps)
        return CounterfactualScene(
            sample=self.sample,
            seed=seed,
            ego_class=self.ego_class,
            plan_names=tuple(plan.name for plan in self.plans),
            speeds=self.speeds,
            plan_errors=self.plan_errors,
            refused=self.refused,
            log_ego=_ego_plans(log[None, :, -1], self.speed_now)[0],
            log_futures=_futures(log[None])[0],
            log_speeds=_speeds(log[None])[0],
            log_valid=_valid(log[None])[0],
            identity_max_diff=float(max(_difference(self.twice[0], other) for other in (self.twice[1], log))),
        )


def _difference(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    return float(np.abs(one - other).max()) if np.array_equal(one[..., _VALID], other[..., _VALID]) else np.inf


def branch(
    world: TrafficWorld,
    past: deque[Snapshot],
    ego: int,
    chooser: PlanChooser,
    *,
    radius: float,
    most_agents: int,
    plans: int,
    runs_red: bool = False,
) -> Branches | None:
    """Fork the world once per plan; the world itself does not move.

    Args:
        world: The traffic now.
        past: The last 11 snapshots, the newest last.
        ego: Vehicle that plays the ego.
        chooser: Of the plans, for this town.
        radius: Agents farther from the ego are left out [m].
        most_agents: The nearest ones kept.
        plans: How many plans.
        runs_red: GO_AT_RED in the place of GO.

    Returns:
        None if the ego leaves the town even when it keeps on.
    """
    now = past[-1]
    ego_row = int(np.searchsorted(now.ids, ego))
    distance = np.hypot(*(now.states[:, :2] - now.states[ego_row, :2]).T)
    distance[ego_row] = np.inf
    nearest = np.argsort(distance, kind="stable")[:most_agents]
    rows = np.sort(nearest[distance[nearest] < radius])
    ids = np.append(now.ids[rows], ego)
    scene, signals = _planning_scene(world, past, rows, ego_row)
    assert scene.ego is not None
    speed_now = scene.ego.speed
    route = _route(world, chooser, scene.ego, ego)
    chosen = chooser.choose(scene, signals, route, plans, runs_red=runs_red)
    refused = [RefusedPlan(plan.kind, plan.name, plan.reason) for plan in chosen if plan.reason]
    driven: list[BranchPlan] = []
    futures: list[NDArray[np.float64]] = []
    for plan in (plan for plan in chosen if not plan.reason):
        future = roll_out(world, ids, plan)
        there = future[:, -1, _VALID] > 0
        if there.all():
            driven.append(plan)
            futures.append(future)
        elif plan.kind is PlanKind.KEEP:
            return None
        else:
            reason = f"the ego left the town after {there.argmin() * STEP:.1f} s"
            refused.append(RefusedPlan(plan.kind, plan.name, reason, rolled_out=True))
    result = np.stack(futures)
    history, history_valid = _history(past, ids)
    users = [world.users[i] for i in ids.tolist()]
    sizes = np.array([u.size for u in users], np.float32)
    sample = CounterfactualSample(
        town=world.town.name,
        stamp_ns=round(now.time * 1e9),
        ids=ids[:-1],
        classes=np.array([u.kind for u in users[:-1]], np.uint8),
        sizes=sizes[:-1],
        attributes=now.attributes[rows],
        history=history[:-1],
        history_valid=history_valid[:-1],
        ego_id=ego,
        ego_history=history[-1],
        ego_size=sizes[-1],
        signal_ids=world.town.net.network.signal_ids,
        signal_states=now.signals,
        behaviours=np.array([plan.kind for plan in driven], np.uint8),
        ego_plans=_ego_plans(result[:, :, -1], speed_now),
        futures=_futures(result),
        futures_valid=_valid(result),
    )
    again = roll_out(world, ids, driven[0])
    errors = [_plan_error(plan, own) for plan, own in zip(driven, result[:, :, -1], strict=True)]
    return Branches(
        sample=sample,
        plans=tuple(driven),
        refused=tuple(refused),
        plan_errors=np.array(errors, np.float32),
        speeds=_speeds(result),
        ego_class=int(users[-1].kind),
        speed_now=speed_now,
        twice=np.stack([result[0], again]),
    )


def roll_out(world: TrafficWorld, ids: NDArray[np.int64], plan: BranchPlan) -> NDArray[np.float64]:
    """What `ids` do in the next 8 s if the ego, the last of them, drives a plan; computed in a fork.

    Returns:
        float64 ``[T, len(ids), 5]``: x, y, yaw, present, speed. Of the ego the speed is SUMO's; of the others that over
        ground.

    Raises:
        ZooxStackError: The fork died.
    """

    def work(result: NDArray[np.float64]) -> None:
        driver = _Driver(world, int(ids[-1]), plan)
        for step in range(STEPS):
            driver.act(step)
            world.step(lights=False)
            result[step] = _observed(world, ids)
        if plan.states is not None:
            result[:, -1, _SPEED] = plan.states[:, 3]

    return in_fork(work, (STEPS, len(ids), _VALUES))


def _observed(world: TrafficWorld, ids: NDArray[np.int64]) -> NDArray[np.float64]:
    """Where `ids` are, the ego last: ``[len(ids), 5]``; zero where someone has left."""
    result = np.zeros((len(ids), _VALUES))
    rows, present = world.snapshot.rows(ids)
    states = world.snapshot.states[rows[present]]
    result[present, _X_Y_YAW] = states[:, :3]
    result[:, _VALID] = present
    result[present, _SPEED] = np.hypot(states[:, HistoryColumn.VX], states[:, HistoryColumn.VY])
    if present[-1]:  # SUMO's speed: that of the box middle leaps where lanes bend
        result[-1, _SPEED] = world.vehicle.getSpeed(str(ids[-1]))
    return result


class _Driver:
    """Makes the ego drive a plan.

    Where SUMO's driver drives (keep, stop, yield, brake, accelerate) it is only asked for a speed: it still brakes for
    what it would brake for. GO and plans with a geometry of their own leave that to nobody.
    """

    def __init__(self, world: TrafficWorld, ego: int, plan: BranchPlan) -> None:
        self.world, self.ego, self.plan = world, ego, plan
        self.start = float(world.vehicle.getSpeed(str(ego)))
        mode = _FREE if plan.states is not None else _MODES.get(plan.kind)
        if mode is not None:
            world.controlled.add(ego)
            world.vehicle.setSpeedMode(str(ego), mode)

    def act(self, step: int) -> None:
        """Say what to do in step `step`, counted from 0."""
        if self.plan.states is not None:
            self.world.steer(self.ego, *self.plan.states[step].tolist())
            return
        speed = speed_at(self.plan.kind, self.start, (step + 1) * STEP)
        if self.ego not in self.world.controlled:
            if speed is None:
                self.world.asked.pop(self.ego, None)
            else:
                self.world.asked[self.ego] = speed
        elif speed is not None and str(self.ego) in self.world.vehicle.getIDList():
            self.world.vehicle.setSpeed(str(self.ego), speed)


def _plan_error(plan: BranchPlan, own: NDArray[np.float64]) -> float:
    """Largest distance between what was asked and what was driven [m]; NaN where SUMO drove."""
    if plan.states is None:
        return float("nan")
    return float(np.hypot(*(own[:, :2] - plan.states[:, :2]).T).max())


def _planning_scene(
    world: TrafficWorld, past: deque[Snapshot], rows: NDArray[np.int64], ego_row: int
) -> tuple[TrackedAgents, TrafficSignals]:
    """The instant as the planner sees it."""
    now, name = past[-1], str(past[-1].ids[ego_row])
    stamp = round(now.time * 1e9)
    users = [world.users[i] for i in now.ids[rows].tolist()]
    states = now.states[rows]
    sizes = np.array([u.size for u in users], np.float32).reshape(-1, 3)
    x, y, yaw = now.states[ego_row, :3].tolist()
    length, width, height = world.users[int(name)].size
    before = past[-1 - _TURN_STEPS].states[int(np.searchsorted(past[-1 - _TURN_STEPS].ids, int(name)))]
    to_centre = _AXLE_SHARE * length
    ego = EgoState(
        stamp,
        x - to_centre * np.cos(yaw),
        y - to_centre * np.sin(yaw),
        yaw=yaw,
        speed=float(world.vehicle.getSpeed(name)),
        acceleration=float(world.vehicle.getAcceleration(name)),
        yaw_rate=float(wrap_angle(yaw - before[HistoryColumn.YAW])) / (_TURN_STEPS * STEP),
        length=length,
        width=width,
        height=height,
        rear_axle_to_centre=to_centre,
    )
    scene = TrackedAgents.from_states(
        stamp,
        now.ids[rows],
        np.array([u.kind for u in users], np.uint8),
        np.column_stack([states[:, :2], sizes[:, 2] / 2]),
        np.asarray(wrap_angle(states[:, HistoryColumn.YAW])),
        states[:, HistoryColumn.VX :],
        sizes,
        ego=ego,
        attributes=now.attributes[rows],
    )
    network = world.town.net.network
    return scene, TrafficSignals(stamp, network.signal_ids, now.signals, np.ones(len(network.signal_ids), np.float32))


def _route(world: TrafficWorld, chooser: PlanChooser, ego: EgoState, identity: int) -> Route | None:
    """The ego's way over lanes, beginning behind it; None where it drives on something that is no lane of the map."""
    vehicle: Any = world.vehicle
    net, index, name = world.town.net, chooser.index, str(identity)
    start = net.lane_rows.get(vehicle.getLaneID(name))
    if start is None or start not in index.lines:
        return None
    chain = lane_chain(net, vehicle.getRoute(name)[vehicle.getRouteIndex(name) :], start)
    place = np.array([[ego.x, ego.y]])
    while index.path_of(chain).line.project(place).s[0] < _BEHIND:  # SUMO's lane is that of the front bumper
        before = [int(row) for row in index.predecessors[chain[0]] if int(row) in index.lines and int(row) not in chain]
        if not before:
            return None
        chain.insert(0, min(before, key=lambda row: float(abs(index.lines[row].project(place).d[0]))))
    xy = index.path_of(chain).line.xy
    return Route(ego.stamp_ns, np.column_stack([xy, np.zeros(len(xy))]), net.network.lane_ids[chain])


def _history(past: deque[Snapshot], ids: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    history = np.zeros((len(ids), HISTORY_STEPS, len(HistoryColumn)))
    valid = np.zeros((len(ids), HISTORY_STEPS), bool)
    for column, snapshot in enumerate(past):
        rows, present = snapshot.rows(ids)
        history[present, column] = snapshot.states[rows[present]]
        valid[:, column] = present
    return history, valid


def _ego_plans(own: NDArray[np.float64], speed_now: float) -> NDArray[np.float32]:
    """Ego plans ``[M, T, 5]``, columns `PlanColumn`, from its roll-outs ``[M, T, 5]``."""
    speed = own[..., _SPEED]
    acceleration = np.diff(speed, axis=1, prepend=speed_now) / STEP
    columns = {PlanColumn.SPEED: speed, PlanColumn.ACCELERATION: acceleration}
    plans = np.empty((*own.shape[:2], len(PlanColumn)), np.float32)
    plans[..., _X_Y_YAW] = own[..., _X_Y_YAW]
    for column, values in columns.items():
        plans[..., column] = values
    return plans


def _valid(results: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Present without a break since the instant, ``[M, N, T]``, of results ``[M, T, N + 1, 5]``."""
    return np.asarray(np.cumprod(results[:, :, :-1, _VALID] > 0, axis=1).transpose(0, 2, 1), np.bool_)


def _futures(results: NDArray[np.float64]) -> NDArray[np.float32]:
    states = results[:, :, :-1, _X_Y_YAW].transpose(0, 2, 1, 3)
    return np.where(_valid(results)[..., None], states, 0).astype(np.float32)


def _speeds(results: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.where(_valid(results), results[:, :, :-1, _SPEED].transpose(0, 2, 1), 0).astype(np.float32)
