"""The channels of the scene image: one table that drives drawing, tests, model checks and documentation.

The image is centred on the ego. Region: x from 28 m behind the rear axle to 100 m ahead, y 64 m to either side, 0.5 m
per pixel. Row 0 is the far edge ahead (x = +100 m), rows grow backwards; column 0 is the left edge (y = +64 m),
columns grow to the right. So the picture shows the ego driving up. Pixel ``(r, c)`` covers rows ``[r, r + 1)`` and
columns ``[c, c + 1)``: its centre has the continuous coordinates ``(r + 0.5, c + 0.5)``.
"""

# ruff: noqa: E501  (one row of the table is one line)
from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

RASTER_SIZE = 256  # rows and columns
METRES_PER_PIXEL = 0.5
X_AHEAD = 100.0  # [m] from base_link to the upper edge of row 0
X_BEHIND = -28.0  # [m] to the lower edge of the last row
Y_LEFT = 64.0  # [m] to the left edge of column 0
Y_RIGHT = -64.0

DRAWING_VERSION = 1  # raise it when something is drawn in another way under the same name
NEUTRAL = 128  # of signed and tri-state channels: zero, none, unknown
VELOCITY_PER_COUNT = 0.3  # [m/s]
ACCELERATION_PER_COUNT = 0.1  # [m/s^2]
YAW_RATE_PER_COUNT = 0.02  # [rad/s]
SPEED_PER_COUNT = 0.2  # [m/s]
HISTORY_TIMES = (0.3, 0.6, 1.0)  # [s] before now of the channels HISTORY_*


class Group(StrEnum):
    """What a channel shows."""

    MAP = "map"  # drawn once per map, then moved with the ego
    SIGNAL = "signals"
    ROUTE = "route"
    EGO = "ego"
    AGENT = "agents"


class Encoding(StrEnum):
    """How a channel's numbers are to be read."""

    MASK = "mask"  # 0 no, 255 yes
    COVERAGE = "coverage"  # 255 x the share of the pixel that is covered
    AMOUNT = "amount"  # value = count x scale
    SIGNED = "signed"  # value = (count - 128) x scale; 128 where there is nothing
    TRI_STATE = "tri-state"  # 0 no, 128 unknown or nothing there, 255 yes


class Channel(IntEnum):
    """Index of each channel along the first axis of the scene image ``[60, 256, 256]``."""

    MAP_KNOWN = 0
    DRIVABLE = 1
    INTERSECTION = 2
    CROSSWALK = 3
    SIDEWALK = 4
    PARKING = 5
    LANE_VEHICLE = 6
    LANE_BUS = 7
    LANE_BIKE = 8
    CENTRE_LINE = 9
    LANE_STRAIGHT = 10
    LANE_LEFT = 11
    LANE_RIGHT = 12
    LINE_SOLID_WHITE = 13
    LINE_DASHED_WHITE = 14
    LINE_YELLOW = 15
    LINE_DOUBLE = 16
    LINE_KERB = 17
    LINE_UNKNOWN = 18
    STOP_LINE = 19
    YIELD_LINE = 20
    LANE_DIRECTION_COS = 21
    LANE_DIRECTION_SIN = 22
    LANE_DIRECTION_KNOWN = 23
    SPEED_LIMIT = 24
    SPEED_LIMIT_KNOWN = 25
    SIGNAL_RED = 26
    SIGNAL_YELLOW = 27
    SIGNAL_GREEN = 28
    SIGNAL_UNKNOWN = 29
    SIGNAL_FLASHING = 30
    SIGNAL_STOP_LINE = 31
    ROUTE = 32
    EGO_BOX = 33
    EGO_HISTORY = 34
    EGO_SPEED = 35
    VEHICLE = 36
    LARGE_VEHICLE = 37
    CYCLIST = 38
    PEDESTRIAN = 39
    OTHER_AGENT = 40
    HISTORY_03 = 41
    HISTORY_06 = 42
    HISTORY_10 = 43
    EXISTENCE = 44
    VELOCITY_X = 45
    VELOCITY_Y = 46
    ACCELERATION = 47
    YAW_RATE = 48
    HEADING_COS = 49
    HEADING_SIN = 50
    TURN_SIGNAL_LEFT = 51
    TURN_SIGNAL_RIGHT = 52
    BRAKE_LIGHT = 53
    EMERGENCY_LIGHT = 54
    DOOR_OPEN = 55
    PHONE_IN_HAND = 56
    CHILD = 57
    FACING_COS = 58
    FACING_SIN = 59


