"""The perception node: sweeps or detections, and odometry in; the scene (tracked agents and ego) out. Of sweeps it also
says in which directions they see anything.

A sweep waits until odometry covers its stamp, at most `odometry_timeout`; then the ego is moved on from the newest
odometry. Without any publisher of odometry there is no wait. A sweep that comes while another waits replaces it.
"""

from __future__ import annotations

from dataclasses import dataclass

from zoox_stack.core import topics
from zoox_stack.core.agents import DetectedAgents, EgoState
from zoox_stack.core.ego_buffer import EgoBuffer
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.frames import Frame
from zoox_stack.core.sensors import PointCloud
from zoox_stack.core.sight import Seeing
from zoox_stack.nodes.configs import LOCKSTEP_PATIENCE, PerceptionNodeConfig
from zoox_stack.perception.blind_sectors import BlindSectors
from zoox_stack.perception.pipeline import OldStampError, Perception
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.ros.conversions.agents import detected_agents_from_message
from zoox_stack.ros.conversions.odometry import VehicleBox, odometry_from_message
from zoox_stack.ros.conversions.point_cloud import point_cloud_from_message
from zoox_stack.ros.conversions.road_network import road_network_from_message
from zoox_stack.ros.conversions.sight import sight_to_message
from zoox_stack.ros.node import StackNode, Tick
from zoox_stack.ros.qos import ODOMETRY_DEPTH
from zoox_stack.ros.run import run_node
from zoox_stack.ros.serialized import tracked_agents_to_bytes


@dataclass(frozen=True, eq=False)
class _Waiting:
    """Input that waits for odometry."""

    data: PointCloud | DetectedAgents
    tick: Tick


class PerceptionNode(StackNode[PerceptionNodeConfig]):
    """See the module."""

    def __init__(self) -> None:
        super().__init__("perception", PerceptionNodeConfig)
        config = self.config
        self.perception = Perception(config)
        self._network: RoadNetwork | None = None
        self._egos = EgoBuffer(reset_jump=config.reset_jump)
        self._box = VehicleBox(
            config.vehicle_length, config.vehicle_width, config.vehicle_height, config.rear_axle_to_centre
        )
        self._waiting: _Waiting | None = None
        self._patience = self.one_shot(self._process)
        self._blind_sectors = BlindSectors()
        self._sweeps_partly_blind = 0
        self._uses_detections = config.source == "detections"
        reliable = config.sensor_reliability == "reliable"
        self._scene = self.publisher(topics.TRACKED_AGENTS)
        self._sight = self.publisher(topics.SIGHT)
        # The order of subscriptions is the order in which messages that arrived together are handled.
        self.subscribe(topics.ROAD_NETWORK, road_network_from_message, self._on_network)
        self._odometry = self.subscribe(
            topics.KINEMATIC_STATE,
            lambda message: odometry_from_message(message, self._box),
            self._on_odometry,
            reliable_sensors=reliable,
            depth=ODOMETRY_DEPTH,
        )
        self._inputs = []
        if config.source != "lidar":
            self._inputs.append(
                self.subscribe(
                    topics.DETECTIONS,
                    detected_agents_from_message,
                    self._on_detections,
                    newest_only=True,
                    reliable_sensors=reliable,
                )
            )
        if config.source != "detections":
            self._inputs.append(
                self.subscribe(
                    topics.LIDAR_POINTS,
                    point_cloud_from_message,
                    self._on_sweep,
                    newest_only=True,
                    reliable_sensors=reliable,
                )
            )

    def ready(self) -> bool:
        """An input is there, odometry is there if anyone publishes it, and someone wants the scene."""
        inputs = any(subscription.get_publisher_count() for subscription in self._inputs)
        odometry = not self._odometry_expected() or self._odometry.get_publisher_count() > 0
        return inputs and odometry and self._scene.get_subscription_count() > 0

    def diagnostic_values(self) -> dict[str, str]:
        """Where scenes come from."""
        return {
            "source": "detections" if self._uses_detections else "lidar",
            "road network": self._network.name if self._network else "none",
            "sweeps with blind sectors": str(self._sweeps_partly_blind),
        }

    def reset(self) -> None:
        """Drop tracks and what waits. Odometry looks after itself: that of the new log may be here already."""
        self.perception.reset()
        self._waiting = None
        self._patience.disarm()

    def _odometry_expected(self) -> bool:
        return self.count_publishers(topics.KINEMATIC_STATE.name) > 0

    def _on_network(self, network: RoadNetwork, _received_ns: int) -> None:
        self._network = network

    def _on_odometry(self, ego: EgoState, _received_ns: int) -> None:
        if not self._egos.add(ego):
            self.drop_old(topics.KINEMATIC_STATE.name)
        if self._waiting is not None and self._egos.covers(self._waiting.tick.stamp_ns):
            self._process()

    def _on_detections(self, detections: DetectedAgents, received_ns: int) -> None:
        self._uses_detections = True
        self._accept(detections, received_ns, topics.DETECTIONS.name)

    def _on_sweep(self, sweep: PointCloud, received_ns: int) -> None:
        if not self._uses_detections:
            if sweep.frame is Frame.BASE_LINK:
                self._tell_sight(sweep)
            self._accept(sweep, received_ns, topics.LIDAR_POINTS.name)

    def _tell_sight(self, sweep: PointCloud) -> None:
        """Before the scene, and whatever becomes of it."""
        sight = self._blind_sectors.look(sweep.xyz, sweep.stamp_ns)
        self._sweeps_partly_blind += bool((sight.sectors == Seeing.BLIND).any())
        self._sight.publish(sight_to_message(sight))

    def _accept(self, data: PointCloud | DetectedAgents, received_ns: int, label: str) -> None:
        if not self.in_order(data.stamp_ns, label):
            return
        if self._waiting is not None:
            self.drop_old(label)
        self._waiting = _Waiting(data, self.begin(data.stamp_ns, received_ns))
        if self._egos.covers(data.stamp_ns) or not self._odometry_expected():
            self._process()
        else:
            self._patience.arm(LOCKSTEP_PATIENCE if self.config.lockstep else self.config.odometry_timeout)

    def _process(self) -> None:
        self._patience.disarm()
        waiting, self._waiting = self._waiting, None
        if waiting is None:
            return
        data = waiting.data
        ego = self._egos.at(data.stamp_ns, self.config.max_ego_age)
        try:
            if isinstance(data, DetectedAgents):
                scene = self.perception.process_detections(data, ego)
            elif ego is None:
                raise InvalidInputError("odometry", f"a state within {self.config.max_ego_age} s of the sweep", "none")
            else:
                scene = self.perception.process_sweep(data, ego, self._network)
        except OldStampError:
            self.drop_old(topics.LIDAR_POINTS.name)
            return
        self._scene.publish(tracked_agents_to_bytes(scene))
        self.finish(waiting.tick)


def main() -> int:
    """Run the node."""
    return run_node(PerceptionNode)


if __name__ == "__main__":
    raise SystemExit(main())
