"""Bodies follow what they are given, but never beyond the limits of motion."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from zoox_stack.core.classes import AgentClass
from zoox_stack.core.geometry import wrap_angle
from zoox_stack.core.motion_limits import MOTION_LIMITS
from zoox_stack.simulation.continuity import LOST, Bodies, Continuity

DT = 0.1
LENGTHS = {AgentClass.CAR: 4.5, AgentClass.BUS: 12.0, AgentClass.BICYCLE: 1.8, AgentClass.PEDESTRIAN: 0.6}


def _follow(
    kind: AgentClass, points: NDArray[np.float64], yaw: NDArray[np.float64], speed: float = 0.0
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """States ``[T, 5]`` and jumps ``[T]`` of one agent whose reference is at `points` ``[T, 2]``."""
    continuity = Continuity(DT)
    bodies = Bodies(np.array([kind], np.uint8), np.array([LENGTHS[kind]]))
    steps = [
        continuity.follow(np.array([7]), p[None], np.array([y]), np.array([speed]), bodies, np.zeros(1, bool))
        for p, y in zip(points, yaw, strict=True)
    ]
    return np.concatenate([s for s, _ in steps]), np.concatenate([j for _, j in steps])


def _within_limits(kind: AgentClass, states: NDArray[np.float64]) -> None:
    limits = MOTION_LIMITS[kind]
    acceleration = np.hypot(*(np.diff(states[:, 3:], axis=0) / DT).T)
    turned = np.abs(wrap_angle(np.diff(states[:, 2]))) / DT
    assert np.hypot(*states[:, 3:].T).max() <= limits.speed
    assert acceleration.max() <= limits.acceleration
    assert turned.max() <= limits.yaw_rate
    moved = np.diff(states[:, :2], axis=0) / DT
    assert np.allclose(moved, states[1:, 3:], atol=1e-9)


def _corner(speed: float, degrees: float, steps: int = 120) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Straight on, and after 2 s in another direction at once; position and direction."""
    yaw = np.where(np.arange(steps) < 20, 0.0, np.deg2rad(degrees))
    move = speed * DT * np.stack([np.cos(yaw), np.sin(yaw)], axis=1)
    return np.cumsum(move, axis=0), yaw


@pytest.mark.parametrize("kind", [AgentClass.CAR, AgentClass.BUS, AgentClass.BICYCLE])
def test_a_straight_drive_is_followed_without_lag(kind: AgentClass) -> None:
    speed = np.minimum(np.arange(100) * 0.2, 8.0)  # accelerates with 2 m/s^2
    points = np.stack([np.cumsum(speed * DT), np.zeros(100)], axis=1)
    states, _ = _follow(kind, points, np.zeros(100))
    assert np.allclose(states[:, 0], points[:, 0] - LENGTHS[kind] / 2, atol=1e-6)
    assert np.allclose(states[:, [1, 2, 4]], 0)


@pytest.mark.parametrize(("kind", "speed", "degrees"), [
    (AgentClass.CAR, 8.0, 40.0), (AgentClass.CAR, 13.0, -20.0), (AgentClass.BUS, 6.0, 30.0),
    (AgentClass.BICYCLE, 4.0, 60.0),
])  # fmt: skip
def test_a_corner_becomes_a_curve(kind: AgentClass, speed: float, degrees: float) -> None:
    points, yaw = _corner(speed, degrees)
    states, jumped = _follow(kind, points, yaw, speed)
    _within_limits(kind, states)
    assert not jumped.any()
    behind = LENGTHS[kind] / 2 * np.array([np.cos(yaw[-1]), np.sin(yaw[-1])])
    assert np.hypot(*(states[-1, :2] - (points[-1] - behind))) < 0.05
    assert abs(wrap_angle(states[-1, 2] - yaw[-1])) < 0.02


