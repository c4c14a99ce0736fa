"""Rendered sweeps: geometry, occlusion, noise, determinism."""

from __future__ import annotations

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import AgentClass
from zoox_stack.core.errors import ConfigurationError
from zoox_stack.core.geometry import to_local
from zoox_stack.road_network.made_up import crossing
from zoox_stack.simulation.lidar import LidarConfig, LidarWorld
from zoox_stack.simulation.meshes import agent_mesh
from zoox_stack.simulation.scenery import make_scenery

pytest.importorskip("open3d", reason="needs open3d")

CLEAN = LidarConfig(beams=32, azimuth_steps=720, range_noise=0.0, dropout=0.0)


Row = tuple[AgentClass, float, float, float, tuple[float, float, float]]  # class, x, y, yaw, size


def _scene(ego: EgoState | None, *rows: Row) -> TrackedAgents:
    n = len(rows)
    sizes = np.array([row[4] for row in rows], np.float32).reshape(-1, 3)
    xy = np.array([row[1:3] for row in rows], float).reshape(-1, 2)
    return TrackedAgents.from_states(
        1_000, np.arange(n), np.array([row[0] for row in rows], np.uint8),
        np.column_stack([xy, sizes[:, 2] / 2]), np.array([row[3] for row in rows], float), np.zeros((n, 2)), sizes,
        ego=ego,
    )  # fmt: skip


@pytest.fixture(scope="module")
def world() -> LidarWorld:
    return LidarWorld(crossing(), CLEAN)


EGO = EgoState(1_000, 30.0, -1.75, yaw=np.pi)
CAR = (AgentClass.CAR, 15.0, -1.75, np.pi, (4.5, 1.8, 1.5))


def test_ground_is_flat_and_at_zero(world: LidarWorld) -> None:
    cloud = world.sweep(_scene(EGO)).cloud
    near = np.hypot(*cloud.xyz[:, :2].T) < 8
    assert near.sum() > 500
    assert (np.abs(cloud.xyz[near, 2]) < 1e-3).mean() > 0.8
    assert cloud.xyz[:, 2].min() > -1e-3
    assert cloud.intensity.min() >= 0
    assert cloud.intensity.max() <= 255


def test_points_on_a_car_lie_in_its_box(world: LidarWorld) -> None:
    empty, full = world.sweep(_scene(EGO)), world.sweep(_scene(EGO, CAR))
    assert empty.hits.shape == (0,)
    assert full.hits[0] > 100
    local = to_local(full.cloud.xyz[:, :2], [15.0, 0.0], 0.0)  # 15 m ahead of the ego
    inside = (np.abs(local) < [2.26, 0.91]).all(axis=1) & (full.cloud.xyz[:, 2] > 0.05) & (full.cloud.xyz[:, 2] < 1.51)
    assert inside.sum() == full.hits[0]


def test_a_truck_hides_what_is_behind(world: LidarWorld) -> None:
    walker = (AgentClass.PEDESTRIAN, 8.0, -1.75, 0.0, (0.6, 0.6, 1.7))
    truck = (AgentClass.TRUCK, 20.0, -1.75, np.pi, (8.0, 2.5, 3.5))
    assert world.sweep(_scene(EGO, walker)).hits[0] > 5
    hidden = world.sweep(_scene(EGO, walker, truck)).hits
    assert hidden[0] == 0
    assert hidden[1] > 100


def test_noise_is_of_the_given_size_and_repeats() -> None:
    noisy = LidarWorld(crossing(), LidarConfig(beams=32, azimuth_steps=720, range_noise=0.05, dropout=0.2))
    once, again = noisy.sweep(_scene(EGO, CAR)), noisy.sweep(_scene(EGO, CAR))
    assert np.array_equal(once.cloud.xyz, again.cloud.xyz)
    clean = LidarWorld(crossing(), CLEAN).sweep(_scene(EGO, CAR))
    assert 0.5 < len(once.cloud) / len(clean.cloud) < 0.9
    near = (np.hypot(*once.cloud.xyz[:, :2].T) < 8) & (np.abs(once.cloud.xyz[:, 2]) < 0.2)
    down = np.arcsin(1.9 / np.hypot(np.hypot(once.cloud.xyz[near, 0] - 1.2, once.cloud.xyz[near, 1]), 1.9))
    assert 0.02 < (once.cloud.xyz[near, 2] / np.sin(down)).std() < 0.08


def test_needs_an_ego(world: LidarWorld) -> None:
    with pytest.raises(ConfigurationError, match="ego"):
        world.sweep(_scene(None, CAR))


@pytest.mark.parametrize("kind", [k for k in AgentClass if k is not AgentClass.UNKNOWN])
def test_meshes_fill_their_boxes(kind: AgentClass) -> None:
    small = kind in (AgentClass.PEDESTRIAN, AgentClass.ANIMAL)
    size = np.array([0.6, 0.6, 1.7] if small else [6.0, 2.2, 2.6])
    mesh = agent_mesh(kind, *size)
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    assert (high - low <= size + 1e-5).all()
    assert (high - low >= 0.8 * size).all()
    assert low[2] >= 0
    assert high[2] == pytest.approx(size[2])
    assert mesh.triangles.max() == len(mesh.vertices) - 1


def test_scenery_stands_beside_the_lanes() -> None:
    network = crossing()
    scenery = make_scenery(network, 3)
    assert len(scenery.buildings[0].triangles) > 50
    assert len(scenery.trees[0].triangles) > 50
    again = make_scenery(network, 3)
    both = zip(scenery.parts, again.parts, strict=True)
    assert all(np.array_equal(a.vertices, b.vertices) for (a, _), (b, _) in both)
    for mesh, _ in (scenery.buildings, scenery.poles, scenery.trees):
        gaps = mesh.vertices[:, None, :2] - network.centre_lines.values[None, :, :2]
        assert np.hypot(gaps[..., 0], gaps[..., 1]).min() > 1.5
