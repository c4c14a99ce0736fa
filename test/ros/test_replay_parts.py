"""The parts of replay that need no graph: what is sent in which order, and the report."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

from zoox_stack.core import topics
from zoox_stack.core.agents import DetectedAgents, EgoState, TrafficSignals
from zoox_stack.core.errors import ConfigurationError, InvalidInputError
from zoox_stack.core.frames import Frame
from zoox_stack.core.timing import StageTick
from zoox_stack.evaluation.replay_records import read_records
from zoox_stack.logs.codec import decode
from zoox_stack.logs.drive import RecordedDrive, write_drive
from zoox_stack.nodes.configs import ReplayConfig
from zoox_stack.nodes.replay_source import ReplaySource
from zoox_stack.nodes.signal_buffer import SignalBuffer
from zoox_stack.nodes.tick_report import TickReport
from zoox_stack.road_network.made_up import straight_road
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.ros.message_types import peek_stamp

MS = 1_000_000


def signals(ms: int) -> TrafficSignals:
    return TrafficSignals(ms * MS, np.array([1]), np.array([1], np.uint8), np.array([1.0]))


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Detections at 100, 200, ... 900 ms, odometry from 230 to 850 ms every 70 ms, signals every 150 ms."""
    out = tmp_path_factory.mktemp("bag") / "drive"
    drive = RecordedDrive(
        "made up",
        [EgoState(ms * MS, ms / 100, 0.0) for ms in range(230, 860, 70)],
        RoadNetwork(name="none"),
        [DetectedAgents.empty(ms * MS, Frame.BASE_LINK) for ms in range(100, 1000, 100)],
        signals=[signals(ms) for ms in range(100, 1000, 150)],
    )
    write_drive(drive, out)
    return out


@pytest.fixture
def open_source() -> Iterator[Callable[..., ReplaySource]]:
    opened: list[ReplaySource] = []

    def make(**parameters: Any) -> ReplaySource:
        opened.append(ReplaySource(ReplayConfig(**parameters)))
        return opened[-1]

    yield make
    for source in opened:
        source.close()


def ms(stamp_ns: int | None) -> int:
    assert stamp_ns is not None
    return stamp_ns // MS


def test_lockstep_sends_odometry_until_it_covers_the_tick(bag: Path, open_source: Callable[..., ReplaySource]) -> None:
    source = open_source(bag=str(bag))
    groups = list(source.lockstep_groups())
    # 100 and 200 lie before the first odometry (230), 900 after the last (790).
    assert [ms(tick.stamp_ns) for _, tick in groups] == [300, 400, 500, 600, 700]
    assert source.skipped == 4
    sent: list[tuple[str, int]] = []
    for before, tick in groups:
        sent += [(item.topic, ms(peek_stamp(item.data))) for item in before]
        odometry = [t for topic, t in sent if topic == topics.KINEMATIC_STATE.name]
        assert odometry[-1] >= ms(tick.stamp_ns)
        assert odometry[-2:-1] == [] or odometry[-2] < ms(tick.stamp_ns)
        others = [t for topic, t in sent if topic == topics.TRAFFIC_SIGNALS.name]
        assert max(others) <= ms(tick.stamp_ns)
    assert [t for topic, t in sent if topic == topics.KINEMATIC_STATE.name] == list(range(230, 790, 70))
    assert [t for topic, t in sent if topic == topics.TRAFFIC_SIGNALS.name] == [100, 250, 400, 550, 700]


def test_real_time_keeps_the_order_of_time_with_ticks_last(bag: Path, open_source: Callable[..., ReplaySource]) -> None:
    source = open_source(bag=str(bag))
    items = list(source.items())
    assert [i.log_ns for i in items] == sorted(i.log_ns for i in items)
    at_400 = [i.topic for i in items if i.log_ns == 400 * MS]
    assert at_400 == [topics.TRAFFIC_SIGNALS.name, topics.DETECTIONS.name]
    assert source.skipped == 2
    latched = [i.topic for i in source.first_latched()]
    assert latched == [topics.ROAD_NETWORK.name, topics.ROUTE.name]
    assert not {i.topic for i in items} & set(latched)


