"""From scenes with futures to arrays, and these on disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import AgentClass
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.predictions import STEP, STEPS
from zoox_stack.datasets.bags import LoggedScenes
from zoox_stack.datasets.scene_futures import SceneFutures, plan_along
from zoox_stack.prediction.channels import N_CHANNELS
from zoox_stack.prediction.features import NetworkInputs
from zoox_stack.prediction.history import HistoryBuffer
from zoox_stack.prediction.lane_pieces import LENGTH_SCALE, PIECE_FEATURES
from zoox_stack.road_network.made_up import straight_road
from zoox_stack.training.batches import collate
from zoox_stack.training.sample_file import SampleFile, open_samples, write_samples
from zoox_stack.training.samples import (
    EXACT_SHARE,
    MAX_AGENTS,
    NO_CROSSING,
    NO_LANE,
    SampleMaker,
    TrainingSample,
    goal_lanes,
    goes_first,
)

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


def test_some_scenes_stay_exact(scenes: list[SceneFutures]) -> None:
    maker = SampleMaker(NETWORK)
    exact = maker.make(scenes[0], None).inputs.agent_history
    same = [
        np.array_equal(maker.make(scenes[0], np.random.default_rng(i)).inputs.agent_history, exact) for i in range(40)
    ]
    assert abs(np.mean(same) - EXACT_SHARE) < 0.2


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


TIME = np.arange(1, STEPS + 1) * STEP


def crossing(*southbound: np.ndarray, egos: tuple[np.ndarray, ...]) -> SceneFutures:
    """A scene in which the ego drives along x from 0 and cars come from the north, at x = 30 m, from y = 30 m on.

    Args:
        southbound: How far each car has come after each step under each plan, ``[M, T]`` [m].
        egos: How far the ego has come under each plan, ``[T]`` [m].
    """
    n = len(southbound)
    ego = EgoState(stamp_ns=10**9, x=0.0, y=0.0, speed=8.0, rear_axle_to_centre=0.0)
    x, south = 30.0 + 15.0 * np.arange(n), -np.pi / 2
    scene = TrackedAgents.from_states(
        ego.stamp_ns, np.arange(n) + 1, np.full(n, int(AgentClass.CAR), np.uint8),
        np.column_stack([x, np.full(n, 30.0), np.full(n, 0.8)]), np.full(n, south), np.tile([0.0, -8.0], (n, 1)),
        np.tile(np.array([4.5, 1.8, 1.6], np.float32), (n, 1)), ego=ego,
    )  # fmt: skip
    futures = np.full((len(egos), n, STEPS, 3), south)
    for row, moved in enumerate(southbound):
        futures[:, row, :, 0], futures[:, row, :, 1] = x[row], 30.0 - moved
    plans = [plan_along(np.column_stack([s, 0 * s, 0 * s]), ego, i, f"{i}") for i, s in enumerate(egos)]
    return SceneFutures("made up", HistoryBuffer().push(scene), tuple(plans), futures)


def test_who_passes_the_crossing_first() -> None:
    fast, slow, waits = (np.stack([way]) for way in (10.0 * TIME, 4.0 * TIME, np.minimum(4.0 * TIME, 20.0)))
    for moved, expected in ((fast, 1), (slow, 0), (waits, NO_CROSSING)):
        assert goes_first(crossing(moved, egos=(8.0 * TIME,))).tolist() == [expected]
    both = crossing(slow, fast, egos=(8.0 * TIME,))  # the second car crosses at 45 m: the ego is there after 5 s
    assert goes_first(both).tolist() == [0, 1]
    # The ego stops far before: nobody knows where the ways cross.
    assert goes_first(crossing(fast, egos=(np.minimum(8.0 * TIME, 16.0),))).tolist() == [NO_CROSSING]


def test_who_yields_has_the_way_that_it_drives_under_another_plan() -> None:
    yields, goes = np.minimum(8.0 * TIME, 20.0), 8.0 * TIME
    egos = (8.0 * TIME, np.minimum(8.0 * TIME, 12.0))  # the ego goes, or stops
    car = np.stack([yields, goes])
    assert goes_first(crossing(car[:1], egos=egos[:1])).tolist() == [NO_CROSSING]
    assert goes_first(crossing(car, egos=egos)).tolist() == [0]
    # What happened decides: the same two ways, but it was the ego that stopped.
    assert goes_first(crossing(car[::-1], egos=egos[::-1])).tolist() == [1]


def test_labels_of_who_goes_first_belong_to_the_agents_of_the_sample() -> None:
    far = crossing(np.stack([10.0 * TIME]), np.stack([4.0 * TIME]), egos=(8.0 * TIME,))
    sample = SampleMaker(None).make(far, None)
    assert len(sample.goes_first) == len(sample.classes) == 3
    assert sample.goes_first[0] == NO_CROSSING  # the ego itself
    assert sample.goes_first[1:].tolist() == goes_first(far).tolist() == [1, 0]
    near = crossing(np.stack([10.0 * TIME]), egos=(8.0 * TIME,))
    batch = collate([sample, SampleMaker(None).make(near, None)])
    assert batch.goes_first.tolist() == [[NO_CROSSING, 1, 0], [NO_CROSSING, 1, NO_CROSSING]]


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
