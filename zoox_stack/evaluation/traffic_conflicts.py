"""Who passes the same place soon after whom: post-encroachment times and accepted gaps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import VEHICLE_CLASSES, AgentClass
from zoox_stack.core.geometry import wrap_angle
from zoox_stack.evaluation.traffic_lanes import LaneSamples
from zoox_stack.evaluation.traffic_recording import TrafficRecording
from zoox_stack.evaluation.traffic_waiting import STANDING

CELL = 2.0  # [m] about the width of a vehicle
MOST_TIME = 10.0  # [s] a later passage has nothing to do with the earlier one
CROSSING_ANGLE = np.deg2rad(30)  # ways that differ by less (or by more than 150 degrees) run alongside
RIDERS = (AgentClass.MOTORCYCLE, AgentClass.BICYCLE)
_NEW_VISIT = 2.0  # [s] out of a cell for this long and back is a new visit
_POINT_SPACING = 1.0  # [m] between the points of a box's long axis


@dataclass(frozen=True, eq=False)
class Passages:
    """Road users that pass a cell one after the other, with nobody in between. P pairs, arrays ``[P]``.

    Attributes:
        first: Agent row of the one that is there first.
        second: Agent row of the next.
        first_in: When the first's box begins to cover the cell [s since the start].
        first_out: When it no longer does [s].
        second_in: When the second's box begins to cover it [s].
        angle: Between their headings when they come in [rad], 0..pi.
        moving: Whether neither of them stands while it covers the cell.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    first_in: NDArray[np.float64]
    first_out: NDArray[np.float64]
    second_in: NDArray[np.float64]
    angle: NDArray[np.float64]
    moving: NDArray[np.bool_]


def passages(recording: TrafficRecording) -> Passages:
    """All passages of cells of `CELL` metres by two road users at most `MOST_TIME` seconds apart.

    A box covers the cells that its long axis touches. Only road users that travel count, hazards and animals not.
    """
    walkers = (*VEHICLE_CLASSES, *RIDERS, AgentClass.PEDESTRIAN)
    wanted = recording.travels & recording.of_classes(walkers)
    rows = np.flatnonzero(wanted[recording.agent])
    length = recording.sizes[recording.agent[rows], 0]
    points = 1 + np.ceil(length / _POINT_SPACING).astype(np.int64)
    row = np.repeat(rows, points)
    number = np.arange(len(row)) - np.repeat(np.cumsum(points) - points, points)
    share = number / np.repeat(np.maximum(points - 1, 1), points) - 0.5
    reach = share * np.repeat(length, points)
    yaw = recording.yaw[row]
    cells = np.floor(
        (recording.position[row] + reach[:, None] * np.stack([np.cos(yaw), np.sin(yaw)], axis=1)) / CELL
    ).astype(np.int64)
    none = np.zeros(0)
    if not len(row):
        return Passages(none.astype(np.int64), none.astype(np.int64), none, none, none, none, none.astype(bool))
    cells -= cells.min(axis=0)
    cell = cells[:, 0] * (cells[:, 1].max() + 1) + cells[:, 1]
    # visits: one agent in one cell without a break; rows of an agent are in order of time already
    order = np.argsort(recording.agent[row].astype(np.int64) * (cell.max() + 1) + cell, kind="stable")
    agent, cell, time = recording.agent[row][order].astype(np.int64), cell[order], recording.time[row][order]
    heading = yaw[order]
    begins = (np.diff(agent) != 0) | (np.diff(cell) != 0) | (np.diff(time) > _NEW_VISIT)
    first = np.concatenate([[0], np.flatnonzero(begins) + 1])
    last = np.append(first[1:], len(order)) - 1
    visit = np.lexsort((agent[first], time[first], cell[first]))
    start, end = first[visit], last[visit]
    moving = np.minimum.reduceat(recording.speed[row][order], first)[visit] >= STANDING
    a, b = start[:-1], start[1:]
    out = time[end[:-1]] + recording.period
    near = (cell[a] == cell[b]) & (agent[a] != agent[b]) & (time[b] - out <= MOST_TIME)
    a, b = a[near], b[near]
    return Passages(
        first=agent[a],
        second=agent[b],
        first_in=time[a],
        first_out=out[near],
        second_in=time[b],
        angle=np.abs(wrap_angle(heading[b] - heading[a])),
        moving=(moving[:-1] & moving[1:])[near],
    )


