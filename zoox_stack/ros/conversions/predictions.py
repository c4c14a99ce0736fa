"""PredictedAgents, and the what-if question and answer."""

from __future__ import annotations

import numpy as np

from zoox_stack.core.classes import PredictionSource, WhatIfStatus
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.predictions import PlanEffects, PredictedAgents, WhatIfAnswer, WhatIfRequest
from zoox_stack.core.validation import checked_array
from zoox_stack.msg import PlanEffects as PlanEffectsMessage
from zoox_stack.msg import PredictedAgents as PredictedAgentsMessage
from zoox_stack.ros.conversions.basics import (
    MAX_AGENTS,
    check_count,
    flat,
    header_to_message,
    short_float,
    stamp_and_frame,
    stamp_from_message,
    stamp_to_message,
    unflat,
)
from zoox_stack.ros.conversions.plans import ego_plan_from_message, ego_plan_to_message
from zoox_stack.srv import WhatIf

MAX_MODES = 64
MAX_STEPS = 1000
MAX_PLANS = 16


def predicted_agents_to_message(predicted: PredictedAgents) -> PredictedAgentsMessage:
    """Futures as a message: 64 agents x 6 modes x 80 steps in about half a millisecond."""
    f32 = np.float32
    return PredictedAgentsMessage(
        header=header_to_message(predicted.stamp_ns),
        source=int(predicted.source),
        model=predicted.model,
        provider=predicted.provider,
        scene_age=float(predicted.scene_age),
        modes=predicted.modes,
        steps=predicted.steps,
        step=float(predicted.step),
        origin=predicted.origin,
        agent_ids=flat(predicted.agent_ids, np.int64),
        probabilities=flat(predicted.probabilities, f32),
        positions=flat(predicted.positions, f32),
        headings=flat(predicted.headings, f32),
        covariances=flat(predicted.covariances, f32),
    )


def predicted_agents_from_message(message: PredictedAgentsMessage) -> PredictedAgents:
    """Futures of a message; raises InvalidInputError on sizes that do not fit or numbers that are not finite."""
    stamp_ns, _ = stamp_and_frame("PredictedAgents", message.header)
    a, k, t = len(message.agent_ids), int(message.modes), int(message.steps)
    check_count("PredictedAgents.agent_ids", a, MAX_AGENTS)
    check_count("PredictedAgents.modes", k, MAX_MODES)
    check_count("PredictedAgents.steps", t, MAX_STEPS)
    if message.source not in tuple(PredictionSource):
        raise InvalidInputError("PredictedAgents.source", "a known source", str(message.source))
    f32 = np.float32
    name = "PredictedAgents."
    return PredictedAgents(
        stamp_ns=stamp_ns,
        agent_ids=unflat(name + "agent_ids", message.agent_ids, np.int64, (a,)),
        probabilities=unflat(name + "probabilities", message.probabilities, f32, (a, k)),
        origin=np.array(message.origin, np.float64),
        positions=unflat(name + "positions", message.positions, f32, (a, k, t, 2)),
        headings=unflat(name + "headings", message.headings, f32, (a, k, t)),
        covariances=unflat(name + "covariances", message.covariances, f32, (a, k, t, 3)),
        step=short_float(message.step),
        source=PredictionSource(message.source),
        model=message.model,
        provider=message.provider,
        scene_age=short_float(message.scene_age),
    )


def plan_effects_to_message(effects: PlanEffects) -> PlanEffectsMessage:
    """Effects of a plan as a message."""
    return PlanEffectsMessage(
        agent_ids=flat(effects.agent_ids, np.int64),
        collision_probability=flat(effects.collision_probability, np.float32),
        displacement=flat(effects.displacement, np.float32),
        goes_first=flat(effects.goes_first, np.float32),
    )