N_CHANNELS = len(Channel)
MASK_CHANNELS = tuple(Channel(i) for i in range(Channel.MAP_KNOWN, Channel.YIELD_LINE + 1))  # stored as bits
HISTORY_CHANNELS = (Channel.HISTORY_03, Channel.HISTORY_06, Channel.HISTORY_10)


@dataclass(frozen=True)
class ChannelInfo:
    """One row of the table.

    Attributes:
        channel: Which.
        group: What it belongs to.
        source: Field of the core types that it is drawn from.
        encoding: How to read the numbers.
        meaning: One sentence.
        scale: Value of one count, 0 for masks, coverage and tri-state.
        unit: Of the value, empty if dimensionless.
    """

    channel: Channel
    group: Group
    source: str
    encoding: Encoding
    meaning: str
    scale: float = 0.0
    unit: str = ""

    @property
    def neutral(self) -> int:
        """Count of a pixel where nothing is drawn."""
        return NEUTRAL if self.encoding in (Encoding.SIGNED, Encoding.TRI_STATE) else 0


def _row(
    channel: Channel, group: Group, source: str, encoding: Encoding, meaning: str, scale: float = 0.0, unit: str = ""
) -> ChannelInfo:
    return ChannelInfo(channel, group, source, encoding, meaning, scale, unit)


_UNIT = 1 / 127  # cosine and sine
_M, _C, _A, _S, _T = Encoding.MASK, Encoding.COVERAGE, Encoding.AMOUNT, Encoding.SIGNED, Encoding.TRI_STATE
_LINES = "RoadNetwork.*_boundaries, lines"

