"""Coordinate frames. All are right-handed, x forward or east, y left or north, z up; SI units."""

from __future__ import annotations

from enum import StrEnum


class Frame(StrEnum):
    """Names of the frames, equal to the ROS frame ids."""

    MAP = "map"  # fixed to the world; local east-north-up of the map or of the log
    BASE_LINK = "base_link"  # ego: origin at the centre of the rear axle on the ground, x forward
    AGENT = "agent"  # one agent: origin at its box centre, x along its heading
