"""How long the scene image takes: 64 agents on a town of crossings, the ego driving through it.

Beside it, the same 60 channels drawn as per-agent pipelines do it (as the nuScenes devkit's rasterisers: shapes of the
map and boxes of all agents drawn around one agent, then turned to its heading), once for every agent. Prints one JSON
object. ``python benchmarks/raster.py --ticks 400``
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState, TrackedAgents, TrafficSignals
from zoox_stack.core.classes import AgentClass, SignalState
from zoox_stack.core.geometry import box_corners, to_outer
from zoox_stack.core.plans import Route
from zoox_stack.core.ragged import Ragged
from zoox_stack.prediction.channels import (
    HISTORY_CHANNELS,
    MASK_CHANNELS,
    METRES_PER_PIXEL,
    N_CHANNELS,
    RASTER_SIZE,
    SPEED_PER_COUNT,
    X_AHEAD,
    Y_LEFT,
    Channel,
    neutral_counts,
)
from zoox_stack.prediction.history import HistoryBuffer, SceneHistory
from zoox_stack.prediction.raster import SHAPE, SceneRasterizer
from zoox_stack.prediction.raster_agents import CLASS_CHANNEL, EGO_HISTORY_WEIGHTS, HISTORY_COLUMNS, agent_counts
from zoox_stack.prediction.raster_map import DIRECTIONS, SHIFT, TILE_METRES_PER_PIXEL, MapShapes
from zoox_stack.prediction.raster_signals import ROUTE_WIDTH, STATE_CHANNELS, STOP_COUNTS, SignalShapes
from zoox_stack.road_network.made_up import crossing
from zoox_stack.road_network.network import RoadNetwork

CANVAS = 384  # pixels: holds the region under any rotation
SPACING = 160.0  # [m] between crossings
_POINTS = ("centre_lines", "left_boundaries", "right_boundaries", "lines", "areas")


def town(side: int) -> RoadNetwork:
    """`side` x `side` crossings side by side (not linked to each other), 20 lanes each."""
    parts = []
    for row in range(side):
        for column in range(side):
            part = crossing(arm=SPACING / 2 - 14.0)
            offset = np.array([column * SPACING, row * SPACING, 0.0])
            number = row * side + column
            moved: dict[str, Any] = {
                name: Ragged(getattr(part, name).values + offset, getattr(part, name).offsets) for name in _POINTS
            }
            for name in ("lane_ids", "line_ids", "area_ids", "signal_ids"):
                moved[name] = getattr(part, name) + 1000 * number
            parts.append(replace(part, **moved))
    joined: dict[str, Any] = {"name": "town"}
    for f in fields(RoadNetwork):
        values = [getattr(part, f.name) for part in parts]
        if f.name in ("successors", "signal_lanes"):  # rows of lanes
            lanes = len(parts[0].lane_ids)
            values = [Ragged(v.values + i * lanes, v.offsets) for i, v in enumerate(values)]
        if isinstance(values[0], Ragged):
            offsets = [0, *np.cumsum(np.concatenate([v.lengths for v in values]))]
            joined[f.name] = Ragged(np.concatenate([v.values for v in values]), np.array(offsets, np.int32))
        elif isinstance(values[0], np.ndarray):
            joined[f.name] = np.concatenate(values)
    return RoadNetwork(**joined)


def drive(agents: int, ticks: int, extent: float) -> list[SceneHistory]:
    """Scenes of an ego that drives along the middle of the town at 15 m/s among `agents` moving agents."""
    rng = np.random.default_rng(7)
    classes = rng.choice([AgentClass.CAR, AgentClass.TRUCK, AgentClass.BICYCLE, AgentClass.PEDESTRIAN], agents,
                         p=[0.6, 0.1, 0.1, 0.2]).astype(np.uint8)  # fmt: skip
    sizes = np.zeros((len(AgentClass), 3), np.float32)
    sizes[AgentClass.CAR], sizes[AgentClass.TRUCK] = (4.6, 1.9, 1.6), (9.0, 2.5, 3.2)
    sizes[AgentClass.BICYCLE], sizes[AgentClass.PEDESTRIAN] = (1.8, 0.7, 1.7), (0.7, 0.7, 1.7)
    yaw = rng.uniform(-np.pi, np.pi, agents)
    speed = np.where(classes == AgentClass.PEDESTRIAN, 1.4, 8.0)
    velocity = np.stack([speed * np.cos(yaw), speed * np.sin(yaw)], axis=1)
    start = np.stack([rng.uniform(-25, 95, agents), rng.uniform(-60, 60, agents)], axis=1)
    buffer, histories = HistoryBuffer(), []
    middle = SPACING * round(extent / SPACING / 2)
    for k in range(ticks + 10):
        x = (k * 1.5) % extent
        # Agents stay around the ego: their places are given relative to it, with their own motion on top.
        place = start + (velocity * k * 0.1 + 60) % 120 - 60 + [x, middle]
        scene = TrackedAgents.from_states(
            k * 100_000_000, np.arange(agents), classes, np.column_stack([place, np.zeros(agents)]), yaw, velocity,
            sizes[classes], ego=EgoState(k * 100_000_000, x, middle - 1.75, yaw=0.3 * np.sin(k / 40), speed=15.0),
        )  # fmt: skip
        histories.append(buffer.push(scene))
    return histories[10:]


class PerAgentRasterizer:
    """Draw and warp around one agent at a time: the same 60 channels, no shared map image."""

    def __init__(self, network: RoadNetwork) -> None:
        self._shapes = MapShapes(network)
        self._signals = SignalShapes(network)

    def render(
        self,
        history: SceneHistory,
        signals: TrafficSignals,
        route: Route,
        centre: NDArray[np.float64],
        yaw: float,
    ) -> NDArray[np.uint8]:
        """The image with the agent at `centre` ``[2]``, `yaw` in the ego's place."""
        middle = centre + (X_AHEAD - Y_LEFT) * np.array([np.cos(yaw), np.sin(yaw)])
        low = middle - CANVAS * METRES_PER_PIXEL / 2
        canvas = np.empty((N_CHANNELS, CANVAS, CANVAS), np.uint8)
        canvas[:] = neutral_counts()[:, None, None]
        self._draw_map(canvas, low, yaw)
        self._draw_signals(canvas, low, signals)
        thickness = round(ROUTE_WIDTH / METRES_PER_PIXEL)
        cv2.polylines(canvas[Channel.ROUTE], [_pixels(route.points[:, :2], low)], isClosed=False, color=255,
                      thickness=thickness, shift=SHIFT)  # fmt: skip
        _draw_ego(canvas, low, history)
        _draw_agents(canvas, low, history, yaw)
        return _turned(canvas, low, centre, yaw)

    def _draw_map(self, canvas: NDArray[np.uint8], low: NDArray[np.float64], yaw: float) -> None:
        shapes = self._shapes
        corner = low - shapes.origin
        ratio = TILE_METRES_PER_PIXEL / METRES_PER_PIXEL
        # Shapes count from the centres of pixels of the tiles, the canvas from those of its own.
        shift = (corner / METRES_PER_PIXEL + (1 - ratio) / 2) * (1 << SHIFT)

        def near(boxes: NDArray[np.float64]) -> list[int]:
            return _near(boxes, corner)

        def pixels(points: NDArray[np.int32]) -> NDArray[np.int32]:
            return np.rint(points * ratio - shift).astype(np.int32)

        for bit in range(len(MASK_CHANNELS)):
            layer = shapes.masks[bit]
            for i in near(layer.polygon_boxes):
                cv2.fillPoly(canvas[bit], [pixels(layer.polygons[i])], 255, shift=SHIFT)
            lines = [pixels(layer.lines[i]) for i in near(layer.line_boxes)]
            if lines:
                cv2.polylines(canvas[bit], lines, isClosed=False, color=255, thickness=2, shift=SHIFT)
        for i in near(shapes.direction_boxes):
            polygon = [pixels(shapes.direction_polygons[i])]
            angle = (int(shapes.direction_codes[i]) - 1) * 2 * np.pi / DIRECTIONS - yaw
            cv2.fillPoly(canvas[Channel.LANE_DIRECTION_COS], polygon, 128 + 127 * np.cos(angle), shift=SHIFT)
            cv2.fillPoly(canvas[Channel.LANE_DIRECTION_SIN], polygon, 128 + 127 * np.sin(angle), shift=SHIFT)
            cv2.fillPoly(canvas[Channel.LANE_DIRECTION_KNOWN], polygon, 255, shift=SHIFT)
        for i in near(shapes.speed_boxes):
            polygon = [pixels(shapes.speed_polygons[i])]
            cv2.fillPoly(canvas[Channel.SPEED_LIMIT], polygon, int(shapes.speed_codes[i]), shift=SHIFT)
            cv2.fillPoly(canvas[Channel.SPEED_LIMIT_KNOWN], polygon, 255, shift=SHIFT)

    def _draw_signals(self, canvas: NDArray[np.uint8], low: NDArray[np.float64], signals: TrafficSignals) -> None:
        shapes = self._signals
        known = dict(zip(signals.ids.tolist(), signals.states.tolist(), strict=True))
        states: list[set[SignalState]] = [set() for _ in shapes.rows]
        for signal, lanes in shapes.governed.items():
            for lane in lanes:
                states[lane].add(SignalState(known.get(signal, SignalState.UNKNOWN)))
        starts = np.concatenate([[0], np.cumsum(shapes.lengths)])
        near = _near(shapes.boxes, low)
        for lane in near:
            outline = _pixels(shapes.points[starts[lane] : starts[lane + 1]], low)
            for state in states[lane] - {SignalState.UNKNOWN} or states[lane]:
                for channel in STATE_CHANNELS[state]:
                    cv2.fillPoly(canvas[channel], [outline], 255, shift=SHIFT)
        for count in (128, 255):  # red over yellow
            for lane in near:
                if count in {STOP_COUNTS.get(state) for state in states[lane]}:
                    cv2.polylines(canvas[Channel.SIGNAL_STOP_LINE], [_pixels(shapes.bars[lane], low)], isClosed=False,
                                  color=count, thickness=2, shift=SHIFT)  # fmt: skip


