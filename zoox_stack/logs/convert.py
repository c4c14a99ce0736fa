"""``zoox-stack convert``: recorded drives of public datasets to self-contained bags."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from zoox_stack.core.errors import InvalidInputError, ZooxStackError
from zoox_stack.logs.drive import RecordedDrive, write_drive
from zoox_stack.logs.importers.av2 import load_av2_log
from zoox_stack.logs.importers.kitti_tracking import KittiFiles, load_kitti_sequence
from zoox_stack.logs.importers.ngsim_commonroad import load_commonroad_drive
from zoox_stack.logs.importers.scenarionet import load_nuscenes_scene
from zoox_stack.logs.importers.waymo_motion import load_waymo_scenario
from zoox_stack.logs.mcap_file import COMPRESSIONS


def register(subparsers: Any) -> None:
    """Add ``convert`` to the commands of a parser; the parsed arguments get ``func(args) -> exit code``."""
    parser = subparsers.add_parser(
        "convert",
        help="turn a recorded drive of a public dataset into a bag",
        description="Turn a recorded drive of a public dataset into a self-contained rosbag2 bag: map, route, "
        "odometry, LiDAR sweeps where there are any, detections, and the labels on a topic of their own.",
    )
    add_arguments(parser)
    parser.set_defaults(func=run)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The datasets as sub-commands, each with its own arguments."""
    datasets = parser.add_subparsers(dest="dataset", required=True, metavar="DATASET")
    av2 = datasets.add_parser("av2", help="Argoverse 2 sensor log")
    av2.add_argument("log_dir", type=Path, metavar="LOG_DIR", help="folder of the log")
    nuscenes = datasets.add_parser("nuscenes-scenarionet", help="nuScenes scene in a ScenarioNet pickle")
    nuscenes.add_argument("scene", type=Path, metavar="SCENE.pkl", help="read without running anything in it")
    kitti = datasets.add_parser("kitti-tracking", help="KITTI tracking sequence: detections and oxts")
    kitti.add_argument(
        "--detections", type=Path, nargs="+", required=True, metavar="PATH",
        help="files of detections, or folders with a file (in it or its sub-folders) named like the oxts file",
    )  # fmt: skip
    kitti.add_argument("--oxts", type=Path, required=True, metavar="FILE", help="GPS/IMU, one line per frame")
    kitti.add_argument("--calib", type=Path, required=True, metavar="FILE", help="calibration")
    kitti.add_argument("--labels", type=Path, metavar="FILE", help="labels, written as ground truth")
    waymo = datasets.add_parser(
        "waymo-motion",
        help="Waymo Open Motion scenario: TFRecord of Scenario protos, ScenarioNet .pkl or nocturne .json",
        description="The ego is the recording car; in nocturne's files, which do not name it, the vehicle that is "
        "there longest, of several the one nearest to the middle of the traffic.",
    )
    waymo.add_argument("file", type=Path, metavar="FILE", help="told apart by .pkl, .json, anything else is a TFRecord")
    waymo.add_argument("--scenario", metavar="ID", help="which one, where the file has several")
    commonroad = datasets.add_parser(
        "ngsim-commonroad",
        help="recorded traffic (NGSIM) in a CommonRoad scenario: .xml, versions 2018b and 2020a",
        description="There is no recording car in these files: the ego is the vehicle that is there longest, of "
        "several the one nearest to the middle of the traffic.",
    )
    commonroad.add_argument("file", type=Path, metavar="FILE.xml")
    commonroad.add_argument("--without-map", action="store_true", help="the traffic only")
    for dataset in (av2, nuscenes, kitti, waymo, commonroad):
        dataset.add_argument("out", type=Path, metavar="OUT", help="OUT.mcap: one file; otherwise a rosbag2 directory")
        dataset.add_argument("--compression", choices=COMPRESSIONS, default="lz4", help="of the bag (default: lz4)")
        dataset.add_argument("--json", action="store_true", help="print the summary as JSON")


def _commonroad(file: Path, *, without_map: bool) -> RecordedDrive:
    drive = load_commonroad_drive(file)
    return replace(drive, road_network=None) if without_map else drive


_LOADERS: dict[str, Callable[[argparse.Namespace], RecordedDrive]] = {
    "av2": lambda args: load_av2_log(args.log_dir),
    "nuscenes-scenarionet": lambda args: load_nuscenes_scene(args.scene),
    "kitti-tracking": lambda args: load_kitti_sequence(
        KittiFiles(tuple(args.detections), args.oxts, args.calib, args.labels)
    ),
    "waymo-motion": lambda args: load_waymo_scenario(args.file, args.scenario),
    "ngsim-commonroad": lambda args: _commonroad(args.file, without_map=args.without_map),
}


def run(args: argparse.Namespace) -> int:
    """Convert; 0 if the bag was written, 1 with the reason on stderr if not."""
    console = Console(stderr=True)
    try:
        if args.out.exists():
            raise InvalidInputError(str(args.out), "a new bag", "a file or folder of that name", "Choose another name")
        drive = _LOADERS[args.dataset](args)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            task = progress.add_task(drive.name, total=None)
            counts = write_drive(
                drive,
                args.out,
                lambda done, total: progress.update(task, completed=done, total=total),
                compression=args.compression,
            )
    except (ZooxStackError, OSError) as error:
        print(f"zoox-stack convert: {error}", file=sys.stderr)
        return 1
    summary = summarise(drive, args.out, counts)
    if args.json:
        print(json.dumps(summary, indent=2))
    else:
        _print_summary(summary)
    return 0


def summarise(drive: RecordedDrive, out: Path, counts: dict[str, int]) -> dict[str, Any]:
    """What was written and what was not, ready for JSON."""
    end = max(items[-1].stamp_ns for items in (drive.ego, drive.detections, drive.ground_truth) if items)
    network = drive.road_network
    return {
        "out": str(out),
        "drive": drive.name,
        "duration_s": round((end - drive.start_ns) * 1e-9, 3),
        "topics": counts,
        "detections": sum(len(frame) for frame in drive.detections),
        "ground_truth_boxes": sum(len(scene) for scene in drive.ground_truth),
        "lanes": 0 if network is None else len(network.lane_ids),
        "unknown_classes": dict(drive.unknown_classes),
        "skipped": dict(drive.skipped),
    }


def _print_summary(summary: dict[str, Any]) -> None:
    print(f"{summary['out']}: {summary['drive']}, {summary['duration_s']} s")
    for topic, count in summary["topics"].items():
        print(f"  {count:6d}  {topic}")
    for thing in ("detections", "ground_truth_boxes", "lanes"):
        print(f"  {summary[thing]:6d}  {thing.replace('_', ' ')}")
    for name, count in summary["unknown_classes"].items():
        print(f"  {count:6d}  boxes of unknown class {name!r}, written as UNKNOWN")
    for reason, count in summary["skipped"].items():
        print(f"  {count:6d}  left out: {reason}")
