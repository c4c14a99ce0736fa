from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from zoox_stack.core.classes import AgentClass
from zoox_stack.perception.tracking import filter as kalman
from zoox_stack.perception.tracking import motion

ALL = np.arange(len(AgentClass))


@settings(max_examples=30, deadline=None)
@given(st.floats(0.01, 1), st.floats(0.01, 1))
def test_two_steps_are_one_long_step(a: float, b: float) -> None:
    mean = np.tile([1.0, 2.0, 0.3, 4.0, -5.0, 0.2], (len(ALL), 1))
    covariance = motion.birth_covariance(ALL, np.zeros(len(ALL)))
    once = kalman.predict(mean, covariance, motion.transition(a + b), motion.process_noise(ALL, a + b))
    half = kalman.predict(mean, covariance, motion.transition(a), motion.process_noise(ALL, a))
    twice = kalman.predict(*half, motion.transition(b), motion.process_noise(ALL, b))
    for one, two in zip(once, twice, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-9)


def test_an_update_is_the_textbook_one() -> None:
    mean, covariance = np.zeros((1, 6)), np.eye(6)[None] * 4.0
    observation = np.eye(1, 6)
    after, spread = kalman.update(mean, covariance, np.array([[2.0]]), observation, np.array([[[4.0]]]))
    np.testing.assert_allclose(after[0], [1, 0, 0, 0, 0, 0])
    np.testing.assert_allclose(np.diag(spread[0]), [2, 4, 4, 4, 4, 4])


def test_tracks_are_updated_as_if_alone() -> None:
    rng = np.random.default_rng(0)
    root = rng.normal(size=(5, 6, 6))
    covariance = root @ root.swapaxes(1, 2)
    mean, innovation = rng.normal(size=(5, 6)), rng.normal(size=(5, 3))
    noise = motion.measurement_noise(ALL[:5], rng.uniform(-3, 3, 5))
    together = kalman.update(mean, covariance, innovation, np.eye(3, 6), noise)
    for i in range(5):
        alone = kalman.update(
            mean[i : i + 1], covariance[i : i + 1], innovation[i : i + 1], np.eye(3, 6), noise[i : i + 1]
        )
        np.testing.assert_allclose(together[0][i], alone[0][0])
        np.testing.assert_allclose(together[1][i], alone[1][0])


def test_measurement_noise_lies_along_the_heading() -> None:
    car = np.array([AgentClass.CAR])
    straight, turned = (motion.measurement_noise(car, np.array([yaw]))[0] for yaw in (0.0, np.pi / 2))
    assert straight[0, 0] > straight[1, 1]
    np.testing.assert_allclose(turned[:2, :2], straight[1::-1, 1::-1], atol=1e-12)
