"""A wide road through a town."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.random import Generator

from zoox_stack.core.parameters import parameter
from zoox_stack.simulation.layouts.pieces import check_order
from zoox_stack.simulation.town_plan import JOINT, KMH, PROTECTED_LEFT, Connection, Node, Street, TownPlan

_MERGE_LENGTH = 90.0  # [m] of the lane on which the slip road joins


@dataclass(frozen=True)
class ArterialLayout:
    """A road of two and three lanes per direction: lanes begin and end, a slip road merges, side streets give way."""

    junctions: int = parameter(3, "with side streets", low=1, high=20)
    extra: int = parameter(1, "up to so many more, drawn", low=0, high=10)
    shortest_block: float = parameter(85.0, "between junctions", unit="m", low=60.0, high=1000.0)
    longest_block: float = parameter(130.0, "between junctions", unit="m", low=60.0, high=1000.0)
    speed: float = parameter(60 * KMH, "speed limit", unit="m/s", low=5.0, high=40.0)
    signals: int = parameter(1, "junctions with signals, the others are give-way", low=0, high=20)
    protected_lefts: bool = parameter(False, "left turns have an arrow at signals")
    back_street: bool = parameter(True, "the side streets of one side are joined by a parallel street")

    def __post_init__(self) -> None:
        check_order("shortest_block", self.shortest_block, "longest_block", self.longest_block)


def arterial(random: Generator, name: str, layout: ArterialLayout) -> TownPlan:
    """Draw an arterial road."""
    nodes: dict[str, Node] = {}
    count = layout.junctions + int(random.integers(layout.extra + 1))
    xs = np.cumsum(random.uniform(layout.shortest_block, layout.longest_block, count))
    ys = np.cumsum(random.normal(0, 8, count))
    signals = {int(k) for k in random.permutation(count)[: layout.signals]}
    light = PROTECTED_LEFT if layout.protected_lefts else "traffic_light"
    for i in range(count):
        nodes[f"m{i}"] = Node(float(xs[i]), float(ys[i]), light if i in signals else "priority")
    x, y = float(xs[0]), float(ys[0])
    nodes["drop"] = Node(x - 60, y, JOINT)
    nodes["merge"] = Node(x - 60 - _MERGE_LENGTH, y, JOINT)
    nodes["west"] = Node(x - 140 - _MERGE_LENGTH, y, "dead_end")
    nodes["east"] = Node(float(xs[-1]) + 110, float(ys[-1]), "dead_end")
    nodes["slip"] = Node(x - 160 - _MERGE_LENGTH, y - 32, "dead_end")
    chain = ["west", "merge", "drop", *(f"m{i}" for i in range(count)), "east"]
    streets = []
    for i, (a, b) in enumerate(pairwise(chain)):
        bend = 0.0 if i < 3 else float(random.normal(0, 2))
        streets.append(Street(a, b, (2, 3, 2, 2, 3)[i % 5], layout.speed, 6, bend, median=3.2))
    streets.append(Street("slip", "merge", 1, 50 * KMH, 2, -6.0, one_way=True, sidewalk=0.0))
    streets += _side_streets(random, nodes, count, signals, back_street=layout.back_street)
    return TownPlan(name, nodes, tuple(streets), _MERGE)


_MERGE = (
    Connection("slip-merge", 0, "merge-drop", 0),
    *(Connection("west-merge", i, "merge-drop", i + 1) for i in range(2)),
    *(Connection("drop-merge", i, "merge-west", max(0, i - 1)) for i in range(3)),
    *(Connection("merge-drop", i, "drop-m0", max(0, i - 1)) for i in range(3)),
    *(Connection("m0-drop", i, "drop-merge", i + 1) for i in range(2)),
    Connection("m0-drop", 0, "drop-merge", 0),
)


def _side_streets(
    random: Generator, nodes: dict[str, Node], count: int, signals: set[int], *, back_street: bool
) -> list[Street]:
    streets = []
    for i in range(count):
        for side in (-1, 1):
            north = side > 0
            if i not in signals and not (north and back_street) and random.random() < 0.25:
                continue
            end = f"s{i}{'n' if north else 's'}"
            x = nodes[f"m{i}"].x + float(random.uniform(-15, 15))
            nodes[end] = Node(x, nodes[f"m{i}"].y + side * float(random.uniform(75, 100)), "dead_end")
            streets.append(Street(end, f"m{i}", 1, 40 * KMH, 2, float(random.normal(0, 3))))
    if back_street:
        for i in range(count):
            corner = 0 < i < count - 1
            nodes[f"s{i}n"] = Node(nodes[f"s{i}n"].x, nodes[f"s{i}n"].y, "right_before_left" if corner else JOINT)
        streets += [
            Street(f"s{i}n", f"s{i + 1}n", 1, 30 * KMH, 2, float(random.normal(0, 3)), lane_width=3.0)
            for i in range(count - 1)
        ]
    return streets
