"""Reading one MCAP file: by its index where it has one, by scanning where it has none or was cut off."""

from __future__ import annotations

import heapq
import io
import struct
import zlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import lz4.frame
import zstandard
from mcap.data_stream import ReadDataStream
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.records import Channel, ChunkIndex, Footer, Schema, Statistics

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.logs.bag_types import BagMessage, BagTopic
from zoox_stack.logs.mcap_file import MAGIC
from zoox_stack.logs.qos import parse_profiles

_RECORD = struct.Struct("<BQ")  # opcode, length
_MESSAGE = struct.Struct("<HIQQ")  # channel, sequence, log time, publish time
_CHUNK = struct.Struct("<QQQII")  # first time, last time, uncompressed size, crc, length of the compression's name
_LARGEST_CHUNK = 1 << 31  # bytes; more is a broken or hostile file
_FOOTER_SIZE = _RECORD.size + 20
_PARSE_ERRORS = (struct.error, McapError, UnicodeDecodeError, ValueError, RuntimeError, EOFError, zstandard.ZstdError)
RECOVER_HINT = "Save what is whole with: zoox-stack bag recover BAG OUT"


@dataclass(frozen=True, order=True)
class _Block:
    """A chunk, or a message outside chunks, in the file; sorts by first time, then place."""

    start_ns: int
    offset: int
    length: int  # of the record with its head
    end_ns: int
    channels: frozenset[int] = field(compare=False)  # empty: not known


