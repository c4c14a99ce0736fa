"""What the signals ahead say about the ego, and about people who wait beside its way."""

from __future__ import annotations

from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import TrackedAgents, TrafficSignals
from zoox_stack.core.classes import SignalState
from zoox_stack.planning.config import PlannerConfig
from zoox_stack.planning.proposal import WALKERS
from zoox_stack.planning.reference_path import ReferencePath
from zoox_stack.planning.right_of_way import GiveWayPlaces
from zoox_stack.road_network.queries import LaneIndex

_BEFORE, _AFTER = 6.0, 3.0  # [m] before and after the way through an intersection that its crosswalks lie at most
_ENTERED = 4.0  # [m] into it that the crosswalk before it may reach
_TURNS = np.radians(25.0)  # who turns so much crosses people who have green
_ALONG = 4.0  # [m] from a crosswalk along the path within which somebody waits at it,
_CLEAR, _BESIDE = 2.0, 20.0  # [m] so far beside the path
_STOOD = 1.0  # [s]
_KEPT = 0.95  # share of people that do not walk on red


def known_states(signals: TrafficSignals | None, stamp_ns: int, config: PlannerConfig) -> dict[int, SignalState]:
    """States of signals that are neither too old nor too uncertain."""
    if signals is None or abs(stamp_ns - signals.stamp_ns) > config.signal_max_age * 1e9:
        return {}
    return {
        int(i): SignalState(int(s))
        for i, s, c in zip(signals.ids, signals.states, signals.confidence, strict=True)
        if c >= config.signal_confidence
    }


def kept_by_signals(
    scene: TrackedAgents,
    path: ReferencePath,
    places: GiveWayPlaces,
    stood: NDArray[np.float64],
    states: dict[int, SignalState],
    index: LaneIndex,
) -> NDArray[np.float64]:
    """How much to believe that people go on standing because the ego has green, and so they have red.

    That holds on the crosswalk before an intersection, and on the one behind it for who goes straight on.

    Args:
        scene: All agents.
        path: Reference path.
        places: Where the ego gives way, the crosswalks among them.
        stood: How long each agent has stood [s].
        states: Of the signals, by id.
        index: The map.

    Returns:
        ``[len(scene)]`` 0..1.
    """
    believed = np.zeros(len(scene))
    waits = np.flatnonzero(np.isin(scene.classes, WALKERS) & (stood >= _STOOD))
    crosswalks = np.flatnonzero(places.lanes < 0)
    closed = _closed_stretches(path, states, index) if len(waits) and len(crosswalks) else []
    if not closed:
        return believed
    at = path.line.project(scene.position[waits, :2])
    for z in crosswalks:
        begin, end = places.begin[z], places.end[z]
        if any(low <= begin and end <= high for low, high in closed):
            here = (at.s > begin - _ALONG) & (at.s < end + _ALONG) & (np.abs(at.d) > _CLEAR) & (np.abs(at.d) < _BESIDE)
            believed[waits[here]] = _KEPT
    return believed


def _closed_stretches(
    path: ReferencePath, states: dict[int, SignalState], index: LaneIndex
) -> list[tuple[float, float]]:
    """Parts of the path on which crosswalks are closed to people, because the ego has green [m]."""
    found, before = [], -1
    for inside, run in groupby(range(len(path.lanes)), key=lambda i: bool(path.in_intersection[i])):
        points = list(run)
        lanes = list(dict.fromkeys(path.lanes[points].tolist()))
        if not inside:
            before = lanes[-1]
            continue
        # Some maps put signals on the lanes through an intersection, some on those that lead to it.
        ids = {signal for row in lanes for signal in index.signals_of(row)} or set(index.signals_of(before))
        if not ids or any(states.get(signal) != SignalState.GREEN for signal in ids):
            continue
        begin, end = float(path.line.s[points[0]]), float(path.line.s[points[-1]])
        turn = sum(float(index.lines[row].heading[-1] - index.lines[row].heading[0]) for row in lanes)
        found.append((begin - _BEFORE, begin + _ENTERED if abs(turn) > _TURNS else end + _AFTER))
    return found
