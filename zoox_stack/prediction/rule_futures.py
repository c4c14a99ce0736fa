"""Futures by rule, for road users the network does not see: outside the scene image, or beyond its number of agents.

The first mode keeps the velocity, as everywhere. The others follow the lane, the straightest way at every fork, or, off
the lanes, the heading: vehicles and cyclists by constant accelerations (who stands starts sooner or later), people on
foot at other paces and turning aside. Hazards, and what is of no class and stands, keep their velocity alone. N agents,
K = 6 modes, T = 80 steps of 0.1 s.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import TrackedAgents
from zoox_stack.core.classes import CYCLIST_CLASSES, VEHICLE_CLASSES, LaneType
from zoox_stack.core.constant_velocity import constant_velocity_prediction
from zoox_stack.core.predictions import MODES, STEP, STEPS, PredictedAgents
from zoox_stack.prediction.futures import STANDING_SPEED, turned_covariances
from zoox_stack.prediction.no_class import things
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.road_network.polyline import Polyline
from zoox_stack.road_network.queries import DRIVING_TYPES, LaneIndex

UNKNOWN_LIMIT = 14.0  # [m/s] up to which a vehicle speeds up where the map gives no limit
AHEAD = 250.0  # [m] of lanes that are followed: 30 m/s for 8 s
# Acceleration [m/s^2] and delay [s] of every mode; the first is a place holder for constant velocity. The shares are
# about how often each is the nearest to what follows in the simulated towns learned from:
# scripts/measure_rule_modes.py.
DRIVING = np.array([(0.0, 0.0), (0.0, 0.0), (-0.8, 0.0), (-2.0, 0.0), (0.7, 0.0), (1.6, 0.0)])
STARTING = np.array([(0.0, 0.0), (1.8, 0.0), (1.8, 2.0), (1.8, 4.0), (0.8, 0.0), (1.8, 6.0)])
DRIVING_SHARES = np.array([0.06, 0.28, 0.24, 0.17, 0.10, 0.15])
STARTING_SHARES = np.array([0.84, 0.02, 0.02, 0.05, 0.02, 0.05])
# Pace relative to now, and by how much the direction has changed after `_TURNING` seconds [rad].
WALKING = np.array([(1.0, 0.0), (0.0, 0.0), (0.6, 0.0), (1.3, 0.0), (1.0, np.pi / 3), (1.0, -np.pi / 3)])
WALKING_SHARES = np.array([0.80, 0.02, 0.05, 0.03, 0.05, 0.05])
# Speed [m/s] and direction relative to the heading [rad] of somebody who stands and sets off.
SETTING_OFF = np.array([(0.0, 0.0), (1.3, 0.0), (1.3, np.pi / 2), (1.3, -np.pi / 2), (1.3, np.pi), (0.6, 0.0)])
SETTING_OFF_SHARES = np.array([0.72, 0.05, 0.03, 0.03, 0.05, 0.12])
_TURNING = 3.0  # [s]
_TIMES = STEP * np.arange(1, STEPS + 1)


class RuleFutures:
    """Futures by rule on one map.

    Args:
        network: The map, None without one.
    """

    def __init__(self, network: RoadNetwork | None) -> None:
        known = network is not None and len(network.lane_ids) > 0
        self._lanes = LaneIndex(network) if network is not None and known else None
        self._with_bike_lanes = self._lanes
        if network is not None and known and (network.lane_types == LaneType.BIKE).any():
            self._with_bike_lanes = LaneIndex(network, types=(*DRIVING_TYPES, LaneType.BIKE))
        self._lines: dict[tuple[bool, int], tuple[Polyline, float]] = {}

    def predict(self, scene: TrackedAgents) -> PredictedAgents:
        """Futures of all N agents in the order of the scene, relative to its ego."""
        base = constant_velocity_prediction(scene, modes=MODES, steps=STEPS, step=STEP)
        positions, headings = np.array(base.positions), np.array(base.headings)
        probabilities = np.array(base.probabilities)
        cycles, drives = np.isin(scene.classes, CYCLIST_CLASSES), np.isin(scene.classes, VEHICLE_CLASSES)
        starts, directions = scene.position[:, :2] - base.origin, _directions(scene)
        walk = np.flatnonzero(~(drives | cycles) & ~things(scene))
        drive = np.flatnonzero(drives | cycles)
        if len(walk):
            moved, facing = _walks(scene.speed[walk], directions[walk])
            positions[walk, 1:], headings[walk, 1:] = starts[walk, None, None] + moved, facing
            probabilities[walk] = _shares(scene.speed[walk], WALKING_SHARES, SETTING_OFF_SHARES)
        if len(drive):
            lines = self._lines_of(scene, drive, cycles[drive])
            probabilities[drive] = _shares(scene.speed[drive], DRIVING_SHARES, STARTING_SHARES)
            for row, (line, limit) in zip(drive.tolist(), lines, strict=True):
                way = _driven(float(scene.speed[row]), limit)
                if line is None:
                    ahead = np.array([np.cos(directions[row]), np.sin(directions[row])])
                    positions[row, 1:] = starts[row] + way[..., None] * ahead
                    continue
                start = line.project(scene.position[row : row + 1, :2])
                centre, heading, _ = line.at(start.s[0] + way)
                aside = start.d[0] * np.stack([-np.sin(heading), np.cos(heading)], axis=-1)
                positions[row, 1:], headings[row, 1:] = centre + aside - base.origin, heading
        turn = (headings - headings[:, :1, :1]).astype(np.float64)
        return replace(
            base,
            positions=positions,
            headings=headings,
            probabilities=probabilities,
            covariances=turned_covariances(base.covariances, turn),
        )

    def _lines_of(
        self, scene: TrackedAgents, rows: NDArray[np.int64], cycles: NDArray[np.bool_]
    ) -> list[tuple[Polyline | None, float]]:
        """The way along the lanes of each agent, None off them, and the speed limit where it is [m/s]."""
        found: list[tuple[Polyline | None, float]] = [(None, UNKNOWN_LIMIT)] * len(rows)
        for index, mine in ((self._lanes, ~cycles), (self._with_bike_lanes, cycles)):
            if index is None or not mine.any():
                continue
            which = np.flatnonzero(mine)
            lanes = index.nearest(scene.position[rows[which], :2], scene.yaw[rows[which]]).rows
            for number, lane in zip(which.tolist(), lanes.tolist(), strict=True):
                if lane >= 0:
                    found[number] = self._line(index, lane)
        return found

    def _line(self, index: LaneIndex, lane: int) -> tuple[Polyline, float]:
        key = (index is self._lanes, lane)
        if key not in self._lines:
            line = index.lines[lane]
            x, y = line.xy[0]
            path = index.path_ahead(float(x), float(y), float(line.heading[0]), line.length + AHEAD, prefer=(lane,))
            limit = float(index.network.lane_speed_limits[lane])
            self._lines[key] = (line if path is None else path.line, limit if limit > 0 else UNKNOWN_LIMIT)
        return self._lines[key]


def _driven(speed: float, limit: float) -> NDArray[np.float64]:
    """Distance driven under every mode but the first, ``[K - 1, T]`` [m]."""
    acceleration, delay = (DRIVING if speed >= STANDING_SPEED else STARTING)[1:].T
    before = np.concatenate([[0.0], _TIMES[:-1]]) + STEP / 2
    speeds = speed + acceleration[:, None] * np.maximum(before - delay[:, None], 0.0)
    return np.asarray(np.cumsum(np.clip(speeds, 0.0, max(speed, limit)), axis=1) * STEP)


def _walks(
    speed: NDArray[np.float64], direction: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Way ``[N, K - 1, T, 2]`` [m] and headings ``[N, K - 1, T]`` under every mode but the first."""
    pace, turn = WALKING[1:].T
    fast, aside = SETTING_OFF[1:].T
    moving = (speed >= STANDING_SPEED)[:, None, None]
    share = np.minimum(_TIMES / _TURNING, 1.0)
    # Who stops walks half a second on.
    fading = np.where(pace[:, None] > 0, pace[:, None], np.clip(1.0 - _TIMES, 0.0, 1.0))
    speeds = np.where(moving, speed[:, None, None] * fading, fast[:, None] + 0 * _TIMES)
    heading = direction[:, None, None] + np.where(moving, turn[:, None] * share, aside[:, None] + 0 * _TIMES)
    steps = STEP * speeds[..., None] * np.stack([np.cos(heading), np.sin(heading)], axis=-1)
    return np.cumsum(steps, axis=2), heading


def _shares(
    speed: NDArray[np.float64], moving: NDArray[np.float64], standing: NDArray[np.float64]
) -> NDArray[np.float64]:
    return np.where((speed >= STANDING_SPEED)[:, None], moving, standing)


def _directions(scene: TrackedAgents) -> NDArray[np.float64]:
    """Of motion, of who stands the heading, ``[N]`` [rad]."""
    motion = np.arctan2(scene.velocity[:, 1], scene.velocity[:, 0])
    return np.where(scene.speed >= STANDING_SPEED, motion, scene.yaw)
