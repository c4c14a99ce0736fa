"""Sensor rigs: those that come with the package, their calibration, and files that are wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from zoox_stack.core.errors import ConfigurationError
from zoox_stack.core.sensors import SensorKind
from zoox_stack.simulation.sensors.lidar_pattern import LidarPattern
from zoox_stack.simulation.sensors.rig import SensorRig, load_sensor_rig, sensor_rigs

GOOD = """
odometry: {position_drift: 0.1}
sensors:
  - name: top
    kind: lidar
    mount: {x: 1, z: 2}
    parameters: {beams: 16, rolling: true}
  - {name: nose, kind: radar, mount: {x: 3.5, z: 0.5}}
  - {name: eye, kind: camera, mount: {yaw: 90}, parameters: {focal: 800}}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "some.yaml"
    path.write_text(text)
    return path


def test_a_rig_is_read(tmp_path: Path) -> None:
    rig = load_sensor_rig(write(tmp_path, GOOD))
    assert rig.name == "some"
    assert rig.odometry.position_drift == 0.1
    (lidar,), (radar,), (camera,) = rig.lidars, rig.radars, rig.cameras
    assert lidar.config.beams == 16
    assert lidar.config.rolling
    assert (lidar.mount.x, lidar.mount.z, lidar.mount.yaw) == (1.0, 2.0, 0.0)
    assert radar.name == "nose"
    assert camera.config.focal == 800.0


def test_beams_may_be_given_one_by_one(tmp_path: Path) -> None:
    rig = load_sensor_rig(write(tmp_path, GOOD.replace("beams: 16", "elevations: [-10, 0, 1.5]")))
    assert rig.lidars[0].config.elevations == (-10.0, 0.0, 1.5)
    assert LidarPattern.of(rig.lidars[0]).elevation == pytest.approx(np.deg2rad([-10.0, 0.0, 1.5]))


def test_sensors_cannot_be_faster_than_the_ticks(tmp_path: Path) -> None:
    rig = load_sensor_rig(write(tmp_path, GOOD.replace("beams: 16", "beams: 16, rate: 15")))
    rig.check_rates(15.0)
    with pytest.raises(ConfigurationError, match=r"some: top\.rate: expected at most 10 Hz.*found 15"):
        rig.check_rates(10.0)


def test_rigs_of_the_package_are_whole() -> None:
    assert {"roof", "zoox"} <= set(sensor_rigs())
    for name in sensor_rigs():
        assert load_sensor_rig(name).name == name
    zoox = load_sensor_rig("zoox")
    assert [len(s) for s in (zoox.lidars, zoox.radars, zoox.cameras)] == [4, 4, 4]
    places = np.array([lidar.mount.position for lidar in zoox.lidars])
    np.testing.assert_allclose(places.mean(axis=0), [1.3, 0.0, 1.9])  # the middle of a symmetric vehicle
    assert np.ptp(places, axis=0)[0] <= 3.6
    assert len({lidar.config for lidar in zoox.lidars}) == 1
    roof = load_sensor_rig("roof")
    assert [len(s) for s in (roof.lidars, roof.radars, roof.cameras)] == [1, 1, 1]
    assert roof.lidars[0].config.beams == 64


