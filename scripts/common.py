"""What the scripts that train and measure the shipped model share."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree as ET

import networkx as nx

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
ALTERED = re.compile(r"USA_US101-3\d")  # four cuts whose traffic was altered to be more critical
_PIECE = 8  # steps


def command(*words: str, out: Path | None = None) -> None:
    """Run ``zoox-stack``; its output goes into a file, which is complete or not there."""
    print("zoox-stack", *words, flush=True)
    pipe = subprocess.PIPE if out is not None else None
    done = subprocess.run([sys.executable, "-m", "zoox_stack.cli", *words], check=True, stdout=pipe)
    if out is not None:
        out.write_bytes(done.stdout)


def counterfactual_set(
    out: Path, scenes: int, seed: int, jobs: str, layouts: tuple[str, ...], seeds: Iterable[int]
) -> None:
    """Make a counterfactual set, or the rest of one."""
    words = ["--out", out, "--samples", scenes, "--seed", seed, "--jobs", jobs, "--town-seeds", *seeds]
    words = [*words, "--layouts", *layouts]
    print("make_training_set", *words, flush=True)
    module = "zoox_stack.simulation.make_training_set"
    subprocess.run([sys.executable, "-m", module, *map(str, words)], check=True)


def ngsim_cuts(work: Path, *, held_out: bool) -> dict[str, list[Path]]:
    """Files of NGSIM cuts that are learned from, or of those that are not, by place; empty without the data.

    Cuts of one recording overlap. The largest group of cuts that share pieces of anybody's motion is held out.
    """
    packed, folder = DATA / "ngsim_commonroad" / "ngsim_us101_lankershim.tar.xz", work / "ngsim_us101_lankershim"
    if not packed.is_file():
        return {}
    if not folder.exists():
        with tarfile.open(packed) as archive:
            archive.extractall(work, filter="data")
    groups = work / "ngsim_groups.json"
    if not groups.exists():
        cuts = [cut for cut in sorted(folder.glob("USA_*.xml")) if not ALTERED.match(cut.name)]
        groups.write_text(json.dumps(overlapping(cuts)), encoding="utf-8")
    found = {}
    for place, prefix in (("US-101", "USA_US101"), ("Lankershim", "USA_Lanker")):
        of_place = [group for group in json.loads(groups.read_text(encoding="utf-8")) if group[0].startswith(prefix)]
        wanted = of_place[-1:] if held_out else of_place[:-1]
        found[place] = sorted(folder / name for group in wanted for name in group)
    return found


def overlapping(cuts: list[Path]) -> list[list[str]]:
    """Groups of cuts by name, each with all that share a piece of motion with one of them; the largest last.

    A piece is the speeds of a vehicle of one length over `_PIECE` steps: nobody else drives the same to a millimetre
    per second.
    """
    graph: nx.Graph[str] = nx.Graph()
    seen: dict[tuple[object, ...], str] = {}
    for cut in cuts:
        graph.add_node(cut.name)
        for obstacle in ET.parse(cut).getroot().iter("obstacle"):
            length = obstacle.findtext("shape/rectangle/length")
            speeds = [
                round(float(text), 3)
                for state in [*obstacle.iter("initialState"), *obstacle.iter("state")]
                if (text := state.findtext("velocity/exact")) is not None
            ]
            for start in range(len(speeds) - _PIECE + 1):
                piece = (length, *speeds[start : start + _PIECE])
                if len(set(piece[1:])) > _PIECE // 2:  # who stands does nothing of its own
                    graph.add_edge(cut.name, seen.setdefault(piece, cut.name))
    groups = [sorted(group) for group in nx.connected_components(graph)]
    return sorted(groups, key=lambda group: (len(group), group))


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


def converted(kind: str, file: Path, folder: Path, *options: str) -> None:
    """A recording as a bag, unless it is there."""
    bag = folder / f"{file.stem}.mcap"
    if not bag.exists():
        folder.mkdir(parents=True, exist_ok=True)
        command("convert", kind, str(file), str(bag), *options, out=bag.with_suffix(".txt"))
