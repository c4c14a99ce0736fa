"""``$(name arguments)`` inside attribute values: grammar and evaluation.

The grammar is the one of ROS 2 launch frontends: arguments are separated by one space, may be quoted as a whole with
``'`` or ``"``, may hold further substitutions; a backslash takes the next character as it is.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from zoox_stack.launching.errors import nearest
from zoox_stack.launching.expression import evaluate_expression


class SubstitutionError(ValueError):
    """A substitution is malformed or cannot be evaluated; the caller adds file and line."""


@dataclass(frozen=True)
class Call:
    """One substitution: name and arguments."""

    name: str
    arguments: tuple[Template, ...]


Template = tuple[str | Call, ...]


class SubstitutionContext(Protocol):
    """What substitutions can ask for."""

    def variable(self, name: str) -> str | None:
        """Value of a launch configuration, None if it does not exist."""

    def variable_names(self) -> list[str]:
        """All names, for hints."""

    def environment_variable(self, name: str) -> str | None:
        """Value of an environment variable, None if it does not exist."""

    def launch_file(self) -> str:
        """Path of the launch file being evaluated."""

    def launch_directory(self) -> str:
        """Directory of the launch file being evaluated."""

    def package_prefix(self, package: str) -> str:
        """Install prefix of a package."""

    def package_share(self, package: str) -> str:
        """Share directory of a package."""


def _var(context: SubstitutionContext, name: str, default: str | None = None) -> str:
    value = context.variable(name)
    if value is None:
        value = default
    if value is None:
        raise SubstitutionError(
            f"$(var {name}): no such argument or variable ({nearest(name, context.variable_names())})"
        )
    return value


def _env(context: SubstitutionContext, name: str, default: str | None = None) -> str:
    value = context.environment_variable(name)
    if value is None:
        value = default
    if value is None:
        raise SubstitutionError(
            f"$(env {name}): environment variable {name} is not set (set it, or give a default: $(env {name} DEFAULT))"
        )
    return value


def as_bool(text: str) -> bool:
    """Conditions are ``true``, ``1``, ``false``, ``0`` in any case."""
    word = text.strip().lower()
    if word not in ("true", "1", "false", "0"):
        raise SubstitutionError(f"expected true, 1, false or 0, found {text!r}")
    return word in ("true", "1")


def _python_bool(text: str) -> bool:
    """Boolean substitutions take the YAML words too."""
    word = text.strip().lower()
    if word in ("true", "1", "yes", "on"):
        return True
    if word in ("false", "0", "no", "off"):
        return False
    raise SubstitutionError(f"expected true or false, found {text!r}")


def _lower(value: bool) -> str:
    return str(value).lower()


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _equals(_context: SubstitutionContext, a: str, b: str) -> str:
    """Two truth values, else two numbers, else two texts."""
    truths = ("true", "false", "1", "0")
    if a.lower() in truths and b.lower() in truths:
        return _lower(as_bool(a) == as_bool(b))
    x, y = _number(a), _number(b)
    if x is not None and y is not None:
        return _lower(math.isclose(x, y))
    return _lower(a == b)


def _not_equals(context: SubstitutionContext, a: str, b: str) -> str:
    return _lower(_equals(context, a, b) == "false")


# name → (fewest arguments, most arguments, function)
_FUNCTIONS: dict[str, tuple[int, int, Callable[..., str]]] = {
    "var": (1, 2, _var),
    "env": (1, 2, _env),
    "find-pkg-share": (1, 1, lambda context, package: context.package_share(package)),
    "find-pkg-prefix": (1, 1, lambda context, package: context.package_prefix(package)),
    "dirname": (0, 0, lambda context: context.launch_directory()),
    "filename": (0, 0, lambda context: context.launch_file()),
    "eval": (1, 1, lambda _context, text: evaluate_expression(text)),
    "equals": (2, 2, _equals),
    "not-equals": (2, 2, _not_equals),
    "not": (1, 1, lambda _context, a: _lower(not _python_bool(a))),
    "and": (2, 2, lambda _context, a, b: _lower(_python_bool(a) and _python_bool(b))),
    "or": (2, 2, lambda _context, a, b: _lower(_python_bool(a) or _python_bool(b))),
}

# Known to ROS 2 launch, not to this runner: named in the error so that nobody looks for a typing mistake.
_ONLY_IN_ROS = frozenset({
    "any", "all", "if", "anon", "command", "exec-in-pkg", "file-content", "find-exec", "launch_log_dir", "log_dir",
    "param",
})  # fmt: skip


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def peek(self, n: int = 1) -> str:
        return self.text[self.at : self.at + n]

    def fail(self, problem: str) -> SubstitutionError:
        return SubstitutionError(f"{problem} in {self.text!r}")

    def escaped(self) -> str:
        """The character after a backslash."""
        if self.at + 1 >= len(self.text):
            self.at += 1
            return "\\"
        character = self.text[self.at + 1]
        self.at += 2
        return character

    def fragments(self, end: str) -> Template:
        """Text and substitutions up to the quote `end` (consumed), or up to the end of the text if `end` is empty."""
        parts: list[str | Call] = []
        text = ""
        while True:
            character = self.peek()
            if not character:
                if end:
                    raise self.fail(f"closing {end} is missing")
                break
            if end and character == end:
                self.at += 1
                break
            if self.peek(2) == "$(":
                if text:
                    parts.append(text)
                    text = ""
                parts.append(self.call(end))
            elif character == "\\":
                text += self.escaped()
            else:
                text += character
                self.at += 1
        if text or not parts:
            parts.append(text)
        return tuple(parts)

    def call(self, quote: str) -> Call:
        self.at += 2
        start = self.at
        while self.peek() and (self.peek().isalnum() or self.peek() in "_-"):
            self.at += 1
        name = self.text[start : self.at]
        if not name:
            raise self.fail("a name is missing after $(")
        arguments: list[Template] = []
        while self.peek() == " ":
            self.at += 1
            arguments.append(self.argument(quote))
        if self.peek() != ")":
            raise self.fail(f"closing ) of $({name} is missing" if not self.peek() else f"unexpected {self.peek()!r}")
        self.at += 1
        _check_call(name, arguments)
        return Call(name, tuple(arguments))

    def argument(self, quote: str) -> Template:
        """One argument; `quote` is the quotation mark this substitution stands in, which cannot be nested."""
        if not quote and self.peek() and self.peek() in "'\"":
            mark = self.peek()
            self.at += 1
            value = self.fragments(mark)
            if self.peek() not in (" ", ")"):
                raise self.fail(f"unexpected {self.peek()!r} after the closing {mark}")
            return value
        parts: list[str | Call] = []
        text = ""
        forbidden = f"{quote}(" if quote else "'\"("
        while self.peek() and self.peek() not in " )":
            if self.peek(2) == "$(":
                if text:
                    parts.append(text)
                    text = ""
                parts.append(self.call(quote))
            elif self.peek() == "\\":
                text += self.escaped()
            elif self.peek() in forbidden:
                raise self.fail(f"unexpected {self.peek()!r} (put a backslash before it or quote the argument)")
            else:
                text += self.peek()
                self.at += 1
        if text:
            parts.append(text)
        if not parts:
            raise self.fail("an argument is empty (arguments are separated by exactly one space)")
        return tuple(parts)


def _check_call(name: str, arguments: list[Template]) -> None:
    if name not in _FUNCTIONS:
        if name in _ONLY_IN_ROS:
            raise SubstitutionError(
                f"$({name} …) is known to ros2 launch but not to zoox-stack launch"
                f" (known are {', '.join(sorted(_FUNCTIONS))})"
            )
        raise SubstitutionError(f"$({name} …) does not exist ({nearest(name, _FUNCTIONS)})")
    low, high, _ = _FUNCTIONS[name]
    if not low <= len(arguments) <= high:
        wanted = str(low) if low == high else f"{low} or {high}"
        raise SubstitutionError(f"$({name} …): expected {wanted} arguments, found {len(arguments)}")
    if name in ("equals", "not-equals") and ("",) in arguments:
        raise SubstitutionError(
            f"$({name} …): ros2 launch reads an empty '' here as '[]' (compare with an empty variable:"
            ' <let name="nothing" value=""/> and $(var nothing))'
        )


@lru_cache(maxsize=4096)
def parse_template(text: str) -> Template:
    """Split a value into text and substitutions.

    Raises:
        SubstitutionError: Malformed, unknown substitution, wrong number of arguments.
    """
    return _Parser(text).fragments("")


def perform(template: Template, context: SubstitutionContext) -> str:
    """Text of a template with every substitution evaluated.

    Raises:
        SubstitutionError: One cannot be evaluated.
    """
    return "".join(part if isinstance(part, str) else _perform_call(part, context) for part in template)


def _perform_call(call: Call, context: SubstitutionContext) -> str:
    arguments = [perform(argument, context) for argument in call.arguments]
    try:
        return _FUNCTIONS[call.name][2](context, *arguments)
    except SubstitutionError:
        raise
    except ValueError as error:
        raise SubstitutionError(f"$({call.name} {' '.join(arguments)}): {error}") from error


def split_words(template: Template) -> list[Template]:
    """Split a command line at the blanks of its text; what a substitution yields is never split.

    Raises:
        SubstitutionError: Quotes that do not close within one piece of text.
    """
    words: list[Template] = []
    word: list[str | Call] = []

    def end_word() -> None:
        if word:
            words.append(tuple(word))
            word.clear()

    for part in template:
        if isinstance(part, Call):
            word.append(part)
            continue
        try:
            tokens = shlex.split(part)
        except ValueError as error:
            raise SubstitutionError(f"{error} in {part!r} (quotes cannot enclose a substitution)") from error
        if part[:1].isspace():
            end_word()
        for index, token in enumerate(tokens):
            if index:
                end_word()
            word.append(token)
        if part[-1:].isspace():
            end_word()
    end_word()
    return words
