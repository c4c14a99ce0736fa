"""How the ego and each agent stand to each other along the ego's way: behind, towards, or across each other.

Everything is measured along and across the ego's lane, as Responsibility-Sensitive Safety wants it; where two ways
cross or merge, along each way up to the place where they do.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState, TrackedAgents, TrafficSignals
from zoox_stack.core.classes import AgentClass, SignalState
from zoox_stack.core.geometry import wrap_angle
from zoox_stack.road_network.conflicts import GiveWay
from zoox_stack.road_network.polyline import Polyline
from zoox_stack.road_network.queries import LaneIndex, LanePath
from zoox_stack.supervisor.config import SupervisorConfig
from zoox_stack.supervisor.motion import Proposal

_WALKERS = (AgentClass.PEDESTRIAN, AgentClass.ANIMAL)
_ASIDE = 25.0  # [m] agents further beside the ego's way are not looked at
_BEHIND = 60.0  # [m] of the ego's way behind it
_AGENT_WAY = 60.0  # [m] of an agent's way ahead
_STANDS = 0.5  # [m/s] slower agents cross nobody's way
_STOPPING = (SignalState.RED, SignalState.FLASHING_RED)
_GOING = (SignalState.GREEN,)


class Relation(IntEnum):
    """How an agent's way lies to the ego's."""

    SAME_DIRECTION = 0
    OPPOSITE = 1
    EGO_FIRST = 2  # the ways cross or merge, the ego has right of way
    AGENT_FIRST = 3
    NOBODY_FIRST = 4  # nobody has right of way, or it is not known


CROSSING = (Relation.EGO_FIRST, Relation.AGENT_FIRST, Relation.NOBODY_FIRST)


@dataclass(frozen=True)
class Extent:
    """One of the two, along and across.

    Attributes:
        rear: Along the ego's way; in a crossing: distance of the rear to the place where the ways meet [m].
        front: As `rear`, greater along the ego's way, smaller before a crossing [m].
        right: Across the ego's way, positive to the left [m].
        left: As `right`, greater [m].
        speed: Along its own way [m/s], >= 0.
        sideways: Across the ego's way, positive to the left [m/s].
        leave: In a crossing: way until the rear has left the place where the ways meet [m]; else 0.
    """

    rear: float
    front: float
    right: float
    left: float
    speed: float
    sideways: float
    leave: float = 0.0


@dataclass(frozen=True)
class Encounter:
    """The ego and one agent.

    Attributes:
        agent_id: Id of the agent.
        relation: How their ways lie.
        walker: The agent is a pedestrian or an animal: may go anywhere.
        ego: The ego.
        agent: The agent.
    """

    agent_id: int
    relation: Relation
    walker: bool
    ego: Extent
    agent: Extent


def ego_way(ego: EgoState, proposal: Proposal, index: LaneIndex | None, reach: float) -> LanePath:
    """The way of the ego: along the lanes that its trajectory goes over, without a map the trajectory straight on.

    Args:
        ego: The ego.
        proposal: A checked trajectory.
        index: The map.
        reach: [m] ahead.
    """
    points = np.stack([proposal.x, proposal.y], axis=1)
    if index is not None:
        rows = index.nearest(points, proposal.yaw).rows
        prefer = frozenset(rows[rows >= 0].tolist())
        way = index.path_ahead(ego.x, ego.y, ego.yaw, reach, behind=_BEHIND, prefer=prefer)
        if way is not None:
            return way
    here = np.array([ego.x, ego.y])
    forward = np.array([np.cos(ego.yaw), np.sin(ego.yaw)])
    ahead = points[((points - here) @ forward) > 1.0]
    end_yaw = float(proposal.yaw[-1]) if len(ahead) else ego.yaw
    end = ahead[-1] if len(ahead) else here
    last = end + reach * np.array([np.cos(end_yaw), np.sin(end_yaw)])
    line = Polyline.from_points(np.concatenate([[here - _BEHIND * forward, here], ahead, [last]]), smoothing=2.0)
    return LanePath(line, np.full(len(line.s), -1))


def find_encounters(
    ego: EgoState,
    agents: TrackedAgents,
    way: LanePath,
    index: LaneIndex | None,
    signals: TrafficSignals | None,
    config: SupervisorConfig,
) -> list[Encounter]:
    """All agents that may matter, in the order of their ids.

    An agent on a lane that crosses the ego's way or merges into it is in a crossing, else the heading decides. Agents
    are taken to follow their lane, at a fork the branch that turns least. Without a lane an agent's heading is its way.

    Args:
        ego: The ego.
        agents: The tracked agents.
        way: Of the ego.
        index: The map.
        signals: States of traffic signals; they come before signs.
        config: Limits.
    """
    if not len(agents):
        return []
    line = way.line
    at_ego = line.project(ego.centre[None])
    me = _extent(
        float(at_ego.s[0]), float(at_ego.d[0]), float(wrap_angle(ego.yaw - at_ego.heading[0])), (ego.length, ego.width),
        (max(ego.speed, 0.0), ego.lateral_velocity),
    )  # fmt: skip
    places = line.project(agents.position[:, :2])
    turn = wrap_angle(agents.yaw - places.heading)
    c, s = np.cos(places.heading), np.sin(places.heading)
    along = agents.velocity[:, 0] * c + agents.velocity[:, 1] * s
    across = agents.velocity[:, 1] * c - agents.velocity[:, 0] * s
    near = (np.abs(places.s - at_ego.s[0]) < config.rss_range) & (np.abs(places.d) < _ASIDE)
    near &= agents.existence >= config.rss_existence
    crossings = _Crossings(way, index, signals)
    rows = index.nearest(agents.position[:, :2], agents.yaw).rows if index is not None else np.full(len(agents), -1)
    found = []
    for row in np.flatnonzero(near).tolist():
        size = (float(agents.size[row, 0]), float(agents.size[row, 1]))
        speed = float(np.hypot(*agents.velocity[row]))
        walker = int(agents.classes[row]) in _WALKERS
        box = _extent(
            float(places.s[row]), float(places.d[row]), float(turn[row]), size, (abs(along[row]), float(across[row]))
        )
        met: tuple[Relation, Extent, Extent] | None = None
        if not walker and speed > _STANDS and way.lanes.max() >= 0 and rows[row] >= 0:
            met = crossings.on_lanes(agents, row, int(rows[row]), me, size[0], speed)
        elif not walker and speed > _STANDS and abs(np.cos(turn[row])) < 0.5:
            met = crossings.straight_on(agents, row, me, size, speed)
        if met is None:
            met = _beside(me, box, float(along[row]), float(np.cos(turn[row])), walker)
        if met is not None:
            found.append(Encounter(int(agents.ids[row]), met[0], walker, met[1], met[2]))
    return found


def _extent(s: float, d: float, turn: float, size: tuple[float, float], velocity: tuple[float, float]) -> Extent:
    """A box around (s, d), turned against the line."""
    c, k = abs(np.cos(turn)), abs(np.sin(turn))
    half_along, half_across = (size[0] * c + size[1] * k) / 2, (size[0] * k + size[1] * c) / 2
    return Extent(
        float(s - half_along), float(s + half_along), float(d - half_across), float(d + half_across),
        float(velocity[0]), float(velocity[1]),
    )  # fmt: skip


def _beside(me: Extent, box: Extent, along: float, same: float, walker: bool) -> tuple[Relation, Extent, Extent] | None:
    """An agent that goes along the ego's way or against it; None if it does not matter."""
    if walker:
        return None if box.front < me.rear else (Relation.SAME_DIRECTION, me, box)
    if same < -0.5 and along < -_STANDS:
        return None if box.front < me.rear else (Relation.OPPOSITE, me, box)
    return Relation.SAME_DIRECTION, me, box


