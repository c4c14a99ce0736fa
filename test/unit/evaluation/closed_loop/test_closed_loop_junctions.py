"""Kinds of junctions along a route, and the parts of a drive that pass them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from zoox_stack.core.classes import LaneTurn
from zoox_stack.core.plans import Route
from zoox_stack.core.ragged import Ragged
from zoox_stack.evaluation.closed_loop_junctions import Junction, JunctionFinder, JunctionKind, passages
from zoox_stack.road_network.made_up import crossing, straight_road
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.road_network.queries import LaneIndex

# From the east over the crossing: lane in, connection, lane out.
RIGHT, STRAIGHT, LEFT = (0, 8, 5), (0, 9, 6), (0, 10, 7)


def _route(network: RoadNetwork, rows: tuple[int, ...]) -> Route:
    line = LaneIndex(network).path_of(rows).line
    return Route(0, np.column_stack([line.xy, np.zeros(len(line.xy))]), network.lane_ids[list(rows)])


def _kinds(network: RoadNetwork, rows: tuple[int, ...]) -> list[JunctionKind]:
    return [junction.kind for junction in JunctionFinder(LaneIndex(network)).along(_route(network, rows))]


def _yielding(network: RoadNetwork, row: int, to: list[int]) -> RoadNetwork:
    rows = [to if k == row else [] for k in range(len(network.lane_ids))]
    return replace(network, yields=Ragged.from_rows(rows, np.int32))


@pytest.mark.parametrize("signals", [True, False])
@pytest.mark.parametrize(
    ("rows", "to", "kind"),
    [
        (STRAIGHT, [], None),
        (STRAIGHT, [12], JunctionKind.GIVE_WAY),  # the straight way from the north
        (STRAIGHT, [11], JunctionKind.MERGE),  # the right turn from the north leads into the same lane
        (RIGHT, [15], JunctionKind.GIVE_WAY),  # the straight way from the west
        (LEFT, [], None),
        (LEFT, [15], JunctionKind.UNPROTECTED_LEFT),
    ],
)
def test_kinds_of_a_crossing(signals, rows, to, kind):
    network = _yielding(crossing(signals=signals), rows[1], to)
    if kind is not JunctionKind.UNPROTECTED_LEFT:
        kind = JunctionKind.SIGNALS if signals else kind or JunctionKind.RIGHT_OF_WAY
    assert _kinds(network, rows) == [kind]


def test_a_junction_lasts_from_40_m_before_to_10_m_after_it():
    network = crossing()  # the way in is 120 m long, the way through 28 m
    (junction,) = JunctionFinder(LaneIndex(network)).along(_route(network, STRAIGHT))
    assert (junction.start, junction.end) == (pytest.approx(80.0, abs=1.0), pytest.approx(158.0, abs=1.0))


def test_approaches_do_not_overlap():
    network = straight_road(lanes=1, length=120.0, segment_length=20.0)
    network = replace(network, lane_in_intersection=np.array([False, True, False, False, True, False]))
    first, second = JunctionFinder(LaneIndex(network)).along(_route(network, (0, 1, 2, 3, 4, 5)))
    assert (first.start, first.number, second.number) == (0.0, 0, 1)
    assert second.start == pytest.approx(first.end, abs=1e-6)


def test_a_route_without_junctions_has_none():
    assert _kinds(straight_road(), (0, 2, 4, 6)) == []


def test_a_lane_that_ends_is_a_merge():
    """Lane 0 ends after its second segment: change to lane 1, where the way goes on."""
    network = straight_road(lanes=2, length=400.0)
    following = [list(row) for row in network.successors]
    following[2] = []
    network = replace(network, successors=Ragged.from_rows(following, np.int32))
    (junction,) = JunctionFinder(LaneIndex(network)).along(_route(network, (0, 2, 3, 5, 7)))
    assert junction.kind is JunctionKind.MERGE
    assert (junction.start, junction.end) == (pytest.approx(60.0, abs=2.0), pytest.approx(210.0, abs=2.0))


def test_a_lane_change_that_need_not_be_is_no_merge():
    assert _kinds(straight_road(lanes=2), (0, 2, 3, 5, 7)) == []


def _ring(radius: float, turn: LaneTurn = LaneTurn.STRAIGHT) -> RoadNetwork:
    """Into a ring of four quarters from the west, a quarter around it, and out; the ring's rows are 1 to 4."""

    def arc(begin: float, end: float) -> np.ndarray:
        angle = np.linspace(begin, end, 20)
        return np.column_stack([radius * np.cos(angle), radius * np.sin(angle), np.zeros(20)])

    quarters = [arc(np.pi + k * np.pi / 2, np.pi + (k + 1) * np.pi / 2) for k in range(4)]
    enter = np.column_stack([np.full(11, -radius), np.linspace(100, 0, 11), np.zeros(11)])
    leave = np.column_stack([np.linspace(0, 100, 11), np.full(11, -radius), np.zeros(11)])
    lines = [enter, *quarters, leave]
    return RoadNetwork(
        "ring",
        lane_ids=np.arange(6),
        lane_types=np.zeros(6, np.uint8),
        lane_turns=np.array([1, 1, int(turn), 1, 1, 1], np.uint8),
        lane_in_intersection=np.zeros(6, bool),
        lane_speed_limits=np.full(6, 8.0, np.float32),
        lane_widths=np.full(6, 3.5, np.float32),
        centre_lines=Ragged.from_rows(lines, np.float64, 3),
        left_boundaries=Ragged.from_rows([[]] * 6, np.float64, 3),
        left_boundary_types=np.zeros(6, np.uint8),
        right_boundaries=Ragged.from_rows([[]] * 6, np.float64, 3),
        right_boundary_types=np.zeros(6, np.uint8),
        successors=Ragged.from_rows([[1], [2, 5], [3], [4], [1], []], np.int32),
        left_neighbours=np.full(6, -1, np.int32),
        right_neighbours=np.full(6, -1, np.int32),
    )


@pytest.mark.parametrize(
    ("radius", "turn", "kinds"),
    [
        (20.0, LaneTurn.STRAIGHT, [JunctionKind.ROUNDABOUT]),
        (40.0, LaneTurn.STRAIGHT, []),  # 250 m around: a block of houses
        (20.0, LaneTurn.U_TURN, []),  # back only by turning round
    ],
)
def test_a_small_circle_is_a_roundabout(radius, turn, kinds):
    assert _kinds(_ring(radius, turn), (0, 1, 5)) == kinds


def _junction(start: float, end: float, number: int = 0) -> Junction:
    return Junction(number, JunctionKind.SIGNALS, start, end)


@pytest.mark.parametrize(
    ("start", "end", "first", "steps", "passed"),
    [
        (15.0, 40.0, 5, 26, True),  # 10 m/s from x = 10 m on
        (0.0, 40.0, 0, 31, True),
        (30.0, 100.0, 20, 31, False),  # the drive ends at 60 m
    ],
)
def test_a_passage_is_the_part_between_two_places(make, start, end, first, steps, passed):
    (passage,) = passages(make.drive(), [_junction(start, end)])
    assert passage.drive.ego.stamps_ns[0] == make.stamp(first)
    assert (len(passage.drive.ego), passage.passed) == (steps, passed)


@pytest.mark.parametrize(("start", "end"), [(70.0, 90.0), (55.0, 90.0)])
def test_a_junction_that_the_drive_hardly_came_to_is_left_out(make, start, end):
    assert passages(make.drive(), [_junction(start, end)]) == ()
