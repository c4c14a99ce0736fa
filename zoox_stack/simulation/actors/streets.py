"""Cross-sections of a town's streets: where one can cross them on foot, and where one can park."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import defaultdict
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.geometry import arc_lengths
from zoox_stack.simulation.town_plan import PARKING_CLASS

PLACE_LENGTH = 6.5  # [m] of kerb per parked car
_EVERY = 6.0  # [m] between two places to cross
_FROM_JUNCTION = 16.0  # [m] nobody crosses and nobody parks nearer to a junction
_WIDEST = 24.0  # [m] of street that somebody crosses away from crossings
_FASTEST = 18.0  # [m/s] speed limit of streets that somebody crosses so
_GAP = 1.2  # [m] between lanes that still belong to one street
_ROADSIDE = 1.5  # [m] an animal starts this far from the street


class Use(IntEnum):
    """What a lane is for."""

    DRIVE = 0
    RESERVED = 1  # for bicycles or buses
    WALK = 2
    PARK = 3


_ALLOWED = (  # classes that may use a lane of each use
    (Use.PARK, {PARKING_CLASS}),
    (Use.WALK, {"pedestrian", "wheelchair"}),
    (Use.RESERVED, {"bicycle", "bus", "emergency", "coach", "taxi"}),
)


@dataclass(frozen=True, eq=False)
class StreetLane:
    """One lane of a street.

    Attributes:
        edge: SUMO edge.
        index: Within the edge, from the right.
        use: What for.
        width: [m].
        speed: Limit [m/s].
        xy: ``[P, 2]`` centre line [m].
    """

    edge: str
    index: int
    use: Use
    width: float
    speed: float
    xy: NDArray[np.float64]


@dataclass(frozen=True)
class CrossingPlace:
    """A straight way over a street, where there is no crossing.

    Attributes:
        start: x, y beside the street: on the sidewalk where there is one [m].
        end: x, y on the other side [m].
        kerb: Distance from `start` to the street [m].
        far_kerb: Distance from `start` to where the street ends [m].
        on_foot: There are sidewalks on both sides.
    """

    start: tuple[float, float]
    end: tuple[float, float]
    kerb: float
    far_kerb: float
    on_foot: bool

    def passes(self, points: NDArray[np.float64], distance: float) -> bool:
        """Whether the way comes nearer than `distance` [m] to one of the points ``[N, 2]``."""
        start = np.array(self.start)
        way = np.array(self.end) - start
        part = (((points - start) @ way) / (way @ way)).clip(0, 1)
        return bool((np.hypot(*(start + part[:, None] * way - points).T) < distance).any())


@dataclass(frozen=True)
class ParkingPlace:
    """Room for one car at the kerb.

    Attributes:
        strip: Parking lane the place belongs to; places of a strip are numbered in driving direction.
        number: Within the strip.
        x: Of the middle [m].
        y: [m].
        yaw: Of the lane [rad].
        width: Of the parking lane [m].
        edge: SUMO edge.
        lane: Index of the lane beside it.
        s: Of the middle along that lane [m].
        aside: Distance of the middle from that lane's centre line [m].
        joins: Cars drive on that lane, so that one can pull out and in.
    """

    strip: int
    number: int
    x: float
    y: float
    yaw: float
    width: float
    edge: str
    lane: int
    s: float
    aside: float
    joins: bool


def read_street_lanes(net_path: Path) -> list[StreetLane]:
    """All lanes of a SUMO network outside junctions.

    Raises:
        InvalidInputError: Not a readable SUMO network.
    """
    try:
        root = ET.parse(net_path).getroot()
    except (OSError, ET.ParseError) as error:
        raise InvalidInputError(f"SUMO network {net_path}", "a readable XML file", str(error)) from error
    lanes = []
    for edge in root.findall("edge"):
        if edge.get("function", "normal") != "normal":
            continue
        for lane in edge.findall("lane"):
            xy = np.array([[float(v) for v in point.split(",")[:2]] for point in lane.attrib["shape"].split()])
            width, speed = float(lane.get("width", 3.2)), float(lane.attrib["speed"])
            allowed = set(lane.get("allow", "").split())
            use = next((use for use, classes in _ALLOWED if allowed and allowed <= classes), Use.DRIVE)
            lanes.append(StreetLane(edge.attrib["id"], int(lane.attrib["index"]), use, width, speed, xy))
    return lanes


def crossing_places(lanes: list[StreetLane]) -> list[CrossingPlace]:
    """Places every few metres along both sides of all streets that can be crossed."""
    a, b = (np.concatenate([lane.xy[part] for lane in lanes]) for part in (slice(None, -1), slice(1, None)))
    owner = np.repeat(np.arange(len(lanes)), [len(lane.xy) - 1 for lane in lanes])
    rightmost: dict[str, StreetLane] = {}
    for lane in lanes:
        if lane.use in (Use.DRIVE, Use.RESERVED) and lane.index < rightmost.get(lane.edge, lane).index + 1:
            rightmost[lane.edge] = lane
    places = []
    for lane in rightmost.values():
        length = float(arc_lengths(lane.xy)[-1])
        for s in np.arange(_FROM_JUNCTION, length - _FROM_JUNCTION, _EVERY):
            point, along = _at(lane.xy, s)
            place = _place(point, along, a, b, owner, lanes, lane)
            if place is not None:
                places.append(place)
    return places


def _place(
    point: NDArray[np.float64],
    along: NDArray[np.float64],
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    owner: NDArray[np.int64],
    lanes: list[StreetLane],
    lane: StreetLane,
) -> CrossingPlace | None:
    """The way over the street at a point of a lane; `a` and `b` are the ends of all pieces of all lanes."""
    across = np.array([-along[1], along[0]])
    before, after = (a - point) @ along, (b - point) @ along
    cut = np.flatnonzero((before * after <= 0) & (before != after))
    part = before[cut] / (before[cut] - after[cut])
    aside = (a[cut] - point) @ across + part * ((b[cut] - a[cut]) @ across)
    low = high = 0.0
    first = last = None
    for offset, k in sorted(zip(aside.tolist(), owner[cut].tolist(), strict=True)):
        other, half = lanes[k], lanes[k].width / 2
        if offset < -lane.width and other.edge != lane.edge:
            continue  # another street
        if offset - half > high + _GAP or other.speed > _FASTEST:
            break
        if other.use is Use.WALK:
            if offset < 0:
                first = offset
            else:
                last = offset
                break
        else:
            low, high = min(low, offset - half), max(high, offset + half)
    on_foot = first is not None and last is not None
    start = low - _ROADSIDE if first is None else first
    end = high + _ROADSIDE if last is None else last
    if lane.speed > _FASTEST or high - low > _WIDEST or high <= low:
        return None
    return CrossingPlace(
        start=tuple((point + start * across).tolist()),
        end=tuple((point + end * across).tolist()),
        kerb=low - start,
        far_kerb=high - start,
        on_foot=on_foot,
    )


def parking_places(lanes: list[StreetLane]) -> list[ParkingPlace]:
    """All places at the kerb, in the order of the network."""
    by_edge: dict[str, list[StreetLane]] = defaultdict(list)
    for lane in lanes:
        by_edge[lane.edge].append(lane)
    places = []
    for strip, lane in enumerate(lanes):
        beside = [other for other in by_edge[lane.edge] if other.index > lane.index]
        if lane.use is not Use.PARK or not beside:
            continue
        driven = min(beside, key=lambda other: other.index)
        length = float(arc_lengths(lane.xy)[-1])
        count = int((length - 2 * _FROM_JUNCTION) // PLACE_LENGTH)
        for number in range(count):
            (x, y), along = _at(lane.xy, _FROM_JUNCTION + (number + 0.5) * PLACE_LENGTH)
            s, aside = _beside(driven.xy, np.array([x, y]))
            yaw = float(np.arctan2(along[1], along[0]))
            places.append(
                ParkingPlace(strip, number, float(x), float(y), yaw, lane.width, lane.edge, driven.index, s, aside,
                             driven.use is Use.DRIVE)
            )  # fmt: skip
    return places


def _at(xy: NDArray[np.float64], s: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Point of a line at arc length `s` and its direction there."""
    arc = arc_lengths(xy)
    piece = int(np.clip(np.searchsorted(arc, s, side="right") - 1, 0, len(xy) - 2))
    along = (xy[piece + 1] - xy[piece]) / (arc[piece + 1] - arc[piece])
    return xy[piece] + (s - arc[piece]) * along, along


def _beside(xy: NDArray[np.float64], point: NDArray[np.float64]) -> tuple[float, float]:
    """Arc length of the point of a line nearest to `point`, and the distance."""
    arc, steps = arc_lengths(xy), np.diff(xy, axis=0)
    part = (((point - xy[:-1]) * steps).sum(axis=1) / (steps**2).sum(axis=1)).clip(0, 1)
    distance = np.hypot(*(xy[:-1] + part[:, None] * steps - point).T)
    piece = int(np.argmin(distance))
    return float(arc[piece] + part[piece] * (arc[piece + 1] - arc[piece])), float(distance[piece])
