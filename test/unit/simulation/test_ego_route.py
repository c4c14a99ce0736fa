"""Routes of the ego are connected, long enough and worth watching, in every town."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from zoox_stack.core.classes import LaneTurn
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.simulation.ego_route import car_ways, ego_route
from zoox_stack.simulation.town_definition import town_names
from zoox_stack.simulation.towns import Town, build_town


@pytest.fixture(scope="module", params=town_names())
def any_town(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Town:
    pytest.importorskip("sumo", reason="needs the simulation extra (eclipse-sumo)")
    return build_town(request.param, 1, tmp_path_factory.mktemp("towns"))


@pytest.mark.parametrize("least_length", [600.0, 1400.0])
def test_route_is_connected_and_long_enough(any_town: Town, least_length: float) -> None:
    ways = car_ways(any_town.net)
    route = ego_route(any_town, 3, least_length)
    for edge, following in pairwise(route):
        assert following in {way.edge for way in ways[edge]}
    lengths = [any_town.net.edge_lengths[edge] for edge in route]
    assert sum(lengths) >= least_length
    assert sum(lengths[:-1]) < least_length
    assert ways[route[-1]]  # it goes on from there
    assert not any(way.edge == route[0] for following in ways.values() for way in following)  # a way into the town


def test_route_turns_both_ways(any_town: Town) -> None:
    ways = car_ways(any_town.net)
    route = ego_route(any_town, 1, 1400.0)
    turns = {way.turn for a, b in pairwise(route) for way in ways[a] if way.edge == b}
    one_sided = any_town.definition.name in ("motorway_ramp", "market_square")
    assert ({LaneTurn.LEFT, LaneTurn.RIGHT} <= turns) == (not one_sided)


def test_seed_decides(town: Town) -> None:
    routes = [ego_route(town, seed) for seed in (1, 1, 2, 3, 4, 5)]
    assert routes[0] == routes[1]
    assert len(set(routes)) > 2


def test_a_route_that_is_too_long_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("sumo", reason="needs the simulation extra (eclipse-sumo)")
    town = build_town("motorway_ramp", 1, tmp_path)  # one cannot drive in circles there
    with pytest.raises(InvalidInputError, match=r"town motorway_ramp_1: expected a route of 9000 m for the ego"):
        ego_route(town, 1, 9000.0)
