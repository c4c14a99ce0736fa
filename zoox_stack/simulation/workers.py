"""Jobs in child processes of their own: one that dies takes neither the others nor the parent along.

SUMO lives inside the process that steps it and cannot be restarted in it for certain after a failure, so every job gets
a fresh process, forked from a server that has imported what the jobs need. Children end with their parent.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import forkserver, get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from zoox_stack.core.errors import ZooxStackError
from zoox_stack.launching.linux import die_with_parent

Report = Callable[[float], None]
_PATIENCE = 5.0  # [s] for children to end by themselves after an interruption
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Job:
    """Work for one process.

    Attributes:
        name: For people.
        work: Importable function; called with `arguments` and, last, a function to report progress with.
        arguments: Picklable.
        modules: Imported once for all jobs of this process; those of the first jobs it runs count.
    """

    name: str
    work: Callable[..., Any]
    arguments: tuple[Any, ...]
    modules: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    Attributes:
        job: Which.
        result: What its function returned; None if it failed.
        failure: Why it failed, empty if it did not.
        progress: Its last report.
    """

    job: Job
    result: Any
    failure: str
    progress: float


def run_jobs(
    jobs: Sequence[Job], workers: int, on_progress: Callable[[Job, float], None] | None = None
) -> Generator[Outcome, None, None]:
    """Run jobs, at most `workers` at a time, and yield their outcomes as they end.

    Args:
        jobs: What to do; started in this order.
        workers: Processes at a time.
        on_progress: Called with what jobs report.
    """
    waiting = list(reversed(jobs))
    running: dict[Connection, tuple[Job, BaseProcess]] = {}
    progress: dict[str, float] = {}
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                job = waiting.pop()
                receiver, process = _start(job)
                running[receiver] = job, process
                progress[job.name] = 0.0
            for ready in wait(list(running)):
                assert isinstance(ready, Connection)
                job, process = running[ready]
                try:
                    kind, value = ready.recv()
                except (EOFError, OSError):  # it closed its end without a last word: it died
                    kind, value = "failure", None
                if kind == "progress":
                    progress[job.name] = value
                    if on_progress is not None:
                        on_progress(job, value)
                    continue
                del running[ready]
                ready.close()
                process.join()
                if kind == "failure" and value is None:
                    value = cause_of_death(process.exitcode)
                result, failure = (value, "") if kind == "result" else (None, value)
                yield Outcome(job, result, failure, progress[job.name])
    finally:
        for _, process in running.values():
            process.join(_PATIENCE)
            if process.is_alive():
                process.kill()
                process.join()


def cause_of_death(exit_code: int | None) -> str:
    """What an exit code of a process says."""
    if exit_code is not None and exit_code < 0:
        with suppress(ValueError):
            name = signal.Signals(-exit_code).name
            return f"its process was ended by {name}"
    return f"its process ended with exit code {exit_code}"


def _start(job: Job) -> tuple[Connection, BaseProcess]:
    context = get_context("forkserver")
    context.set_forkserver_preload([job.work.__module__, *job.modules])
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(job, sender), name=job.name)
    with _one_thread():
        process.start()
    sender.close()  # so that the end of the child closes the pipe
    return receiver, process


@contextmanager
def _one_thread() -> Iterator[None]:
    """Children started meanwhile compute in one thread each: there are as many of them as cores."""
    missing = [name for name in _ONE_THREAD if name not in os.environ]
    os.environ.update(dict.fromkeys(missing, "1"))
    try:
        yield
    finally:
        for name in missing:
            del os.environ[name]


def _run(job: Job, sender: Connection) -> None:
    # The server ends when the last process that holds this pipe has ended. That shall be the parent, not its children.
    server: Any = forkserver
    os.close(server._forkserver._forkserver_alive_fd)  # noqa: SLF001 - there is no public way
    die_with_parent(os.getppid())
    try:
        result = job.work(*job.arguments, lambda done: sender.send(("progress", done)))
    except (ZooxStackError, OSError) as error:
        sender.send(("failure", str(error)))
    except KeyboardInterrupt:
        sender.send(("failure", "interrupted"))
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent goes on with the other jobs
        traceback.print_exc()
        sender.send(("failure", f"{type(error).__name__}: {error}"))
    else:
        sender.send(("result", result))
    # All is said. Taking the interpreter and SUMO's libraries down in good order would only take time.
    sender.close()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
