"""Message definitions and a pure Python type store: what a bag needs so that any tool can read it.

The text of our own messages comes from the installed ``share/zoox_stack/msg`` or from the source tree, comments
included; that of the standard messages from the ROS 2 Jazzy type store of `rosbags`.
"""

from __future__ import annotations

import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from zoox_stack.core.errors import ConfigurationError, InvalidInputError

PACKAGE = "zoox_stack"
_SEPARATOR = "=" * 80
_PRIMITIVES = {"bool", "byte", "char", "string", "wstring", "float32", "float64"} | {
    f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)
}
_FIELD = re.compile(r"^\s*([A-Za-z][A-Za-z0-9_/]*)(?:<=\d+)?\s*(\[[^\]]*\])?\s+[A-Za-z]\w*")


@cache
def definition_folder() -> Path:
    """Folder with our ``*.msg`` files: of the source tree, else of the installation.

    Raises:
        ConfigurationError: Neither is there.
    """
    package = Path(__file__).resolve().parents[1]
    candidates = [package.parent / "msg"]  # source tree
    # colcon: <prefix>/lib/python3.x/site-packages/zoox_stack; pip: the same below sys.prefix
    candidates += [parent / "share" / PACKAGE / "msg" for parent in package.parents]
    candidates += [Path(prefix) / "share" / PACKAGE / "msg" for prefix in (sys.prefix, sys.base_prefix)]
    for folder in candidates:
        if (folder / "TrackedAgents.msg").is_file():
            return folder
    looked = ", ".join(str(folder) for folder in (candidates[0], candidates[-2]))
    raise ConfigurationError(f"message definitions of {PACKAGE}: not found in {looked}, ...; reinstall {PACKAGE}")


@cache
def typestore() -> Typestore:
    """Type store with the ROS 2 Jazzy messages and ours; it serialises CDR without ROS."""
    store = get_typestore(Stores.ROS2_JAZZY)
    types: dict[str, Any] = {}
    for path in sorted(definition_folder().glob("*.msg")):
        types.update(get_types_from_msg(path.read_text(encoding="utf-8"), f"{PACKAGE}/msg/{path.stem}"))
    store.register(types)
    return store


def knows(type_name: str) -> bool:
    """True if `type_name` is a standard Jazzy message or one of ours."""
    return type_name in typestore().fielddefs


@cache
def message_definition(type_name: str) -> str:
    """Full ``ros2msg`` text of a type: its own text, then that of every type it uses.

    Raises:
        InvalidInputError: Unknown type.
    """
    texts: dict[str, str] = {}
    _collect(type_name, texts)
    parts = [texts.pop(type_name)]
    parts += [f"{_SEPARATOR}\nMSG: {_short(name)}\n{text}" for name, text in texts.items()]
    return "\n".join(part.rstrip("\n") for part in parts) + "\n"


@cache
def type_hash(type_name: str) -> str:
    """REP-2016 type hash (``RIHS01_...``).

    Raises:
        InvalidInputError: Unknown type.
    """
    _require(type_name)
    return str(typestore().hash_rihs01(type_name))


def _require(type_name: str) -> None:
    if not knows(type_name):
        remedy = "Give the definition of the type when adding the topic"
        raise InvalidInputError("message type", "a ROS 2 Jazzy or zoox_stack message type", type_name, remedy)


def _collect(type_name: str, texts: dict[str, str]) -> None:
    _require(type_name)
    texts[type_name] = _own_text(type_name)
    package = type_name.split("/")[0]
    for line in texts[type_name].splitlines():
        match = _FIELD.match(line.split("#", 1)[0])
        if match and match[1] not in _PRIMITIVES:
            used = match[1].split("/")
            name = f"{used[0] if len(used) > 1 else package}/msg/{used[-1]}"
            if name not in texts:
                _collect(name, texts)


def _own_text(type_name: str) -> str:
    package, _, name = type_name.split("/")
    if package == PACKAGE:
        return (definition_folder() / f"{name}.msg").read_text(encoding="utf-8")
    return str(typestore().generate_msgdef(type_name, ros_version=2)[0]).split(_SEPARATOR, 1)[0]


def _short(type_name: str) -> str:
    package, _, name = type_name.split("/")
    return f"{package}/{name}"
