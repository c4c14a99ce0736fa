"""Broken files end in one kind of error, which names the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from zoox_stack.core.errors import InvalidInputError

# What code that reads a file as if it were sound meets in one that is not (OverflowError: numbers of too many digits;
# RecursionError, a RuntimeError: too deep nesting; RuntimeError: what libraries in C++ throw).
BROKEN = (ValueError, LookupError, TypeError, AttributeError, OverflowError, RuntimeError)


@contextmanager
def reading(thing: str, expected: str) -> Iterator[None]:
    """Turn whatever a broken file makes of the code that reads it into an error about the file.

    Args:
        thing: The file, or a part of it with the file's name.
        expected: What it should have been.

    Raises:
        InvalidInputError: Instead of everything in `BROKEN`; one that does not name `thing` yet gets it in front.
    """
    try:
        yield
    except InvalidInputError as error:
        if thing in error.thing:
            raise
        raise InvalidInputError(f"{thing}: {error.thing}", error.expected, error.found, error.remedy) from error
    except BROKEN as error:
        raise InvalidInputError(thing, expected, f"{type(error).__name__}: {error}") from error
