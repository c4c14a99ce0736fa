"""How the ego and each agent stand to each other along the ego's way: behind, towards, or across each other.

Everything is measured along and across the ego's lane, as Responsibility-Sensitive Safety wants it; where two ways
cross or merge, along each way up to the place where they do.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from zoox_stack.core.agents import EgoState, TrackedAgents, TrafficSignals
from zoox_stack.core.classes import AgentClass, SignalState
from zoox_stack.core.geometry import wrap_angle
from zoox_stack.road_network.polyline import Polyline
from zoox_stack.road_network.queries import LaneIndex, LanePath
from zoox_stack.supervisor.config import SupervisorConfig
from zoox_stack.supervisor.crossings import AGENT_WAY, Crossing, Crossings, signal_states
from zoox_stack.supervisor.motion import Proposal

_WALKERS = (AgentClass.PEDESTRIAN, AgentClass.ANIMAL)
_ASIDE = 25.0  # [m] agents further beside the ego's way are not looked at
_BEHIND = 60.0  # [m] of the ego's way behind it
_EVERY = 3  # points of a trajectory from one that is looked up in the map to the next
_STANDS = 0.5  # [m/s] slower agents cross nobody's way
_FASTEST_ASIDE = 2.0  # [m/s]


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
        prefer = lanes_under(proposal, index)
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


def lanes_under(proposal: Proposal, index: LaneIndex) -> frozenset[int]:
    """Rows of the lanes that a trajectory goes over; one point in every third of a second is looked up.

    Branches of a fork lie on each other at first, and a point fits either: only the branch with most points counts.
    """
    every = slice(None, None, _EVERY)
    rows = index.nearest(np.stack([proposal.x[every], proposal.y[every]], axis=1), proposal.yaw[every]).rows
    found, counts = np.unique(rows[rows >= 0], return_counts=True)
    points = dict(zip(found.tolist(), counts.tolist(), strict=True))
    kept = set(points)
    for row in found.tolist():
        for before in index.predecessors[row].tolist():
            rivals = [int(r) for r in index.network.successors[before] if int(r) in points]
            kept -= set(rivals) - {max(rivals, key=lambda r: (points[r], -r))}
    return frozenset(kept)


class EncounterFinder:
    """Finds the agents that may matter; keeps what it worked out of a map.

    Args:
        config: Limits.
    """

    def __init__(self, config: SupervisorConfig) -> None:
        self._config = config
        self._index: LaneIndex | None = None
        self._crossings: Crossings | None = None

    def find(
        self,
        ego: EgoState,
        agents: TrackedAgents,
        way: LanePath,
        index: LaneIndex | None,
        signals: TrafficSignals | None,
    ) -> list[Encounter]:
        """All agents that may matter, in the order of their ids.

        An agent on a lane that crosses the ego's way or merges into it is in a crossing, else the heading decides.
        Agents are taken to follow their lane, at a fork the branch that turns least, and sideways they move as far as
        they leave it. Without a lane an agent's heading is its way.

        Args:
            ego: The ego.
            agents: The tracked agents.
            way: Of the ego.
            index: The map.
            signals: States of traffic signals; they come before signs.
        """
        if index is not self._index:
            self._index, self._crossings = index, Crossings(index) if index is not None else None
        config, line = self._config, way.line
        at_ego = line.project(ego.centre[None])
        offset = agents.position[:, :2] - ego.centre
        near = (np.abs(offset) < config.rss_range).all(axis=1) & (agents.existence >= config.rss_existence)
        agents = agents.take(np.flatnonzero(near))
        if not len(agents):
            return []
        me = _extent(
            float(at_ego.s[0]), float(at_ego.d[0]), float(wrap_angle(ego.yaw - at_ego.heading[0])),
            (ego.length, ego.width), (max(ego.speed, 0.0), ego.lateral_velocity),
        )  # fmt: skip
        places = line.project(agents.position[:, :2])
        turn = wrap_angle(agents.yaw - places.heading)
        c, s = np.cos(places.heading), np.sin(places.heading)
        along = agents.velocity[:, 0] * c + agents.velocity[:, 1] * s
        across = agents.velocity[:, 1] * c - agents.velocity[:, 0] * s
        speeds = np.hypot(agents.velocity[:, 0], agents.velocity[:, 1])
        walkers = np.isin(agents.classes, _WALKERS)
        rows = np.full(len(agents), -1)
        here = np.zeros(len(agents))
        drives = ~walkers & (speeds > _STANDS)
        if index is not None and way.lanes.max() >= 0 and drives.any():
            rows[drives] = index.nearest(agents.position[drives, :2], agents.yaw[drives]).rows
            on = np.flatnonzero(rows >= 0)
            lanes = index.project(agents.position[on, :2], rows[on])
            here[on] = lanes.s
            leaving = agents.velocity[on, 1] * np.cos(lanes.heading) - agents.velocity[on, 0] * np.sin(lanes.heading)
            across[on] = leaving * np.cos(lanes.heading - places.heading[on])
        near = (np.abs(places.s - at_ego.s[0]) < config.rss_range) & (np.abs(places.d) < _ASIDE)
        states = signal_states(signals)
        found = []
        for row in np.flatnonzero(near).tolist():
            size = (float(agents.size[row, 0]), float(agents.size[row, 1]))
            speed, walker = float(speeds[row]), bool(walkers[row])
            met: tuple[Relation, Extent, Extent] | None = None
            # Who is behind the ego in its own lane follows it, however badly its heading and length are measured there.
            follows = places.s[row] < me.rear and abs(places.d[row]) < ego.width
            if follows:
                pass
            elif rows[row] >= 0 and self._crossings is not None:
                crossings = self._crossings.of(way, int(rows[row]))
                if crossings:
                    met = _on_lanes(crossings, self._crossings, states, me, float(here[row]), size[0], speed)
            elif drives[row] and min(abs(np.cos(turn[row])), abs(along[row]) / speed) < 0.5:
                met = _straight_on(agents, row, way, me, size, speed)
            if met is None:
                # Nobody who goes along moves sideways faster than this; young tracks seem to.
                aside = float(np.clip(across[row], -_FASTEST_ASIDE, _FASTEST_ASIDE))
                box = _extent(
                    float(places.s[row]), float(places.d[row]), float(turn[row]), size,
                    (abs(along[row]), aside), (me.rear - 1.0, me.front + 1.0 + me.speed),
                )  # fmt: skip
                met = _beside(me, box, float(along[row]), float(np.cos(turn[row])), walker)
            if met is not None:
                found.append(Encounter(int(agents.ids[row]), met[0], walker, met[1], met[2]))
        return found


def _extent(
    s: float,
    d: float,
    turn: float,
    size: tuple[float, float],
    velocity: tuple[float, float],
    part: tuple[float, float] | None = None,
) -> Extent:
    """A box around (s, d), turned against the line; `part`: if it reaches into this stretch, across only what does.

    A long vehicle that stands aslant in front is wide, but not beside the ego.
    """
    c, k = np.cos(turn), np.sin(turn)
    half_along, half_across = (size[0] * abs(c) + size[1] * abs(k)) / 2, size[1] * abs(c) / 2
    low, high = -size[0] / 2, size[0] / 2
    if part is not None and abs(c) > 0.5:
        ends = sorted(((part[0] - s) / c, (part[1] - s) / c))
        if ends[0] < high and ends[1] > low:
            low, high = max(low, ends[0]), min(high, ends[1])
    right, left = sorted((d + low * k, d + high * k))
    return Extent(
        float(s - half_along), float(s + half_along), float(right - half_across), float(left + half_across),
        float(velocity[0]), float(velocity[1]),
    )  # fmt: skip


def _beside(me: Extent, box: Extent, along: float, same: float, walker: bool) -> tuple[Relation, Extent, Extent] | None:
    """An agent that goes along the ego's way or against it; None if it does not matter."""
    if walker:
        return None if box.front < me.rear else (Relation.SAME_DIRECTION, me, box)
    if same < -0.5 and along < -_STANDS:
        return None if box.front < me.rear else (Relation.OPPOSITE, me, box)
    return Relation.SAME_DIRECTION, me, box


