"""Our launch files fit our nodes: every parameter they set exists and accepts the value."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from zoox_stack.core.parameters import build
from zoox_stack.launching.evaluator import declared_arguments, load_launch_file
from zoox_stack.launching.model import ParameterFile, ProcessDescription

ROOT = Path(__file__).resolve().parents[3]
ARGUMENTS: dict[str, dict[str, str]] = {
    "stack": {"source": "lidar", "provider": "cpu", "lockstep": "true", "model_dir": "/models", "use_sim_time": "true"},
    "replay": {"bag": "a.mcap", "record": "out", "report": "r.jsonl", "rate": "2", "source": "detections"},
    "simulation": {"town": "village", "seed": "7", "duration": "5", "sensors": "none", "record": "out", "rate": "2"},
    "demo": {"out": "/tmp/demo"},
}
STACK = ["perception", "prediction", "planner", "supervisor", "monitor"]


@pytest.fixture(autouse=True)
def _source_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package is this source tree, not one that is sourced."""
    monkeypatch.delenv("AMENT_PREFIX_PATH", raising=False)


def load(name: str, **arguments: str) -> dict[str, ProcessDescription]:
    description = load_launch_file(
        ROOT / "launch" / f"{name}.launch.xml", {"config": str(ROOT / "config"), **arguments}
    )
    return {process.name.rpartition("-")[0]: process for process in description.processes}


def parameters(process: ProcessDescription) -> dict[str, object]:
    """All parameters of a process; of a repeated one the last value counts."""
    values: dict[str, object] = {}
    for before, part in zip(process.command, process.command[1:], strict=False):
        if before == "--params-file":
            text = part.text if isinstance(part, ParameterFile) else Path(part).read_text()
            values |= yaml.safe_load(text)["/**"]["ros__parameters"]
    return values


@pytest.mark.parametrize("name", ARGUMENTS)
def test_parameters_exist_and_accept_the_values(name: str) -> None:
    configs = pytest.importorskip("zoox_stack.nodes.configs", reason="ONNX Runtime is not installed").CONFIGS
    for node, process in load(name, **ARGUMENTS[name]).items():
        values = parameters(process)
        assert isinstance(values.pop("use_sim_time", False), bool)
        build(configs[node], values, node)


def test_stack_nodes_respawn() -> None:
    processes = load("stack")
    assert list(processes) == STACK
    assert all(p.respawn and p.respawn_delay == 0.1 and not p.shutdown_on_exit for p in processes.values())
    assert not any(p.respawn for p in load("stack", respawn="false").values())


def test_arguments_reach_the_nodes() -> None:
    found = {node: parameters(p) for node, p in load("replay", **ARGUMENTS["replay"], provider="cpu").items()}
    assert found["perception"]["source"] == found["replay"]["source"] == "detections"
    assert found["prediction"]["provider"] == "cpu"
    assert found["replay"]["bag"] == "a.mcap"
    assert found["replay"]["rate"] == 2.0
    assert found["recorder"]["output"] == "out"
    assert all(found[node]["use_sim_time"] for node in [*STACK, "recorder"])
    assert not any(p["lockstep"] for p in found.values())
    found = {node: parameters(p) for node, p in load("replay", bag="b", lockstep="true").items()}
    assert all(p["lockstep"] for p in found.values())


def test_recorder_only_where_asked_for_and_then_waited_for() -> None:
    without, recorded = load("replay", bag="a"), load("replay", bag="a", record="out")
    assert list(without) == [*STACK, "replay"]
    assert list(recorded) == [*STACK, "recorder", "replay"]
    assert parameters(without["replay"])["wait_for"] == "perception,prediction,planner,supervisor"
    assert parameters(recorded["replay"])["wait_for"] == "perception,prediction,planner,supervisor,recorder"
    assert [node for node, p in recorded.items() if p.shutdown_on_exit] == ["recorder", "replay"]


def test_simulation_takes_the_place_of_replay() -> None:
    without, recorded = load("simulation"), load("simulation", **ARGUMENTS["simulation"], lockstep="true")
    assert list(without) == [*STACK, "simulator"]
    assert list(recorded) == [*STACK, "recorder", "simulator"]
    found = parameters(recorded["simulator"])
    assert (found["town"], found["seed"], found["duration"], found["sensors"]) == ("village", 7, 5.0, "none")
    assert found["wait_for"] == "perception,prediction,planner,supervisor,recorder"
    assert all(parameters(p)["lockstep"] for p in recorded.values())
    assert [node for node, p in recorded.items() if p.shutdown_on_exit] == ["recorder", "simulator"]


def test_demo_records() -> None:
    processes = load("demo", out="here")
    assert parameters(processes["recorder"])["output"] == "here/bag"
    assert parameters(processes["simulator"])["report"] == "here/ticks.jsonl"
    assert parameters(processes["monitor"])["status"] is True


@pytest.mark.parametrize("name", ARGUMENTS)
def test_every_argument_is_described(name: str) -> None:
    assert all(argument.description for argument in declared_arguments(ROOT / "launch" / f"{name}.launch.xml"))
