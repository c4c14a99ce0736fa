"""Two planners on the same towns and seeds: how much better one is, with an interval, and at which junctions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.evaluation.closed_loop_junctions import JunctionKind
from zoox_stack.evaluation.closed_loop_score import ScoredDrive
from zoox_stack.evaluation.skill import interval


@dataclass(frozen=True)
class Difference:
    """Mean of differences and its 95 % interval.

    Attributes:
        n: Differences.
        drives: Pairs of drives they are of; these are drawn anew for the interval.
        mean: NaN without any.
        low: Lower end of the interval; NaN for fewer than two pairs of drives.
        high: Upper end.
    """

    n: int
    drives: int
    mean: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval lies on one side of 0."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Comparison:
    """One planner minus another.

    Attributes:
        score: Of whole drives.
        progress: The metric: way by that of the human, 1 at most.
        junctions: Score of passing junctions that both came to, by kind; kinds that occurred only.
        seconds: Time saved at junctions that both left behind: that of the other minus that of the one [s].
    """

    score: Difference
    progress: Difference
    junctions: dict[JunctionKind, Difference]
    seconds: dict[JunctionKind, Difference]


def by_place(drives: Sequence[ScoredDrive]) -> dict[tuple[str, int], ScoredDrive]:
    """Drives of one planner by town and seed, in order.

    Raises:
        InvalidInputError: Two drives with the same town and seed.
    """
    found: dict[tuple[str, int], ScoredDrive] = {}
    for drive in sorted(drives, key=lambda drive: (drive.town, drive.seed)):
        if (drive.town, drive.seed) in found:
            name = f"{drive.planner} in {drive.town} with seed {drive.seed}"
            raise InvalidInputError("scored drives", "one for each planner, town and seed", f"two of {name}")
        found[drive.town, drive.seed] = drive
    return found


def compare(one: Sequence[ScoredDrive], other: Sequence[ScoredDrive]) -> Comparison:
    """How much better one planner is than another, where both have driven.

    Args:
        one: Drives of the one planner.
        other: Drives of the other.
    """
    first, second = by_place(one), by_place(other)
    pairs = [(first[key], second[key]) for key in first if key in second]
    every = np.arange(len(pairs))
    junctions: dict[JunctionKind, list[tuple[int, float]]] = {kind: [] for kind in JunctionKind}
    seconds: dict[JunctionKind, list[tuple[int, float]]] = {kind: [] for kind in JunctionKind}
    for pair, (a, b) in enumerate(pairs):
        known = {part.number: part for part in b.passages}
        for part in a.passages:
            if part.number in known:
                twin = known[part.number]
                junctions[part.kind].append((pair, part.score - twin.score))
                if part.passed and twin.passed:
                    seconds[part.kind].append((pair, twin.seconds - part.seconds))
    return Comparison(
        _difference(every, np.array([a.score.total - b.score.total for a, b in pairs])),
        _difference(every, np.array([a.score.progress - b.score.progress for a, b in pairs])),
        _by_kind(junctions),
        _by_kind(seconds),
    )


def _by_kind(found: dict[JunctionKind, list[tuple[int, float]]]) -> dict[JunctionKind, Difference]:
    return {
        kind: _difference(np.array([pair for pair, _ in rows]), np.array([value for _, value in rows]))
        for kind, rows in found.items()
        if rows
    }


def _difference(pair: NDArray[np.int64], values: NDArray[np.float64]) -> Difference:
    """Mean of values ``[n]`` of which each belongs to a pair of drives ``[n]``."""
    drives = len(np.unique(pair))
    if not drives:
        return Difference(0, 0, float("nan"), float("nan"), float("nan"))

    def mean(weight: NDArray[np.float64]) -> float:
        return float((weight * values).sum() / weight.sum())

    low, high = interval(pair, mean) if drives > 1 else (float("nan"), float("nan"))
    return Difference(len(values), drives, float(values.mean()), low, high)
