"""Vehicles that drive through each other or through people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import CYCLIST_CLASSES, VEHICLE_CLASSES, AgentClass
from zoox_stack.core.geometry import boxes_overlap
from zoox_stack.evaluation.traffic_recording import TrafficRecording

SHRUNK = 0.2  # [m] by which every box is shorter and narrower: touching is no overlap, nor are mirrors
MOST_SHARE = 0.005  # of the time of vehicles under way; more is wrong in a simulation
_NAMED = 5  # overlaps
_VEHICLES = tuple(kind for kind in (*VEHICLE_CLASSES, *CYCLIST_CLASSES) if kind != AgentClass.TRAILER)
_OTHERS = (*_VEHICLES, AgentClass.PEDESTRIAN, AgentClass.ANIMAL)


@dataclass(frozen=True)
class Overlap:
    """Two whose boxes overlap.

    Attributes:
        ids: Of both.
        classes: Names of their classes.
        since: When first [s since the start].
        seconds: How long in all [s].
    """

    ids: tuple[int, int]
    classes: tuple[str, str]
    since: float
    seconds: float


@dataclass(frozen=True)
class Overlaps:
    """All overlaps of a recording.

    Attributes:
        pairs: How many pairs.
        seconds: Of all pairs together [s].
        share: The same for the time of all vehicles under way; 0 without any.
        under_way: That time [s].
        worst: The longest ones, the longest first.
    """

    pairs: int
    seconds: float
    share: float
    under_way: float
    worst: tuple[Overlap, ...]


def overlaps(recording: TrafficRecording) -> Overlaps:
    """Check every step for boxes that overlap by more than `SHRUNK`.

    A pair is a vehicle or cycle with another one or with somebody on foot; at least one vehicle of it gets anywhere
    in the recording. Trailers are left out, they overlap what tows them, and so are hazards, doors among them.
    """
    vehicle, other = recording.of_classes(_VEHICLES), recording.of_classes(_OTHERS)
    rows = np.flatnonzero(other[recording.agent])
    rows = rows[np.argsort(recording.step[rows], kind="stable")]
    bounds = np.searchsorted(recording.step[rows], np.arange(len(recording.stamps_ns) + 1))
    size = np.maximum(recording.sizes[:, :2] - SHRUNK, 0.0)
    reach = np.hypot(*size.T) / 2
    travels = vehicle & recording.travels
    found: list[NDArray[np.int64]] = []
    for begin, end in pairwise(bounds.tolist()):
        here = rows[begin:end]
        agent, place = recording.agent[here], recording.position[here]
        moving = np.flatnonzero(travels[agent])
        apart = place[moving, None] - place
        near = (apart**2).sum(axis=-1) < (reach[agent[moving], None] + reach[agent]) ** 2
        near &= ~travels[agent] | (agent[moving, None] < agent)
        one, two = np.nonzero(near)
        found.append(np.stack([here[moving[one]], here[two]]))
    pairs = np.concatenate([np.zeros((2, 0), np.int64), *found], axis=1)
    a, b = recording.agent[pairs].astype(np.int64)
    touching = boxes_overlap(
        recording.position[pairs[0]], recording.yaw[pairs[0]], size[a],
        recording.position[pairs[1]], recording.yaw[pairs[1]], size[b],
    ) & (a != b)  # fmt: skip
    a, b, time = a[touching], b[touching], recording.time[pairs[0]][touching]
    both, first, counts = np.unique(a * len(recording.ids) + b, return_index=True, return_counts=True)
    worst = [
        Overlap(
            ids=(int(recording.ids[a[row]]), int(recording.ids[b[row]])),
            classes=(_class(recording, int(a[row])), _class(recording, int(b[row]))),
            since=float(time[row]),
            seconds=round(float(count) * recording.period, 3),
        )
        for row, count in sorted(zip(first.tolist(), counts.tolist(), strict=True), key=lambda pair: -pair[1])[:_NAMED]
    ]
    seconds, under_way = (float(n) * recording.period for n in (len(a), travels[recording.agent].sum()))
    return Overlaps(len(both), round(seconds, 3), _share(seconds, under_way), round(under_way, 3), tuple(worst))


def pooled_overlaps(parts: Sequence[Overlaps]) -> Overlaps:
    """Overlaps of several recordings as one."""
    seconds, under_way = sum(part.seconds for part in parts), sum(part.under_way for part in parts)
    worst = sorted((one for part in parts for one in part.worst), key=lambda one: -one.seconds)[:_NAMED]
    return Overlaps(sum(part.pairs for part in parts), seconds, _share(seconds, under_way), under_way, tuple(worst))


def _share(seconds: float, under_way: float) -> float:
    return seconds / under_way if under_way else 0.0


def _class(recording: TrafficRecording, agent: int) -> str:
    return AgentClass(int(recording.classes[agent])).name
