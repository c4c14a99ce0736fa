"""Pictures show things where they are."""

from __future__ import annotations

import base64
from dataclasses import replace

import cv2
import numpy as np
import pytest

from zoox_stack.core.agents import EgoState, TrackedAgents, TrafficSignals
from zoox_stack.core.classes import LineType, SignalState
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.ragged import Ragged
from zoox_stack.evaluation.birds_eye import AHEAD, BEHIND, EGO, SIDE, agent_colour, draw_scene
from zoox_stack.evaluation.canvas import Canvas, View, data_uri, mixed, rgb
from zoox_stack.evaluation.map_picture import GROUND, ROAD, MapPicture, cut, dashed
from zoox_stack.road_network.line_styles import LINE_STYLES
from zoox_stack.road_network.made_up import straight_road
from zoox_stack.road_network.made_up_town import grid_of_crossings
from zoox_stack.road_network.network import RoadNetwork


def scene() -> TrackedAgents:
    return TrackedAgents.from_states(
        10**12, np.array([4]), np.array([1], np.uint8), np.array([[60.0, 10.0, 0.8]]), np.zeros(1),
        np.array([[6.0, 0.0]]), np.array([[4.5, 1.9, 1.6]], np.float32),
        ego=EgoState(stamp_ns=10**12, x=40.0, y=0.0, speed=8.0),
    )  # fmt: skip


def place(image: np.ndarray, colour: str) -> tuple[float, float]:
    """Middle of all pixels of a colour, shares of height and width."""
    rows, columns = np.nonzero(np.abs(image.astype(int) - rgb(colour)).max(axis=-1) < 6)
    assert len(rows)
    return float(rows.mean() / image.shape[0]), float(columns.mean() / image.shape[1])


@pytest.mark.parametrize("turned", [0.0, 2.0])
def test_ahead_is_up_and_left_is_left_at_the_right_scale(turned: float) -> None:
    now = scene()
    assert now.ego is not None
    c, s = np.cos(turned), np.sin(turned)
    position = now.position.copy()
    position[:, :2] = position[:, :2] @ np.array([[c, s], [-s, c]])
    ego = replace(now.ego, x=40 * c, y=40 * s, yaw=turned)
    image = draw_scene(replace(now, position=position, yaw=now.yaw + turned, ego=ego))
    own, other = place(image, EGO), place(image, agent_colour(1))
    # 20 m from the rear axle ahead to the agent, 1.4 m to the ego's middle; 10 m to the left
    assert (own[0] - other[0]) * (AHEAD + BEHIND) == pytest.approx(20 - 1.4, abs=0.6)
    assert (own[1] - other[1]) * 2 * SIDE == pytest.approx(10, abs=0.3)


def test_a_scene_without_ego_cannot_be_drawn() -> None:
    with pytest.raises(InvalidInputError, match="ego"):
        draw_scene(replace(scene(), ego=None))


def test_a_view_says_where_points_lie() -> None:
    view = View(100.0, 50.0, np.pi / 2, 40.0, 20.0, 5.0)  # up is +y
    points = np.array([[100.0, 50.0], [100.0, 60.0], [80.0, 50.0], [120.0, 40.0]])
    np.testing.assert_allclose(view.shares(points), [[0.5, 0.5], [0.5, 0.0], [0.0, 0.5], [1.0, 1.0]], atol=1e-12)


def test_a_canvas_fills_exactly_the_area() -> None:
    canvas = Canvas(View(0.0, 0.0, 0.0, 20.0, 20.0, 10.0), "#ffffff")
    canvas.fill(np.array([[0.0, 0.0], [5.0, 0.0], [5.0, 8.0], [0.0, 8.0]]), "#ff0000")
    image = canvas.image()
    assert image.shape == (200, 200, 3)
    red = (image == [255, 0, 0]).all(axis=-1).sum()
    assert red == pytest.approx(50 * 80, rel=0.05)
    assert (image[60, 80] == [255, 0, 0]).all()  # ahead is up, left is left
    assert (image[140, 80] == 255).all()


