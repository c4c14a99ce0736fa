"""The ego of recorded drives: its motion out of SUMO's path, and its place."""

from __future__ import annotations

import numpy as np
import pytest

from zoox_stack.prediction.history import HistoryColumn
from zoox_stack.simulation.expert import TO_CENTRE, expert_steps
from zoox_stack.simulation.ground_truth import START_NS
from zoox_stack.simulation.world import EGO_ID, Snapshot


class Arc:
    """A world in which the ego drives on a circle, ever faster, until it arrives."""

    radius, speed, acceleration = 30.0, 5.0, 0.8

    def __init__(self, steps: int) -> None:
        self.time, self.steps = 0.0, steps

    def pose(self, time: float) -> tuple[float, float, float]:
        angle = (self.speed * time + self.acceleration * time**2 / 2) / self.radius
        return self.radius * np.sin(angle), self.radius * (1 - np.cos(angle)), angle

    def step(self) -> Snapshot:
        self.time = round(self.time + 0.1, 9)
        here = self.time <= self.steps * 0.1 + 1e-6
        states = np.zeros((int(here), 5))
        if here:
            states[0, : HistoryColumn.VX] = self.pose(self.time)
        empty = np.zeros(0, np.uint8)
        return Snapshot(
            self.time, np.array([EGO_ID])[: len(states)], states, np.zeros((len(states), 6), np.uint8), empty
        )


@pytest.fixture
def arc() -> Arc:
    return Arc(60)


def test_motion_on_an_arc(arc: Arc) -> None:
    steps = list(expert_steps(arc, 20))  # type: ignore[arg-type]
    assert len(steps) == 20
    for number, step in enumerate(steps):
        time = 0.8 + 0.1 * number  # the first window is whole after 1.5 s, its middle is its eighth instant
        assert step.ego.stamp_ns == START_NS + round(time * 1e9)
        x, y, yaw = arc.pose(time)
        assert step.snapshot.time == pytest.approx(time)
        assert np.allclose(step.ego.centre, [x, y], atol=0.05)
        assert step.ego.yaw == pytest.approx(yaw, abs=0.01)
        speed = arc.speed + arc.acceleration * time
        assert step.ego.speed == pytest.approx(speed, abs=0.1)
        assert step.ego.acceleration == pytest.approx(arc.acceleration, abs=0.15)
        assert step.ego.yaw_rate == pytest.approx(speed / arc.radius, abs=0.01)
        # The rear axle of a car whose middle moves along its heading is swung outwards.
        assert step.ego.lateral_velocity == pytest.approx(-TO_CENTRE * speed / arc.radius, abs=0.1)


def test_the_drive_ends_where_the_ego_arrives(arc: Arc) -> None:
    steps = list(expert_steps(arc, 1000))  # type: ignore[arg-type]
    assert len(steps) == 60 - 14
