"""Drives for filmstrips of junctions, and the most telling passages of them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from zoox_stack.evaluation.closed_loop_junctions import JunctionKind
from zoox_stack.evaluation.junction_films import Film, best_films, films_of
from zoox_stack.evaluation.planning_job import DriveTask
from zoox_stack.evaluation.planning_run import Benchmark
from zoox_stack.evaluation.planning_trace import trace
from zoox_stack.evaluation.run import read_run
from zoox_stack.simulation.workers import Job, run_jobs

_PLANNER = "what_if"  # the only one that asks


@dataclass(frozen=True, eq=False)
class FilmResults:
    """What came of it.

    Attributes:
        films: The most telling passage of each kind of junction that has one, in the order of kinds.
        failures: Why drives could not be made, by town and seed.
    """

    films: Mapping[JunctionKind, Film]
    failures: Mapping[tuple[str, int], str]


def make_films(benchmark: Benchmark, jobs: int, on_progress: Callable[[float], None] = lambda _: None) -> FilmResults:
    """Drive everywhere and keep of each kind of junction the passage whose question mattered most.

    Args:
        benchmark: Towns, seeds and how to drive; its planners do not matter.
        jobs: Drives at a time, each in a process, with a trace of up to 1 GB on the disk that is read back.
        on_progress: Told the share that is done, 0..1.
    """
    work, places = [], {}
    for town in benchmark.towns:
        for seed in benchmark.seeds:
            task = DriveTask(
                _PLANNER, town, seed, benchmark.settings, Path(), None, benchmark.model_dir, benchmark.parameters
            )
            work.append(Job(f"{town} {seed}", _films, (task,), (__name__,)))
            places[work[-1].name] = task.town_name, seed
    shares = dict.fromkeys(places, 0.0)

    def advance(job: Job, seconds: float) -> None:
        shares[job.name] = min(seconds / benchmark.settings.duration, 1.0)
        on_progress(sum(shares.values()) / len(shares))

    found: dict[str, list[Film]] = {}
    failures = {}
    for outcome in run_jobs(work, jobs, advance):
        advance(outcome.job, benchmark.settings.duration)
        if outcome.failure:
            failures[places[outcome.job.name]] = outcome.failure
        else:
            found[outcome.job.name] = outcome.result
    # In the order of towns and seeds, whichever drive ended first.
    return FilmResults(best_films([film for name in places for film in found.get(name, [])]), failures)


def _films(task: DriveTask, report: Callable[[float], None]) -> list[Film]:
    with tempfile.TemporaryDirectory(prefix="zoox-film-") as folder:
        path = Path(folder) / "trace.mcap"
        trace(task, path, report)
        return films_of(read_run(path), task.town_name, task.seed)
