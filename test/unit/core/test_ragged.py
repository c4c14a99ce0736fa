"""Rows of different lengths."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.ragged import Ragged


@given(st.lists(st.lists(st.integers(-9, 9), max_size=5), max_size=6))
def test_rows_come_back(rows: list[list[int]]) -> None:
    ragged = Ragged.from_rows(rows, np.int64)
    assert [row.tolist() for row in ragged] == rows
    assert ragged.lengths.tolist() == [len(row) for row in rows]
    assert ragged.row_of_value().tolist() == [i for i, row in enumerate(rows) for _ in row]


def test_rows_of_points() -> None:
    ragged = Ragged.from_rows([[[1.0, 2.0]], [], [[3.0, 4.0], [5.0, 6.0]]], np.float64, 2)
    assert ragged.values.shape == (3, 2)
    assert ragged[1].shape == (0, 2)


def test_both_arrays_are_frozen() -> None:
    values, offsets = np.arange(3), np.array([0, 2, 3], np.int32)
    ragged = Ragged(values, offsets)
    for array in (ragged.values, ragged.offsets, ragged[0], Ragged.from_rows([[1]], np.int64).values):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 7
    values[0] = 7  # whoever made it may go on using what is his
    assert offsets.flags.writeable


@pytest.mark.parametrize("offsets", [[], [1, 3], [0, 2], [0, 2, 1, 3], [[0, 3]]])
def test_bad_offsets_are_refused(offsets: list[int]) -> None:
    with pytest.raises(InvalidInputError, match="rising list from 0 to 3"):
        Ragged(np.arange(3), np.array(offsets))
