"""Raw sensor data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import check_attributes
from zoox_stack.core.classes import AgentClass
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.frames import Frame
from zoox_stack.core.validation import checked_array


@dataclass(frozen=True, eq=False)
class PointCloud:
    """One LiDAR sweep.

    Attributes:
        stamp_ns: Time of the sweep [ns].
        xyz: float32 ``[P, 3]`` [m]; finite (points without return are removed at the door).
        intensity: float32 ``[P]``, 0..255.
        frame: BASE_LINK (motion-compensated to the stamp) unless said otherwise.
    """

    stamp_ns: int
    xyz: NDArray[np.float32]
    intensity: NDArray[np.float32]
    frame: Frame = Frame.BASE_LINK

    def __post_init__(self) -> None:
        object.__setattr__(self, "xyz", checked_array("PointCloud.xyz", self.xyz, np.float32, (None, 3)))
        n = len(self.xyz)
        object.__setattr__(
            self, "intensity", checked_array("PointCloud.intensity", self.intensity, np.float32, (n,), finite=False)
        )

    def __len__(self) -> int:
        return len(self.xyz)


@dataclass(frozen=True, eq=False)
class RadarScan:
    """What the radars of the vehicle measured at one time. P returns.

    Attributes:
        stamp_ns: Time of the measurement [ns].
        xyz: float32 ``[P, 3]`` [m], base_link.
        radial_velocity: float32 ``[P]`` [m/s] relative to the sensor, positive: away from it.
        rcs: float32 ``[P]`` radar cross section [dBsm].
        sensor: int16 ``[P]`` row of the radar in `SensorCalibration`, -1 where not known; None: nowhere known.
    """

    stamp_ns: int
    xyz: NDArray[np.float32]
    radial_velocity: NDArray[np.float32]
    rcs: NDArray[np.float32]
    sensor: NDArray[np.int16] | None = None

    def __post_init__(self) -> None:
        n = len(self.xyz)
        if self.sensor is None:
            object.__setattr__(self, "sensor", np.full(n, -1, np.int16))
        _check(self, "xyz", np.float32, (None, 3))
        _check(self, "radial_velocity", np.float32, (n,))
        _check(self, "rcs", np.float32, (n,))
        _check(self, "sensor", np.int16, (n,), low=-1)

    def __len__(self) -> int:
        return len(self.xyz)


@dataclass(frozen=True, eq=False)
class CameraDetections:
    """What one camera saw in one picture. D detections.

    Attributes:
        stamp_ns: Time of the exposure [ns].
        camera: Name of the camera, as in `SensorCalibration`.
        class_probabilities: float32 ``[D, 10]``, columns `AgentClass`, rows add up to 1.
        score: float32 ``[D]``, 0..1.
        box: float32 ``[D, 4]`` x low, y low, x high, y high [px]; origin at the upper left corner, y downward.
        attributes: uint8 ``[D, 6]``, columns `Attribute`.
        facing: float32 ``[D]`` [rad] in base_link, NaN where not observed.
    """

    stamp_ns: int
    camera: str
    class_probabilities: NDArray[np.float32]
    score: NDArray[np.float32]
    box: NDArray[np.float32]
    attributes: NDArray[np.uint8]
    facing: NDArray[np.float32]

    def __post_init__(self) -> None:
        n = len(self.score)
        if not self.camera:
            raise InvalidInputError("CameraDetections.camera", "the name of a camera", repr(self.camera))
        _check(self, "class_probabilities", np.float32, (n, len(AgentClass)), low=0, high=1.0001)
        sums = self.class_probabilities.sum(axis=1)
        if n and not np.allclose(sums, 1, atol=1e-3):
            found = f"sums from {sums.min()} to {sums.max()}"
            raise InvalidInputError("CameraDetections.class_probabilities", "rows that add up to 1", found)
        _check(self, "score", np.float32, (n,), low=0, high=1)
        _check(self, "box", np.float32, (n, 4))
        if n and not bool((self.box[:, :2] < self.box[:, 2:]).all()):
            raise InvalidInputError("CameraDetections.box", "low corners below high corners", "some that are not")
        check_attributes(self, n)

    def __len__(self) -> int:
        return len(self.score)


class SensorKind(IntEnum):
    """Kind of a sensor."""

    LIDAR = 0
    RADAR = 1
    CAMERA = 2


@dataclass(frozen=True, eq=False)
class SensorCalibration:
    """Where the sensors are and how cameras project. S sensors.

    Attributes:
        stamp_ns: When it became valid [ns].
        names: S names, all different; frame of the raw data of each sensor.
        kinds: uint8 ``[S]`` `SensorKind`.
        poses: float64 ``[S, 7]`` x, y, z [m], qx, qy, qz, qw of the sensor in base_link. LiDAR and radar: x forward,
            y left, z up. Camera: z along the optical axis, x right, y down.
        intrinsics: float64 ``[S, 4]`` fx, fy, cx, cy [px] of a pinhole; 0 where it is not a camera.
        image_sizes: uint32 ``[S, 2]`` width, height [px]; 0 where it is not a camera.
    """

    stamp_ns: int
    names: tuple[str, ...]
    kinds: NDArray[np.uint8]
    poses: NDArray[np.float64]
    intrinsics: NDArray[np.float64]
    image_sizes: NDArray[np.uint32]

    def __post_init__(self) -> None:
        n = len(self.names)
        if len(set(self.names)) != n or "" in self.names:
            raise InvalidInputError("SensorCalibration.names", "different names, none empty", str(list(self.names)))
        _check(self, "kinds", np.uint8, (n,), high=max(SensorKind))
        _check(self, "poses", np.float64, (n, 7))
        lengths = np.linalg.norm(self.poses[:, 3:], axis=1)
        if n and bool((np.abs(lengths - 1) > 1e-2).any()):
            raise InvalidInputError("SensorCalibration.poses", "unit quaternions", f"lengths {lengths.tolist()}")
        _check(self, "intrinsics", np.float64, (n, 4), low=0)
        _check(self, "image_sizes", np.uint32, (n, 2))
        cameras = self.kinds == SensorKind.CAMERA
        if bool((self.intrinsics[cameras, :2] <= 0).any() or (self.image_sizes[cameras] == 0).any()):
            raise InvalidInputError(
                "SensorCalibration.intrinsics", "focal lengths and image sizes > 0", "0 for a camera"
            )

    def row(self, name: str) -> int:
        """Row of a sensor; raises InvalidInputError if there is none of that name."""
        if name not in self.names:
            raise InvalidInputError("sensor", f"one of {', '.join(self.names) or 'none'}", repr(name))
        return self.names.index(name)


def _check(owner: object, name: str, dtype: type, shape: tuple[int | None, ...], **limits: float | None) -> None:
    array = checked_array(f"{type(owner).__name__}.{name}", getattr(owner, name), dtype, shape, **limits)  # type: ignore[arg-type]
    object.__setattr__(owner, name, array)
