"""One direction of a street, as an edge for SUMO's netconvert."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoox_stack.simulation.town_plan import PARKING_CLASS, Street

PARKING_WIDTH = 2.2  # [m]
BIKE_WIDTH = 1.8  # [m]
BUS_WIDTH = 3.4  # [m]
POCKET_WIDTH = 3.0  # [m] of a lane for left turns, cut out of the median
WALKED, CYCLED, BUSES, NOBODY = (
    "pedestrian",
    "bicycle",
    "bus emergency",
    "nobody",
)  # users of lanes that are not for cars
_RAILS = "tram rail_urban rail rail_electric rail_fast ship"


@dataclass(frozen=True, eq=False)
class Edge:
    """One direction of a street, or a part of it.

    Attributes:
        name: SUMO id.
        start: Node.
        end: Node.
        street: Whose.
        rim: Left rim of the lanes ``[P, 2]`` [m].
        pocket: With a lane for left turns on the left.
        footpath: The sidewalk on the left of a one-way street: an edge of its own, because SUMO knows only those on the
            right.
    """

    name: str
    start: str
    end: str
    street: Street
    rim: NDArray[np.float64]
    pocket: bool = False
    footpath: bool = False

    @property
    def special_lanes(self) -> dict[str, float]:
        """Lanes to the right of those for cars, from the right: who may use them, and their widths [m]."""
        street = self.street
        lanes = (
            (WALKED, street.sidewalk),
            (NOBODY, PARKING_WIDTH if street.parking else 0.0),
            (CYCLED, BIKE_WIDTH if street.bike_lane else 0.0),
            (BUSES, BUS_WIDTH if street.bus_lane else 0.0),
        )
        return {users: width for users, width in lanes if width}

    @property
    def car_lanes(self) -> int:
        """Number of lanes for cars."""
        return self.street.lanes + self.pocket

    def lane_of(self, users: str) -> int:
        """Index of the lane of some users: their own one, or else the rightmost lane for cars."""
        special = list(self.special_lanes)
        return special.index(users) if users in special else len(special)

    @property
    def lanes(self) -> list[dict[str, str]]:
        """All lanes from the right: attributes of their XML elements."""
        street = self.street
        special = [
            {"width": f"{width:.2f}", **({"disallow": "all"} if users == NOBODY else {"allow": users})}
            for users, width in self.special_lanes.items()
        ]
        if self.footpath:
            return special[:1]
        others = f"{_RAILS} {PARKING_CLASS} pedestrian wheelchair"  # without a sidewalk nobody walks
        if street.motorway:
            others += " bicycle"
        widths = [street.lane_width] * street.lanes + [POCKET_WIDTH] * self.pocket
        return special + [{"width": f"{width:.2f}", "disallow": others} for width in widths]