def _draw_ego(canvas: NDArray[np.uint8], low: NDArray[np.float64], history: SceneHistory) -> None:
    ego = history.scene.ego
    assert ego is not None, "made-up drives have an ego"
    canvas[Channel.EGO_SPEED] = min(255, round(abs(ego.speed) / SPEED_PER_COUNT))
    there = [(column, weight) for column, weight in zip(HISTORY_COLUMNS, EGO_HISTORY_WEIGHTS, strict=True)
             if history.ego_valid[column]]  # fmt: skip
    for column, weight in there[::-1]:  # the latest on top
        state = history.ego_states[None, column]
        box = box_corners(state[:, :2], state[:, 2], ego.length, ego.width)[0]
        cv2.fillConvexPoly(canvas[Channel.EGO_HISTORY], _pixels(box, low), round(255 * weight), shift=SHIFT)
    box = box_corners(ego.centre[None], np.array([ego.yaw]), ego.length, ego.width)[0]
    cv2.fillConvexPoly(canvas[Channel.EGO_BOX], _pixels(box, low), 255, shift=SHIFT)


def _draw_agents(canvas: NDArray[np.uint8], low: NDArray[np.float64], history: SceneHistory, yaw: float) -> None:
    scene = history.scene
    sizes = scene.size[:, :2].astype(np.float64)
    values = agent_counts(scene, yaw)
    for i, box in enumerate(_pixels(box_corners(scene.position[:, :2], scene.yaw, sizes[:, 0], sizes[:, 1]), low)):
        cv2.fillConvexPoly(canvas[CLASS_CHANNEL[scene.classes[i]]], box, 255, shift=SHIFT)
        for row, channel in enumerate(range(Channel.EXISTENCE, N_CHANNELS)):
            cv2.fillConvexPoly(canvas[channel], box, int(values[row, i]), shift=SHIFT)
    for channel, column in zip(HISTORY_CHANNELS, HISTORY_COLUMNS, strict=True):
        there = history.valid[:, column]
        states, size = history.states[there, column], sizes[there]
        for box in _pixels(box_corners(states[:, :2], states[:, 2], size[:, 0], size[:, 1]), low):
            cv2.fillConvexPoly(canvas[channel], box, 255, shift=SHIFT)


