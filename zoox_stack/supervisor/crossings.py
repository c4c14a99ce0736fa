"""Where the lanes ahead of others cross the ego's way or merge into it, worked out once per lane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import TrafficSignals
from zoox_stack.core.classes import SignalState
from zoox_stack.road_network.conflicts import GiveWay
from zoox_stack.road_network.polyline import Polyline
from zoox_stack.road_network.queries import LaneIndex, LanePath

AGENT_WAY = 60.0  # [m] of an agent's way ahead
_STOPPING = (SignalState.RED, SignalState.FLASHING_RED)
_GOING = (SignalState.GREEN,)


@dataclass(frozen=True)
class Crossing:
    """A place where two ways meet.

    Attributes:
        mine: Lane row of the ego's way there.
        other: Lane row of the other way there.
        ego: From, to along the ego's way [m].
        agent: From, to along the other way, from the begin of its first lane [m].
        agent_gives_way: By the map; None where it does not say, or both have to.
    """

    mine: int
    other: int
    ego: tuple[float, float]
    agent: tuple[float, float]
    agent_gives_way: bool | None


class Crossings:
    """Crossings with the lanes ahead of each lane. Keeps those of the way asked about last.

    Args:
        index: The map.
    """

    def __init__(self, index: LaneIndex) -> None:
        self._index = index
        self._way: LanePath | None = None
        self._mine: tuple[int, ...] = ()
        self._known: dict[int, tuple[Crossing, ...]] = {}
        self._ahead: dict[int, LanePath | None] = {}
        self._signals: dict[int, list[int]] = {}
        network = index.network
        for signal, lanes in zip(network.signal_ids.tolist(), network.signal_lanes, strict=True):
            for lane in lanes.tolist():
                self._signals.setdefault(int(lane), []).append(int(signal))

    def lanes(self, way: LanePath) -> tuple[int, ...]:
        """Lane rows of the ego's way, in order."""
        if self._way is not way:
            self._way, self._known = way, {}
            self._mine = tuple(dict.fromkeys(int(row) for row in way.lanes if row >= 0))
        return self._mine

    def of(self, way: LanePath, lane: int) -> tuple[Crossing, ...]:
        """Where a vehicle on a lane that follows it, at forks the branch that turns least, meets the ego's way.

        Args:
            way: Of the ego.
            lane: Lane row.
        """
        mine = self.lanes(way)
        if lane not in self._known:
            self._known[lane] = self._find(way, mine, lane)
        return self._known[lane]

    def agent_first(self, crossing: Crossing, states: dict[int, SignalState]) -> bool | None:
        """Who has right of way: signals come before the map; None if nobody has, or it is not known.

        Args:
            crossing: Where.
            states: States by signal id.
        """
        mine, its = self._state(crossing.mine, states), self._state(crossing.other, states)
        if mine in _STOPPING or its in _STOPPING:
            if mine in _GOING:
                return False
            return True if its in _GOING else None
        return None if crossing.agent_gives_way is None else not crossing.agent_gives_way

    def _state(self, lane: int, states: dict[int, SignalState]) -> SignalState:
        found = [states.get(signal, SignalState.UNKNOWN) for signal in self._signals.get(lane, ())]
        return found[-1] if found else SignalState.UNKNOWN

    def _find(self, way: LanePath, mine: tuple[int, ...], lane: int) -> tuple[Crossing, ...]:
        theirs = self._way_from(lane)
        if lane in mine or theirs is None:
            return ()
        conflicts = self._index.conflicts
        lanes = {int(row) for row in theirs.lanes if row >= 0} - set(mine)
        found = []
        for own in mine:
            for k in conflicts.of_lane[own].tolist():
                first = int(conflicts.first[k]) == own
                other = int(conflicts.second[k] if first else conflicts.first[k])
                if other not in lanes:
                    continue
                intervals = (conflicts.first_interval[k], conflicts.second_interval[k])
                near, far = intervals if first else intervals[::-1]
                gives_way = int(conflicts.gives_way[k])
                known = gives_way not in (GiveWay.UNKNOWN, GiveWay.BOTH)
                agent_gives_way = (gives_way == GiveWay.SECOND) == first if known else None
                ego, agent = self._along(way.line, own, near), self._along(theirs.line, other, far)
                found.append(Crossing(own, other, ego, agent, agent_gives_way))
        return tuple(found)

    def _way_from(self, lane: int) -> LanePath | None:
        """The way from the begin of a lane on."""
        if lane not in self._ahead:
            line = self._index.lines[lane]
            xy, yaw, _ = line.at(min(0.5, line.length / 2))
            reach = line.length + AGENT_WAY
            prefer = (lane,)
            self._ahead[lane] = self._index.path_ahead(
                float(xy[0]), float(xy[1]), float(yaw), reach, behind=0.0, prefer=prefer
            )
        return self._ahead[lane]

    def _along(self, line: Polyline, lane: int, interval: NDArray[np.float64]) -> tuple[float, float]:
        """Stretch of a way that an interval of a lane lies on."""
        ends = line.project(self._index.lines[lane].at(interval)[0]).s
        return float(ends.min()), float(ends.max())


def signal_states(signals: TrafficSignals | None) -> dict[int, SignalState]:
    """States by signal id."""
    if signals is None:
        return {}
    return {int(i): SignalState(int(s)) for i, s in zip(signals.ids, signals.states, strict=True)}
