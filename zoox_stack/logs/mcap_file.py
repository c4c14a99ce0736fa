"""Writing one MCAP file whose chunks reach the disk when we say so.

The writer of the `mcap` package closes a chunk only by size. A recorder that may be killed must also close it by
time, so the file is built here from the package's records. Format: https://mcap.dev/spec.
"""

from __future__ import annotations

import struct
import zlib
from collections import defaultdict
from pathlib import Path
from typing import BinaryIO

import lz4.frame
import zstandard
from mcap.data_stream import RecordBuilder
from mcap.opcode import Opcode
from mcap.records import (
    Channel,
    Chunk,
    ChunkIndex,
    DataEnd,
    Footer,
    Header,
    McapRecord,
    MessageIndex,
    Metadata,
    MetadataIndex,
    Schema,
    Statistics,
    SummaryOffset,
)

from zoox_stack.core.errors import ConfigurationError

MAGIC = b"\x89MCAP0\r\n"
COMPRESSIONS = ("none", "lz4", "zstd")
_MESSAGE = struct.Struct("<BQHIQQ")  # opcode, length, channel, sequence, log time, publish time
_MESSAGE_FIXED = 22  # bytes of a message record before its data


def compress(data: bytes, compression: str) -> bytes:
    """Chunk content as stored on disk."""
    if compression == "lz4":
        return bytes(lz4.frame.compress(data, store_size=True))
    if compression == "zstd":
        return bytes(zstandard.ZstdCompressor(level=1).compress(data))
    return data


