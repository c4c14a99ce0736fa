"""What the ego did just now counts for what passengers feel of a plan."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState
from zoox_stack.planning.feasibility import COMFORT_BOUNDS, check_motion
from zoox_stack.planning.motion_loop import Term
from zoox_stack.planning.planner import Planner
from zoox_stack.planning.recent_motion import STEPS_BACK, RecentAccelerations
from zoox_stack.road_network.made_up import straight_road

TENTH = 100_000_000  # [ns]


def test_accelerations_of_the_last_moments_the_newest_first() -> None:
    memory = RecentAccelerations()
    assert memory.update(EgoState(0, 0.0, 0.0, acceleration=0.5)).tolist() == [0.5] * STEPS_BACK  # nothing else known
    for tick in range(1, 20):
        found = memory.update(EgoState(tick * TENTH, 0.0, 0.0, acceleration=0.1 * tick))
    np.testing.assert_allclose(found, 1.9 - 0.1 * np.arange(STEPS_BACK), atol=1e-9)
    late = memory.update(EgoState(22 * TENTH, 0.0, 0.0, acceleration=0.0))  # two ticks are missing
    np.testing.assert_allclose(late, [0.0, 1.9 / 3, 3.8 / 3, 1.9, 1.8, 1.7], atol=1e-9)
    back = memory.update(EgoState(5 * TENTH, 0.0, 0.0, acceleration=-1.0))  # time ran back
    assert back.tolist() == [-1.0] * STEPS_BACK
    memory.reset()
    assert memory.update(EgoState(6 * TENTH, 0.0, 0.0, acceleration=2.0)).tolist() == [2.0] * STEPS_BACK


def test_a_plan_that_speeds_up_is_uncomfortable_after_braking_and_not_after_speeding_up(scene: Any) -> None:
    planner = Planner()
    planner.set_road_network(straight_road(lanes=1))
    proposal = planner.propose(scene(EgoState(0, 20.0, 0.0, speed=8.0, acceleration=0.0), []), None, None)
    c = proposal.candidates
    go = c.names.index("go")

    def discomfort(past: float) -> float:
        before = np.linspace(0.0, past, STEPS_BACK)  # the ego's acceleration is 0 again by now
        found = check_motion(
            c, proposal.path, proposal.ego, np.zeros(0), None, None, planner.config, past=before
        ).terms  # fmt: skip
        return float(found[go, int(Term.DISCOMFORT)])

    assert discomfort(1.0) == 0.0
    felt = np.concatenate([np.linspace(0.0, -4.0, STEPS_BACK)[::-1], c.acceleration[go]])
    jerk = np.abs(felt[STEPS_BACK:] - felt[:-STEPS_BACK]).max() / (0.1 * STEPS_BACK)
    assert jerk > 1.5 * COMFORT_BOUNDS[5]
    assert discomfort(-4.0) == pytest.approx(min(jerk / COMFORT_BOUNDS[5] - 1.0, 1.0))
