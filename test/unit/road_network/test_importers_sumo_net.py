"""SUMO networks: a made-up T junction written out by hand."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from zoox_stack.core.classes import AreaType, LaneTurn, LaneType, LineType
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.road_network.conflicts import GiveWay
from zoox_stack.road_network.drivable import DrivableGrid
from zoox_stack.road_network.importers.sumo_net import SumoNet, offset_line, read_sumo_net
from zoox_stack.road_network.queries import LaneIndex

NET = """<net version="1.20">
  <location netOffset="0.00,0.00" convBoundary="0,0,200,0" origBoundary="0,0,200,0" projParameter="!"/>
  <edge id=":n_0" function="internal">
    <lane id=":n_0_0" index="0" speed="13.89" length="20" shape="90,-5 110,-5"/></edge>
  <edge id=":n_1" function="internal">
    <lane id=":n_1_0" index="0" speed="8.0" length="10" shape="90,-1.8 100,4"/></edge>
  <edge id=":n_2" function="internal">
    <lane id=":n_2_0" index="0" speed="8.0" length="10" shape="100,4 98.2,20"/></edge>
  <edge id=":n_c0" function="crossing" crossingEdges="in out">
    <lane id=":n_c0_0" index="0" allow="pedestrian" speed="1" length="7" width="4"
      shape="88,0 88,-7"/></edge>
  <edge id=":n_w0" function="walkingarea">
    <lane id=":n_w0_0" index="0" allow="pedestrian" speed="1" length="3" width="2"
      shape="86,-7 90,-7 90,-9 86,-9"/></edge>
  <edge id="back" from="n" to="a" priority="3">
    <lane id="back_0" index="0" speed="13.89" length="90" shape="90,1.6 0,1.6"/></edge>
  <edge id="in" from="a" to="n" priority="3">
    <lane id="in_0" index="0" allow="pedestrian" speed="1.4" length="90" width="2.00" shape="0,-7.8 90,-7.8"/>
    <lane id="in_1" index="1" disallow="pedestrian" speed="13.89" length="90" width="3.6" shape="0,-5 90,-5"/>
    <lane id="in_2" index="2" disallow="pedestrian" speed="13.89" length="90" width="2.8"
      shape="0,-1.8 90,-1.8"/></edge>
  <edge id="on" from="n" to="b" priority="3">
    <lane id="on_0" index="0" allow="bus" speed="13.89" length="90" shape="110,-5 200,-5"/></edge>
  <edge id="up" from="n" to="c" priority="1">
    <lane id="up_0" index="0" allow="bicycle" speed="8.33" length="60" shape="98.2,20 98.2,80"/></edge>
  <tlLogic id="n" type="static" programID="0" offset="0"><phase duration="30" state="Gg"/></tlLogic>
  <junction id="n" type="traffic_light" x="100" y="0" incLanes="in_1 in_2" intLanes=":n_0_0"
    shape="90,3 110,3 110,-7 90,-7"/>
  <junction id="a" type="dead_end" x="0" y="0" incLanes="back_0" intLanes="" shape="0,0 0,3 0,3"/>
  <connection from="in" to="on" fromLane="1" toLane="0" via=":n_0_0" tl="n" linkIndex="0" dir="s" state="O"/>
  <connection from="in" to="up" fromLane="2" toLane="0" via=":n_1_0" tl="n" linkIndex="1" dir="l" state="o"/>
  <connection from=":n_0" to="on" fromLane="0" toLane="0" dir="s" state="M"/>
  <connection from=":n_1" to="up" fromLane="0" toLane="0" via=":n_2_0" dir="l" state="m"/>
  <connection from=":n_2" to="up" fromLane="0" toLane="0" dir="l" state="M"/>
