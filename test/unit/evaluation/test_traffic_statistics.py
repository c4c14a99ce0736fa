"""Samples, summaries, tables and logs of traffic."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState, TrackedAgents, TrafficSignals
from zoox_stack.core.classes import AgentClass, SignalState
from zoox_stack.core.errors import ConfigurationError, InvalidInputError
from zoox_stack.evaluation.traffic_command import measure_logs, pooled, violations
from zoox_stack.evaluation.traffic_logs import find_logs, load_recording, signal_table
from zoox_stack.evaluation.traffic_physics import as_rows, physics_violations
from zoox_stack.evaluation.traffic_recording import EGO_ID, TrafficRecording
from zoox_stack.evaluation.traffic_statistics import collect, distribution, merged, summarise
from zoox_stack.evaluation.traffic_tables import (
    BEGIN,
    END,
    Table,
    markdown,
    physics_table,
    replace_tables,
    statistics_tables,
)
from zoox_stack.logs.drive import RecordedDrive, write_drive
from zoox_stack.road_network.made_up import straight_road

DATA = Path(os.environ.get("ZOOX_STACK_DATA", Path(__file__).parents[4] / "shared" / "data"))
T = np.arange(101) * 0.1
STEP = 100_000_000


def test_distributions_need_enough_values() -> None:
    assert distribution(np.arange(19)) == dict.fromkeys(("mean", "p1", "p5", "p50", "p95", "p99")) | {"n": 19}
    some = distribution(np.arange(99))
    assert (some["mean"], some["p50"], some["p1"], some["p99"]) == (49.0, 49.0, None, None)
    assert distribution(np.arange(101))["p99"] == 99.0


def test_classes_are_measured_apart(recording: Any, track: Any) -> None:
    walker = {"kind": AgentClass.PEDESTRIAN, "size": (0.5, 0.5, 1.7)}
    statistics = summarise(
        collect(recording([track(10 * T, 0), track(1.5 * T, 9, **walker), track(1.2 * T, 20, **walker)]))
    )
    assert list(statistics["agents"]) == ["CAR", "PEDESTRIAN"]
    assert statistics["agents"]["PEDESTRIAN"] == {"distinct": 2, "travelling": 2, "mean_present": 2.0}
    assert statistics["speed"]["PEDESTRIAN"]["n"] == 2 * 17  # every half second from 1 s to 9 s
    assert statistics["speed"]["PEDESTRIAN"]["mean"] == pytest.approx(1.35, abs=1e-3)
    assert statistics["speed"]["CAR"]["n"] == 17
    assert statistics["speed"]["CAR"]["p50"] is None
    json.dumps(statistics, allow_nan=False)


def test_standing_cars_do_not_slow_the_speed(recording: Any, track: Any) -> None:
    """A parked one does not count at all, one that waits not while it waits."""
    wait = np.where(T < 5, 0.0, 10 * (T - 5))
    samples = collect(recording([track(wait, 0, yaw=0.0), track(10 * T, 9), track(0 * T, 20, yaw=0.0)]))
    assert samples.values["speed", "CAR"].min() > 0.3
    assert len(samples.values["speed", "CAR"]) < 17 + 12


def test_two_recordings_as_one(recording: Any, track: Any) -> None:
    parts = [collect(recording([track(10 * T, 0)])), collect(recording([track(5 * T, 0), track(5 * T, 9)]))]
    both = summarise(merged(parts))
    assert (both["recordings"], both["seconds"]) == (2, 20.0)
    assert both["agents"]["CAR"] == {"distinct": 3, "travelling": 3, "mean_present": 1.5}
    assert both["speed"]["CAR"]["n"] == 3 * 17
    assert both["speed"]["CAR"]["mean"] == pytest.approx(20 / 3, abs=1e-3)


def test_checks_of_two_recordings_as_one(recording: Any, track: Any) -> None:
    leap = 10 * T
    leap[50:] += 30
    fine, broken = physics_violations(recording([track(10 * T, 0)])), physics_violations(recording([track(leap, 0)]))
    speed = pooled([fine, broken, fine])[0]
    assert (speed.quantity, speed.steps, speed.violations, speed.agents) == ("speed", 300, 1, 1)
    assert speed.worst == pytest.approx(310)
    assert violations(as_rows(broken)) >= 2


def test_tables_tell_what_is_not_known(recording: Any, track: Any) -> None:
    traffic = recording([track(10 * T, 0)])
    tables = statistics_tables({"made up": summarise(collect(traffic))})
    tables.append(physics_table({"made up": as_rows(physics_violations(traffic))}))
    assert all(len(row) == len(table.columns) for table in tables for row in table.rows)
    text = markdown(tables)
    assert "| made up | - (17) | - | - | - | - | - |" in text  # speeds: 17 values are too few, other classes none
    assert "| made up | 100 | 0 | 0 | 0 | 0 |" in text
    assert "nan" not in text
    assert "None" not in text


def test_violations_are_named_in_the_table(recording: Any, track: Any) -> None:
    leap = 10 * T
    leap[50:] += 30
    (row,) = physics_table({"x": as_rows(physics_violations(recording([track(leap, 0)])))}).rows
    assert row[2] == "car 1 (worst 310 m/s)"


def test_tables_are_replaced_between_the_marks(tmp_path: Path) -> None:
    path, table = tmp_path / "doc.md", Table("T", ("", "a"), (("r", "1"),))
    path.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    replace_tables(path, [table], "note")
    text = path.read_text()
    assert text == f"before\n{BEGIN}\nnote\n\n**T**\n\n|  | a |\n|---|---|\n| r | 1 |\n{END}\nafter\n"
    replace_tables(path, [table], "note")
    assert path.read_text() == text
    path.write_text("no marks")
    with pytest.raises(ConfigurationError, match="tables: begin"):
        replace_tables(path, [table], "note")
    replace_tables(tmp_path / "new.md", [table], "note")
    assert (tmp_path / "new.md").read_text().startswith(BEGIN)


def drive() -> RecordedDrive:
    """The ego behind a car, both at 10 m/s in lane 0, 20 m between them; the signal turns green after 1 s."""
    ego, scenes = [], []
    for i in range(1, 22):
        ego.append(EgoState(STEP * i, i * 1.0, 0.0, speed=10.0, length=4.0, width=2.0, rear_axle_to_centre=1.0))
        scenes.append(
            TrackedAgents.from_states(
                STEP * i, np.array([5]), np.array([1], np.uint8), np.array([[i + 25.0, 0.0, 0.8]]), np.zeros(1),
                np.array([[10.0, 0.0]]), np.array([[4.0, 2.0, 1.5]], np.float32), ego=ego[-1],
            )
        )  # fmt: skip
    seen = [
        TrafficSignals(STEP * i, np.array([1]), np.array([state], np.uint8), np.ones(1, np.float32))
        for i, state in ((1, SignalState.RED), (11, SignalState.GREEN))
    ]
    network = straight_road(lanes=1, stop_line_at=90, signal=True)
    return RecordedDrive("made up", tuple(ego), network, ground_truth=tuple(scenes), signals=tuple(seen))


def test_a_bag_is_read_with_its_ego_map_and_signals(tmp_path: Path) -> None:
    write_drive(drive(), tmp_path / "log.mcap")
    traffic = load_recording(tmp_path / "log.mcap")
    assert traffic.ids.tolist() == [EGO_ID, 5]
    assert traffic.position[traffic.agent == 0][0, 0] == pytest.approx(2.0)  # the box centre
    assert traffic.signal_states is not None
    assert traffic.signal_states[:, 0].tolist() == [SignalState.RED] * 10 + [SignalState.GREEN] * 11
    samples = collect(traffic)
    np.testing.assert_allclose(samples.values["distance_gap", ""], 20.0, atol=1e-4)
    np.testing.assert_allclose(samples.values["time_headway", ""], 2.4, atol=1e-4)


def test_logs_of_one_name_are_pooled(tmp_path: Path) -> None:
    for name in ("a.mcap", "b.mcap"):
        write_drive(drive(), tmp_path / name)
    results = measure_logs([f"both={tmp_path}/*.mcap", str(tmp_path / "a.mcap")])
    assert {name: r["statistics"]["recordings"] for name, r in results.items()} == {"both": 2, "a": 1}
    assert results["both"]["statistics"]["distance_gap"]["n"] == 10
    assert violations(results["both"]["physics"]) == 0


def test_what_is_no_log_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="nothing of that name"):
        find_logs([str(tmp_path / "nowhere")])
    with pytest.raises(InvalidInputError, match="nothing of that name"):
        find_logs([f"x={tmp_path}/*.xml"])
    (tmp_path / "notes.txt").write_text("no log")
    notes = str(tmp_path / "notes.txt")
    with pytest.raises(InvalidInputError, match="every log once"):
        find_logs([f"x={notes}", f"x={tmp_path}/*.txt"])
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("no log")
    with pytest.raises(InvalidInputError, match="one log notes"):
        find_logs([notes, str(tmp_path / "other" / "notes.txt")])
    (tmp_path / "a=1").mkdir()
    (tmp_path / "a=1" / "c.xml").write_text("")
    assert find_logs([f"{tmp_path}/a=1/c.xml", f"x={tmp_path}/a=1/*.xml"]) == {
        "c": [tmp_path / "a=1" / "c.xml"],
        "x": [tmp_path / "a=1" / "c.xml"],
    }
    with pytest.raises(InvalidInputError, match="mcap"):
        load_recording(tmp_path / "notes.txt")
    empty = drive()
    bare = RecordedDrive("bare", empty.ego, ground_truth=tuple(TrackedAgents.empty(e.stamp_ns) for e in empty.ego))
    write_drive(bare, tmp_path / "bare.mcap")
    with pytest.raises(InvalidInputError, match="labelled road users"):
        load_recording(tmp_path / "bare.mcap")
    write_drive(RecordedDrive("blind", empty.ego), tmp_path / "blind.mcap")
    with pytest.raises(InvalidInputError, match="ground_truth"):
        load_recording(tmp_path / "blind.mcap")


def test_signals_keep_what_they_last_showed() -> None:
    network = straight_road(lanes=1, stop_line_at=90, signal=True)
    seen = [TrafficSignals(25, np.array([1, 99]), np.array([3, 1], np.uint8), np.ones(2, np.float32))]
    table = signal_table(np.array([10, 20, 30, 40]), seen, network)
    assert table[:, 0].tolist() == [SignalState.UNKNOWN, SignalState.UNKNOWN, SignalState.GREEN, SignalState.GREEN]


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no recordings at {DATA}; set ZOOX_STACK_DATA")
@pytest.mark.parametrize(
    ("path", "travelling", "speed", "headway"),
    [
        ("ngsim_commonroad/sample/USA_US101-22_3_T-1.xml", 54, (13, 17), (1.0, 3.0)),
        ("av2/3b3570b4-7b0b-3268-a571-b0889dbf40b6", 47, (5, 10), (1.5, 5.0)),
        ("nuscenes_mini/scene-1077.pkl", 50, (7, 14), (1.0, 5.0)),
    ],
)
def test_real_traffic_is_like_traffic(path: str, travelling: int, speed: tuple[float, float], headway: Any) -> None:
    if path.startswith("av2"):
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    statistics = summarise(collect(load_recording(DATA / path)))
    assert statistics["agents"]["CAR"]["travelling"] == pytest.approx(travelling, abs=3)
    assert speed[0] < statistics["speed"]["CAR"]["p50"] < speed[1]
    assert headway[0] < statistics["time_headway"]["p50"] < headway[1]
    assert -5 < statistics["longitudinal"]["CAR"]["p1"] < 0 < statistics["longitudinal"]["CAR"]["p99"] < 5


def test_the_same_rows_in_any_order_are_the_same_recording(recording: Any, track: Any) -> None:
    whole = recording([track(10 * T, 0), track(5 * T, 9)])
    order = np.random.default_rng(3).permutation(len(whole.agent))
    users = {int(i): (int(k), s) for i, k, s in zip(whole.ids, whole.classes, whole.sizes.tolist(), strict=True)}
    mixed = TrafficRecording.from_rows(
        "made up", whole.stamps_ns, whole.step[order], whole.ids[whole.agent[order]], whole.states[order], users
    )
    np.testing.assert_array_equal(mixed.states, whole.states)
    assert summarise(collect(mixed)) == summarise(collect(whole))
