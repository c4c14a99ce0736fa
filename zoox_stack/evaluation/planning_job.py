"""One drive of the benchmark in a process of its own: drive, judge, keep."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from zoox_stack.core.errors import ZooxStackError
from zoox_stack.core.parameters import build
from zoox_stack.evaluation.closed_loop_drive import LEAST_STEPS, DriveName, drive_of_scenes
from zoox_stack.evaluation.closed_loop_junctions import JunctionFinder
from zoox_stack.evaluation.closed_loop_map import DriveMap
from zoox_stack.evaluation.closed_loop_score import ScoredDrive, score_drive
from zoox_stack.evaluation.planning_drive import Driven, DriveSettings, drive
from zoox_stack.evaluation.planning_driver import Driver
from zoox_stack.evaluation.planning_human import drive_human
from zoox_stack.evaluation.planning_records import DriveRecord, read_record, write_record

HUMAN, IDM = "human", "idm"


@dataclass(frozen=True)
class DriveTask:
    """What one process has to do.

    Attributes:
        planner: One of `zoox_stack.evaluation.closed_loop_summary.PLANNERS`.
        town: Name of a town or path of a town file.
        seed: Of town, traffic and route.
        settings: How long, and what is seen.
        record: Where the result goes.
        reference: Where the record of the human's drive is; None for that drive itself.
        model_dir: Folder with the two ONNX files; empty for the ones shipped with the package.
        parameters: Of the planner, where they are not the usual ones.
    """

    planner: str
    town: str
    seed: int
    settings: DriveSettings
    record: Path
    reference: Path | None = None
    model_dir: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def town_name(self) -> str:
        """Without folders and ending."""
        return Path(self.town).stem


def run_task(task: DriveTask, report: Callable[[float], None]) -> str:
    """Drive, judge and write the record; why there is no score, empty if there is one.

    Raises:
        ZooxStackError: The reference is missing, or the installation is not whole.
        OSError: The record cannot be written.
    """
    reference = None
    if task.reference is not None:
        reference = read_record(task.reference)
        if reference is None or not reference.egos:
            raise ZooxStackError(f"{task.town_name} {task.seed}: the human's drive is not there to compare with")
    with tempfile.TemporaryDirectory(prefix="zoox-drive-") as folder:
        if task.planner == HUMAN:
            driven = drive_human(task.town, task.seed, task.settings, Path(folder), report)
        else:
            driver = make_driver(task.planner, task.model_dir, task.parameters, task.settings.supervised)
            driven = drive(task.town, task.seed, driver, task.settings, Path(folder), report)
    record = record_of(task, driven, reference)
    write_record(task.record, record)
    return "" if record.scored is not None else record.failure


def make_driver(
    planner: str, model_dir: str = "", parameters: Mapping[str, Any] | None = None, supervised: bool = False
) -> Driver:
    """A planner with everything it needs.

    Args:
        planner: Its name.
        model_dir: Folder with the two ONNX files; empty for the ones shipped with the package.
        parameters: Of the planner, where they are not the usual ones.
        supervised: With the supervisor behind it, if it is one of the stack.

    Raises:
        ConfigurationError: A parameter does not exist or is out of range.
        ModelError: The network cannot be used.
    """
    if planner == IDM:
        from zoox_stack.evaluation.planning_idm import IdmDriver

        return IdmDriver()
    # ONNX Runtime and Numba take seconds to load, which drives without the stack save.
    from zoox_stack.evaluation.planning_stack import StackDriver
    from zoox_stack.planning.config import PlannerConfig

    driver = StackDriver(planner, build(PlannerConfig, parameters or {}, "planner"), model_dir)
    if not supervised:
        return driver
    from zoox_stack.evaluation.planning_supervised import SupervisedDriver

    return SupervisedDriver(driver)


def record_of(task: DriveTask, driven: Driven, reference: DriveRecord | None) -> DriveRecord:
    """What is kept of a drive."""
    scored, failure = None, driven.failure
    human = task.planner == HUMAN
    if len(driven.scenes) < LEAST_STEPS:
        failure = failure or f"ended after {max(len(driven.scenes) - 1, 0) * 0.1:.1f} s"
    else:
        scored = _judge(task, driven, reference)
    start = driven.scenes[0].stamp_ns if driven.scenes else 0
    told = [*((event.stamp_ns, event.text) for event in driven.events), *driven.takeovers]
    timing = {"latency": driven.latencies, **driven.seconds}
    return DriveRecord(
        planner=task.planner,
        town=task.town_name,
        seed=task.seed,
        scored=scored,
        failure=failure,
        mishaps=driven.mishaps,
        first_mishap=driven.first_mishap,
        events=tuple((round((stamp_ns - start) * 1e-9, 1), text) for stamp_ns, text in sorted(told)),
        egos=tuple(driven.egos) if human else (),
        timing={name: tuple(1e3 * value for value in values) for name, values in timing.items()},
    )


def _judge(task: DriveTask, driven: Driven, reference: DriveRecord | None) -> ScoredDrive:
    name = DriveName(task.town_name, task.seed, task.planner, task.settings.duration, driven.arrived)
    made = drive_of_scenes(
        name, driven.scenes, driven.egos if reference is None else reference.egos, driven.network, driven.route,
        driven.events, interventions=driven.interventions, latencies=np.array(driven.latencies),
    )  # fmt: skip
    place = DriveMap(driven.network)
    return score_drive(made, place, JunctionFinder(place.index).along(driven.route))
