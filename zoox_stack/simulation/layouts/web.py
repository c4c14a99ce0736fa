"""Streets that have grown: no right angles, junctions of many kinds, dead ends."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from zoox_stack.core.parameters import parameter
from zoox_stack.simulation.layouts.pieces import (
    add_ring,
    check_kinds,
    check_order,
    check_speeds,
    chosen,
    dealt,
    with_zebras,
)
from zoox_stack.simulation.layouts.web_graph import Pair, chains, joined, scattered, with_ways_out
from zoox_stack.simulation.town_plan import JOINT, KMH, PROTECTED_LEFT, Node, Street, TownPlan

_MOST_BEND = 0.12  # of the length of a street
_MEDIAN = 3.2  # [m] wide enough for a lane for left turns
_RING_RADIUS = 18.0  # [m]


@dataclass(frozen=True)
class WebLayout:
    """Scattered junctions, joined to near ones so that all are connected, with ways out at the rim."""

    least_junctions: int = parameter(6, "inner junctions", low=3, high=60)
    most_junctions: int = parameter(10, "inner junctions", low=3, high=60)
    spacing: float = parameter(105.0, "about the distance of neighbouring junctions", unit="m", low=70.0, high=500.0)
    ways_out: int = parameter(4, "streets that lead out of the town", low=2, high=20)
    loops: float = parameter(0.6, "share of the possible streets beyond those that connect all", low=0.0, high=1.0)
    kinds: tuple[str, ...] = parameter(("priority", "right_before_left"), "kinds of junctions, drawn for each")
    roundabouts: float = parameter(0.0, "share of junctions that are roundabouts", low=0.0, high=1.0)
    speeds: tuple[float, ...] = parameter(
        (30 * KMH,), "speed limits, drawn for each street", unit="m/s", low=1.0, high=60.0
    )
    bend: float = parameter(
        0.05, "how far streets bend aside, standard deviation, per length", low=0.0, high=_MOST_BEND
    )
    wide: float = parameter(0.0, "share of streets with two lanes per direction", low=0.0, high=1.0)
    parking: float = parameter(0.0, "share of streets with parking lanes", low=0.0, high=1.0)
    bike_lanes: float = parameter(0.0, "share of streets with bike lanes", low=0.0, high=1.0)
    bus_stops: float = parameter(0.0, "share of streets with bus stops", low=0.0, high=1.0)
    zebras: float = parameter(0.0, "share of streets with a zebra crossing in the middle", low=0.0, high=1.0)
    lane_width: float = parameter(3.2, "width of lanes", unit="m", low=2.2, high=5.0)
    sidewalk: float = parameter(2.4, "width of sidewalks", unit="m", low=0.0, high=10.0)

    def __post_init__(self) -> None:
        check_kinds(self.kinds)
        check_speeds(self.speeds)
        check_order("least_junctions", self.least_junctions, "most_junctions", self.most_junctions)


def web(random: Generator, name: str, layout: WebLayout) -> TownPlan:
    """Draw a web.

    Source: edges of the Delaunay triangulation (planar), first those of its minimum spanning tree, then the shortest
    others that keep an angle to their neighbours.
    """
    count = int(random.integers(layout.least_junctions, layout.most_junctions + 1))
    points = scattered(random, count, layout.spacing)
    pairs = joined(random, points, layout.loops)
    points, pairs = with_ways_out(random, points, pairs, layout.ways_out, layout.spacing)
    degree = np.bincount(np.array(pairs).ravel(), minlength=len(points))
    able = [k for k in range(count) if degree[k] >= 3]
    rings = {able[k] for k in chosen(random, len(able), layout.roundabouts)}
    kinds = iter(dealt(random, layout.kinds, count))
    nodes: dict[str, Node] = {}
    ends: dict[Pair, str] = {}  # from point, to point: the node at the former where the street to the latter ends
    streets: list[Street] = []
    for k, (x, y) in enumerate(points.tolist()):
        others = [a + b - k for a, b in pairs if k in (a, b)]
        if k in rings:
            towards = {float(np.arctan2(points[other][1] - y, points[other][0] - x)): other for other in others}
            ring = add_ring(nodes, streets, f"r{k}_", (x, y), sorted(towards), _RING_RADIUS)
            ends |= {(k, towards[angle]): node for angle, node in zip(sorted(towards), ring, strict=True)}
            continue
        label = f"e{k}" if degree[k] == 1 else f"n{k}"
        nodes[label] = Node(x, y, "dead_end" if degree[k] == 1 else JOINT if degree[k] == 2 else next(kinds))
        ends |= {(k, other): label for other in others}
    drawn = _streets(
        random, pairs, points, rings, {pair: (ends[pair], ends[pair[::-1]]) for pair in pairs}, nodes, layout
    )
    streets += with_zebras(random, nodes, drawn, layout.zebras)
    return TownPlan(name, nodes, tuple(streets))


def _streets(
    random: Generator,
    pairs: list[Pair],
    points: NDArray[np.float64],
    rings: set[int],
    ends: dict[Pair, tuple[str, str]],
    nodes: dict[str, Node],
    layout: WebLayout,
) -> list[Street]:
    """The streets of the pairs; where no other street joins, a street goes on as it was."""
    numbers = chains(pairs)
    templates = _templates(random, sorted(set(numbers)), layout)
    streets = []
    for pair, number in zip(pairs, numbers, strict=True):
        chain = [other for other, same in zip(pairs, numbers, strict=True) if same == number]
        template = templates[number]
        if any(rings & set(other) for other in chain):  # lanes that a roundabout does not have would lead nowhere
            template = replace(template, lanes=1, bike_lane=False)
        protected = any(nodes[end].kind == PROTECTED_LEFT for other in chain for end in ends[other])
        length = float(np.hypot(*(points[pair[0]] - points[pair[1]])))
        bend = float(np.clip(random.normal(0, layout.bend), -_MOST_BEND, _MOST_BEND)) * length
        start, end = ends[pair]
        streets.append(replace(template, start=start, end=end, bend=bend, median=_MEDIAN if protected else 0.0))
    return streets


def _templates(random: Generator, numbers: list[int], layout: WebLayout) -> dict[int, Street]:
    """A street without a place for every number."""
    shares = (layout.wide, layout.parking, layout.bike_lanes, layout.bus_stops)
    wide, parking, bikes, buses = ({numbers[k] for k in chosen(random, len(numbers), share)} for share in shares)
    templates = {}
    for number in numbers:
        speed = float(random.choice(layout.speeds))
        templates[number] = Street(
            lanes=2 if number in wide else 1,
            speed=speed,
            priority=2 + sorted(layout.speeds).index(speed),
            sidewalk=layout.sidewalk,
            lane_width=layout.lane_width,
            parking=number in parking,
            bike_lane=number in bikes - wide,
            bus_stop=number in buses,
        )
    return templates
