"""Birth, confirmation, coasting and death of tracks, by log-odds of existence.

A detection raises the log-odds by an amount that grows with its score, a miss lowers them by an amount proportional
to the time that passed, so that the rate of sweeps does not matter. Tracks not yet confirmed fade quickly, confirmed
ones slowly.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_BIRTH = -1.8  # log-odds before the first detection counts
_HIT, _HIT_SCORE = 0.4, 2.0  # a detection adds _HIT + _HIT_SCORE * score
_CAP, _CAP_SCORE = 1.5, 4.0  # log-odds stop at _CAP + _CAP_SCORE * score
_FADE_TENTATIVE, _FADE_CONFIRMED = 8.0, 2.0  # [1/s] log-odds lost while unseen
_FADE_CLEAR = 10.0  # [1/s] lost besides where it would be seen


def birth_log_odds(score: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-odds of existence of tracks born from detections with the given scores."""
    return _BIRTH + _HIT + _HIT_SCORE * score


def hit_log_odds(log_odds: NDArray[np.float64], score: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-odds after a detection of the given score; what was reached before is not taken away."""
    cap = np.maximum(_CAP + _CAP_SCORE * score, log_odds)
    return np.minimum(log_odds + _HIT + _HIT_SCORE * score, cap)


def miss_log_odds(log_odds: NDArray[np.float64], confirmed: NDArray[np.bool_], dt: float) -> NDArray[np.float64]:
    """Log-odds after `dt` [s] without detection."""
    return log_odds - dt * np.where(confirmed, _FADE_CONFIRMED, _FADE_TENTATIVE)


def absent_log_odds(log_odds: NDArray[np.float64], clear: NDArray[np.float64], dt: float) -> NDArray[np.float64]:
    """Log-odds of what was not detected for `dt` [s] although the view was clear, to the degree `clear` 0..1."""
    return log_odds - dt * _FADE_CLEAR * clear


def probability(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probability of log-odds."""
    return 1 / (1 + np.exp(-log_odds))


def newly_confirmed(
    log_odds: NDArray[np.float64], hits: NDArray[np.int64], confirm_probability: float, min_hits: int
) -> NDArray[np.bool_]:
    """Which tracks have earned confirmation."""
    return (probability(log_odds) >= confirm_probability) & (hits >= min_hits)


def alive(
    log_odds: NDArray[np.float64],
    unseen: NDArray[np.float64],
    confirmed: NDArray[np.bool_],
    death_probability: float,
    max_coast: NDArray[np.float64] | float,
) -> NDArray[np.bool_]:
    """Which tracks live on: existence probable enough (confirmed ones) and not unseen for too long.

    Tentative tracks are kept as long as their probability stays above half of the death probability or they were seen
    just now.
    """
    threshold = np.where(confirmed, death_probability, death_probability / 2)
    return ((probability(log_odds) >= threshold) | (unseen <= 0)) & (unseen <= max_coast)
