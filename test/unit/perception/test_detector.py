from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from zoox_stack.core.agents import DetectedAgents, EgoState
from zoox_stack.core.classes import AgentClass, AreaType
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.frames import Frame
from zoox_stack.core.geometry import wrap_angle
from zoox_stack.core.ragged import Ragged
from zoox_stack.core.sensors import PointCloud
from zoox_stack.perception.config import PerceptionConfig
from zoox_stack.perception.detector import Detector
from zoox_stack.road_network.network import RoadNetwork

Scene = Callable[..., PointCloud]
CAR = (15.0, 4.0, 0.3, 4.5, 1.8, 1.5)
PEDESTRIAN = (10.0, -6.0, 0.0, 0.5, 0.5, 1.75)
WALL = (5.0, -14.0, 0.0, 20.0, 0.3, 3.5)
EGO = EgoState(0, 0.0, 0.0)


def road(half_width: float) -> RoadNetwork:
    """A drivable strip along x."""
    ring = np.array([[-100, -half_width, 0], [100, -half_width, 0], [100, half_width, 0], [-100, half_width, 0]], float)
    return RoadNetwork(
        area_ids=np.array([1]),
        area_types=np.array([AreaType.DRIVABLE], np.uint8),
        areas=Ragged.from_rows([ring], np.float64, 3),
    )


def nearest(detections: DetectedAgents, x: float, y: float) -> tuple[int, float]:
    distance = np.hypot(detections.position[:, 0] - x, detections.position[:, 1] - y)
    i = int(distance.argmin())
    return i, float(distance[i])


@pytest.mark.parametrize(
    "config",
    [
        PerceptionConfig(classifier="size"),
        PerceptionConfig(clustering="grid", classifier="size", widen_ranges=(25.0, 50.0)),
        PerceptionConfig(clustering="dbscan", classifier="size"),
    ],
    ids=lambda config: f"{config.clustering}-{config.classifier}",
)
@pytest.mark.parametrize("slope", [0.0, 0.1])
def test_a_car_and_a_pedestrian_are_found(scene: Scene, config: PerceptionConfig, slope: float) -> None:
    detector = Detector(config)
    found = detector.detect(scene((CAR, PEDESTRIAN), slope=slope))
    assert found.frame is Frame.BASE_LINK
    assert len(found) == 2
    i, distance = nearest(found, CAR[0], CAR[1])
    assert distance < 0.5
    assert found.class_probabilities[i].argmax() == AgentClass.CAR
    assert abs(wrap_angle(2 * (found.yaw[i] - CAR[2])) / 2) < np.deg2rad(5)
    np.testing.assert_allclose(found.size[i], CAR[3:], atol=0.35)
    np.testing.assert_allclose(found.position[i, 2], slope * CAR[0] + CAR[5] / 2, atol=0.25)
    i, distance = nearest(found, PEDESTRIAN[0], PEDESTRIAN[1])
    assert distance < 0.35
    assert found.class_probabilities[i].argmax() == AgentClass.PEDESTRIAN


def test_bare_ground_and_no_points_give_nothing(scene: Scene) -> None:
    detector = Detector()
    assert len(detector.detect(scene())) == 0
    none = PointCloud(5, np.zeros((0, 3), np.float32), np.zeros(0, np.float32))
    assert len(detector.detect(none)) == 0
    assert detector.detect(none).stamp_ns == 5


def test_points_on_the_ego_are_left_out(scene: Scene) -> None:
    sweep = scene()
    roof = np.random.default_rng(0).uniform([-1, -0.9, 0.5], [3.5, 0.9, 1.7], (500, 3)).astype(np.float32)
    with_roof = PointCloud(0, np.concatenate([sweep.xyz, roof]), np.zeros(len(sweep) + 500, np.float32))
    assert len(Detector().detect(with_roof, EGO)) == 0


def test_with_a_map_walls_off_the_road_go_and_pedestrians_stay(scene: Scene) -> None:
    sweep = scene((CAR, PEDESTRIAN, WALL))
    config = PerceptionConfig(classifier="size")  # the network does not take plain boxes for cars
    without = Detector(config).detect(sweep, EGO)
    assert nearest(without, 5.0, -14.0)[1] < 1.5
    found = Detector(config).detect(sweep, EGO, road(5.0))  # the pedestrian is 1 m off the road, the wall 9 m
    assert len(found) == 2
    assert nearest(found, PEDESTRIAN[0], PEDESTRIAN[1])[1] < 0.35
    assert nearest(found, CAR[0], CAR[1])[1] < 0.5


def test_a_map_without_drivable_area_filters_nothing(scene: Scene) -> None:
    sweep = scene((CAR, PEDESTRIAN, WALL))
    without = Detector().detect(sweep, EGO)
    np.testing.assert_array_equal(Detector().detect(sweep, EGO, RoadNetwork()).position, without.position)


def test_the_map_is_looked_up_where_the_ego_is(scene: Scene) -> None:
    sweep = scene((WALL,))
    turned = replace(EGO, y=14.0)  # base_link y = -14 is map y = 0: on the road
    by_size = PerceptionConfig(classifier="size")  # to the network a smooth wall may be the side of a bus
    assert len(Detector(by_size).detect(sweep, turned, road(5.0))) == len(Detector(by_size).detect(sweep))
    detector = Detector(by_size)
    assert len(detector.detect(sweep, replace(EGO, x=-70.0), road(5.0))) == 0
    assert len(detector.detect(sweep, replace(EGO, x=70.0), road(5.0))) == 0


def test_at_most_so_many_detections_best_first(scene: Scene) -> None:
    boxes = tuple((x, y, 0.0, 0.5, 0.5, 1.7) for x in (8.0, 14.0, 20.0) for y in (-9.0, -4.0, 4.0, 9.0))
    found = Detector(PerceptionConfig(max_detections=5)).detect(scene(boxes))
    assert len(found) == 5
    assert (np.diff(found.score) <= 0).all()


def test_another_frame_is_refused(scene: Scene) -> None:
    with pytest.raises(InvalidInputError, match="frame"):
        Detector().detect(replace(scene(), frame=Frame.MAP))


def test_twice_the_same(scene: Scene) -> None:
    sweep = scene((CAR, PEDESTRIAN, WALL))
    first, second = Detector().detect(sweep), Detector().detect(sweep)
    for name in ("position", "yaw", "size", "score", "class_probabilities"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
