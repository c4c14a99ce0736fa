"""All sensors together: one call per tick, each at its own rate, the same every time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import AgentClass
from zoox_stack.core.errors import ConfigurationError
from zoox_stack.road_network.made_up import crossing
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.simulation.sensors.camera import CameraConfig, CameraSensor
from zoox_stack.simulation.sensors.mount import Mount
from zoox_stack.simulation.sensors.rig import SensorRig, load_sensor_rig
from zoox_stack.simulation.sensors.simulated import SensorFrame, SimulatedSensors
from zoox_stack.simulation.terrain import Terrain

pytest.importorskip("open3d", reason="needs open3d")
MakeScene = Callable[..., TrackedAgents]
START = 1_700_000_000_000_000_000
TICK = 100_000_000


def tick(scene_of: MakeScene, step: int) -> TrackedAgents:
    stamp = START + step * TICK
    ego = EgoState(stamp, 60.0 - 0.8 * step, -1.75, yaw=np.pi, speed=8.0)
    ahead = (AgentClass.CAR, 40.0 - 0.8 * step, -1.75, np.pi, (-8.0, 0.0))
    return scene_of(ego, ahead, (AgentClass.PEDESTRIAN, 35.0, 4.0, 0.0), stamp_ns=stamp)


def assert_same(one: SensorFrame, other: SensorFrame) -> None:
    assert one.lidar is not None
    assert other.lidar is not None
    assert one.radar is not None
    assert other.radar is not None
    np.testing.assert_array_equal(one.lidar.cloud.xyz, other.lidar.cloud.xyz)
    np.testing.assert_array_equal(one.lidar.cloud.intensity, other.lidar.cloud.intensity)
    np.testing.assert_array_equal(one.radar.xyz, other.radar.xyz)
    np.testing.assert_array_equal(one.radar.radial_velocity, other.radar.radial_velocity)
    for a, b in zip(one.cameras, other.cameras, strict=True):
        np.testing.assert_array_equal(a.box, b.box)
        np.testing.assert_array_equal(a.class_probabilities, b.class_probabilities)
        np.testing.assert_array_equal(a.attributes, b.attributes)
    assert one.ego == other.ego


@pytest.mark.parametrize("name", ["zoox", "roof"])
def test_two_runs_with_one_seed_are_the_same(scene_of: MakeScene, name: str) -> None:
    rig, network = load_sensor_rig(name), crossing()
    one, other = SimulatedSensors(rig, network, 5), SimulatedSensors(rig, network, 5)
    for step in range(3):
        a, b = one.observe(tick(scene_of, step)), other.observe(tick(scene_of, step))
        assert_same(a, b)
    assert a.lidar is not None
    assert a.radar is not None
    assert a.lidar.hits[0] > 50
    assert [picture.camera for picture in a.cameras] == [camera.name for camera in rig.cameras]
    assert len(a.cameras[0]) >= 1
    sensors = a.radar.sensor
    assert sensors is not None
    calibration = rig.calibration(START)
    assert {calibration.names[row] for row in sensors.tolist()} <= {radar.name for radar in rig.radars}
    different = SimulatedSensors(rig, network, 6).observe(tick(scene_of, 0))
    assert different.ego != a.ego


def test_every_sensor_has_its_own_rate(scene_of: MakeScene) -> None:
    rig = load_sensor_rig("roof")
    slow = replace(rig.lidars[0], config=replace(rig.lidars[0].config, rate=5.0, beams=8, azimuth_steps=180))
    camera = replace(rig.cameras[0], config=replace(rig.cameras[0].config, rate=3.0))
    sensors = SimulatedSensors(replace(rig, lidars=(slow,), cameras=(camera,)), crossing(), 0)
    frames = [sensors.observe(tick(scene_of, step)) for step in range(11)]
    assert [frame.lidar is not None for frame in frames] == [True, False] * 5 + [True]
    assert [frame.radar is not None for frame in frames] == [True] * 11
    assert [len(frame.cameras) for frame in frames] == [1, 0, 0, 0, 1, 0, 0, 1, 0, 0, 1]


@pytest.mark.parametrize("rate", [1.0, 3.0, 4.0, 6.0, 7.0, 9.5, 10.0])
def test_rates_that_ticks_do_not_give_are_right_on_average(scene_of: MakeScene, rate: float) -> None:
    camera = CameraSensor("eye", Mount(), CameraConfig(rate=rate))
    sensors = SimulatedSensors(SensorRig("one", cameras=(camera,)), RoadNetwork())
    ego = EgoState(START, 0.0, 0.0)
    taken = [len(sensors.observe(scene_of(ego, stamp_ns=START + step * TICK)).cameras) for step in range(100)]
    assert sum(taken) == 10 * rate


def test_a_pause_is_not_made_up_for_and_time_may_start_anew(scene_of: MakeScene) -> None:
    camera = CameraSensor("eye", Mount(), CameraConfig(rate=5.0))
    sensors = SimulatedSensors(SensorRig("one", cameras=(camera,)), RoadNetwork())
    ego = EgoState(START, 0.0, 0.0)
    taken = [len(sensors.observe(scene_of(ego, stamp_ns=START + step * TICK)).cameras)
             for step in (0, 1, 50, 51, 52, 53, 54, 3, 4, 5)]  # fmt: skip
    assert taken == [1, 0, 1, 0, 1, 0, 1, 1, 0, 1]


def test_who_is_out_of_range_and_other_sensors_change_nothing(scene_of: MakeScene) -> None:
    rig = load_sensor_rig("roof")
    camera = replace(rig.cameras[0], config=replace(rig.cameras[0].config, range_high=60.0))
    ahead, ego = (AgentClass.CAR, 20.0, 0.0, 0.0), EgoState(START, 0.0, 0.0)
    scene = scene_of(ego, (AgentClass.CAR, -70.0, 5.0, 0.0), ahead, stamp_ns=START)
    pictures = [
        SimulatedSensors(replace(rig, lidars=(), cameras=(camera,), radars=radars), RoadNetwork())
        .observe(scene.take(np.array(rows))).cameras[0]
        for radars, rows in (((), [1]), ((), [0, 1]), (rig.radars, [1]), (rig.radars, [0, 1]))
    ]  # fmt: skip
    assert len(pictures[0]) >= 1
    for other in pictures[1:]:
        np.testing.assert_array_equal(other.box, pictures[0].box)
        np.testing.assert_array_equal(other.score, pictures[0].score)


def test_hills_lift_everything_and_the_sensors_still_find_it(scene_of: MakeScene) -> None:
    hills = Terrain(amplitude=3.0, seed=1)
    frame = SimulatedSensors(load_sensor_rig("zoox"), crossing(), 0, hills).observe(tick(scene_of, 0))
    truth = frame.truth
    assert truth.ego is not None
    assert truth.ego.z == pytest.approx(hills.height((60.0, -1.75)))
    assert frame.ego.z == truth.ego.z
    assert truth.position[0, 2] == pytest.approx(0.75 + hills.height((40.0, -1.75)))
    assert frame.lidar is not None
    assert frame.lidar.hits[0] > 50
    assert len(frame.cameras[0]) >= 1


def test_a_vehicle_without_sensors_has_odometry_alone(scene_of: MakeScene) -> None:
    scene = tick(scene_of, 0)
    frame = SimulatedSensors(SensorRig("none"), crossing()).observe(scene)
    assert (frame.lidar, frame.radar, frame.cameras) == (None, None, ())
    assert frame.ego == scene.ego
    assert frame.truth is scene


def test_needs_an_ego(scene_of: MakeScene) -> None:
    with pytest.raises(ConfigurationError, match="ego"):
        SimulatedSensors(SensorRig("none"), crossing()).observe(scene_of(None))
