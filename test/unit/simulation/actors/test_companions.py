"""Companions keep their place beside the one who leads."""

from __future__ import annotations

import numpy as np

from zoox_stack.simulation.actors.companions import Companion, Companions


def test_places_turn_with_the_leader() -> None:
    companions = Companions((Companion(11, 10, ahead=-0.5, left=0.8), Companion(21, 20, ahead=0.0, left=1.0)))
    ids = np.array([3, 10])  # 20 is not there
    states = np.array([[0.0, 0, 0, 0, 0], [5.0, 5.0, np.pi / 2, 0.0, 2.0]])  # walks north
    who, places = companions.places(ids, states, 0.1)
    assert who.tolist() == [11]
    assert np.allclose(places, [[5.0 - 0.8, 5.2 - 0.5, np.pi / 2]])


def test_nobody_leads_nobody() -> None:
    who, places = Companions(()).places(np.array([1]), np.zeros((1, 5)), 0.1)
    assert len(who) == 0
    assert places.shape == (0, 3)