class McapStorage:
    """One MCAP file, opened for reading.

    Args:
        path: The file.
        recover: If the file is incomplete, read as far as it is whole instead of refusing it.
        scan: Do not trust the index: look at every chunk.

    Attributes:
        topics: One entry per topic.
        start_ns: Smallest log time [ns]; None without messages.
        end_ns: Largest log time [ns]; None without messages.
        problems: What was wrong with the file; empty if it is whole.

    Raises:
        InvalidInputError: Not an MCAP file; truncated or corrupt and not `recover`.
    """

    storage_id = "mcap"

    def __init__(self, path: Path, *, recover: bool = False, scan: bool = False) -> None:
        self.path = path
        self.problems: list[str] = []
        self._schemas: dict[int, Schema] = {}
        self._channels: dict[int, Channel] = {}
        self._counts: dict[int, int] = defaultdict(int)
        self._blocks: list[_Block] = []
        self._stream: BinaryIO = path.open("rb")
        try:
            self._size = self._stream.seek(0, io.SEEK_END)
            self._check_magic()
            if scan or not self._read_summary(recover):
                self._scan(recover)
            self.topics = self._merge_topics()
        except BaseException:
            self._stream.close()
            raise
        self.start_ns = min((b.start_ns for b in self._blocks), default=None)
        self.end_ns = max((b.end_ns for b in self._blocks), default=None)

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def messages(self, topics: set[str] | None, start_ns: int | None, end_ns: int | None) -> Iterator[BagMessage]:
        """Messages in order of log time; equal times in file order.

        Args:
            topics: Only these; None for all.
            start_ns: Not before this [ns].
            end_ns: Not after this [ns].

        Raises:
            InvalidInputError: A chunk is corrupt.
        """
        wanted = {cid: c for cid, c in self._channels.items() if topics is None or c.topic in topics}
        blocks = sorted(
            b
            for b in self._blocks
            if (start_ns is None or b.end_ns >= start_ns)
            and (end_ns is None or b.start_ns <= end_ns)
            and (not b.channels or not b.channels.isdisjoint(wanted))
        )
        ready: list[tuple[int, int, int, int, bytes]] = []  # log time, offset of block, place in it, channel, data
        following = 0
        while ready or following < len(blocks):
            # A chunk must be opened before the first message that could come after one of its own is given out.
            while following < len(blocks) and (not ready or blocks[following].start_ns <= ready[0][0]):
                block = blocks[following]
                following += 1
                for place, (channel, stamp, data) in enumerate(self._load(block)):
                    in_time = (start_ns is None or stamp >= start_ns) and (end_ns is None or stamp <= end_ns)
                    if channel in wanted and in_time:
                        heapq.heappush(ready, (stamp, block.offset, place, channel, data))
            if ready:
                stamp, _, _, channel, data = heapq.heappop(ready)
                info = wanted[channel]
                yield BagMessage(info.topic, self._type_name(info), stamp, data)

    def _type_name(self, channel: Channel) -> str:
        schema = self._schemas.get(channel.schema_id)
        return schema.name if schema else ""

    def _check_magic(self) -> None:
        self._stream.seek(0)
        found = self._stream.read(len(MAGIC))
        if found != MAGIC:
            what = "an empty file" if not found else f"bytes {found.hex(' ')}"
            raise InvalidInputError(str(self.path), "an MCAP file", what)

    def _read_summary(self, recover: bool) -> bool:
        """Take topics and chunks from the summary; False if there is none and the file must be scanned."""
        problem = ""
        self._stream.seek(max(0, self._size - _FOOTER_SIZE - len(MAGIC)))
        tail = self._stream.read()
        opcode, length = _RECORD.unpack_from(tail) if len(tail) >= _FOOTER_SIZE + len(MAGIC) else (0, 0)
        if tail[-len(MAGIC) :] != MAGIC or opcode != Opcode.FOOTER or length != 20:
            problem = "truncated: there is no footer"
        else:
            footer = Footer.read(_data(tail[_RECORD.size :]))
            if footer.summary_start == 0:
                return False
            try:
                if self._parse_summary(footer, tail):
                    return True
                problem = "corrupt: the checksum of the index does not match"
            except _PARSE_ERRORS as error:
                problem = f"corrupt: the index cannot be read ({error})"
        if not recover:
            raise InvalidInputError(str(self.path), "a complete MCAP file", problem, RECOVER_HINT)
        self.problems.append(problem)
        return False

    def _parse_summary(self, footer: Footer, tail: bytes) -> bool:
        """Fill in from the summary; False if its checksum is wrong."""
        self._stream.seek(footer.summary_start)
        summary = self._stream.read(self._size - len(MAGIC) - _FOOTER_SIZE - footer.summary_start)
        if footer.summary_crc and zlib.crc32(tail[: _RECORD.size + 16], zlib.crc32(summary)) != footer.summary_crc:
            return False
        statistics: Statistics | None = None
        blocks, schemas, channels = [], {}, {}
        for _, opcode, content in _records(summary):
            if opcode == Opcode.SCHEMA:
                schema = Schema.read(_data(content))
                schemas[schema.id] = schema
            elif opcode == Opcode.CHANNEL:
                channel = Channel.read(_data(content))
                channels[channel.id] = channel
            elif opcode == Opcode.STATISTICS:
                statistics = Statistics.read(_data(content))
            elif opcode == Opcode.CHUNK_INDEX:
                index = ChunkIndex.read(_data(content))
                if index.chunk_start_offset + index.chunk_length > footer.summary_start:
                    raise ValueError("a chunk lies outside the file")
                ids = frozenset(index.message_index_offsets)
                times = (index.message_start_time, index.message_end_time)
                blocks.append(_Block(times[0], index.chunk_start_offset, index.chunk_length, times[1], ids))
        if statistics is None or len(blocks) != statistics.chunk_count or (statistics.message_count and not blocks):
            self._stream.seek(footer.summary_start)
            self._schemas, self._channels = {}, {}
            self._scan(False)  # whole, but not indexed: allowed by the format
            return True
        self._schemas, self._channels, self._blocks = schemas, channels, blocks
        self._counts = defaultdict(int, statistics.channel_message_counts)
        return True

    def _scan(self, recover: bool) -> None:
        """Walk through all records; chunks are opened and checked."""
        offset = len(MAGIC)
        while offset < self._size:
            self._stream.seek(offset)
            head = self._stream.read(_RECORD.size)
            opcode, length = _RECORD.unpack(head) if len(head) == _RECORD.size else (0, self._size)
            if opcode in (Opcode.DATA_END, Opcode.FOOTER):
                return
            if opcode == 0 or length > self._size - offset - _RECORD.size:
                self._note(f"truncated: the last {self._size - offset} bytes are not a whole record", recover)
                return
            try:
                self._scan_record(opcode, self._stream.read(length), offset)
            except _PARSE_ERRORS as error:
                self._note(f"corrupt: {length} bytes at {offset} cannot be read ({error})", recover)
            offset += _RECORD.size + length
        self._note("truncated: the data does not end with an end record", recover)

    def _scan_record(self, opcode: int, content: bytes, offset: int) -> None:
        length = _RECORD.size + len(content)
        if opcode == Opcode.SCHEMA:
            schema = Schema.read(_data(content))
            self._schemas[schema.id] = schema
        elif opcode == Opcode.CHANNEL:
            channel = Channel.read(_data(content))
            self._channels[channel.id] = channel
        elif opcode == Opcode.MESSAGE:
            cid, _, stamp, _ = _MESSAGE.unpack_from(content)
            self._counts[cid] += 1
            self._blocks.append(_Block(stamp, offset, length, stamp, frozenset([cid])))
        elif opcode == Opcode.CHUNK:
            times, ids = [], []
            for _, inner, record in _records(_chunk_data(content)):
                if inner == Opcode.MESSAGE:
                    cid, _, stamp, _ = _MESSAGE.unpack_from(record)
                    ids.append(cid)
                    times.append(stamp)
                else:
                    self._scan_record(inner, bytes(record), offset)
            for cid in ids:
                self._counts[cid] += 1
            if times:
                self._blocks.append(_Block(min(times), offset, length, max(times), frozenset(ids)))

    def _note(self, problem: str, recover: bool) -> None:
        if not recover:
            raise InvalidInputError(str(self.path), "a complete MCAP file", problem, RECOVER_HINT)
        self.problems.append(problem)

    def _load(self, block: _Block) -> Iterator[tuple[int, int, bytes]]:
        """Channel, log time and data of every message of a block."""
        try:
            self._stream.seek(block.offset)
            record = self._stream.read(block.length)
            opcode, content = record[0], record[_RECORD.size :]
            if opcode == Opcode.CHUNK:
                content = _chunk_data(content)
            elif opcode == Opcode.MESSAGE:
                content = record
            else:
                raise ValueError(f"no chunk at {block.offset}")
            for _, inner, message in _records(content):
                if inner == Opcode.MESSAGE:
                    channel, _, stamp, _ = _MESSAGE.unpack_from(message)
                    yield channel, stamp, bytes(message[_MESSAGE.size :])
        except _PARSE_ERRORS as error:
            found = f"corrupt: the chunk at {block.offset} cannot be read ({error})"
            raise InvalidInputError(str(self.path), "a readable chunk", found, RECOVER_HINT) from error

    def _merge_topics(self) -> dict[str, BagTopic]:
        topics: dict[str, BagTopic] = {}
        for cid, channel in sorted(self._channels.items()):
            schema = self._schemas.get(channel.schema_id)
            topic = BagTopic(
                name=channel.topic,
                type_name=schema.name if schema else "",
                count=self._counts.get(cid, 0),
                qos=parse_profiles(channel.metadata.get("offered_qos_profiles"), channel.topic),
                definition=schema.data.decode("utf-8", "replace") if schema else "",
                definition_encoding=schema.encoding if schema else "",
                type_hash=channel.metadata.get("topic_type_hash", ""),
                serialization=channel.message_encoding,
            )
            known = topics.get(topic.name)
            topics[topic.name] = known.merged(topic, self.path) if known else topic
        return topics