TABLE: tuple[ChannelInfo, ...] = (
    _row(Channel.MAP_KNOWN, Group.MAP, "RoadNetwork", _M, "Inside the map's convex hull, 20 m wider: elsewhere absence means unknown"),
    _row(Channel.DRIVABLE, Group.MAP, "RoadNetwork.areas", _M, "Drivable area, intersections and lanes for vehicles included"),
    _row(Channel.INTERSECTION, Group.MAP, "RoadNetwork.areas, lane_in_intersection", _M, "Intersection area or lane inside one"),
    _row(Channel.CROSSWALK, Group.MAP, "RoadNetwork.areas", _M, "Crosswalk"),
    _row(Channel.SIDEWALK, Group.MAP, "RoadNetwork.areas", _M, "Sidewalk"),
    _row(Channel.PARKING, Group.MAP, "RoadNetwork.areas", _M, "Parking or bus stop"),
    _row(Channel.LANE_VEHICLE, Group.MAP, "RoadNetwork.lane_types", _M, "Lane for vehicles"),
    _row(Channel.LANE_BUS, Group.MAP, "RoadNetwork.lane_types", _M, "Lane for buses"),
    _row(Channel.LANE_BIKE, Group.MAP, "RoadNetwork.lane_types", _M, "Lane for bicycles"),
    _row(Channel.CENTRE_LINE, Group.MAP, "RoadNetwork.centre_lines", _M, "Centre lines of lanes"),
    _row(Channel.LANE_STRAIGHT, Group.MAP, "RoadNetwork.lane_turns", _M, "Lane that goes straight on"),
    _row(Channel.LANE_LEFT, Group.MAP, "RoadNetwork.lane_turns", _M, "Lane that turns left, or turns round"),
    _row(Channel.LANE_RIGHT, Group.MAP, "RoadNetwork.lane_turns", _M, "Lane that turns right"),
    _row(Channel.LINE_SOLID_WHITE, Group.MAP, _LINES, _M, "Solid white line"),
    _row(Channel.LINE_DASHED_WHITE, Group.MAP, _LINES, _M, "Dashed white line (drawn unbroken)"),
    _row(Channel.LINE_YELLOW, Group.MAP, _LINES, _M, "Yellow line, solid or dashed"),
    _row(Channel.LINE_DOUBLE, Group.MAP, _LINES, _M, "Double solid line"),
    _row(Channel.LINE_KERB, Group.MAP, _LINES, _M, "Kerb"),
    _row(Channel.LINE_UNKNOWN, Group.MAP, _LINES, _M, "Boundary of unknown kind"),
    _row(Channel.STOP_LINE, Group.MAP, "RoadNetwork.lines", _M, "Stop line"),
    _row(Channel.YIELD_LINE, Group.MAP, "RoadNetwork.lines", _M, "Yield line"),
    _row(Channel.LANE_DIRECTION_COS, Group.MAP, "RoadNetwork.centre_lines", _S, "Cosine of lane direction against ego heading", _UNIT),
    _row(Channel.LANE_DIRECTION_SIN, Group.MAP, "RoadNetwork.centre_lines", _S, "Sine of lane direction against ego heading", _UNIT),
    _row(Channel.LANE_DIRECTION_KNOWN, Group.MAP, "RoadNetwork.centre_lines", _M, "A lane direction is given here"),
    _row(Channel.SPEED_LIMIT, Group.MAP, "RoadNetwork.lane_speed_limits", _A, "Speed limit", SPEED_PER_COUNT, "m/s"),
    _row(Channel.SPEED_LIMIT_KNOWN, Group.MAP, "RoadNetwork.lane_speed_limits", _M, "A speed limit is given here"),
    _row(Channel.SIGNAL_RED, Group.SIGNAL, "TrafficSignals.states", _M, "Lane governed by a red or flashing red signal"),
    _row(Channel.SIGNAL_YELLOW, Group.SIGNAL, "TrafficSignals.states", _M, "Lane governed by a yellow or flashing yellow signal"),
    _row(Channel.SIGNAL_GREEN, Group.SIGNAL, "TrafficSignals.states", _M, "Lane governed by a green signal"),
    _row(Channel.SIGNAL_UNKNOWN, Group.SIGNAL, "TrafficSignals.states", _M, "Lane governed by a signal whose state nobody told"),
    _row(Channel.SIGNAL_FLASHING, Group.SIGNAL, "TrafficSignals.states", _M, "Lane whose signal flashes, or is off (then neither red nor yellow)"),
    _row(Channel.SIGNAL_STOP_LINE, Group.SIGNAL, "TrafficSignals.states, RoadNetwork.lines", _A, "Stop line of a governed lane: 1 red, 0.5 yellow", 1 / 255),
    _row(Channel.ROUTE, Group.ROUTE, "Route.points", _M, "3 m wide band along the way to follow"),
    _row(Channel.EGO_BOX, Group.EGO, "TrackedAgents.ego", _C, "Box of the ego"),
    _row(Channel.EGO_HISTORY, Group.EGO, "SceneHistory.ego_states", _A, "Box of the ego in the past: 1 at -0.3 s, 2/3 at -0.6 s, 1/3 at -1 s", 1 / 255),
    _row(Channel.EGO_SPEED, Group.EGO, "TrackedAgents.ego", _A, "Speed of the ego (absolute), everywhere", SPEED_PER_COUNT, "m/s"),
    _row(Channel.VEHICLE, Group.AGENT, "TrackedAgents.classes", _C, "Cars"),
    _row(Channel.LARGE_VEHICLE, Group.AGENT, "TrackedAgents.classes", _C, "Trucks, buses, trailers"),
    _row(Channel.CYCLIST, Group.AGENT, "TrackedAgents.classes", _C, "Motorcycles and bicycles"),
    _row(Channel.PEDESTRIAN, Group.AGENT, "TrackedAgents.classes", _C, "Pedestrians"),
    _row(Channel.OTHER_AGENT, Group.AGENT, "TrackedAgents.classes", _C, "Animals, hazards, agents of unknown class"),
    _row(Channel.HISTORY_03, Group.AGENT, "SceneHistory.states", _C, "Agents of all classes 0.3 s ago"),
    _row(Channel.HISTORY_06, Group.AGENT, "SceneHistory.states", _C, "Agents of all classes 0.6 s ago"),
    _row(Channel.HISTORY_10, Group.AGENT, "SceneHistory.states", _C, "Agents of all classes 1 s ago"),
    _row(Channel.EXISTENCE, Group.AGENT, "TrackedAgents.existence", _A, "Probability that the agent is real", 1 / 255),
    _row(Channel.VELOCITY_X, Group.AGENT, "TrackedAgents.velocity", _S, "Velocity over ground along the ego heading", VELOCITY_PER_COUNT, "m/s"),
    _row(Channel.VELOCITY_Y, Group.AGENT, "TrackedAgents.velocity", _S, "Velocity over ground to the ego's left", VELOCITY_PER_COUNT, "m/s"),
    _row(Channel.ACCELERATION, Group.AGENT, "TrackedAgents.acceleration", _S, "Acceleration along the agent's own heading", ACCELERATION_PER_COUNT, "m/s^2"),
    _row(Channel.YAW_RATE, Group.AGENT, "TrackedAgents.yaw_rate", _S, "Yaw rate", YAW_RATE_PER_COUNT, "rad/s"),
    _row(Channel.HEADING_COS, Group.AGENT, "TrackedAgents.yaw", _S, "Cosine of the agent's heading against the ego's", _UNIT),
    _row(Channel.HEADING_SIN, Group.AGENT, "TrackedAgents.yaw", _S, "Sine of the agent's heading against the ego's", _UNIT),
    _row(Channel.TURN_SIGNAL_LEFT, Group.AGENT, "Attribute.TURN_SIGNAL", _T, "Left indicator (hazard lights: both)"),
    _row(Channel.TURN_SIGNAL_RIGHT, Group.AGENT, "Attribute.TURN_SIGNAL", _T, "Right indicator (hazard lights: both)"),
    _row(Channel.BRAKE_LIGHT, Group.AGENT, "Attribute.BRAKE_LIGHT", _T, "Brake lights"),
    _row(Channel.EMERGENCY_LIGHT, Group.AGENT, "Attribute.EMERGENCY_LIGHT", _T, "Flashing emergency lights"),
    _row(Channel.DOOR_OPEN, Group.AGENT, "Attribute.DOOR_OPEN", _T, "A door is open"),
    _row(Channel.PHONE_IN_HAND, Group.AGENT, "Attribute.PHONE_IN_HAND", _T, "Holds a phone"),
    _row(Channel.CHILD, Group.AGENT, "Attribute.CHILD", _T, "Is a child"),
    _row(Channel.FACING_COS, Group.AGENT, "TrackedAgents.facing", _S, "Cosine of gaze or torso direction against the ego heading", _UNIT),
    _row(Channel.FACING_SIN, Group.AGENT, "TrackedAgents.facing", _S, "Sine of gaze or torso direction against the ego heading", _UNIT),
)  # fmt: skip


