"""Simulated drives as bags: complete, repeatable, and readable when their making breaks off."""

from __future__ import annotations

import json
import multiprocessing
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("libsumo", reason="needs the simulation extra (libsumo)")

from zoox_stack.cli import main
from zoox_stack.core import topics
from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.plans import Route
from zoox_stack.logs.bag_reader import BagReader
from zoox_stack.logs.codec import decode
from zoox_stack.logs.drive import ROUTE_SPACING
from zoox_stack.simulation.log_jobs import write_logs
from zoox_stack.simulation.log_writer import LogPlan, write_log

TOWN = "roundabout"


def plan(out: Path, duration: float = 3.0, **more: object) -> LogPlan:
    return LogPlan(TOWN, 2, duration, out, warm_up=4.0, **more)  # type: ignore[arg-type]


def nothing(_: float) -> None:
    pass


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("logs") / "drive"
    result = write_log(plan(out), nothing)
    assert result.duration == pytest.approx(3.0)
    return out


def values(bag: Path, topic: topics.Topic) -> list[object]:
    with BagReader(bag) as reader:
        return [decode(message.type_name, message.data) for message in reader.messages({topic.name})]


def test_a_log_holds_everything(bag: Path) -> None:
    with BagReader(bag) as reader:
        counts = {name: topic.count for name, topic in reader.topics.items()}
        assert not reader.problems
    once, ticks = (topics.ROAD_NETWORK, topics.ROUTE), 30
    each = (
        topics.KINEMATIC_STATE, topics.GROUND_TRUTH_EGO, topics.TRAFFIC_SIGNALS, topics.GROUND_TRUTH, topics.DETECTIONS,
    )  # fmt: skip
    assert counts == {t.name: 1 for t in once} | {t.name: ticks for t in each}


def test_the_ego_moves_smoothly_along_its_route(bag: Path) -> None:
    egos = values(bag, topics.GROUND_TRUTH_EGO)
    (route,) = values(bag, topics.ROUTE)
    assert isinstance(route, Route)
    stamps = np.array([ego.stamp_ns for ego in egos])  # type: ignore[attr-defined]
    assert (np.diff(stamps) == 100_000_000).all()
    xy = np.array([(ego.x, ego.y) for ego in egos])  # type: ignore[attr-defined]
    speed = np.array([ego.speed for ego in egos])  # type: ignore[attr-defined]
    moved = np.hypot(*np.diff(xy, axis=0).T)
    assert moved.sum() > 1.0
    assert np.allclose(moved, (speed[1:] + speed[:-1]) / 2 * 0.1, atol=0.03)
    away = np.hypot(*(route.points[None, :, :2] - xy[:, None]).transpose(2, 0, 1)).min(axis=1)
    assert away.max() < 1.0 + ROUTE_SPACING


def test_ground_truth_and_detections_agree(bag: Path) -> None:
    for scene, seen in zip(values(bag, topics.GROUND_TRUTH), values(bag, topics.DETECTIONS), strict=True):
        assert isinstance(scene, TrackedAgents)
        assert isinstance(scene.ego, EgoState)
        assert len(scene)
        distance = np.hypot(*(scene.position[:, :2] - [scene.ego.x, scene.ego.y]).T)
        assert distance.max() < 105.0
        assert len(seen) == (distance <= 80.0).sum()  # type: ignore[arg-type]
    assert np.abs(scene.acceleration).max() > 0
    assert scene.attributes.any()


def test_the_same_seed_gives_the_same_bytes(bag: Path, tmp_path: Path) -> None:
    write_log(plan(tmp_path / "drive"), nothing)
    names = sorted(path.name for path in bag.iterdir())
    assert names == sorted(path.name for path in (tmp_path / "drive").iterdir())
    assert all((bag / name).read_bytes() == (tmp_path / "drive" / name).read_bytes() for name in names)


def test_with_sensors(tmp_path: Path) -> None:
    pytest.importorskip("open3d", reason="needs the simulation extra (open3d)")
    write_log(plan(tmp_path / "drive.mcap", 0.5, sensors="roof"), nothing)
    with BagReader(tmp_path / "drive.mcap") as reader:
        counts = {name: topic.count for name, topic in reader.topics.items()}
        order = [message.topic for message in reader.messages() if message.stamp_ns == reader.start_ns]
    assert counts[topics.LIDAR_POINTS.name] == 5
    assert counts[topics.CALIBRATION.name] == 1
    assert topics.DETECTIONS.name not in counts
    assert order[-1] == topics.LIDAR_POINTS.name


