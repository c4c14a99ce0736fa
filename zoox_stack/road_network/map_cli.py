"""``zoox-stack map show``, ``check`` and ``convert``."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from zoox_stack.core.classes import AreaType, LaneType, LineType
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.road_network.importers.report import ImportReport, report_of
from zoox_stack.road_network.loading import FORMATS, load_map
from zoox_stack.road_network.map_finding import Finding, Severity
from zoox_stack.road_network.network import RoadNetwork

_TOWN = "town:"
_FORMATS = (
    "MAP is a "
    + ", ".join(form.description for form in FORMATS.values())
    + f", or {_TOWN}NAME or {_TOWN}NAME:SEED for a simulated town."
)


def register(subparsers: Any) -> None:
    """Add ``map`` to the commands of a parser; the parsed arguments get ``func(args) -> exit code``."""
    parser = subparsers.add_parser("map", help="draw, check or convert a map", description=f"Look at maps. {_FORMATS}")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    show = _action(actions, "show", "draw a map as PNG and say what is in it", run_show)
    show.add_argument("--out", type=Path, metavar="PNG", help="where to (default: name of the map + .png, here)")
    show.add_argument("--ids", action="store_true", help="write the id of each lane")
    show.add_argument(
        "--around", type=float, nargs=3, metavar=("X", "Y", "REACH"), help="only the square around a place [m]"
    )
    _action(actions, "check", "say what is wrong with a map, where, and what to do; exit code 1 with errors", run_check)
    convert = _action(actions, "convert", "write a map as Lanelet2", run_convert)
    convert.add_argument("out", type=Path, metavar="OUT.osm")
    convert.add_argument(
        "--origin", type=float, nargs=2, metavar=("LAT", "LON"), default=(49.0, 8.4),
        help="where on earth to put the origin of the map frame [deg] (default: 49.0 8.4)",
    )  # fmt: skip


def _action(actions: Any, name: str, words: str, function: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(name, help=words, description=f"{words}. {_FORMATS}")
    parser.add_argument("map", type=Path, metavar="MAP")
    parser.add_argument("--format", choices=("auto", *FORMATS), default="auto", help="default: what the contents say")
    parser.add_argument("--json", action="store_true", help="print as JSON")
    parser.set_defaults(func=function)
    return parser


def _load(args: argparse.Namespace) -> tuple[RoadNetwork, ImportReport]:
    """The map of the command line."""
    return load_map_or_town(str(args.map), args.format)


def load_map_or_town(text: str, kind: str = "auto") -> tuple[RoadNetwork, ImportReport]:
    """The map that a command line names: a file, or ``town:NAME:SEED`` for a simulated town.

    Args:
        text: Path or town.
        kind: Of the file, see `load_map`.

    Raises:
        InvalidInputError: See `load_map`; a seed that is none.
        ConfigurationError: Unknown town, or SUMO is not installed.
    """
    if not text.startswith(_TOWN):
        return load_map(text, kind)
    from zoox_stack.simulation.towns import build_town

    name, _, seed = text.removeprefix(_TOWN).partition(":")
    if not (seed or "1").isdecimal():
        raise InvalidInputError(text, f"{_TOWN}NAME:SEED with a whole number >= 0", repr(seed))
    with tempfile.TemporaryDirectory() as folder:
        net = build_town(name, int(seed or "1"), Path(folder)).net
    return net.network, report_of(net.network, "simulated town", lane_rows=net.lane_rows)


def describe(network: RoadNetwork) -> dict[str, Any]:
    """What a map holds, ready for JSON."""

    def kinds(enum: Any, values: Any) -> dict[str, int]:
        return {e.name.lower(): int((values == e).sum()) for e in enum if (values == e).any()}

    points = [t.values[:, :2] for t in (network.centre_lines, network.areas, network.lines) if len(t.values)]
    low, high = (f(np.concatenate(points), axis=0).round(2).tolist() if points else None for f in (np.min, np.max))
    steps = np.hypot(*np.diff(network.centre_lines.values[:, :2], axis=0).T) if points else np.zeros(0)
    within = np.diff(network.centre_lines.row_of_value()) == 0
    return {
        "name": network.name,
        "low": low,
        "high": high,
        "lanes": kinds(LaneType, network.lane_types),
        "lane_km": round(float(steps[within].sum()) / 1000, 3) if len(steps) else 0.0,
        "lines": kinds(LineType, network.line_types),
        "areas": kinds(AreaType, network.area_types),
        "signals": len(network.signal_ids),
        "successors": len(network.successors.values),
        "give_way_links": len(network.yields.values),
    }


def run_show(args: argparse.Namespace) -> int:
    """0; a map that cannot be read or drawn is an error."""
    from zoox_stack.road_network.drawing import draw_map  # matplotlib takes a second

    network, report = _load(args)
    name = network.name if str(args.map).startswith(_TOWN) else args.map.name.split(".")[0]
    out = args.out or Path(f"{name or 'map'}.png")
    figure = draw_map(network, ids=args.ids, around=tuple(args.around) if args.around else None)
    try:
        figure.savefig(out)
    except (OSError, ValueError) as error:
        raise InvalidInputError(str(out), "a place for a PNG file", str(error)) from error
    if args.json:
        print(json.dumps({"out": str(out), **describe(network), "import": report.as_dict()}, indent=2))
        return 0
    print(report.as_text())
    about = describe(network)
    for name in ("lanes", "lines", "areas"):
        print(f"  {name}: {', '.join(f'{count} {kind}' for kind, count in about[name].items()) or 'none'}")
    print(f"  signals: {about['signals']}; {about['lane_km']} km of lanes")
    print(f"{out}")
    return 0


def run_check(args: argparse.Namespace) -> int:
    """0 without errors in the map, 1 with; a map that cannot be read is an error of its own (2)."""
    from zoox_stack.road_network.checks import check_map

    network, report = _load(args)
    findings = [_named(finding, report) for finding in check_map(network)]
    counts = Counter(finding.severity for finding in findings)
    summary = {severity.name.lower() + "s": counts[severity] for severity in Severity}
    if args.json:
        result = {"map": str(args.map), "format": report.file_format, "lanes": len(network.lane_ids), **summary}
        print(json.dumps({**result, "findings": [finding.as_dict() for finding in findings]}, indent=2))
    else:
        for finding in findings:
            print(_line(finding))
        words = ", ".join(f"{count} {name}" for name, count in summary.items())
        print(f"{args.map} ({report.file_format}, {len(network.lane_ids)} lanes): {words}")
    return int(counts[Severity.ERROR] > 0)


def _named(finding: Finding, report: ImportReport) -> Finding:
    """The finding with what the file calls its element, where ids are row numbers."""
    name = report.names.get(finding.element)
    return finding if name is None else replace(finding, element=f"{finding.element} ({name})")


def _line(finding: Finding) -> str:
    place = "" if np.isnan(finding.x) else f" at ({finding.x:.1f}, {finding.y:.1f})"
    return f"{finding.severity.name.lower():7} {finding.element}{place}: {finding.text}; {finding.remedy}"


def run_convert(args: argparse.Namespace) -> int:
    """0; a map that cannot be read or written is an error."""
    from zoox_stack.road_network.exporters.lanelet2_osm import save_lanelet2

    network, _ = _load(args)
    save_lanelet2(network, args.out, origin=tuple(args.origin))
    written = {"out": str(args.out), "lanes": len(network.lane_ids), "origin": list(args.origin)}
    print(json.dumps(written) if args.json else f"{args.out}: {len(network.lane_ids)} lanes")
    return 0
