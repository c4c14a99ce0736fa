"""Who drives, walks and runs about in a town: sizes, tempers and SUMO types of road users, drawn from a seed.

Every road user has a type of its own, so that no two drivers are alike. Ids tell who moves them: vehicles of SUMO's
from 0, pedestrians from `FIRST_PEDESTRIAN`, those moved by scripts of our own, for a part of their way at least, from
`FIRST_SCRIPTED`.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.random import Generator

from zoox_stack.core.classes import AgentClass

EGO_ID = 99_999  # kept free for a vehicle driven from outside
FIRST_PEDESTRIAN = 100_000
FIRST_SCRIPTED = 200_000
NO_GROUP = -1


class Variety(IntEnum):
    """Kinds of road users, finer than `AgentClass`."""

    PASSENGER = 0
    VAN = 1
    LORRY = 2
    BUS = 3
    MOTORCYCLE = 4
    BICYCLE = 5
    EMERGENCY = 6  # with blue light on
    ADULT = 7
    CHILD = 8
    PHONE_USER = 9
    DOG = 10
    DOOR = 11  # of a parked car, open


CLASS_OF = {
    Variety.PASSENGER: AgentClass.CAR, Variety.VAN: AgentClass.CAR, Variety.LORRY: AgentClass.TRUCK,
    Variety.BUS: AgentClass.BUS, Variety.MOTORCYCLE: AgentClass.MOTORCYCLE, Variety.BICYCLE: AgentClass.BICYCLE,
    Variety.EMERGENCY: AgentClass.CAR, Variety.ADULT: AgentClass.PEDESTRIAN, Variety.CHILD: AgentClass.PEDESTRIAN,
    Variety.PHONE_USER: AgentClass.PEDESTRIAN, Variety.DOG: AgentClass.ANIMAL, Variety.DOOR: AgentClass.HAZARD,
}  # fmt: skip


@dataclass(frozen=True)
class RoadUser:
    """One road user.

    Attributes:
        id: Also its SUMO id where SUMO moves it.
        kind: Class.
        size: Length, width, height [m].
        caution: Deceleration [m/s^2] from which on the driver expects that a crossing vehicle will not stop for it
            and brakes; infinity: never, SUMO's rules alone (see `zoox_stack.simulation.anticipation`).
        variety: Finer kind.
        reaction: Time until a driver notices somebody on the road [s].
        group: Id of the pedestrian with whom this one walks, its own for the one who leads; `NO_GROUP` for others.
    """

    id: int
    kind: AgentClass
    size: tuple[float, float, float]
    caution: float
    variety: Variety = Variety.PASSENGER
    reaction: float = 0.5
    group: int = NO_GROUP


_SIZES = {  # lowest and highest length, width, height [m]
    Variety.PASSENGER: ((3.7, 1.65, 1.4), (5.0, 1.95, 1.8)),
    Variety.VAN: ((4.8, 1.85, 1.9), (6.4, 2.1, 2.7)),
    Variety.LORRY: ((6.5, 2.2, 2.7), (10.5, 2.5, 3.7)),
    Variety.BUS: ((10.5, 2.5, 3.0), (12.2, 2.55, 3.3)),
    Variety.MOTORCYCLE: ((2.0, 0.75, 1.4), (2.3, 0.9, 1.7)),
    Variety.BICYCLE: ((1.6, 0.6, 1.6), (1.9, 0.7, 1.85)),
    Variety.EMERGENCY: ((5.2, 1.95, 2.2), (6.6, 2.15, 2.8)),
    Variety.ADULT: ((0.5, 0.5, 1.5), (0.75, 0.7, 1.9)),
    Variety.CHILD: ((0.35, 0.35, 0.95), (0.5, 0.5, 1.45)),
    Variety.PHONE_USER: ((0.55, 0.5, 1.5), (0.75, 0.7, 1.9)),
    Variety.DOG: ((0.6, 0.22, 0.4), (1.1, 0.36, 0.75)),
    Variety.DOOR: ((0.9, 0.12, 1.1), (1.1, 0.16, 1.3)),
}
_SUMO_CLASS = {
    Variety.PASSENGER: "passenger", Variety.VAN: "delivery", Variety.LORRY: "truck", Variety.BUS: "bus",
    Variety.MOTORCYCLE: "motorcycle", Variety.BICYCLE: "bicycle", Variety.EMERGENCY: "emergency",
}  # fmt: skip
_ACCELERATION = {
    Variety.LORRY: (0.9, 1.5), Variety.BUS: (0.9, 1.3), Variety.BICYCLE: (0.8, 1.3), Variety.VAN: (1.3, 2.4),
    Variety.EMERGENCY: (2.2, 3.2),
}  # fmt: skip
_PUSHY = 0.15  # share of drivers who push in


def draw_user(random: Generator, identity: int, variety: Variety, group: int = NO_GROUP) -> RoadUser:
    """A road user of a kind.

    Args:
        random: Drawn from.
        identity: Its id.
        variety: Its kind.
        group: See `RoadUser`.
    """
    low, high = _SIZES[variety]
    length, width, height = (round(float(v), 2) for v in random.uniform(low, high))
    caution = float(random.uniform(0.8, 2.6)) if random.random() < 0.7 else float("inf")
    reaction = float(random.uniform(0.3, 0.7) if random.random() < 0.8 else random.uniform(0.7, 1.0))
    return RoadUser(identity, CLASS_OF[variety], (length, width, height), caution, variety, reaction, group)


def draw_walker(random: Generator, children: float, phone_users: float) -> Variety:
    """Child, adult or phone user.

    Args:
        random: Drawn from.
        children: Share of children.
        phone_users: Share of adults who look at a phone.
    """
    if random.random() < children:
        return Variety.CHILD
    return Variety.PHONE_USER if random.random() < phone_users else Variety.ADULT


def draw_walking_speed(random: Generator, variety: Variety) -> float:
    """Speed somebody likes to walk with [m/s]."""
    match variety:
        case Variety.CHILD:
            return float(np.clip(random.normal(1.35, 0.4), 0.7, 2.6))
        case Variety.PHONE_USER:
            return float(np.clip(random.normal(1.0, 0.18), 0.5, 1.6))
        case _:
            return float(np.clip(random.normal(1.3, 0.25), 0.6, 2.6))


def walker_type(random: Generator, user: RoadUser, speed: float) -> ET.Element:
    """SUMO type of a pedestrian: phone users and children wait less for a good gap and for green."""
    careful = user.variety is Variety.ADULT
    after_red = random.choice([-1, -1, -1, 2, 8] if careful else [-1, 2, 8, 20])
    impatience = random.uniform(0, 0.6) if careful else random.uniform(0.4, 1.0)
    return ET.Element(
        "vType", id=f"t{user.id}", vClass="pedestrian", width=str(user.size[1]), length=str(user.size[0]),
        height=str(user.size[2]), desiredMaxSpeed=f"{speed:.2f}", speedFactor="1", speedDev="0",
        jmDriveAfterRedTime=str(after_red), impatience=f"{impatience:.2f}",
    )  # fmt: skip


def vehicle_type(random: Generator, user: RoadUser) -> ET.Element:
    """SUMO type of a vehicle and its driver."""
    length, width, height = user.size
    bicycle, emergency = user.variety is Variety.BICYCLE, user.variety is Variety.EMERGENCY
    pushy = random.random() < _PUSHY
    acceleration = random.uniform(*_ACCELERATION.get(user.variety, (1.6, 3.2)))
    factor = float(np.clip(random.normal(1.0, 0.12), 0.7, 1.3))
    values = {
        "length": length, "width": width, "height": height, "minGap": random.uniform(1.0, 2.8),
        "accel": acceleration, "decel": random.uniform(3.2, 4.8), "emergencyDecel": 8.0,
        "sigma": random.uniform(0.1, 0.6), "tau": random.uniform(0.7, 1.7), "speedFactor": factor, "speedDev": 0.0,
        "impatience": random.uniform(0.4, 0.9) if pushy else random.uniform(0.0, 0.4),
        "jmIgnoreFoeProb": random.uniform(0.2, 0.7) if pushy else 0.0, "jmIgnoreFoeSpeed": 7.0,
        "jmTimegapMinor": random.uniform(0.3, 1.0) if pushy else random.uniform(0.8, 2.2),
        "jmCrossingGap": random.uniform(3.0, 10.0), "jmStoplineGap": random.uniform(0.5, 2.0),
        "jmDriveAfterYellowTime": random.choice([-1.0, 0.5, 1.5]),
        "lcCooperative": random.uniform(0.2, 1.0), "lcSpeedGain": random.uniform(0.5, 2.0),
        "lcAssertive": random.uniform(1.2, 2.5) if pushy else random.uniform(0.8, 1.3),
        "minGapLat": random.uniform(0.3, 0.7), "maxSpeedLat": random.uniform(0.7, 1.3),
        "lcMaxSpeedLatStanding": 0.0, "lcMaxSpeedLatFactor": 0.4,  # nobody slides sideways
    }  # fmt: skip
    alignment = "right" if bicycle else str(random.choice(["center", "center", "arbitrary", "nice"]))
    if bicycle:
        values |= {"maxSpeed": random.uniform(3.5, 7.0), "decel": random.uniform(2.4, 3.2), "emergencyDecel": 5.0}
    elif user.variety in (Variety.LORRY, Variety.BUS):
        values["maxSpeed"] = random.uniform(15.0, 22.0)
    elif emergency:  # hurries, and creeps over red
        values |= {"speedFactor": 1.25, "jmDriveAfterRedTime": 300.0, "jmDriveAfterRedSpeed": 4.0}
        values |= {"jmIgnoreFoeProb": 0.0, "impatience": 0.0}
    element = ET.Element(
        "vType", {k: f"{v:.3f}" for k, v in values.items()}, id=f"t{user.id}", vClass=_SUMO_CLASS[user.variety],
        latAlignment=alignment,
    )  # fmt: skip
    if emergency:
        ET.SubElement(element, "param", key="has.bluelight.device", value="true")
    return element
