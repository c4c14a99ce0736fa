"""ROS quality of service for each topic of `zoox_stack.core.topics`.

* Sensor data: our publishers (replay) offer *reliable*, and our subscriptions ask for it by default, keep last 5.
  A 1.9 MB sweep travels in many fragments; without acknowledgement one lost fragment loses the sweep (measured on
  Fast DDS's default transports: more than half of them). A live driver that offers best effort only is
  subscribed to with ``sensor_reliability: best_effort`` in the node's parameters.
* Results (tracked agents, predictions, trajectories): reliable, keep last 10. The next stage needs each of them; a
  stage that falls behind skips to the newest itself and counts what it skipped.
* Latched (map, route): reliable, transient local, keep last 1. Sent once; who comes later gets it too.
* Clock: best effort, keep last 1, as everywhere in ROS 2.
"""

from __future__ import annotations

from rclpy.node import Node
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    QoSCompatibility,
    QoSProfile,
    ReliabilityPolicy,
    qos_check_compatible,
)

from zoox_stack.core.topics import QosClass

# Odometry comes at up to 200 Hz: this much is kept while a stage is busy with one sweep.
ODOMETRY_DEPTH = 200


def publisher_profile(kind: QosClass) -> QoSProfile:
    """What our publishers of such a topic offer."""
    return _profile(kind, reliable=kind is not QosClass.CLOCK)


def subscription_profile(kind: QosClass, *, reliable_sensors: bool = True, depth: int | None = None) -> QoSProfile:
    """What our subscriptions to such a topic ask for.

    Args:
        kind: Class of the topic.
        reliable_sensors: False for drivers that offer best effort only.
        depth: Another queue length.
    """
    reliable = reliable_sensors if kind is QosClass.SENSOR_DATA else kind is not QosClass.CLOCK
    profile = _profile(kind, reliable)
    if depth is not None:
        profile.depth = depth
    return profile


_DEPTH = {QosClass.SENSOR_DATA: 5, QosClass.RELIABLE: 10, QosClass.LATCHED: 1, QosClass.CLOCK: 1}


def _profile(kind: QosClass, reliable: bool) -> QoSProfile:
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=_DEPTH[kind],
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if kind is QosClass.LATCHED else DurabilityPolicy.VOLATILE,
    )


def expected_listeners(node: Node, topic: str) -> int:
    """How many subscriptions will be connected to each publisher of `topic` once discovery is over.

    Those whose quality of service does not fit are left out: they never will be.
    """
    publishers = node.get_publishers_info_by_topic(topic)
    if not publishers:
        return 0
    offered = publishers[0].qos_profile
    return sum(
        qos_check_compatible(offered, subscription.qos_profile)[0] != QoSCompatibility.ERROR
        for subscription in node.get_subscriptions_info_by_topic(topic)
    )
