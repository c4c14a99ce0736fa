"""Rendered sweeps: geometry, occlusion, noise, labels, rolling, several sensors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import AgentClass, Attribute, TriState
from zoox_stack.core.errors import ConfigurationError
from zoox_stack.core.geometry import to_local
from zoox_stack.road_network.made_up import crossing
from zoox_stack.simulation.sensors.lidar import LidarWorld, MountedLidars
from zoox_stack.simulation.sensors.lidar_pattern import LidarConfig, LidarPattern, LidarSensor
from zoox_stack.simulation.sensors.mount import EgoPose, Mount
from zoox_stack.simulation.sensors.ray_world import RayWorld
from zoox_stack.simulation.terrain import Terrain

MakeScene = Callable[..., TrackedAgents]
pytest.importorskip("open3d", reason="needs open3d")

CLEAN = LidarConfig(beams=32, azimuth_steps=720, range_noise=0.0, dropout=0.0, glass_loss=0.0)
EGO = EgoState(1_000, 30.0, -1.75, yaw=np.pi)
CAR = (AgentClass.CAR, 15.0, -1.75, np.pi)
PEDESTRIAN = (AgentClass.PEDESTRIAN, 8.0, -1.75, 0.0)
TRUCK = (AgentClass.TRUCK, 20.0, -1.75, np.pi)


@pytest.fixture(scope="module")
def world() -> LidarWorld:
    return LidarWorld(crossing(), CLEAN)


def test_ground_is_flat_and_at_zero(world: LidarWorld, scene_of: MakeScene) -> None:
    cloud = world.sweep(scene_of(EGO)).cloud
    near = np.hypot(*cloud.xyz[:, :2].T) < 8
    assert near.sum() > 500
    assert (np.abs(cloud.xyz[near, 2]) < 1e-3).mean() > 0.8
    assert cloud.xyz[:, 2].min() > -1e-3
    assert cloud.intensity.min() >= 0
    assert cloud.intensity.max() <= 255


def test_points_on_a_car_lie_in_its_box_and_say_so(world: LidarWorld, scene_of: MakeScene) -> None:
    empty, full = world.sweep(scene_of(EGO)), world.sweep(scene_of(EGO, CAR))
    assert empty.hits.shape == (0,)
    assert (empty.agent_rows == -1).all()
    assert full.hits[0] > 100
    local = to_local(full.cloud.xyz[:, :2], [15.0, 0.0], 0.0)  # 15 m ahead of the ego
    inside = (np.abs(local) < [2.26, 0.91]).all(axis=1) & (full.cloud.xyz[:, 2] > 0.005) & (full.cloud.xyz[:, 2] < 1.51)
    assert np.array_equal(inside, full.agent_rows == 0)
    assert full.hits[0] == inside.sum()


def test_a_truck_hides_what_is_behind(world: LidarWorld, scene_of: MakeScene) -> None:
    assert world.sweep(scene_of(EGO, PEDESTRIAN)).hits[0] > 5
    hidden = world.sweep(scene_of(EGO, PEDESTRIAN, TRUCK)).hits
    assert hidden[0] == 0
    assert hidden[1] > 100


def test_a_building_hides_what_is_behind(scene_of: MakeScene) -> None:
    config = replace(CLEAN, range_high=100.0)
    world = LidarWorld(crossing(), config)
    ego = EgoState(1_000, 60.0, -1.75)
    empty = world.sweep(scene_of(ego))
    high = empty.cloud.xyz[(empty.cloud.xyz[:, 2] > 2.5) & (np.abs(empty.cloud.xyz[:, 1]) > 5)]
    nearest = high[np.argmin(np.hypot(*high[:, :2].T))]
    behind = nearest[:2] * (1 + 14.0 / np.hypot(*nearest[:2])) + [ego.x, ego.y]
    scene = scene_of(ego, (AgentClass.PEDESTRIAN, *behind, 0.0))
    assert world.sweep(scene).hits[0] == 0


def test_noise_is_of_the_given_size_and_repeats(scene_of: MakeScene) -> None:
    config = LidarConfig(beams=32, azimuth_steps=720, range_noise=0.05, dropout=0.2)
    noisy = LidarWorld(crossing(), config)
    once, again = noisy.sweep(scene_of(EGO, CAR)), noisy.sweep(scene_of(EGO, CAR))
    assert np.array_equal(once.cloud.xyz, again.cloud.xyz)
    other = LidarWorld(crossing(), config, seed=1).sweep(scene_of(EGO, CAR))
    assert len(other.cloud) != len(once.cloud) or not np.array_equal(other.cloud.xyz, once.cloud.xyz)
    clean = LidarWorld(crossing(), CLEAN).sweep(scene_of(EGO, CAR))
    assert 0.5 < len(once.cloud) / len(clean.cloud) < 0.9
    near = (np.hypot(*once.cloud.xyz[:, :2].T) < 8) & (np.abs(once.cloud.xyz[:, 2]) < 0.2)
    down = np.arcsin(1.9 / np.hypot(np.hypot(once.cloud.xyz[near, 0] - 1.2, once.cloud.xyz[near, 1]), 1.9))
    assert 0.02 < (once.cloud.xyz[near, 2] / np.sin(down)).std() < 0.08


def test_windows_return_less(bare_world: RayWorld, scene_of: MakeScene) -> None:
    scene = scene_of(EgoState(1_000, 0.0, 0.0), (AgentClass.CAR, 9.0, 0.0, np.pi / 2))

    def window(glass_loss: float) -> np.ndarray:
        config = replace(CLEAN, beams=64, glass_loss=glass_loss)
        scan = MountedLidars(bare_world, [LidarSensor("a", Mount(), config)]).scan(scene)
        glass = (scan.agent_rows == 0) & (scan.cloud.xyz[:, 2] > 1.0) & (scan.cloud.xyz[:, 2] < 1.4)
        return np.asarray(scan.cloud.intensity[glass])

    assert len(window(0.0)) > 50
    assert window(0.0).max() < 15
    assert 0.1 < len(window(0.7)) / len(window(0.0)) < 0.5
    assert len(window(1.0)) == 0


def test_raw_intensity_falls_with_range(bare_world: RayWorld, scene_of: MakeScene) -> None:
    scene = scene_of(EgoState(1_000, 0.0, 0.0), (AgentClass.TRUCK, 60.0, 0.0, 0.0))
    means = []
    for model in ("calibrated", "raw"):
        sensor = LidarSensor("a", Mount(), replace(CLEAN, intensity=model))
        scan = MountedLidars(bare_world, [sensor]).scan(scene)
        means.append(float(scan.cloud.intensity[scan.agent_rows == 0].mean()))
    assert means[1] == pytest.approx(means[0] * (15 / 55) ** 2, rel=0.1)


def test_needs_an_ego(world: LidarWorld, scene_of: MakeScene) -> None:
    with pytest.raises(ConfigurationError, match="ego"):
        world.sweep(scene_of(None, CAR))


WALL = (AgentClass.TRUCK, 0.0, 12.0, 0.0)  # its left side is a plane at y = 10.75


@pytest.mark.parametrize(("speed", "yaw_rate"), [(15.0, 0.0), (8.0, 0.5)])
def test_motion_compensation_makes_walls_flat_again(
    bare_world: RayWorld, scene_of: MakeScene, speed: float, yaw_rate: float
) -> None:
    ego = EgoState(1_000, 1.0, 0.0, speed=speed, yaw_rate=yaw_rate)
    rolling = LidarSensor("a", Mount(x=1.0, z=1.5, yaw=20.0), replace(CLEAN, rolling=True, azimuth_steps=1440))
    wall = scene_of(ego, WALL)
    scan = MountedLidars(bare_world, [rolling]).scan(wall)
    on_wall = (scan.agent_rows == 0) & (scan.cloud.xyz[:, 2] > 1.2) & (np.abs(scan.cloud.xyz[:, 0] + 2) < 2)
    assert on_wall.sum() > 200
    assert np.abs(scan.cloud.xyz[on_wall, 1] - 10.75).max() < 0.02
    (returns,) = scan.sensors
    raw = returns.xyz @ rolling.mount.rotation.T.astype(np.float32) + rolling.mount.position
    assert np.abs(raw - scan.cloud.xyz).max() > 0.5  # what the sensor itself says is far off
    assert returns.time_offset.min() >= -0.1
    assert returns.time_offset.max() <= 0


def test_points_of_the_sensor_its_times_and_the_twist_give_the_merged_cloud(
    bare_world: RayWorld, scene_of: MakeScene
) -> None:
    ego = EgoState(1_000, 0.0, 0.0, speed=10.0)
    mount = Mount(x=2.0, y=0.5, z=1.5, yaw=90.0, pitch=5.0)
    scan = MountedLidars(bare_world, [LidarSensor("a", mount, replace(CLEAN, rolling=True))]).scan(scene_of(ego, WALL))
    (returns,) = scan.sensors
    base = returns.xyz @ mount.rotation.T + mount.position
    base[:, 0] += 10.0 * returns.time_offset
    np.testing.assert_allclose(base, scan.cloud.xyz, atol=1e-3)


def test_a_rolling_sensor_sees_a_moving_car_where_it_was(bare_world: RayWorld, scene_of: MakeScene) -> None:
    scene = scene_of(EgoState(1_000, 0.0, 0.0), (AgentClass.CAR, 14.0, 0.0, np.pi / 2, (0.0, 10.0)))
    centres = []
    for rolling in (False, True):
        sensor = LidarSensor("a", Mount(x=0.0), replace(CLEAN, rolling=rolling))
        scan = MountedLidars(bare_world, [sensor]).scan(scene)
        points = scan.cloud.xyz[scan.agent_rows == 0]
        centres.append((points[:, 1].min() + points[:, 1].max()) / 2)
    # straight ahead is passed in the middle of the turn, 0.05 s before its end
    assert centres[1] - centres[0] == pytest.approx(-0.5, abs=0.08)


def test_standing_still_rolling_changes_nothing(town_world: RayWorld, scene_of: MakeScene) -> None:
    scene = scene_of(EGO, CAR, PEDESTRIAN)
    one, other = (
        MountedLidars(town_world, [LidarSensor("a", Mount(), replace(CLEAN, rolling=rolling))]).scan(scene)
        for rolling in (False, True)
    )
    np.testing.assert_allclose(one.cloud.xyz, other.cloud.xyz, atol=2e-3)


def corners() -> list[LidarSensor]:
    config = replace(CLEAN, azimuth_low=-135.0, azimuth_high=135.0, range_low=0.5)
    places = [(3.0, 0.9, 45.0), (3.0, -0.9, -45.0), (-0.4, 0.9, 135.0), (-0.4, -0.9, -135.0)]
    return [LidarSensor(f"l{i}", Mount(x=x, y=y, yaw=yaw), config) for i, (x, y, yaw) in enumerate(places)]


def test_four_corners_see_the_same_world(town_world: RayWorld, scene_of: MakeScene) -> None:
    scene = scene_of(EGO, CAR, (AgentClass.CAR, 45.0, -1.75, np.pi))
    scan = MountedLidars(town_world, corners()).scan(scene)
    assert [returns.name for returns in scan.sensors] == ["l0", "l1", "l2", "l3"]
    assert sum(len(returns.xyz) for returns in scan.sensors) == len(scan.cloud) == len(scan.agent_rows)
    start = 0
    for sensor, returns in zip(corners(), scan.sensors, strict=True):
        part = scan.cloud.xyz[start : start + len(returns.xyz)]
        np.testing.assert_allclose(part, returns.xyz @ sensor.mount.rotation.T + sensor.mount.position, atol=1e-4)
        azimuth = np.arctan2(returns.xyz[:, 1], returns.xyz[:, 0])
        assert np.abs(azimuth).max() <= np.deg2rad(135.01)
        start += len(part)
    for row, x in ((0, 15.0), (1, -15.0)):  # ahead and behind
        points = scan.cloud.xyz[scan.agent_rows == row]
        assert len(points) == scan.hits[row] > 100
        assert (np.abs(points[:, :2] - [x, 0.0]) < [2.26, 0.91]).all()
    only = MountedLidars(town_world, corners()).scan(scene, [2])
    assert len(only.cloud) == len(scan.sensors[2].xyz)


def test_only_rays_that_cannot_hit_are_spared(town_world: RayWorld, scene_of: MakeScene) -> None:
    """Agents all around, also across the seam behind and right beside the sensor: as many hits as with all rays."""
    places = [(x, y) for x in (-9.0, -3.5, 0.0, 5.5, 14.0) for y in (-7.0, -2.4, 2.4, 8.0)]
    rows = [
        (AgentClass.BUS if i % 3 == 0 else AgentClass.PEDESTRIAN, 60 + x, y, 0.4 * i) for i, (x, y) in enumerate(places)
    ]
    ego = EgoState(1_000, 60.0, -0.5, yaw=0.3, speed=9.0, yaw_rate=0.2)
    scene = scene_of(ego, *rows)
    sensor = LidarSensor("a", Mount(x=1.0, y=0.3, z=1.7, roll=4.0, pitch=-6.0, yaw=15.0), replace(CLEAN, range_low=0.1))
    scan = MountedLidars(town_world, [sensor]).scan(scene)
    origins, directions = LidarPattern.of(sensor).rays(ego)
    pose = EgoPose.of(ego, Terrain())
    rays = town_world.rays(pose.to_map(origins), directions @ pose.rotation.T)
    everyone = town_world.with_agents(scene, np.arange(len(scene)))
    hits = everyone.cast_with_scenery(rays, (60.0, 0.0), 100.0)
    struck = hits.agent_rows[(hits.distance > 0.1) & (hits.distance < 100.0)]
    np.testing.assert_array_equal(scan.hits, np.bincount(struck[struck >= 0], minlength=len(scene)))


def test_an_open_door_is_the_hazard_beside_the_car_alone(bare_world: RayWorld, scene_of: MakeScene) -> None:
    ego, opened = EgoState(1_000, 0.0, 0.0), {Attribute.DOOR_OPEN: TriState.YES}
    parked, door = (AgentClass.CAR, 12.0, -3.0, 0.0), (AgentClass.HAZARD, 12.5, -1.8, np.deg2rad(115.0))
    sensors = [LidarSensor("a", Mount(), replace(CLEAN, beams=64, azimuth_steps=1800))]
    scan = MountedLidars(bare_world, sensors).scan(scene_of(ego, parked, door, attributes=opened))
    assert scan.hits[0] > 100
    assert scan.hits[1] > 20
    assert scan.cloud.xyz[scan.agent_rows == 0, 1].max() < -3.0 + 0.9 + 0.05


def test_legs_move_with_the_way_walked(bare_world: RayWorld, scene_of: MakeScene) -> None:
    sensors = [LidarSensor("a", Mount(), replace(CLEAN, beams=64, azimuth_steps=3600))]

    def stride(x: float, speed: float) -> float:
        walker = (AgentClass.PEDESTRIAN, x, 4.0, 0.0, (speed, 0.0))
        scan = MountedLidars(bare_world, sensors).scan(scene_of(EgoState(1_000, 0.0, 0.0), walker))
        points = scan.cloud.xyz[scan.agent_rows == 0]
        return float(np.ptp(points[(points[:, 2] > 0.03) & (points[:, 2] < 0.5), 0]))

    walking = [stride(1.2 + 0.1 * step, 1.3) for step in range(14)]
    assert max(walking) > 0.4
    assert min(walking) < 0.3
    assert stride(1.2, 0.0) < 0.3


def test_vehicles_and_the_sensor_tilt_with_the_slope(scene_of: MakeScene) -> None:
    hills = Terrain(amplitude=4.0, wavelength=100.0, seed=2)
    ego = EgoState(1_000, 60.0, -1.75)
    scene = hills.lifted(scene_of(ego, (AgentClass.BUS, 80.0, -1.75, 0.0)))
    world = RayWorld(crossing(), 0, hills)
    scan = MountedLidars(world, [LidarSensor("a", Mount(), CLEAN)]).scan(scene)
    assert scene.ego is not None
    pose = EgoPose.of(scene.ego, hills)
    in_map = pose.to_map(scan.cloud.xyz.astype(float))
    bus = scan.agent_rows == 0
    turn = hills.orientation((80.0, -1.75), 0.0)
    local = (in_map[bus] - scene.position[0]) @ turn
    assert bus.sum() > 100
    assert (np.abs(local) < np.array([6.02, 1.27, 1.57])).all()
    near = ~bus & (np.hypot(*scan.cloud.xyz[:, :2].T) < 8) & (np.abs(in_map[:, 1] + 1.75) < 1.5)
    assert near.sum() > 200
    assert np.abs(in_map[near, 2] - hills.height(in_map[near, :2])).max() < 0.03


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"elevation_low": -1.0, "elevation_high": -2.0}, "elevation_low"),
        ({"azimuth_low": 10.0, "azimuth_high": 10.0}, "azimuth_low"),
        ({"range_low": 9.0, "range_high": 5.0}, "range_low"),
    ],
)
def test_ranges_turned_around_are_refused(values: dict[str, float], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        LidarConfig(**values)
