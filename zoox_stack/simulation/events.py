"""What happens to the ego that counts: collisions, red lights, leaving the road, wrong way, harsh braking, near misses.

Blame for collisions follows the closed-loop metrics of nuPlan (Karnchanachari et al., "Towards learning-based planning:
the nuPlan benchmark for real-world autonomous driving", ICRA 2024): who stands is not at fault, who is hit from behind
is not, who drives into somebody with his front is; at the side the ego is at fault unless it keeps to its lane. Before
that, an ego that keeps to its lane is not at fault for somebody who comes towards it there or cuts in.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState, TrackedAgents, TrafficSignals
from zoox_stack.core.classes import VEHICLE_CLASSES, AgentClass, Blame, EventKind, SignalState
from zoox_stack.core.events import NOBODY, SimulationEvent
from zoox_stack.core.geometry import box_corners, boxes_overlap, to_local, wrap_angle
from zoox_stack.road_network.drivable import DrivableGrid
from zoox_stack.road_network.queries import LaneIndex
from zoox_stack.simulation.event_config import EventConfig

_STANDS = 0.05  # [m/s] slower ones stand
_BEHIND = np.deg2rad(150)  # further round than this seen from the ego: behind it
_ONCOMING = np.deg2rad(135)  # headings that differ by more: the two drive towards each other
_ALONGSIDE = np.deg2rad(60)  # headings that differ by less: the two drive the same way
_CLOSING = 0.5  # [m/s] at which somebody moves into another's way
_LOOK_AHEAD = 3.0  # [s] times to collision beyond this are not worked out
_LOOK_STEP = 0.1  # [s]
_NEAR = 60.0  # [m] others farther away are not looked at
_APART_FOR = 1.0  # [s] boxes must be apart this long before touching counts as another collision
_KERB = 0.3  # [m] by which a box may reach over the edge of its lane
_CAUSED_AHEAD = 3.0  # [s] an ego so far ahead of somebody may be why they brake


@dataclass
class _Open:
    """An event that goes on."""

    stamp_ns: int
    last_ns: int
    value: float
    x: float
    y: float
    blame: Blame
    agent_id: int
    agent_class: AgentClass


class EventDetector:
    """Watches one drive, step by step. Collisions and red lights are told at once, the rest when it is over.

    Args:
        index: The map.
        route: Lane rows of the ego's route: which of the signals at a stop line is the ego's.
        config: From where on something counts.
    """

    def __init__(self, index: LaneIndex, route: Collection[int] = (), config: EventConfig | None = None) -> None:
        self.config = config or EventConfig()
        self._index = index
        self._grid = DrivableGrid(index)
        self._gates = _Gates(index, set(route))
        self._touching: dict[int, int] = {}  # last contact [ns] by agent id
        self._open: dict[tuple[EventKind, int], _Open] = {}
        self._last: EgoState | None = None
        self._against = 0.0  # [m] driven against the lane without a break

    def update(self, scene: TrackedAgents, signals: TrafficSignals | None) -> list[SimulationEvent]:
        """Look at the next step.

        Args:
            scene: Everyone as they really are, with the ego.
            signals: States of the signals, None if there are none.

        Returns:
            Events that are now complete.
        """
        ego = scene.ego
        if ego is None:
            return []
        near = np.flatnonzero(np.hypot(*(scene.position[:, :2] - ego.centre).T) < _NEAR)
        others = scene.take(near)
        told = self._collisions(ego, others)
        told += self._red_lights(ego, signals)
        self._off_road(ego)
        self._wrong_way(ego)
        self._braking(ego, others)
        self._near_misses(ego, others)
        self._last = ego
        return told + self._close(ego.stamp_ns)

    def finish(self) -> list[SimulationEvent]:
        """Events that still went on when the drive ended."""
        return self._close(None)

    # --- instants ---------------------------------------------------------------------------------------------------

    def _collisions(self, ego: EgoState, others: TrackedAgents) -> list[SimulationEvent]:
        hit = boxes_overlap(
            ego.centre, ego.yaw, [ego.length, ego.width], others.position[:, :2], others.yaw, others.size[:, :2]
        )
        told = []
        for row in np.flatnonzero(hit).tolist():
            identity = int(others.ids[row])
            last = self._touching.get(identity)
            self._touching[identity] = ego.stamp_ns
            if last is not None and (ego.stamp_ns - last) * 1e-9 <= _APART_FOR:
                continue
            velocity = ego.speed * np.array([np.cos(ego.yaw), np.sin(ego.yaw)])
            closing = float(np.hypot(*(others.velocity[row] - velocity)))
            blame = self._blame(ego, others.position[row, :2], others.yaw[row], others.size[row], others.velocity[row])
            kind = AgentClass(int(others.classes[row]))
            place = (ego.centre + others.position[row, :2]) / 2
            text = f"collision with {kind.name.lower()} {identity} at {closing:.1f} m/s, {_BLAME_TEXT[blame]}"
            told.append(
                SimulationEvent(
                    ego.stamp_ns, EventKind.COLLISION, blame, place[0], place[1], closing, text, identity, kind
                )
            )
        return told

    def _blame(
        self,
        ego: EgoState,
        position: NDArray[np.float64],
        yaw: float,
        size: NDArray[Any],
        velocity: NDArray[np.float64],
    ) -> Blame:
        if abs(ego.speed) < _STANDS:
            return Blame.OTHER
        local = to_local(position[None], ego.centre, ego.yaw)[0]
        if abs(np.arctan2(local[1], local[0])) > _BEHIND:
            return Blame.OTHER
        if np.hypot(*velocity) < _STANDS:
            return Blame.EGO
        # Seen from the ego, from here on.
        c, s = np.cos(ego.yaw), np.sin(ego.yaw)
        along, across = (float(v) for v in (c * velocity[0] + s * velocity[1], c * velocity[1] - s * velocity[0]))
        turned = abs(float(wrap_angle(yaw - ego.yaw)))
        comes_in = turned < _ALONGSIDE and -np.sign(local[1]) * across > _CLOSING
        keeps_lane = self._keeps_lane(ego.centre, ego.yaw, ego.length, ego.width)
        if keeps_lane and (turned > _ONCOMING or comes_in):
            length, width, _ = (float(v) for v in size)
            if not self._keeps_lane(position, yaw, length, width):
                return Blame.OTHER
        front = ego.centre + (ego.length / 2) * np.array([c, s])
        if boxes_overlap(front, ego.yaw, [0.2, ego.width], position, yaw, size[:2]) or not keeps_lane:
            return Blame.EGO
        reach = ego.length / 2
        towards = np.array([min(max(local[0], -reach), reach) - local[0], -local[1]])  # to the middle line of the ego
        closing = float(np.array([along - ego.speed, across]) @ towards) / max(float(np.hypot(*towards)), 1e-6)
        return Blame.OTHER if closing > _CLOSING else Blame.UNCLEAR

    def _keeps_lane(self, position: NDArray[np.float64], yaw: float, length: float, width: float) -> bool:
        """Whether all of a box is in one lane of its direction, at a kerb's width."""
        place, heading = position[None], np.array([yaw])
        most = self.config.off_road_distance
        return bool(keeps_lane(self._index, self._grid, place, heading, length, width, most)[0])

    def _red_lights(self, ego: EgoState, signals: TrafficSignals | None) -> list[SimulationEvent]:
        if signals is not None:
            self._gates.show(signals)
        if self._last is None:
            return []
        before, now = (_front(state) for state in (self._last, ego))
        since = self._gates.passed_at_red(before, now, ego.yaw, ego.stamp_ns)
        if since is None:
            return []
        text = f"passed a signal {since:.1f} s after it turned red"
        return [SimulationEvent(ego.stamp_ns, EventKind.RED_LIGHT, Blame.EGO, now[0], now[1], since, text)]

    # --- what lasts -------------------------------------------------------------------------------------------------

    def _off_road(self, ego: EgoState) -> None:
        corners = box_corners(ego.centre[None], np.array([ego.yaw]), ego.length, ego.width)[0]
        distance = self._grid.distance_outside(corners)
        if distance.max() > self.config.off_road_distance:
            place = corners[int(distance.argmax())]
            self._note(EventKind.OFF_ROAD, ego, float(distance.max()), place, Blame.EGO)

    def _wrong_way(self, ego: EgoState) -> None:
        place, yaw = ego.centre[None], np.array([ego.yaw])
        with_lane = self._index.nearest(place, yaw, max_distance=2.0, max_heading_error=np.pi / 2)
        any_lane = self._index.nearest(place, yaw, max_distance=2.0, max_heading_error=np.pi)
        row, error = int(any_lane.rows[0]), abs(float(any_lane.heading_error[0]))
        against = with_lane.rows[0] < 0 <= row and error > np.deg2rad(120)
        if not against or self._index.network.lane_in_intersection[row]:
            self._against = 0.0
            return
        moved = 0.0 if self._last is None else float(np.hypot(ego.x - self._last.x, ego.y - self._last.y))
        self._against += moved
        if self._against > self.config.wrong_way_distance:
            self._note(EventKind.WRONG_WAY, ego, error, ego.centre, Blame.EGO)

    def _braking(self, ego: EgoState, others: TrackedAgents) -> None:
        least = self.config.harsh_deceleration
        if -ego.acceleration > least:
            self._note(EventKind.HARSH_BRAKING, ego, -ego.acceleration, ego.centre, Blame.NOBODY)
        heading = np.stack([np.cos(others.yaw), np.sin(others.yaw)], axis=1)
        braking = -(others.acceleration * heading).sum(axis=1)
        vehicle = np.isin(others.classes, [*map(int, VEHICLE_CLASSES), AgentClass.MOTORCYCLE])
        offset = ego.centre - others.position[:, :2]
        ahead = (offset * heading).sum(axis=1)
        aside = np.abs(heading[:, 0] * offset[:, 1] - heading[:, 1] * offset[:, 0])
        reach = _CAUSED_AHEAD * others.speed + ego.length
        caused = (ahead > 0) & (ahead < reach) & (aside < (others.size[:, 1] + ego.length) / 2)
        for row in np.flatnonzero(vehicle & caused & (braking > least)).tolist():
            self._note(
                EventKind.HARSH_BRAKING, ego, float(braking[row]), others.position[row], Blame.EGO,
                int(others.ids[row]), AgentClass(int(others.classes[row])),
            )  # fmt: skip

    def _near_misses(self, ego: EgoState, others: TrackedAgents) -> None:
        if ego.speed < _STANDS or not len(others):
            return
        times = np.arange(_LOOK_STEP, _LOOK_AHEAD + 1e-6, _LOOK_STEP)
        own = ego.centre + times[:, None] * ego.speed * np.array([np.cos(ego.yaw), np.sin(ego.yaw)])
        theirs = others.position[:, None, :2] + times[:, None] * others.velocity[:, None]
        hit = boxes_overlap(
            own[None], ego.yaw, [ego.length, ego.width], theirs, others.yaw[:, None], others.size[:, None, :2]
        )
        local = to_local(others.position[:, :2], ego.centre, ego.yaw)
        behind = np.abs(np.arctan2(local[:, 1], local[:, 0])) > _BEHIND
        first = np.where(hit.any(axis=1) & ~behind, times[hit.argmax(axis=1)], np.inf)
        for row in np.flatnonzero(first < self.config.near_miss_time).tolist():
            when = float(first[row])
            moved = ego.centre + when * ego.speed * np.array([np.cos(ego.yaw), np.sin(ego.yaw)])
            shift = moved - ego.centre
            blame = self._blame(
                ego, others.position[row, :2] + when * others.velocity[row] - shift, others.yaw[row],
                others.size[row], others.velocity[row],
            )  # fmt: skip
            self._note(
                EventKind.NEAR_MISS, ego, when, others.position[row], blame, int(others.ids[row]),
                AgentClass(int(others.classes[row])),
            )  # fmt: skip

    def _note(
        self,
        kind: EventKind,
        ego: EgoState,
        value: float,
        place: NDArray[np.float64],
        blame: Blame,
        agent_id: int = NOBODY,
        agent_class: AgentClass = AgentClass.UNKNOWN,
    ) -> None:
        """An event begins or goes on; its worst moment is kept."""
        key = kind, agent_id
        known = self._open.get(key)
        if known is None:
            known = self._open[key] = _Open(
                ego.stamp_ns, ego.stamp_ns, value, float(place[0]), float(place[1]), blame, agent_id, agent_class
            )
        elif value < known.value if kind is EventKind.NEAR_MISS else value > known.value:
            known.value, known.x, known.y, known.blame = value, float(place[0]), float(place[1]), blame
        known.last_ns = ego.stamp_ns

    def _close(self, now_ns: int | None) -> list[SimulationEvent]:
        """Open events that were not noted now, or all."""
        told = []
        for (kind, _), event in list(self._open.items()):
            if now_ns is not None and event.last_ns == now_ns:
                continue
            del self._open[kind, event.agent_id]
            duration = (event.last_ns - event.stamp_ns) * 1e-9
            told.append(
                SimulationEvent(
                    event.stamp_ns, kind, event.blame, event.x, event.y, event.value, _text(kind, event),
                    event.agent_id, event.agent_class, duration,
                )
            )  # fmt: skip
        return told


