"""Where packages and their executables are.

Order of lookup for a package: every prefix of ``AMENT_PREFIX_PATH`` (a sourced ROS 2 or workspace), then the prefix of the
running interpreter (wheels), each by the ament index; last, for `zoox_stack` alone, the source tree it is imported from.
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
        prefixes: Install prefixes, first wins.
        source_root: Root of the source tree of `zoox_stack`, None if it is not run from one.
    """

    prefixes: tuple[Path, ...]
    source_root: Path | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> PackageIndex:
        """The index that ``AMENT_PREFIX_PATH``, the running interpreter and the source tree make."""
        value = (os.environ if environment is None else environment).get("AMENT_PREFIX_PATH", "")
        paths = [Path(p) for p in value.split(os.pathsep) if p]
        root = Path(__file__).resolve().parents[2]
        return cls(tuple(dict.fromkeys([*paths, Path(sys.prefix)])), root if (root / "package.xml").is_file() else None)

    def packages(self) -> list[str]:
        """Names of all packages."""
        names = {
            entry.name
            for prefix in self.prefixes
            if (prefix / _INDEX).is_dir()
            for entry in (prefix / _INDEX).iterdir()
        }
        return sorted(names | ({_OWN_PACKAGE} if self.source_root else set()))

    def _installed(self, package: str) -> Path | None:
        if not package or "/" in package:
            return None
        return next((prefix for prefix in self.prefixes if (prefix / _INDEX / package).is_file()), None)

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
        found = self._installed(package)
        if found is None:
            if package == _OWN_PACKAGE and self.source_root:
                raise PackageError(f"{package} runs from its source tree {self.source_root} and has no install prefix")
            raise self._unknown(package)
        return found

    def share(self, package: str) -> Path:
        """Share directory of a package: the one that holds ``launch/`` and ``config/``.

        Raises:
            PackageError: There is no such package.
        """
        found = self._installed(package)
        if found is not None:
            return found / "share" / package
        if package == _OWN_PACKAGE and self.source_root:
            return self.source_root
        raise self._unknown(package)

    def executable(self, package: str, name: str) -> Executable:
        """How to start an executable: ``lib/<package>/<name>`` below the prefix.

        Scripts that ask for ``/usr/bin/env python3`` are given to the running interpreter, so that they see the same
        packages whether or not its environment is activated. From a source tree the nodes of `zoox_stack` are its modules
        ``zoox_stack.nodes.<name>``.

        Raises:
            PackageError: No such package or executable.
        """
        found = self._installed(package)
        if found is None and package == _OWN_PACKAGE and self.source_root:
            return self._source_node(self.source_root, name)
        if found is None:
            raise self._unknown(package)
        folder = found / "lib" / package
        path = folder / name
        if not name or "/" in name or not path.is_file() or not os.access(path, os.X_OK):
            known = (
                sorted(p.name for p in folder.iterdir() if p.is_file() and os.access(p, os.X_OK))
                if folder.is_dir()
                else []
            )
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
        root = share / "launch" if share == self.source_root else share
        found = sorted(p for p in root.rglob("*") if p.name == name and p.is_file())
        if len(found) > 1:
            raise PackageError(f"package {package!r} has {name!r} more than once: {', '.join(map(str, found))}")
        if not found:
            known = {p.name for p in root.rglob("*.launch.xml")}
            raise PackageError(f"package {package!r} has no launch file {name!r} in {root} ({nearest(name, known)})")
        return found[0]
