"""``zoox-stack doctor``: each check with made-up machines, and all of them on this one."""

from __future__ import annotations

import argparse
import importlib.util
import io
import json
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from zoox_stack.doctor import libraries, ros, system
from zoox_stack.doctor.checks import CHECKS, run_checks
from zoox_stack.doctor.cli import register, show
from zoox_stack.doctor.finding import Finding, Status, fail, ok, warn
from zoox_stack.doctor.tiny_model import tiny_model

Usage = namedtuple("Usage", "total used free")
CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
INDEX = "share/ament_index/resource_index/packages"


def with_rclpy(prefix: Path) -> Path:
    (prefix / INDEX).mkdir(parents=True)
    (prefix / INDEX / "rclpy").touch()
    return prefix


def assert_fixed(findings: Finding | list[Finding]) -> None:
    """Whatever is not right has a fix."""
    for finding in [findings] if isinstance(findings, Finding) else findings:
        assert finding.finding
        assert (finding.status is Status.OK) == (not finding.fix), finding


# System


@pytest.mark.parametrize(
    ("version", "status"), [((3, 10, 9), "fail"), ((3, 11, 0), "ok"), ((3, 12, 4), "ok"), ((3, 13, 0), "fail")]
)
def test_python(version: tuple[int, int, int], status: str) -> None:
    finding = system.check_python(version)
    assert finding.status == status
    assert_fixed(finding)


@pytest.mark.parametrize(
    ("cores", "governor", "status"),
    [(1, "performance", "warn"), (2, "performance", "ok"), (8, "powersave", "warn"), (8, None, "ok")],
)
def test_processor(
    cores: int, governor: str | None, status: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _pid: set(range(cores)))
    if governor:
        (tmp_path / "cpufreq").mkdir()
        (tmp_path / "cpufreq/scaling_governor").write_text(f"{governor}\n")
    finding = system.check_processor(tmp_path)
    assert finding.status == status
    assert (governor or "not known") in finding.finding
    assert_fixed(finding)


@pytest.mark.parametrize(("free", "status"), [(1e8, "fail"), (1e9, "warn"), (1e11, "ok")])
def test_disk(free: float, status: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(2 * free, free, free))
    finding = system.check_disk(tmp_path)
    assert finding.status == status
    assert_fixed(finding)


@pytest.mark.parametrize(
    ("receive", "send", "status", "part"),
    [
        (212992, 212992, "warn", "rmem_max=4194304 net.core.wmem_max=4194304"),
        (1 << 23, 212992, "warn", "-w net.core.wmem_max"),
        (1 << 23, 1 << 22, "ok", ""),
        (None, None, "warn", "host"),
    ],
)
def test_socket_buffers(receive: int | None, send: int | None, status: str, part: str, tmp_path: Path) -> None:
    for name, value in (("rmem_max", receive), ("wmem_max", send)):
        if value is not None:
            (tmp_path / name).write_text(f"{value}\n")
    finding = system.check_socket_buffers(tmp_path)
    assert finding.status == status
    assert part in finding.fix
    assert_fixed(finding)


@pytest.mark.parametrize(("free", "status"), [(1 << 20, "warn"), (1 << 30, "ok")])
def test_shared_memory(free: int, status: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(free, 0, free))
    finding = system.check_shared_memory(tmp_path)
    assert finding.status == status
    assert_fixed(finding)


def test_no_shared_memory(tmp_path: Path) -> None:
    assert system.check_shared_memory(tmp_path / "none").status is Status.WARN


def test_a_clock_set_in_steps_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([100.0, 100.7])
    monkeypatch.setattr("time.time", lambda: next(times))
    finding = system.check_clock()
    assert finding.status is Status.WARN
    assert_fixed(finding)


@pytest.mark.parametrize(
    ("answer", "text"),
    [("yes\n", "synchronised"), ("no\n", "not synchronised"), ("", "not known"), (None, "not known")],
)
def test_clock_synchronisation(answer: str | None, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "_CLOCK_TOLERANCE", 1e9)
    monkeypatch.setattr(shutil, "which", lambda _: None if answer is None else "/bin/timedatectl")
    monkeypatch.setattr(
        subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 0, stdout=answer, stderr="")
    )
    finding = system.check_clock()
    assert text in finding.finding
    assert (finding.status is Status.WARN) == (answer == "no\n")


