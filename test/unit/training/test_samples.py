"""From scenes with futures to arrays, and these on disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.predictions import STEP, STEPS
from zoox_stack.datasets.bags import LoggedScenes
from zoox_stack.datasets.scene_futures import SceneFutures
from zoox_stack.prediction.channels import N_CHANNELS
from zoox_stack.prediction.features import NetworkInputs
from zoox_stack.prediction.lane_pieces import LENGTH_SCALE, PIECE_FEATURES
from zoox_stack.road_network.made_up import straight_road
from zoox_stack.training.batches import collate
from zoox_stack.training.sample_file import SampleFile, open_samples, write_samples
from zoox_stack.training.samples import MAX_AGENTS, NO_LANE, SampleMaker, TrainingSample, goal_lanes

NETWORK = straight_road(length=400.0).with_name("straight")
CLASSES = 10


@pytest.fixture
def made(scenes: list[SceneFutures]) -> list[TrainingSample]:
    maker = SampleMaker(NETWORK)
    return [maker.make(scene, np.random.default_rng(7)) for scene in scenes]


def test_futures_start_where_the_agents_are(scenes: list[SceneFutures]) -> None:
    sample = SampleMaker(NETWORK).make(scenes[0], None)
    assert sample.image().shape[0] == N_CHANNELS
    assert (np.linalg.norm(sample.futures[:, :, 0], axis=-1) < 15 * STEP).all()
    assert (sample.futures[0, 0, -1, 0] > 8 * 3.9).all()  # the ego drives along its own x
    np.testing.assert_allclose(sample.plans[0, 0, :2], sample.plans[1, 0, :2])  # all plans start at the ego
    time = np.arange(1, STEPS + 1) * STEP
    np.testing.assert_allclose(sample.futures[0, 0, :, 0], scenes[0].ego.speed * time, atol=1e-3)


def test_tracker_errors_are_seeded_and_not_added_to_tracks(scenes: list[SceneFutures]) -> None:
    maker = SampleMaker(NETWORK)
    a, b = (maker.make(scenes[0], np.random.default_rng(1)) for _ in range(2))
    exact, tracked = maker.make(scenes[0], None), maker.make(replace(scenes[0], tracked=True), np.random.default_rng(1))
    assert a.raster == b.raster
    assert np.array_equal(a.inputs.agent_history, b.inputs.agent_history)
    assert not np.array_equal(a.inputs.agent_history, exact.inputs.agent_history)
    assert np.array_equal(tracked.inputs.agent_history, exact.inputs.agent_history)
    gap = a.inputs.agent_pose[1:, :2] - exact.inputs.agent_pose[1:, :2]
    assert 0 < np.abs(gap).max() < 0.6
    assert np.array_equal(a.inputs.agent_pose[0], exact.inputs.agent_pose[0])  # the ego knows where it is


def test_a_scene_without_a_map_has_a_sample_without_lanes(scenes: list[SceneFutures]) -> None:
    sample = SampleMaker(None).make(replace(scenes[0], network=None), None)
    assert (sample.goal_lane == NO_LANE).all()
    assert sample.inputs.lane_features.shape == (1, PIECE_FEATURES)


def test_agents_outside_the_image_are_left_out(scenes: list[SceneFutures]) -> None:
    scene = scenes[0]
    position, states = scene.scene.position.copy(), scene.history.states.copy()
    position[0, 0] += 5000.0
    states[0, :, 0] += 5000.0
    far = replace(scene, history=replace(scene.history, scene=replace(scene.scene, position=position), states=states))
    near, without = (SampleMaker(NETWORK).make(s, None) for s in (scene, far))
    assert len(without.classes) == len(near.classes) - 1 <= MAX_AGENTS
    np.testing.assert_array_equal(without.futures[:, 1], near.futures[:, 2])


def straight_lane(x: float, y: float, yaw: float) -> tuple[np.ndarray, np.ndarray]:
    features = np.zeros(PIECE_FEATURES, np.float32)
    points = np.stack([np.linspace(-15, 12, 10), np.zeros(10)], axis=1)
    features[:20] = points.ravel() / LENGTH_SCALE
    return features, np.array([x, y, np.cos(yaw), np.sin(yaw)], np.float32)


def test_goal_lane_is_the_nearest_that_runs_the_same_way() -> None:
    # Two lanes side by side along x, the way back beside them, and a lane that crosses.
    lanes = [straight_lane(*pose) for pose in ((20, 0, 0), (20, 3.5, 0), (20, 7, np.pi), (20, 0, np.pi / 2))]
    nothing = np.zeros((0, 4), np.float32)
    inputs = NetworkInputs(
        nothing, nothing, nothing, nothing, *(np.stack(column) for column in zip(*lanes, strict=True))
    )
    wanted = {  # x, y, heading in degrees: row
        (20, 0.5, 5): 0, (25, 3.0, -20): 1, (20, 5.0, 180): 2, (20, 5.0, 0): 1, (20.5, 1.0, 85): 3,
        (20, -5, 0): NO_LANE, (20, 0, -90): NO_LANE, (90, 0, 0): NO_LANE, (31, 0.2, 40): 0,
    }  # fmt: skip
    poses = np.array([(x, y, np.cos(np.radians(h)), np.sin(np.radians(h))) for x, y, h in wanted])
    there = np.ones(len(poses), bool)
    assert goal_lanes(inputs, poses, there).tolist() == list(wanted.values())
    there[0] = False
    assert goal_lanes(inputs, poses, there)[0] == NO_LANE


def test_goal_lane_of_a_scene_is_where_the_agent_ends(scenes: list[SceneFutures]) -> None:
    scene = scenes[0]
    sample = SampleMaker(NETWORK).make(scene, None)
    found = sample.goal_lane[1:]  # the nearest agents, which are the first ones
    ends = scene.futures[0, : len(found), -1, 0] - scene.ego.x
    assert (found >= 0).any()
    for end, lane in zip(ends[found >= 0], found[found >= 0], strict=True):
        assert abs(sample.inputs.lane_pose[lane, 0] - end) < 20.0


def same(a: TrainingSample, b: TrainingSample) -> bool:
    pairs = [(getattr(a.inputs, f.name), getattr(b.inputs, f.name)) for f in fields(NetworkInputs)]
    pairs += [(getattr(a, f.name), getattr(b, f.name)) for f in fields(a) if f.name not in ("inputs", "raster")]
    return a.raster == b.raster and all(x.dtype == y.dtype and np.array_equal(x, y) for x, y in pairs)


def write(path: Path, samples: list[TrainingSample]) -> SampleFile:
    return write_samples(path, ((sample, True) for sample in samples), "mark", CLASSES)


def test_samples_come_back_from_their_file(made: list[TrainingSample], tmp_path: Path) -> None:
    written = write(tmp_path / "x.samples", made)
    found = open_samples(tmp_path / "x.samples", thorough=True)
    assert found == written
    assert [record.plans for record in found.records] == [len(sample.plans) for sample in made]
    assert found.classes[1] == sum(len(sample.classes) - 1 for sample in made)
    assert all(same(found.read(i), made[i]) for i in (2, 0, 3, 1))
    assert [path.name for path in tmp_path.iterdir()] == ["x.samples"]


@pytest.mark.parametrize("place", [0, 5000, -200, -3])
def test_a_damaged_file_is_noticed(made: list[TrainingSample], tmp_path: Path, place: int) -> None:
    path = tmp_path / "x.samples"
    write(path, made[:2])
    data = bytearray(path.read_bytes())
    data[place] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(InvalidInputError, match=r"x\.samples"):
        open_samples(path, thorough=True)


@pytest.mark.parametrize("size", [0, 10, 3000])
def test_a_cut_file_is_noticed(made: list[TrainingSample], tmp_path: Path, size: int) -> None:
    path = tmp_path / "x.samples"
    write(path, made[:1])
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(InvalidInputError, match="prepared samples"):
        open_samples(path)


def test_a_failure_while_writing_leaves_nothing(made: list[TrainingSample], tmp_path: Path) -> None:
    def breaks() -> object:
        yield made[0], True
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_samples(tmp_path / "x.samples", breaks(), "mark", CLASSES)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_padding_is_marked(made: list[TrainingSample]) -> None:
    batch = collate(made)
    for row, sample in enumerate(made):
        n = len(sample.classes)
        assert batch.agent_mask[row].sum() == n
        assert (batch.goal_lane[row, n:] == NO_LANE).all()
        assert not batch.valid[row, :, n:].any()
        np.testing.assert_array_equal(batch.futures[row, :, :n], sample.futures)
        np.testing.assert_array_equal(batch.raster[row], sample.image())


def test_a_bag_without_agents_is_refused_by_name(write_bag: Callable[..., Path], tmp_path: Path) -> None:
    write_bag(tmp_path / "lonely", 0, has_agents=False)
    with pytest.raises(InvalidInputError, match="lonely: agents"):
        LoggedScenes.read(tmp_path / "lonely")