def test_a_part_of_the_bag_can_be_chosen(bag: Path, open_source: Callable[..., ReplaySource]) -> None:
    source = open_source(bag=str(bag), start_offset=0.3, duration=0.25, topics=topics.KINEMATIC_STATE.name)
    assert sorted({i.topic for i in source.items()}) == [topics.KINEMATIC_STATE.name, topics.DETECTIONS.name]
    assert all(400 <= i.log_ns // MS <= 650 for i in source.items())


def test_what_cannot_be_played_is_an_error(bag: Path, tmp_path: Path, open_source: Callable[..., ReplaySource]) -> None:
    with pytest.raises(ConfigurationError, match="bag"):
        open_source()
    with pytest.raises(InvalidInputError, match="nothing of that name"):
        open_source(bag=str(tmp_path / "missing"))
    with pytest.raises(InvalidInputError, match="lidar"):
        open_source(bag=str(bag), source="lidar")
    with pytest.raises(InvalidInputError, match="/no/such"):
        open_source(bag=str(bag), topics="/no/such")


def test_the_report_can_be_read_again(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "ticks.jsonl"
    report = TickReport(path, lag=2)
    for stamp in (10, 20, 30):
        report.begin(stamp, stamp + 1)
    report.trajectory(20, 27, intervention=True)
    report.trajectory(20, 99)
    report.trajectory(11, 99)
    report.timing(StageTick("planner", 0, 20, 22, 26, 0.5, 1, 2))
    record = report.get(20)
    assert record is not None
    record.hashes["/a"] = "b"
    assert (report.sent, report.answered, report.unknown, report.unanswered()) == (3, 1, 1, 1)
    report.close()
    report.close()
    records = read_records(path)
    assert [r.stamp_ns for r in records] == [10, 20, 30]
    assert [r.trajectory_wall_ns for r in records] == [None, 27, None]
    assert records[1].stages["planner"].published_ns == 26
    assert records[1].hashes == {"/a": "b"}
    assert [r.intervention for r in records] == [False, True, False]
    assert json.loads(path.read_text().splitlines()[1])["trajectories"] == 2


def test_signals_are_those_known_at_the_time() -> None:
    known = SignalBuffer(0.5)
    assert known.at(10**12) is None
    for t in (100, 200, 300):
        assert known.add(signals(t))
    assert not known.add(signals(300))
    assert not known.add(signals(200))
    assert known.at(99 * MS) is None
    assert ms(known.at(250 * MS).stamp_ns) == 200  # type: ignore[union-attr]
    for t in range(1000, 100_000, 100):
        known.add(signals(t))
    assert known.add(signals(50))  # a log began anew
    assert known.at(2000 * MS).stamp_ns == 50 * MS  # type: ignore[union-attr]


@pytest.mark.parametrize(("y", "lanes", "problem"), [(0.2, [0, 100], ""), (30.0, [], "beside all lanes")])
def test_the_driven_route_takes_the_place_of_the_recorded_one(
    tmp_path: Path, open_source: Callable[..., ReplaySource], y: float, lanes: list[int], problem: str
) -> None:
    egos = [EgoState(i * 100 * MS, 20.0 + i, y, speed=10.0) for i in range(150)]
    detections = [DetectedAgents.empty(i * 100 * MS, Frame.BASE_LINK) for i in range(1, 149)]
    write_drive(RecordedDrive("straight on", egos, straight_road(lanes=2), detections), tmp_path / "bag")

    def routes(**parameters: Any) -> list[Any]:
        source = open_source(bag=str(tmp_path / "bag"), **parameters)
        sent = [*source.first_latched(), *source.items()]
        assert problem in " ".join(source.problems)
        return [decode(topics.ROUTE.type_name, item.data) for item in sent if item.topic == topics.ROUTE.name]

    (driven,) = routes(route="driven")
    assert driven.lane_ids.tolist() == lanes
    assert driven.points[0, :2] == pytest.approx([20.0, 0.0 if lanes else y], abs=0.3)
    problem = ""
    (recorded,) = routes()
    assert len(recorded.lane_ids) == 0
    assert routes(route="none") == []
