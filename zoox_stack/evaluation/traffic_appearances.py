"""Vehicles that appear on the road out of nothing, or vanish there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from zoox_stack.core.classes import CYCLIST_CLASSES, VEHICLE_CLASSES
from zoox_stack.evaluation.traffic_recording import TrafficRecording

AT_RIM = 25.0  # [m] from where a lane of the map begins or ends: there traffic may come and go


@dataclass(frozen=True)
class Appearances:
    """How many come and go where there is no rim of the map.

    Attributes:
        vehicles: Vehicles and cycles that get anywhere.
        appear: Of these, how many are first seen in mid-road after the first instant.
        vanish: How many are last seen there before the last instant.
    """

    vehicles: int
    appear: int
    vanish: int


def appearances(recording: TrafficRecording) -> Appearances:
    """Count them; nobody appears or vanishes where the map is not known."""
    wanted = recording.of_classes((*VEHICLE_CLASSES, *CYCLIST_CLASSES)) & recording.travels
    first = recording.first_rows
    last = np.append(first[1:], len(recording.agent)) - 1
    counted = wanted[recording.agent[first]]
    first, last = first[counted], last[counted]
    network = recording.network
    if network is None or not len(first):
        return Appearances(len(first), 0, 0)
    rows = range(len(network.lane_ids))
    entered = {int(row) for row in network.successors.values}
    begins = [network.centre_lines[row][0, :2] for row in rows if row not in entered]
    ends = [network.centre_lines[row][-1, :2] for row in rows if not len(network.successors[row])]
    tree = cKDTree(np.array([*begins, *ends]).reshape(-1, 2))
    appear = (recording.step[first] > 0) & (tree.query(recording.position[first])[0] > AT_RIM)
    stays = recording.step[last] == len(recording.stamps_ns) - 1
    vanish = ~stays & (tree.query(recording.position[last])[0] > AT_RIM)
    return Appearances(len(first), int(appear.sum()), int(vanish.sum()))
