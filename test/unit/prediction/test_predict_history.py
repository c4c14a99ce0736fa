"""A prediction from a given second is the one from the scenes it is made of."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.plans import Route
from zoox_stack.core.predictions import PredictedAgents
from zoox_stack.prediction.config import PredictionConfig
from zoox_stack.prediction.history import HistoryBuffer
from zoox_stack.prediction.predictor import Predictor
from zoox_stack.road_network.made_up import crossing


def scene(step: int) -> TrackedAgents:
    t = 0.1 * step
    return TrackedAgents.from_states(
        10**9 + step * 10**8, np.array([4, 9]), np.array([1, 7], np.uint8),
        np.array([[-20 + 8 * t, -1.75, 0.8], [10.0, 6 - t, 0.9]]), np.array([0, -1.57]), np.array([[8.0, 0], [0, -1]]),
        np.array([[4.5, 1.8, 1.6], [0.5, 0.5, 1.7]], np.float32),
        ego=EgoState(10**9 + step * 10**8, x=-50 + 6 * t, y=-1.75, speed=6.0),
    )  # fmt: skip


def test_the_same_as_from_the_scenes_before() -> None:
    predictor = Predictor(PredictionConfig(provider="cpu", threads=1))
    predictor.set_road_network(crossing())
    route = Route(1, np.array([[-60.0, -1.75, 0], [60, -1.75, 0]]))
    predictor.set_route(route)
    buffer = HistoryBuffer()
    for step in range(14):
        history, predicted = buffer.push(scene(step)), predictor.predict(scene(step))
    again = predictor.predict_history(history, None, route)
    for field in fields(PredictedAgents):
        np.testing.assert_array_equal(getattr(again, field.name), getattr(predicted, field.name))
    without = predictor.predict_history(history)
    assert (without.positions != predicted.positions).any()  # the route of the call counts, not that of the stream
