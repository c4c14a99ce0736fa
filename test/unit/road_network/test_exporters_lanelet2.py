"""Lanelet2 maps out and in again: nothing is lost, and the routing graph of Lanelet2 finds the links."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from zoox_stack.core.classes import AreaType, LaneType, LineType
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.geometry import resample
from zoox_stack.core.ragged import Ragged
from zoox_stack.road_network.exporters.lanelet2_osm import save_lanelet2
from zoox_stack.road_network.exporters.shared_bounds import share_bounds
from zoox_stack.road_network.importers.av2 import load_av2_map
from zoox_stack.road_network.importers.lanelet2_osm import load_lanelet2
from zoox_stack.road_network.made_up import crossing, curved_road, straight_road
from zoox_stack.road_network.network import RoadNetwork

pytest.importorskip("lanelet2", reason="needs the lanelet2 library")

DATA = Path(os.environ.get("ZOOX_STACK_DATA", Path(__file__).parents[4] / "shared" / "data"))
MADE_UP: list[tuple[str, Callable[[], RoadNetwork]]] = [
    ("straight", lambda: straight_road(lanes=3, stop_line_at=150.0, signal=True)),
    ("curve", lambda: curved_road(lanes=3)),
    ("crossing", crossing),
]


def with_everything() -> RoadNetwork:
    """A crossing with lane types, yields, yield lines, unknown boundaries and all kinds of areas and lines."""
    network = crossing()
    lanes = len(network.lane_ids)
    yields: list[list[int]] = [[] for _ in range(lanes)]
    yields[8], yields[9], yields[11] = [12, 13], [12, 13], [14]
    types = np.zeros(lanes, np.uint8)
    types[[4, 5, 6]] = LaneType.BUS, LaneType.BIKE, LaneType.OTHER
    speeds, widths = network.lane_speed_limits.copy(), network.lane_widths.copy()
    speeds[3], widths[3], widths[2] = np.nan, np.nan, 3.75
    rows = [network.left_boundaries[i] if i != 3 else np.zeros((0, 3)) for i in range(lanes)]
    square = np.array([[0.0, 0, 1], [4, 0, 1], [4, 4, 1], [0, 4, 1]])
    kinds = list(AreaType)
    bow_tie, triangle = square[[0, 2, 1, 3]], square[:3]
    rings = [square + np.array([50 + 5 * i, 60, 0]) for i in range(len(kinds))]
    return replace(
        network,
        name="everything & more",
        lane_types=types,
        lane_speed_limits=speeds,
        lane_widths=widths,
        yields=Ragged.from_rows(yields, np.int32),
        left_boundaries=Ragged.from_rows(rows, np.float64, 3),
        left_boundary_types=np.arange(lanes, dtype=np.uint8) % 8,
        line_ids=np.arange(len(LineType)) + 70,
        line_types=np.array(list(LineType), np.uint8)[::-1].copy(),
        lines=Ragged.from_rows([square[:2] - np.array([0, 80 + i, 0]) for i in range(len(LineType))], np.float64, 3),
        area_ids=np.arange(len(kinds) + 2) + 7,
        area_types=np.array([*kinds, AreaType.SIDEWALK, AreaType.CROSSWALK], np.uint8),
        areas=Ragged.from_rows([*rings, bow_tie, triangle], np.float64, 3),
        signal_lanes=Ragged.from_rows([*list(network.signal_lanes)[:3], []], np.int32),
    )


def there_and_back(network: RoadNetwork, folder: Path) -> RoadNetwork:
    save_lanelet2(network, folder / "map.osm")
    loaded, report = load_lanelet2(folder / "map.osm")
    assert report.unaccounted == {}
    assert all(row.kind != "relation" for row in report.left_out)
    return loaded


def assert_same(a: RoadNetwork, b: RoadNetwork) -> None:
    assert a.name == b.name
    for name in (
        "lane_ids", "lane_types", "lane_turns", "lane_in_intersection", "left_boundary_types", "right_boundary_types",
        "left_neighbours", "right_neighbours", "signal_ids",
    ):  # fmt: skip
        assert np.array_equal(getattr(a, name), getattr(b, name)), name
    for name in ("lane_speed_limits", "lane_widths"):
        assert np.allclose(getattr(a, name), getattr(b, name), atol=2e-3, equal_nan=True), name
    for name in ("successors", "yields", "signal_lanes"):
        assert [r.tolist() for r in getattr(a, name)] == [r.tolist() for r in getattr(b, name)], name
    assert np.allclose(a.signal_positions, b.signal_positions, atol=1e-2)
    for name in ("centre_lines", "left_boundaries", "right_boundaries"):
        for one, two in zip(getattr(a, name), getattr(b, name), strict=True):
            assert distance(one, two) < 1e-2, name
    keys_a, keys_b = (sorted(zip(n.line_ids.tolist(), range(len(n.line_ids)), strict=True)) for n in (a, b))
    for (key_a, i), (key_b, j) in zip(keys_a, keys_b, strict=True):
        assert (key_a, a.line_types[i]) == (key_b, b.line_types[j])
        assert distance(a.lines[i], b.lines[j]) < 1e-2
    rings_a, rings_b = (sorted(zip(n.area_ids, n.area_types, range(len(n.area_ids)), strict=True)) for n in (a, b))
    for one_area, two_area in zip(rings_a, rings_b, strict=True):
        assert one_area[:2] == two_area[:2]
        ring_a, ring_b = a.areas[one_area[2]], b.areas[two_area[2]]
        assert distance(closed(ring_a), closed(ring_b)) < 1e-2


def closed(ring: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([ring, ring[:1]])


def distance(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Largest distance of a corner of one line from the other line, in the plane, and between heights at the ends."""
    if len(a) == 0 or len(b) == 0:
        return 0.0 if len(a) == len(b) else np.inf
    if len(a) == len(b) and np.abs(a - b).max() < 1e-2:
        return float(np.abs(a - b).max())
    gaps = [float(cKDTree(resample(x[:, :2], 0.01)).query(y[:, :2])[0].max()) for x, y in ((a, b), (b, a))]
    return max(gaps)


