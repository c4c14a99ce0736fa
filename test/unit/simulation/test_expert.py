"""The ego of recorded drives: its motion out of SUMO's path, and its place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from zoox_stack.core.errors import ZooxStackError
from zoox_stack.prediction.history import HistoryColumn
from zoox_stack.simulation.expert import TO_CENTRE, expert_steps
from zoox_stack.simulation.ground_truth import START_NS
from zoox_stack.simulation.towns import Town
from zoox_stack.simulation.world import EGO_ID, Snapshot, TrafficWorld


class Arc:
    """A world in which the ego drives on a circle, ever faster, until it arrives or is lost."""

    radius, speed, acceleration = 30.0, 5.0, 0.8

    def __init__(self, steps: int) -> None:
        self.time, self.steps, self.arrives = 0.0, steps, True

    def arrived(self, identity: int) -> bool:
        return identity == EGO_ID and self.arrives

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


def test_an_ego_that_is_lost_has_not_arrived(arc: Arc) -> None:
    arc.arrives = False
    x, y, _ = arc.pose(6.0)
    with pytest.raises(ZooxStackError, match=rf"SUMO lost the ego at x = {x:.1f}, y = {y:.1f} m"):
        list(expert_steps(arc, 1000))  # type: ignore[arg-type]


def test_who_is_taken_out_has_not_arrived(town: Town, tmp_path: Path) -> None:
    with TrafficWorld(town, replace(town.demand, duration=60.0), 4, tmp_path) as world:
        world.run(10.0)
        taken = int(world.vehicle.getIDList()[0])
        world._take_out([taken], frozenset([taken]))
        assert not world.arrived(taken)
        assert world.statistics().put_elsewhere == 1
        gone: set[str] = set()
        while not gone and world.snapshot.time < 70.0:
            before = set(world.vehicle.getIDList())
            world.step()
            gone = before - set(world.vehicle.getIDList())
        assert gone
        assert all(world.arrived(int(name)) for name in gone)