def test_a_killed_process_leaves_a_readable_log(tmp_path: Path) -> None:
    killed = []

    def kill_first(seconds: float) -> None:
        if seconds > 20 and not killed:
            (child,) = (c for c in multiprocessing.active_children() if c.name == "0")
            killed.append(child.pid)
            child.kill()

    plans = [plan(tmp_path / "long", 600.0), plan(tmp_path / "short", 1.0)]
    broken, whole = write_logs(plans, 1, kill_first)
    assert killed
    assert "SIGKILL" in broken.failure
    assert "broke off after" in broken.failure
    assert "kept and readable" in broken.note
    assert whole.failure == ""
    assert whole.duration == pytest.approx(1.0)
    with BagReader(tmp_path / "long") as reader:
        assert not reader.problems
        assert reader.message_count == broken.messages > 500
        assert reader.duration == pytest.approx(broken.duration)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["long", "short"]


def test_a_full_disk_leaves_a_readable_log(tmp_path: Path) -> None:
    out = tmp_path / "drive.mcap"
    command = [
        *(sys.executable, "-m", "zoox_stack.cli", "simulate", "--town", TOWN, "--seed", "2", "--duration", "600"),
        *("--no-sensors", "--json", "--out", str(out)),
    ]
    limited = ["bash", "-c", f"ulimit -f 600 && exec {shlex.join(command)}"]  # no file may exceed 600 KiB
    done = subprocess.run(limited, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1, done.stderr
    (log,) = json.loads(done.stdout)["logs"]
    assert "too large" in log["failure"]
    assert log["duration_s"] > 3.0
    with BagReader(out) as reader:
        assert reader.message_count == log["messages"]
    assert [path.name for path in tmp_path.iterdir()] == ["drive.mcap"]


def test_ctrl_c_says_what_was_kept(tmp_path: Path) -> None:
    out = tmp_path / "drive"
    command = [
        *(sys.executable, "-X", "faulthandler", "-m", "zoox_stack.cli", "simulate", "--town", TOWN, "--seed", "2"),
        *("--duration", "6000", "--sensors", "none", "--out", str(out)),
    ]
    hears = ["env", "--default-signal=INT"]  # a background job of a shell ignores it, and so would its children
    running = subprocess.Popen(
        [*hears, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    while not (out.is_dir() and sum(path.stat().st_size for path in out.iterdir()) > 300_000):
        assert running.poll() is None
        time.sleep(0.1)
    os.killpg(running.pid, signal.SIGINT)
    try:
        told, complaints = running.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, signal.SIGABRT)  # has every process say where it is
        pytest.fail(running.communicate()[1])
    assert running.returncode == 130, complaints
    assert "interrupted" in complaints
    assert "kept and readable" in complaints
    assert "broke off" in told
    with BagReader(out) as reader:
        assert reader.message_count
        assert not reader.problems


def test_nothing_recorded_leaves_nothing(tmp_path: Path) -> None:
    (outcome,) = write_logs([LogPlan(TOWN, 2, 1.0, tmp_path / "no" / "bag", sensors="no such rig", warm_up=2.0)], 1)
    assert "no such rig" in outcome.failure
    assert outcome.note == "nothing was recorded"
    assert not (tmp_path / "no" / "bag").exists()


def test_an_existing_bag_is_not_touched(bag: Path) -> None:
    with pytest.raises(InvalidInputError, match="a new bag"):
        write_logs([plan(bag)], 1)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--town", "atlantis", "--out", "x"], "atlantis"),
        (["--out", "x"], "--town"),
        (["--town", TOWN], "--out"),
        (["--town", TOWN, "--out", "x", "--duration", "0"], "--duration"),
        (["--town", TOWN, "--out", "x", "--duration", "nan"], "--duration"),
        (["--town", TOWN, "--out", "x", "--jobs", "0"], "--jobs"),
        (["--town", TOWN, "--out", "x", "--sensors", "eyes"], "eyes"),
        (["--town", TOWN, "--out", "/", "--no-sensors"], "a new bag"),
        (["counterfactual", "--town", "atlantis", "--out", "x"], "atlantis"),
        (["counterfactual", "--town", TOWN, "--out", "x", "--plans", "1"], "--plans"),
        (["counterfactual", "--town", TOWN, "--out", "/", "--scenes", "1"], "Choose another name"),
    ],
)
def test_wrong_arguments(
    words: list[str], text: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["simulate", *words]) == 2
    assert text in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_command_records_several(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--town", TOWN, "--seed", "3", "--count", "2", "--duration", "0.5", "--warm-up", "2", "--no-sensors"]
    assert main(["simulate", *words, "--out", str(tmp_path / "logs"), "--jobs", "2", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [log["seed"] for log in answer["logs"]] == [3, 4]
    assert {path.name for path in (tmp_path / "logs").iterdir()} == {f"{TOWN}_3", f"{TOWN}_4"}
    assert all(log["duration_s"] == 0.5 and not log["failure"] for log in answer["logs"])
