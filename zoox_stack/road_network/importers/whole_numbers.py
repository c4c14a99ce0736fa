"""Ids in files: text or numbers that must be whole and fit into a RoadNetwork."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGEST = 2**63 - 2**32  # leaves room in 64 bits for ids made up above all others


def whole_number(value: Any) -> int:
    """An id as a number.

    Raises:
        ValueError: Not written in plain decimal digits, or too large.
    """
    text = str(value)
    if not re.fullmatch(r"-?[0-9]{1,19}", text) or abs(int(text)) > LARGEST:
        raise ValueError(f"id is no whole number of 64 bits: {text[:40]!r}")
    return int(text)


def distinct(ids: Sequence[int]) -> NDArray[np.int64]:
    """The ids in their order; one that came before is replaced by a free number above all."""
    seen: set[int] = set()
    free = max(ids, default=0)
    result = []
    for one in ids:
        if one in seen:
            free += 1
        result.append(free if one in seen else one)
        seen.add(one)
    return np.array(result, np.int64)
