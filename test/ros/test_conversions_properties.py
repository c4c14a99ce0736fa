"""Dataclass to message to bytes and back gives the same dataclass, for anything hypothesis comes up with."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from rclpy.serialization import deserialize_message, serialize_message

from zoox_stack.core.agents import N_ATTRIBUTES, N_CLASSES, DetectedAgents, EgoState, TrackedAgents, TrafficSignals
from zoox_stack.core.classes import (
    AgentClass,
    Attribute,
    Blame,
    EventKind,
    GoalStatus,
    PredictionSource,
    TrajectorySource,
    TriState,
    TurnSignal,
    WhatIfStatus,
)
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.events import SimulationEvent
from zoox_stack.core.frames import Frame
from zoox_stack.core.plans import EgoPlan, PlanDecision, Route, Trajectory
from zoox_stack.core.predictions import PlanEffects, PredictedAgents, WhatIfAnswer, WhatIfRequest
from zoox_stack.core.ragged import Ragged
from zoox_stack.core.routes import GoalAnswer, RouteProgress
from zoox_stack.core.sensors import CameraDetections, PointCloud, RadarScan, SensorCalibration
from zoox_stack.core.timing import StageTick
from zoox_stack.planning.lane_ends import Goal, LaneGoal, PoseGoal
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.ros.conversions import (
    agents,
    events,
    odometry,
    plans,
    point_cloud,
    predictions,
    road_network,
    routes,
    sensors,
    timing,
)
from zoox_stack.ros.serialized import tracked_agents_from_bytes, tracked_agents_to_bytes, unpack

quick = settings(max_examples=40, deadline=None)
stamps = st.integers(-(2**31) * 10**9, (2**31 - 1) * 10**9 + 999_999_999)
reals = st.floats(-1e6, 1e6)
names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
counts = st.integers(0, 5)
# float32 fields come back as the shortest decimal: 0.1 stays 0.1.
decimals = st.integers(1, 9999).map(lambda n: n / 1000)
ids = st.integers(-(2**63), 2**63 - 1)


def f32(low: float, high: float, shape: Any) -> st.SearchStrategy[Any]:
    low, high = float(np.float32(low)), float(np.float32(high))
    return arrays(np.float32, shape, elements=st.floats(low, high, width=32))


def f64(shape: Any) -> st.SearchStrategy[Any]:
    return arrays(np.float64, shape, elements=reals)


def integers(dtype: type, shape: Any, low: int, high: int) -> st.SearchStrategy[Any]:
    return arrays(dtype, shape, elements=st.integers(low, high))


def or_nan(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(values, st.just(float("nan")))


@st.composite
def ego_states(draw: st.DrawFn, stamp_ns: int | None = None) -> EgoState:
    return EgoState(
        draw(stamps) if stamp_ns is None else stamp_ns,
        *(draw(reals) for _ in range(8)),
        **{name: draw(st.floats(0.1, 30)) for name in ("length", "width", "height")},
        rear_axle_to_centre=draw(reals),
    )


@st.composite
def attributes(draw: st.DrawFn, n: int) -> tuple[Any, Any]:
    table = draw(integers(np.uint8, (n, N_ATTRIBUTES), 0, max(TriState)))
    table[:, Attribute.TURN_SIGNAL] = draw(integers(np.uint8, n, 0, max(TurnSignal)))
    return table, draw(arrays(np.float32, n, elements=or_nan(st.floats(-3, 3, width=32))))


@st.composite
def tracked(draw: st.DrawFn) -> TrackedAgents:
    n, stamp_ns = draw(counts), draw(stamps)
    table, facing = draw(attributes(n))
    return TrackedAgents(
        stamp_ns=stamp_ns,
        ids=np.array(sorted(draw(st.sets(st.integers(0, 2**63 - 1), min_size=n, max_size=n))), np.int64),
        classes=draw(integers(np.uint8, n, 0, N_CLASSES - 1)),
        class_probabilities=draw(f32(0, 1, (n, N_CLASSES))),
        existence=draw(f32(0, 1, n)),
        position=draw(f64((n, 3))),
        yaw=draw(f64(n)),
        velocity=draw(f64((n, 2))),
        acceleration=draw(f64((n, 2))),
        yaw_rate=draw(f64(n)),
        size=draw(f32(0.01, 50, (n, 3))),
        covariance=draw(f32(-9, 9, (n, 6, 6))),
        age=draw(f32(0, 100, n)),
        time_since_update=draw(f32(0, 100, n)),
        attributes=table,
        facing=facing,
        ego=draw(st.none() | ego_states(stamp_ns)),
    )


@st.composite
def detected(draw: st.DrawFn) -> DetectedAgents:
    n = draw(counts)
    table, facing = draw(attributes(n))
    velocity = draw(f64((n, 2)))
    velocity[draw(arrays(np.bool_, n))] = np.nan
    return DetectedAgents(
        draw(stamps),
        draw(st.sampled_from([Frame.MAP, Frame.BASE_LINK])),
        draw(f32(0, 1, (n, N_CLASSES))),
        draw(f32(0, 1, n)),
        draw(f64((n, 3))),
        draw(f64(n)),
        draw(f32(0.01, 50, (n, 3))),
        velocity,
        table,
        facing,
    )


@st.composite
def signals(draw: st.DrawFn) -> TrafficSignals:
    n = draw(counts)
    return TrafficSignals(
        draw(stamps), draw(arrays(np.int64, n)), draw(integers(np.uint8, n, 0, 6)), draw(f32(0, 1, n))
    )


@st.composite
def ego_plans(draw: st.DrawFn) -> EgoPlan:
    n = draw(st.integers(1, 6))
    return EgoPlan(draw(st.integers(0, 2**32 - 1)), draw(names), draw(decimals), *(draw(f64(n)) for _ in range(6)))


@st.composite
def trajectories(draw: st.DrawFn) -> Trajectory:
    return Trajectory(draw(stamps), draw(ego_plans()), draw(st.sampled_from(TrajectorySource)))


@st.composite
def given_routes(draw: st.DrawFn) -> Route:
    return Route(draw(stamps), draw(f64((draw(st.integers(2, 6)), 3))), draw(arrays(np.int64, draw(counts))))


@st.composite
def route_progresses(draw: st.DrawFn) -> RouteProgress:
    way = or_nan(st.floats(0, 1e6))
    return RouteProgress(
        draw(stamps), draw(stamps), draw(st.booleans()), draw(way), draw(way), draw(way), draw(or_nan(reals)),
        draw(st.booleans()), draw(st.booleans()), draw(st.integers(0, 2**32 - 1)), draw(names),
    )  # fmt: skip


@st.composite
def goals(draw: st.DrawFn) -> Goal:
    return draw(st.builds(LaneGoal, ids) | st.builds(PoseGoal, reals, reals, st.none() | reals))


@st.composite
def goal_answers(draw: st.DrawFn) -> GoalAnswer:
    way = or_nan(st.floats(0, 1e6))
    return GoalAnswer(
        draw(st.sampled_from(GoalStatus)), draw(names), draw(stamps), draw(way), draw(way), draw(st.integers(0, 99))
    )


@st.composite
def futures(draw: st.DrawFn) -> PredictedAgents:
    a, k, t = draw(counts), draw(st.integers(1, 3)), draw(st.integers(1, 4))
    weights = draw(f32(0.01, 1, (a, k)))
    return PredictedAgents(
        stamp_ns=draw(stamps),
        agent_ids=draw(arrays(np.int64, a)),
        probabilities=weights / weights.sum(axis=1, keepdims=True),
        origin=draw(f64(2)),
        positions=draw(f32(-500, 500, (a, k, t, 2))),
        headings=draw(f32(-4, 4, (a, k, t))),
        covariances=draw(f32(-9, 9, (a, k, t, 3))),
        step=draw(decimals),
        source=draw(st.sampled_from(PredictionSource)),
        model=draw(names),
        provider=draw(names),
        scene_age=draw(decimals),
    )


@st.composite
def decisions(draw: st.DrawFn) -> PlanDecision:
    c, t, m = draw(st.integers(1, 4)), draw(st.integers(1, 4)), draw(st.integers(0, 3))
    n = draw(st.integers(0, c))
    answered = arrays(np.float32, n, elements=or_nan(st.floats(0, 1, width=32)))
    return PlanDecision(
        stamp_ns=draw(stamps),
        predictions_from=draw(st.sampled_from(PredictionSource)),
        answer_status=draw(st.sampled_from(WhatIfStatus)),
        conditional=draw(st.booleans()),
        chosen=draw(st.integers(0, c - 1)),
        explanation=draw(names),
        names=tuple(draw(names) for _ in range(c)),
        origin=draw(f64(2)),
        step=draw(decimals),
        positions=draw(f32(-500, 500, (c, t, 2))),
        speeds=draw(f32(0, 50, (c, t))),
        rejections=draw(integers(np.uint8, c, 0, 5)),
        cost_names=tuple(draw(names) for _ in range(m)),
        costs=draw(f32(0, 9, (c, m))),
        totals=draw(f32(0, 99, c)),
        asked=draw(integers(np.uint32, n, 0, c - 1)),
        collision_probabilities=draw(answered),
        conditional_totals=draw(answered),
    )


@st.composite
def ragged(draw: st.DrawFn, rows: int, least: int, width: int | None, high: int = 0) -> Ragged:
    lengths = [draw(st.integers(least, least + 3)) for _ in range(rows)]
    if width is None:
        lengths = lengths if high >= 0 else [0] * rows
        return Ragged.from_rows([draw(integers(np.int32, n, 0, max(high, 0))) for n in lengths], np.int32)
    return Ragged.from_rows([draw(f64((n, width))) for n in lengths], np.float64, width)


@st.composite
def networks(draw: st.DrawFn) -> RoadNetwork:
    lanes, lines, areas, heads = (draw(st.integers(0, 3)) for _ in range(4))
    unknown = or_nan(st.floats(0, 50, width=32, exclude_min=True))
    own = np.arange(lanes)

    def others(rows: Any) -> Any:
        return np.where(rows == own, np.int32(-1), rows)

    waiting = draw(ragged(lanes, 0, None, lanes - 1))
    return RoadNetwork(
        name=draw(names),
        lane_ids=np.array(sorted(draw(st.sets(ids, min_size=lanes, max_size=lanes))), np.int64),
        lane_types=draw(integers(np.uint8, lanes, 0, 3)),
        lane_turns=draw(integers(np.uint8, lanes, 0, 4)),
        lane_in_intersection=draw(arrays(np.bool_, lanes)),
        lane_speed_limits=draw(arrays(np.float32, lanes, elements=unknown)),
        lane_widths=draw(arrays(np.float32, lanes, elements=unknown)),
        centre_lines=draw(ragged(lanes, 2, 3)),
        left_boundaries=draw(ragged(lanes, 0, 3)),
        left_boundary_types=draw(integers(np.uint8, lanes, 0, 9)),
        right_boundaries=draw(ragged(lanes, 0, 3)),
        right_boundary_types=draw(integers(np.uint8, lanes, 0, 9)),
        successors=draw(ragged(lanes, 0, None, lanes - 1)),
        yields=Ragged.from_rows([row[row != i] for i, row in enumerate(waiting)], np.int32),
        left_neighbours=others(draw(integers(np.int32, lanes, -1, lanes - 1))),
        right_neighbours=others(draw(integers(np.int32, lanes, -1, lanes - 1))),
        line_ids=draw(arrays(np.int64, lines, unique=True)),
        line_types=draw(integers(np.uint8, lines, 0, 9)),
        lines=draw(ragged(lines, 2, 3)),
        area_ids=draw(arrays(np.int64, areas, unique=True)),
        area_types=draw(integers(np.uint8, areas, 0, 5)),
        areas=draw(ragged(areas, 3, 3)),
        signal_ids=draw(arrays(np.int64, heads, unique=True)),
        signal_positions=draw(f64((heads, 3))),
        signal_lanes=draw(ragged(heads, 0, None, lanes - 1)),
    )


@st.composite
def clouds(draw: st.DrawFn) -> PointCloud:
    n = draw(st.integers(1, 20))
    intensity = draw(arrays(np.float32, n, elements=or_nan(st.floats(0, 255, width=32))))
    return PointCloud(draw(stamps), draw(f32(-300, 300, (n, 3))), intensity, draw(st.sampled_from(list(Frame)[:2])))


@st.composite
def radar_scans(draw: st.DrawFn) -> RadarScan:
    n = draw(st.integers(0, 20))
    return RadarScan(
        draw(stamps),
        draw(f32(-300, 300, (n, 3))),
        draw(f32(-90, 90, n)),
        draw(f32(-50, 60, n)),
        draw(integers(np.int16, n, -1, 2**15 - 1)),
    )


@st.composite
def pictures(draw: st.DrawFn) -> CameraDetections:
    n = draw(counts)
    table, facing = draw(attributes(n))
    weights = draw(f32(0.01, 1, (n, N_CLASSES)))
    low = draw(f32(0, 1000, (n, 2)))
    return CameraDetections(
        draw(stamps),
        draw(names.filter(bool)),
        weights / weights.sum(axis=1, keepdims=True),
        draw(f32(0, 1, n)),
        np.concatenate([low, low + draw(f32(1, 900, (n, 2)))], axis=1),
        table,
        facing,
    )


@st.composite
def calibrations(draw: st.DrawFn) -> SensorCalibration:
    labels = draw(st.lists(names.filter(bool), unique=True, max_size=4))
    n = len(labels)
    rotation = draw(arrays(np.float64, (n, 4), elements=st.floats(0.1, 1)))
    rotation /= np.linalg.norm(rotation, axis=1, keepdims=True)
    return SensorCalibration(
        draw(stamps),
        tuple(labels),
        draw(integers(np.uint8, n, 0, 2)),
        np.concatenate([draw(f64((n, 3))), rotation], axis=1),
        draw(arrays(np.float64, (n, 4), elements=st.floats(1, 5000))),
        draw(integers(np.uint32, (n, 2), 1, 2**32 - 1)),
    )


@st.composite
def ticks(draw: st.DrawFn) -> StageTick:
    big = st.integers(0, 2**64 - 1)
    return StageTick(
        draw(names.filter(bool)),
        draw(big),
        draw(stamps),
        draw(stamps),
        draw(stamps),
        draw(decimals),
        draw(big),
        draw(big),
    )


@st.composite
def happenings(draw: st.DrawFn) -> SimulationEvent:
    return SimulationEvent(
        draw(stamps),
        draw(st.sampled_from(EventKind)),
        draw(st.sampled_from(Blame)),
        draw(reals),
        draw(reals),
        draw(decimals),
        draw(names),
        draw(ids),
        draw(st.sampled_from(AgentClass)),
        draw(decimals),
    )


@st.composite
def questions(draw: st.DrawFn) -> WhatIfRequest:
    several = tuple(draw(st.lists(ego_plans(), min_size=1, max_size=3)))
    return WhatIfRequest(draw(stamps), several, draw(decimals), draw(st.booleans()))


@st.composite
def plan_effects(draw: st.DrawFn) -> PlanEffects:
    affected = sorted(draw(st.sets(ids, max_size=4)))
    n = len(affected)
    first = draw(f32(0, 1, n))
    first[draw(arrays(np.bool_, n))] = np.nan
    return PlanEffects(np.array(affected, np.int64), draw(f32(0, 1, n)), draw(f32(0, 99, n)), first)


@st.composite
def answers(draw: st.DrawFn) -> WhatIfAnswer:
    several = tuple(draw(st.lists(futures(), max_size=2)))
    effects = tuple(draw(plan_effects()) for _ in several)
    status = draw(st.sampled_from([s for s in WhatIfStatus if s < WhatIfStatus.NOT_ASKED]))
    risk = draw(f32(0, 1, len(several)))
    return WhatIfAnswer(status, draw(names), draw(stamps), draw(st.booleans()), several, risk, draw(decimals), effects)


CASES = {
    "tracked agents": (tracked(), agents.tracked_agents_to_message, agents.tracked_agents_from_message),
    "detected agents": (detected(), agents.detected_agents_to_message, agents.detected_agents_from_message),
    "traffic signals": (signals(), agents.traffic_signals_to_message, agents.traffic_signals_from_message),
    "ego plan": (ego_plans(), plans.ego_plan_to_message, plans.ego_plan_from_message),
    "trajectory": (trajectories(), plans.trajectory_to_message, plans.trajectory_from_message),
    "route": (given_routes(), plans.route_to_message, plans.route_from_message),
    "route progress": (route_progresses(), routes.route_progress_to_message, routes.route_progress_from_message),
    "goal": (goals(), routes.goal_to_message, routes.goal_from_message),
    "goal answer": (goal_answers(), routes.goal_answer_to_message, routes.goal_answer_from_message),
    "plan decision": (decisions(), plans.plan_decision_to_message, plans.plan_decision_from_message),
    "predicted agents": (
        futures(),
        predictions.predicted_agents_to_message,
        predictions.predicted_agents_from_message,
    ),
    "plan effects": (plan_effects(), predictions.plan_effects_to_message, predictions.plan_effects_from_message),
    "what-if request": (
        questions(),
        predictions.what_if_request_to_message,
        predictions.what_if_request_from_message,
    ),
    "what-if answer": (answers(), predictions.what_if_answer_to_message, predictions.what_if_answer_from_message),
    "road network": (networks(), road_network.road_network_to_message, road_network.road_network_from_message),
    "radar scan": (radar_scans(), sensors.radar_scan_to_message, sensors.radar_scan_from_message),
    "camera detections": (
        pictures(),
        sensors.camera_detections_to_message,
        sensors.camera_detections_from_message,
    ),
    "sensor calibration": (
        calibrations(),
        sensors.sensor_calibration_to_message,
        sensors.sensor_calibration_from_message,
    ),
    "point cloud": (clouds(), point_cloud.point_cloud_to_message, point_cloud.point_cloud_from_message),
    "simulation event": (happenings(), events.simulation_event_to_message, events.simulation_event_from_message),
    "stage tick": (ticks(), timing.stage_timing_to_message, timing.stage_timing_from_message),
}


def assert_same(a: Any, b: Any, where: str = "") -> None:
    """Equal in every field, type and bit (NaN equals NaN)."""
    assert type(a) is type(b), where
    if dataclasses.is_dataclass(a):
        for f in dataclasses.fields(a):
            assert_same(getattr(a, f.name), getattr(b, f.name), f"{where}.{f.name}")
    elif isinstance(a, np.ndarray):
        assert a.dtype == b.dtype, where
        np.testing.assert_array_equal(a, b, where)
    elif isinstance(a, tuple):
        assert len(a) == len(b), where
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same(x, y, f"{where}[{i}]")
    elif isinstance(a, float) and np.isnan(a):
        assert np.isnan(b), where
    else:
        assert a == b, where


@pytest.mark.parametrize("name", CASES)
@quick
@given(data=st.data())
def test_bytes_and_back_lose_nothing(name: str, data: st.DataObject) -> None:
    strategy, to_message, from_message = CASES[name]
    value = data.draw(strategy)
    message = to_message(value)
    assert_same(value, from_message(message))
    kind = type(message)
    assert_same(value, from_message(deserialize_message(serialize_message(message), kind)))


@quick
@given(scene=tracked())
def test_the_fast_way_of_scenes_is_the_ordinary_way(scene: TrackedAgents) -> None:
    ordinary = agents.tracked_agents_to_message(scene)
    assert deserialize_message(tracked_agents_to_bytes(scene), type(ordinary)) == ordinary
    assert_same(scene, tracked_agents_from_bytes(serialize_message(ordinary)))
    assert_same(scene, tracked_agents_from_bytes(tracked_agents_to_bytes(scene)))


@quick
@given(scene=tracked(), data=st.data())
def test_damaged_scenes_are_refused_and_nothing_worse(scene: TrackedAgents, data: st.DataObject) -> None:
    whole = tracked_agents_to_bytes(scene)
    cut = data.draw(st.integers(0, len(whole)))
    at, value = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(0, 255))
    for damaged in (whole[:cut], whole[:at] + bytes([value]) + whole[at + 1 :], whole[:2] + b"\xff" * 40):
        with contextlib.suppress(InvalidInputError):
            assert isinstance(tracked_agents_from_bytes(damaged), TrackedAgents)


@quick
@given(ego=ego_states(), yaw=st.floats(-3.14, 3.14))
def test_odometry_keeps_all_it_has_room_for(ego: EgoState, yaw: float) -> None:
    ego = dataclasses.replace(ego, yaw=yaw, acceleration=0.0)
    box = odometry.VehicleBox(ego.length, ego.width, ego.height, ego.rear_axle_to_centre)
    back = odometry.odometry_from_message(odometry.odometry_to_message(ego), box)
    assert back.yaw == pytest.approx(ego.yaw, abs=1e-12)
    assert_same(dataclasses.replace(back, yaw=ego.yaw), ego)


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damaged_bytes_are_read_or_refused_and_nothing_else(name: str, data: st.DataObject) -> None:
    strategy, to_message, from_message = CASES[name]
    message = to_message(data.draw(strategy))
    damaged = bytearray(serialize_message(message))
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(4, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    del damaged[data.draw(st.integers(4, len(damaged))) :]
    with contextlib.suppress(InvalidInputError):
        unpack(bytes(damaged), type(message), from_message)
