"""Who may use a lane of a SUMO network, and what kind of lane that makes it.

Source: the abstract vehicle classes of SUMO 1.28 ("VehicleClasses" in its documentation).
"""

from __future__ import annotations

from zoox_stack.core.classes import LaneType

CLASSES = frozenset(
    {
        "private", "emergency", "authority", "army", "vip", "passenger", "hov", "taxi", "bus", "coach", "delivery",
        "truck", "trailer", "tram", "rail_urban", "rail", "rail_electric", "rail_fast", "motorcycle", "moped",
        "bicycle", "pedestrian", "evehicle", "ship", "container", "cable_car", "subway", "aircraft", "wheelchair",
        "scooter", "drone", "custom1", "custom2",
    }
)  # fmt: skip
PARKED = frozenset({"custom1", "custom2"})  # stand for parked vehicles
_ON_FOOT = frozenset({"pedestrian", "wheelchair"})


def allowed_classes(allow: str | None, disallow: str | None) -> frozenset[str]:
    """Classes that may use a lane with these attributes; SUMO reads ``disallow`` only where ``allow`` says nothing."""
    if allow is not None and allow != "all":
        return frozenset(allow.split())
    closed = frozenset((disallow or "").split())
    return frozenset() if "all" in closed else CLASSES - closed


def lane_kind(allowed: frozenset[str]) -> LaneType | None:
    """Who a lane is for: cars wherever they may drive, else buses, else bicycles; None: pedestrians only."""
    for word, kind in (("passenger", LaneType.VEHICLE), ("bus", LaneType.BUS), ("bicycle", LaneType.BIKE)):
        if word in allowed:
            return kind
    return None if allowed <= _ON_FOOT else LaneType.OTHER
