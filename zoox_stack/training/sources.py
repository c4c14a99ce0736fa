"""Where scenes to learn from are: bags, folders of bags, counterfactual sets; and which are for validation."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.predictions import STEP
from zoox_stack.datasets.bags import LoggedScenes, find_bags
from zoox_stack.datasets.counterfactuals import counterfactual_futures
from zoox_stack.datasets.past_motion import with_past_motion
from zoox_stack.datasets.scene_futures import SceneFutures
from zoox_stack.simulation.counterfactual_store import MANIFEST, CounterfactualSet, part_path
from zoox_stack.simulation.counterfactual_tables import TABLES

SHORTEST = 3.0  # [s] of the future that has to be known: recordings of roadsides are short, and it teaches enough


@dataclass(frozen=True)
class Unit:
    """A bag, or a part of a counterfactual set: what is prepared at a time, and split as a whole.

    Attributes:
        path: Of the bag or of the set.
        part: Of the set; None for a bag.
    """

    path: Path
    part: int | None = None

    @property
    def name(self) -> str:
        """For people, without the folders above."""
        return self.path.name if self.part is None else f"{self.path.name}, part {self.part:05d}"

    def files(self) -> list[Path]:
        """Everything it is read from, in order."""
        if self.part is not None:
            tables = [part_path(self.path, table, self.part) for table in TABLES]
            return [*tables, *sorted((self.path / "maps").glob("*.parquet"))]
        return [self.path] if self.path.is_file() else sorted(f for f in self.path.iterdir() if f.is_file())

    def fingerprint(self) -> str:
        """SHA-256 over place, size and time of change of its files."""
        states = [(str(f.resolve()), f.stat().st_size, f.stat().st_mtime_ns) for f in self.files() if f.exists()]
        return hashlib.sha256(json.dumps([self.part, states]).encode()).hexdigest()

    def rng(self, seed: int) -> np.random.Generator:
        """A generator of its own, whatever other units there are."""
        name = int.from_bytes(hashlib.sha256(self.name.encode()).digest()[:8], "big")
        return np.random.default_rng([seed, name])

    def scenes(self, every: float, views: int, rng: np.random.Generator) -> Iterator[SceneFutures]:
        """Its scenes.

        Args:
            every: Time between the scenes of a bag [s].
            views: Vehicles from which every scene of a bag is seen besides the ego, as far as there are.
            rng: Chooses them.

        Raises:
            InvalidInputError: It cannot be read, or knows no agents or no ego.
        """
        if self.part is not None:
            yield from counterfactual_futures(self.path, self.part)
            return
        log = LoggedScenes.read(self.path)
        for logged in log.futures(every, shortest=SHORTEST, from_others=True):
            # What is known while driving: labels come with speeds that know a little of what follows.
            scene = replace(logged, history=with_past_motion(logged.history)) if log.labelled else logged
            yield scene
            others = scene.possible_egos() if scene.known >= round(SHORTEST / STEP) else np.zeros(0, np.int64)
            for row in np.sort(rng.permutation(others)[:views]).tolist():
                yield scene.seen_from(row)


@dataclass(frozen=True)
class Source:
    """What one path on the command line stands for.

    Attributes:
        path: As given.
        units: In order.
        weight: How often each of its scenes is learned from in an epoch, on average.
    """

    path: Path
    units: tuple[Unit, ...]
    weight: float = 1.0

    @property
    def kind(self) -> str:
        """For people: what its units are."""
        many = "s" if len(self.units) != 1 else ""
        is_set = bool(self.units) and self.units[0].part is not None
        return f"part{many} of a counterfactual set" if is_set else f"bag{many}"


def find_source(path: Path, weight: float = 1.0) -> Source:
    """The source at a path: a counterfactual set, a bag, or a folder of bags.

    Raises:
        InvalidInputError: There is nothing of that, or the weight is not a positive number.
    """
    if not 0.0 < weight <= 100.0:
        raise InvalidInputError(f"weight of {path}", "more than 0, at most 100", f"{weight:g}")
    if not path.exists():
        raise InvalidInputError(str(path), "a bag, a folder of bags or a counterfactual set", "nothing at this place")
    if (path / MANIFEST).is_file():
        units = tuple(Unit(path, part) for part in CounterfactualSet(path).parts)
        if not units:
            remedy = "Run the command that makes the set again: it makes what is missing"
            raise InvalidInputError(f"counterfactual set {path}", "at least one part", "none", remedy)
        return Source(path, units, weight)
    return Source(path, tuple(Unit(bag) for bag in find_bags(path)), weight)


def find_sources(paths: Sequence[Path], weights: Sequence[float] = ()) -> list[Source]:
    """Sources at some paths.

    Args:
        paths: Where.
        weights: One for each path, or none: all 1.

    Raises:
        InvalidInputError: As `find_source`; a path twice, or another number of weights than of paths.
    """
    if weights and len(weights) != len(paths):
        raise InvalidInputError("weights", f"one for each of {len(paths)} sources", f"{len(weights)}")
    sources = [find_source(path, weight) for path, weight in zip(paths, weights or [1.0] * len(paths), strict=True)]
    seen: dict[tuple[Path, int | None], Path] = {}
    for source in sources:
        for unit in source.units:
            key = (unit.path.resolve(), unit.part)
            if key in seen:
                raise InvalidInputError(f"source {source.path}", "every bag once", f"{unit.path} in {seen[key]} too")
            seen[key] = source.path
    return sources


def split(sources: Sequence[Source], share: float, seed: int) -> tuple[list[Source], list[Source]]:
    """Sources for training and for validation; of every source that has two units or more, at least one for each.

    Args:
        sources: All of them.
        share: Of each source's units for validation.
        seed: Says which.

    Raises:
        InvalidInputError: No source has two units.
    """
    train, val = [], []
    for source in sources:
        count = len(source.units)
        kept = min(max(1, round(share * count)), count - 1)
        # By name, so that a drive more does not change what the others are for.
        held = set(sorted(range(count), key=lambda i: _lot(source.units[i], seed))[:kept])
        train.append(replace(source, units=tuple(u for i, u in enumerate(source.units) if i not in held)))
        val.append(replace(source, units=tuple(u for i, u in enumerate(source.units) if i in held)))
    val = [source for source in val if source.units]
    if not val:
        remedy = "Add another drive, or name what to validate with by --val"
        raise InvalidInputError("logs", "at least two bags or parts of a set, one for validation", "one", remedy)
    return train, val


def _lot(unit: Unit, seed: int) -> bytes:
    return hashlib.sha256(f"{seed} {unit.name}".encode()).digest()
