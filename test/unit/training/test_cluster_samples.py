"""What clusters are told to be: whole road users, parts and several of them, and nothing."""

from __future__ import annotations

import numpy as np

from zoox_stack.core.agents import TrackedAgents
from zoox_stack.core.classes import AgentClass
from zoox_stack.core.sensors import PointCloud
from zoox_stack.perception.config import PerceptionConfig
from zoox_stack.perception.detector import Detector
from zoox_stack.training.cluster_samples import labelled


def test_a_car_in_two_pieces_is_one_only_as_a_whole() -> None:
    ground = np.stack(np.meshgrid(np.arange(-30, 30, 0.5), np.arange(-30, 30, 0.5)), -1).reshape(-1, 2)
    ground = np.column_stack([ground[np.hypot(*ground.T) > 3], np.zeros((np.hypot(*ground.T) > 3).sum())])

    def block(x: float, y: float, length: float) -> np.ndarray:
        axes = (x + np.arange(0, length, 0.1), y + np.arange(0, 0.4, 0.1), np.arange(0.4, 1.4, 0.2))
        return np.stack(np.meshgrid(*axes), -1).reshape(-1, 3)

    parts = [ground, block(15, 0, 1.5), block(17.1, 0, 1.5), block(15, 10, 1.5)]  # a gap of 0.6 m; and a wall
    xyz = np.concatenate(parts).astype(np.float32)
    who = np.concatenate([np.full(len(part), row) for part, row in zip(parts, (-1, 0, 0, -1), strict=True)])
    detector = Detector(PerceptionConfig(classifier="size"))
    segments = detector.segment(PointCloud(0, xyz, np.zeros(len(xyz), np.float32)))
    car = TrackedAgents.from_states(
        0, np.zeros(1, np.int64), np.array([AgentClass.CAR], np.uint8), np.array([[16.8, 0.2, 0.7]]), np.zeros(1),
        np.zeros((1, 2)), np.array([[3.6, 0.4, 1.4]], np.float32),
    )  # fmt: skip
    samples = labelled(segments, who.astype(np.int32), car, detector.config)
    assert (samples.labels == AgentClass.CAR).sum() == 1
    assert samples.features[samples.labels == AgentClass.CAR, 0].min() > 3  # its length
    assert (samples.labels == AgentClass.UNKNOWN).sum() >= 1  # the wall
