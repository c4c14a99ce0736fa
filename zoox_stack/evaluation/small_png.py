"""Figures as small PNG files, for pages of the documentation."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

_COLOURS = 256  # what one byte per pixel can tell apart


def save_small(figure: Figure, path: Path, dpi: int) -> None:
    """Write a figure with a palette of its own: less than half the size, and hardly to be told apart.

    Raises:
        OSError: The file cannot be written.
    """
    whole = BytesIO()
    figure.savefig(whole, format="png", dpi=dpi)
    with Image.open(whole) as image:
        # Maximum coverage: rare colours are kept, a median cut would lose the few green lines of a picture.
        few = image.convert("RGB").quantize(_COLOURS, Image.Quantize.MAXCOVERAGE, kmeans=2, dither=Image.Dither.NONE)
    few.save(path, format="PNG", optimize=True)