@pytest.mark.parametrize(
    ("broken", "status"), [((), "ok"), (("239.255.0.1",), "warn"), (("127.0.0.1", "239.255.0.1"), "fail")]
)
def test_network(broken: tuple[str, ...], status: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def exchange(address: str) -> None:
        if address in broken:
            raise TimeoutError("timed out")

    monkeypatch.setattr(system, "_exchange", exchange)
    finding = system.check_network()
    assert finding.status == status
    assert_fixed(finding)


def test_datagrams_over_loopback_arrive() -> None:
    system._exchange("127.0.0.1")


# Libraries


def test_tiny_model_computes() -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(tiny_model(), providers=[CPU])
    (value,) = session.run(None, {"x": __import__("numpy").float32([2.25])})
    assert value.tolist() == [4.5]


def test_loaded_providers_are_those_of_the_session() -> None:
    pytest.importorskip("onnxruntime")
    assert libraries.loaded_providers(CPU) == [CPU]


@pytest.mark.parametrize(
    ("found", "status"),
    [
        ({}, "fail"),
        ({"onnxruntime": "1"}, "ok"),
        ({"onnxruntime-gpu": "1"}, "ok"),
        ({"onnxruntime": "1", "onnxruntime-gpu": "1"}, "fail"),
    ],
)
def test_onnxruntime(found: dict[str, str], status: str) -> None:
    finding = libraries.check_onnxruntime(found)
    assert finding.status == status
    assert_fixed(finding)


def raising(_wanted: str) -> list[str]:
    raise RuntimeError("libcudart.so.13:\ncannot open")


@pytest.mark.parametrize(
    ("available", "loaded", "has_gpu", "expected"),
    [
        ([CUDA, CPU], [CUDA, CPU], True, ["ok", "ok"]),
        ([CUDA, CPU], [CPU], True, ["ok", "warn"]),  # ONNX Runtime fell back without a word
        ([CPU], [CPU], True, ["ok", "warn"]),
        ([CUDA, CPU], [CPU], False, ["ok", "ok"]),
    ],
)
def test_providers(available: list[str], loaded: list[str], has_gpu: bool, expected: list[str]) -> None:
    findings = libraries.check_providers(available, lambda _: loaded, has_gpu=has_gpu)
    assert [f.status for f in findings] == expected
    assert_fixed(findings)


def test_providers_that_raise() -> None:
    (finding,) = libraries.check_providers([CPU], raising, has_gpu=False)
    assert finding.status is Status.FAIL
    _, cuda = libraries.check_providers(
        [CUDA, CPU], lambda wanted: raising(wanted) if wanted == CUDA else [CPU], has_gpu=True
    )
    assert cuda.status is Status.WARN
    assert "libcudart.so.13: cannot open" in cuda.finding


def test_models(tmp_path: Path) -> None:
    assert libraries.check_models(tmp_path).status is Status.FAIL
    for name in libraries.MODEL_FILES:
        (tmp_path / name).write_bytes(b"version https://git-lfs")
    assert "git lfs pull" in libraries.check_models(tmp_path).fix
    for name in libraries.MODEL_FILES:
        (tmp_path / name).write_bytes(b"x" * 5000)
    assert libraries.check_models(tmp_path).status is Status.OK


def test_model_names_are_those_of_prediction() -> None:
    pytest.importorskip("onnxruntime")
    network = pytest.importorskip("zoox_stack.prediction.network")
    assert libraries.MODEL_FILES == (network.ENCODER_FILE, network.DECODER_FILE)


@pytest.mark.parametrize(
    ("error", "status", "fix"),
    [
        ("", "ok", ""),
        (
            "ImportError: libGL.so.1: cannot open shared object file: No such file",
            "fail",
            "sudo apt-get install libgl1",
        ),
        ("OSError: libodd.so.4: cannot open shared object file: No such file", "fail", "install libodd.so.4"),
        ("ModuleNotFoundError: No module named 'open3d'", "fail", "pip install open3d-cpu"),
        ("Segmentation fault", "fail", "pip install --force-reinstall open3d-cpu"),
    ],
)
def test_imports(error: str, status: str, fix: str) -> None:
    finding = libraries.check_import("Open3D", "open3d", "open3d-cpu", lambda _: ("" if error else "0.20", error))
    assert finding.status == status
    assert fix in finding.fix
    assert_fixed(finding)


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        ("", "ok", ""),
        ("ModuleNotFoundError: No module named 'libsumo'", "warn", "not installed: no simulation"),
        ("Segmentation fault", "fail", "cannot be imported: Segmentation fault"),
    ],
)
def test_optional_libraries(error: str, status: str, text: str) -> None:
    finding = libraries.check_optional(
        "SUMO", "libsumo", "simulation", "simulation", "libsumo", lambda _: ("" if error else "1.28", error)
    )
    assert finding.status == status
    assert text in finding.finding
    assert_fixed(finding)
    if status == "warn":
        assert "zoox_stack[simulation]" in finding.fix