def keeps_lane(
    index: LaneIndex,
    grid: DrivableGrid,
    position: NDArray[np.float64],
    yaw: NDArray[np.float64],
    length: float,
    width: float,
    off_road_distance: float,
) -> NDArray[np.bool_]:
    """Whether all of each of N equally large boxes is in one lane of its direction, at a kerb's width.

    Args:
        index: The map.
        grid: Its drivable ground.
        position: ``[N, 2]`` of their middles [m].
        yaw: ``[N]`` [rad].
        length: [m].
        width: [m].
        off_road_distance: So far off drivable ground may a corner be [m].
    """
    match = index.nearest(position, yaw)
    outside = grid.distance_outside(box_corners(position, yaw, length, width)).max(axis=1)
    lane_widths = np.array([index.width(row) if row >= 0 else 0.0 for row in match.rows.tolist()])
    inside = (outside <= off_road_distance) & (match.distance + width / 2 <= lane_widths / 2 + _KERB)
    return np.asarray((match.rows >= 0) & inside)


_BLAME_TEXT = {
    Blame.NOBODY: "nobody's fault", Blame.EGO: "the ego's fault", Blame.OTHER: "the other's fault",
    Blame.BOTH: "the fault of both", Blame.UNCLEAR: "fault unclear",
}  # fmt: skip


