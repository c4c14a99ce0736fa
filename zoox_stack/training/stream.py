"""The order of samples in an epoch, and batches read ahead of their use."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from zoox_stack.training.batches import Batch, collate
from zoox_stack.training.preparation import Prepared
from zoox_stack.training.sample_file import SampleFile

Place = tuple[SampleFile, int]  # a sample: its file and its number
Item = TypeVar("Item")
Made = TypeVar("Made")
READERS, AHEAD = 2, 4  # threads that decompress, and batches made before they are asked for


def groups_of_epoch(sources: Sequence[Prepared], size: int, rng: np.random.Generator | None) -> list[list[Place]]:
    """Groups of at most `size` samples with equal numbers of plans.

    Args:
        sources: Whose.
        size: Of a group.
        rng: Shuffles, and draws each sample as often as its source weighs; without, every sample comes once, in order.
    """
    drawn: list[Place] = []
    for prepared in sources:
        places = [(file, number) for file in prepared.files for number in range(len(file))]
        drawn += [places[at] for at in _drawn(len(places), prepared.source.weight, rng)]
    if rng is None:
        return grouped(drawn, size)
    groups = grouped([drawn[i] for i in rng.permutation(len(drawn)).tolist()], size)
    return [groups[g] for g in rng.permutation(len(groups)).tolist()]


def grouped(places: Sequence[Place], size: int) -> list[list[Place]]:
    """Groups of at most `size` samples with equal numbers of plans, each in the given order."""
    by_plans: dict[int, list[Place]] = {}
    for file, number in places:
        by_plans.setdefault(file.records[number].plans, []).append((file, number))
    return [same[i : i + size] for _, same in sorted(by_plans.items()) for i in range(0, len(same), size)]


def _drawn(count: int, weight: float, rng: np.random.Generator | None) -> list[int]:
    """Numbers below `count`, each about `weight` times."""
    if rng is None:
        return list(range(count))
    whole = int(weight)
    rest = rng.permutation(count)[: round((weight - whole) * count)]
    return [*list(range(count)) * whole, *rest.tolist()]


def share_of(groups: Sequence[list[Place]], rank: int, ranks: int, *, even: bool) -> list[list[Place]]:
    """The groups of one of several processes.

    Args:
        groups: Of all.
        rank: Which process, from 0.
        ranks: How many.
        even: All processes get the same number; a few groups then come twice.
    """
    wanted = -(-len(groups) // ranks) * ranks if even else len(groups)
    return [groups[i % len(groups)] for i in range(rank, wanted, ranks)]


def read_batch(group: Sequence[Place]) -> Batch:
    """Samples from their files as a batch."""
    return collate([file.read(number) for file, number in group])


def ahead(items: Iterable[Item], make: Callable[[Item], Made]) -> Iterator[tuple[Item, Made]]:
    """What `make` makes of each item, in order; threads make a few before they are asked for.

    What takes long there (reading, decompression, copying) does not hold Python's lock.
    """
    waiting: deque[tuple[Item, Future[Made]]] = deque()
    with ThreadPoolExecutor(READERS, "samples") as pool:
        try:
            for item in items:
                waiting.append((item, pool.submit(make, item)))
                if len(waiting) > AHEAD:
                    first, future = waiting.popleft()
                    yield first, future.result()
            while waiting:
                first, future = waiting.popleft()
                yield first, future.result()
        finally:
            for _, future in waiting:
                future.cancel()
