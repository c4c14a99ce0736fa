"""Radar returns: where they are, how fast they are, what they cannot see, noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import AgentClass
from zoox_stack.core.errors import ConfigurationError
from zoox_stack.core.sensors import RadarScan
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.simulation.sensors.mount import EgoPose, Mount
from zoox_stack.simulation.sensors.radar import RadarConfig, Radars, RadarSensor
from zoox_stack.simulation.sensors.ray_world import RayWorld
from zoox_stack.simulation.terrain import Terrain

MakeScene = Callable[..., TrackedAgents]
CLEAN = RadarConfig(
    range_noise=0.0, azimuth_noise=0.0, elevation_noise=0.0, doppler_noise=0.0, miss=0.0, scenery=0, clutter=0.0
)
FRONT = RadarSensor("front", Mount(x=3.0, z=0.6), CLEAN)


def scan(world: RayWorld, scene: TrackedAgents, *sensors: RadarSensor, seed: int = 0) -> RadarScan:
    radars = Radars(sensors, range(len(sensors)), seed)
    return radars.scan(scene, world.with_agents(scene, np.arange(len(scene))))


@pytest.mark.parametrize(
    ("speed", "velocity", "radial"),
    [
        (0.0, 8.0, 8.0),  # it drives away
        (0.0, -8.0, -8.0),  # it comes
        (10.0, 0.0, -10.0),  # the ego drives towards it
        (10.0, 10.0, 0.0),  # both alike
    ],
)
def test_sign_of_the_doppler_speed(
    bare_world: RayWorld, scene_of: MakeScene, speed: float, velocity: float, radial: float
) -> None:
    car = (AgentClass.CAR, 40.0, 0.0, 0.0, (velocity, 0.0))
    returns = scan(bare_world, scene_of(EgoState(1, 0.0, 0.0, speed=speed), car), FRONT)
    assert len(returns) > 0
    np.testing.assert_allclose(returns.radial_velocity, radial, atol=0.05)
    assert (np.abs(returns.xyz - [40, 0, 0.75]) < [2.3, 0.95, 0.8]).all()


def test_one_who_crosses_has_no_radial_speed_and_a_sensor_on_a_lever_has(
    bare_world: RayWorld, scene_of: MakeScene
) -> None:
    crossing = (AgentClass.BICYCLE, 30.0, 0.0, np.pi / 2, (0.0, 5.0))
    returns = scan(bare_world, scene_of(EgoState(1, 0.0, 0.0), crossing), FRONT)
    assert np.abs(returns.radial_velocity).max() < 0.3
    # turning left at 0.5 rad/s, a sensor 3 m ahead moves left at 1.5 m/s, towards what stands to the left
    left = replace(FRONT, mount=Mount(x=3.0, z=0.6, yaw=90.0))
    standing = (AgentClass.CAR, 3.0, 25.0, 0.0)
    returns = scan(bare_world, scene_of(EgoState(1, 0.0, 0.0, yaw_rate=0.5), standing), left)
    np.testing.assert_allclose(returns.radial_velocity, -1.5, atol=0.05)


def test_what_is_hidden_or_out_of_view_is_not_seen(bare_world: RayWorld, scene_of: MakeScene) -> None:
    ego = EgoState(1, 0.0, 0.0)
    walker, truck, behind = (
        (AgentClass.PEDESTRIAN, 30.0, 0.0, 0.0), (AgentClass.TRUCK, 18.0, 0.0, 0.0), (AgentClass.CAR, -20.0, 0.0, 0.0),
    )  # fmt: skip
    far = (AgentClass.CAR, 150.0, 0.0, 0.0)
    assert len(scan(bare_world, scene_of(ego, walker), FRONT)) > 0
    assert scan(bare_world, scene_of(ego, walker, truck), FRONT).xyz[:, 0].max() < 25
    assert len(scan(bare_world, scene_of(ego, behind, far), FRONT)) == 0
    assert len(scan(bare_world, scene_of(ego), FRONT)) == 0


@pytest.mark.parametrize("gap", [1.0, 2.0, 4.0, 8.0])
def test_a_lorry_answers_however_near_it_is(bare_world: RayWorld, scene_of: MakeScene, gap: float) -> None:
    narrow = replace(FRONT, config=replace(CLEAN, field_of_view=90.0))
    lorry = (AgentClass.TRUCK, 3.0 + gap + 4.0, 0.0, 0.0)  # its middle is higher than the field of view is from near
    counts = [len(scan(bare_world, scene_of(EgoState(1, 0.0, 0.0), lorry, stamp_ns=i), narrow)) for i in range(20)]
    assert np.mean(counts) > 2.0


@pytest.mark.parametrize("x", [3.0, 8.0])  # with the middle out of and in view
def test_only_the_part_in_the_field_of_view_answers(bare_world: RayWorld, scene_of: MakeScene, x: float) -> None:
    narrow = replace(FRONT, config=replace(CLEAN, field_of_view=90.0))
    bus = (AgentClass.BUS, x, 4.0, 0.0)
    scans = [scan(bare_world, scene_of(EgoState(1, 0.0, 0.0), bus, stamp_ns=i), narrow).xyz for i in range(40)]
    local = np.concatenate(scans) - FRONT.mount.position
    assert len(local) > 20
    assert (np.abs(np.arctan2(local[:, 1], local[:, 0])) < np.deg2rad(45.01)).all()
    assert (np.abs(np.arctan2(local[:, 2], np.hypot(local[:, 0], local[:, 1]))) < np.deg2rad(10.01)).all()


def test_who_else_is_there_changes_no_returns(bare_world: RayWorld, scene_of: MakeScene) -> None:
    radar = RadarSensor("front", Mount(x=3.0, z=0.6), RadarConfig(scenery=0))
    others = [(AgentClass.TRUCK, 40.0, -9.0, 0.0), (AgentClass.CAR, -30.0, 0.0, 0.0)]
    scene = scene_of(EgoState(1, 0.0, 0.0), *others, (AgentClass.CAR, 20.0, 3.0, 0.3))
    alone, with_both, with_one_behind = (
        set(map(tuple, scan(bare_world, scene.take(np.array(rows)), radar).xyz.tolist()))
        for rows in ([2], [0, 1, 2], [1, 2])
    )
    assert len(alone) > 2
    assert alone == with_one_behind
    assert alone < with_both


def test_who_drives_downhill_comes_down(scene_of: MakeScene) -> None:
    hills = Terrain(amplitude=5.0, wavelength=100.0, seed=2)
    steep = max(np.linspace(0.0, 400.0, 200), key=lambda x: abs(hills.gradient((x, 0.0))[0]))
    world = RayWorld(RoadNetwork(), 0, hills)
    scene = hills.lifted(scene_of(EgoState(1, steep, 0.0), (AgentClass.CAR, steep, 0.0, 0.0, (20.0, 0.0))))
    up = replace(scene, position=scene.position + np.array([0.0, 0.0, 6.0]))
    assert scene.ego is not None
    above = RadarSensor("above", Mount(x=0.0, z=0.5, pitch=-90.0), CLEAN)  # it looks up at a car that flies over it
    pose = EgoPose.of(scene.ego, hills)
    radars = Radars([above], [0])
    returns = radars.scan(up, world.with_agents(up, np.arange(1)))
    assert len(returns) > 0
    towards = (returns.xyz - above.mount.position) @ pose.rotation.T
    towards /= np.linalg.norm(towards, axis=1, keepdims=True)
    climb = 20.0 * float(hills.gradient((steep, 0.0))[0])
    assert abs(climb) > 1.0
    np.testing.assert_allclose(returns.radial_velocity, towards @ [20.0, 0.0, climb], atol=0.05)


def test_scenery_stands_still_over_ground(town_world: RayWorld, scene_of: MakeScene) -> None:
    front = replace(FRONT, config=replace(CLEAN, scenery=400))
    ego = EgoState(1, 60.0, -1.75, speed=10.0)
    returns = scan(town_world, scene_of(ego), front)
    assert len(returns) > 20
    towards = returns.xyz - FRONT.mount.position
    towards /= np.linalg.norm(towards, axis=1, keepdims=True)
    np.testing.assert_allclose(returns.radial_velocity, -10 * towards[:, 0], atol=1e-3)
    assert returns.xyz[:, 2].max() < 40


def test_each_return_names_its_radar_and_all_are_in_base_link(bare_world: RayWorld, scene_of: MakeScene) -> None:
    rear = RadarSensor("rear", Mount(x=-0.5, z=0.6, yaw=180.0), CLEAN)
    scene = scene_of(
        EgoState(1, 5.0, 5.0, yaw=np.pi / 2), (AgentClass.CAR, 5.0, 30.0, 0.0), (AgentClass.CAR, 5.0, -9.0, 0.0)
    )
    radars = Radars([FRONT, rear], [4, 6])
    returns = radars.scan(scene, bare_world.with_agents(scene, np.arange(2)))
    assert returns.sensor is not None
    assert set(returns.sensor.tolist()) == {4, 6}
    assert (returns.xyz[returns.sensor == 4, 0] > 20).all()
    assert (returns.xyz[returns.sensor == 6, 0] < -10).all()
    only = radars.scan(scene, bare_world.with_agents(scene, np.arange(2)), [1])
    assert only.sensor is not None
    assert set(only.sensor.tolist()) == {6}


def test_large_vehicles_answer_louder(bare_world: RayWorld, scene_of: MakeScene) -> None:
    mean = []
    for kind in (AgentClass.PEDESTRIAN, AgentClass.CAR, AgentClass.TRUCK):
        scenes = [scene_of(EgoState(1, 0.0, 0.0), (kind, 20.0, 0.0, 0.0), stamp_ns=i) for i in range(20)]
        mean.append(np.concatenate([scan(bare_world, scene, FRONT).rcs for scene in scenes]).mean())
    assert mean[0] + 8 < mean[1]
    assert mean[1] + 5 < mean[2]


def test_noise_misses_and_clutter_are_as_asked(bare_world: RayWorld, scene_of: MakeScene) -> None:
    noisy = RadarConfig(range_noise=0.3, azimuth_noise=0.0, elevation_noise=0.0, doppler_noise=0.5, miss=0.4, scenery=0,
                        clutter=0.0)  # fmt: skip
    car = (AgentClass.TRUCK, 30.0, 0.0, 0.0)
    scenes = [scene_of(EgoState(1, 0.0, 0.0), car, stamp_ns=i) for i in range(120)]
    clean = [scan(bare_world, scene, FRONT) for scene in scenes]
    scans = [scan(bare_world, scene, replace(FRONT, config=noisy)) for scene in scenes]
    share = sum(map(len, scans)) / sum(map(len, clean))
    assert 0.5 < share < 0.7
    speed = np.concatenate([returns.radial_velocity for returns in scans])
    assert 0.4 < speed.std() < 0.6
    back = np.concatenate([returns.xyz[:, 0] for returns in scans])
    assert 0.2 < np.subtract(*np.percentile(back, [75, 25])) / 1.349 < 0.4  # the tail is flat, but for its chassis
    cluttered = replace(FRONT, config=replace(CLEAN, clutter=3.0))
    counts = [len(scan(bare_world, scene_of(EgoState(1, 0.0, 0.0), stamp_ns=i), cluttered)) for i in range(300)]
    assert 2.6 < np.mean(counts) < 3.4


def test_the_same_seed_and_stamp_give_the_same(bare_world: RayWorld, scene_of: MakeScene) -> None:
    radar = RadarSensor("front", Mount(x=3.0, z=0.6), RadarConfig())
    scene = scene_of(EgoState(1, 0.0, 0.0), (AgentClass.CAR, 20.0, 1.0, 0.3))
    one, again = scan(bare_world, scene, radar), scan(bare_world, scene, radar)
    np.testing.assert_array_equal(one.xyz, again.xyz)
    np.testing.assert_array_equal(one.rcs, again.rcs)
    other = scan(bare_world, scene, radar, seed=1)
    assert len(other) != len(one) or not np.array_equal(other.xyz, one.xyz)


def test_needs_an_ego(bare_world: RayWorld, scene_of: MakeScene) -> None:
    with pytest.raises(ConfigurationError, match="ego"):
        scan(bare_world, scene_of(None), FRONT)