def test_calibration_says_where_sensors_are_and_how_cameras_look(tmp_path: Path) -> None:
    calibration = load_sensor_rig(write(tmp_path, GOOD)).calibration(17)
    assert calibration.stamp_ns == 17
    assert calibration.names == ("top", "nose", "eye")
    assert calibration.kinds.tolist() == [SensorKind.LIDAR, SensorKind.RADAR, SensorKind.CAMERA]
    np.testing.assert_allclose(calibration.poses[0], [1, 0, 2, 0, 0, 0, 1])
    axes = Rotation.from_quat(calibration.poses[2, 3:]).as_matrix()
    np.testing.assert_allclose(axes[:, 2], [0, 1, 0], atol=1e-12)  # it looks to the left
    np.testing.assert_allclose(axes[:, 0], [1, 0, 0], atol=1e-12)  # right in the picture is forward
    np.testing.assert_allclose(axes[:, 1], [0, 0, -1], atol=1e-12)
    assert calibration.intrinsics[2].tolist() == [800, 800, 960, 540]
    assert calibration.image_sizes.tolist() == [[0, 0], [0, 0], [1920, 1080]]
    assert calibration.row("eye") == 2
    assert len(SensorRig("none").calibration(0).names) == 0


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("beams: 16", "beems: 16", r"top\.beems.*did you mean beams"),
        ("beams: 16", "beams: 16.5", r"top\.beams: expected int"),
        ("beams: 16", "beams: 1000", r"top\.beams: expected 1 .. 256"),
        ("beams: 16", "elevations: [-100]", r"top\.elevations: expected -89"),
        ("beams: 16", "elevations: [a, b]", r"top\.elevations: expected float, found str 'a'"),
        ("beams: 16", "elevations: [true]", r"top\.elevations: expected float, found bool"),
        ("beams: 16", "elevations: [[1]]", r"top\.elevations: expected float, found list"),
        ("beams: 16", "elevations: [1, 2, 1]", r"elevations: expected different ones, found \[1\.0, 2\.0, 1\.0\]"),
        ("beams: 16", "beams: 16, elevations: [-10, 0, 1.5]", "elevations: expected without beams, found both"),
        ("beams: 16", "elevation_high: 3, elevations: [1]", "elevations: expected without elevation_high, found both"),
        ("beams: 16", "azimuth_steps: 8, azimuth_low: 1, azimuth_high: 2", "azimuth_steps: expected a direction in"),
        ("beams: 16", "3: 16", r"sensors\[0\]\.parameters: expected keys that are text, found 3"),
        ("kind: lidar", "kind: [lidar]", r"sensors\[0\]\.kind: expected one of .*found \['lidar'\]"),
        ("x: 1,", "x: .nan,", r"top\.mount\.x.*finite"),
        ("x: 1,", "w: 1,", r"top\.mount\.w"),
        ("mount: {x: 1, z: 2}", "mount: [1, 2]", r"sensors\[0\]\.mount: expected keys and values, found list"),
        ("kind: lidar", "kind: sonar", r"sensors\[0\]\.kind: expected one of lidar, radar, camera, found 'sonar'"),
        ("kind: lidar", "knd: lidar", r"sensors\[0\]: unknown key 'knd'; did you mean kind"),
        ("    kind: lidar\n", "", r"sensors\[0\]: key 'kind' is missing"),
        ("name: nose", "name: top", r"sensors\[1\]\.name: 'top' is the name of an earlier sensor"),
        ("name: nose", "name: 7", r"sensors\[1\]\.name"),
        ("position_drift", "positon_drift", r"odometry\.positon_drift.*position_drift"),
        ("sensors:", "sensor:", r"unknown key 'sensor'; did you mean sensors"),
        ("beams: 16", "elevation_low: -1, elevation_high: 0.05", "elevation_high"),
        ("beams: 16", "range_low: 9, range_high: 3", "range_low: expected less than range_high"),
        (GOOD, "", "expected keys and values, found NoneType"),
        (GOOD, "sensors: 3", "sensors: expected a list, found int"),
        (GOOD, "sensors: [", "not YAML"),
    ],
)
def test_wrong_files_are_refused_by_file_and_key(tmp_path: Path, old: str, new: str, named: str) -> None:
    assert old in GOOD
    path = write(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(ConfigurationError, match=named) as caught:
        load_sensor_rig(path)
    assert "some.yaml" in str(caught.value)


def test_an_unknown_rig_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="roof, zoox"):
        load_sensor_rig("rof")
    with pytest.raises(ConfigurationError, match="missing"):
        load_sensor_rig(tmp_path / "missing.yaml")
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match=r"binary\.yaml"):
        load_sensor_rig(binary)
