"""Who has to give way to the ego: if a plan gets there first, most of them will wait for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState
from zoox_stack.core.geometry import arc_lengths, wrap_angle
from zoox_stack.core.predictions import STEP, PredictedAgents
from zoox_stack.planning.candidates import Candidates
from zoox_stack.planning.futures import concatenated, pad_modes
from zoox_stack.planning.proposal import PlanningScene
from zoox_stack.planning.reference_path import ReferencePath
from zoox_stack.planning.right_of_way import GiveWayPlaces, OwnWay

_OF_MODES = ("positions", "headings", "covariances")
_EVERY, _NEAR = 4, 4.0  # steps looked at, and [m] from a place within which one of them has to be, to look closer
_UNLIKELY = 0.03  # futures less probable than this are not looked at
_BESIDE, _ASKEW = 2.0, np.radians(40.0)  # [m] from a lane and its heading, up to which somebody is on it
_BEFORE = 1.0  # [m] before the place they stop,
_GENTLE = 2.0  # [m/s^2] with this braking
_COMFORTABLE, _HARD = 2.5, 4.0  # [m/s^2] who would have to brake so hard will; who would have to brake so hard will not
_THROUGH, _AFTER = 0.5, 1.0  # [s] who is through so long before the ego, or comes so long after it, need not wait
_WAITED, _WAITED_LONG = 5.0, 9.0  # [s] the ego has stood: the others begin to go first; they all do


@dataclass(frozen=True)
class _Comes:
    """One future of an agent comes to a place where its driver has to give way.

    Attributes:
        mode: Which future.
        place: Which place.
        room: Way until it has to stand [m], negative if it is too late for that.
        arrives: When it gets there [s].
        through: When it has left [s].
    """

    mode: int
    place: int
    room: float
    arrives: float
    through: float


def trust_in_giving_way(belief: float, ego_stood: float) -> float:
    """The share that will give way to an ego that has stood so long [s]: who stands seems not to want to go."""
    return belief * float(np.clip((_WAITED_LONG - ego_stood) / (_WAITED_LONG - _WAITED), 0.0, 1.0))


def give_way(
    answers: Sequence[PredictedAgents],
    own_way: OwnWay,
    scene: PlanningScene,
    candidates: Candidates,
    rows: NDArray[np.int64],
    ego: EgoState,
    path: ReferencePath,
) -> list[PredictedAgents]:
    """Answers to plans, in which those who have to give way mostly do.

    A future that crosses the path where its driver has to give way, not long after the plan has left and not before it
    comes, becomes less probable. Instead the driver slows down along the same way and stops before the place, if that
    is not too hard.

    Args:
        answers: Futures under each of N plans, not of all agents; those they leave out have their unconditional ones.
        own_way: Where, and how many do.
        scene: All agents that matter.
        candidates: All candidates.
        rows: ``[N]`` the plans.
        ego: The ego.
        path: Reference path; who is on it gives way no more.

    Returns:
        One for each plan; agents that give way to it are in there, whether or not they were before.
    """
    if own_way.trust <= 0 or not len(own_way.places) or not len(scene.ids):
        return list(answers)
    foot = path.line.project(scene.position)
    on_path = (np.abs(foot.d) < _BESIDE) & (np.abs(wrap_angle(scene.yaw - foot.heading)) < _ASKEW)
    concerned = ~scene.walks & ~on_path
    usual = _all_that_come(scene.futures, np.where(concerned, np.arange(len(scene.ids)), -1), own_way, scene)
    order = np.argsort(scene.ids, kind="stable")
    found = []
    for answer, plan in zip(answers, rows, strict=True):
        row = order[np.minimum(np.searchsorted(scene.ids, answer.agent_ids, sorter=order), len(order) - 1)]
        known = scene.ids[row] == answer.agent_ids
        coming = _all_that_come(answer, np.where(known & concerned[row], row, -1), own_way, scene)
        times = _plan_times(candidates.s[plan] + ego.rear_axle_to_centre, ego.length / 2, own_way.places)
        changed, answered = [], set(row[known].tolist())
        for at, agent, comes in [*coming, *(item for item in usual if item[1] not in answered)]:
            own = (answer if agent in answered else scene.futures).take(np.array([at]))
            if (waiting := _waiting(own, comes, times, own_way.trust, scene, agent)) is not None:
                changed.append(waiting)
        ids = np.array([int(part.agent_ids[0]) for part in changed])
        others = answer.take(np.flatnonzero(~np.isin(answer.agent_ids, ids)))
        parts = [part for part in (others, *changed) if len(part)]
        found.append(concatenated(parts) if changed else answer)
    return found


def _plan_times(
    middle: NDArray[np.float64], half: float, places: GiveWayPlaces
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """When a plan whose box middle is at `middle` ``[T]`` enters and leaves each place [s], inf if it does not."""
    steps = [(middle + half < places.begin[:, None]).sum(axis=1), (middle - half < places.end[:, None]).sum(axis=1)]
    enters, leaves = (np.where(count < len(middle), count * STEP, np.inf) for count in steps)
    return enters, leaves


def _all_that_come(
    futures: PredictedAgents, rows: NDArray[np.int64], own_way: OwnWay, scene: PlanningScene
) -> list[tuple[int, int, list[_Comes]]]:
    """Agents that come to a place: their place in `futures`, their row of the scene, and how.

    Args:
        futures: Of B agents.
        rows: ``[B]`` rows of the scene, -1 for those that need not be looked at.
        own_way: The places.
        scene: All agents that matter.
    """
    looked = np.flatnonzero(rows >= 0)
    if not len(looked):
        return []
    places = own_way.places
    middle = np.stack([
        line.at((low + high) / 2)[0]
        for line, low, high in zip(own_way.lines, places.lane_begin, places.lane_end, strict=True)
    ])  # fmt: skip
    reach = (places.lane_end - places.lane_begin) / 2 + _NEAR
    seen = futures.positions[looked, :, ::_EVERY].astype(np.float64) + futures.origin
    apart = seen[:, :, :, None] - middle
    near = ((apart**2).sum(axis=-1) < reach**2).any(axis=2)  # [agents, modes, places]
    near &= (futures.probabilities[looked] > _UNLIKELY)[:, :, None]
    found = []
    for i in np.flatnonzero(near.any(axis=(1, 2))):
        at, row = int(looked[i]), int(rows[looked[i]])
        comes = [how for z in np.flatnonzero(near[i].any(axis=0)) for how in _come_to(
            futures, at, row, np.flatnonzero(near[i, :, z]), int(z), own_way, scene
        )]  # fmt: skip
        if comes:
            found.append((at, row, comes))
    return found


def _come_to(
    futures: PredictedAgents,
    at: int,
    row: int,
    modes: NDArray[np.int64],
    z: int,
    own_way: OwnWay,
    scene: PlanningScene,
) -> list[_Comes]:
    """Which of some futures of an agent come to a place, and are not there already."""
    ways, headings = _from_now(futures, at, row, modes, scene)
    half, places = float(scene.sizes[row, 0]) / 2, own_way.places
    foot = own_way.lines[z].project(ways.reshape(-1, 2))
    s, d, direction = (value.reshape(headings.shape) for value in (foot.s, foot.d, foot.heading))
    on = (np.abs(d) < _BESIDE) & (np.abs(wrap_angle(headings - direction)) < _ASKEW)
    inside = on & (s + half > places.lane_begin[z]) & (s - half < places.lane_end[z])
    found = []
    for k in np.flatnonzero(inside.any(axis=1) & ~inside[:, 0]):
        first = int(inside[k].argmax())
        last = inside.shape[1] - int(inside[k, ::-1].argmax())
        over = s[k, first] + half - places.lane_begin[z]  # by which it is inside already
        step = max(float(s[k, first] - s[k, first - 1]), 1e-6)
        room = float(arc_lengths(ways[k, : first + 1])[-1]) - min(over, step) - _BEFORE
        found.append(_Comes(int(modes[k]), z, room, first * STEP, last * STEP))
    return found


def _from_now(
    futures: PredictedAgents, at: int, row: int, modes: NDArray[np.int64], scene: PlanningScene
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Positions ``[M, T + 1, 2]`` and headings ``[M, T + 1]`` of futures with the present before them."""
    now = np.broadcast_to(scene.position[row], (len(modes), 1, 2))
    ways = np.concatenate([now, futures.positions[at, modes] + futures.origin], axis=1)
    yaw = np.full((len(modes), 1), scene.yaw[row])
    return ways, np.concatenate([yaw, futures.headings[at, modes]], axis=1)


