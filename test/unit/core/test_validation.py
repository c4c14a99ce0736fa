"""Checks of arrays."""

from __future__ import annotations

import numpy as np
import pytest

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.validation import check_finite_scalar, checked_array


def test_good_arrays_become_read_only_and_are_not_copied() -> None:
    array = np.zeros((2, 3))
    checked = checked_array("thing", array, np.float64, (None, 3))
    assert np.shares_memory(checked, array)
    assert array.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        checked[0, 0] = 1.0


@pytest.mark.parametrize(
    ("value", "shape", "limits", "message"),
    [
        (np.zeros((2, 2)), (None, 3), {}, r"shape \[any, 3\], found shape \[2, 2\]"),
        (np.zeros(3), (None, 3), {}, "shape"),
        (np.array([1.0, np.nan]), (2,), {}, "finite numbers, found 1 of 2"),
        (np.array([1.0, np.inf]), (2,), {}, "finite"),
        (np.array([-1.0, 0.5]), (2,), {"low": 0}, ">= 0"),
        (np.array([2.0, 0.5]), (2,), {"high": 1}, "<= 1"),
        (np.array(["a", "b"]), (2,), {}, "numbers of type"),
        ([1, [2]], (2,), {}, "numbers of type"),
    ],
)
def test_bad_arrays_name_thing_expected_and_found(
    value: object, shape: tuple[int | None, ...], limits: dict[str, float], message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message) as caught:
        checked_array("thing", value, np.float64, shape, **limits)
    assert caught.value.thing == "thing"


def test_nan_passes_where_allowed() -> None:
    assert np.isnan(checked_array("thing", [np.nan], np.float32, (1,), finite=False)[0])


def test_floats_do_not_become_integers_silently() -> None:
    with pytest.raises(InvalidInputError):
        checked_array("ids", np.array([1.5]), np.int64, (1,))


def test_scalars() -> None:
    assert check_finite_scalar("x", 3) == 3.0
    with pytest.raises(InvalidInputError):
        check_finite_scalar("x", float("nan"))
