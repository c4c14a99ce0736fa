"""Scenes with futures: plans from paths, the same scene seen from another vehicle, bags read as they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from zoox_stack.core import topics
from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import AgentClass
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.predictions import STEP, STEPS
from zoox_stack.datasets.bags import LoggedScenes, find_bags
from zoox_stack.datasets.scene_futures import SceneFutures, centres_along, held, plan_along
from zoox_stack.logs.bag_writer import BagWriter
from zoox_stack.logs.codec import encode
from zoox_stack.logs.qos import PROFILES

START_NS = 5_000_000_000


def scene_at(step: int, *, gone: int | None = None) -> TrackedAgents:
    """A car ahead of the ego at 5 m/s, a bus beside at 8 m/s turning, a pedestrian who stands."""
    t = step * STEP
    stamp = START_NS + round(t * 1e9)
    ego = EgoState(stamp_ns=stamp, x=10.0 * t, y=0.0, speed=10.0)
    ids = np.array([3, 7, 9])
    kept = ids != gone
    bus = [40 * np.sin(0.2 * t), 44 - 40 * np.cos(0.2 * t), 1.5]
    position = np.array([[30 + 5 * t, 0, 0.8], bus, [20.0, -5.0, 0.9]])
    return TrackedAgents.from_states(
        stamp, ids[kept], np.array([AgentClass.CAR, AgentClass.BUS, AgentClass.PEDESTRIAN])[kept],
        position[kept], np.array([0.0, 0.2 * t, 1.0])[kept], np.array([[5.0, 0], [8, 0], [0, 0]])[kept],
        np.array([[4.5, 1.8, 1.6], [12, 2.5, 3.0], [0.5, 0.5, 1.8]], np.float32)[kept], ego=ego,
    )  # fmt: skip


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve seconds; the pedestrian is gone from 7 s on."""
    folder = tmp_path_factory.mktemp("logs") / "drive"
    with BagWriter(folder) as writer:
        for topic in (topics.GROUND_TRUTH, topics.KINEMATIC_STATE):
            writer.add_topic(topic.name, topic.type_name, (PROFILES[topic.qos],))
        for step in range(121):
            scene = scene_at(step, gone=9 if step > 70 else None)
            writer.write(topics.KINEMATIC_STATE.name, scene.stamp_ns, encode(scene.ego))
            writer.write(topics.GROUND_TRUTH.name, scene.stamp_ns, encode(scene))
    return folder


@pytest.fixture(scope="module")
def futures(bag: Path) -> list[SceneFutures]:
    return list(LoggedScenes.read(bag).futures())


def test_a_log_gives_a_scene_a_second(futures: list[SceneFutures]) -> None:
    assert [round((f.scene.stamp_ns - START_NS) * 1e-9, 3) for f in futures] == [1.0, 2.0, 3.0, 4.0]
    assert all(f.history.valid.all() for f in futures)


def test_the_futures_are_what_came(futures: list[SceneFutures]) -> None:
    second = futures[1]
    later = scene_at(20 + 50)
    np.testing.assert_allclose(second.futures[0, :, 49, :2], later.position[:, :2], atol=1e-4)
    np.testing.assert_allclose(second.futures[0, :, 49, 2], later.yaw, atol=1e-4)
    np.testing.assert_array_equal(second.valid[0, 2], np.arange(1, STEPS + 1) <= 50)
    np.testing.assert_allclose(second.plans[0].speed, 10.0, atol=1e-3)
    np.testing.assert_allclose(second.plans[0].x, second.ego.x + np.arange(1, STEPS + 1), atol=1e-3)


def test_seen_from_another_vehicle(futures: list[SceneFutures]) -> None:
    scene = futures[0]
    assert scene.possible_egos().tolist() == [0, 1]
    bus = scene.seen_from(1)
    assert bus.scene.ids.tolist() == [3, 9, 10]
    np.testing.assert_allclose(bus.ego.centre, scene.scene.position[1, :2], atol=1e-6)
    assert bus.ego.length == pytest.approx(12.0)
    np.testing.assert_allclose(bus.plans[0].speed[5:], 8.0, atol=0.3)
    np.testing.assert_allclose(bus.futures[0, 0], scene.futures[0, 0])
    old_ego = scene.plans[0].x + scene.ego.rear_axle_to_centre
    np.testing.assert_allclose(bus.futures[0, 2, :, 0], old_ego, atol=1e-6)
    np.testing.assert_allclose(bus.history.states[2], scene.history.ego_states)


def test_where_the_ego_is_gone_a_log_is_seen_from_another(bag: Path) -> None:
    log = LoggedScenes.read(bag)
    scenes = [replace(s, ego=None) if i > 80 else s for i, s in enumerate(log.scenes)]
    shorter = LoggedScenes(log.path, scenes)
    assert not list(shorter.futures())
    found = list(shorter.futures(from_others=True))
    assert len(found) == 4
    first = found[0]
    assert first.ego.length == pytest.approx(12.0)  # the bus is nearer than the car
    np.testing.assert_array_equal(first.valid[0, -1], np.arange(STEPS) < 70)
    np.testing.assert_allclose(first.futures[0, -1, :70, 0], 10.0 + 1.4 + np.arange(1, 71), atol=1e-3)


@pytest.fixture(scope="module")
def short(bag: Path) -> LoggedScenes:
    """The first 5 s, and the pedestrian is gone after 4 s."""
    log = LoggedScenes.read(bag)
    return LoggedScenes(log.path, [scene_at(step, gone=9 if step > 40 else None) for step in range(51)])


