"""What several layouts are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.random import Generator

from zoox_stack.core.errors import ConfigurationError
from zoox_stack.simulation.town_plan import JOINT, JUNCTION_KINDS, KMH, ZEBRA, Node, Street

_WIDEST_ARC = np.deg2rad(125)  # up to which a street between two nodes looks like an arc
_RING_WIDTH = 4.2  # [m] of the lane of a roundabout
_LEAST_FOR_ZEBRA = 75.0  # [m] length of a street that gets a zebra crossing in the middle


def check_kinds(kinds: Sequence[str], known: Sequence[str] = JUNCTION_KINDS) -> None:
    """Refuse kinds of junctions that do not exist or cannot be.

    Raises:
        ConfigurationError: None given, or one that is not `known`.
    """
    if not kinds or any(kind not in known for kind in kinds):
        raise ConfigurationError(f"kinds: expected some of {', '.join(known)}, found {', '.join(kinds) or 'none'}")


def check_speeds(speeds: Sequence[float]) -> None:
    """Refuse an empty list of speeds.

    Raises:
        ConfigurationError: It is.
    """
    if not speeds:
        raise ConfigurationError("speeds: expected numbers [m/s], found none")


def check_order(low_name: str, low: float, high_name: str, high: float) -> None:
    """Refuse a range whose end lies below its start.

    Raises:
        ConfigurationError: It does.
    """
    if high < low:
        raise ConfigurationError(f"{high_name}: expected at least {low_name} {low}, found {high}")


def dealt(random: Generator, kinds: Sequence[str], count: int) -> list[str]:
    """`count` kinds in random order; each as often as the others, so that all occur where there is room."""
    return [str(kind) for kind in random.permutation([kinds[i % len(kinds)] for i in range(count)])]


def chosen(random: Generator, count: int, share: float) -> set[int]:
    """Which of `count` things are the given share of them."""
    return {int(k) for k in random.permutation(count)[: round(share * count)]}


def with_zebras(random: Generator, nodes: dict[str, Node], streets: list[Street], share: float) -> list[Street]:
    """Put zebra crossings into the middle of a share of the streets between junctions; adds to `nodes`."""
    able = [k for k, street in enumerate(streets) if _may_have_zebra(street, nodes)]
    halved = {able[k] for k in chosen(random, len(able), share)}
    result: list[Street] = []
    for k, street in enumerate(streets):
        if k not in halved:
            result.append(street)
            continue
        a, b, name = nodes[street.start], nodes[street.end], f"z_{street.start}_{street.end}"
        length = np.hypot(b.x - a.x, b.y - a.y)
        left = np.array([a.y - b.y, b.x - a.x]) / length * street.bend
        nodes[name] = Node(float((a.x + b.x) / 2 + left[0]), float((a.y + b.y) / 2 + left[1]), ZEBRA)
        for start, end in ((street.start, name), (name, street.end)):
            result.append(replace(street, start=start, end=end, bend=street.bend / 4, bus_stop=False))
    return result


def _may_have_zebra(street: Street, nodes: dict[str, Node]) -> bool:
    a, b = nodes[street.start], nodes[street.end]
    inner = "dead_end" not in (a.kind, b.kind)
    return inner and street.sidewalk > 0 and not street.median and np.hypot(a.x - b.x, a.y - b.y) > _LEAST_FOR_ZEBRA


def add_ring(
    nodes: dict[str, Node], streets: list[Street], prefix: str, centre: tuple[float, float], angles: Sequence[float],
    radius: float,
) -> list[str]:  # fmt: skip
    """Add a roundabout of one lane.

    Args:
        nodes: Added to.
        streets: Added to.
        prefix: Of the node names.
        centre: x, y [m].
        angles: Of the arms, ascending, less than a turn in all [rad].
        radius: [m].

    Returns:
        The nodes where the arms join, in the order of `angles`.
    """
    arms = [f"{prefix}{i}" for i in range(len(angles))]
    ring: list[tuple[str, float]] = []
    for i, name in enumerate(arms):
        gap = (angles[(i + 1) % len(angles)] - angles[i]) % (2 * np.pi) or 2 * np.pi
        parts = int(np.ceil(gap / _WIDEST_ARC))
        ring += [(name if k == 0 else f"{name}_{k}", angles[i] + k * gap / parts) for k in range(parts)]
    for name, angle in ring:
        x, y = centre[0] + radius * np.cos(angle), centre[1] + radius * np.sin(angle)
        nodes[name] = Node(float(x), float(y), "priority" if name in arms else JOINT)
    for (name, angle), (following, end) in pairwise([*ring, (ring[0][0], ring[0][1] + 2 * np.pi)]):
        bulge = float(-radius * (1 - np.cos((end - angle) / 2)))  # the ring bends to the right of its chords
        streets.append(
            Street(name, following, 1, 30 * KMH, 9, bulge, one_way=True, sidewalk=0.0, lane_width=_RING_WIDTH)
        )
    return arms
