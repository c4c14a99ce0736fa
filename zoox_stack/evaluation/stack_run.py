"""Run the stack over a bag or in a simulated town through its launch file, and collect what it measured."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoox_stack.core import topics
from zoox_stack.core.errors import InvalidInputError, ZooxStackError
from zoox_stack.core.machine import machine
from zoox_stack.evaluation.prediction_errors import prediction_errors
from zoox_stack.evaluation.replay_records import read_records, summarise
from zoox_stack.evaluation.run import RecordedRun
from zoox_stack.logs.bag_reader import BagReader
from zoox_stack.logs.message_definitions import type_hash

INPUT_OF = {"lidar": topics.LIDAR_POINTS, "detections": topics.DETECTIONS}
INPUTS = tuple(INPUT_OF.values())


@dataclass(frozen=True)
class StackRun:
    """A launch file that runs the stack, records it and writes a record of every tick.

    Attributes:
        launch_file: Launch file of this package with arguments ``record`` and ``report`` and those below.
        record: Where the recording goes.
        report: Where the tick records go.
        arguments: More launch arguments.
        about: What the result says of the run.
    """

    launch_file: str
    record: Path
    report: Path
    arguments: Mapping[str, str]
    about: Mapping[str, Any]

    @classmethod
    def replay(
        cls,
        bag: Path,
        record: Path,
        report: Path,
        *,
        rate: float = 1.0,
        lockstep: bool = False,
        arguments: Mapping[str, str] | None = None,
    ) -> StackRun:
        """The stack over a bag, at a speed (1 is real time) or in lock-step."""
        values = {"bag": str(bag.absolute()), "rate": str(rate), "lockstep": str(lockstep).lower(), **(arguments or {})}
        about = {"bag": str(bag), "rate": rate, "lockstep": lockstep}
        return cls("replay.launch.xml", record, report, values, about)

    @classmethod
    def simulation(
        cls,
        town: str,
        seed: int,
        duration: float,
        record: Path,
        report: Path,
        *,
        sensors: str = "compact",
        lockstep: bool = False,
        arguments: Mapping[str, str] | None = None,
    ) -> StackRun:
        """The stack in closed loop in a simulated town."""
        about = {"town": town, "seed": seed, "duration_s": duration, "sensors": sensors, "lockstep": lockstep}
        values = {
            "town": town, "seed": str(seed), "duration": str(duration), "sensors": sensors,
            "lockstep": str(lockstep).lower(), **(arguments or {}),
        }  # fmt: skip
        return cls("simulation.launch.xml", record, report, values, about)

    def command(self) -> list[str]:
        """Command line of the launcher."""
        values = {"record": str(self.record.absolute()), "report": str(self.report.absolute()), **self.arguments}
        words = [f"{name}:={value}" for name, value in values.items()]
        return [sys.executable, "-m", "zoox_stack.cli", "launch", "zoox_stack", self.launch_file, *words]

    def run(self, log: Path | None = None, while_running: Callable[[], None] | None = None) -> int:
        """Run to the end; output goes to `log` or to standard error. Returns the launcher's exit code."""
        environment = own_domain(os.environ)
        with log.open("wb") if log else os.fdopen(os.dup(2), "wb") as sink:
            process = subprocess.Popen(self.command(), stdout=sink, stderr=sink, env=environment)
            try:
                while process.poll() is None:
                    if while_running is None:
                        process.wait()
                    else:
                        while_running()
            except KeyboardInterrupt:
                process.send_signal(signal.SIGINT)
                process.wait()
                raise
            finally:
                if process.poll() is None:
                    process.send_signal(signal.SIGINT)
                    process.wait()
        return process.returncode


def own_domain(environment: Mapping[str, str]) -> dict[str, str]:
    """Environment in which a run talks to this machine only, in a domain of its own unless one is set."""
    result = dict(environment)
    result.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    result.setdefault("ROS_DOMAIN_ID", str(1 + os.getpid() % 100))
    return result


