"""A driver of the benchmark with the supervisor behind it, as in the graph in lock-step."""

from __future__ import annotations

from dataclasses import replace

from zoox_stack.core.agents import TrackedAgents, TrafficSignals
from zoox_stack.core.plans import Route
from zoox_stack.evaluation.planning_driver import Decided, Driver
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.supervisor.config import SupervisorConfig
from zoox_stack.supervisor.manoeuvres import Manoeuvre, Need
from zoox_stack.supervisor.motion import Proposal
from zoox_stack.supervisor.pull_over import RoadMap
from zoox_stack.supervisor.supervisor import Supervisor, SupervisorInputs


class SupervisedDriver:
    """What a driver decides passes the supervisor, which looks at the same scene.

    Where the driver fails, so does this one: the ego goes on with its last trajectory, and the supervisor hears of the
    silence with the next scene.

    Args:
        driver: Who decides.
        config: Of the supervisor.
    """

    def __init__(self, driver: Driver, config: SupervisorConfig | None = None) -> None:
        self.driver = driver
        self._config = config or SupervisorConfig()
        self._supervisor: Supervisor | None = None
        self._road: RoadMap | None = None

    def begin(self, network: RoadNetwork, route: Route) -> None:
        """A drive begins."""
        self.driver.begin(network, route)
        self._road = RoadMap.of(network) if len(network.lane_ids) else None
        self._supervisor = None

    def decide(self, scene: TrackedAgents, signals: TrafficSignals | None) -> Decided:
        """Decide, and let the supervisor look."""
        decided = self.driver.decide(scene, signals)
        now_ns = scene.stamp_ns
        if self._supervisor is None:
            self._supervisor = Supervisor(self._config, now_ns, now_ns)
        proposal = Proposal.of(decided.trajectory)
        predicted_ns = None if decided.predicted is None else now_ns
        out = self._supervisor.step(
            SupervisorInputs(now_ns, now_ns, proposal, scene.ego, scene, predicted_ns, signals, self._road)
        )
        if out.state == Manoeuvre.NOMINAL or out.trajectory is None:
            return decided
        why = "; ".join(fault.text for fault in out.faults if fault.need != Need.NONE)
        name = out.state.name.lower().replace("_", " ")
        return replace(decided, trajectory=out.trajectory, taken_over=f"{name}: {why}")
