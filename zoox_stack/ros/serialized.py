"""Messages as the bytes that travel, and the one message whose bytes are read and written without objects.

A scene as nested message objects is slow to build and to read (``python -m benchmarks message_conversion``), and every
node does it. Its bytes are nothing but a header, the ego and a table: an agent has only numbers, a fixed size, and
begins with a 64-bit number, so that CDR (the encoding of DDS) lays the agents out like rows of a C struct. The struct
is derived from the message definition; everything but the table is left to ROS. Bytes in any other encoding take the
ordinary way.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
from rclpy.serialization import deserialize_message, serialize_message

from zoox_stack.core.agents import TrackedAgents
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.msg import AgentAttributes, TrackedAgent
from zoox_stack.msg import TrackedAgents as TrackedAgentsMessage
from zoox_stack.ros.conversions.agents import (
    ATTRIBUTE_NAMES,
    ego_state_from_message,
    ego_state_to_message,
    tracked_agents_from_message,
)
from zoox_stack.ros.conversions.basics import MAX_AGENTS, check_count, header_to_message, stamp_and_frame

T = TypeVar("T")

MAX_MESSAGE_BYTES = 64 << 20  # refused before they are unpacked: a cloud of 2 million points has 32 MB

_LITTLE_ENDIAN = b"\x00\x01"  # first bytes of plain CDR
_ENCAPSULATION = 4  # bytes before the data; alignment counts from their end
_EGO_NUMBERS = 12 * 8  # bytes of the float64 in an EgoState
_NUMPY_TYPES = {"boolean": "u1", "uint8": "u1", "int64": "<i8", "float": "<f4", "double": "<f8"}
_COLUMNS = {  # of the message, by attribute of the core type
    "ids": "id",
    "classes": "agent_class",
    "class_probabilities": "class_probabilities",
    "existence": "existence_probability",
    "position": "position",
    "yaw": "yaw",
    "velocity": "velocity",
    "acceleration": "acceleration",
    "yaw_rate": "yaw_rate",
    "size": "size",
    "age": "age",
    "time_since_update": "time_since_update",
}


def unpack(data: bytes, kind: Any, convert: Callable[[Any], T]) -> T:
    """A serialized message as core type; raises InvalidInputError if it is too long, no CDR, or fails a check."""
    if len(data) > MAX_MESSAGE_BYTES:
        raise InvalidInputError("message", f"at most {MAX_MESSAGE_BYTES} bytes", str(len(data)))
    try:
        message = deserialize_message(data, kind)
    except Exception as error:
        raise InvalidInputError(f"message of type {kind.__name__}", "CDR bytes", str(error)) from error
    return convert(message)


@lru_cache
def agent_row() -> np.dtype[Any]:
    """A TrackedAgent as a row of numbers."""
    return _row(TrackedAgent, {"zoox_stack/AgentAttributes": AgentAttributes})


def _row(kind: Any, parts: dict[str, Any]) -> np.dtype[Any]:
    fields: list[tuple[Any, ...]] = []
    for name, type_name in kind.get_fields_and_field_types().items():
        if type_name in parts:
            fields.append((name, _row(parts[type_name], parts)))
            continue
        match = re.fullmatch(r"(\w+)(?:\[(\d+)\])?", type_name)
        if match is None or match[1] not in _NUMPY_TYPES:
            raise TypeError(f"{kind.__name__}.{name}: expected numbers of fixed size, found {type_name}")
        length = () if match[2] is None else (int(match[2]),)
        fields.append((name, _NUMPY_TYPES[match[1]], length))
    return np.dtype(fields, align=True)


def tracked_agents_to_bytes(scene: TrackedAgents) -> bytes:
    """The scene as a serialized TrackedAgents message.

    Raises:
        InvalidInputError: The ego's stamp is not that of the scene; the message has room for one only.
    """
    if scene.ego is not None and scene.ego.stamp_ns != scene.stamp_ns:
        raise InvalidInputError("TrackedAgents.ego.stamp_ns", str(scene.stamp_ns), str(scene.ego.stamp_ns))
    empty = TrackedAgentsMessage(header=header_to_message(scene.stamp_ns), ego=ego_state_to_message(scene.ego))
    head = serialize_message(empty)
    if not len(scene):
        return bytes(head)
    rows = np.zeros(len(scene), agent_row())
    for attribute, column in _COLUMNS.items():
        rows[column] = getattr(scene, attribute)
    rows["covariance"] = scene.covariance.reshape(len(scene), -1)
    attributes, defined = rows["attributes"], np.isfinite(scene.facing)
    for i, name in enumerate(ATTRIBUTE_NAMES):
        attributes[name] = scene.attributes[:, i]
    attributes["is_defined_facing"] = defined
    attributes["facing"] = np.where(defined, scene.facing, 0.0)
    count = _count_at(head)
    padding = bytes(_aligned(count + 4) - (count + 4))
    return b"".join([head[:count], np.uint32(len(rows)).tobytes(), padding, rows.tobytes()])


def tracked_agents_from_bytes(data: bytes) -> TrackedAgents:
    """The scene of a serialized TrackedAgents message.

    Raises:
        InvalidInputError: As `unpack`, or a number breaks the rules of `TrackedAgents`.
    """
    count_at = _count_at(data) if data[:2] == _LITTLE_ENDIAN and len(data) > _ENCAPSULATION + 12 else len(data)
    if count_at + 4 > len(data):
        return unpack(data, TrackedAgentsMessage, tracked_agents_from_message)
    count = int.from_bytes(data[count_at : count_at + 4], "little")
    check_count("TrackedAgents.agents", count, MAX_AGENTS)
    start, kind = _aligned(count_at + 4), agent_row()
    if not count or len(data) < start + count * kind.itemsize:
        return unpack(data, TrackedAgentsMessage, tracked_agents_from_message)
    rows = np.frombuffer(data, kind, count, start)
    head = deserialize_message(bytes(data[:count_at]) + bytes(4), TrackedAgentsMessage)
    stamp_ns, _ = stamp_and_frame("TrackedAgents", head.header)
    attributes = rows["attributes"]
    defined, facing = attributes["is_defined_facing"] != 0, attributes["facing"]
    if not np.isfinite(facing[defined]).all():
        raise InvalidInputError("AgentAttributes.facing", "a finite number where defined", "NaN or infinite")
    columns: dict[str, Any] = {attribute: rows[column].copy() for attribute, column in _COLUMNS.items()}
    return TrackedAgents(
        stamp_ns=stamp_ns,
        **columns,
        covariance=rows["covariance"].reshape(count, 6, 6),
        attributes=np.stack([attributes[name] for name in ATTRIBUTE_NAMES], axis=1),
        facing=np.where(defined, facing, np.float32(np.nan)),
        ego=ego_state_from_message(head.ego, stamp_ns),
    )


def _count_at(data: bytes) -> int:
    """Where in a serialized TrackedAgents the number of agents stands: after stamp, frame and ego."""
    frame = int.from_bytes(data[_ENCAPSULATION + 8 : _ENCAPSULATION + 12], "little")
    ego = _ENCAPSULATION + 12 + frame
    return _aligned(ego + 1) + _EGO_NUMBERS


def _aligned(position: int) -> int:
    """The next place for a 64-bit number."""
    return -(-(position - _ENCAPSULATION) // 8) * 8 + _ENCAPSULATION