def check_bag(bag: Path, source: str = "auto", *, recover: bool = False) -> list[str]:
    """Check that a bag can drive the stack; returns what is wrong but bearable: with `recover`, an incomplete bag.

    Raises:
        InvalidInputError: No readable bag, no sensor data or no odometry in it, wrong message types, messages recorded
            with another definition of their type, or an incomplete bag without `recover`.
    """
    with BagReader(bag, recover=True, scan=True) as reader:
        if reader.problems and not recover:
            raise InvalidInputError(
                f"bag {bag}", "a complete bag", "; ".join(reader.problems), "With --recover its whole part is played."
            )
        inputs = [t for t in INPUTS if t is INPUT_OF.get(source, t)]
        sensors = [t for t in inputs if t.name in reader.topics]
        if not sensors:
            wanted = " or ".join(t.name for t in inputs)
            raise InvalidInputError(f"bag {bag}", f"a topic {wanted}", ", ".join(reader.topics) or "no topics")
        reader.require_topics({t.name: t.type_name for t in (*sensors, topics.KINEMATIC_STATE)})
        for topic in reader.topics.values():
            if topic.name in topics.TOPICS and topic.type_hash and topic.type_hash != type_hash(topic.type_name):
                raise InvalidInputError(
                    f"bag {bag}: {topic.name}", f"the present definition of {topic.type_name}", "another one",
                    "Make or record the bag again with this version.",
                )  # fmt: skip
        return list(reader.problems)


def check_model(folder: str, provider: str) -> None:
    """Open the model here first: a prediction node that cannot would be started again and again.

    Raises:
        ModelError: The network or its provider cannot be used.
    """
    from zoox_stack.prediction.network import PredictionNetwork

    PredictionNetwork(Path(folder) if folder else None, provider)


def result_of(run: StackRun, recorded: RecordedRun, seconds: float) -> dict[str, Any]:
    """Everything a replay reports, as JSON-ready values."""
    summary = summarise(read_records(run.report))
    errors = prediction_errors(
        [recorded.predictions[s] for s in sorted(recorded.predictions)], recorded.tracks, recorded.labels
    )
    models = sorted(
        {f"{p.model} on {p.provider}" if p.model else p.source.name.lower() for p in recorded.predictions.values()}
    )
    conditional = sum(d.conditional for d in recorded.decisions.values())
    return {
        **run.about,
        **summary,
        "conditional_decisions": conditional,
        "interventions": interventions(recorded),
        "trajectory_sources": count_names(t.source.name for t in recorded.trajectories.values()),
        "answer_status": count_names(d.answer_status.name for d in recorded.decisions.values()),
        "prediction_model": models,
        "prediction_errors_m": errors,
        "asked_versus_happened": None if recorded.asked is None else recorded.asked.means(),
        "problems": recorded.problems,
        "wall_s": round(seconds, 1),
        **machine(),
    }


def interventions(recorded: RecordedRun) -> int:
    """How often the supervisor took over from the planner."""
    taken = [recorded.trajectories[stamp].source.intervention for stamp in sorted(recorded.trajectories)]
    return sum(now and not before for before, now in zip([False, *taken], taken, strict=False))


def count_names(names: Any) -> dict[str, int]:
    """How often each name occurs, sorted by name."""
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return dict(sorted(counts.items()))


def run_stack(run: StackRun, log: Path | None = None, while_running: Callable[[], None] | None = None) -> float:
    """Run and check that it ended well; returns the seconds it took.

    Raises:
        ZooxStackError: The launcher or a process it had to keep failed.
    """
    started = time.monotonic()
    code = run.run(log, while_running)
    if code != 0:
        hint = f"; its output is in {log}" if log else ""
        raise ZooxStackError(f"the stack ended with exit code {code}{hint}")
    return time.monotonic() - started
