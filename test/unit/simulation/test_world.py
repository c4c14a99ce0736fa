"""A busy minute in two towns: everybody is there, nobody does what cannot be, nobody is run over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from zoox_stack.core.classes import AgentClass, Attribute, TriState, TurnSignal
from zoox_stack.core.errors import InvalidInputError, ZooxStackError
from zoox_stack.core.geometry import wrap_angle
from zoox_stack.core.motion_limits import LimitColumn, limits_of
from zoox_stack.simulation.demand import DemandConfig
from zoox_stack.simulation.population import FIRST_PEDESTRIAN, FIRST_SCRIPTED, RoadUser, Variety
from zoox_stack.simulation.towns import Town, build_town
from zoox_stack.simulation.world import STEP, TrafficStatistics, TrafficWorld, load_libsumo

SECONDS = 60.0
BUSY = DemandConfig(
    vehicles_per_km=10.0, pedestrians_per_km=20.0, groups=0.5, emergencies_per_hour=200.0, children=0.2,
    jaywalkers_per_hour=1000.0, animals_per_hour=1000.0, pull_outs_per_hour=500.0, doors_per_hour=900.0,
    duration=SECONDS + 5.0,
)  # fmt: skip


@dataclass(frozen=True)
class Minute:
    """What was seen: T steps, N agents."""

    users: list[RoadUser]
    states: NDArray[np.float32]  # [T, N, 5]
    valid: NDArray[np.bool_]  # [T, N]
    attributes: NDArray[np.uint8]  # [T, N, 6]
    statistics: TrafficStatistics

    def of(self, *varieties: Variety) -> list[int]:
        """Columns of road users of these kinds who were seen."""
        return [k for k, u in enumerate(self.users) if u.variety in varieties and self.valid[:, k].any()]


@pytest.fixture(scope="module")
def towns(town: Town, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Town]:
    more = {name: build_town(name, 3, tmp_path_factory.mktemp(name)) for name in ("village", "downtown")}
    return more | {"signal_grid": town}


@pytest.fixture(scope="module", params=["signal_grid", "village"])
def minute(
    request: pytest.FixtureRequest, towns: dict[str, Town], tmp_path_factory: pytest.TempPathFactory, record: Any
) -> Iterator[Minute]:
    town = towns[request.param]
    with TrafficWorld(town, BUSY, 11, tmp_path_factory.mktemp("busy")) as world:
        snapshots = [world.step() for _ in range(round(SECONDS / STEP))]
        episode = record(world, snapshots)
        users = [world.users[i] for i in episode.ids.tolist()]
        yield Minute(users, episode.states, episode.valid, episode.attributes, world.statistics())


def test_every_kind_is_seen(minute: Minute, request: pytest.FixtureRequest) -> None:
    parking = "village" in request.node.name
    seen = {u.variety for k, u in enumerate(minute.users) if minute.valid[:, k].any()}
    expected = {Variety.PASSENGER, Variety.BICYCLE, Variety.EMERGENCY, Variety.ADULT, Variety.CHILD, Variety.PHONE_USER}
    expected |= {Variety.DOG} | ({Variety.DOOR} if parking else set())
    assert expected <= seen


@pytest.mark.parametrize(("variety", "attribute"), [
    (Variety.EMERGENCY, Attribute.EMERGENCY_LIGHT), (Variety.PHONE_USER, Attribute.PHONE_IN_HAND),
    (Variety.CHILD, Attribute.CHILD),
])  # fmt: skip
def test_attributes_tell_the_kind(minute: Minute, variety: Variety, attribute: Attribute) -> None:
    with_it = {
        minute.users[k].variety for k in np.flatnonzero((minute.attributes[..., attribute] == TriState.YES).any(0))
    }
    assert with_it == {variety}
    same = minute.of(variety)
    assert (minute.attributes[:, same, attribute][minute.valid[:, same]] == TriState.YES).all()


def test_no_motion_is_impossible(minute: Minute) -> None:
    both = minute.valid[1:] & minute.valid[:-1]
    limits = limits_of(np.array([u.kind for u in minute.users], np.uint8))
    states = minute.states.astype(np.float64)
    change = np.diff(states, axis=0)
    speed = np.hypot(states[1:, :, 3], states[1:, :, 4])
    acceleration = np.hypot(change[..., 3], change[..., 4]) / STEP
    turned = np.abs(wrap_angle(change[..., 2])) / STEP
    for values, column in (
        (speed, LimitColumn.SPEED), (acceleration, LimitColumn.ACCELERATION), (turned, LimitColumn.YAW_RATE),
    ):  # fmt: skip
        beyond = both & (values > 1.002 * limits[:, column])
        assert not beyond.any(), [(minute.users[k], t, values[t, k]) for t, k in np.argwhere(beyond)[:3]]
    explained = np.hypot(*np.moveaxis(change[..., :2] / STEP - states[1:, :, 3:], -1, 0))
    assert explained[both].max() < 5e-3


def test_nobody_slides_sideways(minute: Minute) -> None:
    cars = minute.of(Variety.PASSENGER, Variety.VAN, Variety.LORRY, Variety.BUS)
    states = minute.states[:, cars].astype(np.float64)
    speed = np.hypot(states[..., 3], states[..., 4])
    aside = np.abs(states[..., 4] * np.cos(states[..., 2]) - states[..., 3] * np.sin(states[..., 2]))
    moving = minute.valid[:, cars] & (speed > 2.0)
    assert np.quantile((aside / np.maximum(speed, 1e-6))[moving], 0.99) < 0.3


def test_jaywalkers_and_animals_are_not_run_over(minute: Minute) -> None:
    walkers = [k for k in minute.of(Variety.ADULT, Variety.CHILD, Variety.PHONE_USER, Variety.DOG)
               if minute.users[k].id >= FIRST_SCRIPTED]  # fmt: skip
    vehicles = minute.of(
        Variety.PASSENGER, Variety.VAN, Variety.LORRY, Variety.BUS, Variety.MOTORCYCLE, Variety.EMERGENCY
    )
    assert len(walkers) > 2
    met = False
    for k in vehicles:
        length, width, _ = minute.users[k].size
        c, s = np.cos(minute.states[:, k, 2]), np.sin(minute.states[:, k, 2])
        to_walkers = minute.states[:, walkers, :2] - minute.states[:, k, None, :2]
        ahead = to_walkers[..., 0] * c[:, None] + to_walkers[..., 1] * s[:, None]
        aside = to_walkers[..., 1] * c[:, None] - to_walkers[..., 0] * s[:, None]
        both = minute.valid[:, walkers] & minute.valid[:, k, None]
        assert not (both & (np.abs(ahead) < length / 2) & (np.abs(aside) < width / 2)).any()
        met |= bool((both & (ahead > 0) & (ahead < 25) & (np.abs(aside) < 1.0)).any())
    assert met  # somebody did cross in front of somebody


def test_groups_stay_together(minute: Minute) -> None:
    column = {u.id: k for k, u in enumerate(minute.users)}
    distances = []
    for k, user in enumerate(minute.users):
        leader = column.get(user.group, k)
        if leader != k:
            both = minute.valid[:, k] & minute.valid[:, leader]
            distances.append(np.hypot(*(minute.states[both, k, :2] - minute.states[both, leader, :2]).T))
    assert len(distances) > 3
    together = np.concatenate(distances)
    assert np.quantile(together, 0.99) < 2.5
    assert together.max() < 5.0


def test_statistics_count(minute: Minute) -> None:
    now, found = minute.valid[-1], minute.statistics
    people = sum(bool(here) and u.kind is AgentClass.PEDESTRIAN for here, u in zip(now, minute.users, strict=True))
    assert found.time == pytest.approx(SECONDS)
    assert found.pedestrians == people
    assert found.vehicles >= sum(
        bool(here) and u.id < FIRST_PEDESTRIAN for here, u in zip(now, minute.users, strict=True)
    )
    assert 0 <= found.halted <= found.vehicles


def test_cars_park_and_pull_out_without_jumps(towns: dict[str, Town], tmp_path: Path, record: Any) -> None:
    config = replace(BUSY, vehicles_per_km=2.0, pedestrians_per_km=0.0, pull_outs_per_hour=1000.0)
    with TrafficWorld(towns["downtown"], config, 5, tmp_path) as world:
        snapshots = [world.step() for _ in range(1100)]
        episode = record(world, snapshots)
        cars = [k for k, i in enumerate(episode.ids) if i >= FIRST_SCRIPTED and episode.classes[k] == AgentClass.CAR]
    speed = np.hypot(episode.states[..., 3], episode.states[..., 4])
    first, last = episode.valid.argmax(axis=0), len(episode.valid) - 1 - episode.valid[::-1].argmax(axis=0)
    left = [k for k in cars if first[k] == 0 and speed[0, k] == 0 and speed[:, k].max() > 4]
    came = [k for k in cars if speed[first[k], k] > 2 and last[k] == 1099 and speed[-1, k] < 0.01]
    assert left
    assert came
    for k in left + came:
        assert episode.valid[first[k] : last[k] + 1, k].all()  # SUMO and the scripts hand over without a gap
    for k in left:
        starts = int(np.flatnonzero(speed[:, k] > 0.2)[0])
        assert (episode.attributes[starts - 10 : starts, k, Attribute.TURN_SIGNAL] == TurnSignal.LEFT).all()
    assert (episode.attributes[..., Attribute.DOOR_OPEN] == TriState.YES).any()


def test_traffic_slows_down_for_an_open_door_or_keeps_away(towns: dict[str, Town], tmp_path: Path) -> None:
    config = replace(BUSY, vehicles_per_km=14.0, doors_per_hour=1000.0, parked_per_km=120.0, pedestrians_per_km=0.0)
    touched = near = 0
    with TrafficWorld(towns["downtown"], config, 3, tmp_path) as world:
        for _ in range(700):
            now = world.step()
            users = [world.users[i] for i in now.ids.tolist()]
            doors = [k for k, u in enumerate(users) if u.variety is Variety.DOOR]
            for k, user in enumerate(users):
                if user.id >= FIRST_SCRIPTED or not doors:
                    continue
                c, s = np.cos(now.states[k, 2]), np.sin(now.states[k, 2])
                to_door = now.states[doors, :2] - now.states[k, :2]
                ahead, aside = np.abs(to_door @ [c, s]), np.abs(to_door @ [-s, c])
                touched += int(((ahead < user.size[0] / 2) & (aside < user.size[1] / 2)).sum())
                near += int(((ahead < user.size[0] / 2) & (aside < 4.0)).any())
    assert near
    assert touched == 0


def test_steps_without_lights_are_the_same_steps(towns: dict[str, Town], tmp_path: Path) -> None:
    runs = []
    for lights in (True, False):
        with TrafficWorld(towns["village"], BUSY, 7, tmp_path) as world:
            runs.append([world.step(lights=lights) for _ in range(80)])
    seen = 0
    for lit, dark in zip(*runs, strict=True):
        assert np.array_equal(lit.ids, dark.ids)
        assert np.array_equal(lit.states, dark.states)
        assert not dark.attributes.any()
        seen += int(lit.attributes.any())
    assert seen > 70


def test_the_death_of_sumo_is_told(town: Town, tmp_path: Path) -> None:
    world = TrafficWorld(town, BUSY, 1, tmp_path)
    with world:
        world.run(2.0)
        load_libsumo().close()
        with pytest.raises(ZooxStackError, match=rf"town {town.name} with seed 1 at 2\.0 s"):
            world.step()


def test_somebody_unknown_is_named(town: Town, tmp_path: Path) -> None:
    with TrafficWorld(town, BUSY, 1, tmp_path) as world:
        world.run(1.0)
        del world.users[int(world.snapshot.ids[0])]
        with pytest.raises(InvalidInputError, match=f"id {world.snapshot.ids[0]}"):
            world.step()
