"""An ego that SUMO's own driver drives: what recorded drives are made of."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState
from zoox_stack.core.classes import AgentClass
from zoox_stack.core.errors import InvalidInputError, ZooxStackError
from zoox_stack.core.geometry import wrap_angle
from zoox_stack.prediction.history import HistoryColumn
from zoox_stack.road_network.polyline import Polyline
from zoox_stack.simulation.demand import RoadUser
from zoox_stack.simulation.ego_route import LEAST_LENGTH, ego_route
from zoox_stack.simulation.ego_start import LONGEST_WAIT, wait_for_place
from zoox_stack.simulation.ground_truth import stamp_of
from zoox_stack.simulation.towns import Town
from zoox_stack.simulation.world import EGO_ID, STEP, Snapshot, TrafficWorld

SIZE = (4.8, 1.9, 1.7)  # [m]
TO_CENTRE = 1.4  # [m] from the rear axle to the middle
_REACH = 7  # [steps] half length of the filter on the ego's path


def expert_route(town: Town, seed: int, duration: float) -> tuple[str, ...]:
    """A route that lasts for `duration` [s] at the highest speed limit; in a town without loops as long as there is.

    Raises:
        InvalidInputError: The town has no route.
    """
    limits = town.net.network.lane_speed_limits
    fastest = float(limits[np.isfinite(limits)].max())
    try:
        return ego_route(town, seed, max(LEAST_LENGTH, 1.1 * fastest * duration))
    except InvalidInputError:
        return ego_route(town, seed)


def insert_expert(world: TrafficWorld, edges: Sequence[str], first_lane: Polyline) -> None:
    """Put the ego on its first lane where there is room, and let it go.

    Args:
        world: The traffic.
        edges: Of the ego's route.
        first_lane: Centre line of the lane it begins on.

    Raises:
        ZooxStackError: No room for a minute, or SUMO ended.
    """
    place = wait_for_place(world, first_lane)
    world.insert(RoadUser(EGO_ID, AgentClass.CAR, SIZE, float("inf")), edges, place + SIZE[0] / 2, 0.0)
    for _ in range(round(LONGEST_WAIT / STEP)):  # SUMO may see somebody come whom we do not
        if EGO_ID in world.step().ids:
            return
    raise ZooxStackError(f"town {world.town.name}: no room for the ego on {edges[0]} for {LONGEST_WAIT:.0f} s")


@dataclass(frozen=True, eq=False)
class ExpertStep:
    """One instant of a drive.

    Attributes:
        snapshot: Everyone.
        ego: The ego.
    """

    snapshot: Snapshot
    ego: EgoState


def expert_steps(world: TrafficWorld, steps: int) -> Iterator[ExpertStep]:
    """Let the world go on and give each instant with the ego's state, 0.7 s after it was.

    SUMO drives along centre lines with corners. Position, velocity and acceleration of the ego are those of parabolas
    through 1.5 s of its path (Savitzky and Golay, "Smoothing and Differentiation of Data by Simplified Least Squares
    Procedures", 1964).

    Args:
        world: In which the ego drives already.
        steps: How many; fewer if the ego arrives before.

    Raises:
        ZooxStackError: SUMO ended or lost the ego.
    """
    time = STEP * np.arange(-_REACH, _REACH + 1)
    # Rows: value, first and second derivative in the middle of the parabola with the least squares.
    weights = np.linalg.pinv(np.vander(time, 3, increasing=True)) * [[1.0], [1.0], [2.0]]
    window: deque[Snapshot] = deque(maxlen=2 * _REACH + 1)
    path: deque[NDArray[np.float64]] = deque(maxlen=2 * _REACH + 1)  # x, y, yaw of the ego
    given = 0
    while given < steps:
        snapshot = world.step()
        row = int(np.searchsorted(snapshot.ids, EGO_ID))
        if row == len(snapshot.ids) or snapshot.ids[row] != EGO_ID:
            if world.arrived(EGO_ID):
                return
            x, y = path[-1][:2] if path else (np.nan, np.nan)
            raise ZooxStackError(f"SUMO lost the ego at x = {x:.1f}, y = {y:.1f} m")
        window.append(snapshot)
        path.append(snapshot.states[row, :3])
        if len(window) == window.maxlen:
            given += 1
            yield ExpertStep(window[_REACH], _ego_state(stamp_of(window[_REACH]), np.array(path), weights))


def _ego_state(stamp_ns: int, path: NDArray[np.float64], weights: NDArray[np.float64]) -> EgoState:
    path[:, HistoryColumn.YAW] = np.unwrap(path[:, HistoryColumn.YAW])
    (x, y, yaw), (vx, vy, yaw_rate), (ax, ay, _) = weights @ path
    c, s = float(np.cos(yaw)), float(np.sin(yaw))
    length, width, height = SIZE
    return EgoState(
        stamp_ns=stamp_ns,
        x=x - TO_CENTRE * c,
        y=y - TO_CENTRE * s,
        yaw=float(wrap_angle(yaw)),
        speed=vx * c + vy * s,
        lateral_velocity=vy * c - vx * s - TO_CENTRE * yaw_rate,
        acceleration=ax * c + ay * s,
        yaw_rate=yaw_rate,
        length=length,
        width=width,
        height=height,
        rear_axle_to_centre=TO_CENTRE,
    )
