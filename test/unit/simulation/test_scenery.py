"""What stands beside the roads, on flat ground and on hills."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import AreaType
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.road_network.area_index import AreaIndex
from zoox_stack.road_network.made_up import crossing
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.simulation.meshes import Mesh, join
from zoox_stack.simulation.scenery import make_scenery
from zoox_stack.simulation.terrain import Terrain
from zoox_stack.simulation.towns import build_town


def test_scenery_stands_beside_the_lanes() -> None:
    network = crossing()
    scenery = make_scenery(network, 3)
    assert len(scenery.buildings.triangles) > 50
    assert len(scenery.trees.triangles) > 50
    assert len(scenery.hedges.triangles) > 50
    for mesh in (scenery.buildings, scenery.poles, scenery.traffic_lights, scenery.trees, scenery.hedges):
        gaps = mesh.vertices[:, None, :2] - network.centre_lines.values[None, :, :2]
        assert np.hypot(gaps[..., 0], gaps[..., 1]).min() > 1.5


@pytest.mark.parametrize("name", ["downtown", "village"])
def test_nothing_stands_where_people_walk_and_cars_park(tmp_path: Path, name: str) -> None:
    pytest.importorskip("sumo", reason="needs the simulation extra (eclipse-sumo)")
    o3d = pytest.importorskip("open3d", reason="needs open3d")
    network = build_town(name, 1, tmp_path).net.network
    scenery, areas = make_scenery(network, 1), AreaIndex(network)
    assert len(scenery.buildings.triangles) > 100
    random = np.random.default_rng(0)
    boxes = np.concatenate([random.uniform(ring[:, :2].min(axis=0), ring[:, :2].max(axis=0), (400, 2))
                            for ring in network.areas])  # fmt: skip

    def struck(standing: Mesh, kinds: tuple[AreaType, ...]) -> int:
        """Points of areas with something above them."""
        points = boxes[areas.contains(boxes, kinds)]
        assert len(points) > 2000
        world = o3d.t.geometry.RaycastingScene()
        world.add_triangles(o3d.core.Tensor(standing.vertices), o3d.core.Tensor(standing.triangles))
        up = np.column_stack([points, np.full(len(points), 0.2), np.tile([0.0, 0.0, 1.0], (len(points), 1))])
        found = world.cast_rays(o3d.core.Tensor(up.astype(np.float32)))["t_hit"].numpy()
        return int(np.isfinite(found).sum())

    assert struck(join(scenery.buildings, scenery.trees, scenery.hedges), tuple(AreaType)) == 0
    poles = join(scenery.poles, scenery.traffic_lights)
    assert struck(poles, tuple(kind for kind in AreaType if kind is not AreaType.SIDEWALK)) == 0


def test_the_same_seed_gives_the_same() -> None:
    one, again, other = (make_scenery(crossing(), seed).whole for seed in (3, 3, 4))
    assert np.array_equal(one.vertices, again.vertices)
    assert np.array_equal(one.reflectivity, again.reflectivity)
    assert not np.array_equal(one.vertices[-50:], other.vertices[-50:])


def test_every_signal_has_a_light() -> None:
    network = crossing()
    lights = make_scenery(network, 0).traffic_lights
    for position in network.signal_positions:
        assert np.hypot(*(lights.vertices[:, :2] - position[:2]).T).min() < 8
    assert lights.vertices[:, 2].max() == pytest.approx(3.2)
    assert len(make_scenery(crossing(signals=False), 0).traffic_lights.triangles) == 0


def test_coordinates_of_a_real_map_keep_their_centimetres() -> None:
    network = crossing()
    far = np.array([691_000.0, 5_334_000.0, 0.0])
    moved = network.centre_lines.values + far
    there = RoadNetwork(
        "far", network.lane_ids, network.lane_types, network.lane_turns, network.lane_in_intersection,
        network.lane_speed_limits, network.lane_widths, type(network.centre_lines)(moved, network.centre_lines.offsets),
        network.left_boundaries, network.left_boundary_types, network.right_boundaries, network.right_boundary_types,
        network.successors, network.yields, network.left_neighbours, network.right_neighbours,
    )  # fmt: skip
    here, away = make_scenery(crossing(signals=False), 3), make_scenery(there, 3, origin=far)
    np.testing.assert_allclose(away.poles.vertices, here.poles.vertices, atol=1e-3)


def test_a_map_without_lanes_is_bare_ground() -> None:
    scenery = make_scenery(RoadNetwork(), 0)
    assert len(scenery.whole.triangles) == len(scenery.ground.triangles) > 0


HILLS = Terrain(amplitude=3.0, wavelength=100.0, seed=2)


def test_hills_are_as_high_as_asked_and_slopes_are_those_of_the_height() -> None:
    points = np.random.default_rng(0).uniform(-500, 500, (4000, 2))
    height = HILLS.height(points)
    assert 1.5 < np.abs(height).max() <= 3.0
    step = 1e-4
    for axis in range(2):
        ahead = points.copy()
        ahead[:, axis] += step
        slope = (HILLS.height(ahead) - height) / step
        np.testing.assert_allclose(HILLS.gradient(points)[:, axis], slope, atol=1e-4)
    assert not Terrain().height(points).any()


def test_bodies_stand_square_to_the_ground() -> None:
    point, yaw = np.array([[40.0, -70.0]]), np.array([0.7])
    turn = HILLS.orientation(point, yaw)[0]
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(turn) == pytest.approx(1)
    assert np.arctan2(turn[1, 0], turn[0, 0]) == pytest.approx(0.7)
    ahead = point[0] + 0.01 * turn[:2, 0]
    assert HILLS.height(ahead) - HILLS.height(point[0]) == pytest.approx(0.01 * turn[2, 0], abs=1e-6)
    np.testing.assert_allclose(Terrain().orientation(point, yaw)[0][:, 2], [0, 0, 1])


def test_agents_and_ego_are_lifted() -> None:
    scene = TrackedAgents.from_states(
        1, np.array([4]), np.array([1]), np.array([[30.0, 9.0, 0.75]]), np.zeros(1), np.zeros((1, 2)),
        np.array([[4.5, 1.8, 1.5]]), ego=EgoState(1, 50.0, 10.0),
    )  # fmt: skip
    lifted = HILLS.lifted(scene)
    assert lifted.position[0, 2] == pytest.approx(0.75 + HILLS.height((30.0, 9.0)))
    assert lifted.ego is not None
    assert lifted.ego.z == pytest.approx(HILLS.height((50.0, 10.0)))
    assert Terrain().lifted(scene) is scene


def test_ground_and_what_stands_on_it_follow_the_hills() -> None:
    scenery = make_scenery(crossing(), 3, HILLS)
    ground = scenery.ground.vertices
    np.testing.assert_allclose(ground[:, 2], HILLS.height(ground[:, :2]), atol=1e-3)
    pole = scenery.poles.vertices[:10]  # the first pole
    foot = HILLS.height(pole[:, :2].mean(axis=0))
    assert pole[:, 2].max() == pytest.approx(foot + 6.0, abs=0.02)


@pytest.mark.parametrize(("values", "named"), [({"amplitude": -1}, "amplitude"), ({"amplitude": 9.0}, "amplitude"),
                                               ({"wavelength": 1.0}, "Terrain")])  # fmt: skip
def test_impossible_hills_are_refused(values: dict[str, float], named: str) -> None:
    with pytest.raises(InvalidInputError, match=named):
        Terrain(**values)
