"""The scene image as a whole: what stands where, turned with the ego, the same whenever drawn."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoox_stack.core.agents import EgoState, TrackedAgents, TrafficSignals
from zoox_stack.core.classes import AgentClass, SignalState
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.plans import Route
from zoox_stack.prediction.channels import TABLE, Channel, Group, neutral_counts, region_to_pixel
from zoox_stack.prediction.draw_channels import example, example_network
from zoox_stack.prediction.history import HistoryBuffer, SceneHistory
from zoox_stack.prediction.raster import SHAPE, SceneRasterizer
from zoox_stack.road_network.made_up import crossing, straight_road
from zoox_stack.road_network.network import RoadNetwork

AHEAD_LEFT = (30.0, 10.0)


def scene_of(
    xy: list[tuple[float, float]],
    yaw: list[float] | None = None,
    classes: list[AgentClass] | None = None,
    velocity: list[tuple[float, float]] | None = None,
    ego: EgoState | None = None,
    stamp_ns: int = 0,
) -> TrackedAgents:
    n = len(xy)
    return TrackedAgents.from_states(
        stamp_ns,
        np.arange(n),
        np.array(classes or [AgentClass.CAR] * n, np.uint8),
        np.column_stack([np.array(xy, float).reshape(n, 2), np.zeros(n)]),
        np.array(yaw or [0.0] * n, float),
        np.array(velocity or [(0.0, 0.0)] * n, float).reshape(n, 2),
        np.tile(np.array([4.0, 2.0, 1.5], np.float32), (n, 1)),
        ego=ego or EgoState(stamp_ns, 0.0, 0.0),
    )


def history_of(scene: TrackedAgents) -> SceneHistory:
    return HistoryBuffer().push(scene)


def at(image: np.ndarray, channel: Channel, x: float, y: float) -> int:
    row, column = np.floor(region_to_pixel(np.array([x, y]))).astype(int)
    return int(image[channel, row, column])


def centre_of(plane: np.ndarray) -> tuple[float, float]:
    """Centre of mass of a channel, x ahead and y left [m]."""
    rows, columns = np.nonzero(plane)
    weight = plane[rows, columns].astype(float)
    return float(100 - 0.5 * np.average(rows + 0.5, weights=weight)), float(
        64 - 0.5 * np.average(columns + 0.5, weights=weight)
    )


def test_ahead_is_up_and_left_is_left() -> None:
    image = SceneRasterizer(None).render(history_of(scene_of([AHEAD_LEFT])))
    rows, columns = np.nonzero(image[Channel.VEHICLE])
    assert rows.mean() < 200 - 50  # above the ego, which is at row 200
    assert columns.mean() < 128  # left of it
    assert centre_of(image[Channel.VEHICLE]) == pytest.approx(AHEAD_LEFT, abs=0.01)


@settings(max_examples=25, deadline=None)
@given(
    x=st.floats(-1e3, 1e3),
    y=st.floats(-1e3, 1e3),
    yaw=st.floats(-3.1, 3.1),
    ahead=st.floats(-20, 90),
    left=st.floats(-55, 55),
    turn=st.floats(-3.1, 3.1),
)
def test_an_agent_stands_where_the_ego_sees_it(
    x: float, y: float, yaw: float, ahead: float, left: float, turn: float
) -> None:
    c, s = np.cos(yaw), np.sin(yaw)
    heading = float(np.arctan2(np.sin(yaw + turn), np.cos(yaw + turn)))
    velocity = (6 * np.cos(heading), 6 * np.sin(heading))
    place = (x + c * ahead - s * left, y + s * ahead + c * left)
    scene = scene_of([place], [heading], velocity=[velocity], ego=EgoState(0, x, y, yaw=yaw))
    image = SceneRasterizer(None).render(history_of(scene))
    assert centre_of(image[Channel.VEHICLE]) == pytest.approx((ahead, left), abs=0.05)
    assert image[Channel.VEHICLE].sum() / 255 * 0.25 == pytest.approx(8.0, rel=0.05)  # [m^2]
    assert at(image, Channel.HEADING_COS, ahead, left) == pytest.approx(128 + 127 * np.cos(turn), abs=1)
    assert at(image, Channel.HEADING_SIN, ahead, left) == pytest.approx(128 + 127 * np.sin(turn), abs=1)
    assert at(image, Channel.VELOCITY_X, ahead, left) == pytest.approx(128 + 20 * np.cos(turn), abs=1)
    assert at(image, Channel.VELOCITY_Y, ahead, left) == pytest.approx(128 + 20 * np.sin(turn), abs=1)


def test_turning_the_world_changes_nothing_but_sampling() -> None:
    """Map, ego and agents turned together: dynamic channels agree closely, map channels up to their edges."""
    straight = straight_road(lanes=3, length=400)
    angle = 0.6
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])

    def turned(ragged):  # type: ignore[no-untyped-def]
        return replace(ragged, values=ragged.values @ turn.T)

    names = ("centre_lines", "left_boundaries", "right_boundaries", "lines", "areas")
    rotated = replace(straight, **{name: turned(getattr(straight, name)) for name in names})
    place = np.array([120.0, 1.0])
    agent = np.array([150.0, 4.0])
    images = []
    for network, matrix, yaw in ((straight, np.eye(2), 0.0), (rotated, turn[:2, :2], angle)):
        ego_x, ego_y = matrix @ place
        scene = scene_of([tuple(matrix @ agent)], [yaw], ego=EgoState(0, ego_x, ego_y, yaw=yaw))
        images.append(SceneRasterizer(network).render(history_of(scene)).astype(int))
    a, b = images
    for info in TABLE:
        difference = np.abs(a[info.channel] - b[info.channel])
        if info.group is Group.MAP:
            assert (difference > 8).mean() < 0.02, info.channel.name
        else:
            assert difference.max() <= 2, info.channel.name
    row = int(region_to_pixel(np.array([20.0, 0.0]))[0])
    lane = a[Channel.LANE_DIRECTION_KNOWN, row] > 0
    assert (np.abs(a[Channel.LANE_DIRECTION_COS, row][lane] - 255) <= 1).all()
    assert (
        np.abs(b[Channel.LANE_DIRECTION_SIN, row][lane & (b[Channel.LANE_DIRECTION_KNOWN, row] > 0)] - 128) <= 3
    ).all()


def test_map_channels_of_a_crossing() -> None:
    ego = EgoState(0, -50.0, -1.75)
    image = SceneRasterizer(crossing()).render(history_of(scene_of([], ego=ego)))
    assert at(image, Channel.LANE_DIRECTION_COS, 10, 0) == 255  # the ego's own lane
    assert at(image, Channel.LANE_DIRECTION_COS, 10, 3.5) == 1  # oncoming, on the left
    north, south = (51.75, 40.0), (48.25, 40.0)  # the arm to the left: lanes leading away and towards the crossing
    assert at(image, Channel.LANE_DIRECTION_SIN, *north) == pytest.approx(255, abs=1)
    assert at(image, Channel.LANE_DIRECTION_SIN, *south) == pytest.approx(1, abs=1)
    assert at(image, Channel.INTERSECTION, 50, 0) == 255
    assert at(image, Channel.INTERSECTION, 20, 0) == 0
    assert at(image, Channel.CROSSWALK, 40.5, 1.75) == 255
    assert at(image, Channel.STOP_LINE, 35, 0) == 255
    assert at(image, Channel.STOP_LINE, 35, 3.5) == 0
    assert at(image, Channel.SPEED_LIMIT, 10, 0) == pytest.approx(13.9 / 0.2, abs=0.6)
    assert at(image, Channel.LINE_KERB, 10, -1.75) == 255
    assert image[Channel.SIGNAL_UNKNOWN].any()  # signals that nobody told about
    assert not image[Channel.SIGNAL_RED].any()
    left, right = image[Channel.LANE_LEFT], image[Channel.LANE_RIGHT]
    assert left.any()
    assert right.any()
    assert (left != right).any()


@pytest.mark.parametrize(
    ("state", "channels", "stop"),
    [
        (SignalState.RED, {Channel.SIGNAL_RED}, 255),
        (SignalState.YELLOW, {Channel.SIGNAL_YELLOW}, 128),
        (SignalState.GREEN, {Channel.SIGNAL_GREEN}, 0),
        (SignalState.FLASHING_RED, {Channel.SIGNAL_RED, Channel.SIGNAL_FLASHING}, 255),
        (SignalState.FLASHING_YELLOW, {Channel.SIGNAL_YELLOW, Channel.SIGNAL_FLASHING}, 128),
        (SignalState.OFF, {Channel.SIGNAL_FLASHING}, 0),
        (SignalState.UNKNOWN, {Channel.SIGNAL_UNKNOWN}, 0),
    ],
)
def test_signals(state: SignalState, channels: set[Channel], stop: int) -> None:
    signals = TrafficSignals(0, np.array([3]), np.array([state], np.uint8), np.ones(1, np.float32))
    ego = EgoState(0, -50.0, -1.75)
    image = SceneRasterizer(crossing()).render(history_of(scene_of([], ego=ego)), signals)
    inside = (37.0, 0.0)  # first metres of the connections that start at the west arm, signal 3
    every = {Channel.SIGNAL_RED, Channel.SIGNAL_YELLOW, Channel.SIGNAL_GREEN, Channel.SIGNAL_FLASHING}
    for channel in every | {Channel.SIGNAL_UNKNOWN}:
        assert at(image, channel, *inside) == (255 if channel in channels else 0), channel.name
    assert at(image, Channel.SIGNAL_STOP_LINE, 35, 0) == stop
    assert at(image, Channel.SIGNAL_UNKNOWN, 50, 12) == 255  # signal 2, of which nothing was said


def test_a_stop_line_inside_the_governed_lane_is_found() -> None:
    road = straight_road(lanes=2, length=400, stop_line_at=180.0, signal=True)
    signals = TrafficSignals(0, np.array([1]), np.array([SignalState.RED], np.uint8), np.ones(1, np.float32))
    image = SceneRasterizer(road).render(history_of(scene_of([], ego=EgoState(0, 130.0, 0.0))), signals)
    rows = np.flatnonzero(image[Channel.SIGNAL_STOP_LINE].any(axis=1))
    assert np.abs(100 - 0.5 * (rows + 0.5) - 50.0).max() < 1.0
    assert at(image, Channel.SIGNAL_RED, 40.0, 0.0) == 255


def test_the_route_is_a_band_of_three_metres() -> None:
    route = Route(0, np.array([[-1e5, 5.0, 0.0], [20.0, 5.0, 0.0], [20.0, 1e5, 0.0]]))
    image = SceneRasterizer(None).render(history_of(scene_of([])), route=route)
    band = image[Channel.ROUTE]
    row = int(region_to_pixel(np.array([0.0, 5.0]))[0])
    columns = np.flatnonzero(band[row])
    assert 64 - 0.5 * (columns + 0.5).mean() == pytest.approx(5.0, abs=0.3)
    assert 5 <= len(columns) <= 7
    assert at(image, Channel.ROUTE, 20.0, 60.0) == 255  # turns left
    assert at(image, Channel.ROUTE, 20.0, -60.0) == 0
    assert not SceneRasterizer(None).render(history_of(scene_of([])))[Channel.ROUTE].any()


def test_the_past_lies_behind() -> None:
    buffer = HistoryBuffer()
    for k in range(11):
        ego = EgoState(k * 100_000_000, x=k * 0.5, y=0.0, speed=5.0)
        scene = scene_of([(30.0 + k, 10.0)], velocity=[(10.0, 0.0)], ego=ego, stamp_ns=k * 100_000_000)
        history = buffer.push(scene)
    image = SceneRasterizer(None).render(history)
    now = centre_of(image[Channel.VEHICLE])
    assert now == pytest.approx((35.0, 10.0), abs=0.01)
    for channel, back in ((Channel.HISTORY_03, 3.0), (Channel.HISTORY_06, 6.0), (Channel.HISTORY_10, 10.0)):
        assert centre_of(image[channel]) == pytest.approx((35.0 - back, 10.0), abs=0.01)
    assert centre_of(image[Channel.EGO_BOX]) == pytest.approx((1.4, 0.0), abs=0.01)
    trail = image[Channel.EGO_HISTORY]
    assert trail.max() == 255
    assert centre_of(trail)[0] < 1.0
    assert (image[Channel.EGO_SPEED] == 25).all()


def test_without_a_past_history_is_empty() -> None:
    image = SceneRasterizer(None).render(history_of(scene_of([AHEAD_LEFT])))
    for channel in (Channel.HISTORY_03, Channel.HISTORY_06, Channel.HISTORY_10, Channel.EGO_HISTORY):
        assert not image[channel].any()


@pytest.mark.parametrize("network", [None, RoadNetwork()])
def test_without_a_map_its_channels_are_neutral(network: RoadNetwork | None) -> None:
    image = SceneRasterizer(network).render(history_of(scene_of([AHEAD_LEFT])))
    for info in TABLE:
        if info.group in (Group.MAP, Group.SIGNAL, Group.ROUTE):
            assert (image[info.channel] == info.neutral).all(), info.channel.name


def test_far_from_the_map_its_channels_are_neutral() -> None:
    rasterizer = SceneRasterizer(crossing())
    for place in (3000.0, 1e9):
        image = rasterizer.render(history_of(scene_of([], ego=EgoState(0, place, place))))
        assert (image[: Channel.EGO_BOX] == neutral_counts()[: Channel.EGO_BOX, None, None]).all()


def test_no_ego_is_an_error() -> None:
    with pytest.raises(InvalidInputError, match="ego"):
        SceneRasterizer(None).render(history_of(replace(scene_of([AHEAD_LEFT]), ego=None)))


def test_a_wrong_out_is_an_error() -> None:
    history = history_of(scene_of([]))
    for out in (
        np.zeros((59, 256, 256), np.uint8),
        np.zeros(SHAPE, np.float32),
        np.zeros((*SHAPE[:2], 512), np.uint8)[..., ::2],
    ):
        with pytest.raises(InvalidInputError, match=r"render\(out\)"):
            SceneRasterizer(None).render(history, out=out)


def test_equal_inputs_give_equal_images_whatever_was_drawn_before() -> None:
    rasterizer, history, signals, route = example()
    first = rasterizer.render(history, signals, route)
    out = np.full(SHAPE, 77, np.uint8)
    rasterizer.render(history_of(scene_of([AHEAD_LEFT], ego=EgoState(0, 60.0, 3.0, yaw=2.0))))
    assert rasterizer.render(history, signals, route, out=out) is out
    np.testing.assert_array_equal(out, first)
    fresh = SceneRasterizer(example_network(), max_tiles=9).render(history, signals, route)
    np.testing.assert_array_equal(fresh, first)


def test_a_copy_draws_the_same() -> None:
    rasterizer, history, signals, route = example()
    first = rasterizer.render(history, signals, route)
    state = rasterizer.__getstate__()
    assert set(state) == {"network", "max_tiles"}  # tiles stay behind
    np.testing.assert_array_equal(copy.deepcopy(rasterizer).render(history, signals, route), first)


def test_the_example_shows_every_channel() -> None:
    """So that the picture in the documentation shows them all, and each can be drawn from some input."""
    rasterizer, history, signals, route = example()
    image = rasterizer.render(history, signals, route)
    assert [channel.name for channel in Channel if (image[channel] == neutral_counts()[channel]).all()] == []


@settings(max_examples=25, deadline=None)
@given(data=st.data(), n=st.integers(0, 40))
def test_any_scene_can_be_drawn(data: st.DataObject, n: int) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    reach = data.draw(st.sampled_from([10.0, 100.0, 1e4, 1e12]))
    scene = replace(
        TrackedAgents.from_states(
            0, np.arange(n), rng.integers(0, 10, n).astype(np.uint8), rng.uniform(-reach, reach, (n, 3)),
            rng.uniform(-7, 7, n), rng.normal(0, 100, (n, 2)), rng.uniform(0.01, 100, (n, 3)).astype(np.float32),
            ego=EgoState(0, 3.0, -2.0, yaw=1.0, speed=-1e6), acceleration=rng.normal(0, 1e6, (n, 2)),
            yaw_rate=rng.normal(0, 1e6, n), attributes=rng.integers(0, 3, (n, 6)).astype(np.uint8),
        ),
        facing=np.where(rng.random(n) < 0.5, np.nan, 1.0).astype(np.float32),
    )  # fmt: skip
    image = SceneRasterizer(None).render(history_of(scene))
    neutral = neutral_counts()
    seen = image[[Channel.VEHICLE, Channel.LARGE_VEHICLE, Channel.CYCLIST, Channel.PEDESTRIAN, Channel.OTHER_AGENT]]
    empty = ~seen.any(axis=0)
    for channel in range(Channel.EXISTENCE, Channel.FACING_SIN + 1):
        assert (image[channel][empty] == neutral[channel]).all(), Channel(channel).name
