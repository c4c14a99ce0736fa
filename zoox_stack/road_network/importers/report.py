"""What an importer read, what it became, and what was left out and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import AreaType, LaneType, LineType
from zoox_stack.road_network.network import RoadNetwork

_SHOWN_IDS = 8  # ids named per line of the text; `as_dict` has all


@dataclass(frozen=True)
class UsedElements:
    """Elements of a file that are in the map.

    Attributes:
        kind: Kind of element in the file, for example ``way``.
        subtype: What the file says it is, for example ``line_thin/dashed``.
        became: What it is in the map, for example ``lane boundary DASHED_WHITE``.
        count: How many.
    """

    kind: str
    subtype: str
    became: str
    count: int


@dataclass(frozen=True)
class LeftOutElements:
    """Elements of a file that are not in the map.

    Attributes:
        kind: Kind of element in the file.
        reason: Why.
        count: How many.
        ids: Their ids as in the file, where the importer knows them.
    """

    kind: str
    reason: str
    count: int
    ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class ImportReport:
    """Account of one import: every element of the file is used or left out.

    Attributes:
        source: Name of the file.
        file_format: For example ``Lanelet2 OSM``.
        totals: Elements in the file by kind.
        used: Elements in the map.
        left_out: Elements not in the map.
        notes: What else a person should know, for example values that were derived.
        names: Of elements whose ids are row numbers, what the file calls them: ``{"lane 7": "north_2"}``.
    """

    source: str
    file_format: str
    totals: Mapping[str, int]
    used: tuple[UsedElements, ...] = ()
    left_out: tuple[LeftOutElements, ...] = ()
    notes: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def unaccounted(self) -> dict[str, int]:
        """Elements neither used nor left out, by kind; empty if the account is complete."""
        rest = Counter(self.totals)
        for used in self.used:
            rest[used.kind] -= used.count
        for missing in self.left_out:
            rest[missing.kind] -= missing.count
        return {kind: count for kind, count in rest.items() if count}

    def became(self, what: str) -> int:
        """Number of elements that became something whose name starts with `what`."""
        return sum(row.count for row in self.used if row.became.startswith(what))

    def as_dict(self) -> dict[str, Any]:
        """The report as plain types, for JSON."""
        return {
            "source": self.source,
            "format": self.file_format,
            "totals": dict(self.totals),
            "used": [vars(row) for row in self.used],
            "left_out": [{**vars(row), "ids": list(row.ids)} for row in self.left_out],
            "unaccounted": self.unaccounted,
            "notes": list(self.notes),
        }

    def as_text(self) -> str:
        """A few lines for people."""
        lines = [f"{self.source} ({self.file_format}): {_listed(self.totals)}"]
        lines.append(f"  used: {sum(row.count for row in self.used)}")
        for use in self.used:
            what = " ".join(word for word in (use.kind, use.subtype) if word)
            lines.append(f"    {use.count:5d} {what} -> {use.became}")
        lines.append(f"  left out: {sum(row.count for row in self.left_out)}")
        for row in self.left_out:
            more = ", ..." if len(row.ids) > _SHOWN_IDS else ""
            named = f" ({', '.join(row.ids[:_SHOWN_IDS])}{more})" if row.ids else ""
            lines.append(f"    {row.count:5d} {row.kind}: {row.reason}{named}")
        if self.unaccounted:
            lines.append(f"  not accounted for: {_listed(self.unaccounted)}")
        return "\n".join(lines + [f"  note: {note}" for note in self.notes])


@dataclass
class ReportBuilder:
    """Collects the fate of every element; the first word about an element counts.

    Args:
        source: Name of the file.
        file_format: Its format.
    """

    source: str
    file_format: str
    totals: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    _used: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    _left_out: dict[tuple[str, str], str] = field(default_factory=dict)

    def use(self, kind: str, element: Any, subtype: str, became: str) -> None:
        """Element `element` (its id) of the file is in the map."""
        if not self.knows(kind, element):
            self._used[kind, str(element)] = (subtype, became)

    def leave(self, kind: str, element: Any, reason: str) -> None:
        """Element `element` (its id) of the file is not in the map."""
        if not self.knows(kind, element):
            self._left_out[kind, str(element)] = reason

    def knows(self, kind: str, element: Any) -> bool:
        """Whether the fate of an element has been told."""
        return (kind, str(element)) in self._used or (kind, str(element)) in self._left_out

    def is_used(self, kind: str, element: Any) -> bool:
        """Whether an element is in the map."""
        return (kind, str(element)) in self._used

    def report(self) -> ImportReport:
        """The account so far, in a stable order."""
        used = Counter((kind, *fate) for (kind, _), fate in self._used.items())
        left: dict[tuple[str, str], list[str]] = {}
        for (kind, element), reason in self._left_out.items():
            left.setdefault((kind, reason), []).append(element)
        return ImportReport(
            source=self.source,
            file_format=self.file_format,
            totals=dict(self.totals),
            used=tuple(UsedElements(*key, count) for key, count in sorted(used.items())),
            left_out=tuple(LeftOutElements(*key, len(ids), tuple(ids)) for key, ids in sorted(left.items())),
            notes=tuple(self.notes),
        )


def report_of(
    network: RoadNetwork,
    file_format: str = "road network",
    left_out: Mapping[str, int] | None = None,
    lane_rows: Mapping[str, int] | None = None,
) -> ImportReport:
    """What a map holds, for importers that keep no account of their own.

    Args:
        network: The map.
        file_format: Where it came from.
        left_out: Elements the importer left out, counted by reason (as `ImportedMap.skipped` of ScenarioNet maps).
        lane_rows: Row of each lane by its name in the file, where lanes have names.
    """
    rows: list[UsedElements] = []
    kinds: tuple[tuple[str, type[IntEnum], NDArray[np.uint8]], ...] = (
        ("lane", LaneType, network.lane_types),
        ("line", LineType, network.line_types),
        ("area", AreaType, network.area_types),
    )
    for kind, names, types in kinds:
        rows += [UsedElements(kind, "", n.name, int((types == n).sum())) for n in names if (types == n).any()]
    if len(network.signal_ids):
        rows.append(UsedElements("signal", "", "signal", len(network.signal_ids)))
    left = tuple(LeftOutElements("feature", reason, count) for reason, count in sorted((left_out or {}).items()))
    totals: Counter[str] = Counter()
    for used in rows:
        totals[used.kind] += used.count
    for missing in left:
        totals[missing.kind] += missing.count
    ids = network.lane_ids.tolist()
    known = {f"lane {ids[row]}": name for name, row in (lane_rows or {}).items() if name != str(ids[row])}
    return ImportReport(network.name, file_format, dict(totals), tuple(rows), left, _of_links(network), known)


def _of_links(network: RoadNetwork) -> tuple[str, ...]:
    neighbours = int((network.left_neighbours >= 0).sum() + (network.right_neighbours >= 0).sum())
    counts = {
        "successors": len(network.successors.values),
        "neighbours": neighbours,
        "give-way links": len(network.yields.values),
        "signalled lanes": len(network.signal_lanes.values),
        "lanes with a speed limit": int((network.lane_speed_limits > 0).sum()),
    }
    return (_listed(counts),)


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in counts.items()) or "nothing"
