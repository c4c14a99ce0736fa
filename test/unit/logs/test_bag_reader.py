"""Reading bags of either storage and refusing what is not one, with a reason."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from mcap.writer import CompressionType, IndexType
from mcap.writer import Writer as McapLibraryWriter

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.logs.bag_reader import BagReader
from zoox_stack.logs.bag_types import BagMessage

MakeBag = Callable[..., Path]


def read(path: Path, **options: bool) -> list[BagMessage]:
    with BagReader(path, **options) as reader:
        return list(reader.messages())


def edit_metadata(bag: Path, **changes: object) -> None:
    document = yaml.safe_load((bag / "metadata.yaml").read_text())
    document["rosbag2_bagfile_information"].update(changes)
    (bag / "metadata.yaml").write_text(yaml.safe_dump(document))


@pytest.fixture(params=["ours", "stock mcap", "stock sqlite3"])
def any_bag(request: pytest.FixtureRequest, tmp_path: Path, messages: list[BagMessage]) -> Path:
    if request.param == "ours":
        return request.getfixturevalue("bag")
    return request.getfixturevalue("make_stock_bag")(tmp_path / "drive", messages, request.param.split()[1])


def data_file(bag: Path) -> Path:
    return next(f for f in bag.iterdir() if f.suffix in (".mcap", ".db3"))


def test_directory_bare_file_and_directory_without_metadata_read_the_same(
    any_bag: Path, messages: list[BagMessage]
) -> None:
    assert read(any_bag) == messages
    assert read(data_file(any_bag)) == messages
    (any_bag / "metadata.yaml").unlink()
    assert read(any_bag) == messages
    assert read(any_bag, recover=True, scan=True) == messages


def test_what_the_reader_says_about_a_bag(any_bag: Path, messages: list[BagMessage]) -> None:
    with BagReader(any_bag) as reader:
        assert (reader.start_ns, reader.end_ns) == (messages[0].stamp_ns, messages[-1].stamp_ns)
        assert reader.duration == pytest.approx((messages[-1].stamp_ns - messages[0].stamp_ns) * 1e-9)
        assert reader.message_count == len(messages)
        assert {name: t.count for name, t in reader.topics.items()} == {"/clock": 20, "/odometry": 20}
        assert reader.topics["/odometry"].type_name == "nav_msgs/msg/Odometry"
        assert "geometry_msgs/PoseWithCovariance pose" in reader.topics["/odometry"].definition
        assert reader.storage_id == ("sqlite3" if data_file(any_bag).suffix == ".db3" else "mcap")
        assert reader.problems == []


def test_topics_and_times_are_filtered(any_bag: Path, messages: list[BagMessage]) -> None:
    first, last = messages[6].stamp_ns, messages[13].stamp_ns
    with BagReader(any_bag) as reader:
        assert list(reader.messages(start_ns=first, end_ns=last)) == messages[6:14]
        assert list(reader.messages(["/clock"])) == [m for m in messages if m.topic == "/clock"]
        assert list(reader.messages([], first, last)) == []


def test_messages_written_out_of_order_come_in_order(
    tmp_path: Path, make_bag: MakeBag, messages: list[BagMessage]
) -> None:
    shuffled = messages.copy()
    random.Random(3).shuffle(shuffled)
    assert read(make_bag(tmp_path / "bag", shuffled)) == messages


def test_equal_times_keep_the_order_of_writing(tmp_path: Path, make_bag: MakeBag, messages: list[BagMessage]) -> None:
    same = [replace(m, stamp_ns=77) for m in messages]
    assert read(make_bag(tmp_path / "bag", same)) == same


def test_a_bag_split_into_files_is_read_as_one(tmp_path: Path, make_bag: MakeBag, messages: list[BagMessage]) -> None:
    first, second = make_bag(tmp_path / "a", messages[:13]), make_bag(tmp_path / "b", messages[13:])
    whole = tmp_path / "whole"
    whole.mkdir()
    for number, source in enumerate((first, second)):
        shutil.copy(data_file(source), whole / f"whole_{number}.mcap")
    assert read(whole) == messages
    shutil.copy(first / "metadata.yaml", whole)
    edit_metadata(whole, relative_file_paths=["whole_0.mcap", "whole_1.mcap"])
    with BagReader(whole) as reader:
        assert reader.topics["/clock"].count == 20
        assert list(reader.messages()) == messages
    (whole / "whole_1.mcap").unlink()
    with pytest.raises(InvalidInputError, match=r"whole_1\.mcap is missing"):
        BagReader(whole)
    with BagReader(whole, recover=True) as reader:
        assert list(reader.messages()) == messages[:13]
        assert "whole_1.mcap is missing" in reader.problems[0]


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_message_compression_of_rosbag2(
    tmp_path: Path, make_stock_bag: MakeBag, messages: list[BagMessage], storage: str
) -> None:
    assert read(make_stock_bag(tmp_path / "bag", messages, storage, compressed=True)) == messages


@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.parametrize("indexed", [True, False])
def test_files_without_chunks_or_index_are_read_too(
    tmp_path: Path, messages: list[BagMessage], chunked: bool, indexed: bool
) -> None:
    path = tmp_path / "other.mcap"
    writer = McapLibraryWriter(
        str(path),
        use_chunking=chunked,
        compression=CompressionType.ZSTD,
        index_types=IndexType.ALL if indexed else IndexType.NONE,
        use_statistics=indexed,
        repeat_channels=indexed,
        repeat_schemas=indexed,
        use_summary_offsets=indexed,
    )
    writer.start("ros2")
    channels = {}
    for m in messages:
        if m.topic not in channels:
            schema = writer.register_schema(m.type_name, "ros2msg", b"int32 a")
            channels[m.topic] = writer.register_channel(m.topic, "cdr", schema)
        writer.add_message(channels[m.topic], m.stamp_ns, m.data, m.stamp_ns)
    writer.finish()
    assert read(path) == messages


def test_missing_topics_and_wrong_types_are_named(bag: Path) -> None:
    with BagReader(bag) as reader:
        reader.require_topics({"/clock": "rosgraph_msgs/msg/Clock"})
        reader.require_topics(["/odometry"])
        with pytest.raises(InvalidInputError, match=r"expected topic /odometri, .* Did you mean /odometry\?"):
            reader.require_topics(["/odometri"])
        with pytest.raises(InvalidInputError, match="topic /clock: expected type std_msgs/msg/String, found rosgraph"):
            reader.require_topics({"/clock": "std_msgs/msg/String"})
        with pytest.raises(InvalidInputError, match="/nope"):
            list(reader.messages(["/nope"]))


def test_what_is_not_a_bag_is_refused_with_a_reason(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="nothing of that name"):
        BagReader(tmp_path / "missing")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InvalidInputError, match="an empty folder"):
        BagReader(empty)
    for name, content, reason in (
        ("a.mcap", b"", "an empty file"),
        ("b.mcap", b"hello, I am not a bag", "an MCAP file"),
        ("c.db3", b"", "an empty file"),
        ("d.db3", b"hello, I am not a bag", "an sqlite3 file"),
        ("e.bag", b"#ROSBAG V2.0", "ending in .bag"),
    ):
        (tmp_path / name).write_bytes(content)
        for recover in (False, True):
            with pytest.raises(InvalidInputError, match=reason):
                BagReader(tmp_path / name, recover=recover)


def test_an_sqlite3_file_of_something_else_is_refused(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "other.db3")
    connection.execute("CREATE TABLE birds (name TEXT)")
    connection.commit()
    connection.close()
    with pytest.raises(InvalidInputError, match="topics table of rosbag2"):
        BagReader(tmp_path / "other.db3")


def test_bad_metadata_is_named(bag: Path) -> None:
    edit_metadata(bag, storage_identifier="tape")
    with pytest.raises(InvalidInputError, match="expected storage mcap or sqlite3, found 'tape'"):
        BagReader(bag)
    edit_metadata(bag, storage_identifier="mcap", relative_file_paths=["../../etc/passwd"])
    with pytest.raises(InvalidInputError, match="files inside the bag's folder"):
        BagReader(bag)
    edit_metadata(bag, relative_file_paths=["drive_0.mcap"], compression_mode="FILE", compression_format="zstd")
    with pytest.raises(InvalidInputError, match="Uncompress it first"):
        BagReader(bag)
    (bag / "metadata.yaml").write_text("{ not yaml")
    with pytest.raises(InvalidInputError, match="expected YAML"):
        BagReader(bag)
    (bag / "metadata.yaml").write_text("birds: 3")
    with pytest.raises(InvalidInputError, match="metadata of a rosbag2 bag"):
        BagReader(bag)
    with BagReader(bag, recover=True) as reader:
        assert reader.message_count == 40


def test_a_file_cut_off_anywhere_is_refused_and_recovered_as_far_as_it_is_whole(
    any_bag: Path, messages: list[BagMessage], tmp_path: Path
) -> None:
    source = data_file(any_bag)
    whole = source.read_bytes()
    cut = tmp_path / f"cut{source.suffix}"
    best = 0
    for size in range(0, len(whole), max(1, len(whole) // 60)):
        cut.write_bytes(whole[:size])
        with pytest.raises(InvalidInputError):
            BagReader(cut)
        try:
            found = read(cut, recover=True)
        except InvalidInputError:
            continue  # not even the head of the file is there
        assert all(message in messages for message in found)
        best = max(best, len(found))
    assert best >= len(messages) // 2


def test_a_flipped_byte_never_gives_a_wrong_message_silently(bag: Path, messages: list[BagMessage]) -> None:
    source = data_file(bag)
    whole = source.read_bytes()
    rng = random.Random(5)
    caught = 0
    for _ in range(150):
        broken = bytearray(whole)
        broken[rng.randrange(8, len(whole))] ^= 1 << rng.randrange(8)
        source.write_bytes(bytes(broken))
        try:
            found = [(m.stamp_ns, m.data) for m in read(source)]
        except InvalidInputError:
            caught += 1
            continue
        assert found == [(m.stamp_ns, m.data) for m in messages]  # the byte was not part of the data
    assert caught > 20


def test_a_corrupt_chunk_costs_only_itself_when_recovering(bag: Path, messages: list[BagMessage]) -> None:
    source = data_file(bag)
    whole = bytearray(source.read_bytes())
    with BagReader(bag) as reader:
        blocks = reader._storages[0]._blocks  # type: ignore[union-attr]
    assert len(blocks) > 4
    middle = blocks[2]
    whole[middle.offset + middle.length // 2] ^= 0xFF
    source.write_bytes(bytes(whole))
    with pytest.raises(InvalidInputError, match=r"zoox-stack bag recover"):
        read(bag)
    with BagReader(bag, recover=True, scan=True) as reader:
        found = list(reader.messages())
        assert "corrupt" in reader.problems[0]
    assert 0 < len(messages) - len(found) < len(messages) / 2
    assert found == [m for m in messages if m in found]
    assert found[-1] == messages[-1]
