"""A motorway with an on-ramp and an off-ramp in each direction."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.random import Generator

from zoox_stack.core.parameters import parameter
from zoox_stack.simulation.layouts.pieces import check_order
from zoox_stack.simulation.town_plan import JOINT, KMH, Connection, Node, Street, TownPlan


@dataclass(frozen=True)
class MotorwayLayout:
    """Two carriageways; on each, an on-ramp with acceleration lane, then an off-ramp with deceleration lane."""

    lanes: int = parameter(2, "per direction", low=1, high=4)
    speed: float = parameter(120 * KMH, "speed limit", unit="m/s", low=20.0, high=60.0)
    ramp_speed: float = parameter(60 * KMH, "speed limit of the ramps", unit="m/s", low=5.0, high=40.0)
    acceleration_lane: float = parameter(220.0, "length", unit="m", low=80.0, high=600.0)
    deceleration_lane: float = parameter(180.0, "length", unit="m", low=60.0, high=600.0)
    shortest_between: float = parameter(
        300.0, "from acceleration to deceleration lane", unit="m", low=50.0, high=3000.0
    )
    longest_between: float = parameter(500.0, "from acceleration to deceleration lane", unit="m", low=50.0, high=3000.0)
    reach: float = parameter(
        250.0, "length of the motorway before and after, and of the ramps", unit="m", low=120.0, high=2000.0
    )
    median: float = parameter(5.0, "between the carriageways", unit="m", low=1.0, high=30.0)

    def __post_init__(self) -> None:
        check_order("shortest_between", self.shortest_between, "longest_between", self.longest_between)


def motorway(random: Generator, name: str, layout: MotorwayLayout) -> TownPlan:
    """Draw a motorway."""
    nodes: dict[str, Node] = {}
    streets: list[Street] = []
    connections: list[Connection] = []
    turn = float(random.uniform(-0.3, 0.3))
    along = np.array([np.cos(turn), np.sin(turn)])
    between = float(random.uniform(layout.shortest_between, layout.longest_between))
    for label, way in (("e", along), ("w", -along)):
        right = np.array([way[1], -way[0]])
        aside = right * (layout.median + layout.lanes * 3.6) / 2
        places = np.cumsum(
            [0.0, layout.reach, layout.acceleration_lane, between, layout.deceleration_lane, layout.reach]
        )
        places -= places[-1] / 2
        names = [f"{label}{i}" for i in range(6)]
        for i, (node, place) in enumerate(zip(names, places, strict=True)):
            x, y = way * place + aside
            nodes[node] = Node(float(x), float(y), JOINT if 0 < i < 5 else "dead_end")
        apart = right * float(random.uniform(35, 50))
        for node, place, kind in (
            (f"{label}on", places[1] - layout.reach * 0.9, "dead_end"),
            (f"{label}off", places[4] + layout.reach * 0.6, JOINT),
            (f"{label}out", places[4] + layout.reach, "dead_end"),
        ):
            x, y = way * place + aside + apart
            nodes[node] = Node(float(x), float(y), kind)
        connections += _add_carriageway(streets, names, label, layout)
    return TownPlan(name, nodes, tuple(streets), tuple(connections))


def _add_carriageway(streets: list[Street], names: list[str], label: str, layout: MotorwayLayout) -> list[Connection]:
    lanes = layout.lanes
    road = Street(lane_width=3.6, sidewalk=0.0, one_way=True, motorway=True)
    for (a, b), count in zip(pairwise(names), (lanes, lanes + 1, lanes, lanes + 1, lanes), strict=True):
        streets.append(replace(road, start=a, end=b, lanes=count, speed=layout.speed, priority=12))
    ramp = replace(road, speed=layout.ramp_speed, priority=4)
    streets += [
        replace(ramp, start=f"{label}on", end=names[1], bend=-8.0),
        replace(ramp, start=names[4], end=f"{label}off", bend=-5.0),
        replace(ramp, start=f"{label}off", end=f"{label}out"),
    ]
    edges = [f"{a}-{b}" for a, b in pairwise(names)]
    made = [Connection(f"{label}on-{names[1]}", 0, edges[1], 0)]
    made += [Connection(edges[0], i, edges[1], i + 1) for i in range(lanes)]
    made += [Connection(edges[1], i + 1, edges[2], i) for i in range(lanes)]  # the acceleration lane ends
    made += [Connection(edges[2], i, edges[3], i + 1) for i in range(lanes)] + [Connection(edges[2], 0, edges[3], 0)]
    made += [Connection(edges[3], i + 1, edges[4], i) for i in range(lanes)]
    return [*made, Connection(edges[3], 0, f"{names[4]}-{label}off", 0)]
