"""The card of a trained model: what it is, what it learned from, how good it is, and whose it is."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from zoox_stack.core.classes import AgentClass
from zoox_stack.prediction.what_if import REACTION_RANGE
from zoox_stack.training.checkpoints import Progress
from zoox_stack.training.config import FREE, TrainConfig

NO_LICENCE = "not stated"
_NOT_ROAD_USERS = (AgentClass.UNKNOWN, AgentClass.HAZARD)
_WHAT = (
    "Predicts every road user of a scene 8 s ahead (6 modes, 80 steps of 0.1 s) and how that changes under a plan of "
    "the ego."
)
_MEASURES = {
    "ade_1": "ADE of the likeliest mode [m]",
    "cv_ade": "ADE of constant velocity [m]",
    "min_ade_6": "minADE, 6 modes [m]",
    "fde_1": "FDE at 8 s of the likeliest mode [m]",
    "cv_fde": "FDE at 8 s of constant velocity [m]",
    "min_fde_6": "minFDE at 8 s, 6 modes [m]",
    "agents": "agents measured: they move more than 2 m",
    "affected": "futures that differ by more than 0.5 m from those under the first plan",
    "affected_min_ade_6_told": "their minADE of 6 modes when told the plan [m]",
    "affected_min_ade_6_not_told": "the same when not told [m]",
}


@dataclass(frozen=True)
class Exported:
    """What the export found.

    Attributes:
        run: Version: the beginning of the digest of the weights.
        parity: Largest difference between PyTorch and ONNX Runtime, by provider and file.
        half_difference: Largest difference of what is predicted from the encoder in half precision; its file is there
            only if that is small.
        sizes: Bytes, by file.
        parameters: Numbers learned, by file.
        surprise: Mean negative log probability of the nearest mode on the validation scenes, before the probabilities
            were calibrated and after [nats].
    """

    run: str
    parity: dict[str, dict[str, float]]
    half_difference: float
    sizes: dict[str, int]
    parameters: dict[str, int]
    surprise: tuple[float, float]


def model_card(name: str, licence: str, date: str, exported: Exported, progress: Progress) -> str:
    """The card as Markdown.

    Args:
        name: Of the model.
        licence: Of the weights.
        date: Of the export.
        exported: What the export found.
        progress: Of the run when its weights were kept.
    """
    best = progress.log[progress.best - 1]
    train, val = progress.data["train"], progress.data["val"]
    files = ", ".join(f"`{file}` ({size / 1e6:.1f} MB)" for file, size in exported.sizes.items())
    worst = ", ".join(f"{max(gaps.values()):.1e} ({provider})" for provider, gaps in exported.parity.items())
    facts = {
        "files": files,
        "parameters": " + ".join(f"{count:,}" for count in exported.parameters.values()),
        "trained on": f"{train['scenes']} scenes, until epoch {best['epoch']}{_from(progress.data)}",
        "exported": date,
        "PyTorch and ONNX Runtime differ by": f"{worst} at most, relative to 1 + the value",
        "predicted from half precision differs by": f"{exported.half_difference:.1e} at most",
        "surprise at the nearest mode": "{:.3f} nats, calibrated {:.3f}".format(*exported.surprise),
        "licence": licence,
    }
    lines = [
        f"# {name} {exported.run}", "",
        _WHAT,
        "", "| | |", "|---|---|", *(f"| {what} | {value} |" for what, value in facts.items()),
        "", "## Data", *_data("training", train), *_data("validation", val), *_before(progress.data),
        "", f"## Measured on the {val['scenes']} validation scenes", "| measure | |", "|---|---|",
        *_measured(best["val"]),
        "", "## Made by", "```", *commands(name, licence, progress), "```",
        "", "## Limits", _limits(train),
        f"Reactions are limited to agents within {REACTION_RANGE:g} m of the plan, and those who follow them.",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def commands(name: str, licence: str, progress: Progress) -> list[str]:
    """The commands that made a model, with the names of the sources in place of where they were."""
    stated = "" if licence == NO_LICENCE else f" --licence {licence}"
    return [*_trained(vars(progress), "RUN"), f"zoox-stack export --run RUN --out MODELS --name {name}{stated}"]


def _trained(run: dict[str, Any], out: str) -> list[str]:
    """The commands that trained a run, after those that trained the one it started from."""
    sources, start = run["data"]["train"]["sources"], run["data"].get("start")
    words = ["zoox-stack train --logs", *(source["name"] for source in sources)]
    if any(source["weight"] != 1 for source in sources):
        words += ["--weights", *(f"{source['weight']:g}" for source in sources)]
    for field in fields(TrainConfig):
        value = run["config"][field.name]
        if field.name not in FREE[1:] and value != getattr(TrainConfig(), field.name):
            words += [f"--{field.name.replace('_', '-')}", str(value)]
    if run["processes"] > 1:
        words[0] = f"torchrun --nproc-per-node {run['processes']} -m -- zoox_stack.cli train --logs"
    before = _trained(start, f"{out}_START") if start else []
    return [*before, " ".join([*words, *(["--from", f"{out}_START"] if start else []), "--out", out])]


def _from(data: dict[str, Any]) -> str:
    start = data.get("start")
    return f", from weights {start['weights'][:12]} (epoch {start['epoch']})" if start else ""


def _before(data: dict[str, Any]) -> list[str]:
    """What the runs learned from that this one started from, the latest first."""
    rows: list[str] = []
    while start := data.get("start"):
        data = start["data"]
        rows += _data(f"the training of weights {start['weights'][:12]}, started from", data["train"])
    return rows


def _measured(values: dict[str, float]) -> list[str]:
    """Rows of the measures that have a name here, and a line with the losses and whatever else there is."""
    hidden = () if values.get("affected", 1.0) else ("affected_min_ade_6_told", "affected_min_ade_6_not_told")
    rows = [f"| {text} | {values[key]:.4g} |" for key, text in _MEASURES.items() if key in values and key not in hidden]
    rest = ", ".join(f"{key} {value:.4g}" for key, value in values.items() if key not in _MEASURES)
    return [*rows, "", f"Losses: {rest}."]


def _data(what: str, data: dict[str, Any]) -> list[str]:
    rows = [
        f"| {source['name']} | {source['units']} {source['kind']} | {source['scenes']} | {source['weight']:g} |"
        for source in data["sources"]
    ]
    agents = ", ".join(f"{count:,} {kind}" for kind, count in data["agents"].items()) or "none"
    without = data["scenes_without_map"]
    return [
        "", f"For {what}:", "", "| source | | scenes | weight in training |", "|---|---|---|---|", *rows,
        "", f"Agents in all scenes together: {agents}."
        + (f" {without} of {data['scenes']} scenes have no map." if without else ""),
    ]  # fmt: skip


def _limits(train: dict[str, Any]) -> str:
    never = [kind.name.lower() for kind in AgentClass if kind not in _NOT_ROAD_USERS]
    never = [kind for kind in never if kind not in train["agents"]]
    unseen = f" Never seen in training: {', '.join(never)}." if never else ""
    return f"Knows only traffic as in its training data; elsewhere measure before use.{unseen}"
