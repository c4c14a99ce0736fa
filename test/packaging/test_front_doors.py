"""Both front doors lead to nodes that run, messages that travel and files that are found."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow_build

ROOT = Path(__file__).resolve().parents[2]
NODES = sorted(f.name for f in (ROOT / "scripts" / "nodes").iterdir())

ROUND_TRIP = """
import rclpy
from zoox_stack.msg import TrackedAgent, TrackedAgents
from zoox_stack.srv import WhatIf
import zoox_stack.core, zoox_stack.msg

rclpy.init()
node = rclpy.create_node("round_trip")
received = []
node.create_subscription(TrackedAgents, "agents", received.append, 1)
publisher = node.create_publisher(TrackedAgents, "agents", 1)
node.create_service(WhatIf, "what_if", lambda request, response: response)
client = node.create_client(WhatIf, "what_if")
assert client.wait_for_service(10.0)
answer = client.call_async(WhatIf.Request())
for _ in range(100):
    publisher.publish(TrackedAgents(agents=[TrackedAgent(id=7)]))
    rclpy.spin_once(node, timeout_sec=0.1)
    if received and answer.done():
        break
print(received[0].agents[0].id, answer.done(), zoox_stack.msg.__file__, zoox_stack.core.__file__)
rclpy.shutdown()
"""


@pytest.fixture(params=["colcon_door", "pip_door"])
def door(request: pytest.FixtureRequest) -> Any:
    """Each of the two installations."""
    return request.getfixturevalue(request.param)


def test_messages_and_services_travel(door: Any, tmp_path: Path) -> None:
    script = tmp_path / "round_trip.py"
    script.write_text(ROUND_TRIP)
    environment = {**door.environment, "ROS_DOMAIN_ID": "91"}
    done = subprocess.run(
        [door.python, script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    agent, answered, messages, core = done.stdout.split()
    assert (agent, answered) == ("7", "True")
    # Generated and hand-written code both come from this door, not from the source tree.
    assert Path(messages).is_relative_to(door.prefix)
    assert Path(core).is_relative_to(door.prefix)


@pytest.mark.parametrize("node", NODES)
def test_every_node_is_an_executable(door: Any, node: str) -> None:
    assert door.nodes.joinpath(node).stat().st_mode & 0o111


def test_a_node_starts_and_stops(door: Any, tmp_path: Path) -> None:
    """Started by path, without an activated environment; Ctrl-C ends it with exit code 0."""
    log = tmp_path / "log"
    environment = {**door.environment, "ROS_DOMAIN_ID": "92"}
    with log.open("w") as output:
        node = subprocess.Popen(
            [door.nodes / "monitor"], cwd=tmp_path, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            # Up as soon as it has joined the DDS domain: its shared library is mapped and its threads run.
            deadline = time.monotonic() + 60.0
            while node.poll() is None and time.monotonic() < deadline:
                if len(list(Path(f"/proc/{node.pid}/task").iterdir())) >= 4:
                    break
                time.sleep(0.1)
            time.sleep(1.0)
            assert node.poll() is None, log.read_text()
            node.send_signal(signal.SIGINT)
            assert node.wait(timeout=20) == 0, log.read_text()
        finally:
            node.kill()
            node.wait()


@pytest.mark.parametrize("folder", ["launch", "config"])
def test_shared_files_are_installed(door: Any, tree: Path, folder: str) -> None:
    expected = {f.relative_to(tree) for f in (tree / folder).rglob("*") if f.is_file()}
    share = door.prefix / "share" / "zoox_stack"
    assert {f.relative_to(share) for f in (share / folder).rglob("*") if f.is_file()} == expected


def test_the_ament_index_knows_the_package(door: Any) -> None:
    assert (door.prefix / "share/ament_index/resource_index/packages/zoox_stack").exists()


def test_every_source_file_is_installed(door: Any, tree: Path) -> None:
    """Python files and package data (models, templates, maps) are the same behind both doors."""
    (package,) = (f.parent.parent for f in door.prefix.glob("lib/python*/site-packages/zoox_stack/msg/__init__.py"))
    expected = {f.relative_to(tree / "zoox_stack") for f in (tree / "zoox_stack").rglob("*") if f.is_file()}
    missing = {str(f) for f in expected if not (package / f).is_file()}
    assert not missing
    assert (package / "__init__.py").read_text().strip() == ""


def test_the_command_of_the_pip_door(pip_door: Any, tmp_path: Path) -> None:
    done = subprocess.run(
        [pip_door.prefix / "bin" / "zoox-stack", "--help"],
        cwd=tmp_path,
        env=pip_door.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "demo" in done.stdout
