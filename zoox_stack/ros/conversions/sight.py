"""sensor_msgs/LaserScan and Sight: one range per sector, which says how far is seen at all."""

from __future__ import annotations

import math

import numpy as np
from sensor_msgs.msg import LaserScan

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.frames import Frame
from zoox_stack.core.sight import Seeing, Sight
from zoox_stack.ros.conversions.basics import flat, header_to_message, stamp_and_frame

_RANGES = np.zeros(len(Seeing), np.float32)
_RANGES[Seeing.NOT_COVERED], _RANGES[Seeing.SEEN], _RANGES[Seeing.BLIND] = np.nan, np.inf, 0.0
_MOST = 720  # sectors


def sight_to_message(sight: Sight) -> LaserScan:
    """Ranges: infinite where something is seen, 0 where blind, NaN where nothing was ever seen; by sector."""
    width = 2 * math.pi / max(len(sight.sectors), 1)
    return LaserScan(
        header=header_to_message(sight.stamp_ns, Frame.BASE_LINK),
        angle_min=-math.pi + width / 2,
        angle_max=math.pi - width / 2,
        angle_increment=width,
        range_min=0.0,
        range_max=math.inf,
        ranges=flat(_RANGES[sight.sectors], np.float32),
    )


def sight_from_message(message: LaserScan) -> Sight:
    """The sight of a message; a range above 0 is something seen.

    Raises:
        InvalidInputError: Another frame than base_link, sectors that do not go around once, a range below 0.
    """
    stamp_ns, _ = stamp_and_frame("LaserScan", message.header, (Frame.BASE_LINK,))
    ranges = np.asarray(message.ranges, np.float32)
    width = 2 * math.pi / max(len(ranges), 1)
    found = (message.angle_min, message.angle_increment)
    if not 4 <= len(ranges) <= _MOST or not np.allclose(found, (-math.pi + width / 2, width), atol=1e-4):
        raise InvalidInputError(
            "LaserScan.ranges", f"4 to {_MOST} sectors once around from straight behind", f"{len(ranges)} from {found}"
        )
    if (ranges < 0).any():
        raise InvalidInputError("LaserScan.ranges", ">= 0 m or NaN", str(ranges.min()))
    seeing = np.where(ranges > 0, Seeing.SEEN, np.where(np.isnan(ranges), Seeing.NOT_COVERED, Seeing.BLIND))
    return Sight(stamp_ns, seeing.astype(np.uint8))
