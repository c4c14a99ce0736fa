"""Definitions of towns: short YAML files that say how a town is laid out and who is on its streets.

::

    description: What is there, in a sentence or two.
    layout:
      kind: grid          # a key of `zoox_stack.simulation.layouts.registry.KINDS`
      columns: 3          # and arguments of that kind
    demand:
      bicycles: 0.2       # fields of `zoox_stack.simulation.demand.DemandConfig`
    terrain:
      amplitude: 2.0      # fields of `zoox_stack.simulation.terrain.Terrain`; flat if left out
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import yaml

from zoox_stack.core.errors import ConfigurationError, InvalidInputError
from zoox_stack.core.parameters import build
from zoox_stack.core.share import share_folder
from zoox_stack.simulation.demand import DemandConfig
from zoox_stack.simulation.layouts.registry import KINDS
from zoox_stack.simulation.terrain import Terrain
from zoox_stack.simulation.town_plan import TownPlan

_KEYS = {"description": str, "layout": dict, "demand": dict, "terrain": dict}
_LEAST_KEYS = ("description", "layout")


@dataclass(frozen=True)
class TownDefinition:
    """What a town file says.

    Attributes:
        name: Of the town: the name of the file without ``.yaml``.
        path: The file.
        description: What is there.
        kind: A key of `KINDS`.
        layout: Arguments of the kind.
        demand: How busy, and with whom.
        terrain: The ground that sensors see; traffic drives as on flat ground.
    """

    name: str
    path: Path
    description: str
    kind: str
    layout: Any
    demand: DemandConfig
    terrain: Terrain

    def plan(self, seed: int) -> TownPlan:
        """Draw the town of a seed; the same seed gives the same town."""
        random = np.random.default_rng([seed, crc32(self.name.encode())])
        return KINDS[self.kind].draw(random, f"{self.name}_{seed}", self.layout)


def town_names() -> tuple[str, ...]:
    """Names of the towns that come with the package."""
    return tuple(sorted(path.stem for path in _folder().glob("*.yaml")))


def load_town_definition(name_or_path: str | Path) -> TownDefinition:
    """Read a definition.

    Args:
        name_or_path: One of `town_names`, or the path of a YAML file.

    Raises:
        ConfigurationError: No such town, or what is wrong in the file.
    """
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml"):
        names = town_names()
        if str(name_or_path) not in names:
            raise ConfigurationError(
                f"town: expected one of {', '.join(names)}, or a .yaml file, found {str(name_or_path)!r}"
            )
        path = _folder() / f"{name_or_path}.yaml"
    values = _read(path)
    for key, kind in _KEYS.items():
        if key not in values and key in _LEAST_KEYS:
            raise ConfigurationError(f"{path}: expected {key}, found {', '.join(map(str, values)) or 'nothing'}")
        if key in values and not isinstance(values[key], kind):
            found = f"{type(values[key]).__name__} {values[key]!r:.80}"
            raise ConfigurationError(f"{path}: {key}: expected {_PLAIN[kind]}, found {found}")
    layout = dict(values["layout"])
    kind_name = layout.pop("kind", None)
    if not isinstance(kind_name, str) or kind_name not in KINDS:
        raise ConfigurationError(f"{path}: layout.kind: expected one of {', '.join(KINDS)}, found {kind_name!r}")
    try:
        arguments = KINDS[kind_name].read(layout, "layout")
        demand = build(DemandConfig, values.get("demand", {}), "demand")
        terrain = build(Terrain, values.get("terrain", {}), "terrain")
    except (ConfigurationError, InvalidInputError) as error:
        raise ConfigurationError(f"{path}: {error}") from error
    return TownDefinition(path.stem, path, values["description"].strip(), kind_name, arguments, demand, terrain)


_PLAIN = {str: "text", dict: "a mapping"}


def _folder() -> Path:
    return share_folder() / "config" / "towns"


def _read(path: Path) -> Mapping[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"town file {path}: expected a readable file, found {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"town file {path}: expected YAML, found {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise ConfigurationError(f"town file {path}: expected a mapping, found {type(values).__name__}")
    unknown = [key for key in values if key not in _KEYS]
    if unknown:
        raise ConfigurationError(f"{path}: expected {', '.join(_KEYS)}, found {', '.join(map(repr, unknown))}")
    return values
