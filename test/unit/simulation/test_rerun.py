"""A drive is driven again exactly, and every plan can be driven in it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.plans import EgoPlan, Trajectory
from zoox_stack.core.predictions import STEP, STEPS
from zoox_stack.simulation.closed_loop import ClosedLoop
from zoox_stack.simulation.rerun import PRESENT, SimulatedDrive, drive_plan, largest_difference, rerun
from zoox_stack.simulation.towns import Town

DRIVE = SimulatedDrive("signal_grid", 3, duration=6.0, warm_up=10.0)


def along(line: np.ndarray, ego: EgoState, speed: float, braking: float = 0.0) -> EgoPlan:
    """A plan along a line from where the ego is."""
    s = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    at = s[np.hypot(*(line - [ego.x, ego.y]).T).argmin()]
    times = STEP * np.arange(1, STEPS + 1)
    speeds = np.maximum(speed - braking * times, 0.0)
    way = at + np.cumsum(speeds) * STEP
    x, y = (np.interp(way, s, line[:, k]) for k in (0, 1))
    heading = np.unwrap(np.arctan2(*np.diff(line, axis=0).T[::-1]))
    yaw = np.interp(way, (s[1:] + s[:-1]) / 2, heading)
    still = np.zeros(STEPS)
    return EgoPlan(0, f"{speed:g} m/s", STEP, x, y, yaw, speeds, still - braking * (speeds > 0), still)


@pytest.fixture(scope="module")
def recorded(town: Town, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[TrackedAgents], np.ndarray]:
    """A drive of 6 s: scenes and the route."""
    scenes = []
    loop = ClosedLoop(town, 3, tmp_path_factory.mktemp("drive"), duration=DRIVE.duration, warm_up=DRIVE.warm_up)
    line = loop.route.points[:, :2]
    with loop:
        for _ in range(60):
            scenes.append(loop.scene)
            assert loop.scene.ego is not None
            loop.step(Trajectory(loop.scene.stamp_ns, along(line, loop.scene.ego, 5.0)))
    return scenes, line


def egos_of(scenes: list[TrackedAgents]) -> list[EgoState]:
    return [scene.ego for scene in scenes if scene.ego is not None]


def test_everyone_is_where_they_were(recorded: tuple[list[TrackedAgents], np.ndarray], tmp_path: Path) -> None:
    scenes, _ = recorded
    count = 0
    truth = {scene.stamp_ns: scene for scene in scenes}
    for loop, then in zip(rerun(DRIVE, egos_of(scenes), tmp_path, truth), scenes, strict=True):
        now = loop.scene
        assert now.ego is not None
        assert then.ego is not None
        assert now.ego.yaw_rate == pytest.approx(then.ego.yaw_rate, abs=1e-12)
        np.testing.assert_array_equal(now.ids, then.ids)
        np.testing.assert_allclose(now.position, then.position, rtol=0, atol=1e-9)
        np.testing.assert_allclose(now.velocity, then.velocity, rtol=0, atol=1e-8)
        count += 1
    assert count == 60
    moved = np.hypot(scenes[-1].ego.x - scenes[0].ego.x, scenes[-1].ego.y - scenes[0].ego.y)  # type: ignore[union-attr]
    assert moved > 10.0
    assert max(abs(ego.yaw_rate) for ego in egos_of(scenes)) > 1e-4


def test_plans_are_driven_without_moving_the_world(
    recorded: tuple[list[TrackedAgents], np.ndarray], tmp_path: Path
) -> None:
    scenes, line = recorded
    for number, loop in enumerate(rerun(DRIVE, egos_of(scenes)[:32], tmp_path)):
        if number != 30:
            continue
        ids, ego = loop.scene.ids, loop.scene.ego
        assert ego is not None
        plans = [along(line, ego, 6.0), along(line, ego, 5.0, braking=4.0)]
        first, stop = (drive_plan(loop.world, plan, ids, ego.rear_axle_to_centre) for plan in plans)
        again = drive_plan(loop.world, plans[0], ids, ego.rear_axle_to_centre)
        np.testing.assert_array_equal(first, again)
        assert first.shape == (STEPS, len(ids), 4)
        start = np.hypot(*(first[0, :, :2] - loop.scene.position[:, :2]).T)
        assert start[first[0, :, PRESENT] > 0].max() < 3.0
        gone = first[-1, :, PRESENT] == 0
        assert (first[-1, gone, :3] == 0).all()
        assert np.abs(first - stop).max() > 0  # somebody notices which plan it is
    np.testing.assert_array_equal(loop.scene.ids, scenes[31].ids)  # the forks have left the world as it was
    np.testing.assert_allclose(loop.scene.position, scenes[31].position, rtol=0, atol=1e-9)


def test_a_gap_in_the_recording_is_refused(recorded: tuple[list[TrackedAgents], np.ndarray], tmp_path: Path) -> None:
    egos = egos_of(recorded[0])
    with pytest.raises(InvalidInputError, match="state 3 of the ego"):
        list(rerun(DRIVE, [*egos[:3], *egos[4:6]], tmp_path))


def test_another_drive_is_refused(recorded: tuple[list[TrackedAgents], np.ndarray], tmp_path: Path) -> None:
    egos = egos_of(recorded[0])
    with pytest.raises(InvalidInputError, match="state 0 of the ego"):
        list(rerun(DRIVE, [replace(egos[0], x=egos[0].x + 0.01)], tmp_path))
    with pytest.raises(InvalidInputError, match=r"4\.80 x 1\.90 x 1\.70 m.* found 4\.80 x 2\.40 x 1\.70 m"):
        list(rerun(DRIVE, [replace(egos[0], width=2.4)], tmp_path))
    with pytest.raises(InvalidInputError, match="at least one"):
        list(rerun(DRIVE, [], tmp_path))


def test_other_traffic_is_refused(recorded: tuple[list[TrackedAgents], np.ndarray], tmp_path: Path) -> None:
    scenes = recorded[0]
    truth = {scene.stamp_ns: scene for scene in scenes}
    with pytest.raises(InvalidInputError, match=r"road users at step 0: .* found others"):
        list(rerun(replace(DRIVE, duration=60.0), egos_of(scenes), tmp_path, truth))
    truth[scenes[2].stamp_ns] = replace(scenes[2], position=scenes[2].position + np.array([0.0, 0.01, 0.0]))
    with pytest.raises(InvalidInputError, match=r"road users at step 2: .* found a difference of 0.01 m"):
        list(rerun(DRIVE, egos_of(scenes), tmp_path, truth))


def test_difference_of_a_recording_to_the_world(recorded: tuple[list[TrackedAgents], np.ndarray]) -> None:
    now = recorded[0][0]
    assert now.ego is not None
    order = np.argsort(np.hypot(*(now.position[:, :2] - now.ego.centre).T))
    assert largest_difference(now, now) == 0.0
    assert largest_difference(now.take(np.sort(order[:5])), now) == 0.0  # recorded up to some distance
    assert largest_difference(now.take(np.sort(order[1:5])), now) == np.inf  # the nearest was not there
    assert largest_difference(now, now.take(np.sort(order[1:]))) == np.inf
    assert largest_difference(now.take(np.zeros(0, np.int64)), now) == 0.0
