"""The two front doors, opened once per test session: a colcon workspace and an empty virtual environment."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def clean_environment() -> dict[str, str]:
    """The environment of a fresh shell: without what the ROS wheels and virtual environments of this process added.

    Where a ROS 2 installation is sourced, its variables stay.
    """
    environment = os.environ.copy()
    ours = {"_ROS_WHEELS_BOOTSTRAP_COMPLETE", "VIRTUAL_ENV", "PYTHONHOME", "PYTEST_CURRENT_TEST"}
    if "ROS_DISTRO" not in environment:
        ours |= {"LD_LIBRARY_PATH", "PYTHONPATH", "AMENT_PREFIX_PATH", "CMAKE_PREFIX_PATH", "COLCON_PREFIX_PATH"}
    for name in ours:
        environment.pop(name, None)
    # Not the virtual environment of this process.
    folders = environment["PATH"].split(os.pathsep)
    environment["PATH"] = os.pathsep.join(f for f in folders if f != str(Path(sys.prefix) / "bin"))
    return environment


def run(
    command: list[str], *, cwd: Path, environment: dict[str, str] | None = None, timeout: float = 1200.0
) -> subprocess.CompletedProcess[str]:
    """Runs a command that must succeed; its whole output is in the failure."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment or clean_environment(),
        timeout=timeout,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.fail(f"{' '.join(command)} returned {done.returncode}:\n{done.stdout[-8000:]}")
    return done


@dataclass(frozen=True)
class Door:
    """An installed zoox_stack."""

    prefix: Path
    """Holds lib/zoox_stack/<node> and share/zoox_stack."""
    environment: dict[str, str]
    """In which its nodes run."""
    python: Path
    """The interpreter that imports it."""

    @property
    def nodes(self) -> Path:
        """The folder of the node executables."""
        return self.prefix / "lib" / "zoox_stack"


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the source tree as git sees it: nothing that was built, everything that is edited."""
    target = tmp_path_factory.mktemp("tree") / "zoox_stack"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():  # not: deleted, but still in the index
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    return target


@pytest.fixture(scope="session")
def colcon_door(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Door:
    """`colcon build` of a workspace, with the ROS 2 of this interpreter (wheels or sourced)."""
    workspace = tmp_path_factory.mktemp("workspace")
    (workspace / "src").mkdir()
    shutil.copytree(tree, workspace / "src" / "zoox_stack")
    environment = clean_environment()
    environment["PATH"] = os.pathsep.join([str(Path(sys.prefix) / "bin"), environment["PATH"]])
    run(["colcon", "build", "--event-handlers", "console_direct+"], cwd=workspace, environment=environment)
    sourced = run(
        ["bash", "-c", "set -e; source install/setup.bash; env -0"],
        cwd=workspace,
        environment=environment,
    )
    variables = dict(entry.split("=", 1) for entry in sourced.stdout.split("\0") if "=" in entry)
    return Door(prefix=workspace / "install" / "zoox_stack", environment=variables, python=Path(sys.executable))


@pytest.fixture(scope="session")
def pip_door(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Door:
    """One plain `pip install .[ros]` into an empty virtual environment."""
    prefix = tmp_path_factory.mktemp("pip") / "venv"
    source = tmp_path_factory.mktemp("pip_source") / "zoox_stack"
    shutil.copytree(tree, source)
    # The base interpreter, so that the new environment owes nothing to the one of this process.
    base = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    run([str(base), "-m", "venv", str(prefix)], cwd=source)
    extra = "" if "ROS_DISTRO" in os.environ else "[ros]"
    run([str(prefix / "bin" / "python"), "-m", "pip", "install", "--quiet", f".{extra}"], cwd=source)
    shutil.rmtree(source)  # nothing may depend on it
    environment = clean_environment()
    return Door(prefix=prefix, environment=environment, python=prefix / "bin" / "python")