</net>"""


@pytest.fixture
def net(tmp_path: Path) -> SumoNet:
    path = tmp_path / "tee.net.xml"
    path.write_text(NET)
    return read_sumo_net(path)


def test_lanes(net: SumoNet) -> None:
    network, row = net.network, net.lane_rows
    assert network.name == "tee"
    assert set(row) == {":n_0_0", ":n_1_0", ":n_2_0", "back_0", "in_1", "in_2", "on_0", "up_0"}
    assert network.lane_widths[row["in_1"]] == np.float32(3.6)
    assert network.lane_widths[row["on_0"]] == np.float32(3.2)
    assert network.lane_speed_limits[row["in_2"]] == np.float32(13.89)
    assert network.lane_in_intersection[row[":n_1_0"]]
    assert not network.lane_in_intersection[row["in_1"]]
    kinds = [network.lane_types[row[name]] for name in ("in_1", "on_0", "up_0")]
    assert kinds == [LaneType.VEHICLE, LaneType.BUS, LaneType.BIKE]
    assert network.lane_turns[row[":n_0_0"]] == LaneTurn.STRAIGHT
    assert network.lane_turns[row[":n_1_0"]] == network.lane_turns[row[":n_2_0"]] == LaneTurn.LEFT


def test_links(net: SumoNet) -> None:
    network, row = net.network, net.lane_rows

    def following(name: str) -> list[int]:
        return network.successors[row[name]].tolist()

    assert following("in_1") == [row[":n_0_0"]]
    assert following(":n_0_0") == [row["on_0"]]
    assert following("in_2") == [row[":n_1_0"]]
    assert following(":n_1_0") == [row[":n_2_0"]]
    assert following(":n_2_0") == [row["up_0"]]
    assert following("on_0") == []
    assert network.left_neighbours[row["in_1"]] == row["in_2"]
    assert network.right_neighbours[row["in_2"]] == row["in_1"]
    assert network.right_neighbours[row["in_1"]] == -1  # the sidewalk is no lane
    assert net.edge_links["in"] == ("on", "up")
    assert net.walkable == {"in"}
    assert net.edge_lengths["in"] == pytest.approx(90)


def test_boundaries(net: SumoNet) -> None:
    network, row = net.network, net.lane_rows
    right, left = row["in_1"], row["in_2"]
    assert np.allclose(network.right_boundaries[right][:, 1], -6.8)
    assert np.allclose(network.left_boundaries[right][:, 1], network.right_boundaries[left][:, 1])
    assert network.right_boundary_types[right] == LineType.KERB
    assert network.left_boundary_types[right] == network.right_boundary_types[left] == LineType.DASHED_WHITE
    assert network.left_boundary_types[left] == LineType.SOLID_YELLOW
    assert network.left_boundary_types[row["on_0"]] == LineType.KERB  # nobody comes towards it
    assert network.left_boundary_types[row[":n_0_0"]] == LineType.NONE


def test_stop_lines_and_signals(net: SumoNet) -> None:
    network, row = net.network, net.lane_rows
    assert network.line_types.tolist() == [LineType.STOP, LineType.STOP]
    assert np.allclose(network.lines[0][:, 0], 90)
    assert np.allclose(sorted(network.lines[0][:, 1]), [-6.8, -3.2])
    assert net.signal_links == (("n", 0), ("n", 1))
    assert network.signal_lanes[0].tolist() == [row[":n_0_0"]]
    assert network.signal_lanes[1].tolist() == [row[":n_1_0"]]
    assert network.signal_positions[0].tolist() == [90, -5, 5]


def test_a_minor_link_without_signal_gets_a_yield_line(tmp_path: Path) -> None:
    text = NET.replace(' tl="n" linkIndex="0" dir="s" state="O"', ' dir="s" state="m"')
    text = text.replace(' tl="n" linkIndex="1" dir="l" state="o"', ' dir="l" state="M"')
    (tmp_path / "x.net.xml").write_text(text)
    network = read_sumo_net(tmp_path / "x.net.xml").network
    assert network.line_types.tolist() == [LineType.YIELD]
    assert len(network.signal_ids) == 0


def test_areas(net: SumoNet) -> None:
    network = net.network
    kinds = network.area_types.tolist()
    assert kinds.count(AreaType.CROSSWALK) == 1
    assert kinds.count(AreaType.SIDEWALK) == 2
    assert kinds.count(AreaType.INTERSECTION) == 1
    assert kinds.count(AreaType.DRIVABLE) == 6  # four roads, the junction, a seam: "back" is 0.2 m wider than it
    walk = network.areas[kinds.index(AreaType.CROSSWALK)]
    assert walk[:, 0].min() == 86
    assert walk[:, 0].max() == 90
    assert walk[:, 1].min() == -7


REQUESTS = """<request index="0" response="000" foes="110" cont="0"/>
    <request index="1" response="101" foes="101" cont="1"/>
    <request index="2" response="001" foes="011" cont="0"/>"""


def junction(requests: str, links: str = ":n_0_0 :n_2_0 :n_c0_0") -> str:
    """The network with rights of way: the turn :n_1 is the first part of the link that ends with :n_2."""
    head, body, shape = 'intLanes=":n_0_0"', f'intLanes="{links}"', 'shape="90,3 110,3 110,-7 90,-7"'
    return NET.replace(head, body).replace(f"{shape}/>", f"{shape}>{requests}</junction>")


def test_who_gives_way(tmp_path: Path) -> None:
    (tmp_path / "x.net.xml").write_text(junction(REQUESTS))
    net = read_sumo_net(tmp_path / "x.net.xml")
    row = net.lane_rows
    # Link 1 gives way to link 0 and to the crossing, which is no lane; both parts of the turn do.
    expected = {":n_1_0": [row[":n_0_0"]], ":n_2_0": [row[":n_0_0"]]}
    for name, number in row.items():
        assert net.network.yields[number].tolist() == expected.get(name, [])


def test_no_lane_gives_way_to_itself(tmp_path: Path) -> None:
    (tmp_path / "x.net.xml").write_text(junction(REQUESTS.replace('response="101"', 'response="111"')))
    net = read_sumo_net(tmp_path / "x.net.xml")
    assert net.network.yields[net.lane_rows[":n_2_0"]].tolist() == [net.lane_rows[":n_0_0"]]


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [
        ("", LaneType.VEHICLE),
        ('allow="all"', LaneType.VEHICLE),
        ('disallow="pedestrian tram"', LaneType.VEHICLE),
        ('allow="bus passenger"', LaneType.VEHICLE),
        ('disallow="passenger"', LaneType.BUS),
        ('disallow="private passenger hov taxi delivery truck"', LaneType.BUS),
        ('allow="bus taxi"', LaneType.BUS),
        ('disallow="passenger bus"', LaneType.BIKE),
        ('allow="bicycle pedestrian"', LaneType.BIKE),
        ('allow="motorcycle moped"', LaneType.OTHER),
        ('allow="tram" disallow="all"', LaneType.OTHER),
        ('disallow="passenger bus bicycle"', LaneType.OTHER),
    ],
)
def test_cars_decide_what_a_lane_is(tmp_path: Path, attributes: str, kind: LaneType) -> None:
    text = NET.replace('id="on_0" index="0" allow="bus"', f'id="on_0" index="0" {attributes}')
    (tmp_path / "x.net.xml").write_text(text)
    net = read_sumo_net(tmp_path / "x.net.xml")
    assert net.network.lane_types[net.lane_rows["on_0"]] == kind


@pytest.mark.parametrize("speed", ["inf", "nan", "0", "-1"])
def test_speeds_and_widths_that_say_nothing(tmp_path: Path, speed: str) -> None:
    text = NET.replace(
        'speed="13.89" length="90" shape="110,-5', f'speed="{speed}" width="{speed}" length="90" shape="110,-5'
    )
    assert text != NET
    (tmp_path / "x.net.xml").write_text(text)
    net = read_sumo_net(tmp_path / "x.net.xml")
    row = net.lane_rows["on_0"]
    assert np.isnan(net.network.lane_speed_limits[row])
    assert net.network.lane_widths[row] == np.float32(3.2)


def test_who_gives_way_is_not_known_without_requests(net: SumoNet) -> None:
    assert len(net.network.yields) == len(net.lane_rows)
    assert not len(net.network.yields.values)


@pytest.mark.parametrize("requests", [REQUESTS.replace('index="2"', 'index="7"'), REQUESTS.replace('"101"', '"1011"')])
def test_requests_for_links_that_are_not_there(tmp_path: Path, requests: str) -> None:
    (tmp_path / "x.net.xml").write_text(junction(requests))
    with pytest.raises(InvalidInputError, match="junction n has 3 links"):
        read_sumo_net(tmp_path / "x.net.xml")


def test_rights_of_way_of_a_real_netconvert(tmp_path: Path) -> None:
    """Left turns give way to oncoming traffic; every conflict between lanes has somebody who gives way."""
    sumo = pytest.importorskip("sumo", reason="needs the simulation extra (eclipse-sumo)")
    path = tmp_path / "grid.net.xml"
    options = "--grid --grid.number 2 --grid.attach-length 80 --no-turnarounds --seed 1"
    for kind in ("priority", "right_before_left", "traffic_light"):
        command = [
            str(Path(sumo.SUMO_HOME) / "bin" / "netgenerate"),
            *options.split(" "),
            "--default-junction-type",
            kind,
        ]
        subprocess.run([*command, "--output-file", str(path)], check=True, capture_output=True)
        network = read_sumo_net(path).network
        index = LaneIndex(network)
        conflicts = index.conflicts
        assert len(conflicts) >= 4 * 16
        assert (conflicts.gives_way != GiveWay.UNKNOWN).all()

        def arrival(row: int, index: LaneIndex = index) -> float:
            """Heading with which the junction is entered."""
            while index.network.lane_in_intersection[index.predecessors[row][0]]:
                row = int(index.predecessors[row][0])
            return float(index.lines[row].heading[0])

        oncoming = []
        for i in range(len(conflicts)):
            a, b = int(conflicts.first[i]), int(conflicts.second[i])
            turns = network.lane_turns[[a, b]].tolist()
            if sorted(turns) == [LaneTurn.STRAIGHT, LaneTurn.LEFT] and np.cos(arrival(a) - arrival(b)) < -0.9:
                waits = GiveWay.FIRST if turns[0] == LaneTurn.LEFT else GiveWay.SECOND
                oncoming.append(conflicts.gives_way[i] == waits)
        assert len(oncoming) >= 4 * 4
        assert all(oncoming)


PARKING = """<edge id="kerb" from="a" to="n" priority="1">
    <lane id="kerb_0" index="0" allow="" speed="13.89" length="50" width="2" shape="0,50 50,50"/>
    <lane id="kerb_1" index="1" disallow="pedestrian" speed="13.89" length="50" shape="0,52.6 50,52.6"/>
    <lane id="kerb_2" index="2" disallow="all" speed="13.89" length="50" width="2" shape="0,55.2 50,55.2"/></edge>
  <edge id="lone" from="a" to="b" priority="1">
    <lane id="lone_0" index="0" allow="custom1" speed="13.89" length="40" width="2" shape="0,70 20,70"/></edge>
  <tlLogic"""


def with_stops(tmp_path: Path, stops: str, root: str = "additional") -> SumoNet:
    (tmp_path / "x.net.xml").write_text(NET.replace("<tlLogic", PARKING, 1))
    (tmp_path / "x.add.xml").write_text(f"<{root}>{stops}</{root}>")
    return read_sumo_net(tmp_path / "x.net.xml", tmp_path / "x.add.xml")


def rings(net: SumoNet, kind: AreaType) -> list[list[float]]:
    """x from, x to, y from, y to of each area of a kind."""
    found = [net.network.areas[int(row)] for row in np.flatnonzero(net.network.area_types == kind)]
    return [[r[:, 0].min(), r[:, 0].max(), r[:, 1].min(), r[:, 1].max()] for r in found]


def test_lanes_for_nobody_are_parking_areas(tmp_path: Path) -> None:
    net = with_stops(tmp_path, "")
    assert not {"kerb_0", "kerb_2", "lone_0"} & set(net.lane_rows)
    assert rings(net, AreaType.PARKING) == [[0, 50, 49, 51], [0, 50, 54.2, 56.2], [0, 20, 69, 71]]
    row = net.lane_rows["kerb_1"]
    assert net.network.right_neighbours[row] == -1
    assert net.network.right_boundary_types[row] == LineType.SOLID_WHITE
    assert "kerb" not in net.walkable


def test_stops_lie_beside_their_lanes(tmp_path: Path) -> None:
    net = with_stops(
        tmp_path,
        """<busStop id="s1" lane="in_1" startPos="20" endPos="35"/>
        <busStop id="s2" lane="back_0" startPos="-30" endPos="-10"/>
        <parkingArea id="p1" lane="in_2" startPos="50" width="2"/>
        <parkingArea id="p2" lane="kerb_0" startPos="0" endPos="50"/>
        <vType id="car"/>""",
    )
    first, second = rings(net, AreaType.BUS_STOP)
    np.testing.assert_allclose(first, [20, 35, -6.8 - 2.5, -6.8])
    np.testing.assert_allclose(second, [10, 30, 3.2, 5.7])  # the lane runs to the left: its right side is above
    np.testing.assert_allclose(rings(net, AreaType.PARKING)[-1], [50, 90, -5.2, -3.2])
    assert len(rings(net, AreaType.PARKING)) == 4  # the place on a parking lane is that lane


@pytest.mark.parametrize(
    ("stops", "root", "complaint"),
    [
        ('<busStop id="s" lane="moon_0"/>', "additional", "BUS_STOP s: expected a lane of x, found 'moon_0'"),
        ('<busStop id="s" lane="in_1" startPos="95"/>', "additional", "BUS_STOP s: .*90.0 m"),
        ('<busStop id="s" lane="in_1" startPos="far"/>', "additional", "positions in metres"),
        ('<parkingArea id="p"/>', "additional", "id='p'.*'lane'"),
        ("", "routes", "root element <additional>"),
        ("<", "additional", "readable XML"),
    ],
)
def test_bad_stops_are_named(tmp_path: Path, stops: str, root: str, complaint: str) -> None:
    with pytest.raises(InvalidInputError, match=complaint):
        with_stops(tmp_path, stops, root)


def test_walking_areas_without_width_are_left_out(tmp_path: Path) -> None:
    text = NET.replace('shape="86,-7 90,-7 90,-9 86,-9"', 'shape="86,-7 90,-7.1 86,-7.2 90,-7.1"')
    (tmp_path / "x.net.xml").write_text(text)
    assert read_sumo_net(tmp_path / "x.net.xml").network.area_types.tolist().count(AreaType.SIDEWALK) == 1


def test_offset_line_keeps_the_distance_at_corners() -> None:
    corner = np.array([[0.0, 0, 0], [10, 0, 0], [10, 10, 0]])
    assert np.allclose(offset_line(corner, 2.0), [[0, 2, 0], [8, 2, 0], [8, 10, 0]])
    assert np.allclose(offset_line(corner, -1.0)[1], [11, -1, 0])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("<net", "readable XML"),
        ("<routes/>", "root element"),
        ('<net lefthand="true"/>', "right-hand"),
        ("<net/>", "vehicle lanes"),
        (NET.replace('speed="8.0"', 'speed="fast"'), r"bad.net.xml: lane :n_1_0: .*fast"),
        (NET.replace("100,4 98.2,20", "nan,4 98.2,20"), "lane :n_2_0: .*not finite"),
        (NET.replace("100,4 98.2,20", ""), "lane :n_2_0: .*without points"),
        (NET.replace('id="in_2"', 'id="in_1"'), "lane in_1: .*the same id twice"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "bad.net.xml").write_text(text)
    with pytest.raises(InvalidInputError, match=complaint):
        read_sumo_net(tmp_path / "bad.net.xml")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="nowhere"):
        read_sumo_net(tmp_path / "nowhere.net.xml")


def test_the_wedge_between_a_road_and_a_junction_that_it_meets_askew_is_ground(tmp_path: Path) -> None:
    askew = NET.replace('shape="90,3 110,3 110,-7 90,-7"', 'shape="91,3 110,3 110,-7 92.5,-7"')
    (tmp_path / "x.net.xml").write_text(askew)
    network = read_sumo_net(tmp_path / "x.net.xml").network
    grid = DrivableGrid(LaneIndex(network), cell=0.1, margin=0.0)
    along = np.stack([np.linspace(85, 100, 61), np.full(61, -5.0)], axis=1)
    assert grid.contains(along).all()
