"""What the scripts that train and measure the shipped model share."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("ZOOX_STACK_DATA", ROOT.parent / "shared" / "data"))
KNOWN = (
    "signal_grid",
    "arterial",
    "priority_grid",
    "roundabout",
    "downtown",
    "village",
    "bus_and_bike",
    "motorway_ramp",
)
UNKNOWN = ("market_square", "random")  # of random, which is another town with every seed, other seeds are learned from
RANDOM_SEEDS = range(11, 23)
# Of NGSIM every third cut is kept out of training; four cuts of US-101 were altered to be more critical, and left out.
HELD_OUT_EVERY = 3


def command(*words: str, out: Path | None = None) -> None:
    """Run ``zoox-stack``; its output goes into a file, which is complete or not there."""
    print("zoox-stack", *words, flush=True)
    pipe = subprocess.PIPE if out is not None else None
    done = subprocess.run([sys.executable, "-m", "zoox_stack.cli", *words], check=True, stdout=pipe)
    if out is not None:
        out.write_bytes(done.stdout)


def counterfactual_set(out: Path, scenes: int, seed: int, jobs: str, layouts: tuple[str, ...], seeds: range) -> None:
    """Make a counterfactual set, or the rest of one."""
    words = ["--out", out, "--samples", scenes, "--seed", seed, "--jobs", jobs, "--town-seeds", *seeds]
    words = [*words, "--layouts", *layouts]
    print("make_training_set", *words, flush=True)
    module = "zoox_stack.simulation.make_training_set"
    subprocess.run([sys.executable, "-m", module, *map(str, words)], check=True)


def ngsim_cuts(work: Path, *, held_out: bool) -> dict[str, list[Path]]:
    """Files of NGSIM cuts that are learned from, or of those that are not, by place; empty without the data."""
    packed, folder = DATA / "ngsim_commonroad" / "ngsim_us101_lankershim.tar.xz", work / "ngsim_us101_lankershim"
    if not packed.is_file():
        return {}
    if not folder.exists():
        with tarfile.open(packed) as archive:
            archive.extractall(work, filter="data")
    us101 = [
        cut
        for cut in sorted(folder.glob("USA_US101-*.xml"))
        if not cut.name.startswith("USA_US101-3") or "-3_" in cut.name
    ]
    places = {"US-101": us101, "Lankershim": sorted(folder.glob("USA_Lanker-*.xml"))}
    return {
        place: [cut for number, cut in enumerate(cuts) if (number % HELD_OUT_EVERY == 0) == held_out]
        for place, cuts in places.items()
    }


def recorded_drives() -> dict[str, tuple[str, list[Path]]]:
    """By data set, as what to convert and the files; those of NGSIM apart. Empty without the data."""
    if not DATA.is_dir():
        return {}
    waymo = [path for path in (DATA / "waymo_motion").rglob("*") if path.suffix in (".pkl", ".json", ".tfrecord")]
    return {
        "Argoverse 2": ("av2", [p for p in sorted((DATA / "av2").iterdir()) if any(p.glob("annotations*.feather"))]),
        "nuScenes": ("nuscenes-scenarionet", sorted((DATA / "nuscenes_mini").glob("*.pkl"))),
        "Waymo motion": ("waymo-motion", sorted(waymo)),
    }


def converted(kind: str, file: Path, folder: Path) -> None:
    """A recording as a bag, unless it is there."""
    bag = folder / f"{file.stem}.mcap"
    if not bag.exists():
        folder.mkdir(parents=True, exist_ok=True)
        command("convert", kind, str(file), str(bag), out=bag.with_suffix(".txt"))