@pytest.mark.parametrize("kind", [AgentClass.CAR, AgentClass.PEDESTRIAN])
def test_a_shift_to_the_side_is_made_up_for(kind: AgentClass) -> None:
    speed, steps = (8.0, 80) if kind is AgentClass.CAR else (1.3, 80)
    points = np.stack([np.arange(steps) * speed * DT, np.where(np.arange(steps) < 20, 0.0, 0.9)], axis=1)
    states, jumped = _follow(kind, points, np.zeros(steps), speed)
    _within_limits(kind, states)
    assert not jumped.any()
    assert abs(states[-1, 1] - 0.9) < 0.02
    assert np.abs(states[:, 1]).max() < 1.1  # no swinging


def test_nobody_drives_backwards_or_sideways() -> None:
    points = np.concatenate([np.zeros((10, 2)), np.full((20, 2), (-1.0, 0.5))])
    states, _ = _follow(AgentClass.CAR, points, np.zeros(30))
    assert np.allclose(states, states[0])


@pytest.mark.parametrize("kind", list(LENGTHS))
def test_whoever_is_put_elsewhere_is_named(kind: AgentClass) -> None:
    points = np.zeros((10, 2))
    points[6:] = (2 * LOST, 0)
    _, jumped = _follow(kind, points, np.zeros(10))
    assert not jumped[:6].any()
    assert jumped[6]


def test_exact_ones_are_where_they_are_said_to_be() -> None:
    continuity, bodies = Continuity(DT), Bodies(np.array([AgentClass.CAR], np.uint8), np.array([4.0]))
    for x, yaw in ((10.0, 0.0), (11.0, 0.5), (11.0, -0.5)):
        states, _ = continuity.follow(
            np.array([1]), np.array([[x, 0.0]]), np.array([yaw]), np.zeros(1), bodies, np.ones(1, bool)
        )
        assert np.allclose(states[0, :3], [x - 2 * np.cos(yaw), -2 * np.sin(yaw), yaw])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(list(LENGTHS)))
def test_whatever_is_given_the_limits_hold(seed: int, kind: AgentClass) -> None:
    random = np.random.default_rng(seed)
    points = np.cumsum(random.normal(0.3, 0.5, (60, 2)), axis=0)
    states, _ = _follow(kind, points, np.cumsum(random.normal(0, 0.4, 60)), 1.0)
    _within_limits(kind, states)


def test_agents_do_not_depend_on_each_other() -> None:
    random = np.random.default_rng(3)
    kinds = np.array([AgentClass.CAR, AgentClass.PEDESTRIAN, AgentClass.BUS, AgentClass.BICYCLE], np.uint8)
    lengths = np.array([LENGTHS[AgentClass(k)] for k in kinds])
    paths = np.cumsum(random.normal(0.4, 0.3, (40, 4, 2)), axis=0)
    together = Continuity(DT)
    for t, points in enumerate(paths):
        order = np.arange(4) if t < 20 else np.array([0, 2, 3])  # one leaves
        states, _ = together.follow(
            order, points[order], np.zeros(len(order)), np.ones(len(order)), Bodies(kinds[order], lengths[order]),
            np.zeros(len(order), bool),
        )  # fmt: skip
    for row, k in enumerate([0, 2, 3]):
        alone, _ = _follow(AgentClass(int(kinds[k])), paths[:, k], np.zeros(40), 1.0)
        assert np.allclose(alone[-1], states[row])


def test_it_does_not_matter_whether_the_same_objects_are_given_again() -> None:
    random = np.random.default_rng(4)
    kinds = np.array([AgentClass.CAR, AgentClass.PEDESTRIAN, AgentClass.BUS], np.uint8)
    ids, bodies = np.arange(3), Bodies(kinds, np.array([LENGTHS[AgentClass(k)] for k in kinds]))
    same, fresh = Continuity(DT), Continuity(DT)
    for t, points in enumerate(np.cumsum(random.normal(0.3, 0.2, (30, 3, 2)), axis=0)):
        yaw, speed, exact = random.normal(0, 0.1, 3), np.ones(3), np.array([t % 7 == 3, False, False])
        one = same.follow(ids, points, yaw, speed, bodies, exact)
        other = fresh.follow(ids.copy(), points, yaw, speed, Bodies(kinds.copy(), bodies.lengths.copy()), exact)
        for a, b in zip(one, other, strict=True):
            assert np.array_equal(a, b)
