"""Layouts are drawn from their seed; netconvert accepts all of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zoox_stack.core.classes import AreaType, LineType
from zoox_stack.core.errors import ConfigurationError
from zoox_stack.simulation.towns import LAYOUTS, Town, build_town, plan_town


@pytest.mark.parametrize("layout", LAYOUTS)
def test_plan_depends_on_the_seed_only(layout: str) -> None:
    assert plan_town(layout, 5) == plan_town(layout, 5)
    assert plan_town(layout, 5).nodes != plan_town(layout, 6).nodes


@pytest.mark.parametrize("layout", LAYOUTS)
def test_streets_join_known_nodes(layout: str) -> None:
    plan = plan_town(layout, 1)
    assert all(street.start in plan.nodes and street.end in plan.nodes for street in plan.streets)
    assert plan.name == f"{layout}_1"


def test_unknown_layout_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"signal_grid.*found 'castle'"):
        plan_town("castle", 1)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_builds(layout: str, tmp_path: Path) -> None:
    pytest.importorskip("sumo", reason="needs the simulation extra (eclipse-sumo)")
    network = build_town(layout, 2, tmp_path).net.network
    assert {AreaType.DRIVABLE, AreaType.CROSSWALK, AreaType.SIDEWALK} <= set(network.area_types.tolist())
    assert set(network.line_types.tolist()) <= {LineType.STOP, LineType.YIELD}
    assert len(network.line_ids)
    ends = [len(row) == 0 for row in network.successors]
    assert 0 < sum(ends) < len(ends) / 2  # only the ways out of the town lead nowhere


def test_coordinates_are_those_of_the_plan(town: Town) -> None:
    plan = plan_town("signal_grid", 3)
    nodes = np.array([(node.x, node.y) for node in plan.nodes.values()])
    points = town.net.network.centre_lines.values[:, :2]
    assert np.abs(points.min(axis=0) - nodes.min(axis=0)).max() < 15
    assert np.abs(points.max(axis=0) - nodes.max(axis=0)).max() < 15
