"""PointCloud2, Odometry and RoadNetwork as messages of the type store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.frames import Frame
from zoox_stack.core.geometry import quaternion_from_yaw, yaw_from_quaternion
from zoox_stack.core.sensors import PointCloud
from zoox_stack.logs.codec_basics import flat, header, new, ragged, read_header, unflat
from zoox_stack.road_network.network import RoadNetwork

_FLOAT32 = 7  # sensor_msgs/PointField.FLOAT32
_FIELD_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}
_POINT_STEP = 16  # bytes written per point: x, y, z, intensity as float32
_NAMES = ("x", "y", "z", "intensity")

_COLUMNS: dict[str, type] = {
    "lane_ids": np.int64,
    "lane_types": np.uint8,
    "lane_turns": np.uint8,
    "lane_in_intersection": np.bool_,
    "lane_speed_limits": np.float32,
    "lane_widths": np.float32,
    "left_boundary_types": np.uint8,
    "right_boundary_types": np.uint8,
    "left_neighbours": np.int32,
    "right_neighbours": np.int32,
    "line_ids": np.int64,
    "line_types": np.uint8,
    "area_ids": np.int64,
    "area_types": np.uint8,
    "signal_ids": np.int64,
}
# field of the dataclass: (values, offsets) of the message, dtype, numbers per value
_RAGGED: dict[str, tuple[str, str, type, int | None]] = {
    "centre_lines": ("centre_points", "centre_offsets", np.float64, 3),
    "left_boundaries": ("left_points", "left_offsets", np.float64, 3),
    "right_boundaries": ("right_points", "right_offsets", np.float64, 3),
    "lines": ("line_points", "line_offsets", np.float64, 3),
    "areas": ("area_points", "area_offsets", np.float64, 3),
    "successors": ("successor_values", "successor_offsets", np.int32, None),
    "yields": ("yield_values", "yield_offsets", np.int32, None),
    "signal_lanes": ("signal_lane_values", "signal_lane_offsets", np.int32, None),
}


def point_cloud(cloud: PointCloud) -> Any:
    """sensor_msgs/PointCloud2: one row of packed float32 x, y, z, intensity."""
    points = np.empty((len(cloud), 4), np.dtype("<f4"))
    points[:, :3] = cloud.xyz
    points[:, 3] = cloud.intensity
    return new(
        "sensor_msgs/msg/PointCloud2",
        header=header(cloud.stamp_ns, cloud.frame),
        height=1,
        width=len(cloud),
        fields=[
            new("sensor_msgs/msg/PointField", name=name, offset=4 * column, datatype=_FLOAT32, count=1)
            for column, name in enumerate(_NAMES)
        ],
        is_bigendian=False,
        point_step=_POINT_STEP,
        row_step=_POINT_STEP * len(cloud),
        data=points.reshape(-1).view(np.uint8),
        is_dense=True,
    )


def read_point_cloud(message: Any) -> PointCloud:
    """A sweep of any layout that has x, y, z and intensity; points whose position is not finite are dropped.

    Raises:
        InvalidInputError: A field is missing, or the data does not fit the layout.
    """
    stamp_ns, frame = read_header("PointCloud2", message.header, (Frame.BASE_LINK, Frame.MAP))
    columns = point_columns(message, _NAMES)
    xyz = np.stack([columns[name].astype(np.float32) for name in "xyz"], axis=1)
    intensity = columns["intensity"].astype(np.float32)
    finite = np.isfinite(xyz).all(axis=1)
    return PointCloud(stamp_ns, xyz[finite], intensity[finite], frame)


def point_columns(message: Any, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Fields of a sensor_msgs/PointCloud2 of any layout, each ``[P]``.

    Raises:
        InvalidInputError: A field is missing or not numeric, or the data does not fit the layout.
    """
    order = ">" if message.is_bigendian else "<"
    by_name = {field.name: field for field in message.fields}
    formats, offsets = [], []
    for name in names:
        field = by_name.get(name)
        if field is None or field.datatype not in _FIELD_TYPES:
            found = ", ".join(f"{f.name} (type {f.datatype})" for f in message.fields) or "none"
            raise InvalidInputError("PointCloud2.fields", f"a numeric field {name!r}", found)
        formats.append(order + _FIELD_TYPES[field.datatype])
        offsets.append(int(field.offset))
    height, width, step, row = (int(getattr(message, n)) for n in ("height", "width", "point_step", "row_step"))
    needed = (height - 1) * row + width * step if height and width else 0
    if len(message.data) < needed or (height > 1 and row < width * step):
        raise InvalidInputError("PointCloud2.data", f"at least {needed} bytes", str(len(message.data)))
    if any(o + int(f[2:]) > step for o, f in zip(offsets, formats, strict=True)):
        raise InvalidInputError("PointCloud2.fields", f"inside point_step {step}", f"offsets {offsets}")
    if not needed:
        return {name: np.zeros(0, format_) for name, format_ in zip(names, formats, strict=True)}
    dtype = np.dtype({"names": list(names), "formats": formats, "offsets": offsets, "itemsize": step})
    table: NDArray[np.void] = np.ndarray((height, width), dtype, buffer=message.data, strides=(row, step)).reshape(-1)
    return {name: table[name] for name in names}


