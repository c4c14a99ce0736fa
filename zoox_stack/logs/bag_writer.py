"""Writing rosbag2 bags: serialized messages into MCAP, safe against the death of the process."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType

import yaml

from zoox_stack.core.errors import InvalidInputError, StorageError
from zoox_stack.logs.bag_metadata import metadata_document, write_metadata
from zoox_stack.logs.bag_types import BagMessage, BagTopic
from zoox_stack.logs.mcap_file import McapFile
from zoox_stack.logs.message_definitions import message_definition, type_hash
from zoox_stack.logs.qos import QosProfile, dump_profiles

CHUNK_BYTES = 1 << 18  # small enough that a file cut off loses little; a LiDAR sweep fills one alone


class BagWriter:
    """A rosbag2 directory (``OUT/OUT_0.mcap`` and ``metadata.yaml``), or one ``OUT.mcap``. Thread-safe.

    What was written more than `flush_period` ago is on disk: if the process is killed, `bag_recovery` (and every
    MCAP tool) reads it. The operating system may keep it in memory still, so power loss is another matter.

    Args:
        path: Where to write. A name ending in ``.mcap`` makes a single file, anything else a directory.
        compression: Of the chunks: ``none``, ``lz4`` or ``zstd``.
        chunk_bytes: A chunk is closed at this size [bytes].
        flush_period: A chunk is closed at this age [s]; None: by size only (converters).

    Raises:
        InvalidInputError: Something is there already: recordings are never overwritten.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        compression: str = "lz4",
        chunk_bytes: int = CHUNK_BYTES,
        flush_period: float | None = 1.0,
    ) -> None:
        self.path = Path(path)
        if self.path.exists():
            remedy = "Choose another name or delete it first"
            raise InvalidInputError(str(self.path), "a new bag", "a file or folder of that name", remedy)
        self._folder = None if self.path.suffix == ".mcap" else self.path
        (self._folder or self.path.parent).mkdir(parents=True, exist_ok=True)
        self._data_path = self.path if self._folder is None else self._folder / f"{self.path.name}_0.mcap"
        self._file = McapFile(self._data_path, compression)
        self._chunk_bytes = chunk_bytes
        self._topics: dict[str, BagTopic] = {}
        self._channels: dict[str, int] = {}
        self._start_ns: int | None = None
        self._end_ns: int | None = None
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._failure: OSError | None = None
        self._write_metadata()
        self._flusher: threading.Thread | None = None
        if flush_period is not None:
            self._flush_period = flush_period
            self._flusher = threading.Thread(target=self._flush_forever, name="bag flush", daemon=True)
            self._flusher.start()

    def __enter__(self) -> BagWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def topics(self) -> dict[str, BagTopic]:
        """Topics so far, with counts."""
        with self._lock:
            return dict(self._topics)

    def add_topic(
        self,
        name: str,
        type_name: str,
        qos: tuple[QosProfile, ...] = (),
        *,
        definition: str | None = None,
        definition_encoding: str = "ros2msg",
        type_hash_text: str | None = None,
    ) -> None:
        """Declare a topic. Adding the same again does nothing.

        Args:
            name: Topic.
            type_name: ROS message type.
            qos: What its publishers offer.
            definition: Full text of the message definition; needed for types that are neither Jazzy's nor ours.
            definition_encoding: ``ros2msg`` or ``ros2idl``.
            type_hash_text: REP-2016 hash; computed for known types.

        Raises:
            InvalidInputError: Unknown type without a definition, or the topic has another type already.
        """
        with self._lock:
            known = self._topics.get(name)
            if known is not None:
                if known.type_name != type_name:
                    raise InvalidInputError(f"topic {name}", f"type {known.type_name}", type_name)
                return
            if definition is None:
                definition, type_hash_text = message_definition(type_name), type_hash(type_name)
            topic = BagTopic(name, type_name, 0, qos, definition, definition_encoding, type_hash_text or "")
            metadata = {"offered_qos_profiles": dump_profiles(qos), "topic_type_hash": topic.type_hash}
            self._channels[name] = self._file.add_channel(name, type_name, definition, definition_encoding, metadata)
            self._topics[name] = topic
            self._write_metadata()

    def write(self, topic: str, stamp_ns: int, data: bytes, publish_ns: int | None = None) -> None:
        """Append one serialized message.

        Args:
            topic: Declared topic.
            stamp_ns: Log time [ns], >= 0.
            data: CDR bytes.
            publish_ns: When it was published [ns]; default the log time.

        Raises:
            InvalidInputError: Unknown topic, negative time, empty message, closed bag.
            StorageError: The disk is full or broken. What was flushed before is kept; the bag takes nothing more.
        """
        with self._lock:
            self._check_storage()
            if self._closed.is_set():
                raise InvalidInputError(str(self.path), "an open bag", "a closed one")
            info = self._topics.get(topic)
            if info is None:
                raise InvalidInputError(f"topic {topic}", "a topic of this bag", "an unknown one", "Call add_topic")
            if stamp_ns < 0 or len(data) < 4:
                found = f"log time {stamp_ns}, {len(data)} bytes"
                raise InvalidInputError(f"message on {topic}", "a time >= 0 and CDR bytes", found)
            self._file.add_message(
                self._channels[topic], stamp_ns, stamp_ns if publish_ns is None else publish_ns, bytes(data)
            )
            self._topics[topic] = replace(info, count=info.count + 1)
            self._start_ns = stamp_ns if self._start_ns is None else min(self._start_ns, stamp_ns)
            self._end_ns = stamp_ns if self._end_ns is None else max(self._end_ns, stamp_ns)
            if self._file.pending_bytes >= self._chunk_bytes:
                self._flush()

    def write_message(self, message: BagMessage) -> None:
        """Append a message whose topic is declared; its type must be the declared one."""
        known = self._topics.get(message.topic)
        if known is not None and known.type_name != message.type_name:
            raise InvalidInputError(f"message on {message.topic}", f"type {known.type_name}", message.type_name)
        self.write(message.topic, message.stamp_ns, message.data)

    def flush(self) -> None:
        """Put everything written so far on disk; raises StorageError as `write` does."""
        with self._lock:
            if not self._closed.is_set():
                self._check_storage()
                self._flush()

    def close(self) -> None:
        """Complete the bag. Closing twice does nothing.

        Raises:
            StorageError: The last messages or the summary could not be written. Without its summary the bag is read
                by recovery.
        """
        with self._lock:
            if self._closed.is_set():
                return
            self._closed.set()
            try:
                self._complete()
            except OSError as error:
                self._failure = self._failure or error
                self._check_storage()
        if self._flusher is not None:
            self._flusher.join()

    def _complete(self) -> None:
        if self._failure is None:
            with suppress(StorageError):
                self._flush()
        try:
            # rosbag2 reads this record when a bare file is opened without its directory.
            document = yaml.safe_dump(self._document(), sort_keys=False)
            self._file.add_metadata("rosbag2", {"serialized_metadata": document})
        finally:
            self._file.close()
        self._write_metadata()
        self._check_storage()

    def _flush(self) -> None:
        try:
            self._file.flush()
        except OSError as error:
            self._failure = error
            counts = self._file.counts
            self._topics = {n: replace(t, count=counts.get(self._channels[n], 0)) for n, t in self._topics.items()}
            self._start_ns, self._end_ns = self._file.span
            self._check_storage()

    def _check_storage(self) -> None:
        if self._failure is not None:
            count = sum(topic.count for topic in self._topics.values())
            raise StorageError(
                f"bag {self.path}: {self._failure.strerror}; the {count} messages written before are kept"
            ) from self._failure

    def _document(self) -> dict[str, object]:
        files = [self._data_path.name]
        return metadata_document("mcap", files, self._topics.values(), self._start_ns, self._end_ns)

    def _write_metadata(self) -> None:
        if self._folder is not None:
            write_metadata(self._folder, self._document())

    def _flush_forever(self) -> None:
        next_flush = time.monotonic() + self._flush_period
        while not self._closed.wait(max(0.0, next_flush - time.monotonic())):
            next_flush = time.monotonic() + self._flush_period
            try:
                self.flush()
            except StorageError:
                return  # the next write tells
