"""A hash of what a message says: its fields, not its bytes, whose padding is undefined."""

from __future__ import annotations

import hashlib
from array import array
from typing import Any

import numpy as np

# Fields that tell how long something took, not what came out.
WALL_CLOCK_FIELDS = frozenset({"scene_age", "compute_time"})


def message_hash(message: Any) -> str:
    """SHA-256 over all fields in order, without those that depend on the wall clock."""
    digest = hashlib.sha256()
    _update(digest, message)
    return digest.hexdigest()


def _update(digest: Any, value: Any) -> None:
    if hasattr(value, "get_fields_and_field_types"):
        for name in value.get_fields_and_field_types():
            if name not in WALL_CLOCK_FIELDS:
                _update(digest, getattr(value, name))
    elif isinstance(value, np.ndarray):
        digest.update(len(value).to_bytes(8, "little"))
        digest.update(np.ascontiguousarray(value).view(np.uint8))
    elif isinstance(value, (array, bytes, bytearray)):
        digest.update(len(value).to_bytes(8, "little"))
        digest.update(np.frombuffer(value, np.uint8) if len(value) else b"")
    elif isinstance(value, (list, tuple)):
        digest.update(len(value).to_bytes(8, "little"))
        for item in value:
            _update(digest, item)
    else:
        digest.update(repr(value).encode())
        digest.update(b"\0")
