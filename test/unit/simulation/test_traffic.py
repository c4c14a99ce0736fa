"""A little simulated traffic: geometry of the boxes, determinism, lights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoox_stack.core.classes import AgentClass, Attribute, SignalState, TriState, TurnSignal
from zoox_stack.prediction.history import HistoryColumn
from zoox_stack.simulation.demand import FIRST_PEDESTRIAN, DemandConfig
from zoox_stack.simulation.towns import Town
from zoox_stack.simulation.world import TrafficWorld

Episode = Any  # of conftest.py


@pytest.fixture(scope="module")
def simulate(town: Town, tmp_path_factory: pytest.TempPathFactory, record: Any) -> Callable[[int], Episode]:
    """Three seconds of traffic from a seed."""

    def run(seed: int) -> Episode:
        folder: Path = tmp_path_factory.mktemp("traffic")
        with TrafficWorld(town, DemandConfig(duration=9.0), seed, folder) as world:
            world.run(6.0)
            return record(world, [world.step() for _ in range(30)])

    return run


@pytest.fixture(scope="module")
def episode(simulate: Callable[[int], Episode]) -> Episode:
    return simulate(7)


def _same(a: Episode, b: Episode) -> bool:
    return all(np.array_equal(mine, getattr(b, name)) for name, mine in vars(a).items())


def test_same_seed_same_episode(simulate: Callable[[int], Episode], episode: Episode) -> None:
    assert _same(episode, simulate(7))
    assert not _same(episode, simulate(8))


def test_has_vehicles_and_pedestrians(episode: Episode) -> None:
    assert len(episode.valid) == 30
    assert (episode.classes == AgentClass.CAR).sum() > 5
    assert (episode.classes == AgentClass.PEDESTRIAN).sum() > 5
    assert ((episode.ids >= FIRST_PEDESTRIAN) == (episode.classes == AgentClass.PEDESTRIAN)).all()


def test_velocity_is_the_change_of_position(episode: Episode) -> None:
    both = episode.valid[1:] & episode.valid[:-1]
    moved = (episode.states[1:, :, :2] - episode.states[:-1, :, :2])[both] / 0.1
    assert np.allclose(moved, episode.states[1:, :, HistoryColumn.VX :][both], atol=2e-3)


def test_vehicles_point_where_they_drive(episode: Episode) -> None:
    states = episode.states[:, episode.classes == AgentClass.CAR]
    speed = np.hypot(states[..., HistoryColumn.VX], states[..., HistoryColumn.VY])
    fast = (speed > 4) & episode.valid[:, episode.classes == AgentClass.CAR]
    course = np.arctan2(states[..., HistoryColumn.VY], states[..., HistoryColumn.VX])
    difference = np.abs(np.angle(np.exp(1j * (course - states[..., HistoryColumn.YAW]))))[fast]
    assert len(difference) > 20
    assert np.quantile(difference, 0.95) < 0.2


def test_box_centres_lie_behind_the_front_bumper(episode: Episode) -> None:
    """Boxes of vehicles do not overlap: with front bumpers taken for centres, queues would."""
    step = len(episode.valid) - 1
    cars = np.flatnonzero(episode.valid[step] & (episode.classes != AgentClass.PEDESTRIAN))
    states, sizes = episode.states[step, cars], episode.sizes[cars]
    for i in range(len(cars)):
        heading = np.array([np.cos(states[i, 2]), np.sin(states[i, 2])])
        to_others = states[:, :2] - states[i, :2]
        ahead, aside = to_others @ heading, np.abs(to_others @ [-heading[1], heading[0]])
        aligned = np.cos(states[:, 2] - states[i, 2]) > 0.95
        same_lane = aligned & (aside < 0.8) & (ahead > 0.1) & (ahead < 15)
        assert (ahead[same_lane] > (sizes[same_lane, 0] + sizes[i, 0]) / 2 - 0.3).all()


def test_lights_and_signals(episode: Episode) -> None:
    cars = episode.classes == AgentClass.CAR
    lights = episode.attributes[:, cars][episode.valid[:, cars]]
    assert set(lights[:, Attribute.BRAKE_LIGHT].tolist()) == {TriState.NO, TriState.YES}
    assert TurnSignal.LEFT in lights[:, Attribute.TURN_SIGNAL]
    assert TurnSignal.RIGHT in lights[:, Attribute.TURN_SIGNAL]
    walkers = episode.classes == AgentClass.PEDESTRIAN
    assert (episode.attributes[:, walkers, Attribute.BRAKE_LIGHT] == TriState.UNKNOWN).all()
    assert {SignalState.RED, SignalState.GREEN} <= set(episode.signals.ravel().tolist())
