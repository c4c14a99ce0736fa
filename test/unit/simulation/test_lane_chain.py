"""Lanes along a SUMO route."""

from __future__ import annotations

from itertools import pairwise

import pytest

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.road_network.queries import LaneIndex
from zoox_stack.simulation.ego_route import ego_route
from zoox_stack.simulation.lane_route import lane_chain
from zoox_stack.simulation.towns import Town


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_chain_follows_the_edges(town: Town, seed: int) -> None:
    net, index = town.net, LaneIndex(town.net.network)
    edges = ego_route(town, seed)
    names = {row: name for name, row in net.lane_rows.items()}
    for start in (row for name, row in net.lane_rows.items() if name.rsplit("_", 1)[0] == edges[0]):
        if start not in index.lines:
            continue
        chain = lane_chain(net, edges, start)
        assert chain[0] == start
        driven = [names[row].rsplit("_", 1)[0] for row in chain if not names[row].startswith(":")]
        assert [edge for i, edge in enumerate(driven) if not i or edge != driven[i - 1]] == list(edges)
        for row, following in pairwise(chain):
            network = net.network
            beside = {int(network.left_neighbours[row]), int(network.right_neighbours[row])}
            assert following in {int(n) for n in network.successors[row]} | beside


def test_a_chain_ends_where_the_edges_do_not_join(town: Town) -> None:
    net, edges = town.net, ego_route(town, 1)
    lanes = LaneIndex(net.network).lines
    start = min(row for name, row in net.lane_rows.items() if name.rsplit("_", 1)[0] == edges[0] and row in lanes)
    assert lane_chain(net, (edges[0], "no such edge"), start) == [start]
    with pytest.raises(InvalidInputError, match="driving lane"):
        lane_chain(net, edges, 10**6)
