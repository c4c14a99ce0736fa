"""Towns are drawn from their seed; netconvert makes of them what their descriptions promise."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import networkx as nx
import numpy as np
import pytest

from zoox_stack.core.classes import AreaType, LaneType, LineType
from zoox_stack.core.errors import ConfigurationError, InvalidInputError
from zoox_stack.simulation.ego_route import car_ways
from zoox_stack.simulation.town_definition import load_town_definition, town_names
from zoox_stack.simulation.town_plan import PARKING_CLASS, PROTECTED_LEFT
from zoox_stack.simulation.towns import LAYOUTS, Town, build_town

SEEDS = (1, 2)
Build = Callable[[str, int], Town]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Builds a town once."""
    pytest.importorskip("sumo", reason="needs the simulation extra (eclipse-sumo)")
    folder, towns = tmp_path_factory.mktemp("towns"), {}

    def build(name: str, seed: int) -> Town:
        if (name, seed) not in towns:
            towns[name, seed] = build_town(name, seed, folder)
        return towns[name, seed]

    return build


def _root(town: Town) -> ET.Element:
    return ET.parse(town.net_path).getroot()


def _lane_types(town: Town) -> set[int]:
    return set(town.net.network.lane_types.tolist())


def _area_types(town: Town) -> set[int]:
    return set(town.net.network.area_types.tolist())


@pytest.mark.parametrize("name", town_names())
def test_plan_depends_on_the_seed_only(name: str) -> None:
    assert load_town_definition(name).plan(5) == load_town_definition(name).plan(5)
    if name != "market_square":  # hand-made
        assert load_town_definition(name).plan(5).nodes != load_town_definition(name).plan(6).nodes


@pytest.mark.parametrize("name", town_names())
@pytest.mark.parametrize("seed", range(8))
def test_streets_connect_all_nodes(name: str, seed: int) -> None:
    plan = load_town_definition(name).plan(seed)
    streets = nx.Graph((street.start, street.end) for street in plan.streets)
    assert set(streets) == set(plan.nodes)
    parts = nx.number_connected_components(streets)
    assert parts == (2 if name == "motorway_ramp" else 1)  # the carriageways of a motorway
    assert len(plan.streets) == len({frozenset((s.start, s.end)) for s in plan.streets})
    assert plan.name == f"{name}_{seed}"


def test_towns_of_the_training_sets_exist() -> None:
    assert set(LAYOUTS) <= set(town_names())


def test_unknown_town_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"signal_grid.*found 'castle'"):
        load_town_definition("castle").plan(1)


@pytest.mark.parametrize("name", town_names())
@pytest.mark.parametrize("seed", SEEDS)
def test_every_lane_leads_somewhere(built: Build, name: str, seed: int) -> None:
    town = built(name, seed)
    plan, network = load_town_definition(name).plan(seed), town.net.network
    entered = set(network.successors.values.tolist())
    ending = set()
    for lane, row in town.net.lane_rows.items():
        start, end = (plan.nodes.get(node) for node in (lane.split("-")[0], lane.rsplit("_", 1)[0].rsplit("-", 1)[-1]))
        if network.lane_in_intersection[row]:
            assert row in entered, lane
            assert len(network.successors[row]) == 1, lane
            continue
        if start is None or start.kind != "dead_end":
            assert row in entered, lane
        if not len(network.successors[row]) and (end is None or end.kind != "dead_end"):
            ending.add(lane)
    assert ending == ({"e1-e2_0", "w1-w2_0"} if name == "motorway_ramp" else set())  # acceleration lanes


@pytest.mark.parametrize("name", town_names())
@pytest.mark.parametrize("seed", SEEDS)
def test_cars_come_in_get_everywhere_and_out_again(built: Build, name: str, seed: int) -> None:
    ways = car_ways(built(name, seed).net)
    graph = nx.DiGraph((edge, way.edge) for edge, following in ways.items() for way in following)
    assert set(graph) == set(ways)
    entries = [edge for edge, degree in graph.in_degree() if degree == 0]
    exits = [edge for edge, degree in graph.out_degree() if degree == 0]
    assert set(ways) == set().union(*({edge} | nx.descendants(graph, edge) for edge in entries))
    assert set(ways) == set().union(*({edge} | nx.ancestors(graph, edge) for edge in exits))