def _on_lanes(
    found: tuple[Crossing, ...],
    crossings: Crossings,
    states: dict[int, SignalState],
    me: Extent,
    here: float,
    length: float,
    speed: float,
) -> tuple[Relation, Extent, Extent] | None:
    """The first place where the lanes ahead of an agent meet the ego's; None if nowhere, or one is past it.

    Who has entered such a place does best to leave it: from then on only counts what lies in front.
    """
    best: tuple[Crossing, Extent, Extent] | None = None
    for crossing in found:
        if crossing.agent[0] - here > AGENT_WAY:
            continue
        ego = _before(*crossing.ego, me.rear, me.front, me)
        agent = _before(*crossing.agent, here - length / 2, here + length / 2, Extent(0, 0, 0, 0, speed, 0.0))
        if ego.front <= 0 or agent.leave <= 0 or (best is not None and best[1].front <= ego.front):
            continue
        best = crossing, ego, agent
    if best is None:
        return None
    first = crossings.agent_first(best[0], states)
    relation = Relation.NOBODY_FIRST if first is None else Relation.AGENT_FIRST if first else Relation.EGO_FIRST
    return relation, best[1], best[2]


def _straight_on(
    agents: TrackedAgents, row: int, way: LanePath, me: Extent, size: tuple[float, float], speed: float
) -> tuple[Relation, Extent, Extent] | None:
    """Where the heading of an agent without a lane leads over the ego's way, if it does."""
    start = agents.position[row, :2]
    course = agents.velocity[row] / speed
    ahead = np.arange(-size[0], AGENT_WAY, 0.5)
    points = start + ahead[:, None] * course
    places = way.line.project(points)
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


def _before(begin: float, end: float, rear: float, front: float, of: Extent) -> Extent:
    """Distances to the place where ways meet, which lies from `begin` to `end`."""
    return Extent(begin - rear, begin - front, of.right, of.left, of.speed, of.sideways, end - rear)