@pytest.mark.parametrize(("name", "make"), [*MADE_UP, ("everything", with_everything)])
def test_round_trip(tmp_path: Path, name: str, make: Callable[[], RoadNetwork]) -> None:
    network = make()
    assert_same(network, there_and_back(network, tmp_path))


def test_the_same_map_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.osm", "b.osm"):
        save_lanelet2(with_everything(), tmp_path / name)
    assert (tmp_path / "a.osm").read_bytes() == (tmp_path / "b.osm").read_bytes()


def test_the_file_brings_its_origin(tmp_path: Path) -> None:
    save_lanelet2(crossing(), tmp_path / "map.osm", origin=(-33.9, 151.2))
    assert_same(crossing(), load_lanelet2(tmp_path / "map.osm")[0])
    node = (tmp_path / "map.osm").read_text().split("<node")[1]
    assert 'lat="-33.9"' in node
    assert 'lon="151.2"' in node


def graph_links(path: Path) -> tuple[set[tuple[int, int]], set[tuple[int, int]], list[str]]:
    """Successors and left neighbours by lane id as the routing graphs of Lanelet2 see them, and its complaints."""
    from lanelet2 import io, projection, routing, traffic_rules

    lanelet_map, errors = io.loadRobust(str(path), projection.UtmProjector(io.Origin(49.0, 8.4)))
    ids = {ll.id: int(ll.attributes["lane_id"]) for ll in lanelet_map.laneletLayer if "lane_id" in ll.attributes}
    after, left = set(), set()
    for participant in ("Vehicle", "VehicleBus", "Bicycle"):
        user = getattr(traffic_rules.Participants, participant)
        graph = routing.RoutingGraph(lanelet_map, traffic_rules.create(traffic_rules.Locations.Germany, user))
        for lanelet in (ll for ll in lanelet_map.laneletLayer if ll.id in ids):
            after |= {(ids[lanelet.id], ids[other.id]) for other in graph.following(lanelet)}
            beside = (graph.left(lanelet), graph.adjacentLeft(lanelet))
            left |= {(ids[lanelet.id], ids[other.id]) for other in beside if other is not None}
    return after, left, list(errors)


