"""A vehicle that cannot see where it goes: which directions matter, and when they are blind."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState
from zoox_stack.core.sight import Seeing, Sight
from zoox_stack.supervisor.config import SupervisorConfig
from zoox_stack.supervisor.motion import Proposal
from zoox_stack.supervisor.sight import SightWatch

SECOND = 1_000_000_000
SECTORS = 24
Make = Callable[..., Proposal]


def sight(tick: int, *blind: float, as_what: Seeing = Seeing.BLIND) -> Sight:
    """Everything but the sectors at these bearings [degrees] is seen."""
    sectors = np.full(SECTORS, Seeing.SEEN, np.uint8)
    sectors[[int((bearing + 180) // 15) for bearing in blind]] = as_what
    return Sight(tick * SECOND // 10, sectors)


class Looks:
    """Sweeps every 0.1 s; the ego drives along +x from the origin."""

    def __init__(self, way: Proposal) -> None:
        self.watch = SightWatch(SupervisorConfig())
        self.way, self.tick = way, 0

    def see(self, sweeps: int, *blind: float, as_what: Seeing = Seeing.BLIND) -> list[bool]:
        """Whether the way ahead is blind, sweep by sweep."""
        told = []
        for _ in range(sweeps):
            self.tick += 1
            self.watch.hear(sight(self.tick, *blind, as_what=as_what), self.tick * SECOND // 10)
            told.append(self.blind())
        return told

    def blind(self, later: float = 0.0) -> bool:
        steady_ns = self.tick * SECOND // 10 + round(later * SECOND)
        return bool(self.watch.blind_ahead(self.way, EgoState(SECOND, 0.0, 0.0, speed=10.0), SECOND, steady_ns))


def test_two_sweeps_make_it_blind_and_five_make_it_see_again(motion: Make) -> None:
    looks = Looks(motion())
    looks.see(3)
    assert looks.see(1, 5) == [False]
    assert looks.see(3) == [False] * 3
    assert looks.see(3, 5) == [False, True, True]
    assert looks.see(6) == [True] * 4 + [False] * 2


@pytest.mark.parametrize("bearing", [-170.0, -95.0, 40.0, 100.0, 179.0])
def test_where_nobody_goes_nothing_has_to_be_seen(motion: Make, bearing: float) -> None:
    looks = Looks(motion())
    looks.see(1)
    assert looks.see(4, bearing) == [False] * 4


def test_where_it_turns_has_to_be_seen(motion: Make) -> None:
    looks = Looks(motion(speed=8.0, curvature=0.06))
    looks.see(1)
    assert looks.see(2, 50.0) == [False, True]
    assert looks.see(6) == [True] * 4 + [False] * 2
    assert looks.see(4, -50.0) == [False] * 4


def test_who_stands_has_to_see_what_is_in_front(motion: Make) -> None:
    looks = Looks(motion(speed=0.0))
    looks.see(1)
    assert looks.see(2, -5.0) == [False, True]


def test_what_was_driven_past_matters_no_more(motion: Make) -> None:
    looks = Looks(motion(SECOND // 1000 - 3 * SECOND, x=-30.0))
    looks.see(1)
    assert looks.see(3, -179.0, 179.0) == [False] * 3


def test_a_direction_that_perception_knows_nothing_of_after_it_began_anew_is_blind(motion: Make) -> None:
    looks = Looks(motion())
    assert looks.see(3, 5, as_what=Seeing.NOT_COVERED) == [False] * 3
    looks.see(1)
    assert looks.see(2, 5, as_what=Seeing.NOT_COVERED) == [False, True]


def test_where_nobody_tells_nobody_knows(motion: Make) -> None:
    looks = Looks(motion())
    assert not looks.blind()
    looks.see(1)
    looks.see(2, 5)
    assert looks.blind()
    assert not looks.blind(later=1.1)


def test_a_sweep_told_twice_counts_once(motion: Make) -> None:
    looks = Looks(motion())
    looks.see(1)
    looks.see(1, 5)
    looks.tick -= 1
    assert looks.see(1, 5) == [False]
