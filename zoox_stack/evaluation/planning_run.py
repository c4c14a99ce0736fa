"""The closed-loop benchmark: every planner in every town with every seed, resumable, many drives at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from zoox_stack.core.share import share_folder
from zoox_stack.evaluation.closed_loop_summary import PLANNERS
from zoox_stack.evaluation.planning_drive import DriveSettings
from zoox_stack.evaluation.planning_job import HUMAN, IDM, DriveTask, run_task
from zoox_stack.evaluation.planning_key import key_of
from zoox_stack.evaluation.planning_records import DriveRecord, RecordStore, read_record
from zoox_stack.simulation.town_definition import load_town_definition
from zoox_stack.simulation.workers import Job, run_jobs

_HUMAN_MODULES = ("zoox_stack.evaluation.planning_human", "zoox_stack.evaluation.closed_loop_score")
_MODULES = ("zoox_stack.evaluation.planning_job", "zoox_stack.simulation.preload")
_STACK, _SUPERVISED = "zoox_stack.evaluation.planning_stack", "zoox_stack.evaluation.planning_supervised"


@dataclass(frozen=True)
class Benchmark:
    """What to drive.

    Attributes:
        towns: Names of towns or paths of town files.
        seeds: Of towns, traffic and routes.
        planners: Some of `PLANNERS`.
        settings: How long, and what is seen.
        model_dir: Folder with the two ONNX files; empty for the ones shipped with the package.
        parameters: Of the planner, where they are not the usual ones.
    """

    towns: tuple[str, ...]
    seeds: tuple[int, ...]
    planners: tuple[str, ...] = PLANNERS
    settings: DriveSettings = field(default_factory=DriveSettings)
    model_dir: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Failure:
    """A drive without a score.

    Attributes:
        planner: Who was to drive.
        town: Where.
        seed: Of traffic and route.
        text: Why.
    """

    planner: str
    town: str
    seed: int
    text: str


@dataclass(frozen=True, eq=False)
class Results:
    """What came of it.

    Attributes:
        records: Of the planners asked for, in their order, then by town and seed.
        failures: Drives that have no score, in the same order; those of the human stand for all others of the place.
        driven: How many drives were made anew.
    """

    records: tuple[DriveRecord, ...]
    failures: tuple[Failure, ...]
    driven: int


def tasks_of(benchmark: Benchmark, out: Path) -> list[DriveTask]:
    """All drives, the human's of each place among them even if nobody asked for them; by seed, town, planner.

    Raises:
        ConfigurationError: Unknown town.
    """
    store, tasks = RecordStore(out / "records"), []
    definitions = {town: load_town_definition(town).path for town in benchmark.towns}
    keys = {town: _keys(benchmark, path) for town, path in definitions.items()}
    for seed in benchmark.seeds:
        for town in benchmark.towns:
            name = Path(town).stem
            reference = store.path(HUMAN, name, seed, keys[town][HUMAN])
            task = DriveTask(HUMAN, town, seed, benchmark.settings, reference)
            tasks.append(task)
            for planner in benchmark.planners:
                if planner == HUMAN:
                    continue
                path = store.path(planner, name, seed, keys[town][planner])
                more = replace(task, planner=planner, record=path, reference=reference)
                if planner != IDM:
                    more = replace(more, model_dir=benchmark.model_dir, parameters=benchmark.parameters)
                tasks.append(more)
    return tasks


def run_benchmark(
    benchmark: Benchmark, out: Path, jobs: int, on_progress: Callable[[float], None] = lambda _: None
) -> Results:
    """Make the drives that are not there yet, and read all.

    Records are there also after an interruption, and the same call goes on from them.

    Args:
        benchmark: What.
        out: Folder for the records.
        jobs: Drives at a time, each in a process.
        on_progress: Told the share that is done, 0..1.

    Raises:
        ConfigurationError: Unknown town.
    """
    tasks = tasks_of(benchmark, out)
    records = {task.record: record for task in tasks if (record := read_record(task.record)) is not None}
    failures: dict[Path, str] = {}
    open_tasks = [task for task in tasks if task.record not in records]
    shares = {task.record: float(task.record in records) for task in tasks}

    def advance(path: Path, share: float) -> None:
        shares[path] = share
        on_progress(sum(shares.values()) / len(shares))

    def heard(job: Job, seconds: float) -> None:
        advance(Path(job.name), min(seconds / benchmark.settings.duration, 1.0))

    # The humans first: what the others are worth is measured by them.
    for humans in (True, False):
        work = {}
        for task in open_tasks:
            if (task.planner == HUMAN) is not humans:
                continue
            if task.reference is not None and not getattr(records.get(task.reference), "egos", ()):
                advance(task.record, 1.0)
                continue
            work[str(task.record)] = task
        modules = (*_MODULES, _STACK) if set(benchmark.planners) - {HUMAN, IDM} else _MODULES
        every = [Job(name, run_task, (task,), modules) for name, task in work.items()]
        for outcome in run_jobs(every, jobs, heard):
            task = work[outcome.job.name]
            advance(task.record, 1.0)
            record = read_record(task.record)
            if record is None:
                failures[task.record] = outcome.failure or "its record could not be read back"
            else:
                records[task.record] = record
    return _results(benchmark, tasks, records, failures, len(open_tasks))


def run_traces(
    benchmark: Benchmark,
    wanted: Sequence[tuple[str, int, str]],
    out: Path,
    jobs: int,
    on_progress: Callable[[float], None] = lambda _: None,
) -> list[tuple[Path, str]]:
    """Make drives with all that was known and decided as bags; their places, each with why it broke off, or empty.

    Args:
        benchmark: How the drives are made; its towns, seeds and planners do not matter.
        wanted: Town, seed and planner of each.
        out: The bags are in its folder ``traces``.
        jobs: Drives at a time, each in a process.
        on_progress: Told the share that is done, 0..1.
    """
    work = {}
    for town, seed, planner in dict.fromkeys(wanted):
        path = out / "traces" / f"{planner}_{Path(town).stem}_{seed}.mcap"
        parameters = {} if planner == IDM else benchmark.parameters
        task = DriveTask(planner, town, seed, benchmark.settings, path, None, benchmark.model_dir, parameters)
        work[str(path)] = Job(str(path), _trace, (task, path), (*_MODULES, _STACK))
    shares = dict.fromkeys(work, 0.0)
    outcomes = {}

    def advance(job: Job, seconds: float) -> None:
        shares[job.name] = min(seconds / benchmark.settings.duration, 1.0)
        on_progress(sum(shares.values()) / len(shares))

    for outcome in run_jobs(list(work.values()), jobs, advance):
        advance(outcome.job, benchmark.settings.duration)
        outcomes[outcome.job.name] = outcome.failure or outcome.result
    return [(Path(name), outcomes[name]) for name in work]


def _trace(task: DriveTask, path: Path, report: Callable[[float], None]) -> str:
    from zoox_stack.evaluation.planning_trace import trace  # the writer of bags takes a second to load

    return trace(task, path, report)


def _results(
    benchmark: Benchmark,
    tasks: Sequence[DriveTask],
    records: Mapping[Path, DriveRecord],
    failures: Mapping[Path, str],
    driven: int,
) -> Results:
    order = {planner: row for row, planner in enumerate((HUMAN, *benchmark.planners))} | {
        planner: row + 1 for row, planner in enumerate(benchmark.planners)
    }
    ordered = sorted(tasks, key=lambda task: (order[task.planner], task.town_name, task.seed))
    kept, lost = [], []
    for task in ordered:
        record = records.get(task.record)
        if record is not None and task.planner in benchmark.planners:
            kept.append(record)
        text = failures.get(task.record, "") if record is None else record.failure if record.scored is None else ""
        if text:
            lost.append(Failure(task.planner, task.town_name, task.seed, text))
    return Results(tuple(kept), tuple(lost), driven)


def _keys(benchmark: Benchmark, town: Path) -> dict[str, str]:
    """What the record of each planner in a town depends on, as a key."""
    settings = asdict(benchmark.settings)
    del settings["sensors"], settings["supervised"]
    human = key_of(_HUMAN_MODULES, [town], settings)
    keys = {HUMAN: human}
    sensors = []
    if benchmark.settings.sensors:
        sensors = [_rig_file(benchmark.settings.sensors)]
    base = ["zoox_stack.evaluation.planning_job"]
    if sensors:
        base += ["zoox_stack.perception.pipeline", "zoox_stack.simulation.sensors.simulated"]
    for planner in set(benchmark.planners) - {HUMAN}:
        values: dict[str, Any] = {"planner": planner, "human": human, "sensors": benchmark.settings.sensors}
        if planner == IDM:
            keys[planner] = key_of([*_DRIVES, *base[1:], "zoox_stack.evaluation.planning_idm"], sensors, values)
            continue
        values["parameters"] = dict(benchmark.parameters)
        model = [] if planner == "constant_velocity" else _model_files(benchmark.model_dir)
        behind = [_SUPERVISED] if benchmark.settings.supervised else []
        keys[planner] = key_of([*_DRIVES, *base[1:], _STACK, *behind], [*sensors, *model], values)
    return keys


_DRIVES = ("zoox_stack.evaluation.planning_drive", "zoox_stack.evaluation.closed_loop_score")


def _rig_file(name: str) -> Path:
    return Path(name) if name.endswith((".yaml", ".yml")) else share_folder() / "config" / "sensors" / f"{name}.yaml"


def _model_files(folder: str) -> list[Path]:
    from zoox_stack.prediction.network import SHIPPED_MODELS

    return sorted((Path(folder) if folder else SHIPPED_MODELS).glob("*.onnx"))
