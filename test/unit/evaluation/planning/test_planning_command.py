"""``evaluate planning``: wrong arguments are named, results are printed and kept."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from zoox_stack import cli
from zoox_stack.evaluation import planning_run
from zoox_stack.evaluation.closed_loop_score import ScoredDrive
from zoox_stack.evaluation.planning_records import DriveRecord, read_record, write_record
from zoox_stack.evaluation.planning_run import Failure, Results

COMMAND = ["evaluate", "planning", "--out"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--towns", "atlantis"], "town: expected one of"),
        (["--towns", ","], "--towns: expected at least one name"),
        (["--towns", "village,other/village.yaml"], "village"),
        (["--seeds", "3:3"], "--seeds: expected 0 <= A < B, found 3:3"),
        (["--seeds", "one"], "--seeds: expected A:B or one number, found 'one'"),
        (["--seeds=-1:2"], "--seeds: expected 0 <= A < B"),
        (["--duration", "1"], "--duration: expected 2 to 3600 s, found 1 s"),
        (["--duration", "nan"], "--duration: expected 2 to 3600 s, found nan s"),
        (["--jobs", "0"], "--jobs: expected at least 1, found 0"),
        (["--planners", "what_if,me"], "--planners: expected some of what_if, .*, found 'me'"),
        (["--sensors", "eyes"], "sensor rig 'eyes'"),
        (["--model", "nowhere"], "--model: expected a folder"),
        (["--set", "weight_progress"], "--set: expected NAME=VALUE"),
        (["--set", "weight_progres=1"], "did you mean weight_progress"),
        (["--set", "weight_progress=-1"], "planner.weight_progress: expected 0"),
        (["--parameters", "no.yaml"], "parameter file no.yaml: expected a readable YAML file"),
        (["--trace", "village:what_if"], "--trace: expected TOWN:SEED:PLANNER"),
        (["--trace", "village:1:human"], "--trace: expected TOWN:SEED:PLANNER"),
    ],
)
def test_wrong_arguments(arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*COMMAND, str(tmp_path / "out"), *arguments]) == 2
    out, err = capsys.readouterr()
    assert not out
    import re

    assert re.search(said, err)
    assert not (tmp_path / "out").exists()


def made_up(monkeypatch: pytest.MonkeyPatch, results: Results) -> None:
    monkeypatch.setattr(planning_run, "run_benchmark", lambda *_: results)


def test_results_are_printed_and_kept(
    scored: Callable[..., ScoredDrive], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    records = [
        DriveRecord(planner, "village", seed, scored(planner, seed=seed, progress=progress), mishaps=seed)
        for planner, progress in (("what_if", 0.9), ("idm", 0.5))
        for seed in (1, 2)
    ]
    failed = DriveRecord("idm", "village", 3, None, failure="SUMO lost the ego", events=((0.5, "a collision"),))
    failure = Failure("idm", "village", 3, failed.failure)
    made_up(monkeypatch, Results((*records, failed), (failure,), 5))
    assert cli.main([*COMMAND, str(tmp_path), "--planners", "what_if,idm", "--json"]) == 0
    out, err = capsys.readouterr()
    summary = json.loads(out)
    assert summary["planners"].keys() == {"what_if", "idm"}
    assert summary["planners"]["what_if"]["score"] == pytest.approx(1 - 0.1 * 5 / 16, abs=1e-4)
    assert summary["planners"]["what_if"]["latency_ms"]["p50"] == 10.0
    assert summary["paired"]["what_if-idm"]["mean"] == pytest.approx(0.4 * 5 / 16, abs=1e-4)
    assert summary["failures"] == [{"planner": "idm", "town": "village", "seed": 3, "text": "SUMO lost the ego"}]
    assert summary["mishaps"] == {"what_if": 3, "idm": 3}
    assert "idm, village 3: no score: SUMO lost the ego" in err
    assert json.loads((tmp_path / "summary.json").read_text()) == summary
    assert "| what_if | 2 |" in (tmp_path / "summary.md").read_text()
    with (tmp_path / "drives.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["planner"], row["seed"]) for row in rows[:2]] == [("idm", "3"), ("idm", "1")]
    assert rows[0]["score"] == ""
    assert rows[0]["events"] == "0.5 s: a collision"
    assert rows[1]["collisions"] == "car/ego"
    assert rows[1]["uncomfortable"] == "jerk"
    assert cli.main([*COMMAND, str(tmp_path), "--planners", "what_if,idm"]) == 0
    table = capsys.readouterr().out
    assert "what_if-idm" in table
    assert "drives.csv" in table


def test_parameters_come_from_a_file_and_from_words(
    scored: Callable[..., ScoredDrive], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    file = tmp_path / "weights.yaml"
    file.write_text("/**:\n  ros__parameters: {weight_progress: 7.0, weight_jerk: 0.5}\n")
    record = DriveRecord("what_if", "village", 1, scored("what_if"))
    made_up(monkeypatch, Results((record,), (), 1))
    words = ["--parameters", str(file), "--set", "weight_jerk=0.1"]
    assert cli.main([*COMMAND, str(tmp_path / "out"), *words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["parameters"] == {"weight_progress": 7.0, "weight_jerk": 0.1}
    file.write_text("/**:\n  ros__parameters: {weight_progres: 7.0}\n")
    assert cli.main([*COMMAND, str(tmp_path / "out"), "--parameters", str(file)]) == 2
    assert "did you mean weight_progress" in capsys.readouterr().err


def test_no_score_at_all_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made_up(monkeypatch, Results((), (Failure("human", "village", 1, "no room for the ego"),), 1))
    assert cli.main([*COMMAND, str(tmp_path), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["planners"] == {}


def test_breaking_off_keeps_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken_off(*_: object) -> Results:
        raise KeyboardInterrupt

    monkeypatch.setattr(planning_run, "run_benchmark", broken_off)
    assert cli.main([*COMMAND, str(tmp_path), "--json"]) == 130
    out, err = capsys.readouterr()
    assert not out
    assert "the same command goes on" in err


def test_records_come_back_as_they_were(scored: Callable[..., ScoredDrive], tmp_path: Path) -> None:
    record = DriveRecord(
        "idm", "village", 1, scored("idm"), "broke off", 2, "why", ((1.5, "a collision"),),
        timing={"latency": (8.0, 10.0, 12.0)},
    )  # fmt: skip
    write_record(tmp_path / "folder" / "record.json", record)
    back = read_record(tmp_path / "folder" / "record.json")
    assert back is not None
    assert back.to_values() == record.to_values()
    assert back.scored == record.scored
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["record.json"]
    (tmp_path / "other.json").write_text('{"version": 99}')
    assert read_record(tmp_path / "other.json") is None
