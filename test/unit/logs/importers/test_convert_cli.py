"""The commands `convert` and `bag`, from arguments to exit code."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from zoox_stack.logs import bag_cli, convert
from zoox_stack.logs.bag_reader import BagReader
from zoox_stack.logs.codec import decode


def command(*arguments: object) -> int:
    parser = argparse.ArgumentParser()
    subparsers = parser.add_subparsers(required=True)
    convert.register(subparsers)
    bag_cli.register(subparsers)
    args = parser.parse_args([str(a) for a in arguments])
    return int(args.func(args))


def test_av2(av2_log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("convert", "av2", av2_log, tmp_path / "out.mcap", "--json") == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["detections"] == summary["ground_truth_boxes"] == 20
    assert summary["lanes"] == 4
    assert summary["unknown_classes"] == {}
    assert summary["duration_s"] == pytest.approx(1.0, abs=0.01)
    with BagReader(tmp_path / "out.mcap") as reader:
        assert {n: t.count for n, t in reader.topics.items()} == summary["topics"]
        assert reader.topics["/sensing/lidar/points"].count == 2
        for message in reader.messages():
            decode(message.type_name, message.data)


def test_nuscenes(scene_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("convert", "nuscenes-scenarionet", scene_file, tmp_path / "out", "--compression", "zstd") == 0
    text = capsys.readouterr().out
    assert "boxes of unknown class 'vehicle.hovercraft', written as UNKNOWN" in text
    assert "left out: map feature: HELIPAD" in text
    assert (tmp_path / "out" / "metadata.yaml").exists()


def test_kitti(kitti: dict[str, Path], tmp_path: Path) -> None:
    options = [f"--{name}={kitti[name]}" for name in ("detections", "oxts", "calib", "labels")]
    assert command("convert", "kitti-tracking", *options, tmp_path / "out") == 0
    with BagReader(tmp_path / "out") as reader:
        assert "/map/road_network" not in reader.topics
        assert reader.topics["/ground_truth/tracked_agents"].count == 3


def test_two_conversions_give_the_same_bytes(av2_log: Path, tmp_path: Path) -> None:
    for name in ("a.mcap", "b.mcap"):
        assert command("convert", "av2", av2_log, tmp_path / name, "--json") == 0
    with BagReader(tmp_path / "a.mcap") as a, BagReader(tmp_path / "b.mcap") as b:
        assert list(a.messages()) == list(b.messages())


def test_failures_say_why_and_leave_nothing(av2_log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("convert", "av2", tmp_path / "nowhere", tmp_path / "out") == 1
    assert "no such folder" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    (tmp_path / "there").write_text("precious")
    assert command("convert", "av2", av2_log, tmp_path / "there") == 1
    assert "Choose another name" in capsys.readouterr().err
    sweep = sorted((av2_log / "sensors" / "lidar").iterdir())[-1]
    sweep.write_bytes(b"rubbish")
    assert command("convert", "av2", av2_log, tmp_path / "out") == 1
    assert sweep.name in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_bag_info_and_recover(scene_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("convert", "nuscenes-scenarionet", scene_file, tmp_path / "whole.mcap", "--json") == 0
    written = json.loads(capsys.readouterr().out)
    assert command("bag", "info", tmp_path / "whole.mcap", "--json") == 0
    info = json.loads(capsys.readouterr().out)
    assert info["messages"] == sum(written["topics"].values())
    assert info["topics"]["/map/road_network"]["latched"] is True
    assert command("bag", "info", tmp_path / "whole.mcap") == 0
    assert "/planning/route" in capsys.readouterr().out

    content = (tmp_path / "whole.mcap").read_bytes()
    (tmp_path / "cut.mcap").write_bytes(content[:-50])
    assert command("bag", "info", tmp_path / "cut.mcap") == 2
    assert "incomplete: cut.mcap: truncated" in capsys.readouterr().out
    assert command("bag", "recover", tmp_path / "cut.mcap", tmp_path / "saved", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["topics"] == written["topics"]
    assert command("bag", "info", tmp_path / "saved") == 0
    capsys.readouterr()
    assert command("bag", "recover", tmp_path / "cut.mcap", tmp_path / "saved2") == 0
    assert "messages recovered" in capsys.readouterr().out

    for arguments in (("info", tmp_path / "no"), ("recover", tmp_path / "no", tmp_path / "x"),
                      ("recover", tmp_path / "cut.mcap", tmp_path / "saved")):  # fmt: skip
        assert command("bag", *arguments) == 1
        assert "zoox-stack bag" in capsys.readouterr().err
