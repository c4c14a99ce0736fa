"""Streets at right angles, not quite."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.random import Generator

from zoox_stack.core.parameters import parameter
from zoox_stack.simulation.layouts.pieces import check_kinds, check_order, chosen, dealt, with_zebras
from zoox_stack.simulation.town_plan import KMH, PROTECTED_LEFT, Node, Street, TownPlan

_MEDIAN = 3.2  # [m] wide enough for a lane for left turns
_Line = tuple[str, int]  # a row ("x", j) or a column ("y", i)


@dataclass(frozen=True)
class GridLayout:
    """A jittered grid with ways out at its rim. Shares are of all rows and columns together."""

    columns: int = parameter(2, "junctions along x", low=1, high=20)
    rows: int = parameter(2, "junctions along y", low=1, high=20)
    extra: int = parameter(1, "up to so many more columns or rows, drawn", low=0, high=10)
    shortest_block: float = parameter(85.0, "between junctions", unit="m", low=45.0, high=1000.0)
    longest_block: float = parameter(130.0, "between junctions", unit="m", low=45.0, high=1000.0)
    arm: float = parameter(85.0, "length of the ways out", unit="m", low=45.0, high=1000.0)
    kinds: tuple[str, ...] = parameter(("traffic_light",), "kinds of junctions, drawn for each")
    speed: float = parameter(50 * KMH, "speed limit", unit="m/s", low=1.0, high=60.0)
    slow_speed: float = parameter(
        50 * KMH, "speed limit of about half the streets that are no main street", unit="m/s", low=1.0, high=60.0
    )
    wide: bool = parameter(False, "one row and one column have two lanes per direction")
    main_row: bool = parameter(False, "one row goes first at priority junctions")
    one_way: float = parameter(0.0, "share that is one-way, never the first row and column", low=0.0, high=1.0)
    parking: float = parameter(0.0, "share with parking lanes", low=0.0, high=1.0)
    bike_lanes: float = parameter(0.0, "share with bike lanes", low=0.0, high=1.0)
    bus_lanes: float = parameter(0.0, "share with bus lanes and bus stops", low=0.0, high=1.0)
    zebras: float = parameter(0.0, "share of streets with a zebra crossing in the middle", low=0.0, high=1.0)
    bend: float = parameter(2.5, "how far streets bend aside, standard deviation", unit="m", low=0.0, high=20.0)
    lane_width: float = parameter(3.2, "width of lanes", unit="m", low=2.2, high=5.0)
    sidewalk: float = parameter(2.4, "width of sidewalks", unit="m", low=0.0, high=10.0)

    def __post_init__(self) -> None:
        check_kinds(self.kinds)
        check_order("shortest_block", self.shortest_block, "longest_block", self.longest_block)


def grid(random: Generator, name: str, layout: GridLayout) -> TownPlan:
    """Draw a grid."""
    columns, rows = layout.columns, layout.rows
    more = int(random.integers(layout.extra + 1))
    columns, rows = (columns + more, rows) if random.random() < 0.5 else (columns, rows + more)
    lines: list[_Line] = [("x", j) for j in range(rows)] + [("y", i) for i in range(columns)]
    nodes = _junctions(random, lines, columns, rows, layout)

    def share(of: float, among: list[_Line] = lines) -> set[_Line]:
        return {among[k] for k in chosen(random, len(among), of)}

    wide = {("x", int(random.integers(rows))), ("y", int(random.integers(columns)))} if layout.wide else set()
    main = ("x", int(random.integers(rows))) if layout.main_row else None
    one_way = share(layout.one_way, [line for line in lines if line[1] > 0 and line not in wide])
    parking, bikes, buses = share(layout.parking), share(layout.bike_lanes), share(layout.bus_lanes)
    streets = []
    for line in lines:
        chain = _chain(line, columns, rows)
        if line in one_way and random.random() < 0.5:
            chain.reverse()
        for a, b in pairwise(chain):
            protected = PROTECTED_LEFT in (nodes[a].kind, nodes[b].kind)
            slow = line != main and random.random() < 0.5
            streets.append(
                Street(
                    a,
                    b,
                    lanes=2 if line in wide else 1,
                    speed=layout.slow_speed if slow else layout.speed,
                    priority=5 if line == main else 3,
                    bend=float(random.normal(0, layout.bend)),
                    one_way=line in one_way,
                    sidewalk=layout.sidewalk,
                    lane_width=layout.lane_width,
                    parking=line in parking,
                    bike_lane=line in bikes,
                    bus_lane=line in buses,
                    bus_stop=line in buses,
                    median=_MEDIAN if protected and line not in one_way else 0.0,
                )
            )
    return TownPlan(name, nodes, tuple(with_zebras(random, nodes, streets, layout.zebras)))


def _junctions(random: Generator, lines: list[_Line], columns: int, rows: int, layout: GridLayout) -> dict[str, Node]:
    """Junctions ``n<column>_<row>`` and the ends of the ways out."""
    xs = np.cumsum(random.uniform(layout.shortest_block, layout.longest_block, columns))
    ys = np.cumsum(random.uniform(layout.shortest_block, layout.longest_block, rows))
    kinds = dealt(random, layout.kinds, columns * rows)
    nodes: dict[str, Node] = {}
    for i in range(columns):
        for j in range(rows):
            dx, dy = random.uniform(-7, 7, 2)
            nodes[f"n{i}_{j}"] = Node(float(xs[i] + dx), float(ys[j] + dy), kinds[i * rows + j])
    for line in lines:
        chain = _chain(line, columns, rows)
        for end, inner, side in ((chain[0], chain[1], -1), (chain[-1], chain[-2], 1)):
            reach, aside = side * layout.arm * random.uniform(0.85, 1.15), random.uniform(-10, 10)
            dx, dy = (reach, aside) if line[0] == "x" else (aside, reach)
            nodes[end] = Node(nodes[inner].x + float(dx), nodes[inner].y + float(dy), "dead_end")
    return nodes


def _chain(line: _Line, columns: int, rows: int) -> list[str]:
    """Nodes of a row or column, with the ends of the ways out."""
    axis, k = line
    inner = [f"n{i}_{k}" for i in range(columns)] if axis == "x" else [f"n{k}_{j}" for j in range(rows)]
    return [f"e{axis}{k}a", *inner, f"e{axis}{k}b"]
