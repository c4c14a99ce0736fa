"""Which sensors a vehicle has and where: YAML files such as ``config/sensors/zoox.yaml``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from zoox_stack.core.errors import ConfigurationError
from zoox_stack.core.parameters import build
from zoox_stack.core.sensors import SensorCalibration, SensorKind
from zoox_stack.core.share import share_folder
from zoox_stack.simulation.sensors.camera import CameraConfig, CameraSensor
from zoox_stack.simulation.sensors.lidar_pattern import LidarConfig, LidarSensor
from zoox_stack.simulation.sensors.mount import Mount
from zoox_stack.simulation.sensors.odometry import OdometryConfig
from zoox_stack.simulation.sensors.projection import TO_OPTICAL
from zoox_stack.simulation.sensors.radar import RadarConfig, RadarSensor
from zoox_stack.simulation.sensors.rig_names import sensor_rigs

_KINDS: dict[str, tuple[type, Callable[..., Any]]] = {
    "lidar": (LidarConfig, LidarSensor),
    "radar": (RadarConfig, RadarSensor),
    "camera": (CameraConfig, CameraSensor),
}


@dataclass(frozen=True)
class SensorRig:
    """The sensors of a vehicle.

    Attributes:
        name: Of the rig.
        lidars: In the order of the file.
        radars: In the order of the file.
        cameras: In the order of the file.
        odometry: Errors of the odometry.
    """

    name: str
    lidars: tuple[LidarSensor, ...] = ()
    radars: tuple[RadarSensor, ...] = ()
    cameras: tuple[CameraSensor, ...] = ()
    odometry: OdometryConfig = field(default_factory=OdometryConfig)

    @property
    def sensors(self) -> tuple[LidarSensor | RadarSensor | CameraSensor, ...]:
        """All sensors: LiDARs, radars, cameras."""
        return (*self.lidars, *self.radars, *self.cameras)

    def check_rates(self, highest: float) -> None:
        """Refuse sensors that are to measure more often than they are asked.

        Args:
            highest: Ticks per second [Hz].

        Raises:
            ConfigurationError: Names the sensor.
        """
        for sensor in self.sensors:
            if sensor.config.rate > highest:
                expected = f"at most {highest:g} Hz, the ticks of the simulation"
                raise ConfigurationError(
                    f"sensor rig {self.name}: {sensor.name}.rate: expected {expected}, found {sensor.config.rate:g}"
                )

    def calibration(self, stamp_ns: int) -> SensorCalibration:
        """Poses and cameras as published, in the order LiDARs, radars, cameras.

        Args:
            stamp_ns: From when on it is valid [ns].
        """
        sensors = self.sensors
        kinds = [SensorKind.LIDAR] * len(self.lidars) + [SensorKind.RADAR] * len(self.radars)
        kinds += [SensorKind.CAMERA] * len(self.cameras)
        intrinsics, sizes = np.zeros((len(sensors), 4)), np.zeros((len(sensors), 2), np.uint32)
        for row, camera in enumerate(self.cameras, len(self.lidars) + len(self.radars)):
            config = camera.config
            intrinsics[row] = config.focal, config.focal, config.width / 2, config.height / 2
            sizes[row] = config.width, config.height
        poses = [_pose(sensor.mount, kind) for sensor, kind in zip(sensors, kinds, strict=True)]
        return SensorCalibration(
            stamp_ns,
            tuple(sensor.name for sensor in sensors),
            np.array(kinds, np.uint8),
            np.array(poses).reshape(-1, 7),
            intrinsics,
            sizes,
        )


def _pose(mount: Mount, kind: SensorKind) -> NDArray[np.float64]:
    rotation = mount.rotation @ TO_OPTICAL.T if kind is SensorKind.CAMERA else mount.rotation
    return np.concatenate([mount.position, Rotation.from_matrix(rotation).as_quat()])


def load_sensor_rig(name_or_path: str | Path) -> SensorRig:
    """Read a rig.

    Args:
        name_or_path: Name of a rig of `sensor_rigs`, or path of a YAML file.

    Raises:
        ConfigurationError: There is no such rig, or the file is not a rig; names file and key.
    """
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml"):
        path = share_folder() / "config" / "sensors" / f"{name_or_path}.yaml"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        known = ", ".join(sensor_rigs())
        raise ConfigurationError(
            f"sensor rig {str(name_or_path)!r}: no file {path}; known are {known}, or give the path of a YAML file"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"sensor rig {path}: {error}") from error
    try:
        return _rig(path.stem, yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise ConfigurationError(f"sensor rig {path}: not YAML: {error}") from error
    except ConfigurationError as error:
        raise ConfigurationError(f"sensor rig {path}: {error}") from error


def _rig(name: str, document: object) -> SensorRig:
    top = _mapping("the file", document, {"odometry": False, "sensors": True})
    odometry = build(OdometryConfig, _mapping("odometry", top.get("odometry", {})), "odometry")
    entries = top["sensors"]
    if not isinstance(entries, list):
        raise ConfigurationError(f"sensors: expected a list, found {type(entries).__name__}")
    found: dict[str, list[Any]] = {kind: [] for kind in _KINDS}
    names: set[str] = set()
    for number, entry in enumerate(entries):
        here = f"sensors[{number}]"
        keys = {"name": True, "kind": True, "mount": True, "parameters": False}
        values = _mapping(here, entry, keys)
        label, kind = values["name"], values["kind"]
        if not isinstance(label, str) or not label.isidentifier():
            raise ConfigurationError(f"{here}.name: expected letters, digits and underscores, found {label!r}")
        if label in names:
            raise ConfigurationError(f"{here}.name: {label!r} is the name of an earlier sensor")
        if not isinstance(kind, str) or kind not in _KINDS:
            raise ConfigurationError(f"{here}.kind: expected one of {', '.join(_KINDS)}, found {kind!r}")
        names.add(label)
        config, sensor = _KINDS[kind]
        mount = build(Mount, _mapping(f"{here}.mount", values["mount"]), f"{label}.mount")
        parameters = _mapping(f"{here}.parameters", values.get("parameters", {}))
        found[kind].append(sensor(label, mount, build(config, parameters, label)))
    return SensorRig(name, tuple(found["lidar"]), tuple(found["radar"]), tuple(found["camera"]), odometry)


def _mapping(where: str, value: object, keys: Mapping[str, bool] | None = None) -> dict[str, Any]:
    """A mapping with string keys; `keys`: the allowed ones and whether they must be there."""
    if not isinstance(value, dict):
        raise ConfigurationError(f"{where}: expected keys and values, found {type(value).__name__}")
    for key in value:
        if not isinstance(key, str):
            raise ConfigurationError(f"{where}: expected keys that are text, found {key!r}")
    if keys is not None:
        for key in value:
            if key not in keys:
                close = get_close_matches(key, keys, n=1)
                hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(keys)}"
                raise ConfigurationError(f"{where}: unknown key {key!r}; {hint}")
        missing = [key for key, needed in keys.items() if needed and key not in value]
        if missing:
            raise ConfigurationError(f"{where}: key {missing[0]!r} is missing")
    return value
