"""Saving what is whole of an incomplete bag."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.logs.bag_reader import BagReader
from zoox_stack.logs.bag_writer import BagWriter
from zoox_stack.logs.message_definitions import knows


@dataclass(frozen=True)
class RecoveryReport:
    """What came out of a recovery.

    Attributes:
        messages: Messages recovered.
        topics: Messages by topic.
        duration: From the first to the last of them [s].
        problems: What was wrong with the bag; empty if it was whole.
    """

    messages: int
    topics: dict[str, int]
    duration: float
    problems: tuple[str, ...]


def recover(path: Path | str, out: Path | str, *, compression: str = "lz4") -> RecoveryReport:
    """Copy every readable message of a bag into a new, complete bag.

    Args:
        path: Bag of either storage, whole or not; it is not changed.
        out: New bag (directory, or single file if it ends in ``.mcap``).
        compression: Of the new bag.

    Raises:
        InvalidInputError: Not a bag at all, nothing readable in it, or `out` exists.
    """
    with BagReader(path, recover=True, scan=True) as reader:
        if not reader.message_count:
            found = "; ".join(reader.problems) or "an empty bag"
            raise InvalidInputError(str(path), "at least one whole message", found)
        with BagWriter(out, compression=compression, flush_period=None) as writer:
            for topic in reader.topics.values():
                writer.add_topic(
                    topic.name,
                    topic.type_name,
                    topic.qos,
                    definition=topic.definition or (None if knows(topic.type_name) else ""),
                    definition_encoding=topic.definition_encoding or "ros2msg",
                    type_hash_text=topic.type_hash,
                )
            for message in reader.messages():
                writer.write_message(message)
        counts = {name: topic.count for name, topic in writer.topics.items()}
        return RecoveryReport(sum(counts.values()), counts, reader.duration, tuple(reader.problems))
