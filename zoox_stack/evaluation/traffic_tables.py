"""Traffic statistics of several sources side by side, for people: terminal and Markdown."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoox_stack.core.classes import AgentClass
from zoox_stack.core.errors import ConfigurationError
from zoox_stack.evaluation.traffic_overlaps import SHRUNK

BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"
_CLASSES = (
    AgentClass.CAR, AgentClass.TRUCK, AgentClass.BUS, AgentClass.MOTORCYCLE, AgentClass.BICYCLE, AgentClass.PEDESTRIAN,
)  # fmt: skip
_UNKNOWN = "-"


@dataclass(frozen=True)
class Table:
    """Text in rows and columns.

    Attributes:
        title: What it shows.
        columns: Headings; the first is of the names of the rows.
        rows: Cells.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def statistics_tables(sources: Mapping[str, Mapping[str, Any]]) -> list[Table]:
    """Tables with one row per source.

    Args:
        sources: Results of `summarise` by name.
    """
    tables = [
        _table(
            "Road users: mean number present (those that travel, of all)", sources,
            {"recordings": lambda s: str(s["recordings"]), "time [s]": lambda s: f"{s['seconds']:.0f}"}
            | {_name(kind): _agents(kind) for kind in _CLASSES},
        ),
        _table(
            "Speed while moving [m/s]: mean, p50, p95 (samples)", sources,
            {_name(kind): _numbers(("speed", kind.name), "mean", "p50", "p95") for kind in _CLASSES},
        ),
    ]  # fmt: skip
    tables += [
        _table(
            f"Motion of {_name(kind)}: p1, p50, p99 (samples)", sources,
            {
                "longitudinal [m/s²]": _numbers(("longitudinal", kind.name), "p1", "p50", "p99"),
                "lateral [m/s²]": _numbers(("lateral", kind.name), "p1", "p50", "p99"),
                "jerk [m/s³]": _numbers(("jerk", kind.name), "p1", "p50", "p99"),
                "yaw rate [rad/s]": _numbers(("yaw_rate", kind.name), "p1", "p50", "p99"),
            },
        )
        for kind in (AgentClass.CAR, AgentClass.TRUCK, AgentClass.BICYCLE, AgentClass.PEDESTRIAN)
    ]  # fmt: skip
    tables += [
        _table(
            "Following and changing lanes", sources,
            {
                "time headway [s] p5, p50, p95": _numbers(("time_headway",), "p5", "p50", "p95"),
                "gap [m] p5, p50, p95": _numbers(("distance_gap",), "p5", "p50", "p95"),
                "gap in queues [m] p5, p50, p95": _numbers(("standing_gap",), "p5", "p50", "p95"),
                "least time to collision [s] p5, p50": _numbers(("time_to_collision",), "p5", "p50"),
                "pairs below 1.5 s": _share("pairs_below_1.5_s_to_collision", "following_pairs"),
                "following pairs whose boxes touch": lambda source: str(source["overlapping_pairs"]),
                "lane changes per vehicle-minute": _lane_changes,
            },
        ),
        _table(
            "Who passes before whom: p5, p50, p95 [s] (pairs)", sources,
            {"accepted gap": _numbers(("accepted_gap",), "p5", "p50", "p95")}
            | {
                f"post-encroachment, {pair}": _numbers(("post_encroachment", pair), "p5", "p50", "p95")
                for pair in ("vehicles and vehicles", "vehicles and bicycles", "vehicles and pedestrians")
            },
        ),
    ]  # fmt: skip
    tables += [_waiting_table(sources, group) for group in ("vehicles", "bicycles", "pedestrians")]
    return tables


def physics_table(sources: Mapping[str, Sequence[Mapping[str, Any]]]) -> Table:
    """Steps beyond the motion limits, one row per source.

    Args:
        sources: Results of `physics_violations` as JSON by name.
    """
    quantities = {"speed": "m/s", "acceleration": "m/s²", "yaw_rate": "rad/s", "jump": "m"}
    rows = []
    for name, checks in sources.items():
        cells = [name, f"{sum(c['steps'] for c in checks if c['quantity'] == 'speed'):,}"]
        for quantity, unit in quantities.items():
            broken = [c for c in checks if c["quantity"] == quantity and c["violations"]]
            parts = [f"{c['agent_class'].lower()} {c['violations']} (worst {c['worst']:.3g} {unit})" for c in broken]
            cells.append("; ".join(parts) or "0")
        rows.append(tuple(cells))
    columns = ("", "steps", *(quantity.replace("_", " ") for quantity in quantities))
    return Table("Steps beyond what is physically possible, over every road user and step", columns, tuple(rows))


def overlaps_table(sources: Mapping[str, Mapping[str, Any]]) -> Table:
    """Who drives through whom, one row per source.

    Args:
        sources: Results of `overlaps` as JSON by name.
    """
    rows = []
    for name, found in sources.items():
        worst = "; ".join(
            f"{' and '.join(kind.lower() for kind in one['classes'])} {one['seconds']:.1f} s at {one['since']:.0f} s"
            for one in found["worst"]
        )
        rows.append((name, str(found["pairs"]), f"{found['seconds']:.1f}", f"{found['share']:.2%}", worst or _UNKNOWN))
    columns = ("", "pairs", "in all [s]", "share of the time of vehicles under way", "the longest")
    return Table(f"Vehicles whose boxes, {SHRUNK} m smaller, overlap with others or with people", columns, tuple(rows))


