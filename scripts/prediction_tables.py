"""Tables and lists of pictures of docs/prediction.md, from what ``zoox-stack evaluate ... --json`` prints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from shutil import copyfile
from typing import Any

Results = dict[str, dict[str, Any]]  # by the name of the data

_SCENES = (
    "The scenes are chosen by a rule that knows the error alone ([which](prediction-evaluation.md#pictures)): of each "
    "class, rarest first, at even ranks from the best (0 %) to the worst (100 %). Black is what followed, colours are "
    "the modes, the stronger the more probable, numbers their probability in %."
)
_ANSWERS = (
    "The scenes are those in which plans change most ([which](what-if-evaluation.md#pictures)): those with the most "
    "pairs of affected road user and plan. How good the answers are plays no part in the choice."
)
_HORIZONS = (
    "**At 3, 5 and 8 s**: mean distance over the time until then, and share missed by over 2 m then, of the best of 6 "
    "modes and of each rule"
)
_CERTAINTY = (
    "**How sure, and where**: ECE of the mode probabilities, share of truths inside the ellipses that should hold 50, "
    "90 and 95 %, share of vehicles' predicted steps that are off the road"
)
_WHAT_IF = (
    "**What-if**, against what everyone did when each plan was driven (seeds not learned from): minADE of 6 modes over "
    "8 s of those affected"
)
_EVENTS = (
    "Who goes first, from the predicted futures and by the answer's own word (of the pairs for which it has one); "
    "collisions; and how much predictions change of those whom no plan affects"
)
_FINE_TUNED = (
    "**Learning from half of each recorded data set** (its weights are not shipped), measured on the other half: "
    "minADE of 6 modes over 8 s by the error of the best physical rule. NGSIM has no row, it was learned from already."
)
_WITHOUT = (
    "**Without a part**: small runs of `python scripts/train_shipped_model.py --ablations`, alike but for that part, "
    "far shorter than that of the model above and from one seed each."
)
_PER_ROW = 3


def prediction_table(found: Results) -> str:
    """Errors over 8 s of the model and of every physical rule, by data and class."""
    rules = _rules(found)
    lines = [
        "**Prediction**, 8 s ahead, those who move; ratio: minADE of 6 modes by the error of the best physical rule",
        "",
        *_head("data", "class", "n", "minADE6 [m]", *(f"{rule} [m]" for rule in rules), "ratio", "minFDE6 [m]",
               "missed by over 2 m", "ADE of the likeliest [m]"),
    ]  # fmt: skip
    for name, kind, values in _classes(found):
        model = values["model"]
        lines.append(
            _row(name, kind, values["n"], _number(model["minADE6_8s"], 2),
                 *(_number(values["baselines"][rule]["minADE1_8s"], 2) for rule in rules),
                 f"**{_number(values['model_over_best_baseline'], 2)}**", _number(model["minFDE6_8s"], 2),
                 _share(model["miss_rate6_8s"]), _number(model["minADE1_8s"], 2))
        )  # fmt: skip
    return "\n".join(lines)


def horizon_table(found: Results) -> str:
    """Errors at every horizon, the model beside the physical rules."""
    rules = _rules(found)
    lines = [
        _HORIZONS,
        "",
        *_head("data", "class", "s", "n", "model [m]", "missed", "Brier-minFDE6 [m]", "NLL [nats]",
               *(head for rule in rules for head in (f"{rule} [m]", "missed"))),
    ]  # fmt: skip
    for name, kind, values in _classes(found):
        for when, n in values["samples"].items():
            model, others = values["model"], [values["baselines"][rule] for rule in rules]
            lines.append(
                _row(name, kind, when.removesuffix("s"), n, _number(model[f"minADE6_{when}"], 2),
                     _share(model[f"miss_rate6_{when}"]), _number(model[f"brier_minFDE6_{when}"], 2),
                     _number(model[f"nll_{when}"], 2),
                     *(cell for other in others for cell in
                       (_number(other[f"minADE1_{when}"], 2), _share(other[f"miss_rate1_{when}"]))))
            )  # fmt: skip
    return "\n".join(lines)


def certainty_table(found: Results) -> str:
    """Calibration of probabilities and covariances, and steps off the road."""
    rules = _rules(found)
    lines = [
        _CERTAINTY,
        "",
        *_head("data", "class", "ECE", "ECE of the likeliest", "50 %", "90 %", "95 %", "off road: model", *rules),
    ]
    for name, result in found.items():
        road = [_share(result["off_road"][way]["steps"]) for way in ("model", *rules)]
        likeliest = _number(result["ece_likeliest"], 3)
        lines.append(_row(name, "all", _number(result["ece"], 3), likeliest, *_covered(result), *road))
        lines += [
            _row("", kind, _number(values["ece"], 3), "", *_covered(values), *[""] * len(road))
            for _, kind, values in _classes({name: result})
        ]
    return "\n".join(lines)


def what_if_table(found: Results) -> str:
    """Whether answers fit what happened under every plan."""
    lines = [
        _WHAT_IF,
        "",
        *_head("", "affected", "told the plan [m]", "not told [m]", "plan masked [m]", "another plan's answer [m]",
               "cv [m]", "ratio"),
    ]  # fmt: skip
    for name, result in found.items():
        hit = result["affected"]
        errors = ("conditional_minADE6_8s", "unconditional_minADE6_8s", "masked_minADE6_8s", "shuffled_minADE6_8s",
                  "constant_velocity_ADE_8s")  # fmt: skip
        lines.append(_row(name, hit["n"], *(_number(hit[key], 2) for key in errors), f"**{_number(hit['ratio'], 2)}**"))
    lines += [
        "",
        _EVENTS,
        "",
        *_head("", "first: AUC", "first: AUC of the answer's own", "collision AUC", "Brier skill", "collision is",
               "unaffected, median [m]", "of these beside the ego, median [m]"),
    ]  # fmt: skip
    for name, result in found.items():
        first, left = result["goes_first"], result["unaffected"]
        told = f"{_number(first['told_auc'], 2)} ({first['told']} of {first['n']})"
        lines.append(
            _row(name, _number(result["goes_first_auc"], 2), told, _number(result["collision_auc"], 2),
                 _number(result["collision_brier_skill"], 2), result["collision_event"].replace("_", " "),
                 _number(result["unaffected_median_change_m"], 3), _number(left["beside_median_change_m"], 3))
        )  # fmt: skip
    return "\n".join(lines)


def fine_tuned_table(before: Results, after: Results) -> str:
    """The model as shipped, and what comes of it where it goes on learning from a part of the recorded drives."""
    lines = [
        _FINE_TUNED,
        "",
        *_head("data", "class", "n", "as shipped", "learned on"),
    ]
    lines += [
        _row(name, kind, values["n"], *(_number(x["classes"][kind]["model_over_best_baseline"], 2) for x in
             (before[name], after[name])))
        for name, kind, values in _classes(before)
    ]  # fmt: skip
    return "\n".join(lines)


def without_table(errors: dict[str, Results], answers: dict[str, Results]) -> str:
    """What each part of the network is worth: results of models without one, by part and data."""
    one = next(iter(errors))
    lines = [
        _WITHOUT,
        "",
        *_head("without", *(f"{name}: vehicles, minADE6 [m]" for name in errors[one]),
               *(f"{name}: told by not told" for name in answers[one])),
    ]  # fmt: skip
    lines += [
        _row(part, *(_number(e["classes"]["vehicle"]["model"]["minADE6_8s"], 2) for e in errors[part].values()),
             *(_number(a["affected"]["ratio"], 2) for a in answers[part].values()))
        for part in errors
    ]  # fmt: skip
    return "\n".join(lines)


def scene_pictures(name: str, made: Sequence[str], folder: Path, page: Path) -> str:
    """Copy pictures of predictions beside the page, and the text that shows them."""
    paths = _kept(made, folder)
    scenes = [path for path in paths if path.stem != "reliability"]
    cells = [f"![{_said(path)}]({path.relative_to(page.parent).as_posix()})" for path in scenes]
    rows = [cells[n : n + _PER_ROW] + [""] * (n + _PER_ROW - len(cells)) for n in range(0, len(cells), _PER_ROW)]
    reliability = next(path for path in paths if path.stem == "reliability").relative_to(page.parent).as_posix()
    return "\n".join([
        f"**{len(scenes)} scenes** ({name}). {_SCENES}", "", *_head(*[""] * _PER_ROW), *(_row(*row) for row in rows),
        "", f"![How often modes of a probability were the nearest to the truth]({reliability})",
    ])  # fmt: skip


def answer_pictures(name: str, made: Sequence[str], folder: Path, page: Path) -> str:
    """Copy pictures of what-if answers beside the page, and the text that shows them."""
    paths = _kept(made, folder)
    links = [f"![{_said(path)}]({path.relative_to(page.parent).as_posix()})" for path in paths]
    return "\n\n".join([f"**{len(paths)} what-if questions** ({name}). {_ANSWERS}", *links])


def _kept(made: Sequence[str], folder: Path) -> list[Path]:
    """The pictures, and no older ones, in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    return [Path(copyfile(path, folder / Path(path).name)) for path in made]


def _said(path: Path) -> str:
    """``vehicle_0.33_scene_0076`` as words."""
    words = path.stem.split("_")
    return f"{words[0]}, rank {float(words[1]):.0%}" if words[-2] == "scene" else f"scene {int(words[-1])}"


def _classes(found: Results) -> list[tuple[str, str, dict[str, Any]]]:
    """Every class that somebody moved of at 8 s: name of the data, of the class, and its numbers."""
    return [
        (name, kind, values)
        for name, result in found.items()
        for kind, values in result["classes"].items()
        if values["n"]
    ]


def _rules(found: Results) -> list[str]:
    return list(dict.fromkeys(rule for _, _, values in _classes(found) for rule in values["baselines"]))


def _covered(part: dict[str, Any]) -> list[str]:
    return [_share(part["coverage"][share]) for share in ("50", "90", "95")]


def _head(*cells: str) -> list[str]:
    return [_row(*cells), _row(*["---"] * len(cells))]


def _row(*cells: object) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"
