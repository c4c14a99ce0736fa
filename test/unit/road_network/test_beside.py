"""How far lanes go on beside a path, through intersections whose map does not say which lanes are side by side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from zoox_stack.core.classes import LaneTurn
from zoox_stack.core.ragged import Ragged
from zoox_stack.road_network.beside import lanes_beside
from zoox_stack.road_network.made_up import straight_road
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.road_network.queries import LaneIndex, LanePath

LANES = 3  # from right to left


def in_three_parts(turn: LaneTurn = LaneTurn.STRAIGHT) -> RoadNetwork:
    """Three lanes of 100 m, 20 m of an intersection, 100 m; in the intersection no lane has a neighbour."""
    whole = straight_road(lanes=LANES, length=220.0, segment_length=220.0)
    bounds, rows = ((0.0, 100.0), (100.0, 120.0), (120.0, 220.0)), range(3 * LANES)
    inside = np.array([LANES <= row < 2 * LANES for row in rows])

    def cut(lines: Ragged) -> Ragged:
        parts = []
        for row in rows:
            line, (low, high) = lines[row % LANES], bounds[row // LANES]
            share = (np.array([low, high]) - line[0, 0]) / (line[-1, 0] - line[0, 0])
            parts.append(line[0] + share[:, None] * (line[-1] - line[0]))
        return Ragged.from_rows(parts, lines.values.dtype, 3)

    def beside(step: int) -> np.ndarray:
        there = [row + step if 0 <= row % LANES + step < LANES and not inside[row] else -1 for row in rows]
        return np.array(there, np.int32)

    def thrice(name: str) -> np.ndarray:
        return np.concatenate([getattr(whole, name)] * 3)

    return replace(
        whole,
        lane_ids=np.arange(3 * LANES),
        **{name: thrice(name) for name in ("lane_types", "lane_speed_limits", "lane_widths")},
        lane_turns=np.where(inside, int(turn), int(LaneTurn.STRAIGHT)).astype(np.uint8),
        lane_in_intersection=inside,
        centre_lines=cut(whole.centre_lines), left_boundaries=cut(whole.left_boundaries),
        right_boundaries=cut(whole.right_boundaries),
        left_boundary_types=thrice("left_boundary_types"), right_boundary_types=thrice("right_boundary_types"),
        left_neighbours=beside(1), right_neighbours=beside(-1),
        successors=Ragged.from_rows([[row + LANES] if row < 2 * LANES else [] for row in rows], np.int32),
        yields=Ragged.from_rows([[] for _ in rows], np.int32),
    )  # fmt: skip


def path_of(index: LaneIndex, *rows: int) -> LanePath:
    return index.path_of(rows)


def test_lanes_of_an_intersection_that_run_side_by_side_are_found() -> None:
    network = in_three_parts()
    index = LaneIndex(network)
    assert network.left_neighbours[LANES : 2 * LANES].tolist() == [-1] * LANES
    assert lanes_beside(network, index.predecessors, 1).tolist() == [1, 2, -1, 4, 5, -1, 7, 8, -1]
    assert lanes_beside(network, index.predecessors, -1).tolist() == [-1, 0, 1, -1, 3, 4, -1, 6, 7]


def test_room_beside_a_path_goes_through_a_straight_intersection() -> None:
    index = LaneIndex(in_three_parts())
    path = path_of(index, 0, 3, 6)
    assert index.neighbour_room(path, 50.0, 1) == pytest.approx(170.0, abs=2.0)
    assert index.neighbour_room(path, 50.0, -1) <= 1.0
    assert index.neighbour_offset(path, 90.0, 1) == pytest.approx(3.5, abs=0.1)


def test_room_ends_where_the_lanes_turn_or_have_a_signal() -> None:
    turning = LaneIndex(in_three_parts(LaneTurn.RIGHT))
    assert turning.neighbour_room(path_of(turning, 0, 3, 6), 50.0, 1) == pytest.approx(50.0, abs=2.0)
    network = in_three_parts()
    light = replace(
        network, signal_ids=np.array([5]), signal_positions=np.zeros((1, 3)),
        signal_lanes=Ragged.from_rows([[3]], np.int32),
    )  # fmt: skip
    index = LaneIndex(light)
    assert index.neighbour_room(path_of(index, 0, 3, 6), 50.0, 1) == pytest.approx(50.0, abs=2.0)


def test_room_where_the_path_itself_changes_lanes() -> None:
    index = LaneIndex(in_three_parts())
    path = path_of(index, 0, 3, 6, 7)  # to the left at last
    assert np.isinf(index.neighbour_room(path, 50.0, 1))
    away = path_of(index, 1, 4, 7, 6)  # to the right at last: who is out on the left has to come back before
    over = float(away.line.s[np.flatnonzero(away.lanes == 6)[0]])
    assert index.neighbour_room(away, 50.0, 1) == pytest.approx(over - 50.0, abs=2.0)
    assert np.isinf(index.neighbour_room(away, 50.0, -1))