@pytest.mark.parametrize("name", town_names())
def test_cars_may_turn_wherever_others_may(built: Build, name: str) -> None:
    town = built(name, 1)
    ways = {edge: {way.edge for way in following} for edge, following in car_ways(town.net).items()}
    assert {edge: set(links) for edge, links in town.net.edge_links.items()} == {e: w for e, w in ways.items() if w}


@pytest.mark.parametrize("name", [name for name in town_names() if name != "motorway_ramp"])
def test_there_is_room_for_pedestrians(built: Build, name: str) -> None:
    town = built(name, 1)
    assert {AreaType.DRIVABLE, AreaType.CROSSWALK, AreaType.SIDEWALK} <= _area_types(town)
    assert set(town.net.network.line_types.tolist()) <= {LineType.STOP, LineType.YIELD}
    assert len(town.net.network.line_ids)


@pytest.mark.parametrize("seed", SEEDS)
def test_signal_grid_has_protected_and_permissive_lefts(built: Build, seed: int) -> None:
    root, plan = _root(built("signal_grid", seed)), load_town_definition("signal_grid").plan(seed)
    lefts: dict[str, set[int]] = {}
    for link in root.findall("connection"):
        if link.get("tl") and link.attrib["dir"] == "l":
            lefts.setdefault(link.attrib["tl"], set()).add(int(link.attrib["linkIndex"]))
    kinds = set()
    for program in root.findall("tlLogic"):
        name = program.attrib["id"]
        states = [phase.attrib["state"] for phase in program.findall("phase")]
        shown = [{state[k] for k in lefts[name]} for state in states]
        kinds.add(plan.nodes[name].kind)
        if plan.nodes[name].kind == PROTECTED_LEFT:
            assert not any("g" in colours for colours in shown)
            assert any(
                "G" in colours
                and set(state) <= {"G", "r"}
                and state.count("G") == sum(state[k] == "G" for k in lefts[name])
                for state, colours in zip(states, shown, strict=True)
            )  # a phase in which nobody but those who turn left goes
        else:
            assert any("g" in colours for colours in shown)
            assert not any("G" in colours for colours in shown)
        assert "r" * len(states[0]) in states  # all red
    assert kinds == {PROTECTED_LEFT, "traffic_light"}


@pytest.mark.parametrize("seed", SEEDS)
def test_signal_grid_has_lights_for_pedestrians(built: Build, seed: int) -> None:
    root = _root(built("signal_grid", seed))
    crossings = {edge.attrib["id"] for edge in root.findall("edge") if edge.get("function") == "crossing"}
    links = [link for link in root.findall("connection") if link.attrib["to"] in crossings and link.get("tl")]
    assert {link.attrib["to"] for link in links} == crossings
    programs = {
        p.attrib["id"]: [phase.attrib["state"] for phase in p.findall("phase")] for p in root.findall("tlLogic")
    }
    for link in links:
        shown = {state[int(link.attrib["linkIndex"])] for state in programs[link.attrib["tl"]]}
        assert shown == {"G", "r"}


