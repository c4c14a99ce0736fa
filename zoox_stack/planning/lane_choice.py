"""Which lane lets the ego drive as fast as it wants: the way lost behind slower vehicles, lane by lane.

A plan of 8 s is too short to see the use of overtaking: the way is gained after it. As drivers' models do (the speed
gain of SUMO's LC2013 and of MOBIL: Kesting, Treiber and Helbing, "General lane-changing model MOBIL for car-following
models", 2007), the lanes are compared by how far the ego would come in them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState
from zoox_stack.planning.candidates import Candidates
from zoox_stack.planning.config import PlannerConfig
from zoox_stack.planning.lattice import Lateral, desired_speed
from zoox_stack.planning.path_agents import PathAgents
from zoox_stack.planning.reference_path import ReferencePath

_TIME = 20.0  # [s] looked ahead
_HALF_LANE = 1.8  # [m]
_MOVES = 2.0  # [m/s] who is slower waits for something: no reason to change over, but one not to come over
_CHANGES = {Lateral.CENTRE: 0.0, Lateral.NUDGE_LEFT: 0.2, Lateral.NUDGE_RIGHT: 0.2}
_STAYS_OUT = 0.8  # of a change, for staying beside the lane of the path when there is no use in it any more
_COMES_BACK = 12.0  # [s] before a lane ends the ego looks for a gap to come back,
_MUST_COME_BACK = 4.0  # ever more
_BACK_IN = 3.0  # [s] from passing somebody to being back in the lane


def lanes_lost(path: ReferencePath, ego: EgoState, agents: PathAgents, config: PlannerConfig) -> dict[Lateral, float]:
    """Share of the way that the ego would lose in its own lane (`CENTRE`) and in the lanes beside it, 0..1.

    Lanes beside are worth something only if they go on long enough to pass who is slow and to come back.
    """
    wanted = float(np.interp(path.ego_s, path.line.s, desired_speed(path, config)))
    speed, gain = max(ego.speed, 0.0), config.comfort_acceleration
    until = min(max(wanted - speed, 0.0) / gain, _TIME)
    free = speed * until + 0.5 * gain * until**2 + wanted * (_TIME - until)
    lost, needed = _lost(path, ego, agents, 0.0, free, wanted, config)
    found = {Lateral.CENTRE: lost}
    for lateral, offset, room in (
        (Lateral.LANE_LEFT, path.left, path.left_room), (Lateral.LANE_RIGHT, path.right, path.right_room)
    ):  # fmt: skip
        if offset is not None:
            there, _ = _lost(path, ego, agents, offset, free, wanted, config)
            found[lateral] = there if room > needed else max(there, lost)
    return found


def _lost(
    path: ReferencePath,
    ego: EgoState,
    agents: PathAgents,
    offset: float,
    free: float,
    wanted: float,
    config: PlannerConfig,
) -> tuple[float, float]:
    """Share of the way lost in a lane, and the way it takes to pass all that are slow in it [m]."""
    if not len(agents) or free <= 0:
        return 0.0, 0.0
    rear = path.ego_s + ego.rear_axle_to_centre - ego.length / 2
    speed = agents.speed[:, 0]
    slow = (
        (np.abs(agents.d[:, 0] - offset) < _HALF_LANE)
        & (agents.s[:, 0] + agents.half_along[:, 0] > rear)
        & ((speed > _MOVES) | (offset != 0.0))
        & (speed < wanted)
    )
    if not slow.any():
        return 0.0, 0.0
    gap = agents.s[slow, 0] - agents.half_along[slow, 0] - rear - ego.length
    speed = speed[slow]
    way = gap + speed * (_TIME - config.time_headway) - config.standstill_gap
    lost = float(np.clip(1.0 - way / free, 0.0, 1.0).max())
    first = int(way.argmin())
    past = gap[first] + 2 * agents.half_along[slow, 0][first] + ego.length + _BACK_IN * wanted
    return lost, float(wanted * past / max(wanted - speed[first], 0.1))


def lane_terms(
    candidates: Candidates, path: ReferencePath, ego: EgoState, agents: PathAgents, config: PlannerConfig
) -> NDArray[np.float64]:
    """What speaks against the lane in which each candidate ends, ``[2, C]``.

    Returns:
        Share of the way lost in that lane, more than in the best, 0..1; and how much it is a change of lane: 1 for
        leaving the lane the ego is in, less for staying in one that is not that of the path, more the sooner that
        ends, and for a little more or less of the own lane.
    """
    lost = lanes_lost(path, ego, agents, config)
    best = min(lost.values())
    slow, change = np.zeros(len(Lateral)), np.zeros(len(Lateral))
    for lateral in Lateral:
        slow[lateral] = lost.get(lateral, lost[Lateral.CENTRE]) - best
        change[lateral] = _CHANGES.get(lateral, 1.0)
    for lateral, offset, room in (
        (Lateral.LANE_LEFT, path.left, path.left_room), (Lateral.LANE_RIGHT, path.right, path.right_room)
    ):  # fmt: skip
        if offset is not None and abs(path.ego_d - offset) < abs(path.ego_d):  # it is there already
            soon = np.clip(1.0 - room / (_COMES_BACK * max(ego.speed, 5.0)), 0.0, 1.0)
            change[lateral] = _STAYS_OUT + _MUST_COME_BACK * soon
    return np.stack([slow[candidates.laterals], change[candidates.laterals]])
