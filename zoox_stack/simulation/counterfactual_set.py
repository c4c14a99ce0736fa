"""Making sets of counterfactual scenes: part by part in child processes, going on where an earlier run ended.

Every part depends only on the arguments and its number, so that the same arguments give the same tables, however many
processes there are and however often the work was interrupted.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from zoox_stack.core.errors import ConfigurationError, InvalidInputError, ZooxStackError
from zoox_stack.simulation.counterfactual_store import (
    MANIFEST,
    CounterfactualSet,
    has_part,
    read_manifest,
    write_manifest,
    write_map,
    write_part,
)
from zoox_stack.simulation.counterfactuals import CounterfactualConfig, counterfactual_scenes
from zoox_stack.simulation.samples import CounterfactualScene
from zoox_stack.simulation.town_definition import TownDefinition, load_town_definition
from zoox_stack.simulation.towns import Town, build_town
from zoox_stack.simulation.workers import Job, Report, run_jobs

PART_SCENES = 20
_MAKERS = ("zoox_stack", "libsumo", "eclipse-sumo", "numpy", "pyarrow")  # packages whose versions the tables depend on
_BARREN = 10  # episodes without a scene, one after the other, before giving up
_HORIZON = 8.0  # [s] of the last scene of an episode


@dataclass(frozen=True)
class SetPlan:
    """What to make.

    Attributes:
        towns: Names or files of towns; the episodes take turns.
        town_seeds: Every town is drawn with one of these, by lot.
        scenes: How many.
        seed: Of traffic, egos and instants.
        config: How scenes are chosen.
        vehicles_per_km: Lowest and highest, drawn for each episode; None: as the town says.
        pedestrians_per_km: The same.
    """

    towns: tuple[str, ...]
    town_seeds: tuple[int, ...]
    scenes: int
    seed: int
    config: CounterfactualConfig
    vehicles_per_km: tuple[float, float] | None = None
    pedestrians_per_km: tuple[float, float] | None = None


@dataclass(frozen=True)
class SetReport:
    """What there is now, and what this run did.

    Attributes:
        scenes: Scenes in the set.
        branches: Plans driven in them.
        refused: Plans that were not.
        affected_agents: Agents, counted once per scene, that some plan moved by more than 0.5 m.
        identity_max_diff: Largest difference between the identity branch, driven twice, and what really happened.
        rollouts: Forked simulations of this run.
        seconds: Wall time of this run.
        failures: Part and reason.
    """

    scenes: int
    branches: int
    refused: int
    affected_agents: int
    identity_max_diff: float
    rollouts: int
    seconds: float
    failures: tuple[tuple[str, str], ...]


def make_set(
    plan: SetPlan, out: Path, jobs: int = 1, on_progress: Callable[[int, int], None] | None = None
) -> SetReport:
    """Make what is missing of a set.

    Args:
        plan: What to make.
        out: Its folder.
        jobs: Processes.
        on_progress: Called with scenes made and scenes wanted.

    Raises:
        ConfigurationError: SUMO is not installed, unknown town, or `out` holds a set made with other arguments.
        InvalidInputError: `out` holds something else, or the finished set cannot be read.
    """
    started = time.monotonic()
    before = _prepare(plan, out)
    sizes = [min(PART_SCENES, plan.scenes - first) for first in range(0, plan.scenes, PART_SCENES)]
    missing = [number for number in range(len(sizes)) if not has_part(out, number)]
    done = {f"part {n:05d}": 0.0 for n in missing}
    finished = plan.scenes - sum(sizes[number] for number in missing)

    def report(job: Job, scenes: float) -> None:
        done[job.name] = scenes
        if on_progress is not None:
            on_progress(finished + round(sum(done.values())), plan.scenes)

    work = [Job(f"part {n:05d}", make_part, (plan, n, sizes[n], out)) for n in missing]
    rollouts, failures = 0, []
    for outcome in run_jobs(work, jobs, report):
        rollouts += outcome.result or 0
        if outcome.failure:
            failures.append((outcome.job.name, outcome.failure))
    counts = CounterfactualSet(out).summary()
    seconds = time.monotonic() - started
    if not failures and (missing or not before.get("complete")):
        write_manifest(out, before | {"complete": True, "counts": counts})
    return SetReport(
        scenes=int(counts["scenes"]),
        branches=int(counts["branches"]),
        refused=int(counts["refused"]),
        affected_agents=int(counts["affected"]),
        identity_max_diff=float(counts["identity_max_diff"]),
        rollouts=rollouts,
        seconds=seconds,
        failures=tuple(failures),
    )


def _prepare(plan: SetPlan, out: Path) -> dict[str, Any]:
    """Check that `out` is free or holds the beginning of this set; write manifest and maps."""
    made_of = {
        "arguments": json.loads(json.dumps(asdict(plan))),
        "definitions": {name: _fingerprint(load_town_definition(name)) for name in plan.towns},
        "versions": {name: version(name) for name in _MAKERS},
    }
    if (out / MANIFEST).exists():
        before = read_manifest(out)
        for name, now in made_of.items():
            if before.get(name) != now:
                raise ConfigurationError(
                    f"{out} holds a set made with other {name}: {before.get(name)}, now {now}; choose another folder"
                )
        return before
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InvalidInputError(
            str(out), "a new folder or a set to go on with", "something else", "Choose another name"
        )
    with tempfile.TemporaryDirectory() as folder:
        towns = [build_town(name, seed, Path(folder)) for name in plan.towns for seed in plan.town_seeds]
        for town in towns:
            write_map(out, town.net.network.with_name(town.name))
    manifest = {
        **made_of,
        "part_scenes": PART_SCENES,
        "towns": [town.name for town in towns],
        "complete": False,
    }
    write_manifest(out, manifest)
    return read_manifest(out)


def _fingerprint(town: TownDefinition) -> str:
    """Of what a town is drawn from and who is in it, whatever its file is called and however it is written."""
    return sha256(repr((town.name, town.kind, town.layout, town.demand)).encode()).hexdigest()


def make_part(plan: SetPlan, number: int, size: int, out: Path, report: Report) -> int:
    """Simulate episodes until there are `size` scenes, write them as part `number`; returns the roll-outs done.

    Raises:
        ZooxStackError: Hardly any scenes in these towns, or the simulation failed; says when and where.
        OSError: The disk is full.
    """
    scenes: list[CounterfactualScene] = []
    with tempfile.TemporaryDirectory() as folder:
        for scene in _scenes(plan, number, Path(folder)):
            scenes.append(scene)
            report(len(scenes))
            if len(scenes) == size:
                break
    write_part(out, number, number * PART_SCENES, scenes)
    broken_off = sum(plan.rolled_out for scene in scenes for plan in scene.refused)
    return sum(len(scene.plan_names) + 1 for scene in scenes) + broken_off


def _scenes(plan: SetPlan, number: int, folder: Path) -> Iterator[CounterfactualScene]:
    random = np.random.default_rng([plan.seed, number])
    config = plan.config
    duration = config.warm_up + config.instants * config.longest_gap + _HORIZON
    towns: dict[tuple[str, int], Town] = {}
    barren, episode = 0, -1
    while barren < _BARREN:
        episode += 1
        name = plan.towns[(number + episode) % len(plan.towns)]
        town_seed = int(random.choice(plan.town_seeds))
        traffic = {
            field: float(random.uniform(*span))
            for field, span in (
                ("vehicles_per_km", plan.vehicles_per_km),
                ("pedestrians_per_km", plan.pedestrians_per_km),
            )
            if span is not None
        }
        seed = int(random.integers(2**31))
        if (name, town_seed) not in towns:
            towns[name, town_seed] = build_town(name, town_seed, folder)
        town = towns[name, town_seed]
        demand = replace(town.demand, duration=duration, **traffic)
        barren += 1
        try:
            for scene in counterfactual_scenes(town, seed, folder, demand=demand, config=config):
                barren = 0
                yield scene
        except ZooxStackError as error:
            raise ZooxStackError(f"town {town.name}, traffic seed {seed}: {error}") from error
    raise ZooxStackError(f"{_BARREN} episodes in {', '.join(plan.towns)} one after the other without a single scene")
