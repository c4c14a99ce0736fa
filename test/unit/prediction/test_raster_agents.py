"""Boxes on pixels, and the values of agents."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoox_stack.core.agents import TrackedAgents
from zoox_stack.core.classes import AgentClass, Attribute, TriState, TurnSignal
from zoox_stack.prediction.channels import RASTER_SIZE, Channel
from zoox_stack.prediction.raster_agents import CLASS_CHANNEL, BoxPixels, agent_counts


def cover(centre: tuple[float, float], yaw: float, length: float, width: float) -> np.ndarray:
    pixels = BoxPixels(np.array([centre]), np.array([yaw]), np.array([[length, width]]))
    image = np.zeros((RASTER_SIZE, RASTER_SIZE))
    image.reshape(-1)[pixels.pixel] = pixels.coverage
    return image


def exact_cover(centre: tuple[float, float], yaw: float, length: float, width: float, fine: int = 8) -> np.ndarray:
    """Share of each pixel inside the box, by fine samples."""
    steps = (np.arange(RASTER_SIZE * fine) + 0.5) / fine * 0.5
    x, y = (100 - steps)[:, None] - centre[0], (64 - steps)[None, :] - centre[1]
    along, across = np.cos(yaw) * x + np.sin(yaw) * y, np.cos(yaw) * y - np.sin(yaw) * x
    inside = (np.abs(along) <= length / 2) & (np.abs(across) <= width / 2)
    return 255 * inside.reshape(RASTER_SIZE, fine, RASTER_SIZE, fine).mean(axis=(1, 3))


@settings(max_examples=15, deadline=None)
@given(x=st.floats(-30, 102), y=st.floats(-66, 66), length=st.floats(0.5, 20), width=st.floats(0.5, 4))
def test_coverage_of_straight_boxes_is_exact(x: float, y: float, length: float, width: float) -> None:
    steps = np.arange(RASTER_SIZE + 1) * 0.5

    def share(edges: np.ndarray, low: float, high: float) -> np.ndarray:
        return np.maximum(np.minimum(edges[:-1], high) - np.maximum(edges[1:], low), 0) / 0.5

    rows = share(100 - steps, x - length / 2, x + length / 2)
    columns = share(64 - steps, y - width / 2, y + width / 2)
    np.testing.assert_allclose(cover((x, y), 0.0, length, width), 255 * np.outer(rows, columns), atol=1.0)


@pytest.mark.parametrize("yaw", [0.3, 0.79, 2.0, -1.2])
@pytest.mark.parametrize("size", [(4.6, 1.9), (0.7, 0.6), (12.0, 2.6), (25.0, 3.0)])
def test_coverage_of_turned_boxes_is_close(yaw: float, size: tuple[float, float]) -> None:
    got, want = cover((20.13, -7.41), yaw, *size), exact_cover((20.13, -7.41), yaw, *size)
    assert got.sum() == pytest.approx(want.sum(), rel=0.05)
    assert np.abs(got - want).max() < 80
    assert np.abs(got - want).sum() / want.sum() < 0.35


def test_a_tiny_agent_does_not_vanish() -> None:
    for x in np.linspace(10, 11, 9):
        image = cover((x, 0.1), 0.7, 0.05, 0.05)
        assert image.sum() == pytest.approx(255, rel=0.15)


def test_boxes_over_the_edge_are_cut_and_beyond_are_gone() -> None:
    assert cover((100.0, 0.0), 0.0, 4.0, 2.0).sum() == pytest.approx(255 * 16, rel=0.01)
    for centre in ((103.0, 0.0), (0.0, 70.0), (-40.0, 0.0), (1e12, -1e12)):
        assert not cover(centre, 0.0, 4.0, 2.0).any()
    assert cover((50.0, 0.0), 0.4, 100.0, 100.0).sum() == pytest.approx(
        exact_cover((50.0, 0.0), 0.4, 100, 100, 1).sum(), rel=0.02
    )


def test_where_boxes_overlap_the_one_that_covers_more_wins() -> None:
    centre = np.array([[10.25, 0.25], [10.25, 0.0]])
    size = np.array([[0.5, 0.5], [0.5, 0.5]])
    for order in ([0, 1], [1, 0]):
        pixels = BoxPixels(centre[order], np.zeros(2), size)
        owner = np.full(RASTER_SIZE * RASTER_SIZE, -1)
        owner[pixels.pixel] = pixels.box
        row, column = int((100 - 10.25) / 0.5), int((64 - 0.25) / 0.5)
        assert order[owner[row * RASTER_SIZE + column]] == 0


def test_weights_scale_the_coverage() -> None:
    pixels = BoxPixels(np.array([[10.0, 0.0]]), np.zeros(1), np.array([[4.0, 2.0]]), np.array([1 / 3]))
    assert pixels.coverage.max() == 85


def test_classes_go_to_their_channels() -> None:
    expected = {
        AgentClass.UNKNOWN: Channel.OTHER_AGENT,
        AgentClass.CAR: Channel.VEHICLE,
        AgentClass.TRUCK: Channel.LARGE_VEHICLE,
        AgentClass.BUS: Channel.LARGE_VEHICLE,
        AgentClass.TRAILER: Channel.LARGE_VEHICLE,
        AgentClass.MOTORCYCLE: Channel.CYCLIST,
        AgentClass.BICYCLE: Channel.CYCLIST,
        AgentClass.PEDESTRIAN: Channel.PEDESTRIAN,
        AgentClass.ANIMAL: Channel.OTHER_AGENT,
        AgentClass.HAZARD: Channel.OTHER_AGENT,
    }
    assert {kind: Channel(CLASS_CHANNEL[kind]) for kind in AgentClass} == expected


def counts_of(attribute: Attribute, values: list[int]) -> np.ndarray:
    n = len(values)
    attributes = np.zeros((n, len(Attribute)), np.uint8)
    attributes[:, attribute] = values
    scene = TrackedAgents.from_states(
        0, np.arange(n), np.ones(n, np.uint8), np.zeros((n, 3)), np.zeros(n), np.zeros((n, 2)),
        np.ones((n, 3), np.float32), attributes=attributes,
    )  # fmt: skip
    return agent_counts(scene, 0.0)


def row(channel: Channel) -> int:
    return channel - Channel.EXISTENCE


@pytest.mark.parametrize(
    ("attribute", "channel"),
    [
        (Attribute.BRAKE_LIGHT, Channel.BRAKE_LIGHT),
        (Attribute.EMERGENCY_LIGHT, Channel.EMERGENCY_LIGHT),
        (Attribute.DOOR_OPEN, Channel.DOOR_OPEN),
        (Attribute.PHONE_IN_HAND, Channel.PHONE_IN_HAND),
        (Attribute.CHILD, Channel.CHILD),
    ],
)
def test_yes_no_and_unknown_differ(attribute: Attribute, channel: Channel) -> None:
    counts = counts_of(attribute, [TriState.UNKNOWN, TriState.NO, TriState.YES])
    assert counts[row(channel)].tolist() == [128, 0, 255]
    others = [c for c in range(row(Channel.TURN_SIGNAL_LEFT), row(Channel.CHILD) + 1) if c != row(channel)]
    assert (counts[others] == 128).all()


def test_turn_signals() -> None:
    counts = counts_of(Attribute.TURN_SIGNAL, list(TurnSignal))
    assert counts[row(Channel.TURN_SIGNAL_LEFT)].tolist() == [128, 0, 255, 0, 255]
    assert counts[row(Channel.TURN_SIGNAL_RIGHT)].tolist() == [128, 0, 0, 255, 255]


def test_facing_is_neutral_where_not_observed_and_turns_with_the_ego() -> None:
    scene = TrackedAgents.from_states(
        0, np.arange(2), np.full(2, 7, np.uint8), np.zeros((2, 3)), np.zeros(2), np.zeros((2, 2)),
        np.ones((2, 3), np.float32),
    )  # fmt: skip
    counts = agent_counts(replace(scene, facing=np.array([np.nan, 1.0], np.float32)), 1.0 - np.pi / 2)
    assert counts[row(Channel.FACING_COS)].tolist() == [128, 128]
    assert counts[row(Channel.FACING_SIN)].tolist() == [128, 255]


def test_acceleration_is_along_the_agents_own_heading_and_limited() -> None:
    scene = TrackedAgents.from_states(
        0, np.arange(2), np.ones(2, np.uint8), np.zeros((2, 3)), np.array([np.pi / 2, 0.0]), np.zeros((2, 2)),
        np.ones((2, 3), np.float32), acceleration=np.array([[9.0, -2.0], [500.0, 0.0]]),
        yaw_rate=np.array([0.5, -9.0]),
    )  # fmt: skip
    counts = agent_counts(scene, 0.4)
    assert counts[row(Channel.ACCELERATION)].tolist() == [108, 255]
    assert counts[row(Channel.YAW_RATE)].tolist() == [153, 1]