def plan_effects_from_message(message: PlanEffectsMessage) -> PlanEffects:
    """Effects of a message; raises InvalidInputError on sizes that do not fit or numbers out of range."""
    a, f32, name = len(message.agent_ids), np.float32, "PlanEffects."
    check_count(name + "agent_ids", a, MAX_AGENTS)
    return PlanEffects(
        unflat(name + "agent_ids", message.agent_ids, np.int64, (a,)),
        unflat(name + "collision_probability", message.collision_probability, f32, (a,)),
        unflat(name + "displacement", message.displacement, f32, (a,)),
        unflat(name + "goes_first", message.goes_first, f32, (a,)),
    )


def what_if_request_to_message(request: WhatIfRequest) -> WhatIf.Request:
    """The question as a service request."""
    return WhatIf.Request(
        scene_stamp=stamp_to_message(request.scene_stamp_ns),
        plans=[ego_plan_to_message(plan) for plan in request.plans],
        deadline=float(request.deadline),
        affected_only=request.affected_only,
    )


def what_if_request_from_message(message: WhatIf.Request) -> WhatIfRequest:
    """The question of a service request.

    Raises:
        InvalidInputError: No plan, more than 16, or one that is broken (the text says which); a deadline that is
            not above zero.
    """
    if not 1 <= len(message.plans) <= MAX_PLANS:
        raise InvalidInputError("WhatIf.plans", f"1 to {MAX_PLANS} plans", str(len(message.plans)))
    plans = []
    for row, plan in enumerate(message.plans):
        try:
            plans.append(ego_plan_from_message(plan))
        except InvalidInputError as error:
            raise InvalidInputError(f"WhatIf.plans[{row}] {error.thing}", error.expected, error.found) from error
    if not (np.isfinite(message.deadline) and message.deadline > 0):
        raise InvalidInputError("WhatIf.deadline", "> 0 s", str(message.deadline))
    return WhatIfRequest(
        stamp_from_message(message.scene_stamp), tuple(plans), short_float(message.deadline), message.affected_only
    )


def what_if_answer_to_message(answer: WhatIfAnswer) -> WhatIf.Response:
    """The answer as a service response.

    Raises:
        InvalidInputError: A status that only the planner may use.
    """
    if answer.status >= WhatIfStatus.NOT_ASKED:
        raise InvalidInputError("WhatIfAnswer.status", "a status of the service (0..99)", answer.status.name)
    return WhatIf.Response(
        status=int(answer.status),
        message=answer.message,
        scene_stamp=stamp_to_message(answer.scene_stamp_ns),
        conditional=answer.conditional,
        predictions=[predicted_agents_to_message(p) for p in answer.predictions],
        collision_probabilities=flat(answer.collision_probabilities, np.float32),
        effects=[plan_effects_to_message(e) for e in answer.effects],
        compute_time=float(answer.compute_time),
    )


def what_if_answer_from_message(message: WhatIf.Response) -> WhatIfAnswer:
    """The answer of a service response; raises InvalidInputError if it fails the checks."""
    if message.status not in tuple(WhatIfStatus) or message.status >= WhatIfStatus.NOT_ASKED:
        raise InvalidInputError("WhatIf.status", "a known status", str(message.status))
    predictions = tuple(predicted_agents_from_message(p) for p in message.predictions)
    if len(message.effects) != len(predictions):
        raise InvalidInputError("WhatIf.effects", f"{len(predictions)}, one per plan", str(len(message.effects)))
    probabilities = unflat("WhatIf.collision_probabilities", message.collision_probabilities, np.float32, (-1,))
    if not np.isfinite(message.compute_time) or message.compute_time < 0:
        raise InvalidInputError("WhatIf.compute_time", ">= 0 s", str(message.compute_time))
    return WhatIfAnswer(
        status=WhatIfStatus(message.status),
        message=message.message,
        scene_stamp_ns=stamp_from_message(message.scene_stamp),
        conditional=message.conditional,
        predictions=predictions,
        collision_probabilities=checked_array(
            "WhatIf.collision_probabilities", probabilities, np.float32, (len(predictions),), low=0, high=1.0001
        ),
        compute_time=short_float(message.compute_time),
        effects=tuple(plan_effects_from_message(e) for e in message.effects),
    )
