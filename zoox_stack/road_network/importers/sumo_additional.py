"""Bus stops and parking places beside lanes, from the additional files of SUMO."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

from zoox_stack.core.classes import AreaType
from zoox_stack.core.errors import InvalidInputError

BUS_STOP_WIDTH = 2.5  # [m] of the platform beside the lane
PARKING_WIDTH = 3.2  # [m] where the file gives none (SUMO's default)


@dataclass(frozen=True)
class RoadsidePlace:
    """A stretch to the right of a lane.

    Attributes:
        kind: `AreaType.BUS_STOP` or `AreaType.PARKING`.
        name: Its id in the file.
        lane: SUMO lane id.
        start: Along the lane [m]; negative values count from its end.
        end: As `start`; None: the end of the lane.
        width: [m] to the right of the lane's edge.
    """

    kind: AreaType
    name: str
    lane: str
    start: float
    end: float | None
    width: float


def read_additional(path: Path) -> tuple[RoadsidePlace, ...]:
    """Every ``<busStop>`` and ``<parkingArea>`` of a file, in its order; its other elements say nothing about the map.

    Raises:
        InvalidInputError: Not readable, not an additional file, or a place without lane or with wrong numbers.
    """
    try:
        root = ET.parse(path).getroot()
    except (OSError, ET.ParseError) as error:
        raise InvalidInputError(f"SUMO additional file {path}", "a readable XML file", str(error)) from error
    if root.tag not in ("additional", "additionals"):
        raise InvalidInputError(f"SUMO additional file {path}", "root element <additional>", f"<{root.tag}>")
    places = []
    for element in root:
        if element.tag in ("busStop", "parkingArea"):
            try:
                places.append(_place(element))
            except (KeyError, ValueError) as error:
                thing = f"SUMO additional file {path}: <{element.tag} id={element.get('id', '')!r}>"
                raise InvalidInputError(thing, "an id, a lane and positions in metres", repr(error)) from error
    return tuple(places)


def _place(element: ET.Element) -> RoadsidePlace:
    stop, end = element.tag == "busStop", element.get("endPos")
    return RoadsidePlace(
        kind=AreaType.BUS_STOP if stop else AreaType.PARKING,
        name=element.attrib["id"],
        lane=element.attrib["lane"],
        start=float(element.get("startPos", 0.0)),
        end=None if end is None else float(end),
        width=float(element.get("width", BUS_STOP_WIDTH if stop else PARKING_WIDTH)),
    )
