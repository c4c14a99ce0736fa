"""Tags of Lanelet2 maps and what they are in a `RoadNetwork`, both ways.

Source: Lanelet2, ``lanelet2_core/doc/LaneletAndAreaTagging.md`` and ``LinestringTagging.md``; ``turn_direction`` as in
Autoware.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from zoox_stack.core.classes import AreaType, LaneTurn, LaneType, LineType

Tags = Mapping[str, str]

LANE_KINDS = {
    "road": LaneType.VEHICLE,
    "highway": LaneType.VEHICLE,
    "play_street": LaneType.VEHICLE,
    "exit": LaneType.VEHICLE,
    "bus_lane": LaneType.BUS,
    "bicycle_lane": LaneType.BIKE,
    "emergency_lane": LaneType.OTHER,
    "road_shoulder": LaneType.OTHER,
    "rail": LaneType.OTHER,
}
AREA_KINDS = {
    "walkway": AreaType.SIDEWALK,
    "sidewalk": AreaType.SIDEWALK,
    "shared_walkway": AreaType.SIDEWALK,
    "pedestrian_lane": AreaType.SIDEWALK,
    "stairs": AreaType.SIDEWALK,
    "traffic_island": AreaType.SIDEWALK,
    "crosswalk": AreaType.CROSSWALK,
    "crosswalk_polygon": AreaType.CROSSWALK,
    "parking": AreaType.PARKING,
    "parking_lot": AreaType.PARKING,
    "parking_space": AreaType.PARKING,
    "freespace": AreaType.DRIVABLE,
    "exit": AreaType.DRIVABLE,
    "intersection": AreaType.INTERSECTION,
    "intersection_area": AreaType.INTERSECTION,
    "bus_stop": AreaType.BUS_STOP,
    "bus_stop_area": AreaType.BUS_STOP,
}
WRITTEN_LANES = {
    LaneType.VEHICLE: {"subtype": "road", "participant:vehicle": "yes"},
    LaneType.BUS: {"subtype": "bus_lane", "participant:vehicle:bus": "yes"},
    LaneType.BIKE: {"subtype": "bicycle_lane", "participant:bicycle": "yes"},
    LaneType.OTHER: {"subtype": "emergency_lane", "participant:vehicle:emergency": "yes"},
}
WRITTEN_AREAS = {
    AreaType.DRIVABLE: "freespace",
    AreaType.INTERSECTION: "intersection",
    AreaType.CROSSWALK: "crosswalk",
    AreaType.SIDEWALK: "walkway",
    AreaType.PARKING: "parking",
    AreaType.BUS_STOP: "bus_stop",
}
WRITTEN_LINES = {
    LineType.UNKNOWN: {"type": "line_thin"},
    LineType.NONE: {"type": "virtual"},
    LineType.SOLID_WHITE: {"type": "line_thin", "subtype": "solid"},
    LineType.DASHED_WHITE: {"type": "line_thin", "subtype": "dashed"},
    LineType.SOLID_YELLOW: {"type": "line_thin", "subtype": "solid", "color": "yellow"},
    LineType.DASHED_YELLOW: {"type": "line_thin", "subtype": "dashed", "color": "yellow"},
    LineType.DOUBLE_SOLID: {"type": "line_thin", "subtype": "solid_solid"},
    LineType.KERB: {"type": "curbstone", "subtype": "high"},
    LineType.STOP: {"type": "stop_line"},
    LineType.YIELD: {"type": "stop_line", "subtype": "yield"},
}
TURNS = {
    "straight": LaneTurn.STRAIGHT,
    "left": LaneTurn.LEFT,
    "right": LaneTurn.RIGHT,
    "u_turn": LaneTurn.U_TURN,
    "unknown": LaneTurn.UNKNOWN,
}
_PEDESTRIAN = {"participant:pedestrian"}
_KERBS = {"curbstone", "road_border", "guard_rail", "wall", "fence", "jersey_barrier", "gate"}
_DASHED_MARKS = {"pedestrian_marking", "bike_marking"}
_OTHER_MARKS = {"zebra_marking", "zebra", "zig-zag", "keepout", "rail", "arrow", "symbol_line"}
_PAINT = {
    "solid": LineType.SOLID_WHITE,
    "dashed": LineType.DASHED_WHITE,
    "solid_solid": LineType.DOUBLE_SOLID,
    "dashed_dashed": LineType.DASHED_WHITE,
}
_PAIRS = {"solid_dashed": ("solid", "dashed"), "dashed_solid": ("dashed", "solid")}  # left, right of the pair
_YELLOW = {LineType.SOLID_WHITE: LineType.SOLID_YELLOW, LineType.DASHED_WHITE: LineType.DASHED_YELLOW}
_UNITS = {"": 1 / 3.6, "km/h": 1 / 3.6, "kmh": 1 / 3.6, "kph": 1 / 3.6, "mph": 0.44704, "m/s": 1.0, "mps": 1.0}


def name_of(tags: Tags) -> str:
    """How a report names an element: its type and subtype."""
    words = [tags[key] for key in ("type", "subtype") if key in tags]
    return "/".join(words) or "no type"


def lanelet_kind(tags: Tags) -> LaneType | AreaType:
    """What a lanelet becomes; one without a known subtype is what its participants make it, else a vehicle lane."""
    subtype = tags.get("subtype", "")
    if subtype in LANE_KINDS:
        return LANE_KINDS[subtype]
    if subtype in AREA_KINDS:
        return AREA_KINDS[subtype]
    allowed = {key for key, value in tags.items() if key.startswith("participant:") and value in ("yes", "true")}
    if allowed == _PEDESTRIAN:
        return AreaType.SIDEWALK
    if allowed and all(key.endswith("bicycle") for key in allowed):
        return LaneType.BIKE
    if allowed and all(key.endswith("bus") for key in allowed):
        return LaneType.BUS
    return LaneType.VEHICLE


def line_kind(tags: Tags, seen_from: str = "") -> LineType | None:
    """Kind of a line; None if the element is no line on the road (a sign, a light, nothing known).

    Args:
        tags: Its tags.
        seen_from: ``left`` or ``right`` of the line, in its own direction: of a solid and a dashed line side by side
            (``solid_dashed``: the solid one on the left) the nearer one says who may cross. Otherwise it is solid.
    """
    kind, subtype = tags.get("type", ""), tags.get("subtype", "")
    if subtype in _PAIRS:
        subtype = dict(zip(("left", "right"), _PAIRS[subtype], strict=True)).get(seen_from, "solid")
    if kind in ("line_thin", "line_thick"):
        paint = _PAINT.get(subtype, LineType.UNKNOWN)
        return _YELLOW.get(paint, paint) if "yellow" in (tags.get("color"), tags.get("colour")) else paint
    if kind == "stop_line":
        return LineType.YIELD if subtype in ("yield", "give_way") else LineType.STOP
    if kind in _KERBS:
        return LineType.KERB
    if kind in _DASHED_MARKS:
        return LineType.DASHED_WHITE
    if kind in _OTHER_MARKS:
        return LineType.UNKNOWN
    return LineType.NONE if kind == "virtual" else None


def speed_of(text: str) -> float:
    """A speed in m/s from "50", "50 km/h", "30 mph", "13.9 m/s" or a sign like "de274-60"; NaN if it says none."""
    sign = re.fullmatch(r"de274(?:\.\d+)?-(\d+)", text.strip())
    if sign:
        return float(sign[1]) / 3.6 or math.nan
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?)\s*([a-z/]*)", text.strip())
    if not match or match[2] not in _UNITS:
        return math.nan
    value = float(match[1]) * _UNITS[match[2]]
    return value if 0 < value < math.inf else math.nan


def is_two_way(tags: Tags) -> bool:
    """Whether vehicles may drive a lanelet in both directions."""
    return tags.get("one_way", "yes").lower() in ("no", "false", "0")
