"""Poses over time to speeds, turn rates and labelled scenes: what all importers share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import AgentClass
from zoox_stack.core.geometry import wrap_angle


@dataclass(frozen=True)
class VehicleSize:
    """Box of the recording vehicle.

    Attributes:
        length: [m].
        width: [m].
        height: [m].
        rear_axle_to_centre: [m] from base_link forward to the box centre.
    """

    length: float
    width: float
    height: float
    rear_axle_to_centre: float


class ClassTable:
    """Class names of a dataset as `AgentClass`; names it does not know become UNKNOWN and are counted.

    Args:
        table: The known names.

    Attributes:
        unknown: Uses of names that are not in the table.
    """

    def __init__(self, table: Mapping[str, AgentClass]) -> None:
        self._table = table
        self.unknown: Counter[str] = Counter()

    def of(self, name: str, boxes: int = 1) -> AgentClass:
        """Class of a name that `boxes` labels carry."""
        if name not in self._table:
            self.unknown[name] += boxes
            return AgentClass.UNKNOWN
        return self._table[name]


def derivative(stamps_ns: NDArray[np.int64], values: NDArray[np.float64], window: float) -> NDArray[np.float64]:
    """Central differences over `window` seconds to either side (less at the ends), linear between samples.

    Args:
        stamps_ns: ``[T]`` rising [ns].
        values: ``[T]`` or ``[T, D]``.
        window: [s].

    Returns:
        Rates per second, shape of `values`; 0 if there is only one sample.
    """
    if len(stamps_ns) < 2:
        return np.zeros_like(values, dtype=np.float64)
    t = (stamps_ns - stamps_ns[0]) * 1e-9
    before, after = np.maximum(t - window, t[0]), np.minimum(t + window, t[-1])
    columns = values.reshape(len(t), -1)
    rates = [(np.interp(after, t, c) - np.interp(before, t, c)) / (after - before) for c in columns.T]
    return np.asarray(np.stack(rates, axis=-1).reshape(values.shape))


def ego_states(
    stamps_ns: NDArray[np.int64],
    position: NDArray[np.float64],
    yaw: NDArray[np.float64],
    size: VehicleSize,
    window: float,
) -> tuple[EgoState, ...]:
    """States of the ego from poses of base_link.

    Args:
        stamps_ns: ``[T]`` rising [ns].
        position: ``[T, 3]`` map frame [m].
        yaw: ``[T]`` [rad].
        size: Its box.
        window: Differences are taken over this to either side [s].
    """
    velocity = derivative(stamps_ns, position[:, :2], window)
    along = np.cos(yaw) * velocity[:, 0] + np.sin(yaw) * velocity[:, 1]
    across = -np.sin(yaw) * velocity[:, 0] + np.cos(yaw) * velocity[:, 1]
    yaw_rate = derivative(stamps_ns, np.unwrap(yaw), window)
    acceleration = derivative(stamps_ns, along, window)
    wrapped = wrap_angle(yaw)
    return tuple(
        EgoState(
            int(stamps_ns[i]),
            x=position[i, 0],
            y=position[i, 1],
            z=position[i, 2],
            yaw=wrapped[i],
            speed=along[i],
            lateral_velocity=across[i],
            acceleration=acceleration[i],
            yaw_rate=yaw_rate[i],
            length=size.length,
            width=size.width,
            height=size.height,
            rear_axle_to_centre=size.rear_axle_to_centre,
        )
        for i in range(len(stamps_ns))
    )


@dataclass(frozen=True, eq=False)
class LabelledTrack:
    """One labelled road user over time, map frame.

    Attributes:
        id: >= 0.
        agent_class: Its class.
        steps: int ``[T]`` rising rows of the sweeps in which it is labelled.
        position: float64 ``[T, 3]`` box centre [m].
        yaw: float64 ``[T]`` [rad].
        size: float32 ``[T, 3]`` length, width, height [m].
        attributes: uint8 ``[6]``, columns `Attribute`; None: all unknown.
    """

    id: int
    agent_class: AgentClass
    steps: NDArray[np.int64]
    position: NDArray[np.float64]
    yaw: NDArray[np.float64]
    size: NDArray[np.float32]
    attributes: NDArray[np.uint8] | None = None


def scenes_from_tracks(
    stamps_ns: NDArray[np.int64],
    tracks: Sequence[LabelledTrack],
    ego: Mapping[int, EgoState],
    window: float = 0.1,
    gap: float = 0.35,
) -> tuple[TrackedAgents, ...]:
    """Ground truth scenes, one per sweep; velocities are central differences of the labelled positions.

    Args:
        stamps_ns: ``[S]`` of the sweeps, rising [ns].
        tracks: The labels.
        ego: States by stamp; a sweep without one gets a scene without ego.
        window: Differences are taken over this to either side [s].
        gap: A longer gap in a track is not bridged by differences [s].
    """
    rows: list[list[tuple[LabelledTrack, int, NDArray[np.float64]]]] = [[] for _ in stamps_ns]
    for track in sorted(tracks, key=lambda t: t.id):
        stamps = stamps_ns[track.steps]
        birth = int(stamps[0])
        for part in np.split(np.arange(len(stamps)), np.flatnonzero(np.diff(stamps) > gap * 1e9) + 1):
            times = stamps[part]
            velocity = derivative(times, track.position[part, :2], window)
            acceleration = derivative(times, velocity, window)
            yaw_rate = derivative(times, np.unwrap(track.yaw[part]), window)
            age = (times - birth) * 1e-9
            motion = np.column_stack([velocity, acceleration, yaw_rate, age])
            for place, row in zip(part, motion, strict=True):
                rows[int(track.steps[place])].append((track, int(place), row))
    scenes = []
    for stamp_ns, entries in zip(stamps_ns.tolist(), rows, strict=True):
        n = len(entries)
        motion = np.array([m for _, _, m in entries]).reshape(n, 6)
        unknown = np.zeros(6, np.uint8)
        scenes.append(
            TrackedAgents.from_states(
                stamp_ns,
                np.array([t.id for t, _, _ in entries], np.int64),
                np.array([t.agent_class for t, _, _ in entries], np.uint8),
                np.array([t.position[i] for t, i, _ in entries]).reshape(n, 3),
                np.array(wrap_angle([t.yaw[i] for t, i, _ in entries])),
                motion[:, :2],
                np.array([t.size[i] for t, i, _ in entries], np.float32).reshape(n, 3),
                ego=ego.get(stamp_ns),
                acceleration=motion[:, 2:4],
                yaw_rate=motion[:, 4],
                age=motion[:, 5],
                attributes=np.array(
                    [unknown if t.attributes is None else t.attributes for t, _, _ in entries], np.uint8
                ).reshape(n, 6),
            )
        )
    return tuple(scenes)
