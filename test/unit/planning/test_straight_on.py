"""Times to collision of going straight on, as a cost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState
from zoox_stack.core.geometry import boxes_overlap
from zoox_stack.planning.lattice import Lateral
from zoox_stack.planning.planner import Planner
from zoox_stack.planning.proposal import Proposal
from zoox_stack.planning.straight_on import straight_on
from zoox_stack.road_network.made_up import straight_road

EGO = EgoState(0, 20.0, 0.0, speed=12.0)


def propose(now: Any) -> Proposal:
    planner = Planner()
    planner.set_road_network(straight_road(lanes=2))
    return planner.propose(now, None, None)


def danger(proposal: Proposal, *names: str, inside: bool = False) -> list[float]:
    path = replace(proposal.path, in_intersection=np.full(len(proposal.path.line.s), inside))
    rows = np.array([proposal.candidates.names.index(name) for name in names])
    return straight_on(proposal.candidates, rows, proposal.ego, proposal.scene, path).max(axis=1, initial=0.0).tolist()


def test_who_closes_in_on_somebody_who_stands_is_in_danger_and_who_stops_is_not(agent: Any, scene: Any) -> None:
    now = scene(EGO, [agent(1, 62.0, 0.0)])
    go, stop = danger(propose(now), "keep", "hard stop")
    assert go == pytest.approx(1.0, abs=0.5)
    assert stop == 0.0


@pytest.mark.parametrize(
    ("x", "y", "yaw", "speed"), [(60.0, 3.5, np.pi, 12.0), (8.0, 0.0, 0.0, 14.0), (26.0, 30.0, 0.0, 5.0)]
)
def test_oncoming_behind_and_far_beside_are_no_danger(
    x: float, y: float, yaw: float, speed: float, agent: Any, scene: Any
) -> None:
    assert danger(propose(scene(EGO, [agent(1, x, y, speed, yaw)])), "keep") == [0.0]


def test_who_comes_from_the_side_counts_in_intersections(agent: Any, scene: Any) -> None:
    """At 12 m/s the ego and the other are at (50, 0) at the same time; seen from the ego it is far off its heading."""
    proposal = propose(scene(EGO, [agent(1, 51.5, -22.0, 9.0, np.pi / 2)]))
    outside, within = danger(proposal, "keep"), danger(proposal, "keep", inside=True)
    assert within[0] > 0.5
    assert within[0] >= outside[0]


def test_nobody_and_who_stands_are_no_danger(agent: Any, scene: Any) -> None:
    alone = propose(scene(EGO, []))
    assert straight_on(alone.candidates, np.arange(3), EGO, alone.scene, alone.path).shape == (3, 0)
    stands = propose(scene(replace(EGO, speed=0.0), [agent(1, 25.9, 0.0, 8.0, np.pi)]))
    assert danger(stands, "comfortable stop") == [0.0]


def test_a_future_counts_only_for_its_own_plan(agent: Any, scene: Any) -> None:
    proposal = propose(scene(EGO, [agent(1, 62.0, 0.0)]))
    rows = np.flatnonzero(proposal.candidates.laterals == int(Lateral.CENTRE))[:2]
    every = straight_on(proposal.candidates, rows, EGO, proposal.scene, proposal.path)
    second = straight_on(proposal.candidates, rows, EGO, proposal.scene, proposal.path, np.array([1]))
    assert second[0, 0] == 0.0
    assert second[1, 0] == every[1, 0] > 0.0


def test_danger_is_where_boxes_going_straight_on_touch_within_a_second(agent: Any, scene: Any) -> None:
    rng = np.random.default_rng(4)
    seen = 0
    for _ in range(40):
        x, y, yaw = rng.uniform(30, 60), rng.uniform(-6, 6), rng.uniform(-np.pi, np.pi)
        proposal = propose(scene(EGO, [agent(1, x, y, rng.uniform(0, 12), yaw)]))
        if not len(proposal.scene.ids):
            continue
        found = danger(proposal, "keep", inside=True)[0]
        plan = proposal.candidates.plan(proposal.candidates.names.index("keep"))
        future = proposal.scene.futures
        touches = False
        for step in (2, 6, 10, 15, 20, 25, 31, 37):
            other = future.positions[0, 0, step] + future.origin
            velocity = (future.positions[0, 0, step + 1] - future.positions[0, 0, step]) / 0.1
            middle = np.array([plan.x[step] + EGO.rear_axle_to_centre, plan.y[step]])
            offset = other - middle + [EGO.rear_axle_to_centre, 0.0]
            if np.degrees(np.abs(np.arctan2(offset[1], offset[0]))) > 150:
                continue
            for time in np.arange(0, 1.2, 0.05):
                touches |= bool(
                    boxes_overlap(
                        middle + time * np.array([plan.speed[step], 0.0]), 0.0, [EGO.length, EGO.width],
                        other + time * velocity, yaw, proposal.scene.sizes[0],
                    )
                )  # fmt: skip
        seen += touches
        assert not touches or found > 0.4
    assert seen > 5


def test_who_drives_off_as_somebody_passes_is_in_danger_whatever_that_one_is_expected_to_do(
    agent: Any, scene: Any
) -> None:
    """Its course now would hit an ego that moves; it is expected to turn away."""
    proposal = propose(scene(replace(EGO, speed=0.0), [agent(1, 27.5, 2.5, 4.0, np.radians(230.0))]))
    futures = proposal.scene.futures
    away = futures.positions + np.array([0.0, 60.0], np.float32)
    proposal = replace(proposal, scene=replace(proposal.scene, futures=replace(futures, positions=away)))
    go, stay = danger(proposal, "go", "comfortable stop", inside=True)
    assert go > 0.5
    assert stay == 0.0
