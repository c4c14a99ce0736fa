"""Pickles are data, never programs."""

from __future__ import annotations

import collections
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.logs.importers.restricted_pickle import load_numbers


class Malicious:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.target}",)


@pytest.mark.parametrize("protocol", range(2, 6))
def test_arrays_and_basic_types_come_back(tmp_path: Path, protocol: int) -> None:
    content = {"a": np.arange(6.0).reshape(2, 3), "b": [1, "x", None, (2.5, {"c": np.float64(3)})]}
    path = tmp_path / "numbers.pkl"
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    other = {2: "_codecs.encode", 5: "_frombuffer"}.get(protocol)
    if other:  # these protocols store arrays through functions that are not on the list
        with pytest.raises(InvalidInputError, match=other):
            load_numbers(path)
        return
    loaded = load_numbers(path)
    np.testing.assert_array_equal(loaded["a"], content["a"])
    assert loaded["b"] == content["b"]


def test_names_of_numpy_1_are_understood(tmp_path: Path) -> None:
    path = tmp_path / "old.pkl"
    text = pickle.dumps(np.arange(3), protocol=3)
    assert b"numpy._core" in text
    path.write_bytes(text.replace(b"numpy._core", b"numpy.core"))
    np.testing.assert_array_equal(load_numbers(path), np.arange(3))


def test_a_malicious_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    target, path = tmp_path / "pwned", tmp_path / "evil.pkl"
    path.write_bytes(pickle.dumps({"tracks": Malicious(target)}))
    with pytest.raises(InvalidInputError, match=r"found (posix|nt).system"):
        load_numbers(path)
    assert not target.exists()


@pytest.mark.parametrize(
    "content",
    [eval, print, os.path.join, np.load, np.save, np.frombuffer, getattr, collections.OrderedDict()],
    ids=lambda c: getattr(c, "__name__", "value"),
)
def test_nothing_else_is_named(tmp_path: Path, content: object) -> None:
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(InvalidInputError, match="a pickle of numpy arrays only"):
        load_numbers(path)


def test_dotted_names_are_no_way_around_the_list(tmp_path: Path) -> None:
    path = tmp_path / "dotted.pkl"
    path.write_bytes(b"\x80\x04\x8c\x05numpy\x8c\x11ndarray.__class__\x93.")
    with pytest.raises(InvalidInputError, match=r"ndarray\.__class__"):
        load_numbers(path)


def test_what_is_no_pickle_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.pkl"
    for content in (b"", b"hello", pickle.dumps(list(range(99)))[:50]):
        path.write_bytes(content)
        with pytest.raises(InvalidInputError, match="a whole pickle"):
            load_numbers(path)
    with pytest.raises(InvalidInputError, match="a readable file"):
        load_numbers(tmp_path / "missing.pkl")
