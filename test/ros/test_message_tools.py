"""Classes by name, stamps without unpacking, hashes of content, quality of service, transport."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

from nav_msgs.msg import Odometry
from rclpy.qos import DurabilityPolicy, QoSCompatibility, ReliabilityPolicy, qos_check_compatible
from rclpy.serialization import serialize_message

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.topics import TOPICS, QosClass
from zoox_stack.msg import PredictedAgents, TrackedAgent, TrackedAgents
from zoox_stack.ros.message_hash import message_hash
from zoox_stack.ros.message_types import message_class, peek_stamp
from zoox_stack.ros.qos import publisher_profile, subscription_profile
from zoox_stack.ros.transport import PROFILES, prepare_transport


def test_every_topic_has_an_installed_message() -> None:
    assert {name for name, topic in TOPICS.items() if message_class(topic.type_name) is None} == set()
    assert message_class("nav_msgs/msg/Odometry") is Odometry


@pytest.mark.parametrize(
    "name", ["Odometry", "nav_msgs/Odometry", "no_such_msgs/msg/A", "nav_msgs/msg/A", "os/msg/../x"]
)
def test_unknown_types_are_refused(name: str) -> None:
    with pytest.raises(InvalidInputError, match="message type"):
        message_class(name)


def test_stamps_are_read_from_the_bytes() -> None:
    message = Odometry()
    message.header.stamp.sec, message.header.stamp.nanosec = -3, 123_456_789
    assert peek_stamp(serialize_message(message)) == -3 * 10**9 + 123_456_789
    message.header.stamp.nanosec = 10**9
    for broken in (serialize_message(message), b"", b"\x00\x01\x00\x00\x01", b"\x07" * 40):
        with pytest.raises(InvalidInputError):
            peek_stamp(broken)


def test_hashes_tell_content_apart_and_leave_durations_out() -> None:
    a, b = PredictedAgents(model="m"), PredictedAgents(model="m", scene_age=0.3)
    assert message_hash(a) == message_hash(b)
    b.positions.append(1.0)
    assert message_hash(a) != message_hash(b)
    one, two = TrackedAgents(agents=[TrackedAgent(id=1)]), TrackedAgents(agents=[TrackedAgent(id=1)])
    assert message_hash(one) == message_hash(two)
    two.agents[0].position[2] = 1e-300
    assert message_hash(one) != message_hash(two)
    assert message_hash(PredictedAgents(model="ab", provider="c")) != message_hash(
        PredictedAgents(model="a", provider="bc")
    )


@pytest.mark.parametrize("kind", QosClass)
def test_our_publishers_and_subscriptions_match(kind: QosClass) -> None:
    for reliable in (True, False):
        asked = subscription_profile(kind, reliable_sensors=reliable)
        assert qos_check_compatible(publisher_profile(kind), asked)[0] != QoSCompatibility.ERROR


def test_best_effort_drivers_can_be_subscribed_to() -> None:
    driver = publisher_profile(QosClass.SENSOR_DATA)
    driver.reliability = ReliabilityPolicy.BEST_EFFORT
    wanted = subscription_profile(QosClass.SENSOR_DATA)
    assert qos_check_compatible(driver, wanted)[0] == QoSCompatibility.ERROR
    asked = subscription_profile(QosClass.SENSOR_DATA, reliable_sensors=False)
    assert qos_check_compatible(driver, asked)[0] != QoSCompatibility.ERROR
    assert publisher_profile(QosClass.LATCHED).durability == DurabilityPolicy.TRANSIENT_LOCAL


def test_transport_respects_the_user_and_small_machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE", "FASTDDS_BUILTIN_TRANSPORTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("ROS_DISCOVERY_SERVER", raising=False)
    assert PROFILES.is_file()
    assert not prepare_transport(tmp_path / "missing")
    monkeypatch.setenv("FASTRTPS_DEFAULT_PROFILES_FILE", "mine.xml")
    assert not prepare_transport()
    assert os.environ["FASTRTPS_DEFAULT_PROFILES_FILE"] == "mine.xml"
