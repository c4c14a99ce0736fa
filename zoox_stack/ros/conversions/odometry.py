"""nav_msgs/Odometry and EgoState."""

from __future__ import annotations

import math
from dataclasses import dataclass

from geometry_msgs.msg import Point, Pose, PoseWithCovariance, Quaternion, Twist, TwistWithCovariance, Vector3
from nav_msgs.msg import Odometry

from zoox_stack.core.agents import EgoState
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.frames import Frame
from zoox_stack.core.geometry import quaternion_from_yaw, yaw_from_quaternion
from zoox_stack.ros.conversions.basics import header_to_message, stamp_and_frame


@dataclass(frozen=True)
class VehicleBox:
    """Size of the ego, which odometry does not carry.

    Attributes:
        length: [m].
        width: [m].
        height: [m].
        rear_axle_to_centre: [m] from base_link forward to the box centre.
    """

    length: float = 4.8
    width: float = 1.9
    height: float = 1.7
    rear_axle_to_centre: float = 1.4


def odometry_to_message(ego: EgoState) -> Odometry:
    """Pose of base_link in the map and its twist in base_link. Acceleration and size have no place in Odometry."""
    qx, qy, qz, qw = quaternion_from_yaw(ego.yaw)
    pose = Pose(position=Point(x=ego.x, y=ego.y, z=ego.z), orientation=Quaternion(x=qx, y=qy, z=qz, w=qw))
    twist = Twist(
        linear=Vector3(x=ego.speed, y=ego.lateral_velocity, z=0.0), angular=Vector3(x=0.0, y=0.0, z=ego.yaw_rate)
    )
    return Odometry(
        header=header_to_message(ego.stamp_ns, Frame.MAP),
        child_frame_id=str(Frame.BASE_LINK),
        pose=PoseWithCovariance(pose=pose),
        twist=TwistWithCovariance(twist=twist),
    )


def odometry_from_message(message: Odometry, box: VehicleBox) -> EgoState:
    """The ego of an odometry message; its acceleration is 0 (`OdometryBuffer` makes it from the speeds).

    Raises:
        InvalidInputError: Other frames than map and base_link, a quaternion that is not of unit length, or a number
            that is not finite.
    """
    stamp_ns, _ = stamp_and_frame("Odometry", message.header)
    if message.child_frame_id != Frame.BASE_LINK:
        raise InvalidInputError("Odometry.child_frame_id", repr(str(Frame.BASE_LINK)), repr(message.child_frame_id))
    p, q = message.pose.pose.position, message.pose.pose.orientation
    norm = math.hypot(q.x, q.y, q.z, q.w)
    if not abs(norm - 1) < 1e-2:
        raise InvalidInputError("Odometry.pose.orientation", "a unit quaternion", f"length {norm}")
    linear, angular = message.twist.twist.linear, message.twist.twist.angular
    return EgoState(
        stamp_ns,
        p.x,
        p.y,
        p.z,
        yaw=yaw_from_quaternion(q.x / norm, q.y / norm, q.z / norm, q.w / norm),
        speed=linear.x,
        lateral_velocity=linear.y,
        yaw_rate=angular.z,
        length=box.length,
        width=box.width,
        height=box.height,
        rear_axle_to_centre=box.rear_axle_to_centre,
    )
