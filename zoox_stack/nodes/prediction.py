"""The prediction node: scenes in, weighted futures out, and the what-if service.

One thread does both, so a question waits for the futures being computed, never the other way round for long: the
decoder pass of a question takes a fraction of a tick. The deadline of a question counts from its arrival here.
"""

from __future__ import annotations

import time
from dataclasses import replace

from zoox_stack.core import topics
from zoox_stack.core.agents import TrackedAgents, TrafficSignals
from zoox_stack.core.classes import WhatIfStatus
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.plans import Route
from zoox_stack.core.predictions import PredictedAgents, WhatIfAnswer
from zoox_stack.nodes.configs import PredictionNodeConfig
from zoox_stack.nodes.signal_buffer import SignalBuffer
from zoox_stack.prediction.asked_and_happened import AskedVersusHappened
from zoox_stack.prediction.predictor import Predictor
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.ros.conversions.agents import traffic_signals_from_message
from zoox_stack.ros.conversions.plans import route_from_message
from zoox_stack.ros.conversions.predictions import (
    predicted_agents_to_message,
    what_if_answer_to_message,
    what_if_request_from_message,
)
from zoox_stack.ros.conversions.road_network import road_network_from_message
from zoox_stack.ros.node import StackNode
from zoox_stack.ros.run import run_node
from zoox_stack.ros.serialized import tracked_agents_from_bytes
from zoox_stack.srv import WhatIf


class PredictionNode(StackNode[PredictionNodeConfig]):
    """See the module."""

    def __init__(self) -> None:
        super().__init__("prediction", PredictionNodeConfig)
        self.predictor = Predictor(self.config)
        self.predictor.warm_up()
        self.get_logger().info(f"model {self.predictor.model} on {self.predictor.provider}")
        self._map_name = "none"
        self._signals = SignalBuffer(self.config.reset_jump)
        self._asked = AskedVersusHappened()
        self._predicted: PredictedAgents | None = None
        self._questions: dict[str, int] = {status.name: 0 for status in WhatIfStatus if status < 100}
        self._futures = self.publisher(topics.PREDICTED_AGENTS)
        # The order of subscriptions is the order in which messages that arrived together are handled.
        self.subscribe(topics.ROAD_NETWORK, road_network_from_message, self._on_network)
        self.subscribe(topics.ROUTE, route_from_message, self._on_route)
        self.subscribe(topics.TRAFFIC_SIGNALS, traffic_signals_from_message, self._on_signals)
        self._scenes = self.subscribe(
            topics.TRACKED_AGENTS, tracked_agents_from_bytes, self._on_scene, from_bytes=True, newest_only=True
        )
        self.create_service(WhatIf, topics.WHAT_IF_SERVICE, self._on_question)

    def ready(self) -> bool:
        """Scenes come and someone wants the futures."""
        return self._scenes.get_publisher_count() > 0 and self._futures.get_subscription_count() > 0

    def diagnostic_values(self) -> dict[str, str]:
        """Model, provider, answers, and how they compare with what followed."""
        answers = ", ".join(f"{name} {count}" for name, count in self._questions.items() if count)
        return {
            "model": self.predictor.model,
            "provider": self.predictor.provider,
            "road network": self._map_name,
            "what_if": answers or "not asked",
        } | self._asked.scores().values()

    def reset(self) -> None:
        """Forget all scenes."""
        self.predictor.reset()
        self._asked.reset()
        self._predicted = None

    def _on_network(self, network: RoadNetwork, _received_ns: int) -> None:
        self.predictor.set_road_network(network)
        self._map_name = network.name

    def _on_route(self, route: Route, _received_ns: int) -> None:
        self.predictor.set_route(route)

    def _on_signals(self, signals: TrafficSignals, _received_ns: int) -> None:
        if not self._signals.add(signals):
            self.drop_old(topics.TRAFFIC_SIGNALS.name)

    def _on_scene(self, scene: TrackedAgents, received_ns: int) -> None:
        if not self.in_order(scene.stamp_ns, topics.TRACKED_AGENTS.name):
            return
        tick = self.begin(scene.stamp_ns, received_ns)
        predicted = self.predictor.predict(scene, self._signals.at(scene.stamp_ns))
        age = 0.0 if self.config.lockstep else self._age(scene.stamp_ns)
        self._futures.publish(predicted_agents_to_message(predicted.aged(age)))
        self.finish(tick)
        self._predicted = predicted
        self.guarded("asked versus happened", self._asked.seen, scene)

    def _age(self, stamp_ns: int) -> float:
        """From the stamp to now [s]; in lock-step the clock stands still at the stamp."""
        return max(0.0, (self.get_clock().now().nanoseconds - stamp_ns) * 1e-9)

    def _on_question(self, message: WhatIf.Request, response: WhatIf.Response) -> WhatIf.Response:
        self._cpu_mark = time.process_time()
        received_ns = time.time_ns()
        answer = self._answer(message, received_ns)
        self._questions[answer.status.name] += 1
        if answer.predictions:
            age = 0.0 if self.config.lockstep else self._age(answer.scene_stamp_ns)
            answer = replace(answer, predictions=tuple(p.aged(age) for p in answer.predictions))
        response = what_if_answer_to_message(answer)
        if answer.status is WhatIfStatus.OK:
            self.finish(self.begin(answer.scene_stamp_ns, received_ns, stage="what_if"))
        return response

    def _answer(self, message: WhatIf.Request, received_ns: int) -> WhatIfAnswer:
        try:
            request = what_if_request_from_message(message)
        except InvalidInputError as error:
            status = WhatIfStatus.DEADLINE if error.thing == "WhatIf.deadline" else WhatIfStatus.BAD_PLAN
            return WhatIfAnswer(status, str(error))
        try:
            answer = self.predictor.what_if(request)
        except Exception as error:  # noqa: BLE001 - the caller gets an answer whatever fails here
            self.drop_bad(topics.WHAT_IF_SERVICE, f"{type(error).__name__}: {error}")
            return WhatIfAnswer(WhatIfStatus.MODEL_ERROR, f"{type(error).__name__}: {error}", request.scene_stamp_ns)
        spent = (time.time_ns() - received_ns) * 1e-9
        if spent > request.deadline and answer.status is WhatIfStatus.OK:
            return WhatIfAnswer(
                WhatIfStatus.DEADLINE, f"took {spent:.3f} s of {request.deadline:g} s", answer.scene_stamp_ns
            )
        if self._predicted is not None:
            self.guarded("asked versus happened", self._asked.asked, request, answer, self._predicted)
        return answer


def main() -> int:
    """Run the node."""
    return run_node(PredictionNode)


if __name__ == "__main__":
    raise SystemExit(main())
