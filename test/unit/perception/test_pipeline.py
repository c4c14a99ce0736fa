from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from zoox_stack.core.agents import DetectedAgents, EgoState
from zoox_stack.core.classes import AgentClass
from zoox_stack.core.errors import ConfigurationError, InvalidInputError
from zoox_stack.core.frames import Frame
from zoox_stack.core.geometry import to_local, wrap_angle
from zoox_stack.core.parameters import build, describe
from zoox_stack.core.sensors import PointCloud
from zoox_stack.perception.pipeline import OldStampError, Perception, PerceptionConfig

Scene = Callable[..., PointCloud]
TICK = 100_000_000


def detections(stamp_ns: int, xy: list[tuple[float, float]], **fields: object) -> DetectedAgents:
    n = len(xy)
    classes = np.full((n, 10), 0.01, np.float32)
    classes[:, AgentClass.CAR] = 0.91
    position = np.column_stack([np.array(xy, float).reshape(n, 2), np.full(n, 0.8)])
    made = DetectedAgents(
        stamp_ns, Frame.MAP, classes, np.full(n, 0.9), position, np.zeros(n), np.tile([4.5, 1.8, 1.5], (n, 1))
    )
    return replace(made, **fields)  # type: ignore[arg-type]


def test_a_moving_car_is_tracked_from_sweeps_while_the_ego_moves(scene: Scene) -> None:
    perception = Perception()
    for k in range(15):
        stamp, t = k * TICK, 0.1 * k
        ego = EgoState(stamp, x=100 + 5 * t, y=50.0, yaw=0.0, speed=5.0)
        car_x = 118 + 8 * t  # map
        sweep = scene(((car_x - ego.x, 3.5, 0.0, 4.5, 1.8, 1.5),), stamp_ns=stamp, seed=k)
        tracked = perception.process_sweep(sweep, ego)
    assert len(tracked) == 1
    assert tracked.classes[0] == AgentClass.CAR
    np.testing.assert_allclose(tracked.position[0], [118 + 8 * 1.4, 53.5, 0.75], atol=0.5)
    np.testing.assert_allclose(tracked.velocity[0], [8.0, 0.0], atol=0.8)
    assert abs(wrap_angle(tracked.yaw[0])) < 0.15  # the direction of motion, not against it
    assert tracked.ego is not None
    assert tracked.ego.x == 100 + 5 * 1.4
    assert perception.last_detections is not None
    assert perception.last_detections.frame is Frame.MAP


def test_empty_sweeps_give_empty_scenes(scene: Scene) -> None:
    perception = Perception()
    none = PointCloud(0, np.zeros((0, 3), np.float32), np.zeros(0, np.float32))
    assert len(perception.process_sweep(none, EgoState(0, 0, 0))) == 0
    assert len(perception.process_sweep(scene(stamp_ns=TICK), EgoState(TICK, 0, 0))) == 0
    assert perception.counters.handled == 2


def test_base_link_and_map_detections_give_the_same_tracks() -> None:
    in_map, in_base_link = Perception(), Perception()
    for k in range(8):
        stamp = k * TICK
        ego = EgoState(stamp, x=20 + k, y=-5 + 0.3 * k, z=2.0, yaw=0.7 + 0.05 * k, speed=10)
        found = detections(
            stamp, [(30 + 0.8 * k, 1.0), (10.0, -9.0)], velocity=np.array([[8.0, 0.0], [np.nan, np.nan]])
        )
        local = replace(
            found,
            frame=Frame.BASE_LINK,
            position=np.column_stack(
                [to_local(found.position[:, :2], [ego.x, ego.y], ego.yaw), found.position[:, 2] - ego.z]
            ),
            yaw=wrap_angle(found.yaw - ego.yaw),
            velocity=to_local(np.asarray(found.velocity), [0, 0], ego.yaw),
        )
        a, b = in_map.process_detections(found, ego), in_base_link.process_detections(local, ego)
    assert len(a) == 2
    np.testing.assert_array_equal(a.ids, b.ids)
    for name in ("position", "velocity", "yaw", "covariance", "acceleration"):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), atol=1e-5)


