"""Kinds of layouts by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from numpy.random import Generator

from zoox_stack.core.parameters import build
from zoox_stack.simulation.layouts.arterial import ArterialLayout, arterial
from zoox_stack.simulation.layouts.explicit import ExplicitLayout, explicit
from zoox_stack.simulation.layouts.grid import GridLayout, grid
from zoox_stack.simulation.layouts.motorway import MotorwayLayout, motorway
from zoox_stack.simulation.layouts.roundabout import RoundaboutLayout, roundabout
from zoox_stack.simulation.layouts.web import WebLayout, web
from zoox_stack.simulation.town_plan import TownPlan


@dataclass(frozen=True)
class LayoutKind:
    """A way to lay out towns.

    Attributes:
        read: Makes the layout's arguments from the values of a file; the second argument is named in errors.
        draw: Makes a plan of a name from random numbers and the arguments.
    """

    read: Callable[[Mapping[str, Any], str], Any]
    draw: Callable[[Generator, str, Any], TownPlan]


def _of(config: type, draw: Callable[[Generator, str, Any], TownPlan]) -> LayoutKind:
    return LayoutKind(lambda values, owner: build(config, values, owner), draw)


KINDS: dict[str, LayoutKind] = {
    "grid": _of(GridLayout, grid),
    "web": _of(WebLayout, web),
    "roundabout": _of(RoundaboutLayout, roundabout),
    "arterial": _of(ArterialLayout, arterial),
    "motorway": _of(MotorwayLayout, motorway),
    "explicit": LayoutKind(ExplicitLayout.from_values, explicit),
}
