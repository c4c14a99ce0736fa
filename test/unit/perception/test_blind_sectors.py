"""Directions in which nothing is seen any more."""

from __future__ import annotations

import numpy as np

from zoox_stack.perception.blind_sectors import SECTORS, BlindSectors


def sweep(without: float = 0.0, behind: bool = True) -> np.ndarray:
    """Ground all around, without a sector in front that is so wide [rad]."""
    angle = np.linspace(-np.pi, np.pi, 20_000, endpoint=False)
    kept = (np.abs(angle) >= without / 2) & (behind | (np.abs(angle) < np.pi / 2))
    return np.stack([9 * np.cos(angle), 9 * np.sin(angle), np.zeros_like(angle)], axis=1)[kept].astype(np.float32)


def test_a_sector_that_falls_silent_is_blind_until_it_returns_something() -> None:
    watch = BlindSectors()
    assert not len(watch.look(sweep()))
    assert watch.look(sweep(without=np.deg2rad(60))).tolist() == [SECTORS // 2 + i for i in (-2, -1, 0, 1)]
    assert not len(watch.look(sweep()))


def test_what_was_never_seen_is_not_blind() -> None:
    watch = BlindSectors()
    assert not len(watch.look(sweep(behind=False)))
    assert not len(watch.look(sweep(behind=False)))
