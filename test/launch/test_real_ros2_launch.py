"""Our runner and the real ``ros2 launch`` do the same with the same files. Skipped where there is no launch_ros."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("launch_ros", "launch_xml")),
    reason="launch_ros and launch_xml are not installed: nothing to compare with",
)

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "test" / "data" / "launch"
OURS = (
    "import argparse, sys; from zoox_stack.launching.cli import register; p = argparse.ArgumentParser();"
    "register(p.add_subparsers()); a = p.parse_args(['launch', *sys.argv[1:]]); sys.exit(a.func(a))"
)
# What `ros2 launch FILE name:=value …` does, without ros2cli.
REAL = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import AnyLaunchDescriptionSource
arguments = [tuple(word.split(":=", 1)) for word in sys.argv[2:]]
service = LaunchService(argv=sys.argv[2:], noninteractive=True)
source = AnyLaunchDescriptionSource(sys.argv[1])
service.include_launch_description(
    LaunchDescription([IncludeLaunchDescription(source, launch_arguments=arguments)]))
sys.exit(service.run())
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Environment with a package `shower` whose executable `show` tells how it was started."""
    prefix = tmp_path / "prefix"
    index = prefix / "share/ament_index/resource_index/packages"
    for folder in (index, prefix / "lib/shower", prefix / "share/shower"):
        folder.mkdir(parents=True)
    (index / "shower").touch()
    shutil.copy(DATA / "show", prefix / "lib/shower/show")
    real_share = Path(importlib.util.find_spec("launch").origin or "").parents[1]  # type: ignore[union-attr]
    before = os.environ.get("AMENT_PREFIX_PATH", f"{real_share}:{sys.prefix}")
    return os.environ | {
        "AMENT_PREFIX_PATH": f"{prefix}:{before}",
        "ROS_LOG_DIR": str(tmp_path / "log"),
        "OVERRIDE_LAUNCH_PROCESS_OUTPUT": "screen",
        "SHOW_OUTSIDE": "outside",
        "PYTHONUNBUFFERED": "1",
    }


def run(script: str, words: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script, *words],
        env=environment,
        text=True,
        capture_output=True,
        timeout=120,
        check=False,
    )


def parsed(word: str) -> Any:
    """Parameter files and ``name:=value`` by their meaning: True and true are the same to ROS."""
    if "ros__parameters" in word:
        return yaml.safe_load(word)
    name, assigned, value = word.partition(":=")
    return (name, yaml.safe_load(value)) if assigned else word


def shown(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """What each process told, by label; parameter files parsed."""
    found = {}
    for line in done.stdout.splitlines():
        match = re.match(r"\[([\w-]+-\d+)\] (\{.*\})$", line)
        if match:
            told = json.loads(match[2])
            told["arguments"] = [parsed(word) for word in told["arguments"]]
            found[match[1]] = told
    assert found, done.stdout + done.stderr
    return found


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("scoping", []),
        ("scoping", ["a:=from command line", "given:=1", "b:=outer b"]),
        ("conditions", []),
        ("conditions", ["yes:=0", "no:=1", "kind:=camera", "never:=x"]),
        ("text", []),
        ("text", ["spaced:=three more words", "empty:=x"]),
        ("environment", []),
        ("parameters", []),
        ("parameters", ["number:=4", "truth:=false", "words:=yes"]),
        ("namespaces", []),
    ],
)
def test_processes_are_started_alike(file: str, words: list[str], environment: dict[str, str]) -> None:
    path = str(DATA / f"{file}.launch.xml")
    ours, real = (shown(run(script, [path, *words], environment)) for script in (OURS, REAL))
    assert ours == real


