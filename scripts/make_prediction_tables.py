"""Make the tables and pictures of docs/prediction.md again, from a model and data that this script simulates itself.

Recordings are looked for in $ZOOX_STACK_DATA, else in ../shared/data, and left out where there are none; nothing but
their numbers is written. Pictures, in docs/images/prediction and docs/images/what_if, are of simulated towns alone.
``python scripts/make_prediction_tables.py --work DIR`` keeps what it makes in DIR, and does not make it again.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import prediction_tables as tables
from common import KNOWN, ROOT, UNKNOWN, command, converted, counterfactual_set, ngsim_cuts, recorded_drives

from zoox_stack.prediction.network import SHIPPED_MODELS

BEGIN, END = "<!-- tables -->", "<!-- end of tables -->"
OTHER, OTHER_SETS = "simulated, other towns", "other towns"


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
    logs, sets = simulated(args), counterfactuals(args)
    model = () if args.model is None else ("--model", str(args.model))
    found = {name: evaluated("prediction", path, args, model, draw=name == OTHER) for name, path in logs.items()}
    asked = {name: evaluated("what-if", path, args, model, draw=name == OTHER_SETS) for name, path in sets.items()}
    recorded = {name: evaluated("prediction", path, args, model, "--past-motion") for name, path in recordings(args)}
    every = found | recorded
    parts = [
        tables.prediction_table(every),
        tables.horizon_table(every),
        tables.certainty_table(every),
        tables.what_if_table(asked),
    ]
    if args.fine_tuned is not None:
        parts.append(tables.fine_tuned_table(*halves(args, model)))
    if args.without:
        models = {part: ("--model", folder) for part, folder in (word.split("=", 1) for word in args.without)}
        errors, answers = (
            {part: {name: evaluated(kind, path, args, words) for name, path in data.items()}
             for part, words in models.items()}
            for kind, data in (("prediction", logs), ("what-if", sets))
        )  # fmt: skip
        parts.append(tables.without_table(errors, answers))
    images = args.page.parent / "images"
    parts += [
        tables.scene_pictures(OTHER, found[OTHER]["pictures"], images / "prediction", args.page),
        tables.answer_pictures(OTHER_SETS, asked[OTHER_SETS]["pictures"], images / "what_if", args.page),
    ]
    text = args.page.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    one = next(iter(asked.values()))
    made = "\n\n".join([f"Model {one['model']}, {one['machine']}, {one['date']}.", *parts])
    args.page.write_text(f"{head}{BEGIN}\n{made}\n{END}{rest.partition(END)[2]}", encoding="utf-8")
    return 0


def simulated(args: argparse.Namespace) -> dict[str, Path]:
    """Logs of every town, made if they are not there."""
    folders = {"simulated, layouts learned from": KNOWN, OTHER: UNKNOWN}
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
    for name, towns in {"layouts learned from": known, OTHER_SETS: UNKNOWN}.items():
        sets[name] = args.work / f"what_if_{'known' if towns is known else 'unknown'}"
        counterfactual_set(sets[name], 80, args.seed, args.jobs, towns, range(31, 35))
    return sets


def recordings(args: argparse.Namespace) -> list[tuple[str, Path]]:
    """Bags of the recorded drives, by the name of their data set."""
    sets = {
        **{
            f"NGSIM {place}, learned from (other cuts)": ("ngsim-commonroad", cuts)
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


def evaluated(
    kind: str, data: Path, args: argparse.Namespace, model: Sequence[str], *more: str, draw: bool = False
) -> dict[str, Any]:
    """What ``zoox-stack evaluate`` says about a model on data, with pictures of it or without."""
    folder = Path(model[1]) if model else SHIPPED_MODELS
    digest = sha256(b"".join(path.read_bytes() for path in sorted(folder.glob("*.onnx")))).hexdigest()[:12]
    name = f"{kind}_{data.parent.name}_{data.name}_{digest}"
    out: Path = args.work / "results" / f"{name}{'_drawn' if draw else ''}.json"
    if not out.exists():
        out.parent.mkdir(parents=True, exist_ok=True)
        drawing = ("--pictures", str(args.work / "pictures" / name)) if draw else ()
        command("evaluate", kind, "--data", str(data), *model, "--json", "--jobs", args.jobs, *more, *drawing, out=out)
    result: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return result


def halves(args: argparse.Namespace, model: Sequence[str]) -> tuple[tables.Results, tables.Results]:
    """On the half of each recorded data set that was not learned from: the model, and the one that went on learning."""
    before, after = {}, {}
    for name, (kind, files) in recorded_drives().items():
        folder = args.work / "halves" / name.replace(" ", "_")
        for file in files[::2]:
            converted(kind, file, folder)
        before[name] = evaluated("prediction", folder, args, model, "--past-motion")
        after[name] = evaluated("prediction", folder, args, ("--model", str(args.fine_tuned)), "--past-motion")
    return before, after


if __name__ == "__main__":
    sys.exit(main())