def _waiting(
    own: PredictedAgents,
    comes: list[_Comes],
    times: tuple[NDArray[np.float64], NDArray[np.float64]],
    trust: float,
    scene: PlanningScene,
    row: int,
) -> PredictedAgents | None:
    """The futures of one agent with a share that waits for a plan; None if there is none."""
    enters, leaves = times
    chance, speed = own.probabilities[0].astype(np.float64), float(scene.speed[row])
    room = np.full(len(chance), np.inf)
    for how in comes:
        if how.through + _THROUGH >= enters[how.place] and how.arrives <= leaves[how.place] + _AFTER:
            room[how.mode] = min(room[how.mode], how.room)
    needed = np.where(room > 0.1, speed**2 / (2 * np.maximum(room, 0.1)), np.inf if speed > 0.5 else 0.0)
    share = trust * np.clip((_HARD - needed) / (_HARD - _COMFORTABLE), 0.0, 1.0)
    moved = np.where(np.isfinite(room), share * chance, 0.0)
    best = int(moved.argmax())
    if moved[best] <= 0:
        return None
    ways, headings = _from_now(own, 0, row, np.array([best]), scene)
    modes = own.modes + 1
    joined: dict[str, Any] = {name: pad_modes(getattr(own, name), modes, name).copy() for name in _OF_MODES}
    gone = _braked(speed, max(float(room[best]), 0.0), own.steps)
    along = arc_lengths(ways[0]) + 1e-6 * np.arange(ways.shape[1])
    place = np.stack([np.interp(gone, along, ways[0, :, k]) for k in range(2)], axis=-1)
    joined["positions"][0, -1] = place - own.origin
    joined["headings"][0, -1] = np.interp(gone, along, np.unwrap(headings[0]))
    spread = np.concatenate([own.covariances[0, best, :1], own.covariances[0, best]])  # as when it came by there
    joined["covariances"][0, -1] = np.stack([np.interp(gone, along, spread[:, k]) for k in range(3)], axis=-1)
    joined["probabilities"] = np.append(chance - moved, moved.sum())[None].astype(np.float32)
    return replace(own, **joined)


def _braked(speed: float, room: float, steps: int) -> NDArray[np.float64]:
    """Way gone ``[steps]`` by who drives on and then brakes to stop after `room` [m]."""
    braking = max(_GENTLE, speed**2 / (2 * max(room, 0.1)))
    time = STEP * np.arange(1, steps + 1)
    free = max(room - speed**2 / (2 * braking), 0.0) / max(speed, 0.1)
    slowing = np.clip(time - free, 0.0, speed / braking)
    return np.asarray(speed * np.minimum(time, free) + speed * slowing - braking * slowing**2 / 2)
