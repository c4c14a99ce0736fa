"""All planning problems of a folder of CommonRoad scenarios: resumable, many at a time, summed up."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from zoox_stack.core.errors import ConfigurationError, InvalidInputError
from zoox_stack.core.parameters import build
from zoox_stack.evaluation.planning_key import key_of
from zoox_stack.evaluation.planning_records import write_whole
from zoox_stack.evaluation.planning_stack import CONSTANT_VELOCITY, UNCONDITIONAL, WHAT_IF
from zoox_stack.evaluation.recorded_drive import (
    AT_START,
    BEHIND,
    COLLISION,
    CUT_IN,
    FAILED,
    FRONT,
    GOAL_MISSED,
    OFF_ROAD,
    SIDE,
    SOLVED,
    ProblemResult,
    RecordedSettings,
    drive_problem,
)
from zoox_stack.evaluation.recorded_futures import RECORDED
from zoox_stack.logs.importers.commonroad_problems import load_planning_problems
from zoox_stack.planning.config import PlannerConfig
from zoox_stack.simulation.workers import Job, run_jobs

KINDS = (WHAT_IF, UNCONDITIONAL, CONSTANT_VELOCITY, RECORDED)
_OUTCOMES = (SOLVED, GOAL_MISSED, COLLISION, OFF_ROAD, FAILED)
_COLLISIONS = (BEHIND, FRONT, SIDE, CUT_IN, AT_START)
_MODULE = "zoox_stack.evaluation.recorded_drive"
_Z = 1.96  # of a normal distribution, for 95 %


@dataclass(frozen=True)
class RecordedBenchmark:
    """What to drive.

    Attributes:
        files: CommonRoad scenarios.
        planners: Some of `KINDS`.
        problems: Only so many problems, from the first; None: all.
        settings: The ego's body.
        model_dir: Folder with the two ONNX files; empty for the ones shipped with the package.
        parameters: Of the planner, where they are not the usual ones.
    """

    files: tuple[Path, ...]
    planners: tuple[str, ...] = KINDS
    problems: int | None = None
    settings: RecordedSettings = field(default_factory=RecordedSettings)
    model_dir: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Task:
    """One problem for one planner; its record."""

    path: Path
    number: int
    planner: str
    record: Path
    settings: RecordedSettings
    parameters: Mapping[str, Any]
    model_dir: str


def scenario_files(place: Path) -> tuple[Path, ...]:
    """The scenarios of a folder and of those within, or one file.

    Raises:
        ConfigurationError: There are none.
    """
    files = (place,) if place.is_file() else tuple(sorted(place.rglob("*.xml")))
    if not files:
        raise ConfigurationError(f"--commonroad: expected a folder with CommonRoad .xml files, found {place}")
    return files


def run_recorded(
    benchmark: RecordedBenchmark, out: Path, jobs: int, on_progress: Callable[[float], None] = lambda _: None
) -> tuple[list[ProblemResult], int]:
    """Drive the problems that are not there yet, and read all; the same call goes on after an interruption.

    Returns:
        The results by planner, then by file; and how many were driven now.

    Raises:
        InvalidInputError: A file cannot be read, or has no planning problem.
    """
    tasks = _tasks(benchmark, out)
    found = {task.record: result for task in tasks if (result := read_result(task.record)) is not None}
    work = {str(task.record): task for task in tasks if task.record not in found}
    every = [Job(name, _run, (task,), (_MODULE,)) for name, task in work.items()]
    on_progress(len(found) / len(tasks))
    for outcome in run_jobs(every, jobs):
        task = work[outcome.job.name]
        result = outcome.result
        if result is None:  # its process died: nothing is kept, so that another run tries again
            result = ProblemResult(task.path.stem, task.number, task.planner, FAILED, detail=outcome.failure)
        found[task.record] = result
        on_progress(len(found) / len(tasks))
    return [found[task.record] for task in tasks], len(work)


def summarise_recorded(results: Sequence[ProblemResult]) -> dict[str, Any]:
    """Counts by planner, and the list of problems, ready for JSON."""
    planners = {}
    for name in dict.fromkeys(result.planner for result in results):
        mine = [result for result in results if result.planner == name]
        solved = sum(result.outcome == SOLVED for result in mine)
        outcomes = Counter(result.outcome for result in mine)
        hits = Counter(result.detail for result in mine if result.outcome == COLLISION)
        times = np.array([time for result in mine for time in result.latencies_ms])
        planners[name] = {
            "problems": len(mine),
            "solved": solved,
            "solve_rate": solved / len(mine),
            "solve_rate_ci95": list(wilson(solved, len(mine))),
            "outcomes": {outcome: outcomes[outcome] for outcome in _OUTCOMES},
            "collisions": {kind: hits[kind] for kind in _COLLISIONS},
            "goals_missed_by": dict(
                sorted(Counter(result.detail for result in mine if result.outcome == GOAL_MISSED).items())
            ),
            "by_goal": _by_goal(mine),
            "safe_stops": sum(result.safe_stops for result in mine),
            "mishaps": sum(result.mishaps for result in mine),
            "latency_ms": {
                f"p{share}": round(float(np.percentile(times, share)), 2) if len(times) else None for share in (50, 99)
            },
        }
    per_problem = [
        {name: value for name, value in result.to_values().items() if name != "latencies_ms"} for result in results
    ]
    return {"planners": planners, "problems": per_problem}


def wilson(count: int, of: int) -> tuple[float, float]:
    """95 % interval of a share, after Wilson, "Probable inference, the law of succession, ...", 1927."""
    share, z2 = count / of, _Z**2
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = _Z * np.sqrt(share * (1 - share) / of + z2 / (4 * of**2)) / (1 + z2 / of)
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def read_result(path: Path) -> ProblemResult | None:
    """What is in a record; None if it is not there, or not whole."""
    try:
        return ProblemResult.from_values(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None


def _by_goal(results: Sequence[ProblemResult]) -> dict[str, dict[str, int]]:
    goals = sorted({result.goal for result in results})
    return {
        goal: {
            "problems": sum(result.goal == goal for result in results),
            "solved": sum(result.goal == goal and result.outcome == SOLVED for result in results),
        }
        for goal in goals
    }


def _tasks(benchmark: RecordedBenchmark, out: Path) -> list[_Task]:
    places = [(path, number) for path in benchmark.files for number in range(len(load_planning_problems(path)))]
    if not places:
        raise InvalidInputError(f"{len(benchmark.files)} CommonRoad scenarios", "at least one planning problem", "none")
    tasks = []
    for planner in benchmark.planners:
        model = [] if planner in (CONSTANT_VELOCITY, RECORDED) else _model_files(benchmark.model_dir)
        values = {"planner": planner, "parameters": dict(benchmark.parameters), **asdict(benchmark.settings)}
        for path, number in places[: benchmark.problems]:
            key = key_of([_MODULE], [path, *model], values | {"problem": number})
            record = out / "records" / planner / f"{path.stem}_{number}_{key}.json"
            folder = benchmark.model_dir if model else ""
            tasks.append(_Task(path, number, planner, record, benchmark.settings, benchmark.parameters, folder))
    return tasks


def _model_files(folder: str) -> list[Path]:
    from zoox_stack.prediction.network import SHIPPED_MODELS  # ONNX Runtime takes a second to load

    return sorted((Path(folder) if folder else SHIPPED_MODELS).glob("*.onnx"))


def _run(task: _Task, _report: Callable[[float], None]) -> ProblemResult:
    config = build(PlannerConfig, task.parameters, "planner")
    result = drive_problem(task.path, task.number, task.planner, task.settings, config, task.model_dir)
    write_whole(task.record, result.to_values())
    return result