def odometry(ego: EgoState) -> Any:
    """nav_msgs/Odometry: pose of base_link in map, twist in base_link."""
    vector, x, y, z = "geometry_msgs/msg/Vector3", *quaternion_from_yaw(ego.yaw)[:3]
    rotation = new("geometry_msgs/msg/Quaternion", x=x, y=y, z=z, w=quaternion_from_yaw(ego.yaw)[3])
    position = new("geometry_msgs/msg/Point", x=ego.x, y=ego.y, z=ego.z)
    twist = new(
        "geometry_msgs/msg/Twist",
        linear=new(vector, x=ego.speed, y=ego.lateral_velocity, z=0.0),
        angular=new(vector, x=0.0, y=0.0, z=ego.yaw_rate),
    )
    pose = new("geometry_msgs/msg/Pose", position=position, orientation=rotation)
    return new(
        "nav_msgs/msg/Odometry",
        header=header(ego.stamp_ns),
        child_frame_id=str(Frame.BASE_LINK),
        pose=new("geometry_msgs/msg/PoseWithCovariance", pose=pose, covariance=np.zeros(36)),
        twist=new("geometry_msgs/msg/TwistWithCovariance", twist=twist, covariance=np.zeros(36)),
    )


def read_odometry(message: Any) -> EgoState:
    """Inverse of `odometry`; acceleration 0 and default size, which Odometry does not carry.

    Raises:
        InvalidInputError: Other frames than map and base_link, or not a unit quaternion.
    """
    stamp_ns, _ = read_header("Odometry", message.header)
    if message.child_frame_id != Frame.BASE_LINK:
        raise InvalidInputError("Odometry.child_frame_id", repr(str(Frame.BASE_LINK)), repr(message.child_frame_id))
    position, q = message.pose.pose.position, message.pose.pose.orientation
    norm = float(np.sqrt(q.x**2 + q.y**2 + q.z**2 + q.w**2))
    if not abs(norm - 1) < 1e-2:
        raise InvalidInputError("Odometry.pose.orientation", "a unit quaternion", f"length {norm}")
    twist = message.twist.twist
    return EgoState(
        stamp_ns,
        position.x,
        position.y,
        position.z,
        yaw=yaw_from_quaternion(q.x / norm, q.y / norm, q.z / norm, q.w / norm),
        speed=twist.linear.x,
        lateral_velocity=twist.linear.y,
        yaw_rate=twist.angular.z,
    )


def road_network(network: RoadNetwork, stamp_ns: int = 0) -> Any:
    """zoox_stack/RoadNetwork."""
    fields: dict[str, Any] = {name: flat(getattr(network, name), dtype) for name, dtype in _COLUMNS.items()}
    for name, (values, offsets, dtype, _) in _RAGGED.items():
        rows = getattr(network, name)
        fields[values], fields[offsets] = flat(rows.values, dtype), flat(rows.offsets, np.int32)
    return new(
        "zoox_stack/msg/RoadNetwork",
        header=header(stamp_ns),
        name=network.name,
        signal_positions=flat(network.signal_positions, np.float64),
        **fields,
    )


def read_road_network(message: Any) -> RoadNetwork:
    """Inverse of `road_network`."""
    read_header("RoadNetwork", message.header)
    fields: dict[str, Any] = {name: np.asarray(getattr(message, name), dtype) for name, dtype in _COLUMNS.items()}
    for name, (values, offsets, dtype, width) in _RAGGED.items():
        thing = f"RoadNetwork.{name}"
        fields[name] = ragged(thing, getattr(message, values), getattr(message, offsets), dtype, width)
    positions = unflat("RoadNetwork.signal_positions", message.signal_positions, np.float64, (-1, 3))
    return RoadNetwork(name=message.name, signal_positions=positions, **fields)