def markdown(tables: Sequence[Table]) -> str:
    """Tables as Markdown."""
    lines: list[str] = []
    for table in tables:
        lines += [f"**{table.title}**", ""]
        lines += ["| " + " | ".join(table.columns) + " |", "|" + "---|" * len(table.columns)]
        lines += ["| " + " | ".join(row) + " |" for row in table.rows] + [""]
    return "\n".join(lines)


def check_page(path: Path) -> None:
    """Check that tables can be put into a Markdown file, before they are made.

    Raises:
        ConfigurationError: It is there without the comments `BEGIN` and `END`, or cannot be written.
    """
    folder = path.absolute().parent
    if not folder.is_dir():
        raise ConfigurationError(f"{path}: expected a file in a folder that exists, found no folder {folder}")
    if not os.access(path if path.exists() else folder, os.W_OK) or path.is_dir():
        raise ConfigurationError(f"{path}: expected a file that can be written")
    _parts(path)


def replace_tables(path: Path, tables: Sequence[Table], note: str) -> None:
    """Put tables into a Markdown file, between the comments `BEGIN` and `END`; a new file is made of them alone.

    Args:
        path: The file.
        tables: What to write.
        note: A line above them: how they were made.

    Raises:
        ConfigurationError: The file is there but has not both comments.
    """
    before, after = _parts(path)
    path.write_text(f"{before}{BEGIN}\n{note}\n\n{markdown(tables)}{END}{after}")


def _parts(path: Path) -> tuple[str, str]:
    """What stands before and after the tables."""
    text = path.read_text() if path.exists() else f"{BEGIN}\n{END}\n"
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ConfigurationError(f"{path}: expected the lines {BEGIN} and {END}, found a file without them")
    return before, after


def print_tables(tables: Sequence[Table]) -> None:
    """Tables to standard output: laid out for a terminal, Markdown for a file or a pipe."""
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table as RichTable

    console = Console()
    if not console.is_terminal:
        print(markdown(tables), end="")
        return
    for table in tables:
        shown = RichTable(*map(escape, table.columns), box=SIMPLE, title=escape(table.title), title_justify="left")
        for row in table.rows:
            shown.add_row(*map(escape, row))
        console.print(shown)


_Cell = Callable[[Mapping[str, Any]], str]


def _waiting_table(sources: Mapping[str, Mapping[str, Any]], group: str) -> Table:
    return _table(
        f"Waiting of {group}", sources,
        {
            "stop [s] p5, p50, p95": _numbers(("stop", group), "p5", "p50", "p95"),
            "stops cut off": lambda source: str(source["stops_cut_off"][group]),
            "standing per road user [s] mean, p50, p95": _numbers(("standing_per_agent", group), "mean", "p50", "p95"),
            "share of time standing": _group_rate("standing_share", group, percent=True),
            "stops per minute": _group_rate("stops_per_minute", group),
        },
    )  # fmt: skip


def _table(title: str, sources: Mapping[str, Mapping[str, Any]], columns: Mapping[str, _Cell]) -> Table:
    rows = tuple((name, *(cell(source) for cell in columns.values())) for name, source in sources.items())
    return Table(title, ("", *columns), rows)


def _name(kind: AgentClass) -> str:
    return {AgentClass.BUS: "buses"}.get(kind, f"{kind.name.lower()}s")


def _number(value: float | None) -> str:
    if value is None:
        return _UNKNOWN
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _agents(kind: AgentClass) -> _Cell:
    def cell(source: Mapping[str, Any]) -> str:
        counts = source["agents"].get(kind.name)
        if counts is None:
            return "0"
        return f"{counts['mean_present']:.1f} ({counts['travelling']} of {counts['distinct']})"

    return cell


def _numbers(path: tuple[str, ...], *names: str) -> _Cell:
    def cell(source: Mapping[str, Any]) -> str:
        found: Any = source
        for key in path:
            found = found.get(key)
            if found is None:
                return _UNKNOWN
        if all(found[name] is None for name in names):
            return f"{_UNKNOWN} ({found['n']})"
        return f"{', '.join(_number(found[name]) for name in names)} ({found['n']})"

    return cell


def _share(part: str, whole: str) -> _Cell:
    def cell(source: Mapping[str, Any]) -> str:
        text = _UNKNOWN if source[part] is None else f"{source[part]:.1%}"
        return f"{text} (of {source[whole]})"

    return cell


def _lane_changes(source: Mapping[str, Any]) -> str:
    return f"{_number(source['lane_changes_per_minute'])} ({source['lane_changes']} in {source['lane_change_minutes']})"


def _group_rate(quantity: str, group: str, *, percent: bool = False) -> _Cell:
    def cell(source: Mapping[str, Any]) -> str:
        value = source[quantity][group]
        return _UNKNOWN if value is None else f"{value:.0%}" if percent else _number(value)

    return cell
