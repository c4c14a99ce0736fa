"""What the scene image is timed against draws the same things at the same places."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from zoox_stack.prediction.channels import TABLE, Channel, ChannelInfo
from zoox_stack.prediction.draw_channels import example, example_network

ROOT = Path(__file__).resolve().parents[3]
Pair = tuple[NDArray[np.uint8], NDArray[np.uint8]]


@pytest.fixture(scope="module")
def raster() -> ModuleType:
    spec = importlib.util.spec_from_file_location("raster_benchmark", ROOT / "benchmarks" / "raster.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def both(raster: ModuleType, x: float, y: float, yaw: float) -> Pair:
    """The example with the ego elsewhere: as the scene image, and drawn and warped around the ego."""
    rasterizer, history, signals, route = example()
    ego = replace(history.scene.ego, x=x, y=y, yaw=yaw)
    history = replace(history, scene=replace(history.scene, ego=ego))
    single = raster.PerAgentRasterizer(example_network())
    return rasterizer.render(history, signals, route), single.render(history, signals, route, np.array([x, y]), yaw)


@pytest.fixture(scope="module", params=[0.0, 0.4, -2.0])
def images(raster: ModuleType, request: pytest.FixtureRequest) -> Pair:
    return both(raster, -30.0, 3.0, request.param)


def around(mask: NDArray[np.bool_], pixels: int = 2) -> NDArray[np.bool_]:
    """Also what is as near as so many pixels."""
    side = 2 * pixels + 1
    return np.asarray(cv2.dilate(mask.astype(np.uint8), np.ones((side, side), np.uint8)) > 0)


@pytest.mark.parametrize("info", TABLE, ids=lambda info: info.channel.name)
def test_every_channel_shows_the_same_at_the_same_place(images: Pair, info: ChannelInfo) -> None:
    one, other = (image[info.channel] for image in images)
    if info.channel is Channel.EGO_SPEED:
        np.testing.assert_array_equal(one, other)
        return
    scene, single = one != info.neutral, other != info.neutral
    assert single.any() == scene.any()
    inner = np.s_[2:-2, 2:-2]
    assert not (scene & ~around(single))[inner].any()
    assert not (single & ~around(scene))[inner].any()
    inside = ~around(~scene) & ~around(~single)  # away from the edges, where a pixel is of one or the other
    if inside.any():
        assert np.percentile(np.abs(one.astype(int) - other)[inside], 80) <= 2


def test_boxes_are_not_shifted(raster: ModuleType) -> None:
    """The middle of the only bus, on the average over many places of the ego."""
    rng = np.random.default_rng(0)
    gaps = []
    for x, y in rng.uniform(-20, 20, (12, 2)):
        planes = [image[Channel.LARGE_VEHICLE] for image in both(raster, x, y, 0.4)]
        middles = [np.average(np.argwhere(plane), axis=0, weights=plane[plane > 0]) for plane in planes]
        gaps.append(middles[1] - middles[0])
    assert np.abs(gaps).max() < 0.7  # [pixels] of 0.5 m
    assert np.abs(np.mean(gaps, axis=0)).max() < 0.2


def test_other_agents_see_the_scene_from_where_they_are(raster: ModuleType) -> None:
    """Around an agent that heads west: what lies east of it is behind."""
    _, history, signals, route = example()
    single = raster.PerAgentRasterizer(example_network())
    image = single.render(history, signals, route, np.array([30.0, 1.75]), np.pi)
    rows, columns = np.nonzero(image[Channel.EGO_BOX])
    assert 100 - 0.5 * (rows.mean() + 0.5) == pytest.approx(30.0 + 50.0 - 1.4, abs=0.3)  # the ego is far ahead of it
    assert 64 - 0.5 * (columns.mean() + 0.5) == pytest.approx(3.5, abs=0.3)  # and on its left


def test_the_benchmark_runs_and_says_how_much_is_saved() -> None:
    words = ["--agents", "3", "--ticks", "2", "--side", "2", "--baseline-ticks", "1"]
    done = subprocess.run([sys.executable, "benchmarks/raster.py", *words], cwd=ROOT, capture_output=True, check=True)
    result = json.loads(done.stdout)
    assert result["channels"] == len(TABLE)
    assert result["per_agent_over_scene"] > 0
