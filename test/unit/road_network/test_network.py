"""Checks of the map at the door."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.ragged import Ragged
from zoox_stack.road_network.made_up import crossing
from zoox_stack.road_network.network import RoadNetwork


def test_empty_network_is_valid() -> None:
    assert len(RoadNetwork().lane_ids) == 0


def test_arrays_are_read_only() -> None:
    network = crossing()
    with pytest.raises(ValueError, match="read-only"):
        network.lane_ids[0] = 7
    for table in ("centre_lines", "left_boundaries", "lines", "areas", "successors", "yields", "signal_lanes"):
        ragged = getattr(network, table)
        for array in (ragged.values, ragged.offsets, ragged[0]):
            with pytest.raises(ValueError, match="read-only"):
                array[...] = 0


def test_lists_are_kept_in_the_right_type() -> None:
    network = crossing()
    rough = Ragged(network.centre_lines.values.astype(np.float32), network.centre_lines.offsets)
    assert replace(network, centre_lines=rough).centre_lines.values.dtype == np.float64


def test_rename_keeps_everything_else() -> None:
    network = crossing()
    renamed = network.with_name("other")
    assert renamed.name == "other"
    np.testing.assert_array_equal(renamed.centre_lines.values, network.centre_lines.values)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("lane_ids", np.zeros(20, np.int64), "unique"),
        ("lane_types", np.full(20, 99, np.uint8), "lane_types"),
        ("lane_speed_limits", np.zeros(3, np.float32), "lane_speed_limits"),
        ("left_neighbours", np.full(20, 20, np.int32), "left_neighbours"),
        ("left_neighbours", np.full(20, -7, np.int32), "values >= -1"),
        ("right_neighbours", np.arange(20, dtype=np.int32), "beside itself"),
        ("yields", Ragged.from_rows([[0], *[[]] * 19], np.int32), "giving way to itself"),
        ("lane_speed_limits", np.zeros(20, np.float32), "lane_speed_limits: expected finite positive"),
        ("lane_speed_limits", np.full(20, np.inf, np.float32), "lane_speed_limits: expected finite positive"),
        ("lane_widths", np.full(20, np.inf, np.float32), "lane_widths: expected finite positive"),
        ("lane_widths", np.full(20, -1.0, np.float32), "lane_widths: expected finite positive"),
        ("line_ids", np.ones(4, np.int64), "line_ids: expected unique"),
        ("area_ids", np.ones(8, np.int64), "area_ids: expected unique"),
        ("signal_ids", np.ones(4, np.int64), "signal_ids: expected unique"),
        ("signal_positions", np.full((4, 3), np.nan), "finite"),
        ("successors", Ragged.from_rows([[25]] * 20, np.int32), "successors"),
        ("successors", Ragged.from_rows([[0]], np.int32), "20 rows"),
        ("centre_lines", Ragged.from_rows([[[0.0, 0.0, 0.0]]] * 20, np.float64, 3), "at least 2 points"),
    ],
)
def test_bad_maps_are_refused(field: str, value: object, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        replace(crossing(), **{field: value})
