"""The scene image: road network, signals, route, ego and agents in one picture of 60 channels."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import TrafficSignals
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.plans import Route
from zoox_stack.prediction.channels import (
    MASK_CHANNELS,
    N_CHANNELS,
    RASTER_SIZE,
    SPEED_PER_COUNT,
    Channel,
    neutral_counts,
)
from zoox_stack.prediction.history import SceneHistory
from zoox_stack.prediction.map_tiles import MapTiles, direction_tables
from zoox_stack.prediction.raster_agents import draw_boxes
from zoox_stack.prediction.raster_map import MapShapes
from zoox_stack.prediction.raster_signals import SignalShapes, draw_route
from zoox_stack.road_network.network import RoadNetwork

SHAPE = (N_CHANNELS, RASTER_SIZE, RASTER_SIZE)


class SceneRasterizer:
    """Draws scenes of one road network. Equal inputs give equal images, whatever was drawn before.

    The map is drawn once into tiles; a picklable object, without the tiles, that any vehicle can be the ego of.

    Args:
        network: The map; None draws neutral counts in the map channels and 0 in their ``*_KNOWN`` channels.
        max_tiles: Most map tiles (128 m square, 1.3 MB) kept.
    """

    def __init__(self, network: RoadNetwork | None, max_tiles: int = 64) -> None:
        self._network, self._max_tiles = network, max_tiles
        shapes = None if network is None else MapShapes(network)
        self._tiles = None if shapes is None or shapes.is_empty else MapTiles(shapes, max_tiles)
        self._signals = None if network is None else SignalShapes(network)

    def __getstate__(self) -> dict[str, Any]:
        return {"network": self._network, "max_tiles": self._max_tiles}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["network"], state["max_tiles"])  # type: ignore[misc]

    def render(
        self,
        history: SceneHistory,
        signals: TrafficSignals | None = None,
        route: Route | None = None,
        out: NDArray[np.uint8] | None = None,
    ) -> NDArray[np.uint8]:
        """Draw one scene.

        Args:
            history: The scene and the second before it.
            signals: States; signals of the map that are not in it are unknown.
            route: The way to follow, if there is one.
            out: uint8 ``[60, 256, 256]``, C-contiguous, to draw into; made anew if None.

        Returns:
            uint8 ``[60, 256, 256]``, channels as in `zoox_stack.prediction.channels`.

        Raises:
            InvalidInputError: The scene has no ego, or `out` has another shape or type.
        """
        scene = history.scene
        ego = scene.ego
        if ego is None:
            raise InvalidInputError(
                "SceneHistory.scene.ego", "an ego pose", "none", "The image is centred on the ego: wait for odometry."
            )
        image = np.empty(SHAPE, np.uint8) if out is None else _checked(out)
        origin = np.array([ego.x, ego.y])
        self._draw_map(image, ego.x, ego.y, ego.yaw)
        image[Channel.SIGNAL_RED : Channel.EGO_SPEED] = 0
        image[Channel.EGO_SPEED] = min(255, round(abs(ego.speed) / SPEED_PER_COUNT))
        image[Channel.VEHICLE :] = neutral_counts()[Channel.VEHICLE :, None, None]
        if self._signals is not None:
            self._signals.draw(image, signals, origin, ego.yaw)
        if route is not None:
            draw_route(image, route, origin, ego.yaw)
        draw_boxes(image, history)
        return image

    def _draw_map(self, image: NDArray[np.uint8], x: float, y: float, yaw: float) -> None:
        sample = None if self._tiles is None else self._tiles.sample(x, y, yaw)
        if self._tiles is None or sample is None:
            image[: Channel.SIGNAL_RED] = neutral_counts()[: Channel.SIGNAL_RED, None, None]
            return
        self._tiles.prefetch(x, y, yaw)
        packed = sample.masks.astype("<u4", copy=False).view(np.uint8).reshape(RASTER_SIZE, RASTER_SIZE, 4)
        planes = cv2.split(packed)
        for bit in range(len(MASK_CHANNELS)):
            np.bitwise_and(planes[bit >> 3], np.uint8(1 << (bit & 7)), out=image[bit])
            _as_mask(image[bit])
        cosine, sine = direction_tables(yaw)
        direction = planes[3]
        cv2.LUT(direction, cosine, dst=image[Channel.LANE_DIRECTION_COS])
        cv2.LUT(direction, sine, dst=image[Channel.LANE_DIRECTION_SIN])
        image[Channel.LANE_DIRECTION_KNOWN] = direction
        image[Channel.SPEED_LIMIT] = image[Channel.SPEED_LIMIT_KNOWN] = sample.speed
        _as_mask(image[Channel.LANE_DIRECTION_KNOWN])
        _as_mask(image[Channel.SPEED_LIMIT_KNOWN])


def _as_mask(counts: NDArray[np.uint8]) -> None:
    """Turn every count above 0 into 255, in place."""
    np.not_equal(counts, 0, out=counts.view(np.bool_))
    np.negative(counts.view(np.int8), out=counts.view(np.int8))


def _checked(out: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if out.shape != SHAPE or out.dtype != np.uint8 or not out.flags.c_contiguous or not out.flags.writeable:
        found = f"{out.dtype} {list(out.shape)}"
        raise InvalidInputError("render(out)", f"a writable contiguous uint8 array {list(SHAPE)}", found)
    return out
