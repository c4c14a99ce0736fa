"""SUMO networks: a made-up T junction written out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zoox_stack.core.classes import AreaType, LaneTurn, LaneType, LineType
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.road_network.importers.sumo_net import SumoNet, offset_line, read_sumo_net

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
    assert kinds.count(AreaType.DRIVABLE) == 5
    walk = network.areas[kinds.index(AreaType.CROSSWALK)]
    assert walk[:, 0].min() == 86
    assert walk[:, 0].max() == 90
    assert walk[:, 1].min() == -7


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
        (NET.replace('speed="8.0"', 'speed="fast"'), "elements of a SUMO network"),
        (NET.replace("100,4 98.2,20", "nan,4 98.2,20"), "elements of a SUMO network"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "bad.net.xml").write_text(text)
    with pytest.raises(InvalidInputError, match=complaint):
        read_sumo_net(tmp_path / "bad.net.xml")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="nowhere"):
        read_sumo_net(tmp_path / "nowhere.net.xml")
