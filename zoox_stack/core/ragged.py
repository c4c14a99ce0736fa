"""Lists of rows of different lengths in two arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from zoox_stack.core.errors import InvalidInputError


@dataclass(frozen=True, eq=False)
class Ragged:
    """Rows of different lengths: row ``i`` is ``values[offsets[i]:offsets[i + 1]]``.

    Both arrays become read-only views.

    Attributes:
        values: All rows one after the other, shape ``[total, ...]``.
        offsets: int32, shape ``[rows + 1]``, first 0, last ``total``, not falling.
    """

    values: NDArray[Any]
    offsets: NDArray[np.int32]

    def __post_init__(self) -> None:
        offsets = np.asarray(self.offsets, dtype=np.int32)
        if (
            offsets.ndim != 1
            or len(offsets) < 1
            or offsets[0] != 0
            or offsets[-1] != len(self.values)
            or bool((np.diff(offsets) < 0).any())
        ):
            raise InvalidInputError(
                "Ragged.offsets", f"a rising list from 0 to {len(self.values)}", np.array2string(offsets, threshold=8)
            )
        for name, array in (("values", np.asarray(self.values)), ("offsets", offsets)):
            frozen = array.view()
            frozen.flags.writeable = False
            object.__setattr__(self, name, frozen)

    @classmethod
    def from_rows(cls, rows: Iterable[ArrayLike], dtype: DTypeLike, width: int | None = None) -> Ragged:
        """Join rows; `width` is the length of the second axis of 2-D rows (``None``: rows are 1-D)."""
        shape: Sequence[int] = (-1,) if width is None else (-1, width)
        arrays = [np.asarray(row, dtype=dtype).reshape(shape) for row in rows]
        empty = np.zeros((0,) if width is None else (0, width), dtype=dtype)
        offsets = np.concatenate([[0], np.cumsum([len(a) for a in arrays])]).astype(np.int32)
        return cls(np.concatenate([empty, *arrays]), offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> NDArray[Any]:
        """Row `row` as a read-only view."""
        return self.values[self.offsets[row] : self.offsets[row + 1]]

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self[i] for i in range(len(self)))

    @property
    def lengths(self) -> NDArray[np.int32]:
        """Length of every row, shape ``[rows]``."""
        return np.diff(self.offsets)

    def row_of_value(self) -> NDArray[np.int64]:
        """Row index of every value, shape ``[total]``."""
        return np.repeat(np.arange(len(self)), self.lengths)
