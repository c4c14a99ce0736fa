"""A piece of work in a forked copy of this process: everything it changes is gone afterwards, but its numbers stay."""

from __future__ import annotations

import gc
import mmap
import os
import signal
from collections.abc import Callable
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.errors import ZooxStackError
from zoox_stack.launching.linux import die_with_parent
from zoox_stack.simulation.workers import cause_of_death

_LONGEST_REASON = 2000  # characters


def in_fork(work: Callable[[NDArray[np.float64]], None], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Let `work` fill an array of zeros in a fork of this process and return the array.

    The fork ends when its work is done or when this process dies, whichever is first; nothing is left of it.

    Args:
        work: Called in the fork.
        shape: Of the array.

    Raises:
        ZooxStackError: The fork died or `work` raised; says why.
    """
    count = int(np.prod(shape))
    shared = mmap.mmap(-1, max(count, 1) * 8)
    reading, writing = os.pipe()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        _fork_main(work, np.frombuffer(shared, np.float64, count).reshape(shape), writing, parent)
    os.close(writing)
    try:
        with os.fdopen(reading, "rb") as pipe:
            reason = pipe.read().decode("utf-8", "replace")
        _, status = os.waitpid(child, 0)
    except BaseException:
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        raise
    if status:
        raise ZooxStackError(f"forked simulation: {reason or cause_of_death(os.waitstatus_to_exitcode(status))}")
    result = np.frombuffer(shared, np.float64, count).reshape(shape).copy()
    shared.close()
    return result


def _fork_main(
    work: Callable[[NDArray[np.float64]], None], result: NDArray[np.float64], writing: int, parent: int
) -> None:
    """Body of the fork; never returns and cleans nothing up: the simulation belongs to the parent."""
    status = 1
    try:
        die_with_parent(parent)
        gc.disable()  # a collection would touch, and so copy, all memory shared with the parent
        work(result)
        status = 0
    except BaseException as error:  # noqa: BLE001 - also KeyboardInterrupt: nothing may run on behind the fork
        os.write(writing, f"{type(error).__name__}: {error}"[:_LONGEST_REASON].encode())
    finally:
        os._exit(status)