def _turned(
    canvas: NDArray[np.uint8], low: NDArray[np.float64], centre: NDArray[np.float64], yaw: float
) -> NDArray[np.uint8]:
    """The region of an ego at `centre`, `yaw` from a canvas along the axes of the map."""
    c, s = np.cos(yaw), np.sin(yaw)
    first = to_outer(np.array([X_AHEAD, Y_LEFT]) - METRES_PER_PIXEL / 2, centre, yaw)
    origin = (first - low) / METRES_PER_PIXEL - 0.5
    matrix = np.array([[s, -c, origin[0]], [-c, -s, origin[1]]])  # of (column, row)
    image = np.empty(SHAPE, np.uint8)
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    for channel in range(N_CHANNELS):
        cv2.warpAffine(canvas[channel], matrix, (RASTER_SIZE, RASTER_SIZE), dst=image[channel], flags=flags,
                       borderMode=cv2.BORDER_REPLICATE)  # fmt: skip
    return image


def _pixels(points: NDArray[np.float64], low: NDArray[np.float64]) -> NDArray[np.int32]:
    """Map points ``[..., 2]`` as cv2 counts on a canvas with its lowest corner at `low` ``[2]``."""
    pixels = np.clip((points - low) / METRES_PER_PIXEL - 0.5, -1e5, 1e5)  # cv2 counts in 32 bits
    return np.rint(pixels * (1 << SHIFT)).astype(np.int32)


