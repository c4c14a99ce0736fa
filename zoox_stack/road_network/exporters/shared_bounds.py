"""Lanes that share bounds and end points, as Lanelet2 wants them, from lanes that each have boundaries of their own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoox_stack.road_network.line_shapes import headings
from zoox_stack.road_network.network import DEFAULT_LANE_WIDTH, RoadNetwork


@dataclass(frozen=True, eq=False)
class SharedBounds:
    """L lanes bounded by W ways whose ends lie on J joints.

    Attributes:
        left: int ``[L]`` way on the left of each lane.
        right: int ``[L]`` way on the right of each lane.
        owner: Lane and side (0 left, 1 right) that gave each way its shape.
        points: ``[P, 3]`` per way [m], its ends on the joints.
        joints: int ``[W, 2]`` joint where each way starts and ends.
    """

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    owner: tuple[tuple[int, int], ...]
    points: tuple[NDArray[np.float64], ...]
    joints: NDArray[np.int64]

    def successors(self) -> list[list[int]]:
        """Lanes that start at the two joints where each lane ends: what Lanelet2 takes for the next lanes."""
        starting: dict[tuple[int, int], list[int]] = {}
        sides = list(zip(self.left.tolist(), self.right.tolist(), strict=True))
        for row, (a, b) in enumerate(sides):
            starting.setdefault((int(self.joints[a, 0]), int(self.joints[b, 0])), []).append(row)
        return [starting.get((int(self.joints[a, 1]), int(self.joints[b, 1])), []) for a, b in sides]


def share_bounds(network: RoadNetwork) -> SharedBounds:
    """Give neighbours one way between them, and the ends of a lane and of what follows one joint on each side.

    A joint lies in the middle of the ends it joins. Two ends are not joined if that would close a lane at its end or
    make a way a loop (lanes that merge into one, for example); such links cannot be told by shared points.
    """
    lanes = len(network.lane_ids)
    left, right = np.zeros(lanes, np.int64), np.zeros(lanes, np.int64)
    owner: list[tuple[int, int]] = []
    for row in range(lanes):
        left[row], right[row] = len(owner), len(owner) + 1
        owner += [(row, 0), (row, 1)]
    for row in range(lanes):
        other = int(network.left_neighbours[row])
        if other >= 0 and network.right_neighbours[other] == row:
            left[row] = right[other]
    raw = [boundary(network, row, side) for row, side in owner]
    joints = _joined(network, left, right, len(owner))
    ends = np.concatenate([np.stack([points[0], points[-1]]) for points in raw]).reshape(-1, 3)
    used = np.zeros(len(owner), np.bool_)
    used[left], used[right] = True, True
    count = np.bincount(joints[used].ravel(), minlength=2 * len(owner))
    place = np.zeros((2 * len(owner), 3))
    np.add.at(place, joints[used].ravel(), ends.reshape(-1, 2, 3)[used].reshape(-1, 3))
    place /= np.maximum(count, 1)[:, None]
    points = []
    for way, line in enumerate(raw):
        moved = line.copy()
        if used[way]:
            moved[0], moved[-1] = place[joints[way, 0]], place[joints[way, 1]]
        points.append(moved)
    return SharedBounds(left, right, tuple(owner), tuple(points), joints)


def boundary(network: RoadNetwork, row: int, side: int) -> NDArray[np.float64]:
    """Boundary of a lane, side 0 left or 1 right; half a width beside the centre line if the map has none."""
    points = (network.left_boundaries, network.right_boundaries)[side][row]
    if len(points) >= 2:
        return np.asarray(points, np.float64)
    centre = network.centre_lines[row]
    width = float(network.lane_widths[row])
    offset = (width if width > 0 else DEFAULT_LANE_WIDTH) / 2 * (1 if side == 0 else -1)
    heading = headings(centre)
    return np.asarray(centre + offset * np.stack([-np.sin(heading), np.cos(heading), 0 * heading], axis=1))


def _joined(network: RoadNetwork, left: NDArray[np.int64], right: NDArray[np.int64], ways: int) -> NDArray[np.int64]:
    """Joint at the start and at the end of every way, ``[W, 2]``; end e of way w is number ``2 w + e``."""
    members: dict[int, set[int]] = {end: {end} for end in range(2 * ways)}
    joint = np.arange(2 * ways)
    apart: dict[int, set[int]] = {end: {end ^ 1} for end in range(2 * ways)}  # ends that must not become one joint
    for a, b in zip(left.tolist(), right.tolist(), strict=True):
        for end in (0, 1):
            apart[2 * a + end].add(2 * b + end)
            apart[2 * b + end].add(2 * a + end)

    for row, following in enumerate(network.successors):
        for other in map(int, following):
            # On either side, all that would meet where the lane ends and the other starts.
            one, two = (
                members[int(joint[2 * int(side[row]) + 1])] | members[int(joint[2 * int(side[other])])]
                for side in (left, right)
            )
            if one & two or any(apart[end] & meeting for meeting in (one, two) for end in meeting):
                continue
            for meeting in (one, two):
                name = min(meeting)
                members[name] = meeting
                joint[list(meeting)] = name
    return joint.reshape(-1, 2)
