"""Directions in which nothing is seen any more."""

from __future__ import annotations

import numpy as np

from zoox_stack.core.sight import Seeing
from zoox_stack.perception.blind_sectors import SECTORS, BlindSectors

IN_FRONT = [SECTORS // 2 + i for i in (-2, -1, 0, 1)]


def sweep(without: float = 0.0, behind: bool = True) -> np.ndarray:
    """Ground all around, without a sector in front that is so wide [rad]."""
    angle = np.linspace(-np.pi, np.pi, 20_000, endpoint=False)
    kept = (np.abs(angle) >= without / 2) & (behind | (np.abs(angle) < np.pi / 2))
    return np.stack([9 * np.cos(angle), 9 * np.sin(angle), np.zeros_like(angle)], axis=1)[kept].astype(np.float32)


def rows(watch: BlindSectors, xyz: np.ndarray, seeing: Seeing) -> list[int]:
    return np.flatnonzero(watch.look(xyz).sectors == seeing).tolist()


def test_a_sector_that_falls_silent_is_blind_until_it_returns_something() -> None:
    watch = BlindSectors()
    assert rows(watch, sweep(), Seeing.SEEN) == list(range(SECTORS))
    assert rows(watch, sweep(without=np.deg2rad(60)), Seeing.BLIND) == IN_FRONT
    assert rows(watch, sweep(), Seeing.SEEN) == list(range(SECTORS))
    assert rows(watch, sweep()[:0], Seeing.BLIND) == list(range(SECTORS))


def test_what_was_never_seen_is_not_blind() -> None:
    watch = BlindSectors()
    for _ in range(2):
        assert rows(watch, sweep(behind=False), Seeing.BLIND) == []
    assert rows(watch, sweep(behind=False), Seeing.NOT_COVERED) == [*range(6), *range(18, 24)]


def test_bearings_lie_in_the_sectors_that_are_told() -> None:
    sight = BlindSectors().look(sweep())
    bearing = np.deg2rad([-180.0, -179.0, -1.0, 1.0, 179.0, 180.0])
    assert sight.sector_of(bearing).tolist() == [0, 0, SECTORS // 2 - 1, SECTORS // 2, SECTORS - 1, 0]
