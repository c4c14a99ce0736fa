"""A lane follower to compare with: the Intelligent Driver Model along the reference path, and nothing else.

It follows whoever is in its way now, stops at red signals, slows down for curves and keeps to the speed limit. It asks
nobody, predicts nobody, never leaves its path and gives way to nobody: who crosses its way is seen when he is in it.

Treiber, Hennecke and Helbing, "Congested traffic states in empirical observations and microscopic simulations", 2000.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState, TrackedAgents, TrafficSignals
from zoox_stack.core.classes import SignalState
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.geometry import wrap_angle
from zoox_stack.core.plans import EgoPlan, Route, Trajectory
from zoox_stack.core.predictions import STEP, STEPS
from zoox_stack.planning.reference_path import ReferencePath, ReferencePathFinder
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.road_network.queries import LaneIndex

_LEAST_GAP = 0.1  # [m]
_BACK_TO_PATH = 15.0  # [m] of driving over which an offset from the path is taken out
_TOO_FAST = 0.5  # [s] time constant with which a speed above the wanted one is brought down
_LONGEST = 8.0  # [s] of driving that the path must last for


@dataclass(frozen=True)
class IdmConfig:
    """Parameters of the model, usual ones for city traffic.

    Attributes:
        acceleration: Strongest [m/s^2].
        deceleration: Comfortable [m/s^2].
        hardest: Strongest braking [m/s^2].
        headway: Wanted time to the one ahead [s].
        standstill_gap: Wanted distance when standing [m].
        exponent: Of the approach to the wanted speed.
        lateral_acceleration: In curves at most [m/s^2].
        cruise_speed: Where the map gives no limit [m/s].
        side_margin: Kept beside the ego when asking who is in its way [m].
    """

    acceleration: float = 1.5
    deceleration: float = 2.0
    hardest: float = 8.0
    headway: float = 1.5
    standstill_gap: float = 2.0
    exponent: float = 4.0
    lateral_acceleration: float = 1.8
    cruise_speed: float = 13.9
    side_margin: float = 0.2


@dataclass(frozen=True)
class Ahead:
    """Something to stop behind or to follow.

    Attributes:
        gap: From the ego's front [m].
        speed: Along the path [m/s].
    """

    gap: float
    speed: float


class IdmPlanner:
    """Scene in, trajectory out. Deterministic.

    Args:
        config: Parameters.
    """

    def __init__(self, config: IdmConfig | None = None) -> None:
        self.config = config or IdmConfig()
        self._finder = ReferencePathFinder()

    def set_road_network(self, network: RoadNetwork) -> None:
        """Use another map."""
        self._finder.set_index(LaneIndex(network) if len(network.lane_ids) else None)

    def set_route(self, route: Route | None) -> None:
        """Follow another route; None: follow the lanes."""
        self._finder.set_route(route)

    def plan(self, scene: TrackedAgents, signals: TrafficSignals | None) -> Trajectory:
        """What to do next.

        Args:
            scene: Agents and ego.
            signals: States of the traffic signals, None if none are known.

        Raises:
            InvalidInputError: The scene has no ego.
        """
        ego = scene.ego
        if ego is None:
            raise InvalidInputError("scene.ego", "the state of the ego", "none", "is odometry published?")
        path = self._finder.find(ego, _LONGEST * max(ego.speed, 0.0) + 80.0)
        ahead = [*in_the_way(path, ego, scene, self.config), *red_lines(path, ego, signals, self.config)]
        travelled, speed = self._drive(path, ego, ahead)
        xy, heading, curvature = path.line.at(path.ego_s + travelled)
        left = path.ego_d * np.clip(1.0 - travelled / _BACK_TO_PATH, 0.0, 1.0)
        xy = xy + left[:, None] * np.stack([-np.sin(heading), np.cos(heading)], axis=1)
        acceleration = np.diff(speed, prepend=max(ego.speed, 0.0)) / STEP
        yaw = np.asarray(wrap_angle(heading))
        plan = EgoPlan(0, "follow the lane", STEP, xy[:, 0], xy[:, 1], yaw, speed, acceleration, curvature)
        return Trajectory(scene.stamp_ns, plan)

    def _drive(
        self, path: ReferencePath, ego: EgoState, ahead: list[Ahead]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Ways [m] and speeds [m/s] after 0.1, 0.2, ... 8 s; those ahead keep their speed."""
        c = self.config
        allowed = speeds_along(path, c)
        way, v = 0.0, max(ego.speed, 0.0)
        ways, speeds = np.empty(STEPS), np.empty(STEPS)
        for step in range(STEPS):
            wanted = max(float(np.interp(path.ego_s + way, path.line.s, allowed)), 0.1)
            free = c.acceleration * (1.0 - min((v / wanted) ** c.exponent, 1.0))
            command = free + min(max((wanted - v) / _TOO_FAST, -c.deceleration), 0.0)
            for other in ahead:
                gap = max(other.gap + other.speed * step * STEP - way, _LEAST_GAP)
                closing = v * (v - other.speed) / (2 * np.sqrt(c.acceleration * c.deceleration))
                desired = c.standstill_gap + max(v * c.headway + closing, 0.0)
                command = min(command, free - c.acceleration * (desired / gap) ** 2)
            after = max(v + max(command, -c.hardest) * STEP, 0.0)
            way += (v + after) / 2 * STEP
            v = after
            ways[step], speeds[step] = way, v
        return ways, speeds


