"""Parameters of every node, one dataclass each: what the core takes, and what the node adds."""

from __future__ import annotations

from dataclasses import dataclass

from zoox_stack.core.parameters import parameter
from zoox_stack.evaluation.fault_table import MESSAGE_KINDS
from zoox_stack.perception.config import PerceptionConfig
from zoox_stack.planning.config import PlannerConfig
from zoox_stack.planning.route_config import RouteConfig
from zoox_stack.prediction.config import PredictionConfig
from zoox_stack.simulation.ego_vehicle import EgoVehicleConfig
from zoox_stack.simulation.event_config import EventConfig
from zoox_stack.supervisor.config import SupervisorConfig

LOCKSTEP_PATIENCE = 30.0  # [s] that replace every deadline in lock-step


@dataclass(frozen=True)
class NodeConfig:
    """What every node has."""

    lockstep: bool = parameter(
        False, "Wait for late inputs and answers (up to 30 s) instead of going on without: repeatable replays"
    )
    reset_jump: float = parameter(
        0.5, "A stamp this much older than the last one starts anew", unit="s", low=0.0, high=60.0
    )


@dataclass(frozen=True)
class PerceptionNodeConfig(NodeConfig, PerceptionConfig):
    """Parameters of the perception node."""

    source: str = parameter(
        "auto",
        "What to track: LiDAR sweeps or detections; auto: sweeps until the first detections message arrives",
        choices=("auto", "lidar", "detections"),
    )
    sensor_reliability: str = parameter(
        "reliable",
        "Asked of sensor topics; best_effort for drivers that offer no more",
        choices=("reliable", "best_effort"),
    )
    odometry_timeout: float = parameter(
        0.02, "Longest wait for odometry that covers the stamp of the sweep", unit="s", low=0.0, high=1.0
    )
    vehicle_length: float = parameter(4.8, "Length of the ego", unit="m", low=0.5, high=30.0)
    vehicle_width: float = parameter(1.9, "Width of the ego", unit="m", low=0.3, high=5.0)
    vehicle_height: float = parameter(1.7, "Height of the ego", unit="m", low=0.3, high=6.0)
    rear_axle_to_centre: float = parameter(
        1.4, "From base_link forward to the middle of the ego", unit="m", low=-5.0, high=15.0
    )


@dataclass(frozen=True)
class PredictionNodeConfig(NodeConfig, PredictionConfig):
    """Parameters of the prediction node."""


@dataclass(frozen=True)
class PlannerNodeConfig(NodeConfig, PlannerConfig, RouteConfig):
    """Parameters of the planner node."""


@dataclass(frozen=True)
class SupervisorNodeConfig(NodeConfig, SupervisorConfig):
    """Parameters of the supervisor node."""

    supervise: bool = parameter(
        True, "False where the ego does not drive what comes out (a log is played): all trajectories are passed on"
    )
    signal_max_age: float = parameter(2.0, "Older states of traffic signals are not used", unit="s", low=0.0, high=30.0)
    vehicle_length: float = parameter(4.8, "Length of the ego", unit="m", low=0.5, high=30.0)
    vehicle_width: float = parameter(1.9, "Width of the ego", unit="m", low=0.3, high=5.0)
    vehicle_height: float = parameter(1.7, "Height of the ego", unit="m", low=0.3, high=6.0)
    rear_axle_to_centre: float = parameter(
        1.4, "From base_link forward to the middle of the ego", unit="m", low=-5.0, high=15.0
    )


@dataclass(frozen=True)
class InputNodeConfig(NodeConfig):
    """What nodes that make the stack's input have."""

    rate: float = parameter(1.0, "Speed of time; lock-step takes no notice of it", low=0.01, high=100.0)
    wait_for: str = parameter(
        "perception,prediction,planner,supervisor",
        "Nodes that must be ready before the first message, comma separated; others that are there must be ready too",
    )
    ready_timeout: float = parameter(60.0, "Longest wait for them", unit="s", low=0.0, high=3600.0)
    tick_timeout: float = parameter(
        60.0, "Lock-step: a tick without trajectory after this counts as dropped", unit="s", low=0.1, high=3600.0
    )
    report: str = parameter("", "File for one JSON line per tick; empty for none")
    hashes: bool = parameter(True, "Lock-step: hash the outputs of every tick into the report")


