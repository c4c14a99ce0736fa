"""Learning curves as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

# Measures drawn, where a run has them.
_SHOWN = {
    "min_ade_6": "minADE, 6 modes",
    "ade_1": "ADE, likeliest mode",
    "cv_ade": "ADE, constant velocity",
    "affected_min_ade_6_told": "minADE of affected agents, told the plan",
    "affected_min_ade_6_not_told": "minADE of affected agents, not told",
}


def draw_curves(log: Sequence[dict[str, Any]], path: Path) -> None:
    """Loss, and validation errors [m], over the epochs.

    Args:
        log: Entries with ``epoch``, ``train`` and ``val``; at least one.
        path: Of the picture.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(11, 4))
    epochs = [entry["epoch"] for entry in log]
    for split, style in (("train", "o--"), ("val", "o-")):
        axes[0].plot(epochs, [entry[split]["loss"] for entry in log], style, markersize=3, label=split)
    axes[0].set(xlabel="epoch", ylabel="loss")
    without_plans = not log[-1]["val"].get("affected", 1.0)
    for name, label in _SHOWN.items():
        if name.startswith("affected") and without_plans:
            continue
        if all(name in entry["val"] for entry in log):
            axes[1].plot(epochs, [entry["val"][name] for entry in log], "o-", markersize=3, label=label)
    axes[1].set(xlabel="epoch", ylabel="validation error [m]", ylim=(0, None))
    for axis in axes:
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.legend()
        axis.grid(alpha=0.3)
    figure.tight_layout()
    part = path.with_name(f".{path.name}")
    figure.savefig(part, dpi=100, format="png")
    plt.close(figure)
    part.replace(path)
