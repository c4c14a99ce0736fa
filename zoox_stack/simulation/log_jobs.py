"""Many simulated drives at a time, each recorded by a process of its own; what a failed one has recorded is saved."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from zoox_stack.core.errors import InvalidInputError, ZooxStackError
from zoox_stack.logs.bag_reader import BagReader
from zoox_stack.logs.bag_recovery import recover
from zoox_stack.simulation.log_plan import LogPlan, LogResult
from zoox_stack.simulation.workers import Job, Report, run_jobs

_MODULES = ("zoox_stack.simulation.log_writer", "zoox_stack.simulation.preload")


@dataclass(frozen=True)
class LogOutcome:
    """How the recording of one drive ended.

    Attributes:
        plan: What was to be recorded.
        duration: Recorded [s].
        messages: In the bag.
        failure: Why it broke off; empty if it did not.
        note: What became of the bag then, or why it is shorter.
        interrupted: The user broke it off.
    """

    plan: LogPlan
    duration: float
    messages: int
    failure: str = ""
    note: str = ""
    interrupted: bool = False


def write_logs(
    plans: Sequence[LogPlan], jobs: int, on_progress: Callable[[float], None] | None = None
) -> list[LogOutcome]:
    """Record drives, the outcomes in the order of the plans; an interruption ends all that are not whole yet.

    Args:
        plans: What to record; where something is already, nothing is recorded.
        jobs: Processes.
        on_progress: Told the seconds recorded in all.

    Raises:
        InvalidInputError: Something is at one of the places already.
    """
    for plan in plans:
        if plan.out.exists():
            raise InvalidInputError(str(plan.out), "a new bag", "a file or folder of that name", "Choose another name")
        plan.out.absolute().parent.mkdir(parents=True, exist_ok=True)
    done = dict.fromkeys(range(len(plans)), 0.0)

    def report(job: Job, seconds: float) -> None:
        done[int(job.name)] = seconds
        if on_progress is not None:
            on_progress(sum(done.values()))

    work = [Job(str(i), _write, (plan,), _MODULES) for i, plan in enumerate(plans)]
    outcomes: dict[int, LogOutcome] = {}
    with suppress(KeyboardInterrupt), closing(run_jobs(work, jobs, report)) as ended:
        for outcome in ended:
            number = int(outcome.job.name)
            plan = plans[number]
            if outcome.failure:
                outcomes[number] = _save(plan, outcome.failure, outcome.progress)
            else:
                outcomes[number] = _whole(plan, outcome.result)
            report(outcome.job, plan.duration)
    for number in done.keys() - outcomes.keys():
        outcomes[number] = replace(_save(plans[number], "interrupted", done[number]), interrupted=True)
    return [outcomes[number] for number in range(len(plans))]


def _write(plan: LogPlan, report: Report) -> LogResult:
    from zoox_stack.simulation.log_writer import write_log  # takes a second, which the parent need not wait

    return write_log(plan, report)


def _whole(plan: LogPlan, result: LogResult) -> LogOutcome:
    early = plan.duration - result.duration > 1e-6
    note = f"the ego reached the end of its way after {result.duration:.1f} s" if early else ""
    return LogOutcome(plan, result.duration, sum(result.topics.values()), note=note)


def _save(plan: LogPlan, failure: str, progress: float) -> LogOutcome:
    """Make a whole bag of what a broken-off recording has left, in its place."""
    told = f"broke off after {progress:.1f} s of the log: {failure}" if progress else failure
    if not plan.out.exists():
        return LogOutcome(plan, 0.0, 0, told, "nothing was recorded")
    try:
        with BagReader(plan.out, recover=True, scan=True) as reader:
            whole, duration, messages = not reader.problems, reader.duration, reader.message_count
    except InvalidInputError:  # not even the head of a file
        whole, duration, messages = False, 0.0, 0
    if not messages:
        _remove(plan.out)
        return LogOutcome(plan, 0.0, 0, told, "nothing was recorded")
    if not whole:
        try:
            _mend(plan.out)
        except (ZooxStackError, OSError) as error:
            note = f"the first {duration:.1f} s are kept, but not completed ({error}); read them with --recover"
            return LogOutcome(plan, duration, messages, told, note)
    return LogOutcome(plan, duration, messages, told, f"the first {duration:.1f} s are kept and readable")


def _mend(out: Path) -> None:
    """Put a whole bag of everything readable in the place of a broken one.

    Raises:
        ZooxStackError, OSError: It cannot be done; the broken bag is as it was.
    """
    with tempfile.TemporaryDirectory(prefix=".mend-", dir=out.absolute().parent) as folder:
        mended = Path(folder) / out.name  # a bag's files are named after it
        recover(out, mended)
        _remove(out)
        mended.rename(out)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
