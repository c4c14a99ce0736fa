"""Make the tables and pictures of docs/prediction.md again, from a model and data that this script simulates itself.

Recordings are looked for in $ZOOX_STACK_DATA, else in ../shared/data, and left out where there are none; nothing but
their numbers is written. ``python scripts/make_prediction_tables.py --work DIR`` keeps what it makes in DIR, and does
not make it again.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from common import KNOWN, ROOT, UNKNOWN, command, converted, counterfactual_set, ngsim_cuts, recorded_drives

from zoox_stack.prediction.network import SHIPPED_MODELS

BEGIN, END = "<!-- tables -->", "<!-- end of tables -->"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="folder with the two ONNX files (default: the ones shipped)")
    parser.add_argument("--work", type=Path, required=True, help="folder for logs, bags and results")
    parser.add_argument("--seed", type=int, default=101, help="of the simulated towns, not one learned from")
    parser.add_argument("--jobs", default="2")
    parser.add_argument(
        "--without",
        nargs="*",
        default=[],
        metavar="PART=DIR",
        help="models trained alike without a part, and one with all: nothing=DIR",
    )
    parser.add_argument("--fine-tuned", type=Path, help="model that scripts/fine_tune_on_recordings.py made")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "prediction.md")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    logs = simulated(args)
    model = () if args.model is None else ("--model", str(args.model))
    found = {name: evaluated("prediction", path, args, model) for name, path in logs.items()}
    asked = {name: evaluated("what-if", path, args, model) for name, path in counterfactuals(args).items()}
    recorded = {name: evaluated("prediction", path, args, model, "--past-motion") for name, path in recordings(args)}
    parts = [prediction_table(found | recorded), what_if_table(asked)]
    if args.fine_tuned is not None:
        parts.append(fine_tuned_table(args, model))
    others = dict(word.split("=", 1) for word in args.without)
    if others:
        parts.append(without_table(args, logs, asked, others))
    text = args.page.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    one = next(iter(asked.values()))
    made = "\n\n".join([f"Model {one['model']}, {one['machine']}, {one['date']}.", *parts])
    args.page.write_text(f"{head}{BEGIN}\n{made}\n{END}{rest.partition(END)[2]}", encoding="utf-8")
    return 0


def simulated(args: argparse.Namespace) -> dict[str, Path]:
    """Logs of every town, made if they are not there."""
    folders = {"simulated, layouts learned from": KNOWN, "simulated, other towns": UNKNOWN}
    logs = {}
    for name, towns in folders.items():
        logs[name] = args.work / ("known" if towns is KNOWN else "unknown")
        for town in towns:
            for seed in range(args.seed, args.seed + (1 if towns is KNOWN else 3)):
                bag = logs[name] / f"{town}_{seed}"
                if not bag.exists():
                    command("simulate", "--town", town, "--seed", str(seed), "--duration", "60", "--no-sensors",
                            "--out", str(bag))  # fmt: skip
    return logs


def counterfactuals(args: argparse.Namespace) -> dict[str, Path]:
    """Counterfactual sets of both kinds of towns."""
    known = ("signal_grid", "arterial", "roundabout", "downtown", "village", "bus_and_bike")
    sets = {}
    for name, towns in {"layouts learned from": known, "other towns": UNKNOWN}.items():
        sets[name] = args.work / f"what_if_{'known' if towns is known else 'unknown'}"
        counterfactual_set(sets[name], 80, args.seed, args.jobs, towns, range(31, 35))
    return sets


def recordings(args: argparse.Namespace) -> list[tuple[str, Path]]:
    """Bags of the recorded drives, by the name of their data set."""
    sets = {
        **{
            f"NGSIM {place}, cuts not learned from": ("ngsim-commonroad", cuts)
            for place, cuts in ngsim_cuts(args.work, held_out=True).items()
        },
        **recorded_drives(),
    }
    found = []
    for name, (kind, files) in sets.items():
        folder = args.work / kind / name.split(",")[0].replace(" ", "_")
        for file in files:
            converted(kind, file, folder)
        if files:
            found.append((name, folder))
    return found


def evaluated(kind: str, data: Path, args: argparse.Namespace, model: Sequence[str], *more: str) -> dict[str, Any]:
    """What ``zoox-stack evaluate`` says about a model on data."""
    folder = Path(model[1]) if model else SHIPPED_MODELS
    digest = sha256(b"".join(path.read_bytes() for path in sorted(folder.glob("*.onnx")))).hexdigest()[:12]
    out: Path = args.work / "results" / f"{kind}_{data.parent.name}_{data.name}_{digest}.json"
    if not out.exists():
        out.parent.mkdir(parents=True, exist_ok=True)
        command("evaluate", kind, "--data", str(data), *model, "--json", "--jobs", args.jobs, *more, out=out)
    result: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return result


def row(*cells: object) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def prediction_table(found: dict[str, dict[str, Any]]) -> str:
    """Errors of the model beside those of the best physical rule, by data and class."""
    lines = [
        "**Prediction**, 8 s ahead, those who move; ratio: minADE of 6 modes by the error of the best physical rule",
        "",
        row("data", "class", "n", "minADE6 [m]", "best rule [m]", "ratio", "minFDE6 [m]", "missed by over 2 m",
            "ADE of the likeliest [m]", "ECE"),
        row(*["---"] * 10),
    ]  # fmt: skip
    for name, result in found.items():
        for kind, values in result["classes"].items():
            if not values["n"]:
                continue
            model, best = values["model"], min(values["baselines"].items(), key=lambda b: b[1]["minADE1_8s"])
            lines.append(
                row(name, kind, values["n"], f"{model['minADE6_8s']:.2f}", f"{best[1]['minADE1_8s']:.2f} ({best[0]})",
                    f"**{values['model_over_best_baseline']:.2f}**", f"{model['minFDE6_8s']:.2f}",
                    f"{model['miss_rate6_8s']:.0%}", f"{model['minADE1_8s']:.2f}", f"{values['ece']:.3f}")
            )  # fmt: skip
    lines += ["", "ECE over all classes: " + "; ".join(f"{name} {r['ece']:.3f}" for name, r in found.items()) + "."]
    return "\n".join(lines)


def what_if_table(found: dict[str, dict[str, Any]]) -> str:
    """Whether answers fit what happened under every plan."""
    lines = [
        "**What-if**, against what everyone did when each plan was driven (seeds not learned from)",
        "",
        row("", "affected", "told the plan [m]", "not told [m]", "another plan's answer [m]", "ratio",
            "who goes first AUC", "collision AUC", "change of the unaffected, median [m]"),
        row(*["---"] * 9),
    ]  # fmt: skip
    for name, result in found.items():
        hit = result["affected"]
        told, untold = hit["conditional_minADE6_8s"], hit["unconditional_minADE6_8s"]
        lines.append(
            row(name, hit["n"], f"{told:.2f}", f"{untold:.2f}", f"{hit['shuffled_minADE6_8s']:.2f}",
                f"**{told / untold:.2f}**", *(_number(result[key], digits) for key, digits in
                (("goes_first_auc", 2), ("collision_auc", 2), ("unaffected_median_change_m", 3))))
        )  # fmt: skip
    return "\n".join(lines)


def fine_tuned_table(args: argparse.Namespace, model: Sequence[str]) -> str:
    """The model, and what comes of it where it goes on learning from half of the recorded drives, on the other half."""
    lines = [
        "**Learning from half of each recorded data set** (its weights are not shipped), measured on the other half",
        "",
        "minADE of 6 modes over 8 s by the error of the best physical rule:",
        "",
        row("data", "class", "n", "as shipped", "learned on"),
        row(*["---"] * 5),
    ]
    for name, (kind, files) in recorded_drives().items():
        folder = args.work / "halves" / name.replace(" ", "_")
        for file in files[::2]:
            converted(kind, file, folder)
        before, after = (
            evaluated("prediction", folder, args, words, "--past-motion")["classes"]
            for words in (model, ("--model", str(args.fine_tuned)))
        )
        lines += [
            row(name, of, values["n"], *(f"{x[of]['model_over_best_baseline']:.2f}" for x in (before, after)))
            for of, values in before.items()
            if values["n"]
        ]
    return "\n".join(lines)


def without_table(
    args: argparse.Namespace,
    logs: dict[str, Path],
    asked: dict[str, dict[str, Any]],
    others: dict[str, str],
) -> str:
    """What each part of the network is worth."""
    lines = [
        "**Without a part**, trained alike",
        "",
        row(
            "without",
            *(f"{name}: vehicles, minADE6 [m]" for name in logs),
            *(f"{name}: told by not told" for name in asked),
        ),
        row(*["---"] * (1 + len(logs) + len(asked))),
    ]  # fmt: skip
    sets = counterfactuals(args)
    for part, folder in others.items():
        model = ("--model", folder)
        errors = [evaluated("prediction", path, args, model) for path in logs.values()]
        answers = [evaluated("what-if", path, args, model)["affected"] for path in sets.values()]
        lines.append(
            row(part, *(f"{e['classes']['vehicle']['model']['minADE6_8s']:.2f}" for e in errors),
                *(f"{a['conditional_minADE6_8s'] / a['unconditional_minADE6_8s']:.2f}" for a in answers))
        )  # fmt: skip
    return "\n".join(lines)


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


if __name__ == "__main__":
    sys.exit(main())
