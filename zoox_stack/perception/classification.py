"""Class probabilities of boxes from their size: a plain rule that says "unknown" when size does not tell.

Every class has a range of length, width and top height, with soft shoulders on either side. Vehicles are often seen
from one side or one end only: they are judged by the best of three views (whole, side, end). The product of shoulders
and a prior is the likelihood; UNKNOWN has a flat one. Nothing here is learned.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import VEHICLE_CLASSES, AgentClass
from zoox_stack.perception.box_fit import Boxes, extend_away

_CLASSES = len(AgentClass)


@dataclass(frozen=True)
class SizeRange:
    """What a class looks like as a box. Each range is (low, high, shoulder below, shoulder above) in metres.

    Attributes:
        length: Longer side.
        width: Shorter side.
        top: Highest point above ground.
        complete: Length, width, height to which a box seen in part is completed; 0 leaves it as it is.
        prior: Relative frequency.
    """

    length: tuple[float, float, float, float]
    width: tuple[float, float, float, float]
    top: tuple[float, float, float, float]
    complete: tuple[float, float, float]
    prior: float


SIZE_RANGES: dict[AgentClass, SizeRange] = {
    AgentClass.CAR: SizeRange((3.4, 5.2, 0.6, 0.3), (1.4, 2.1, 0.3, 0.2), (1.3, 2.0, 0.15, 0.15), (4.4, 1.8, 1.6), 1.0),
    AgentClass.TRUCK: SizeRange((5.5, 9.5, 0.8, 1.5), (2.0, 2.7, 0.3, 0.2), (2.1, 3.8, 0.2, 0.3), (6.5, 2.3, 2.8), 0.5),
    AgentClass.BUS: SizeRange((9.5, 18.5, 1.5, 0.5), (2.4, 2.9, 0.3, 0.2), (2.8, 3.5, 0.2, 0.2), (11.0, 2.6, 3.1), 0.5),
    AgentClass.TRAILER: SizeRange(
        (4.0, 14.0, 0.6, 1.0), (1.9, 2.7, 0.3, 0.2), (1.0, 3.9, 0.2, 0.3), (4.0, 2.0, 1.5), 0.02
    ),
    AgentClass.MOTORCYCLE: SizeRange(
        (1.6, 2.3, 0.3, 0.2), (0.5, 0.9, 0.3, 0.15), (1.0, 1.7, 0.15, 0.1), (2.0, 0.8, 1.4), 0.15
    ),
    AgentClass.BICYCLE: SizeRange(
        (1.4, 1.9, 0.3, 0.15), (0.3, 0.7, 0.3, 0.15), (0.9, 1.9, 0.15, 0.1), (1.7, 0.6, 1.5), 0.2
    ),
    AgentClass.PEDESTRIAN: SizeRange(
        (0.3, 1.0, 0.1, 0.15), (0.2, 0.8, 0.1, 0.15), (1.3, 2.0, 0.2, 0.08), (0.6, 0.6, 1.7), 1.0
    ),
    AgentClass.ANIMAL: SizeRange(
        (0.4, 1.1, 0.1, 0.1), (0.15, 0.4, 0.1, 0.1), (0.35, 0.8, 0.1, 0.1), (0.8, 0.3, 0.6), 0.02
    ),
    AgentClass.HAZARD: SizeRange(
        (0.2, 0.5, 0.1, 0.1), (0.15, 0.5, 0.1, 0.1), (0.4, 1.1, 0.1, 0.1), (0.4, 0.4, 0.8), 0.1
    ),
}


def _table(name: str) -> NDArray[np.float64]:
    return np.array([getattr(SIZE_RANGES[AgentClass(c)], name) for c in range(1, _CLASSES)], dtype=np.float64)


_RANGES = {name: _table(name) for name in ("length", "width", "top")}
_LOG_PRIOR = np.log(_table("prior"))
_COMPLETE = np.concatenate([np.zeros((1, 3)), _table("complete")])
_VIEW_PENALTY = 0.9  # log-likelihood lost when only one side or end of a vehicle is seen
_SHORTEST_VIEW = 0.15  # [m] shoulder below which a visible end is too narrow for a vehicle
_LONGEST_END = 2.7  # [m] a longer side cannot be the front or rear end of a vehicle
_DEEP = 1.3  # [m] a front is seen with bonnet and windscreen: then the shorter side may be the width as well
_LANE_WORD = 1.5  # how much the direction of the lane counts against the shape


def classify(boxes: Boxes, unknown_prior: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """Class probabilities of boxes.

    Args:
        boxes: C boxes as seen.
        unknown_prior: Weight of "none of the classes" beside the priors of `SIZE_RANGES`; one or ``[C]``.

    Returns:
        float64 ``[C, 10]``, columns `AgentClass`, rows sum to 1.
    """
    if len(boxes) == 0:
        return np.zeros((0, _CLASSES))
    length = _misfit("length", boxes.length)
    whole = length + _misfit("width", boxes.width)
    vehicles = np.array(VEHICLE_CLASSES) - 1
    side = (length + _misfit("width", boxes.width, below=np.inf))[:, vehicles] + _VIEW_PENALTY
    end = _misfit("width", boxes.length, below=_SHORTEST_VIEW)[:, vehicles] + _VIEW_PENALTY
    whole[:, vehicles] = np.minimum(whole[:, vehicles], np.minimum(side, end))
    log = _LOG_PRIOR - whole - _misfit("top", boxes.top)
    # Something that starts well above ground (a branch, a sign) is not a road user.
    log -= 0.5 * (np.maximum(boxes.bottom - 0.6, 0) / 0.3)[:, None] ** 2
    # Few points fix no size: the fewer, the more it may be anything.
    unknown = np.log(np.asarray(unknown_prior, dtype=np.float64) * (1 + 6 / boxes.counts))
    logits = np.concatenate([unknown[:, None], log], axis=1)
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _misfit(name: str, value: NDArray[np.float64], below: float | None = None) -> NDArray[np.float64]:
    """Negative log-likelihood ``[C, 9]`` of sizes ``[C]`` for known classes; `below` replaces the lower shoulders."""
    low, high, under, over = _RANGES[name].T
    x = value[:, None]
    under = under if below is None else np.full_like(under, below)
    return np.asarray(0.5 * (np.maximum(low - x, 0) / under) ** 2 + 0.5 * (np.maximum(x - high, 0) / over) ** 2)


def complete_boxes(
    boxes: Boxes,
    probabilities: NDArray[np.float64],
    sensor: NDArray[np.float64],
    lanes: NDArray[np.float64] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Complete boxes seen in part to the size of their class, away from the sensor.

    A vehicle whose longer visible side is as short as a front or rear counts as seen end-on and is turned by 90 degrees
    if it is a flat one, or if the lanes there run across it.

    Args:
        boxes: C boxes as seen.
        probabilities: ``[C, 10]`` of `classify`.
        sensor: ``[2]`` position of the sensor [m], frame of the boxes.
        lanes: ``[C, 2]`` from `LaneDirections.axis`, turned into the frame of the boxes; None: no map.

    Returns:
        Position of the box centre ``[C, 3]`` [m], yaw ``[C]`` in [-pi/2, pi/2) [rad], size ``[C, 3]`` [m].
    """
    chosen = probabilities.argmax(axis=1)
    vehicle = np.isin(chosen, VEHICLE_CLASSES)
    end_on = np.where(boxes.width < _DEEP, 1.0, -1.0)
    if lanes is not None:
        end_on -= _LANE_WORD * (lanes[:, 0] * np.cos(2 * boxes.yaw) + lanes[:, 1] * np.sin(2 * boxes.yaw))
    turned = vehicle & (boxes.length < _LONGEST_END) & (end_on > 0)
    seen = np.stack([boxes.length, boxes.width], axis=1)
    seen = np.where(turned[:, None], seen[:, ::-1], seen)
    yaw = np.where(turned, boxes.yaw + np.pi / 2, boxes.yaw)
    target = np.maximum(np.maximum(seen, _COMPLETE[chosen, :2]), 0.1)
    centre = extend_away(boxes.centre, yaw, seen, target, sensor)
    top = np.maximum(boxes.top, 0.2)
    # Objects of a known class stand on the ground; others begin where their points do.
    bottom = np.where(chosen == AgentClass.UNKNOWN, np.minimum(boxes.bottom, top - 0.1), 0.0)
    position = np.column_stack([centre, boxes.ground + (top + bottom) / 2])
    yaw = (yaw + np.pi / 2) % np.pi - np.pi / 2
    return position, yaw, np.column_stack([target, top - bottom])