def in_the_way(path: ReferencePath, ego: EgoState, scene: TrackedAgents, config: IdmConfig) -> list[Ahead]:
    """The nearest agent ahead whose box is on the ego's way now; empty if there is none."""
    if not len(scene):
        return []
    at = path.line.project(scene.position[:, :2])
    turn = scene.yaw - at.heading
    half = scene.size[:, :2].astype(np.float64) / 2
    cos, sin = np.abs(np.cos(turn)), np.abs(np.sin(turn))
    along, across = half[:, 0] * cos + half[:, 1] * sin, half[:, 0] * sin + half[:, 1] * cos
    middle = path.ego_s + ego.rear_axle_to_centre
    gap = at.s - along - (middle + ego.length / 2)
    blocking = (np.abs(at.d) < across + ego.width / 2 + config.side_margin) & (at.s > middle)
    rows = np.flatnonzero(blocking)
    if not len(rows):
        return []
    row = int(rows[gap[rows].argmin()])
    direction = np.array([np.cos(at.heading[row]), np.sin(at.heading[row])])
    return [Ahead(float(gap[row]), max(float(scene.velocity[row] @ direction), 0.0))]


def red_lines(path: ReferencePath, ego: EgoState, signals: TrafficSignals | None, config: IdmConfig) -> list[Ahead]:
    """The nearest stop line whose signal is red, or yellow and far enough away; empty if there is none.

    A line that can no longer be stopped before does not count.
    """
    if signals is None:
        return []
    states = dict(zip(signals.ids.tolist(), signals.states.tolist(), strict=True))
    front = path.ego_s + ego.rear_axle_to_centre + ego.length / 2
    for s, governing in zip(path.stops.s.tolist(), path.stops.signals, strict=True):
        gap = s - front
        if gap < 0:
            continue
        shown = {states.get(i) for i in governing}
        needed = max(ego.speed, 0.0) ** 2 / (2 * max(gap, _LEAST_GAP))
        red = SignalState.RED in shown and needed <= config.hardest
        if red or (SignalState.YELLOW in shown and needed <= config.deceleration):
            return [Ahead(gap, 0.0)]
    return []


def speeds_along(path: ReferencePath, config: IdmConfig) -> NDArray[np.float64]:
    """Highest speed at each point of the path so that limits and curves ahead are met in comfort, ``[P]`` [m/s]."""
    line = path.line
    limit = np.where(np.isfinite(path.speed_limit), path.speed_limit, config.cruise_speed)
    bend = np.sqrt(config.lateral_acceleration / np.maximum(np.abs(line.curvature), 1e-4))
    braking = config.deceleration * line.s  # at half of what is comfortable
    squared = np.minimum.accumulate((np.minimum(limit, bend) ** 2 + braking)[::-1])[::-1] - braking
    return np.asarray(np.sqrt(np.maximum(squared, 0.0)))