class _Crossings:
    """Places where other ways meet the ego's."""

    def __init__(self, way: LanePath, index: LaneIndex | None, signals: TrafficSignals | None) -> None:
        self._way, self._index = way, index
        self._states: dict[int, SignalState] = {}
        if index is not None and signals is not None:
            state = dict(zip(signals.ids.tolist(), signals.states.tolist(), strict=True))
            for signal, lanes in zip(index.network.signal_ids.tolist(), index.network.signal_lanes, strict=True):
                for lane in lanes.tolist():
                    self._states[lane] = SignalState(state.get(signal, SignalState.UNKNOWN))
        self._mine = list(dict.fromkeys(int(row) for row in way.lanes if row >= 0))

    def on_lanes(
        self, agents: TrackedAgents, row: int, lane: int, me: Extent, length: float, speed: float
    ) -> tuple[Relation, Extent, Extent] | None:
        """The first place where the lanes ahead of an agent meet the ego's; None if nowhere, or one is past it."""
        if lane in self._mine or self._index is None:
            return None
        x, y = agents.position[row, :2].tolist()
        theirs = self._index.path_ahead(x, y, float(agents.yaw[row]), _AGENT_WAY, behind=0.0, prefer=(lane,))
        if theirs is None:
            return None
        conflicts = self._index.conflicts
        lanes = {int(r) for r in theirs.lanes if r >= 0} - set(self._mine)
        here = float(theirs.line.project(agents.position[row : row + 1, :2]).s[0])
        best: tuple[Relation, Extent, Extent] | None = None
        for mine in self._mine:
            for k in conflicts.of_lane[mine].tolist():
                first = int(conflicts.first[k]) == mine
                other = int(conflicts.second[k] if first else conflicts.first[k])
                if other not in lanes:
                    continue
                intervals = (conflicts.first_interval[k], conflicts.second_interval[k])
                own, its = intervals if first else intervals[::-1]
                mine_in, mine_out = self._along(self._way.line, mine, own)
                its_in, its_out = self._along(theirs.line, other, its)
                ego = _before(mine_in, mine_out, me.rear, me.front, me)
                agent = _before(its_in, its_out, here - length / 2, here + length / 2, Extent(0, 0, 0, 0, speed, 0.0))
                if ego.leave <= 0 or agent.leave <= 0 or (best is not None and best[1].front <= ego.front):
                    continue
                best = self._relation(int(conflicts.gives_way[k]), first, mine, other), ego, agent
        return best

    def straight_on(
        self, agents: TrackedAgents, row: int, me: Extent, size: tuple[float, float], speed: float
    ) -> tuple[Relation, Extent, Extent] | None:
        """Where the heading of an agent without a lane leads over the ego's way, if it does."""
        start = agents.position[row, :2]
        course = agents.velocity[row] / speed
        ahead = np.arange(-size[0], _AGENT_WAY, 0.5)
        points = start + ahead[:, None] * course
        places = self._way.line.project(points)
        half = (me.left - me.right) / 2
        over = np.flatnonzero((np.abs(places.d) < half + size[1] / 2) & (places.s > me.rear))
        if not len(over):
            return None
        its_in, its_out = float(ahead[over[0]]), float(ahead[over[-1]])
        wide = size[1] / 2
        mine_in, mine_out = float(places.s[over].min()) - wide, float(places.s[over].max()) + wide
        ego = _before(mine_in, mine_out, me.rear, me.front, me)
        agent = _before(its_in, its_out, -size[0] / 2, size[0] / 2, Extent(0, 0, 0, 0, speed, 0.0))
        if ego.leave <= 0 or agent.leave <= 0:
            return None
        return Relation.NOBODY_FIRST, ego, agent

    def _along(self, line: Polyline, lane: int, interval: NDArray[np.float64]) -> tuple[float, float]:
        """Stretch of a way that an interval of a lane lies on."""
        assert self._index is not None
        ends = line.project(self._index.lines[lane].at(interval)[0]).s
        return float(ends.min()), float(ends.max())

    def _relation(self, gives_way: int, first: bool, mine: int, other: int) -> Relation:
        my_signal = self._states.get(mine, SignalState.UNKNOWN)
        its_signal = self._states.get(other, SignalState.UNKNOWN)
        if my_signal in _STOPPING or its_signal in _STOPPING:
            if my_signal in _GOING:
                return Relation.EGO_FIRST
            return Relation.AGENT_FIRST if its_signal in _GOING else Relation.NOBODY_FIRST
        if gives_way in (GiveWay.UNKNOWN, GiveWay.BOTH):
            return Relation.NOBODY_FIRST
        return Relation.AGENT_FIRST if (gives_way == GiveWay.FIRST) == first else Relation.EGO_FIRST


def _before(begin: float, end: float, rear: float, front: float, of: Extent) -> Extent:
    """Distances to the place where ways meet, which lies from `begin` to `end`."""
    return Extent(begin - rear, begin - front, of.right, of.left, of.speed, of.sideways, end - rear)
