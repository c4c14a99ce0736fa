"""Safe distances and proper responses against the formulas of the RSS paper (arXiv:1708.06374), worked out by hand."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from zoox_stack.road_network.polyline import Polyline
from zoox_stack.supervisor.config import SupervisorConfig
from zoox_stack.supervisor.encounters import CROSSING, Encounter, Extent, Relation
from zoox_stack.supervisor.motion import Proposal

if importlib.util.find_spec("ad_rss") is None:
    pytest.skip("the library ad-rss is not installed", allow_module_level=True)

from zoox_stack.supervisor.rss import ProperResponse, RssMonitor, braking_missed, drift_missed, matters

SECOND = 1_000_000_000
CONFIG = SupervisorConfig(rss_ego_braking=6.0)
RHO, ACCEL, BRAKE, OTHER_BRAKE, HARD, GAP = 0.3, 2.5, 6.0, 4.0, 8.0, 0.3
OTHER_RHO, CORRECT = 0.8, 3.0
FREE = ProperResponse(2.5, -8.0, False, False)
LINE = Polyline.from_points(np.array([[-50.0, 0.0], [300.0, 0.0]]))


def extent(
    s: float, d: float, speed: float, sideways: float = 0.0, *, size: tuple[float, float] = (4.8, 1.9)
) -> Extent:
    """A vehicle with its middle at (s, d)."""
    return Extent(s - size[0] / 2, s + size[0] / 2, d - size[1] / 2, d + size[1] / 2, speed, sideways)


def beside(ego: Extent, agent: Extent, relation: Relation = Relation.SAME_DIRECTION, walker: bool = False) -> Encounter:
    return Encounter(4, relation, walker, ego, agent)


def crossing(relation: Relation, ego: tuple[float, float], agent: tuple[float, float], width: float = 5.0) -> Encounter:
    """Both (distance of the front to the crossing, speed), 4.8 m long."""
    sides = [Extent(d + 4.8, d, -0.95, 0.95, v, 0.0, d + 4.8 + width) for d, v in (ego, agent)]
    return Encounter(4, relation, False, sides[0], sides[1])


def braking_distance(v: float, rho: float, accel: float, brake: float) -> float:
    """Accelerating during the response time, then braking (lemma 2 of the paper)."""
    return v * rho + accel * rho**2 / 2 + (v + accel * rho) ** 2 / (2 * brake)


def gap_at(distance: float, ego_speed: float, agent_speed: float, relation: Relation) -> Encounter:
    return beside(extent(0.0, 0.0, ego_speed), extent(4.8 + distance, 0.0, agent_speed), relation)


def test_the_numbers_of_one_case() -> None:
    """14 m/s behind 14 m/s: 4.2 + 0.1125 + 14.75^2 / 12 - 14^2 / 16 + 0.3 = 10.49 m."""
    report = RssMonitor(CONFIG).check([gap_at(10.4, 14.0, 14.0, Relation.SAME_DIRECTION)], SECOND)
    assert report.agents[0].safe_along == pytest.approx(10.4927, abs=1e-3)
    assert report.agents[0].along == pytest.approx(10.4)
    assert report.agents[0].dangerous
    assert report.response == ProperResponse(-6.0, -8.0, False, False)


@pytest.mark.parametrize("ego_speed", [0.0, 3.0, 14.0, 30.0])
@pytest.mark.parametrize("agent_speed", [0.0, 5.0, 14.0, 30.0])
def test_behind_somebody(ego_speed: float, agent_speed: float) -> None:
    way = braking_distance(ego_speed, RHO, ACCEL, BRAKE) - agent_speed**2 / (2 * HARD)
    safe = max(way, 0.0) + GAP
    for distance, dangerous in ((safe - 0.05, True), (safe + 0.05, False)):
        report = RssMonitor(CONFIG).check([gap_at(distance, ego_speed, agent_speed, Relation.SAME_DIRECTION)], SECOND)
        assert report.agents[0].safe_along == pytest.approx(safe, abs=1e-4)
        assert report.agents[0].dangerous == dangerous
        assert (report.response.max_acceleration < 0) == dangerous


def test_who_is_behind_has_to_keep_the_distance() -> None:
    encounter = beside(extent(0.0, 0.0, 8.0), extent(-8.0, 0.0, 14.0))
    report = RssMonitor(CONFIG).check([encounter], SECOND)
    safe = braking_distance(14.0, OTHER_RHO, ACCEL, OTHER_BRAKE) - 8.0**2 / (2 * HARD) + GAP
    assert report.agents[0].safe_along == pytest.approx(safe, abs=1e-3)
    assert report.agents[0].dangerous
    assert report.response.max_acceleration > 0


@pytest.mark.parametrize(("ego_speed", "agent_speed"), [(10.0, 10.0), (14.0, 3.0), (0.0, 14.0)])
def test_towards_somebody_in_the_same_lane(ego_speed: float, agent_speed: float) -> None:
    """The ego is in its own lane: it brakes with the lesser deceleration for that (definition 3 of the paper)."""
    safe = (
        braking_distance(ego_speed, RHO, ACCEL, CORRECT)
        + braking_distance(agent_speed, OTHER_RHO, ACCEL, OTHER_BRAKE)
        + GAP
    )
    for distance, dangerous in ((safe - 0.05, True), (safe + 0.05, False)):
        report = RssMonitor(CONFIG).check([gap_at(distance, ego_speed, agent_speed, Relation.OPPOSITE)], SECOND)
        assert report.agents[0].safe_along == pytest.approx(safe, abs=1e-4)
        assert report.agents[0].dangerous == dangerous
        if dangerous:
            assert report.response.max_acceleration == pytest.approx(-CORRECT)


def lateral_distance(to_right: float, to_left: float, ego_is_left: bool) -> float:
    """Of a left vehicle that moves right and a right one that moves left (lemma 4 of the paper), accelerating 0.2."""
    rho_left, rho_right = (RHO, OTHER_RHO) if ego_is_left else (OTHER_RHO, RHO)

    def way(v: float, rho: float) -> float:
        after = v + 0.2 * rho
        return (v + after) / 2 * rho + (after**2 / (2 * 0.8) if after > 0 else 0.0)

    return max(way(to_right, rho_left) + way(to_left, rho_right) + 0.1, 0.0)


@pytest.mark.parametrize("side", [1.0, -1.0], ids=["agent left", "agent right"])
@pytest.mark.parametrize(("mine", "its"), [(0.0, 0.0), (0.5, 0.0), (0.0, 0.7), (0.4, 0.6)])
def test_beside_somebody(side: float, mine: float, its: float) -> None:
    """`mine` and `its` speed lead towards each other [m/s]."""
    ego_is_left = side < 0
    safe = lateral_distance(mine if ego_is_left else its, its if ego_is_left else mine, ego_is_left)
    for distance, dangerous in ((safe - 0.02, True), (safe + 0.02, False)):
        ego = extent(0.0, 0.0, 10.0, side * mine)
        agent = extent(1.0, side * (1.9 + distance), 10.0, -side * its)
        report = RssMonitor(CONFIG).check([beside(ego, agent)], SECOND)
        assert report.agents[0].across == pytest.approx(distance, abs=1e-6)
        assert report.agents[0].safe_across == pytest.approx(safe, abs=1e-4)
        assert report.agents[0].dangerous == dangerous


def test_who_became_too_near_across_answers_across() -> None:
    """First beside each other and safe, then the agent leans over: no braking along, but none to its side."""
    monitor = RssMonitor(CONFIG)
    ego = extent(0.0, 0.0, 10.0)
    assert not monitor.check([beside(ego, extent(1.0, 3.5, 10.0))], SECOND).dangerous
    report = monitor.check([beside(ego, extent(1.0, 2.2, 10.0, -0.8))], SECOND + SECOND // 10)
    assert report.dangerous
    assert report.response == ProperResponse(2.5, -8.0, True, False)


def test_who_became_too_near_along_answers_along() -> None:
    monitor = RssMonitor(CONFIG)
    assert not monitor.check([gap_at(40.0, 10.0, 10.0, Relation.SAME_DIRECTION)], SECOND).dangerous
    report = monitor.check([gap_at(2.0, 10.0, 5.0, Relation.SAME_DIRECTION)], 2 * SECOND)
    assert report.response == ProperResponse(-6.0, -8.0, False, False)


def test_danger_tells_since_when() -> None:
    monitor = RssMonitor(CONFIG)
    far, near = gap_at(40.0, 10.0, 10.0, Relation.SAME_DIRECTION), gap_at(2.0, 10.0, 10.0, Relation.SAME_DIRECTION)
    assert monitor.check([far], SECOND).agents[0].since_ns is None
    assert monitor.check([near], 2 * SECOND).agents[0].since_ns == 2 * SECOND
    assert monitor.check([near], 3 * SECOND).agents[0].since_ns == 2 * SECOND
    assert monitor.check([far], 4 * SECOND).agents[0].since_ns is None
    assert monitor.check([near], 5 * SECOND).agents[0].since_ns == 5 * SECOND


@pytest.mark.parametrize("relation", [Relation.AGENT_FIRST, Relation.NOBODY_FIRST])
def test_at_a_crossing_without_right_of_way_the_ego_must_be_able_to_stop(relation: Relation) -> None:
    """4.3125 + 14.75^2 / 12 + 0.3 = 22.74 m from 14 m/s; the agent is as near and cannot stop any more."""
    safe = braking_distance(14.0, RHO, ACCEL, BRAKE) + GAP
    assert safe == pytest.approx(22.7427, abs=1e-3)
    for distance, dangerous in ((safe + 0.05, False), (safe - 0.05, True)):
        report = RssMonitor(CONFIG).check([crossing(relation, (distance, 14.0), (22.0, 14.0))], SECOND)
        assert bool(report.dangerous) == dangerous
        assert (report.response.max_acceleration < 0) == dangerous


def test_at_a_crossing_with_right_of_way_the_other_must_be_able_to_stop() -> None:
    safe = braking_distance(10.0, OTHER_RHO, ACCEL, OTHER_BRAKE) + GAP
    monitor = RssMonitor(CONFIG)
    stops = monitor.check([crossing(Relation.EGO_FIRST, (10.0, 10.0), (safe + 0.1, 10.0))], SECOND)
    assert not stops.dangerous
    # He took it too late: dangerous, but it is his to brake, as long as it was safe when he still could.
    late = monitor.check([crossing(Relation.EGO_FIRST, (9.0, 10.0), (safe - 0.1, 10.0))], SECOND + 1)
    assert late.dangerous
    assert late.response.max_acceleration > 0
    # Never seen before, nobody can tell: the ego brakes.
    unseen = RssMonitor(CONFIG).check([crossing(Relation.EGO_FIRST, (9.0, 10.0), (safe - 0.1, 10.0))], SECOND)
    assert unseen.response.max_acceleration == pytest.approx(-6.0)
    # Who can still stop before the place waits until then.
    far = braking_distance(10.0, RHO, ACCEL, BRAKE) + GAP + 0.1
    early = RssMonitor(CONFIG).check([crossing(Relation.EGO_FIRST, (far, 10.0), (safe - 0.1, 10.0))], SECOND)
    assert not early.dangerous


def test_who_is_through_before_the_other_comes_is_safe() -> None:
    report = RssMonitor(CONFIG).check([crossing(Relation.AGENT_FIRST, (0.0, 12.0), (200.0, 10.0))], SECOND)
    assert not report.dangerous


def test_pedestrians_walk_into_the_way_and_beside_it() -> None:
    """At 10 m/s: 3 + 0.1125 + 10.75^2 / 12 + 0.3 = 13.04 m before somebody who may stand still at once."""
    ego = extent(0.0, 0.0, 10.0)
    person = (0.6, 0.6)

    def judge(ahead: float, d: float, sideways: float) -> bool:
        agent = extent(2.4 + ahead + 0.3, d, 1.0, sideways, size=person)
        return bool(RssMonitor(CONFIG).check([beside(ego, agent, walker=True)], SECOND).dangerous)

    assert judge(13.0, 0.0, 1.4)
    assert not judge(13.1, 0.0, 1.4)
    # Towards the lane: 0.8 * 1.4 + 0.5 * 0.8^2 / 2 + 1.8^2 / 4 = 2.09 m, the ego 0.02 m, half the margins 0.1 m.
    assert judge(10.0, 0.95 + 0.3 + 2.1, -1.4)
    assert not judge(10.0, 0.95 + 0.3 + 2.3, -1.4)
    assert not judge(10.0, 0.95 + 0.3 + 1.0, 0.0)  # along the pavement


def test_many_at_once_and_nobody() -> None:
    monitor = RssMonitor(CONFIG)
    assert monitor.check([], SECOND).response == FREE
    some = [
        replace(gap_at(distance, 10.0, 10.0, Relation.SAME_DIRECTION), agent_id=i)
        for i, distance in enumerate((50.0, 2.0, 30.0))
    ]
    report = monitor.check(some, 2 * SECOND)
    assert [a.agent_id for a in report.agents] == [0, 1, 2]
    assert [a.agent_id for a in report.dangerous] == [1]


def test_speeds_beyond_what_the_library_takes_are_cut_off() -> None:
    report = RssMonitor(CONFIG).check([gap_at(5.0, 150.0, 0.0, Relation.SAME_DIRECTION)], SECOND)
    assert report.dangerous


BRAKE_NOW = ProperResponse(-6.0, -8.0, False, False)


@pytest.mark.parametrize(
    ("acceleration", "response", "obeys"),
    [
        (0.0, FREE, True),
        (2.0, FREE, True),
        (0.0, BRAKE_NOW, False),
        (-5.5, BRAKE_NOW, False),
        (-5.8, BRAKE_NOW, True),
        (-7.9, BRAKE_NOW, True),
        (-3.0, ProperResponse(-3.0, -8.0, False, False), True),
    ],
)
def test_braking_has_to_be_hard_enough(
    motion: Callable[..., Proposal], acceleration: float, response: ProperResponse, obeys: bool
) -> None:
    proposal = motion(speed=15.0, acceleration=acceleration)
    found = braking_missed(proposal, response, SECOND, CONFIG)
    assert (found is None) == obeys
    if found is not None:
        assert "due is at most" in found


def test_the_response_time_and_standing_are_granted(motion: Callable[..., Proposal]) -> None:
    proposal = motion(speed=15.0, acceleration=-6.0)
    late = proposal.acceleration.copy()
    late[:2] = 1.0
    assert braking_missed(replace(proposal, acceleration=late), BRAKE_NOW, SECOND, CONFIG) is None
    late[:4] = 1.0
    assert braking_missed(replace(proposal, acceleration=late), BRAKE_NOW, SECOND, CONFIG) is not None
    assert braking_missed(motion(speed=0.0), BRAKE_NOW, SECOND, CONFIG) is None


def test_the_end_of_a_stop_may_be_softer(motion: Callable[..., Proposal]) -> None:
    """0.4 m/s at 1 m/s^2 are 0.08 m more, 0.8 m/s are 0.32 m."""
    assert braking_missed(motion(speed=0.7, acceleration=-1.0), BRAKE_NOW, SECOND, CONFIG) is None
    assert braking_missed(motion(speed=1.1, acceleration=-1.0), BRAKE_NOW, SECOND, CONFIG) is not None


def test_an_old_trajectory_says_nothing_about_now(motion: Callable[..., Proposal]) -> None:
    assert braking_missed(motion(speed=0.0), BRAKE_NOW, 20 * SECOND, CONFIG) is not None


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_motion_to_the_dangerous_side_has_to_end(motion: Callable[..., Proposal], side: float) -> None:
    response = ProperResponse(2.5, -8.0, side > 0, side < 0)
    t = 0.1 * np.arange(1, 81)
    drifting = replace(motion(), y=side * 0.6 * t)
    ending = replace(motion(), y=side * (0.6 * np.minimum(t, 0.6) - 0.5 * np.clip(t - 0.3, 0, 0.6) ** 2 * 0.6))
    assert drift_missed(drifting, LINE, response, SECOND, CONFIG) is not None
    assert drift_missed(replace(motion(), y=-side * 0.6 * t), LINE, response, SECOND, CONFIG) is None
    assert drift_missed(ending, LINE, response, SECOND, CONFIG) is None
    assert drift_missed(drifting, LINE, FREE, SECOND, CONFIG) is None


@pytest.mark.parametrize("relation", list(Relation))
@pytest.mark.parametrize("ego_speed", [0.0, 7.0, 20.0])
@pytest.mark.parametrize("agent_speed", [0.0, 7.0, 20.0])
def test_whoever_is_in_danger_matters_and_did_so_well_before(
    relation: Relation, ego_speed: float, agent_speed: float
) -> None:
    """A scene or two earlier, both nearing each other, the library is asked already."""
    for place in np.arange(0.0, 120.0, 1.5).tolist():
        if relation in CROSSING:
            now = crossing(relation, (place, ego_speed), (place, agent_speed))
            before = crossing(relation, (place + 0.2 * ego_speed, ego_speed), (place + 0.2 * agent_speed, agent_speed))
        else:
            now = gap_at(place, ego_speed, agent_speed, relation)
            before = gap_at(place + 0.2 * max(ego_speed - agent_speed, 0.0), ego_speed, agent_speed, relation)
        if RssMonitor(CONFIG).check([now], SECOND).dangerous:
            assert matters(now, CONFIG)
            assert matters(before, CONFIG)


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_beside_matters_before_it_is_dangerous(side: float) -> None:
    ego = extent(0.0, 0.0, 10.0)
    for gap in np.arange(0.0, 8.0, 0.1).tolist():
        one = beside(ego, extent(1.0, side * (1.9 + gap), 10.0, -side * 1.0))
        if RssMonitor(CONFIG).check([one], SECOND).dangerous:
            assert matters(beside(ego, extent(1.0, side * (1.9 + gap + 0.3), 10.0, -side * 1.0)), CONFIG)
    assert not matters(beside(ego, extent(1.0, side * 20.0, 10.0)), CONFIG)
