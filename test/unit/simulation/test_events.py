"""What counts as an event, and whose fault it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState, TrackedAgents, TrafficSignals
from zoox_stack.core.classes import AgentClass, Blame, EventKind, SignalState
from zoox_stack.core.events import NOBODY, SimulationEvent
from zoox_stack.core.geometry import box_corners, boxes_overlap
from zoox_stack.road_network.made_up import crossing, straight_road
from zoox_stack.road_network.queries import LaneIndex
from zoox_stack.simulation.events import EventDetector

STEP_NS = 100_000_000
CAR = np.array([4.5, 1.8, 1.5])


@pytest.fixture(scope="module")
def road() -> LaneIndex:
    return LaneIndex(straight_road(lanes=2, length=200.0))


def _ego(step: int, x: float, y: float = 0.0, yaw: float = 0.0, speed: float = 8.0, **more: float) -> EgoState:
    return EgoState(step * STEP_NS, x, y, yaw=yaw, speed=speed, **more)


def _scene(
    ego: EgoState, *agents: tuple[int, AgentClass, float, float, float, float], braking: float = 0
) -> TrackedAgents:
    """Agents as (id, class, x, y, yaw, speed)."""
    table = np.array([a[2:] for a in agents], np.float64).reshape(-1, 4)
    heading = np.stack([np.cos(table[:, 2]), np.sin(table[:, 2])], axis=1)
    return TrackedAgents.from_states(
        ego.stamp_ns,
        np.array([a[0] for a in agents], np.int64),
        np.array([a[1] for a in agents], np.uint8),
        np.column_stack([table[:, :2], np.full(len(agents), 0.75)]),
        table[:, 2],
        heading * table[:, 3:],
        np.tile(CAR, (len(agents), 1)),
        ego=ego,
        acceleration=-braking * heading,
    )


def _run(
    index: LaneIndex, scenes: list[TrackedAgents], signals: list[TrafficSignals] | None = None
) -> list[SimulationEvent]:
    detector = EventDetector(index)
    told = [e for i, s in enumerate(scenes) for e in detector.update(s, signals[i] if signals else None)]
    return told + detector.finish()


def _only(events: list[SimulationEvent], kind: EventKind) -> list[SimulationEvent]:
    return [event for event in events if event.kind is kind]


@pytest.mark.parametrize(
    ("speed", "agent", "blame"),
    [
        (8.0, (50.0 + 1.4 + 4.5, 0.0, 0.0, 0.0), Blame.EGO),  # into one that stands
        (8.0, (50.0 + 1.4 + 4.5, 0.0, 0.0, 5.0), Blame.EGO),  # with the front into a slower one
        (0.0, (50.0 + 1.4 - 4.5, 0.0, 0.0, 6.0), Blame.OTHER),  # hit while standing
        (5.0, (50.0 + 1.4 - 4.5, 0.0, 0.0, 9.0), Blame.OTHER),  # hit from behind
        (8.0, (50.0, 1.7, -0.15, 8.0), Blame.OTHER),  # somebody cuts in from the side
        (8.0, (50.0, 1.7, 0.0, 8.0), Blame.UNCLEAR),  # side by side
        (8.0, (50.0, 1.7, 0.15, 8.0), Blame.UNCLEAR),  # side by side, and moving away
        (8.0, (50.9, 1.7, 0.0, 2.0), Blame.UNCLEAR),  # the ego passes too close
        (5.0, (47.5, 1.7, 0.0, 9.0), Blame.OTHER),  # somebody passes too close, into its rear corner
        (8.0, (53.5, 1.7, -0.15, 8.0), Blame.OTHER),  # somebody cuts in right in front
        (8.0, (53.5, 1.7, 0.15, 8.0), Blame.EGO),  # with the front into one that moves away
        (8.0, (55.9, 0.2, -0.15, 6.0), Blame.EGO),  # with the front into one that is in the lane, whatever it steers
        (3.0, (55.5, 0.0, np.pi, 12.0), Blame.OTHER),  # head-on, in the ego's lane
        (0.06, (55.5, 0.0, np.pi, 12.0), Blame.OTHER),
        (1.0, (54.6, 1.5, -np.pi / 2, 10.0), Blame.EGO),  # with the front into one that crosses
        (5.0, (51.4, 2.9, -np.pi / 2, 1.3), Blame.OTHER),  # somebody crosses into its side
    ],
)
@pytest.mark.parametrize("side", [1, -1])
def test_blame_for_a_collision(
    road: LaneIndex, speed: float, agent: tuple[float, float, float, float], blame: Blame, side: int
) -> None:
    x, y, yaw, moving = agent
    other = (7, AgentClass.CAR, x, side * y, side * yaw, moving)
    scenes = [_scene(_ego(i, 50.0, speed=speed), other) for i in range(3)]
    (event,) = _only(_run(road, scenes), EventKind.COLLISION)  # one contact is one collision
    assert event.blame is blame
    assert (event.agent_id, event.agent_class) == (7, AgentClass.CAR)
    assert event.value == pytest.approx(np.hypot(moving * np.cos(yaw) - speed, moving * np.sin(yaw)))


def test_blame_at_the_side_while_changing_lanes(road: LaneIndex) -> None:
    ego = _ego(0, 50.0, 1.7, yaw=0.02)  # on the line between the lanes
    (event,) = _only(_run(road, [_scene(ego, (7, AgentClass.CAR, 50.5, 3.5, 0.0, 8.0))]), EventKind.COLLISION)
    assert event.blame is Blame.EGO


def test_an_ego_that_drives_against_its_lane_is_at_fault_head_on(road: LaneIndex) -> None:
    ego = _ego(0, 50.0, yaw=np.pi)
    (event,) = _only(_run(road, [_scene(ego, (7, AgentClass.CAR, 44.5, 0.0, 0.0, 8.0))]), EventKind.COLLISION)
    assert event.blame is Blame.EGO


def test_two_contacts_are_two_collisions(road: LaneIndex) -> None:
    gaps = [0.0, 0.0, *[20.0] * 15, 0.0]
    scenes = [
        _scene(_ego(i, 50.0, speed=0.0), (7, AgentClass.CAR, 55.0 + gap, 0.0, 0.0, 0.0)) for i, gap in enumerate(gaps)
    ]
    assert len(_only(_run(road, scenes), EventKind.COLLISION)) == 2


def test_nothing_happens_on_an_ordinary_drive(road: LaneIndex) -> None:
    scenes = [_scene(_ego(i, 20 + 0.8 * i), (3, AgentClass.CAR, 45 + 0.8 * i, 0.0, 0.0, 8.0)) for i in range(60)]
    assert _run(road, scenes) == []


def test_off_road_tells_the_worst_corner(road: LaneIndex) -> None:
    y = [-0.5, -2.0, -3.0, -2.0, -0.5, 0.0]
    (event,) = _run(road, [_scene(_ego(i, 50 + i, v)) for i, v in enumerate(y)])
    assert event.kind is EventKind.OFF_ROAD
    assert event.value == pytest.approx(3.0 + 0.95 - 1.75 - 0.3, abs=0.8)  # grid cells of 0.5 m, margin of 0.3 m
    assert event.duration == pytest.approx(0.2)
    assert event.stamp_ns == STEP_NS
    assert (event.blame, event.agent_id) == (Blame.EGO, NOBODY)


def test_wrong_way_only_after_some_metres(road: LaneIndex) -> None:
    scenes = [_scene(_ego(i, 100 - 0.8 * i, yaw=np.pi)) for i in range(10)]
    assert not _run(road, scenes[:3])
    (event,) = _run(road, scenes)
    assert event.kind is EventKind.WRONG_WAY
    assert event.value == pytest.approx(np.pi, abs=0.01)


def test_harsh_braking_of_the_ego_and_of_one_behind(road: LaneIndex) -> None:
    events = _run(road, [_scene(_ego(i, 50.0, speed=5.0, acceleration=-a)) for i, a in enumerate([2.0, 5.0, 6.0, 1.0])])
    (event,) = events
    assert (event.kind, event.blame, event.value) == (EventKind.HARSH_BRAKING, Blame.NOBODY, 6.0)
    behind = _scene(_ego(0, 50.0), (4, AgentClass.CAR, 35.0, 0.0, 0.0, 8.0), braking=6.0)
    (event,) = _run(road, [behind])
    assert (event.kind, event.blame, event.agent_id) == (EventKind.HARSH_BRAKING, Blame.EGO, 4)
    beside = _scene(_ego(0, 50.0), (4, AgentClass.CAR, 35.0, 9.0, 0.0, 8.0), braking=6.0)
    assert _run(road, [beside]) == []


def test_near_miss_gives_the_least_time(road: LaneIndex) -> None:
    gaps = [20.0, 9.0, 5.0, 7.0, 20.0]
    scenes = [
        _scene(_ego(i, 50.0, speed=10.0), (9, AgentClass.CAR, 51.4 + 4.65 + gap, 0.0, 0.0, 0.0))
        for i, gap in enumerate(gaps)
    ]
    (event,) = _run(road, scenes)
    assert event.kind is EventKind.NEAR_MISS
    assert event.value == pytest.approx(0.5, abs=0.11)
    assert event.blame is Blame.EGO
    assert event.duration == pytest.approx(0.2)


@pytest.mark.parametrize(("state", "count"), [(SignalState.RED, 1), (SignalState.GREEN, 0), (SignalState.YELLOW, 0)])
def test_red_light_at_the_entry_of_the_crossing(state: SignalState, count: int) -> None:
    network = crossing()
    index = LaneIndex(network)
    enter = index.lines[8].xy[0]  # arm 0: eastern arm, driving west
    states = np.full(4, SignalState.GREEN, np.uint8)
    scenes, signals = [], []
    for i in range(30):
        ego = _ego(i, float(enter[0]) + 18 - 0.8 * i, float(enter[1]), yaw=np.pi)
        scenes.append(_scene(ego))
        shown = states.copy()
        if i >= 5:
            shown[0] = state
        signals.append(TrafficSignals(ego.stamp_ns, network.signal_ids, shown, np.ones(4, np.float32)))
    events = _only(_run(index, scenes, signals), EventKind.RED_LIGHT)
    assert len(events) == count
    if count:
        entered = next(i for i, s in enumerate(scenes) if s.ego is not None and s.ego.x - 1.4 - 2.4 <= enter[0])
        assert events[0].value == pytest.approx((entered - 5) * 0.1, abs=0.11)


def test_boxes_overlap_agrees_with_points() -> None:
    """Against a sampling of the boxes' areas."""
    random = np.random.default_rng(3)
    grid = np.stack(np.meshgrid(np.linspace(-0.5, 0.5, 41), np.linspace(-0.5, 0.5, 41)), -1).reshape(-1, 2)
    seen = set()
    for _ in range(200):
        (ax, ay, bx, by), (ya, yb) = random.uniform(-3, 3, 4), random.uniform(-4, 4, 2)
        sa, sb = random.uniform(0.8, 4.0, (2, 2))
        points = grid * sa
        points = points @ np.array([[np.cos(ya), np.sin(ya)], [-np.sin(ya), np.cos(ya)]]) + [ax, ay] - [bx, by]
        local = points @ np.array([[np.cos(yb), -np.sin(yb)], [np.sin(yb), np.cos(yb)]])
        inside = bool((np.abs(local) <= sb / 2).all(axis=1).any())
        touching = bool(boxes_overlap([ax, ay], ya, sa, [bx, by], yb, sb))
        smaller = bool(boxes_overlap([ax, ay], ya, sa - 0.25, [bx, by], yb, sb - 0.25))
        assert touching or not inside
        assert inside or not smaller
        seen.add(touching)
    assert seen == {True, False}
    assert box_corners(np.zeros((1, 2)), np.zeros(1), 2.0, 1.0).shape == (1, 4, 2)


def test_scene_without_ego_is_passed_over(road: LaneIndex) -> None:
    scene = replace(_scene(_ego(0, 50.0)), ego=None)
    assert EventDetector(road).update(scene, None) == []
