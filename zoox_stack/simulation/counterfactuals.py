"""What everyone does when the ego does something else: the same world, several ego behaviours.

At an instant the process is forked once per behaviour. A fork is an exact copy of the world, random state included, so
that two futures differ only through what the ego does.
"""

from __future__ import annotations

import gc
import mmap
import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from zoox_stack.core.classes import AgentClass
from zoox_stack.core.errors import ZooxStackError
from zoox_stack.core.parameters import parameter
from zoox_stack.core.predictions import STEPS
from zoox_stack.prediction.history import HISTORY_STEPS, HistoryColumn
from zoox_stack.simulation.demand import FIRST_PEDESTRIAN, DemandConfig
from zoox_stack.simulation.samples import CounterfactualSample, affected_agents
from zoox_stack.simulation.towns import Town
from zoox_stack.simulation.world import STEP, Snapshot, TrafficWorld

_STATE = slice(0, 3)  # x, y, yaw of HistoryColumn
_VALUES = 5  # x, y, yaw, valid, speed (of the ego only) of one agent at one step
_SAFE = 31  # SUMO speed mode: all checks on
_CLAIM = 23  # does not give way to approaching vehicles, but stops at red and behind others
_RUN = 7  # also drives at red
LEAST_WAY = 90.0  # [m] an ego must have left to drive
_LIMIT = 13.9  # [m/s] speed that GO_FIRST and CONSTANT do not exceed by much


class Behaviour(IntEnum):
    """What the ego does from the instant on."""

    KEEP = 0  # what SUMO's driver does
    BRAKE = 1  # to a stop
    SLOW = 2  # to half the speed
    CONSTANT = 3  # on with the present speed, without giving way
    GO_FIRST = 4  # accelerate, without giving way
    OTHER = 5  # change lane where there is one beside, else yield for 3 s and then go


@dataclass(frozen=True)
class CounterfactualConfig:
    """How instants and egos are chosen."""

    radius: float = parameter(80.0, "agents farther from the ego are left out", unit="m", low=10.0, high=300.0)
    max_agents: int = parameter(48, "nearest agents kept", low=1, high=512)
    min_agents: int = parameter(8, "instants with fewer agents around the ego are passed over", low=0, high=512)
    warm_up: float = parameter(22.0, "traffic before the first instant", unit="s", low=2.0, high=600.0)
    shortest_gap: float = parameter(1.5, "shortest time between instants", unit="s", low=0.1, high=60.0)
    longest_gap: float = parameter(3.5, "longest time between instants", unit="s", low=0.1, high=60.0)
    instants: int = parameter(12, "instants per episode", low=1, high=1000)
    keep_unaffected: float = parameter(
        0.35, "share of samples kept in which nobody's future depends on the ego", low=0.0, high=1.0
    )


def counterfactual_samples(
    town: Town, seed: int, folder: Path, *, demand: DemandConfig, config: CounterfactualConfig
) -> Iterator[CounterfactualSample]:
    """Simulate one episode and yield its samples.

    Args:
        town: Where.
        seed: The same seed gives the same samples.
        folder: Where SUMO's route file goes.
        demand: How busy.
        config: How instants and egos are chosen.

    Raises:
        ConfigurationError: SUMO is not installed.
        ZooxStackError: A forked simulation failed.
    """
    random = np.random.default_rng([seed, 5])
    past: deque[Snapshot] = deque(maxlen=HISTORY_STEPS)
    with TrafficWorld(town, demand, seed, folder) as world:
        world.run(config.warm_up - HISTORY_STEPS * STEP)
        for _ in range(config.instants):
            for _ in range(round(random.uniform(config.shortest_gap, config.longest_gap) / STEP)):
                past.append(world.step())
            ego = choose_ego(world, past, random, config) if len(past) == HISTORY_STEPS else None
            if ego is None:
                continue
            sample = branch(world, past, ego, random, config)
            keep = random.random() < config.keep_unaffected
            if sample is not None and (keep or affected_agents(sample).any()):
                yield sample


