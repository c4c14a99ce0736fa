"""Parsers of commands whose modules are imported when they are the ones asked for."""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import Any


class LateParser(argparse.ArgumentParser):
    """Parser of a command in a module of its own: imports take a second, and may need packages that others do not.

    Args:
        module: Has `add_arguments`, which takes the parser, and `run`, which takes the arguments; none if empty.
        options: As of any parser.
    """

    def __init__(self, *, module: str = "", **options: Any) -> None:
        super().__init__(**options)
        self._module = module

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As of any parser."""
        if self._module:
            module = import_module(self._module)
            self._module = ""
            module.add_arguments(self)
            self.set_defaults(func=module.run)
        return super().parse_known_args(args, namespace)
