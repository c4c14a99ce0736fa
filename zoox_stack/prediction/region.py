"""The part of the world the scene image shows, in the ego frame."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Region:
    """A rectangle in the ego frame (BASE_LINK) and its pixels.

    Image row 0 is the front edge, column 0 the left edge.

    Attributes:
        front: x of the front edge [m].
        rear: x of the rear edge [m].
        left: y of the left edge [m].
        right: y of the right edge [m].
        rows: Pixels along x.
        columns: Pixels along y.
    """

    front: float = 100.0
    rear: float = -28.0
    left: float = 64.0
    right: float = -64.0
    rows: int = 256
    columns: int = 256

    @property
    def length(self) -> float:
        """Extent along x [m]."""
        return self.front - self.rear

    @property
    def width(self) -> float:
        """Extent along y [m]."""
        return self.left - self.right

    @property
    def metres_per_pixel(self) -> float:
        """Size of a pixel [m]."""
        return self.length / self.rows


REGION = Region()
