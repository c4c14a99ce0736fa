"""Map tiles: equal to the map wherever and in whatever order they are drawn, and bounded in number."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoox_stack.core.classes import LaneType
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.ragged import Ragged
from zoox_stack.prediction.channels import RASTER_SIZE, Channel, pixel_to_region
from zoox_stack.prediction.map_tiles import MIN_TILES, TILE_SIZE, MapTiles, direction_tables
from zoox_stack.prediction.raster_map import MapShapes
from zoox_stack.road_network.made_up import crossing, curved_road, straight_road
from zoox_stack.road_network.network import RoadNetwork

PIXELS = np.stack(np.meshgrid(np.arange(RASTER_SIZE), np.arange(RASTER_SIZE), indexing="ij"), axis=-1) + 0.5


def bit(masks: np.ndarray, channel: Channel) -> np.ndarray:
    return (masks >> channel & 1).astype(bool)


@settings(max_examples=30, deadline=None)
@given(x=st.floats(-80, 480), y=st.floats(-60, 60), yaw=st.floats(-3.2, 3.2))
def test_a_road_lies_where_geometry_says(x: float, y: float, yaw: float) -> None:
    """Lanes along +x, |y - 1.75| < 3.5: every pixel centre further than 0.5 m from an edge must agree."""
    sample = MapTiles(MapShapes(straight_road(lanes=2, length=400))).sample(x, y, yaw)
    assert sample is not None
    local = pixel_to_region(PIXELS)
    c, s = np.cos(yaw), np.sin(yaw)
    map_x = x + c * local[..., 0] - s * local[..., 1]
    map_y = y + s * local[..., 0] + c * local[..., 1]
    inside = np.minimum.reduce([map_x, 400 - map_x, 3.5 - np.abs(map_y - 1.75)])
    lane = bit(sample.masks, Channel.LANE_VEHICLE)
    assert lane[inside > 0.5].all()
    assert not lane[inside < -0.5].any()
    np.testing.assert_array_equal((sample.speed > 0)[np.abs(inside) > 0.5], (inside > 0)[np.abs(inside) > 0.5])
    assert not bit(sample.masks, Channel.LANE_BUS).any()


def test_lines_are_never_broken() -> None:
    """The centre line of a straight lane crosses every row of the image, at any small angle."""
    tiles = MapTiles(MapShapes(straight_road(lanes=1, length=600)))
    for yaw in np.linspace(-0.3, 0.3, 13):
        sample = tiles.sample(250.0, 0.3, float(yaw))
        assert sample is not None
        assert bit(sample.masks, Channel.CENTRE_LINE).any(axis=1).all()


def test_directions_follow_a_curve() -> None:
    road = curved_road(lanes=1, radius=60.0, angle=np.pi / 2, straight=60.0)
    sample = MapTiles(MapShapes(road)).sample(20.0, 0.0, 0.0)
    assert sample is not None
    codes = (sample.masks >> 24).astype(np.uint8)
    cosine, sine = direction_tables(0.0)
    centre = road.centre_lines.values[:, :2]
    for x, y, heading in ((40.0, 0.0, 0.0), (60 + 60 * np.sin(0.8), 60 * (1 - np.cos(0.8)), 0.8)):
        assert np.hypot(*(centre - [x, y]).T).min() < 1.5
        row, column = int((100 - (x - 20)) / 0.5), int((64 - y) / 0.5)
        code = codes[row, column]
        assert code > 0
        assert cosine[code] == pytest.approx(128 + 127 * np.cos(heading), abs=6)
        assert sine[code] == pytest.approx(128 + 127 * np.sin(heading), abs=6)


def test_direction_tables_turn_with_the_ego() -> None:
    for yaw in (0.0, 1.0, -2.5):
        cosine, sine = direction_tables(yaw)
        angle = np.arange(255) * 2 * np.pi / 255 - yaw
        np.testing.assert_allclose(cosine[1:], 128 + 127 * np.cos(angle), atol=0.51)
        np.testing.assert_allclose(sine[1:], 128 + 127 * np.sin(angle), atol=0.51)
        assert (cosine[0], sine[0]) == (128, 128)


def test_eviction_changes_nothing_but_the_number_of_tiles() -> None:
    shapes = MapShapes(straight_road(lanes=3, length=3000))
    few, many = MapTiles(shapes, max_tiles=MIN_TILES), MapTiles(shapes, max_tiles=200)
    for x in (0.0, 1500.0, 2900.0, 20.0, 1510.0):
        a, b = few.sample(x, 10.0, 0.7), many.sample(x, 10.0, 0.7)
        assert a is not None
        assert b is not None
        np.testing.assert_array_equal(a.masks, b.masks)
        np.testing.assert_array_equal(a.speed, b.speed)
        assert len(few) <= MIN_TILES
    assert few.drawn > many.drawn


def test_prefetch_draws_one_tile_at_a_time_and_never_the_same_twice() -> None:
    tiles = MapTiles(MapShapes(straight_road(lanes=1, length=1500)))
    tiles.sample(100.0, 0.0, 0.0)
    before = tiles.drawn
    while tiles.prefetch(100.0, 0.0, 0.0, distance=400.0):
        assert tiles.drawn == before + 1
        before = tiles.drawn
        assert before < 20
    tiles.sample(500.0, 0.0, 0.0)
    assert tiles.drawn == before  # all there already


def test_far_from_the_map_there_is_none() -> None:
    tiles = MapTiles(MapShapes(crossing()))
    for pose in ((5000.0, 0.0), (0.0, -1e9), (1e300, 1e300)):
        assert tiles.sample(*pose, 0.0) is None
        assert tiles.prefetch(*pose, 0.0) is False
    assert len(tiles) == 0


def test_coordinates_of_a_projected_map() -> None:
    """The same road at UTM-like coordinates gives the same picture."""
    near = straight_road(lanes=2, length=300)
    offset = np.array([458_000.0, 5_428_000.0, 100.0])

    def moved(ragged: Ragged) -> Ragged:
        return Ragged(ragged.values + offset, ragged.offsets)

    names = ("centre_lines", "left_boundaries", "right_boundaries", "lines", "areas")
    far = replace(near, **{name: moved(getattr(near, name)) for name in names})
    a = MapTiles(MapShapes(near)).sample(33.0, 2.0, 0.4)
    b = MapTiles(MapShapes(far)).sample(33.0 + offset[0], 2.0 + offset[1], 0.4)
    assert a is not None
    assert b is not None
    np.testing.assert_array_equal(a.masks, b.masks)


def test_a_lane_without_boundaries_is_drawn_by_its_width() -> None:
    road = straight_road(lanes=1, length=200)
    none = Ragged.from_rows([[]] * len(road.lane_ids), np.float64, 3)
    bare = replace(road, left_boundaries=none, right_boundaries=none)
    a, b = (MapTiles(MapShapes(network)).sample(50.0, 0.0, 0.0) for network in (road, bare))
    assert a is not None
    assert b is not None
    np.testing.assert_array_equal(bit(a.masks, Channel.LANE_VEHICLE), bit(b.masks, Channel.LANE_VEHICLE))
    assert not bit(b.masks, Channel.LINE_KERB).any()


def test_other_lanes_have_no_direction() -> None:
    road = straight_road(lanes=1)
    other = replace(road, lane_types=np.full(len(road.lane_ids), LaneType.OTHER, np.uint8))
    sample = MapTiles(MapShapes(other)).sample(50.0, 0.0, 0.0)
    assert sample is not None
    assert not (sample.masks >> 24).any()


def test_empty_and_absurd_maps() -> None:
    assert MapShapes(RoadNetwork()).is_empty
    road = straight_road(lanes=1, length=100)
    points = road.areas.values.copy()
    points[0, 0] = 1e9
    with pytest.raises(InvalidInputError, match="extent"):
        MapShapes(replace(road, areas=Ragged(points, road.areas.offsets)))
    with pytest.raises(InvalidInputError, match="max_tiles"):
        MapTiles(MapShapes(road), max_tiles=MIN_TILES - 1)


def test_nine_tiles_are_enough_for_any_pose() -> None:
    assert RASTER_SIZE * 0.5 * np.sqrt(2) < 2 * TILE_SIZE