def _text(kind: EventKind, event: _Open) -> str:
    who = f"{event.agent_class.name.lower()} {event.agent_id}"
    match kind:
        case EventKind.OFF_ROAD:
            return f"{event.value:.1f} m off the drivable area"
        case EventKind.WRONG_WAY:
            return "against the direction of the lane"
        case EventKind.HARSH_BRAKING:
            return f"{'the ego' if event.agent_id == NOBODY else who} braked with {event.value:.1f} m/s²"
        case _:
            return f"{event.value:.1f} s from a collision with {who}, {_BLAME_TEXT[event.blame]}"


def _front(ego: EgoState) -> NDArray[np.float64]:
    return np.asarray(ego.centre + ego.length / 2 * np.array([np.cos(ego.yaw), np.sin(ego.yaw)]))


class _Gates:
    """The places where one enters what a signal governs, and since when they are red."""

    def __init__(self, index: LaneIndex, route: set[int]) -> None:
        network = index.network
        points, headings, widths, owners, mine = [], [], [], [], []
        for row, lanes in enumerate(network.signal_lanes):
            for lane in map(int, lanes):
                line = index.lines.get(lane)
                if line is None:
                    continue
                at = 0 if network.lane_in_intersection[lane] else -1
                points.append(line.xy[at])
                headings.append(line.heading[at])
                widths.append(index.width(lane))
                owners.append(row)
                mine.append(lane in route)
        self._points = np.array(points).reshape(-1, 2)
        self._headings, self._widths = np.array(headings), np.array(widths)
        self._owners, self._mine = np.array(owners, np.int64), np.array(mine, bool)
        self._ids = network.signal_ids
        self._red_since = np.full(len(network.signal_ids), -1, np.int64)  # [ns], -1: not red

    def show(self, signals: TrafficSignals) -> None:
        """Take over the states of signals."""
        states = dict(zip(signals.ids.tolist(), signals.states.tolist(), strict=True))
        for row, identity in enumerate(self._ids.tolist()):
            if states.get(identity) != SignalState.RED:
                self._red_since[row] = -1
            elif self._red_since[row] < 0:
                self._red_since[row] = signals.stamp_ns

    def passed_at_red(
        self, before: NDArray[np.float64], now: NDArray[np.float64], yaw: float, stamp_ns: int
    ) -> float | None:
        """Time since red began [s] if the way from `before` to `now` passes a red gate.

        Several ways through an intersection begin at one place: the one on the route counts, without a route all of
        them must be red.
        """
        if not len(self._points):
            return None
        along = np.stack([np.cos(self._headings), np.sin(self._headings)], axis=1)
        start, end = (((point - self._points) * along).sum(axis=1) for point in (before, now))
        offset = now - self._points
        aside = np.abs(along[:, 0] * offset[:, 1] - along[:, 1] * offset[:, 0])
        turned = np.abs(wrap_angle(yaw - self._headings)) < np.pi / 4
        passed = (start < 0) & (end >= 0) & (end < 5.0) & turned & (aside < self._widths / 2)
        rows = np.flatnonzero(passed & self._mine) if (passed & self._mine).any() else np.flatnonzero(passed)
        since = self._red_since[self._owners[rows]]
        if not len(since) or (since < 0).any():
            return None
        return max(0.0, (stamp_ns - int(since.max())) * 1e-9)
