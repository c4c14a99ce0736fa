"""Everyone in a town who is moved by scripts, not by SUMO."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import Attribute
from zoox_stack.simulation.actors.companions import Companions
from zoox_stack.simulation.actors.crossers import Crossers
from zoox_stack.simulation.actors.parked import ParkedCars
from zoox_stack.simulation.actors.traffic_view import Obstacles, TrafficView
from zoox_stack.simulation.demand import Demand

_ON_CROSSING, _ON_CORNER = 0.3, 0.0  # [m] radius of pedestrians


class Scripts:
    """Steps the scripts of one demand. All state is Python's own, so that a forked process has a copy of it.

    Args:
        demand: Who there is.
        dt: Between two steps [s].
    """

    def __init__(self, demand: Demand, dt: float) -> None:
        self.companions = Companions(demand.companions)
        self.crossers = Crossers(demand.crossers)
        self.parked = ParkedCars(demand.parked, demand.doors)
        self._dt = dt

    def step(self, view: TrafficView, vehicle: Any) -> None:
        """Advance everyone to the next instant, having seen `view`; `vehicle` is SUMO's vehicle functions."""
        self.crossers.step(view, self._dt)
        self.parked.step(view, vehicle, self._dt)

    def poses(
        self, time: float, driving: Set[int], ids: NDArray[np.int64], states: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Where everyone is now that SUMO has taken its step.

        Args:
            time: Now [s].
            driving: Vehicles that SUMO moves now.
            ids: Agents of the snapshot before ``[N]``, rising.
            states: Theirs ``[N, 5]``.

        Returns:
            Ids ``[M]`` and x, y, yaw ``[M, 3]`` of front bumpers (vehicles) or middles (others).
        """
        self.parked.hand_over(driving, time, self._dt)
        rows = [*self.crossers.poses(), *self.parked.poses(), *self.parked.door_poses(time)]
        table = np.array(rows, np.float64).reshape(-1, 4)
        walking, places = self.companions.places(ids, states, self._dt)
        return np.concatenate([table[:, 0].astype(np.int64), walking]), np.concatenate([table[:, 1:], places])

    def obstacles(
        self, time: float, ids: NDArray[np.int64], states: NDArray[np.float64], at_junctions: dict[int, bool]
    ) -> Obstacles:
        """What drivers have to mind.

        Args:
            time: Now [s].
            ids: Agents ``[N]``, rising.
            states: Theirs ``[N, 5]``.
            at_junctions: Pedestrians of SUMO's who walk about a junction; their companions do too. Whether they are
                on a crossing: the others are on its corners, where vehicles come close to them and not into their way.
        """
        minded = dict(self.crossers.on_the_road())
        for leader, crosses in at_junctions.items():
            radius = _ON_CROSSING if crosses else _ON_CORNER
            minded |= dict.fromkeys((leader, *self.companions.friends(leader)), radius)
        things = Obstacles.of(self.parked.obstacles(time))
        if not minded or not len(ids):
            return things
        who = np.array(sorted(minded), np.int64)
        rows = np.searchsorted(ids, who).clip(max=len(ids) - 1)
        here = ids[rows] == who
        radii = np.array([minded[i] for i in who[here].tolist()])
        return things.and_people(states[rows[here]], radii)

    def attributes(self, time: float) -> list[tuple[int, Attribute, int]]:
        """Id, attribute and value of what is on or open."""
        return self.parked.attributes(time)
