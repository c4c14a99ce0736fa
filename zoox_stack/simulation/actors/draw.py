"""Draws jaywalkers, animals and parked cars from rates and a seed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from numpy.random import Generator

from zoox_stack.simulation.actors.crossers import Crosser
from zoox_stack.simulation.actors.parked import Door, ParkedCar
from zoox_stack.simulation.actors.streets import PLACE_LENGTH, CrossingPlace, ParkingPlace
from zoox_stack.simulation.population import RoadUser, Variety, draw_user, draw_walker, draw_walking_speed

if TYPE_CHECKING:
    from zoox_stack.simulation.demand import DemandConfig

_PLACES_PER_KM = 2000 / 6.0  # places to cross per km of street: one every 6 m on either side
_SETTLED = 6.0  # [s] until then vehicles appear everywhere
_FREE = 0.12  # [m] at least between a parked car and the lane
_LONGEST = PLACE_LENGTH - 0.8  # [m] car that parks


@dataclass(frozen=True)
class Parked:
    """Parked cars and who they are.

    Attributes:
        cars: All that stand or will.
        doors: Doors that open.
        users: Cars and doors as road users by id.
    """

    cars: tuple[ParkedCar, ...]
    doors: tuple[Door, ...]
    users: dict[int, RoadUser]


def draw_crossers(
    random: Generator, places: list[CrossingPlace], config: DemandConfig, first: int
) -> tuple[tuple[Crosser, ...], dict[int, RoadUser]]:
    """Jaywalkers and animals.

    Args:
        random: Drawn from.
        places: Where one can cross; jaywalkers need sidewalks.
        config: Rates.
        first: The first id that is free.
    """
    hours = config.duration / 3600
    users: dict[int, RoadUser] = {}
    crossers = []
    on_foot = [place for place in places if place.on_foot]
    for rate, where, people in (
        (config.jaywalkers_per_hour, on_foot, True),
        (config.animals_per_hour, places, False),
    ):
        count = int(random.poisson(rate * hours * len(where) / _PLACES_PER_KM))
        for _ in range(count):
            variety = draw_walker(random, config.children, config.phone_users) if people else Variety.DOG
            user = draw_user(random, first + len(users), variety)
            users[user.id] = user
            place = where[int(random.integers(len(where)))]
            crossers.append(
                _crosser(random, user, place, float(random.uniform(min(_SETTLED, config.duration), config.duration)))
            )
    return tuple(crossers), users


def _crosser(random: Generator, user: RoadUser, place: CrossingPlace, start: float) -> Crosser:
    careless = {Variety.ADULT: 0.25, Variety.PHONE_USER: 0.6, Variety.CHILD: 0.6}.get(user.variety, 0.8)
    bold = bool(random.random() < careless)
    speed = draw_walking_speed(random, user.variety) * 1.1
    if user.variety is Variety.DOG:
        speed = float(random.uniform(1.6, 3.5))
    elif user.variety is Variety.CHILD:
        speed = float(random.uniform(1.2, 2.8))
    return Crosser(
        id=user.id,
        start=start,
        place=place,
        side=1 if random.random() < 0.5 else -1,
        speed=speed,
        gap=float(random.uniform(0.5, 1.5) if bold else random.uniform(1.5, 3.5)),
        bold=bold,
        hesitates=float(random.choice([0.0, 0.0, random.uniform(0.5, 2.5)])),
        radius=max(user.size[0], user.size[1]) / 2,
    )


def draw_parked(random: Generator, places: list[ParkingPlace], config: DemandConfig, first: int) -> Parked:
    """Parked cars, those that pull out or come to park, and their doors.

    Who pulls out needs the place before it to be free, who parks the one behind: both swing round.

    Args:
        random: Drawn from.
        places: All places at the kerb.
        config: Rates; as many come as leave.
        first: The first id that is free.
    """
    users: dict[int, RoadUser] = {}
    if not places:
        return Parked((), (), users)
    km, hours = len(places) * PLACE_LENGTH / 1000, config.duration / 3600
    index = {(place.strip, place.number): k for k, place in enumerate(places)}
    taken = random.random(len(places)) < min(config.parked_per_km * PLACE_LENGTH / 1000, 1.0)
    before = [index.get((p.strip, p.number + 1)) for p in places]
    behind = [index.get((p.strip, p.number - 1)) for p in places]
    leave, come = random.poisson(config.pull_outs_per_hour * km * hours, 2).tolist()
    kept_free: set[int] = set()
    leaving: dict[int, float] = {}
    coming: dict[int, float] = {}
    for k in random.permutation(len(places)).tolist():
        ahead, rear, time = before[k], behind[k], float(random.uniform(0.05, 0.95) * config.duration)
        if not places[k].joins or k in kept_free:
            continue
        if len(leaving) < leave and taken[k] and ahead is not None and ahead not in coming and ahead not in leaving:
            leaving[k] = time
            taken[ahead] = False
            kept_free.add(ahead)
        elif len(coming) < come and not taken[k] and rear is not None and rear not in leaving and rear not in coming:
            coming[k] = time
            taken[rear] = False
            kept_free.add(rear)
    cars, standing = [], []
    for k, place in enumerate(places):
        if not taken[k] and k not in coming:
            continue
        variety = Variety.PASSENGER if random.random() < 0.85 else Variety.VAN
        user = draw_user(random, first + len(users), variety)
        user = replace(user, size=(min(user.size[0], _LONGEST), user.size[1], user.size[2]))
        users[user.id] = user
        room = max(0.0, (place.width - user.size[1]) / 2 - _FREE)
        car = ParkedCar(
            id=user.id,
            place=place,
            size=user.size[:2],
            ahead=float(random.uniform(-0.3, 0.3)),
            left=float(random.uniform(-room, room)),
            leaves=leaving.get(k, coming.get(k, float("inf"))),
            comes=k in coming,
        )
        cars.append(car)
        if k not in leaving and k not in coming:
            standing.append(car)
    doors = []
    for _ in range(int(random.poisson(config.doors_per_hour * km * hours)) if standing else 0):
        user = draw_user(random, first + len(users), Variety.DOOR)
        users[user.id] = user
        car = standing[int(random.integers(len(standing)))]
        opens, length = float(random.uniform(0, config.duration)), user.size[0]
        doors.append(Door(user.id, car.id, opens, float(random.uniform(2.5, 8.0)), length))
    return Parked(tuple(cars), tuple(doors), users)
