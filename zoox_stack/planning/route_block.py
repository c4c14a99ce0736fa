"""Notices that something stands on the route for long and the ego behind it, with no signal to wait for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zoox_stack.core.agents import EgoState, TrackedAgents, TrafficSignals
from zoox_stack.core.classes import AgentClass, SignalState
from zoox_stack.planning.route_config import RouteConfig
from zoox_stack.road_network.queries import LaneIndex, LanePath, StopPoints

_REACH = 30.0  # [m] ahead of the ego that an obstacle counts
_QUEUE = 100.0  # [m] ahead of the ego that a signal may be what everyone waits for
_SAME_PLACE = 1.0  # [m] an obstacle may seem to move and still be the same
_LEAST_EXISTENCE = 0.5
_WALKERS = (AgentClass.PEDESTRIAN, AgentClass.ANIMAL)  # they go away
_WAITS = (SignalState.RED, SignalState.YELLOW, SignalState.UNKNOWN)


@dataclass(frozen=True)
class Block:
    """An obstacle on a lane.

    Attributes:
        agent_id: What stands there.
        row: The lane.
        s: Where along the lane its centre is [m].
        text: For people.
    """

    agent_id: int
    row: int
    s: float
    text: str


class BlockWatch:
    """Watches one route. The time counts while the ego stands behind an obstacle and no signal ahead holds both up.

    Args:
        index: The map.
        path: The route.
        config: Parameters.
    """

    def __init__(self, index: LaneIndex, path: LanePath, config: RouteConfig) -> None:
        self._index, self._path, self._config = index, path, config
        stops = index.stop_points(path)
        signalled = [i for i, signals in enumerate(stops.signals) if signals]
        self._stops = StopPoints(stops.s[signalled], tuple(stops.signals[i] for i in signalled))
        self._place = np.nan  # of the obstacle along the route
        self._waited_ns = 0
        self._last_ns = 0

    def update(self, scene: TrackedAgents, ego: EgoState, s: float, signals: TrafficSignals | None) -> Block | None:
        """The obstacle that has just stood for `blocked_time`, if there is one.

        Args:
            scene: Agents.
            ego: The ego.
            s: Of the ego along the route [m].
            signals: States of the traffic signals, None if none are known.
        """
        passed = max(scene.stamp_ns - self._last_ns, 0)
        self._last_ns = scene.stamp_ns
        found = self._obstacle(scene, ego, s) if abs(ego.speed) <= self._config.standing_speed else None
        if found is None:
            self._place = np.nan
            return None
        row, place = found
        if not abs(place - self._place) <= _SAME_PLACE:  # also the first
            self._place, self._waited_ns = place, 0
            return None
        if not self._signal_holds(s, signals):
            self._waited_ns += passed
        if self._waited_ns < self._config.blocked_time * 1e9:
            return None
        self._waited_ns = 0
        return self._block(scene, row, place)

    def _obstacle(self, scene: TrackedAgents, ego: EgoState, s: float) -> tuple[int, float] | None:
        """Row of the nearest agent that stands on the route ahead, and where along it its centre is [m]."""
        standing = np.hypot(*scene.velocity.T) <= self._config.standing_speed
        real = (scene.existence >= _LEAST_EXISTENCE) & ~np.isin(scene.classes, _WALKERS)
        close = np.hypot(*(scene.position[:, :2] - [ego.x, ego.y]).T) <= 2 * _REACH
        rows = np.flatnonzero(standing & real & close)
        if not len(rows):
            return None
        foot = self._path.line.project(scene.position[rows, :2])
        turn = scene.yaw[rows] - foot.heading
        length, width = scene.size[rows, 0] / 2, scene.size[rows, 1] / 2
        across = np.abs(np.sin(turn)) * length + np.abs(np.cos(turn)) * width
        covers = np.abs(foot.d) < across + ego.width / 2
        centre = s + ego.rear_axle_to_centre
        ahead = np.flatnonzero(covers & (foot.s > centre) & (foot.s < centre + _REACH))
        if not len(ahead):
            return None
        first = int(ahead[np.argmin(foot.s[ahead])])
        return int(rows[first]), float(foot.s[first])

    def _signal_holds(self, s: float, signals: TrafficSignals | None) -> bool:
        """Whether a signal ahead is not open, or not known."""
        known = {} if signals is None else dict(zip(signals.ids.tolist(), signals.states.tolist(), strict=True))
        return any(
            known.get(signal, SignalState.UNKNOWN) in _WAITS
            for place, governing in zip(self._stops.s, self._stops.signals, strict=True)
            if s < place < s + _QUEUE
            for signal in governing
        )

    def _block(self, scene: TrackedAgents, row: int, place: float) -> Block | None:
        lane = int(self._path.lanes[int(np.argmin(np.abs(self._path.line.s - place)))])
        if lane < 0:
            return None
        along = float(self._index.lines[lane].project(scene.position[row : row + 1, :2]).s[0])
        kind, number = AgentClass(int(scene.classes[row])).name.lower(), int(scene.ids[row])
        text = f"{kind} #{number} stands on lane {self._index.network.lane_ids[lane]}"
        return Block(number, lane, along, text)
