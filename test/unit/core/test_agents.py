"""The scene types."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from zoox_stack.core.agents import DetectedAgents, EgoState, TrackedAgents, TrafficSignals
from zoox_stack.core.classes import AgentClass, Attribute, SignalState, TurnSignal
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.frames import Frame


def two_agents() -> TrackedAgents:
    return TrackedAgents.from_states(
        1, np.array([9, 4]), np.array([AgentClass.CAR, AgentClass.PEDESTRIAN]), np.array([[1.0, 2, 0], [3, 4, 0]]),
        np.array([0.1, 0.2]), np.array([[3.0, 4.0], [0.0, 1.0]]), np.ones((2, 3), np.float32),
    )  # fmt: skip


def test_exact_states_are_sorted_by_id() -> None:
    scene = two_agents()
    assert scene.ids.tolist() == [4, 9]
    assert scene.classes.tolist() == [AgentClass.PEDESTRIAN, AgentClass.CAR]
    np.testing.assert_allclose(scene.speed, [1.0, 5.0])
    assert scene.class_probabilities[0, AgentClass.PEDESTRIAN] == 1.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ids": np.array([4, 4])}, "strictly rising"),
        ({"ids": np.array([-1, 4])}, ">= 0"),
        ({"classes": np.array([1, 77], np.uint8)}, "classes"),
        ({"position": np.array([[np.nan, 0, 0], [0, 0, 0]])}, "finite"),
        ({"size": np.zeros((2, 3), np.float32)}, "size"),
        ({"existence": np.array([0.5, 1.5], np.float32)}, "existence"),
        ({"yaw": np.zeros(3)}, "shape"),
        ({"frame": Frame.BASE_LINK}, "frame"),
    ],
)
def test_bad_scenes_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        replace(two_agents(), **change)


def test_attributes_out_of_range_are_refused() -> None:
    attributes = np.zeros((2, len(Attribute)), np.uint8)
    attributes[0, Attribute.TURN_SIGNAL] = TurnSignal.HAZARD
    replace(two_agents(), attributes=attributes)
    attributes = attributes.copy()
    attributes[0, Attribute.BRAKE_LIGHT] = 3
    with pytest.raises(InvalidInputError, match="attributes"):
        replace(two_agents(), attributes=attributes)


def test_empty_scenes_and_detections() -> None:
    assert len(TrackedAgents.empty(3)) == 0
    assert len(DetectedAgents.empty(3)) == 0
    assert TrackedAgents.empty(3).ego is None


def test_detections_without_velocity_have_nan() -> None:
    found = DetectedAgents(
        0, Frame.MAP, np.eye(10, dtype=np.float32)[:1], np.array([0.5], np.float32), np.zeros((1, 3)), np.zeros(1),
        np.ones((1, 3), np.float32),
    )  # fmt: skip
    assert np.isnan(found.velocity).all()
    assert np.isnan(found.facing).all()


def test_ego_centre_and_bad_ego() -> None:
    np.testing.assert_allclose(EgoState(0, 1.0, 2.0, yaw=np.pi / 2, rear_axle_to_centre=1.5).centre, [1.0, 3.5])
    with pytest.raises(InvalidInputError, match=r"EgoState\.speed"):
        EgoState(0, 0.0, 0.0, speed=float("nan"))
    with pytest.raises(InvalidInputError, match="size"):
        EgoState(0, 0.0, 0.0, width=0.0)


def test_signal_states_are_checked() -> None:
    good = TrafficSignals(0, np.array([1]), np.array([SignalState.RED], np.uint8), np.ones(1, np.float32))
    assert good.states.tolist() == [SignalState.RED]
    with pytest.raises(InvalidInputError, match="states"):
        TrafficSignals(0, np.array([1]), np.array([99], np.uint8), np.ones(1, np.float32))
