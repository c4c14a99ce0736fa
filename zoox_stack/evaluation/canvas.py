"""A canvas over a piece of the map: lines, areas and boxes in metres become pixels, smooth at the edges."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.errors import ZooxStackError
from zoox_stack.core.geometry import to_local

_FINER = 2  # drawn so many times finer than shown, in both directions
_SHIFT = 3  # bits behind the binary point of pixel coordinates
_WEBP_QUALITY = 78


@dataclass(frozen=True)
class View:
    """The part of the world that is shown.

    Attributes:
        x: Middle of the picture, map frame [m].
        y: [m].
        up: Direction that points up in the picture [rad], map frame.
        width: [m].
        height: [m].
        scale: Pixels per metre.
    """

    x: float
    y: float
    up: float
    width: float
    height: float
    scale: float

    @property
    def reach(self) -> float:
        """No point of the picture is farther from its middle [m]."""
        return float(np.hypot(self.width, self.height)) / 2

    def shares(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where points ``[..., 2]`` of the map lie: 0..1 from the left and from the top."""
        local = to_local(points, (self.x, self.y), self.up)
        return np.stack([0.5 - local[..., 1] / self.width, 0.5 - local[..., 0] / self.height], axis=-1)


class Canvas:
    """A picture in the making. Colours are ``#rrggbb``, widths are pixels of the finished picture.

    Args:
        view: What it shows.
        background: Colour of what nobody draws on.
    """

    def __init__(self, view: View, background: str) -> None:
        self.view = view
        self._unit = np.array([view.width, view.height]) * view.scale * _FINER
        columns, rows = np.round(self._unit).astype(int).tolist()
        self._pixels = np.empty((rows, columns, 3), np.uint8)
        cv2.rectangle(self._pixels, (0, 0), (columns, rows), rgb(background)[::-1], cv2.FILLED)

    def fill(self, shape: NDArray[np.float64], colour: str) -> None:
        """An area ``[P, 2]`` [m]."""
        cv2.fillPoly(self._pixels, [self._at(shape)], rgb(colour)[::-1], cv2.LINE_AA, _SHIFT)

    def lines(
        self, lines: Iterable[NDArray[np.float64]], colour: str, width: float = 1.0, *, closed: bool = False
    ) -> None:
        """Lines ``[P, 2]`` [m] of one colour."""
        shapes = [self._at(line) for line in lines]
        if shapes:
            cv2.polylines(
                self._pixels, shapes, closed, rgb(colour)[::-1], max(1, round(width * _FINER)), cv2.LINE_AA, _SHIFT
            )

    def dot(self, point: NDArray[np.float64], radius: float, colour: str, *, metres: bool = False) -> None:
        """A disc around ``[2]`` [m]; its radius in pixels, or in metres."""
        size = radius * _FINER * (self.view.scale if metres else 1.0) * 2**_SHIFT
        centre = self._at(point).reshape(2).tolist()
        cv2.circle(self._pixels, centre, round(size), rgb(colour)[::-1], cv2.FILLED, cv2.LINE_AA, _SHIFT)

    def image(self) -> NDArray[np.uint8]:
        """The picture, ``[H, W, 3]``, red first."""
        rows, columns = self._pixels.shape[:2]
        small = cv2.resize(self._pixels, (columns // _FINER, rows // _FINER), interpolation=cv2.INTER_AREA)
        return np.asarray(small[..., ::-1], np.uint8)

    def _at(self, points: NDArray[np.float64]) -> NDArray[np.int32]:
        shares = self.view.shares(points)
        return np.asarray(np.round((shares * self._unit - 0.5) * 2**_SHIFT), np.int32)


def rgb(colour: str) -> tuple[int, int, int]:
    """Red, green and blue (0..255) of ``#rrggbb``."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def mixed(colour: str, other: str, share: float) -> str:
    """A colour between two: 0 the first, 1 the second."""
    parts = (round(a + share * (b - a)) for a, b in zip(rgb(colour), rgb(other), strict=True))
    return "#" + "".join(f"{part:02x}" for part in parts)


def data_uri(image: NDArray[np.uint8]) -> str:
    """A picture ``[H, W, 3]`` as the address of itself, for pages that need no other file."""
    done, data = cv2.imencode(
        ".webp", np.ascontiguousarray(image[..., ::-1]), [cv2.IMWRITE_WEBP_QUALITY, _WEBP_QUALITY]
    )
    if not done:
        raise ZooxStackError(f"a picture of {image.shape[1]} x {image.shape[0]} pixels could not be encoded as WebP")
    return "data:image/webp;base64," + base64.b64encode(data.tobytes()).decode()
