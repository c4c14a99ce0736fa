"""Where the ego has to give way by the map, and how hard those who go first would have to brake for a plan."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState
from zoox_stack.core.classes import AreaType, SignalState
from zoox_stack.core.predictions import STEP
from zoox_stack.planning.candidates import Candidates
from zoox_stack.planning.path_agents import PathAgents, in_way
from zoox_stack.planning.reference_path import ReferencePath
from zoox_stack.road_network.area_index import AreaIndex
from zoox_stack.road_network.conflicts import GiveWay
from zoox_stack.road_network.polyline import Polyline
from zoox_stack.road_network.queries import LaneIndex, LanePath

_AROUND = 3.0  # [m] before and after a place within which somebody who comes onto the path counts
_SPARE = 0.5  # [s] the ego has to be through before the other arrives
_UNFELT = 0.3  # [m/s^2] of braking that is no braking
_WAITING = 2.0  # [m/s^2] that a pedestrian who has to wait counts as
_HARDEST = 8.0  # [m/s^2]


@dataclass(frozen=True, eq=False)
class GiveWayPlaces:
    """Stretches of the path ahead where others go first; Z places, arrays ``[Z]``.

    Attributes:
        begin: Arc length along the path [m].
        end: Arc length along the path [m].
        lanes: int64 row of the lane that goes first; -1: a crosswalk, where pedestrians go first.
        lane_begin: Where the conflict begins along that lane [m].
        lane_end: Where it ends [m].
    """

    begin: NDArray[np.float64]
    end: NDArray[np.float64]
    lanes: NDArray[np.int64]
    lane_begin: NDArray[np.float64]
    lane_end: NDArray[np.float64]

    @classmethod
    def of(cls, found: list[tuple[float, float, int, float, float]]) -> GiveWayPlaces:
        """From begin, end, lane, its begin and end of each place."""
        table = np.array(found, np.float64).reshape(-1, 5)
        return cls(table[:, 0], table[:, 1], table[:, 2].astype(np.int64), table[:, 3], table[:, 4])

    def __len__(self) -> int:
        return len(self.begin)


@dataclass(frozen=True, eq=False)
class OwnWay:
    """Where others have to give way to the ego, and how sure it may be that they do.

    Attributes:
        places: Stretches of the path; their lanes are those that give way.
        lines: Of these lanes.
        trust: Share of the drivers that will give way, 0..1.
    """

    places: GiveWayPlaces
    lines: tuple[Polyline, ...]
    trust: float


class GiveWayFinder:
    """Finds the places along a path where the ego has to give way.

    Args:
        index: The map.
    """

    def __init__(self, index: LaneIndex) -> None:
        self._index, self._areas = index, AreaIndex(index.network)
        self._conflicts = index.conflicts

    def find(self, path: ReferencePath, ego: EgoState) -> GiveWayPlaces:
        """The places ahead of the ego's rear; lanes that give way to each other are left out."""
        rear = path.ego_s + ego.rear_axle_to_centre - ego.length / 2
        found = self._conflicts_along(path, rear, ego_gives_way=True)
        found += [(*stretch, -1, 0.0, 0.0) for stretch in self._crosswalks(path) if stretch[1] > rear]
        return GiveWayPlaces.of(found)

    def find_own(self, path: ReferencePath, ego: EgoState, states: dict[int, SignalState]) -> GiveWayPlaces:
        """The places ahead of the ego's rear where it goes first; the lanes are those that give way to it.

        Args:
            path: Reference path.
            ego: The ego.
            states: Of the signals, by id; they come before the map.
        """
        rear = path.ego_s + ego.rear_axle_to_centre - ego.length / 2
        return GiveWayPlaces.of(self._conflicts_along(path, rear, ego_gives_way=False, states=states))

    def line(self, row: int) -> Polyline:
        """Of a lane."""
        return self._index.lines[row]

    def _conflicts_along(
        self,
        path: ReferencePath,
        begin: float,
        *,
        ego_gives_way: bool,
        states: dict[int, SignalState] | None = None,
    ) -> list[tuple[float, float, int, float, float]]:
        """Begin, end, the other lane, begin and end along that."""
        conflicts, found = self._conflicts, []
        for row, start, end in LanePath(path.line, path.lanes).runs():
            numbers = conflicts.of_lane[row] if end > begin else ()
            at_start: float | None = None
            for i in map(int, numbers):
                is_first = int(conflicts.first[i]) == row
                if conflicts.gives_way[i] != (GiveWay.FIRST if is_first == ego_gives_way else GiveWay.SECOND):
                    continue
                own, other = (conflicts.first_interval, conflicts.second_interval)[:: 1 if is_first else -1]
                lane = int(conflicts.second[i] if is_first else conflicts.first[i])
                if states is not None and not goes_first(row, lane, states, self._index):
                    continue
                if at_start is None:
                    at_start = float(self._index.lines[row].project(path.line.at(start)[0][None]).s[0])
                low, high = start + own[i, 0] - at_start, start + own[i, 1] - at_start
                if high > begin and low <= end:
                    found.append((float(low), float(high), lane, float(other[i, 0]), float(other[i, 1])))
        return found

    def _crosswalks(self, path: ReferencePath) -> list[tuple[float, float]]:
        on = np.concatenate([[False], self._areas.contains(path.line.xy, AreaType.CROSSWALK), [False]])
        edges = np.flatnonzero(np.diff(on.astype(np.int8)))
        return [(float(path.line.s[a]), float(path.line.s[b - 1])) for a, b in edges.reshape(-1, 2)]