@cache
def neutral_counts() -> NDArray[np.uint8]:
    """Count of each channel where nothing is drawn, uint8 ``[60]`` (read-only)."""
    counts = np.array([info.neutral for info in TABLE], np.uint8)
    counts.flags.writeable = False
    return counts


def region_to_pixel(points: NDArray[Any]) -> NDArray[np.float64]:
    """Continuous ``(row, column)`` of points.

    Args:
        points: ``[..., 2]`` x, y [m] in base_link axes.
    """
    x, y = points[..., 0], points[..., 1]
    return np.stack([(X_AHEAD - x) / METRES_PER_PIXEL, (Y_LEFT - y) / METRES_PER_PIXEL], axis=-1)


def pixel_to_region(pixels: NDArray[Any]) -> NDArray[np.float64]:
    """Inverse of `region_to_pixel`: ``[..., 2]`` (row, column) to x, y [m] in base_link axes."""
    row, column = pixels[..., 0], pixels[..., 1]
    return np.stack([X_AHEAD - row * METRES_PER_PIXEL, Y_LEFT - column * METRES_PER_PIXEL], axis=-1)


@cache
def channels_fingerprint() -> str:
    """SHA-256 (hex) of the table and the region: a model trained on another scene image must be refused."""
    content = {
        "drawing": DRAWING_VERSION,
        "region": [RASTER_SIZE, METRES_PER_PIXEL, X_AHEAD, X_BEHIND, Y_LEFT, Y_RIGHT],
        "channels": [[i.channel.name, i.channel.value, i.group, i.encoding, i.scale, i.unit] for i in TABLE],
    }
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def markdown_table() -> str:
    """The table for the documentation."""
    lines = ["| channel | name | group | drawn from | encoding | meaning |", "|---|---|---|---|---|---|"]
    for i in TABLE:
        encoding = str(i.encoding)
        if i.scale:
            encoding += f", {i.scale:.4g} {i.unit} per count".replace("  ", " ")
        lines.append(
            f"| {i.channel.value} | `{i.channel.name}` | {i.group} | `{i.source}` | {encoding} | {i.meaning} |"
        )
    return "\n".join(lines) + "\n"
