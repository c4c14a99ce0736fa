"""A made-up town of any size for tests and measurements."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import LineType
from zoox_stack.core.ragged import Ragged
from zoox_stack.road_network.made_up import crossing
from zoox_stack.road_network.network import RoadNetwork

_EAST, _NORTH, _WEST, _SOUTH = range(4)


def grid_of_crossings(columns: int, rows: int, *, arm: float = 60.0, signals: bool = True) -> RoadNetwork:
    """A grid of `made_up.crossing`s whose arms lead into each other; 20 lanes each.

    Crossing k = column * rows + row has lane rows ``20 k + i``, where i is the lane row in `crossing`; ids count from
    0 likewise. The first crossing is centred on the origin, the next column lies to the east, the next row north.

    Args:
        columns: From west to east.
        rows: From south to north.
        arm: [m] length of each arm; two make up the road between crossings.
        signals: With traffic signals.
    """
    tile = crossing(arm=arm, signals=signals)
    pitch = 2 * float(np.abs(tile.centre_lines.values[:, :2]).max())
    number = np.arange(columns * rows)
    shift = np.stack([number // rows * pitch, number % rows * pitch, 0 * number], axis=1)
    lanes = len(tile.lane_ids)

    def repeated(values: NDArray[Any]) -> NDArray[Any]:
        return np.concatenate([values] * len(number))

    def moved(lines: Ragged) -> Ragged:
        return Ragged(
            np.concatenate([lines.values + offset for offset in shift]), _offsets(np.tile(lines.lengths, len(number)))
        )

    def linked(links: Ragged) -> list[NDArray[np.int32]]:
        return [(row + lanes * k).astype(np.int32) for k in number for row in links]

    successors = linked(tile.successors)
    for k in number:
        column, row = divmod(int(k), rows)
        for leaving, entering, dx, dy in ((_EAST, _WEST, 1, 0), (_NORTH, _SOUTH, 0, 1)):
            if column + dx < columns and row + dy < rows:
                other = (column + dx) * rows + row + dy
                successors[lanes * k + 4 + leaving] = np.array([lanes * other + entering], np.int32)
                successors[lanes * other + 4 + entering] = np.array([lanes * k + leaving], np.int32)
    boundaries = repeated(tile.left_boundary_types)
    return RoadNetwork(
        name=f"{columns} x {rows} crossings",
        lane_ids=np.arange(lanes * len(number)),
        lane_types=repeated(tile.lane_types),
        lane_turns=repeated(tile.lane_turns),
        lane_in_intersection=repeated(tile.lane_in_intersection),
        lane_speed_limits=repeated(tile.lane_speed_limits),
        lane_widths=repeated(tile.lane_widths),
        centre_lines=moved(tile.centre_lines),
        left_boundaries=moved(tile.left_boundaries),
        left_boundary_types=np.where(boundaries == LineType.KERB, np.uint8(LineType.SOLID_YELLOW), boundaries),
        right_boundaries=moved(tile.right_boundaries),
        right_boundary_types=repeated(tile.right_boundary_types),
        successors=Ragged.from_rows(successors, np.int32),
        left_neighbours=repeated(tile.left_neighbours),
        right_neighbours=repeated(tile.right_neighbours),
        line_ids=np.arange(len(tile.line_ids) * len(number)),
        line_types=repeated(tile.line_types),
        lines=moved(tile.lines),
        area_ids=np.arange(len(tile.area_ids) * len(number)),
        area_types=repeated(tile.area_types),
        areas=moved(tile.areas),
        signal_ids=np.arange(1, 1 + len(tile.signal_ids) * len(number)),
        signal_positions=(tile.signal_positions[None] + shift[:, None]).reshape(-1, 3),
        signal_lanes=Ragged.from_rows(linked(tile.signal_lanes), np.int32),
    )


def _offsets(lengths: NDArray[np.int32]) -> NDArray[np.int32]:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