def imposed_on_priority(
    places: GiveWayPlaces,
    candidates: Candidates,
    rows: NDArray[np.int64],
    ego: EgoState,
    agents: PathAgents,
    walks: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Braking of the most affected of those who go first, because a plan is at such a place before them.

    An agent goes first at a place if it is beside the path now and comes onto it there. It must not arrive until the
    plan has left the place, or can stop before it.

    Args:
        places: Where the ego has to give way.
        candidates: All candidates.
        rows: ``[N]`` those meant.
        ego: The ego.
        agents: B agents near the path.
        walks: ``[B]`` pedestrians and animals.

    Returns:
        ``[N]`` [m/s^2], times the probability of the agent's future, at most 8; 2 for a pedestrian who has to wait.
    """
    found = np.zeros(len(rows))
    if not len(places) or not len(agents) or not len(rows):
        return found
    blocked = in_way(agents, ego, 0.0)
    coming = np.flatnonzero(blocked.any(axis=1) & ~blocked[:, 0])
    steps = np.hypot(np.diff(agents.s, axis=1), np.diff(agents.d, axis=1))
    middle = candidates.s[rows] + ego.rear_axle_to_centre
    for b in coming:
        first = int(blocked[b].argmax())
        station, arrives, way = agents.s[b, first], agents.time[first], float(steps[b, :first].sum())
        speed = float(steps[b, 0] / (agents.time[1] - agents.time[0]))
        fitting = (places.begin - _AROUND < station) & (station < places.end + _AROUND)
        for z in np.flatnonzero(fitting & ((places.lanes < 0) == walks[b])):
            enters = (middle + ego.length / 2 < places.begin[z]).sum(axis=1) * STEP
            leaves = (middle - ego.length / 2 < places.end[z]).sum(axis=1) * STEP + _SPARE
            affected = (enters < arrives) & (leaves > arrives)
            if way < 0.1 or speed < 0.1:
                continue
            # Speed v, distance D: not there before t. Stopping is the most that is ever needed.
            until = np.minimum(leaves, 2.0 * way / speed)
            braking = 2.0 * (speed * until - way) / until**2
            braking = np.full(len(rows), _WAITING) if walks[b] else braking
            braking = np.where(affected & (braking > _UNFELT), np.minimum(braking, _HARDEST), 0.0)
            found = np.maximum(found, braking * agents.probability[b])
    return found


def goes_first(own: int, other: int, states: dict[int, SignalState], index: LaneIndex) -> bool:
    """Whether signals leave it to the map which of two lanes goes first: they come before it.

    Args:
        own: Lane row of the ego: its signals have to be green if it has any.
        other: Lane row of the other; without signals on the own lane it must not have green.
        states: Of the signals, by id.
        index: The map.
    """
    mine = [states.get(signal) for signal in index.signals_of(own)]
    if mine:
        return all(state == SignalState.GREEN for state in mine)
    return all(states.get(signal) != SignalState.GREEN for signal in index.signals_of(other))
