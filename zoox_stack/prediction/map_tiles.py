"""The map drawn once: square tiles of packed channels in the map frame, sampled into the ego's region every tick.

Each tile pixel holds the 21 mask channels as bits, the lane direction and the speed limit as one byte each. Sampling
is one gather of nearest pixels for all of them; tiles are four times as fine as the scene image (0.25 m against 0.5 m
in each direction), so the sampling error stays below 0.18 m. Lane directions are turned into the ego frame after the
gather by a lookup table of 256 angles.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.prediction.channels import METRES_PER_PIXEL, RASTER_SIZE, X_AHEAD, Y_LEFT
from zoox_stack.prediction.raster_map import DIRECTIONS, SHIFT, TILE_METRES_PER_PIXEL, Fixed, MapShapes

TILE_BITS = 9
TILE_PIXELS = 1 << TILE_BITS  # 128 m
TILE_SIZE = TILE_PIXELS * TILE_METRES_PER_PIXEL  # [m]
LINE_THICKNESS = 3  # [tile pixels] 0.75 m: wider than the diagonal of an image pixel, so that no sample misses a line
STOP_THICKNESS = 5
MIN_TILES = 9  # a rotated region of 128 m touches at most 3 x 3 tiles
_EMPTY = 0  # page of everywhere without map


@dataclass(frozen=True, eq=False)
class MapSample:
    """The map in the ego's region, row 0 ahead, column 0 left.

    Attributes:
        masks: uint32 ``[256, 256]``: bit ``i`` is ``MASK_CHANNELS[i]``, bits 24..31 are the direction code.
        speed: uint8 ``[256, 256]`` speed limit count, 0 unknown.
    """

    masks: NDArray[np.uint32]
    speed: NDArray[np.uint8]


class MapTiles:
    """Draws tiles when they are first needed and keeps the most recently used ones.

    Args:
        shapes: What to draw.
        max_tiles: Most tiles kept; one takes 1.3 MB.
    """

    def __init__(self, shapes: MapShapes, max_tiles: int = 64) -> None:
        if max_tiles < MIN_TILES:
            raise InvalidInputError("MapTiles.max_tiles", f">= {MIN_TILES}", str(max_tiles))
        self._shapes = shapes
        # Memory of pages never drawn is never touched, so small maps stay small.
        self._masks = np.zeros((max_tiles + 1, TILE_PIXELS, TILE_PIXELS), np.uint32)
        self._speed = np.zeros((max_tiles + 1, TILE_PIXELS, TILE_PIXELS), np.uint8)
        self._pages: OrderedDict[tuple[int, int], int] = OrderedDict()  # (tile x, tile y) -> page, oldest use first
        self._free = list(range(max_tiles, 0, -1))
        self._grid = (np.arange(RASTER_SIZE, dtype=np.float64) + 0.5) * METRES_PER_PIXEL
        self.drawn = 0  # tiles drawn so far

    def __len__(self) -> int:
        return len(self._pages)

    def sample(self, x: float, y: float, yaw: float) -> MapSample | None:
        """The map around an ego with base_link at `x`, `y`, `yaw` (map frame); None if the map is elsewhere."""
        origin = self._shapes.origin
        x, y = x - float(origin[0]), y - float(origin[1])
        size = self._shapes.size
        if not (-256.0 < x < size[0] + 256.0 and -256.0 < y < size[1] + 256.0):
            return None
        c, s = np.cos(yaw), np.sin(yaw)
        ahead, left = X_AHEAD - self._grid, Y_LEFT - self._grid
        scale = 1.0 / TILE_METRES_PER_PIXEL
        # Shifted by whole tiles so that truncation is floor.
        shift = 8 * TILE_PIXELS
        column_of_row = ((x + c * ahead) * scale + shift).astype(np.float32)
        row_of_row = ((y + s * ahead) * scale + shift).astype(np.float32)
        px = (column_of_row[:, None] + (-s * left * scale).astype(np.float32)).astype(np.int32)
        py = (row_of_row[:, None] + (c * left * scale).astype(np.float32)).astype(np.int32)
        corners = np.ix_((0, -1), (0, -1))
        tx, ty = px[corners] >> TILE_BITS, py[corners] >> TILE_BITS
        tx0, ty0 = int(tx.min()), int(ty.min())
        pages = self._page_table(tx0 - 8, int(tx.max()) - 8, ty0 - 8, int(ty.max()) - 8)
        width = pages.shape[1]
        which = ((py >> TILE_BITS) - ty0) * width + ((px >> TILE_BITS) - tx0)
        index = np.take(pages.ravel() << (2 * TILE_BITS), which)
        index |= (py & (TILE_PIXELS - 1)) << TILE_BITS
        index |= px & (TILE_PIXELS - 1)
        return MapSample(np.take(self._masks.ravel(), index), np.take(self._speed.ravel(), index))

    def prefetch(self, x: float, y: float, yaw: float, distance: float = 64.0) -> bool:
        """Draw one missing tile of the region `distance` [m] ahead; false if there was none to draw.

        One tile per tick keeps the ticks even when the ego drives into new parts of the map.
        """
        origin = self._shapes.origin
        ahead = distance + (X_AHEAD - Y_LEFT)
        cx, cy = x - float(origin[0]) + ahead * np.cos(yaw), y - float(origin[1]) + ahead * np.sin(yaw)
        if not (np.abs([cx, cy]) < 1e6).all() or len(self._masks) <= 2 * MIN_TILES:
            return False  # far away, or too few pages to keep what is in use
        half = Y_LEFT * (abs(np.cos(yaw)) + abs(np.sin(yaw)))
        for ty in range(int((cy - half) // TILE_SIZE), int((cy + half) // TILE_SIZE) + 1):
            for tx in range(int((cx - half) // TILE_SIZE), int((cx + half) // TILE_SIZE) + 1):
                if (tx, ty) not in self._pages and self._shapes.touches(*_tile_bounds(tx, ty)):
                    self._page(tx, ty)
                    return True
        return False

    def _page_table(self, tx0: int, tx1: int, ty0: int, ty1: int) -> NDArray[np.int32]:
        table = np.full((ty1 - ty0 + 1, tx1 - tx0 + 1), _EMPTY, np.int32)
        for row, ty in enumerate(range(ty0, ty1 + 1)):
            for column, tx in enumerate(range(tx0, tx1 + 1)):
                if self._shapes.touches(*_tile_bounds(tx, ty)):
                    table[row, column] = self._page(tx, ty)
        return table

    def _page(self, tx: int, ty: int) -> int:
        key = (tx, ty)
        if key in self._pages:
            self._pages.move_to_end(key)
            return self._pages[key]
        page = self._free.pop() if self._free else self._pages.popitem(last=False)[1]
        masks, speed = draw_tile(self._shapes, tx, ty)
        self._masks[page], self._speed[page] = masks, speed
        self._pages[key] = page
        self.drawn += 1
        return page


def draw_tile(shapes: MapShapes, tx: int, ty: int) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
    """Draw tile (`tx`, `ty`): its masks uint32 and speed limits uint8, both ``[512, 512]``, row 0 at the lowest y."""
    low_x, low_y, high_x, high_y = _tile_bounds(tx, ty)
    corner = np.array([tx, ty], np.int32) * np.int32(TILE_PIXELS << SHIFT)
    planes = np.zeros((4, TILE_PIXELS, TILE_PIXELS), np.uint8)
    speed = np.zeros((TILE_PIXELS, TILE_PIXELS), np.uint8)
    scratch = np.zeros((TILE_PIXELS, TILE_PIXELS), np.uint8)

    def pixels(points: Fixed) -> Fixed:
        return points - corner

    def near(boxes: NDArray[np.float64]) -> list[int]:
        hit = (boxes[:, 0] <= high_x) & (boxes[:, 1] <= high_y) & (boxes[:, 2] >= low_x) & (boxes[:, 3] >= low_y)
        return np.flatnonzero(hit).tolist()

    for bit, layer in enumerate(shapes.masks):
        polygons, lines = near(layer.polygon_boxes), near(layer.line_boxes)
        if not polygons and not lines:
            continue
        scratch[:] = 0
        for i in polygons:  # one by one: cv2 would cut out the overlaps of polygons filled together
            cv2.fillPoly(scratch, [pixels(layer.polygons[i])], 255, shift=SHIFT)
        if lines:
            thickness = STOP_THICKNESS if layer.wide else LINE_THICKNESS
            polylines = [pixels(layer.lines[i]) for i in lines]
            cv2.polylines(scratch, polylines, isClosed=False, color=255, thickness=thickness, shift=SHIFT)
        planes[bit >> 3] |= scratch & np.uint8(1 << (bit & 7))
    for i in near(shapes.direction_boxes):
        cv2.fillPoly(planes[3], [pixels(shapes.direction_polygons[i])], int(shapes.direction_codes[i]), shift=SHIFT)
    for i in near(shapes.speed_boxes):
        cv2.fillPoly(speed, [pixels(shapes.speed_polygons[i])], int(shapes.speed_codes[i]), shift=SHIFT)
    return cv2.merge(list(planes)).view(np.dtype("<u4"))[..., 0], speed


def direction_tables(yaw: float) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Lookup tables from direction code to the counts of its cosine and sine against an ego heading `yaw`."""
    angle = np.arange(DIRECTIONS) * (2 * np.pi / DIRECTIONS) - yaw
    tables = np.full((2, 256), 128, np.uint8)
    tables[0, 1:] = np.rint(128 + 127 * np.cos(angle))
    tables[1, 1:] = np.rint(128 + 127 * np.sin(angle))
    return tables[0], tables[1]


def _tile_bounds(tx: int, ty: int) -> tuple[float, float, float, float]:
    return tx * TILE_SIZE, ty * TILE_SIZE, (tx + 1) * TILE_SIZE, (ty + 1) * TILE_SIZE
