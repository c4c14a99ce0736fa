"""Reading rosbag2 bags: a directory of either storage, a bare ``.mcap`` or a bare ``.db3``."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from types import TracebackType

import zstandard

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.logs.bag_metadata import FILE_NAME, BagMetadata, read_metadata
from zoox_stack.logs.bag_types import BagMessage, BagTopic
from zoox_stack.logs.storage_mcap import McapStorage
from zoox_stack.logs.storage_sqlite3 import Sqlite3Storage

_STORAGES: dict[str, type[McapStorage] | type[Sqlite3Storage]] = {"mcap": McapStorage, "sqlite3": Sqlite3Storage}
_ENDINGS = {".mcap": "mcap", ".db3": "sqlite3"}


@dataclass(frozen=True)
class _Source:
    storage_id: str
    files: tuple[Path, ...]
    metadata: BagMetadata | None = None
    missing: tuple[Path, ...] = ()


class BagReader:
    """A bag opened for reading; messages come in order of log time.

    Args:
        path: Directory, ``.mcap`` or ``.db3``. A directory without ``metadata.yaml`` is read too.
        recover: Read an incomplete bag (killed recorder, truncated file) as far as it is whole; `problems` then says
            what was wrong. Without it such a bag is an error.
        scan: Check every chunk instead of trusting the index.

    Attributes:
        path: As given.
        storage_id: ``mcap`` or ``sqlite3``.
        topics: By name, in the order of the names.
        start_ns: Smallest log time [ns]; None without messages.
        end_ns: Largest log time [ns]; None without messages.
        problems: What was wrong; empty for a whole bag.

    Raises:
        InvalidInputError: Missing, of unknown storage, truncated, corrupt, or not a bag.
    """

    def __init__(self, path: Path | str, *, recover: bool = False, scan: bool = False) -> None:
        self.path = Path(path)
        source = _find(self.path, recover)
        self.storage_id = source.storage_id
        self.problems: list[str] = [f"{file} is missing" for file in source.missing]
        self._message_compression = bool(source.metadata and source.metadata.compression_mode == "message")
        self._storages: list[McapStorage | Sqlite3Storage] = []
        try:
            for file in source.files:
                self._open(file, recover, scan)
        except BaseException:
            self.close()
            raise
        topics: dict[str, BagTopic] = {}
        for storage in self._storages:
            for name, topic in storage.topics.items():
                topics[name] = topics[name].merged(topic, storage.path) if name in topics else topic
        if source.metadata:  # mcap files of older recorders hold no profiles
            for name, profiles in source.metadata.qos.items():
                if name in topics and not topics[name].qos:
                    topics[name] = replace(topics[name], qos=profiles)
        self.topics = dict(sorted(topics.items()))
        starts = [s.start_ns for s in self._storages if s.start_ns is not None]
        ends = [s.end_ns for s in self._storages if s.end_ns is not None]
        self.start_ns: int | None = min(starts, default=None)
        self.end_ns: int | None = max(ends, default=None)

    def _open(self, file: Path, recover: bool, scan: bool) -> None:
        try:
            storage = _STORAGES[self.storage_id](file, recover=recover, scan=scan)
        except InvalidInputError as error:
            # Of a bag split into several files, one that is beyond recovery does not take the others with it.
            if not recover or not self._storages:
                raise
            self.problems.append(str(error))
            return
        self._storages.append(storage)
        self.problems += [f"{file.name}: {problem}" for problem in storage.problems]

    def __enter__(self) -> BagReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the files."""
        for storage in self._storages:
            storage.close()

    @property
    def message_count(self) -> int:
        """Messages on all topics."""
        return sum(topic.count for topic in self.topics.values())

    @property
    def duration(self) -> float:
        """From the first to the last message [s]."""
        return 0.0 if self.start_ns is None or self.end_ns is None else (self.end_ns - self.start_ns) * 1e-9

    def messages(
        self, topics: Iterable[str] | None = None, start_ns: int | None = None, end_ns: int | None = None
    ) -> Iterator[BagMessage]:
        """Messages in order of log time; equal times in the order they were written.

        Args:
            topics: Only these topics; None for all. Names the bag does not have are an error.
            start_ns: Not before this [ns].
            end_ns: Not after this [ns].

        Raises:
            InvalidInputError: A topic is missing, or the data is corrupt.
        """
        chosen = None if topics is None else set(topics)
        if chosen is not None:
            self.require_topics(chosen)
        streams = [storage.messages(chosen, start_ns, end_ns) for storage in self._storages]
        merged = heapq.merge(*streams, key=lambda message: message.stamp_ns)
        return self._uncompressed(merged) if self._message_compression else merged

    def require_topics(self, wanted: Iterable[str] | Mapping[str, str]) -> None:
        """Check that topics are there, hold CDR and, given a mapping, have the wanted type.

        Args:
            wanted: Topic names, or topic name → type name.

        Raises:
            InvalidInputError: Names the first topic that is missing or of another type, and what there is.
        """
        types = dict(wanted) if isinstance(wanted, Mapping) else dict.fromkeys(wanted, "")
        for name, type_name in types.items():
            topic = self.topics.get(name)
            if topic is None:
                close = get_close_matches(name, self.topics, n=1)
                remedy = f"Did you mean {close[0]}?" if close else ""
                found = ", ".join(self.topics) or "no topics"
                raise InvalidInputError(str(self.path), f"topic {name}", found, remedy)
            if type_name and topic.type_name != type_name:
                raise InvalidInputError(f"{self.path}: topic {name}", f"type {type_name}", topic.type_name)
            if topic.serialization != "cdr":
                raise InvalidInputError(f"{self.path}: topic {name}", "cdr messages", topic.serialization or "unknown")

    def _uncompressed(self, messages: Iterator[BagMessage]) -> Iterator[BagMessage]:
        decompressor = zstandard.ZstdDecompressor()
        for message in messages:
            try:
                # Read as a stream: rosbag2 does not always store the size.
                data = decompressor.decompressobj().decompress(message.data)
            except zstandard.ZstdError as error:
                raise InvalidInputError(f"{self.path}: message on {message.topic}", "zstd", str(error)) from error
            yield replace(message, data=data)


