"""Choices out of logs, and the command that learns from them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from zoox_stack import cli
from zoox_stack.core import topics
from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import AgentClass
from zoox_stack.core.errors import ConfigurationError, InvalidInputError
from zoox_stack.core.parameter_file import read_parameters
from zoox_stack.core.parameters import build
from zoox_stack.datasets.bags import LoggedScenes
from zoox_stack.logs.bag_writer import BagWriter
from zoox_stack.logs.codec import encode
from zoox_stack.planning.choices import choices_of_log, happened, unit_config
from zoox_stack.planning.config import PlannerConfig
from zoox_stack.planning.costs import COST_NAMES, weights
from zoox_stack.road_network.made_up import straight_road
from zoox_stack.road_network.network import RoadNetwork

SECOND = 1_000_000_000
PROGRESS = COST_NAMES.index("progress")


def speeds() -> NDArray[np.float64]:
    """Every 0.1 s: drive, stop behind somebody, stand, drive on."""
    change = np.array([0.0] * 40 + [-2.0] * 40 + [0.0] * 80 + [1.5] * 53 + [0.0] * 107) * 0.1
    return np.asarray(np.maximum(8.0 + np.cumsum(change), 0.0))


def log(network: RoadNetwork | None, *, sideways: float = 0.0) -> LoggedScenes:
    """32 s on a straight road behind a car that stops and drives on; or beside the road."""
    scenes = []
    x = 5.0 + np.cumsum(speeds()) * 0.1
    for step, (along, speed) in enumerate(zip(x, speeds(), strict=True)):
        stamp = SECOND + round(step * 0.1 * SECOND)
        ahead = x[min(step + 5, len(x) - 1)] + 7.0
        ego = EgoState(stamp, x=float(along), y=sideways * np.sin(0.05 * step), speed=float(speed))
        scenes.append(
            TrackedAgents.from_states(
                stamp, np.array([4]), np.array([AgentClass.CAR], np.uint8), np.array([[ahead, 0.0, 0.8]]),
                np.zeros(1), np.array([[float(speed), 0.0]]), np.array([[4.5, 1.8, 1.6]], np.float32), ego=ego,
            )
        )  # fmt: skip
    return LoggedScenes(Path("made up"), scenes, network=network)


def road() -> RoadNetwork:
    return straight_road(length=400.0)


def write(path: Path, made: LoggedScenes) -> Path:
    wanted = [topics.GROUND_TRUTH, topics.KINEMATIC_STATE]
    with BagWriter(path, flush_period=None) as writer:
        for topic in (*wanted, topics.ROAD_NETWORK):
            writer.add_topic(topic.name, topic.type_name, ())
        if made.network is not None:
            writer.write(topics.ROAD_NETWORK.name, SECOND, encode(made.network, SECOND))
        for scene in made.scenes:
            if scene.ego is not None:
                writer.write(topics.KINEMATIC_STATE.name, scene.stamp_ns, encode(scene.ego))
            writer.write(topics.GROUND_TRUTH.name, scene.stamp_ns, encode(scene))
    return path


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("logs") / "drive.mcap", log(road()))


def test_choices_of_a_drive() -> None:
    found = choices_of_log(log(road()), 3, PlannerConfig())
    choices = found.choices
    assert choices is not None
    assert found.left_out["the log ends within 8 s"] == 8
    assert len(choices) >= 20
    assert set(choices.log) == {3}
    assert choices.stands.sum() >= 5  # about 8 s
    standing = choices.terms[choices.anchor[choices.stands]]
    assert standing[:, PROGRESS] == pytest.approx(1.0, abs=0.01)  # unweighted: who stands loses all the way
    decided = choices.decided
    assert len(decided) >= 10
    assert choices.distances[choices.chosen[decided]].max() <= 2.0
    assert (choices.distances >= 0).all()
    for scene in decided:  # nothing is nearer than what was chosen
        rows = slice(choices.first[scene], choices.first[scene] + choices.counts[scene])
        assert choices.distances[rows].min() == choices.distances[choices.chosen[scene]]


def test_choices_of_a_simulated_drive(tmp_path: Path) -> None:
    pytest.importorskip("libsumo", reason="needs the simulation extra (libsumo)")
    out = tmp_path / "village.mcap"
    words = ["--town", "village", "--seed", "3", "--duration", "14", "--warm-up", "5", "--no-sensors"]
    assert cli.main(["simulate", *words, "--out", str(out)]) == 0
    choices = choices_of_log(LoggedScenes.read(out), 0, PlannerConfig()).choices
    assert choices is not None
    assert len(choices.decided) >= 3
    assert choices.counts.max() > 100
    assert np.isfinite(choices.terms).all()
    assert (choices.anchor >= 0).all()


def test_the_weights_of_the_planner_do_not_matter() -> None:
    one = choices_of_log(log(road()), 0, PlannerConfig()).choices
    other = choices_of_log(log(road()), 0, PlannerConfig(weight_progress=0.5, weight_collision=1.0)).choices
    assert one is not None
    assert other is not None
    assert np.array_equal(one.terms, other.terms)
    assert (weights(unit_config(PlannerConfig())) == 1.0).all()


def test_a_driver_who_weaves_takes_none_of_the_candidates() -> None:
    found = choices_of_log(log(road(), sideways=40.0), 0, PlannerConfig())
    assert found.choices is None or not len(found.choices.decided)
    assert sum(found.left_out.values()) >= 20


def test_futures_are_what_happened_and_go_on_as_they_were() -> None:
    scene = log(None).scenes[0]
    known = np.full((1, 80, 3), np.nan)
    start = scene.position[0, :2]
    known[0, :20, 0] = start[0] + 0.5 * np.arange(1, 21)  # 5 m/s for 2 s, then nobody knows
    known[0, :20, 1:] = [start[1], 0.1]
    futures = happened(scene, known)
    way = futures.positions[0, 0] + futures.origin
    assert way[19, 0] == pytest.approx(start[0] + 10.0, abs=1e-3)
    assert way[79, 0] == pytest.approx(start[0] + 40.0, abs=1e-3)
    assert futures.headings[0, 0, 79] == pytest.approx(0.1)
    nothing = happened(scene, np.full((1, 80, 3), np.nan))
    assert (nothing.positions[0, 0, 79] + nothing.origin)[0] == pytest.approx(
        start[0] + 8 * scene.velocity[0, 0], abs=1e-3
    )


def test_no_map_and_no_ego() -> None:
    with pytest.raises(InvalidInputError, match="a road network with lanes"):
        choices_of_log(log(None), 0, PlannerConfig())
    made = log(road())
    blind = LoggedScenes(made.path, [replace(scene, ego=None) for scene in made.scenes], network=made.network)
    with pytest.raises(InvalidInputError, match="states of the ego"):
        choices_of_log(blind, 0, PlannerConfig())


def test_command(bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "weights.yaml"
    given = tmp_path / "given.yaml"
    given.write_text("planner:\n  ros__parameters: {weight_progress: 12.0, cruise_speed: 10.0}\n")
    words = ["learn-costs", "--logs", str(bag), "--out", str(out), "--parameters", str(given)]
    assert cli.main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["logs"] == 1
    assert told["choices"] >= 10
    assert told["anchors"] >= 5
    assert list(told["weights"]) == list(COST_NAMES)
    assert told["weights"]["progress"]["known"] == 12.0
    assert told["held_out"] is None
    assert told["training"]["learned"]["log_likelihood"] >= told["training"]["known"]["log_likelihood"]
    config = build(PlannerConfig, read_parameters(out, "planner"), "planner")
    assert weights(config).tolist() == [row["learned"] for row in told["weights"].values()]
    assert config.cruise_speed == 10.0
    first = out.read_text()
    assert cli.main(words) == 0
    assert out.read_text() == first  # the same logs, the same weights
    text = capsys.readouterr().out
    assert "imposed_braking" in text
    assert "not in these logs" in text


def test_bad_logs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "weights.yaml")

    def said(path: Path) -> str:
        assert cli.main(["learn-costs", "--logs", str(path), "--out", out]) == 2
        return capsys.readouterr().err

    assert "expected rosbag2 bags, found none" in said(tmp_path / "nothing")
    assert "expected a road network with lanes" in said(write(tmp_path / "a.mcap", log(None)))
    made = log(road())
    egoless = LoggedScenes(made.path, [replace(s, ego=None) for s in made.scenes], network=made.network)
    assert "ego: expected" in said(write(tmp_path / "b.mcap", egoless))
    short = LoggedScenes(made.path, made.scenes[:60], network=made.network)
    assert "at least one choice of the driver, found 5 left out: the log ends" in said(
        write(tmp_path / "c.mcap", short)
    )
    moving = LoggedScenes(made.path, made.scenes[:105], network=made.network)
    assert "scenes in which the ego stands" in said(write(tmp_path / "d.mcap", moving))
    assert not Path(out).exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--discount", "1"], "--discount: expected 0 to 0.99, found 1"),
        (["--held-out", "-0.1"], "--held-out: expected 0 to 0.9"),
        (["--out", "no/such/folder/x.yaml"], "--out: expected a file in a folder that exists"),
        (["--parameters", "no.yaml"], "parameter file no.yaml: expected a readable YAML file"),
    ],
)
def test_wrong_arguments(words: list[str], expected: str, bag: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["learn-costs", "--logs", str(bag), "--out", "w.yaml", *words]) == 2
    assert expected in capsys.readouterr().err


def test_parameter_files(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    both = {"/**": {"ros__parameters": {"a": 1, "b": 2}}, "planner": {"ros__parameters": {"b": 3}}, "other": 4}
    path.write_text(yaml.safe_dump(both))
    assert read_parameters(path, "planner") == {"a": 1, "b": 3}
    assert read_parameters(path, "replay") == {"a": 1, "b": 2}
    path.write_text("- 1\n")
    with pytest.raises(ConfigurationError, match="found nothing of it"):
        read_parameters(path, "planner")
    shipped = Path(__file__).parents[3] / "config" / "planner.yaml"
    assert read_parameters(shipped, "planner")["weight_progress"] == PlannerConfig().weight_progress
