"""Lookup of packages, executables and launch files."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest

from zoox_stack.launching.packages import PackageError, PackageIndex


def make_package(prefix: Path, name: str, executable: str, content: str) -> Path:
    index = prefix / "share/ament_index/resource_index/packages"
    index.mkdir(parents=True, exist_ok=True)
    (index / name).touch()
    path = prefix / "lib" / name / executable
    path.parent.mkdir(parents=True)
    path.write_text(content)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def make_source_tree(root: Path) -> Path:
    for folder in ("zoox_stack/nodes", "scripts/nodes", "launch"):
        (root / folder).mkdir(parents=True)
    for file in ("package.xml", "zoox_stack/nodes/planner.py", "scripts/nodes/planner", "scripts/nodes/gone"):
        (root / file).touch()
    (root / "launch/stack.launch.xml").touch()
    return root


def test_first_prefix_wins_and_interpreter_is_last(tmp_path: Path) -> None:
    paths = [make_package(tmp_path / p, "cars", "drive", "#!/bin/sh\n") for p in ("first", "second", "python")]
    index = PackageIndex((tmp_path / "first", tmp_path / "second"), None, tmp_path / "python")
    assert index.executable("cars", "drive").command == (str(paths[0]),)
    assert index.prefix("cars") == tmp_path / "first"
    assert index.share("cars") == tmp_path / "first/share/cars"
    assert PackageIndex((), None, tmp_path / "python").executable("cars", "drive").command == (str(paths[2]),)


def test_python_scripts_run_in_this_interpreter(tmp_path: Path) -> None:
    path = make_package(tmp_path, "cars", "drive", "#!/usr/bin/env python3\nprint(1)\n")
    assert PackageIndex((tmp_path,)).executable("cars", "drive").command == (sys.executable, str(path))


def test_source_tree_comes_after_sourced_workspaces_and_before_the_interpreter(tmp_path: Path) -> None:
    root = make_source_tree(tmp_path / "tree")
    python = tmp_path / "python"
    make_package(python, "zoox_stack", "planner", "#!/bin/sh\n")
    index = PackageIndex((), root, python)
    found = index.executable("zoox_stack", "planner")
    assert found.command == (sys.executable, "-m", "zoox_stack.nodes.planner")
    assert found.python_path == str(root)
    assert index.share("zoox_stack") == root
    assert index.launch_file("zoox_stack", "stack.launch.xml") == root / "launch/stack.launch.xml"
    workspace = tmp_path / "workspace"
    path = make_package(workspace, "zoox_stack", "planner", "#!/bin/sh\n")
    assert PackageIndex((workspace,), root, python).executable("zoox_stack", "planner").command == (str(path),)


def test_source_tree_has_only_nodes_whose_module_exists(tmp_path: Path) -> None:
    index = PackageIndex((), make_source_tree(tmp_path / "tree"), tmp_path)
    with pytest.raises(PackageError, match=r"no executable 'gone' in .*\(known are planner\)"):
        index.executable("zoox_stack", "gone")
    with pytest.raises(PackageError, match="no install prefix"):
        index.prefix("zoox_stack")


@pytest.mark.parametrize("package", ["carz", "", "../cars", "cars/.."])
def test_unknown_package(package: str, tmp_path: Path) -> None:
    make_package(tmp_path, "cars", "drive", "")
    with pytest.raises(PackageError, match=f"package '{package}' not found in {tmp_path}"):
        PackageIndex((tmp_path,), None, tmp_path).share(package)


@pytest.mark.parametrize("name", ["drivee", "", "../cars/drive", "plain"])
def test_unknown_executable(name: str, tmp_path: Path) -> None:
    path = make_package(tmp_path, "cars", "drive", "")
    (path.parent / "plain").touch()  # not executable
    with pytest.raises(PackageError, match="has no executable"):
        PackageIndex((tmp_path,), None, tmp_path).executable("cars", name)


def test_prefixes_come_from_the_environment(tmp_path: Path) -> None:
    index = PackageIndex.from_environment({"AMENT_PREFIX_PATH": f"{tmp_path}:{sys.prefix}::{tmp_path}"})
    assert index.sourced == (tmp_path,)
    assert index.interpreter == Path(sys.prefix)


def test_launch_file_of_a_package_must_be_unique(tmp_path: Path) -> None:
    make_package(tmp_path, "cars", "drive", "")
    for folder in ("a", "b"):
        (tmp_path / "share/cars" / folder).mkdir(parents=True)
        (tmp_path / f"share/cars/{folder}/x.launch.xml").touch()
    index = PackageIndex((tmp_path,), None, tmp_path)
    with pytest.raises(PackageError, match="more than once"):
        index.launch_file("cars", "x.launch.xml")
    with pytest.raises(PackageError, match=r"did you mean x\.launch\.xml"):
        index.launch_file("cars", "y.launch.xml")
