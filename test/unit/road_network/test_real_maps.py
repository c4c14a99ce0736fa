"""On real maps, where a copy of them is at hand: they are not part of the project."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState
from zoox_stack.core.classes import AreaType
from zoox_stack.planning.lane_ends import LaneGoal
from zoox_stack.planning.routing import Router
from zoox_stack.road_network.area_index import AreaIndex
from zoox_stack.road_network.checks import check_map
from zoox_stack.road_network.drawing import draw_map
from zoox_stack.road_network.loading import kind_of, load_map
from zoox_stack.road_network.queries import LaneIndex

DATA = Path(os.environ.get("ZOOX_STACK_DATA", Path(__file__).parents[4] / "shared" / "data"))
PATTERNS = {
    "lanelet2": ("maps/**/*.osm",),
    "av2": ("av2/**/log_map_archive_*.json",),
    "scenarionet": ("nuscenes_mini/*.pkl", "waymo_motion/scenarionet/*.pkl"),
    "commonroad": ("ngsim_commonroad/sample/*.xml",),
}
LEAST = {"lanelet2": 5, "av2": 3, "scenarionet": 9, "commonroad": 1}


@pytest.mark.parametrize("kind", PATTERNS)
def test_every_map_loads_and_answers(kind: str) -> None:
    paths = [path for pattern in PATTERNS[kind] for path in sorted(DATA.glob(pattern))]
    if not paths:
        pytest.skip(f"no {kind} maps in {DATA}; set ZOOX_STACK_DATA")
    if kind == "lanelet2":
        pytest.importorskip("lanelet2", reason="needs the maps extra (lanelet2)")
    assert len(paths) >= LEAST[kind]
    for path in paths:
        assert kind_of(path) == kind
        network, report = load_map(path)
        assert not report.unaccounted, path
        index = LaneIndex(network)
        assert len(index.lines) > 2, path
        rows = np.array(list(index.lines))
        middles = np.array([line.at(line.length / 2)[0] for line in index.lines.values()])
        yaw = np.array([line.at(line.length / 2)[1] for line in index.lines.values()])
        found = index.nearest(middles, yaw)
        assert (found.rows >= 0).all()
        assert found.distance.max() < 1e-6  # each lane is found in its own middle, or one that lies on it
        frenet = index.project(middles, rows)
        np.testing.assert_allclose(frenet.d, 0, atol=0.3)
        drivable = AreaIndex(network).contains(middles, (AreaType.DRIVABLE, AreaType.INTERSECTION))
        assert drivable.mean() > 0.9 or not (network.area_types == AreaType.DRIVABLE).any(), path
        conflicts = index.conflicts
        assert (conflicts.first < conflicts.second).all()
        assert (conflicts.first_interval[:, 0] <= conflicts.first_interval[:, 1]).all()
    # Of the last one also what takes longer.
    assert all(finding.text and finding.remedy for finding in check_map(network))
    assert len(draw_map(network).axes[0].collections) > 2


def following(index: LaneIndex, row: int) -> set[int]:
    """The lane and all that can be reached from it without a lane change."""
    reached, waiting = {row}, [row]
    while waiting:
        new = {int(other) for other in index.network.successors[waiting.pop()]} - reached
        reached |= new
        waiting += sorted(new)
    return reached


def test_lanes_of_an_intersection_are_reached_from_its_approaches() -> None:
    path = DATA / "maps" / "sind" / "changchun" / "Changchun_Pudong.osm"
    if not path.exists():
        pytest.skip(f"no map at {path}; set ZOOX_STACK_DATA")
    pytest.importorskip("lanelet2", reason="needs the maps extra (lanelet2)")
    index = LaneIndex(load_map(path)[0])
    router = Router(index)
    into = [row for row in index.lines if not len(index.predecessors[row])]
    assert {other for row in into for other in following(index, row)} == set(index.lines)
    for row in into:
        goals = [other for other in following(index, row) if not len(index.network.successors[other])]
        assert goals
        for goal in goals:
            (x, y), yaw = index.lines[row].xy[0], float(index.lines[row].heading[0])
            way = router.plan(EgoState(0, x, y, yaw=yaw), LaneGoal(int(index.network.lane_ids[goal])))
            assert way.length > 20.0
