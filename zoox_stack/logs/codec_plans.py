"""Route, Trajectory, PlanDecision, PredictedAgents and StageTiming as messages of the type store."""

from __future__ import annotations

from typing import Any

import numpy as np

from zoox_stack.core.classes import PredictionSource, TrajectorySource, WhatIfStatus
from zoox_stack.core.plans import EgoPlan, PlanDecision, Route, Trajectory
from zoox_stack.core.predictions import PredictedAgents
from zoox_stack.core.timing import StageTick
from zoox_stack.logs.codec_basics import (
    enumerated,
    flat,
    header,
    new,
    read_header,
    read_stamp,
    short_float,
    stamp,
    unflat,
)

_PLAN_COLUMNS = ("x", "y", "yaw", "speed", "acceleration", "curvature")
_F32 = np.float32


def route(way: Route) -> Any:
    """zoox_stack/Route."""
    points, lanes = flat(way.points, np.float64), flat(way.lane_ids, np.int64)
    return new("zoox_stack/msg/Route", header=header(way.stamp_ns), points=points, lane_ids=lanes)


def read_route(message: Any) -> Route:
    """Inverse of `route`."""
    stamp_ns, _ = read_header("Route", message.header)
    return Route(stamp_ns, unflat("Route.points", message.points, np.float64, (-1, 3)), np.asarray(message.lane_ids))


def ego_plan(plan: EgoPlan) -> Any:
    """zoox_stack/EgoPlan."""
    columns = {name: flat(getattr(plan, name), np.float64) for name in _PLAN_COLUMNS}
    return new("zoox_stack/msg/EgoPlan", id=int(plan.id), name=plan.name, step=float(plan.step), **columns)


def read_ego_plan(message: Any) -> EgoPlan:
    """Inverse of `ego_plan`."""
    columns = {name: np.asarray(getattr(message, name)) for name in _PLAN_COLUMNS}
    return EgoPlan(int(message.id), message.name, short_float(message.step), **columns)


def trajectory(chosen: Trajectory) -> Any:
    """zoox_stack/Trajectory."""
    plan, source = ego_plan(chosen.plan), int(chosen.source)
    return new("zoox_stack/msg/Trajectory", header=header(chosen.stamp_ns), source=source, plan=plan)


def read_trajectory(message: Any) -> Trajectory:
    """Inverse of `trajectory`."""
    stamp_ns, _ = read_header("Trajectory", message.header)
    source = enumerated("Trajectory.source", message.source, TrajectorySource)
    return Trajectory(stamp_ns, read_ego_plan(message.plan), source)


def plan_decision(decision: PlanDecision) -> Any:
    """zoox_stack/PlanDecision."""
    d = decision
    return new(
        "zoox_stack/msg/PlanDecision",
        header=header(d.stamp_ns),
        predictions_from=int(d.predictions_from),
        answer_status=int(d.answer_status),
        conditional=bool(d.conditional),
        chosen=int(d.chosen),
        explanation=d.explanation,
        origin=flat(d.origin, np.float64),
        steps=int(np.shape(d.positions)[1]),
        step=float(d.step),
        names=list(d.names),
        positions=flat(d.positions, _F32),
        speeds=flat(d.speeds, _F32),
        rejections=flat(d.rejections, np.uint8),
        cost_names=list(d.cost_names),
        costs=flat(d.costs, _F32),
        totals=flat(d.totals, _F32),
        rejected=flat(d.rejected, np.uint32),
        asked=flat(d.asked, np.uint32),
        collision_probabilities=flat(d.collision_probabilities, _F32),
        conditional_totals=flat(d.conditional_totals, _F32),
    )


def read_plan_decision(message: Any) -> PlanDecision:
    """Inverse of `plan_decision`."""
    stamp_ns, _ = read_header("PlanDecision", message.header)
    c, m, t = len(message.names), len(message.cost_names), int(message.steps)
    name = "PlanDecision."
    return PlanDecision(
        stamp_ns=stamp_ns,
        predictions_from=enumerated(name + "predictions_from", message.predictions_from, PredictionSource),
        answer_status=enumerated(name + "answer_status", message.answer_status, WhatIfStatus),
        conditional=bool(message.conditional),
        chosen=int(message.chosen),
        explanation=message.explanation,
        names=tuple(message.names),
        origin=np.asarray(message.origin),
        step=short_float(message.step),
        positions=unflat(name + "positions", message.positions, _F32, (c, t, 2)),
        speeds=unflat(name + "speeds", message.speeds, _F32, (c, t)),
        rejections=np.asarray(message.rejections),
        cost_names=tuple(message.cost_names),
        costs=unflat(name + "costs", message.costs, _F32, (c, m)),
        totals=np.asarray(message.totals),
        asked=np.asarray(message.asked),
        collision_probabilities=np.asarray(message.collision_probabilities),
        conditional_totals=np.asarray(message.conditional_totals),
        rejected=np.asarray(message.rejected),
    )


def predicted_agents(predicted: PredictedAgents) -> Any:
    """zoox_stack/PredictedAgents."""
    p = predicted
    return new(
        "zoox_stack/msg/PredictedAgents",
        header=header(p.stamp_ns),
        source=int(p.source),
        model=p.model,
        provider=p.provider,
        scene_age=float(p.scene_age),
        modes=p.modes,
        steps=p.steps,
        step=float(p.step),
        origin=flat(p.origin, np.float64),
        agent_ids=flat(p.agent_ids, np.int64),
        probabilities=flat(p.probabilities, _F32),
        positions=flat(p.positions, _F32),
        headings=flat(p.headings, _F32),
        covariances=flat(p.covariances, _F32),
    )


def read_predicted_agents(message: Any) -> PredictedAgents:
    """Inverse of `predicted_agents`."""
    stamp_ns, _ = read_header("PredictedAgents", message.header)
    a, k, t = len(message.agent_ids), int(message.modes), int(message.steps)
    name = "PredictedAgents."
    return PredictedAgents(
        stamp_ns=stamp_ns,
        agent_ids=np.asarray(message.agent_ids),
        probabilities=unflat(name + "probabilities", message.probabilities, _F32, (a, k)),
        origin=np.asarray(message.origin),
        positions=unflat(name + "positions", message.positions, _F32, (a, k, t, 2)),
        headings=unflat(name + "headings", message.headings, _F32, (a, k, t)),
        covariances=unflat(name + "covariances", message.covariances, _F32, (a, k, t, 3)),
        step=short_float(message.step),
        source=enumerated(name + "source", message.source, PredictionSource),
        model=message.model,
        provider=message.provider,
        scene_age=short_float(message.scene_age),
    )


def stage_timing(tick: StageTick) -> Any:
    """zoox_stack/StageTiming."""
    return new(
        "zoox_stack/msg/StageTiming",
        stage=tick.stage,
        sequence=tick.sequence,
        input_stamp=stamp(tick.input_stamp_ns),
        received=stamp(tick.received_ns),
        published=stamp(tick.published_ns),
        cpu_time=float(tick.cpu_time),
        dropped_bad=tick.dropped_bad,
        dropped_old=tick.dropped_old,
    )


def read_stage_timing(message: Any) -> StageTick:
    """Inverse of `stage_timing`."""
    return StageTick(
        stage=message.stage,
        sequence=int(message.sequence),
        input_stamp_ns=read_stamp(message.input_stamp),
        received_ns=read_stamp(message.received),
        published_ns=read_stamp(message.published),
        cpu_time=short_float(message.cpu_time),
        dropped_bad=int(message.dropped_bad),
        dropped_old=int(message.dropped_old),
    )
