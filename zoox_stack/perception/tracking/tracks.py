"""The table of live tracks: one row per track, one array per property."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import N_ATTRIBUTES, N_CLASSES, STATE_DIM


@dataclass
class Tracks:
    """Live tracks, T rows, ordered by id. Map frame, SI units.

    Attributes:
        ids: int64 ``[T]``.
        mean: ``[T, 6]`` (x, y, yaw, vx, vy, yaw_rate).
        covariance: ``[T, 6, 6]``.
        z: ``[T]`` height of the box centre.
        size: ``[T, 3]``.
        classes: ``[T, 10]`` class probabilities.
        log_odds: ``[T]`` of existence.
        confirmed: bool ``[T]``.
        hits: int64 ``[T]`` assigned detections.
        born_ns: int64 ``[T]``.
        updated_ns: int64 ``[T]`` stamp of the last assigned detection.
        heading_evidence: ``[T]`` log-odds that yaw points forwards, not backwards.
        acceleration: ``[T, 2]``.
        attributes: uint8 ``[T, 6]``.
        attributes_ns: int64 ``[T, 6]`` when each was last observed.
        facing: ``[T]``, NaN unknown.
        facing_ns: int64 ``[T]``.
        birthplace: ``[T, 2]`` where it was first seen.
        moved: bool ``[T]`` it has left that place.
    """

    ids: NDArray[np.int64]
    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]
    z: NDArray[np.float64]
    size: NDArray[np.float64]
    classes: NDArray[np.float64]
    log_odds: NDArray[np.float64]
    confirmed: NDArray[np.bool_]
    hits: NDArray[np.int64]
    born_ns: NDArray[np.int64]
    updated_ns: NDArray[np.int64]
    heading_evidence: NDArray[np.float64]
    acceleration: NDArray[np.float64]
    attributes: NDArray[np.uint8]
    attributes_ns: NDArray[np.int64]
    facing: NDArray[np.float64]
    facing_ns: NDArray[np.int64]
    birthplace: NDArray[np.float64]
    moved: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.ids)

    def select(self, rows: NDArray[Any]) -> Tracks:
        """Tracks of the given rows or mask."""
        return Tracks(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    def joined(self, others: Tracks) -> Tracks:
        """These tracks followed by `others`."""
        return Tracks(
            **{f.name: np.concatenate([getattr(self, f.name), getattr(others, f.name)]) for f in fields(self)}
        )

    @classmethod
    def empty(cls) -> Tracks:
        """No tracks."""
        return cls(
            ids=np.zeros(0, np.int64),
            mean=np.zeros((0, STATE_DIM)),
            covariance=np.zeros((0, STATE_DIM, STATE_DIM)),
            z=np.zeros(0),
            size=np.zeros((0, 3)),
            classes=np.zeros((0, N_CLASSES)),
            log_odds=np.zeros(0),
            confirmed=np.zeros(0, bool),
            hits=np.zeros(0, np.int64),
            born_ns=np.zeros(0, np.int64),
            updated_ns=np.zeros(0, np.int64),
            heading_evidence=np.zeros(0),
            acceleration=np.zeros((0, 2)),
            attributes=np.zeros((0, N_ATTRIBUTES), np.uint8),
            attributes_ns=np.zeros((0, N_ATTRIBUTES), np.int64),
            facing=np.zeros(0),
            facing_ns=np.zeros(0, np.int64),
            birthplace=np.zeros((0, 2)),
            moved=np.zeros(0, bool),
        )
