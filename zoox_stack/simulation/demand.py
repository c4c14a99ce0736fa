"""Trips through a town: who starts when, from where to where, drawn from a seed.

What SUMO moves is written into a route file; what it cannot do is handed to the scripts in
`zoox_stack.simulation.actors`.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.random import Generator

from zoox_stack.core.classes import AgentClass, LaneType
from zoox_stack.core.errors import ConfigurationError, InvalidInputError
from zoox_stack.core.parameters import parameter
from zoox_stack.simulation.actors.companions import Companion
from zoox_stack.simulation.actors.crossers import Crosser
from zoox_stack.simulation.actors.draw import draw_crossers, draw_parked
from zoox_stack.simulation.actors.parked import PULL_IN, Door, ParkedCar
from zoox_stack.simulation.actors.streets import crossing_places, parking_places, read_street_lanes
from zoox_stack.simulation.population import (
    EGO_ID,
    FIRST_PEDESTRIAN,
    FIRST_SCRIPTED,
    RoadUser,
    Variety,
    draw_user,
    draw_walker,
    draw_walking_speed,
    vehicle_type,
    walker_type,
)
from zoox_stack.simulation.reach import quarters_on_foot, ways_from

if TYPE_CHECKING:  # towns read the demand of their definition
    from zoox_stack.simulation.towns import Town

__all__ = ["FIRST_PEDESTRIAN", "Demand", "DemandConfig", "RoadUser", "write_demand"]
TYPICAL_TRIP = 75.0  # [s] about how long a trip through a small town takes
_FROM_ENTRY = 45.0  # [m] nobody crosses a street where vehicles appear out of nothing
_FROM_PARKED = 4.0  # [m] nor where a parked car stands in the way
_TYPICAL_WALK = 90.0  # [s] likewise a walk
_AT_START = 4.0  # [s] within which those start who are under way from the beginning


@dataclass(frozen=True)
class DemandConfig:
    """How busy a town is, and with whom. Shares of vehicle kinds are weights: only their ratios count."""

    vehicles_per_km: float = parameter(9.0, "moving vehicles per km of lane", unit="1/km", low=0.0, high=100.0)
    pedestrians_per_km: float = parameter(18.0, "pedestrians per km of sidewalk", unit="1/km", low=0.0, high=300.0)
    duration: float = parameter(90.0, "time for which trips start", unit="s", low=1.0, high=3600.0)
    cars: float = parameter(0.68, "share of passenger cars", low=0.0, high=1.0)
    vans: float = parameter(0.08, "share of vans", low=0.0, high=1.0)
    trucks: float = parameter(0.06, "share of lorries", low=0.0, high=1.0)
    buses: float = parameter(0.04, "share of buses", low=0.0, high=1.0)
    motorcycles: float = parameter(0.05, "share of motorcycles", low=0.0, high=1.0)
    bicycles: float = parameter(0.09, "share of bicycles", low=0.0, high=1.0)
    emergencies_per_hour: float = parameter(6.0, "emergency vehicles with lights on", unit="1/h", low=0.0, high=360.0)
    children: float = parameter(0.12, "share of pedestrians who are children", low=0.0, high=1.0)
    groups: float = parameter(0.25, "share of pedestrians who walk in groups of two to four", low=0.0, high=1.0)
    phone_users: float = parameter(0.12, "share of adults who look at a phone and walk slower", low=0.0, high=1.0)
    jaywalkers_per_hour: float = parameter(
        20.0, "pedestrians who cross a street where there is no crossing, per km of street", unit="1/(h km)",
        low=0.0, high=1000.0,
    )  # fmt: skip
    animals_per_hour: float = parameter(
        4.0, "animals that cross a street, per km of street", unit="1/(h km)", low=0.0, high=1000.0
    )
    parked_per_km: float = parameter(40.0, "parked cars per km of parking lane", unit="1/km", low=0.0, high=160.0)
    pull_outs_per_hour: float = parameter(
        30.0, "parked cars that pull out, per km of parking lane", unit="1/(h km)", low=0.0, high=1000.0
    )
    doors_per_hour: float = parameter(
        20.0, "doors of parked cars that open, per km of parking lane", unit="1/(h km)", low=0.0, high=1000.0
    )

    def __post_init__(self) -> None:
        shares = (self.cars, self.vans, self.trucks, self.buses, self.motorcycles, self.bicycles)
        if self.vehicles_per_km > 0 and not sum(shares) > 0:
            raise ConfigurationError(
                "shares of vehicle kinds: expected at least one above 0, found all 0; set cars, for example"
            )


@dataclass(frozen=True)
class Demand:
    """Everyone who will be seen.

    Attributes:
        users: Road users by id.
        companions: Those who walk beside a pedestrian of SUMO's.
        crossers: Jaywalkers and animals.
        parked: Parked cars.
        doors: Doors of these that open.
    """

    users: dict[int, RoadUser]
    companions: tuple[Companion, ...] = ()
    crossers: tuple[Crosser, ...] = ()
    parked: tuple[ParkedCar, ...] = ()
    doors: tuple[Door, ...] = ()


def write_demand(town: Town, config: DemandConfig, seed: int, path: Path) -> Demand:
    """Draw everyone, write SUMO's part as a route file.

    Args:
        town: Where.
        config: How many.
        seed: The same seed gives the same demand. The parts are drawn apart: a rate changes only what it is about.
        path: The file to write.

    Raises:
        InvalidInputError: No trip is possible in the town, or there are more road users than ids.
    """
    writer = _Writer(town, config, seed)
    writer.vehicles()
    writer.emergencies()
    writer.walkers()
    demand = writer.scripted()
    root = ET.Element("routes")
    root[:] = sorted(writer.elements, key=lambda e: (_ORDER.get(e.tag, 2), float(e.get("depart", 0))))
    ET.ElementTree(root).write(path)
    return demand


_ORDER = {"vType": 0, "route": 1}


class _Writer:
    """Draws a demand part by part."""

    def __init__(self, town: Town, config: DemandConfig, seed: int) -> None:
        self.town, self.config, self.seed = town, config, seed
        self.users: dict[int, RoadUser] = {}
        self.elements: list[ET.Element] = []
        net = town.net
        types = net.network.lane_types
        driven = {name.rsplit("_", 1)[0] for name, row in net.lane_rows.items() if types[row] == LaneType.VEHICLE}
        self.edges = sorted(driven & net.edge_lengths.keys())
        links = {e: tuple(n for n in net.edge_links.get(e, ()) if n in driven) for e in self.edges}
        self.ways = {edge: ways_from(edge, links) for edge in self.edges}
        self.goals = {
            edge: sorted(e for e, way in ways.items() if 2 < len(way) < 8) for edge, ways in self.ways.items()
        }
        self.starts = [edge for edge in self.edges if self.goals[edge]]
        if not self.starts:
            raise InvalidInputError(f"town {town.name}", "streets that lead somewhere", "none")
        entered = {following for follows in links.values() for following in follows}
        self.fringe = [edge for edge in self.starts if edge not in entered] or self.starts
        lengths = np.array([net.edge_lengths[edge] for edge in self.starts])
        self.weights = lengths / lengths.sum()
        self.stops = _bus_stops(town)

    def _random(self, part: int) -> Generator:
        return np.random.default_rng([self.seed, 77, part])

    def _vehicle(
        self, random: Generator, user: RoadUser, depart: float, start: str, goal: str, early: bool
    ) -> ET.Element:
        self.users[user.id] = user
        self.elements.append(vehicle_type(random, user))
        trip = ET.Element(
            "trip", {"from": start}, id=str(user.id), to=goal, type=f"t{user.id}", depart=f"{depart:.1f}",
            departPos="random_free" if early else "base", departLane="best",
            departSpeed="max" if random.random() < 0.6 else "random",
        )  # fmt: skip
        self.elements.append(trip)
        return trip

    def vehicles(self) -> None:
        """Cars, vans, lorries, buses, motorcycles, bicycles."""
        random, config, net = self._random(0), self.config, self.town.net
        shares = np.array([config.cars, config.vans, config.trucks, config.buses, config.motorcycles, config.bicycles])
        kinds = [Variety.PASSENGER, Variety.VAN, Variety.LORRY, Variety.BUS, Variety.MOTORCYCLE, Variety.BICYCLE]
        types = net.network.lane_types
        driven = [name.rsplit("_", 1)[0] for name, row in net.lane_rows.items() if types[row] == LaneType.VEHICLE]
        at_start = round(config.vehicles_per_km * sum(net.edge_lengths.get(edge, 0.0) for edge in driven) / 1000)
        later = round(at_start * config.duration / TYPICAL_TRIP)
        _check_count(self.town, "vehicles", at_start + later, EGO_ID)
        soon = min(_AT_START, config.duration)
        departures = [random.uniform(0, soon, at_start), random.uniform(soon, config.duration, later)]
        for number, depart in enumerate(np.sort(np.concatenate(departures)).tolist()):
            early = depart < _AT_START
            start = str(random.choice(self.starts, p=self.weights) if early else random.choice(self.fringe))
            user = draw_user(random, number, kinds[int(random.choice(len(kinds), p=shares / shares.sum()))])
            goal = str(random.choice(self.goals[start]))
            trip = self._vehicle(random, user, depart, start, goal, early)
            if user.variety is Variety.BUS and random.random() < 0.8:
                self._stop(random, trip, start)

    def _stop(self, random: Generator, trip: ET.Element, start: str) -> None:
        """Let a bus stop: where there are bus stops at one of them, else at the kerb."""
        ways = self.ways[start]
        stops = [(name, edge) for name, edge in self.stops if edge in ways and edge != start and self.goals[edge]]
        duration = f"{random.uniform(8, 20):.0f}"
        if stops:
            name, edge = stops[int(random.integers(len(stops)))]
            trip.set("to", str(random.choice(self.goals[edge])))
            ET.SubElement(trip, "stop", busStop=name, duration=duration)
        elif not self.stops:
            ET.SubElement(trip, "stop", lane=_kerb_lane(start, self.town), endPos=f"{-random.uniform(18, 35):.1f}",
                          friendlyPos="true", duration=duration)  # fmt: skip

    def emergencies(self) -> None:
        """Vehicles with blue light."""
        random = self._random(1)
        first = len(self.users)
        count = random.poisson(self.config.emergencies_per_hour * self.config.duration / 3600)
        _check_count(self.town, "vehicles", first + count, EGO_ID)
        for k, depart in enumerate(np.sort(random.uniform(0, self.config.duration, count)).tolist()):
            start = str(random.choice(self.fringe))
            user = draw_user(random, first + k, Variety.EMERGENCY)
            self._vehicle(random, user, depart, start, str(random.choice(self.goals[start])), early=False)

    def walkers(self) -> None:
        """Pedestrians, alone and in groups; all but the first of a group are `Companion`s."""
        random, config, net = self._random(2), self.config, self.town.net
        self.companions: list[Companion] = []
        edges = sorted(edge for edge in net.walkable if edge in net.edge_links)
        if not edges:
            return
        at_start = round(config.pedestrians_per_km * sum(net.edge_lengths[edge] for edge in edges) / 1000)
        later = round(at_start * config.duration / _TYPICAL_WALK)
        _check_count(self.town, "pedestrians", at_start + later, FIRST_SCRIPTED - FIRST_PEDESTRIAN - len(_PLACES))
        departures = np.concatenate([np.zeros(at_start), random.uniform(0, config.duration, later)])
        random.shuffle(departures)  # those at the end walk in the groups of others
        count = len(departures)
        quarters = quarters_on_foot(self.town.net_path)
        walked = {
            edge: {
                goal: way
                for goal, way in ways_from(edge, net.edge_links).items()
                if quarters.get(goal) == quarters.get(edge)
            }
            for edge in edges
        }
        number = FIRST_PEDESTRIAN
        for depart in departures.tolist():
            if number - FIRST_PEDESTRIAN >= count:
                break  # everyone else walks in somebody's group
            size = int(random.integers(2, 5)) if random.random() < _groups(config.groups) else 1
            variety = draw_walker(random, config.children if size == 1 else 0.0, config.phone_users)
            leader = draw_user(random, number, variety, number if size > 1 else -1)
            speed = draw_walking_speed(random, variety) * (1.0 if size == 1 else 0.85)
            self.users[leader.id] = leader
            self.elements.append(walker_type(random, leader, speed))
            self.elements.append(self._walk(random, leader, depart, edges, walked))
            for k in range(1, size):
                friend = draw_user(random, number + k, draw_walker(random, config.children, config.phone_users), number)
                ahead, left = _PLACES[k - 1]
                self.users[friend.id] = friend
                self.companions.append(Companion(friend.id, leader.id, ahead, left))
            number += size

    def _walk(
        self,
        random: Generator,
        user: RoadUser,
        depart: float,
        edges: list[str],
        walked: dict[str, dict[str, list[str]]],
    ) -> ET.Element:
        start = str(random.choice(edges))
        goals = sorted(e for e, way in walked[start].items() if e in walked and 2 < len(way) < 8)
        person = ET.Element(
            "person", id=str(user.id), type=f"t{user.id}", depart=f"{depart:.1f}",
            departPos=f"{random.uniform(0.05, 0.95) * self.town.net.edge_lengths[start]:.1f}",
        )  # fmt: skip
        ET.SubElement(person, "walk", {"from": start}, to=str(random.choice(goals or sorted(walked[start]))))
        return person

    def scripted(self) -> Demand:
        """Jaywalkers, animals, parked cars and their doors."""
        config, lanes = self.config, read_street_lanes(self.town.net_path)
        parked = draw_parked(self._random(4), parking_places(lanes), config, FIRST_SCRIPTED)
        entries = np.array([lane.xy[0] for lane in lanes if lane.edge in self.fringe])
        taken = np.array([(car.place.x, car.place.y) for car in parked.cars]).reshape(-1, 2)
        places = [
            place
            for place in crossing_places(lanes)
            if np.hypot(*(entries - place.start).T).min() > _FROM_ENTRY and not place.passes(taken, _FROM_PARKED)
        ]
        first = FIRST_SCRIPTED + len(parked.users)
        crossers, people = draw_crossers(self._random(3), places, config, first)
        random = self._random(5)
        for car in parked.cars:
            user, edge = parked.users[car.id], car.place.edge
            if car.comes:
                starts = [e for e in self.fringe if edge in self.ways[e] and len(self.ways[e][edge]) > 1]
                if not starts:
                    continue
                trip = self._vehicle(random, user, car.leaves, str(random.choice(starts)), edge, early=False)
                front = car.place.s + car.ahead + car.size[0] / 2 - PULL_IN
                trip.attrib |= {"arrivalPos": f"{front:.2f}", "arrivalLane": str(car.place.lane), "arrivalSpeed": "2.5"}
            elif np.isfinite(car.leaves) and self.goals.get(edge):
                self.elements.append(vehicle_type(random, user))
                way = self.ways[edge][str(random.choice(self.goals[edge]))]
                self.elements.append(ET.Element("route", id=f"r{car.id}", edges=" ".join(way)))
        cars = tuple(self._possible(car) for car in parked.cars if not car.comes or car.id in self.users)
        kept = {car.id for car in cars}
        users = (
            self.users | people | {i: u for i, u in parked.users.items() if i in kept or u.kind is AgentClass.HAZARD}
        )
        return Demand(users, tuple(self.companions), crossers, cars, parked.doors)

    def _possible(self, car: ParkedCar) -> ParkedCar:
        """A car that could only pull out into a street without goal stays."""
        return car if car.comes or self.goals.get(car.place.edge) else replace(car, leaves=float("inf"))


_PLACES = ((-0.25, 0.75), (-0.9, 0.1), (-1.1, 0.85))  # [m] ahead and left of the one who leads


def _check_count(town: Town, who: str, count: int, most: int) -> None:
    """Refuse more than there are ids."""
    if count > most:
        remedy = "Ask for a lower rate or a shorter time."
        raise InvalidInputError(f"demand of town {town.name}", f"at most {most} {who}", str(count), remedy)


def _groups(share: float) -> float:
    """Probability that a leader leads a group, from the share of people in groups (of three on average)."""
    return share / (3.0 - 2.0 * share)


def _kerb_lane(edge: str, town: Town) -> str:
    types = town.net.network.lane_types
    lanes = [
        n for n, row in town.net.lane_rows.items() if n.rsplit("_", 1)[0] == edge and types[row] == LaneType.VEHICLE
    ]
    return min(lanes, key=lambda name: int(name.rsplit("_", 1)[1]))


def _bus_stops(town: Town) -> list[tuple[str, str]]:
    """SUMO id and edge of every bus stop."""
    if town.additional_path is None:
        return []
    stops = ET.parse(town.additional_path).getroot().iter("busStop")
    return [(stop.attrib["id"], stop.attrib["lane"].rsplit("_", 1)[0]) for stop in stops]