def test_a_log_that_ends_early_gives_partial_futures_if_asked_for(short: LoggedScenes) -> None:
    assert not list(short.futures())
    assert not list(short.futures(from_others=True))
    found = list(short.futures(shortest=3.0))
    assert [round((f.scene.stamp_ns - START_NS) * 1e-9, 3) for f in found] == [1.0, 2.0]
    assert [f.known for f in found] == [40, 30]
    first = found[0]
    np.testing.assert_array_equal(first.valid[0, 0], np.arange(STEPS) < 40)
    np.testing.assert_array_equal(first.valid[0, 2], np.arange(STEPS) < 30)
    np.testing.assert_allclose(first.futures[0, :2, 39, :2], scene_at(50).position[:2, :2], atol=1e-4)
    # The ego's plan goes on as it was.
    np.testing.assert_allclose(first.plans[0].x, 10.0 + np.arange(1, STEPS + 1), atol=1e-3)
    np.testing.assert_allclose(first.plans[0].speed, 10.0, atol=1e-3)


def test_a_scene_that_ends_early_seen_from_another(short: LoggedScenes) -> None:
    scene = next(iter(short.futures(shortest=3.0)))
    assert scene.possible_egos().tolist() == [0, 1]  # the pedestrian is no vehicle
    bus = scene.seen_from(1)
    assert bus.known == 40
    np.testing.assert_array_equal(bus.valid[0, -1], np.arange(STEPS) < 40)  # the old ego: not held there
    centres = centres_along(bus.plans[0], bus.ego)
    np.testing.assert_allclose(centres[:40], scene.futures[0, 1, :40], atol=1e-6)
    last = centres[39] - centres[38]
    np.testing.assert_allclose(np.diff(centres[39:, :2], axis=0), np.tile(last[:2], (40, 1)), atol=1e-6)
    np.testing.assert_allclose(centres[40:, 2], centres[39, 2], atol=1e-9)


def test_who_leaves_before_the_log_ends_cannot_be_the_ego(short: LoggedScenes) -> None:
    scene = next(iter(short.futures(shortest=3.0)))
    futures = scene.futures.copy()
    futures[0, 1, 35:] = np.nan
    assert replace(scene, futures=futures).possible_egos().tolist() == [0]
    nobody = replace(scene, futures=np.full_like(futures, np.nan))
    assert (nobody.known, len(nobody.possible_egos())) == (0, 0)


def test_where_the_ego_of_a_short_log_is_gone(short: LoggedScenes) -> None:
    log = LoggedScenes(short.path, [replace(s, ego=None) if i > 44 else s for i, s in enumerate(short.scenes)])
    assert not list(log.futures(shortest=3.0))
    first, second = log.futures(shortest=3.0, from_others=True)
    assert (first.known, second.known) == (40, 30)
    assert first.ego.length == pytest.approx(12.0)  # the bus
    np.testing.assert_array_equal(first.valid[0, -1], np.arange(STEPS) < 34)  # the ego of the log


def test_poses_are_held_straight_ahead_as_fast() -> None:
    poses = np.column_stack([np.arange(6.0) ** 2, np.arange(6.0), np.full(6, 0.3)])
    poses[4:] = np.nan
    found = held(poses, 4)
    np.testing.assert_array_equal(found[:4], poses[:4])
    np.testing.assert_allclose(found[4:], [[14.0, 4.0, 0.3], [19.0, 5.0, 0.3]])
    assert np.isnan(poses[4:]).all()  # the argument stays
    whole = np.arange(18.0).reshape(6, 3)
    np.testing.assert_array_equal(held(whole, 6), whole)


def test_a_plan_follows_a_turning_path() -> None:
    ego = EgoState(stamp_ns=0, x=0.0, y=0.0, yaw=3.1, speed=6.0)
    t = np.arange(1, STEPS + 1) * STEP
    yaw = 3.1 + 0.1 * t  # crosses pi
    rear = np.stack([6 / 0.1 * (np.sin(yaw) - np.sin(3.1)), -6 / 0.1 * (np.cos(yaw) - np.cos(3.1))], axis=1)
    centres = np.column_stack(
        [rear + ego.rear_axle_to_centre * np.stack([np.cos(yaw), np.sin(yaw)], 1), np.arctan2(np.sin(yaw), np.cos(yaw))]
    )
    plan = plan_along(centres, ego, 4, "turn")
    np.testing.assert_allclose(plan.xy, rear, atol=1e-9)
    np.testing.assert_allclose(plan.speed, 6.0, atol=0.01)
    np.testing.assert_allclose(plan.curvature, 0.1 / 6.0, rtol=0.02)
    assert np.abs(plan.acceleration).max() < 0.2


def test_a_bag_without_agents_is_refused(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "empty") as writer:
        topic = topics.KINEMATIC_STATE
        writer.add_topic(topic.name, topic.type_name, (PROFILES[topic.qos],))
        writer.write(topic.name, 0, encode(EgoState(stamp_ns=0, x=0.0, y=0.0)))
    with pytest.raises(InvalidInputError, match="agents: expected /ground_truth"):
        LoggedScenes.read(tmp_path / "empty")


def test_bags_are_found_in_folders(bag: Path, tmp_path: Path) -> None:
    assert find_bags(bag) == [bag]
    assert find_bags(bag.parent) == [bag]
    (tmp_path / "a.mcap").write_bytes(b"")
    assert find_bags(tmp_path) == [tmp_path / "a.mcap"]
    (tmp_path / "a.mcap").unlink()
    with pytest.raises(InvalidInputError, match="rosbag2 bags"):
        find_bags(tmp_path)
