"""Planning problems of CommonRoad scenarios (XML, versions 2018b and 2020a): where one starts, where to be, and when.

Source of the format: see `zoox_stack.road_network.importers.commonroad`. Frames: ``map`` is the file's own local frame;
positions are those of the middle of a vehicle. Obstacles are read by `zoox_stack.logs.importers.commonroad`.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.geometry import box_corners, wrap_angle

_CIRCLE_POINTS = 32
_TURN = 2 * np.pi


@dataclass(frozen=True)
class Interval:
    """From `low` to `high`, both included."""

    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Whether a number lies within."""
        return self.low <= value <= self.high

    def holds_angle(self, angle: float) -> bool:
        """Whether an angle does [rad], whole turns left aside."""
        turned = float(np.mod(angle - self.low, _TURN))
        return self.high - self.low >= _TURN or turned <= self.high - self.low or turned >= _TURN - 1e-9


@dataclass(frozen=True, eq=False)
class GoalState:
    """One way to have reached a goal: all that is given must hold at one time step.

    Attributes:
        steps: First and last time step that count.
        regions: Outlines ``[R, 2]`` [m]; the middle of the vehicle must lie in one of them. None: anywhere.
        yaw: Heading [rad], None: any.
        speed: [m/s] along the heading, None: any.
    """

    steps: Interval
    regions: tuple[NDArray[np.float64], ...] | None = None
    yaw: Interval | None = None
    speed: Interval | None = None

    def missed(self, x: float, y: float, yaw: float, speed: float) -> tuple[str, ...]:
        """What does not hold of a state, the time left aside: of `position`, `orientation`, `velocity`."""
        found = []
        if self.regions is not None and not any(inside(ring, np.array([[x, y]]))[0] for ring in self.regions):
            found.append("position")
        if self.yaw is not None and not self.yaw.holds_angle(yaw):
            found.append("orientation")
        if self.speed is not None and not self.speed.holds(speed):
            found.append("velocity")
        return tuple(found)


@dataclass(frozen=True, eq=False)
class PlanningProblem:
    """A start and a goal.

    Attributes:
        id: Within the scenario.
        x: Middle of the vehicle at time step 0 [m].
        y: [m].
        yaw: [rad].
        speed: [m/s].
        yaw_rate: [rad/s].
        acceleration: [m/s^2], 0 where the file does not say.
        goals: One of them has to be reached.
    """

    id: int
    x: float
    y: float
    yaw: float
    speed: float
    yaw_rate: float
    acceleration: float
    goals: tuple[GoalState, ...]

    @property
    def last_step(self) -> int:
        """The last time step at which the goal can be reached."""
        return int(max(goal.steps.high for goal in self.goals))


def load_planning_problems(path: Path | str) -> tuple[PlanningProblem, ...]:
    """Read the planning problems of a scenario.

    Raises:
        InvalidInputError: Not a readable CommonRoad file, or something of a problem is missing, wrong, or unknown.
    """
    path = Path(path)
    try:
        root = ET.parse(path).getroot()
    except (OSError, ET.ParseError) as error:
        raise InvalidInputError(str(path), "a readable XML file", str(error)) from error
    if root.tag != "commonRoad":
        raise InvalidInputError(str(path), "root element <commonRoad>", f"<{root.tag}>")
    try:
        lanelets = {element.get("id", ""): element for element in root.findall("lanelet")}
        return tuple(_problem(element, lanelets) for element in root.findall("planningProblem"))
    except (KeyError, ValueError, TypeError) as error:
        if isinstance(error, InvalidInputError):
            raise
        raise InvalidInputError(str(path), "planning problems of a CommonRoad scenario", repr(error)) from error