def _find(path: Path, recover: bool) -> _Source:
    """Which files make up the bag."""
    if not path.exists():
        raise InvalidInputError(str(path), "a bag", "nothing of that name")
    if path.is_file():
        if path.suffix == ".zstd":
            raise _file_compression(path)
        if path.suffix not in _ENDINGS:
            found = "nothing in it" if path.stat().st_size == 0 else f"a file ending in {path.suffix or 'nothing'}"
            raise InvalidInputError(str(path), "a .mcap or .db3 file, or a rosbag2 directory", found)
        return _Source(_ENDINGS[path.suffix], (path,))
    if (path / FILE_NAME).exists():
        try:
            return _from_metadata(path, read_metadata(path / FILE_NAME), recover)
        except InvalidInputError:
            if not recover:
                raise
    files = sorted((f for f in path.iterdir() if f.suffix in _ENDINGS and f.is_file()), key=_split_number)
    if not files:
        if any(f.suffix == ".zstd" for f in path.iterdir()):
            raise _file_compression(path)
        found = ", ".join(sorted(f.name for f in path.iterdir())[:5]) or "an empty folder"
        raise InvalidInputError(str(path), "a rosbag2 directory with .mcap or .db3 files", found)
    kinds = {_ENDINGS[f.suffix] for f in files}
    if len(kinds) > 1:
        names = ", ".join(f.name for f in files)
        raise InvalidInputError(str(path), "files of one storage", names, "Name the file you mean")
    return _Source(kinds.pop(), tuple(files))


def _from_metadata(path: Path, metadata: BagMetadata, recover: bool) -> _Source:
    if metadata.storage_id not in _STORAGES:
        expected = f"storage {' or '.join(_STORAGES)}"
        raise InvalidInputError(str(path / FILE_NAME), expected, repr(metadata.storage_id))
    if metadata.compression_mode == "file":
        raise _file_compression(path)
    if metadata.compression_mode == "message" and metadata.compression_format != "zstd":
        raise InvalidInputError(str(path / FILE_NAME), "compression zstd", repr(metadata.compression_format))
    folder = path.resolve()
    files = tuple(path / name for name in metadata.files)
    for file in files:
        if not file.resolve().is_relative_to(folder):
            raise InvalidInputError(str(path / FILE_NAME), "files inside the bag's folder", str(file))
    missing = tuple(file for file in files if not file.is_file())
    if not files or (missing and (not recover or len(missing) == len(files))):
        found = f"{missing[0].name} is missing" if missing else "no files"
        raise InvalidInputError(str(path), "the data files its metadata.yaml names", found)
    return _Source(metadata.storage_id, tuple(f for f in files if f not in missing), metadata, missing)


def _file_compression(path: Path) -> InvalidInputError:
    remedy = 'Uncompress it first: zstd -d --rm FILE.zstd, and set compression_mode in metadata.yaml to ""'
    return InvalidInputError(str(path), "a bag without file compression", "files compressed as a whole", remedy)


def _split_number(file: Path) -> tuple[int, str]:
    number = file.stem.rsplit("_", 1)[-1]
    return (int(number) if number.isdigit() else 0, file.name)
