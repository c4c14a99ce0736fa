"""Errors that name the thing, what was expected and what was found."""

from __future__ import annotations


class ZooxStackError(Exception):
    """Base of every error this package raises on purpose."""


class InvalidInputError(ZooxStackError, ValueError):
    """Something from outside (file, message, parameter, model) failed its check at the door.

    Args:
        thing: What was checked, for example ``"TrackedAgents.position"``.
        expected: What would have been right.
        found: What was there.
        remedy: What to do next, if there is something.
    """

    def __init__(self, thing: str, expected: str, found: str, remedy: str = "") -> None:
        self.thing, self.expected, self.found, self.remedy = thing, expected, found, remedy
        text = f"{thing}: expected {expected}, found {found}"
        super().__init__(f"{text}. {remedy}" if remedy else text)


class ConfigurationError(ZooxStackError):
    """A parameter, launch file or installation is wrong; the text says how to put it right."""


class ModelError(ZooxStackError):
    """An ONNX model or its execution provider cannot be used; the text says why and the remedy."""


class StorageError(ZooxStackError):
    """Data could not be written, for example because the disk is full; what was written before is kept."""
