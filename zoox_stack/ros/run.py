"""Runs one node as a process: start, spin, end with an exit code."""

from __future__ import annotations

import gc
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor

from zoox_stack.core.errors import ZooxStackError
from zoox_stack.ros.node import StackNode
from zoox_stack.ros.transport import prepare_transport

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_WRONG_CONFIGURATION = 2


def run_node(make: Callable[[], StackNode[Any]], args: list[str] | None = None) -> int:
    """Run a node until SIGINT or SIGTERM, or until it sets ``done``.

    The single-threaded executor is chosen on purpose: callbacks run one after the other in a fixed order, which
    lock-step replays rely on. (The experimental EventsExecutor of rclpy 7.1 gives callbacks no message info, knows no
    guard conditions and does not return on SIGTERM.)

    Args:
        make: Makes the node; may raise ZooxStackError.
        args: Command line; default that of the process.

    Returns:
        0 after a signal or when done, 2 if a parameter, model or file is wrong.
    """
    prepare_transport()
    # rclpy's handlers end the context and then call these; without them SIGINT would break into the middle of a tick.
    signal.signal(signal.SIGINT, _ignore)
    rclpy.init(args=args)
    node: StackNode[Any] | None = None
    try:
        node = make()
        return _spin(node)
    except ZooxStackError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return EXIT_WRONG_CONFIGURATION
    except Exception:
        if rclpy.ok():
            raise
        return EXIT_OK  # a signal during start-up took the context away
    finally:
        if node is not None:
            node.close()
        rclpy.try_shutdown()


def _spin(node: StackNode[Any]) -> int:
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    # What exists now stays: later collections need not look at it.
    gc.collect()
    gc.freeze()
    while rclpy.ok() and not node.done:
        try:
            executor.spin_once(node.work())
        except ExternalShutdownException:
            break
        except Exception as error:  # noqa: BLE001 - a request or message that cannot be unpacked must not end the node
            if not rclpy.ok():
                break
            node.drop_bad("executor", f"{type(error).__name__}: {error}")
            time.sleep(0.001)
    return node.exit_code


def _ignore(_signal: int, _frame: Any) -> None:
    """Do nothing."""
