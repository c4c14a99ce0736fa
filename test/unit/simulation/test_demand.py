"""Demands are drawn from seed and rates, each part apart."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from zoox_stack.core.errors import ConfigurationError, InvalidInputError
from zoox_stack.core.parameters import build
from zoox_stack.simulation.actors.draw import draw_parked
from zoox_stack.simulation.actors.streets import PLACE_LENGTH, ParkingPlace
from zoox_stack.simulation.demand import Demand, DemandConfig, write_demand
from zoox_stack.simulation.population import CLASS_OF, EGO_ID, FIRST_PEDESTRIAN, FIRST_SCRIPTED, Variety
from zoox_stack.simulation.towns import Town, build_town

BUSY = DemandConfig(
    vehicles_per_km=40.0, buses=0.3, emergencies_per_hour=300.0, jaywalkers_per_hour=900.0, animals_per_hour=900.0,
    pull_outs_per_hour=900.0, doors_per_hour=900.0, duration=60.0,
)  # fmt: skip


@pytest.fixture(scope="module")
def village(tmp_path_factory: pytest.TempPathFactory) -> Town:
    """A town with parking lanes and bus stops."""
    pytest.importorskip("libsumo", reason="needs the simulation extra (libsumo)")
    return build_town("village", 3, tmp_path_factory.mktemp("village"))


def _demand(town: Town, folder: Path, config: DemandConfig = BUSY, seed: int = 1) -> tuple[Demand, ET.Element]:
    path = folder / "demand.rou.xml"
    return write_demand(town, config, seed, path), ET.parse(path).getroot()


def test_every_kind_is_there(village: Town, tmp_path: Path) -> None:
    demand, _ = _demand(village, tmp_path)
    assert set(Variety) == {user.variety for user in demand.users.values()}
    assert all(user.kind is CLASS_OF[user.variety] and user.id == i for i, user in demand.users.items())
    assert any(car.comes for car in demand.parked)
    assert any(np.isfinite(car.leaves) and not car.comes for car in demand.parked)


def test_ids_tell_who_moves_them(village: Town, tmp_path: Path) -> None:
    demand, root = _demand(village, tmp_path)
    assert EGO_ID not in demand.users
    trips = {int(e.attrib["id"]) for e in root.findall("trip")}
    people = {int(e.attrib["id"]) for e in root.findall("person")}
    coming = {car.id for car in demand.parked if car.comes}
    assert {i for i in trips if i < FIRST_SCRIPTED} == {i for i in demand.users if i < FIRST_PEDESTRIAN}
    assert trips - set(range(FIRST_PEDESTRIAN)) == coming
    walkers = {i for i in demand.users if FIRST_PEDESTRIAN <= i < FIRST_SCRIPTED}
    assert walkers == people | {c.id for c in demand.companions}
    assert not people & {c.id for c in demand.companions}


def test_same_seed_same_demand(village: Town, tmp_path: Path) -> None:
    first, root = _demand(village, tmp_path)
    again, same = _demand(village, tmp_path)
    other, _ = _demand(village, tmp_path, seed=2)
    assert first == again
    assert ET.tostring(root) == ET.tostring(same)
    assert first.users != other.users


def test_a_rate_changes_only_what_it_is_about(village: Town, tmp_path: Path) -> None:
    less = replace(BUSY, jaywalkers_per_hour=0.0, doors_per_hour=0.0)
    (a, before), (b, after) = (_demand(village, tmp_path, config) for config in (BUSY, less))
    assert not any(b.users[c.id].variety is not Variety.DOG for c in b.crossers)
    assert not b.doors
    trips = [
        [ET.tostring(e) for e in root if int(e.attrib["id"].lstrip("tr")) < FIRST_SCRIPTED] for root in (before, after)
    ]
    assert trips[0] == trips[1]
    assert a.companions == b.companions


def test_groups_have_two_to_four_who_start_with_the_leader(village: Town, tmp_path: Path) -> None:
    config = replace(BUSY, groups=0.6, pedestrians_per_km=80.0)
    demand, _ = _demand(village, tmp_path, config)
    sizes = Counter(user.group for user in demand.users.values() if user.group >= 0)
    assert set(sizes.values()) == {2, 3, 4}
    assert all(c.leader in sizes and abs(c.ahead) + abs(c.left) < 2.5 for c in demand.companions)
    people = [u for u in demand.users.values() if FIRST_PEDESTRIAN <= u.id < FIRST_SCRIPTED]
    assert 0.4 < sum(sizes.values()) / len(people) < 0.8


def test_buses_stop_at_bus_stops(village: Town, tmp_path: Path) -> None:
    demand, root = _demand(village, tmp_path)
    assert village.additional_path is not None
    known = {stop.attrib["id"] for stop in ET.parse(village.additional_path).getroot().iter("busStop")}
    stops = [(int(trip.attrib["id"]), stop) for trip in root.findall("trip") for stop in trip.findall("stop")]
    assert stops
    for identity, stop in stops:
        assert demand.users[identity].variety is Variety.BUS
        assert stop.get("busStop") in known


def test_parked_cars_have_room(village: Town, tmp_path: Path) -> None:
    demand, _ = _demand(village, tmp_path)
    standing = sorted(demand.parked, key=lambda c: (c.place.strip, c.place.number))
    for car, following in pairwise(standing):
        if car.place.strip != following.place.strip:
            continue
        (x, y, _), (fx, fy, _) = car.pose(), following.pose()
        assert np.hypot(fx - x, fy - y) > following.size[0]
        if np.isfinite(car.leaves) and not car.comes:
            assert following.place.number > car.place.number + 1


def test_parked_cars_leave_as_often_as_asked() -> None:
    """One that is to leave is not forgotten when the one behind it is drawn later."""
    places = [ParkingPlace(0, k, 6.5 * k, 0.0, 0.0, 2.2, "e", 1, 50.0, 2.7, True) for k in range(40)]
    busy = DemandConfig(parked_per_km=140.0, pull_outs_per_hour=400.0, doors_per_hour=0.0, duration=90.0)
    mean = 400 * 90 / 3600 * len(places) * PLACE_LENGTH / 1000
    for seed in range(100):
        parked = draw_parked(np.random.default_rng(seed), places, busy, FIRST_SCRIPTED)
        random = np.random.default_rng(seed)
        random.random(len(places))  # who parks is drawn first, then how many leave
        assert sum(np.isfinite(car.leaves) and not car.comes for car in parked.cars) == random.poisson(mean)


def test_a_short_demand_starts_in_its_time(village: Town, tmp_path: Path) -> None:
    _, root = _demand(village, tmp_path, replace(BUSY, duration=2.0))
    departures = [float(trip.attrib["depart"]) for trip in root.findall("trip")]
    assert departures
    assert max(departures) <= 2.0


@pytest.mark.parametrize(
    ("values", "who"), [({"vehicles_per_km": 100.0}, "vehicles"), ({"pedestrians_per_km": 300.0}, "pedestrians")]
)
def test_more_road_users_than_ids_are_refused(
    village: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: dict[str, float], who: str
) -> None:
    monkeypatch.setattr("zoox_stack.simulation.demand.EGO_ID", 300)
    monkeypatch.setattr("zoox_stack.simulation.demand.FIRST_SCRIPTED", FIRST_PEDESTRIAN + 300)
    with pytest.raises(InvalidInputError, match=rf"demand of town village_3: expected at most \d+ {who}, found \d+"):
        _demand(village, tmp_path, replace(BUSY, **{"vehicles_per_km": 1.0, "pedestrians_per_km": 1.0} | values))


def test_wrong_configurations_are_named() -> None:
    with pytest.raises(ConfigurationError, match="shares of vehicle kinds: expected at least one above 0"):
        replace(BUSY, cars=0.0, vans=0.0, trucks=0.0, buses=0.0, motorcycles=0.0, bicycles=0.0)
    with pytest.raises(ConfigurationError, match=r"demand\.lorries.*does not exist"):
        build(DemandConfig, {"lorries": 0.1}, "demand")
