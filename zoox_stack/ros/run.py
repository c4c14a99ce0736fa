"""Runs one node as a process: start, spin, end with an exit code."""

from __future__ import annotations

import gc
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import rclpy
from rclpy.executors import Executor, ExternalShutdownException, SingleThreadedExecutor

from zoox_stack.core.errors import ZooxStackError
from zoox_stack.ros.node import StackNode
from zoox_stack.ros.transport import prepare_transport

_LOOK = 0.1  # [s] between looks whether a signal came
EXIT_OK = 0
EXIT_FAILED = 1
EXIT_WRONG_CONFIGURATION = 2


def run_node(make: Callable[[], StackNode[Any]], args: list[str] | None = None) -> int:
    """Run a node until SIGINT or SIGTERM, or until it sets ``done``.

    Args:
        make: Makes the node; may raise ZooxStackError.
        args: Command line; default that of the process.

    Returns:
        0 after a signal or when done, 2 if a parameter, model or file is wrong.
    """
    prepare_transport()
    # rclpy's handlers end the context and then call these; without them SIGINT would break into the middle of a tick.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _ignore)
    rclpy.init(args=args)
    node: StackNode[Any] | None = None
    try:
        node = make()
        _spin(node)
    except ZooxStackError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return EXIT_WRONG_CONFIGURATION
    except Exception:
        if rclpy.ok():
            raise
        # a signal during start-up took the context away
    finally:
        if node is not None:
            node.close()
            node.destroy_node()
        rclpy.try_shutdown()
    return EXIT_OK if node is None else node.exit_code


def make_executor() -> Executor:
    """The executor of all nodes: one thread, callbacks one after the other in the order in which their events came.

    rclpy's EventsExecutor needs 0.3 ms per event where SingleThreadedExecutor needs 1.2 ms (measured on two busy
    cores), and a tick crosses the processes seven times. It is experimental: it gives callbacks no message info, knows
    no guard conditions and does not wake up on signals. The nodes do without the first two, `_spin` looks up often
    enough for the third. Where rclpy has none (before 7.1.4) SingleThreadedExecutor does the same, slower.
    """
    try:
        from rclpy.experimental import EventsExecutor
    except ImportError:
        return SingleThreadedExecutor()
    return EventsExecutor()


def _spin(node: StackNode[Any]) -> None:
    executor = make_executor()
    executor.add_node(node)
    # What exists now stays: later collections need not look at it.
    gc.collect()
    gc.freeze()
    while rclpy.ok() and not node.done:
        try:
            wanted = node.work()
            executor.spin_once(_LOOK if wanted is None else min(wanted, _LOOK))
        except ExternalShutdownException:
            break
        except Exception as error:  # noqa: BLE001 - a request or message that cannot be unpacked must not end the node
            if not rclpy.ok():
                break
            node.drop_bad("executor", f"{type(error).__name__}: {error}")
            time.sleep(0.001)
    executor.remove_node(node)
    executor.shutdown()


def _ignore(_signal: int, _frame: Any) -> None:
    """Do nothing."""
