"""What a bag holds: serialized messages on topics."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.logs.qos import QosProfile


@dataclass(frozen=True)
class BagMessage:
    """One recorded message.

    Attributes:
        topic: Topic name.
        type_name: ROS message type, ``package/msg/Name``.
        stamp_ns: Log time: when it was recorded, or its own stamp in converted data [ns].
        data: CDR bytes with the 4-byte encapsulation header, as DDS carries them.
    """

    topic: str
    type_name: str
    stamp_ns: int
    data: bytes


@dataclass(frozen=True)
class BagTopic:
    """One topic of a bag.

    Attributes:
        name: Topic name.
        type_name: ROS message type, ``package/msg/Name``.
        count: Messages on it.
        qos: What its publishers offered; empty if the bag does not say.
        definition: Text of the message definition; empty if the bag does not hold it.
        definition_encoding: ``ros2msg``, ``ros2idl`` or empty.
        type_hash: REP-2016 hash; empty if the bag does not hold it.
        serialization: ``cdr``.
    """

    name: str
    type_name: str
    count: int = 0
    qos: tuple[QosProfile, ...] = ()
    definition: str = ""
    definition_encoding: str = ""
    type_hash: str = ""
    serialization: str = "cdr"

    @property
    def latched(self) -> bool:
        """True if a publisher of it was latched (transient local)."""
        return any(profile.latched for profile in self.qos)

    def merged(self, other: BagTopic, source: Path) -> BagTopic:
        """The same topic in another file of the bag or from another publisher: counts add up, gaps are filled.

        Raises:
            InvalidInputError: The two disagree on the type.
        """
        if self.type_name != other.type_name:
            raise InvalidInputError(f"{source}: topic {self.name}", f"one type, {self.type_name}", other.type_name)
        return replace(
            self,
            count=self.count + other.count,
            qos=self.qos + tuple(profile for profile in other.qos if profile not in self.qos),
            definition=self.definition or other.definition,
            definition_encoding=self.definition_encoding or other.definition_encoding,
            type_hash=self.type_hash or other.type_hash,
        )
