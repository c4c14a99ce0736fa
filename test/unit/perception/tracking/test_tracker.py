from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike, NDArray

from zoox_stack.core.agents import DetectedAgents, TrackedAgents
from zoox_stack.core.classes import AgentClass, Attribute, TurnSignal
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.frames import Frame
from zoox_stack.core.geometry import wrap_angle
from zoox_stack.perception.config import PerceptionConfig
from zoox_stack.perception.lane_directions import LaneDirections
from zoox_stack.perception.tracking.tracker import Tracker
from zoox_stack.perception.view import View

SECOND = 1_000_000_000
SIZES = {AgentClass.CAR: (4.5, 1.8, 1.5), AgentClass.PEDESTRIAN: (0.6, 0.6, 1.7), AgentClass.BUS: (12.0, 2.6, 3.1)}
SIZES[AgentClass.UNKNOWN] = (1.0, 1.0, 1.0)


def detect(
    stamp_ns: int,
    xy: NDArray[np.float64],
    *,
    yaw: NDArray[np.float64] | float = 0.0,
    agent_class: AgentClass = AgentClass.CAR,
    score: float = 0.9,
    order: NDArray[np.intp] | None = None,
    **fields: NDArray[np.generic],
) -> DetectedAgents:
    xy = np.asarray(xy, float).reshape(-1, 2)
    n = len(xy)
    order = np.arange(n) if order is None else order
    classes = np.full((n, 10), 0.02, np.float32)
    classes[:, agent_class] = 0.82
    return DetectedAgents(
        stamp_ns,
        Frame.MAP,
        classes,
        np.full(n, score, np.float32),
        np.column_stack([xy, np.ones(n)])[order],
        np.broadcast_to(np.asarray(yaw, float), n)[order],
        np.tile(SIZES[agent_class], (n, 1)),
        **{name: value[order] for name, value in fields.items()},  # type: ignore[arg-type]
    )


def drive(
    tracker: Tracker,
    where: Callable[[float], NDArray[np.float64]],
    times: NDArray[np.float64],
    *,
    noise: float = 0.0,
    seed: int = 0,
    **options: object,
) -> list[TrackedAgents]:
    rng = np.random.default_rng(seed)
    return [
        tracker.step(detect(round(t * SECOND), where(t) + rng.normal(0, noise, where(t).shape), **options))  # type: ignore[arg-type]
        for t in times
    ]


