"""What is checked before a run begins, and how the launcher is called."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zoox_stack.cli import main
from zoox_stack.core import topics
from zoox_stack.core.agents import DetectedAgents, EgoState
from zoox_stack.core.errors import InvalidInputError, ModelError
from zoox_stack.core.frames import Frame
from zoox_stack.evaluation.stack_run import StackRun, check_bag, check_model
from zoox_stack.logs.bag_writer import BagWriter
from zoox_stack.logs.codec import encode
from zoox_stack.logs.drive import RecordedDrive, write_drive
from zoox_stack.road_network.made_up import straight_road

TICK_NS = 100_000_000


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Detections and odometry of 30 s: several chunks."""
    stamps = [10**18 + i * TICK_NS for i in range(300)]
    noise = np.random.default_rng(0)  # what does not compress fills the file
    detections = [
        DetectedAgents(
            s, Frame.BASE_LINK, np.eye(10)[np.ones(40, int)], np.ones(40), noise.normal(0, 20, (40, 3)), np.zeros(40),
            np.ones((40, 3)),
        )
        for s in stamps
    ]  # fmt: skip
    path = tmp_path_factory.mktemp("bag") / "drive.mcap"
    egos = [EgoState(s, 0.1 * i, 0.0, speed=1.0) for i, s in enumerate(stamps)]
    write_drive(RecordedDrive("made up", egos, straight_road(), detections), path)
    return path


def test_a_good_bag_has_no_problems(bag: Path) -> None:
    assert check_bag(bag) == []
    assert check_bag(bag, "detections") == []


def test_a_bag_without_the_wanted_source_is_refused(bag: Path) -> None:
    with pytest.raises(
        InvalidInputError, match=r"expected a topic /sensing/lidar/points, found .*/perception/detections"
    ):
        check_bag(bag, "lidar")


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_damaged_bag_is_refused_unless_its_rest_is_wanted(bag: Path, tmp_path: Path, damage: str) -> None:
    data = bytearray(bag.read_bytes())
    if damage == "cut":
        del data[int(0.8 * len(data)) :]
    else:
        data[len(data) // 2] ^= 0xFF
    broken = tmp_path / "broken.mcap"
    broken.write_bytes(data)
    assert main(["replay", str(broken)]) == 2
    with pytest.raises(InvalidInputError, match="--recover"):
        check_bag(broken)
    problems = check_bag(broken, recover=True)
    assert len(problems) >= 1
    assert all("broken.mcap" in problem for problem in problems)


def test_a_bag_with_another_definition_of_a_message_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "old.mcap"
    egos = [EgoState(10**18 + i * TICK_NS, 0.1 * i, 0.0) for i in range(3)]
    with BagWriter(path) as writer:
        for topic in (topics.KINEMATIC_STATE, topics.LIDAR_POINTS):
            writer.add_topic(topic.name, topic.type_name)
        old = "std_msgs/Header header\nstring name\n"
        writer.add_topic("/map/road_network", "zoox_stack/msg/RoadNetwork", definition=old, type_hash_text="RIHS01_00")
        for ego in egos:
            writer.write(topics.KINEMATIC_STATE.name, ego.stamp_ns, encode(ego))
    with pytest.raises(InvalidInputError, match="present definition of zoox_stack/msg/RoadNetwork"):
        check_bag(path)


def test_a_model_that_cannot_be_used_is_told_before_the_start(
    bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ModelError, match="onnx: expected an ONNX file, found none"):
        check_model(str(tmp_path), "cpu")
    assert main(["replay", str(bag), "--model-dir", str(tmp_path)]) == 2
    assert "onnx: expected an ONNX file, found none" in capsys.readouterr().err
    check_model("", "cpu")


def test_an_existing_recording_is_not_overwritten(
    bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", str(bag), "--record", str(tmp_path)]) == 2
    assert "--record: expected a path where nothing is yet" in capsys.readouterr().err


def test_the_launcher_gets_absolute_paths_and_all_arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = StackRun.replay(Path("a.mcap"), Path("out"), Path("t.jsonl"), rate=2.0, arguments={"recover": "true"})
    words = run.command()
    assert f"bag:={tmp_path}/a.mcap" in words
    assert {"rate:=2.0", "lockstep:=false", "recover:=true"} <= set(words)
    drive = StackRun.simulation("village", 3, 20.0, Path("out"), Path("t.jsonl"), lockstep=True)
    assert "simulation.launch.xml" in drive.command()
    assert {"town:=village", "seed:=3", "lockstep:=true", f"record:={tmp_path}/out"} <= set(drive.command())