def test_import_error_tells_version_or_error() -> None:
    assert libraries.import_error("json") == (json.__version__, "")
    version, error = libraries.import_error("no_such_module_here")
    assert version == ""
    assert "No module named 'no_such_module_here'" in error


def test_two_opencvs() -> None:
    finding = libraries.check_opencv({"opencv-python": "5", "opencv-python-headless": "5"}, lambda _: ("5", ""))
    assert finding.status is Status.WARN
    assert_fixed(finding)
    assert libraries.check_opencv({"opencv-python": "5"}, lambda _: ("5", "")).status is Status.OK


# ROS 2


def test_ros_installation(tmp_path: Path) -> None:
    wheels, other, empty = with_rclpy(tmp_path / "venv"), with_rclpy(tmp_path / "jazzy"), tmp_path / "empty"
    sourced = {"AMENT_PREFIX_PATH": str(other), "ROS_DISTRO": "jazzy"}
    cases: list[tuple[dict[str, str], Path, str, str]] = [
        ({}, empty, "fail", "neither"),
        ({}, wheels, "ok", "wheels in"),
        (sourced, empty, "ok", f"sourced from {other}"),
        (sourced, wheels, "warn", "and wheels in"),
        (sourced | {"ROS_DISTRO": "humble"}, empty, "fail", "humble"),
        ({"AMENT_PREFIX_PATH": str(wheels)}, wheels, "ok", "wheels in"),
        ({"_ROS_WHEELS_BOOTSTRAP_COMPLETE": "1", "LD_LIBRARY_PATH": "/else"}, wheels, "fail", "another Python"),
        ({"_ROS_WHEELS_BOOTSTRAP_COMPLETE": "1", "LD_LIBRARY_PATH": f"{wheels}/lib"}, wheels, "ok", "wheels in"),
    ]
    for environment, prefix, status, text in cases:
        finding = ros.check_installation(environment, prefix)
        assert (finding.status, text in finding.finding) == (status, True), finding
        assert_fixed(finding)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, ["ok", "ok"]),
        ({"ROS_DOMAIN_ID": "7", "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}, ["ok", "ok"]),
        ({"ROS_DOMAIN_ID": "150"}, ["warn", "ok"]),
        ({"ROS_DOMAIN_ID": "233"}, ["fail", "ok"]),
        ({"ROS_DOMAIN_ID": "-1"}, ["fail", "ok"]),
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "OFF"}, ["ok", "fail"]),
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCAL"}, ["ok", "fail"]),
        ({"ROS_LOCALHOST_ONLY": "1"}, ["ok", "warn"]),
    ],
)
def test_domain(environment: dict[str, str], expected: list[str]) -> None:
    findings = ros.check_domain(environment)
    assert [f.status for f in findings] == expected
    assert_fixed(findings)


GOOD = {
    "rclpy_path": "/p/rclpy", "rclpy_error": "", "rmw": "rmw_x", "rmw_library": "/l.so", "rmw_error": "",
    "message_count": 15, "message_errors": {},
}  # fmt: skip


