"""The bundled demo scene as a recorded drive: simulated traffic from a file, LiDAR sweeps rendered on the way.

Needs Open3D but not SUMO; ``scripts/make_demo_scene.py`` makes the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState, TrackedAgents, TrafficSignals
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.geometry import wrap_angle
from zoox_stack.core.sensors import PointCloud
from zoox_stack.core.validation import checked_array
from zoox_stack.logs.drive import RecordedDrive
from zoox_stack.prediction.history import HistoryColumn
from zoox_stack.simulation.episode import Episode, episode_arrays, episode_from_arrays, read_arrays, save_arrays
from zoox_stack.simulation.sensors.lidar import LidarWorld
from zoox_stack.simulation.sensors.lidar_pattern import LidarConfig

DEMO_SCENE = Path(__file__).resolve().parent.parent / "data" / "demo_scene.npz"
START_NS = 1_700_000_000_000_000_000  # stamps of real logs are of this size
GROUND_TRUTH_RANGE = 80.0  # [m]
SMOOTHING = 2.0  # [steps] standard deviation of the filter on the ego's path
_REACH = 8  # [steps] half length of that filter


@dataclass(frozen=True, eq=False)
class DemoScene:
    """An episode and who of it can be seen from the ego.

    Attributes:
        episode: With an ego that is present at all T steps.
        visible: bool ``[T, N]``: the LiDAR saw the agent within the last second.
    """

    episode: Episode
    visible: NDArray[np.bool_]

    def __post_init__(self) -> None:
        shape = self.episode.valid.shape
        object.__setattr__(self, "visible", checked_array("DemoScene.visible", self.visible, np.bool_, shape))
        if self.episode.ego_id < 0 or not self.episode.valid[:, ego_row_of(self.episode)].all():
            raise InvalidInputError("DemoScene.episode", "an ego that is always present", f"ego {self.episode.ego_id}")


def ego_row_of(episode: Episode) -> int:
    """Column of the ego in the arrays of an episode."""
    return int(np.searchsorted(episode.ids, episode.ego_id))


def save_demo_scene(path: Path, scene: DemoScene) -> None:
    """Write a compressed ``.npz``."""
    save_arrays(path, episode_arrays(scene.episode) | {"visible": scene.visible})


def load_demo_scene(path: Path = DEMO_SCENE) -> DemoScene:
    """Read a demo scene.

    Raises:
        InvalidInputError: Missing, damaged, or not a demo scene.
    """
    arrays = read_arrays(path)
    if "visible" not in arrays:
        raise InvalidInputError(f"demo scene {path}", "array 'visible'", ", ".join(sorted(arrays)))
    return DemoScene(episode_from_arrays(arrays), arrays["visible"])


def render_demo_drive(scene_path: Path = DEMO_SCENE, lidar: LidarConfig | None = None) -> RecordedDrive:
    """The scene as a recorded drive with odometry, signals, ground truth and LiDAR sweeps at 10 Hz.

    Sweeps are rendered when they are asked for, again for every iteration over them, always the same.

    Args:
        scene_path: File of `save_demo_scene`.
        lidar: The sensor; the default one if None.

    Raises:
        InvalidInputError: The file is missing or damaged.
        ConfigurationError: Open3D is not installed.
    """
    scene = load_demo_scene(scene_path)
    episode = scene.episode
    egos = ego_states(episode)
    world = LidarWorld(episode.network, lidar)

    def sweeps() -> Iterator[PointCloud]:
        for step, ego in enumerate(egos):
            yield world.sweep(agents_at(episode, step, ego)).cloud

    return RecordedDrive(
        name="demo",
        ego=egos,
        road_network=episode.network,
        ground_truth=[ground_truth_at(scene, step, ego) for step, ego in enumerate(egos)],
        signals=[
            TrafficSignals(ego.stamp_ns, episode.network.signal_ids, states, np.ones(len(states), np.float32))
            for ego, states in zip(egos, episode.signal_states, strict=True)
        ],
        sweeps=sweeps,
        sweep_count=len(egos),
    )


def ego_states(episode: Episode) -> list[EgoState]:
    """Odometry of the ego: its simulated path, smoothed because lane centre lines have corners."""
    row = ego_row_of(episode)
    states = episode.states[:, row].astype(np.float64)
    length, width, height = (float(v) for v in episode.sizes[row])
    to_centre = 0.3 * length
    yaw = _smooth(np.unwrap(states[:, HistoryColumn.YAW]))
    heading = np.stack([np.cos(yaw), np.sin(yaw)], axis=1)
    xy = _smooth(states[:, :2]) - to_centre * heading
    dt = np.diff(episode.stamps_ns).mean() * 1e-9
    velocity = np.gradient(xy, dt, axis=0)
    speed = (velocity * heading).sum(axis=1)
    lateral = heading[:, 0] * velocity[:, 1] - heading[:, 1] * velocity[:, 0]
    yaw_rate, acceleration = np.gradient(yaw, dt), np.gradient(_smooth(speed), dt)
    return [
        EgoState(
            stamp_ns=START_NS + int(stamp),
            x=xy[t, 0],
            y=xy[t, 1],
            yaw=float(wrap_angle(yaw[t])),
            speed=speed[t],
            lateral_velocity=lateral[t],
            acceleration=acceleration[t],
            yaw_rate=yaw_rate[t],
            length=length,
            width=width,
            height=height,
            rear_axle_to_centre=to_centre,
        )
        for t, stamp in enumerate(episode.stamps_ns)
    ]


def _smooth(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gaussian filter along the first axis; the ends are mirrored point-wise: straight stays straight."""
    offsets = np.arange(-_REACH, _REACH + 1)
    kernel = np.exp(-0.5 * (offsets / SMOOTHING) ** 2)
    kernel /= kernel.sum()
    before = 2 * values[:1] - values[_REACH:0:-1]
    after = 2 * values[-1:] - values[-2 : -_REACH - 2 : -1]
    padded = np.concatenate([before, values, after])
    return np.asarray(np.apply_along_axis(np.convolve, 0, padded, kernel, "valid"))