def post_encroachment_times(
    recording: TrafficRecording, found: Passages, first: tuple[AgentClass, ...], second: tuple[AgentClass, ...]
) -> NDArray[np.float64]:
    """Post-encroachment time of every pair whose ways cross, the smallest over the cells they share [s].

    From the moment the first road user leaves the place to the moment the second reaches it (Allen, B. L., Shin, B. T.,
    Cooper, P. J., "Analysis of traffic conflicts and collisions", 1978). Ways cross where the headings differ by 30 to
    150 degrees; someone who stands there does not cross. 0: both covered the same cell of 2 m at once while moving, a
    near miss or a collision.

    Args:
        recording: What was recorded.
        found: Its passages.
        first: Classes of the one, either in order.
        second: Classes of the other.
    """
    crossing = (found.angle > CROSSING_ANGLE) & (found.angle < np.pi - CROSSING_ANGLE)
    one, other = recording.of_classes(first), recording.of_classes(second)
    kinds = (one[found.first] & other[found.second]) | (other[found.first] & one[found.second])
    rows = np.flatnonzero(crossing & kinds & found.moving)
    times = np.maximum(found.second_in - found.first_out, 0.0)
    return _least_per_pair(recording, found, rows, times[rows])


def accepted_gaps(recording: TrafficRecording, found: Passages, samples: LaneSamples) -> NDArray[np.float64]:
    """Gaps that those who had to give way took [s]: one per vehicle that goes first and the next with priority.

    The time from the arrival of the one that should give way to the arrival of the next one that has priority over it
    at the first place their boxes share; the map (`RoadNetwork.yields`) says who gives way. Gap acceptance as in the
    Highway Capacity Manual (two-way stop-controlled intersections): a taken gap is the sum of the lags of all who took
    it. Gaps beyond `MOST_TIME` are not counted, nobody has to think about them.
    """
    network = samples.index.network
    lanes = len(network.lane_ids)
    if not len(network.yields.values) or not len(found.first):
        return np.zeros(0)
    yielding = network.yields.row_of_value() * lanes + network.yields.values
    motor = recording.of_classes((*VEHICLE_CLASSES, *RIDERS))
    gap = found.second_in - found.first_in
    rows = np.flatnonzero(motor[found.first] & motor[found.second] & (gap > 0) & (gap <= MOST_TIME))
    mine = _lanes_around(samples, found.first[rows], found.first_in[rows])
    theirs = _lanes_around(samples, found.second[rows], found.second_in[rows])
    gives_way, has_way = np.zeros(len(rows), bool), np.zeros(len(rows), bool)
    for own in mine:
        for other in theirs:
            both = (own >= 0) & (other >= 0)
            gives_way |= both & np.isin(own * lanes + other, yielding)
            has_way |= both & np.isin(other * lanes + own, yielding)
    chosen = gives_way & ~has_way
    return _least_per_pair(recording, found, rows[chosen], gap[rows[chosen]])


def _lanes_around(samples: LaneSamples, agent: NDArray[np.int64], time: NDArray[np.float64]) -> list[NDArray[np.int64]]:
    """Lanes of agents at the samples just before and just after given times; -1 where there is none."""
    at = samples.recording.time[samples.rows]
    span = float(at.max(initial=0.0)) + 100.0
    key = samples.agent * span + at
    after = np.searchsorted(key, agent * span + time)
    lanes = []
    for shift in (-1, 0):
        row = np.clip(after + shift, 0, len(key) - 1)
        near = (samples.agent[row] == agent) & (np.abs(at[row] - time) <= 1.0)
        lanes.append(np.where(near, samples.lane[row], -1))
    return lanes


def _least_per_pair(
    recording: TrafficRecording, found: Passages, rows: NDArray[np.int64], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Smallest value of each pair of agents."""
    pair = found.first[rows] * len(recording.ids) + found.second[rows]
    order = np.lexsort((values, pair))
    return np.asarray(values[order][np.diff(pair[order], prepend=-1) != 0])
