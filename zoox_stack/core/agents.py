"""The scene: ego, detections, tracked agents, traffic signals. Frozen, checked on construction."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import AgentClass, Attribute, SignalState, TriState, TurnSignal
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.frames import Frame
from zoox_stack.core.validation import check_finite_scalar, checked_array

N_CLASSES = len(AgentClass)
N_ATTRIBUTES = len(Attribute)
STATE_DIM = 6  # x, y, yaw, vx, vy, yaw_rate: order of covariance rows and columns


@dataclass(frozen=True)
class EgoState:
    """The ego vehicle at one instant, map frame. Position is that of base_link (rear axle on the ground).

    Attributes:
        stamp_ns: Time [ns].
        x: [m].
        y: [m].
        z: [m].
        yaw: [rad], counter-clockwise from +x.
        speed: [m/s] along the heading.
        lateral_velocity: [m/s] to the left.
        acceleration: [m/s^2] along the heading.
        yaw_rate: [rad/s].
        length: [m] of the box.
        width: [m] of the box.
        height: [m] of the box.
        rear_axle_to_centre: [m] from base_link forward to the box centre.
    """

    stamp_ns: int
    x: float
    y: float
    z: float = 0.0
    yaw: float = 0.0
    speed: float = 0.0
    lateral_velocity: float = 0.0
    acceleration: float = 0.0
    yaw_rate: float = 0.0
    length: float = 4.8
    width: float = 1.9
    height: float = 1.7
    rear_axle_to_centre: float = 1.4

    def __post_init__(self) -> None:
        for name in (
            "x", "y", "z", "yaw", "speed", "lateral_velocity", "acceleration", "yaw_rate",
            "length", "width", "height", "rear_axle_to_centre",
        ):  # fmt: skip
            object.__setattr__(self, name, check_finite_scalar(f"EgoState.{name}", getattr(self, name)))
        if min(self.length, self.width, self.height) <= 0:
            raise InvalidInputError("EgoState size", "> 0 m", f"{self.length} x {self.width} x {self.height}")

    @property
    def centre(self) -> NDArray[np.float64]:
        """Box centre in the ground plane, map frame, shape ``[2]``, [m]."""
        d = self.rear_axle_to_centre
        return np.array([self.x + d * np.cos(self.yaw), self.y + d * np.sin(self.yaw)])


def _empty(*shape: int) -> NDArray[Any]:
    return np.zeros(shape)


@dataclass(frozen=True, eq=False)
class DetectedAgents:
    """Detections of one sweep, before tracking. N detections.

    Attributes:
        stamp_ns: Time of the sweep [ns].
        frame: MAP or BASE_LINK.
        class_probabilities: float32 ``[N, 10]``, columns `AgentClass`.
        score: float32 ``[N]``, 0..1.
        position: float64 ``[N, 3]`` box centre [m].
        yaw: float64 ``[N]`` [rad].
        size: float32 ``[N, 3]`` length, width, height [m].
        velocity: float64 ``[N, 2]`` [m/s]; NaN rows where not measured.
        attributes: uint8 ``[N, 6]``, columns `Attribute`.
        facing: float32 ``[N]`` [rad], NaN where not observed.
    """

    stamp_ns: int
    frame: Frame
    class_probabilities: NDArray[np.float32]
    score: NDArray[np.float32]
    position: NDArray[np.float64]
    yaw: NDArray[np.float64]
    size: NDArray[np.float32]
    velocity: NDArray[np.float64] | None = None
    attributes: NDArray[np.uint8] | None = None
    facing: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        n = len(self.score)
        if self.velocity is None:
            object.__setattr__(self, "velocity", np.full((n, 2), np.nan))
        if self.attributes is None:
            object.__setattr__(self, "attributes", np.zeros((n, N_ATTRIBUTES), np.uint8))
        if self.facing is None:
            object.__setattr__(self, "facing", np.full(n, np.nan, np.float32))
        _check(self, "score", np.float32, (n,), low=0, high=1)
        _check(self, "class_probabilities", np.float32, (n, N_CLASSES), low=0, high=1.0001)
        _check(self, "position", np.float64, (n, 3))
        _check(self, "yaw", np.float64, (n,))
        _check(self, "size", np.float32, (n, 3), low=1e-3, high=100)
        _check(self, "velocity", np.float64, (n, 2), finite=False)
        check_attributes(self, n)

    def __len__(self) -> int:
        return len(self.score)

    @classmethod
    def empty(cls, stamp_ns: int, frame: Frame = Frame.MAP) -> DetectedAgents:
        """No detections."""
        return cls(stamp_ns, frame, _empty(0, N_CLASSES), _empty(0), _empty(0, 3), _empty(0), _empty(0, 3))


@dataclass(frozen=True, eq=False)
class TrackedAgents:
    """The scene at one instant: every tracked agent and the ego. N agents, ordered by id, map frame.

    Attributes:
        stamp_ns: Time of the sweep this scene was made from [ns].
        ids: int64 ``[N]``, strictly rising, >= 0.
        classes: uint8 ``[N]`` most probable `AgentClass`.
        class_probabilities: float32 ``[N, 10]``, columns `AgentClass`.
        existence: float32 ``[N]`` probability that the agent is real.
        position: float64 ``[N, 3]`` box centre [m].
        yaw: float64 ``[N]`` [rad], -pi..pi.
        velocity: float64 ``[N, 2]`` over ground [m/s].
        acceleration: float64 ``[N, 2]`` [m/s^2].
        yaw_rate: float64 ``[N]`` [rad/s].
        size: float32 ``[N, 3]`` length, width, height [m].
        covariance: float32 ``[N, 6, 6]`` over (x, y, yaw, vx, vy, yaw_rate).
        age: float32 ``[N]`` since birth [s].
        time_since_update: float32 ``[N]`` since the last assigned measurement [s].
        attributes: uint8 ``[N, 6]``, columns `Attribute`.
        facing: float32 ``[N]`` [rad], NaN where not observed.
        ego: The ego at the same stamp; None if there was no odometry.
        frame: Always MAP.
    """

    stamp_ns: int
    ids: NDArray[np.int64]
    classes: NDArray[np.uint8]
    class_probabilities: NDArray[np.float32]
    existence: NDArray[np.float32]
    position: NDArray[np.float64]
    yaw: NDArray[np.float64]
    velocity: NDArray[np.float64]
    acceleration: NDArray[np.float64]
    yaw_rate: NDArray[np.float64]
    size: NDArray[np.float32]
    covariance: NDArray[np.float32]
    age: NDArray[np.float32]
    time_since_update: NDArray[np.float32]
    attributes: NDArray[np.uint8]
    facing: NDArray[np.float32]
    ego: EgoState | None = None
    frame: Frame = field(default=Frame.MAP)

    def __post_init__(self) -> None:
        n = len(self.ids)
        if self.frame is not Frame.MAP:
            raise InvalidInputError("TrackedAgents.frame", Frame.MAP, str(self.frame))
        _check(self, "ids", np.int64, (n,), low=0)
        if n > 1 and bool((np.diff(self.ids) <= 0).any()):
            raise InvalidInputError("TrackedAgents.ids", "strictly rising ids", np.array2string(self.ids, threshold=8))
        _check(self, "classes", np.uint8, (n,), high=N_CLASSES - 1)
        _check(self, "class_probabilities", np.float32, (n, N_CLASSES), low=0, high=1.0001)
        _check(self, "existence", np.float32, (n,), low=0, high=1)
        _check(self, "position", np.float64, (n, 3))
        for name in ("yaw", "yaw_rate"):
            _check(self, name, np.float64, (n,))
        for name in ("velocity", "acceleration"):
            _check(self, name, np.float64, (n, 2))
        _check(self, "size", np.float32, (n, 3), low=1e-3, high=100)
        _check(self, "covariance", np.float32, (n, STATE_DIM, STATE_DIM))
        _check(self, "age", np.float32, (n,), low=0)
        _check(self, "time_since_update", np.float32, (n,), low=0)
        check_attributes(self, n)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def speed(self) -> NDArray[np.float64]:
        """Speed over ground, shape ``[N]``, [m/s]."""
        return np.hypot(self.velocity[:, 0], self.velocity[:, 1])

    def take(self, rows: NDArray[np.int64]) -> TrackedAgents:
        """Only the agents `rows`, which must be rising."""
        taken = copy(self)  # what was checked before stays right: no second check
        for name, value in vars(self).items():
            if isinstance(value, np.ndarray):
                column = value[rows]
                column.flags.writeable = False
                object.__setattr__(taken, name, column)
        return taken

    def joined(self, other: TrackedAgents) -> TrackedAgents:
        """With the agents of another scene, whose ids are all higher, appended; the rest is of this one."""
        columns: dict[str, Any] = {
            f.name: np.concatenate([value, getattr(other, f.name)])
            for f in fields(self)
            if isinstance(value := getattr(self, f.name), np.ndarray)
        }
        return replace(self, **columns)

    @classmethod
    def from_states(
        cls,
        stamp_ns: int,
        ids: NDArray[np.int64],
        classes: NDArray[np.uint8],
        position: NDArray[np.float64],
        yaw: NDArray[np.float64],
        velocity: NDArray[np.float64],
        size: NDArray[np.float32],
        *,
        ego: EgoState | None = None,
        acceleration: NDArray[np.float64] | None = None,
        yaw_rate: NDArray[np.float64] | None = None,
        attributes: NDArray[np.uint8] | None = None,
        age: NDArray[np.float32] | None = None,
    ) -> TrackedAgents:
        """Exactly known agents (ground truth, simulation): certain class and existence, zero covariance.

        Rows are sorted by id. Shapes and units as in the class; what is not given is zero or unknown.
        """
        n = len(ids)
        order = np.argsort(ids, kind="stable")

        def pick(value: NDArray[Any] | None, *shape: int) -> NDArray[Any]:
            return np.zeros((n, *shape)) if value is None else np.asarray(value)[order]

        chosen = np.asarray(classes, dtype=np.uint8)[order]
        if n and int(chosen.max()) >= N_CLASSES:
            raise InvalidInputError("TrackedAgents.classes", f"0..{N_CLASSES - 1}", str(int(chosen.max())))
        return cls(
            stamp_ns=stamp_ns,
            ids=np.asarray(ids, dtype=np.int64)[order],
            classes=chosen,
            class_probabilities=np.eye(N_CLASSES, dtype=np.float32)[chosen],
            existence=np.ones(n, np.float32),
            position=np.asarray(position)[order],
            yaw=np.asarray(yaw)[order],
            velocity=np.asarray(velocity)[order],
            acceleration=pick(acceleration, 2),
            yaw_rate=pick(yaw_rate),
            size=np.asarray(size)[order],
            covariance=np.zeros((n, STATE_DIM, STATE_DIM), np.float32),
            age=pick(age),
            time_since_update=np.zeros(n, np.float32),
            attributes=np.zeros((n, N_ATTRIBUTES), np.uint8) if attributes is None else np.asarray(attributes)[order],
            facing=np.full(n, np.nan, np.float32),
            ego=ego,
        )

    @classmethod
    def empty(cls, stamp_ns: int, ego: EgoState | None = None) -> TrackedAgents:
        """A scene without agents."""
        none = _empty(0)
        return cls.from_states(
            stamp_ns, none.astype(np.int64), none.astype(np.uint8), _empty(0, 3), none, _empty(0, 2), _empty(0, 3),
            ego=ego,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class TrafficSignals:
    """States of traffic signals at one instant.

    Attributes:
        stamp_ns: Time of the observation [ns].
        ids: int64 ``[S]``, as in `RoadNetwork.signal_ids`.
        states: uint8 ``[S]`` `SignalState`.
        confidence: float32 ``[S]``, 0..1.
    """

    stamp_ns: int
    ids: NDArray[np.int64]
    states: NDArray[np.uint8]
    confidence: NDArray[np.float32]

    def __post_init__(self) -> None:
        n = len(self.ids)
        _check(self, "ids", np.int64, (n,))
        _check(self, "states", np.uint8, (n,), high=len(SignalState) - 1)
        _check(self, "confidence", np.float32, (n,), low=0, high=1)


def _check(owner: object, name: str, dtype: type, shape: tuple[int | None, ...], **limits: float | bool | None) -> None:
    array = checked_array(f"{type(owner).__name__}.{name}", getattr(owner, name), dtype, shape, **limits)  # type: ignore[arg-type]
    object.__setattr__(owner, name, array)


def check_attributes(owner: object, n: int) -> None:
    """Check the fields `attributes` ``[n, 6]`` and `facing` ``[n]`` of a dataclass in its ``__post_init__``."""
    _check(owner, "attributes", np.uint8, (n, N_ATTRIBUTES))
    _check(owner, "facing", np.float32, (n,), finite=False)
    attributes = getattr(owner, "attributes")  # noqa: B009
    if n and bool((attributes > _HIGHEST).any()):
        found = str(attributes.max(axis=0).tolist())
        raise InvalidInputError(f"{type(owner).__name__}.attributes", f"at most {_HIGHEST.tolist()}", found)


_HIGHEST = np.full(N_ATTRIBUTES, int(TriState.YES), np.uint8)
_HIGHEST[Attribute.TURN_SIGNAL] = int(TurnSignal.HAZARD)