def own_links(network: RoadNetwork) -> tuple[set[tuple[int, int]], set[tuple[int, int]]]:
    """The same from the map, between lanes of one type."""
    ids, types = network.lane_ids.tolist(), network.lane_types
    after = {(ids[i], ids[j]) for i, s in enumerate(network.successors) for j in s.tolist() if types[i] == types[j]}
    left = {(ids[i], ids[j]) for i, j in enumerate(network.left_neighbours.tolist()) if j >= 0 and types[i] == types[j]}
    return after, left


@pytest.mark.parametrize(("name", "make"), MADE_UP)
def test_the_routing_graph_of_lanelet2_finds_the_links(
    tmp_path: Path, name: str, make: Callable[[], RoadNetwork]
) -> None:
    save_lanelet2(make(), tmp_path / "map.osm")
    assert graph_links(tmp_path / "map.osm") == (*own_links(make()), [])


def test_lanelet2_reads_the_rules(tmp_path: Path) -> None:
    from lanelet2 import io, projection, traffic_rules

    network = with_everything()
    save_lanelet2(network, tmp_path / "map.osm")
    lanelet_map, errors = io.loadRobust(str(tmp_path / "map.osm"), projection.UtmProjector(io.Origin(49.0, 8.4)))
    assert errors == []
    by_id = {int(ll.attributes["lane_id"]): ll for ll in lanelet_map.laneletLayer if "lane_id" in ll.attributes}
    ids = network.lane_ids.tolist()
    waiting = by_id[ids[8]].rightOfWay()
    assert sorted(int(ll.attributes["lane_id"]) for ll in waiting[0].rightOfWayLanelets()) == [ids[12], ids[13]]
    assert len(by_id[ids[8]].trafficLights()) == 1
    rules = traffic_rules.create(traffic_rules.Locations.Germany, traffic_rules.Participants.Vehicle)
    assert rules.speedLimit(by_id[ids[0]]).speedLimitMPS == pytest.approx(float(network.lane_speed_limits[0]), abs=1e-3)
    assert not rules.canPass(by_id[ids[5]])  # a bicycle lane
    signalled = load_stop_lines(crossing(), tmp_path)
    assert signalled == 4


def test_a_yield_line_belongs_to_its_right_of_way(tmp_path: Path) -> None:
    from lanelet2 import core, io, projection

    network = crossing(signals=False)
    yields = [[] for _ in network.lane_ids]
    yields[15] = [9, 10]  # straight on from the west
    kinds = np.full(4, LineType.YIELD, np.uint8)
    save_lanelet2(replace(network, yields=Ragged.from_rows(yields, np.int32), line_types=kinds), tmp_path / "map.osm")
    lanelet_map = io.load(str(tmp_path / "map.osm"), projection.UtmProjector(io.Origin(49.0, 8.4)))
    (rule,) = [rule for rule in lanelet_map.regulatoryElementLayer if isinstance(rule, core.RightOfWay)]
    assert rule.stopLine is not None
    assert rule.stopLine.attributes["line_id"] == str(network.line_ids[2])


def load_stop_lines(network: RoadNetwork, folder: Path) -> int:
    """Traffic lights of a written map that know their stop line."""
    from lanelet2 import core, io, projection

    save_lanelet2(network, folder / "lights.osm")
    lanelet_map = io.load(str(folder / "lights.osm"), projection.UtmProjector(io.Origin(49.0, 8.4)))
    lights = [rule for rule in lanelet_map.regulatoryElementLayer if isinstance(rule, core.TrafficLight)]
    return sum(light.stopLine is not None for light in lights)


def test_links_that_shared_points_cannot_tell_are_kept(tmp_path: Path) -> None:
    """Two neighbours that merge into one lane would close it at its start; a one-sided neighbour shares no bound."""
    road = straight_road(lanes=2, length=200.0)
    merging = replace(
        road,
        successors=Ragged.from_rows([[2], [2], [], []], np.int32),
        left_neighbours=np.array([1, -1, 3, -1], np.int32),
        right_neighbours=np.array([-1, 0, -1, -1], np.int32),
    )
    loaded = there_and_back(merging, tmp_path)
    assert_same(merging, loaded)
    bounds = share_bounds(merging)
    assert (bounds.joints[bounds.left, 0] != bounds.joints[bounds.right, 0]).all()


