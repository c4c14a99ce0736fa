"""Limits in turns follow from curvature."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from zoox_stack.simulation.turn_speeds import COMFORTABLE, slow_down_turns, turn_speed


def _arc(radius: float, degrees: float = 90.0) -> np.ndarray:
    angle = np.deg2rad(np.linspace(0, degrees, 60))
    return radius * np.stack([np.sin(angle), 1 - np.cos(angle)], axis=1)


@pytest.mark.parametrize("radius", [6.0, 15.0, 40.0])
def test_a_circle_is_driven_with_comfort(radius: float) -> None:
    assert turn_speed(_arc(radius)) == pytest.approx(np.sqrt(COMFORTABLE * radius), rel=0.05)


def test_straight_and_short_lines_have_no_limit() -> None:
    assert turn_speed(np.array([[0.0, 0], [30, 0]])) == np.inf
    assert turn_speed(np.array([[0.0, 0], [0.3, 0.2]])) == np.inf


def test_only_lanes_in_junctions_are_limited() -> None:
    shape = " ".join(f"{x:.3f},{y:.3f}" for x, y in _arc(8.0))
    lane = f'<lane speed="13.89" shape="{shape}"/>'
    root = ET.fromstring(f'<net><edge function="internal">{lane}</edge><edge>{lane}</edge></net>')
    slow_down_turns(root)
    speeds = [float(lane.attrib["speed"]) for lane in root.iter("lane")]
    assert speeds == pytest.approx([np.sqrt(COMFORTABLE * 8), 13.89], rel=0.05)