@pytest.mark.parametrize(
    ("probe", "expected"),
    [
        (GOOD, {"rclpy": "ok", "Middleware": "ok", "Messages": "ok"}),
        (GOOD | {"rclpy_error": "no librcl.so"}, {"rclpy": "fail"}),
        (GOOD | {"rmw_error": "no librmw_x.so"}, {"rclpy": "ok", "Middleware": "fail", "Messages": "ok"}),
        (GOOD | {"message_count": 0}, {"rclpy": "ok", "Middleware": "ok", "Messages": "fail"}),
        (GOOD | {"message_errors": {"msg/A": "gone"}}, {"rclpy": "ok", "Middleware": "ok", "Messages": "fail"}),
        ({"crash": "exit code -11: no output"}, {"rclpy": "fail"}),
        ({"crash": "exit code 102: Expected RMW implementation identifier of 'x'"}, {"Middleware": "fail"}),
    ],
)
def test_runtime(probe: dict[str, Any], expected: dict[str, str]) -> None:
    findings = ros.check_runtime(probe)
    assert {f.check: f.status for f in findings} == expected
    assert_fixed(findings)


def test_probe_that_ends_without_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    done = subprocess.CompletedProcess([], 102, stdout="", stderr="first\nlast line\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    assert ros.run_probe() == {"crash": "exit code 102: last line"}


@pytest.mark.skipif(importlib.util.find_spec("rclpy") is None, reason="no ROS 2 here")
def test_probe_of_this_machine() -> None:
    probe = ros.run_probe()
    assert probe["rclpy_error"] == ""
    assert probe["rmw"].startswith("rmw_")


@pytest.mark.skipif(importlib.util.find_spec("rclpy") is None, reason="no ROS 2 here")
def test_probe_of_a_middleware_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RMW_IMPLEMENTATION", "rmw_nonsense")
    findings = {f.check: f for f in ros.check_runtime(ros.run_probe())}
    assert findings["Middleware"].status is Status.FAIL
    assert "unset RMW_IMPLEMENTATION" in findings["Middleware"].fix


# The command


def test_a_check_that_breaks_is_a_finding_and_the_others_go_on() -> None:
    def broken() -> Finding:
        raise KeyError("surprise")

    findings = list(run_checks({"A": broken, "B": lambda: [ok("B", "fine"), warn("C", "so so", "try")]}))
    assert [(f.check, f.status) for f in findings] == [("A", "fail"), ("B", "ok"), ("C", "warn")]
    assert "surprise" in findings[0].finding


def test_table_shows_all_and_counts() -> None:
    text = io.StringIO()
    findings = [ok("A", "fine"), warn("B", "[brackets] stay", "try [this]"), fail("C", "bad", "mend")]
    show(findings, Console(file=text, width=100))
    for part in ("fine", "[brackets] stay", "→ try [this]", "→ mend", "1 ok, 1 warn, 1 fail"):
        assert part in text.getvalue()


@pytest.mark.parametrize(("findings", "code"), [([ok("A", "x"), warn("B", "y", "z")], 0), ([fail("A", "x", "y")], 1)])
def test_command(
    findings: list[Finding], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("zoox_stack.doctor.cli.run_checks", lambda: iter(findings))
    parser = argparse.ArgumentParser()
    register(parser.add_subparsers())
    args = parser.parse_args(["doctor", "--json"])
    assert args.func(args) == code
    assert json.loads(capsys.readouterr().out) == [
        {"check": f.check, "status": f.status.value, "finding": f.finding, "fix": f.fix} for f in findings
    ]


def test_checks_without_imports_run_here() -> None:
    quick = {"Python", "ROS 2", "Domain", "Processor", "Disk", "Shared memory", "Socket buffers", "Clock", "Network"}
    assert quick <= CHECKS.keys()
    findings = list(run_checks({name: CHECKS[name] for name in quick}))
    assert len(findings) >= len(quick)
    assert not [f for f in findings if "this check broke" in f.finding]
    assert_fixed(findings)
    assert str(sys.executable) in next(f.finding for f in findings if f.check == "Python")
