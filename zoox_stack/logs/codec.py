"""Core dataclasses to CDR bytes and back, in pure Python: converters and offline readers need no ROS.

The bytes are those of `rclpy.serialization` for the messages that `zoox_stack.ros.conversions` makes; a test compares
the two.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from rosbags.interfaces import Nodetype
from rosbags.serde import SerdeError

from zoox_stack.core.agents import DetectedAgents, EgoState, TrackedAgents, TrafficSignals
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.events import SimulationEvent
from zoox_stack.core.plans import PlanDecision, Route, Trajectory
from zoox_stack.core.predictions import PredictedAgents
from zoox_stack.core.sensors import CameraDetections, PointCloud, RadarScan, SensorCalibration
from zoox_stack.core.timing import StageTick
from zoox_stack.logs import codec_agents, codec_events, codec_perception, codec_plans, codec_sensors
from zoox_stack.logs.cdr_agents import encode_detected_agents, encode_tracked_agents
from zoox_stack.logs.message_definitions import knows, typestore
from zoox_stack.road_network.network import RoadNetwork


@dataclass(frozen=True)
class _Codec:
    type_name: str
    to_message: Callable[..., Any]
    from_message: Callable[[Any], Any]


_CODECS: dict[type, _Codec] = {
    EgoState: _Codec("nav_msgs/msg/Odometry", codec_sensors.odometry, codec_sensors.read_odometry),
    PointCloud: _Codec("sensor_msgs/msg/PointCloud2", codec_sensors.point_cloud, codec_sensors.read_point_cloud),
    RadarScan: _Codec("sensor_msgs/msg/PointCloud2", codec_perception.radar_scan, codec_perception.read_radar_scan),
    CameraDetections: _Codec(
        "zoox_stack/msg/CameraDetections", codec_perception.camera_detections, codec_perception.read_camera_detections
    ),
    SensorCalibration: _Codec(
        "zoox_stack/msg/SensorCalibration",
        codec_perception.sensor_calibration,
        codec_perception.read_sensor_calibration,
    ),
    DetectedAgents: _Codec(
        "zoox_stack/msg/DetectedAgents", codec_agents.detected_agents, codec_agents.read_detected_agents
    ),
    TrackedAgents: _Codec(
        "zoox_stack/msg/TrackedAgents", codec_agents.tracked_agents, codec_agents.read_tracked_agents
    ),
    TrafficSignals: _Codec("zoox_stack/msg/TrafficSignals", codec_agents.signals, codec_agents.read_signals),
    RoadNetwork: _Codec("zoox_stack/msg/RoadNetwork", codec_sensors.road_network, codec_sensors.read_road_network),
    Route: _Codec("zoox_stack/msg/Route", codec_plans.route, codec_plans.read_route),
    Trajectory: _Codec("zoox_stack/msg/Trajectory", codec_plans.trajectory, codec_plans.read_trajectory),
    PlanDecision: _Codec("zoox_stack/msg/PlanDecision", codec_plans.plan_decision, codec_plans.read_plan_decision),
    PredictedAgents: _Codec(
        "zoox_stack/msg/PredictedAgents", codec_plans.predicted_agents, codec_plans.read_predicted_agents
    ),
    SimulationEvent: _Codec(
        "zoox_stack/msg/SimulationEvent", codec_events.simulation_event, codec_events.read_simulation_event
    ),
    StageTick: _Codec("zoox_stack/msg/StageTiming", codec_plans.stage_timing, codec_plans.read_stage_timing),
}
_STRAIGHT: dict[type, Callable[[Any], bytes]] = {
    TrackedAgents: encode_tracked_agents,
    DetectedAgents: encode_detected_agents,
}
# PointCloud2 carries two of them: a `PointCloud` unless a `RadarScan` is asked for
_BY_NAME = {codec.type_name: codec for kind, codec in _CODECS.items() if kind is not RadarScan}
DECODABLE: frozenset[str] = frozenset(_BY_NAME)


def type_name_of(value: object) -> str:
    """ROS message type that carries a core dataclass.

    Raises:
        InvalidInputError: Not one of the dataclasses that travel.
    """
    codec = _CODECS.get(type(value))
    if codec is None:
        raise InvalidInputError("value", f"one of {', '.join(t.__name__ for t in _CODECS)}", type(value).__name__)
    return codec.type_name


def encode(value: object, stamp_ns: int | None = None) -> bytes:
    """CDR bytes of a core dataclass.

    Args:
        value: What to encode.
        stamp_ns: Header stamp of a `RoadNetwork`, which has none of its own [ns]; not allowed for others.

    Raises:
        InvalidInputError: Not one of the dataclasses that travel, or a stamp where it has one.
    """
    type_name = type_name_of(value)
    if isinstance(value, RoadNetwork):
        message = codec_sensors.road_network(value, stamp_ns or 0)
    elif stamp_ns is not None:
        raise InvalidInputError("stamp_ns", f"nothing: {type(value).__name__} has a stamp", str(stamp_ns))
    elif type(value) in _STRAIGHT:
        return _STRAIGHT[type(value)](value)
    else:
        message = _CODECS[type(value)].to_message(value)
    return bytes(typestore().serialize_cdr(message, type_name))


def decode(type_name: str, data: bytes, wanted: type | None = None) -> Any:
    """Core dataclass of CDR bytes.

    An `EgoState` read from Odometry has acceleration 0 and the default size: Odometry carries neither.

    Args:
        type_name: ROS message type, one of `DECODABLE`.
        data: CDR bytes with encapsulation header.
        wanted: The dataclass, where the message type carries several: `RadarScan` for the clouds of radars.

    Raises:
        InvalidInputError: Another type, one that does not carry what is wanted, bytes that are not this type, or
            contents that fail their checks.
    """
    codec = _BY_NAME.get(type_name) if wanted is None else _CODECS.get(wanted)
    if codec is None or codec.type_name != type_name:
        expected = f"one of {', '.join(sorted(DECODABLE))}" if codec is None else codec.type_name
        raise InvalidInputError("message type", expected, type_name)
    return codec.from_message(decode_message(type_name, data))


def decode_message(type_name: str, data: bytes) -> Any:
    """Message object (attributes as in the .msg file) of CDR bytes, for any type the type store knows.

    Raises:
        InvalidInputError: Unknown type, or bytes that are not this type.
    """
    if not knows(type_name):
        raise InvalidInputError("message type", "a ROS 2 Jazzy or zoox_stack message type", type_name)
    expected = "a serialized message of this type"
    if len(data) < 4 or data[0] != 0 or data[1] > 1:
        raise InvalidInputError(type_name, expected, f"no CDR header in {len(data)} bytes")
    definition = typestore().get_msgdef(type_name)
    read = definition.deserialize_cdr_le if data[1] else definition.deserialize_cdr_be
    try:
        # Not `deserialize_cdr` of the store: it refuses what Fast DDS leaves behind the end (see `_slack`).
        message, end = read(memoryview(data)[4:], 0, definition.cls, typestore())
    except (SerdeError, struct.error, ValueError, IndexError, AssertionError, MemoryError) as error:
        found = f"{len(data)} bytes that are not ({error})"
        raise InvalidInputError(type_name, expected, found) from error
    if len(data) - 4 - end > _slack(type_name):
        raise InvalidInputError(type_name, expected, f"{len(data) - 4 - end} bytes too many")
    return message


@cache
def _slack(type_name: str) -> int:
    """Bytes that may follow a message of this type.

    Fast DDS rounds the end up to 4 bytes, and for every *empty* sequence it counts the alignment of its elements
    without writing it, so that as many bytes are left over at the end.
    """
    pending, seen, sequences = [type_name], {type_name}, 0
    while pending:
        for _, (kind, detail) in typestore().fielddefs[pending.pop()][1]:
            sequences += kind == Nodetype.SEQUENCE
            inner = detail[0] if kind in (Nodetype.SEQUENCE, Nodetype.ARRAY) else (kind, detail)
            if inner[0] == Nodetype.NAME and inner[1] not in seen:
                seen.add(inner[1])
                pending.append(inner[1])
    return 3 + 8 * sequences


def stamp_of(type_name: str, data: bytes) -> int | None:
    """Header stamp [ns] of a serialized message without reading the rest; None if the type has no header first.

    Raises:
        InvalidInputError: Unknown type or too few bytes.
    """
    if not knows(type_name):
        raise InvalidInputError("message type", "a ROS 2 Jazzy or zoox_stack message type", type_name)
    fields = typestore().fielddefs[type_name][1]
    if not fields or fields[0][1][1] != "std_msgs/msg/Header":
        return None
    if len(data) < 12:
        raise InvalidInputError(type_name, "at least 12 bytes", str(len(data)))
    order = "<" if data[1] & 1 else ">"
    sec = int(np.frombuffer(data, order + "i4", 1, 4)[0])
    nanosec = int(np.frombuffer(data, order + "u4", 1, 8)[0])
    return sec * 1_000_000_000 + nanosec
