"""Standing: stops, waiting times, and who stands for longer than any reason would explain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import AgentClass, SignalState
from zoox_stack.evaluation.traffic_recording import TrafficRecording
from zoox_stack.road_network.queries import LaneIndex

STANDING = 0.3  # [m/s] slower is standing
SHORTEST_STOP = 1.0  # [s]
STUCK = 180.0  # [s]
PROGRESS = 5.0  # [m] who does not get so far in that time is stuck
PARKING = 60.0  # [s] who stands longer beside the lanes parks
_ON_LANE = 1.2  # [m] from a centre line: farther off is beside the lane


@dataclass(frozen=True, eq=False)
class Stops:
    """Stretches of standing, arrays ``[Q]``.

    Attributes:
        agent: Agent row.
        start: First row of the recording that stands.
        end: Last row that does.
        duration: [s].
        whole: Begun and ended within the recording: the agent moved before and after.
        parked: A vehicle that stands for over `PARKING` seconds with its centre beside every lane to drive on; never
            without a map.
    """

    agent: NDArray[np.int64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    duration: NDArray[np.float64]
    whole: NDArray[np.bool_]
    parked: NDArray[np.bool_]


def stops(recording: TrafficRecording) -> Stops:
    """Every stretch of at least `SHORTEST_STOP` seconds slower than `STANDING`."""
    standing = recording.speed < STANDING
    if not len(standing):
        none = np.zeros(0, np.int64)
        return Stops(none, none, none, np.zeros(0), none.astype(bool), none.astype(bool))
    follows = np.concatenate([[False], recording.follows(), [False]])
    before = np.concatenate([[False], standing[:-1]]) & follows[:-1]
    after = np.concatenate([standing[1:], [False]]) & follows[1:]
    start, end = np.flatnonzero(standing & ~before), np.flatnonzero(standing & ~after)
    duration = recording.time[end] - recording.time[start] + recording.period
    whole = follows[start] & follows[end + 1]
    long = duration >= SHORTEST_STOP - 1e-6
    start, end, duration, whole = start[long], end[long], duration[long], whole[long]
    agent = recording.agent[start].astype(np.int64)
    return Stops(agent, start, end, duration, whole, _parked(recording, start, duration))


def _parked(recording: TrafficRecording, start: NDArray[np.int64], duration: NDArray[np.float64]) -> NDArray[np.bool_]:
    walks = recording.of_classes((AgentClass.PEDESTRIAN, AgentClass.ANIMAL))[recording.agent[start]]
    parked = (duration > PARKING) & ~walks
    if recording.network is None or not parked.any():
        return np.zeros(len(start), bool)
    index, rows = LaneIndex(recording.network), start[parked]
    matches = index.nearest(recording.position[rows], recording.yaw[rows], max_distance=_ON_LANE)
    parked[parked] = matches.rows < 0
    return parked


@dataclass(frozen=True)
class StuckAgent:
    """One that gets nowhere for too long.

    Attributes:
        id: Of the agent.
        agent_class: Name of its class.
        since: From when on it gets nowhere [s since the start].
        seconds: For how long, red lights left out [s].
        x: [m].
        y: [m].
    """

    id: int
    agent_class: str
    since: float
    seconds: float
    x: float
    y: float


def stuck_agents(recording: TrafficRecording, longest: float = STUCK) -> tuple[StuckAgent, ...]:
    """Who stays within `PROGRESS` metres for more than `longest` seconds for no good reason, in order of id.

    Good reasons: a vehicle parks (see `Stops`), or the signals that govern its lane and the lanes after it are all red:
    that time does not count. Pedestrians have none. Animals, hazards and trailers are not asked.
    """
    kinds = (AgentClass.HAZARD, AgentClass.ANIMAL, AgentClass.TRAILER, AgentClass.UNKNOWN)
    asked = ~recording.of_classes(kinds)
    index = LaneIndex(recording.network) if recording.network is not None else None
    stuck = []
    for start, end in _without_progress(recording, asked, longest):
        agent, middle = int(recording.agent[start]), (start + end) // 2
        seconds = float(recording.time[end] - recording.time[start]) + recording.period
        if _parked(recording, np.array([middle]), np.array([seconds]))[0]:
            continue
        x, y = recording.position[middle]
        if index is not None and recording.classes[agent] != AgentClass.PEDESTRIAN:
            lane = index.nearest(recording.position[[middle]], recording.yaw[[middle]], max_distance=_ON_LANE).rows[0]
            if lane >= 0:
                seconds -= _red_time(recording, int(lane), recording.step[start : end + 1])
        if seconds > longest:
            kind = AgentClass(int(recording.classes[agent])).name
            stuck.append(
                StuckAgent(int(recording.ids[agent]), kind, float(recording.time[start]), seconds, float(x), float(y))
            )
    return tuple(sorted(stuck, key=lambda one: (one.id, one.since)))


def _without_progress(
    recording: TrafficRecording, asked: NDArray[np.bool_], longest: float
) -> Iterator[tuple[int, int]]:
    """First and last row of every stretch in which an agent that is `asked` stays near for `longest` seconds."""
    steps = recording.stride(longest)
    if len(recording.agent) <= steps:
        return
    near = np.hypot(*(recording.position[steps:] - recording.position[:-steps]).T) < PROGRESS
    near &= recording.follows(steps) & asked[recording.agent[steps:]]
    starts = np.flatnonzero(np.diff(near, prepend=False) & near)
    for start in starts.tolist():
        last = start + int(np.argmin(np.append(near[start:], False))) - 1
        for begin in range(start, last + 1):  # who goes away and comes back has got somewhere
            way = recording.position[begin : begin + steps + 1] - recording.position[begin]
            if np.hypot(*way.T).max() < PROGRESS:
                yield begin, last + steps
                break


def _red_time(recording: TrafficRecording, lane: int, steps: NDArray[np.int32]) -> float:
    """How long of the instants `steps` all signals of a lane and of its successors are red [s]; 0 without signals."""
    network = recording.network
    if network is None or recording.signal_states is None:
        return 0.0
    lanes = {lane, *map(int, network.successors[lane])}
    governing = [row for row, governed in enumerate(network.signal_lanes) if lanes.intersection(map(int, governed))]
    if not governing:
        return 0.0
    red = (recording.signal_states[steps][:, governing] == SignalState.RED).all(axis=1)
    return float(red.sum()) * recording.period
