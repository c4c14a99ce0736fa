"""Conflicts between lanes: counted by hand on the made-up crossing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from zoox_stack.core.ragged import Ragged
from zoox_stack.road_network.conflicts import DRIVEN_WIDTH, ConflictKind, GiveWay, LaneConflicts
from zoox_stack.road_network.made_up import crossing, curved_road, straight_road
from zoox_stack.road_network.made_up_town import grid_of_crossings
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.road_network.queries import LaneIndex

RIGHT, STRAIGHT, LEFT = 0, 1, 2


def lane(arm: int, turn: int) -> int:
    return 8 + 3 * (arm % 4) + turn


def pairs(conflicts: LaneConflicts, kind: ConflictKind) -> set[tuple[int, int]]:
    rows = conflicts.kinds == kind
    return set(zip(conflicts.first[rows].tolist(), conflicts.second[rows].tolist(), strict=True))


def test_the_crossing_by_hand() -> None:
    conflicts = LaneIndex(crossing()).conflicts
    crossings, mergings = set(), set()
    for arm in range(4):
        crossings |= {
            (lane(arm, STRAIGHT), lane(arm + 1, STRAIGHT)),  # straight over each other
            (lane(arm, LEFT), lane(arm + 2, STRAIGHT)),  # left turn through oncoming traffic
            (lane(arm, STRAIGHT), lane(arm + 1, LEFT)),  # straight, and the left turn from the right hand side
            (lane(arm, LEFT), lane(arm + 1, LEFT)),
        }
        into = (lane(arm - 1, RIGHT), lane(arm + 2, STRAIGHT), lane(arm + 1, LEFT))  # all that leave by this arm
        mergings |= {(into[0], into[1]), (into[0], into[2]), (into[1], into[2])}

    def ordered(found: set[tuple[int, int]]) -> set[tuple[int, int]]:
        return {(min(p), max(p)) for p in found}

    assert pairs(conflicts, ConflictKind.MERGING) == ordered(mergings)
    assert pairs(conflicts, ConflictKind.CROSSING) == ordered(crossings)
    assert len(conflicts) == 16 + 12


def test_intervals_lie_around_the_place() -> None:
    index = LaneIndex(crossing(half_size=14.0))
    conflicts = index.conflicts
    # Straight on from the west (y = -1.75) and from the south (x = 1.75), both 28 m long, meet at (1.75, -1.75).
    west, south = lane(2, STRAIGHT), lane(3, STRAIGHT)
    (i,) = np.flatnonzero((conflicts.first == west) & (conflicts.second == south))
    for interval, at in ((conflicts.first_interval[i], 14 + 1.75), (conflicts.second_interval[i], 14 - 1.75)):
        assert interval[0] == pytest.approx(at - DRIVEN_WIDTH, abs=1.0)
        assert interval[1] == pytest.approx(at + DRIVEN_WIDTH, abs=1.0)
    ends = conflicts.first_interval[conflicts.kinds == ConflictKind.MERGING][:, 1]
    rows = conflicts.first[conflicts.kinds == ConflictKind.MERGING]
    np.testing.assert_allclose(ends, [index.lines[int(row)].length for row in rows])


def test_every_lane_knows_its_conflicts() -> None:
    conflicts = LaneIndex(crossing()).conflicts
    for row in range(20):
        mine = np.flatnonzero((conflicts.first == row) | (conflicts.second == row))
        assert conflicts.of_lane[row].tolist() == mine.tolist()
    assert [len(conflicts.of_lane[lane(0, turn)]) for turn in (RIGHT, STRAIGHT, LEFT)] == [2, 6, 6]
    assert not any(len(conflicts.of_lane[row]) for row in range(8))


def test_who_gives_way() -> None:
    network = crossing()
    east, north, west = lane(0, STRAIGHT), lane(1, STRAIGHT), lane(2, LEFT)
    yields: list[list[int]] = [[] for _ in network.lane_ids]
    yields[west] = [east, north]
    yields[north] = [east, west]
    conflicts = LaneIndex(replace(network, yields=Ragged.from_rows(yields, np.int32))).conflicts

    def between(a: int, b: int) -> GiveWay:
        (i,) = np.flatnonzero((conflicts.first == min(a, b)) & (conflicts.second == max(a, b)))
        return GiveWay(int(conflicts.gives_way[i]))

    assert between(east, west) == GiveWay.SECOND
    assert between(east, north) == GiveWay.SECOND
    assert between(north, west) == GiveWay.BOTH
    assert between(east, lane(3, STRAIGHT)) == GiveWay.UNKNOWN


@pytest.mark.parametrize("network", [straight_road(lanes=3), curved_road(lanes=2), RoadNetwork()])
def test_lanes_side_by_side_or_behind_each_other_are_in_no_conflict(network: RoadNetwork) -> None:
    assert len(LaneIndex(network).conflicts) == 0


def test_a_bridge_is_no_crossing() -> None:
    network = crossing()
    z = np.zeros(len(network.centre_lines.values))
    z[network.centre_lines.row_of_value() == lane(1, STRAIGHT)] = 5.0
    lifted = network.centre_lines.values.copy()
    lifted[:, 2] = z
    conflicts = LaneIndex(replace(network, centre_lines=Ragged(lifted, network.centre_lines.offsets))).conflicts
    assert len(conflicts) == 28 - 6
    assert not len(conflicts.of_lane[lane(1, STRAIGHT)])


def test_a_connection_cut_in_two_keeps_its_conflicts_and_gets_no_new_ones() -> None:
    """The left turn from the west becomes two lanes, as SUMO cuts turns where they wait."""
    network, row = crossing(), lane(2, LEFT)
    points = network.centre_lines[row]
    centre = [*network.centre_lines, points[4:]]
    centre[row] = points[:5]
    successors = [*network.successors, network.successors[row]]
    successors[row] = np.array([20], np.int32)

    def more(values: np.ndarray) -> np.ndarray:
        return np.append(values, values[row])

    def lines(table: Ragged) -> Ragged:
        return Ragged.from_rows([*table, table[row]], np.float64, 3)

    cut = replace(
        network,
        lane_ids=np.append(network.lane_ids, 999),
        **{name: more(getattr(network, name)) for name in (
            "lane_types", "lane_turns", "lane_in_intersection", "lane_speed_limits", "lane_widths",
            "left_boundary_types", "right_boundary_types", "left_neighbours", "right_neighbours")},
        left_boundaries=lines(network.left_boundaries), right_boundaries=lines(network.right_boundaries),
        centre_lines=Ragged.from_rows(centre, np.float64, 3), successors=Ragged.from_rows(successors, np.int32),
        yields=Ragged.from_rows([[]] * 21, np.int32),
    )  # fmt: skip
    conflicts = LaneIndex(cut).conflicts
    whole = LaneIndex(network).conflicts

    def partners(found: LaneConflicts, rows: set[int]) -> set[int]:
        mine = np.concatenate([found.of_lane[r] for r in rows])
        return (set(found.first[mine].tolist()) | set(found.second[mine].tolist())) - rows

    assert partners(conflicts, {row, 20}) == partners(whole, {row})
    # What comes out of the same lane is no conflict, also where the overlap goes on in the second part.
    assert not {lane(2, STRAIGHT), lane(2, RIGHT)} & partners(conflicts, {row, 20})


def test_narrow_lanes_need_less_room() -> None:
    """Two lanes 1.6 m apart."""
    road = straight_road(lanes=2, length=60.0, segment_length=60.0, lane_width=1.6)
    for width, count in ((1.5, 0), (1.7, 1), (np.nan, 1)):
        lanes = replace(road, lane_widths=np.full(2, width, np.float32))
        assert len(LaneIndex(lanes).conflicts) == count


def test_a_short_lane_does_not_keep_those_around_it_apart() -> None:
    """A bend so tight that the way out comes close to the way in, with a lane of 3 m in between."""
    points = [[[0.0, 0, 0], [20, 0, 0]], [[20, 0, 0], [20, 1.5, 0]], [[20, 1.5, 0], [0, 1.5, 0]]]
    road = straight_road(lanes=1, length=300.0, segment_length=100.0)
    assert [row.tolist() for row in road.successors] == [[1], [2], []]
    bend = replace(road, centre_lines=Ragged.from_rows(points, np.float64, 3))
    assert not len(LaneIndex(bend).conflicts)
    points[1], points[2] = [[20, 0, 0], [27, 0, 0], [27, 1.5, 0], [20, 1.5, 0]], [[20, 1.5, 0], [0, 1.5, 0]]
    longer = LaneIndex(replace(bend, centre_lines=Ragged.from_rows(points, np.float64, 3))).conflicts
    assert list(zip(longer.first.tolist(), longer.second.tolist(), strict=True)) == [(0, 2)]


def test_a_town_is_as_many_crossings() -> None:
    assert len(LaneIndex(grid_of_crossings(3, 2)).conflicts) == 6 * 28
