"""Simulated episodes: geometry of the boxes, determinism, files."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from zoox_stack.core.classes import AgentClass, Attribute, SignalState, TriState, TurnSignal
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.ragged import Ragged
from zoox_stack.prediction.history import HistoryColumn
from zoox_stack.simulation.demand import FIRST_PEDESTRIAN
from zoox_stack.simulation.episode import Episode, load_episode, save_episode
from zoox_stack.simulation.towns import Town
from zoox_stack.simulation.traffic import simulate_episode


@pytest.fixture(scope="module")
def episode(town: Town) -> Episode:
    return simulate_episode(town, 7, duration=3.0, warm_up=6.0)


def _same(a: Episode, b: Episode) -> bool:
    names = [f.name for f in fields(Episode) if f.name != "network"]
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in names)


def test_same_seed_same_episode(town: Town, episode: Episode) -> None:
    assert _same(episode, simulate_episode(town, 7, duration=3.0, warm_up=6.0))
    assert not _same(episode, simulate_episode(town, 8, duration=3.0, warm_up=6.0))


def test_has_vehicles_and_pedestrians(episode: Episode) -> None:
    assert len(episode.stamps_ns) == 30
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
    step = len(episode.stamps_ns) - 1
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
    assert {SignalState.RED, SignalState.GREEN} <= set(episode.signal_states.ravel().tolist())


def test_file_gives_back_the_episode(episode: Episode, tmp_path: Path) -> None:
    save_episode(tmp_path / "e.npz", episode)
    back = load_episode(tmp_path / "e.npz")
    assert _same(episode, back)
    for f in fields(back.network):
        mine, theirs = getattr(episode.network, f.name), getattr(back.network, f.name)
        if isinstance(mine, Ragged):
            mine, theirs = (np.append(ragged.values.ravel(), ragged.offsets) for ragged in (mine, theirs))
        assert np.array_equal(np.asarray(mine), np.asarray(theirs), equal_nan=f.name.startswith("lane_w")), f.name


def test_damaged_file_is_refused(episode: Episode, tmp_path: Path) -> None:
    path = tmp_path / "e.npz"
    save_episode(path, episode)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InvalidInputError, match=r"e\.npz"):
        load_episode(path)
    np.savez(path, nothing=np.zeros(1))
    with pytest.raises(InvalidInputError, match="stamps_ns"):
        load_episode(path)
