"""Choices of a driver out of a log: at each instant what the planner could have done, and what the driver did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import TrackedAgents
from zoox_stack.core.classes import PredictionSource, Rejection
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.predictions import STEP, STEPS, PredictedAgents
from zoox_stack.datasets.bags import LoggedInstant, LoggedScenes
from zoox_stack.logs.drive import RecordedDrive
from zoox_stack.planning.candidates import Candidates
from zoox_stack.planning.config import PlannerConfig
from zoox_stack.planning.cost_learning import Choices
from zoox_stack.planning.costs import COST_NAMES
from zoox_stack.planning.lattice import STOPS, Lateral, top_speed
from zoox_stack.planning.path_agents import find_path_agents
from zoox_stack.planning.planner import Planner
from zoox_stack.planning.weighing import weigh_all

_STANDS = 0.3  # [m/s] at most
_SPREAD = (0.1, 0.1)  # [m], [m/s] standard deviation of positions known from the log, and how fast it grows
_ALIKE = 0.05  # [m] plans that do not differ by more are one choice
_COARSE = slice(7, None, 8)  # steps at which that is looked at
_PROGRESS = COST_NAMES.index("progress")


@dataclass(eq=False)
class LogChoices:
    """What came of a log.

    Attributes:
        choices: None if there is not one usable scene.
        left_out: Scenes in which no choice is known, by reason.
    """

    choices: Choices | None
    left_out: Counter[str] = field(default_factory=Counter)


def unit_config(config: PlannerConfig) -> PlannerConfig:
    """The same planner with all weights 1: its costs are the unweighted terms."""
    ones: dict[str, Any] = {f"weight_{name}": 1.0 for name in COST_NAMES}
    return replace(config, **ones)


def choices_of_log(
    log: LoggedScenes,
    number: int,
    config: PlannerConfig,
    *,
    every: float = 1.0,
    nearest: float = 2.0,
    report: Callable[[float], None] = lambda _: None,
) -> LogChoices:
    """Choices of the driver of a log.

    The futures of others are what really happened; from where the log does not know them, they keep their velocity.
    Candidates that break a limit or collide are no choices. The driver took the candidate that is nearest to the way
    of its next 8 s.

    Args:
        log: With map.
        number: Of the log, for `Choices.log`.
        config: Of the planner whose candidates are offered; its weights do not matter.
        every: Time from choice to choice [s].
        nearest: Mean distance of the nearest candidate at most [m]; otherwise the driver did something else.
        report: Told the seconds of the log that are done, now and then.

    Raises:
        InvalidInputError: The log has no map with lanes, or nothing of the ego.
    """
    if log.network is None or not len(log.network.lane_ids):
        raise InvalidInputError(f"bag {log.path}", "a road network with lanes", "none", "Weights need a map")
    egos = [scene.ego for scene in log.scenes if scene.ego is not None]
    if not egos:
        raise InvalidInputError(f"bag {log.path}", "states of the ego at the times of the agents", "none")
    planner = Planner(unit_config(config))
    planner.set_road_network(log.network)
    planner.set_route(log.route or RecordedDrive(log.path.name, egos).route)
    left_out: Counter[str] = Counter()
    found: list[_Scene] = []
    for instant in log.instants(every):
        report(every)
        scene = _scene(planner, instant, nearest)
        if isinstance(scene, str):
            left_out[scene] += 1
            continue
        if scene.chosen < 0:
            left_out["no candidate near the driver's way"] += 1
        elif len(scene.terms) < 2:
            left_out["only one candidate can be driven"] += 1
        found.append(scene)
    return LogChoices(_packed(found, number, every) if found else None, left_out)


@dataclass(frozen=True, eq=False)
class _Scene:
    """One instant; A candidates that can be driven."""

    stamp_ns: int
    terms: NDArray[np.float64]  # [A, M]
    chosen: int
    anchor: int
    stands: bool
    features: NDArray[np.float64]
    distances: NDArray[np.float64]  # [A]


def _scene(planner: Planner, instant: LoggedInstant, nearest: float) -> _Scene | str:
    """A scene, or why there is none."""
    scene, ego = instant.history.scene, instant.history.scene.ego
    assert ego is not None
    if not np.isfinite(instant.egos).all():
        return "the log ends within 8 s"
    prepared = planner.prepare(scene, instant.signals)
    futures = prepared.planning_scene(happened(scene, instant.futures))
    path, candidates = prepared.path, prepared.candidates
    agents = find_path_agents(
        path, ego, futures.futures, futures.position, futures.yaw, futures.sizes, futures.existence
    )
    weighed = weigh_all(prepared, futures, agents, planner.config)
    rows, anchor = _different(candidates, np.flatnonzero(weighed.rejections == int(Rejection.KEPT)))
    if not len(rows):
        return "no candidate can be driven"
    reach, yaw = ego.rear_axle_to_centre, instant.egos[:, 2]
    way = instant.egos[:, :2] - reach * np.stack([np.cos(yaw), np.sin(yaw)], axis=1)
    distances = np.hypot(candidates.x[rows] - way[:, 0], candidates.y[rows] - way[:, 1]).mean(axis=1)
    best = int(distances.argmin())
    terms = weighed.costs[rows]
    top = top_speed(path, planner.config)
    stands = abs(ego.speed) <= _STANDS
    features = [1.0, ego.speed, ego.speed / max(top, 1.0), float(terms[:, _PROGRESS].min()), float(stands)]
    return _Scene(
        stamp_ns=scene.stamp_ns,
        terms=terms,
        chosen=best if distances[best] <= nearest else -1,
        anchor=anchor,
        stands=stands,
        features=np.array(features),
        distances=distances,
    )


def _different(candidates: Candidates, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    """Those of `rows` that differ from all before, and the place among them of the gentlest stop in lane, -1 without.

    Who stands and stays has many candidates that are one and the same.
    """
    motion = np.concatenate([candidates.x[rows, _COARSE], candidates.y[rows, _COARSE]], axis=1)
    _, places, same = np.unique(np.round(motion / _ALIKE), axis=0, return_index=True, return_inverse=True)
    kept = np.sort(places)
    for name in STOPS:
        for place, row in enumerate(rows):
            if candidates.profiles[row] == name and candidates.laterals[row] == int(Lateral.CENTRE):
                return rows[kept], int(np.searchsorted(kept, places[same.ravel()[place]]))
    return rows[kept], -1


def happened(scene: TrackedAgents, futures: NDArray[np.float64]) -> PredictedAgents:
    """What really happened as predictions: one future of probability 1 per agent, known to some decimetres.

    Args:
        scene: N agents.
        futures: ``[N, T, 3]`` x, y, yaw of the box centres; NaN where they are not known: there the last velocity
            goes on.
    """
    n = len(scene)
    time = STEP * np.arange(1, STEPS + 1)
    start = np.concatenate([scene.position[:, :2], scene.yaw[:, None]], axis=1)
    poses = np.concatenate([start[:, None], futures], axis=1)  # step 0 is now
    known = np.isfinite(poses[..., 0])
    last = np.maximum.accumulate(np.where(known, np.arange(STEPS + 1), 0), axis=1)  # the last known step at each step
    each = np.arange(n)[:, None]
    before = np.maximum(last - 1, 0)
    moved = np.where(
        ((last > 0) & known[each, before])[..., None],
        (poses[each, last] - poses[each, before])[..., :2] / STEP,
        scene.velocity[:, None],
    )
    filled = poses[each, last]
    gone = STEP * (np.arange(STEPS + 1) - last)
    filled[..., :2] += moved * gone[..., None]
    ego = scene.ego
    origin = np.array([ego.x, ego.y]) if ego is not None else np.zeros(2)
    variance = (_SPREAD[0] + _SPREAD[1] * time) ** 2
    covariances = np.stack([variance, np.zeros(STEPS), variance], axis=-1)
    return PredictedAgents(
        stamp_ns=scene.stamp_ns,
        agent_ids=scene.ids,
        probabilities=np.ones((n, 1), np.float32),
        origin=origin,
        positions=(filled[:, None, 1:, :2] - origin).astype(np.float32),
        headings=filled[:, None, 1:, 2].astype(np.float32),
        covariances=np.broadcast_to(covariances.astype(np.float32), (n, 1, STEPS, 3)),
        source=PredictionSource.CONSTANT_VELOCITY,
    )


def _packed(scenes: list[_Scene], number: int, every: float) -> Choices:
    counts = np.array([len(scene.terms) for scene in scenes])
    first = np.cumsum(counts) - counts
    stamps = np.array([scene.stamp_ns for scene in scenes])
    apart = np.append(np.diff(stamps), 0) / 1e9
    follows = np.abs(apart - every) < 0.1 * every
    return Choices(
        terms=np.concatenate([scene.terms for scene in scenes]),
        first=first,
        chosen=np.array([f + s.chosen if s.chosen >= 0 else -1 for f, s in zip(first, scenes, strict=True)]),
        anchor=np.array([f + s.anchor if s.anchor >= 0 else -1 for f, s in zip(first, scenes, strict=True)]),
        stands=np.array([scene.stands for scene in scenes]),
        features=np.stack([scene.features for scene in scenes]),
        following=np.where(follows, np.arange(len(scenes)) + 1, -1),
        log=np.full(len(scenes), number),
        distances=np.concatenate([scene.distances for scene in scenes]),
    )
