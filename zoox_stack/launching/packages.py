"""Where packages and their executables are.

Order of lookup for a package: every prefix of ``AMENT_PREFIX_PATH`` (a sourced ROS 2 or workspace); then, for
`zoox_stack` alone, the source tree it is imported from, if it is; then the prefix of the running interpreter (wheels).
The prefixes are searched by the ament index.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from zoox_stack.launching.errors import nearest

_INDEX = Path("share/ament_index/resource_index/packages")
_OWN_PACKAGE = "zoox_stack"
_PYTHON_SHEBANG = re.compile(rb"#!\s*/usr/bin/env\s+python3\s*\n")


class PackageError(ValueError):
    """A package or executable does not exist; the caller adds file and line."""


@dataclass(frozen=True)
class Executable:
    """How to start an executable of a package.

    Attributes:
        command: Program and the arguments that come first.
        python_path: Directory to put in front of ``PYTHONPATH``, None for none.
    """

    command: tuple[str, ...]
    python_path: str | None = None


@dataclass(frozen=True)
class PackageIndex:
    """Packages that can be found.

    Attributes:
        sourced: Prefixes of the environment, first wins.
        source_root: Root of the source tree of `zoox_stack`, None if it is not run from one.
        interpreter: Prefix of the Python environment.
    """

    sourced: tuple[Path, ...]
    source_root: Path | None = None
    interpreter: Path = Path(sys.prefix)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> PackageIndex:
        """The index that ``AMENT_PREFIX_PATH``, the running interpreter and the source tree make."""
        value = (os.environ if environment is None else environment).get("AMENT_PREFIX_PATH", "")
        paths = [Path(p) for p in value.split(os.pathsep) if p]
        prefix = Path(sys.prefix)
        root = Path(__file__).absolute().parents[2]  # absolute, not resolved: a linked install is an install
        return cls(
            tuple(dict.fromkeys(p for p in paths if p != prefix)),
            root if (root / "package.xml").is_file() else None,
            prefix,
        )

    @property
    def prefixes(self) -> tuple[Path, ...]:
        """All install prefixes, first wins."""
        return (*self.sourced, self.interpreter)

    def packages(self) -> list[str]:
        """Names of all packages."""
        folders = [prefix / _INDEX for prefix in self.prefixes if (prefix / _INDEX).is_dir()]
        names = {entry.name for folder in folders for entry in folder.iterdir()}
        return sorted(names | ({_OWN_PACKAGE} if self.source_root else set()))

    def _find(self, package: str) -> tuple[Path | None, Path | None]:
        """Install prefix or, for this package, root of the source tree; one of them, or none."""
        if not package or "/" in package:
            return None, None
        for prefix in self.sourced:
            if (prefix / _INDEX / package).is_file():
                return prefix, None
        if package == _OWN_PACKAGE and self.source_root is not None:
            return None, self.source_root
        found = (self.interpreter / _INDEX / package).is_file()
        return (self.interpreter if found else None), None

    def _unknown(self, package: str) -> PackageError:
        places = ", ".join(map(str, self.prefixes))
        return PackageError(
            f"package {package!r} not found in {places} ({nearest(package, self.packages())};"
            " a workspace must be sourced: . install/setup.sh)"
        )

    def prefix(self, package: str) -> Path:
        """Install prefix of a package.

        Raises:
            PackageError: It is not installed.
        """
        prefix, root = self._find(package)
        if prefix is not None:
            return prefix
        if root is not None:
            raise PackageError(f"{package} runs from its source tree {root} and has no install prefix")
        raise self._unknown(package)

    def share(self, package: str) -> Path:
        """Share directory of a package: the one that holds ``launch/`` and ``config/``.

        Raises:
            PackageError: There is no such package.
        """
        prefix, root = self._find(package)
        if prefix is not None:
            return prefix / "share" / package
        if root is not None:
            return root
        raise self._unknown(package)

    def executable(self, package: str, name: str) -> Executable:
        """How to start an executable: ``lib/<package>/<name>`` below the prefix.

        Scripts that ask for ``/usr/bin/env python3`` are given to the running interpreter, so that they see the same
        packages whether or not its environment is activated. From a source tree the nodes of `zoox_stack` are its
        modules ``zoox_stack.nodes.<name>``.

        Raises:
            PackageError: No such package or executable.
        """
        prefix, root = self._find(package)
        if root is not None:
            return self._source_node(root, name)
        if prefix is None:
            raise self._unknown(package)
        folder = prefix / "lib" / package
        path = folder / name
        if not name or "/" in name or not _is_executable(path):
            known = [p.name for p in folder.iterdir() if _is_executable(p)] if folder.is_dir() else []
            raise PackageError(f"package {package!r} has no executable {name!r} in {folder} ({nearest(name, known)})")
        with path.open("rb") as file:
            is_python = _PYTHON_SHEBANG.match(file.read(64)) is not None
        return Executable((sys.executable, str(path)) if is_python else (str(path),))

    @staticmethod
    def _source_node(root: Path, name: str) -> Executable:
        folder = root / _OWN_PACKAGE / "nodes"
        known = sorted(p.name for p in (root / "scripts" / "nodes").glob("*") if (folder / f"{p.name}.py").is_file())
        if name not in known:
            raise PackageError(
                f"package {_OWN_PACKAGE!r} has no executable {name!r} in {folder} ({nearest(name, known)})"
            )
        return Executable((sys.executable, "-m", f"{_OWN_PACKAGE}.nodes.{name}"), str(root))

    def launch_file(self, package: str, name: str) -> Path:
        """The launch file of that name anywhere in the share directory of a package.

        Raises:
            PackageError: None or several.
        """
        share = self.share(package)
        root = share / "launch" if self._find(package)[1] is not None else share
        found = sorted(p for p in root.rglob("*") if p.name == name and p.is_file())
        if len(found) > 1:
            raise PackageError(f"package {package!r} has {name!r} more than once: {', '.join(map(str, found))}")
        if not found:
            known = {p.name for p in root.rglob("*.launch.xml")}
            raise PackageError(f"package {package!r} has no launch file {name!r} in {root} ({nearest(name, known)})")
        return found[0]


def _is_executable(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)
