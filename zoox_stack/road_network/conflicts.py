"""Which lanes get into each other's way, where along them, and who gives way."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.spatial import cKDTree

from zoox_stack.core.ragged import Ragged
from zoox_stack.road_network.lane_search import LaneSearch
from zoox_stack.road_network.network import RoadNetwork

DRIVEN_WIDTH = 2.2  # [m] of a lane that vehicles drive over, less where the lane is narrower
_BRIDGE = 3.0  # [m] of height between lanes that pass over each other
_GAP = 3.5  # [m] along a lane between two overlaps with the same other lane
_SHORT = 6.0  # [m] lanes shorter than this do not keep the lanes before and after them apart
_MEET = 1.0  # [m] within which ends of lanes count as the same place


class ConflictKind(IntEnum):
    """How two lanes get into each other's way."""

    CROSSING = 0  # they overlap somewhere along the way, oncoming lanes on one strip included
    MERGING = 1  # they lead into the same lane


class GiveWay(IntEnum):
    """Who gives way in a conflict; signals come before it."""

    UNKNOWN = 0
    FIRST = 1
    SECOND = 2
    BOTH = 3  # each to the other, as where all have to stop


@dataclass(frozen=True, eq=False)
class LaneConflicts:
    """Places where the driven areas of two lanes overlap; M conflicts, ordered by first, second and place.

    The driven area of a lane is a strip of `DRIVEN_WIDTH` around its centre line. An interval holds the places along a
    lane at which a disc of that width touches the strip of the other lane, to half a metre. Lanes that follow each
    other or come out of the same lane are in no conflict where they do.

    Attributes:
        first: int64 ``[M]`` lane rows, lower than `second`.
        second: int64 ``[M]`` lane rows.
        first_interval: float64 ``[M, 2]`` from, to along the first lane [m].
        second_interval: float64 ``[M, 2]`` from, to along the second lane [m].
        kinds: uint8 ``[M]`` `ConflictKind`.
        gives_way: uint8 ``[M]`` `GiveWay`.
        of_lane: Ragged int64, L rows of conflicts that each lane takes part in.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    first_interval: NDArray[np.float64]
    second_interval: NDArray[np.float64]
    kinds: NDArray[np.uint8]
    gives_way: NDArray[np.uint8]
    of_lane: Ragged

    def __len__(self) -> int:
        return len(self.first)


def find_conflicts(network: RoadNetwork, search: LaneSearch) -> LaneConflicts:
    """All conflicts between the lanes that are searched.

    Points of two centre lines that lie closer than the driven width belong to an overlap; overlaps of one pair are
    told apart by gaps along the lanes.

    Args:
        network: The map.
        search: Its lanes.
    """
    lanes = len(network.lane_ids)
    a, b = _close_points(network, search)
    low, high = search.rows[a], search.rows[b]
    a, b = np.where(low < high, a, b), np.where(low < high, b, a)
    first, second = search.rows[a], search.rows[b]
    follow, forks = _following(network, search), _common_starts(network, lanes)
    apart = ~(_has(follow, first, second) | _has(follow, second, first))
    a, b, first, second = a[apart], b[apart], first[apart], second[apart]
    order = np.lexsort((search.s[b], search.s[a], second, first))
    a, b, first, second = a[order], b[order], first[order], second[order]
    new = (np.diff(first, prepend=-1) != 0) | (np.diff(second, prepend=-1) != 0)
    starts = np.flatnonzero(new | (np.diff(search.s[a], prepend=0.0) > _GAP))
    if len(starts):
        first, second = first[starts], second[starts]
        first_interval, second_interval = _spans(search.s[a], starts), _spans(search.s[b], starts)
        length = np.zeros(lanes)
        np.maximum.at(length, search.rows, search.s)
        keep = ~_diverging(network, first, second, first_interval, second_interval, length, forks)
        first, second = first[keep], second[keep]
        first_interval, second_interval = first_interval[keep], second_interval[keep]
        merging = _has(_common_ends(network, lanes), first, second)
        merging &= (first_interval[:, 1] > length[first] - _MEET) & (second_interval[:, 1] > length[second] - _MEET)
        kinds = np.where(merging, ConflictKind.MERGING, ConflictKind.CROSSING).astype(np.uint8)
    else:
        first, second, kinds = np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.uint8)
        first_interval, second_interval = np.zeros((0, 2)), np.zeros((0, 2))
    yields = _links(network.yields, lanes)
    gives_way = GiveWay.FIRST * _has(yields, first, second) + GiveWay.SECOND * _has(yields, second, first)
    lane = np.concatenate([first, second])
    number = np.tile(np.arange(len(first)), 2)
    of_lane = number[np.lexsort((number, lane))]
    offsets = np.concatenate([[0], np.cumsum(np.bincount(lane, minlength=lanes))])
    return LaneConflicts(
        first, second, first_interval, second_interval, kinds, gives_way.astype(np.uint8),
        Ragged(of_lane, offsets.astype(np.int32)),
    )  # fmt: skip


def _close_points(network: RoadNetwork, search: LaneSearch) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of points of different lanes whose driven discs touch and that no bridge keeps apart."""
    if not len(search.rows):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    width = np.nan_to_num(network.lane_widths.astype(np.float64), nan=DRIVEN_WIDTH)
    width = np.clip(width, 0.5, DRIVEN_WIDTH)
    pairs = cKDTree(search.xy).query_pairs(DRIVEN_WIDTH, output_type="ndarray").astype(np.int64)
    a, b = pairs[search.rows[pairs[:, 0]] != search.rows[pairs[:, 1]]].T
    reach = (width[search.rows[a]] + width[search.rows[b]]) / 2
    z = _heights(network, search)
    near = (np.hypot(*(search.xy[a] - search.xy[b]).T) < reach) & (np.abs(z[a] - z[b]) < _BRIDGE)
    return a[near], b[near]


