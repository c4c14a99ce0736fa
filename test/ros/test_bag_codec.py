"""The codec without ROS and `rclpy.serialization` read each other's bytes, and nothing is lost."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import Odometry
from rclpy.serialization import deserialize_message, serialize_message
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import PointCloud2

from zoox_stack import msg
from zoox_stack.core.agents import DetectedAgents, EgoState, TrackedAgents, TrafficSignals
from zoox_stack.core.classes import AgentClass, Blame, EventKind, PredictionSource, TrajectorySource, WhatIfStatus
from zoox_stack.core.events import SimulationEvent
from zoox_stack.core.frames import Frame
from zoox_stack.core.plans import EgoPlan, PlanDecision, Route, Trajectory
from zoox_stack.core.predictions import PredictedAgents
from zoox_stack.core.ragged import Ragged
from zoox_stack.core.sensors import CameraDetections, PointCloud, RadarScan, SensorCalibration
from zoox_stack.core.timing import StageTick
from zoox_stack.core.topics import TOPICS
from zoox_stack.logs.codec import DECODABLE, decode, decode_message, encode, type_name_of
from zoox_stack.logs.message_definitions import typestore
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.ros.conversions import agents as agent_conversions
from zoox_stack.ros.conversions import events as event_conversions
from zoox_stack.ros.conversions import odometry as odometry_conversions
from zoox_stack.ros.conversions import plans as plan_conversions
from zoox_stack.ros.conversions import point_cloud as cloud_conversions
from zoox_stack.ros.conversions import predictions as prediction_conversions
from zoox_stack.ros.conversions import road_network as map_conversions
from zoox_stack.ros.conversions import sensors as sensor_conversions
from zoox_stack.ros.conversions import timing as timing_conversions

STAMP = 1_700_000_000_123_456_789

CLASSES: dict[str, Any] = {"nav_msgs/msg/Odometry": Odometry, "sensor_msgs/msg/PointCloud2": PointCloud2} | {
    name: getattr(msg, name.split("/")[-1]) for name in DECODABLE if name.startswith("zoox_stack/")
}
TO_MESSAGE: dict[type, Callable[..., Any]] = {
    EgoState: odometry_conversions.odometry_to_message,
    PointCloud: cloud_conversions.point_cloud_to_message,
    RadarScan: sensor_conversions.radar_scan_to_message,
    CameraDetections: sensor_conversions.camera_detections_to_message,
    SensorCalibration: sensor_conversions.sensor_calibration_to_message,
    DetectedAgents: agent_conversions.detected_agents_to_message,
    TrackedAgents: agent_conversions.tracked_agents_to_message,
    TrafficSignals: agent_conversions.traffic_signals_to_message,
    RoadNetwork: map_conversions.road_network_to_message,
    Route: plan_conversions.route_to_message,
    Trajectory: plan_conversions.trajectory_to_message,
    PlanDecision: plan_conversions.plan_decision_to_message,
    PredictedAgents: prediction_conversions.predicted_agents_to_message,
    SimulationEvent: event_conversions.simulation_event_to_message,
    StageTick: timing_conversions.stage_timing_to_message,
}


def sample(kind: str, n: int) -> Any:
    """A value with n rows of random numbers."""
    rng = np.random.default_rng(n)
    f32 = np.float32
    ego = EgoState(STAMP, *rng.normal(size=3) * 1e5, yaw=0.75, speed=3.0, lateral_velocity=0.1, acceleration=0.2)
    attributes = rng.integers(0, 3, (n, 6)).astype(np.uint8)
    facing = np.where(rng.random(n) < 0.5, np.nan, 1.0).astype(f32)
    probabilities = rng.dirichlet(np.ones(10), n).astype(f32).reshape(n, 10)
    size = rng.uniform(0.1, 9, (n, 3)).astype(f32)

    def lines(least: int) -> Ragged:
        return Ragged.from_rows([rng.normal(size=(least + i, 3)) for i in range(n)], np.float64, 3)

    def links() -> Ragged:
        return Ragged.from_rows([np.arange(i) for i in range(n)], np.int32)

    def small() -> Any:
        return rng.integers(0, 3, n).astype(np.uint8)

    makers: dict[str, Callable[[], Any]] = {
        "EgoState": lambda: EgoState(STAMP, 1.0, 2.0, 3.0, yaw=0.75, speed=7.0, lateral_velocity=0.2, yaw_rate=0.1),
        "PointCloud": lambda: PointCloud(STAMP, rng.normal(size=(n + 1, 3)).astype(f32), rng.random(n + 1).astype(f32)),
        "RadarScan": lambda: RadarScan(
            STAMP, rng.normal(size=(n, 3)).astype(f32), rng.normal(size=n).astype(f32), rng.random(n).astype(f32),
            rng.integers(-1, 9, n).astype(np.int16),
        ),
        "CameraDetections": lambda: CameraDetections(
            STAMP, "camera_front", probabilities, rng.random(n).astype(f32),
            np.concatenate([np.zeros((n, 2)), rng.uniform(1, 900, (n, 2))], axis=1).astype(f32), attributes, facing,
        ),
        "SensorCalibration": lambda: SensorCalibration(
            STAMP, tuple(f"s{i}" for i in range(n)), np.full(n, 2, np.uint8),
            np.concatenate([rng.normal(size=(n, 3)), np.tile([0.5, -0.5, 0.5, 0.5], (n, 1))], axis=1),
            rng.random((n, 4)) + 1, rng.integers(1, 9, (n, 2)).astype(np.uint32),
        ),
        "DetectedAgents": lambda: DetectedAgents(
            STAMP, Frame.BASE_LINK, probabilities, rng.random(n).astype(f32), rng.normal(size=(n, 3)),
            rng.normal(size=n), size, np.where(rng.random((n, 1)) < 0.5, np.nan, rng.normal(size=(n, 2))),
            attributes, facing,
        ),
        "TrackedAgents": lambda: TrackedAgents(
            STAMP, np.arange(n) + 2**40, small(), probabilities, rng.random(n).astype(f32), rng.normal(size=(n, 3)),
            rng.normal(size=n), rng.normal(size=(n, 2)), rng.normal(size=(n, 2)), rng.normal(size=n), size,
            rng.normal(size=(n, 6, 6)).astype(f32), rng.random(n).astype(f32), rng.random(n).astype(f32),
            attributes, facing, ego if n else None,
        ),
        "TrafficSignals": lambda: TrafficSignals(STAMP, np.arange(n), small(), rng.random(n).astype(f32)),
        "RoadNetwork": lambda: RoadNetwork(
            "town", np.arange(n), small(), small(), rng.random(n) < 0.5, np.full(n, np.nan, f32),
            np.full(n, 3.5, f32), lines(2), lines(0), small(), lines(0), small(), links(), links(),
            np.full(n, -1, np.int32), np.full(n, -1, np.int32), np.arange(n), small(), lines(2),
            np.arange(n), small(), lines(3), np.arange(n), rng.normal(size=(n, 3)), links(),
        ),
        "Route": lambda: Route(STAMP, rng.normal(size=(n + 2, 3)), np.arange(n)),
        "Trajectory": lambda: Trajectory(
            STAMP, EgoPlan(3, "keep ü", 0.1, *rng.normal(size=(6, n + 1))), TrajectorySource.SAFE_STOP
        ),
        "PlanDecision": lambda: PlanDecision(
            STAMP, PredictionSource.MODEL, WhatIfStatus.OK, True, n, "why", tuple(f"p{i}" for i in range(n + 1)),
            rng.normal(size=2), 0.1, rng.normal(size=(n + 1, 3, 2)).astype(f32), rng.random((n + 1, 3)).astype(f32),
            np.zeros(n + 1, np.uint8), ("comfort",), rng.random((n + 1, 1)).astype(f32), rng.random(n + 1).astype(f32),
            np.arange(n, dtype=np.uint32), np.full(n, np.nan, f32), rng.random(n).astype(f32),
        ),
        "PredictedAgents": lambda: PredictedAgents(
            STAMP, np.arange(n), np.full((n, 2), 0.5, f32), rng.normal(size=2),
            rng.normal(size=(n, 2, 3, 2)).astype(f32), rng.normal(size=(n, 2, 3)).astype(f32),
            rng.normal(size=(n, 2, 3, 3)).astype(f32), 0.1,
            PredictionSource.CONSTANT_VELOCITY, "net", "CPUExecutionProvider", 0.05,
        ),
        "SimulationEvent": lambda: SimulationEvent(
            STAMP, EventKind.NEAR_MISS, Blame.OTHER, 1.5, -2.5, 0.1, "close ü", 7 * n, AgentClass.BICYCLE, 0.3
        ),
        "StageTick": lambda: StageTick("planner", 7, STAMP, STAMP + 1, STAMP + 2, 0.25, 1, 2),
    }  # fmt: skip
    return makers[kind]()


KINDS = sorted(kind.__name__ for kind in TO_MESSAGE)


def assert_same(a: Any, b: Any, path: str = "") -> None:
    assert type(a) is type(b), path
    if dataclasses.is_dataclass(a):
        for field in dataclasses.fields(a):
            assert_same(getattr(a, field.name), getattr(b, field.name), f"{path}.{field.name}")
    elif isinstance(a, np.ndarray):
        np.testing.assert_array_equal(a, b, err_msg=path)
    elif isinstance(a, float):
        assert a == pytest.approx(b, rel=1e-15, abs=1e-15), path
    else:
        assert a == b, path


def test_every_type_the_codec_knows_is_compared() -> None:
    assert {type_name_of(sample(kind, 1)) for kind in KINDS} == DECODABLE


@pytest.mark.parametrize("n", [0, 1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_bytes_of_rclpy_are_read_by_the_codec(kind: str, n: int) -> None:
    value = sample(kind, n)
    data = serialize_message(TO_MESSAGE[type(value)](value))
    assert_same(decode(type_name_of(value), data, type(value)), value)


@pytest.mark.parametrize("n", [0, 1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_bytes_of_the_codec_are_read_by_rclpy(kind: str, n: int) -> None:
    value = sample(kind, n)
    name = type_name_of(value)
    message = deserialize_message(encode(value), CLASSES[name])
    assert message == TO_MESSAGE[type(value)](value) or "nan" in repr(message)
    assert_same(decode(name, serialize_message(message), type(value)), value)


@pytest.mark.parametrize("n", [0, 1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_the_bytes_themselves_are_the_same_but_for_gaps(kind: str, n: int) -> None:
    value = sample(kind, n)
    ours, theirs = encode(value), serialize_message(TO_MESSAGE[type(value)](value))
    # Fast DDS leaves bytes over at the end where sequences are empty, and what it likes in the gaps of alignment.
    assert 0 <= len(theirs) - len(ours) <= (3 if n else 8 * 25)
    differing = sum(a != b for a, b in zip(ours, theirs, strict=False))
    assert differing <= 8 * (n + 25)


def test_message_definitions_agree_with_the_generated_python() -> None:
    for type_name, python_class in CLASSES.items():
        fields = [name for name, _ in typestore().fielddefs[type_name][1]]
        assert fields == list(python_class.get_fields_and_field_types())


@pytest.mark.parametrize("message", [Clock(), DiagnosticArray()])
def test_other_topics_of_the_stack_can_be_decoded(message: Any) -> None:
    package, _, name = type(message).__module__.split(".")[0], None, type(message).__name__
    type_name = f"{package}/msg/{name}"
    assert type_name in {topic.type_name for topic in TOPICS.values()}
    decode_message(type_name, serialize_message(message))
