"""The supervisor node: what the planner wants in, what the vehicle is to do out; a process of its own.

A trajectory that passes is passed on as the bytes it came in, at once. Between trajectories a timer looks for stages
that have fallen silent and drives the manoeuvres. In lock-step there is neither timer nor silence: scene and trajectory
of the same stamp make a tick, at the time of that stamp. Where the ego does not drive what comes out (`supervise` is
false), every trajectory that is a motion is passed on and nothing else is done.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from nav_msgs.msg import Odometry

from zoox_stack.core import topics
from zoox_stack.core.agents import EgoState, TrackedAgents, TrafficSignals
from zoox_stack.core.sight import Sight
from zoox_stack.nodes.configs import LOCKSTEP_PATIENCE, SupervisorNodeConfig
from zoox_stack.nodes.signal_buffer import SignalBuffer
from zoox_stack.nodes.stack_clock import StackClock
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.ros.conversions.agents import traffic_signals_from_message
from zoox_stack.ros.conversions.odometry import VehicleBox, odometry_from_message
from zoox_stack.ros.conversions.plans import motion_from_message, trajectory_to_message
from zoox_stack.ros.conversions.road_network import road_network_from_message
from zoox_stack.ros.conversions.sight import sight_from_message
from zoox_stack.ros.message_types import message_class, peek_stamp
from zoox_stack.ros.node import StackNode
from zoox_stack.ros.run import run_node
from zoox_stack.ros.serialized import tracked_agents_from_bytes, unpack
from zoox_stack.supervisor.gate import Verdict, check_motion
from zoox_stack.supervisor.manoeuvres import Manoeuvre, Need
from zoox_stack.supervisor.motion import Proposal
from zoox_stack.supervisor.pull_over import RoadMap
from zoox_stack.supervisor.supervisor import FaultKind, Supervisor, SupervisorInputs, SupervisorOutput
from zoox_stack.supervisor.warm_up import warm_up

LOOK = 0.02  # [s] between looks for silent stages
_REPEAT_NS = 50_000_000  # between two trajectories of one manoeuvre
_REPORT = 1.0  # [s] between reports without change
_LEVELS = {Need.NONE: DiagnosticStatus.WARN, Need.COMFORT: DiagnosticStatus.ERROR, Need.URGENT: DiagnosticStatus.ERROR}


@dataclass(frozen=True, eq=False)
class _Proposed:
    """A trajectory as it came."""

    data: bytes
    motion: Proposal
    received_ns: int = 0


class SupervisorNode(StackNode[SupervisorNodeConfig]):
    """See the module. Names on /diagnostics: ``supervisor``, ``supervisor/state`` and ``supervisor/<fault>``."""

    def __init__(self) -> None:
        super().__init__("supervisor", SupervisorNodeConfig)
        config = self.config
        self._box = VehicleBox(
            config.vehicle_length, config.vehicle_width, config.vehicle_height, config.rear_axle_to_centre
        )
        self._stack_clock = StackClock(bool(self.get_parameter("use_sim_time").value), config.clock_jump)
        self._signals = SignalBuffer(config.reset_jump)
        self._road: RoadMap | None = None
        self._patience = self.one_shot(self._lockstep_tick)
        self.reset()
        if config.supervise:
            warm_up(config)
        self._trajectory = self.publisher(topics.TRAJECTORY)
        self._health = self.publisher(topics.DIAGNOSTICS)
        # The order of subscriptions is the order in which messages that arrived together are handled.
        if config.supervise:
            self.subscribe(topics.ROAD_NETWORK, road_network_from_message, self._on_network)
            self.subscribe(topics.TRAFFIC_SIGNALS, traffic_signals_from_message, self._on_signals)
            self.subscribe(topics.KINEMATIC_STATE, self._read_ego, self._on_ego, newest_only=True)
            self.subscribe(topics.SIGHT, sight_from_message, self._on_sight)
            self._scenes = self.subscribe(
                topics.TRACKED_AGENTS, tracked_agents_from_bytes, self._on_scene, from_bytes=True, newest_only=True
            )
            self.subscribe(topics.PREDICTED_AGENTS, peek_stamp, self._on_predicted, from_bytes=True, newest_only=True)
        self._proposals = self.subscribe(
            topics.PROPOSED_TRAJECTORY, self._read_proposal, self._on_proposal, from_bytes=True, newest_only=True
        )
        if config.supervise:
            self.create_timer(LOOK, self._look, clock=self.steady)

    def ready(self) -> bool:
        """Somebody proposes, and somebody sees."""
        seen = not self.config.supervise or self._scenes.get_publisher_count() > 0
        return seen and self._proposals.get_publisher_count() > 0

    def diagnostic_values(self) -> dict[str, str]:
        """What it does, and what it did so far."""
        if not self.config.supervise:
            return {"state": "passes everything on"}
        state = Manoeuvre.NOMINAL if self._last is None else self._last.state
        counters = {} if self._last is None else self._last.counters
        minutes = self._driven_ns / 60e9
        often = counters.get("interventions", 0) / minutes if minutes > 0 else 0.0
        told = {"state": state.name, "interventions": "0", "interventions per minute": f"{often:.2f}"}
        return told | {name: str(count) for name, count in sorted(counters.items())}

    def reset(self) -> None:
        """Begin anew; map and signals stay."""
        self._supervisor: Supervisor | None = None
        self._last: SupervisorOutput | None = None
        self._ego: EgoState | None = None
        self._scene: TrackedAgents | None = None
        self._proposed: _Proposed | None = None
        self._sight: Sight | None = None
        self._prediction_ns: int | None = None
        self._published_ns: int | None = None  # steady time of the last trajectory of a manoeuvre
        self._newest_ns: int | None = None  # stamp of the last trajectory that was passed on
        self._begun_ns: int | None = None
        self._driven_ns = 0  # since the first trajectory
        self._reported = 0.0
        self._situation: tuple[object, ...] = ()  # as told last
        self._patience.disarm()

    # --- inputs -----------------------------------------------------------------------------------------------------

    def _read_ego(self, message: Odometry) -> EgoState:
        return odometry_from_message(message, self._box)

    @staticmethod
    def _read_proposal(data: bytes) -> _Proposed:
        return _Proposed(data, unpack(data, message_class(topics.PROPOSED_TRAJECTORY.type_name), motion_from_message))

    def _on_network(self, network: RoadNetwork, _received_ns: int) -> None:
        self._road = RoadMap.of(network) if len(network.lane_ids) else None

    def _on_signals(self, signals: TrafficSignals, _received_ns: int) -> None:
        if not self._signals.add(signals):
            self.drop_old(topics.TRAFFIC_SIGNALS.name)

    def _on_ego(self, ego: EgoState, _received_ns: int) -> None:
        self._ego = ego
        self._stack_clock.ego_at(ego.stamp_ns)

    def _on_sight(self, sight: Sight, _received_ns: int) -> None:
        self._sight = sight

    def _on_predicted(self, stamp_ns: int, _received_ns: int) -> None:
        self._prediction_ns = stamp_ns

    def _on_scene(self, scene: TrackedAgents, _received_ns: int) -> None:
        if self.in_order(scene.stamp_ns, topics.TRACKED_AGENTS.name):
            self._scene = scene
            self._act()

    def _on_proposal(self, proposed: _Proposed, received_ns: int) -> None:
        self._proposed = replace(proposed, received_ns=received_ns)
        if self.config.supervise:
            self._act()
        else:
            self._pass_unseen(self._proposed)

    # --- the work ---------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Time went on."""
        if not self.config.lockstep:
            self.guarded("timer", self._act)

    def _act(self) -> None:
        """With what is there now; in lock-step once the scene has its trajectory."""
        if self.config.lockstep:
            scene, proposed = self._scene, self._proposed
            if scene is not None and proposed is not None and scene.stamp_ns == proposed.motion.stamp_ns:
                self._lockstep_tick()
            else:
                self._patience.arm(LOCKSTEP_PATIENCE)
            return
        clock_ns = self.get_clock().now().nanoseconds
        if clock_ns > 0:  # simulated time has begun
            at = self._stack_clock.read(clock_ns, time.monotonic_ns())
            self._step(at.now_ns, at.steady_ns, at.clock_off_ns)

    def _lockstep_tick(self) -> None:
        """Time is what the newest stamp says."""
        self._patience.disarm()
        stamps = []
        if self._proposed is not None:
            stamps.append(self._proposed.motion.stamp_ns)
        if self._scene is not None:
            stamps.append(self._scene.stamp_ns)
            self._ego = self._scene.ego
        if stamps:
            self._step(max(stamps), max(stamps))

    def _step(self, now_ns: int, steady_ns: int, clock_off_ns: int = 0) -> None:
        """One tick of the supervisor."""
        if self._supervisor is None:
            self._supervisor = Supervisor(self.config, now_ns, steady_ns)
        signals = self._signals.at(now_ns)
        if signals is not None and now_ns - signals.stamp_ns > self.config.signal_max_age * 1e9:
            signals = None
        proposed, self._proposed = self._proposed, None
        inputs = SupervisorInputs(
            now_ns, steady_ns, proposed.motion if proposed else None, self._ego, self._scene, self._prediction_ns,
            signals, self._road, clock_off_ns, self._sight,
        )  # fmt: skip
        self._ego = self._scene = self._prediction_ns = self._sight = None
        out = self._supervisor.step(inputs)
        before, self._last = self._last, out
        self._give(out, proposed, steady_ns)
        if self._begun_ns is None and out.motion is not None:
            self._begun_ns = steady_ns
        if self._begun_ns is not None:
            self._driven_ns = max(steady_ns - self._begun_ns, 0)
        self._tell(out, before)

    def _give(self, out: SupervisorOutput, proposed: _Proposed | None, steady_ns: int) -> None:
        """Publish what the vehicle is to do, where it is something new."""
        if proposed is not None and not (out.verdict and out.verdict.passed):
            self._refuse(out.verdict)
        if out.state == Manoeuvre.NOMINAL:
            self._published_ns = None
            if proposed is not None and out.motion is proposed.motion:
                self._pass_on(proposed)
            return
        last = self._published_ns
        if out.trajectory is None or (
            last is not None and 0 <= steady_ns - last < _REPEAT_NS and self._situation[:1] == (out.state,)
        ):
            return
        self._published_ns = steady_ns
        began_ns = time.time_ns()
        self._trajectory.publish(trajectory_to_message(out.trajectory))
        self.finish(self.begin(out.trajectory.stamp_ns, proposed.received_ns if proposed else began_ns))

    def _pass_on(self, proposed: _Proposed) -> None:
        self._trajectory.publish(proposed.data)
        self.finish(self.begin(proposed.motion.stamp_ns, proposed.received_ns))

    def _pass_unseen(self, proposed: _Proposed) -> None:
        """Nothing is asked of it but to be a motion."""
        verdict = check_motion(proposed.motion)
        if not verdict.passed:
            self._refuse(verdict)
        elif self.in_order(proposed.motion.stamp_ns, topics.PROPOSED_TRAJECTORY.name):
            self._pass_on(proposed)

    def _refuse(self, verdict: Verdict | None) -> None:
        """Say why."""
        if verdict is None:
            return
        if verdict.repeated:
            self.drop_old(topics.PROPOSED_TRAJECTORY.name)
        else:
            self.drop_bad(topics.PROPOSED_TRAJECTORY.name, str(verdict))

    # --- what it says -----------------------------------------------------------------------------------------------

    def _tell(self, out: SupervisorOutput, before: SupervisorOutput | None) -> None:
        """On /diagnostics: at once when something changes, else once a second."""
        state = (out.state, frozenset((fault.kind, fault.need) for fault in out.faults))
        now = time.monotonic()
        if state == self._situation and now - self._reported < _REPORT:
            return
        if state != self._situation:
            self._log(out, before)
        self._situation, self._reported = state, now
        by_kind = {fault.kind: fault for fault in out.faults}
        why = "; ".join(fault.text for fault in out.faults)
        intervenes = out.state != Manoeuvre.NOMINAL
        message = DiagnosticArray()
        message.header.stamp = self.get_clock().now().to_msg()
        message.status = [
            DiagnosticStatus(
                level=DiagnosticStatus.ERROR if intervenes else DiagnosticStatus.OK,
                name="supervisor/state",
                message=f"{out.state.name}: {why}" if why else out.state.name,
                values=[KeyValue(key="state", value=out.state.name), KeyValue(key="source", value=out.source.name)],
            )
        ]
        for kind in FaultKind:
            fault = by_kind.get(kind)
            message.status.append(
                DiagnosticStatus(
                    level=DiagnosticStatus.OK if fault is None else _LEVELS[fault.need],
                    name=f"supervisor/{kind.name.lower()}",
                    message="" if fault is None else fault.text,
                )
            )
        self._health.publish(message)

    def _log(self, out: SupervisorOutput, before: SupervisorOutput | None) -> None:
        last = Manoeuvre.NOMINAL if before is None else before.state
        if out.state == last:
            return
        why = "; ".join(fault.text for fault in out.faults)
        if out.state == Manoeuvre.NOMINAL:
            self.get_logger().info("the planner drives again")
        else:
            self.get_logger().warning(f"{last.name} -> {out.state.name}: {why}")


def main() -> int:
    """Run the node."""
    return run_node(SupervisorNode)


if __name__ == "__main__":
    raise SystemExit(main())