def choose_ego(
    world: TrafficWorld, past: deque[Snapshot], random: Generator, config: CounterfactualConfig
) -> int | None:
    """A vehicle with company and a way to go, preferably one in conflict with others; None if there is none."""
    now, vehicle = past[-1], world.vehicle
    xy = now.states[:, :2]
    known = past[0].rows(now.ids)[1]
    candidates, weights = [], []
    for row in np.flatnonzero((now.ids < FIRST_PEDESTRIAN) & known).tolist():
        name, user = str(now.ids[row]), world.users[int(now.ids[row])]
        near = np.hypot(*(xy - xy[row]).T) < config.radius
        if user.kind is AgentClass.BICYCLE or near.sum() - 1 < config.min_agents or vehicle.getStopState(name) & 1:
            continue
        if _way_left(world, name) < LEAST_WAY:
            continue
        # a foe is (id, ego distance, foe distance, ...) to the place where the ways cross
        foes = sum(1 for foe in vehicle.getJunctionFoes(name, 45.0) if 0 < foe[2] < 45.0)
        follower, gap = vehicle.getFollower(name, 25.0)
        speed = float(np.hypot(*now.states[row, HistoryColumn.VX :]))
        leader = vehicle.getLeader(name, 10.0)
        if speed < 0.5 and leader and leader[1] < 6.0:
            continue  # stands in a queue: all its futures are alike
        weight = 0.1 + min(foes, 4) + (1.5 if follower and 0 <= gap < 25 else 0.0)
        weights.append(weight * (1.0 if speed > 2 else 0.4) * (1.0 if user.kind is AgentClass.CAR else 0.5))
        candidates.append(int(now.ids[row]))
    if not candidates:
        return None
    return int(random.choice(candidates, p=np.array(weights) / np.sum(weights)))


def _way_left(world: TrafficWorld, name: str) -> float:
    """Distance to the end of the route [m], about."""
    vehicle = world.vehicle
    if vehicle.getRoadID(name).startswith(":"):
        used = 0.0
    else:
        used = vehicle.getLanePosition(name)
    rest = vehicle.getRoute(name)[vehicle.getRouteIndex(name) :]
    return sum(world.town.net.edge_lengths.get(edge, 0.0) for edge in rest) - float(used)


def branch(
    world: TrafficWorld, past: deque[Snapshot], ego: int, random: Generator, config: CounterfactualConfig
) -> CounterfactualSample | None:
    """Fork the world once per behaviour. None if the ego left the town in one of the futures."""
    now = past[-1]
    ego_row = int(np.searchsorted(now.ids, ego))
    distance = np.hypot(*(now.states[:, :2] - now.states[ego_row, :2]).T)
    distance[ego_row] = np.inf
    nearest = np.argsort(distance, kind="stable")[: config.max_agents]
    rows = np.sort(nearest[distance[nearest] < config.radius])
    ids = np.append(now.ids[rows], ego)
    runs_red = random.random() < 0.15
    futures = np.stack([_roll_out(world, ids, ego, behaviour, runs_red) for behaviour in Behaviour])
    if not futures[:, :, -1, 3].all():
        return None
    others, own = futures[:, :, :-1], futures[:, :, -1]
    speed_now = float(world.vehicle.getSpeed(str(ego)))
    history, history_valid = _history(past, ids)
    users = [world.users[i] for i in ids.tolist()]
    sizes = np.array([u.size for u in users], np.float32)
    return CounterfactualSample(
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
        behaviours=np.array(Behaviour, np.uint8),
        ego_plans=_plans(own, speed_now),
        futures=np.where(others[..., 3:4] > 0, others[..., :3], 0).transpose(0, 2, 1, 3).astype(np.float32),
        futures_valid=(others[..., 3] > 0).transpose(0, 2, 1),
    )


