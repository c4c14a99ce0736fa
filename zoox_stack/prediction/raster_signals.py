"""Traffic signals and the route in the scene image: drawn every tick, because they change."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import TrafficSignals
from zoox_stack.core.classes import LineType, SignalState
from zoox_stack.core.geometry import resample, to_local
from zoox_stack.core.plans import Route
from zoox_stack.prediction.channels import METRES_PER_PIXEL, RASTER_SIZE, Channel, region_to_pixel
from zoox_stack.prediction.raster_map import lane_sides
from zoox_stack.road_network.network import RoadNetwork

SHIFT = 4
STOP_LINE_BEFORE = 8.0  # [m] how far before a governed lane its stop line may lie
STOP_LINE_REACH = 1.0  # [m] how close a stop line must come to the lane's centre line
ROUTE_WIDTH = 3.0  # [m]
REGION_RADIUS = 182.0  # [m] further from base_link nothing can be in the region
_FAR = 1e5  # [pixels] beyond this coordinates are cut off, cv2 counts in 32 bits

STATE_CHANNELS = {
    SignalState.RED: (Channel.SIGNAL_RED,),
    SignalState.YELLOW: (Channel.SIGNAL_YELLOW,),
    SignalState.GREEN: (Channel.SIGNAL_GREEN,),
    SignalState.FLASHING_YELLOW: (Channel.SIGNAL_YELLOW, Channel.SIGNAL_FLASHING),
    SignalState.FLASHING_RED: (Channel.SIGNAL_RED, Channel.SIGNAL_FLASHING),
    SignalState.OFF: (Channel.SIGNAL_FLASHING,),
    SignalState.UNKNOWN: (Channel.SIGNAL_UNKNOWN,),
}
STOP_COUNTS = {
    SignalState.RED: 255,
    SignalState.FLASHING_RED: 255,
    SignalState.YELLOW: 128,
    SignalState.FLASHING_YELLOW: 128,
}


class SignalShapes:
    """Governed lanes of a network and their stop lines, map frame."""

    def __init__(self, network: RoadNetwork) -> None:
        self.rows: list[int] = sorted({int(row) for row in network.signal_lanes.values})
        kinds = network.line_types
        stops = [
            resample(line[:, :2], 0.5) for line, kind in zip(network.lines, kinds, strict=True) if kind == LineType.STOP
        ]
        stop_boxes = np.array([[*s.min(axis=0), *s.max(axis=0)] for s in stops]).reshape(-1, 4)
        outlines, bars = [], []
        for row in self.rows:
            centre, left, right = lane_sides(network, row)
            outlines.append(np.concatenate([left, right[::-1]]))
            reach = STOP_LINE_BEFORE + STOP_LINE_REACH
            low, high = centre.min(axis=0) - reach, centre.max(axis=0) + reach
            near = ((stop_boxes[:, :2] <= high) & (stop_boxes[:, 2:] >= low)).all(axis=1)
            close = [stops[i] for i in np.flatnonzero(near).tolist()]
            bars.append(_stop_line(centre, close, np.stack([left[0], right[0]])))
        self.lengths = [len(outline) for outline in outlines]
        self.points = np.concatenate(outlines) if outlines else np.zeros((0, 2))
        self.bars = np.array(bars).reshape(-1, 2, 2)
        self.boxes = np.array([[*o.min(axis=0), *o.max(axis=0)] for o in outlines]).reshape(-1, 4)
        index = {row: i for i, row in enumerate(self.rows)}
        self.governed = {
            int(signal): [index[int(row)] for row in lanes]
            for signal, lanes in zip(network.signal_ids, network.signal_lanes, strict=True)
        }

    def draw(
        self, image: NDArray[np.uint8], signals: TrafficSignals | None, origin: NDArray[np.float64], yaw: float
    ) -> None:
        """Fill governed lanes and stop lines in the region of an ego at `origin` ``[2]``, `yaw`."""
        if not self.rows:
            return
        known = {} if signals is None else dict(zip(signals.ids.tolist(), signals.states.tolist(), strict=True))
        states: list[set[SignalState]] = [set() for _ in self.rows]
        for signal, lanes in self.governed.items():
            for lane in lanes:
                states[lane].add(SignalState(known.get(signal, SignalState.UNKNOWN)))
        nearest = np.clip(origin, self.boxes[:, :2], self.boxes[:, 2:])
        near = np.hypot(*(nearest - origin).T) < REGION_RADIUS
        pixels = _cv_points(self.points, origin, yaw)
        bars = _cv_points(self.bars, origin, yaw)
        starts = np.concatenate([[0], np.cumsum(self.lengths)])
        for lane in np.flatnonzero(near).tolist():
            seen = states[lane] - {SignalState.UNKNOWN} or states[lane]  # one known head settles it
            for state in sorted(seen):
                for channel in STATE_CHANNELS[state]:
                    cv2.fillPoly(image[channel], [pixels[starts[lane] : starts[lane + 1]]], 255, shift=SHIFT)
        for count in (128, 255):  # red over yellow
            for lane in np.flatnonzero(near).tolist():
                if count in {STOP_COUNTS.get(state) for state in states[lane]}:
                    target = image[Channel.SIGNAL_STOP_LINE]
                    cv2.polylines(target, [bars[lane]], isClosed=False, color=count, thickness=2, shift=SHIFT)


def draw_route(image: NDArray[np.uint8], route: Route, origin: NDArray[np.float64], yaw: float) -> None:
    """Draw the band along the route in the region of an ego at `origin` ``[2]``, `yaw`."""
    points = route.points[:, :2]
    a, b = points[:-1], points[1:]
    along = b - a
    share = ((origin - a) * along).sum(axis=1) / np.maximum((along * along).sum(axis=1), 1e-12)
    nearest = a + np.clip(share, 0, 1)[:, None] * along
    near = np.hypot(*(nearest - origin).T) < REGION_RADIUS
    if near.any():
        segments = _cv_points(np.stack([a[near], b[near]], axis=1), origin, yaw)
        thickness = round(ROUTE_WIDTH / METRES_PER_PIXEL)
        cv2.polylines(image[Channel.ROUTE], list(segments), isClosed=False, color=255, thickness=thickness, shift=SHIFT)


def _stop_line(
    centre: NDArray[np.float64], stops: list[NDArray[np.float64]], entry: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Ends of the stop line nearest to a lane or to the 8 m before it, ``[2, 2]``; its entry if there is none.

    Points of `stops` are 0.5 m apart.
    """
    back = centre[0] - centre[1]
    back /= max(float(np.hypot(*back)), 1e-9)
    path = resample(np.concatenate([[centre[0] + STOP_LINE_BEFORE * back], centre]), 0.5)
    best, chosen = STOP_LINE_REACH, entry
    for stop in stops:
        gap = float(np.sqrt(((stop[:, None] - path) ** 2).sum(axis=2).min()))
        if gap < best:
            best, chosen = gap, np.stack([stop[0], stop[-1]])
    return chosen


def _cv_points(points: NDArray[np.float64], origin: NDArray[np.float64], yaw: float) -> NDArray[np.int32]:
    """Map points ``[..., 2]`` as cv2 (column, row) with `SHIFT` sub-pixel bits, pixel centres at whole numbers."""
    row_column = region_to_pixel(to_local(points, origin, yaw)) - 0.5
    scaled = np.clip(row_column[..., ::-1], -_FAR, _FAR) * (1 << SHIFT)
    return np.ascontiguousarray(np.rint(scaled).astype(np.int32))


assert RASTER_SIZE * METRES_PER_PIXEL < REGION_RADIUS
