"""How long perception takes, and what it finds.

Sweeps of 64 beams x 1800 columns are made by ray casting (Open3D) in a made-up street: sloping ground, walls, trees,
parked and moving cars, trucks, pedestrians. Measured: every part of the detector, the tracker alone with 64 and 300
agents, the whole sweep (wall and CPU time); the clustering methods side by side, with the share of agents found
(at least 20 points, within 50 m, box centre within 1 m). ``--av2 LOG_DIR`` adds the same share on the labelled sweeps
of an Argoverse 2 log, beside a plain Open3D pipeline (RANSAC plane, DBSCAN, oriented boxes). Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import open3d as o3d
import pyarrow.feather
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from zoox_stack.core.agents import DetectedAgents, EgoState
from zoox_stack.core.frames import Frame
from zoox_stack.core.geometry import box_corners, to_local
from zoox_stack.core.sensors import PointCloud
from zoox_stack.perception.detector import Detector
from zoox_stack.perception.pipeline import Perception, PerceptionConfig
from zoox_stack.perception.tracking.tracker import Tracker

BEAMS, COLUMNS = 64, 1800
SENSOR = np.array([1.0, 0.0, 1.9])
STEP_NS = 100_000_000
SLOPE = 0.03
_FACES = np.array(
    [[0, 1, 2], [0, 2, 3], [4, 6, 5], [4, 7, 6], [0, 4, 5], [0, 5, 1], [1, 5, 6], [1, 6, 2], [2, 6, 7], [2, 7, 3],
     [3, 7, 4], [3, 4, 0]], np.uint32,
)  # fmt: skip


@dataclass(frozen=True)
class Street:
    """Boxes of a street at one moment, map frame: agents first, then walls and trees.

    Attributes:
        xy: ``[N, 2]`` centres [m].
        yaw: ``[N]`` [rad].
        size: ``[N, 3]`` [m].
        base: ``[N]`` height of the lower side above ground [m].
        agents: Number of agents.
    """

    xy: NDArray[np.float64]
    yaw: NDArray[np.float64]
    size: NDArray[np.float64]
    base: NDArray[np.float64]
    agents: int


def street(t: float, seed: int = 0) -> Street:
    """The made-up street at time `t` [s]: 64 agents."""
    rng = np.random.default_rng(seed)
    n_cars, n_trucks, n_people = 36, 4, 24
    lanes = np.array([-5.25, -1.75, 1.75, 5.25, 8.2, -8.2])
    number = np.arange(n_cars + n_trucks)
    lane = number % 6
    along = -75 + 22.0 * (number // 6) + rng.uniform(-4, 4, len(number))
    parked = lane >= 4
    course = np.where(lanes[lane] < 0, 1.0, -1.0)
    speed = np.where(parked, 0.0, course * (4 + lane % 4))
    vehicle = np.column_stack([along + speed * t, lanes[lane] + rng.uniform(-0.2, 0.2, len(lane))])
    side = np.resize([-1.0, 1.0], n_people)
    people = np.column_stack([np.linspace(-45, 45, n_people), side * rng.uniform(10, 12, n_people)])
    people[:, 0] += 1.3 * side * t
    sizes = np.concatenate(
        [
            np.tile([4.5, 1.85, 1.55], (n_cars, 1)),
            np.tile([8.5, 2.5, 3.2], (n_trucks, 1)),
            np.tile([0.5, 0.5, 1.75], (n_people, 1)),
        ]
    )
    wall_x = np.arange(-75, 76, 15.0)
    walls = np.concatenate([np.column_stack([wall_x, np.full(len(wall_x), side)]) for side in (-15.5, 15.5)])
    wall_size = np.tile([12.5, 1.0, 6.0], (len(walls), 1))
    trunk = np.column_stack([np.arange(-60, 61, 12.0), np.full(11, 12.8)])
    trees = np.concatenate([trunk, trunk])
    tree_size = np.concatenate([np.tile([0.3, 0.3, 3.0], (11, 1)), np.tile([3.5, 3.5, 3.0], (11, 1))])
    tree_base = np.repeat([0.0, 2.8], 11)
    n = len(vehicle) + len(people)
    return Street(
        xy=np.concatenate([vehicle, people, walls, trees]),
        yaw=np.concatenate([np.where(course > 0, 0.0, np.pi), np.zeros(len(people) + len(walls) + len(trees))]),
        size=np.concatenate([sizes, wall_size, tree_size]),
        base=np.concatenate([np.zeros(n + len(walls)), tree_base]),
        agents=n,
    )


def cast(scene: Street, ego: EgoState, seed: int) -> tuple[PointCloud, NDArray[np.int64]]:
    """A sweep of the street from the ego, base_link, and how many points lie on each agent."""
    here = [ego.x, ego.y]
    centre = to_local(scene.xy, here, ego.yaw)
    corners = box_corners(centre, scene.yaw - ego.yaw, scene.size[:, 0], scene.size[:, 1])
    ground = SLOPE * centre[:, 0] + scene.base
    low = np.concatenate([corners, np.broadcast_to(ground[:, None, None], (*corners.shape[:2], 1))], axis=2)
    vertices = np.concatenate([low, low + scene.size[:, None, 2:] * [0, 0, 1]], axis=1)
    rays_scene = o3d.t.geometry.RaycastingScene()
    for box in vertices:
        rays_scene.add_triangles(o3d.core.Tensor(box.astype(np.float32)), o3d.core.Tensor(_FACES))
    far = np.array([[-120, -120], [120, -120], [120, 120], [-120, 120]], float)
    plane = np.column_stack([far, SLOPE * far[:, 0]]).astype(np.float32)
    rays_scene.add_triangles(o3d.core.Tensor(plane), o3d.core.Tensor(np.array([[0, 1, 2], [0, 2, 3]], np.uint32)))
    elevation = np.deg2rad(np.linspace(-25, 5, BEAMS))[:, None]
    azimuth = np.linspace(-np.pi, np.pi, COLUMNS, endpoint=False)[None]
    direction = np.stack(
        [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation) + 0 * azimuth],
        axis=-1,
    ).reshape(-1, 3)
    rays = np.concatenate([np.broadcast_to(SENSOR, direction.shape), direction], axis=1).astype(np.float32)
    answer = rays_scene.cast_rays(o3d.core.Tensor(rays))
    distance, body = answer["t_hit"].numpy(), answer["geometry_ids"].numpy()
    seen = distance < 100
    noisy = distance[seen] + np.random.default_rng(seed).normal(0, 0.02, int(seen.sum()))
    xyz = (SENSOR + direction[seen] * noisy[:, None]).astype(np.float32)
    counts = np.bincount(body[seen], minlength=len(scene.xy) + 1)[: scene.agents]
    return PointCloud(ego.stamp_ns, xyz, np.zeros(len(xyz), np.float32)), counts


def found(xy: NDArray[np.float64], truth: NDArray[np.float64]) -> int:
    """How many true centres ``[N, 2]`` have a detection ``[D, 2]`` of their own within 1 m."""
    distance = np.linalg.norm(truth[:, None] - xy[None], axis=2)
    rows, columns = linear_sum_assignment(np.where(distance < 1, distance, 100.0))
    return int((distance[rows, columns] < 1).sum())


def summary(seconds: list[float]) -> dict[str, float]:
    """Percentiles in ms."""
    p50, p95, p99 = np.percentile(np.array(seconds) * 1e3, [50, 95, 99])
    return {"p50": round(float(p50), 2), "p95": round(float(p95), 2), "p99": round(float(p99), 2)}


def sweeps(number: int) -> list[tuple[PointCloud, EgoState, Street, NDArray[np.int64]]]:
    """The first `number` tenths of a second of the drive."""
    made = []
    for k in range(number):
        ego = EgoState(k * STEP_NS, x=-40 + 0.6 * k, y=-1.75, speed=6.0, length=4.8)
        scene = street(0.1 * k)
        clear = np.hypot(*(scene.xy[: scene.agents] - ego.centre).T) > 5.0
        keep = np.concatenate([clear, np.ones(len(scene.xy) - scene.agents, bool)])
        scene = Street(scene.xy[keep], scene.yaw[keep], scene.size[keep], scene.base[keep], int(clear.sum()))
        sweep, counts = cast(scene, ego, k)
        made.append((sweep, ego, scene, counts))
    return made


def time_sweeps(drive: list[tuple[PointCloud, EgoState, Street, NDArray[np.int64]]], rounds: int) -> dict[str, Any]:
    """Whole sweeps through `Perception`, part by part."""
    times: dict[str, list[float]] = {}
    perception = Perception()
    for number in range(rounds):
        perception.reset()
        for sweep, ego, _, _ in drive:
            start, cpu = time.perf_counter(), time.process_time()
            perception.process_sweep(sweep, ego)
            total, cpu = time.perf_counter() - start, time.process_time() - cpu
            parts = vars(perception.detector.timing)
            if number == 0 and sweep is drive[0][0]:
                continue  # warm-up
            for name, value in (
                *parts.items(),
                ("tracking_and_rest", total - sum(parts.values())),
                ("sweep", total),
                ("sweep_cpu", cpu),
            ):
                times.setdefault(name, []).append(value)
    return {name: summary(values) for name, values in times.items()}


def time_tracker(agents: int, ticks: int) -> dict[str, float]:
    """The tracker alone on noisy detections of moving agents."""
    rng = np.random.default_rng(0)
    tracker, times = Tracker(), []
    start, velocity = rng.uniform(-60, 60, (agents, 2)), rng.uniform(-10, 10, (agents, 2))
    classes = np.full((agents, 10), 0.01, np.float32)
    classes[np.arange(agents), rng.choice([1, 2, 6, 7], agents)] = 0.91
    for k in range(ticks):
        seen = rng.random(agents) > 0.1
        xy = start + velocity * 0.1 * (k % 100) + rng.normal(0, 0.1, (agents, 2))
        detections = DetectedAgents(
            k * STEP_NS, Frame.MAP, classes[seen], np.full(int(seen.sum()), 0.9, np.float32),
            np.column_stack([xy, np.ones(agents)])[seen], np.arctan2(*velocity.T[::-1])[seen],
            np.tile([4.5, 1.8, 1.5], (int(seen.sum()), 1)),
        )  # fmt: skip
        begin = time.perf_counter()
        tracker.step(detections)
        times.append(time.perf_counter() - begin)
    return summary(times[10:])


def compare_clustering(drive: list[tuple[PointCloud, EgoState, Street, NDArray[np.int64]]]) -> dict[str, Any]:
    """Time and share of agents found, for all clustering methods on the same sweeps."""
    answer: dict[str, Any] = {}
    for method in ("levels", "grid", "dbscan"):
        detector = Detector(PerceptionConfig(clustering=method))
        times, hits, total = [], 0, 0
        for sweep, ego, scene, counts in drive:
            detections = detector.detect(sweep, ego)
            times.append(detector.timing.clustering)
            truth = to_local(scene.xy[: scene.agents], [ego.x, ego.y], ego.yaw)
            truth = truth[(counts >= 20) & (np.hypot(*truth.T) < 50)]
            hits, total = hits + found(detections.position[:, :2], truth), total + len(truth)
        answer[method] = {
            "clustering_ms": summary(times),
            "found": hits,
            "agents": total,
            "recall": round(hits / total, 3),
        }
    return answer


def plain_open3d(xyz: NDArray[np.float32]) -> NDArray[np.float64]:
    """Centres of the textbook Open3D pipeline: thinning, RANSAC plane, DBSCAN, oriented boxes."""
    near = xyz[np.hypot(xyz[:, 0], xyz[:, 1]) < 60]
    cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(near.astype(np.float64))).voxel_down_sample(0.2)
    o3d.utility.random.seed(0)
    _, ground = cloud.segment_plane(0.25, 3, 200)
    cloud = cloud.select_by_index(ground, invert=True)
    labels = np.asarray(cloud.cluster_dbscan(0.7, 6))
    points = np.asarray(cloud.points)
    centres = []
    for label in range(labels.max() + 1):
        (x, y), _, _ = cv2.minAreaRect(points[labels == label, :2].astype(np.float32))
        centres.append([x, y])
    return np.array(centres).reshape(-1, 2)


def av2_recall(log: Path) -> dict[str, Any]:
    """Share of labelled agents found in the sweeps of an Argoverse 2 log, by pipeline."""
    table = pyarrow.feather.read_table(log / "annotations.feather")
    columns = {name: table[name].to_numpy() for name in ("timestamp_ns", "tx_m", "ty_m", "num_interior_pts")}

    def ours(method: str) -> Callable[[PointCloud], NDArray[np.float64]]:
        detector = Detector(PerceptionConfig(clustering=method, sensor_x=1.35))
        return lambda sweep: detector.detect(sweep).position[:, :2]

    pipelines = {
        "levels": ours("levels"),
        "grid": ours("grid"),
        "dbscan": ours("dbscan"),
        "plain_open3d": lambda sweep: plain_open3d(sweep.xyz),
    }
    answer: dict[str, Any] = {}
    for name, pipeline in pipelines.items():
        hits, total, times = 0, 0, []
        for path in sorted((log / "sensors" / "lidar").glob("*.feather")):
            points = pyarrow.feather.read_table(path)
            xyz = np.column_stack([points[axis].to_numpy().astype(np.float32) for axis in "xyz"])
            xyz[:, 2] += 0.33  # the ego frame of Argoverse 2 lies at axle height, base_link on the ground
            sweep = PointCloud(int(path.stem), xyz, np.zeros(len(xyz), np.float32))
            rows = (columns["timestamp_ns"] == int(path.stem)) & (columns["num_interior_pts"] >= 20)
            truth = np.column_stack([columns["tx_m"], columns["ty_m"]])[rows]
            truth = truth[np.hypot(*truth.T) < 50]
            for _ in range(3):
                start = time.perf_counter()
                centres = pipeline(sweep)
                times.append(time.perf_counter() - start)
            hits, total = hits + found(centres, truth), total + len(truth)
        answer[name] = {"found": hits, "agents": total, "recall": round(hits / max(total, 1), 3), "ms": summary(times)}
    return answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sweeps", type=int, default=20, help="different sweeps (default 20)")
    parser.add_argument("--rounds", type=int, default=10, help="times each is handled (default 10)")
    parser.add_argument("--ticks", type=int, default=400, help="ticks of the tracker alone (default 400)")
    parser.add_argument("--threads", type=int, default=2, help="OpenCV threads (default 2)")
    parser.add_argument("--av2", type=Path, help="Argoverse 2 log with sensors/lidar and annotations.feather")
    arguments = parser.parse_args()
    cv2.setNumThreads(arguments.threads)
    drive = sweeps(arguments.sweeps)
    report: dict[str, Any] = {
        "benchmark": "perception",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"cpu": platform.processor() or platform.machine(), "python": platform.python_version()},
        "points": int(np.median([len(sweep) for sweep, *_ in drive])),
        "stages_ms": time_sweeps(drive, arguments.rounds),
        "tracker_ms": {str(n): time_tracker(n, arguments.ticks) for n in (64, 300)},
        "clustering": compare_clustering(drive),
    }
    if arguments.av2:
        report["av2"] = av2_recall(arguments.av2)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
