from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from zoox_stack.perception.tracking import lifecycle


@given(st.floats(0, 1), st.floats(-5, 5))
def test_hits_raise_and_misses_lower(score: float, log_odds: float) -> None:
    here = np.array([log_odds])
    assert lifecycle.hit_log_odds(here, np.array([score]))[0] >= log_odds
    for confirmed in (True, False):
        assert lifecycle.miss_log_odds(here, np.array([confirmed]), 0.1)[0] < log_odds


def test_misses_count_by_time_not_by_number() -> None:
    confirmed = np.array([True])
    many = np.array([4.0])
    for _ in range(10):
        many = lifecycle.miss_log_odds(many, confirmed, 0.1)
    np.testing.assert_allclose(many, lifecycle.miss_log_odds(np.array([4.0]), confirmed, 1.0))


def test_better_detections_confirm_sooner() -> None:
    def needed(score: float) -> int:
        log_odds, hits = lifecycle.birth_log_odds(np.array([score])), 1
        while not lifecycle.newly_confirmed(log_odds, np.array([hits]), 0.7, 1)[0]:
            log_odds, hits = lifecycle.hit_log_odds(log_odds, np.array([score])), hits + 1
            assert hits < 100
        return hits

    assert needed(0.9) < needed(0.2)


def test_alive() -> None:
    log_odds = np.array([3.0, -4.0, 3.0, -4.0])
    unseen = np.array([0.2, 0.2, 2.0, 0.0])
    confirmed = np.array([True, True, True, False])
    np.testing.assert_array_equal(lifecycle.alive(log_odds, unseen, confirmed, 0.1, 1.5), [True, False, False, True])
