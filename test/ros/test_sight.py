"""What is seen, as a message and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.sight import Seeing, Sight
from zoox_stack.ros.conversions.sight import sight_from_message, sight_to_message

SIGHT = Sight(7, np.tile(np.array([Seeing.SEEN, Seeing.BLIND, Seeing.NOT_COVERED], np.uint8), 8))


def test_there_and_back() -> None:
    message = sight_to_message(SIGHT)
    assert list(message.ranges[:2]) == [np.inf, 0.0]
    assert np.isnan(message.ranges[2])
    back = sight_from_message(message)
    assert (back.stamp_ns, back.sectors.tolist()) == (7, SIGHT.sectors.tolist())


@pytest.mark.parametrize(
    ("name", "value"),
    [("ranges", [1.0] * 3), ("ranges", [1.0] * 5), ("ranges", [-1.0] * 24), ("angle_min", 0.0), ("angle_min", np.nan)],
)
def test_scans_that_are_no_sight_are_refused(name: str, value: Any) -> None:
    message = sight_to_message(SIGHT)
    setattr(message, name, value)
    with pytest.raises(InvalidInputError, match="LaserScan"):
        sight_from_message(message)


def test_another_frame_is_refused() -> None:
    message = sight_to_message(SIGHT)
    message.header.frame_id = "map"
    with pytest.raises(InvalidInputError, match="frame_id"):
        sight_from_message(message)
