"""Bags we write: layout, readable by other libraries, on disk in time, never overwritten."""

from __future__ import annotations

import resource
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import yaml
from mcap.reader import make_reader
from rosbags.rosbag2 import Reader as StockReader

from zoox_stack.core.errors import ConfigurationError, InvalidInputError, StorageError
from zoox_stack.core.topics import TOPICS
from zoox_stack.logs.bag_reader import BagReader
from zoox_stack.logs.bag_types import BagMessage
from zoox_stack.logs.bag_writer import BagWriter
from zoox_stack.logs.message_definitions import typestore
from zoox_stack.logs.qos import PROFILES, QosProfile


def test_directory_has_the_layout_of_rosbag2(bag: Path, messages: list[BagMessage]) -> None:
    assert sorted(p.name for p in bag.iterdir()) == ["drive_0.mcap", "metadata.yaml"]
    information = yaml.safe_load((bag / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
    assert information["storage_identifier"] == "mcap"
    assert information["relative_file_paths"] == ["drive_0.mcap"]
    assert information["message_count"] == len(messages)
    assert information["starting_time"]["nanoseconds_since_epoch"] == messages[0].stamp_ns
    assert information["duration"]["nanoseconds"] == messages[-1].stamp_ns - messages[0].stamp_ns


@pytest.mark.parametrize("compression", ["none", "lz4", "zstd"])
def test_another_library_reads_the_directory(
    tmp_path: Path, messages: list[BagMessage], compression: str, make_bag: Callable[..., Path]
) -> None:
    path = make_bag(tmp_path / "bag", messages, compression=compression)
    with StockReader(path) as reader:
        found = [(c.topic, c.msgtype, stamp, bytes(data)) for c, stamp, data in reader.messages()]
        profiles = {c.topic: c.ext.offered_qos_profiles for c in reader.connections}
        assert {c.topic: c.digest or "" for c in reader.connections}.keys() == {"/clock", "/odometry"}
    assert found == [(m.topic, m.type_name, m.stamp_ns, m.data) for m in messages]
    assert profiles["/clock"][0].depth == 3


def test_the_mcap_library_accepts_the_file_and_its_checksums(bag: Path, messages: list[BagMessage]) -> None:
    with (bag / "drive_0.mcap").open("rb") as stream:
        reader = make_reader(stream, validate_crcs=True)
        assert len(list(reader.iter_messages())) == len(messages)
        summary = reader.get_summary()
        assert reader.get_header().profile == "ros2"
        assert [record.name for record in reader.iter_metadata()] == ["rosbag2"]
    assert summary is not None
    assert summary.statistics is not None
    assert summary.statistics.chunk_count > 3
    assert {s.encoding for s in summary.schemas.values()} == {"ros2msg"}


def test_schemas_of_all_our_topics_parse_and_have_the_hash_of_the_type(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag", flush_period=None) as writer:
        for topic in TOPICS.values():
            writer.add_topic(topic.name, topic.type_name, (PROFILES[topic.qos],))
    from rosbags.typesys import get_types_from_msg

    with BagReader(tmp_path / "bag") as reader:
        for topic in reader.topics.values():
            types = get_types_from_msg(topic.definition, topic.type_name)
            assert types[topic.type_name][1] == typestore().fielddefs[topic.type_name][1]
            assert topic.type_hash == typestore().hash_rihs01(topic.type_name)


def test_a_name_ending_in_mcap_makes_one_file(tmp_path: Path, make_bag: Callable[..., Path]) -> None:
    path = make_bag(
        tmp_path / "new" / "one.mcap", [BagMessage("/c", "rosgraph_msgs/msg/Clock", 5, b"\0\1\0\0" + b"1" * 8)]
    )
    assert [p.name for p in path.parent.iterdir()] == ["one.mcap"]


@pytest.mark.parametrize("name", ["there.mcap", "there"])
def test_nothing_is_overwritten(tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    target.write_text("precious")
    with pytest.raises(InvalidInputError, match="expected a new bag"):
        BagWriter(target)
    assert target.read_text() == "precious"


def test_metadata_is_there_from_the_start_and_lists_topics_as_they_come(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag", flush_period=None) as writer:
        assert (tmp_path / "bag" / "metadata.yaml").exists()
        writer.add_topic("/clock", "rosgraph_msgs/msg/Clock")
        text = (tmp_path / "bag" / "metadata.yaml").read_text()
    assert "/clock" in text


def test_messages_reach_the_disk_within_the_flush_period_without_further_writes(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag.mcap", flush_period=0.05) as writer:
        writer.add_topic("/clock", "rosgraph_msgs/msg/Clock")
        writer.write("/clock", 7, b"\0\1\0\0" + b"12345678")
        found = 0
        for _ in range(500):  # until it is there; a broken flush never gets there
            with BagReader(tmp_path / "bag.mcap", recover=True) as reader:
                found = reader.message_count
            if found:
                break
            time.sleep(0.02)
    assert found == 1


def test_flush_puts_everything_on_disk_at_once(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag.mcap", flush_period=None) as writer:
        writer.add_topic("/clock", "rosgraph_msgs/msg/Clock")
        writer.write("/clock", 7, b"\0\1\0\0" + b"12345678")
        writer.flush()
        with BagReader(tmp_path / "bag.mcap", recover=True) as reader:
            assert [m.stamp_ns for m in reader.messages()] == [7]


def test_several_threads_may_write(tmp_path: Path) -> None:
    data = b"\0\1\0\0" + b"12345678"
    with BagWriter(tmp_path / "bag", chunk_bytes=500, flush_period=0.01) as writer:
        for thread in range(4):
            writer.add_topic(f"/t{thread}", "rosgraph_msgs/msg/Clock")

        def work(thread: int) -> None:
            for i in range(200):
                writer.write(f"/t{thread}", i, data)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    with BagReader(tmp_path / "bag") as reader:
        assert {t.count for t in reader.topics.values()} == {200}
        stamps = [m.stamp_ns for m in reader.messages()]
    assert stamps == sorted(stamps)
    assert len(stamps) == 800


def test_unknown_types_need_a_definition(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag", flush_period=None) as writer:
        with pytest.raises(InvalidInputError, match="other_msgs/msg/Thing"):
            writer.add_topic("/thing", "other_msgs/msg/Thing")
        writer.add_topic("/thing", "other_msgs/msg/Thing", definition="int32 a\n")
        writer.write("/thing", 1, b"\0\1\0\0" + b"1234")
    with BagReader(tmp_path / "bag") as reader:
        assert reader.topics["/thing"].definition == "int32 a\n"


def test_mistakes_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="compression"):
        BagWriter(tmp_path / "x", compression="gzip")
    writer = BagWriter(tmp_path / "bag", flush_period=None)
    writer.add_topic("/clock", "rosgraph_msgs/msg/Clock", (QosProfile(),))
    with pytest.raises(InvalidInputError, match="an unknown one"):
        writer.write("/other", 1, b"1234")
    with pytest.raises(InvalidInputError, match="time >= 0"):
        writer.write("/clock", -1, b"1234")
    with pytest.raises(InvalidInputError, match="CDR"):
        writer.write("/clock", 1, b"")
    with pytest.raises(InvalidInputError, match="type rosgraph_msgs/msg/Clock"):
        writer.add_topic("/clock", "nav_msgs/msg/Odometry")
    with pytest.raises(InvalidInputError, match="type rosgraph_msgs/msg/Clock"):
        writer.write_message(BagMessage("/clock", "nav_msgs/msg/Odometry", 1, b"1234"))
    writer.close()
    writer.close()
    with pytest.raises(InvalidInputError, match="closed"):
        writer.write("/clock", 1, b"1234")


@contextmanager
def small_disk(size: int) -> Iterator[None]:
    """No file may grow beyond `size` bytes: writing fails as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def fill(writer: BagWriter, written: list[int]) -> None:
    """Write until it fails."""
    noise = np.random.default_rng(1)
    while True:
        writer.write("/a", len(written), b"\0\1\0\0" + noise.bytes(10_000))
        written.append(len(written))


@pytest.mark.parametrize("name", ["bag", "bag.mcap"])
def test_a_full_disk_ends_the_recording_and_keeps_what_was_written(tmp_path: Path, name: str) -> None:
    writer = BagWriter(tmp_path / name, compression="none", chunk_bytes=40_000, flush_period=None)
    writer.add_topic("/a", "std_msgs/msg/UInt8MultiArray")
    written: list[int] = []
    with (
        small_disk(200_000),
        pytest.raises(StorageError, match=r"bag .*: File too large; the \d+ messages .* are kept"),
    ):
        fill(writer, written)
    with pytest.raises(StorageError):  # nothing more is taken
        writer.write("/a", len(written), b"\0\1\0\0")
    with pytest.raises(StorageError):
        writer.close()
    with BagReader(tmp_path / name) as reader:  # whole: no recovery needed
        kept = [message.stamp_ns for message in reader.messages()]
        assert reader.topics["/a"].count == len(kept)
    assert kept == list(range(len(kept)))
    assert len(written) - 5 <= len(kept) < len(written)


def test_a_disk_too_full_even_for_the_summary_leaves_a_bag_to_recover(tmp_path: Path) -> None:
    path = tmp_path / "bag.mcap"
    writer = BagWriter(path, compression="none", chunk_bytes=1_000, flush_period=None)
    writer.add_topic("/a", "std_msgs/msg/UInt8MultiArray")
    for stamp in range(20):
        writer.write("/a", stamp, b"\0\1\0\0" + bytes(2_000))
    with small_disk(path.stat().st_size + 50), pytest.raises(StorageError):
        writer.close()
    with BagReader(path, recover=True) as reader:
        assert reader.problems
        assert [message.stamp_ns for message in reader.messages()] == list(range(20))
