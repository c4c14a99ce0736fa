"""Detections as the tracker wants them: map frame, double precision, in an order that depends on them alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import DetectedAgents


@dataclass(frozen=True, eq=False)
class Measurements:
    """D detections of one stamp, map frame; fields as in `DetectedAgents`.

    Attributes:
        stamp_ns: [ns].
        classes: float64 ``[D, 10]`` class probabilities.
        score: float64 ``[D]``.
        position: float64 ``[D, 3]`` [m].
        yaw: float64 ``[D]`` [rad].
        size: float64 ``[D, 3]`` [m].
        velocity: float64 ``[D, 2]`` [m/s], NaN rows where not measured.
        has_velocity: bool ``[D]``.
        attributes: uint8 ``[D, 6]``.
        facing: float64 ``[D]`` [rad], NaN where not observed.
    """

    stamp_ns: int
    classes: NDArray[np.float64]
    score: NDArray[np.float64]
    position: NDArray[np.float64]
    yaw: NDArray[np.float64]
    size: NDArray[np.float64]
    velocity: NDArray[np.float64]
    has_velocity: NDArray[np.bool_]
    attributes: NDArray[np.uint8]
    facing: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.score)

    @classmethod
    def from_detections(cls, detections: DetectedAgents) -> Measurements:
        """Sort by position, then by score and yaw."""
        d = detections
        velocity, attributes, facing = (np.asarray(part) for part in (d.velocity, d.attributes, d.facing))
        order = np.lexsort((d.yaw, d.score, d.position[:, 2], d.position[:, 1], d.position[:, 0]))
        return cls(
            stamp_ns=d.stamp_ns,
            classes=d.class_probabilities[order].astype(np.float64),
            score=d.score[order].astype(np.float64),
            position=d.position[order],
            yaw=d.yaw[order],
            size=d.size[order].astype(np.float64),
            velocity=velocity[order],
            has_velocity=np.asarray(np.isfinite(velocity[order]).all(axis=1)),
            attributes=attributes[order],
            facing=facing[order].astype(np.float64),
        )
