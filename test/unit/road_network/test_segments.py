"""Crossing lines."""

from __future__ import annotations

import numpy as np
import pytest

from zoox_stack.road_network import segments
from zoox_stack.road_network.segments import intersections, pieces, self_crossing


def test_crossing_lines_meet_where_they_should(monkeypatch: pytest.MonkeyPatch) -> None:
    a = pieces(np.array([[0.0, 0.0], [10.0, 0.0], [20.0, 0.0]]))
    b = pieces(np.array([[5.0, -1.0], [5.0, 3.0], [18.0, -1.0]]))
    for size in (2_000_000, 1):  # in one go, and piece by piece
        monkeypatch.setattr(segments, "_PAIRS", size)
        i, j, t, u = intersections(*a, *b)
        assert i.tolist() == [0, 1]
        assert j.tolist() == [0, 1]
        np.testing.assert_allclose(t, [0.5, 0.475])
        np.testing.assert_allclose(u, [0.25, 0.75])


def test_nothing_crosses_nothing() -> None:
    none = pieces(np.zeros((1, 2)))
    assert [len(part) for part in intersections(*none, *none)] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("points", "closed", "place"),
    [
        ([[0, 0], [4, 0], [4, 4], [2, -2]], False, [8 / 3, 0]),
        ([[0, 0], [4, 0], [4, 4], [0, 4]], False, None),
        ([[0, 0], [4, 0], [4, 4], [0, 4]], True, None),
        ([[0, 0], [4, 4], [4, 0], [0, 4]], True, [2, 2]),
        ([[0, 0], [4, 0], [4, 0], [4, 4], [0, 4], [0, 0]], True, None),  # repeated points do not cross
    ],
)
def test_self_crossing(points: list[list[float]], closed: bool, place: list[float] | None) -> None:
    found = self_crossing(np.array(points, float), closed=closed)
    assert (found is None) == (place is None)
    if place is not None:
        np.testing.assert_allclose(found, place)
