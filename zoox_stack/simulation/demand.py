"""Who drives and walks through a town: trips, vehicles and drivers of many kinds, drawn from a seed.

Every road user has a type of its own, so that no two drivers are alike. Ids are integers: vehicles from 0, pedestrians
from `FIRST_PEDESTRIAN`.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.random import Generator

from zoox_stack.core.classes import AgentClass
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.parameters import parameter
from zoox_stack.simulation.towns import Town

FIRST_PEDESTRIAN = 100_000
TYPICAL_TRIP = 75.0  # [s] about how long a trip through a small town takes


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


@dataclass(frozen=True)
class RoadUser:
    """One road user of the demand.

    Attributes:
        id: Also its SUMO id.
        kind: Class.
        size: Length, width, height [m].
        caution: Deceleration [m/s^2] from which on the driver expects that a crossing vehicle will not stop for it
            and brakes; infinity: never, SUMO's rules alone (see `zoox_stack.simulation.anticipation`).
    """

    id: int
    kind: AgentClass
    size: tuple[float, float, float]
    caution: float


_MIX = {
    AgentClass.CAR: 0.76, AgentClass.TRUCK: 0.06, AgentClass.BUS: 0.04, AgentClass.MOTORCYCLE: 0.05,
    AgentClass.BICYCLE: 0.09,
}  # fmt: skip
_SIZES = {  # lowest and highest length, width, height [m]
    AgentClass.CAR: ((3.7, 1.65, 1.4), (5.1, 2.0, 1.9)),
    AgentClass.TRUCK: ((6.5, 2.2, 2.7), (10.5, 2.5, 3.7)),
    AgentClass.BUS: ((10.5, 2.5, 3.0), (12.2, 2.55, 3.3)),
    AgentClass.MOTORCYCLE: ((2.0, 0.75, 1.4), (2.3, 0.9, 1.7)),
    AgentClass.BICYCLE: ((1.6, 0.6, 1.6), (1.9, 0.7, 1.85)),
    AgentClass.PEDESTRIAN: ((0.5, 0.5, 1.5), (0.75, 0.7, 1.9)),
}
_SUMO_CLASS = {
    AgentClass.CAR: "passenger", AgentClass.TRUCK: "truck", AgentClass.BUS: "bus",
    AgentClass.MOTORCYCLE: "motorcycle", AgentClass.BICYCLE: "bicycle", AgentClass.PEDESTRIAN: "pedestrian",
}  # fmt: skip
_ACCELERATION = {AgentClass.TRUCK: (0.9, 1.5), AgentClass.BUS: (0.9, 1.3), AgentClass.BICYCLE: (0.8, 1.3)}


def write_demand(town: Town, config: DemandConfig, seed: int, path: Path) -> dict[int, RoadUser]:
    """Draw trips, write them as a SUMO route file.

    Args:
        town: Where.
        config: How many.
        seed: The same seed gives the same trips.
        path: The file to write.

    Returns:
        The road users by id.

    Raises:
        InvalidInputError: No trip is possible in the town.
    """
    random = np.random.default_rng([seed, 77])
    edges = sorted(town.net.edge_lengths)
    lanes = [name.rsplit("_", 1)[0] for name in town.net.lane_rows]
    lane_km = sum(town.net.edge_lengths.get(edge, 0.0) for edge in lanes) / 1000
    walk_km = sum(town.net.edge_lengths[edge] for edge in town.net.walkable if edge in town.net.edge_lengths) / 1000
    root = ET.Element("routes")
    users: dict[int, RoadUser] = {}
    at_start = round(config.vehicles_per_km * lane_km)
    later = round(at_start * config.duration / TYPICAL_TRIP)
    departures = np.concatenate([random.uniform(0, 4, at_start), random.uniform(4, config.duration, later)])
    goals = {edge: _within_reach(edge, town.net.edge_links) for edge in edges}
    entries = [edge for edge in edges if edge.startswith(("e", "o", "l", "s", "w"))] or edges
    starts = [edge for edge in edges if goals[edge]]
    if not starts:
        raise InvalidInputError(f"town {town.name}", "streets that lead somewhere", "none")
    lengths = np.array([town.net.edge_lengths[edge] for edge in starts])
    for number, depart in enumerate(np.sort(departures)):
        early = depart < 4
        fringe = [edge for edge in entries if goals[edge]]
        start = (
            str(random.choice(starts, p=lengths / lengths.sum())) if early or not fringe else str(random.choice(fringe))
        )
        kind = AgentClass(int(random.choice(list(_MIX), p=list(_MIX.values()))))
        user = _draw_user(random, number, kind)
        users[number] = user
        _write_type(root, user, random)
        trip = ET.SubElement(
            root, "trip", {"from": start}, id=str(number), to=str(random.choice(goals[start])), type=f"t{number}",
            depart=f"{depart:.1f}", departPos="random_free" if early else "base", departLane="best",
            departSpeed="max" if random.random() < 0.6 else "random",
        )  # fmt: skip
        if user.kind is AgentClass.BUS and random.random() < 0.7:
            lane = _kerb_lane(start, town)
            ET.SubElement(trip, "stop", lane=lane, endPos=f"{-random.uniform(18, 35):.1f}", friendlyPos="true",
                          duration=f"{random.uniform(5, 20):.0f}")  # fmt: skip
    _write_walks(root, users, town, random, round(config.pedestrians_per_km * walk_km), config.duration)
    root[:] = sorted(root, key=lambda element: (element.tag != "vType", float(element.get("depart", 0))))
    ET.ElementTree(root).write(path)
    return users


def _write_walks(
    root: ET.Element, users: dict[int, RoadUser], town: Town, random: Generator, count: int, duration: float
) -> None:
    edges = sorted(edge for edge in town.net.walkable if edge in town.net.edge_links)
    if not edges:
        return
    departures = np.sort(np.concatenate([np.zeros(count), random.uniform(0, duration, round(count * duration / 90))]))
    for k, depart in enumerate(departures):
        user = _draw_user(random, FIRST_PEDESTRIAN + k, AgentClass.PEDESTRIAN)
        users[user.id] = user
        _write_type(root, user, random)
        start = str(random.choice(edges))
        goals = [e for e in _within_reach(start, town.net.edge_links) if e in town.net.walkable] or edges
        person = ET.SubElement(
            root, "person", id=str(user.id), type=f"t{user.id}", depart=f"{depart:.1f}",
            departPos=f"{random.uniform(0.05, 0.95) * town.net.edge_lengths[start]:.1f}",
        )  # fmt: skip
        ET.SubElement(person, "walk", {"from": start}, to=str(random.choice(goals)))


def _within_reach(start: str, links: dict[str, tuple[str, ...]], least: int = 2, most: int = 6) -> list[str]:
    """Edges that are `least` to `most` edges away along the roads."""
    distance = {start: 0}
    queue = deque([start])
    while queue:
        edge = queue.popleft()
        for following in links.get(edge, ()):
            if following not in distance and distance[edge] < most:
                distance[following] = distance[edge] + 1
                queue.append(following)
    return sorted(edge for edge, d in distance.items() if d >= least)


def _kerb_lane(edge: str, town: Town) -> str:
    return min(name for name in town.net.lane_rows if name.rsplit("_", 1)[0] == edge)


def _draw_user(random: Generator, number: int, kind: AgentClass) -> RoadUser:
    low, high = _SIZES[kind]
    length, width, height = (round(float(v), 2) for v in random.uniform(low, high))
    caution = float(random.uniform(0.8, 2.6)) if random.random() < 0.7 else float("inf")
    return RoadUser(number, kind, (length, width, height), caution)


def _write_type(root: ET.Element, user: RoadUser, random: Generator) -> None:
    length, width, height = user.size
    common = {"id": f"t{user.id}", "vClass": _SUMO_CLASS[user.kind], "width": str(width), "height": str(height)}
    if user.kind is AgentClass.PEDESTRIAN:
        speed = float(np.clip(random.normal(1.3, 0.25), 0.6, 2.6))
        ET.SubElement(
            root, "vType", common, desiredMaxSpeed=f"{speed:.2f}", speedFactor="1", speedDev="0",
            jmDriveAfterRedTime=f"{random.choice([-1, -1, -1, 2, 8])}", impatience=f"{random.uniform(0, 0.6):.2f}",
        )  # fmt: skip
        return
    bicycle = user.kind is AgentClass.BICYCLE
    pushy = random.random() < 0.15
    acceleration = random.uniform(*_ACCELERATION.get(user.kind, (1.6, 3.2)))
    factor = float(np.clip(random.normal(1.0, 0.12), 0.7, 1.3))
    values = {
        "length": length, "minGap": random.uniform(1.0, 2.8), "accel": acceleration,
        "decel": random.uniform(3.2, 4.8), "emergencyDecel": 8.0, "sigma": random.uniform(0.1, 0.6),
        "tau": random.uniform(0.7, 1.7), "speedFactor": factor, "speedDev": 0.0,
        "impatience": random.uniform(0.4, 0.9) if pushy else random.uniform(0.0, 0.4),
        "jmIgnoreFoeProb": random.uniform(0.2, 0.7) if pushy else 0.0, "jmIgnoreFoeSpeed": 7.0,
        "jmTimegapMinor": random.uniform(0.3, 1.0) if pushy else random.uniform(0.8, 2.2),
        "jmCrossingGap": random.uniform(3.0, 10.0), "jmStoplineGap": random.uniform(0.5, 2.0),
        "jmDriveAfterYellowTime": random.choice([-1.0, 0.5, 1.5]),
        "lcCooperative": random.uniform(0.2, 1.0), "lcSpeedGain": random.uniform(0.5, 2.0),
        "lcAssertive": random.uniform(1.2, 2.5) if pushy else random.uniform(0.8, 1.3),
        "minGapLat": random.uniform(0.3, 0.7), "maxSpeedLat": random.uniform(0.7, 1.3),
    }  # fmt: skip
    if bicycle:
        values["maxSpeed"] = random.uniform(3.5, 7.0)
    elif user.kind in (AgentClass.TRUCK, AgentClass.BUS):
        values["maxSpeed"] = random.uniform(15.0, 22.0)
    alignment = "right" if bicycle else str(random.choice(["center", "center", "arbitrary", "nice"]))
    ET.SubElement(root, "vType", common, latAlignment=alignment, **{k: f"{v:.3f}" for k, v in values.items()})
