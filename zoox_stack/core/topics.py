"""Every topic of the stack in one place: name, message type, quality of service, meaning."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class QosClass(StrEnum):
    """How a topic is delivered. `zoox_stack.ros` makes the ROS profiles from this, `logs.qos` those of bags."""

    SENSOR_DATA = "sensor_data"  # best effort, volatile, keep last 5: a late sweep is worth less than the next one
    RELIABLE = "reliable"  # reliable, volatile, keep last 10: results that the next stage needs each tick
    LATCHED = "latched"  # reliable, transient local, keep last 1: sent once, late subscribers get it too
    CLOCK = "clock"  # best effort, volatile, keep last 1: only the newest time counts


@dataclass(frozen=True)
class Topic:
    """One topic.

    Attributes:
        name: Full name.
        type_name: ROS message type, for example ``nav_msgs/msg/Odometry``.
        qos: How it is delivered.
        description: One sentence.
    """

    name: str
    type_name: str
    qos: QosClass
    description: str


CLOCK = Topic("/clock", "rosgraph_msgs/msg/Clock", QosClass.CLOCK, "simulated or replayed time")
LIDAR_POINTS = Topic(
    "/sensing/lidar/points", "sensor_msgs/msg/PointCloud2", QosClass.SENSOR_DATA, "LiDAR sweep in base_link"
)
KINEMATIC_STATE = Topic(
    "/localization/kinematic_state", "nav_msgs/msg/Odometry", QosClass.SENSOR_DATA, "pose and motion of base_link"
)
ROAD_NETWORK = Topic(
    "/map/road_network", "zoox_stack/msg/RoadNetwork", QosClass.LATCHED, "lanes, lines, areas and signals"
)
TRAFFIC_SIGNALS = Topic(
    "/perception/traffic_signals", "zoox_stack/msg/TrafficSignals", QosClass.RELIABLE, "state of each signal"
)
DETECTIONS = Topic(
    "/perception/detections", "zoox_stack/msg/DetectedAgents", QosClass.SENSOR_DATA, "detections of one sweep"
)
TRACKED_AGENTS = Topic(
    "/perception/tracked_agents", "zoox_stack/msg/TrackedAgents", QosClass.RELIABLE, "the scene: agents and ego"
)
SIGHT = Topic(
    "/perception/sight", "sensor_msgs/msg/LaserScan", QosClass.RELIABLE, "by direction: seen (inf), blind (0), unknown"
)
PREDICTED_AGENTS = Topic(
    "/prediction/predicted_agents", "zoox_stack/msg/PredictedAgents", QosClass.RELIABLE, "weighted futures"
)
CONDITIONAL_AGENTS = Topic(
    "/prediction/conditional_agents", "zoox_stack/msg/PredictedAgents", QosClass.RELIABLE,
    "in traces of the benchmark: the answers to what_if, one per plan in the order asked",
)  # fmt: skip
ROUTE = Topic("/planning/route", "zoox_stack/msg/Route", QosClass.LATCHED, "the way to follow")
ROUTE_PROGRESS = Topic(
    "/planning/route_progress", "zoox_stack/msg/RouteProgress", QosClass.RELIABLE, "how far it still is, and problems"
)
PROPOSED_TRAJECTORY = Topic(
    "/planning/proposed_trajectory", "zoox_stack/msg/Trajectory", QosClass.RELIABLE, "what the planner wants"
)
TRAJECTORY = Topic("/planning/trajectory", "zoox_stack/msg/Trajectory", QosClass.RELIABLE, "what the ego is to do")
DECISION = Topic("/planning/decision", "zoox_stack/msg/PlanDecision", QosClass.RELIABLE, "candidates and why one won")
TIMING = Topic("/system/timing", "zoox_stack/msg/StageTiming", QosClass.RELIABLE, "when each stage handled each tick")
DIAGNOSTICS = Topic("/diagnostics", "diagnostic_msgs/msg/DiagnosticArray", QosClass.RELIABLE, "health of every node")
GROUND_TRUTH = Topic(
    "/ground_truth/tracked_agents", "zoox_stack/msg/TrackedAgents", QosClass.RELIABLE, "labels of a recorded drive"
)
GROUND_TRUTH_EGO = Topic(
    "/ground_truth/kinematic_state", "nav_msgs/msg/Odometry", QosClass.RELIABLE, "pose and motion without error"
)
RADAR_POINTS = Topic(
    "/sensing/radar/points", "sensor_msgs/msg/PointCloud2", QosClass.SENSOR_DATA, "radar returns with Doppler speed"
)
CAMERA_DETECTIONS = Topic(
    "/sensing/camera/detections", "zoox_stack/msg/CameraDetections", QosClass.SENSOR_DATA, "boxes in pictures"
)
CALIBRATION = Topic(
    "/sensing/calibration", "zoox_stack/msg/SensorCalibration", QosClass.LATCHED, "where the sensors are"
)
EVENTS = Topic(
    "/simulation/events", "zoox_stack/msg/SimulationEvent", QosClass.RELIABLE, "collisions and other events that count"
)

TOPICS: dict[str, Topic] = {
    topic.name: topic
    for topic in (
        CLOCK, LIDAR_POINTS, KINEMATIC_STATE, ROAD_NETWORK, TRAFFIC_SIGNALS, DETECTIONS, TRACKED_AGENTS,
        SIGHT, PREDICTED_AGENTS, CONDITIONAL_AGENTS, ROUTE, ROUTE_PROGRESS, PROPOSED_TRAJECTORY, TRAJECTORY, DECISION,
        TIMING, DIAGNOSTICS, GROUND_TRUTH, GROUND_TRUTH_EGO, RADAR_POINTS, CAMERA_DETECTIONS, CALIBRATION, EVENTS,
    )
}  # fmt: skip

WHAT_IF_SERVICE = "/prediction/what_if"
SET_GOAL_SERVICE = "/planning/set_goal"
