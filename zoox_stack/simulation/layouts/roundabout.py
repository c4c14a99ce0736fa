"""Roundabouts and the streets that lead to them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from zoox_stack.core.parameters import parameter
from zoox_stack.simulation.layouts.pieces import add_ring, check_kinds, check_order
from zoox_stack.simulation.town_plan import JUNCTION_KINDS, KMH, PROTECTED_LEFT, Node, Street, TownPlan


@dataclass(frozen=True)
class RoundaboutLayout:
    """Roundabouts in a row; every arm leads over a junction, and streets join those of neighbouring arms."""

    roundabouts: int = parameter(1, "how many", low=1, high=6)
    extra: int = parameter(1, "up to so many more, drawn", low=0, high=5)
    least_arms: int = parameter(3, "of a roundabout", low=3, high=6)
    most_arms: int = parameter(5, "of a roundabout", low=3, high=6)
    smallest_radius: float = parameter(16.0, "of the middle of the lane", unit="m", low=12.0, high=60.0)
    largest_radius: float = parameter(24.0, "of the middle of the lane", unit="m", low=12.0, high=60.0)
    apart: float = parameter(150.0, "between the middles of two roundabouts", unit="m", low=120.0, high=1000.0)
    kinds: tuple[str, ...] = parameter(
        ("priority", "priority_stop", "traffic_light", "allway_stop"), "kinds of the junctions of the arms"
    )

    def __post_init__(self) -> None:
        check_kinds(self.kinds, [kind for kind in JUNCTION_KINDS if kind != PROTECTED_LEFT])  # arms have no median
        check_order("least_arms", self.least_arms, "most_arms", self.most_arms)
        check_order("smallest_radius", self.smallest_radius, "largest_radius", self.largest_radius)


def roundabout(random: Generator, name: str, layout: RoundaboutLayout) -> TownPlan:
    """Draw roundabouts."""
    nodes: dict[str, Node] = {}
    streets: list[Street] = []
    count = layout.roundabouts + int(random.integers(layout.extra + 1))
    towards_next = ""  # ring node of the roundabout before that looks to this one
    for k in range(count):
        first, last = k == 0, k == count - 1
        arms = 4 if not first and not last else int(random.integers(layout.least_arms, layout.most_arms + 1))
        # arm 0 leads to the next roundabout, that of the last one to the one before
        angles = np.arange(arms) * 2 * np.pi / arms + random.uniform(-0.15, 0.15, arms) + (np.pi if last else 0.0)
        centre = (k * layout.apart, float(random.uniform(-15, 15)))
        radius = float(random.uniform(layout.smallest_radius, layout.largest_radius))
        ring = add_ring(nodes, streets, f"r{k}_", centre, angles.tolist(), radius)
        taken = set() if count == 1 else {0} if first or last else {0, 2}
        if not first:
            here = ring[0 if last else 2]
            streets.append(Street(towards_next, here, 1, 40 * KMH, 3, float(random.normal(0, 3))))
        towards_next = ring[0]
        free = sorted(set(range(arms)) - taken)
        joined = [(i, (i + 1) % arms) for i in free if (i + 1) % arms in free]
        for i in free:
            alone = not any(i in pair for pair in joined)
            _add_arm(random, nodes, streets, f"{k}_{i}", np.array(centre), float(angles[i]), ring[i], layout, alone)
        for i, j in joined:
            a, b = nodes[f"a{k}_{i}"], nodes[f"a{k}_{j}"]
            outwards = -0.1 * float(np.hypot(a.x - b.x, a.y - b.y))
            streets.append(Street(f"a{k}_{i}", f"a{k}_{j}", 1, 30 * KMH, 2, outwards))
    return TownPlan(name, nodes, tuple(streets))


def _add_arm(
    random: Generator,
    nodes: dict[str, Node],
    streets: list[Street],
    label: str,
    centre: NDArray[np.float64],
    angle: float,
    ring: str,
    layout: RoundaboutLayout,
    alone: bool,
) -> None:
    """A street from a ring node to a junction, and on from there; with a side street if it is `alone`."""
    out = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-out[1], out[0]])
    reach = random.uniform(75, 105)
    ends = [("a", out * reach, str(random.choice(layout.kinds)), (ring, 40.0, 3))]
    ends.append(("o", out * (reach + random.uniform(70, 95)), "dead_end", (f"a{label}", 50.0, 3)))
    if alone:
        ends.append(("l", out * (reach + 10) + across * random.uniform(50, 60), "dead_end", (f"a{label}", 30.0, 1)))
    for part, place, kind, (end, speed, priority) in ends:
        x, y = centre + place
        nodes[part + label] = Node(float(x), float(y), kind)
        streets.append(Street(part + label, end, 1, speed * KMH, priority, float(random.normal(0, 3))))