def agents_at(episode: Episode, step: int, ego: EgoState, chosen: NDArray[np.bool_] | None = None) -> TrackedAgents:
    """The agents of an episode at one step, without the ego, exactly known.

    Args:
        episode: The episode.
        step: Row of its stamps.
        ego: State of the ego then.
        chosen: bool ``[N]`` whom to take; everyone present if None.
    """
    present = episode.valid[step] & (episode.ids != episode.ego_id)
    rows = np.flatnonzero(present if chosen is None else present & chosen)
    states, sizes = episode.states[step, rows].astype(np.float64), episode.sizes[rows]
    acceleration, yaw_rate = _change(episode, step, rows)
    return TrackedAgents.from_states(
        ego.stamp_ns,
        episode.ids[rows],
        episode.classes[rows],
        np.column_stack([states[:, :2], sizes[:, 2] / 2]),
        np.asarray(wrap_angle(states[:, HistoryColumn.YAW])),
        states[:, HistoryColumn.VX :],
        sizes,
        ego=ego,
        acceleration=acceleration,
        yaw_rate=yaw_rate,
        attributes=episode.attributes[step, rows],
        age=(episode.valid[: step + 1, rows].sum(axis=0) - 1) * 0.1,
    )


def _change(
    episode: Episode, step: int, rows: NDArray[np.int64], reach: int = 2
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Acceleration ``[n, 2]`` and yaw rate ``[n]`` by differences over `reach` steps to both sides."""
    first, last = max(0, step - reach), min(len(episode.stamps_ns) - 1, step + reach)
    known = (episode.valid[first, rows] & episode.valid[last, rows])[:, None]
    dt = max((int(episode.stamps_ns[last]) - int(episode.stamps_ns[first])) * 1e-9, 1e-3)
    delta = episode.states[last, rows].astype(np.float64) - episode.states[first, rows]
    acceleration = np.where(known, delta[:, HistoryColumn.VX :] / dt, 0)
    return acceleration, np.where(known[:, 0], wrap_angle(delta[:, HistoryColumn.YAW]) / dt, 0)


def ground_truth_at(scene: DemoScene, step: int, ego: EgoState) -> TrackedAgents:
    """The visible agents within 80 m of the ego at one step."""
    near = np.hypot(*(scene.episode.states[step, :, :2] - [ego.x, ego.y]).T) < GROUND_TRUTH_RANGE
    return agents_at(scene.episode, step, ego, near & scene.visible[step])
