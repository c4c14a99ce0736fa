"""CDR bytes of lists of agents straight from their arrays.

An agent is a structure of fixed size, so that a list of them is one table of bytes: tens of times faster than message
objects one by one, with the same bytes (a test compares them).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import N_ATTRIBUTES, N_CLASSES, STATE_DIM, DetectedAgents, TrackedAgents
from zoox_stack.logs.codec_agents import check_ego_stamp, ego_state
from zoox_stack.logs.codec_basics import header, new
from zoox_stack.logs.message_definitions import typestore

_ENCAPSULATION = 4  # bytes before the first one that alignment counts from
_COUNT = 4  # bytes of the number of elements of a sequence


def _layout(itemsize: int, /, **fields: tuple[str, int, int]) -> np.dtype[np.void]:
    """Structure of `itemsize` bytes: type, number of values and offset of each field."""
    formats = [f"({count},)<{kind}" for kind, count, _ in fields.values()]
    offsets = [offset for *_, offset in fields.values()]
    return np.dtype({"names": list(fields), "formats": formats, "offsets": offsets, "itemsize": itemsize})


_TRACKED = _layout(
    304, id=("i8", 1, 0), agent_class=("u1", 1, 8), class_probabilities=("f4", N_CLASSES, 12), existence=("f4", 1, 52),
    position=("f8", 3, 56), yaw=("f8", 1, 80), velocity=("f8", 2, 88), acceleration=("f8", 2, 104),
    yaw_rate=("f8", 1, 120), covariance=("f4", STATE_DIM**2, 128), size=("f4", 3, 272), age=("f4", 1, 284),
    time_since_update=("f4", 1, 288), attributes=("u1", N_ATTRIBUTES, 292), is_defined_facing=("u1", 1, 298),
    facing=("f4", 1, 300),
)  # fmt: skip
# Where a detection begins at a multiple of 8 the numbers of 8 bytes lie elsewhere than where it begins 4 bytes later.
_DETECTED = {
    0: _layout(
        124, class_probabilities=("f4", N_CLASSES, 0), score=("f4", 1, 40), position=("f8", 3, 48), yaw=("f8", 1, 72),
        size=("f4", 3, 80), is_defined_velocity=("u1", 1, 92), velocity=("f8", 2, 96),
        attributes=("u1", N_ATTRIBUTES, 112), is_defined_facing=("u1", 1, 118), facing=("f4", 1, 120),
    ),
    4: _layout(
        120, class_probabilities=("f4", N_CLASSES, 0), score=("f4", 1, 40), position=("f8", 3, 44), yaw=("f8", 1, 68),
        size=("f4", 3, 76), is_defined_velocity=("u1", 1, 88), velocity=("f8", 2, 92),
        attributes=("u1", N_ATTRIBUTES, 108), is_defined_facing=("u1", 1, 114), facing=("f4", 1, 116),
    ),
}  # fmt: skip


def encode_tracked_agents(scene: TrackedAgents) -> bytes:
    """CDR bytes of zoox_stack/TrackedAgents.

    Raises:
        InvalidInputError: The ego's stamp is not that of the scene.
    """
    check_ego_stamp(scene)
    head = _head("zoox_stack/msg/TrackedAgents", header=header(scene.stamp_ns), ego=ego_state(scene.ego))
    n = len(scene)
    table = np.zeros(n, _TRACKED)
    _fill(
        table, id=scene.ids, agent_class=scene.classes, class_probabilities=scene.class_probabilities,
        existence=scene.existence, position=scene.position, yaw=scene.yaw, velocity=scene.velocity,
        acceleration=scene.acceleration, yaw_rate=scene.yaw_rate, covariance=scene.covariance, size=scene.size,
        age=scene.age, time_since_update=scene.time_since_update, attributes=scene.attributes,
        **_facing(scene.facing),
    )  # fmt: skip
    return _sequence(head, n, 8, table.tobytes())


def encode_detected_agents(detections: DetectedAgents) -> bytes:
    """CDR bytes of zoox_stack/DetectedAgents."""
    d = detections
    assert d.velocity is not None  # these three are filled on construction
    assert d.attributes is not None
    assert d.facing is not None
    head = _head("zoox_stack/msg/DetectedAgents", header=header(d.stamp_ns, d.frame))
    n = len(d)
    measured: NDArray[np.bool_] = np.asarray(np.isfinite(d.velocity).all(axis=1))
    start = (len(head) - _ENCAPSULATION + _COUNT) % 8
    parts = []
    for rows in (slice(0, 1), slice(1, n)) if start == 0 else (slice(0, n),):
        table = np.zeros(len(d.score[rows]), _DETECTED[start])
        _fill(
            table, class_probabilities=d.class_probabilities[rows], score=d.score[rows], position=d.position[rows],
            yaw=d.yaw[rows], size=d.size[rows], is_defined_velocity=measured[rows],
            velocity=np.where(measured[rows, None], d.velocity[rows], 0.0), attributes=d.attributes[rows],
            **_facing(d.facing[rows]),
        )  # fmt: skip
        parts.append(table.tobytes())
        start = 4  # an odd number of 4 bytes further
    return _sequence(head, n, 4, b"".join(parts))


def _head(type_name: str, **fields: Any) -> bytes:
    """What comes before the sequence ``agents`` at the end of a message."""
    return bytes(typestore().serialize_cdr(new(type_name, **fields, agents=[]), type_name))[:-_COUNT]


def _sequence(head: bytes, count: int, alignment: int, elements: bytes) -> bytes:
    data = head + np.array(count, "<u4").tobytes()
    padding = -(len(data) - _ENCAPSULATION) % alignment if count else 0
    return data + bytes(padding) + elements


def _facing(facing: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    defined = np.isfinite(facing)
    return {"is_defined_facing": defined, "facing": np.where(defined, facing, 0.0)}


def _fill(table: NDArray[np.void], **columns: NDArray[Any]) -> None:
    for name, values in columns.items():
        table[name] = values.reshape(table[name].shape)
