"""Who stands, and since when: blockers of the ego's lane, and others that wait while the ego waits for them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import Attribute, TriState, TurnSignal
from zoox_stack.planning.candidates import Candidates
from zoox_stack.planning.lattice import ROOM_TO_PULL_OUT, Blocker, past_offsets
from zoox_stack.planning.path_agents import PathAgents, in_way
from zoox_stack.planning.proposal import WALKERS
from zoox_stack.planning.reference_path import ReferencePath
from zoox_stack.road_network.drivable import DrivableGrid

_STANDS = 0.3  # [m/s]
_MOVES = -1  # in place of a stamp
_DOUBTFUL = 3.0  # [s] who stands for less may go on
_CERTAIN = 10.0  # [s] who stands for longer will not
_QUEUE = 12.0  # [m] between vehicles of a queue
_WAITS_WITHIN = 20.0  # [m] before a place where one may have to wait
_WAITED, _WALKER_WAITED = 3.0, 4.0  # [s] both have stood: the other may well go on standing,
_WAITED_LONG, _WALKER_WAITED_LONG = 8.0, 10.0  # [s] and most likely will
_MOST_LIKELY, _WALKER_MOST_LIKELY = 0.95, 0.8
_BEHIND_EACH_OTHER = np.radians(30.0)  # who heads as the ego does is in a queue, and goes when that goes
_EARLY = 3.0  # times earlier than giving up waiting the ego keeps its distance


class StandingWatch:
    """Remembers since when each agent has stood."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everybody."""
        self._ids, self._since = np.zeros(0, np.int64), np.zeros(0, np.int64)
        self._ego_since: int | None = None
        self.ego_stood = 0.0  # [s]

    def update(self, scene: TrackedAgents) -> NDArray[np.float64]:
        """How long each of the N agents of a scene has been seen standing [s], 0 for who moves."""
        if scene.ego is None or abs(scene.ego.speed) > _STANDS:
            self._ego_since = None
        elif self._ego_since is None:
            self._ego_since = scene.stamp_ns
        self.ego_stood = 0.0 if self._ego_since is None else (scene.stamp_ns - self._ego_since) / 1e9
        since = np.full(len(scene), scene.stamp_ns)
        if len(self._ids):
            place = np.minimum(np.searchsorted(self._ids, scene.ids), len(self._ids) - 1)
            known = (self._ids[place] == scene.ids) & (self._since[place] != _MOVES)
            since[known] = self._since[place[known]]
        moving = scene.speed > _STANDS
        self._ids, self._since = scene.ids, np.where(moving, _MOVES, since)
        return np.asarray(np.where(moving, 0.0, (scene.stamp_ns - since) / 1e9))


def belief_in_staying(
    scene: TrackedAgents, ego: EgoState, stood: NDArray[np.float64], ego_stood: float
) -> NDArray[np.float64]:
    """How much to believe that each agent goes on standing because it waits for the ego, ``[len(scene)]`` 0..1.

    Two who wait for each other would do so for ever if each went on to expect that the other goes at once. Of people
    on foot it is believed later, and less.

    Args:
        scene: All agents.
        ego: The ego.
        stood: How long each agent has stood [s].
        ego_stood: How long the ego has [s].
    """
    walks = np.isin(scene.classes, WALKERS)
    first = np.where(walks, _WALKER_WAITED, _WAITED)
    last = np.where(walks, _WALKER_WAITED_LONG, _WAITED_LONG)
    most = np.where(walks, _WALKER_MOST_LIKELY, _MOST_LIKELY)
    believed = most * np.clip((np.minimum(stood, ego_stood) - first) / (last - first), 0.0, 1.0)
    turn = np.abs(np.angle(np.exp(1j * (scene.yaw - ego.yaw))))
    return np.asarray(np.where(walks | (turn > _BEHIND_EACH_OTHER), believed, 0.0))


