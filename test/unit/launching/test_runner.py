"""Launches of real processes: exit codes, output, respawn, signals, and that nothing survives."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import pytest

from zoox_stack.launching.evaluator import load_launch_file
from zoox_stack.launching.runner import RunningLaunch

WriteLaunch = Callable[[str], Path]
Launch = Callable[..., Any]  # returns conftest.Launched


def shell(script: str, **attributes: str) -> str:
    """An <executable> that runs a shell script."""
    quoted = "'" + script.replace("'", "'\\''").replace("\\", "\\\\").replace("$(", "\\$(") + "'"
    given = {"name": "job", "output": "screen"} | attributes
    return f"<executable cmd={quoteattr('sh -c ' + quoted)} " + " ".join(f'{k}="{v}"' for k, v in given.items()) + "/>"


def waiting(pid_file: Path, before: str = "") -> str:
    """Script of a process that tells its id and waits until it is signalled."""
    return f"{before} echo $$ > {pid_file}.new; mv {pid_file}.new {pid_file}; while :; do sleep 0.05; done"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (shell("exit 0"), 0),
        (shell("exit 3"), 1),
        (shell("kill -9 $$"), 1),
        (shell("exit 0", on_exit="shutdown"), 0),
        (shell("exit 3", on_exit="shutdown"), 1),
        (shell("exit 3", respawn="true", respawn_max_retries="1"), 1),
        (shell("exit 0") + shell("exit 1"), 1),
        ("", 0),
        ("<executable cmd='/no/such/program'/>", 1),
    ],
)
def test_exit_code(content: str, code: int, launch_file: WriteLaunch, launch: Launch) -> None:
    assert launch(launch_file(content)).wait() == code


def test_errors_of_the_launch_file_end_with_2(launch_file: WriteLaunch, launch: Launch) -> None:
    path = launch_file("<nod/>")
    launched = launch(path)
    assert launched.wait() == 2
    assert launched.text.startswith(f"zoox-stack launch: {path}:2: <launch> cannot hold <nod>")
    assert "Traceback" not in launched.text


def test_unknown_argument_ends_with_2(launch_file: WriteLaunch, launch: Launch) -> None:
    launched = launch(launch_file("<arg name='rate' default='1'/>"), "rtae:=2")
    assert launched.wait() == 2
    assert "did you mean rate?" in launched.text


def test_a_process_that_cannot_be_started_is_named_with_its_place(launch_file: WriteLaunch, launch: Launch) -> None:
    path = launch_file("<executable cmd='/no/such/program' name='ghost'/>")
    launched = launch(path)
    assert launched.wait() == 1
    assert f"[ERROR] [ghost-1]: {path}:2: cannot be started" in launched.text


def test_output_is_labelled_line_by_line(launch_file: WriteLaunch, launch: Launch) -> None:
    launched = launch(launch_file(shell("echo one; echo two >&2; printf rest", name="talker")))
    assert launched.wait() == 0
    lines = launched.text.splitlines()
    assert "[INFO] [talker-1]: process started with pid" in lines[0]
    assert {"[talker-1] one", "[talker-1] two", "[talker-1] rest"} <= set(lines)
    assert "process has finished cleanly" in lines[-1]


def test_output_to_the_log(launch_file: WriteLaunch, launch: Launch, tmp_path: Path) -> None:
    launched = launch(launch_file(shell("echo quiet; echo loud >&2", output="log")))
    assert launched.wait() == 0
    assert "[job-1] loud" in launched.text
    assert "[job-1] quiet" not in launched.text
    (log,) = (tmp_path / "log").glob("*/launch.log")
    assert {"[job-1] quiet", "[job-1] loud"} <= set(log.read_text().splitlines())
    assert str(log) in launched.text


def test_much_output_arrives_whole(launch_file: WriteLaunch, launch: Launch) -> None:
    launched = launch(launch_file(shell("seq 20000")))
    assert launched.wait() == 0
    assert [line[8:] for line in launched.text.splitlines() if line.startswith("[job-1] ")] == [
        str(n) for n in range(1, 20001)
    ]


def test_environment_and_directory(
    launch_file: WriteLaunch, launch: Launch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_GONE", "1")
    script = shell("echo $TEST_HERE ${TEST_GONE-unset} `pwd`", cwd=str(tmp_path))
    launched = launch(launch_file(f"<set_env name='TEST_HERE' value='set'/><unset_env name='TEST_GONE'/>{script}"))
    assert launched.wait() == 0
    assert f"[job-1] set unset {tmp_path}" in launched.text


def test_respawn_waits_its_delay(launch_file: WriteLaunch, launch: Launch, tmp_path: Path) -> None:
    times = tmp_path / "times"
    script = shell(f"date +%s.%N >> {times}; exit 1", respawn="true", respawn_delay="0.3", respawn_max_retries="2")
    assert launch(launch_file(script)).wait() == 1
    stamps = [float(line) for line in times.read_text().split()]
    assert len(stamps) == 3
    assert min(b - a for a, b in pairwise(stamps)) >= 0.3


def test_respawn_after_sigkill_and_orderly_end(
    launch_file: WriteLaunch, launch: Launch, tmp_path: Path, tools: Any
) -> None:
    pid_file = tmp_path / "pid"
    launched = launch(launch_file(shell(waiting(pid_file), respawn="true")))
    first = tools.read_pid(pid_file)
    pid_file.unlink()
    os.kill(first, signal.SIGKILL)
    second = tools.read_pid(pid_file)
    assert second != first
    launched.popen.send_signal(signal.SIGINT)
    assert launched.wait() == 0
    assert not tools.is_alive(second)
    assert "process has died" in launched.text
    assert "sending signal 'SIGINT' to process[job-1]" in launched.text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_begin_an_orderly_end(
    number: signal.Signals, launch_file: WriteLaunch, launch: Launch, tmp_path: Path, tools: Any
) -> None:
    pid_file = tmp_path / "pid"
    script = waiting(pid_file, "trap 'echo cleaning up; exit 0' INT;")
    launched = launch(launch_file(shell(script)))
    tools.read_pid(pid_file)
    launched.popen.send_signal(number)
    assert launched.wait() == 0
    assert "[job-1] cleaning up" in launched.text


def test_escalates_to_sigterm_then_sigkill(
    launch_file: WriteLaunch, launch: Launch, tmp_path: Path, tools: Any
) -> None:
    pid_file = tmp_path / "pid"
    script = waiting(pid_file, "trap '' INT; trap 'echo no' TERM;")
    launched = launch(launch_file(shell(script, sigterm_timeout="0.2", sigkill_timeout="0.2")))
    pid = tools.read_pid(pid_file)
    launched.popen.send_signal(signal.SIGINT)
    assert launched.wait() == 1  # it had to be killed
    sent = [line for line in launched.text.splitlines() if "sending signal" in line]
    assert [line.split("'")[1] for line in sent] == ["SIGINT", "SIGTERM", "SIGKILL"]
    assert "[job-1] no" in launched.text
    assert not tools.is_alive(pid)


def test_a_second_signal_does_not_wait(launch_file: WriteLaunch, launch: Launch, tmp_path: Path, tools: Any) -> None:
    pid_file = tmp_path / "pid"
    script = waiting(pid_file, "trap 'echo patience' INT;")
    launched = launch(launch_file(shell(script, sigterm_timeout="1000", sigkill_timeout="1000")))
    tools.read_pid(pid_file)
    launched.popen.send_signal(signal.SIGINT)
    launched.wait_for("patience")
    launched.popen.send_signal(signal.SIGINT)
    assert launched.wait() == 0  # ended by SIGTERM


def test_the_end_of_a_required_process_ends_the_others(
    launch_file: WriteLaunch, launch: Launch, tmp_path: Path, tools: Any
) -> None:
    pid_file = tmp_path / "pid"
    wait_for_file = f"while ! test -e {pid_file}; do sleep 0.02; done"
    launched = launch(
        launch_file(shell(waiting(pid_file), respawn="true") + shell(wait_for_file, name="main", on_exit="shutdown"))
    )
    assert launched.wait() == 0
    assert "shutting down: main-2 has ended" in launched.text
    assert not tools.is_alive(tools.read_pid(pid_file))


def family(folder: Path) -> str:
    """Script of a process with a child in its group and one that hides in a session of its own."""
    hidden = f"setsid sh -c 'trap \"\" INT HUP; echo $$ > {folder}/hidden; while :; do sleep 0.05; done' &"
    child = f"sh -c 'trap \"\" INT HUP; echo $$ > {folder}/child; while :; do sleep 0.05; done' &"
    return waiting(folder / "parent", f"{hidden} {child}")


@pytest.mark.parametrize("victim", ["launcher", "supervisor"])
def test_nothing_survives_sigkill(
    victim: str, launch_file: WriteLaunch, launch: Launch, tmp_path: Path, tools: Any
) -> None:
    launched = launch(
        launch_file(shell(family(tmp_path), respawn="true", sigterm_timeout="0.2", sigkill_timeout="0.2"))
    )
    pids = [tools.read_pid(tmp_path / name) for name in ("parent", "hidden", "child")]
    children = Path(f"/proc/{launched.popen.pid}/task/{launched.popen.pid}/children").read_text().split()
    assert len(children) == 1
    os.kill(launched.popen.pid if victim == "launcher" else int(children[0]), signal.SIGKILL)
    tools.wait_until(lambda: not any(map(tools.is_alive, [*pids, int(children[0])])), f"the end of {pids}")
    assert launched.wait() == (-signal.SIGKILL if victim == "launcher" else 1)


def test_nothing_survives_an_orderly_end(launch_file: WriteLaunch, launch: Launch, tmp_path: Path, tools: Any) -> None:
    launched = launch(launch_file(shell(family(tmp_path))))
    pids = [tools.read_pid(tmp_path / name) for name in ("parent", "hidden", "child")]
    launched.popen.send_signal(signal.SIGINT)
    assert launched.wait() == 0
    assert not any(map(tools.is_alive, pids))


def test_children_of_a_process_that_died_are_gone_before_it_respawns(
    launch_file: WriteLaunch, launch: Launch, tmp_path: Path, tools: Any
) -> None:
    launched = launch(launch_file(shell(family(tmp_path), respawn="true")))
    child, parent = tools.read_pid(tmp_path / "child"), tools.read_pid(tmp_path / "parent")
    (tmp_path / "parent").unlink()
    os.kill(parent, signal.SIGKILL)
    assert tools.read_pid(tmp_path / "parent") != parent
    assert not tools.is_alive(child)
    launched.popen.send_signal(signal.SIGINT)
    assert launched.wait() == 0


def test_screen_that_is_gone_does_not_end_the_launch(launch_file: WriteLaunch, tmp_path: Path, tools: Any) -> None:
    done = tmp_path / "done"
    path = launch_file(shell(f"trap '' PIPE; read x < {tmp_path}/go; seq 10000; echo 1 > {done}"))
    os.mkfifo(tmp_path / "go")
    read_end, write_end = os.pipe()
    process = tools.popen([str(path)], stdout=write_end)
    os.close(write_end)
    os.close(read_end)
    (tmp_path / "go").write_text("go\n")
    assert process.wait(60) == 0
    assert done.exists()


def test_running_launch_from_a_thread(launch_file: WriteLaunch, tmp_path: Path, tools: Any) -> None:
    description = load_launch_file(launch_file(shell(waiting(tmp_path / "pid"))), {})
    codes = []

    def work() -> None:
        with RunningLaunch(description) as running:
            tools.read_pid(tmp_path / "pid")
            running.interrupt()
            codes.append(running.wait())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert codes == [0]
    assert not tools.is_alive(tools.read_pid(tmp_path / "pid"))


def test_leaving_the_context_ends_the_launch(launch_file: WriteLaunch, tmp_path: Path, tools: Any) -> None:
    with RunningLaunch(load_launch_file(launch_file(shell(waiting(tmp_path / "pid"))), {})):
        pid = tools.read_pid(tmp_path / "pid")
    assert not tools.is_alive(pid)


def test_parameter_files_exist_while_running_and_are_removed(
    launch_file: WriteLaunch, launch: Launch, tmp_path: Path
) -> None:
    script = tmp_path / "show.sh"
    script.write_text("#!/bin/sh\nwhile test $# -gt 0; do case $1 in *.yaml) echo $1; cat $1;; esac; shift; done\n")
    script.chmod(0o755)
    launched = launch(
        launch_file(
            f"<node exec='{script}' name='n' exec_name='show' output='screen'><param name='a' value='1'/></node>"
        )
    )
    assert launched.wait() == 0
    said = [line.removeprefix("[show-1] ") for line in launched.text.splitlines() if line.startswith("[show-1] ")]
    assert said[1:] == ["/**:", "  ros__parameters:", "    a: 1"]
    assert not Path(said[0]).exists()