def _data(content: bytes | memoryview) -> ReadDataStream:
    return ReadDataStream(io.BytesIO(content))


def _records(data: bytes) -> Iterator[tuple[int, int, memoryview]]:
    """Offset, opcode and content of every record in `data`."""
    view, offset = memoryview(data), 0
    while offset < len(view):
        opcode, length = _RECORD.unpack_from(view, offset)
        begin = offset + _RECORD.size
        if length > len(view) - begin:
            raise ValueError("a record is longer than what holds it")
        yield offset, opcode, view[begin : begin + length]
        offset = begin + length


def _chunk_data(content: bytes) -> bytes:
    """Records of a chunk: uncompressed and checked."""
    _, _, size, crc, name_length = _CHUNK.unpack_from(content)
    begin = _CHUNK.size + name_length
    name = content[_CHUNK.size : begin].decode()
    (stored,) = struct.unpack_from("<Q", content, begin)
    data = content[begin + 8 : begin + 8 + stored]
    if len(data) != stored:
        raise ValueError("the chunk is cut off")
    if size > _LARGEST_CHUNK:
        raise ValueError(f"it claims to hold {size} bytes")
    if name == "lz4":
        data = lz4.frame.decompress(data)
    elif name == "zstd":
        data = zstandard.ZstdDecompressor().decompress(data, max_output_size=size)
    elif name:
        raise ValueError(f"unknown compression {name!r}")
    if len(data) != size:
        raise ValueError(f"{len(data)} bytes where {size} were expected")
    if crc and zlib.crc32(data) != crc:
        raise ValueError("the checksum does not match")
    return data
