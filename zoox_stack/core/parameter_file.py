"""Parameter files of ROS 2 nodes, read and written without ROS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from zoox_stack.core.errors import ConfigurationError

_KEY = "ros__parameters"
_ANY = "/**"


def read_parameters(path: Path, node: str) -> dict[str, Any]:
    """Parameters that a file sets for a node: those for any node (``/**``), and those for this one, which win.

    Raises:
        ConfigurationError: There is no such file, or nothing in it for this node.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"parameter file {path}: expected a readable YAML file, found {error}") from error
    found: dict[str, Any] = {}
    for name in (_ANY, node, f"/{node}"):
        part = content.get(name) if isinstance(content, Mapping) else None
        values = part.get(_KEY) if isinstance(part, Mapping) else None
        if isinstance(values, Mapping):
            found |= {str(key): value for key, value in values.items()}
    if not found:
        expected = f"'{_ANY}: {{{_KEY}: {{NAME: VALUE}}}}' or the same for {node}"
        raise ConfigurationError(f"parameter file {path}: expected {expected}, found nothing of it")
    return found


def write_parameters(path: Path, values: Mapping[str, Any], about: Sequence[str] = ()) -> None:
    """Write a file that sets parameters for any node, with lines about it as comments at its head."""
    body = yaml.safe_dump({_ANY: {_KEY: dict(values)}}, sort_keys=False)
    path.write_text("".join(f"# {line}\n" for line in about) + body, encoding="utf-8")
