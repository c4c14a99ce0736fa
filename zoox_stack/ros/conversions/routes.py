"""RouteProgress, and goals: SetGoal and its answer."""

from __future__ import annotations

import numpy as np

from zoox_stack.core.classes import GoalStatus
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.routes import GoalAnswer, RouteProgress
from zoox_stack.msg import RouteProgress as RouteProgressMessage
from zoox_stack.planning.lane_ends import Goal, LaneGoal, PoseGoal
from zoox_stack.ros.conversions.basics import header_to_message, stamp_and_frame, stamp_from_message, stamp_to_message
from zoox_stack.srv import SetGoal

_SAME = (
    "has_goal",
    "travelled",
    "remaining",
    "remaining_time",
    "offset",
    "reached",
    "off_route",
    "rerouted",
    "problem",
)


def route_progress_to_message(progress: RouteProgress) -> RouteProgressMessage:
    """Progress as a message."""
    return RouteProgressMessage(
        header=header_to_message(progress.stamp_ns),
        route_stamp=stamp_to_message(progress.route_stamp_ns),
        **{name: getattr(progress, name) for name in _SAME},
    )


def route_progress_from_message(message: RouteProgressMessage) -> RouteProgress:
    """The progress of a message; raises InvalidInputError if a distance or time is negative or infinite."""
    stamp_ns, _ = stamp_and_frame("RouteProgress", message.header)
    values = {name: getattr(message, name) for name in _SAME}
    return RouteProgress(stamp_ns, stamp_from_message(message.route_stamp), **values)


def goal_to_message(goal: Goal) -> SetGoal.Request:
    """A goal as a request."""
    if isinstance(goal, LaneGoal):
        return SetGoal.Request(kind=SetGoal.Request.LANE, lane_id=goal.lane_id)
    yaw = np.nan if goal.yaw is None else goal.yaw
    return SetGoal.Request(kind=SetGoal.Request.POSE, x=goal.x, y=goal.y, yaw=yaw)


def goal_from_message(message: SetGoal.Request) -> Goal:
    """The goal of a request; raises InvalidInputError if its kind is unknown or its place is not finite."""
    if message.kind == SetGoal.Request.LANE:
        return LaneGoal(int(message.lane_id))
    if message.kind != SetGoal.Request.POSE:
        raise InvalidInputError("SetGoal.kind", "POSE (0) or LANE (1)", str(message.kind))
    return PoseGoal(message.x, message.y, None if np.isnan(message.yaw) else message.yaw)


def goal_answer_to_message(answer: GoalAnswer) -> SetGoal.Response:
    """An answer as a response."""
    return SetGoal.Response(
        status=int(answer.status),
        message=answer.message,
        route_stamp=stamp_to_message(answer.route_stamp_ns),
        length=answer.length,
        travel_time=answer.travel_time,
        lane_changes=answer.lane_changes,
    )


def goal_answer_from_message(message: SetGoal.Response) -> GoalAnswer:
    """The answer of a response; raises InvalidInputError if its status is unknown."""
    if message.status not in tuple(GoalStatus):
        raise InvalidInputError("SetGoal.status", "a known status", str(message.status))
    return GoalAnswer(
        GoalStatus(message.status), message.message, stamp_from_message(message.route_stamp),
        message.length, message.travel_time, message.lane_changes,
    )  # fmt: skip
