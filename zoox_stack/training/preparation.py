"""Samples prepared once and kept: every bag and part becomes a file in a folder, unless its file is there already."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from zoox_stack.core.classes import AgentClass
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.prediction.channels import channels_fingerprint
from zoox_stack.prediction.features import HISTORY_FEATURES, PLAN_FEATURES, STATIC_FEATURES
from zoox_stack.prediction.lane_pieces import PIECE_FEATURES
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.simulation.workers import Job, Report, run_jobs
from zoox_stack.training.config import TrainConfig
from zoox_stack.training.sample_file import MARK, SUFFIX, SampleFile, open_samples, write_samples
from zoox_stack.training.samples import MAX_AGENTS, SampleMaker, TrainingSample
from zoox_stack.training.sources import Source, Unit

LABELS_VERSION = 6  # raise when samples of the same scenes come out otherwise
_MODULES = ("zoox_stack.training.samples", "zoox_stack.datasets.counterfactuals", "zoox_stack.datasets.bags")


@dataclass(frozen=True)
class Prepared:
    """Samples of one source.

    Attributes:
        source: Which.
        files: One per unit, in its order.
    """

    source: Source
    files: tuple[SampleFile, ...]

    def __len__(self) -> int:
        return sum(len(file) for file in self.files)


@dataclass(frozen=True)
class Options:
    """What decides, with a unit's files, which samples come of it."""

    every: float
    views: int
    seed: int

    @classmethod
    def of(cls, config: TrainConfig) -> Options:
        """Those of a configuration."""
        return cls(config.every, config.views, config.seed)

    def fingerprint(self, unit: Unit) -> str:
        """SHA-256 over everything the samples of a unit depend on."""
        shapes = [MAX_AGENTS, HISTORY_FEATURES, STATIC_FEATURES, PLAN_FEATURES, PIECE_FEATURES]
        how = [MARK.decode(), LABELS_VERSION, shapes, self.every, self.views, self.seed]
        return hashlib.sha256(json.dumps([unit.fingerprint(), channels_fingerprint(), how]).encode()).hexdigest()


def sample_path(folder: Path, unit: Unit) -> Path:
    """File of the samples of a unit: its name, and a mark by which equal names of several folders differ."""
    place = hashlib.sha256(f"{unit.path.resolve()} {unit.part}".encode()).hexdigest()[:10]
    name = unit.path.stem if unit.part is None else f"{unit.path.name}_{unit.part:05d}"
    return folder / f"{name}_{place}{SUFFIX}"


def prepare(
    sources: Sequence[Source],
    folder: Path,
    config: TrainConfig,
    on_progress: Callable[[float], None] | None = None,
    *,
    thorough: bool = True,
) -> list[Prepared]:
    """Samples of all units; files that are there and whole are not made again.

    Args:
        sources: Whose.
        folder: For the files.
        config: How.
        on_progress: Told how many units are done.
        thorough: Check every sample of the files that are there.

    Raises:
        InvalidInputError: Units cannot be read, or have no agents; the others are kept.
    """
    options = Options.of(config)
    units = [unit for source in sources for unit in source.units]
    found: dict[Unit, SampleFile] = {}
    for unit in units:
        try:
            file = open_samples(sample_path(folder, unit), thorough=thorough)
        except InvalidInputError:
            continue  # not made yet, or damaged
        if file.fingerprint == options.fingerprint(unit):
            found[unit] = file
    missing = [unit for unit in units if unit not in found]
    work = [Job(str(i), make_unit, (unit, folder, options), _MODULES) for i, unit in enumerate(missing)]
    failures = []
    with closing(run_jobs(work, config.jobs or os.cpu_count() or 1)) as outcomes:
        for outcome in outcomes:
            unit = missing[int(outcome.job.name)]
            if outcome.failure:
                failures.append(f"{unit.name}: {outcome.failure}")
            else:
                found[unit] = open_samples(sample_path(folder, unit))
            if on_progress is not None:
                on_progress(len(found) + len(failures))
    if failures:
        raise InvalidInputError("logs", "scenes with agents in every one", "; ".join(sorted(failures)))
    return [Prepared(source, tuple(found[unit] for unit in source.units)) for source in sources]


def make_unit(unit: Unit, folder: Path, options: Options, report: Report) -> int:
    """Prepare the samples of one unit; returns how many.

    Raises:
        InvalidInputError: It cannot be read, or knows no agents or no ego.
    """
    path, fingerprint = sample_path(folder, unit), options.fingerprint(unit)
    made = write_samples(path, _samples(unit, options, report), fingerprint, len(AgentClass))
    return len(made)


def _samples(unit: Unit, options: Options, report: Report) -> Iterator[tuple[TrainingSample, bool]]:
    rng = unit.rng(options.seed)
    makers: dict[RoadNetwork | None, SampleMaker] = {}
    for number, scene in enumerate(unit.scenes(options.every, options.views, rng)):
        if scene.network not in makers:
            makers[scene.network] = SampleMaker(scene.network)
        yield makers[scene.network].make(scene, rng), scene.network is not None
        report(float(number))
