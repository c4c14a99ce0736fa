"""How dangerous plans are in the sense of nuPlan's time to collision: if both went straight on from some moment."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState
from zoox_stack.core.compiled import plain
from zoox_stack.core.predictions import STEP
from zoox_stack.planning.candidates import Candidates
from zoox_stack.planning.lattice import Lateral
from zoox_stack.planning.proposal import PlanningScene
from zoox_stack.planning.reference_path import ReferencePath
from zoox_stack.planning.straight_on_loop import measure_danger

_MOMENTS = np.array([2, 6, 10, 15, 20, 25, 31, 37])  # steps at which the time to collision is looked at, to 3.8 s
_STANDS = 0.3  # [m/s]
_STARTED = 9  # step whose speed counts for the present moment: who drives off now will be in the way as things are now
_MOVING = 1.1, 1.8  # [s] times to collision up to which the danger is 1, and from which on there is none
_STANDING = 1.05, 1.35  # [s] and of who stands, where only the ego's own motion is uncertain
_MARGIN = 0.1  # [m] around the ego
_RECKLESS = 6.0  # [s] time constant with which later moments count less


def straight_on(
    candidates: Candidates,
    rows: NDArray[np.int64],
    ego: EgoState,
    scene: PlanningScene,
    path: ReferencePath,
    only_plan: NDArray[np.int64] | None = None,
) -> NDArray[np.float64]:
    """Share of danger of N plans with A agents, 0..1: 1 where a moment of the next seconds has a second or less left.

    At each moment, and for who stands also now, both boxes go straight on at their speeds, as in the metric of nuPlan's
    score (see docs/planning-evaluation.md): those ahead count, and in intersections or beside the middle of the lane
    all but those behind.

    Args:
        candidates: All candidates.
        rows: ``[N]`` those meant.
        ego: The ego.
        scene: A agents with their futures.
        path: Reference path.
        only_plan: ``[A]`` which of the N plans each future belongs to; None: to all.
    """
    danger = np.zeros((len(rows), len(scene.futures)))
    futures = scene.futures
    moments = _MOMENTS[futures.steps > _MOMENTS + 1]
    if not danger.size or not len(moments):
        return danger
    # Of who drives, all plans would pay the same for the present, and it would hide the later moments.
    starts = abs(ego.speed) < _STANDS
    steps = np.append(0, moments) if starts else moments
    picked = np.ix_(rows, steps)
    yaw = candidates.yaw[picked]
    cos, sin = np.cos(yaw), np.sin(yaw)
    middle = ego.rear_axle_to_centre
    x, y = (candidates.x[picked] - futures.origin[0], candidates.y[picked] - futures.origin[1])
    speed = candidates.speed[np.ix_(rows, np.append(_STARTED, moments) if starts else moments)]
    own = np.stack([x + middle * cos, y + middle * sin, cos, sin, speed], axis=-1)
    at = np.minimum(np.searchsorted(path.line.s, candidates.s[picked] + middle), len(path.line.s) - 1)
    everywhere = path.in_intersection[at] | (candidates.laterals[rows] != int(Lateral.CENTRE))[:, None]
    velocity = (futures.positions[:, :, moments + 1] - futures.positions[:, :, moments - 1]) / (2 * STEP)
    heading = futures.headings[:, :, moments]
    others = np.concatenate(
        [futures.positions[:, :, moments], np.cos(heading)[..., None], np.sin(heading)[..., None], velocity], axis=-1
    )
    if starts:
        ahead = np.stack([np.cos(scene.yaw), np.sin(scene.yaw)], axis=-1)
        speeds = scene.speed[:, None] * ahead
        now = np.concatenate([scene.position + STEP * speeds - futures.origin, ahead, speeds], axis=-1)
        others = np.concatenate([np.repeat(now[:, None, None], futures.modes, axis=1), others], axis=2)
    measure_danger(
        plain(own, np.float64),
        plain(everywhere, np.bool_),
        np.array([ego.length / 2 + _MARGIN, ego.width / 2 + _MARGIN, middle]),
        plain(others, np.float64),
        plain(futures.probabilities * scene.existence[:, None], np.float64),
        plain(scene.sizes / 2, np.float64),
        np.full(len(futures), -1) if only_plan is None else plain(only_plan, np.int64),
        _MOVING,
        _STANDING,
        np.exp(-(steps + 1) * STEP / _RECKLESS),
        danger,
    )
    return danger