def test_the_road_is_drawn_and_the_ground_is_not_road() -> None:
    ego = EgoState(stamp_ns=0, x=40.0, y=0.0)
    image = draw_scene(TrackedAgents.empty(0, ego), background=MapPicture(straight_road()))
    colours = {tuple(c) for c in image.reshape(-1, 3)[::7].tolist()}
    assert {rgb(ROAD), rgb(GROUND)} <= colours


def test_lines_are_drawn_by_kind() -> None:
    """A kerb beside the road, known only as a line; boundaries of unknown kind are paler than painted ones."""
    road = straight_road(lanes=1)
    kerb = [[[0.0, -5.25, 0.0], [100.0, -5.25, 0.0]]]
    network = replace(
        road,
        line_ids=np.array([1]),
        line_types=np.array([LineType.KERB], np.uint8),
        lines=Ragged.from_rows(kerb, np.float64, 3),
    )
    empty = TrackedAgents.empty(0, EgoState(stamp_ns=0, x=40.0, y=0.0))

    def pixels(network: RoadNetwork, kind: LineType) -> int:
        image = draw_scene(empty, background=MapPicture(network)).astype(int)
        return int((np.abs(image - rgb(LINE_STYLES[kind].on_pale)).max(axis=-1) < 3).sum())

    assert pixels(network, LineType.KERB) > pixels(road, LineType.KERB) + 100
    marks = {
        name: np.full(len(road.lane_ids), LineType.UNKNOWN, np.uint8)
        for name in ("left_boundary_types", "right_boundary_types")
    }
    unknown = replace(road, **marks)
    solid = replace(road, **{name: np.full_like(kinds, LineType.SOLID_WHITE) for name, kinds in marks.items()})
    assert pixels(solid, LineType.SOLID_WHITE) > 100 > pixels(unknown, LineType.SOLID_WHITE)
    assert pixels(unknown, LineType.UNKNOWN) > 100


def test_signals_show_their_colour() -> None:
    town = grid_of_crossings(1, 1)
    row = int(np.flatnonzero(town.signal_lanes.lengths)[0])
    at = town.centre_lines[int(town.signal_lanes[row][0])][0]
    empty = TrackedAgents.empty(0, EgoState(stamp_ns=0, x=float(at[0]), y=float(at[1])))

    def strength(state: SignalState, channel: int) -> int:
        states = np.full(len(town.signal_ids), state, np.uint8)
        signals = TrafficSignals(0, town.signal_ids, states, np.ones(len(states), np.float32))
        image = draw_scene(empty, background=MapPicture(town), signals=signals).astype(int)
        return int((image[..., channel] - image.max(axis=-1, initial=0, where=np.arange(3) != channel) > 60).sum())

    assert strength(SignalState.RED, 0) > 50 > strength(SignalState.GREEN, 0)
    assert strength(SignalState.GREEN, 1) > 50 > strength(SignalState.RED, 1)


def test_pieces_of_lines() -> None:
    line = np.array([[0.0, 0.0], [10.0, 0.0], [10.0, 10.0]])
    np.testing.assert_allclose(cut(line, 8.0, 13.0), [[8, 0], [10, 0], [10, 3]])
    np.testing.assert_allclose(cut(line, -5.0, 99.0), line)
    pieces = dashed(line, 3.0, 2.0)
    assert [float(np.hypot(*np.diff(p, axis=0).T).sum()) for p in pieces] == pytest.approx([3.0] * 4)


def test_colours_mix() -> None:
    assert mixed("#000000", "#ff8000", 0.0) == "#000000"
    assert mixed("#000000", "#ff8000", 1.0) == "#ff8000"
    assert mixed("#000000", "#ff8000", 0.5) == "#804000"


def test_pictures_are_their_own_address() -> None:
    image = np.zeros((30, 40, 3), np.uint8)
    image[:, :20] = [200, 30, 30]
    kind, data = data_uri(image).split(",")
    assert kind == "data:image/webp;base64"
    back = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert back.shape == image.shape
    assert np.abs(back[15, 5].astype(int) - [200, 30, 30]).max() < 12