def test_neighbours_share_a_way() -> None:
    road = straight_road(lanes=3, length=100.0, segment_length=100.0)
    bounds = share_bounds(road)
    assert bounds.left[0] == bounds.right[1]
    assert bounds.left[1] == bounds.right[2]
    assert len({*bounds.left.tolist(), *bounds.right.tolist()}) == 4


@pytest.mark.parametrize(
    ("network", "name", "complaint"),
    [
        (RoadNetwork(), "a.osm", "at least one lane"),
        (straight_road(), "a.xml", "ends in .osm"),
        (straight_road(length=200_000.0, segment_length=100_000.0), "a.osm", "within 100 km"),
        (straight_road(), "nowhere/a.osm", "can be written"),
    ],
)
def test_what_cannot_be_saved_is_refused(tmp_path: Path, network: RoadNetwork, name: str, complaint: str) -> None:
    with pytest.raises(InvalidInputError, match=complaint):
        save_lanelet2(network, tmp_path / name)


@pytest.mark.parametrize("origin", [(float("nan"), 8.4), (89.0, 0.0), (49.0, 200.0), (float("inf"), 0.0)])
def test_origins_off_the_map_of_the_world(tmp_path: Path, origin: tuple[float, float]) -> None:
    (tmp_path / "a.osm").write_text("before")
    with pytest.raises(InvalidInputError, match=r"origin of the map frame: .*-80 to 84"):
        save_lanelet2(crossing(), tmp_path / "a.osm", origin)
    assert (tmp_path / "a.osm").read_text() == "before"


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    (tmp_path / "a.osm").mkdir()
    with pytest.raises(InvalidInputError, match="can be written"):
        save_lanelet2(crossing(), tmp_path / "a.osm")
    save_lanelet2(crossing(), tmp_path / "b.osm")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.osm", "b.osm"]


def test_round_trip_of_a_town(tmp_path: Path) -> None:
    pytest.importorskip("libsumo", reason="needs the simulation extra (libsumo)")
    pytest.importorskip("sumo", reason="needs the simulation extra (eclipse-sumo)")
    from zoox_stack.simulation.towns import build_town

    network = build_town("signal_grid", 3, tmp_path).net.network
    assert_same(network, there_and_back(network, tmp_path))
    assert graph_links(tmp_path / "map.osm") == (*own_links(network), [])


@pytest.mark.parametrize(
    "path",
    [
        "maps/lanelet2_karlsruhe/mapping_example.osm",
        "maps/sind/tianjin/map_relink_law_save.osm",
        "av2/0a1e6f0a-1817-4a98-b02e-db8c9327d151/log_map_archive_0a1e6f0a-1817-4a98-b02e-db8c9327d151.json",
    ],
)
def test_round_trip_of_real_maps(tmp_path: Path, path: str) -> None:
    if not (DATA / path).is_file():
        pytest.skip(f"no map at {DATA / path}; set ZOOX_STACK_DATA")
    network = load_lanelet2(DATA / path)[0] if path.endswith(".osm") else load_av2_map(DATA / path)
    assert_same(network, there_and_back(network, tmp_path))
    after, left, errors = graph_links(tmp_path / "map.osm")
    assert errors == []
    assert own_links(network)[0] <= after
    assert own_links(network)[1] <= left


def test_round_trip_of_a_scenarionet_map(tmp_path: Path) -> None:
    path = DATA / "nuscenes_mini" / "scene-0655.pkl"
    if not path.is_file():
        pytest.skip(f"no scene at {path}; set ZOOX_STACK_DATA")
    from zoox_stack.logs.importers.restricted_pickle import load_numbers
    from zoox_stack.road_network.importers.scenarionet import import_map_features

    scene: Any = load_numbers(path)
    network = import_map_features(scene["map_features"], "scene", has_height=False).network
    assert_same(network, there_and_back(network, tmp_path))