@pytest.mark.parametrize(
    "content",
    [
        "<launch><nod pkg='shower' exec='show'/></launch>",
        "<launch><node pkg='shower' exec='show' nme='x'/></launch>",
        "<launch><node pkg='shower'/></launch>",
        "<launch><node pkg='shwer' exec='show'/></launch>",
        "<launch><node pkg='shower' exec='shw'/></launch>",
        "<launch><node pkg='shower' exec='show' name='1a'/></launch>",
        "<launch><arg name='x'/></launch>",
        "<launch><let name='x' value='$(var y)'/></launch>",
        "<launch><let name='x' value='$(env SHOW_NOT_SET)'/></launch>",
        "<launch><let name='x' value='$(va y)'/></launch>",
        "<launch><let name='x' value='$(var y'/></launch>",
        "<launch><let if='maybe' name='x' value='y'/></launch>",
        "<launch><let if='1' unless='1' name='x' value='y'/></launch>",
        "<launch><include file='missing.launch.xml'/></launch>",
        "<launch><node pkg='shower' exec='show'><param name='x' value='a' type='int'/></node></launch>",
        "<launch><node pkg='shower' exec='show'><param name='x'/></node></launch>",
        "<launch><group><let name='x' value='1'/></launch>",
        "<robot/>",
    ],
)
def test_both_refuse(content: str, environment: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "wrong.launch.xml"
    path.write_text(content)
    real, ours = (run(script, [str(path)], environment) for script in (REAL, OURS))
    assert real.returncode != 0, real.stdout + real.stderr
    assert ours.returncode == 2, ours.stdout + ours.stderr
    assert f"{path}:1: " in ours.stderr


@pytest.mark.parametrize("file", ["stack", "replay", "simulation", "demo"])
def test_real_launch_reads_our_launch_files(file: str, environment: dict[str, str]) -> None:
    script = """
import sys
from launch.frontend import Parser
entity, parser = Parser.load(sys.argv[1])
description = parser.parse_description(entity)
print(*sorted(argument.name for argument in description.get_launch_arguments()))
"""
    path = ROOT / "launch" / f"{file}.launch.xml"
    done = run(script, [str(path)], environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == sorted(re.findall(r'^  <arg name="(\w+)"', path.read_text(), re.MULTILINE))


@pytest.mark.parametrize(
    ("file", "words", "processes"),
    [
        ("stack", ["source:=lidar", "provider:=cpu", "model_dir:=/some where", "status:=1"], 5),
        ("replay", ["bag:=a.mcap", "rate:=2", "lockstep:=true", "source:=detections"], 6),
        ("replay", ["bag:=a b.mcap", "record:=out bag", "report:=r.jsonl"], 7),
        ("simulation", ["town:=village", "seed:=3", "duration:=7", "sensors:=none", "lockstep:=true"], 6),
        ("demo", ["out:=/tmp/demo", "provider:=cpu"], 7),
    ],
)
def test_our_launch_files_start_alike(
    file: str, words: list[str], processes: int, environment: dict[str, str], tmp_path: Path
) -> None:
    prefix = tmp_path / "prefix"
    (prefix / "share/ament_index/resource_index/packages/zoox_stack").touch()
    for folder in ("launch", "config"):
        shutil.copytree(ROOT / folder, prefix / "share/zoox_stack" / folder)
    (prefix / "lib/zoox_stack").mkdir()
    for node in ("perception", "prediction", "planner", "supervisor", "monitor"):
        shutil.copy(DATA / "show", prefix / "lib/zoox_stack" / node)
    # The end of replay or simulator ends the launch: they wait until the others have told how they were started.
    sources = [prefix / "lib/zoox_stack" / node for node in ("replay", "simulator")]
    wait = f"while test `ls $LAUNCH_TEST_MARKS | wc -l` -lt {processes - 1}; do sleep 0.05; done"
    for source in sources:
        source.write_text(f'#!/bin/sh\n{wait}\nexec {prefix}/lib/shower/show "$@"\n')
    recorder = prefix / "lib/zoox_stack/recorder"  # its end would end the launch too: it stays
    recorder.write_text(f'#!/bin/sh\n{prefix}/lib/shower/show "$@"\nexec sleep 1000\n')
    for script in (*sources, recorder):
        script.chmod(0o755)
    path = str(prefix / f"share/zoox_stack/launch/{file}.launch.xml")
    told = []
    for launcher in (OURS, REAL):
        marks = tmp_path / f"marks{len(told)}"
        marks.mkdir()
        done = run(launcher, [path, "respawn:=false", *words], environment | {"LAUNCH_TEST_MARKS": str(marks)})
        assert done.returncode == 0, done.stdout + done.stderr
        told.append(shown(done))
    assert len(told[0]) == processes
    assert told[0] == told[1]