def _history(past: deque[Snapshot], ids: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    history = np.zeros((len(ids), HISTORY_STEPS, len(HistoryColumn)))
    valid = np.zeros((len(ids), HISTORY_STEPS), bool)
    for column, snapshot in enumerate(past):
        rows, present = snapshot.rows(ids)
        history[present, column] = snapshot.states[rows[present]]
        valid[:, column] = present
    return history, valid


def _plans(own: NDArray[np.float64], speed_now: float) -> NDArray[np.float32]:
    """Ego plans ``[M, T, 5]`` from its roll-outs ``[M, T, 5]``: columns `PlanColumn`."""
    speed = own[..., 4]
    acceleration = np.diff(speed, axis=1, prepend=speed_now) / STEP
    return np.concatenate([own[..., _STATE], speed[..., None], acceleration[..., None]], axis=-1).astype(np.float32)


def _roll_out(
    world: TrafficWorld, ids: NDArray[np.int64], ego: int, behaviour: Behaviour, runs_red: bool
) -> NDArray[np.float64]:
    """Future of `ids` under a behaviour, computed in a forked process.

    Returns:
        float64 ``[T, len(ids), 5]``: x, y, yaw, valid, speed of the ego (in its row).
    """
    shape = (STEPS, len(ids), _VALUES)
    shared = mmap.mmap(-1, int(np.prod(shape)) * 8)
    child = os.fork()
    if child == 0:
        status = 1
        gc.disable()  # a collection would touch, and so copy, all memory shared with the parent
        try:
            result: NDArray[np.float64] = np.frombuffer(shared, np.float64).reshape(shape)
            driver = _Driver(world, ego, behaviour, runs_red)
            for t in range(STEPS):
                driver.act(t * STEP)
                snapshot = world.step(lights=False)
                rows, present = snapshot.rows(ids)
                result[t, :, :3] = snapshot.states[rows][:, _STATE]
                result[t, :, 3] = present
                result[t, -1, 4] = driver.speed()
            status = 0
        finally:
            os._exit(status)  # no clean-up: the simulation belongs to the parent
    _, status = os.waitpid(child, 0)
    if status:
        raise ZooxStackError(f"forked simulation of town {world.town.name} ended with status {status}")
    result = np.frombuffer(shared, np.float64).reshape(shape).copy()
    shared.close()
    return result


class _Driver:
    """Makes the ego behave."""

    def __init__(self, world: TrafficWorld, ego: int, behaviour: Behaviour, runs_red: bool) -> None:
        self.vehicle, self.name, self.behaviour = world.vehicle, str(ego), behaviour
        row = int(np.searchsorted(world.snapshot.ids, ego))
        self.start = float(np.hypot(*world.snapshot.states[row, HistoryColumn.VX :]))
        self.changes = behaviour is Behaviour.OTHER and self._change_lane()
        if behaviour is Behaviour.KEEP or self.changes:
            return
        world.controlled.add(ego)
        claims = behaviour in (Behaviour.CONSTANT, Behaviour.GO_FIRST)
        self.vehicle.setSpeedMode(self.name, (_RUN if runs_red else _CLAIM) if claims else _SAFE)

    def _change_lane(self) -> bool:
        for side in (1, -1):
            if self.vehicle.couldChangeLane(self.name, side):
                lane = self.vehicle.getLaneIndex(self.name) + side
                self.vehicle.changeLane(self.name, lane, 8.0)
                return True
        return False

    def speed(self) -> float:
        """Present speed [m/s], 0 once the ego has left."""
        return float(self.vehicle.getSpeed(self.name)) if self.name in self.vehicle.getIDList() else 0.0

    def act(self, time: float) -> None:
        """Set the speed for the step that begins `time` seconds after the instant."""
        if self.behaviour is Behaviour.KEEP or self.changes or self.name not in self.vehicle.getIDList():
            return
        later, v = time + STEP, self.start
        match self.behaviour:
            case Behaviour.BRAKE:
                speed = max(0.0, v - 3.5 * later)
            case Behaviour.SLOW:
                goal = max(0.5 * v, 1.5)
                speed = max(goal, v - 2.0 * later) if v > goal else min(goal, v + later)
            case Behaviour.CONSTANT:
                speed = max(v, min(4.0, v + 1.5 * later))
            case Behaviour.GO_FIRST:
                speed = max(v, min(1.1 * _LIMIT, v + 2.2 * later))
            case _:
                speed = max(0.0, v - 3.0 * later) if time < 3.0 else -1.0
        self.vehicle.setSpeed(self.name, speed)
