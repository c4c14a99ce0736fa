"""CommonRoad lanelets: a made-up junction in both versions of the format; real scenarios where a copy is at hand."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import numpy as np
import pytest

from zoox_stack.core.classes import AreaType, LaneTurn, LaneType, LineType
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.road_network.importers.commonroad import load_commonroad
from zoox_stack.road_network.importers.report import ImportReport
from zoox_stack.road_network.network import RoadNetwork

DATA = Path(os.environ.get("ZOOX_STACK_DATA", Path(__file__).parents[4] / "shared" / "data")) / "ngsim_commonroad"


def lanelet(key: int, left: str, right: str, inside: str = "", marks: tuple[str, str] = ("", "")) -> str:
    """A lanelet whose bounds are given as ``x,y x,y``."""
    bounds = []
    for tag, line, mark in (("leftBound", left, marks[0]), ("rightBound", right, marks[1])):
        points = "".join(f"<point><x>{p.split(',')[0]}</x><y>{p.split(',')[1]}</y></point>" for p in line.split())
        bounds.append(f"<{tag}>{points}{f'<lineMarking>{mark}</lineMarking>' if mark else ''}</{tag}>")
    return f"<lanelet id='{key}'>{''.join(bounds)}{inside}</lanelet>"


def sign(key: int, word: str, value: str = "") -> str:
    element = f"<trafficSignElement><trafficSignID>{word}</trafficSignID>{value}</trafficSignElement>"
    return f"<trafficSign id='{key}'>{element}</trafficSign>"


def file(body: str, version: str = "2020a") -> str:
    return (
        f"<commonRoad commonRoadVersion='{version}' benchmarkID='DEU_Made-1_1' timeStepSize='0.1'>{body}</commonRoad>"
    )


# From the west (1, beside 2) and from the south (3) into a junction; 11 and 12 lead through it to 21.
WEST = lanelet(
    1,
    "0,3.5 20,3.5",
    "0,0 20,0",
    "<successor ref='11'/><adjacentLeft ref='2' drivingDir='opposite'/><adjacentRight ref='4' drivingDir='same'/>"
    "<stopLine><lineMarking>solid</lineMarking><trafficLightRef ref='51'/></stopLine><laneletType>urban</laneletType>"
    "<trafficSignRef ref='41'/><trafficSignRef ref='43'/><trafficLightRef ref='51'/>",
    ("dashed", "curb"),
)
SOUTH = lanelet(
    3,
    "30,-30 30,-10",
    "33.5,-30 33.5,-10",
    "<successor ref='12'/><stopLine><point><x>30</x><y>-11</y></point><point><x>33.5</x><y>-11</y></point>"
    "<trafficSignRef ref='42'/></stopLine><trafficSignRef ref='42'/>",
    ("solid", "no_marking"),
)
BODY = "".join(
    [
        WEST,
        lanelet(2, "20,3.5 0,3.5", "20,7 0,7", "<laneletType>busLane</laneletType>"),
        SOUTH,
        lanelet(
            4, "0,0 20,0", "0,-2 20,-2", "<adjacentLeft ref='1' drivingDir='same'/><userOneWay>bicycle</userOneWay>"
        ),
        lanelet(11, "20,3.5 40,3.5", "20,0 40,0", "<predecessor ref='1'/><successor ref='21'/>"),
        lanelet(12, "30,-10 30.5,-1 40,3.5", "33.5,-10 34,-3 40,0", "<successor ref='21'/>"),
        lanelet(
            21, "40,3.5 60,3.5", "40,0 60,0", "<predecessor ref='11'/><predecessor ref='12'/><predecessor ref='99'/>"
        ),
        lanelet(31, "45,-2 45,6", "48,-2 48,6", "<laneletType>crosswalk</laneletType>"),
        lanelet(32, "0,12 60,12", "0,9 60,9", "<laneletType>sidewalk</laneletType>"),
        sign(41, "274", "<additionalValue>8.33</additionalValue>"),
        sign(42, "205"),
        sign(43, "306"),
        sign(44, "310"),
        "<trafficLight id='51'><position><point><x>21</x><y>-1</y></point></position></trafficLight>",
        "<trafficLight id='52'><active>true</active></trafficLight>",
        "<intersection id='61'>",
        "<incoming id='62'><incomingLanelet ref='1'/><successorsStraight ref='11'/></incoming>",
        "<incoming id='63'><incomingLanelet ref='3'/><successorsRight ref='12'/></incoming>",
        "</intersection>",
        "<dynamicObstacle id='71'/><planningProblem id='72'/><location/>",
    ]
)


def load(folder: Path, text: str) -> tuple[RoadNetwork, ImportReport]:
    (folder / "made.xml").write_text(text)
    return load_commonroad(folder / "made.xml")


@pytest.fixture
def loaded(tmp_path: Path) -> tuple[RoadNetwork, ImportReport]:
    return load(tmp_path, file(BODY))


def test_lanes_and_links(loaded: tuple[RoadNetwork, ImportReport]) -> None:
    network, _ = loaded
    assert network.name == "DEU_Made-1_1"
    assert network.lane_ids.tolist() == [1, 2, 3, 4, 11, 12, 21]
    kinds = [LaneType.VEHICLE, LaneType.BUS, LaneType.VEHICLE, LaneType.BIKE] + [LaneType.VEHICLE] * 3
    assert network.lane_types.tolist() == kinds
    assert [s.tolist() for s in network.successors] == [[4], [], [5], [], [6], [6], []]
    assert network.left_neighbours.tolist() == [-1, -1, -1, 0, -1, -1, -1]  # oncoming lanes are no neighbours
    assert network.right_neighbours.tolist() == [3, -1, -1, -1, -1, -1, -1]
    assert network.left_boundary_types.tolist()[:3] == [LineType.DASHED_WHITE, LineType.UNKNOWN, LineType.SOLID_WHITE]
    assert network.right_boundary_types.tolist()[:3] == [LineType.KERB, LineType.UNKNOWN, LineType.NONE]
    assert network.centre_lines[0][-1].tolist() == [20, 1.75, 0]
    assert network.lane_widths[0] == pytest.approx(3.5)


def test_of_two_lines_the_one_next_to_the_lane_counts(tmp_path: Path) -> None:
    body = lanelet(1, "0,3.5 20,3.5", "0,0 20,0", marks=("solid_dashed", "solid_dashed"))
    network, _ = load(
        tmp_path, file(body + lanelet(2, "0,0 20,0", "0,-3 20,-3", marks=("dashed_solid", "dashed_solid")))
    )
    assert network.left_boundary_types.tolist() == [LineType.DASHED_WHITE, LineType.SOLID_WHITE]
    assert network.right_boundary_types.tolist() == [LineType.SOLID_WHITE, LineType.DASHED_WHITE]


def test_a_light_that_is_there_twice_counts_once(tmp_path: Path) -> None:
    light = "<trafficLight id='51'><position><point><x>21</x><y>-1</y></point></position></trafficLight>"
    network, report = load(tmp_path, file(BODY + light))
    assert network.signal_ids.tolist() == [51]
    assert any("used twice" in row.reason for row in report.left_out if row.kind == "trafficLight")
    assert report.unaccounted == {}


def test_junction(loaded: tuple[RoadNetwork, ImportReport]) -> None:
    network, _ = loaded
    assert np.flatnonzero(network.lane_in_intersection).tolist() == [4, 5]
    assert network.lane_turns.tolist()[4:6] == [LaneTurn.STRAIGHT, LaneTurn.RIGHT]
    assert [y.tolist() for y in network.yields] == [[], [], [], [], [], [4], []]
    limits = [8.33, *[np.nan] * 6]
    assert np.allclose(network.lane_speed_limits, limits, equal_nan=True)
    assert network.signal_ids.tolist() == [51]
    assert network.signal_positions.tolist() == [[21, -1, 0]]
    assert network.signal_lanes[0].tolist() == [0]
    assert network.line_types.tolist() == [LineType.STOP, LineType.YIELD]
    assert network.lines[0].tolist() == [[20, 0, 0], [20, 3.5, 0]]  # no points: across the end of the lane
    assert network.lines[1].tolist() == [[30, -11, 0], [33.5, -11, 0]]


def test_right_before_left(tmp_path: Path) -> None:
    body = BODY.replace("<trafficSignID>205<", "<trafficSignID>102<").replace(
        "<trafficSignID>306<", "<trafficSignID>102<"
    )
    body = body.replace("<incomingLanelet ref='1'/>", "<incomingLanelet ref='1'/><isLeftOf ref='63'/>")
    network, _ = load(tmp_path, file(body))
    assert [y.tolist() for y in network.yields] == [[], [], [], [], [5], [], []]
    assert network.line_types.tolist() == [LineType.STOP, LineType.STOP]


def test_areas(loaded: tuple[RoadNetwork, ImportReport]) -> None:
    areas = dict(zip(loaded[0].area_ids.tolist(), loaded[0].area_types.tolist(), strict=True))
    drivable = dict.fromkeys((1, 2, 3, 11, 12, 21), AreaType.DRIVABLE)
    assert areas == {31: AreaType.CROSSWALK, 32: AreaType.SIDEWALK, **drivable}


def test_every_element_is_accounted_for(loaded: tuple[RoadNetwork, ImportReport]) -> None:
    report = loaded[1]
    assert report.unaccounted == {}
    assert report.totals["lanelet"] == 9
    assert report.totals["stopLine"] == 2
    for kind, total in report.totals.items():
        assert total == sum(r.count for r in (*report.used, *report.left_out) if r.kind == kind)
    left = {(r.kind, r.ids) for r in report.left_out}
    expected = {("trafficSign", ("44",)), ("trafficLight", ("52",)), ("dynamicObstacle", ("71",))}
    assert expected <= left


def test_version_2018b(tmp_path: Path) -> None:
    body = lanelet(1, "0,3.5 20,3.5", "0,0 20,0", "<successor ref='2'/><speedLimit>13.4</speedLimit>")
    body += lanelet(2, "20,3.5 40,3.5", "20,0 40,0") + "<obstacle id='5'/>"
    network, report = load(tmp_path, file(body, "2018b"))
    assert network.successors[0].tolist() == [1]
    assert np.allclose(network.lane_speed_limits, [13.4, np.nan], equal_nan=True)
    assert report.file_format == "CommonRoad 2018b"
    assert report.unaccounted == {}


def test_without_intersections_lanes_that_cross_lie_inside(tmp_path: Path) -> None:
    crossing = lanelet(1, "0,2 40,2", "0,-2 40,-2") + lanelet(2, "18,-20 18,20", "22,-20 22,20")
    network, _ = load(tmp_path, file(crossing + lanelet(3, "0,40 40,40", "0,36 40,36"), "2018b"))
    assert network.lane_in_intersection.tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (lanelet(9, "0,0", "0,1 5,1"), "leftBound with fewer than 2"),
        (lanelet(9, "0,0 5,0", "nan,1 5,1"), "no finite number"),
        ("<lanelet id='9'><leftBound/></lanelet>", "leftBound with fewer than 2"),
        ("<lanelet id='9'/>", "without leftBound"),
        ("<lanelet id='nine'/>", "no whole number"),
        (lanelet(1, "0,0 5,0", "0,1 5,1"), "used twice"),
    ],
)
def test_one_bad_lanelet_is_left_out_and_named(tmp_path: Path, bad: str, reason: str) -> None:
    network, report = load(tmp_path, file(BODY + bad))
    assert len(network.lane_ids) == 7
    assert report.unaccounted == {}
    assert any(r.kind == "lanelet" and reason in r.reason and len(r.ids) == 1 for r in report.left_out)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("<commonRoad", "readable XML"),
        ("<osm/>", "root element"),
        (file("", "2017a"), "version 2018b or 2020a"),
        (file(""), "at least one lanelet"),
        (file(lanelet(1, "0,0", "0,1 5,1")), "leftBound with fewer than 2"),
        (file(lanelet(1, "0,0 1,0", "0,-1 1,-1", "<successor ref='next'/>")), "elements of a CommonRoad"),
        (file(lanelet(1, "0,0 east,0", "0,-1 1,-1")), "could not convert"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(InvalidInputError, match=complaint):
        load(tmp_path, text)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="nowhere"):
        load_commonroad(tmp_path / "nowhere.xml")


def test_real_scenarios(tmp_path: Path) -> None:
    if not DATA.is_dir():
        pytest.skip(f"no CommonRoad scenarios at {DATA}; set ZOOX_STACK_DATA")
    with tarfile.open(DATA / "ngsim_us101_lankershim.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    paths = sorted(tmp_path.rglob("*.xml"))
    assert len(paths) == 78
    lanes = 0
    for path in [*paths[::13], DATA / "sample" / "USA_US101-22_3_T-1.xml"]:
        network, report = load_commonroad(path)
        assert report.unaccounted == {}
        assert len(network.lane_ids) == report.totals["lanelet"]
        back = network.right_neighbours[network.left_neighbours[network.left_neighbours >= 0]]
        assert np.array_equal(np.flatnonzero(network.left_neighbours >= 0), back)
        lanes += len(network.lane_ids)
    assert lanes > 200
