"""Does an answer to a what-if question make sense? Checked before any number in it is used."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import WhatIfStatus
from zoox_stack.core.predictions import STEP, STEPS, PredictedAgents, WhatIfAnswer, WhatIfRequest

_FARTHEST = 2000.0  # [m] futures further than this from the ego are garbage


def check_answer(
    answer: WhatIfAnswer, request: WhatIfRequest, known_ids: NDArray[np.int64], centre: NDArray[np.float64]
) -> tuple[WhatIfStatus, str]:
    """Check an answer against its question.

    Args:
        answer: What came back.
        request: What was asked.
        known_ids: Ids of the agents of the scene.
        centre: ``[2]`` position of the ego [m].

    Returns:
        The status to go on with and what was wrong: the answer's own status if it is not OK, `INVALID` with expected
        and found if it fails a check, else `OK` and an empty text.
    """
    if answer.status != WhatIfStatus.OK:
        return WhatIfStatus(answer.status), answer.message
    problem = _problem(answer, request, known_ids, centre)
    return (WhatIfStatus.INVALID, problem) if problem else (WhatIfStatus.OK, "")


def _problem(
    answer: WhatIfAnswer, request: WhatIfRequest, known_ids: NDArray[np.int64], centre: NDArray[np.float64]
) -> str:
    n, stamp_ns = len(request.plans), request.scene_stamp_ns
    if len(answer.predictions) != n:
        return f"expected {n} predictions, found {len(answer.predictions)}"
    if answer.scene_stamp_ns != stamp_ns:
        return f"expected an answer for the scene at {stamp_ns} ns, found {answer.scene_stamp_ns} ns"
    probabilities = np.asarray(answer.collision_probabilities)
    if probabilities.shape != (n,):
        return f"expected {n} collision probabilities, found shape {probabilities.shape}"
    if not (np.isfinite(probabilities).all() and (probabilities >= 0).all() and (probabilities <= 1.001).all()):
        return "expected collision probabilities 0..1, found others"
    modes = {predicted.modes for predicted in answer.predictions if len(predicted)}
    if len(modes) > 1:
        return f"expected the same number of modes under every plan, found {sorted(modes)}"
    for i, predicted in enumerate(answer.predictions):
        problem = _prediction_problem(predicted, known_ids, centre, stamp_ns)
        if problem:
            return f"prediction {i}: {problem}"
    return ""


def _prediction_problem(
    predicted: PredictedAgents, known_ids: NDArray[np.int64], centre: NDArray[np.float64], stamp_ns: int
) -> str:
    if predicted.stamp_ns != stamp_ns:
        return f"expected stamp {stamp_ns} ns, found {predicted.stamp_ns} ns"
    if len(np.unique(predicted.agent_ids)) != len(predicted):
        return "expected each agent once, found doubles"
    unknown = np.setdiff1d(predicted.agent_ids, known_ids)
    if len(unknown):
        return f"expected agents of the scene, found unknown ids {unknown[:5].tolist()}"
    if abs(predicted.step - STEP) > 1e-6 or predicted.steps != STEPS:
        return f"expected {STEPS} steps of {STEP} s, found {predicted.steps} of {predicted.step} s"
    if len(predicted) and predicted.modes < 1:
        return "expected at least one mode, found none"
    if not len(predicted):
        return ""
    # PredictedAgents itself refuses numbers that are not finite.
    if predicted.covariances[..., 0].min() < 0 or predicted.covariances[..., 2].min() < 0:
        return "expected variances >= 0, found negative ones"
    offset = np.abs(predicted.origin - centre).max()
    if max(predicted.positions.max(), -predicted.positions.min()) + offset > _FARTHEST:
        return f"expected positions within {_FARTHEST:.0f} m, found farther ones"
    return ""