@settings(max_examples=15, deadline=None)
@given(st.floats(0, 25), st.floats(-np.pi, np.pi), st.sampled_from([0.1, 0.25, 0.5]), st.integers(0, 99))
def test_constant_velocity_is_found_with_one_id(speed: float, course: float, dt: float, seed: int) -> None:
    velocity = speed * np.array([np.cos(course), np.sin(course)])
    lanes = np.array([[0.0, 0.0], [40.0, 40.0], [-50.0, 20.0]])
    times = np.arange(0, 4.0, dt)
    scenes = drive(Tracker(), lambda t: lanes + velocity * t, times, noise=0.05, seed=seed, yaw=course)
    last = scenes[-1]
    np.testing.assert_array_equal(np.sort(last.ids), [0, 1, 2])
    np.testing.assert_allclose(last.velocity, np.tile(velocity, (3, 1)), atol=0.35)
    assert all(set(s.ids.tolist()) <= {0, 1, 2} for s in scenes)
    np.testing.assert_allclose(np.abs(wrap_angle(last.yaw - course)), 0, atol=0.05)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_covariances_are_positive_and_everything_is_in_range(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tracker, stamp = Tracker(), 0
    for _ in range(12):
        stamp += int(rng.uniform(0.02, 0.6) * SECOND)
        n = int(rng.integers(0, 15))
        agent_class = list(SIZES)[int(rng.integers(len(SIZES)))]
        scene = tracker.step(
            detect(stamp, rng.uniform(-20, 20, (n, 2)), yaw=rng.uniform(-7, 7, n), agent_class=agent_class)
        )
        assert (np.linalg.eigvalsh(scene.covariance.astype(np.float64)) > -1e-4).all()
        assert (np.abs(scene.yaw) <= np.pi).all()
        np.testing.assert_allclose(scene.class_probabilities.sum(axis=1), 1, atol=1e-5)


def test_crossing_agents_keep_their_ids() -> None:
    def where(t: float) -> NDArray[np.float64]:
        return np.array([[-10 + 5 * t, -0.6], [10 - 5 * t, 0.6], [0.3, -8 + 4 * t]])

    scenes = drive(Tracker(), where, np.arange(0, 4, 0.1), noise=0.05, agent_class=AgentClass.PEDESTRIAN)
    by_id = dict(zip(scenes[10].ids.tolist(), scenes[10].velocity, strict=True))
    assert set(scenes[-1].ids.tolist()) == set(by_id)
    for agent, velocity in zip(scenes[-1].ids.tolist(), scenes[-1].velocity, strict=True):
        np.testing.assert_allclose(velocity, by_id[agent], atol=1.0)


def test_an_occlusion_of_one_second_is_survived() -> None:
    tracker = Tracker()
    before = drive(tracker, lambda t: np.array([[8 * t, 0.0]]), np.arange(0, 2, 0.1))[-1]
    hidden = [tracker.step(detect(round(t * SECOND), np.zeros((0, 2)))) for t in np.arange(2.0, 3.0, 0.1)]
    assert [len(s) for s in hidden] == [1] * 10
    np.testing.assert_allclose(hidden[-1].position[0, 0], 8 * 2.9, atol=0.5)
    assert hidden[-1].time_since_update[0] == pytest.approx(1.0, abs=1e-6)
    assert hidden[-1].existence[0] < before.existence[0]
    assert np.linalg.det(hidden[-1].covariance[0, :2, :2]) > np.linalg.det(before.covariance[0, :2, :2])
    after = tracker.step(detect(3 * SECOND, np.array([[24.0, 0.0]])))
    np.testing.assert_array_equal(after.ids, before.ids)
    assert after.time_since_update[0] == 0


def test_what_stays_away_ends_and_comes_back_under_a_new_id() -> None:
    tracker = Tracker()
    first = drive(tracker, lambda t: np.zeros((1, 2)), np.arange(0, 1, 0.1))[-1]
    for t in np.arange(1.0, 3.0, 0.1):
        scene = tracker.step(detect(round(t * SECOND), np.zeros((0, 2))))
    assert len(scene) == 0
    assert len(tracker.tracks) == 0
    again = drive(tracker, lambda t: np.zeros((1, 2)), np.arange(3, 4, 0.1))[-1]
    assert again.ids[0] > first.ids[0]


def test_a_single_false_detection_is_never_put_out() -> None:
    tracker = Tracker()
    scenes = [tracker.step(detect(0, np.array([[5.0, 5.0]])))]
    scenes += [tracker.step(detect(k * SECOND // 10, np.zeros((0, 2)))) for k in range(1, 10)]
    assert all(len(s) == 0 for s in scenes)
    assert len(tracker.tracks) == 0


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_the_order_of_detections_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    start, velocity = rng.uniform(-30, 30, (20, 2)), rng.uniform(-5, 5, (20, 2))
    plain, shuffled = Tracker(), Tracker()
    for k in range(8):
        xy, stamp = start + velocity * 0.1 * k + rng.normal(0, 0.1, (20, 2)), k * SECOND // 10
        yaw = rng.uniform(-np.pi, np.pi, 20)
        a = plain.step(detect(stamp, xy, yaw=yaw))
        b = shuffled.step(detect(stamp, xy, yaw=yaw, order=rng.permutation(20)))
    for name in ("ids", "position", "velocity", "yaw", "covariance", "existence", "size", "acceleration"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def test_flipped_headings_do_not_turn_a_moving_car() -> None:
    tracker, rng = Tracker(), np.random.default_rng(0)
    for k in range(30):
        yaw = 0.02 * rng.normal() + (np.pi if rng.random() < 0.4 else 0.0)
        scene = tracker.step(detect(k * SECOND // 10, np.array([[0.6 * k, 0.0]]), yaw=yaw))
    assert abs(wrap_angle(scene.yaw[0])) < 0.1


def test_axis_headings_follow_the_motion() -> None:
    tracker = Tracker()
    for k in range(20):  # driving towards -x while boxes say yaw = 0
        scene = tracker.step(detect(k * SECOND // 10, np.array([[-0.8 * k, 0.0]])), directed=False)
    assert abs(wrap_angle(scene.yaw[0] - np.pi)) < 0.1


def test_a_directed_detector_is_believed_on_a_parked_car_and_in_slow_reverse() -> None:
    for speed in (0.0, -1.0):
        scene = drive(Tracker(), lambda t, v=speed: np.array([[v * t, 0.0]]), np.arange(0, 3, 0.1), yaw=0.0)[-1]
        assert abs(wrap_angle(scene.yaw[0])) < 0.05


def test_acceleration_is_estimated() -> None:
    scene = drive(Tracker(), lambda t: np.array([[5 * t + t * t, 0.0]]), np.arange(0, 5, 0.1))[-1]
    np.testing.assert_allclose(scene.acceleration[0], [2.0, 0.0], atol=0.3)


def test_measured_velocity_is_used_at_once() -> None:
    tracker = Tracker(PerceptionConfig(min_hits=1, confirm_probability=0.3))
    velocity = np.array([[12.0, -3.0]])
    scene = tracker.step(detect(0, np.zeros((1, 2)), velocity=velocity))
    np.testing.assert_allclose(scene.velocity, velocity)


def test_class_evidence_adds_up_and_can_be_overturned() -> None:
    tracker = Tracker()
    for k in range(40):
        agent_class = AgentClass.CAR if k < 5 else AgentClass.BUS
        scene = tracker.step(detect(k * SECOND // 10, np.zeros((1, 2)), agent_class=agent_class))
        if k == 4:
            assert scene.class_probabilities[0, AgentClass.CAR] > 0.95
    assert scene.classes[0] == AgentClass.BUS
    np.testing.assert_allclose(scene.size[0], SIZES[AgentClass.BUS], rtol=0.02)


def test_attributes_are_carried_and_then_forgotten() -> None:
    tracker = Tracker()
    attributes = np.zeros((1, 6), np.uint8)
    attributes[0, Attribute.TURN_SIGNAL] = TurnSignal.LEFT
    for k in range(5):
        tracker.step(detect(k * SECOND // 10, np.zeros((1, 2)), attributes=attributes, facing=np.array([0.5])))
    seen = tracker.step(detect(SECOND, np.zeros((1, 2))))
    assert seen.attributes[0, Attribute.TURN_SIGNAL] == TurnSignal.LEFT
    assert seen.facing[0] == pytest.approx(0.5)
    later = tracker.step(detect(2 * SECOND, np.zeros((1, 2))))
    assert later.attributes[0, Attribute.TURN_SIGNAL] == TurnSignal.UNKNOWN
    assert np.isnan(later.facing[0])


def test_parts_of_a_bus_do_not_become_agents() -> None:
    tracker = Tracker()
    for k in range(10):
        bus = detect(k * SECOND // 10, np.zeros((1, 2)), agent_class=AgentClass.BUS)
        if k > 5:
            part = detect(0, np.array([[3.0, 0.3]]), agent_class=AgentClass.PEDESTRIAN)
            bus = DetectedAgents(
                bus.stamp_ns,
                Frame.MAP,
                *(
                    np.concatenate([getattr(bus, n), getattr(part, n)])
                    for n in ("class_probabilities", "score", "position", "yaw", "size")
                ),
            )
        tracker.step(bus)
    assert len(tracker.tracks) == 1


def test_partly_seen_boxes_do_not_shrink_the_car_nor_move_it() -> None:
    tracker, sensor = Tracker(), np.array([-20.0, 0.0])
    for k in range(30):
        whole = detect(k * SECOND // 10, np.zeros((1, 2)))
        seen = whole
        if k >= 10:  # only the rear half is left to see
            size, position = whole.size.copy(), whole.position.copy()
            size[0, 0], position[0, 0] = 2.25, -1.125
            seen = DetectedAgents(
                whole.stamp_ns, Frame.MAP, whole.class_probabilities, whole.score, position, whole.yaw, size
            )
        scene = tracker.step(seen, directed=False, sensor_xy=sensor)
    assert abs(scene.position[0, 0]) < 0.9
    assert scene.size[0, 0] > 3.0
    assert scene.speed[0] < 0.5


def test_ids_rise_and_300_detections_are_fine() -> None:
    tracker, grid = Tracker(), np.stack(np.meshgrid(np.arange(20), np.arange(15)), -1).reshape(-1, 2) * 5.0
    for k in range(5):
        scene = tracker.step(detect(k * SECOND // 10, grid))
    assert len(scene) == 300
    assert (np.diff(scene.ids) > 0).all()
    tracker.clear()
    scene = tracker.step(detect(0, grid))
    assert tracker.tracks.ids.min() == 300


def test_wrong_frames_and_old_stamps_are_refused() -> None:
    tracker = Tracker()
    with pytest.raises(InvalidInputError, match="frame"):
        tracker.step(DetectedAgents.empty(0, Frame.BASE_LINK))
    tracker.step(DetectedAgents.empty(5))
    with pytest.raises(InvalidInputError, match="stamp_ns"):
        tracker.step(DetectedAgents.empty(5))


@pytest.mark.parametrize("report", [True, False])
def test_unknown_obstacles_are_put_out_unless_told_not_to(report: bool) -> None:
    tracker = Tracker(PerceptionConfig(report_unknown=report))
    for k in range(8):
        stamp = k * SECOND // 10
        scene = tracker.step(detect(stamp, np.zeros((1, 2)), agent_class=AgentClass.UNKNOWN, score=0.2))
    assert len(scene) == int(report)
    assert len(tracker.tracks) == 1


def seen(tracker: Tracker, stamp: int, xy: ArrayLike, **options: Any) -> TrackedAgents:
    """A step with boxes as a LiDAR gives them: seen in part, no front or rear."""
    extra = {name: options.pop(name) for name in ("lanes", "off_road", "view") if name in options}
    detections = detect(stamp, np.asarray(xy, float), **options)
    return tracker.step(detections, directed=False, sensor_xy=np.array([-20.0, 0.0]), **extra)


def test_what_is_of_no_class_stands_until_it_has_left_its_place() -> None:
    tracker = Tracker()
    for k in range(12):
        scene = seen(tracker, k * SECOND // 10, [[10.0 + 0.05 * k, 0.0]], agent_class=AgentClass.UNKNOWN)
    assert scene.velocity.tolist() == [[0.0, 0.0]]  # 0.6 m of drift: its middle, not itself
    assert np.diag(scene.covariance[0])[3:].max() < 0.01  # and it is believed to stand
    for k in range(12, 40):
        scene = seen(tracker, k * SECOND // 10, [[10.0 + 0.05 * k, 0.0]], agent_class=AgentClass.UNKNOWN)
    np.testing.assert_allclose(scene.velocity, [[0.5, 0.0]], atol=0.15)


@pytest.mark.parametrize(("agent_class", "there"), [(AgentClass.UNKNOWN, False), (AgentClass.CAR, True)])
def test_what_is_of_no_class_is_not_missed_for_long(agent_class: AgentClass, there: bool) -> None:
    tracker = Tracker()
    for k in range(12):
        seen(tracker, k * SECOND // 10, [[10.0, 0.0]], agent_class=agent_class)
    for k in range(12, 19):
        scene = seen(tracker, k * SECOND // 10, np.zeros((0, 2)), agent_class=agent_class)
    assert bool(len(scene)) is there


@pytest.mark.parametrize("walks", [0.0, np.pi / 2, 2.5])
def test_who_walks_looks_where_it_goes_whatever_its_box_says(walks: float) -> None:
    tracker = Tracker()
    for k in range(30):
        way = 10.0 + 0.1 * k * np.array([[np.cos(walks), np.sin(walks)]])
        scene = seen(tracker, k * SECOND // 10, way, agent_class=AgentClass.PEDESTRIAN, yaw=walks + 1.4)
    assert abs(wrap_angle(scene.yaw[0] - walks)) < 0.3


def test_the_first_jumps_of_a_standing_car_are_no_speed() -> None:
    rng = np.random.default_rng(3)
    speeds = []
    for _ in range(30):
        tracker = Tracker()
        for k in range(4):
            scene = seen(tracker, k * SECOND // 10, np.array([[10.0, 0.0]]) + rng.normal(0, 0.15, (1, 2)))
        speeds.append(scene.speed[0])
    assert np.median(speeds) < 0.7


def test_a_car_at_speed_has_it_after_half_a_second() -> None:
    tracker = Tracker()
    for k in range(6):
        scene = seen(tracker, k * SECOND // 10, [[10.0 + 1.0 * k, 0.0]])
    np.testing.assert_allclose(scene.velocity, [[10.0, 0.0]], atol=0.7)


def test_a_standing_car_faces_the_way_of_its_lane() -> None:
    class OneWay(LaneDirections):
        def __init__(self) -> None: ...

        def agreement(self, xy: NDArray[np.float64], yaw: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.sign(np.cos(yaw - np.pi))

    tracker = Tracker()
    for k in range(4):
        scene = seen(tracker, k * SECOND // 10, [[10.0, 0.0]], yaw=0.05, lanes=OneWay())
    assert abs(wrap_angle(scene.yaw[0] - np.pi)) < 0.1
    for k in range(4, 14):  # but one that goes against it does so
        scene = seen(tracker, k * SECOND // 10, [[10.0 + 0.5 * (k - 3), 0.0]], yaw=0.05, lanes=OneWay())
    assert abs(wrap_angle(scene.yaw[0])) < 0.1


@pytest.mark.parametrize(("kind", "beside", "shown"), [
    (AgentClass.UNKNOWN, 1.0, False), (AgentClass.UNKNOWN, 0.0, True), (AgentClass.CAR, 1.0, True),
    (AgentClass.CAR, 9.0, False), (AgentClass.PEDESTRIAN, 9.0, True),
])  # fmt: skip
def test_what_stands_beside_the_road(kind: AgentClass, beside: float, shown: bool) -> None:
    def off_road(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.full(len(xy), beside)

    tracker = Tracker()
    for k in range(15):
        scene = seen(tracker, k * SECOND // 10, [[10.0, 0.0]], agent_class=kind, off_road=off_road)
    assert len(scene) == shown
    length = max(SIZES[kind][0], 1.0)
    for k in range(15, 40):  # whoever moves is shown
        x = 10.0 + 0.12 * length * (k - 14)
        scene = seen(tracker, k * SECOND // 10, [[x, 0.0]], agent_class=kind, off_road=off_road)
    assert len(scene) == 1


def test_who_is_not_where_it_would_be_seen_is_gone_soon() -> None:
    left = {}
    for hidden in (False, True):
        tracker = Tracker()
        for k in range(10):
            seen(tracker, k * SECOND // 10, [[0.0, 0.0]])
        wall = np.column_stack([np.full(400, 5.0), np.linspace(-4, 4, 400)]).astype(np.float32)
        view = View(np.array([-20.0, 0.0]), 0.0, wall[: 400 * hidden], np.ones(400 * hidden, np.float32))
        alive = [len(seen(tracker, k * SECOND // 10, np.zeros((0, 2)), view=view)) for k in range(10, 30)]
        left[hidden] = sum(alive)
    assert left[False] <= 6
    assert left[True] >= 13


def test_pieces_and_doubles_of_a_vehicle_are_given_up() -> None:
    tracker = Tracker()
    for k in range(6):
        stamp = k * SECOND // 10
        cars = detect(stamp, np.array([[0.0, 0.0], [0.9, 0.1], [6.0, 0.0]]))
        piece = detect(stamp, np.array([[-1.5, 0.7]]), agent_class=AgentClass.UNKNOWN, score=0.5)
        both = DetectedAgents(stamp, Frame.MAP, *(
            np.concatenate([getattr(cars, name), getattr(piece, name)])
            for name in ("class_probabilities", "score", "position", "yaw", "size")
        ))  # fmt: skip
        scene = tracker.step(both, directed=False, sensor_xy=np.array([-20.0, 0.0]))
    assert len(scene) == 2  # the car behind stays
    np.testing.assert_allclose(np.sort(scene.position[:, 0]), [0.3, 6.0], atol=1.2)
