"""A drive through a town that is worth watching, for the vehicle that is the ego."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np
from numpy.random import Generator

from zoox_stack.core.classes import LaneTurn, LaneType
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.road_network.importers.sumo_net import SumoNet

if TYPE_CHECKING:  # towns check that they have a route
    from zoox_stack.simulation.towns import Town

LEAST_LENGTH = 600.0  # [m]
_WALKS = 30  # random walks from the drawn start, of which the best is taken
_ENOUGH_TURNS = 3  # more turns to one side make a drive no better


@dataclass(frozen=True)
class _Way:
    """From one edge to a following one, by car."""

    edge: str
    turn: LaneTurn


def ego_route(town: Town, seed: int, least_length: float = LEAST_LENGTH) -> tuple[str, ...]:
    """A long drive through a town: over its junctions, with turns to the left and to the right.

    It starts on a way into the town where there is one, may pass an edge more than once, and ends on an edge from
    which one can go on. Of several random walks the one with the most turns and the fewest repetitions is taken.

    Args:
        town: Where.
        seed: The same seed gives the same route.
        least_length: Of the edges together [m]; no longer than needed by more than an edge.

    Returns:
        SUMO edges; passenger cars can drive from each to the next.

    Raises:
        InvalidInputError: The town has no such route.
    """
    random = np.random.default_rng([seed, crc32(b"ego route")])
    route = _best_walk(random, town.net, least_length)
    if route is None:
        raise InvalidInputError(
            f"town {town.name}", f"a route of {least_length:.0f} m for the ego", "none",
            "Join its streets to a loop, or ask for a shorter route.",
        )  # fmt: skip
    return route


def car_ways(net: SumoNet) -> dict[str, tuple[_Way, ...]]:
    """Where passenger cars can drive to from every edge that they may use."""
    network, names = net.network, {row: name for name, row in net.lane_rows.items()}
    ways: dict[str, dict[str, LaneTurn]] = {}
    for name, row in net.lane_rows.items():
        if network.lane_types[row] != LaneType.VEHICLE or network.lane_in_intersection[row]:
            continue
        found = ways.setdefault(_edge(name), {})
        rows = [(int(k), LaneTurn(int(network.lane_turns[k]))) for k in network.successors[row]]
        while rows:
            k, turn = rows.pop()
            if network.lane_in_intersection[k]:
                rows += [(int(following), turn) for following in network.successors[k]]
            elif network.lane_types[k] == LaneType.VEHICLE:
                found[_edge(names[k])] = turn
    return {edge: tuple(_Way(end, turn) for end, turn in sorted(found.items())) for edge, found in sorted(ways.items())}


def _edge(lane: str) -> str:
    return lane.rsplit("_", 1)[0]


def _best_walk(random: Generator, net: SumoNet, least_length: float) -> tuple[str, ...] | None:
    ways = car_ways(net)
    reached = {way.edge for followers in ways.values() for way in followers}
    starts = [edge for edge in ways if edge not in reached and ways[edge]] or [edge for edge in ways if ways[edge]]
    endless = _endless(ways)
    for start in random.permutation(starts).tolist():
        walks = [_walk(random, start, ways, endless, net.edge_lengths, least_length) for _ in range(_WALKS)]
        found = [walk for walk in walks if walk is not None]
        if found:
            return max(found, key=lambda walk: walk[1])[0]
    return None


def _endless(ways: dict[str, tuple[_Way, ...]]) -> set[str]:
    """Edges from which one can drive on for ever."""
    left = set(ways)
    while True:
        ends = {edge for edge in left if not any(way.edge in left for way in ways[edge])}
        if not ends:
            return left
        left -= ends


def _walk(
    random: Generator,
    start: str,
    ways: dict[str, tuple[_Way, ...]],
    endless: set[str],
    lengths: dict[str, float],
    least_length: float,
) -> tuple[tuple[str, ...], float] | None:
    """One random walk and how good it is; None if it ends too early."""
    route, length = [start], lengths[start]
    turns = dict.fromkeys(LaneTurn, 0)
    while length < least_length or not ways[route[-1]]:
        following = [way for way in ways[route[-1]] if ways[way.edge]]
        following = [way for way in following if way.edge in endless] or following
        if not following:
            return None
        weights = np.array([_weight(way, route) for way in following])
        way = following[int(random.choice(len(following), p=weights / weights.sum()))]
        turns[way.turn] += 1
        route.append(way.edge)
        length += lengths[way.edge]
    score = sum(min(turns[turn], _ENOUGH_TURNS) for turn in (LaneTurn.LEFT, LaneTurn.RIGHT))
    return tuple(route), score - 0.8 * (len(route) - len(set(route)))


def _weight(way: _Way, route: list[str]) -> float:
    """How readily a walk goes this way: rather turns than straight on, rather where it has not been."""
    return (1.0 if way.turn == LaneTurn.STRAIGHT else 2.0) * 0.3 ** route.count(way.edge)
