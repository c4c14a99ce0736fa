"""What the planner tries: ways beside and along the reference path, and speeds along them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState
from zoox_stack.core.geometry import wrap_angle
from zoox_stack.core.predictions import STEP, STEPS
from zoox_stack.planning.config import PlannerConfig
from zoox_stack.planning.path_agents import Crossing, PathAgents, crossings, lead_at
from zoox_stack.planning.reference_path import ReferencePath
from zoox_stack.planning.speed_profiles import LeadMotion, ProfileSpec
from zoox_stack.road_network.drivable import DrivableGrid

_MOST_STOP_LINES = 2
_MOST_CROSSINGS = 3
_NUDGES = ((1.0, ""), (0.5, "half "), (1.6, "far "), (2.2, "very far "))  # multiples of the parameter `nudge`
_NUDGES_IN_TURNS = ((1.0, ""), (0.5, "half "), (0.75, "fairly "), (0.25, "slightly "))  # no room to be wide there
_TURN, _TURN_AHEAD = 0.05, 25.0  # [1/m] bends sharper than this within so many metres are turns
_LENGTHS = ((1.0, ""), (1.8, ", slowly"))  # multiples of the comfortable length of a sideways motion
_CHANGE_LENGTHS = ((1.0, ""), (0.75, ", quickly"), (1.6, ", slowly"))
_DRIVES_ABOVE = 1.5  # [m/s] below it the speeds tried are those of a standing start
_PULLS_OVER_AT = 3.0  # [m/s] at least
_STRAIGHT_AT_LAST = 3.0  # [m] along the edge
_ROLLS_UP = 3.0  # [m/s] at least, to a place to stop at
_BRISK = 0.9  # share of the strongest acceleration
_EDGE_GAP = 0.3  # [m] between the ego and the edge of the ground after pulling over
_PULL_OVER_TRIES = np.arange(1.0, 4.1, 0.5)  # [m] to the right
_HEADWAYS = ((1.0, ""), (0.7, " closely"), (1.6, " at a distance"))
ROOM_TO_PULL_OUT = 12.0  # [m] behind somebody in the lane from where there is a way past
_PASSES_AT = 0.7  # [m] between the sides when passing somebody
_PASSED = 1.5  # [m] behind the ego when it turns back in
_BESIDE_AFTER = 6.0  # [m] of the ego's front beside somebody it passes, then it has all its distance
_PULLS_OUT_AT = 2.3  # [m/s]
_LEAST_OVER = 5.0  # [m]
_BACK_OVER = 28.0  # [m] in which it does: by then it drives
_LEAST_PASS = 1.0  # [m] a way past leaves the middle of the lane at least
_MOST_PASS = 4.5  # [m] and at most
STOPS = ("comfortable stop", "hard stop", "emergency stop")


class Lateral(IntEnum):
    """Lateral manoeuvre of a candidate."""

    CENTRE = 0
    NUDGE_LEFT = 1
    NUDGE_RIGHT = 2
    LANE_LEFT = 3
    LANE_RIGHT = 4
    PULL_OVER = 5


@dataclass(frozen=True)
class Blocker:
    """An agent that stands in the ego's lane.

    Attributes:
        agent_id: Its id.
        begin: Where along the path it begins [m].
        end: Where it ends [m].
        left: Its left side, to the left of the path [m].
        right: Its right side [m].
        patience: How certain it is that it stays, 0..1.
    """

    agent_id: int
    begin: float
    end: float
    left: float
    right: float
    patience: float


@dataclass(frozen=True)
class Way:
    """A way along the reference path, shifted sideways.

    Attributes:
        lateral: What it is.
        words: Follow the name of the speed profile in the name of a candidate.
        offset: To the left of the reference path where it ends [m].
        over: Distance along the path within which the offset is reached [m].
        profiles: Names of the speed profiles driven along it; None: all but those that follow or yield to somebody.
        own: A speed profile for this way alone.
        back_from: Distance along the path from where on it goes back to the middle [m].
        back_over: Distance within which it does [m].
    """

    lateral: Lateral
    words: str
    offset: float
    over: float
    profiles: frozenset[str] | None = None
    own: ProfileSpec | None = None
    back_from: float = np.inf
    back_over: float = 1.0


_BESIDE = frozenset(
    (
        "go", "gently", "brisk", "keep", "90 %", "ease", "60 %", "slow", "40 %", "crawl", "creep", "creep at 2 m/s",
        "creep at 3 m/s", "slow then go", "slow then go early", "slow then go late", "ease then go",
        "ease then go late", "crawl then go", "wait then go", "wait then go early", "wait then go late",
        "wait 1 s", "wait 5 s", "wait 6 s", "comfortable stop", "hard stop", "emergency stop", "gentle stop",
        "drive up 5 m", "drive up 15 m",
    )
)  # fmt: skip
_CHANGING = _BESIDE - {"gentle stop", "hard stop", "emergency stop", "40 %", "crawl", "creep", "wait 5 s", "wait 6 s"}


def desired_speed(path: ReferencePath, config: PlannerConfig) -> NDArray[np.float64]:
    """Wanted speed at each point of the path: the limit, or the cruise speed where there is none; ``[P]`` [m/s]."""
    limit = np.where(np.isfinite(path.speed_limit) & (path.speed_limit > 0), path.speed_limit, config.cruise_speed)
    return np.minimum(limit, config.max_speed)


def ways(
    path: ReferencePath,
    ego: EgoState,
    grid: DrivableGrid | None,
    config: PlannerConfig,
    blocker: Blocker | None = None,
) -> list[Way]:
    """All ways of this tick, the middle of the lane first."""
    found = [Way(Lateral.CENTRE, "", 0.0, _length(Lateral.CENTRE, path, ego, 0.0), None)]
    near = (path.line.s >= path.ego_s) & (path.line.s <= path.ego_s + _TURN_AHEAD)
    turns = bool((np.abs(path.line.curvature[near]) > _TURN).any())
    if abs(path.ego_d) > 0.3:  # back to the middle
        if not turns:  # no room for long ways there
            found.append(Way(Lateral.CENTRE, ", back slowly", 0.0, 1.8 * found[0].over, _BESIDE))
        found.append(Way(Lateral.CENTRE, ", back quickly", 0.0, _quickest(path, ego, 0.0), _BESIDE))
    for lateral, sign, word in ((Lateral.NUDGE_LEFT, 1.0, "left"), (Lateral.NUDGE_RIGHT, -1.0, "right")):
        for multiple, far in _NUDGES_IN_TURNS if turns else _NUDGES:
            for stretch, slowly in _LENGTHS:
                offset = sign * multiple * config.nudge
                over = stretch * _length(lateral, path, ego, offset)
                found.append(Way(lateral, f" {far}{word} in lane{slowly}", offset, over, _BESIDE))
    found += _past(path, ego, blocker, config)
    for lateral, neighbour, word in ((Lateral.LANE_LEFT, path.left, "left"), (Lateral.LANE_RIGHT, path.right, "right")):
        if neighbour is None:
            continue
        for stretch, slowly in _CHANGE_LENGTHS:
            over = stretch * _length(lateral, path, ego, neighbour)
            found.append(Way(lateral, f" to {word} lane{slowly}", neighbour, over, _CHANGING))
    over = _length(Lateral.PULL_OVER, path, ego, -_PULL_OVER_TRIES[-1])
    edge = _edge(path, ego, grid, over)
    if edge is not None:
        a, b, jerk = config.comfort_acceleration, config.comfort_deceleration, config.comfort_jerk
        speed = max(ego.speed, _PULLS_OVER_AT)
        for word, stretch in (("", 1.0), (" farther on", 1.6)):
            stop = ProfileSpec(f"pull over{word}", speed, a, b, jerk, stop_at=stretch * over + _STRAIGHT_AT_LAST)
            found.append(Way(Lateral.PULL_OVER, "", edge, stretch * over, frozenset(), stop))
    return found


def specs(
    path: ReferencePath,
    ego: EgoState,
    agents: PathAgents,
    config: PlannerConfig,
    blocker: Blocker | None = None,
) -> tuple[list[ProfileSpec], list[ProfileSpec]]:
    """Speed profiles of this tick: those for any way, and those that only make sense in the middle of the lane."""
    a, b, jerk = config.comfort_acceleration, config.comfort_deceleration, config.comfort_jerk
    v, top = max(ego.speed, 0.0), top_speed(path, config)
    anywhere = [
        ProfileSpec("go", top, a, b, jerk),
        ProfileSpec("gently", top, 0.5 * a, b, jerk),
        ProfileSpec("brisk", top, _BRISK * config.max_acceleration, b, jerk),
    ]
    if v > _DRIVES_ABOVE:
        anywhere.append(ProfileSpec("keep", v, a, b, jerk))
        for name, share, braking in (
            ("90 %", 0.9, 0.6), ("ease", 0.75, 0.6), ("60 %", 0.6, 1.0), ("slow", 0.5, 1.0), ("40 %", 0.4, 1.0),
            ("crawl", 0.25, 1.3),
        ):  # fmt: skip
            anywhere.append(ProfileSpec(name, share * v, a, braking * b, jerk))
        for name, share, braking, switch in (
            ("ease then go", 0.75, 1.0, 2.5), ("ease then go late", 0.75, 1.0, 4.5),
            ("slow then go early", 0.5, 1.0, 2.0), ("slow then go", 0.5, 1.0, 3.0),
            ("slow then go late", 0.5, 1.0, 5.0),
            ("crawl then go", 0.25, 1.3, 3.5), ("wait then go", 0.1, 1.5, 4.0), ("wait then go late", 0.0, 1.5, 6.0),
        ):  # fmt: skip
            anywhere.append(ProfileSpec(name, share * v, a, braking * b, jerk, later_target=top, switch=switch))
    else:
        for name, speed in (("creep", 1.5), ("creep at 2 m/s", 2.0), ("creep at 3 m/s", 3.0)):
            anywhere.append(ProfileSpec(name, min(speed, top), a, b, jerk))
        for name, switch in (
            ("wait 1 s", 1.0), ("wait then go early", 2.0), ("wait then go", 3.0), ("wait then go late", 4.0),
            ("wait 5 s", 5.0), ("wait 6 s", 6.0),
        ):  # fmt: skip
            anywhere.append(ProfileSpec(name, 0.0, a, b, jerk, later_target=top, switch=switch))
        for name, way in (("drive up 5 m", 5.0), ("drive up 15 m", 15.0)):
            anywhere.append(ProfileSpec(name, top, a, b, jerk, stop_at=way))
    anywhere += [
        ProfileSpec("gentle stop", 0.0, a, 0.5 * b, jerk),
        ProfileSpec(STOPS[0], 0.0, a, b, jerk),
        ProfileSpec(STOPS[1], 0.0, a, 2 * b, 2 * jerk),
        ProfileSpec(STOPS[2], 0.0, a, config.max_deceleration, config.emergency_jerk),
    ]
    in_lane = _in_lane(path, ego, agents, config)
    if blocker is not None:
        gap = blocker.begin - path.ego_s - ego.rear_axle_to_centre - ego.length / 2
        if gap > ROOM_TO_PULL_OUT:
            name = f"wait behind #{blocker.agent_id}"
            in_lane.append(ProfileSpec(name, top, a, b, jerk, stop_at=gap - ROOM_TO_PULL_OUT))
    return anywhere, in_lane


def follow(lead: LeadMotion, top: float, config: PlannerConfig, headway: float = 1.0, words: str = "") -> ProfileSpec:
    """Behind somebody."""
    return ProfileSpec(
        f"follow #{lead.agent_id}{words}", top, config.comfort_acceleration, config.comfort_deceleration,
        2 * config.comfort_jerk, lead=lead, headway=headway,
    )  # fmt: skip


def top_speed(path: ReferencePath, config: PlannerConfig) -> float:
    """Highest wanted speed ahead [m/s]."""
    return float(desired_speed(path, config)[path.line.s >= path.ego_s].max())


def _in_lane(path: ReferencePath, ego: EgoState, agents: PathAgents, config: PlannerConfig) -> list[ProfileSpec]:
    a, b, jerk = config.comfort_acceleration, config.comfort_deceleration, config.comfort_jerk
    top = top_speed(path, config)
    reach = max(ego.speed, 0.0) * STEPS * STEP + 40.0
    front = path.ego_s + ego.rear_axle_to_centre + ego.length / 2
    found = []
    for i, s in enumerate(path.stops.s[path.stops.s > front][:_MOST_STOP_LINES]):
        if s - front < reach:
            where = float(s) - front - config.stop_line_margin
            rolling = min(max(ego.speed, _ROLLS_UP), top)  # no faster than now, only to stop again
            found.append(ProfileSpec(f"stop at line {i + 1}", top, a, b, jerk, stop_at=where))
            found.append(ProfileSpec(f"roll up to line {i + 1}", rolling, a, b, jerk, stop_at=where))
    lead = lead_at(agents, path, ego, 0.0)
    if lead is not None:
        found += [follow(lead, top, config, headway, words) for headway, words in _HEADWAYS]
    for crossing in crossings(agents, path, ego, reach, _MOST_CROSSINGS):
        found += _yielding(crossing, ego.speed, top, config)
    return found


def _yielding(crossing: Crossing, speed: float, top: float, config: PlannerConfig) -> list[ProfileSpec]:
    """Stop before the conflict; and stop only until the other is through."""
    name = f"yield to #{crossing.agent_id}"
    where = crossing.distance - config.standstill_gap
    a, b, jerk = config.comfort_acceleration, config.comfort_deceleration, 2 * config.comfort_jerk
    found = [
        ProfileSpec(name, top, a, b, jerk, stop_at=where),
        ProfileSpec(f"roll up and {name}", min(max(speed, _ROLLS_UP), top), a, b, jerk, stop_at=where),
    ]
    if np.isfinite(crossing.clear):
        through = f"{name} until it is through"
        found.append(ProfileSpec(through, top, a, b, jerk, stop_at=where, release=crossing.clear))
    return found


def past_offsets(blocker: Blocker, ego: EgoState) -> tuple[float, float]:
    """Offsets from the path at which the ego passes somebody on the left and on the right [m]."""
    room = ego.width / 2 + _PASSES_AT
    return blocker.left + room, blocker.right - room


def _past(path: ReferencePath, ego: EgoState, blocker: Blocker | None, config: PlannerConfig) -> list[Way]:
    """Ways past a blocker on either side, and back to the middle of the lane."""
    if blocker is None:
        return []
    found = []
    begin = blocker.begin - path.ego_s - ego.rear_axle_to_centre - ego.length / 2
    back = blocker.end - path.ego_s - ego.rear_axle_to_centre + ego.length / 2 + _PASSED
    for lateral, offset in zip((Lateral.NUDGE_LEFT, Lateral.NUDGE_RIGHT), past_offsets(blocker, ego), strict=True):
        if not _LEAST_PASS < abs(offset) < _MOST_PASS:
            continue
        # The same place every tick, so that a way once begun goes on as it was.
        over = min(max(begin + _BESIDE_AFTER, _LEAST_OVER), 1.5 * _length(lateral, path, ego, offset))
        slow = None
        if ego.speed < _DRIVES_ABOVE:  # no faster than the wheels can be turned
            a, b, jerk = config.comfort_acceleration, config.comfort_deceleration, config.comfort_jerk
            top, switch = top_speed(path, config), over / _PULLS_OUT_AT
            slow = ProfileSpec("pull out", min(_PULLS_OUT_AT, top), a, b, jerk, later_target=top, switch=switch)
        words = f" past #{blocker.agent_id} on the {'left' if offset > 0 else 'right'}"
        found.append(Way(lateral, words, offset, over, _BESIDE, slow, max(back, over), _BACK_OVER))
    return found


def _length(lateral: Lateral, path: ReferencePath, ego: EgoState, offset: float) -> float:
    """Distance over which the ego moves sideways [m]: by speed for comfort, by offset and heading for curvature."""
    if lateral >= Lateral.LANE_LEFT:
        by_speed = max(25.0, 4.5 * ego.speed)
    else:  # who drifts off the middle in a tight turn would be out of it before a longer one brought it back
        by_speed = max(8.0 if lateral == Lateral.CENTRE else 15.0, 3.0 * ego.speed)
    return max(by_speed, _by_curvature(path, ego, offset))


def _quickest(path: ReferencePath, ego: EgoState, offset: float) -> float:
    """As `_length`, for who has to be there soon."""
    return max(6.0, 1.5 * ego.speed, 0.7 * _by_curvature(path, ego, offset))


def _by_curvature(path: ReferencePath, ego: EgoState, offset: float) -> float:
    heading = float(np.interp(path.ego_s, path.line.s, path.line.heading))
    turned = abs(float(wrap_angle(ego.yaw - heading)))
    return 9.0 * float(np.sqrt(abs(offset - path.ego_d))) + 15.0 * turned


def _edge(path: ReferencePath, ego: EgoState, grid: DrivableGrid | None, over: float) -> float | None:
    """Offset at which the ego stands beside the traffic, at the right edge of the ground [m]; None without room."""
    if grid is None or not grid.known:
        return None
    along = path.ego_s + np.linspace(0.7 * over, 1.6 * over + _STRAIGHT_AT_LAST + ego.length, 10)
    position, heading, _ = path.line.at(along)
    right = np.stack([np.sin(heading), -np.cos(heading)], axis=-1)
    outer = _PULL_OVER_TRIES[:, None, None] + ego.width / 2 + _EDGE_GAP
    room = grid.contains(position + outer * right).all(axis=1)
    possible = np.cumprod(room).astype(bool)
    return -float(_PULL_OVER_TRIES[possible][-1]) if possible.any() else None
