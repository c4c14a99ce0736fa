"""Plans that leave a way back when others do not make room, and plans that do not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState
from zoox_stack.core.classes import AgentClass, PredictionSource, TrajectorySource, WhatIfStatus
from zoox_stack.core.constant_velocity import constant_velocity_prediction
from zoox_stack.core.predictions import PredictedAgents, WhatIfAnswer
from zoox_stack.planning.costs import COST_NAMES
from zoox_stack.planning.fallback import FallbackCheck
from zoox_stack.planning.planner import Planner
from zoox_stack.planning.proposal import Proposal
from zoox_stack.road_network.made_up import straight_road

LIMIT = 13.9


def propose(now: Any, predicted: PredictedAgents | None = None, **parameters: Any) -> tuple[Planner, Proposal]:
    planner = Planner(replace(Planner().config, **parameters))
    planner.set_road_network(straight_road(lanes=1))
    return planner, planner.propose(now, predicted, None)


def terms(proposal: Proposal, *names: str) -> list[float]:
    check = FallbackCheck(proposal.scene, proposal.ego, LIMIT, Planner().config)
    rows = np.array([proposal.candidates.names.index(name) for name in names])
    return check.check(proposal.candidates, rows).term.tolist()


def may_stop(now: Any, distance: float, going: float) -> PredictedAgents:
    """All agents go on as they do with probability `going`, else they come to rest within `distance` [m]."""
    base = constant_velocity_prediction(now, modes=2)
    positions, start = base.positions.copy(), now.position[:, :2] - base.origin
    way = positions[:, 1] - start[:, None]
    length = np.maximum(np.linalg.norm(way, axis=-1, keepdims=True), 1e-6)
    positions[:, 1] = start[:, None] + way / length * distance * (1 - np.exp(-length / distance))
    probabilities = np.tile(np.array([going, 1 - going], np.float32), (len(now), 1))
    return replace(base, positions=positions, probabilities=probabilities, source=PredictionSource.MODEL)


def test_alone_every_plan_is_recoverable(scene: Any) -> None:
    _, proposal = propose(scene(EgoState(0, 20.0, 0.0, speed=12.0), []))
    assert terms(proposal, "go", "emergency stop") == [0.0, 0.0]


@pytest.mark.parametrize(("gap", "lost"), [(60.0, False), (6.0, True)])
def test_a_leader_may_brake_hard(gap: float, lost: bool, agent: Any, scene: Any) -> None:
    front = 20.0 + 1.4 + 2.4
    now = scene(EgoState(0, 20.0, 0.0, speed=13.0), [agent(1, front + gap + 2.3, 0.0, 13.0)])
    brisk, stop = terms(propose(now)[1], "brisk", "emergency stop")
    assert (brisk > 0) is lost
    assert stop <= brisk


@pytest.mark.parametrize(("going", "lost"), [(0.3, True), (0.02, False)])
def test_who_may_go_first_counts_unless_that_is_unlikely(going: float, lost: bool, agent: Any, scene: Any) -> None:
    """A car from the right will probably stop; 9 m before its way the ego can no longer do so at 12 m/s."""
    now = scene(EgoState(0, 20.0, 0.0, speed=12.0), [agent(1, 35.0, -12.0, 8.0, np.pi / 2)])
    assert (terms(propose(now, may_stop(now, 5.0, going))[1], "keep")[0] > 0) is lost


def test_who_can_still_stop_may_hope(agent: Any, scene: Any) -> None:
    now = scene(EgoState(0, 20.0, 0.0, speed=12.0), [agent(1, 75.0, -38.0, 8.0, np.pi / 2)])
    assert terms(propose(now, may_stop(now, 20.0, 0.3))[1], "keep", "comfortable stop") == [0.0, 0.0]


def test_going_on_is_a_way_out_too(agent: Any, scene: Any) -> None:
    """10 m before the crossing way the ego cannot stop any more, but is through long before the other comes."""
    now = scene(EgoState(0, 20.0, 0.0, speed=12.0), [agent(1, 35.0, -40.0, 8.0, np.pi / 2)])
    assert terms(propose(now)[1], "keep") == [0.0]


def test_a_pedestrian_walks_on(agent: Any, scene: Any) -> None:
    walker = agent(1, 34.0, -2.4, 1.4, np.pi / 2, 0.6, 0.6, AgentClass.PEDESTRIAN)
    _, proposal = propose(scene(EgoState(0, 20.0, 0.0, speed=6.0), [walker]))
    slow, stop = terms(proposal, "keep", "emergency stop")
    assert slow == stop == 0.0
    _, proposal = propose(scene(EgoState(0, 20.0, 0.0, speed=13.0), [walker]))
    assert terms(proposal, "keep")[0] > 0


def test_the_choice_falls_on_a_plan_with_a_way_back(agent: Any, scene: Any) -> None:
    """The answer promises that the car from the right stops; whoever counts on it must still be able to stop."""
    now = scene(EgoState(0, 20.0, 0.0, speed=12.0), [agent(1, 46.0, -16.0, 7.0, np.pi / 2)])
    predicted = may_stop(now, 9.0, 0.3)
    chosen = {}
    for weight in (0.0, 20.0):
        planner, proposal = propose(now, predicted, weight_unrecoverable=weight)
        promised = tuple(replace(predicted, probabilities=np.array([[0.01, 0.99]], np.float32)) for _ in proposal.asked)
        answer = WhatIfAnswer(
            WhatIfStatus.OK, "", now.stamp_ns, True, promised, np.zeros(len(promised), np.float32)
        )  # fmt: skip
        trajectory, decision = planner.decide(proposal, answer, WhatIfStatus.OK)
        assert trajectory.source == TrajectorySource.DECISION
        chosen[weight] = terms(proposal, decision.names[decision.chosen])[0], decision
    assert chosen[20.0][0] <= chosen[0.0][0]
    assert chosen[20.0][0] == 0.0, chosen[20.0][1].explanation


def test_when_no_plan_has_a_way_back_there_still_is_one(agent: Any, scene: Any) -> None:
    walkers = [agent(i, 30.0 + 0.5 * i, -2.4, 1.4, np.pi / 2, 0.6, 0.6, AgentClass.PEDESTRIAN) for i in range(6)]
    now = scene(EgoState(0, 20.0, 0.0, speed=13.0), walkers)
    planner, proposal = propose(now, may_stop(now, 0.6, 0.3))
    trajectory, decision = planner.decide(proposal, None, WhatIfStatus.TIMEOUT)
    column = decision.costs[:, COST_NAMES.index("unrecoverable")]
    assert column[decision.chosen] > 0
    assert "no way back" in decision.explanation
    assert np.isfinite(trajectory.plan.xy).all()


def test_nobody_drives_into_an_ego_that_stands_and_stays(agent: Any, scene: Any) -> None:
    comes = [agent(1, 36.0, 0.0, 6.0, np.pi)]
    _, standing = propose(scene(EgoState(0, 20.0, 0.0), comes))
    assert terms(standing, "emergency stop") == [0.0]
    _, rolling = propose(scene(EgoState(0, 20.0, 0.0, speed=3.0), comes))
    assert terms(rolling, "keep")[0] > 0.0


@pytest.mark.parametrize(("speed", "away", "lost"), [(1.0, 5.4, False), (12.0, 28.0, True)])
def test_who_is_slow_sees_an_ego_that_stops_sooner(
    speed: float, away: float, lost: bool, agent: Any, scene: Any
) -> None:
    """Both would come to where the ego stops 1.7 s after it stands: time to react and brake from 4 m/s, not from 14."""
    comes = [agent(1, 24.15 + 2.3 + away, 0.0, speed, np.pi)]
    _, proposal = propose(scene(EgoState(0, 20.0, 0.0, speed=1.0), comes))
    assert (terms(proposal, "emergency stop")[0] > 0.0) == lost
