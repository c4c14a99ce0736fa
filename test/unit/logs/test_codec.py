"""Core dataclasses to CDR and back without loss; broken bytes are refused."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoox_stack.core.agents import DetectedAgents, EgoState, TrackedAgents, TrafficSignals
from zoox_stack.core.classes import AgentClass, Blame, EventKind, PredictionSource, TrajectorySource, WhatIfStatus
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.events import SimulationEvent
from zoox_stack.core.frames import Frame
from zoox_stack.core.plans import EgoPlan, PlanDecision, Route, Trajectory
from zoox_stack.core.predictions import PredictedAgents
from zoox_stack.core.ragged import Ragged
from zoox_stack.core.sensors import CameraDetections, PointCloud, RadarScan, SensorCalibration
from zoox_stack.core.timing import StageTick
from zoox_stack.logs.codec import DECODABLE, decode, decode_message, encode, stamp_of, type_name_of
from zoox_stack.logs.message_definitions import typestore
from zoox_stack.road_network.network import RoadNetwork

STAMP = 1_700_000_000_123_456_789


def assert_same(a: Any, b: Any, path: str = "") -> None:
    """Equal in every field, NaN equal to NaN, dtypes included."""
    assert type(a) is type(b), path
    if dataclasses.is_dataclass(a):
        for field in dataclasses.fields(a):
            assert_same(getattr(a, field.name), getattr(b, field.name), f"{path}.{field.name}")
    elif isinstance(a, np.ndarray):
        assert a.dtype == b.dtype, path
        np.testing.assert_array_equal(a, b, err_msg=path)
    else:
        assert a == b, path


def sample_values(seed: int, n: int) -> list[Any]:
    """One value of every type that travels, with random numbers and n rows."""
    rng = np.random.default_rng(seed)
    ego = EgoState(STAMP, *rng.normal(size=3) * 1e4, yaw=1.0, speed=3.0, lateral_velocity=-0.1, acceleration=0.3,
                   yaw_rate=0.2, length=5.0, width=2.0, height=1.5, rear_axle_to_centre=1.3)  # fmt: skip
    attributes = rng.integers(0, 3, (n, 6)).astype(np.uint8)
    facing = np.where(rng.random(n) < 0.5, np.nan, rng.normal(size=n)).astype(np.float32)
    probabilities = rng.dirichlet(np.ones(10), n).astype(np.float32)
    tracked = TrackedAgents(
        STAMP, np.arange(n) * 7 + 2**40, rng.integers(0, 10, n).astype(np.uint8), probabilities,
        rng.random(n).astype(np.float32), rng.normal(size=(n, 3)) * 1e5, rng.normal(size=n), rng.normal(size=(n, 2)),
        rng.normal(size=(n, 2)), rng.normal(size=n), rng.uniform(0.1, 9, (n, 3)).astype(np.float32),
        rng.normal(size=(n, 6, 6)).astype(np.float32), rng.random(n).astype(np.float32),
        rng.random(n).astype(np.float32), attributes, facing, ego=ego if n % 2 else None,
    )  # fmt: skip
    velocity = np.where(rng.random((n, 1)) < 0.5, np.nan, rng.normal(size=(n, 2)))
    detected = DetectedAgents(
        STAMP, Frame.BASE_LINK, probabilities, rng.random(n).astype(np.float32), rng.normal(size=(n, 3)),
        rng.normal(size=n), rng.uniform(0.1, 9, (n, 3)).astype(np.float32), velocity, attributes, facing,
    )  # fmt: skip
    cloud = PointCloud(STAMP, rng.normal(size=(n, 3)).astype(np.float32), rng.random(n).astype(np.float32))
    signals = TrafficSignals(
        STAMP, rng.integers(0, 2**60, n), rng.integers(0, 7, n).astype(np.uint8), rng.random(n).astype(np.float32)
    )
    plan = EgoPlan(3, "yield to 17 ü", 0.1, *rng.normal(size=(6, n + 1)))
    predicted = PredictedAgents(
        STAMP, np.arange(n), rng.dirichlet(np.ones(3), n).astype(np.float32).reshape(n, 3), rng.normal(size=2) * 1e6,
        rng.normal(size=(n, 3, 4, 2)).astype(np.float32), rng.normal(size=(n, 3, 4)).astype(np.float32),
        rng.normal(size=(n, 3, 4, 3)).astype(np.float32), 0.1, PredictionSource.CONSTANT_VELOCITY, "net 1", "CPU", 0.05,
    )  # fmt: skip
    f32 = np.float32
    decision = PlanDecision(
        STAMP, PredictionSource.MODEL, WhatIfStatus.TIMEOUT, True, n, "because",
        tuple(f"plan {i}" for i in range(n + 1)), rng.normal(size=2), 0.1,
        rng.normal(size=(n + 1, 5, 2)).astype(f32), rng.normal(size=(n + 1, 5)).astype(f32),
        rng.integers(0, 6, n + 1).astype(np.uint8), ("comfort", "progress"), rng.random((n + 1, 2)).astype(f32),
        rng.random(n + 1).astype(f32), np.arange(n, dtype=np.uint32), np.full(n, np.nan, f32),
        rng.random(n).astype(f32),
    )  # fmt: skip
    event = SimulationEvent(STAMP, EventKind.OFF_ROAD, Blame.EGO, 1.25, -3.5, 0.1, "off ü", n, AgentClass.CAR, 0.3)
    tick = StageTick("planner", 2**40, STAMP, STAMP + 5, STAMP + 9, 0.025, 3, 4)
    radar = RadarScan(
        STAMP, rng.normal(size=(n, 3)).astype(f32), rng.normal(size=n).astype(f32), rng.normal(size=n).astype(f32),
        rng.integers(-1, 300, n).astype(np.int16),
    )  # fmt: skip
    corner = rng.random((n, 2)).astype(f32)
    camera = CameraDetections(
        STAMP, "camera_ü", probabilities, rng.random(n).astype(f32), np.concatenate([corner, corner + 9], axis=1),
        attributes, facing,
    )  # fmt: skip
    calibration = SensorCalibration(
        STAMP, tuple(f"s{i}" for i in range(n)), np.full(n, 2, np.uint8),
        np.concatenate([rng.normal(size=(n, 3)), np.tile([0.5, 0.5, 0.5, -0.5], (n, 1))], axis=1),
        rng.random((n, 4)) + 1, rng.integers(1, 9, (n, 2)).astype(np.uint32),
    )  # fmt: skip
    odometry = EgoState(STAMP, 1.0, 2.0, 3.0, yaw=0.5, speed=7.0, lateral_velocity=0.25, yaw_rate=-0.5)
    route = Route(STAMP, rng.normal(size=(n + 2, 3)), rng.integers(0, 2**60, n))
    return [odometry, cloud, radar, camera, calibration, detected, tracked, signals, network(rng, n), route,
            Trajectory(STAMP, plan, TrajectorySource.SAFE_STOP), decision, predicted, event, tick]  # fmt: skip


def network(rng: np.random.Generator, n: int) -> RoadNetwork:
    def rows(least: int) -> Ragged:
        return Ragged.from_rows([rng.normal(size=(least + i % 3, 3)) for i in range(n)], np.float64, 3)

    def links() -> Ragged:
        drawn = [rng.integers(0, n, i % 3) for i in range(n)]
        return Ragged.from_rows([row[row != i] for i, row in enumerate(drawn)], np.int32)

    def beside() -> Any:
        drawn = rng.integers(-1, max(n, 1), n).astype(np.int32)
        return np.where(drawn == np.arange(n), -1, drawn)

    return RoadNetwork(
        "somewhere", np.arange(n) + 2**50, *(rng.integers(0, 3, (2, n)).astype(np.uint8)), rng.random(n) < 0.5,
        np.where(rng.random(n) < 0.5, np.nan, 13.9).astype(np.float32), np.full(n, 3.5, np.float32), rows(2), rows(0),
        rng.integers(0, 9, n).astype(np.uint8), rows(0), rng.integers(0, 9, n).astype(np.uint8), links(), links(),
        beside(), beside(),
        np.arange(n), rng.integers(0, 9, n).astype(np.uint8), rows(2),
        np.arange(n), rng.integers(0, 5, n).astype(np.uint8), rows(3),
        np.arange(n), rng.normal(size=(n, 3)), links(),
    )  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 7))
def test_there_and_back_without_loss(seed: int, n: int) -> None:
    for value in sample_values(seed, n):
        back = decode(type_name_of(value), encode(value), type(value))
        if isinstance(value, EgoState):  # the heading goes through a quaternion
            assert abs(back.yaw - value.yaw) < 1e-15
            back = dataclasses.replace(back, yaw=value.yaw)
        assert_same(back, value)


def test_every_type_that_travels_is_covered() -> None:
    assert {type_name_of(value) for value in sample_values(0, 2)} == DECODABLE


def test_large_coordinates_keep_their_last_digit() -> None:
    ego = EgoState(STAMP, 691234.123456789, 5334567.987654321, 512.000000001)
    assert decode("nav_msgs/msg/Odometry", encode(ego)).y == ego.y


def test_header_stamp_without_decoding() -> None:
    for value in sample_values(1, 3):
        if not isinstance(value, (RoadNetwork, StageTick)):
            assert stamp_of(type_name_of(value), encode(value)) == STAMP
    assert stamp_of("zoox_stack/msg/RoadNetwork", encode(RoadNetwork(), 17)) == 17
    assert stamp_of("zoox_stack/msg/StageTiming", encode(StageTick("a", 1, 2, 3, 4, 0.0))) is None
    with pytest.raises(InvalidInputError, match="12 bytes"):
        stamp_of("nav_msgs/msg/Odometry", b"\0\1\0\0")


def test_an_ego_of_another_time_does_not_fit_into_the_message() -> None:
    scene = TrackedAgents.empty(STAMP, EgoState(STAMP + 1, 0.0, 0.0))
    with pytest.raises(InvalidInputError, match=r"ego\.stamp_ns"):
        encode(scene)


def test_wrong_types_are_named() -> None:
    with pytest.raises(InvalidInputError, match="found int"):
        encode(3)
    with pytest.raises(InvalidInputError, match="std_msgs/msg/String"):
        decode("std_msgs/msg/String", b"\0\1\0\0\0\0\0\0")
    with pytest.raises(InvalidInputError, match="birds/msg/Tit"):
        decode_message("birds/msg/Tit", b"\0\1\0\0")
    with pytest.raises(InvalidInputError, match="has a stamp"):
        encode(Route(1, np.zeros((2, 3))), 5)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_cut_or_scrambled_bytes_never_crash(data: st.DataObject) -> None:
    value = data.draw(st.sampled_from(sample_values(0, 3)))
    whole = encode(value)
    cut = whole[: data.draw(st.integers(0, len(whole) - 4))]
    broken = bytearray(whole)
    for _ in range(3):
        broken[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    for content in (cut, bytes(broken)):
        try:
            decode(type_name_of(value), content)
        except InvalidInputError:
            continue
        assert content != cut or len(whole) - len(cut) < 4


def test_clouds_of_other_layouts_are_read_and_points_without_return_dropped() -> None:
    types = typestore().types
    table = np.zeros((2, 3), np.dtype([("ring", "u2"), ("x", "f4"), ("intensity", "u1"), ("y", "f4"), ("z", "f8")]))
    table["x"], table["y"], table["z"], table["intensity"] = 1, 2, 3, 200
    table["x"][1, 2] = np.nan
    numbers = {"u1": 2, "u2": 4, "f4": 7, "f8": 8}
    assert table.dtype.names is not None
    assert table.dtype.fields is not None
    message = types["sensor_msgs/msg/PointCloud2"](
        header=types["std_msgs/msg/Header"](types["builtin_interfaces/msg/Time"](1, 2), "base_link"),
        height=2, width=3,
        fields=[
            types["sensor_msgs/msg/PointField"](n, table.dtype.fields[n][1], numbers[table.dtype[n].str[1:]], 1)
            for n in table.dtype.names
        ],
        is_bigendian=False, point_step=table.itemsize, row_step=table.itemsize * 3,
        data=np.frombuffer(table.tobytes(), np.uint8), is_dense=False,
    )  # fmt: skip

    def read(**changes: Any) -> PointCloud:
        name = "sensor_msgs/msg/PointCloud2"
        return decode(name, bytes(typestore().serialize_cdr(dataclasses.replace(message, **changes), name)))

    cloud = read()
    assert len(cloud) == 5
    np.testing.assert_array_equal(cloud.xyz[0], [1, 2, 3])
    np.testing.assert_array_equal(cloud.intensity, 200)
    with pytest.raises(InvalidInputError, match="field 'intensity'"):
        read(fields=[f for f in message.fields if f.name != "intensity"])
    with pytest.raises(InvalidInputError, match="at least 114 bytes"):
        read(data=message.data[:50])
    with pytest.raises(InvalidInputError, match="point_step"):
        read(point_step=4, row_step=12)


def test_messages_that_contradict_themselves_are_refused() -> None:
    def broken(value: Any, **changes: Any) -> bytes:
        name = type_name_of(value)
        message = decode_message(name, encode(value))
        for key, change in changes.items():
            setattr(message, key, change)
        return bytes(typestore().serialize_cdr(message, name))

    values = {type(v): v for v in sample_values(2, 3)}
    for kind, changes, reason in (
        (PredictedAgents, {"modes": 5}, "PredictedAgents.probabilities"),
        (PredictedAgents, {"source": 9}, "PredictedAgents.source"),
        (Trajectory, {"source": 7}, "Trajectory.source"),
        (PlanDecision, {"names": ["one"]}, "PlanDecision.positions"),
        (PlanDecision, {"answer_status": 50}, "answer_status"),
        (Route, {"points": np.zeros(7)}, "Route.points"),
        (RoadNetwork, {"centre_offsets": np.array([0, 9, 2, 3], np.int32)}, "RoadNetwork.centre_lines"),
        (TrafficSignals, {"states": np.array([1], np.uint8)}, "TrafficSignals.states"),
    ):
        with pytest.raises(InvalidInputError, match=reason):
            decode(type_name_of(values[kind]), broken(values[kind], **changes))
    odometry = encode(values[EgoState])
    assert decode("nav_msgs/msg/Odometry", odometry).length == 4.8
    with pytest.raises(InvalidInputError, match="'map'"):
        decode("nav_msgs/msg/Odometry", odometry.replace(b"map\0", b"odo\0"))
