"""Where an ego can appear in running traffic."""

from __future__ import annotations

import numpy as np

from zoox_stack.core.errors import ZooxStackError
from zoox_stack.road_network.polyline import Polyline
from zoox_stack.simulation.world import STEP, Snapshot, TrafficWorld

LONGEST_WAIT = 60.0  # [s] for a free place
SPARE = LONGEST_WAIT + 10.0  # [s] for which traffic must start beyond the end of a drive, should the ego have to wait
_FREE = 14.0  # [m] ahead where it appears
_FREE_BEHIND = 35.0  # [m] so that nobody has to brake hard for it


def wait_for_place(world: TrafficWorld, lane: Polyline) -> float:
    """Let traffic go on until there is room on a lane; arc length at which the ego's middle can then be [m].

    Args:
        world: The traffic.
        lane: Centre line of the lane the ego begins on.

    Raises:
        ZooxStackError: No room for a minute, or SUMO ended.
    """
    for _ in range(round(LONGEST_WAIT / STEP)):
        place = free_place(world.snapshot, lane)
        if place is not None:
            return place
        world.step()
    x, y = lane.xy[0]
    raise ZooxStackError(
        f"town {world.town.name}: no room for the ego on the lane from ({x:.1f}, {y:.1f}) for {LONGEST_WAIT:.0f} s"
    )


def free_place(now: Snapshot, lane: Polyline) -> float | None:
    """Arc length of the first place on a lane where the ego's middle can be and nobody is near; None if none is."""
    others = lane.project(now.states[:, :2]) if len(now.ids) else None
    for s in np.arange(8.0, max(lane.length - 10.0, 8.5), 4.0):
        if (
            others is None
            or not ((others.s - s < _FREE) & (s - others.s < _FREE_BEHIND) & (np.abs(others.d) < 2.5)).any()
        ):
            return float(s)
    return None
