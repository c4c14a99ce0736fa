"""Sets of counterfactual scenes on disk: Parquet tables in parts (docs/counterfactual-format.md)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.logs.codec import decode, encode
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.simulation.counterfactual_tables import SCHEMAS, TABLES, scene_from_tables, scene_tables
from zoox_stack.simulation.samples import (
    CounterfactualSample,
    CounterfactualScene,
    plausible_plans,
    with_plans,
)

FORMAT = "zoox_stack counterfactuals"
VERSION = 1
MANIFEST = "manifest.json"
_MAP_TYPE = "zoox_stack/msg/RoadNetwork"
_MAP_SCHEMA = pa.schema([("town", pa.string()), ("type", pa.string()), ("cdr", pa.binary())])
_REMEDY = "Delete the part's files and run the command that made the set again: it makes what is missing"


def part_path(folder: Path, table: str, number: int) -> Path:
    """File of one table of one part."""
    return folder / table / f"{number:05d}.parquet"


def has_part(folder: Path, number: int) -> bool:
    """Whether a part was written to its end."""
    return part_path(folder, TABLES[-1], number).exists()


def write_part(folder: Path, number: int, first: int, scenes: Sequence[CounterfactualScene]) -> None:
    """Write one part; it exists when its table of scenes does, which comes last.

    Args:
        folder: Of the set.
        number: Of the part.
        first: Number of its first scene in the set.
        scenes: At least one.

    Raises:
        OSError: The disk is full or not writable; nothing half-written keeps its final name.
    """
    rows = [scene_tables(first + i, scene) for i, scene in enumerate(scenes)]
    for name in TABLES:
        table = pa.concat_tables([row[name] for row in rows]) if rows else SCHEMAS[name].empty_table()
        _write(part_path(folder, name, number), table.combine_chunks())


def write_map(folder: Path, network: RoadNetwork) -> None:
    """Write a road network, under its name."""
    row = [{"town": network.name, "type": _MAP_TYPE, "cdr": encode(network)}]
    _write(folder / "maps" / f"{network.name}.parquet", pa.Table.from_pylist(row, schema=_MAP_SCHEMA))


def write_manifest(folder: Path, values: Mapping[str, Any]) -> None:
    """Write the manifest; format and version are added."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{MANIFEST}.part"
    part.write_text(json.dumps({"format": FORMAT, "version": VERSION, **values}, indent=2) + "\n", encoding="utf-8")
    part.replace(folder / MANIFEST)


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a set.

    Raises:
        InvalidInputError: There is none, it is damaged, or the set is of another format.
    """
    path = folder / MANIFEST
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidInputError(str(path), "the manifest of a counterfactual set", str(error)) from error
    found = (values.get("format"), values.get("version")) if isinstance(values, dict) else type(values).__name__
    if found != (FORMAT, VERSION):
        raise InvalidInputError(str(path), f"format {FORMAT!r}, version {VERSION}", str(found))
    return dict(values)


def _write(path: Path, table: pa.Table) -> None:
    """Write a table under a name that readers ignore, then give it its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    lists = [f"{field.name}.list.element" for field in table.schema if field.type == pa.list_(pa.float32())]
    plain = [f.name for f in table.schema if f.name not in {name.split(".")[0] for name in lists}]
    try:
        pq.write_table(
            table, part, compression="zstd", compression_level=9, use_dictionary=plain,
            column_encoding=dict.fromkeys(lists, "BYTE_STREAM_SPLIT") or None, row_group_size=1 << 24,
        )  # fmt: skip
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


class CounterfactualSet:
    """A set of counterfactual scenes, read part by part as they are asked for.

    Args:
        folder: Where it is.

    Raises:
        InvalidInputError: Not such a set, or of another version.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self.manifest = read_manifest(self.folder)
        self.parts = sorted(int(path.stem) for path in (self.folder / TABLES[-1]).glob("[0-9]*.parquet"))
        self._cached: tuple[int, list[CounterfactualScene]] = (-1, [])

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def __getitem__(self, number: int) -> CounterfactualScene:
        """Scene `number` from 0, in the order of the parts.

        Raises:
            IndexError: There are fewer.
            InvalidInputError: A file of its part is missing or damaged.
        """
        if not 0 <= number < len(self):
            raise IndexError(f"scene {number} of {len(self)}")
        place = int(np.searchsorted(self._ends, number, side="right"))
        before = int(self._ends[place - 1]) if place else 0
        return self.part(self.parts[place])[number - before]

    def __iter__(self) -> Iterator[CounterfactualScene]:
        for number in self.parts:
            yield from self.part(number)

    @cached_property
    def _ends(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        return np.cumsum([self._read("scenes", number, ["scene"]).num_rows for number in self.parts], dtype=np.int64)

    @cached_property
    def networks(self) -> dict[str, RoadNetwork]:
        """Road networks by town.

        Raises:
            InvalidInputError: A file is damaged.
        """
        found = {}
        for path in sorted((self.folder / "maps").glob("*.parquet")):
            for row in _read_parquet(path, None).to_pylist():
                found[str(row["town"])] = decode(row["type"], row["cdr"])
        return found

    def summary(self) -> dict[str, float]:
        """Scenes, driven branches, refused plans, affected agents, and the largest difference of identity branches.

        Raises:
            InvalidInputError: A file is damaged.
        """
        tables = [self._read("scenes", number, None) for number in self.parts]
        table = pa.concat_tables([SCHEMAS["scenes"].empty_table(), *tables])
        counts = {name: int(pc.sum(table[name]).as_py() or 0) for name in ("branches", "refused", "affected")}
        return {
            "scenes": len(table),
            **counts,
            "identity_max_diff": float(pc.max(table["identity_max_diff_m"]).as_py() or 0.0),
        }

    def part(self, number: int) -> list[CounterfactualScene]:
        """All scenes of one part.

        Raises:
            InvalidInputError: A file of the part is missing or damaged.
        """
        if self._cached[0] != number:
            tables = {name: self._read(name, number, None) for name in TABLES}
            try:
                scenes = [
                    scene_from_tables(
                        {name: table.filter(pc.field("scene") == scene) for name, table in tables.items()}
                    )
                    for scene in tables["scenes"]["scene"].to_pylist()
                ]
            except (ValueError, IndexError, KeyError) as error:
                thing = f"counterfactual set {self.folder}, part {number:05d}"
                raise InvalidInputError(thing, "tables that fit together", str(error), _REMEDY) from error
            self._cached = (number, scenes)
        return self._cached[1]

    def training_samples(self, number: int) -> list[CounterfactualSample]:
        """Samples of one part to learn from: without implausible plans.

        A scene whose first plan is not plausible is left out.
        """
        samples = [scene.sample for scene in self.part(number)]
        kept = [(sample, plausible_plans(sample)) for sample in samples]
        return [with_plans(sample, plans) for sample, plans in kept if plans[0]]

    def _read(self, table: str, number: int, columns: list[str] | None) -> pa.Table:
        return _read_parquet(part_path(self.folder, table, number), columns, SCHEMAS[table])


def _read_parquet(path: Path, columns: list[str] | None, schema: pa.Schema = _MAP_SCHEMA) -> pa.Table:
    try:
        with pq.ParquetFile(path) as file:
            found = file.schema_arrow
            if found.names != schema.names:
                raise InvalidInputError(str(path), f"columns {', '.join(schema.names)}", ", ".join(found.names))
            return file.read(columns)
    except (OSError, pa.ArrowException) as error:
        raise InvalidInputError(str(path), "a readable Parquet file", str(error), _REMEDY) from error
