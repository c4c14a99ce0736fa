"""Flat ground by formula, and which rays are cast at an agent right beside the sensor."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import AgentClass
from zoox_stack.road_network.made_up import crossing
from zoox_stack.simulation.sensors.lidar_pattern import LidarConfig, LidarPattern, LidarSensor
from zoox_stack.simulation.sensors.mount import EgoPose, Mount
from zoox_stack.simulation.sensors.ray_world import RayWorld
from zoox_stack.simulation.terrain import Terrain

MakeScene = Callable[..., TrackedAgents]
pytest.importorskip("open3d", reason="needs open3d")


def random_rays(world: RayWorld, count: int) -> np.ndarray:
    directions = np.random.default_rng(0).normal(size=(count, 3)) * [1.0, 1.0, 0.1]
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return world.rays(np.array([[60.0, -1.75, 1.9]]), directions)


def test_flat_ground_by_formula_is_the_mesh(town_world: RayWorld) -> None:
    meshed = RayWorld(crossing(), terrain=Terrain(amplitude=1e-9))  # as good as flat, yet made of triangles
    rays = random_rays(town_world, 20_000)
    formula, mesh = (world.cast_at_scenery(rays, (60.0, -1.75), 100.0) for world in (town_world, meshed))
    near = mesh.distance < 100
    assert near.sum() > 10_000
    np.testing.assert_allclose(formula.distance[near], mesh.distance[near], atol=1e-3)
    np.testing.assert_allclose(formula.level[near], mesh.level[near], atol=1e-3)
    np.testing.assert_allclose(formula.facing[near], mesh.facing[near], atol=1e-3)
    np.testing.assert_array_equal(formula.reflectivity[near], mesh.reflectivity[near])


def test_only_rays_that_look_down_meet_bare_ground(bare_world: RayWorld) -> None:
    rays = random_rays(bare_world, 1_000)
    hits = bare_world.cast_at_scenery(rays, (60.0, -1.75), 100.0)
    np.testing.assert_array_equal(np.isfinite(hits.distance), rays[:, 5] < 0)
    down = rays[:, 5] < 0
    np.testing.assert_allclose(hits.distance[down] * -rays[down, 5], 1.9, rtol=1e-5)
    rays[:, 2] = -1.0
    assert np.isinf(bare_world.cast_at_scenery(rays, (60.0, -1.75), 100.0).distance).all()


def test_a_bus_beside_the_sensor_takes_the_rays_of_its_side_alone(scene_of: MakeScene) -> None:
    ego = EgoState(1_000, 0.0, 0.0)
    pattern = LidarPattern.of(LidarSensor("a", Mount(x=0.0), LidarConfig(beams=32, azimuth_steps=720)))
    pose, depth = EgoPose.of(ego, Terrain()), np.full(32 * 720, 200.0, np.float32)
    rows, _, which = pattern.towards(scene_of(ego, (AgentClass.BUS, 0.0, 3.2, 0.0)), ego, pose, depth)
    assert rows.tolist() == [0]
    assert pattern.directions[which, 1].min() > 0  # none to the other side
    assert len(which) > 5_000
    rows, _, which = pattern.towards(scene_of(ego, (AgentClass.BUS, 0.0, 0.5, 0.0)), ego, pose, depth)
    assert len(set(pattern.column[which].tolist())) == 720  # the sensor is inside: all around
