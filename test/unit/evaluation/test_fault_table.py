"""The table of faults, the launch files made for them, the signals sent for them."""

from __future__ import annotations

import signal
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from zoox_stack.core import topics
from zoox_stack.core.errors import ConfigurationError
from zoox_stack.evaluation.fault_launch import BEFORE, FILES, launch_arguments, write_launch
from zoox_stack.evaluation.fault_process import ProcessFault
from zoox_stack.evaluation.fault_table import FAULTS, Fault, FaultKind, choose_faults
from zoox_stack.launching.evaluator import load_launch_file

LAUNCH = Path(__file__).resolve().parents[3] / "launch"


def test_every_kind_and_every_stage_is_in_the_table_once() -> None:
    names = [fault.name for fault in FAULTS]
    assert len(set(names)) == len(names)
    assert {fault.kind for fault in FAULTS} == set(FaultKind)
    for kind in (FaultKind.KILL, FaultKind.STALL):
        assert {f.node for f in FAULTS if f.kind is kind} == {"perception", "prediction", "planner", "supervisor"}
    assert all(fault.signs for fault in FAULTS if fault.kind is not FaultKind.NONE)


def test_choosing() -> None:
    assert choose_faults("all", lidar=True) == FAULTS
    assert set(FAULTS) - set(choose_faults("all", lidar=False)) == set(choose_faults("sweep_blind", lidar=True))
    assert [fault.name for fault in choose_faults("planner_stall, none", lidar=False)] == ["planner_stall", "none"]
    for wrong in ("planner_sleeps", "", ",", "sweep_blind"):
        with pytest.raises(ConfigurationError, match="--faults"):
            choose_faults(wrong, lidar=False)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_the_launch_files_of_every_fault_load(fault: Fault, tmp_path: Path) -> None:
    real = fault.with_sweep(topics.DETECTIONS)
    file = write_launch(LAUNCH, tmp_path, real, seed=3, ready_timeout=9.0)
    arguments = launch_arguments(real, "signal_grid", 3, 15.0, "none", tmp_path / "bag")
    processes = {p.name.rsplit("-", 1)[0]: p for p in load_launch_file(file, arguments).processes}
    remapped = {name for name, process in processes.items() if any(BEFORE in str(word) for word in process.command)}
    assert remapped == ({real.node} if real.of_messages else set())
    assert ("fault_injector" in processes) is real.of_messages
    assert all(BEFORE not in (LAUNCH / name).read_text() for name in FILES)


def test_the_sweep_is_what_makes_the_ticks(tmp_path: Path) -> None:
    (fault,) = choose_faults("sweep_nans", lidar=False)
    assert "dropped /sensing/lidar/points" in [sign.key for sign in fault.with_sweep(topics.LIDAR_POINTS).signs]
    file = write_launch(LAUNCH, tmp_path, fault.with_sweep(topics.DETECTIONS), seed=1, ready_timeout=9.0)
    injector = next(node for node in ET.parse(file).iter("node") if node.get("name") == "fault_injector")
    given = {param.get("name"): (param.get("value"), param.get("type")) for param in injector}
    assert given["topic"] == ("/perception/detections", "str")
    assert given["kind"] == ("nans", "str")


def hit(kind: FaultKind, pids: dict[float, int | None]) -> list[tuple[float, int, signal.Signals]]:
    """Signals sent while a drive goes on, with the process that is the node at each time."""
    sent: list[tuple[float, int, signal.Signals]] = []
    now = 0.0
    fault = ProcessFault(
        Fault("f", kind, "planner", begin=5.0, lasts=4.0), lambda: pids[now], lambda pid, s: sent.append((now, pid, s))
    )
    for now in pids:
        fault.at(now)
    fault.end()
    return sent


def test_signals_in_time() -> None:
    pids = {4.9: 1, 5.1: 1, 6.0: None, 7.0: 2, 9.1: 3, 10.0: 3}
    assert hit(FaultKind.KILL, pids) == [(5.1, 1, signal.SIGKILL)]
    assert hit(FaultKind.STALL, pids) == [(5.1, 1, signal.SIGSTOP), (9.1, 1, signal.SIGCONT)]
    assert hit(FaultKind.GONE, pids) == [(5.1, 1, signal.SIGKILL), (7.0, 2, signal.SIGKILL)]
    # A process that is not there yet is hit when it comes, and one that is stopped at the end goes on.
    assert hit(FaultKind.STALL, {5.1: None, 5.2: 7}) == [(5.2, 7, signal.SIGSTOP), (5.2, 7, signal.SIGCONT)]
