"""``zoox-stack route``: the way over the lanes of a map from a pose to a goal."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoox_stack.core.errors import InvalidInputError

if TYPE_CHECKING:
    from zoox_stack.planning.routing import PlannedRoute

_SHOWN_LANES = 12  # ids at most in the text; JSON has all


def register(subparsers: Any) -> None:
    """Add ``route``."""
    words = "find the way over the lanes of a map"
    parser = subparsers.add_parser(
        "route",
        help=words,
        description=f"{words}. Numbers that begin with a minus: --from=-20,0,0 or --from -20 0 0.",
    )
    parser.add_argument("--map", required=True, metavar="MAP", help="as of `zoox-stack map show`, also town:NAME:SEED")
    parser.add_argument(
        "--from", dest="start", nargs="+", required=True, metavar="X,Y,YAW", help="pose of base_link [m, m, rad]"
    )
    goal = parser.add_mutually_exclusive_group(required=True)
    goal.add_argument("--to", nargs="+", metavar="X,Y[,YAW]", help="place to drive to [m, m, rad]")
    goal.add_argument("--to-lane", type=int, metavar="ID", help="lane to drive to the end of")
    parser.add_argument("--picture", type=Path, metavar="PNG", help="draw map and route")
    parser.add_argument("--json", action="store_true", help="print as JSON")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """0; no map, no such places and no way are errors."""
    from zoox_stack.core.agents import EgoState  # NumPy, NetworkX and SciPy take a while to import
    from zoox_stack.planning.lane_ends import LaneGoal, PoseGoal
    from zoox_stack.planning.routing import Router
    from zoox_stack.road_network.map_cli import load_map_or_town
    from zoox_stack.road_network.queries import LaneIndex

    x, y, yaw = numbers("--from", args.start, (3,))
    goal = LaneGoal(args.to_lane) if args.to is None else PoseGoal(*numbers("--to", args.to, (2, 3)))
    ego = EgoState(0, x, y, yaw=yaw)
    network, _ = load_map_or_town(args.map)
    route = Router(LaneIndex(network)).plan(ego, goal)
    if args.picture is not None:
        from zoox_stack.planning.route_picture import draw_route  # so does matplotlib

        figure = draw_route(network, route, (x, y))
        try:
            figure.savefig(args.picture)
        except (OSError, ValueError) as error:
            raise InvalidInputError(str(args.picture), "a place for a PNG file", str(error)) from error
    if args.json:
        print(json.dumps(describe(route), indent=2))
    else:
        print(_text(route))
    return 0


def describe(route: PlannedRoute) -> dict[str, Any]:
    """A route, ready for JSON; lengths in metres, times in seconds."""
    start, goal = route.way.start, route.way.goal
    x, y = route.end.round(2).tolist()
    lanes = route.lane_ids.tolist()
    return {
        "lanes": lanes,
        "length": round(route.length, 2),
        "travel_time": round(route.travel_time, 2),
        "lane_changes": route.lane_changes,
        "start": {"lane": lanes[0], "s": round(start.s, 2)},
        "goal": {"lane": lanes[-1], "s": round(goal.s, 2), "x": x, "y": y},
    }


def _text(route: PlannedRoute) -> str:
    names = [str(name) for name, _ in groupby(route.lane_ids.tolist())]
    if len(names) > _SHOWN_LANES:
        names = [*names[: _SHOWN_LANES // 2], "…", *names[-_SHOWN_LANES // 2 :]]
    about = describe(route)
    changes = "1 lane change" if route.lane_changes == 1 else f"{route.lane_changes} lane changes"
    return (
        f"{about['length']:.0f} m, {about['travel_time']:.0f} s at the speed limits, {changes}\n"
        f"  lanes {' → '.join(names)}\n"
        f"  ends at x, y = {about['goal']['x']:.1f}, {about['goal']['y']:.1f}"
    )


def numbers(option: str, words: Sequence[str], counts: Sequence[int]) -> list[float]:
    """Numbers between commas or blanks.

    Raises:
        InvalidInputError: Not as many as one of `counts`, or something that is no number.
    """
    parts = [part for word in words for part in word.split(",") if part]
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    if len(numbers) not in counts:
        expected = " or ".join(map(str, counts))
        raise InvalidInputError(option, f"{expected} numbers with commas between them", repr(" ".join(words)))
    return numbers
