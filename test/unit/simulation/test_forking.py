"""Work in a fork: numbers come back, nothing else does; death is told."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest

from zoox_stack.core.errors import ZooxStackError
from zoox_stack.simulation.forking import in_fork


def test_numbers_come_back_and_changes_do_not() -> None:
    state = [1]

    def work(result: np.ndarray) -> None:
        state.append(2)
        result[1] = [len(state), os.getpid(), 0]

    result = in_fork(work, (2, 3))
    assert result[0].tolist() == [0, 0, 0]
    assert result[1, 0] == 2
    assert result[1, 1] != os.getpid()
    assert state == [1]
    with pytest.raises(ChildProcessError):  # nobody is left to wait for
        os.waitpid(int(result[1, 1]), os.WNOHANG)


def test_nothing_to_fill() -> None:
    assert in_fork(lambda result: None, (0, 3)).shape == (0, 3)


def test_an_error_is_told() -> None:
    def work(result: np.ndarray) -> None:
        raise ValueError("it went wrong")

    with pytest.raises(ZooxStackError, match="ValueError: it went wrong"):
        in_fork(work, (1,))


def test_death_is_told() -> None:
    def work(result: np.ndarray) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(ZooxStackError, match="SIGKILL"):
        in_fork(work, (1,))