@pytest.mark.parametrize("name", ["random", "bus_and_bike"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_protected_lefts_never_meet_oncoming_traffic(built: Build, name: str, seed: int) -> None:
    root, plan = _root(built(name, seed)), load_town_definition(name).plan(seed)
    programs = {
        p.attrib["id"]: [phase.attrib["state"] for phase in p.findall("phase")] for p in root.findall("tlLogic")
    }
    pockets = [
        link
        for link in root.findall("connection")
        if link.attrib["from"].endswith("-pocket") and link.get("dir") == "l" and link.get("tl")
        and "bicycle" not in _allowed(root, link)
    ]  # fmt: skip
    assert bool(pockets) == (PROTECTED_LEFT in {node.kind for node in plan.nodes.values()})
    edges = {(link.get("tl"), link.get("linkIndex")): link.attrib["from"] for link in root.findall("connection")}
    for link in pockets:
        junction, k = link.attrib["tl"], int(link.attrib["linkIndex"])
        for state in programs[junction]:
            going = {edges[junction, str(i)] for i, colour in enumerate(state) if colour in "gG"}
            others = {edge for edge in going if not edge.startswith(":") and edge != link.attrib["from"]}
            assert state[k] != "g" or not others, link.attrib  # where nobody comes, one waits for pedestrians alone
        assert any(state[k] in "gG" for state in programs[junction])


def _allowed(root: ET.Element, link: ET.Element) -> str:
    (lane,) = (
        lane for lane in root.iter("lane") if lane.attrib["id"] == f"{link.attrib['from']}_{link.attrib['fromLane']}"
    )
    return lane.get("allow", "")


@pytest.mark.parametrize("seed", SEEDS)
def test_motorway_has_merging_lanes_and_nobody_on_foot(built: Build, seed: int) -> None:
    town = built("motorway_ramp", seed)
    network, rows = town.net.network, town.net.lane_rows
    assert network.lane_speed_limits.max() * 3.6 >= 100
    assert not {AreaType.CROSSWALK, AreaType.SIDEWALK} & _area_types(town)
    assert _lane_types(town) == {LaneType.VEHICLE}
    for side in ("e", "w"):
        end = rows[f"{side}1-{side}2_0"]  # the acceleration lane
        assert not len(network.successors[end])
        assert network.left_neighbours[end] == rows[f"{side}1-{side}2_1"]
        assert town.net.edge_links[f"{side}on-{side}1"] == (f"{side}1-{side}2",)
        assert set(town.net.edge_links[f"{side}3-{side}4"]) == {f"{side}4-{side}5", f"{side}4-{side}off"}
        assert town.net.edge_lengths[f"{side}1-{side}2"] > 150


@pytest.mark.parametrize("seed", SEEDS)
def test_buses_and_bicycles_have_lanes_and_stops(built: Build, seed: int) -> None:
    town = built("bus_and_bike", seed)
    assert {LaneType.VEHICLE, LaneType.BUS, LaneType.BIKE} <= _lane_types(town)
    assert AreaType.BUS_STOP in _area_types(town)
    assert town.additional_path is not None
    for stop in ET.parse(town.additional_path).getroot().findall("busStop"):
        row = town.net.lane_rows[stop.attrib["lane"]]
        assert town.net.network.lane_types[row] == LaneType.BUS
        assert float(stop.attrib["endPos"]) - float(stop.attrib["startPos"]) >= 12


@pytest.mark.parametrize("seed", SEEDS)
def test_downtown_has_parking_lanes_one_way_streets_and_many_people(built: Build, seed: int) -> None:
    town = built("downtown", seed)
    lanes = [lane for lane in _root(town).iter("lane") if lane.get("allow") == PARKING_CLASS]
    assert len(lanes) >= 8
    assert {float(lane.attrib["width"]) for lane in lanes} == {2.2}
    assert AreaType.PARKING in _area_types(town)
    ways = [tuple(edge.split("-")) for edge in car_ways(town.net)]
    assert sum((end, start) not in ways for start, end in ways) >= 4
    assert town.demand.pedestrians_per_km > 2 * built("arterial", seed).demand.pedestrians_per_km


def test_people_walk_on_both_sides_of_one_way_streets(built: Build) -> None:
    town = built("market_square", 1)
    assert {"sw-se", "se-sw"} <= town.net.walkable
    assert "se-sw" not in town.net.edge_links


@pytest.mark.parametrize("seed", SEEDS)
def test_village_is_slow_narrow_and_gives_way_to_the_right(built: Build, seed: int) -> None:
    town = built("village", seed)
    kinds = [junction.attrib["type"] for junction in _root(town).findall("junction")]
    assert kinds.count("right_before_left") >= 2
    assert "traffic_light" not in kinds
    assert town.net.network.lane_speed_limits.max() * 3.6 <= 30.1
    assert np.nanmax(town.net.network.lane_widths) < 3
    assert any(name.startswith("z_") for name in load_town_definition("village").plan(seed).nodes)
    assert AreaType.PARKING in _area_types(town)


@pytest.mark.parametrize("seed", SEEDS)
def test_those_on_a_roundabout_go_first(built: Build, seed: int) -> None:
    town = built("roundabout", seed)
    network, rows = town.net.network, town.net.lane_rows
    entries = [(edge, links) for edge, links in town.net.edge_links.items() if edge.startswith("a") and "-r" in edge]
    assert len(entries) >= 3
    for edge, _ in entries:
        waiting = {int(k) for k in network.successors[rows[f"{edge}_1"]]}
        assert all(len(network.yields[k]) for k in waiting)
    rings = [edge for edge in town.net.edge_links if re.fullmatch(r"(r\d+)_[\d_]+-\1_[\d_]+", edge)]
    assert rings
    for edge in rings:
        assert not any(len(network.yields[int(k)]) for k in network.successors[rows[f"{edge}_0"]])


@pytest.mark.parametrize("seed", SEEDS)
def test_lanes_of_the_arterial_begin_end_and_merge(built: Build, seed: int) -> None:
    town = built("arterial", seed)
    rows, successors = town.net.lane_rows, town.net.network.successors
    lanes = {
        edge: sum(lane.rsplit("_", 1)[0] == edge for lane in rows) for edge in ("west-merge", "merge-drop", "drop-m0")
    }
    assert lanes == {"west-merge": 2, "merge-drop": 3, "drop-m0": 2}
    assert "slip-merge" in town.net.edge_links
    ends = [int(successors[int(successors[rows[f"merge-drop_{k}"]][0])][0]) for k in (1, 2)]
    assert ends[0] == ends[1]  # two lanes become one


@pytest.mark.parametrize("seed", range(6))
def test_random_towns_are_of_many_kinds(seed: int) -> None:
    plan = load_town_definition("random").plan(seed)
    assert len({node.kind for node in plan.nodes.values()} - {"dead_end", "joint", "zebra"}) >= 2
    assert sum(node.kind == "dead_end" for node in plan.nodes.values()) >= 2
    assert np.abs([street.bend for street in plan.streets]).max() > 3


def test_same_seed_same_network(tmp_path: Path, built: Build) -> None:
    again = build_town("random", 1, tmp_path)

    def content(path: Path) -> list[str]:
        return [line for line in path.read_text().splitlines() if "<!--" not in line and "-files" not in line]

    assert content(again.net_path) == content(built("random", 1).net_path)


def test_coordinates_are_those_of_the_plan(town: Town) -> None:
    plan = load_town_definition("signal_grid").plan(3)
    nodes = np.array([(node.x, node.y) for node in plan.nodes.values()])
    points = town.net.network.centre_lines.values[:, :2]
    assert np.abs(points.min(axis=0) - nodes.min(axis=0)).max() < 15
    assert np.abs(points.max(axis=0) - nodes.max(axis=0)).max() < 15


def test_a_town_without_a_route_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("sumo", reason="needs the simulation extra (eclipse-sumo)")
    path = tmp_path / "lane.yaml"
    path.write_text(
        "description: One street.\nlayout:\n  kind: explicit\n  nodes:\n    a: {x: 0.0, y: 0.0, kind: dead_end}\n"
        "    b: {x: 90.0, y: 0.0, kind: dead_end}\n  streets:\n  - {start: a, end: b}\n"
    )
    with pytest.raises(InvalidInputError, match=r"town lane_1: expected a route of .* for the ego, found none"):
        build_town(path, 1, tmp_path)