class McapFile:
    """Chunked, indexed MCAP file. Not thread-safe.

    Args:
        path: File to create.
        compression: One of `COMPRESSIONS`.

    Raises:
        ConfigurationError: Unknown compression.
    """

    def __init__(self, path: Path, compression: str) -> None:
        if compression not in COMPRESSIONS:
            raise ConfigurationError(f"compression: expected one of {', '.join(COMPRESSIONS)}, found {compression!r}")
        self._compression = compression
        self._stream: BinaryIO = path.open("xb", buffering=0)
        self._end_of_good = 0  # [bytes] up to here the file is whole
        self._schemas: list[Schema] = []
        self._channels: list[Channel] = []
        self._chunk_indexes: list[ChunkIndex] = []
        self._metadata_indexes: list[MetadataIndex] = []
        self._counts: dict[int, int] = defaultdict(int)
        self._start: int | None = None
        self._end = 0
        self._reset_chunk()
        self._append(MAGIC + _bytes(Header(profile="ros2", library="zoox_stack")))

    @property
    def counts(self) -> dict[int, int]:
        """Messages by channel, those of the open chunk too."""
        return dict(self._counts)

    @property
    def span(self) -> tuple[int | None, int]:
        """First and last log time [ns] in closed chunks."""
        return self._start, self._end

    @property
    def pending_bytes(self) -> int:
        """Bytes of messages that are not on disk yet."""
        return self._pending

    def add_channel(self, topic: str, type_name: str, definition: str, encoding: str, metadata: dict[str, str]) -> int:
        """Declare a topic; it goes to disk at once, so that no chunk depends on another. Returns the channel id."""
        schema = next((s for s in self._schemas if s.name == type_name and s.data == definition.encode()), None)
        if schema is None:
            schema = Schema(id=len(self._schemas) + 1, data=definition.encode(), encoding=encoding, name=type_name)
            self._append(_bytes(schema))
            self._schemas.append(schema)
        channel = Channel(len(self._channels) + 1, topic, "cdr", metadata, schema.id)
        self._append(_bytes(channel))
        self._channels.append(channel)
        return channel.id

    def add_message(self, channel: int, log_ns: int, publish_ns: int, data: bytes) -> None:
        """Append a message to the open chunk."""
        size = len(data)
        head = _MESSAGE.pack(
            Opcode.MESSAGE, _MESSAGE_FIXED + size, channel, self._counts[channel] & 0xFFFFFFFF, log_ns, publish_ns
        )
        self._index[channel].append((log_ns, self._pending))
        self._parts += (head, data)
        self._pending += len(head) + size
        self._counts[channel] += 1

    def flush(self) -> None:
        """Close the open chunk and hand it to the operating system: it then survives the death of this process.

        Raises:
            OSError: It could not be written whole, for example because the disk is full. The file ends before the
                chunk then, whole as it was; the messages of the chunk are lost.
        """
        if not self._index:
            return
        data = b"".join(self._parts)
        stored = compress(data, self._compression)
        name = "" if self._compression == "none" else self._compression
        times = [time for records in self._index.values() for time, _ in records]
        offset = self._end_of_good
        parts = [
            _bytes(
                Chunk(
                    compression=name,
                    data=stored,
                    message_start_time=min(times),
                    message_end_time=max(times),
                    uncompressed_crc=zlib.crc32(data),
                    uncompressed_size=len(data),
                )
            )
        ]
        index_offsets, position = {}, offset + len(parts[0])
        for channel, records in sorted(self._index.items()):
            index_offsets[channel] = position
            parts.append(_bytes(MessageIndex(channel_id=channel, records=records)))
            position += len(parts[-1])
        try:
            self._append(b"".join(parts))
        except OSError:
            for channel, records in self._index.items():
                self._counts[channel] -= len(records)
            self._reset_chunk()
            raise
        self._chunk_indexes.append(
            ChunkIndex(
                chunk_start_offset=offset,
                chunk_length=len(parts[0]),
                message_start_time=min(times),
                message_end_time=max(times),
                message_index_offsets=index_offsets,
                message_index_length=position - offset - len(parts[0]),
                compression=name,
                compressed_size=len(stored),
                uncompressed_size=len(data),
            )
        )
        self._start = min(times) if self._start is None else min(self._start, min(times))
        self._end = max(self._end, max(times))
        self._reset_chunk()

    def add_metadata(self, name: str, values: dict[str, str]) -> None:
        """Append a metadata record (after `flush`)."""
        offset, record = self._end_of_good, _bytes(Metadata(name=name, metadata=values))
        self._append(record)
        self._metadata_indexes.append(MetadataIndex(offset=offset, length=len(record), name=name))

    def close(self) -> None:
        """Write the last chunk, the summary and the footer.

        Raises:
            OSError: Not all of it could be written; what had been written is kept. The file is closed all the same.
        """
        if self._stream.closed:
            return
        try:
            try:
                self.flush()
            finally:
                self._append(self._ending())
        finally:
            self._stream.close()

    def _ending(self) -> bytes:
        """Data end, summary, footer."""
        data_end = _bytes(DataEnd(0))
        summary_start = self._end_of_good + len(data_end)
        statistics = Statistics(
            attachment_count=0,
            channel_count=len(self._channels),
            channel_message_counts=dict(self._counts),
            chunk_count=len(self._chunk_indexes),
            message_count=sum(self._counts.values()),
            metadata_count=len(self._metadata_indexes),
            message_start_time=self._start or 0,
            message_end_time=self._end,
            schema_count=len(self._schemas),
        )
        summary = RecordBuilder()
        groups: list[tuple[int, list[McapRecord]]] = [
            (Opcode.SCHEMA, list(self._schemas)),
            (Opcode.CHANNEL, list(self._channels)),
            (Opcode.STATISTICS, [statistics]),
            (Opcode.CHUNK_INDEX, list(self._chunk_indexes)),
            (Opcode.METADATA_INDEX, list(self._metadata_indexes)),
        ]
        offsets = []
        for opcode, records in groups:
            begin = summary.count
            for record in records:
                record.write(summary)
            if records:
                offsets.append(SummaryOffset(opcode, summary_start + begin, summary.count - begin))
        offset_start = summary_start + summary.count
        for offset in offsets:
            offset.write(summary)
        data = summary.end()
        crc = zlib.crc32(struct.pack("<BQQQ", Opcode.FOOTER, 20, summary_start, offset_start), zlib.crc32(data))
        footer = Footer(summary_start=summary_start, summary_offset_start=offset_start, summary_crc=crc)
        return data_end + data + _bytes(footer) + MAGIC

    def _reset_chunk(self) -> None:
        self._parts: list[bytes] = []
        self._pending = 0
        self._index: dict[int, list[tuple[int, int]]] = defaultdict(list)

    def _append(self, data: bytes) -> None:
        """Write all of `data`, or nothing."""
        view = memoryview(data)
        try:
            while view:
                view = view[self._stream.write(view) :]
        except OSError:
            self._stream.truncate(self._end_of_good)
            self._stream.seek(self._end_of_good)
            raise
        self._end_of_good += len(data)


def _bytes(record: McapRecord) -> bytes:
    builder = RecordBuilder()
    record.write(builder)
    return bytes(builder.end())
