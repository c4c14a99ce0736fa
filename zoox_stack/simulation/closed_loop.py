"""A drive in closed loop: the ego moves as its trajectories say, and everyone else reacts to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType

import numpy as np

from zoox_stack.core.agents import EgoState, TrackedAgents, TrafficSignals
from zoox_stack.core.classes import AgentClass
from zoox_stack.core.errors import ZooxStackError
from zoox_stack.core.events import SimulationEvent
from zoox_stack.core.plans import Route, Trajectory
from zoox_stack.road_network.queries import LaneIndex
from zoox_stack.simulation.demand import DemandConfig
from zoox_stack.simulation.ego_route import ego_route
from zoox_stack.simulation.ego_start import SPARE, wait_for_place
from zoox_stack.simulation.ego_vehicle import EgoVehicle, EgoVehicleConfig
from zoox_stack.simulation.event_config import EventConfig
from zoox_stack.simulation.events import EventDetector
from zoox_stack.simulation.ground_truth import GroundTruth, signals_of, stamp_of
from zoox_stack.simulation.lane_route import lane_route
from zoox_stack.simulation.population import RoadUser
from zoox_stack.simulation.towns import Town
from zoox_stack.simulation.world import EGO_ID, STEP, TrafficWorld

END = 40.0  # [m] before the end of its route the drive is over: the plans need something to follow


class ClosedLoop:
    """One drive of the ego through a town, stepped by 0.1 s. Use as a context manager. Deterministic.

    Args:
        town: Where.
        seed: Of traffic and route.
        folder: Where SUMO's files go.
        duration: New traffic appears for at least so long [s].
        warm_up: Traffic before the ego appears [s].
        demand: How busy; that of the town if None.
        edges: Route of the ego over SUMO's edges; one drawn from the seed if None.
        vehicle: The ego's body.
        events: What counts as an event.

    Attributes:
        town: The town.
        index: Its map.
        edges: The ego's route over SUMO's edges.
        route: The same as lanes and line.
        world: The traffic.
        scene: Everyone as they are now, with the ego; set once the drive has begun.
        signals: States of all signals now.

    Raises:
        InvalidInputError: No such way through the town.
        ConfigurationError: SUMO is not installed.
    """

    def __init__(
        self,
        town: Town,
        seed: int,
        folder: Path,
        *,
        duration: float = 60.0,
        warm_up: float = 20.0,
        demand: DemandConfig | None = None,
        edges: Sequence[str] | None = None,
        vehicle: EgoVehicleConfig | None = None,
        events: EventConfig | None = None,
    ) -> None:
        self.town, self.index = town, LaneIndex(town.net.network)
        self.edges = tuple(edges) if edges is not None else ego_route(town, seed)
        lanes = lane_route(town.net, self.edges)
        path = self.index.path_of(lanes)
        self._line, self._at = path.line, 0.0
        points = np.column_stack([path.line.xy, np.zeros(len(path.line.xy))])
        self._lanes = lanes
        self._body = vehicle or EgoVehicleConfig()
        self._events = EventDetector(self.index, lanes, events)
        demand = replace(demand or town.demand, duration=warm_up + duration + SPARE)
        self.world = TrafficWorld(town, demand, seed, folder)
        self._warm_up = warm_up
        self._truth = GroundTruth(self.world)
        self._ego: EgoVehicle | None = None
        self._told: list[SimulationEvent] = []
        self.scene: TrackedAgents
        self.signals: TrafficSignals
        self.route = Route(0, points, town.net.network.lane_ids[lanes])

    def __enter__(self) -> ClosedLoop:
        self.world.__enter__()
        try:
            self._begin()
        except BaseException:
            self.world.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.world.__exit__(kind, error, trace)

    @property
    def remaining(self) -> float:
        """Way along the route before the drive is over [m]."""
        return max(0.0, self._line.length - END - self._at)

    @property
    def finished(self) -> bool:
        """Whether the ego has come to the end of its route."""
        return self.remaining <= 0.0

    def step(self, trajectory: Trajectory | None) -> list[SimulationEvent]:
        """Go on by 0.1 s.

        Args:
            trajectory: The newest the planner has given, None if there is none yet.

        Returns:
            Events that are now known.

        Raises:
            ZooxStackError: SUMO ended or lost the ego.
        """
        assert self._ego is not None, "the drive has not begun"
        self._ego.follow(trajectory, self.scene.stamp_ns, STEP)
        return self._tell(self._advance())

    def finish(self) -> list[SimulationEvent]:
        """Events that went on when the drive ended."""
        return self._tell(self._events.finish())

    def _tell(self, events: list[SimulationEvent]) -> list[SimulationEvent]:
        """Also those of the instant at which the ego appeared."""
        first, self._told = self._told, []
        return first + events

    def _begin(self) -> None:
        """Warm up, and put the ego on its first lane where there is room."""
        self.world.run(self._warm_up)
        lane = self.index.lines[self._lanes[0]]
        place = wait_for_place(self.world, lane)
        body = self._body
        self._at = place - body.rear_axle_to_centre
        xy, yaw, _ = lane.at(self._at)
        size = (body.vehicle_length, body.vehicle_width, body.vehicle_height)
        self._ego = EgoVehicle(body, xy[0], xy[1], float(yaw))
        user = RoadUser(EGO_ID, AgentClass.CAR, size, float("inf"))
        self.world.insert(user, self.edges, place + body.vehicle_length / 2, 0.0)
        self._told = self._advance()

    def _advance(self) -> list[SimulationEvent]:
        assert self._ego is not None
        ego = self._ego.state(0)
        centre = ego.centre
        self.world.steer(EGO_ID, float(centre[0]), float(centre[1]), ego.yaw, ego.speed)
        snapshot = self.world.step()
        ego = self._ego.state(stamp_of(snapshot))
        if EGO_ID not in snapshot.ids and not self.finished:
            raise ZooxStackError(
                f"town {self.town.name}: SUMO lost the ego at x = {ego.x:.1f}, y = {ego.y:.1f} m, "
                f"{snapshot.time:.1f} s after its start"
            )
        self.scene = self._truth.scene(snapshot, ego)
        self.signals = signals_of(snapshot, self.town.net.network)
        self._progress(ego)
        return self._events.update(self.scene, self.signals)

    def _progress(self, ego: EgoState) -> None:
        """Follow the ego along its route, which may pass a place twice."""
        found = self._line.project_pose(ego.x, ego.y, ego.yaw, self._at - 5.0, self._at + 15.0)
        if found is not None and abs(found.d[0]) < 8.0:
            self._at = max(self._at, float(found.s[0]))
