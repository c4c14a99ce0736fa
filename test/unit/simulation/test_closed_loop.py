"""A drive in closed loop: the ego is where its trajectories lead it, everyone else reacts, and all of it repeats."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import AgentClass, Blame, EventKind
from zoox_stack.core.errors import InvalidInputError, ZooxStackError
from zoox_stack.core.events import SimulationEvent
from zoox_stack.core.plans import EgoPlan, Trajectory
from zoox_stack.road_network.polyline import Polyline
from zoox_stack.simulation import ego_start
from zoox_stack.simulation.closed_loop import ClosedLoop
from zoox_stack.simulation.demand import DemandConfig
from zoox_stack.simulation.ego_route import ego_route
from zoox_stack.simulation.ego_start import free_place
from zoox_stack.simulation.events import EventDetector
from zoox_stack.simulation.lane_route import lane_route
from zoox_stack.simulation.population import FIRST_PEDESTRIAN, RoadUser
from zoox_stack.simulation.towns import Town
from zoox_stack.simulation.world import EGO_ID, Snapshot

DEMAND = DemandConfig(vehicles_per_km=8.0, pedestrians_per_km=5.0, jaywalkers_per_hour=0.0, animals_per_hour=0.0)


def _along(line: Polyline, ego: EgoState, speed: float, offset: float = 0.0) -> Trajectory:
    """On along a line from where the ego is, at a speed."""
    s = float(line.project(np.array([[ego.x, ego.y]])).s[0]) + speed * 0.1 * np.arange(1, 81)
    xy, yaw, curvature = line.at(s)
    xy = xy + offset * np.stack([-np.sin(yaw), np.cos(yaw)], axis=1)
    flat = np.zeros(80)
    return Trajectory(ego.stamp_ns, EgoPlan(0, "on", 0.1, xy[:, 0], xy[:, 1], yaw, flat + speed, flat, curvature))


def _drive(
    town: Town,
    folder: Path,
    seconds: float,
    plan: Callable[[ClosedLoop], Trajectory | None],
    demand: DemandConfig = DEMAND,
) -> tuple[list[np.ndarray], list[SimulationEvent], ClosedLoop]:
    states, events = [], []
    with ClosedLoop(town, 4, folder, duration=seconds, warm_up=8.0, demand=demand) as loop:
        for _ in range(round(seconds / 0.1)):
            events += loop.step(plan(loop))
            scene = loop.scene
            assert scene.ego is not None
            ego = [scene.ego.x, scene.ego.y, scene.ego.yaw, scene.ego.speed]
            states.append(np.concatenate([ego, scene.position.ravel(), scene.ids, loop.signals.states]))
        events += loop.finish()
    return states, events, loop


def _line(loop: ClosedLoop) -> Polyline:
    return loop.index.path_of(loop.index.rows_of(loop.route.lane_ids)).line


def test_ego_follows_the_route_and_everything_repeats(town: Town, tmp_path: Path) -> None:
    def on(loop: ClosedLoop) -> Trajectory:
        assert loop.scene.ego is not None
        return _along(_line(loop), loop.scene.ego, 6.0)

    first, events, loop = _drive(town, tmp_path / "a", 8.0, on)
    second, _, _ = _drive(town, tmp_path / "b", 8.0, on)
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    ego = np.array([state[:4] for state in first])
    frenet = _line(loop).project(ego[:, :2])
    assert np.abs(frenet.d).max() < 0.4
    assert ego[-1, 3] == pytest.approx(6.0, abs=0.3)
    assert (np.diff(frenet.s) > -1e-3).all()
    assert not [e for e in events if e.kind in (EventKind.OFF_ROAD, EventKind.WRONG_WAY)]


def test_sumo_sees_the_ego_where_it_is(town: Town, tmp_path: Path) -> None:
    def on(loop: ClosedLoop) -> Trajectory:
        assert loop.scene.ego is not None
        snapshot = loop.world.snapshot
        row = int(np.searchsorted(snapshot.ids, EGO_ID))
        assert snapshot.ids[row] == EGO_ID
        assert np.hypot(*(snapshot.states[row, :2] - loop.scene.ego.centre)) < 0.5
        assert EGO_ID not in loop.scene.ids
        return _along(_line(loop), loop.scene.ego, 5.0)

    _drive(town, tmp_path, 5.0, on)


def test_who_comes_from_behind_stops_before_an_ego_that_stands(town: Town, tmp_path: Path) -> None:
    """Without a trajectory the ego stays where it appeared."""
    edges = ego_route(town, 4)
    lonely = DemandConfig(vehicles_per_km=0.0, pedestrians_per_km=0.0, jaywalkers_per_hour=0.0, animals_per_hour=0.0)
    gaps = []
    with ClosedLoop(town, 4, tmp_path, duration=25.0, warm_up=2.0, demand=lonely, edges=edges[2:]) as loop:
        loop.world.insert(RoadUser(7, AgentClass.CAR, (4.5, 1.8, 1.5), 9.9), edges[1:], 6.0, 8.0)
        events = []
        for _ in range(250):
            events += loop.step(None)
            scene, ego = loop.scene, loop.scene.ego
            assert ego is not None
            if 7 in scene.ids:
                row = int(np.searchsorted(scene.ids, 7))
                gaps.append(float(np.hypot(*(scene.position[row, :2] - ego.centre))) - 4.65)
    assert gaps[0] > 15.0
    assert 0.3 < gaps[-1] < 6.0
    assert min(gaps) > 0.3
    assert scene.speed[row] < 0.1
    assert not [e for e in events if e.kind is EventKind.COLLISION]


def test_leaving_the_road_is_an_event_and_not_the_end(town: Town, tmp_path: Path) -> None:
    def off(loop: ClosedLoop) -> Trajectory:
        assert loop.scene.ego is not None
        return _along(_line(loop), loop.scene.ego, 5.0, offset=-9.0)

    states, events, _ = _drive(town, tmp_path, 10.0, off)
    assert len(states) == 100
    assert [e for e in events if e.kind is EventKind.OFF_ROAD and e.value > 1.0]


def test_the_end_of_sumo_is_told(town: Town, tmp_path: Path) -> None:
    """Also before its step, where the ego is put into it."""
    import libsumo

    with ClosedLoop(town, 4, tmp_path, duration=5.0, warm_up=2.0, demand=DEMAND) as loop:
        loop.step(None)
        libsumo.close()
        with pytest.raises(ZooxStackError, match=r"SUMO failed in town signal_grid_3 with seed 4 at 2\.2 s"):
            loop.step(None)
        with pytest.raises(ZooxStackError, match="SUMO failed"):
            loop.world.insert(RoadUser(7, AgentClass.CAR, (4.5, 1.8, 1.5), 9.9), loop.edges, 6.0, 8.0)


def test_traffic_lasts_when_the_ego_has_to_wait(town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """New vehicles come until the end of a drive that begins late, and what happens in its first instant is told."""

    def late(now: Snapshot, lane: Polyline) -> float | None:
        return free_place(now, lane) if now.time > 40.0 else None

    def told(_: EventDetector, scene: TrackedAgents, __: object) -> list[SimulationEvent]:
        return [SimulationEvent(scene.stamp_ns, EventKind.COLLISION, Blame.OTHER, 0.0, 0.0, 1.0, "", 7, AgentClass.CAR)]

    monkeypatch.setattr(ego_start, "free_place", late)
    monkeypatch.setattr(EventDetector, "update", told)
    with ClosedLoop(town, 4, tmp_path, duration=20.0, warm_up=8.0, demand=DEMAND) as loop:
        before, first = set(loop.world.snapshot.ids.tolist()), loop.scene.stamp_ns
        assert loop.world.snapshot.time > 40.0
        assert [event.stamp_ns for event in loop.step(None)] == [first, loop.scene.stamp_ns]
        assert [event.stamp_ns for event in loop.step(None)] == [loop.scene.stamp_ns]
        for _ in range(150):
            loop.step(None)
        assert [i for i in set(loop.world.snapshot.ids.tolist()) - before if i < FIRST_PEDESTRIAN]


def test_truth_is_consistent_over_time(town: Town, tmp_path: Path) -> None:
    """Velocity is the change of position, acceleration that of velocity, and nobody is born old."""
    with ClosedLoop(town, 4, tmp_path, duration=5.0, warm_up=8.0, demand=DEMAND) as loop:
        before = loop.scene
        for _ in range(20):
            loop.step(None)
            scene = loop.scene
            _, mine, theirs = np.intersect1d(scene.ids, before.ids, return_indices=True)
            moved = (scene.position[mine, :2] - before.position[theirs, :2]) / 0.1
            assert np.allclose(moved, scene.velocity[mine], atol=1e-6)
            change = (scene.velocity[mine] - before.velocity[theirs]) / 0.1
            assert np.allclose(change, scene.acceleration[mine], atol=1e-6)
            assert np.allclose(scene.age[mine], before.age[theirs] + 0.1, atol=1e-4)
            assert (scene.age[~np.isin(scene.ids, before.ids)] == 0).all()
            before = scene


def test_lane_route_leads_from_lane_to_lane(town: Town) -> None:
    network, names = town.net.network, {row: name for name, row in town.net.lane_rows.items()}
    edges = [e for e in town.net.edge_links if town.net.edge_links[e]]
    start = sorted(edges)[0]
    route = [start]
    while len(route) < 4 and town.net.edge_links.get(route[-1]):
        route.append(town.net.edge_links[route[-1]][0])
    rows = lane_route(town.net, route)
    for row, following in pairwise(rows):
        beside = (network.left_neighbours[row], network.right_neighbours[row])
        assert following in network.successors[row] or following in beside
    passed = [names[row].rsplit("_", 1)[0] for row in rows if not names[row].startswith(":")]
    assert [edge for i, edge in enumerate(passed) if i == 0 or edge != passed[i - 1]] == route


@pytest.mark.parametrize("edges", [[], ["nowhere"]])
def test_impossible_routes_are_named(town: Town, edges: list[str]) -> None:
    with pytest.raises(InvalidInputError, match="route in"):
        lane_route(town.net, edges)


def test_unconnected_edges_are_named(town: Town) -> None:
    links = town.net.edge_links
    start = sorted(links)[0]
    other = next(e for e in sorted(links) if e != start and e not in links[start])
    with pytest.raises(InvalidInputError, match="lead into each other"):
        lane_route(town.net, [start, other])
