"""The account of an import."""

from __future__ import annotations

import json

from zoox_stack.road_network.importers.report import ReportBuilder, report_of
from zoox_stack.road_network.made_up import crossing
from zoox_stack.road_network.network import RoadNetwork


def test_the_first_word_about_an_element_counts() -> None:
    builder = ReportBuilder("a.osm", "Lanelet2 OSM")
    builder.totals["way"] = 3
    builder.use("way", 1, "line_thin/solid", "line SOLID_WHITE")
    builder.leave("way", 1, "too late")
    builder.leave("way", 2, "deleted in the file")
    builder.use("way", 2, "", "too late")
    report = builder.report()
    assert [(u.count, u.became) for u in report.used] == [(1, "line SOLID_WHITE")]
    assert [(r.reason, r.ids) for r in report.left_out] == [("deleted in the file", ("2",))]
    assert report.unaccounted == {"way": 1}
    assert "not accounted for: 1 way" in report.as_text()
    assert json.loads(json.dumps(report.as_dict()))["unaccounted"] == {"way": 1}


def test_too_many_accounted_is_not_hidden() -> None:
    builder = ReportBuilder("a.osm", "x")
    builder.use("node", 1, "", "point")
    assert builder.report().unaccounted == {"node": -1}


def test_long_lists_are_cut_in_the_text_only() -> None:
    builder = ReportBuilder("a.osm", "x")
    builder.totals["node"] = 20
    for key in range(20):
        builder.leave("node", key, "in no way")
    report = builder.report()
    assert len(report.left_out[0].ids) == 20
    assert "7, ...)" in report.as_text()
    assert "8" not in report.as_text().split("in no way")[1]


def test_report_of_a_network() -> None:
    network = crossing()
    report = report_of(network, "made up", {"speed bump": 2})
    assert report.totals == {"lane": 20, "line": 4, "area": 8, "signal": 4, "feature": 2}
    assert report.unaccounted == {}
    assert report.became("VEHICLE") == 20
    assert report.left_out[0].reason == "speed bump"
    assert "24 successors" in report.notes[0]
    assert "12 signalled lanes" in report.notes[0]


def test_report_of_an_empty_network() -> None:
    report = report_of(RoadNetwork())
    assert (dict(report.totals), report.used, report.unaccounted) == ({}, (), {})
    assert "nothing" in report.as_text()
