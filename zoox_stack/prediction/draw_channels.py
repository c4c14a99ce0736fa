"""Pictures of the scene image: every channel as one panel. Makes docs/scene-image.md and its picture.

``python -m zoox_stack.prediction.draw_channels docs`` writes both.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState, TrackedAgents, TrafficSignals
from zoox_stack.core.classes import (
    AgentClass,
    AreaType,
    Attribute,
    LaneType,
    LineType,
    SignalState,
    TriState,
    TurnSignal,
)
from zoox_stack.core.plans import Route
from zoox_stack.core.ragged import Ragged
from zoox_stack.prediction.channels import (
    METRES_PER_PIXEL,
    RASTER_SIZE,
    TABLE,
    ChannelInfo,
    Encoding,
    Group,
    channels_fingerprint,
    markdown_table,
)
from zoox_stack.prediction.history import HISTORY_STEPS, HistoryBuffer, SceneHistory
from zoox_stack.prediction.raster import SceneRasterizer
from zoox_stack.road_network.made_up import crossing
from zoox_stack.road_network.network import RoadNetwork

PICTURE = Path("images") / "scene-image.png"
PAGE = Path("scene-image.md")
_COLUMNS = 8
_LEAST_SHOWN = 16  # [pixels] 8 m: a pedestrian can be seen
_ROOM = 1.2  # a panel is so much wider than what is drawn
_STEP_NS = 100_000_000

_INTRODUCTION = """# The scene image

Prediction looks at the whole scene as one picture of {count} channels, {size} x {size} pixels of 0.5 m, drawn around
the ego: from 28 m behind its rear axle to 100 m ahead, 64 m to either side. Row 0 is the far edge ahead, column 0 the
left edge, so the ego drives up. One count is 0..255 (uint8).

Unknown is kept apart from no: where a channel can be unknown it is signed or tri-state with 128 for "unknown or nothing
there", or it has a `*_KNOWN` channel beside it. Without a map all map channels are neutral and `MAP_KNOWN` is 0.
Boxes are drawn by the share of each pixel that they cover, so positions are finer than a pixel; where boxes overlap a
pixel belongs to the one that covers more of it. The values of an agent stand on the pixels that it covers by 20 % and
more. Angles and velocities are turned into the ego's frame; velocities are over ground.

The table is `zoox_stack/prediction/channels.py`; a model carries its fingerprint and is refused if it differs. This
page is written by `python -m zoox_stack.prediction.draw_channels docs`.

In the picture, panels of the ego and of agents show only where something is drawn; they are as wide as is written.

![Every channel of a made-up scene](images/scene-image.png)

Fingerprint: `{fingerprint}`

