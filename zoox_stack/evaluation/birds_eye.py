"""Bird's-eye pictures: map, tracks, weighted futures, candidate plans, the chosen plan."""

from __future__ import annotations

from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Polygon
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState, TrackedAgents, TrafficSignals
from zoox_stack.core.classes import CYCLIST_CLASSES, VEHICLE_CLASSES, AgentClass, AreaType, LineType, SignalState
from zoox_stack.core.geometry import box_corners, to_local
from zoox_stack.core.plans import PlanDecision
from zoox_stack.core.predictions import PredictedAgents
from zoox_stack.road_network.network import RoadNetwork

mpl.use("Agg")

AREA_COLOURS = {
    AreaType.DRIVABLE: "#e6e8eb",
    AreaType.INTERSECTION: "#e0e3e7",
    AreaType.CROSSWALK: "#c9d8ea",
    AreaType.SIDEWALK: "#f1efe9",
    AreaType.PARKING: "#e9e4f0",
    AreaType.BUS_STOP: "#f0e4e4",
}
SIGNAL_COLOURS = {SignalState.RED: "#d62728", SignalState.YELLOW: "#e6a700", SignalState.GREEN: "#2ca02c"}
EGO, PLAN, CANDIDATE = "#111111", "#e4572e", "#b9a394"


@dataclass(frozen=True)
class View:
    """The part of the world shown, in the ego frame [m]; the ego drives up."""

    ahead: float = 65.0
    behind: float = 20.0
    side: float = 36.0


def agent_colour(agent_class: int) -> str:
    """Colour of a class."""
    if agent_class in VEHICLE_CLASSES:
        return "#2b6cb0"
    if agent_class in CYCLIST_CLASSES:
        return "#2f855a"
    return "#9b2c9b" if agent_class == AgentClass.PEDESTRIAN else "#6b7280"


def draw_scene(
    scene: TrackedAgents,
    *,
    network: RoadNetwork | None = None,
    predicted: PredictedAgents | None = None,
    decision: PlanDecision | None = None,
    signals: TrafficSignals | None = None,
    title: str = "",
    view: View | None = None,
) -> Figure:
    """One picture of a tick. The scene needs an ego: it is the centre."""
    view = View() if view is None else view
    ego = scene.ego
    if ego is None:
        raise ValueError("a scene without an ego has no centre to draw around")
    figure = Figure(figsize=(5.4, 6.4), dpi=110)
    axes = figure.add_axes((0.0, 0.0, 1.0, 0.95))
    axes.set_axis_off()
    axes.set_facecolor("white")
    if network is not None:
        _draw_map(axes, network, ego, signals)
    if predicted is not None:
        _draw_futures(axes, scene, predicted, ego)
    if decision is not None:
        _draw_plans(axes, decision, ego)
    _draw_agents(axes, scene, ego)
    axes.set_xlim(-view.side, view.side)
    axes.set_ylim(-view.behind, view.ahead)
    axes.set_aspect("equal")
    figure.text(0.02, 0.965, title, fontsize=9, va="center")
    return figure


def _screen(points: NDArray[np.float64], ego: EgoState) -> NDArray[np.float64]:
    """Map frame ``[..., 2]`` to the picture: x to the right, y ahead."""
    local = to_local(points, (ego.x, ego.y), ego.yaw)
    return np.stack([-local[..., 1], local[..., 0]], axis=-1)


def _near(points: NDArray[np.float64]) -> bool:
    return bool((np.abs(points) < 120).all(axis=-1).any())