def find_blocker(
    path: ReferencePath,
    ego: EgoState,
    agents: PathAgents,
    scene: TrackedAgents,
    rows: NDArray[np.int64],
    stood: NDArray[np.float64],
    waits_at: NDArray[np.float64],
    stays: NDArray[np.float64],
) -> Blocker | None:
    """The nearest agent in the ego's lane that stands there for good; None without.

    Who brakes, who stands before a place where one may have to wait, or behind somebody else, is in a queue. Hazard
    lights and open doors tell at once that somebody stays. So does, after a while, who waits for the ego.

    Args:
        path: Reference path.
        ego: The ego.
        agents: B agents near the path; `agents.rows` are places in `rows`.
        scene: All agents.
        rows: Rows of the scene.
        stood: How long each agent of the scene has stood [s].
        waits_at: Arc lengths of stop lines, places where others go first and places inside intersections [m].
        stays: From `belief_in_staying` and `kept_by_signals`, for each agent of the scene.
    """
    if not len(agents):
        return None
    rear = path.ego_s + ego.rear_axle_to_centre - ego.length / 2
    low, high = agents.s[:, 0] - agents.half_along[:, 0], agents.s[:, 0] + agents.half_along[:, 0]
    inside = in_way(agents, ego, 0.0)[:, 0] & (high > rear)
    if not inside.any():
        return None
    b = int(np.where(inside, low, np.inf).argmin())
    row = int(rows[agents.rows[b]])
    attributes = scene.attributes[row]
    tells = attributes[Attribute.TURN_SIGNAL] == TurnSignal.HAZARD or attributes[Attribute.DOOR_OPEN] == TriState.YES
    waits_for_ego = stays[row] > 0.0
    patience = float(np.clip((stood[row] - _DOUBTFUL) / (_CERTAIN - _DOUBTFUL), 0.0, 1.0))
    if tells and scene.speed[row] < _STANDS:
        patience = 1.0
    elif waits_for_ego:
        patience = float(stays[row])
    elif attributes[Attribute.BRAKE_LIGHT] == TriState.YES:
        return None
    follows = inside & (low > high[b] - 1.0) & (low < high[b] + _QUEUE)
    waiting = (waits_at > low[b]) & (waits_at < high[b] + _WAITS_WITHIN)
    if patience <= 0 or (not tells and not waits_for_ego and (follows.any() or waiting.any())):
        return None
    return Blocker(
        agent_id=int(agents.ids[b]), begin=float(low[b]), end=float(high[b]),
        left=float(agents.d[b, 0] + agents.half_across[b, 0]), right=float(agents.d[b, 0] - agents.half_across[b, 0]),
        patience=patience,
    )  # fmt: skip


def has_way_past(path: ReferencePath, ego: EgoState, blocker: Blocker, grid: DrivableGrid | None) -> bool:
    """Whether there is ground beside a blocker on which the ego could pass; without a map it may be."""
    if grid is None or not grid.known:
        return True
    place, heading, _ = path.line.at(np.linspace(blocker.begin, blocker.end, 5))
    normal = np.stack([-np.sin(heading), np.cos(heading)], axis=-1)
    for offset in past_offsets(blocker, ego):
        sides = np.array([offset - ego.width / 2, offset + ego.width / 2])
        if grid.contains(place[:, None] + sides[:, None] * normal[:, None]).all():
            return True
    return False


def waiting_term(candidates: Candidates, ego: EgoState, blocker: Blocker | None) -> NDArray[np.float64]:
    """How much each candidate waits behind a blocker, ``[C]``: 0 for who is past it in the end.

    1 for who stays behind it, up to 2 for who stands so close that there is no way past it; both times how certain it
    is by now that the blocker stays.
    """
    if blocker is None:
        return np.zeros(len(candidates))
    middle = candidates.s + ego.rear_axle_to_centre
    over = (candidates.d - ego.width / 2 < blocker.left) & (candidates.d + ego.width / 2 > blocker.right)
    beside = (middle > blocker.begin) & (middle < blocker.end)
    front = middle[:, -1] + ego.length / 2
    left = np.clip((blocker.end + ego.length - front) / (blocker.end - blocker.begin + ego.length), 0.0, 1.0)
    left = np.where((over & beside).any(axis=1), 1.0, left)  # it would have to drive through
    gap = blocker.begin - front
    close = np.where(over[:, -1] & (gap > 0), np.clip(1.0 - gap / ROOM_TO_PULL_OUT, 0.0, 1.0), 0.0)
    return np.asarray(blocker.patience * left + min(_EARLY * blocker.patience, 1.0) * close)
