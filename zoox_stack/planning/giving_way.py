"""Who has to give way to the ego: if a plan gets there first, most of them will wait for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState
from zoox_stack.core.geometry import arc_lengths, wrap_angle
from zoox_stack.core.predictions import STEP, PredictedAgents
from zoox_stack.planning.candidates import Candidates
from zoox_stack.planning.futures import concatenated, pad_modes
from zoox_stack.planning.proposal import PlanningScene
from zoox_stack.planning.right_of_way import GiveWayPlaces, OwnWay
from zoox_stack.road_network.polyline import Polyline

_OF_MODES = ("positions", "headings", "covariances")
_NEAR = 80.0  # [m] between an agent and a place at which it may have to give way
_UNLIKELY = 0.03  # futures less probable than this are not looked at
_BESIDE, _ASKEW = 2.0, np.radians(40.0)  # from the lane and its heading, up to which a future is on it
_BEFORE = 1.0  # [m] before the place they stop,
_GENTLE = 2.0  # [m/s^2] with this braking
_COMFORTABLE, _HARD = 2.5, 4.0  # [m/s^2] who would have to brake so hard will; who would have to brake so hard will not
_THROUGH = 0.5  # [s] after an agent is through, the ego comes: it need not wait
_WAITED, _WAITED_LONG = 5.0, 9.0  # [s] the ego has stood: the others begin to go first; they all do


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
) -> list[PredictedAgents]:
    """Answers to plans, in which those who have to give way mostly do.

    A future that crosses the path where its driver has to give way, and is not through when the plan comes, becomes
    less probable. Instead the driver slows down along the same way and stops before the place, if that is not too hard.

    Args:
        answers: Futures under each of N plans, not of all agents; those they leave out have their unconditional ones.
        own_way: Where, and how many do.
        scene: All agents that matter.
        candidates: All candidates.
        rows: ``[N]`` the plans.
        ego: The ego.

    Returns:
        One for each plan; agents that give way to it are in there, whether or not they were before.
    """
    concerned = _concerned(own_way, scene)
    if not len(concerned) or own_way.trust <= 0:
        return list(answers)
    return [
        _under(answer, own_way, scene, concerned, candidates.s[row] + ego.rear_axle_to_centre, ego)
        for answer, row in zip(answers, rows, strict=True)
    ]


def _concerned(own_way: OwnWay, scene: PlanningScene) -> list[tuple[int, NDArray[np.int64]]]:
    """Rows of agents that may have to give way, and the places each of them may have to."""
    found = []
    for row in np.flatnonzero(~scene.walks):
        places = [
            z
            for z, line in enumerate(own_way.lines)
            if np.hypot(*(line.at(own_way.places.lane_begin[z])[0] - scene.position[row])) < _NEAR
        ]
        if places:
            found.append((int(row), np.array(places)))
    return found


def _under(
    answer: PredictedAgents,
    own_way: OwnWay,
    scene: PlanningScene,
    concerned: list[tuple[int, NDArray[np.int64]]],
    middle: NDArray[np.float64],
    ego: EgoState,
) -> PredictedAgents:
    """One answer, for a plan whose box middle is at `middle` ``[T]`` along the path."""
    half, places = ego.length / 2, own_way.places
    enters = (middle + half < places.begin[:, None]).sum(axis=1) * STEP  # of each place
    comes = enters < len(middle) * STEP
    changed: list[PredictedAgents] = []
    for row, numbers in concerned:
        numbers = numbers[comes[numbers]]
        if not len(numbers):
            continue
        at = np.flatnonzero(answer.agent_ids == scene.ids[row])
        own = answer.take(at) if len(at) else scene.futures.take(np.array([row]))
        if (waiting := _waiting(own, row, numbers, enters, own_way, scene)) is not None:
            changed.append(waiting)
    if not changed:
        return answer
    ids = np.array([int(part.agent_ids[0]) for part in changed])
    parts = [answer.take(np.flatnonzero(~np.isin(answer.agent_ids, ids))), *changed] if len(answer) else changed
    return concatenated(parts)


def _waiting(
    own: PredictedAgents,
    row: int,
    numbers: NDArray[np.int64],
    enters: NDArray[np.float64],
    own_way: OwnWay,
    scene: PlanningScene,
) -> PredictedAgents | None:
    """The futures of one agent with a share that waits; None if there is none."""
    chance = own.probabilities[0].astype(np.float64)
    half, speed = float(scene.sizes[row, 0]) / 2, float(scene.speed[row])
    moved, best = np.zeros(len(chance)), (0.0, -1, 0.0)
    for mode in np.flatnonzero(chance > _UNLIKELY):
        way = np.concatenate([scene.position[row][None], own.positions[0, mode] + own.origin])
        along = arc_lengths(way)
        heading = np.concatenate([[scene.yaw[row]], own.headings[0, mode]])
        for z in numbers:
            place = _comes_to(own_way.lines[z], own_way.places, int(z), way, heading, half)
            if place is None or place[1] * STEP + _THROUGH < enters[z]:
                continue
            room = float(along[place[0]]) - _BEFORE
            needed = speed**2 / (2 * room) if room > 0.1 else np.inf if speed > 0.5 else 0.0
            share = own_way.trust * float(np.clip((_HARD - needed) / (_HARD - _COMFORTABLE), 0.0, 1.0))
            moved[mode] = max(moved[mode], share * chance[mode])
            if share * chance[mode] > best[0]:
                best = (share * chance[mode], int(mode), max(room, 0.0))
    if best[1] < 0:
        return None
    modes = own.modes + 1
    joined: dict[str, Any] = {name: pad_modes(getattr(own, name), modes, name).copy() for name in _OF_MODES}
    way = np.concatenate([scene.position[row][None], own.positions[0, best[1]] + own.origin])
    heading = np.unwrap(np.concatenate([[scene.yaw[row]], own.headings[0, best[1]]]))
    gone = _braked(speed, best[2], own.steps)
    along = arc_lengths(way) + 1e-6 * np.arange(len(way))
    joined["positions"][0, -1] = np.stack([np.interp(gone, along, way[:, k]) for k in range(2)], axis=-1) - own.origin
    joined["headings"][0, -1] = np.interp(gone, along, heading)
    spread = np.concatenate([own.covariances[0, best[1], :1], own.covariances[0, best[1]]])  # as when it came by there
    joined["covariances"][0, -1] = np.stack([np.interp(gone, along, spread[:, k]) for k in range(3)], axis=-1)
    joined["probabilities"] = np.append(chance - moved, moved.sum())[None].astype(np.float32)
    return replace(own, **joined)


def _comes_to(
    line: Polyline,
    places: GiveWayPlaces,
    z: int,
    way: NDArray[np.float64],
    heading: NDArray[np.float64],
    half: float,
) -> tuple[int, int] | None:
    """Steps at which a future comes to a place of the lane and is through; None if not, or if it is there already."""
    foot = line.project(way)
    on = (np.abs(foot.d) < _BESIDE) & (np.abs(wrap_angle(heading - foot.heading)) < _ASKEW)
    inside = on & (foot.s + half > places.lane_begin[z]) & (foot.s - half < places.lane_end[z])
    if inside[0] or not inside.any():
        return None
    return int(inside.argmax()), len(inside) - int(inside[::-1].argmax())


def _braked(speed: float, room: float, steps: int) -> NDArray[np.float64]:
    """Way gone ``[steps]`` by who drives on and then brakes to stop after `room` [m]."""
    braking = max(_GENTLE, speed**2 / (2 * max(room, 0.1)))
    time = STEP * np.arange(1, steps + 1)
    free = max(room - speed**2 / (2 * braking), 0.0) / max(speed, 0.1)
    slowing = np.clip(time - free, 0.0, speed / braking)
    return np.asarray(speed * np.minimum(time, free) + speed * slowing - braking * slowing**2 / 2)
