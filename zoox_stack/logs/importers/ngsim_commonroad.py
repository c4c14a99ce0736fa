"""Recorded traffic in CommonRoad scenarios (NGSIM) as `RecordedDrive`.

Nobody drives with a recorder in these: the vehicle that is there longest becomes the ego, of several the one nearest to
the middle of the traffic. Sizes and places are the file's; it holds no heights and no signals.
"""

from __future__ import annotations

from pathlib import Path

from zoox_stack.logs.drive import RecordedDrive
from zoox_stack.logs.importers.chosen_ego import drive_seen_from, longest_present_vehicle
from zoox_stack.logs.importers.commonroad import load_commonroad_traffic
from zoox_stack.road_network.importers.commonroad import load_commonroad


def load_commonroad_drive(path: Path | str) -> RecordedDrive:
    """Read one scenario, lanelets and obstacles.

    Args:
        path: The XML file, version 2018b or 2020a.

    Raises:
        InvalidInputError: Not a readable CommonRoad scenario, or one without a vehicle or without a lane.
    """
    traffic = load_commonroad_traffic(path)
    network, report = load_commonroad(path)
    left_out = {f"{row.kind}: {row.reason}": row.count for row in report.left_out if row.reason != "no part of the map"}
    return drive_seen_from(
        traffic.name,
        traffic.scenes,
        longest_present_vehicle(traffic.scenes),
        network,
        unknown_classes=dict(traffic.unknown_classes),
        skipped=dict(traffic.skipped) | left_out,
    )
