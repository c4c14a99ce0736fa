"""On real sweeps, where a copy of the recordings is at hand: they are not part of the project."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from zoox_stack.core.sensors import PointCloud
from zoox_stack.perception.detector import Detector
from zoox_stack.perception.pipeline import PerceptionConfig

DATA = Path(os.environ.get("ZOOX_STACK_DATA", Path(__file__).parents[4] / "shared" / "data"))
LOG = DATA / "av2" / "7fab2350-7eaf-3b7e-a39d-6937a4c1bede"


@pytest.mark.skipif(not LOG.is_dir(), reason=f"no Argoverse 2 log at {LOG}; set ZOOX_STACK_DATA")
def test_most_labelled_agents_are_found() -> None:
    feather = pytest.importorskip("pyarrow.feather", reason="pyarrow is not installed")
    labels = feather.read_table(LOG / "annotations.feather")
    column = {name: labels[name].to_numpy() for name in ("timestamp_ns", "tx_m", "ty_m", "num_interior_pts")}
    detector, found, total = Detector(PerceptionConfig(sensor_x=1.35)), 0, 0
    for path in sorted((LOG / "sensors" / "lidar").glob("*.feather")):
        points = feather.read_table(path)
        xyz = np.column_stack([points[axis].to_numpy().astype(np.float32) for axis in "xyz"])
        xyz[:, 2] += 0.33  # the ego frame of Argoverse 2 lies at axle height
        sweep = PointCloud(int(path.stem), xyz, np.zeros(len(xyz), np.float32))
        rows = (column["timestamp_ns"] == sweep.stamp_ns) & (column["num_interior_pts"] >= 20)
        truth = np.column_stack([column["tx_m"], column["ty_m"]])[rows]
        truth = truth[np.hypot(*truth.T) < 50]
        distance = np.linalg.norm(truth[:, None] - detector.detect(sweep).position[None, :, :2], axis=2)
        i, j = linear_sum_assignment(np.where(distance < 1, distance, 100.0))
        found, total = found + int((distance[i, j] < 1).sum()), total + len(truth)
    assert total == 58
    assert found / total > 0.7
