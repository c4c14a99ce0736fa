"""The planner node: scene and futures in, one proposed trajectory per scene out, always on time.

Per scene: make candidates while prediction works, wait for the futures of the same stamp (at most
`prediction_deadline`; without them agents keep their velocity), judge the candidates, put the best to
`/prediction/what_if` in one call (at most `what_if_deadline`), decide, publish. The call is asynchronous: waiting for a
service inside a callback would block this thread, the only one, and with it the answer. A new scene ends the wait of
the one before, which is decided with what is there.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from rclpy.task import Future

from zoox_stack.core import topics
from zoox_stack.core.agents import TrackedAgents, TrafficSignals
from zoox_stack.core.classes import WhatIfStatus
from zoox_stack.core.plans import PlanDecision
from zoox_stack.core.predictions import PredictedAgents, WhatIfAnswer
from zoox_stack.nodes.configs import LOCKSTEP_PATIENCE, PlannerNodeConfig
from zoox_stack.nodes.route_keeper import RouteKeeper
from zoox_stack.nodes.signal_buffer import SignalBuffer
from zoox_stack.planning.planner import Planner
from zoox_stack.planning.proposal import Preparation, Proposal
from zoox_stack.ros.conversions.agents import traffic_signals_from_message
from zoox_stack.ros.conversions.plans import plan_decision_to_message, trajectory_to_message
from zoox_stack.ros.conversions.predictions import (
    predicted_agents_from_message,
    what_if_answer_from_message,
    what_if_request_to_message,
)
from zoox_stack.ros.node import StackNode, Tick
from zoox_stack.ros.run import run_node
from zoox_stack.ros.serialized import tracked_agents_from_bytes
from zoox_stack.srv import WhatIf

_TOLD = 64  # candidates in a published decision, of several hundred: all of them would be 4 MB a second
_SHORTEST_QUESTION = 0.005  # [s] with less time left a question only keeps prediction from its next scene


@dataclass(eq=False)
class _Job:
    """A scene being planned."""

    scene: TrackedAgents
    tick: Tick
    prepared: Preparation | None = None
    proposal: Proposal | None = None
    question: Any = None  # the future of the answer
    decided: bool = False

    def waited(self) -> float:
        """Since the scene arrived [s]."""
        return (time.time_ns() - self.tick.received_ns) * 1e-9


class PlannerNode(StackNode[PlannerNodeConfig]):
    """See the module."""

    def __init__(self) -> None:
        super().__init__("planner", PlannerNodeConfig)
        self.planner = Planner(self.config)
        self._signals = SignalBuffer(self.config.reset_jump)
        self._job: _Job | None = None
        self._predicted: PredictedAgents | None = None
        self._statuses: dict[str, int] = {}
        self._without_predictions = 0
        self._timer = self.one_shot(self._deadline)
        self._trajectory = self.publisher(topics.PROPOSED_TRAJECTORY)
        self._decision = self.publisher(topics.DECISION)
        # The order of subscriptions is the order in which messages that arrived together are handled.
        self._routes = RouteKeeper(self, self.planner, self.config)
        self.subscribe(topics.TRAFFIC_SIGNALS, traffic_signals_from_message, self._on_signals)
        self._scenes = self.subscribe(
            topics.TRACKED_AGENTS, tracked_agents_from_bytes, self._on_scene, from_bytes=True, newest_only=True
        )
        self._futures = self.subscribe(topics.PREDICTED_AGENTS, predicted_agents_from_message, self._on_predicted)
        self._what_if = self.create_client(WhatIf, topics.WHAT_IF_SERVICE)

    def ready(self) -> bool:
        """Scenes and futures come, and questions will be answered."""
        return (
            self._scenes.get_publisher_count() > 0
            and self._futures.get_publisher_count() > 0
            and self._what_if.service_is_ready()
        )

    def diagnostic_values(self) -> dict[str, str]:
        """How decisions came about."""
        answers = ", ".join(f"{name} {count}" for name, count in sorted(self._statuses.items()))
        values = {"what_if": answers or "not asked", "without predictions": str(self._without_predictions)}
        return values | self._routes.diagnostic_values()

    def reset(self) -> None:
        """Forget the last plan and the scene being planned."""
        self._drop_question()
        self._job = None
        self._timer.disarm()
        self.planner.reset()
        self._routes.reset()

    def _on_signals(self, signals: TrafficSignals, _received_ns: int) -> None:
        if not self._signals.add(signals):
            self.drop_old(topics.TRAFFIC_SIGNALS.name)

    def _on_scene(self, scene: TrackedAgents, received_ns: int) -> None:
        last = self._job
        if not self.in_order(scene.stamp_ns, topics.TRACKED_AGENTS.name):
            return
        if last is not None and last is self._job:  # not forgotten by a reset
            self.guarded("overtaken scene", self._finish_now, last)
        job = self._job = _Job(scene, self.begin(scene.stamp_ns, received_ns))
        try:
            job.prepared = self.planner.prepare(scene, self._signals.at(scene.stamp_ns))
        except Exception:
            self._job = None  # no ego: nothing can be planned for this scene
            raise
        if self._predicted is not None and self._predicted.stamp_ns == scene.stamp_ns:
            self._ask(job, self._predicted)
            return
        # In lock-step without anyone to predict there is nothing to wait for.
        patient = self.config.lockstep and self._futures.get_publisher_count() > 0
        deadline = min(self.config.prediction_deadline, self.config.answer_deadline)
        self._timer.arm(LOCKSTEP_PATIENCE if patient else max(deadline - job.waited(), 0.0))

    def _on_predicted(self, predicted: PredictedAgents, _received_ns: int) -> None:
        if self._predicted is not None and self._predicted.stamp_ns == predicted.stamp_ns:
            self.drop_old(topics.PREDICTED_AGENTS.name)
            return
        self._predicted = predicted
        job = self._job
        if job is not None and job.proposal is None and job.scene.stamp_ns == predicted.stamp_ns:
            self._ask(job, predicted)

    def _deadline(self) -> None:
        """The wait is over: go on with what is there."""
        job = self._job
        if job is None:
            return
        if job.proposal is None:
            self._ask(job, None)
        else:
            self._finish_now(job)

    def _finish_now(self, job: _Job) -> None:
        """Decide with what is there, without asking."""
        if job.proposal is None:
            job.proposal = self._judge(job, None)
        self._drop_question()
        self._decide(job, None, WhatIfStatus.TIMEOUT)

    def _ask(self, job: _Job, predicted: PredictedAgents | None) -> None:
        self._timer.disarm()
        job.proposal = self._judge(job, predicted)
        request = job.proposal.request
        if request is None:
            self._decide(job, None, WhatIfStatus.NOT_ASKED)
        elif not self._what_if.service_is_ready():
            self._decide(job, None, WhatIfStatus.NO_SERVICE)
        else:
            patience = self._patience(job)
            if patience < _SHORTEST_QUESTION:
                self._decide(job, None, WhatIfStatus.TIMEOUT)
                return
            try:
                message = what_if_request_to_message(replace(request, deadline=patience))
                job.question = self._what_if.call_async(message)
            except Exception:
                self._decide(job, None, WhatIfStatus.NO_SERVICE)
                raise
            job.question.add_done_callback(partial(self._on_answer, job))
            self._timer.arm(patience)

    def _patience(self, job: _Job) -> float:
        """How long this scene may wait for an answer [s]."""
        if self.config.lockstep:
            return LOCKSTEP_PATIENCE
        return min(self.config.what_if_deadline, self.config.answer_deadline - job.waited())

    def _judge(self, job: _Job, predicted: PredictedAgents | None) -> Proposal:
        assert job.prepared is not None
        if predicted is not None:
            try:
                return self.planner.judge(job.prepared, predicted)
            except Exception as error:  # noqa: BLE001 - whatever the predictions are, a trajectory follows
                self.drop_bad(topics.PREDICTED_AGENTS.name, f"{type(error).__name__}: {error}")
        self._without_predictions += 1
        return self.planner.judge(job.prepared, None)

    def _on_answer(self, job: _Job, future: Future) -> None:
        self.guarded("what_if answer", self._take_answer, job, future)

    def _take_answer(self, job: _Job, future: Future) -> None:
        if job is not self._job or future is not job.question or future.cancelled():
            return  # decided already
        self._timer.disarm()
        try:
            answer = what_if_answer_from_message(future.result())
        except Exception as error:  # noqa: BLE001 - whatever the answer is, a trajectory follows
            self.drop_bad("what_if answer", f"{type(error).__name__}: {error}")
            self._decide(job, None, WhatIfStatus.INVALID)
            return
        try:
            self._decide(job, answer, answer.status)
        except Exception:
            if not job.decided:  # an answer that passed the checks and still cannot be used
                self._decide(job, None, WhatIfStatus.INVALID)
            raise

    def _decide(self, job: _Job, answer: WhatIfAnswer | None, status: WhatIfStatus) -> None:
        assert job.proposal is not None
        self._job = None
        trajectory, decision = self.planner.decide(job.proposal, answer, status)
        job.decided = True
        if self.config.lockstep:  # the next scene comes as soon as the trajectory is out: explain before
            self._explain(decision)
        self._trajectory.publish(trajectory_to_message(trajectory))
        self.finish(job.tick)
        if not self.config.lockstep:  # what is driven goes first
            self._explain(decision)
        self.guarded("route", self._routes.keep, job.scene, self._signals.at(job.scene.stamp_ns))
        name = decision.answer_status.name
        self._statuses[name] = self._statuses.get(name, 0) + 1

    def _explain(self, decision: PlanDecision) -> None:
        self._decision.publish(plan_decision_to_message(decision.shortened(_TOLD)))

    def _drop_question(self) -> None:
        if self._job is not None and self._job.question is not None:
            self._what_if.remove_pending_request(self._job.question)
            self._job.question.cancel()
            self._job.question = None


def main() -> int:
    """Run the node."""
    return run_node(PlannerNode)


if __name__ == "__main__":
    raise SystemExit(main())
