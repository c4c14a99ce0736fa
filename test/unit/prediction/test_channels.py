"""The channel table, the region and the documentation made from it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from zoox_stack.prediction import channels
from zoox_stack.prediction.channels import (
    MASK_CHANNELS,
    N_CHANNELS,
    RASTER_SIZE,
    TABLE,
    Channel,
    ChannelInfo,
    Encoding,
    Group,
    channels_fingerprint,
    neutral_counts,
    pixel_to_region,
    region_to_pixel,
)
from zoox_stack.prediction.draw_channels import draw_grid, example, page, shown

DOCS = Path(__file__).resolve().parents[3] / "docs"


def test_the_table_has_one_row_per_channel_in_order() -> None:
    assert [info.channel for info in TABLE] == list(Channel)
    assert [channel.value for channel in Channel] == list(range(N_CHANNELS))
    assert N_CHANNELS == 60


def test_mask_channels_are_masks_and_fit_beside_the_direction_byte() -> None:
    assert all(TABLE[channel].encoding is Encoding.MASK for channel in MASK_CHANNELS)
    assert len(MASK_CHANNELS) <= 24


def test_a_scale_is_given_exactly_where_numbers_are_amounts() -> None:
    for info in TABLE:
        assert (info.scale > 0) == (info.encoding in (Encoding.AMOUNT, Encoding.SIGNED)), info.channel.name


def test_unknown_is_neutral_and_not_no() -> None:
    neutral = neutral_counts()
    assert neutral[Channel.BRAKE_LIGHT] == 128
    assert neutral[Channel.LANE_DIRECTION_COS] == 128
    assert neutral[Channel.DRIVABLE] == 0
    assert neutral[Channel.SPEED_LIMIT_KNOWN] == 0


def test_corners_of_the_region() -> None:
    corners = np.array([[100.0, 64.0], [100.0, -64.0], [-28.0, 64.0], [-28.0, -64.0]])
    expected = [[0, 0], [0, RASTER_SIZE], [RASTER_SIZE, 0], [RASTER_SIZE, RASTER_SIZE]]
    np.testing.assert_allclose(region_to_pixel(corners), expected)
    np.testing.assert_allclose(region_to_pixel(np.array([0.0, 0.0])), [200, 128])


@given(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4))
def test_pixel_to_region_is_the_inverse(x: float, y: float) -> None:
    np.testing.assert_allclose(pixel_to_region(region_to_pixel(np.array([x, y]))), [x, y], atol=1e-9)


def test_the_fingerprint_changes_with_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    before = channels_fingerprint()
    channels_fingerprint.cache_clear()
    assert channels_fingerprint() == before
    channels_fingerprint.cache_clear()
    monkeypatch.setattr(channels, "TABLE", (*TABLE[1:], TABLE[0]))
    assert channels_fingerprint() != before
    channels_fingerprint.cache_clear()


def test_the_documentation_is_the_table() -> None:
    text = (DOCS / "scene-image.md").read_text(encoding="utf-8")
    assert text == page(), "run `python -m zoox_stack.prediction.draw_channels docs`"
    for info in TABLE:
        assert f"| {info.channel.value} | `{info.channel.name}` |" in text


@pytest.fixture(scope="module")
def example_image() -> NDArray[np.uint8]:
    rasterizer, history, signals, route = example()
    return rasterizer.render(history, signals, route)


@pytest.mark.parametrize("info", TABLE, ids=lambda info: info.channel.name)
def test_every_panel_of_the_picture_shows_all_of_its_channel(
    info: ChannelInfo, example_image: NDArray[np.uint8]
) -> None:
    panel = shown(example_image, info)
    assert panel.shape[0] == panel.shape[1]
    drawn = panel != info.neutral
    assert drawn.sum() == (example_image[info.channel] != info.neutral).sum()
    assert drawn.mean() > (0.002 if info.group in (Group.AGENT, Group.EGO) else 0.0004)  # enough to be seen


def test_the_picture_is_of_the_example(example_image: NDArray[np.uint8], tmp_path: Path) -> None:
    """Up to what other versions of the drawing library do to letters: small differences, and none of a whole panel."""
    draw_grid(example_image, tmp_path / "now.png")
    now, kept = (
        cv2.imread(str(path)).astype(float) for path in (tmp_path / "now.png", DOCS / "images" / "scene-image.png")
    )
    assert now.shape == kept.shape, "run `python -m zoox_stack.prediction.draw_channels docs`"
    assert np.abs(cv2.blur(now - kept, (9, 9))).max() < 60.0
    assert np.abs(now - kept).mean() < 1.0
