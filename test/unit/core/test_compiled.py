"""Compiled loops: strict about types, and still there where nothing can be kept on disk."""

from __future__ import annotations

import logging
from typing import Any

import numba
import numpy as np
import pytest

from zoox_stack.core.compiled import compiled, plain


def total(values: Any) -> float:
    result = 0.0
    for value in values:
        result += value
    return result


def test_a_compiled_loop_gives_what_python_gives() -> None:
    values = np.arange(5.0)
    assert compiled("f8(f8[::1])")(total)(values) == total(values) == 10.0


def test_other_types_are_refused_and_not_compiled_while_driving() -> None:
    loop = compiled("f8(f8[::1])")(total)
    with pytest.raises(TypeError, match="No matching definition"):
        loop(np.arange(5.0, dtype=np.float32))
    with pytest.raises(TypeError, match="No matching definition"):
        loop(np.arange(10.0)[::2])


def test_without_a_folder_to_keep_it_in_it_is_compiled_and_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = numba.njit

    def njit(*args: Any, cache: bool = False, **options: Any) -> Any:
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return real(*args, **options)

    monkeypatch.setattr(numba, "njit", njit)
    with caplog.at_level(logging.WARNING):
        loop = compiled("f8(f8[::1])")(total)
    assert loop(np.ones(3)) == 3.0
    assert "NUMBA_CACHE_DIR" in caplog.text


@pytest.mark.parametrize("make", [lambda a: a, lambda a: a.astype(np.float64), lambda a: a[::2].copy(order="F").T.T])
def test_plain_copies_only_what_is_not(make: Any) -> None:
    array = make(np.ones((4, 3), np.float32))
    result = plain(array, np.float32)
    assert result.flags.c_contiguous
    assert result.flags.writeable
    assert result.dtype == np.float32
    assert (result is array) == (array.dtype == np.float32 and array.flags.c_contiguous)


def test_plain_copies_what_must_not_be_written_to() -> None:
    array = np.ones(3)
    array.flags.writeable = False
    assert plain(array, np.float64) is not array
