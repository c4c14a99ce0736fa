"""Make the tables of docs/traffic-realism.md again: every town beside the recordings (about ten minutes on two cores).

The recordings are looked for in $ZOOX_STACK_DATA, else in ../shared/data; they are not part of the project, and nothing
but their statistics is written.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("ZOOX_STACK_DATA", ROOT.parent / "shared" / "data"))


def logs(folder: Path) -> list[str]:
    """Logs to compare with; the NGSIM cuts are unpacked into `folder`.

    Four cuts of US-101 (30 to 33) are left out: their traffic was altered to be more critical.
    """
    with tarfile.open(DATA / "ngsim_commonroad" / "ngsim_us101_lankershim.tar.xz") as packed:
        packed.extractall(folder, filter="data")
    ngsim = folder / "ngsim_us101_lankershim"
    return [
        f"NGSIM US-101={ngsim}/USA_US101-[!3]*.xml",
        f"NGSIM US-101={ngsim}/USA_US101-3_*.xml",
        f"NGSIM Lankershim={ngsim}/USA_Lanker-*.xml",
        f"Argoverse 2={DATA}/av2/[37]*",
        f"nuScenes={DATA}/nuscenes_mini/*.pkl",
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--towns", default="all")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--duration", default="600", help="simulated time per town [s]")
    parser.add_argument("--jobs", default="2", help="towns at a time")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "traffic-realism.md")
    args = parser.parse_args()
    if not DATA.is_dir():
        sys.exit(f"no recordings at {DATA}; set ZOOX_STACK_DATA")
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable, "-m", "zoox_stack.cli", "simulate", "statistics", "--towns", args.towns,
            "--seed", args.seed, "--duration", args.duration, "--jobs", args.jobs,
            "--markdown", str(args.out), "--compare", *logs(Path(folder)),
        ]  # fmt: skip
        return subprocess.run(command).returncode


if __name__ == "__main__":
    sys.exit(main())
