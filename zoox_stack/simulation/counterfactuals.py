"""What everyone does when the ego does something else: the same world, several ego plans.

At an instant the process is forked once per plan. A fork is an exact copy of the world, random state included, so that
two futures differ only through what the ego does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.random import Generator

from zoox_stack.core.classes import AgentClass
from zoox_stack.core.errors import ConfigurationError
from zoox_stack.core.parameters import check_value, describe, parameter
from zoox_stack.core.predictions import STEPS
from zoox_stack.prediction.history import HISTORY_STEPS, HistoryColumn
from zoox_stack.simulation.branch_plans import PlanChooser
from zoox_stack.simulation.branching import Branches, branch
from zoox_stack.simulation.demand import DemandConfig
from zoox_stack.simulation.population import FIRST_SCRIPTED
from zoox_stack.simulation.samples import CounterfactualScene, affected_agents
from zoox_stack.simulation.towns import Town
from zoox_stack.simulation.world import STEP, Snapshot, TrafficWorld

LEAST_WAY = 90.0  # [m] an ego must have left to drive


@dataclass(frozen=True)
class CounterfactualConfig:
    """How instants and egos are chosen.

    Raises:
        ConfigurationError: A value out of its range.
    """

    radius: float = parameter(80.0, "agents farther from the ego are left out", unit="m", low=10.0, high=300.0)
    max_agents: int = parameter(48, "nearest agents kept", low=1, high=512)
    min_agents: int = parameter(8, "instants with fewer agents around the ego are passed over", low=0, high=512)
    warm_up: float = parameter(22.0, "traffic before the first instant", unit="s", low=2.0, high=600.0)
    shortest_gap: float = parameter(1.5, "shortest time between instants", unit="s", low=0.1, high=60.0)
    longest_gap: float = parameter(3.5, "longest time between instants", unit="s", low=0.1, high=60.0)
    instants: int = parameter(12, "instants per episode", low=1, high=1000)
    runs_red: float = parameter(0.0, "share of instants with GO_AT_RED in the place of GO", low=0.0, high=1.0)
    plans: int = parameter(8, "plans per instant", low=1, high=64)
    keep_unaffected: float = parameter(
        1.0, "share of scenes kept in which nobody's future depends on the ego", low=0.0, high=1.0
    )

    def __post_init__(self) -> None:
        for info in describe(type(self)):
            check_value("counterfactual", info, getattr(self, info.name))
        if self.shortest_gap > self.longest_gap:
            raise ConfigurationError(
                f"parameter counterfactual.longest_gap: expected at least shortest_gap, {self.shortest_gap} s, "
                f"found {self.longest_gap} s"
            )


def counterfactual_scenes(
    town: Town, seed: int, folder: Path, *, demand: DemandConfig, config: CounterfactualConfig
) -> Iterator[CounterfactualScene]:
    """Simulate one episode and yield its scenes.

    Args:
        town: Where.
        seed: The same seed gives the same scenes.
        folder: Where SUMO's route file goes.
        demand: How busy.
        config: How instants, egos and plans are chosen.

    Raises:
        ConfigurationError: SUMO is not installed.
        ZooxStackError: A forked simulation failed.
    """
    random = np.random.default_rng([seed, 5])
    chooser = PlanChooser(town.net.network)
    past: deque[Snapshot] = deque(maxlen=HISTORY_STEPS)
    open_scenes: deque[Branches] = deque()
    with TrafficWorld(town, demand, seed, folder) as world:
        world.run(config.warm_up - HISTORY_STEPS * STEP)
        for _ in range(config.instants):
            for _ in range(round(random.uniform(config.shortest_gap, config.longest_gap) / STEP)):
                past.append(world.step())
                for scene in open_scenes:
                    scene.log(world)
            while open_scenes and open_scenes[0].complete:
                yield open_scenes.popleft().scene(seed)
            ego = choose_ego(world, past, random, config) if len(past) == HISTORY_STEPS else None
            if ego is None:
                continue
            runs_red, keep = random.random() < config.runs_red, random.random() < config.keep_unaffected
            branches = branch(
                world, past, ego, chooser,
                radius=config.radius, most_agents=config.max_agents, plans=config.plans, runs_red=runs_red,
            )  # fmt: skip
            if branches is not None and (keep or affected_agents(branches.sample).any()):
                open_scenes.append(branches)
        for _ in range(STEPS if open_scenes else 0):
            world.step()
            for scene in open_scenes:
                scene.log(world)
    yield from (scene.scene(seed) for scene in open_scenes)


def choose_ego(
    world: TrafficWorld, past: deque[Snapshot], random: Generator, config: CounterfactualConfig
) -> int | None:
    """A vehicle with company and a way to go, preferably one in conflict with others; None if there is none."""
    now, vehicle = past[-1], world.vehicle
    xy = now.states[:, :2]
    known = past[0].rows(now.ids)[1]
    candidates, weights = [], []
    driving = np.array(sorted(int(name) for name in vehicle.getIDList()), np.int64)
    driving = driving[driving < FIRST_SCRIPTED]  # a script takes others out of SUMO, as when they park
    for row in np.flatnonzero(np.isin(now.ids, driving) & known).tolist():
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
