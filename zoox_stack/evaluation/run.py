"""A recorded run of the stack, read back from its bag."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoox_stack.core import topics
from zoox_stack.core.agents import EgoState, TrackedAgents, TrafficSignals
from zoox_stack.core.events import SimulationEvent
from zoox_stack.core.plans import PlanDecision, Route, Trajectory
from zoox_stack.core.predictions import PredictedAgents
from zoox_stack.core.timing import StageTick
from zoox_stack.logs.bag_reader import BagReader
from zoox_stack.logs.codec import decode, decode_message
from zoox_stack.prediction.asked_and_happened import AskedAndHappened
from zoox_stack.road_network.network import RoadNetwork

WANTED = (
    topics.TRACKED_AGENTS, topics.PREDICTED_AGENTS, topics.CONDITIONAL_AGENTS, topics.TRAJECTORY, topics.DECISION,
    topics.TIMING, topics.GROUND_TRUTH, topics.GROUND_TRUTH_EGO, topics.EVENTS, topics.ROAD_NETWORK, topics.ROUTE,
    topics.TRAFFIC_SIGNALS, topics.DIAGNOSTICS,
)  # fmt: skip
_PREDICTION = "prediction"  # the node that scores its own answers


@dataclass(eq=False)
class RecordedRun:
    """Outputs of the stack by stamp.

    Attributes:
        network: The map, None without one.
        route: The way, None without one.
        tracks: By stamp [ns].
        predictions: By stamp [ns].
        answers: By stamp [ns]: futures under each plan asked about, in the order of `PlanDecision.asked`, without those
            whom the plan does not move; only traces of the benchmark have them.
        trajectories: By stamp [ns].
        decisions: By stamp [ns].
        signals: In order.
        labels: Ground truth, in order; empty if the log has none.
        true_egos: The ego without error, in order; empty if the log does not know it.
        events: What a simulation found worth telling, in the order of their beginnings.
        timing: In order.
        asked: What the prediction node said last of its answers and what followed, None if it said nothing.
        problems: What was wrong with the bag.
    """

    network: RoadNetwork | None = None
    route: Route | None = None
    tracks: dict[int, TrackedAgents] = field(default_factory=dict)
    predictions: dict[int, PredictedAgents] = field(default_factory=dict)
    answers: dict[int, list[PredictedAgents]] = field(default_factory=dict)
    trajectories: dict[int, Trajectory] = field(default_factory=dict)
    decisions: dict[int, PlanDecision] = field(default_factory=dict)
    signals: list[TrafficSignals] = field(default_factory=list)
    labels: list[TrackedAgents] = field(default_factory=list)
    true_egos: list[EgoState] = field(default_factory=list)
    events: list[SimulationEvent] = field(default_factory=list)
    timing: list[StageTick] = field(default_factory=list)
    asked: AskedAndHappened | None = None
    problems: list[str] = field(default_factory=list)

    def ego(self, stamp_ns: int) -> EgoState | None:
        """The ego at a tick."""
        scene = self.tracks.get(stamp_ns)
        return None if scene is None else scene.ego

    @property
    def begin_ns(self) -> int:
        """Stamp at which the drive begins [ns]: seconds of the drive count from it."""
        stamps = [*self.tracks, *self.decisions, *(ego.stamp_ns for ego in self.true_egos[:1])]
        return min(stamps, default=0)

    def signals_at(self, stamp_ns: int) -> TrafficSignals | None:
        """The newest states of the signals at a tick, None before the first."""
        known = bisect_right(self.signals, stamp_ns, key=lambda signals: signals.stamp_ns)
        return self.signals[known - 1] if known else None

    def label_at(self, stamp_ns: int) -> TrackedAgents | None:
        """Ground truth of a tick, None without."""
        place = bisect_left(self.labels, stamp_ns, key=lambda scene: scene.stamp_ns)
        found = place < len(self.labels) and self.labels[place].stamp_ns == stamp_ns
        return self.labels[place] if found else None


def read_run(bag: Path) -> RecordedRun:
    """Read a recording of the stack; an incomplete one as far as it is whole.

    Raises:
        InvalidInputError: There is no readable bag.
    """
    run = RecordedRun()
    with BagReader(bag, recover=True) as reader:
        run.problems = list(reader.problems)
        present = [t.name for t in WANTED if t.name in reader.topics]
        for message in reader.messages(present):
            if message.topic == topics.DIAGNOSTICS.name:
                _add_diagnostics(run, decode_message(message.type_name, message.data))
            else:
                _add(run, message.topic, decode(message.type_name, message.data))
    run.events.sort(key=lambda event: event.stamp_ns)
    return run


def _add_diagnostics(run: RecordedRun, message: Any) -> None:
    for status in message.status:
        if status.name == _PREDICTION:
            told = AskedAndHappened.from_values({entry.key: entry.value for entry in status.values})
            run.asked = told or run.asked


def _add(run: RecordedRun, topic: str, value: Any) -> None:
    by_stamp: dict[str, dict[int, Any]] = {
        topics.TRACKED_AGENTS.name: run.tracks,
        topics.PREDICTED_AGENTS.name: run.predictions,
        topics.TRAJECTORY.name: run.trajectories,
        topics.DECISION.name: run.decisions,
    }
    in_order: dict[str, list[Any]] = {
        topics.TRAFFIC_SIGNALS.name: run.signals,
        topics.GROUND_TRUTH.name: run.labels,
        topics.GROUND_TRUTH_EGO.name: run.true_egos,
        topics.EVENTS.name: run.events,
        topics.TIMING.name: run.timing,
    }
    if topic in by_stamp:
        by_stamp[topic][value.stamp_ns] = value
    elif topic in in_order:
        in_order[topic].append(value)
    elif topic == topics.CONDITIONAL_AGENTS.name:
        run.answers.setdefault(value.stamp_ns, []).append(value)
    elif topic == topics.ROAD_NETWORK.name:
        run.network = value
    elif topic == topics.ROUTE.name:
        run.route = value