def test_base_link_needs_the_ego() -> None:
    with pytest.raises(InvalidInputError, match="ego pose"):
        Perception().process_detections(detections(0, [], frame=Frame.BASE_LINK))


def test_nan_is_refused_at_the_door() -> None:
    with pytest.raises(InvalidInputError, match="finite"):
        detections(0, [(np.nan, 0.0)])
    with pytest.raises(InvalidInputError, match="finite"):
        PointCloud(0, np.array([[0, np.nan, 0]], np.float32), np.zeros(1, np.float32))


@pytest.mark.parametrize("back", [0, TICK, 4 * TICK])
def test_old_stamps_are_refused_and_change_nothing(back: int) -> None:
    perception, undisturbed = Perception(), Perception()
    for k in range(10, 16):
        for p in (perception, undisturbed):
            p.process_detections(detections(k * TICK, [(k * 0.5, 0.0)]))
    with pytest.raises(OldStampError):
        perception.process_detections(detections(15 * TICK - back, [(50.0, 50.0)]))
    a = perception.process_detections(detections(16 * TICK, [(8.0, 0.0)]))
    b = undisturbed.process_detections(detections(16 * TICK, [(8.0, 0.0)]))
    np.testing.assert_array_equal(a.position, b.position)
    assert (perception.counters.refused, perception.counters.handled) == (1, 7)


def test_a_clock_set_back_starts_anew_with_new_ids() -> None:
    perception = Perception()
    for k in range(20, 26):
        before = perception.process_detections(detections(k * TICK, [(0.0, 0.0)]))
    assert len(perception.process_detections(detections(0, [(0.0, 0.0)]))) == 0
    for k in range(1, 6):
        after = perception.process_detections(detections(k * TICK, [(0.0, 0.0)]))
    assert perception.counters.resets == 1
    assert after.ids[0] > before.ids[0]
    assert after.age[0] == pytest.approx(0.5)


def test_after_a_long_gap_tracks_are_dropped() -> None:
    perception = Perception()
    for k in range(6):
        perception.process_detections(detections(k * TICK, [(0.0, 0.0)]))
    assert len(perception.process_detections(detections(30 * TICK, [(0.0, 0.0)]))) == 0
    assert perception.counters.gaps == 1


def test_reset_forgets() -> None:
    perception = Perception()
    for k in range(6):
        perception.process_detections(detections(k * TICK, [(0.0, 0.0)]))
    perception.reset()
    assert len(perception.process_detections(detections(0, [(0.0, 0.0)]))) == 0


def test_the_ego_is_moved_to_the_stamp_or_refused(scene: Scene) -> None:
    perception = Perception()
    ego = EgoState(0, x=0.0, y=0.0, yaw=np.pi / 2, speed=10.0, yaw_rate=0.0)
    tracked = perception.process_sweep(scene(stamp_ns=TICK), ego)
    assert tracked.ego is not None
    assert tracked.ego.stamp_ns == TICK
    np.testing.assert_allclose([tracked.ego.x, tracked.ego.y], [0.0, 1.0], atol=1e-9)
    with pytest.raises(InvalidInputError, match=r"EgoState\.stamp_ns"):
        perception.process_sweep(scene(stamp_ns=5 * TICK), ego)
    assert perception.counters.handled == 1


def test_every_parameter_is_declared_within_its_range() -> None:
    declared = describe(PerceptionConfig)
    assert {info.name for info in declared} == set(vars(PerceptionConfig()))
    assert build(PerceptionConfig, {info.name: info.default for info in declared}, "perception") == PerceptionConfig()
    assert all(info.description for info in declared)
    with pytest.raises(ConfigurationError, match="did you mean min_points"):
        build(PerceptionConfig, {"min_point": 3}, "perception")
