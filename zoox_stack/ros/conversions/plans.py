"""EgoPlan, Trajectory, Route and PlanDecision."""

from __future__ import annotations

import numpy as np

from zoox_stack.core.classes import PredictionSource, TrajectorySource, WhatIfStatus
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.plans import EgoPlan, PlanDecision, Route, Trajectory
from zoox_stack.msg import EgoPlan as EgoPlanMessage
from zoox_stack.msg import PlanDecision as PlanDecisionMessage
from zoox_stack.msg import Route as RouteMessage
from zoox_stack.msg import Trajectory as TrajectoryMessage
from zoox_stack.ros.conversions.basics import (
    check_count,
    flat,
    header_to_message,
    short_float,
    stamp_and_frame,
    unflat,
)
from zoox_stack.supervisor.motion import Proposal as Motion

MAX_PLAN_POINTS = 1000
MAX_CANDIDATES = 10_000
_COLUMNS = ("x", "y", "yaw", "speed", "acceleration", "curvature")


def ego_plan_to_message(plan: EgoPlan) -> EgoPlanMessage:
    """A plan as a message."""
    return EgoPlanMessage(
        id=plan.id,
        name=plan.name,
        step=float(plan.step),
        **{name: flat(getattr(plan, name), np.float64) for name in _COLUMNS},
    )


def ego_plan_from_message(message: EgoPlanMessage) -> EgoPlan:
    """The plan of a message; raises InvalidInputError if empty, uneven, too long or not finite."""
    check_count("EgoPlan.x", len(message.x), MAX_PLAN_POINTS)
    columns = {name: unflat(f"EgoPlan.{name}", getattr(message, name), np.float64, (-1,)) for name in _COLUMNS}
    return EgoPlan(id=message.id, name=message.name, step=short_float(message.step), **columns)


def trajectory_to_message(trajectory: Trajectory) -> TrajectoryMessage:
    """A trajectory as a message."""
    return TrajectoryMessage(
        header=header_to_message(trajectory.stamp_ns),
        source=int(trajectory.source),
        plan=ego_plan_to_message(trajectory.plan),
    )


def trajectory_from_message(message: TrajectoryMessage) -> Trajectory:
    """The trajectory of a message; raises InvalidInputError as `ego_plan_from_message` does."""
    stamp_ns, _ = stamp_and_frame("Trajectory", message.header)
    if message.source not in tuple(TrajectorySource):
        raise InvalidInputError("Trajectory.source", "a known source", str(message.source))
    return Trajectory(stamp_ns, ego_plan_from_message(message.plan), TrajectorySource(message.source))


def motion_from_message(message: TrajectoryMessage) -> Motion:
    """The motion of a trajectory as it is: its numbers are not looked at, that is up to the supervisor's gate.

    Raises:
        InvalidInputError: Another frame, a broken stamp, or far too many points.
    """
    stamp_ns, _ = stamp_and_frame("Trajectory", message.header)
    plan = message.plan
    check_count("EgoPlan.x", max(len(getattr(plan, name)) for name in _COLUMNS), MAX_PLAN_POINTS)
    columns = {name: unflat(f"EgoPlan.{name}", getattr(plan, name), np.float64, (-1,)) for name in _COLUMNS}
    return Motion(stamp_ns, short_float(plan.step), **columns)


def route_to_message(route: Route) -> RouteMessage:
    """A route as a message."""
    return RouteMessage(
        header=header_to_message(route.stamp_ns),
        points=flat(route.points, np.float64),
        lane_ids=flat(route.lane_ids, np.int64),
    )


def route_from_message(message: RouteMessage) -> Route:
    """The route of a message; raises InvalidInputError with fewer than two points."""
    stamp_ns, _ = stamp_and_frame("Route", message.header)
    return Route(
        stamp_ns,
        unflat("Route.points", message.points, np.float64, (-1, 3)),
        unflat("Route.lane_ids", message.lane_ids, np.int64, (-1,)),
    )


def plan_decision_to_message(decision: PlanDecision) -> PlanDecisionMessage:
    """A decision as a message."""
    f32 = np.float32
    return PlanDecisionMessage(
        header=header_to_message(decision.stamp_ns),
        predictions_from=int(decision.predictions_from),
        answer_status=int(decision.answer_status),
        conditional=decision.conditional,
        chosen=int(decision.chosen),
        explanation=decision.explanation,
        origin=decision.origin,
        steps=int(decision.positions.shape[1]),
        step=float(decision.step),
        names=list(decision.names),
        positions=flat(decision.positions, f32),
        speeds=flat(decision.speeds, f32),
        rejections=flat(decision.rejections, np.uint8),
        cost_names=list(decision.cost_names),
        costs=flat(decision.costs, f32),
        totals=flat(decision.totals, f32),
        rejected=flat(decision.rejected, np.uint32),
        asked=flat(decision.asked, np.uint32),
        collision_probabilities=flat(decision.collision_probabilities, f32),
        conditional_totals=flat(decision.conditional_totals, f32),
    )


def plan_decision_from_message(message: PlanDecisionMessage) -> PlanDecision:
    """The decision of a message; raises InvalidInputError on sizes that do not fit or unknown constants."""
    stamp_ns, _ = stamp_and_frame("PlanDecision", message.header)
    c, m, t, n = len(message.names), len(message.cost_names), int(message.steps), len(message.asked)
    check_count("PlanDecision.names", c, MAX_CANDIDATES)
    check_count("PlanDecision.steps", t, MAX_PLAN_POINTS)
    name = "PlanDecision."
    if message.predictions_from not in tuple(PredictionSource):
        raise InvalidInputError(name + "predictions_from", "a known source", str(message.predictions_from))
    if message.answer_status not in tuple(WhatIfStatus):
        raise InvalidInputError(name + "answer_status", "a known status", str(message.answer_status))
    f32 = np.float32
    return PlanDecision(
        stamp_ns=stamp_ns,
        predictions_from=PredictionSource(message.predictions_from),
        answer_status=WhatIfStatus(message.answer_status),
        conditional=message.conditional,
        chosen=int(message.chosen),
        explanation=message.explanation,
        names=tuple(message.names),
        origin=np.array(message.origin, np.float64),
        step=short_float(message.step),
        positions=unflat(name + "positions", message.positions, f32, (c, t, 2)),
        speeds=unflat(name + "speeds", message.speeds, f32, (c, t)),
        rejections=unflat(name + "rejections", message.rejections, np.uint8, (c,)),
        cost_names=tuple(message.cost_names),
        costs=unflat(name + "costs", message.costs, f32, (c, m)),
        totals=unflat(name + "totals", message.totals, f32, (c,)),
        asked=unflat(name + "asked", message.asked, np.uint32, (n,)),
        collision_probabilities=unflat(name + "collision_probabilities", message.collision_probabilities, f32, (n,)),
        conditional_totals=unflat(name + "conditional_totals", message.conditional_totals, f32, (n,)),
        rejected=unflat(name + "rejected", message.rejected, np.uint32, (-1,)),
    )
