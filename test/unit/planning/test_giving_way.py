"""Who has to give way to the ego does, if a plan gets there first and it is not too hard."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState, TrackedAgents, TrafficSignals
from zoox_stack.core.classes import AgentClass, PredictionSource, SignalState, WhatIfStatus
from zoox_stack.core.constant_velocity import constant_velocity_prediction
from zoox_stack.core.predictions import PredictedAgents, WhatIfAnswer
from zoox_stack.core.ragged import Ragged
from zoox_stack.planning.giving_way import give_way, trust_in_giving_way
from zoox_stack.planning.planner import Planner
from zoox_stack.planning.proposal import Proposal
from zoox_stack.road_network.made_up import crossing
from zoox_stack.road_network.network import RoadNetwork

WEST_STRAIGHT, SOUTH_STRAIGHT = 15, 18
TRUST = 0.9
EGO = EgoState(0, -22.0, -1.75, speed=8.0)


def with_priority(giving: int, first: int) -> RoadNetwork:
    network = crossing(signals=False)
    rows: list[list[int]] = [[] for _ in network.lane_ids]
    rows[giving] = [first]
    return replace(network, yields=Ragged.from_rows(rows, np.int32))


@pytest.fixture
def propose(agent: Any, scene: Any) -> Any:
    """A proposal with a car from the south, `y` m from the middle; by the map it gives way unless `first`."""

    def made(
        y: float = -32.0, speed: float = 8.0, first: bool = False, trust: float = TRUST, kind: Any = AgentClass.CAR
    ) -> tuple[Planner, Proposal]:
        planner = Planner(replace(Planner().config, right_of_way_trust=trust))
        order = (WEST_STRAIGHT, SOUTH_STRAIGHT) if first else (SOUTH_STRAIGHT, WEST_STRAIGHT)
        planner.set_road_network(with_priority(*order))
        now: TrackedAgents = scene(EGO, [agent(7, 1.75, y, speed, np.pi / 2, kind=kind)])
        predicted = replace(constant_velocity_prediction(now), source=PredictionSource.MODEL)
        return planner, planner.propose(now, predicted, None)

    return made


def under(proposal: Proposal, name: str, answer: PredictedAgents | None = None) -> PredictedAgents:
    """The answer to one plan, changed."""
    row = proposal.candidates.names.index(name)
    answer = proposal.scene.futures.take(np.zeros(0, np.int64)) if answer is None else answer
    rows = np.array([row])
    return give_way([answer], proposal.own_way, proposal.scene, proposal.candidates, rows, proposal.ego, proposal.path)[
        0
    ]


def test_who_gives_way_stops_before_the_place(propose: Any) -> None:
    _, proposal = propose()
    found = under(proposal, "keep")
    assert found.agent_ids.tolist() == [7]
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1.0, atol=1e-5)
    assert found.probabilities[0, -1] == pytest.approx(TRUST, abs=1e-5)
    y = found.map_positions[0, -1, :, 1]
    assert (np.diff(y) > -1e-6).all()
    assert -8.0 < y[-1] + 2.3 < -2.8  # its front stands before the ego's lane,
    np.testing.assert_allclose(y[-1], y[-20])
    speed = np.diff(np.concatenate([[-32.0], y])) / 0.1
    assert np.diff(speed).min() > -0.1 * 4.0  # without braking hard
    np.testing.assert_allclose(found.map_positions[0, -1, :, 0], 1.75, atol=1e-3)


def test_an_answer_keeps_its_other_agents_and_futures(propose: Any) -> None:
    _, proposal = propose()
    both = replace(
        proposal.scene.futures.take(np.array([0, 0])), agent_ids=np.array([7, 99]), origin=proposal.scene.futures.origin
    )
    found = under(proposal, "keep", both)
    assert sorted(found.agent_ids.tolist()) == [7, 99]
    other = int(np.flatnonzero(found.agent_ids == 99)[0])
    np.testing.assert_array_equal(found.map_positions[other, 0], both.map_positions[1, 0])
    assert found.probabilities[other, -1] == 0.0


@pytest.mark.parametrize(
    ("plan", "change"),
    [
        ("comfortable stop", {}),  # the plan does not come
        ("keep", {"first": True}),  # it goes first
        ("keep", {"y": -11.0}),  # it could only brake hard
        ("keep", {"y": -12.0, "speed": 14.0}),  # it is through before
        ("keep", {"y": -110.0}),  # it is far away
        ("go", {"y": -54.0}),  # it comes when the ego is gone
        ("keep", {"kind": AgentClass.PEDESTRIAN}),
        ("keep", {"trust": 0.0}),
    ],
)
def test_who_does_not_give_way(propose: Any, plan: str, change: dict[str, Any]) -> None:
    _, proposal = propose(**change)
    assert not len(under(proposal, plan))


@pytest.mark.parametrize("speed", [4.0, 8.0, 10.0])
def test_it_stops_before_the_place_however_fast_it_comes(propose: Any, speed: float) -> None:
    _, proposal = propose(y=-4.0 * speed, speed=speed)
    found = under(proposal, "keep")
    begin = proposal.own_way.places.lane_begin[0]
    lane = proposal.own_way.lines[0].project(found.map_positions[0, -1, -1:])
    assert float(lane.s[0]) + 2.3 == pytest.approx(begin - 1.0, abs=0.1)


def test_who_drives_ahead_of_the_ego_does_not_give_way_to_it(agent: Any, scene: Any) -> None:
    """Where the lanes merge it lies on the lane that gives way, too."""
    network = crossing(signals=False)
    rows: list[list[int]] = [[] for _ in network.lane_ids]
    for turn in (17, 18, 19):
        rows[turn] = [WEST_STRAIGHT]
    planner = Planner()
    planner.set_road_network(replace(network, yields=Ragged.from_rows(rows, np.int32)))
    for gap in (8.0, 10.0, 12.0, 15.0):
        proposal = planner.propose(scene(EGO, [agent(7, EGO.x + gap, -1.75, 8.0)]), None, None)
        assert len(proposal.own_way.places)
        assert not len(under(proposal, "keep"))


def test_the_place_is_known_until_the_ego_has_left_it(agent: Any, scene: Any) -> None:
    for x, known in ((-6.0, True), (0.0, True), (14.0, False)):
        planner = Planner()
        planner.set_road_network(with_priority(SOUTH_STRAIGHT, WEST_STRAIGHT))
        now = scene(replace(EGO, x=x), [agent(7, 1.75, -40.0, 8.0, np.pi / 2)])
        assert bool(len(planner.propose(now, None, None).own_way.places)) is known


@pytest.mark.parametrize(
    ("own", "other", "first"),
    [
        (SignalState.GREEN, SignalState.RED, True),
        (SignalState.GREEN, SignalState.GREEN, True),  # as for left turns across oncoming traffic: then the map says it
        (SignalState.RED, SignalState.GREEN, False),
        (SignalState.UNKNOWN, SignalState.GREEN, False),
    ],
)
def test_signals_come_before_the_map(own: SignalState, other: SignalState, first: bool, agent: Any, scene: Any) -> None:
    network = crossing()
    rows: list[list[int]] = [[] for _ in network.lane_ids]
    rows[SOUTH_STRAIGHT] = [WEST_STRAIGHT]
    planner = Planner()
    planner.set_road_network(replace(network, yields=Ragged.from_rows(rows, np.int32)))
    states = np.array([own, other], np.uint8)
    signals = TrafficSignals(1_000_000_000, np.array([3, 4]), states, np.ones(2, np.float32))
    proposal = planner.propose(scene(EGO, [agent(7, 1.75, -32.0, 8.0, np.pi / 2)]), None, signals)
    assert bool(len(proposal.own_way.places)) is first


def test_who_would_have_to_brake_harder_does_so_less_often(propose: Any) -> None:
    def share(y: float) -> float:
        found = under(propose(y=y)[1], "keep")
        return float(found.probabilities[0, -1]) if len(found) else 0.0

    shares = [share(y) for y in (-32.0, -20.0, -17.0, -15.0)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > shares[-1]


def test_an_ego_that_has_stood_is_not_waited_for() -> None:
    shares = [trust_in_giving_way(0.9, stood) for stood in (0.0, 4.0, 7.0, 10.0)]
    assert shares == [0.9, 0.9, pytest.approx(0.45), 0.0]


def test_the_planner_goes_where_it_has_the_right_of_way(propose: Any) -> None:
    went = {}
    for trust in (0.0, TRUST):
        planner, proposal = propose(y=-24.0, trust=trust)
        assert proposal.request is not None
        answer = WhatIfAnswer(
            status=WhatIfStatus.OK,
            scene_stamp_ns=proposal.stamp_ns,
            conditional=True,
            predictions=(proposal.scene.futures,) * len(proposal.request.plans),
            collision_probabilities=np.zeros(len(proposal.request.plans), np.float32),
        )
        trajectory, _ = planner.decide(proposal, answer, WhatIfStatus.OK)
        went[trust] = float(trajectory.plan.x[39])
    assert went[0.0] < went[TRUST] - 3.0
