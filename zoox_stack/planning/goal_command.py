"""``zoox-stack goal``: tell a running graph where to drive."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING, Any

from zoox_stack.core.classes import GoalStatus
from zoox_stack.core.errors import ConfigurationError, InvalidInputError, ZooxStackError
from zoox_stack.planning.route_command import numbers

if TYPE_CHECKING:
    from zoox_stack.core.routes import GoalAnswer, RouteProgress
    from zoox_stack.ros.goal_client import GoalClient

_SILENCE = 10.0  # [s] without progress, after which the planner is taken to have ended
_LOOK = 0.2  # [s]
_TELL = 2.0  # [s] between lines about the way that is left


def register(subparsers: Any) -> None:
    """Add ``goal``."""
    words = "tell a running graph where to drive"
    parser = subparsers.add_parser(
        "goal",
        help=words,
        description=f"{words}. Numbers that begin with a minus: --to=-20,0 or --to -20 0. Exit code 1: no graph, no "
        "map or no ego yet, or with --wait the ego did not get there; 2: the goal was refused.",
    )
    goal = parser.add_mutually_exclusive_group(required=True)
    goal.add_argument("--to", nargs="+", metavar="X,Y[,YAW]", help="place to drive to [m, m, rad]")
    goal.add_argument("--to-lane", type=int, metavar="ID", help="lane to drive to the end of")
    parser.add_argument("--wait", action="store_true", help="wait until the ego stands there, and tell how far it is")
    parser.add_argument("--timeout", type=float, default=5.0, help="longest wait for a graph and its answer [s] (5)")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """0 once the ego is on its way, or with ``--wait`` once it is there."""
    from zoox_stack.planning.lane_ends import LaneGoal, PoseGoal

    if not 0.0 < args.timeout < float("inf"):
        raise InvalidInputError("--timeout", "seconds, more than 0", f"{args.timeout:g}")
    goal = LaneGoal(args.to_lane) if args.to is None else PoseGoal(*numbers("--to", args.to, (2, 3)))
    try:
        from zoox_stack.ros.goal_client import GoalClient
    except ImportError as error:
        raise ConfigurationError(
            f"zoox-stack goal needs ROS 2 ({error}); zoox-stack doctor says what is missing"
        ) from error
    with GoalClient() as client:
        answer = client.set_goal(goal, args.timeout)
        if not answer.accepted:
            print(f"zoox-stack goal: refused: {answer.message}", file=sys.stderr)
            return 1 if answer.status in (GoalStatus.NO_MAP, GoalStatus.NO_EGO) else 2
        print(accepted_text(answer), flush=True)
        return _wait(client, answer) if args.wait else 0


def accepted_text(answer: GoalAnswer) -> str:
    """One line."""
    changes = "1 lane change" if answer.lane_changes == 1 else f"{answer.lane_changes} lane changes"
    return f"on the way: {answer.length:.0f} m, {answer.travel_time:.0f} s at the speed limits, {changes}"


def progress_text(progress: RouteProgress) -> str:
    """One line."""
    told = f"{progress.remaining:.0f} m, {progress.remaining_time:.0f} s left"
    if progress.rerouted:
        told += f", rerouted {progress.rerouted} x"
    if progress.off_route:
        told += ", off the route"
    return told + (f": {progress.problem}" if progress.problem else "")


def outcome(progress: RouteProgress, answer: GoalAnswer) -> bool | None:
    """Whether the ego is there; None: on its way.

    Raises:
        ZooxStackError: It drives somewhere else now.
    """
    if progress.stamp_ns <= answer.route_stamp_ns:
        return None  # told before the goal was set
    if not progress.has_goal or (progress.route_stamp_ns != answer.route_stamp_ns and not progress.rerouted):
        raise ZooxStackError("the ego has got another route or goal")
    return True if progress.reached else None


def _wait(client: GoalClient, answer: GoalAnswer) -> int:
    told = -_TELL
    while True:
        client.spin(_LOOK)
        progress = client.progress
        if time.monotonic() - client.heard > _SILENCE:
            raise ZooxStackError(f"no word from the planner for {_SILENCE:g} s: has the graph ended?")
        if progress is None:
            continue
        if outcome(progress, answer):
            print("there")
            return 0
        if time.monotonic() - told >= _TELL:
            told = time.monotonic()
            print(progress_text(progress), file=sys.stderr, flush=True)
