"""Obstacles of CommonRoad scenarios (XML, versions 2018b and 2020a) as labelled tracks.

The lanelets of the same file are read by `zoox_stack.road_network.importers`. Frames: ``map`` is the file's own local
frame. Files hold no heights; `HEIGHT` is put in. There is no recording car: a planning problem gives where one would
start, not how it drove.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoox_stack.core.agents import TrackedAgents
from zoox_stack.core.classes import AgentClass
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.logs.importers.motion import ClassTable, LabelledTrack, scenes_from_tracks

CLASSES = {
    "car": AgentClass.CAR,
    "taxi": AgentClass.CAR,
    "priorityVehicle": AgentClass.CAR,
    "parkedVehicle": AgentClass.CAR,
    "truck": AgentClass.TRUCK,
    "bus": AgentClass.BUS,
    "motorcycle": AgentClass.MOTORCYCLE,
    "bicycle": AgentClass.BICYCLE,
    "pedestrian": AgentClass.PEDESTRIAN,
    "constructionZone": AgentClass.HAZARD,
    "roadBoundary": AgentClass.HAZARD,
    "building": AgentClass.HAZARD,
    "pillar": AgentClass.HAZARD,
    "median_strip": AgentClass.HAZARD,
}
HEIGHT = 1.6  # [m]
START_NS = 1_000_000_000  # the files count from 0, which as a stamp means "none"


@dataclass(frozen=True)
class CommonRoadTraffic:
    """The obstacles of one scenario.

    Attributes:
        name: The benchmark's id.
        scenes: One per time step, map frame, without ego; velocities are differences of the recorded positions.
        unknown_classes: Types that the class table does not know, kept as UNKNOWN: obstacles by type.
        skipped: What of the obstacles is not in here, counted by reason.
    """

    name: str
    scenes: tuple[TrackedAgents, ...]
    unknown_classes: Mapping[str, int]
    skipped: Mapping[str, int]


def load_commonroad_traffic(path: Path | str) -> CommonRoadTraffic:
    """Read the obstacles of a scenario.

    An obstacle is there at the time steps it has states for; a static one at all of them.

    Raises:
        InvalidInputError: Not a readable CommonRoad file, or numbers in it are missing or wrong.
    """
    path = Path(path)
    try:
        root = ET.parse(path).getroot()
    except (OSError, ET.ParseError) as error:
        raise InvalidInputError(str(path), "a readable XML file", str(error)) from error
    if root.tag != "commonRoad":
        raise InvalidInputError(str(path), "root element <commonRoad>", f"<{root.tag}>")
    try:
        return _Reader(root, path).traffic()
    except (KeyError, ValueError, TypeError) as error:
        if isinstance(error, InvalidInputError):
            raise
        raise InvalidInputError(str(path), "the elements of a CommonRoad scenario", repr(error)) from error


@dataclass(frozen=True)
class _State:
    step: int
    x: float
    y: float
    yaw: float


class _Reader:
    """One pass over the XML tree."""

    def __init__(self, root: ET.Element, path: Path) -> None:
        self.root, self.path = root, path
        self.table, self.skipped = ClassTable(CLASSES), Counter[str]()
        self.period = float(root.attrib["timeStepSize"])
        if not (np.isfinite(self.period) and self.period > 0):
            raise InvalidInputError(f"{path}: timeStepSize", "> 0 s", str(self.period))

    def traffic(self) -> CommonRoadTraffic:
        found = [(element, self._states(element)) for element in self._obstacles()]
        steps = max((state.step for _, states in found for state in states), default=-1) + 1
        if not steps:
            raise InvalidInputError(str(self.path), "at least one obstacle with a state", "none")
        tracks = [track for element, states in found if (track := self._track(element, states, steps)) is not None]
        stamps = START_NS + np.rint(np.arange(steps) * self.period * 1e9).astype(np.int64)
        return CommonRoadTraffic(
            name=self.root.get("benchmarkID", self.path.stem),
            scenes=scenes_from_tracks(stamps, tracks, {}, window=self.period, gap=1.5 * self.period),
            unknown_classes=dict(self.table.unknown),
            skipped=dict(self.skipped),
        )

    def _obstacles(self) -> list[ET.Element]:
        return [e for e in self.root if e.tag in ("obstacle", "dynamicObstacle", "staticObstacle")]

    def _states(self, obstacle: ET.Element) -> list[_State]:
        """States with rising steps; those without an exact point, heading or time are left out."""
        by_step: dict[int, _State] = {}
        for element in [*obstacle.findall("initialState"), *obstacle.findall("trajectory/state")]:
            texts = [element.findtext(name) for name in _EXACT]
            if any(text is None for text in texts):
                self.skipped["state without an exact point, heading or time"] += 1
                continue
            x, y, yaw, time = (float(str(text)) for text in texts)
            if not np.isfinite([x, y, yaw]).all() or time < 0 or time != int(time):
                found = f"x {x}, y {y}, orientation {yaw}, time {time}"
                raise InvalidInputError(f"{self.path}: obstacle {obstacle.get('id')}", "numbers, a step >= 0", found)
            by_step[int(time)] = _State(int(time), x, y, yaw)
        return [by_step[step] for step in sorted(by_step)]

    def _track(self, obstacle: ET.Element, states: list[_State], steps: int) -> LabelledTrack | None:
        if not states:
            self.skipped["obstacle without a state"] += 1
            return None
        size = _size(obstacle)
        if size is None:
            self.skipped["obstacle that is neither a rectangle nor a circle"] += 1
            return None
        if obstacle.tag == "staticObstacle" or obstacle.findtext("role") == "static":
            states = [_State(step, states[0].x, states[0].y, states[0].yaw) for step in range(steps)]
        rows = np.array([state.step for state in states], np.int64)
        return LabelledTrack(
            id=int(obstacle.attrib["id"]),
            agent_class=self.table.of(obstacle.findtext("type", "unknown")),
            steps=rows,
            position=np.array([(state.x, state.y, HEIGHT / 2) for state in states]),
            yaw=np.array([state.yaw for state in states]),
            size=np.tile(np.array([*size, HEIGHT], np.float32), (len(rows), 1)),
        )


_EXACT = ("position/point/x", "position/point/y", "orientation/exact", "time/exact")


def _size(obstacle: ET.Element) -> tuple[float, float] | None:
    """Length and width [m] of a rectangle or circle around the obstacle's position."""
    rectangle, circle = obstacle.find("shape/rectangle"), obstacle.find("shape/circle")
    if rectangle is not None:
        length, width = (float(str(rectangle.findtext(name))) for name in ("length", "width"))
        return length, width
    if circle is not None:
        radius = float(str(circle.findtext("radius")))
        return 2 * radius, 2 * radius
    return None
