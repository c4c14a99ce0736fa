"""How lines on the road are drawn, by kind: on the dark map of `drawing`, on the pale one of the reports."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import LineType
from zoox_stack.road_network.network import RoadNetwork


@dataclass(frozen=True)
class LineStyle:
    """Style of one kind of line.

    Attributes:
        on_dark: Colour on dark asphalt.
        on_pale: Colour on a pale ground.
        width: [m].
        dash: [m] length of dashes and of the gaps between them; None: no gaps.
        words: What it is called.
    """

    on_dark: str
    on_pale: str
    width: float
    dash: float | None
    words: str


# In the order they are drawn in; lines of kind NONE are not.
LINE_STYLES = {
    LineType.UNKNOWN: LineStyle("#9aa0a8", "#e6e9ed", 0.10, None, "boundary of unknown kind"),
    LineType.KERB: LineStyle("#2f3237", "#a7afb8", 0.25, None, "kerb"),
    LineType.SOLID_WHITE: LineStyle("#ffffff", "#ffffff", 0.15, None, "solid white line"),
    LineType.DASHED_WHITE: LineStyle("#ffffff", "#ffffff", 0.15, 3.0, "dashed white line"),
    LineType.SOLID_YELLOW: LineStyle("#f5c518", "#e3c45c", 0.15, None, "solid yellow line"),
    LineType.DASHED_YELLOW: LineStyle("#f5c518", "#e3c45c", 0.15, 3.0, "dashed yellow line"),
    LineType.DOUBLE_SOLID: LineStyle("#f5c518", "#e3c45c", 0.40, None, "double solid line"),
    LineType.YIELD: LineStyle("#ffffff", "#5d646d", 0.50, 0.6, "yield line"),
    LineType.STOP: LineStyle("#ffffff", "#5d646d", 0.60, None, "stop line"),
}


def drawn_lines(network: RoadNetwork) -> Iterator[tuple[LineType, LineStyle, list[NDArray[np.float64]]]]:
    """Boundaries of lanes and other lines ``[P, 2]`` [m] of each kind that is drawn."""
    tables = (
        (network.left_boundaries, network.left_boundary_types),
        (network.right_boundaries, network.right_boundary_types),
        (network.lines, network.line_types),
    )
    for kind, style in LINE_STYLES.items():
        lines = [
            table[int(row)][:, :2]
            for table, types in tables
            for row in np.flatnonzero((types == kind) & (table.lengths > 1))
        ]
        yield kind, style, lines
