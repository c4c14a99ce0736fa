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
        ("signal_positions", np.full((4, 3), np.nan), "finite"),
        ("successors", Ragged.from_rows([[25]] * 20, np.int32), "successors"),
        ("successors", Ragged.from_rows([[0]], np.int32), "20 rows"),
        ("centre_lines", Ragged.from_rows([[[0.0, 0.0, 0.0]]] * 20, np.float64, 3), "at least 2 points"),
    ],
)
def test_bad_maps_are_refused(field: str, value: object, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        replace(crossing(), **{field: value})
