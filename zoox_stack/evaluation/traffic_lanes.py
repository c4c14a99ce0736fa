"""Which lane everyone is in, who follows whom, who changes lanes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import VEHICLE_CLASSES, AgentClass, LaneType
from zoox_stack.evaluation.traffic_recording import TrafficRecording
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.road_network.queries import LaneIndex

SAMPLING = 0.5  # [s] between the instants that are looked at
IN_LANE = (*VEHICLE_CLASSES, AgentClass.MOTORCYCLE, AgentClass.BICYCLE)
FOLLOWERS = (AgentClass.CAR, AgentClass.TRUCK, AgentClass.BUS, AgentClass.MOTORCYCLE)  # trailers follow what tows them
MOST_GAP = 100.0  # [m] bumper to bumper; a vehicle farther ahead is no leader
_HOPS = 4  # lanes ahead of the own one in which a leader is looked for
_CANDIDATES = 3  # vehicles ahead in a lane that are looked at: the nearest may ride beside, not before
_LATERAL = 2.5  # [m] from the centre line
_BLOCK = 20_000  # rows matched at once


@dataclass(frozen=True, eq=False)
class LaneSamples:
    """Road users on lanes at every half second. M samples ordered by agent and time.

    Attributes:
        recording: What they are of.
        index: Of its map.
        rows: int64 ``[M]`` rows of the recording.
        lane: int64 ``[M]`` lane row, -1 where none fits.
        s: float64 ``[M]`` of the box centre along the lane [m].
        d: float64 ``[M]`` of the box centre to the left of its centre line [m].
    """

    recording: TrafficRecording
    index: LaneIndex
    rows: NDArray[np.int64]
    lane: NDArray[np.int64]
    s: NDArray[np.float64]
    d: NDArray[np.float64]

    @cached_property
    def agent(self) -> NDArray[np.int64]:
        """Agent of each sample, ``[M]``."""
        return self.recording.agent[self.rows].astype(np.int64)

    @cached_property
    def step(self) -> NDArray[np.int64]:
        """Instant of each sample, ``[M]``."""
        return self.recording.step[self.rows].astype(np.int64)

    @cached_property
    def next_in_time(self) -> NDArray[np.bool_]:
        """Whether the sample after each one is of the same agent, half a second later; ``[M - 1]``."""
        stride = self.recording.stride(SAMPLING)
        return np.asarray((np.diff(self.agent) == 0) & (np.diff(self.step) == stride))


def lane_samples(recording: TrafficRecording) -> LaneSamples | None:
    """Match everyone who uses lanes to them; None without a map that has lanes to drive on.

    Args:
        recording: With `network`.
    """
    if recording.network is None or recording.period <= 0:
        return None
    index = LaneIndex(recording.network)
    if not index.lines:
        return None
    users = recording.of_classes(IN_LANE)
    rows = np.flatnonzero(recording.sampled(SAMPLING) & users[recording.agent])
    lane, s, d = np.full(len(rows), -1), np.zeros(len(rows)), np.zeros(len(rows))
    for first in range(0, len(rows), _BLOCK):
        block = rows[first : first + _BLOCK]
        matches = index.nearest(recording.position[block], recording.yaw[block], max_distance=_LATERAL)
        lane[first : first + _BLOCK] = matches.rows
    order = np.argsort(lane, kind="stable")
    for part in np.split(order, np.flatnonzero(np.diff(lane[order])) + 1):
        if len(part) and lane[part[0]] >= 0:
            place = index.lines[int(lane[part[0]])].project(recording.position[rows[part]])
            s[part], d[part] = place.s, place.d
    return LaneSamples(recording, index, rows, lane, s, d)


@dataclass(frozen=True, eq=False)
class Following:
    """Pairs of follower and leader at one instant each, arrays ``[P]``.

    Attributes:
        follower: Agent row.
        leader: Agent row.
        gap: Bumper to bumper along the lanes [m]; below 0 they overlap.
        headway: Front to front along the lanes [m].
        speed: Of the follower [m/s].
        leader_speed: [m/s].
    """

    follower: NDArray[np.int64]
    leader: NDArray[np.int64]
    gap: NDArray[np.float64]
    headway: NDArray[np.float64]
    speed: NDArray[np.float64]
    leader_speed: NDArray[np.float64]


def following(samples: LaneSamples) -> Following:
    """Everyone's leader: the next one ahead in the same lane, else in the lanes the follower goes through next.

    The next lane is the one the follower is in next in the recording; where the recording does not say, the only
    successor. A leader's box and the follower's must overlap sideways (seen from the lane's centre line): who rides
    beside is not followed. Followers are those of `FOLLOWERS` that travel; leaders are `IN_LANE`, also who parks in the
    lane.
    """
    recording, lanes = samples.recording, len(samples.index.network.lane_ids)
    order = np.lexsort((samples.s, samples.lane, samples.step))
    key = (samples.step * (lanes + 1) + samples.lane + 1)[order]
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    follows = (recording.of_classes(FOLLOWERS) & recording.travels)[samples.agent] & (samples.lane >= 0)
    open_rows = np.flatnonzero(follows)
    length, width = recording.sizes[samples.agent, 0], recording.sizes[samples.agent, 1]
    ahead = _LanesAhead(samples)
    leader = np.full(len(order), -1)
    distance = np.full(len(order), np.nan)
    lane, offset = samples.lane[open_rows], np.zeros(len(open_rows))
    run = ahead.run_of_sample[open_rows]
    for hop in range(_HOPS + 1):
        wanted = samples.step[open_rows] * (lanes + 1) + lane + 1
        start = place[open_rows] + 1 if hop == 0 else np.searchsorted(key, wanted)
        found = np.full(len(open_rows), -1)
        for candidate in range(_CANDIDATES):
            at = np.minimum(start + candidate, len(key) - 1)
            other = order[at]
            beside = np.abs(samples.d[other] - samples.d[open_rows]) >= (width[other] + width[open_rows]) / 2
            good = (start + candidate < len(key)) & (key[at] == wanted) & ~beside & (found < 0)
            found = np.where(good & (samples.agent[other] != samples.agent[open_rows]), other, found)
        hit = found >= 0
        leader[open_rows[hit]] = found[hit]
        distance[open_rows[hit]] = offset[hit] + samples.s[found[hit]] - samples.s[open_rows[hit]]
        following_lane, following_run = ahead.after(lane, run)
        offset = offset + ahead.lengths[lane]
        keep = ~hit & (following_lane >= 0) & (offset - samples.s[open_rows] < MOST_GAP + 20.0)
        open_rows, lane, run = open_rows[keep], following_lane[keep], following_run[keep]
        offset = offset[keep]
    gap = distance - (length + length[leader]) / 2
    pairs = np.flatnonzero((leader >= 0) & (gap <= MOST_GAP))
    front = leader[pairs]
    return Following(
        follower=samples.agent[pairs],
        leader=samples.agent[front],
        gap=gap[pairs],
        headway=distance[pairs] + (length[front] - length[pairs]) / 2,
        speed=recording.speed[samples.rows[pairs]],
        leader_speed=recording.speed[samples.rows[front]],
    )


class _LanesAhead:
    """Which lane comes next: a run is a stretch of an agent's samples in one lane."""

    def __init__(self, samples: LaneSamples) -> None:
        network = samples.index.network
        changes = (np.diff(samples.lane) != 0) | (np.diff(samples.agent) != 0)
        first = np.concatenate([[0], np.flatnonzero(changes) + 1]) if len(samples.lane) else np.zeros(0, np.int64)
        self.run_of_sample = np.repeat(np.arange(len(first)), np.diff(first, append=len(samples.lane)))
        lane, agent = samples.lane[first], samples.agent[first]
        self.lengths = np.array(
            [
                samples.index.lines[row].length if row in samples.index.lines else 0.0
                for row in range(len(network.lane_ids))
            ]
        )
        only = [
            int(row[0]) if len(row) == 1 and int(row[0]) in samples.index.lines else -1 for row in network.successors
        ]
        self._only = np.array(only, np.int64)
        self._next = np.full(len(first), -1)
        if len(first) > 1:
            links = _pairs_of(network)
            driven = (np.diff(agent) == 0) & (lane[:-1] >= 0) & (lane[1:] >= 0)
            driven &= np.isin(lane[:-1] * len(network.lane_ids) + lane[1:], links)
            self._next[:-1] = np.where(driven, lane[1:], -1)

    def after(self, lane: NDArray[np.int64], run: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Lane after each lane and its run; -1 for a lane that is not known or a run that has ended."""
        driven = np.where(run >= 0, self._next[run], -1)
        return np.where(driven >= 0, driven, self._only[lane]), np.where(driven >= 0, run + 1, -1)


def _pairs_of(network: RoadNetwork) -> NDArray[np.int64]:
    """Every lane and successor as one number: lane row times the number of lanes, plus the successor's row."""
    return network.successors.row_of_value() * len(network.lane_ids) + network.successors.values


@dataclass(frozen=True)
class LaneChanges:
    """Lane changes of motor vehicles.

    Attributes:
        changes: How many.
        minutes: Time vehicles spent, moving, in lanes that have a neighbour in the same direction, bus and bike lanes
            left out [min].
    """

    changes: int
    minutes: float


def lane_changes(samples: LaneSamples) -> LaneChanges:
    """Count lane changes: from a lane to its neighbour, or to the neighbour of its successor.

    To be told from wobbling on a line, a vehicle must be in the one lane for the second before and in the other for
    the second after (Thiemann et al. 2008 smooth and then look for the crossing of the line instead).
    """
    network, recording = samples.index.network, samples.recording
    neighbours = np.stack([network.left_neighbours, network.right_neighbours]).astype(np.int64)
    neighbours[network.lane_types[neighbours] != LaneType.VEHICLE] = -1
    motor = recording.of_classes(FOLLOWERS)[samples.agent] & (samples.lane >= 0)
    has_choice = np.asarray((neighbours >= 0).any(axis=0))
    moving = motor & has_choice[samples.lane] & (recording.speed[samples.rows] > 1.0)
    changes, lane = 0, samples.lane
    if len(lane) >= 4:
        # sample 1 is the last before the change: 0 and 1 in one lane, 2 and 3 in the other, all half a second apart
        steady = samples.next_in_time[:-2] & samples.next_in_time[1:-1] & samples.next_in_time[2:]
        steady &= (lane[:-3] == lane[1:-2]) & (lane[2:-1] == lane[3:]) & motor[:-3] & (lane[2:-1] >= 0)
        old, new = lane[1:-2][steady], lane[2:-1][steady]
        beside = (neighbours[:, old] == new).any(axis=0)
        count = len(network.lane_ids)
        links = _pairs_of(network)
        before, after = links // count, links % count
        diagonal = np.concatenate([(before * count + side[after])[side[after] >= 0] for side in neighbours])
        changes = int((beside | (np.isin(old * count + new, diagonal) & (old != new))).sum())
    return LaneChanges(changes, float(moving.sum()) * SAMPLING / 60)