def _draw_map(axes: Axes, network: RoadNetwork, ego: EgoState, signals: TrafficSignals | None) -> None:
    for kind in (AreaType.SIDEWALK, AreaType.DRIVABLE, AreaType.INTERSECTION, AreaType.PARKING, AreaType.CROSSWALK):
        rows = np.flatnonzero(network.area_types == kind)
        shapes = [s for s in (_screen(network.areas[int(r)][:, :2], ego) for r in rows) if _near(s)]
        axes.add_collection(PolyCollection(shapes, facecolors=AREA_COLOURS[kind], edgecolors="none", zorder=1))
    lanes = []
    for row in range(len(network.lane_ids)):
        left, right = network.left_boundaries[row][:, :2], network.right_boundaries[row][:, :2]
        if len(left) and len(right):
            lanes.append(_screen(np.concatenate([left, right[::-1]]), ego))
    axes.add_collection(
        PolyCollection([s for s in lanes if _near(s)], facecolors="#e6e8eb", edgecolors="none", zorder=1.1)
    )
    for bounds, types in (
        (network.left_boundaries, network.left_boundary_types),
        (network.right_boundaries, network.right_boundary_types),
    ):
        for row in range(len(bounds)):
            if types[row] == LineType.NONE or not len(bounds[row]):
                continue
            line = _screen(bounds[row][:, :2], ego)
            if _near(line):
                dashed = types[row] in (LineType.DASHED_WHITE, LineType.DASHED_YELLOW)
                kerb = types[row] == LineType.KERB
                axes.plot(
                    *line.T, color="#8c939c" if kerb else "white", lw=0.9, ls=(0, (5, 5)) if dashed else "-", zorder=2
                )
    centres = [_screen(line[:, :2], ego) for line in network.centre_lines]
    axes.add_collection(
        LineCollection(
            [c for c in centres if _near(c)], colors="#cdd2d8", linewidths=0.5, linestyles="dotted", zorder=2
        )
    )
    for row in np.flatnonzero(np.isin(network.line_types, (LineType.STOP, LineType.YIELD))).tolist():
        line = _screen(network.lines[row][:, :2], ego)
        if _near(line):
            axes.plot(*line.T, color="#555b63", lw=1.6, zorder=2.5)
    if signals is not None:
        state = dict(zip(signals.ids.tolist(), signals.states.tolist(), strict=True))
        for row, signal in enumerate(network.signal_ids.tolist()):
            colour = SIGNAL_COLOURS.get(SignalState(state.get(signal, 0)))
            for lane in network.signal_lanes[row] if colour else ():
                start = _screen(network.centre_lines[lane][:1, :2], ego)
                if _near(start):
                    axes.plot(*start.T, "o", color=colour, ms=4, zorder=6)


def _draw_futures(axes: Axes, scene: TrackedAgents, predicted: PredictedAgents, ego: EgoState) -> None:
    classes = dict(zip(scene.ids.tolist(), scene.classes.tolist(), strict=True))
    lines, colours, widths = [], [], []
    paths = _screen(predicted.map_positions, ego)
    for row, agent in enumerate(predicted.agent_ids.tolist()):
        red, green, blue = mpl.colors.to_rgb(agent_colour(classes.get(agent, 0)))
        for mode, probability in enumerate(predicted.probabilities[row].tolist()):
            if probability < 0.03:
                continue
            lines.append(paths[row, mode])
            colours.append((red, green, blue, min(1.0, 0.15 + 0.85 * probability)))
            widths.append(0.6 + 2.6 * probability)
    axes.add_collection(LineCollection(lines, colors=colours, linewidths=widths, zorder=3, capstyle="round"))


def _draw_plans(axes: Axes, decision: PlanDecision, ego: EgoState) -> None:
    paths = _screen(decision.positions.astype(np.float64) + decision.origin, ego)
    asked = set(decision.asked.tolist())
    for row in range(len(paths)):
        if row != decision.chosen:
            colour = "#d08c60" if row in asked else CANDIDATE
            axes.plot(*paths[row].T, color=colour, lw=0.9 if row in asked else 0.5, alpha=0.8, zorder=3.5)
    axes.plot(*paths[decision.chosen].T, color=PLAN, lw=3.0, zorder=4, solid_capstyle="round")


def _draw_agents(axes: Axes, scene: TrackedAgents, ego: EgoState) -> None:
    if len(scene):
        corners = box_corners(scene.position[:, :2], scene.yaw, scene.size[:, 0], scene.size[:, 1])
        for row, shape in enumerate(_screen(corners, ego)):
            colour = agent_colour(int(scene.classes[row]))
            alpha = 0.35 + 0.65 * float(scene.existence[row])
            axes.add_patch(Polygon(shape, facecolor=colour, edgecolor="white", lw=0.6, alpha=alpha, zorder=5))
        tips = scene.position[:, :2] + scene.velocity
        moving = scene.speed > 0.5
        arrows = np.stack([_screen(scene.position[:, :2], ego), _screen(tips, ego)], axis=1)[moving]
        axes.add_collection(LineCollection(list(arrows), colors="#111111", linewidths=0.7, zorder=5.5))
    corners = box_corners(ego.centre[None], np.array([ego.yaw]), ego.length, ego.width)
    axes.add_patch(Polygon(_screen(corners[0], ego), facecolor=EGO, edgecolor="white", lw=0.8, zorder=6))
