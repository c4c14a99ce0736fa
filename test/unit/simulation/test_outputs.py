"""What a drive gives out: on the ground of its town, with sensors that the ticks can serve."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zoox_stack.core import topics
from zoox_stack.core.agents import EgoState, TrackedAgents, TrafficSignals
from zoox_stack.core.errors import ConfigurationError
from zoox_stack.logs.codec import decode
from zoox_stack.road_network.made_up import crossing
from zoox_stack.simulation.outputs import DriveOutputs
from zoox_stack.simulation.terrain import Terrain

RIG = "sensors:\n  - {name: top, kind: lidar, mount: {x: 1, z: 2}, parameters: {beams: 16, rate: RATE}}\n"


NO_SIGNALS = TrafficSignals(1, np.zeros(0, np.int64), np.zeros(0, np.uint8), np.zeros(0, np.float32))


def rig(folder: Path, rate: str) -> str:
    path = folder / "some.yaml"
    path.write_text(RIG.replace("RATE", rate))
    return str(path)


def test_the_ground_of_the_town_is_that_of_the_sensors(tmp_path: Path) -> None:
    pytest.importorskip("open3d", reason="needs open3d")
    hills = Terrain(amplitude=3.0, seed=1)
    scene = TrackedAgents.from_states(
        1, np.array([4]), np.array([1]), np.array([[75.0, -1.75, 0.75]]), np.zeros(1), np.zeros((1, 2)),
        np.array([[4.5, 1.8, 1.5]]), ego=EgoState(1, 60.0, -1.75),
    )  # fmt: skip
    outputs = DriveOutputs(rig(tmp_path, "10"), crossing(), 0, hills)
    sent = {topic.name: data for topic, data in outputs.messages(scene, NO_SIGNALS)}
    ego = decode(topics.GROUND_TRUTH_EGO.type_name, sent[topics.GROUND_TRUTH_EGO.name])
    assert ego.z == pytest.approx(float(hills.height((60.0, -1.75))))
    assert abs(ego.z) > 0.1


def test_sensors_faster_than_the_ticks_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("open3d", reason="needs open3d")
    with pytest.raises(ConfigurationError, match=r"some: top\.rate: expected at most 10 Hz.*found 15"):
        DriveOutputs(rig(tmp_path, "15"), crossing(), 0)
