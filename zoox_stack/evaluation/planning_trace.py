"""A drive of the benchmark as a bag, with every decision: for pictures, and to find out why a drive went wrong."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from zoox_stack.core import topics
from zoox_stack.core.agents import TrackedAgents
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.topics import Topic
from zoox_stack.evaluation.planning_drive import drive, near
from zoox_stack.evaluation.planning_driver import Decided
from zoox_stack.evaluation.planning_job import HUMAN, DriveTask, make_driver
from zoox_stack.logs.bag_writer import BagWriter
from zoox_stack.logs.codec import encode
from zoox_stack.logs.qos import PROFILES
from zoox_stack.simulation.closed_loop import ClosedLoop

_TOPICS = (
    topics.ROAD_NETWORK, topics.ROUTE, topics.KINEMATIC_STATE, topics.GROUND_TRUTH_EGO, topics.TRAFFIC_SIGNALS,
    topics.GROUND_TRUTH, topics.TRACKED_AGENTS, topics.PREDICTED_AGENTS, topics.CONDITIONAL_AGENTS, topics.DECISION,
    topics.TRAJECTORY, topics.EVENTS,
)  # fmt: skip


def trace(task: DriveTask, out: Path, report: Callable[[float], None]) -> str:
    """Drive as `run_task` does and write everything that was known and decided into a bag; why it broke off, or empty.

    `zoox_stack.evaluation.run.read_run` reads it, as a recording of the nodes.

    Args:
        task: Which drive.
        out: One file ending in .mcap, or a folder; what is there is replaced.
        report: Told the seconds driven, now and then.

    Raises:
        InvalidInputError: The human's drive: it has no decisions.
        ZooxStackError: The drive could not begin.
        OSError: The bag cannot be written.
    """
    if task.planner == HUMAN:
        raise InvalidInputError("drive to trace", "one of a planner", "the human's: SUMO's driver does not say why")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix="zoox-drive-") as folder, BagWriter(out, flush_period=None) as bag:
        for topic in _TOPICS:
            bag.add_topic(topic.name, topic.type_name, (PROFILES[topic.qos],))

        def write(topic: Topic, stamp_ns: int, value: object) -> None:
            bag.write(topic.name, stamp_ns, encode(value))

        begun: list[int] = []

        def watch(loop: ClosedLoop, seen: TrackedAgents | None, decided: Decided | None) -> None:
            stamp = loop.scene.stamp_ns
            if not begun:
                begun.append(stamp)
                bag.write(topics.ROAD_NETWORK.name, stamp, encode(loop.town.net.network, stamp))
                write(topics.ROUTE, stamp, loop.route)
            write(topics.GROUND_TRUTH_EGO, stamp, loop.scene.ego)
            write(topics.TRAFFIC_SIGNALS, stamp, loop.signals)
            write(topics.GROUND_TRUTH, stamp, near(loop.scene))
            if seen is not None:
                write(topics.KINEMATIC_STATE, stamp, seen.ego)
                write(topics.TRACKED_AGENTS, stamp, seen)
            if decided is None:
                return
            for topic, value in (
                (topics.PREDICTED_AGENTS, decided.predicted),
                (topics.DECISION, decided.decision),
                (topics.TRAJECTORY, decided.trajectory),
            ):
                if value is not None:
                    write(topic, stamp, value)
            if decided.answer is not None:
                for under_plan in decided.answer.predictions:
                    write(topics.CONDITIONAL_AGENTS, stamp, under_plan)

        driver = make_driver(task.planner, task.model_dir, task.parameters, task.settings.supervised)
        driven = drive(task.town, task.seed, driver, task.settings, Path(folder), report, watch)
        last = driven.scenes[-1]
        for event in driven.events:
            write(topics.EVENTS, last.stamp_ns, event)
    return driven.failure
