"""Many scored drives as JSON and as tables."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.evaluation.closed_loop_junctions import JunctionKind
from zoox_stack.evaluation.closed_loop_score import ScoredPassage
from zoox_stack.evaluation.closed_loop_summary import PLANNERS, markdown, summarise


def _drives(scored):
    merge = ScoredPassage(0, JunctionKind.MERGE, 0.75, 6.0, True)
    return [
        replace(
            scored(planner, town, seed, progress=progress, latencies_ms=(10.0, 30.0)),
            collisions=(("car", "ego"), ("car", "other")) if planner == "idm" else (),
            passages=(merge,),
        )
        for planner, progress in (("human", 1.0), ("idm", 0.5), ("what_if", 0.9))
        for town in ("a", "b")
        for seed in (1, 2)
    ]


def test_the_json_is_as_the_issue_names_it(scored):
    result = json.loads(json.dumps(summarise(_drives(scored)), allow_nan=False))
    assert list(result["planners"]) == ["what_if", "idm", "human"]
    assert list(result["paired"]) == ["what_if-idm", "what_if-human", "idm-human"]
    what_if, idm = result["planners"]["what_if"], result["planners"]["idm"]
    assert what_if["score"] == pytest.approx((11 + 4.5) / 16, abs=1e-4)
    assert (what_if["at_fault_collisions"], idm["at_fault_collisions"]) == (0, 4)
    assert idm["collisions_by_class_and_blame"] == {"car/ego": 4, "car/other": 4}
    assert what_if["progress_vs_human"] == pytest.approx(0.9)
    assert what_if["latency_ms"]["p50"] == 20.0
    pair = result["paired"]["what_if-idm"]
    assert pair["mean"] == pytest.approx(0.4 * 5 / 16, abs=1e-4)
    assert pair["ci95"] == [pair["mean"], pair["mean"]]
    assert pair["junctions"]["merge"]["seconds_saved"] == {
        "mean": 0.0, "ci95": [0.0, 0.0], "n": 4, "drives": 4, "excludes_zero": False,
    }  # fmt: skip
    assert (result["towns"], result["seeds"]) == (["a", "b"], [1, 2])


def test_metres_count_for_progress_and_may_be_more_than_the_human(scored):
    """100 of 50 m in one place and 50 of 250 m in another are half the way, not the mean of 2 and 0.2."""
    fast, slow = scored("what_if", "a", 1), scored("what_if", "a", 2)
    fast = replace(fast, measures=replace(fast.measures, way=100.0, expert_way=50.0))
    slow = replace(slow, measures=replace(slow.measures, way=50.0, expert_way=250.0))
    assert summarise([fast, slow])["planners"]["what_if"]["progress_vs_human"] == pytest.approx(0.5)
    assert summarise([fast])["planners"]["what_if"]["progress_vs_human"] == pytest.approx(2.0)


def test_drives_that_are_missing_are_told(scored):
    drives = [d for d in _drives(scored) if (d.planner, d.town, d.seed) != ("idm", "b", 2)]
    result = summarise(drives)
    assert (result["planners"]["idm"]["drives"], result["planners"]["idm"]["missing_drives"]) == (3, 1)
    assert result["paired"]["what_if-idm"]["n"] == 3
    assert "| idm | 3 of 4 |" in markdown(result)


def test_nothing_driven_is_nothing_told():
    result = summarise([])
    assert (result["planners"], result["paired"]) == ({}, {})
    assert markdown(result).startswith("| planner |")


def test_one_drive_has_no_interval(scored):
    result = summarise([scored("what_if", "a", 1), scored("idm", "a", 1)])
    assert result["planners"]["what_if"]["score_ci95"] == [None, None]
    assert result["paired"]["what_if-idm"]["ci95"] == [None, None]


def test_a_human_who_stood_gives_no_ratio(scored):
    drive = scored("what_if", "a", 1)
    drive = replace(drive, measures=replace(drive.measures, expert_way=0.0))
    assert summarise([drive])["planners"]["what_if"]["progress_vs_human"] is None


def test_unknown_planners_are_an_error(scored):
    with pytest.raises(InvalidInputError, match=PLANNERS[0]):
        summarise([scored("mine", "a", 1)])


def test_tables_have_a_row_for_each_planner_and_pair(scored):
    lines = markdown(summarise(_drives(scored))).splitlines()
    heads = [line for line in lines if line.startswith("| --- |")]
    assert len(heads) == 4
    for planner in ("what_if", "idm", "human"):
        assert sum(line.startswith(f"| {planner} |") for line in lines) == 2
    assert sum(line.startswith("| what_if-idm |") for line in lines) == 2
    assert "| what_if-idm | merge | 4 | 0.0000 | 0.0000 .. 0.0000 |" in "\n".join(lines)
    widths = {line.count("|") for line in lines if line.startswith("| idm ")}
    assert widths == {12, 10}
