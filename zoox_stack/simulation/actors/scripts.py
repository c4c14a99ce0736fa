"""Everyone in a town who is moved by scripts, not by SUMO."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import Attribute
from zoox_stack.prediction.history import HistoryColumn
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.simulation.actors.companions import Companions
from zoox_stack.simulation.actors.crossers import Crossers
from zoox_stack.simulation.actors.ground import Ground
from zoox_stack.simulation.actors.parked import ParkedCars
from zoox_stack.simulation.actors.traffic_view import Obstacles, TrafficView
from zoox_stack.simulation.demand import Demand

_WALKER = 0.3  # [m] radius of pedestrians
_WALKS = 0.3  # [m/s] drivers mind those who walk, not those who wait


class Scripts:
    """Steps the scripts of one demand. All state is Python's own, so that a forked process has a copy of it.

    Args:
        demand: Who there is.
        network: Where.
        dt: Between two steps [s].
    """

    def __init__(self, demand: Demand, network: RoadNetwork, dt: float) -> None:
        self.ground = Ground(network)
        self.companions = Companions(demand.companions, self.ground)
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

    def obstacles(self, time: float, people: NDArray[np.int64], states: NDArray[np.float64]) -> Obstacles:
        """What drivers have to mind: what stands on the road, and everyone who walks where vehicles drive.

        Args:
            time: Now [s].
            people: Ids of pedestrians and animals ``[P]``.
            states: Theirs ``[P, 5]``.
        """
        crossing = dict(self.crossers.on_the_road())
        radius = np.array([crossing.get(i, _WALKER) for i in people.tolist()])
        walks = np.hypot(states[:, HistoryColumn.VX], states[:, HistoryColumn.VY]) > _WALKS
        minded = walks & self.ground.on_roadway(states[:, : HistoryColumn.YAW])
        minded |= np.isin(people, list(crossing))
        return Obstacles.of(self.parked.obstacles(time)).and_people(states[minded], radius[minded])

    def attributes(self, time: float) -> list[tuple[int, Attribute, int]]:
        """Id, attribute and value of what is on or open."""
        return self.parked.attributes(time)
