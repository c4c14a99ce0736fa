"""The tables and pictures of docs/prediction.md, from results as the command prints them."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from zoox_stack.evaluation.prediction_run import PredictionEvaluation
from zoox_stack.evaluation.prediction_scores import BASELINES, CLASS_NAMES, PredictionScores
from zoox_stack.evaluation.prediction_summary import summarise as predictions
from zoox_stack.evaluation.what_if_scores import Answer, WhatIfScores
from zoox_stack.evaluation.what_if_summary import summarise as answers

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"
NAMES = ("make_prediction_tables", "prediction_tables", "common")


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    yield importlib.import_module(NAMES[0])
    for name in NAMES:
        sys.modules.pop(name, None)


def made_predictions() -> dict[str, Any]:
    """Two vehicles that the network predicted, and an animal that a rule did: it has no ECE and no ellipses."""
    vehicle, animal = CLASS_NAMES.index("vehicle"), CLASS_NAMES.index("animal")
    model = np.arange(3 * 3 * 8, dtype=float).reshape(3, 3, 8) / 10
    covered = np.array([[0.5, 0.9, 1.0], [0.3, 0.8, 0.9], [np.nan] * 3])
    off_road = np.full((3, 1 + len(BASELINES), 2), 0.25)
    off_road[2] = np.nan
    scores = PredictionScores(
        scene=np.arange(3, dtype=np.int32), agent=np.arange(3), kind=np.array([vehicle, vehicle, animal], np.uint8),
        by_network=np.array([True, True, False]), counts=np.ones((3, 3), bool), model=model,
        baselines=np.tile(np.array([4.0, 9.0, 0.5]), (3, len(BASELINES), 3, 1)),
        probabilities=np.tile(np.array([0.75, 0.25], np.float32), (3, 1)), nearest=np.zeros(3, np.int8),
        covered=covered, off_road=off_road,
    )  # fmt: skip
    return predictions(PredictionEvaluation(scores, ("",) * 3, ("",) * 3, (), "made up"))


def made_answers(pairs: int) -> dict[str, Any]:
    """Of one scene, with affected pairs, crossings and chances to touch, or without any of these."""
    many = len(Answer)
    values = {
        "affected_class": np.ones(pairs, np.uint8), "affected_plan": np.array(["stop"] * pairs, dtype=str),
        "affected_error": np.tile(np.arange(1.0, 1.0 + many), (pairs, 1)), "driven_error": np.ones((pairs, many)),
        "crossing_first": np.arange(pairs) % 2 == 0, "crossing_score": np.tile(np.arange(pairs)[:, None], many) / 10,
        "crossing_told": np.where(np.arange(pairs) < 2, 0.5, np.nan), "contact_close": np.ones(pairs, bool),
        "contact_true": np.stack([np.arange(pairs) % 3 == 0] * 2, axis=1), "unaffected_beside": np.ones(pairs, bool),
        "contact_score": np.full((pairs, 2, many), 0.5), "unaffected_change": np.full(pairs, 0.125),
        "early": np.zeros(1), "plans": np.array([3]),
    }  # fmt: skip
    scenes = {f.name: np.zeros(pairs, np.int64) for f in fields(WhatIfScores) if f.name.endswith("_scene")}
    return {"model": "made up", "machine": "a computer", "date": "today", **answers(WhatIfScores(**values, **scenes))}


def cells(text: str) -> list[dict[str, str]]:
    """Rows of all tables in a text, by head; every row has as many cells as its head."""
    rows: list[dict[str, str]] = []
    heads: list[str] = []
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if not line.startswith("|"):
            heads = []
            continue
        found = [cell.strip() for cell in line.strip("|").split("|")]
        if not heads:
            heads = found
            assert lines[number + 1] == "| " + " | ".join(["---"] * len(heads)) + " |"
        elif set(found) != {"---"}:
            rows.append(dict(zip(heads, found, strict=True)))
    return rows


def test_a_class_that_only_a_rule_predicted_has_a_row(script: ModuleType) -> None:
    result = made_predictions()
    assert result["classes"]["animal"]["ece"] is None
    tables = script.tables
    rows = cells(tables.prediction_table({"here": result}))
    assert [row["class"] for row in rows] == ["vehicle", "animal"]
    assert [rows[0][f"{rule} [m]"] for rule in BASELINES] == ["4.00"] * len(BASELINES)
    sure = cells(tables.certainty_table({"here": result}))
    assert [(row["class"], row["ECE"], row["90 %"]) for row in sure] == [
        ("all", "0.250", "85%"), ("vehicle", "0.250", "85%"), ("animal", "-", "-")
    ]  # fmt: skip
    assert [sure[0][way] for way in ("off road: model", *BASELINES)] == ["25%"] * (1 + len(BASELINES))


def test_every_horizon_has_a_row_with_every_rule(script: ModuleType) -> None:
    result = made_predictions()
    text = script.tables.horizon_table({"here": result})
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| here")]
    assert [row[1:3] for row in rows] == [[kind, when] for kind in ("vehicle", "animal") for when in "358"]
    model = result["classes"]["vehicle"]["model"]
    shown = [f"{model[key]:.2f}" for key in ("minADE6_5s", "brier_minFDE6_5s", "nll_5s")]
    assert [rows[1][4], rows[1][6], rows[1][7]] == shown
    assert rows[1][8:] == ["4.00", "50%"] * len(BASELINES)


@pytest.mark.parametrize(
    ("pairs", "masked", "told", "beside"), [(6, "3.00", "0.50 (2 of 6)", "0.125"), (0, "-", "- (0 of 0)", "-")]
)
def test_answers_have_all_measures_and_none_is_needed(
    script: ModuleType, pairs: int, masked: str, told: str, beside: str
) -> None:
    errors, events = cells(script.tables.what_if_table({"here": made_answers(pairs)}))
    assert errors["plan masked [m]"] == masked
    assert events["first: AUC of the answer's own"] == told
    assert events["of these beside the ego, median [m]"] == beside
    assert events["Brier skill"] == ("-" if not pairs else "-0.12")


def test_only_simulated_towns_are_drawn_and_old_pictures_go(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, ...]] = []

    def command(*words: str, out: Path) -> None:
        asked.append(words)
        result: dict[str, Any] = made_predictions() if words[1] == "prediction" else made_answers(6)
        if "--pictures" in words:
            folder = Path(words[words.index("--pictures") + 1])
            folder.mkdir(parents=True)
            names = ("vehicle_0.50_scene_0007", "reliability") if words[1] == "prediction" else ("what_if_0003",)
            result["pictures"] = [str(folder / f"{name}.png") for name in names]
            for path in result["pictures"]:
                Path(path).write_bytes(b"a picture")
        out.write_text(json.dumps(result))

    def recordings(args: argparse.Namespace) -> list[tuple[str, Path]]:
        return [("recorded", tmp_path / "recorded")]

    monkeypatch.setattr(script, "command", command)
    monkeypatch.setattr(script, "recordings", recordings)
    monkeypatch.setattr(script, "simulated", lambda args: {"known": tmp_path / "known", script.OTHER: tmp_path / "new"})
    monkeypatch.setattr(script, "counterfactuals", lambda args: {script.OTHER_SETS: tmp_path / "set"})
    page = tmp_path / "docs" / "prediction.md"
    old = tmp_path / "docs/images/what_if/old.png"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"of another model")
    page.write_text(f"# Head\n{script.BEGIN}\nbefore\n{script.END}\nfoot\n")
    monkeypatch.setattr(sys, "argv", ["script", "--work", str(tmp_path / "work"), "--page", str(page)])
    assert script.main() == 0
    assert {Path(words[3]).name for words in asked if "--pictures" in words} == {"new", "set"}
    assert {Path(words[3]).name for words in asked} == {"known", "new", "set", "recorded"}
    text = page.read_text()
    assert text.startswith(f"# Head\n{script.BEGIN}\n")
    assert text.endswith(f"\n{script.END}\nfoot\n")
    assert "before" not in text
    for link in ("prediction/vehicle_0.50_scene_0007.png", "prediction/reliability.png", "what_if/what_if_0003.png"):
        assert f"](images/{link})" in text
        assert (page.parent / "images" / link).is_file()
    assert not old.exists()
    seen = len(asked)
    assert script.main() == 0
    assert len(asked) == seen  # nothing is measured twice
