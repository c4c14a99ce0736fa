"""Enumerations of agents, attributes, map elements. Numbers equal those in the messages."""

from __future__ import annotations

from enum import IntEnum


class AgentClass(IntEnum):
    """Class of a road user; columns of ``class_probabilities``. Same numbers as Autoware's ObjectClassification."""

    UNKNOWN = 0
    CAR = 1
    TRUCK = 2
    BUS = 3
    TRAILER = 4
    MOTORCYCLE = 5
    BICYCLE = 6
    PEDESTRIAN = 7
    ANIMAL = 8
    HAZARD = 9


VEHICLE_CLASSES = (AgentClass.CAR, AgentClass.TRUCK, AgentClass.BUS, AgentClass.TRAILER)
CYCLIST_CLASSES = (AgentClass.MOTORCYCLE, AgentClass.BICYCLE)


class Attribute(IntEnum):
    """Columns of ``attributes`` arrays, shape ``[agents, len(Attribute)]``, dtype uint8."""

    TURN_SIGNAL = 0  # TurnSignal
    BRAKE_LIGHT = 1  # TriState
    EMERGENCY_LIGHT = 2  # TriState
    DOOR_OPEN = 3  # TriState
    PHONE_IN_HAND = 4  # TriState
    CHILD = 5  # TriState


class TriState(IntEnum):
    """A yes/no attribute that may not have been observed."""

    UNKNOWN = 0
    NO = 1
    YES = 2


class TurnSignal(IntEnum):
    """Indicator of a vehicle."""

    UNKNOWN = 0
    OFF = 1
    LEFT = 2
    RIGHT = 3
    HAZARD = 4


class SignalState(IntEnum):
    """State of a traffic signal."""

    UNKNOWN = 0
    RED = 1
    YELLOW = 2
    GREEN = 3
    FLASHING_YELLOW = 4
    FLASHING_RED = 5
    OFF = 6


class LaneType(IntEnum):
    """Who a lane is for."""

    VEHICLE = 0
    BUS = 1
    BIKE = 2
    OTHER = 3


class LaneTurn(IntEnum):
    """Turn direction of a lane."""

    UNKNOWN = 0
    STRAIGHT = 1
    LEFT = 2
    RIGHT = 3
    U_TURN = 4


class LineType(IntEnum):
    """Kind of a lane boundary or of another line on the road."""

    UNKNOWN = 0
    NONE = 1
    SOLID_WHITE = 2
    DASHED_WHITE = 3
    SOLID_YELLOW = 4
    DASHED_YELLOW = 5
    DOUBLE_SOLID = 6
    KERB = 7
    STOP = 8
    YIELD = 9


class AreaType(IntEnum):
    """Kind of a polygon of the map."""

    DRIVABLE = 0
    INTERSECTION = 1
    CROSSWALK = 2
    SIDEWALK = 3
    PARKING = 4
    BUS_STOP = 5


class PredictionSource(IntEnum):
    """Who made a prediction."""

    MODEL = 0
    CONSTANT_VELOCITY = 1


class TrajectorySource(IntEnum):
    """How a trajectory came about."""

    DECISION = 0
    SAFE_STOP = 1  # of the planner: no candidate was acceptable
    COMFORT_STOP = 2  # this and all below: of the supervisor, instead of what the planner wants
    PULL_OVER = 3
    EMERGENCY_STOP = 4
    STANDSTILL = 5

    @property
    def intervention(self) -> bool:
        """Whether the supervisor drives."""
        return self >= TrajectorySource.COMFORT_STOP


class GoalStatus(IntEnum):
    """What became of a goal that was set."""

    ACCEPTED = 0
    BAD_GOAL = 1
    NO_MAP = 2
    NO_EGO = 3
    NO_ROUTE = 4


class WhatIfStatus(IntEnum):
    """Outcome of a what-if question. Values >= 100 are the planner's own words for "no usable answer"."""

    OK = 0
    NO_SCENE = 1
    STALE_SCENE = 2
    DEADLINE = 3
    BAD_PLAN = 4
    MODEL_ERROR = 5
    NOT_ASKED = 100
    TIMEOUT = 101
    NO_SERVICE = 102
    INVALID = 103


class Rejection(IntEnum):
    """Why a candidate plan was ruled out before costs decided."""

    KEPT = 0
    COLLISION = 1
    CURVATURE = 2
    ACCELERATION = 3
    OFF_ROAD = 4
    SIGNAL = 5
    JERK = 6
    STEERING = 7
    FRICTION = 8
    OUTWEIGHED = 9


class SensorKind(IntEnum):
    """Kind of a sensor."""

    LIDAR = 0
    RADAR = 1
    CAMERA = 2


class EventKind(IntEnum):
    """What happened in a simulation."""

    COLLISION = 0
    RED_LIGHT = 1
    OFF_ROAD = 2
    WRONG_WAY = 3
    HARSH_BRAKING = 4
    NEAR_MISS = 5


class Blame(IntEnum):
    """Who would have had to avoid an event."""

    NOBODY = 0
    EGO = 1
    OTHER = 2
    BOTH = 3
    UNCLEAR = 4
