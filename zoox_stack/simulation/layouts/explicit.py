"""Hand-made places: nodes and streets as they are written down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.random import Generator

from zoox_stack.core.errors import ConfigurationError
from zoox_stack.core.parameters import build
from zoox_stack.simulation.plain_edges import POCKET_WIDTH
from zoox_stack.simulation.town_plan import DEAD_END, JOINT, PROTECTED_LEFT, ZEBRA, Node, Street, TownPlan

_LEAST_APART = 1.0  # [m] between nodes
_STREETS = {ZEBRA: (2, 2), JOINT: (2, 99), DEAD_END: (1, 1)}  # least and most that meet there


@dataclass(frozen=True)
class ExplicitLayout:
    """The same for every seed.

    Attributes:
        nodes: By name.
        streets: All roads.
    """

    nodes: dict[str, Node]
    streets: tuple[Street, ...]

    @classmethod
    def from_values(cls, values: Mapping[str, Any], owner: str) -> ExplicitLayout:
        """Read ``nodes`` (name: {x, y, kind}) and ``streets`` (list of fields of `Street`).

        Args:
            values: What the file says.
            owner: Named in errors.

        Raises:
            ConfigurationError: What is wrong.
        """
        if set(values) != {"nodes", "streets"}:
            raise ConfigurationError(
                f"{owner}: expected nodes and streets, found {', '.join(map(str, values)) or 'nothing'}"
            )
        nodes, streets = values["nodes"], values["streets"]
        if not isinstance(nodes, Mapping) or not all(isinstance(node, Mapping) for node in nodes.values()):
            raise ConfigurationError(
                f"{owner}.nodes: expected a mapping from names to {{x, y, kind}}, found {nodes!r:.80}"
            )
        if not isinstance(streets, list) or not all(isinstance(street, Mapping) for street in streets):
            raise ConfigurationError(f"{owner}.streets: expected a list of mappings, found {streets!r:.80}")
        for name, node in nodes.items():
            if not isinstance(name, str):
                raise ConfigurationError(f"{owner}.nodes: expected names that are text, found {name!r}; use quotes")
            if not {"x", "y"} <= set(node):
                raise ConfigurationError(f"{owner}.nodes.{name}: expected x and y, found {', '.join(map(str, node))}")
        layout = cls(
            {name: build(Node, node, f"{owner}.nodes.{name}") for name, node in nodes.items()},
            tuple(build(Street, street, f"{owner}.streets[{k}]") for k, street in enumerate(streets)),
        )
        _check_streets(layout, owner)
        _check_nodes(layout, owner)
        return layout


def _check_streets(layout: ExplicitLayout, owner: str) -> None:
    joined: set[frozenset[str]] = set()
    for k, street in enumerate(layout.streets):
        where, ends = f"{owner}.streets[{k}]", frozenset((street.start, street.end))
        for end in (street.start, street.end):
            if end not in layout.nodes:
                raise ConfigurationError(f"{where}: expected a node of {', '.join(layout.nodes)}, found {end!r}")
        if len(ends) < 2:
            raise ConfigurationError(f"{where}: expected two different nodes, found {street.start} twice")
        if ends in joined:
            found = f"another one between {street.start} and {street.end}"
            raise ConfigurationError(f"{where}: expected one street between two nodes, found {found}")
        joined.add(ends)


def _check_nodes(layout: ExplicitLayout, owner: str) -> None:
    for (a, node), (b, other) in combinations(layout.nodes.items(), 2):
        if np.hypot(node.x - other.x, node.y - other.y) < _LEAST_APART:
            found = f"{a} and {b} at one place"
            raise ConfigurationError(f"{owner}.nodes: expected nodes {_LEAST_APART} m apart at least, found {found}")
    for name, node in layout.nodes.items():
        where, streets = f"{owner}.nodes.{name}", [s for s in layout.streets if name in (s.start, s.end)]
        least, most = _STREETS.get(node.kind, (1, len(streets)))
        if not least <= len(streets) <= most:
            expected = f"{least} street{'s' * (least > 1)}{'' if least == most else ' at least'} at a {node.kind}"
            raise ConfigurationError(f"{where}: expected {expected}, found {len(streets)}")
        if node.kind == ZEBRA and all(street.one_way and street.start == name for street in streets):
            raise ConfigurationError(f"{where}: expected a street that leads to the zebra, found only ways from it")
        both_ways = [street.median for street in streets if not street.one_way]
        if node.kind == PROTECTED_LEFT and both_ways and max(both_ways) < POCKET_WIDTH:
            expected = f"a street with a median of {POCKET_WIDTH} m at least, for the lane for left turns"
            raise ConfigurationError(f"{where}: expected {expected}, found {max(both_ways)} m")


def explicit(random: Generator, name: str, layout: ExplicitLayout) -> TownPlan:  # noqa: ARG001
    """The plan as it is written down."""
    return TownPlan(name, layout.nodes, layout.streets)
