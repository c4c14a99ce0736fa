"""What a recorded drive depends on, as one short key: a record made by other code or settings is never taken for it."""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import zoox_stack.core

_PACKAGE = "zoox_stack"
_ROOT = Path(zoox_stack.core.__file__).absolute().parents[1]
_LIBRARIES = ("libsumo", "onnxruntime", "onnxruntime-gpu", "numpy", "scipy", "open3d", "open3d-cpu")


def key_of(modules: Iterable[str], files: Iterable[Path], values: Mapping[str, Any]) -> str:
    """Sixteen hexadecimal digits.

    Args:
        modules: Modules of this package; their source counts, and that of all they import of it.
        files: Files whose contents count, in this order.
        values: Whatever else counts, as JSON knows it.
    """
    contents = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
    parts = [source_digest(tuple(sorted(modules))), _versions(), contents, values]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


@lru_cache(maxsize=32)
def source_digest(modules: tuple[str, ...]) -> str:
    """Digest of some modules and of all modules of this package that they import, however deep.

    Comments and the form of the text do not count.
    """
    known: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name not in known:
            known.add(name)
            waiting += _imports(name)
    digest = hashlib.sha256()
    for name in sorted(known):
        digest.update(f"{name}\n{ast.dump(_tree(name))}\n".encode())
    return digest.hexdigest()


@lru_cache(maxsize=512)
def _tree(name: str) -> ast.Module:
    return ast.parse(_source(name).read_text(encoding="utf-8"))


@lru_cache(maxsize=512)
def _imports(name: str) -> tuple[str, ...]:
    """Modules of this package that a module imports, wherever in its text."""
    found: list[str] = []
    for node in ast.walk(_tree(name)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module is not None and not node.level:
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return tuple(name for name in found if name.split(".")[0] == _PACKAGE and _source(name).is_file())


def _source(name: str) -> Path:
    path = _ROOT.joinpath(*name.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@lru_cache(maxsize=1)
def _versions() -> dict[str, str]:
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = ""
    return found
