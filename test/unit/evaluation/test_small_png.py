"""Small pictures look like large ones."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from matplotlib.figure import Figure

from zoox_stack.evaluation.small_png import save_small


def test_rare_colours_are_kept(tmp_path: Path) -> None:
    """Many light colours, and two short lines of dark ones that are nowhere else."""
    figure = Figure(figsize=(2.0, 2.0))
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    axes.imshow(np.random.default_rng(0).uniform(0.3, 0.95, (200, 200, 3)))
    axes.plot([40, 60], [40, 40], color="#1fa049", lw=3)
    axes.plot([120, 140], [40, 40], color="#b23a2f", lw=3)
    figure.savefig(tmp_path / "large.png", dpi=100)
    save_small(figure, tmp_path / "small.png", 100)
    large, small = (cv2.imread(str(tmp_path / f"{name}.png")).astype(int) for name in ("large", "small"))
    assert large.shape == small.shape == (200, 200, 3)
    assert np.abs(large - small).max() <= 30
    assert (tmp_path / "small.png").stat().st_size < 0.6 * (tmp_path / "large.png").stat().st_size