def _heights(network: RoadNetwork, search: LaneSearch) -> NDArray[np.float64]:
    """Height of every point of the search ``[P]`` [m]."""
    z = np.zeros(len(search.rows))
    edges = np.flatnonzero(np.diff(search.rows, prepend=-1, append=-1))
    for begin, end in pairwise(edges):
        points = network.centre_lines[int(search.rows[begin])]
        along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points[:, :2], axis=0).T))])
        z[begin:end] = np.interp(search.s[begin:end], along, points[:, 2])
    return z


def _spans(s: NDArray[np.float64], starts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Least and greatest value of each group, ``[groups, 2]``."""
    return np.stack([np.minimum.reduceat(s, starts), np.maximum.reduceat(s, starts)], axis=1)


def _links(table: Ragged, lanes: int) -> csr_array:
    return csr_array(coo_array((np.ones(len(table.values), np.bool_), (table.row_of_value(), table.values)),
                               shape=(lanes, lanes)))  # fmt: skip


def _has(links: csr_array, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each pair is among the links."""
    return np.asarray(links[first, second]).astype(bool).reshape(-1) if len(first) else np.zeros(0, np.bool_)


def _following(network: RoadNetwork, search: LaneSearch) -> csr_array:
    """Links from each lane to those that come soon after it: successors, and theirs behind lanes that are short."""
    lanes = len(network.lane_ids)
    direct = _links(network.successors, lanes)
    length = np.zeros(lanes)
    np.maximum.at(length, search.rows, search.s)
    short = np.flatnonzero(length < _SHORT)
    through = csr_array(coo_array((np.ones(len(short), np.bool_), (short, short)), shape=(lanes, lanes)))
    reached, step = direct, direct
    for _ in range(4):
        step = step @ through @ direct
        reached = reached + step
    return reached


def _common_starts(network: RoadNetwork, lanes: int) -> csr_array:
    """Links between lanes that come out of the same lane."""
    direct = _links(network.successors, lanes)
    return csr_array(direct.T @ direct)


def _common_ends(network: RoadNetwork, lanes: int) -> csr_array:
    """Links between lanes that lead into the same lane."""
    direct = _links(network.successors, lanes)
    return csr_array(direct @ direct.T)


def _diverging(
    network: RoadNetwork,
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    first_interval: NDArray[np.float64],
    second_interval: NDArray[np.float64],
    length: NDArray[np.float64],
    forks: csr_array,
) -> NDArray[np.bool_]:
    """Overlaps in which both lanes still come away from the lane they both follow, ``[M]``."""
    begins = (first_interval[:, 0] < _MEET, second_interval[:, 0] < _MEET)
    ends = (first_interval[:, 1] > length[first] - _MEET, second_interval[:, 1] > length[second] - _MEET)
    result = begins[0] & begins[1] & _has(forks, first, second)
    # A lane that is cut in the middle of such an overlap: the overlap goes on in its successor.
    known = {(int(first[i]), int(second[i])): i for i in np.flatnonzero(result).tolist()}
    waiting = list(known.items())
    where: dict[tuple[int, int], list[int]] = {}
    for i, pair in enumerate(zip(first.tolist(), second.tolist(), strict=True)):
        where.setdefault(pair, []).append(i)
    while waiting:
        (one, other), i = waiting.pop()
        for moving, staying, done in ((one, other, ends[0][i]), (other, one, ends[1][i])):
            for following in map(int, network.successors[moving]) if done else ():
                pair = (min(following, staying), max(following, staying))
                side = 0 if pair[0] == following else 1
                for j in where.get(pair, ()):
                    if not result[j] and begins[side][j]:
                        result[j] = True
                        waiting.append((pair, j))
    return np.asarray(result)
