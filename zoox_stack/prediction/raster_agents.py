"""Agents in the scene image: which pixels each box covers and by how much, and what is written there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import TrackedAgents
from zoox_stack.core.classes import AgentClass, Attribute, TriState, TurnSignal
from zoox_stack.core.geometry import to_local
from zoox_stack.prediction.channels import (
    ACCELERATION_PER_COUNT,
    HISTORY_CHANNELS,
    HISTORY_TIMES,
    METRES_PER_PIXEL,
    NEUTRAL,
    RASTER_SIZE,
    VELOCITY_PER_COUNT,
    YAW_RATE_PER_COUNT,
    Channel,
    region_to_pixel,
)
from zoox_stack.prediction.history import HISTORY_STEP, HISTORY_STEPS, SceneHistory

VALUE_COVERAGE = 51  # counts (20 %) from which on a pixel carries the agent's values
_WINDOWS = (3, 7, 14, 30, 67, 145)  # half sizes [pixels] of the windows boxes are sampled in

HISTORY_COLUMNS = tuple(HISTORY_STEPS - 1 - round(time / HISTORY_STEP) for time in HISTORY_TIMES)
EGO_HISTORY_WEIGHTS = (1.0, 2 / 3, 1 / 3)  # at HISTORY_TIMES

CLASS_CHANNEL = np.full(len(AgentClass), Channel.OTHER_AGENT, np.int64)
CLASS_CHANNEL[[AgentClass.CAR]] = Channel.VEHICLE
CLASS_CHANNEL[[AgentClass.TRUCK, AgentClass.BUS, AgentClass.TRAILER]] = Channel.LARGE_VEHICLE
CLASS_CHANNEL[[AgentClass.MOTORCYCLE, AgentClass.BICYCLE]] = Channel.CYCLIST
CLASS_CHANNEL[[AgentClass.PEDESTRIAN]] = Channel.PEDESTRIAN

_VALUE_CHANNELS = tuple(Channel(i) for i in range(Channel.EXISTENCE, Channel.FACING_SIN + 1))
_TRI_STATES = {
    Channel.BRAKE_LIGHT: Attribute.BRAKE_LIGHT,
    Channel.EMERGENCY_LIGHT: Attribute.EMERGENCY_LIGHT,
    Channel.DOOR_OPEN: Attribute.DOOR_OPEN,
    Channel.PHONE_IN_HAND: Attribute.PHONE_IN_HAND,
    Channel.CHILD: Attribute.CHILD,
}
_TRI_COUNT = np.full(len(TriState), NEUTRAL, np.uint8)
_TRI_COUNT[TriState.NO], _TRI_COUNT[TriState.YES] = 0, 255
_LEFT_COUNT = np.zeros(len(TurnSignal), np.uint8)
_LEFT_COUNT[TurnSignal.UNKNOWN], _LEFT_COUNT[[TurnSignal.LEFT, TurnSignal.HAZARD]] = NEUTRAL, 255
_RIGHT_COUNT = np.zeros(len(TurnSignal), np.uint8)
_RIGHT_COUNT[TurnSignal.UNKNOWN], _RIGHT_COUNT[[TurnSignal.RIGHT, TurnSignal.HAZARD]] = NEUTRAL, 255


class BoxPixels:
    """Pixels covered by boxes, sorted so that the highest coverage comes last.

    Writing ``image.ravel()[pixel] = value[box]`` therefore leaves, where boxes overlap, the one that covers more.

    The coverage is the product of the overlaps of a pixel-sized interval with the box along each box axis: exact for
    boxes along the image axes, a close approximation else. Boxes thinner than a pixel count as one pixel thick, so
    that nothing vanishes.

    Attributes:
        box: int64 ``[M]`` which box.
        pixel: int64 ``[M]`` row * 256 + column.
        coverage: uint8 ``[M]``, 255 is all of the pixel.
    """

    def __init__(
        self,
        centre: NDArray[np.float64],
        yaw: NDArray[np.float64],
        size: NDArray[np.float64],
        weight: NDArray[np.float64] | None = None,
    ) -> None:
        """Cover boxes.

        Args:
            centre: ``[N, 2]`` [m] in base_link axes.
            yaw: ``[N]`` [rad] against the ego heading.
            size: ``[N, 2]`` length, width [m].
            weight: ``[N]``, 0..1, that the coverage is multiplied by; None for 1.
        """
        pixel = region_to_pixel(centre)
        half = np.maximum(size / METRES_PER_PIXEL, 1.0) / 2
        weights = np.ones(len(yaw)) if weight is None else weight
        reach = np.hypot(half[:, 0], half[:, 1]) + 1.0
        near = (pixel > -reach[:, None]) & (pixel < RASTER_SIZE + reach[:, None])
        left: NDArray[np.bool_] = near[:, 0] & near[:, 1]
        box, at, coverage = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0, np.uint8)]
        for window in _WINDOWS:
            rows = np.flatnonzero(left & (reach <= window))
            if len(rows):
                left[rows] = False
                covered = _cover(pixel[rows], yaw[rows], half[rows], weights[rows], window)
                box.append(rows[covered[0]])
                at.append(covered[1])
                coverage.append(covered[2])
        joined = np.concatenate(coverage)
        order = np.argsort(joined, kind="stable")
        self.box, self.pixel, self.coverage = np.concatenate(box)[order], np.concatenate(at)[order], joined[order]


def _cover(
    pixel: NDArray[np.float64],
    yaw: NDArray[np.float64],
    half: NDArray[np.float64],
    weight: NDArray[np.float64],
    window: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]:
    """Row of the box, pixel and coverage, from all pixels up to `window` around each box centre."""
    base = np.floor(pixel)
    offsets = np.arange(-window, window + 1)
    f32 = np.float32
    # From each pixel centre to the box centre: x forward is -row, y left is -column.
    ahead = (pixel - base - 0.5).astype(f32)[:, 0, None, None] - offsets.astype(f32)[:, None]
    left = (pixel - base - 0.5).astype(f32)[:, 1, None, None] - offsets.astype(f32)
    c, s = np.cos(yaw).astype(f32)[:, None, None], np.sin(yaw).astype(f32)[:, None, None]
    limit = half.astype(f32) + f32(0.5)
    along = c * ahead + s * left
    across = c * left - s * ahead
    for distance, axis in ((along, 0), (across, 1)):
        np.abs(distance, out=distance)
        np.subtract(limit[:, axis, None, None], distance, out=distance)
        np.clip(distance, f32(0), f32(1), out=distance)
    along *= across
    along *= (255 * weight).astype(f32)[:, None, None]
    along += f32(0.5)
    coverage = along.astype(np.uint8).reshape(-1)
    found = np.flatnonzero(coverage != 0)
    side = len(offsets)
    box, within = np.divmod(found, side * side)
    row, column = np.divmod(within, side)
    corner = base.astype(np.int64) - window
    row += corner[box, 0]
    column += corner[box, 1]
    inside = (row >= 0) & (row < RASTER_SIZE) & (column >= 0) & (column < RASTER_SIZE)
    return box[inside], (row * RASTER_SIZE + column)[inside], coverage[found[inside]]


def draw_boxes(image: NDArray[np.uint8], history: SceneHistory) -> None:
    """Draw the ego and all agents, now and in the past, with the values of the agents.

    Args:
        image: uint8 ``[60, 256, 256]``, contiguous, with neutral counts in the channels drawn here.
        history: A scene with an ego.
    """
    scene = history.scene
    ego = scene.ego
    assert ego is not None
    n = len(scene)
    # One list of boxes for everything: agents now, agents in the past, ego now, ego in the past.
    states = [np.column_stack([scene.position[:, :2], scene.yaw])]
    sizes = [scene.size[:, :2].astype(np.float64)]
    channels = [CLASS_CHANNEL[scene.classes]]
    weights = [np.ones(n)]
    ego_size = np.array([[ego.length, ego.width]])
    for channel, column in zip(HISTORY_CHANNELS, HISTORY_COLUMNS, strict=True):
        there = history.valid[:, column]
        states.append(history.states[there, column, :3])
        sizes.append(sizes[0][there])
        channels.append(np.full(len(states[-1]), channel, np.int64))
        weights.append(np.ones(len(states[-1])))
    now = np.array([[*ego.centre, ego.yaw]])
    for channel, state, weight in (
        (Channel.EGO_BOX, now, 1.0),
        *(
            (Channel.EGO_HISTORY, history.ego_states[None, column, :3], weight)
            for column, weight in zip(HISTORY_COLUMNS, EGO_HISTORY_WEIGHTS, strict=True)
            if history.ego_valid[column]
        ),
    ):
        states.append(state)
        sizes.append(ego_size)
        channels.append(np.array([channel], np.int64))
        weights.append(np.array([weight]))
    state = np.concatenate(states)
    position = to_local(state[:, :2], np.array([ego.x, ego.y]), ego.yaw)
    pixels = BoxPixels(position, state[:, 2] - ego.yaw, np.concatenate(sizes), np.concatenate(weights))
    plane = np.concatenate(channels)[pixels.box] * (RASTER_SIZE * RASTER_SIZE)
    image.reshape(-1)[plane + pixels.pixel] = pixels.coverage
    strong = (pixels.coverage >= VALUE_COVERAGE) & (pixels.box < n)
    box, at = pixels.box[strong], pixels.pixel[strong]
    for channel, values in zip(_VALUE_CHANNELS, agent_counts(scene, ego.yaw), strict=True):
        image[channel].reshape(-1)[at] = values[box]


def agent_counts(scene: TrackedAgents, ego_yaw: float) -> NDArray[np.uint8]:
    """Counts of the value channels EXISTENCE..FACING_SIN for every agent, uint8 ``[16, N]``."""
    c, s = np.cos(ego_yaw), np.sin(ego_yaw)
    vx, vy = scene.velocity[:, 0], scene.velocity[:, 1]
    heading = scene.yaw - ego_yaw
    along = scene.acceleration[:, 0] * np.cos(scene.yaw) + scene.acceleration[:, 1] * np.sin(scene.yaw)
    seen = np.isfinite(scene.facing)
    facing = np.where(seen, scene.facing, 0.0) - ego_yaw
    turn = scene.attributes[:, Attribute.TURN_SIGNAL]
    by_channel = {
        Channel.EXISTENCE: np.rint(scene.existence * 255).astype(np.uint8),
        Channel.VELOCITY_X: signed((c * vx + s * vy) / VELOCITY_PER_COUNT),
        Channel.VELOCITY_Y: signed((c * vy - s * vx) / VELOCITY_PER_COUNT),
        Channel.ACCELERATION: signed(along / ACCELERATION_PER_COUNT),
        Channel.YAW_RATE: signed(scene.yaw_rate / YAW_RATE_PER_COUNT),
        Channel.HEADING_COS: signed(127 * np.cos(heading)),
        Channel.HEADING_SIN: signed(127 * np.sin(heading)),
        Channel.TURN_SIGNAL_LEFT: _LEFT_COUNT[turn],
        Channel.TURN_SIGNAL_RIGHT: _RIGHT_COUNT[turn],
        Channel.FACING_COS: signed(np.where(seen, 127 * np.cos(facing), 0)),
        Channel.FACING_SIN: signed(np.where(seen, 127 * np.sin(facing), 0)),
    }
    for channel, attribute in _TRI_STATES.items():
        by_channel[channel] = _TRI_COUNT[scene.attributes[:, attribute]]
    return np.stack([by_channel[channel] for channel in _VALUE_CHANNELS])


def signed(counts: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Signed counts around 128, limited to 1..255."""
    return (NEUTRAL + np.clip(np.rint(counts), -127, 127)).astype(np.uint8)
