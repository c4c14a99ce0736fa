"""Reading one sqlite3 file of a rosbag2 bag, schema versions 1 to 4 (Dashing to Jazzy)."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.logs.bag_types import BagMessage, BagTopic
from zoox_stack.logs.qos import parse_profiles
from zoox_stack.logs.storage_mcap import RECOVER_HINT

_MAGIC = b"SQLite format 3\x00"
_PAGES_AT = 28  # offset of the number of pages in the header
_LEFTOVERS = ("-wal", "-journal")  # there if the recorder did not end cleanly


class Sqlite3Storage:
    """One ``.db3`` file, opened for reading; the file itself is never changed.

    Arguments, attributes and errors as `storage_mcap.McapStorage`. With `recover` the file is copied with its journal
    to a temporary folder, sqlite3 replays the journal there, and rows are read as far as pages are whole.
    """

    storage_id = "sqlite3"

    def __init__(self, path: Path, *, recover: bool = False, scan: bool = False) -> None:
        self.path = path
        self.problems: list[str] = []
        self._recover = recover
        self._copy: tempfile.TemporaryDirectory[str] | None = None
        self._check_magic()
        problem = self._find_problem(scan)
        if problem and not recover:
            raise InvalidInputError(str(path), "a complete sqlite3 bag", problem, RECOVER_HINT)
        if problem:
            self.problems.append(problem)
        try:
            self._connection = self._open_copy() if problem else _connect(f"{path.absolute().as_uri()}?mode=ro")
            self._read_topics()
        except sqlite3.DatabaseError as error:
            self.close()
            found = f"corrupt: {error}"
            raise InvalidInputError(str(path), "a rosbag2 sqlite3 file", found, RECOVER_HINT) from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        if hasattr(self, "_connection"):
            self._connection.close()
        if self._copy is not None:
            self._copy.cleanup()

    def messages(self, topics: set[str] | None, start_ns: int | None, end_ns: int | None) -> Iterator[BagMessage]:
        """As `McapStorage.messages`."""
        ids = {i: t for i, t in self._ids.items() if topics is None or t[0] in topics}
        first, last = -(2**63) if start_ns is None else start_ns, 2**63 - 1 if end_ns is None else end_ns
        marks = ",".join("?" * len(ids))
        try:
            if self.problems:  # the time index may be damaged: read the table itself, sort in memory
                rows = sorted(r for r in self._rows if r[2] in ids and first <= r[0] <= last)
                for stamp, row, topic in rows:
                    (data,) = self._connection.execute("SELECT data FROM messages WHERE id = ?", (row,)).fetchone()
                    yield BagMessage(*ids[topic], stamp, bytes(data))
                return
            query = (
                f"SELECT topic_id, timestamp, data FROM messages WHERE topic_id IN ({marks}) "
                "AND timestamp >= ? AND timestamp <= ? ORDER BY timestamp, id"
            )
            for topic, stamp, data in self._connection.execute(query, (*ids, first, last)):
                yield BagMessage(*ids[topic], stamp, bytes(data))
        except sqlite3.DatabaseError as error:
            found = f"corrupt: {error}"
            raise InvalidInputError(str(self.path), "readable messages", found, RECOVER_HINT) from error

    def _check_magic(self) -> None:
        with self.path.open("rb") as stream:
            head = stream.read(100)
        if head[:16] != _MAGIC:
            what = "an empty file" if not head else f"bytes {head[:8].hex(' ')}"
            raise InvalidInputError(str(self.path), "an sqlite3 file", what)
        self._page_size = int.from_bytes(head[16:18], "big") or 0
        self._page_size = 65536 if self._page_size == 1 else self._page_size
        self._pages = int.from_bytes(head[_PAGES_AT : _PAGES_AT + 4], "big")

    def _find_problem(self, scan: bool) -> str:
        """Why the file is not complete; empty if it is."""
        for ending in _LEFTOVERS:
            leftover = self.path.with_name(self.path.name + ending)
            if leftover.exists() and leftover.stat().st_size:
                return f"a recorder that did not end cleanly left {leftover.name}"
        expected, size = self._page_size * self._pages, self.path.stat().st_size
        if size < expected:
            return f"truncated: {size} of {expected} bytes"
        if scan:
            try:
                connection = _connect(f"{self.path.absolute().as_uri()}?mode=ro")
                (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
                connection.close()
            except sqlite3.DatabaseError as error:
                return f"corrupt: {error}"
            return "" if verdict == "ok" else f"corrupt: {verdict}"
        return ""

    def _open_copy(self) -> sqlite3.Connection:
        self._copy = tempfile.TemporaryDirectory(prefix="zoox_stack_bag_")
        target = Path(self._copy.name) / self.path.name
        for ending in ("", *_LEFTOVERS):
            source = self.path.with_name(self.path.name + ending)
            if source.exists():
                shutil.copy(source, target.with_name(target.name + ending))
        # sqlite3 refuses a file shorter than its header says. With the true number of pages in the header it reads
        # what is there, and fails on exactly those rows of which a page is missing.
        pages = target.stat().st_size // self._page_size if self._page_size else 0
        if pages < self._pages:
            with target.open("r+b") as stream:
                stream.truncate(pages * self._page_size)
                stream.seek(_PAGES_AT)
                stream.write(pages.to_bytes(4, "big"))
        return _connect(str(target), uri=False)

    def _read_topics(self) -> None:
        columns = {row[1] for row in self._connection.execute("PRAGMA table_info(topics)")}
        if not {"id", "name", "type", "serialization_format"} <= columns:
            found = "tables of something else" if not columns else f"columns {sorted(columns)}"
            raise InvalidInputError(str(self.path), "the topics table of rosbag2", found)
        definitions = self._definitions()
        counts: dict[int, int] = {}
        if self.problems:
            self._rows = self._whole_rows()
            for _, _, topic_id in self._rows:
                counts[topic_id] = counts.get(topic_id, 0) + 1
            stamps = [row[0] for row in self._rows]
            self.start_ns, self.end_ns = min(stamps, default=None), max(stamps, default=None)
        else:
            counts = dict(self._connection.execute("SELECT topic_id, COUNT(*) FROM messages GROUP BY topic_id"))
            times = self._connection.execute("SELECT MIN(timestamp), MAX(timestamp) FROM messages").fetchone()
            self.start_ns, self.end_ns = times
        qos = "offered_qos_profiles" if "offered_qos_profiles" in columns else "''"
        digest = "type_description_hash" if "type_description_hash" in columns else "''"
        query = f"SELECT id, name, type, serialization_format, {qos}, {digest} FROM topics ORDER BY id"
        self._ids: dict[int, tuple[str, str]] = {}
        self.topics: dict[str, BagTopic] = {}
        for topic_id, name, type_name, serialization, profiles, type_hash in self._connection.execute(query):
            encoding, definition = definitions.get(type_name, ("", ""))
            topic = BagTopic(
                name, type_name, counts.get(topic_id, 0), parse_profiles(profiles, name),
                definition, encoding, type_hash or "", serialization,
            )  # fmt: skip
            known = self.topics.get(name)
            self.topics[name] = known.merged(topic, self.path) if known else topic
            self._ids[topic_id] = (name, type_name)

    def _definitions(self) -> dict[str, tuple[str, str]]:
        tables = {row[0] for row in self._connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if "message_definitions" not in tables:
            return {}
        query = "SELECT topic_type, encoding, encoded_message_definition FROM message_definitions"
        return {name: (encoding, text) for name, encoding, text in self._connection.execute(query)}

    def _whole_rows(self) -> list[tuple[int, int, int]]:
        """Time, row id and topic of every message that can be read, from both ends of the table inwards."""
        rows: dict[int, tuple[int, int, int]] = {}
        for direction in ("ASC", "DESC"):
            query = f"SELECT id, topic_id, timestamp FROM messages NOT INDEXED ORDER BY id {direction}"
            try:
                for row, topic_id, stamp in self._connection.execute(query):
                    if row in rows:
                        break
                    if self._is_whole(row):
                        rows[row] = (stamp, row, topic_id)
                else:
                    break
            except sqlite3.DatabaseError as error:
                self.problems.append(f"corrupt: {error}")
        return list(rows.values())

    def _is_whole(self, row: int) -> bool:
        """True if the data of a message can be read to its end."""
        try:
            found = self._connection.execute("SELECT data FROM messages WHERE id = ?", (row,)).fetchone()
        except sqlite3.DatabaseError:
            return False
        return found is not None and isinstance(found[0], bytes) and len(found[0]) >= 4


def _connect(target: str, uri: bool = True) -> sqlite3.Connection:
    return sqlite3.connect(target, uri=uri, check_same_thread=False)
