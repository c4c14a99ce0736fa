"""Let a trained run go on learning from half of the recorded drives: a measurement, whose weights are not shipped.

``python scripts/fine_tune_on_recordings.py --work DIR --run RUN --out MODELS``, then
``python scripts/make_prediction_tables.py --work DIR --fine-tuned MODELS``. Recordings are looked for in
$ZOOX_STACK_DATA, else in ../shared/data.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from common import command, converted, recorded_drives


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder for bags and the new run")
    parser.add_argument("--run", type=Path, required=True, help="folder of the run to go on from")
    parser.add_argument("--out", type=Path, required=True, help="folder for the ONNX files")
    parser.add_argument("--epochs", default="4")
    args = parser.parse_args()
    folder = args.work / "learned_half"
    for kind, files in recorded_drives().values():
        for file in files[1::2]:  # the other half is measured
            converted(kind, file, folder)
    if not folder.exists():
        print("no recorded drives: set ZOOX_STACK_DATA", file=sys.stderr)
        return 2
    run = args.work / "run_fine_tuned"
    command("train", "--logs", str(folder), "--from", str(args.run), "--out", str(run), "--epochs", args.epochs,
            "--every", "0.5", "--views", "3", "--rate", "0.0001", "--resume")  # fmt: skip
    command("export", "--run", str(run), "--out", str(args.out), "--name", "fine-tuned")
    return 0


if __name__ == "__main__":
    sys.exit(main())