def inside(ring: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which points ``[N, 2]`` an outline ``[R, 2]`` winds around an odd number of times, ``[N]``."""
    begin, end = ring, np.roll(ring, -1, axis=0)
    x, y = points[:, None, 0], points[:, None, 1]
    crosses = (begin[:, 1] > y) != (end[:, 1] > y)
    rise = np.where(end[:, 1] == begin[:, 1], 1.0, end[:, 1] - begin[:, 1])
    at = begin[:, 0] + (y - begin[:, 1]) / rise * (end[:, 0] - begin[:, 0])
    return np.asarray((crosses & (x < at)).sum(axis=1) % 2 == 1)


def _problem(element: ET.Element, lanelets: Mapping[str, ET.Element]) -> PlanningProblem:
    start = element.find("initialState")
    goals = tuple(_goal(goal, lanelets) for goal in element.findall("goalState"))
    if start is None or not goals:
        raise ValueError(f"planning problem {element.get('id')}: expected an initialState and a goalState")
    return PlanningProblem(
        id=int(element.attrib["id"]),
        x=_number(start, "position/point/x"),
        y=_number(start, "position/point/y"),
        yaw=float(wrap_angle(_number(start, "orientation/exact"))),
        speed=_number(start, "velocity/exact"),
        yaw_rate=_number(start, "yawRate/exact", 0.0),
        acceleration=_number(start, "acceleration/exact", 0.0),
        goals=goals,
    )


def _goal(element: ET.Element, lanelets: Mapping[str, ET.Element]) -> GoalState:
    steps = _interval(element, "time")
    if steps is None:
        raise ValueError("goalState without a time")
    place, regions = element.find("position"), None
    if place is not None:
        regions = tuple(ring for shape in place for ring in _rings(shape, lanelets))
        if not regions:
            raise ValueError("a position without a region")
    return GoalState(steps, regions, _interval(element, "orientation"), _interval(element, "velocity"))


def _rings(shape: ET.Element, lanelets: Mapping[str, ET.Element]) -> list[NDArray[np.float64]]:
    if shape.tag == "lanelet":
        lanelet = lanelets[shape.attrib["ref"]]
        return [np.concatenate([_points(lanelet, "leftBound"), _points(lanelet, "rightBound")[::-1]])]
    if shape.tag == "rectangle":
        middle = np.array([_number(shape, "center/x", 0.0), _number(shape, "center/y", 0.0)])
        yaw = np.array(_number(shape, "orientation", 0.0))
        return [box_corners(middle, yaw, _number(shape, "length"), _number(shape, "width"))]
    if shape.tag == "circle":
        angle = np.linspace(0.0, _TURN, _CIRCLE_POINTS, endpoint=False)
        middle = np.array([_number(shape, "center/x", 0.0), _number(shape, "center/y", 0.0)])
        return [middle + _number(shape, "radius") * np.stack([np.cos(angle), np.sin(angle)], axis=1)]
    if shape.tag == "polygon":
        return [np.array([(_number(point, "x"), _number(point, "y")) for point in shape.findall("point")])]
    raise ValueError(f"position: expected lanelet, rectangle, circle or polygon, found {shape.tag}")


def _points(lanelet: ET.Element, bound: str) -> NDArray[np.float64]:
    return np.array([(_number(point, "x"), _number(point, "y")) for point in lanelet.findall(f"{bound}/point")])


def _interval(element: ET.Element, tag: str) -> Interval | None:
    child = element.find(tag)
    if child is None:
        return None
    exact = child.find("exact") is not None
    low = _number(child, "exact" if exact else "intervalStart")
    high = low if exact else _number(child, "intervalEnd")
    if high < low:
        raise ValueError(f"{tag}: expected an interval that rises, found {low:g} to {high:g}")
    return Interval(low, high)


def _number(element: ET.Element, tag: str, usual: float | None = None) -> float:
    text = element.findtext(tag)
    if text is None and usual is not None:
        return usual
    if text is None:
        raise ValueError(f"<{element.tag}> without {tag}")
    value = float(text)
    if not np.isfinite(value):
        raise ValueError(f"<{element.tag}> {tag}: expected a finite number, found {text}")
    return value
