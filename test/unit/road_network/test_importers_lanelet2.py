"""Lanelet2 maps: a made-up junction, what is wrong with files, and the real maps where a copy is at hand."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

from zoox_stack.core.classes import AreaType, LaneTurn, LaneType, LineType
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.road_network.importers.lanelet2_osm import load_lanelet2
from zoox_stack.road_network.importers.lanelet2_tags import lanelet_kind, line_kind, speed_of
from zoox_stack.road_network.importers.report import ImportReport
from zoox_stack.road_network.network import RoadNetwork

pytest.importorskip("lanelet2", reason="needs the lanelet2 library")

DATA = Path(os.environ.get("ZOOX_STACK_DATA", Path(__file__).parents[4] / "shared" / "data")) / "maps"
REAL_MAPS = [
    ("lanelet2_karlsruhe/mapping_example.osm", (2258, 1141, 456)),
    ("sind/changchun/Changchun_Pudong.osm", (409, 59, 37)),
    ("sind/chongqing/NR_ll2.osm", (455, 88, 52)),
    ("sind/tianjin/map_relink_law_save.osm", (788, 100, 70)),
    ("sind/xian/Xian_Shanglin.osm", (827, 94, 56)),
]
SOLID, DASHED = {"type": "line_thin", "subtype": "solid"}, {"type": "line_thin", "subtype": "dashed"}
VIRTUAL, KERB, STOP = {"type": "virtual"}, {"type": "curbstone"}, {"type": "stop_line"}
ZEBRA, LIGHT = {"type": "zebra_marking"}, {"type": "traffic_light"}
NODES = {
    1: (0, 0), 2: (20, 0), 3: (0, 3.5), 4: (20, 3.5), 5: (20, 7), 6: (0, 7), 7: (40, 0), 8: (40, 3.5),
    11: (26, -20), 12: (26, 15), 13: (30, -20), 14: (30, 15), 15: (8, -2), 16: (8, 9), 17: (12, -2), 18: (12, 9),
    19: (19, 0), 20: (19, 3.5), 21: (21, -1), 22: (22, -1), 23: (26, -2), 24: (30, -2), 25: (0, 20), 26: (9, 20),
    27: (9, 25), 28: (0, 25), 29: (50, 50), 30: (0, -3), 31: (20, -3),
}  # fmt: skip
WAYS: dict[int, tuple[tuple[int, ...], dict[str, str]]] = {
    101: ((1, 2), KERB), 102: ((3, 4), DASHED), 103: ((5, 6), SOLID), 104: ((2, 7), VIRTUAL), 105: ((4, 8), VIRTUAL),
    106: ((11, 23, 12), KERB), 107: ((13, 24, 14), KERB), 108: ((15, 16), ZEBRA), 109: ((17, 18), ZEBRA),
    110: ((19, 20), STOP), 111: ((21, 22), LIGHT), 112: ((23, 24), STOP), 113: ((25, 26, 27, 28, 25), VIRTUAL),
    114: ((25, 28), VIRTUAL), 115: ((30, 31), KERB), 116: ((28, 27), {"type": "symbol"}),
}  # fmt: skip
OURS = "<node id='77' lat='0' lon='0'><tag k='name' v='origin'/><tag k='map_name' v='made'/></node>"
ROAD = {"type": "lanelet", "subtype": "road", "one_way": "yes"}
RULE = {"type": "regulatory_element"}
RELATIONS: dict[int, tuple[tuple[tuple[str, int, str], ...], dict[str, str]]] = {
    201: ((("way", 103, "left"), ("way", 102, "right")), {**ROAD, "speed_limit": "30 mph"}),
    202: (
        (("way", 102, "left"), ("way", 101, "right"), ("relation", 301, "regulatory_element")),
        {**ROAD, "location": "urban", "region": "de"},
    ),
    203: ((("way", 105, "left"), ("way", 104, "right"), ("relation", 303, "regulatory_element")), ROAD),
    204: ((("way", 106, "left"), ("way", 107, "right")), {**ROAD, "one_way": "no"}),
    205: ((("way", 108, "left"), ("way", 109, "right")), {"type": "lanelet", "subtype": "crosswalk"}),
    206: ((("way", 101, "left"), ("way", 115, "right")), {"type": "lanelet", "subtype": "bicycle_lane"}),
    301: ((("way", 111, "refers"), ("way", 110, "ref_line")), {**RULE, "subtype": "traffic_light"}),
    302: (
        (("relation", 203, "right_of_way"), ("relation", 204, "yield"), ("way", 112, "ref_line")),
        {**RULE, "subtype": "right_of_way"},
    ),
    303: ((), {**RULE, "subtype": "speed_limit", "sign_type": "de274-60"}),
    401: ((("way", 113, "outer"),), {"type": "multipolygon", "subtype": "parking"}),
    402: ((("way", 113, "outer"),), {"type": "multipolygon", "subtype": "vegetation"}),
}  # fmt: skip


def osm(extra: str = "", *, without: tuple[int, ...] = (), origin: tuple[float, float] = (0.0, 0.0)) -> str:
    """The junction as a file; `without` leaves out elements by id."""
    from lanelet2 import core, io, projection

    projector = projection.UtmProjector(io.Origin(*origin))
    text = ["<osm version='0.6'>"]
    for key, (x, y) in NODES.items():
        place = projector.reverse(core.BasicPoint3d(float(x), float(y), 0.0))
        height = "<tag k='ele' v='5'/>" if key in (21, 22) else ""
        text.append(f"<node id='{key}' lat='{place.lat:.12f}' lon='{place.lon:.12f}'>{height}</node>")
    for key, (nodes, tags) in WAYS.items():
        refs = "".join(f"<nd ref='{node}'/>" for node in nodes)
        text.append(f"<way id='{key}'>{refs}{_tags(tags)}</way>")
    for key, (members, tags) in RELATIONS.items():
        inside = "".join(f"<member type='{kind}' ref='{ref}' role='{role}'/>" for kind, ref, role in members)
        text.append(f"<relation id='{key}'>{inside}{_tags(tags)}</relation>")
    kept = [line for line in text if not any(f" id='{key}'" in line for key in without)]
    return "\n".join([*kept, extra, "</osm>"])


def _tags(tags: dict[str, str]) -> str:
    return "".join(f"<tag k='{k}' v='{v}'/>" for k, v in tags.items())


def load(folder: Path, text: str) -> tuple[RoadNetwork, ImportReport]:
    (folder / "junction.osm").write_text(text)
    return load_lanelet2(folder / "junction.osm")


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> tuple[RoadNetwork, ImportReport]:
    extra = "<way id='120' action='delete'/><bounds/>"
    return load(tmp_path_factory.mktemp("osm"), osm(extra))


@pytest.fixture
def network(loaded: tuple[RoadNetwork, ImportReport]) -> RoadNetwork:
    return loaded[0]


def row(network: RoadNetwork, lane: int) -> int:
    return network.lane_ids.tolist().index(lane)


def test_lanes_and_links(network: RoadNetwork) -> None:
    assert network.name == "junction"
    assert network.lane_ids.tolist() == [201, 202, 203, 204, -204, 206]
    assert network.lane_types.tolist() == [LaneType.VEHICLE] * 5 + [LaneType.BIKE]
    assert [s.tolist() for s in network.successors] == [[], [2], [], [], [], []]
    assert network.left_neighbours.tolist() == [-1, 0, -1, -1, -1, 1]
    assert network.right_neighbours.tolist() == [1, 5, -1, -1, -1, -1]


def test_a_way_that_runs_backwards_is_turned(network: RoadNetwork) -> None:
    left = network.left_boundaries[0]
    assert np.allclose(left, [[0, 7, 0], [20, 7, 0]], atol=1e-3)
    assert np.allclose(network.centre_lines[0][[0, -1]], [[0, 5.25, 0], [20, 5.25, 0]], atol=1e-3)
    assert network.lane_widths[0] == pytest.approx(3.5, abs=1e-3)
    assert network.left_boundary_types.tolist()[:3] == [LineType.SOLID_WHITE, LineType.DASHED_WHITE, LineType.NONE]
    assert network.right_boundary_types.tolist()[:3] == [LineType.DASHED_WHITE, LineType.KERB, LineType.NONE]


def test_a_two_way_lanelet_is_two_lanes(network: RoadNetwork) -> None:
    there, back = row(network, 204), row(network, -204)
    assert np.allclose(network.centre_lines[there][[0, -1], :2], [[28, -20], [28, 15]], atol=1e-3)
    assert np.allclose(network.centre_lines[back], network.centre_lines[there][::-1])
    assert np.allclose(network.left_boundaries[back], network.right_boundaries[there][::-1])


def test_lanes_that_cross_lie_in_an_intersection(network: RoadNetwork) -> None:
    assert network.lane_in_intersection.tolist() == [False, False, True, True, True, False]
    assert set(network.lane_turns.tolist()) == {LaneTurn.STRAIGHT}


def test_rules(network: RoadNetwork) -> None:
    assert network.signal_ids.tolist() == [301]
    assert network.signal_lanes[0].tolist() == [row(network, 202)]
    assert np.allclose(network.signal_positions, [[21.5, -1, 5]], atol=1e-3)
    assert [y.tolist() for y in network.yields] == [[], [], [], [2], [2], []]
    expected = [30 * 0.44704, 50 / 3.6, 60 / 3.6, np.nan, np.nan, np.nan]
    assert np.allclose(network.lane_speed_limits, expected, atol=1e-4, equal_nan=True)


def test_lines_and_areas(network: RoadNetwork) -> None:
    kinds = dict(zip(network.line_ids.tolist(), network.line_types.tolist(), strict=True))
    assert kinds[110] == LineType.STOP
    assert kinds[112] == LineType.YIELD
    assert {108, 109} <= set(kinds)
    assert 101 not in kinds  # bounds a lane
    areas = dict(zip(network.area_ids.tolist(), network.area_types.tolist(), strict=True))
    drivable = dict.fromkeys((201, 202, 203, 204), int(AreaType.DRIVABLE))
    assert areas == {205: AreaType.CROSSWALK, 401: AreaType.PARKING, **drivable}
    crosswalk = network.areas[network.area_ids.tolist().index(205)]
    assert sorted(map(tuple, crosswalk[:, :2].round(2).tolist())) == [(8, -2), (8, 9), (12, -2), (12, 9)]


def test_every_element_is_accounted_for(loaded: tuple[RoadNetwork, ImportReport]) -> None:
    report = loaded[1]
    counts = {"node": len(NODES), "way": len(WAYS) + 1, "relation": len(RELATIONS), "bounds": 1}
    assert dict(report.totals) == counts
    for kind, total in counts.items():
        rows = (*report.used, *report.left_out)
        assert total == sum(r.count for r in rows if r.kind == kind)
    assert report.unaccounted == {}
    reasons = {(r.kind, r.ids): r.reason for r in report.left_out}
    assert reasons["way", ("120",)] == "deleted in the file"
    assert "vegetation" in reasons["relation", ("402",)]
    assert "symbol" in reasons["way", ("116",)]
    assert reasons["node", ("29",)] == "in no way"
    assert report.became("lane VEHICLE") == 3
    assert report.became("two lanes") == 1
    assert json.loads(json.dumps(report.as_dict()))["unaccounted"] == {}
    assert "vegetation (402)" in report.as_text()


def test_lights_without_lanes_are_found_by_their_stop_line(tmp_path: Path) -> None:
    text = osm().replace("<member type='relation' ref='301' role='regulatory_element'/>", "")
    network, report = load(tmp_path, text)
    assert network.signal_lanes[0].tolist() == [row(network, 202)]
    assert report.became("signal, its lanes found by the stop line") == 1


def test_swapped_bounds_are_turned_where_the_links_tell(tmp_path: Path) -> None:
    swapped = osm().replace(
        "<relation id='203'><member type='way' ref='105' role='left'/><member type='way' ref='104' role='right'/>",
        "<relation id='203'><member type='way' ref='104' role='left'/><member type='way' ref='105' role='right'/>",
    )
    assert swapped != osm()
    network, report = load(tmp_path, swapped)
    assert network.successors[row(network, 202)].tolist() == [row(network, 203)]
    assert any("turned round" in note and "203" in note for note in report.notes)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (lambda: osm(without=(8,)), "is not there"),
        (lambda: osm(without=(105,)), "left bound is not there"),
        (lambda: osm().replace("ref='105' role='left'", "ref='105' role='lift'"), "needs one left bound"),
        (lambda: osm().replace("ref='105' role='left'", "ref='104' role='left'"), "one way as both bounds"),
        (lambda: osm().replace("<node id='8' lat='", "<node id='8' lat='nan' l='"), "is not there"),
        (lambda: osm().replace("<node id='8' lat='", "<node id='8' lat='north' l='"), "is not there"),
        (lambda: osm().replace("<nd ref='8'/>", ""), "is not there"),
    ],
)
def test_one_bad_lanelet_is_left_out_and_named(tmp_path: Path, text: object, reason: str) -> None:
    assert callable(text)
    network, report = load(tmp_path, text())
    assert network.lane_ids.tolist() == [201, 202, 204, -204, 206]
    named = [r for r in report.left_out if "203" in r.ids and r.kind == "relation"]
    assert len(named) == 1
    assert reason in named[0].reason
    assert report.unaccounted == {}
    assert all(not len(rows) for rows in network.yields)  # the lane with right of way is gone


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("<osm", "readable OSM XML"),
        ("\x00\x01", "readable OSM XML"),
        ("<net/>", "root element"),
        ("<osm/>", "no usable nodes"),
        ("<osm><node id='1' lat='nan' lon='0'/></osm>", "no place on earth"),
        ("<osm><node id='1' lat='0' lon='0'/></osm>", "at least one lane"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(InvalidInputError, match=complaint):
        load(tmp_path, text)


def test_a_map_without_lanes_says_why(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"at least one lane.*needs one left bound"):
        load(tmp_path, osm().replace("role='left'", "role='lift'"))


def test_tags_of_ours_must_be_numbers(tmp_path: Path) -> None:
    text = osm(OURS).replace("<tag k='speed_limit' v='30 mph'/>", "<tag k='lane_id' v='first'/>")
    with pytest.raises(InvalidInputError, match=r"junction.osm: .*first"):
        load(tmp_path, text)


def test_tags_of_ours_mean_nothing_in_files_of_others(tmp_path: Path) -> None:
    odd = "".join(f"<tag k='{k}' v='x'/>" for k in ("lane_id", "width", "successors", "signal_id", "left_neighbour"))
    text = osm().replace("<tag k='speed_limit' v='30 mph'/>", odd + "<tag k='in_intersection' v='yes'/>")
    text = text.replace("<tag k='type' v='stop_line'/>", "<tag k='type' v='stop_line'/><tag k='line_id' v='y'/>")
    network, report = load(tmp_path, text)
    assert network.lane_ids.tolist() == [201, 202, 203, 204, -204, 206]
    assert not network.lane_in_intersection[0]
    assert network.lane_widths[0] == pytest.approx(3.5, abs=1e-3)
    assert {110, 112} <= set(network.line_ids.tolist())
    assert any("line_id" in note and "width" in note for note in report.notes)


def test_what_the_library_refuses_is_named(tmp_path: Path) -> None:
    loose = "<member type='way' ref='114' role='outer'/><member type='way' ref='110' role='outer'/>"
    area = f"<relation id='403'>{loose}{_tags({'type': 'multipolygon', 'subtype': 'parking'})}</relation>"
    network, report = load(tmp_path, osm(area))
    assert 403 not in network.area_ids
    assert any("refused by the lanelet2 library" in r.reason and "403" in r.ids for r in report.left_out)
    assert report.unaccounted == {}


def test_stray_nodes_do_not_move_the_map(tmp_path: Path) -> None:
    place = (49.0, 8.4)
    alone, _ = load(tmp_path, osm(origin=place))
    stray = "<node id='{}' lat='{}' lon='{}'/>"
    unused = stray.format(77, 0, 0) + stray.format(78, 49.5, 8.4)
    moved, report = load(tmp_path, osm(unused, origin=place))
    assert np.array_equal(moved.centre_lines.values, alone.centre_lines.values)
    reasons = {node: row.reason for row in report.left_out for node in row.ids if row.kind == "node"}
    assert "more than 1 degree from the origin" in reasons["77"]
    assert reasons["78"] == "in no way"
    assert any(re.match(r"origin of the map frame: latitude 4[89]\.\d+, longitude 8\.\d+", n) for n in report.notes)
    # A bound that has a node at 0, 0 is a slip too: its lanelet goes, the map stays.
    bad = re.sub(r"<node id='8' lat='[^']*' lon='[^']*'", "<node id='8' lat='0' lon='0'", osm(origin=place))
    network, report = load(tmp_path, bad)
    assert network.lane_ids.tolist() == [201, 202, 204, -204, 206]
    assert np.abs(network.centre_lines.values).max() < 100
    assert report.unaccounted == {}


def test_who_may_cross_a_solid_and_a_dashed_line_depends_on_the_side(tmp_path: Path) -> None:
    """Way 102 runs east: right of it lies lane 202, left of it 201."""
    for nodes in ((3, 4), (4, 3)):
        word = "solid_dashed" if nodes == (3, 4) else "dashed_solid"  # dashed towards lane 202
        old = "<way id='102'><nd ref='3'/><nd ref='4'/><tag k='type' v='line_thin'/><tag k='subtype' v='dashed'/>"
        refs = "".join(f"<nd ref='{node}'/>" for node in nodes)
        new = old.replace("'dashed'", f"'{word}'").replace("<nd ref='3'/><nd ref='4'/>", refs)
        assert old in osm()
        network, _ = load(tmp_path, osm().replace(old, new))
        assert network.left_boundary_types[row(network, 202)] == LineType.DASHED_WHITE
        assert network.right_boundary_types[row(network, 201)] == LineType.SOLID_WHITE


def test_a_right_turn_along_the_kerb_lies_in_the_intersection(tmp_path: Path) -> None:
    """From the west a lane forks into one straight on, crossed by another, and one to the right along the kerb."""
    nodes = {1: (0, 0), 2: (20, 0), 3: (0, 4), 4: (20, 4), 5: (40, 0), 6: (40, 4), 7: (23, -1), 8: (24, -4),
             9: (26, 2), 10: (28, -4), 11: (24, -20), 12: (28, -20), 13: (32, -20), 14: (36, -20), 15: (32, 20),
             16: (36, 20), 17: (40, -20)}  # fmt: skip
    ways = {21: ((1, 2), KERB), 22: ((3, 4), SOLID), 23: ((2, 5), VIRTUAL), 24: ((4, 6), VIRTUAL),
            25: ((2, 7, 8), KERB), 26: ((4, 9, 10), VIRTUAL), 27: ((8, 11), KERB), 28: ((10, 12), SOLID),
            29: ((13, 15), VIRTUAL), 30: ((14, 16), VIRTUAL)}  # fmt: skip
    lanes = {41: (22, 21), 42: (24, 23), 43: (26, 25), 44: (28, 27), 45: (29, 30)}
    from lanelet2 import core, io, projection

    projector = projection.UtmProjector(io.Origin(0.0, 0.0))
    text = []
    for key, (x, y) in nodes.items():
        place = projector.reverse(core.BasicPoint3d(float(x), float(y), 0.0))
        text.append(f"<node id='{key}' lat='{place.lat:.12f}' lon='{place.lon:.12f}'/>")
    for key, (points, tags) in ways.items():
        refs = "".join(f"<nd ref='{node}'/>" for node in points)
        text.append(f"<way id='{key}'>{refs}{_tags(tags)}</way>")
    for key, (left, right) in lanes.items():
        members = f"<member type='way' ref='{left}' role='left'/><member type='way' ref='{right}' role='right'/>"
        text.append(f"<relation id='{key}'>{members}{_tags(ROAD)}</relation>")
    network, _ = load(tmp_path, f"<osm>{''.join(text)}</osm>")
    assert network.right_boundary_types[row(network, 43)] == LineType.KERB
    assert network.lane_turns[row(network, 43)] == LaneTurn.RIGHT
    inside = dict(zip(network.lane_ids.tolist(), network.lane_in_intersection.tolist(), strict=True))
    assert inside == {41: False, 42: True, 43: True, 44: False, 45: True}


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="nowhere"):
        load_lanelet2(tmp_path / "nowhere.osm")


def test_origins(tmp_path: Path) -> None:
    (tmp_path / "m.osm").write_text(osm(origin=(49.0, 8.4)))
    given, _ = load_lanelet2(tmp_path / "m.osm", name="here", origin=(49.0, 8.4))
    assert given.name == "here"
    assert np.allclose(given.centre_lines[0][0], [0, 5.25, 0], atol=1e-3)
    middle, _ = load_lanelet2(tmp_path / "m.osm")
    assert np.abs(middle.centre_lines.values).max() < 50
    gap = np.diff(middle.centre_lines.values, axis=0) - np.diff(given.centre_lines.values, axis=0)
    assert np.abs(gap).max() < 1e-3
    (tmp_path / "m.osm").write_text(
        osm("<node id='77' lat='49' lon='8.4'><tag k='name' v='origin'/></node>", origin=(49, 8.4))
    )
    named, report = load_lanelet2(tmp_path / "m.osm")
    assert np.allclose(named.centre_lines.values, given.centre_lines.values)
    assert report.became("origin of the map frame") == 1


@pytest.mark.parametrize(
    ("text", "speed"),
    [
        ("50", 50 / 3.6),
        ("36 km/h", 10),
        ("30 mph", 13.4112),
        ("13.9 m/s", 13.9),
        ("de274-60", 60 / 3.6),
        ("7e1", 70 / 3.6),
    ],
)
def test_speeds(text: str, speed: float) -> None:
    assert speed_of(text) == pytest.approx(speed)


@pytest.mark.parametrize("text", ["", "fast", "-5", "0", "50 knots", "de274_1", "nan", "1e400", "de274-0"])
def test_no_speeds(text: str) -> None:
    assert np.isnan(speed_of(text))


def test_participants_decide_where_the_subtype_does_not() -> None:
    assert lanelet_kind({"participant:pedestrian": "yes"}) == AreaType.SIDEWALK
    assert lanelet_kind({"participant:bicycle": "yes"}) == LaneType.BIKE
    assert lanelet_kind({"subtype": "odd", "participant:vehicle:bus": "yes"}) == LaneType.BUS
    assert lanelet_kind({"subtype": "odd"}) == LaneType.VEHICLE
    assert lanelet_kind({"subtype": "walkway"}) == AreaType.SIDEWALK


def test_line_kinds() -> None:
    assert line_kind({"type": "line_thick", "subtype": "solid_solid"}) == LineType.DOUBLE_SOLID
    assert line_kind({"type": "line_thin", "subtype": "dashed", "color": "yellow"}) == LineType.DASHED_YELLOW
    assert line_kind({"type": "road_border"}) == LineType.KERB
    assert line_kind({"type": "traffic_sign"}) is None


@pytest.mark.parametrize(("path", "counts"), REAL_MAPS)
def test_real_maps_are_read_whole(path: str, counts: tuple[int, int, int]) -> None:
    if not (DATA / path).is_file():
        pytest.skip(f"no map at {DATA / path}; set ZOOX_STACK_DATA")
    network, report = load_lanelet2(DATA / path)
    assert (report.totals["node"], report.totals["way"], report.totals["relation"]) == counts
    assert report.unaccounted == {}
    lanelets = sum(r.count for r in (*report.used, *report.left_out) if "lanelet" in getattr(r, "subtype", ""))
    assert lanelets == {456: 371, 37: 37, 52: 48, 70: 66, 56: 52}[counts[2]]
    assert all(r.kind == "node" or r.ids for r in report.left_out)
    linked = sum(len(s) > 0 for s in network.successors)
    assert linked > 0.6 * len(network.lane_ids)
    assert all(len(lanes) for lanes in network.signal_lanes)
    back = network.right_neighbours[network.left_neighbours[network.left_neighbours >= 0]]
    assert np.array_equal(np.flatnonzero(network.left_neighbours >= 0), back)  # neighbours know each other
