"""The straight encoders give the bytes of the message objects."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from zoox_stack.core.agents import DetectedAgents, EgoState, TrackedAgents
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.frames import Frame
from zoox_stack.logs import codec_agents
from zoox_stack.logs.cdr_agents import encode_detected_agents, encode_tracked_agents
from zoox_stack.logs.message_definitions import typestore

COUNTS = (0, 1, 2, 7)


def scene(n: int, ego: EgoState | None) -> TrackedAgents:
    random = np.random.default_rng(n)
    facing = random.normal(size=n).astype(np.float32)
    facing[::2] = np.nan
    return TrackedAgents(
        stamp_ns=1_700_000_000_123_456_789, ids=np.arange(n) * 7, classes=random.integers(0, 10, n).astype(np.uint8),
        class_probabilities=random.random((n, 10)).astype(np.float32), existence=random.random(n).astype(np.float32),
        position=random.normal(size=(n, 3)), yaw=random.uniform(-3, 3, n), velocity=random.normal(size=(n, 2)),
        acceleration=random.normal(size=(n, 2)), yaw_rate=random.normal(size=n),
        size=random.uniform(1, 5, (n, 3)).astype(np.float32), covariance=random.random((n, 6, 6)).astype(np.float32),
        age=random.random(n).astype(np.float32), time_since_update=random.random(n).astype(np.float32),
        attributes=random.integers(0, 3, (n, 6)).astype(np.uint8), facing=facing, ego=ego,
    )  # fmt: skip


@pytest.mark.parametrize("n", COUNTS)
@pytest.mark.parametrize("with_ego", [False, True])
def test_tracked_agents(n: int, with_ego: bool) -> None:
    value = scene(n, EgoState(1_700_000_000_123_456_789, 1.0, 2.0, yaw=0.5) if with_ego else None)
    message = codec_agents.tracked_agents(value)
    assert encode_tracked_agents(value) == bytes(typestore().serialize_cdr(message, "zoox_stack/msg/TrackedAgents"))


@pytest.mark.parametrize("n", COUNTS)
@pytest.mark.parametrize("frame", [Frame.MAP, Frame.BASE_LINK])  # texts of different length: other alignment
def test_detected_agents(n: int, frame: Frame) -> None:
    tracked = scene(n, None)
    velocity = tracked.velocity.copy()
    velocity[::3] = np.nan
    value = DetectedAgents(
        tracked.stamp_ns, frame, tracked.class_probabilities, tracked.existence, tracked.position, tracked.yaw,
        tracked.size, velocity, tracked.attributes, tracked.facing,
    )  # fmt: skip
    message = codec_agents.detected_agents(value)
    assert encode_detected_agents(value) == bytes(typestore().serialize_cdr(message, "zoox_stack/msg/DetectedAgents"))


def test_an_ego_of_another_time_is_refused() -> None:
    value = scene(2, EgoState(1_700_000_000_123_456_789, 0, 0))
    with pytest.raises(InvalidInputError, match="stamp"):
        encode_tracked_agents(replace(value, ego=EgoState(5, 0, 0)))
