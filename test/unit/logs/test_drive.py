"""A recorded drive becomes a bag in which everything is there when it is needed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from zoox_stack.core.agents import DetectedAgents, EgoState, TrackedAgents, TrafficSignals
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.frames import Frame
from zoox_stack.core.sensors import PointCloud
from zoox_stack.logs.bag_reader import BagReader
from zoox_stack.logs.codec import decode
from zoox_stack.logs.drive import RecordedDrive, write_drive
from zoox_stack.road_network.network import RoadNetwork

STEP = 100_000_000


def sweeps(count: int = 3) -> Iterator[PointCloud]:
    for i in range(count):
        yield PointCloud(STEP * (i + 1), np.full((5, 3), i, np.float32), np.zeros(5, np.float32))


def drive(speed: float = 10.0) -> RecordedDrive:
    ego = tuple(EgoState(STEP * i // 2, speed * 0.05 * i, 0.0, yaw=0.0, speed=speed) for i in range(2, 8))
    stamps = [STEP, 2 * STEP, 3 * STEP]
    return RecordedDrive(
        name="made up",
        ego=ego,
        road_network=RoadNetwork("nowhere"),
        detections=tuple(DetectedAgents.empty(s, Frame.BASE_LINK) for s in stamps),
        ground_truth=tuple(TrackedAgents.empty(s) for s in stamps),
        signals=(TrafficSignals(2 * STEP, np.array([4]), np.array([1], np.uint8), np.ones(1, np.float32)),),
        sweeps=sweeps,
        sweep_count=3,
    )


@pytest.mark.parametrize("name", ["bag", "bag.mcap"])
def test_order_and_counts(tmp_path: Path, name: str) -> None:
    steps: list[tuple[int, int]] = []
    counts = write_drive(drive(), tmp_path / name, lambda done, total: steps.append((done, total)))
    with BagReader(tmp_path / name) as reader:
        messages = list(reader.messages())
        assert {n: t.count for n, t in reader.topics.items()} == counts
        assert reader.topics["/map/road_network"].latched
        assert reader.topics["/planning/route"].latched
        assert not reader.topics["/perception/detections"].latched
    assert [m.topic for m in messages[:2]] == ["/map/road_network", "/planning/route"]
    second = [m.topic for m in messages if m.stamp_ns == 2 * STEP]
    assert second == [
        "/localization/kinematic_state", "/perception/traffic_signals", "/ground_truth/tracked_agents",
        "/sensing/lidar/points", "/perception/detections",
    ]  # fmt: skip
    assert steps[-1] == (len(messages), len(messages))
    assert decode("zoox_stack/msg/RoadNetwork", messages[0].data).name == "nowhere"


def test_topics_without_messages_are_left_out(tmp_path: Path) -> None:
    bare = replace(drive(), road_network=None, signals=(), sweep_count=0, sweeps=lambda: iter(()), ground_truth=())
    write_drive(bare, tmp_path / "bag")
    with BagReader(tmp_path / "bag") as reader:
        assert set(reader.topics) == {"/planning/route", "/localization/kinematic_state", "/perception/detections"}


def test_route_follows_the_drive_and_goes_on_for_the_last_plans() -> None:
    points = drive(speed=10.0).route.points
    np.testing.assert_allclose(points[0], [1.0, 0, 0])
    np.testing.assert_allclose(points[-1], [3.5 + 80.0, 0, 0])
    assert np.diff(points[:, 0]).min() > 0
    assert np.diff(points[:, 0]).max() < 1.01


def test_a_standing_vehicle_has_a_route_straight_ahead() -> None:
    rng = np.random.default_rng(0)
    ego = tuple(EgoState(i + 1, *rng.normal(0, 0.01, 2), yaw=np.pi / 2) for i in range(20))
    points = RecordedDrive("standing", ego).route.points
    np.testing.assert_allclose(points[-1], [ego[0].x, ego[0].y + 10, 0], atol=1e-6)


def test_stamps_must_rise() -> None:
    with pytest.raises(InvalidInputError, match="stamps of ego"):
        RecordedDrive("odd", (EgoState(2, 0.0, 0.0), EgoState(2, 1.0, 0.0)))
    with pytest.raises(InvalidInputError, match="at least one ego pose"):
        RecordedDrive("empty", ())


@pytest.mark.parametrize("name", ["bag", "bag.mcap"])
def test_a_drive_that_breaks_off_leaves_no_half_bag(tmp_path: Path, name: str) -> None:
    def broken() -> Iterator[PointCloud]:
        yield from sweeps(1)
        raise InvalidInputError("sweep 2", "an Arrow file", "rubbish")

    with pytest.raises(InvalidInputError, match="sweep 2"):
        write_drive(replace(drive(), sweeps=broken), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_bag_is_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "bag"
    target.mkdir()
    (target / "metadata.yaml").write_text("precious")
    with pytest.raises(InvalidInputError, match="a new bag"):
        write_drive(drive(), target)
    assert (target / "metadata.yaml").read_text() == "precious"