"""


def example_network() -> RoadNetwork:
    """A crossing with every kind of line, lane and area somewhere."""
    network = crossing()
    left, right = network.left_boundary_types.copy(), network.right_boundary_types.copy()
    left[:8] = [LineType.SOLID_YELLOW, LineType.DOUBLE_SOLID, LineType.UNKNOWN, LineType.SOLID_WHITE] * 2
    right[[0, 4]] = LineType.DASHED_WHITE
    types = network.lane_types.copy()
    types[[1, 5]], types[[3, 7]] = LaneType.BUS, LaneType.BIKE
    corner = np.array([[8.0, 8.0, 0.0], [40.0, 8.0, 0.0], [40.0, 12.0, 0.0], [8.0, 12.0, 0.0]])
    mirrored = corner * [1.0, -1.0, 1.0]
    areas = Ragged.from_rows([*network.areas, corner, mirrored], np.float64, 3)
    yield_line = np.array([[-19.0, 0.0, 0.0], [-19.0, 3.5, 0.0]])
    return replace(
        network,
        left_boundary_types=left,
        right_boundary_types=right,
        lane_types=types,
        area_ids=np.append(network.area_ids, [100, 101]),
        area_types=np.append(network.area_types, [AreaType.SIDEWALK, AreaType.PARKING]).astype(np.uint8),
        areas=areas,
        line_ids=np.append(network.line_ids, 100),
        line_types=np.append(network.line_types, LineType.YIELD).astype(np.uint8),
        lines=Ragged.from_rows([*network.lines, yield_line], np.float64, 3),
    )


def example() -> tuple[SceneRasterizer, SceneHistory, TrafficSignals, Route]:
    """A made-up scene at a crossing: the ego comes from the west, agents of every group, every attribute in use."""
    network = example_network()
    kinds = AgentClass
    classes = [kinds.CAR, kinds.CAR, kinds.BUS, kinds.BICYCLE, kinds.PEDESTRIAN, kinds.HAZARD]
    x = np.array([-26.0, -8.0, 1.75, -36.0, -17.0, -12.0])
    y = np.array([-1.75, 1.75, -14.0, -3.0, 5.0, -3.0])
    yaw = np.array([0.0, np.pi, np.pi / 2, 0.0, -np.pi / 2, 0.0])
    speed = np.array([4.0, 11.0, 6.0, 5.0, 1.4, 0.0])
    size = np.array(
        [[4.6, 1.9, 1.6], [4.4, 1.8, 1.5], [12, 2.5, 3.2], [1.8, 0.6, 1.7], [0.6, 0.6, 1.7], [0.5, 0.5, 0.8]]
    )
    velocity = np.stack([speed * np.cos(yaw), speed * np.sin(yaw)], axis=1)
    attributes = np.zeros((6, len(Attribute)), np.uint8)
    attributes[0, Attribute.BRAKE_LIGHT] = TriState.YES
    attributes[0, Attribute.TURN_SIGNAL] = TurnSignal.RIGHT
    attributes[1, Attribute.TURN_SIGNAL] = TurnSignal.LEFT
    attributes[1, Attribute.EMERGENCY_LIGHT] = TriState.YES
    attributes[2, Attribute.DOOR_OPEN] = TriState.NO
    attributes[4, [Attribute.PHONE_IN_HAND, Attribute.CHILD]] = TriState.YES, TriState.NO
    buffer = HistoryBuffer()
    for k in range(HISTORY_STEPS):
        back = (HISTORY_STEPS - 1 - k) * 0.1
        stamp = k * _STEP_NS
        position = np.column_stack([np.stack([x, y], axis=1) - back * velocity, size[:, 2] / 2])
        ego = EgoState(stamp, x=-50.0 - back * 8.0, y=-1.75, speed=8.0)
        acceleration = np.where(np.arange(6)[:, None] == 0, -2.0, 0.0) * np.stack([np.cos(yaw), np.sin(yaw)], axis=1)
        scene = TrackedAgents.from_states(
            stamp, np.arange(6), np.array(classes, np.uint8), position, yaw, velocity, size.astype(np.float32),
            ego=ego, attributes=attributes, acceleration=acceleration, yaw_rate=np.array([0, 0.3, 0, 0, 0, 0]),
        )  # fmt: skip
        facing = np.array([np.nan, np.nan, np.nan, 0.5, np.pi, np.nan], np.float32)
        history = buffer.push(replace(scene, facing=facing))
    states = np.array([SignalState.RED, SignalState.FLASHING_YELLOW, SignalState.GREEN], np.uint8)
    signals = TrafficSignals(history.scene.stamp_ns, np.array([1, 2, 3]), states, np.ones(3, np.float32))
    route = Route(history.scene.stamp_ns, np.array([[-134.0, -1.75, 0.0], [0.0, -1.75, 0.0], [134.0, -1.75, 0.0]]))
    return SceneRasterizer(network), history, signals, route


def shown(image: NDArray[np.uint8], info: ChannelInfo) -> NDArray[np.uint8]:
    """What the panel of a channel shows of it, ``[S, S]``: of agents and the ego the part where something is drawn."""
    plane = image[info.channel]
    drawn = np.argwhere(plane != info.neutral)
    if info.group not in (Group.AGENT, Group.EGO) or not len(drawn):
        return plane
    low, high = drawn.min(axis=0), drawn.max(axis=0) + 1
    side = int(np.clip(np.ceil(_ROOM * (high - low).max()), _LEAST_SHOWN, RASTER_SIZE))
    row, column = np.clip((low + high - side) // 2, 0, RASTER_SIZE - side).tolist()
    return plane[row : row + side, column : column + side]


def draw_grid(image: NDArray[np.uint8], path: Path) -> None:
    """Write one panel per channel as a PNG; signed and tri-state channels are blue below, red above neutral."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    rows = -(-len(TABLE) // _COLUMNS)
    figure, axes = plt.subplots(rows, _COLUMNS, figsize=(2.0 * _COLUMNS, 2.2 * rows), dpi=80)
    for axis in axes.flat:
        axis.axis("off")
    for info, axis in zip(TABLE, axes.flat, strict=False):
        colours = "RdBu_r" if info.encoding in (Encoding.SIGNED, Encoding.TRI_STATE) else "magma"
        panel = shown(image, info)
        wide = f", {len(panel) * METRES_PER_PIXEL:g} m" if len(panel) < RASTER_SIZE else ""
        axis.imshow(panel, vmin=0, vmax=255, cmap=colours, interpolation="nearest")
        axis.set_title(f"{info.channel.value} {info.channel.name}{wide}", fontsize=6.5)
    figure.subplots_adjust(left=0.005, right=0.995, top=0.98, bottom=0.005, wspace=0.03, hspace=0.12)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Software": None})
    plt.close(figure)


def page() -> str:
    """Text of the documentation page."""
    head = _INTRODUCTION.format(count=len(TABLE), size=256, fingerprint=channels_fingerprint())
    return head + markdown_table()


def main() -> None:
    """Write the page and its picture."""
    parser = argparse.ArgumentParser(description="Write the documentation of the scene image.")
    parser.add_argument("folder", type=Path, help="documentation folder")
    folder = parser.parse_args().folder
    rasterizer, history, signals, route = example()
    draw_grid(rasterizer.render(history, signals, route), folder / PICTURE)
    (folder / PAGE).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
