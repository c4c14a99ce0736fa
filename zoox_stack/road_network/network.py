"""The map: lanes, lines, areas and signals in flat, immutable arrays."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import AreaType, LaneTurn, LaneType, LineType
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.ragged import Ragged
from zoox_stack.core.validation import checked_array

DEFAULT_LANE_WIDTH = 3.5  # [m] of a lane where the map does not say


def _ragged(width: int | None, dtype: type) -> Ragged:
    return Ragged.from_rows([], dtype, width)


def _none(dtype: type) -> NDArray[Any]:
    return np.zeros(0, dtype)


@dataclass(frozen=True, eq=False)
class RoadNetwork:
    """Road network in the map frame. L lanes, N lines, A areas, S signals; points are x, y, z [m].

    Attributes:
        name: Name of the map.
        lane_ids: int64 ``[L]``, unique (as are the other ids).
        lane_types: uint8 ``[L]`` `LaneType`.
        lane_turns: uint8 ``[L]`` `LaneTurn`.
        lane_in_intersection: bool ``[L]``.
        lane_speed_limits: float32 ``[L]`` [m/s] > 0, NaN unknown.
        lane_widths: float32 ``[L]`` [m], NaN unknown.
        centre_lines: Ragged float64 ``[., 3]``, L rows, driving direction, >= 2 points each.
        left_boundaries: Ragged float64 ``[., 3]``, L rows, driving direction; empty row: unknown.
        left_boundary_types: uint8 ``[L]`` `LineType`.
        right_boundaries: As left.
        right_boundary_types: As left.
        successors: Ragged int32, L rows of lane rows.
        yields: Ragged int32, L rows of lane rows that the lane has to give way to; signals come before it.
        left_neighbours: int32 ``[L]`` lane row with the same direction, or -1.
        right_neighbours: int32 ``[L]`` lane row with the same direction, or -1.
        line_ids: int64 ``[N]``.
        line_types: uint8 ``[N]`` `LineType`.
        lines: Ragged float64 ``[., 3]``, N rows.
        area_ids: int64 ``[A]``.
        area_types: uint8 ``[A]`` `AreaType`.
        areas: Ragged float64 ``[., 3]``, A rows, outer rings, not closed, >= 3 points each.
        signal_ids: int64 ``[S]``.
        signal_positions: float64 ``[S, 3]``.
        signal_lanes: Ragged int32, S rows of governed lane rows.
    """

    name: str = ""
    lane_ids: NDArray[np.int64] = field(default_factory=lambda: _none(np.int64))
    lane_types: NDArray[np.uint8] = field(default_factory=lambda: _none(np.uint8))
    lane_turns: NDArray[np.uint8] = field(default_factory=lambda: _none(np.uint8))
    lane_in_intersection: NDArray[np.bool_] = field(default_factory=lambda: _none(np.bool_))
    lane_speed_limits: NDArray[np.float32] = field(default_factory=lambda: _none(np.float32))
    lane_widths: NDArray[np.float32] = field(default_factory=lambda: _none(np.float32))
    centre_lines: Ragged = field(default_factory=lambda: _ragged(3, np.float64))
    left_boundaries: Ragged = field(default_factory=lambda: _ragged(3, np.float64))
    left_boundary_types: NDArray[np.uint8] = field(default_factory=lambda: _none(np.uint8))
    right_boundaries: Ragged = field(default_factory=lambda: _ragged(3, np.float64))
    right_boundary_types: NDArray[np.uint8] = field(default_factory=lambda: _none(np.uint8))
    successors: Ragged = field(default_factory=lambda: _ragged(None, np.int32))
    yields: Ragged = field(default_factory=lambda: _ragged(None, np.int32))
    left_neighbours: NDArray[np.int32] = field(default_factory=lambda: _none(np.int32))
    right_neighbours: NDArray[np.int32] = field(default_factory=lambda: _none(np.int32))
    line_ids: NDArray[np.int64] = field(default_factory=lambda: _none(np.int64))
    line_types: NDArray[np.uint8] = field(default_factory=lambda: _none(np.uint8))
    lines: Ragged = field(default_factory=lambda: _ragged(3, np.float64))
    area_ids: NDArray[np.int64] = field(default_factory=lambda: _none(np.int64))
    area_types: NDArray[np.uint8] = field(default_factory=lambda: _none(np.uint8))
    areas: Ragged = field(default_factory=lambda: _ragged(3, np.float64))
    signal_ids: NDArray[np.int64] = field(default_factory=lambda: _none(np.int64))
    signal_positions: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 3)))
    signal_lanes: Ragged = field(default_factory=lambda: _ragged(None, np.int32))

    def __post_init__(self) -> None:
        if len(self.yields) == 0 and len(self.lane_ids):  # not known: nobody gives way
            nobody = Ragged(np.zeros(0, np.int32), np.zeros(len(self.lane_ids) + 1, np.int32))
            object.__setattr__(self, "yields", nobody)
        lanes, lines, areas, signals = len(self.lane_ids), len(self.line_ids), len(self.area_ids), len(self.signal_ids)
        for name, dtype, size, low, high in (
            ("lane_ids", np.int64, lanes, None, None),
            ("lane_types", np.uint8, lanes, None, max(LaneType)),
            ("lane_turns", np.uint8, lanes, None, max(LaneTurn)),
            ("lane_in_intersection", np.bool_, lanes, None, None),
            ("left_boundary_types", np.uint8, lanes, None, max(LineType)),
            ("right_boundary_types", np.uint8, lanes, None, max(LineType)),
            ("left_neighbours", np.int32, lanes, -1, lanes - 1),
            ("right_neighbours", np.int32, lanes, -1, lanes - 1),
            ("line_ids", np.int64, lines, None, None),
            ("line_types", np.uint8, lines, None, max(LineType)),
            ("area_ids", np.int64, areas, None, None),
            ("area_types", np.uint8, areas, None, max(AreaType)),
            ("signal_ids", np.int64, signals, None, None),
        ):
            array = checked_array(f"RoadNetwork.{name}", getattr(self, name), dtype, (size,), low=low, high=high)
            object.__setattr__(self, name, array)
        for name in ("lane_speed_limits", "lane_widths"):
            value = checked_array(f"RoadNetwork.{name}", getattr(self, name), np.float32, (lanes,), finite=False)
            wrong = np.isinf(value) | (value < 0) | ((value == 0) & (name == "lane_speed_limits"))
            if wrong.any():
                expected = "finite positive numbers, or NaN for unknown"
                raise InvalidInputError(f"RoadNetwork.{name}", expected, f"{value[wrong][0]}")
            object.__setattr__(self, name, value)
        positions = checked_array("RoadNetwork.signal_positions", self.signal_positions, np.float64, (signals, 3))
        object.__setattr__(self, "signal_positions", positions)
        for name, rows, least in (
            ("centre_lines", lanes, 2),
            ("left_boundaries", lanes, 0),
            ("right_boundaries", lanes, 0),
            ("lines", lines, 2),
            ("areas", areas, 3),
        ):
            ragged: Ragged = getattr(self, name)
            values = checked_array(f"RoadNetwork.{name}", ragged.values, np.float64, (None, 3))
            object.__setattr__(self, name, Ragged(values, ragged.offsets))
            if len(ragged) != rows or (rows and int(ragged.lengths.min()) < least):
                found = f"{len(ragged)} rows, shortest {ragged.lengths.min() if len(ragged) else 0}"
                raise InvalidInputError(f"RoadNetwork.{name}", f"{rows} rows of at least {least} points", found)
        for name, rows in (("successors", lanes), ("yields", lanes), ("signal_lanes", signals)):
            ragged = getattr(self, name)
            thing, high = f"RoadNetwork.{name}", max(lanes - 1, 0)
            values = checked_array(thing, ragged.values, np.int32, (None,), low=0, high=high)
            object.__setattr__(self, name, Ragged(values, ragged.offsets))
            if len(ragged) != rows or (ragged.values.size and not lanes):
                raise InvalidInputError(f"RoadNetwork.{name}", f"{rows} rows", f"{len(ragged)} rows")
        for name in ("lane_ids", "line_ids", "area_ids", "signal_ids"):
            ids, counts = np.unique(getattr(self, name), return_counts=True)
            if (counts > 1).any():
                raise InvalidInputError(f"RoadNetwork.{name}", "unique ids", f"duplicates: {ids[counts > 1][:5]}")
        every = np.arange(lanes)
        own = (self.left_neighbours == every) | (self.right_neighbours == every)
        own[self.yields.values[self.yields.values == self.yields.row_of_value()]] = True
        if own.any():
            found = f"lane {self.lane_ids[own][0]} beside itself, or giving way to itself"
            raise InvalidInputError("RoadNetwork", "neighbours and lanes to give way to that are other lanes", found)

    def with_name(self, name: str) -> RoadNetwork:
        """The same map under another name."""
        return replace(self, name=name)
