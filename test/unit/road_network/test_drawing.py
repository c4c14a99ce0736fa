"""The picture of a map: what lies where has the colour of its kind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from zoox_stack.core.classes import AreaType, LaneType, LineType
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.ragged import Ragged
from zoox_stack.road_network.drawing import AREA_COLOURS, GROUND, LANE_COLOURS, SIGNAL, draw_map
from zoox_stack.road_network.made_up import crossing, straight_road
from zoox_stack.road_network.network import RoadNetwork


def pixels(figure: Figure) -> np.ndarray:
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3]


def colour_at(figure: Figure, image: np.ndarray, x: float, y: float) -> np.ndarray:
    column, row = figure.axes[0].transData.transform((x, y))
    return image[image.shape[0] - 1 - int(row), int(column)]


def legend(figure: Figure) -> str:
    return " | ".join(text.get_text() for text in figure.legends[0].get_texts())


def is_colour(found: np.ndarray, name: str) -> bool:
    return bool(np.abs(found / 255.0 - to_rgb(name)).max() < 0.03)


def test_ground_lanes_and_signals_of_the_crossing() -> None:
    figure = draw_map(crossing())
    image = pixels(figure)
    assert is_colour(colour_at(figure, image, 60.0, 60.0), GROUND)
    assert is_colour(colour_at(figure, image, -55.0, -1.2), LANE_COLOURS[LaneType.VEHICLE])
    assert is_colour(colour_at(figure, image, -12.5, 12.5), AREA_COLOURS[AreaType.DRIVABLE])
    words = legend(figure)
    for part in ("vehicle lane (20)", "crosswalk (4)", "left turn (4)", "stop line", "signal and its lanes (4)"):
        assert part in words
    assert "bus" not in words
    assert (np.abs(image / 255.0 - to_rgb(SIGNAL)).max(axis=-1) < 0.03).sum() > 100


def test_kinds_of_lanes_areas_and_lines() -> None:
    road = straight_road(lanes=3, length=60.0, stop_line_at=40.0)
    rings = [[[x, -8, 0], [x + 8, -8, 0], [x + 8, -4, 0], [x, -4, 0]] for x in (5, 20, 35)]
    network = replace(
        road,
        lane_types=np.array([LaneType.BUS, LaneType.BIKE, LaneType.VEHICLE], np.uint8),
        left_boundary_types=np.array([LineType.SOLID_WHITE, LineType.DOUBLE_SOLID, LineType.SOLID_YELLOW], np.uint8),
        area_ids=np.arange(3),
        area_types=np.array([AreaType.SIDEWALK, AreaType.PARKING, AreaType.BUS_STOP], np.uint8),
        areas=Ragged.from_rows(rings, np.float64, 3),
    )
    figure = draw_map(network)
    image = pixels(figure)
    for row, kind in enumerate((LaneType.BUS, LaneType.BIKE, LaneType.VEHICLE)):
        assert is_colour(colour_at(figure, image, 10.0, 3.5 * row + 1.0), LANE_COLOURS[kind])
    for x, area in ((9, AreaType.SIDEWALK), (24, AreaType.PARKING), (39, AreaType.BUS_STOP)):
        assert is_colour(colour_at(figure, image, x, -6.0), AREA_COLOURS[area])
    assert is_colour(colour_at(figure, image, 10.0, 3 * 3.5 - 1.75), "#f5c518")
    assert is_colour(colour_at(figure, image, 40.0, 1.0), "white")
    for words in (
        "bus lane (1)",
        "bike lane (1)",
        "sidewalk (1)",
        "parking (1)",
        "bus stop (1)",
        "double solid",
        "kerb",
    ):
        assert words in legend(figure)


@pytest.mark.parametrize("depth", [3.0, 9.0])
def test_stripes_of_crosswalks_run_along_the_traffic(depth: float) -> None:
    """Also where the crosswalk is deeper than the road is wide."""
    road = straight_road(lanes=1, length=80.0)
    ring = [[40.0, -2.5, 0], [40 + depth, -2.5, 0], [40 + depth, 2.5, 0], [40, 2.5, 0]]
    network = replace(
        road,
        area_ids=np.arange(1),
        area_types=np.array([AreaType.CROSSWALK], np.uint8),
        areas=Ragged.from_rows([ring], np.float64, 3),
    )
    figure = draw_map(network)
    image = pixels(figure)
    x, y = np.linspace(40.5, 39.5 + depth, 40), np.linspace(-1.6, 1.6, 40)
    along = [colour_at(figure, image, a, 0.4).mean() > 200 for a in x]
    across = [colour_at(figure, image, 40.7, b).mean() > 200 for b in y]
    assert len(set(along)) == 1
    assert 10 < sum(across) < 30


def test_signals_are_linked_to_where_their_lanes_begin_or_end() -> None:
    def links(network: RoadNetwork) -> np.ndarray:
        collections = draw_map(network).axes[0].collections
        (drawn,) = [
            c
            for c in collections
            if np.allclose(c.get_edgecolor()[:, :3], to_rgb(SIGNAL)) and hasattr(c, "get_segments")
        ]
        return np.array(drawn.get_segments())

    network = crossing()
    inside = links(network)
    assert inside.shape == (12, 2, 2)
    assert inside[7].tolist() == pytest.approx(np.array([network.signal_positions[2, :2], [-14.0 + 4.0, -1.75]]))
    before = replace(network, lane_in_intersection=np.zeros(20, np.bool_))
    assert links(before)[7, 1].tolist() == pytest.approx([14.0, -1.75])


def test_ids_are_written_only_on_request() -> None:
    def words(figure: Figure) -> set[str]:
        return {text.get_text() for text in figure.axes[0].texts}

    network = straight_road(lanes=1, length=200.0, segment_length=100.0)
    assert {"0", "100"} <= words(draw_map(network, ids=True))
    assert words(draw_map(network)) == {"20 m"}  # the scale


def test_a_part_of_a_map() -> None:
    figure = draw_map(crossing(), around=(-60.0, 0.0, 20.0))
    low, high = figure.axes[0].get_xlim()
    assert low < -79.9 < -40.1 < high < -30
    image = pixels(figure)
    assert is_colour(colour_at(figure, image, -63.0, -1.2), LANE_COLOURS[LaneType.VEHICLE])
    for around in (
        (1e5, 0.0, 10.0),
        (0.0, 0.0, 0.0),
        (0.0, 0.0, float("nan")),
        (0.0, 0.0, float("inf")),
        (float("nan"), 0.0, 9.0),
    ):
        with pytest.raises(InvalidInputError, match="a square within"):
            draw_map(crossing(), around=around)


def test_an_empty_map_cannot_be_drawn() -> None:
    with pytest.raises(InvalidInputError, match="lanes, lines or areas"):
        draw_map(RoadNetwork(name="nothing"))