def _near(boxes: NDArray[np.float64], low: NDArray[np.float64]) -> list[int]:
    """Which boxes ``[., 4]`` the canvas meets."""
    hit = (boxes[:, :2] <= low + CANVAS * METRES_PER_PIXEL).all(axis=1) & (boxes[:, 2:] >= low).all(axis=1)
    return np.flatnonzero(hit).tolist()


def summary(seconds: list[float]) -> dict[str, float]:
    """p50, p95, p99 and maximum [ms]."""
    ms = np.array(seconds) * 1e3
    p50, p95, p99 = np.percentile(ms, [50, 95, 99])
    return {"p50": round(p50, 2), "p95": round(p95, 2), "p99": round(p99, 2), "max": round(float(ms.max()), 2)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, default=64)
    parser.add_argument("--ticks", type=int, default=400)
    parser.add_argument("--side", type=int, default=4, help="crossings along each side of the town")
    parser.add_argument("--baseline-ticks", type=int, default=2, help="ticks drawn once per agent; 0 for none")
    parser.add_argument("--json", action="store_true", help="print JSON (always done; accepted for uniformity)")
    arguments = parser.parse_args()
    network = town(arguments.side)
    histories = drive(arguments.agents, arguments.ticks, (arguments.side - 1) * SPACING)
    states = np.resize([1, 2, 3], len(network.signal_ids)).astype(np.uint8)
    signals = TrafficSignals(0, network.signal_ids, states, np.ones(len(states), np.float32))
    line = [[x, SPACING * (arguments.side // 2) - 1.75, 0.0] for x in np.arange(-60.0, arguments.side * SPACING, 2.0)]
    route = Route(0, np.array(line))
    start = time.perf_counter()
    rasterizer = SceneRasterizer(network)
    construction = time.perf_counter() - start
    out = np.zeros(SHAPE, np.uint8)
    start = time.perf_counter()
    rasterizer.render(histories[0], signals, route, out=out)
    first = time.perf_counter() - start
    seconds, cpu = [], []
    for history in histories:
        start, busy = time.perf_counter(), time.process_time()
        rasterizer.render(history, signals, route, out=out)
        seconds.append(time.perf_counter() - start)
        cpu.append(time.process_time() - busy)
    result: dict[str, Any] = {
        "benchmark": "raster",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "cpu": next((ln.split(":")[1].strip() for ln in open("/proc/cpuinfo") if "model name" in ln), ""),  # noqa: SIM115, PTH123
            "cores": cv2.getNumberOfCPUs(),
            "python": platform.python_version(),
            "numpy": np.__version__,
            "opencv": cv2.__version__,
        },
        "agents": arguments.agents,
        "lanes": len(network.lane_ids),
        "channels": N_CHANNELS,
        "ticks": len(histories),
        "construction_ms": round(construction * 1e3, 1),
        "first_tick_ms": round(first * 1e3, 1),
        "tick_ms": summary(seconds),
        "tick_cpu_ms": summary(cpu),
    }
    if arguments.baseline_ticks:
        baseline = PerAgentRasterizer(network)
        per_tick = []
        for history in histories[:: max(1, len(histories) // arguments.baseline_ticks)][: arguments.baseline_ticks]:
            start = time.perf_counter()
            for i in range(len(history.scene)):
                place, yaw = history.scene.position[i, :2], float(history.scene.yaw[i])
                baseline.render(history, signals, route, place, yaw)
            per_tick.append(time.perf_counter() - start)
        result["per_agent_draw_and_warp_ms"] = summary(per_tick)
        result["per_agent_over_scene"] = round(float(np.median(per_tick) / np.median(seconds)), 1)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
