"""A recording survives the death of its recorder."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.logs.bag_reader import BagReader
from zoox_stack.logs.bag_recovery import recover
from zoox_stack.logs.bag_types import BagMessage

ROOT = Path(__file__).resolve().parents[3]


def run_until_killed(script: str, *arguments: str) -> int:
    """Run a script that prints the number of messages safely written, kill it with SIGKILL, return that number."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    written = int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    return written


def test_a_killed_recorder_leaves_a_bag_that_is_read_and_recovered(tmp_path: Path) -> None:
    script = """
        import sys, time
        from zoox_stack.logs.bag_writer import BagWriter
        writer = BagWriter(sys.argv[1], flush_period=0.05)
        writer.add_topic("/clock", "rosgraph_msgs/msg/Clock")
        for i in range(500):
            writer.write("/clock", i, b"\\0\\1\\0\\0" + i.to_bytes(8, "little"))
        size = 0
        while writer._file.pending_bytes:  # until the writer's own clock has put them on disk
            time.sleep(0.01)
        print(500, flush=True)
        while True:
            writer.write("/clock", 1000, b"\\0\\1\\0\\0" + b"12345678")
            time.sleep(0.001)
    """
    bag = tmp_path / "killed"
    assert run_until_killed(script, str(bag)) == 500
    with pytest.raises(InvalidInputError, match="truncated"):
        BagReader(bag)
    report = recover(bag, tmp_path / "saved")
    assert report.messages >= 500
    assert "truncated" in report.problems[0]
    with BagReader(tmp_path / "saved") as reader:
        stamps = [m.stamp_ns for m in reader.messages()]
        assert reader.problems == []
    assert stamps[:500] == list(range(500))
    with BagReader(bag, recover=True) as reader:
        assert [m.stamp_ns for m in reader.messages()] == stamps


@pytest.mark.parametrize("journal", ["WAL", "DELETE", "MEMORY"])
def test_a_killed_sqlite3_recorder_leaves_a_readable_bag(
    tmp_path: Path, journal: str, make_stock_bag: Callable[..., Path], messages: list[BagMessage]
) -> None:
    bag = make_stock_bag(tmp_path / "killed", messages[:2], "sqlite3")
    (bag / "metadata.yaml").unlink()
    script = """
        import sqlite3, sys, time
        connection = sqlite3.connect(sys.argv[1], isolation_level=None)
        connection.execute(f"PRAGMA journal_mode={sys.argv[2]}")
        connection.execute("PRAGMA cache_size=4")
        add = "INSERT INTO messages (topic_id, timestamp, data) VALUES (1, ?, ?)"
        connection.execute("BEGIN")
        for i in range(300):
            connection.execute(add, (2_000_000_000 + i, b"\\0\\1\\0\\0" + b"12345678" * 10))
        connection.execute("COMMIT")
        connection.execute("BEGIN")
        for i in range(300):
            connection.execute(add, (3_000_000_000 + i, b"\\0\\1\\0\\0" + b"12345678" * 10))
        print(300, flush=True)
        time.sleep(60)
    """
    file = next(bag.glob("*.db3"))
    assert run_until_killed(script, str(file), journal) == 300
    before = {f.name: f.read_bytes() for f in bag.iterdir()}
    with BagReader(bag, recover=True) as reader:
        stamps = [m.stamp_ns for m in reader.messages()]
    assert {f.name: f.read_bytes() for f in bag.iterdir()} == before  # the evidence is untouched
    assert stamps[2:302] == list(range(2_000_000_000, 2_000_000_300))
    if journal != "MEMORY":  # with a journal, what was not committed is rolled back
        assert len(stamps) == 302


def test_recovering_a_truncated_sqlite3_file_keeps_the_whole_rows(
    tmp_path: Path, make_stock_bag: Callable[..., Path], messages: list[BagMessage]
) -> None:
    file = next(make_stock_bag(tmp_path / "bag", messages * 10, "sqlite3").glob("*.db3"))
    content = file.read_bytes()
    file.write_bytes(content[: len(content) * 2 // 3])
    report = recover(file, tmp_path / "saved.mcap")
    assert report.messages >= 100
    assert "truncated" in report.problems[0]
    with BagReader(tmp_path / "saved.mcap") as reader:
        assert all(m in messages for m in reader.messages())


def test_recovering_a_whole_bag_copies_it(bag: Path, tmp_path: Path, messages: list[BagMessage]) -> None:
    report = recover(bag, tmp_path / "copy", compression="zstd")
    assert report.problems == ()
    assert report.topics == {"/clock": 20, "/odometry": 20}
    with BagReader(bag) as original, BagReader(tmp_path / "copy") as copy:
        assert list(copy.messages()) == messages
        assert copy.topics == original.topics


def test_nothing_to_recover_is_said(bag: Path, tmp_path: Path) -> None:
    file = bag / "drive_0.mcap"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(InvalidInputError, match="at least one whole message"):
        recover(bag, tmp_path / "saved")
    assert not (tmp_path / "saved").exists()


def test_an_existing_target_is_left_alone(bag: Path, tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.mkdir()
    with pytest.raises(InvalidInputError, match="a new bag"):
        recover(bag, target)


def test_a_topic_without_definition_is_recovered(
    tmp_path: Path, make_stock_bag: Callable[..., Path], messages: list[BagMessage]
) -> None:
    file = next(make_stock_bag(tmp_path / "bag", messages, "sqlite3").glob("*.db3"))
    connection = sqlite3.connect(file)
    connection.execute("UPDATE topics SET type = 'other_msgs/msg/Thing' WHERE name = '/clock'")
    connection.execute("DELETE FROM message_definitions")
    connection.commit()
    connection.close()
    assert recover(file, tmp_path / "saved").messages == len(messages)
