"""How long questions to the map take on a made-up town: prints one JSON object."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import count, cycle

import numpy as np
from numpy.typing import NDArray

from benchmarks._scenes import about, measured
from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import AreaType
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.planning.lane_ends import LaneGoal
from zoox_stack.planning.route_guide import RouteGuide
from zoox_stack.planning.routing import Router
from zoox_stack.road_network.area_index import AreaIndex
from zoox_stack.road_network.made_up_town import grid_of_crossings
from zoox_stack.road_network.queries import LaneIndex

KINDS = (AreaType.CROSSWALK, AreaType.DRIVABLE, AreaType.INTERSECTION)
SCENES = 64  # asked in turn


def _leads(router: Router, start: EgoState, goal: LaneGoal) -> bool:
    """Whether there is a way: lanes out of the town lead nowhere."""
    try:
        return router.plan(start, goal).length > 0
    except InvalidInputError:
        return False


def _start(index: LaneIndex, row: int) -> EgoState:
    """In the middle of a lane."""
    line = index.lines[row]
    at, yaw, _ = line.at(line.length / 2)
    return EgoState(0, float(at[0]), float(at[1]), yaw=float(yaw))


def _on_the_way(index: LaneIndex, start: EgoState, goal: LaneGoal, agents: NDArray[np.float64]) -> Callable[[], None]:
    """One tick of keeping a route, with standing agents ``[N, 2]`` around; the ego stands in its middle."""
    guide = RouteGuide()
    guide.set_index(index)
    n = len(agents)
    position = np.column_stack([agents, np.zeros(n)])
    size = np.tile([4.5, 1.9, 1.6], (n, 1))
    scene = TrackedAgents.from_states(
        0, np.arange(n), np.ones(n), position, np.zeros(n), np.zeros((n, 2)), size, ego=start
    )
    guide.update(scene)
    if not guide.set_goal(goal).accepted:
        raise SystemExit("no way to the goal of the benchmark")
    stamps = count(1)

    def tick() -> None:
        stamp_ns = next(stamps) * 100_000_000
        guide.update(replace(scene, stamp_ns=stamp_ns, ego=replace(start, stamp_ns=stamp_ns)))

    return tick


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--columns", type=int, default=6, help="crossings from west to east, 20 lanes each")
    parser.add_argument("--rows", type=int, default=5, help="crossings from south to north")
    parser.add_argument("--agents", type=int, default=64, help="points per question")
    parser.add_argument("--runs", type=int, default=500, help="questions measured")
    parser.add_argument("--json", action="store_true", help="accepted for uniformity; the output is always JSON")
    args = parser.parse_args()
    network = grid_of_crossings(args.columns, args.rows)
    begin = time.perf_counter()
    index = LaneIndex(network)
    areas = AreaIndex(network)
    built = time.perf_counter() - begin
    begin = time.perf_counter()
    conflicts = len(index.conflicts)
    found = time.perf_counter() - begin
    rng = np.random.default_rng(0)
    places = rng.integers(0, len(network.centre_lines.values), (SCENES, args.agents))
    points = network.centre_lines.values[places, :2] + rng.normal(0, 1, (SCENES, args.agents, 2))
    yaw = rng.uniform(-np.pi, np.pi, (SCENES, args.agents))
    rows = network.centre_lines.row_of_value()[places]
    begin = time.perf_counter()
    router = Router(index)
    graph = time.perf_counter() - begin
    pairs_of_rows = rng.integers(0, len(network.lane_ids), (400, 2)).tolist()
    pairs_of_ends = [(_start(index, a), LaneGoal(int(network.lane_ids[b]))) for a, b in pairs_of_rows]
    ways = [pair for pair in pairs_of_ends if _leads(router, *pair)]
    refused = [pair for pair in pairs_of_ends if pair not in ways]
    none = cycle(refused)
    longest = max(ways, key=lambda pair: router.plan(*pair).length)
    scenes, pairs = cycle(range(SCENES)), cycle(ways)

    def nearest() -> None:
        scene = next(scenes)
        index.nearest(points[scene], yaw[scene])

    def project() -> None:
        scene = next(scenes)
        index.project(points[scene], rows[scene])

    result = {
        "benchmark": "map_queries",
        **about(),
        "lanes": len(network.lane_ids),
        "areas": len(network.area_ids),
        "agents": args.agents,
        "build_ms": round(built * 1e3, 1),
        "conflicts": conflicts,
        "conflicts_ms": round(found * 1e3, 1),
        "nearest_ms": measured(nearest, args.runs),
        "project_ms": measured(project, args.runs),
        "areas_ms": measured(lambda: areas.contains(points[next(scenes)], KINDS), args.runs),
        "routes": len(ways),
        "route_graph_ms": round(graph * 1e3, 1),
        "route_ms": measured(lambda: router.plan(*next(pairs)), args.runs),
        "keep_route_ms": measured(_on_the_way(index, *longest, points[0]), args.runs),
        "no_route_ms": measured(lambda: _leads(router, *next(none)), args.runs),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