@dataclass(frozen=True)
class ReplayConfig(InputNodeConfig):
    """Parameters of the replay node."""

    bag: str = parameter("", "Bag to play: rosbag2 folder, .mcap or .db3")
    start_offset: float = parameter(0.0, "Where to start in the bag", unit="s", low=0.0, high=1e6)
    duration: float = parameter(0.0, "How much to play; 0 for all", unit="s", low=0.0, high=1e6)
    source: str = parameter(
        "auto",
        "What makes a tick: lidar or detections; auto takes what the bag has more of, sweeps at equal numbers. "
        "The other is not played",
        choices=("auto", "lidar", "detections"),
    )
    route: str = parameter(
        "recorded",
        "Which route is played: those of the bag; driven: the lanes that the drive took, or its line; none",
        choices=("recorded", "driven", "none"),
    )
    topics: str = parameter("", "Topics to play, comma separated; empty for all inputs of the stack that the bag has")
    clock_period: float = parameter(
        0.05, "Time between messages on /clock; each tick sends one too", unit="s", low=0.001, high=1.0
    )
    recover: bool = parameter(False, "Play what is whole of a damaged bag instead of refusing it")
    loop: bool = parameter(False, "Start again at the end")


@dataclass(frozen=True)
class RecorderConfig(NodeConfig):
    """Parameters of the recorder node."""

    output: str = parameter("", "Bag to write: a folder, or one file ending in .mcap")
    topics: str = parameter("", "Topics to record, comma separated; empty for all")
    exclude: str = parameter("/rosout,/parameter_events,/clock", "Topics never recorded, comma separated")
    compression: str = parameter("lz4", "Compression of the chunks", choices=("none", "lz4", "zstd"))
    discovery_period: float = parameter(0.2, "Time between looks for new topics", unit="s", low=0.02, high=10.0)
    flush_period: float = parameter(1.0, "What is older than this is on disk", unit="s", low=0.1, high=1.0)


@dataclass(frozen=True)
class MonitorConfig(NodeConfig):
    """Parameters of the monitor node."""

    stages: str = parameter("perception,prediction,planner,supervisor", "Stages that must be alive, comma separated")
    expected_rate: float = parameter(10.0, "Ticks per second of every stage", unit="1/s", low=0.1, high=1000.0)
    late_after: float = parameter(
        0.1, "A stage whose output is older than this behind its input is late", unit="s", low=0.001, high=60.0
    )
    stale_after: float = parameter(0.5, "A stage without output for so long is stale", unit="s", low=0.01, high=60.0)
    dead_after: float = parameter(3.0, "A node without heartbeat for so long is dead", unit="s", low=0.5, high=60.0)
    window: float = parameter(2.0, "Rates and latencies are taken over this time", unit="s", low=0.2, high=60.0)
    status: bool = parameter(False, "Print one status line per second on standard output")


@dataclass(frozen=True)
class SimulatorConfig(InputNodeConfig, EgoVehicleConfig, EventConfig):
    """Parameters of the simulator node."""

    town: str = parameter("signal_grid", "Name of a town (config/towns) or path of a town file")
    seed: int = parameter(1, "Of town, traffic, route and sensor noise", low=0, high=2**31 - 1)
    duration: float = parameter(
        60.0, "Length of the drive; the end of the route ends it too", unit="s", low=0.1, high=36_000.0
    )
    warm_up: float = parameter(20.0, "Traffic before the ego appears", unit="s", low=0.0, high=600.0)
    sensors: str = parameter(
        "compact", "Name of a sensor rig (config/sensors) or path of a rig file; none: perfect detections instead"
    )


@dataclass(frozen=True)
class FaultInjectorConfig(NodeConfig):
    """Parameters of the fault injector node."""

    topic: str = parameter("/planning/proposed_trajectory", "Whose messages go through this node")
    input: str = parameter("", "Where their publisher was remapped to; empty: /before_fault and the topic")
    kind: str = parameter("delay", "What is done to them", choices=tuple(kind.value for kind in MESSAGE_KINDS))
    amount: float = parameter(
        0.5,
        "Delay [s], part that is dropped, jump of stamps [s], width of the blind sector [rad]",
        low=-60.0,
        high=60.0,
    )
    begin: float = parameter(5.0, "From the stamp of the first message on", unit="s", low=0.0, high=3600.0)
    lasts: float = parameter(4.0, "How long; 0 for ever", unit="s", low=0.0, high=3600.0)
    seed: int = parameter(1, "Of which messages are dropped", low=0, high=2**31 - 1)


CONFIGS: dict[str, type] = {
    "perception": PerceptionNodeConfig,
    "prediction": PredictionNodeConfig,
    "planner": PlannerNodeConfig,
    "supervisor": SupervisorNodeConfig,
    "replay": ReplayConfig,
    "simulator": SimulatorConfig,
    "recorder": RecorderConfig,
    "monitor": MonitorConfig,
    "fault_injector": FaultInjectorConfig,
}
