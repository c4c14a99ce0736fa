"""From a scene with its futures to the arrays the network learns from."""

from __future__ import annotations

from dataclasses import dataclass, replace

import lz4.frame
import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import AgentClass
from zoox_stack.core.geometry import rotation_matrix, wrap_angle
from zoox_stack.datasets.scene_futures import SceneFutures, centres_along
from zoox_stack.prediction.channels import RASTER_SIZE, Channel
from zoox_stack.prediction.crossings import crossing_places, longest, reach_of, time_of_passing
from zoox_stack.prediction.features import NetworkInputs, network_inputs, plan_knots
from zoox_stack.prediction.history import HistoryColumn, SceneHistory
from zoox_stack.prediction.lane_pieces import LENGTH_SCALE, PIECE_POINTS, LanePieces
from zoox_stack.prediction.plan_effects import ego_ways
from zoox_stack.prediction.predictor import rows_for_network, take_agents
from zoox_stack.prediction.raster import SceneRasterizer
from zoox_stack.road_network.network import RoadNetwork

MAX_AGENTS = 128  # the nearest in the scene image; more only cost memory
NO_LANE = NO_CROSSING = -1
GOAL_REACH, GOAL_ANGLE = 4.0, np.radians(60.0)  # [m], [rad] from a point of the lane an agent is in
# How tracks differ from the truth: standard deviations of what a tracker reports.
POSITION_NOISE, YAW_NOISE, VELOCITY_NOISE = 0.08, 0.03, 0.2  # [m], [rad], [m/s]
EXACT_SHARE = 0.35  # of scenes left exact: simulated and labelled logs have no errors, and are predicted too
NO_ATTRIBUTES_SHARE, NO_ATTRIBUTE_SHARE = 0.5, 0.2  # of scenes in which a tracker sees none; of agents elsewhere
SHORT_TRACK_SHARE = 0.15  # of agents seen for less than the whole second
_MAP_TILES = 24  # kept per map, 1.3 MB each: processes that prepare samples stay small


@dataclass(frozen=True, eq=False)
class TrainingSample:
    """One scene. N agents with the ego as row 0, M ego plans; the first plan is what really happened.

    Attributes:
        raster: Scene image, uint8 ``[C, 256, 256]``, LZ4-compressed bytes.
        inputs: Inputs of the network.
        plans: float32 ``[M, 16, 6]`` knots.
        futures: float32 ``[M, N, 80, 2]`` in each agent's own frame now [m]; zero where not valid.
        valid: bool ``[M, N, 80]``.
        classes: uint8 ``[N]``.
        goal_lane: int64 ``[N]`` row of `inputs.lane_pose` in which the agent ends up by what really happened;
            `NO_LANE` for none.
        goes_first: int64 ``[N]`` 1 if the agent passes the place where its way and the ego's cross before the ego, 0 if
            after it, `NO_CROSSING` if they do not cross.
    """

    raster: bytes
    inputs: NetworkInputs
    plans: NDArray[np.float32]
    futures: NDArray[np.float32]
    valid: NDArray[np.bool_]
    classes: NDArray[np.uint8]
    goal_lane: NDArray[np.int64]
    goes_first: NDArray[np.int64]

    def image(self) -> NDArray[np.uint8]:
        """The scene image, uint8 ``[C, 256, 256]``."""
        flat = np.frombuffer(lz4.frame.decompress(self.raster), np.uint8)
        return flat.reshape(len(Channel), RASTER_SIZE, RASTER_SIZE)


class SampleMaker:
    """Turns scenes on one map into training samples.

    Args:
        network: The map, None without one.
    """

    def __init__(self, network: RoadNetwork | None) -> None:
        self._rasterizer = SceneRasterizer(network, _MAP_TILES)
        self._lanes = None if network is None else LanePieces.of(network)

    def make(self, scene: SceneFutures, rng: np.random.Generator | None) -> TrainingSample:
        """Make one sample of the agents the network is given when it drives.

        Args:
            scene: On the map of this maker.
            rng: In most scenes agents that are the truth get the errors of a tracker from it; None leaves them exact.
        """
        history = scene.history
        if rng is not None and not scene.tracked and rng.random() >= EXACT_SHARE:
            history = as_tracked(history, rng)
        raster = self._rasterizer.render(history, scene.signals, scene.route)
        inputs = network_inputs(history, self._lanes, scene.signals)
        rows = rows_for_network(history.scene, inputs.agent_pose[1:], MAX_AGENTS)
        inputs = take_agents(inputs, np.concatenate([[0], rows + 1]))

        egos = np.stack([centres_along(plan, scene.ego) for plan in scene.plans])
        futures = np.concatenate([egos[:, None], scene.futures[:, rows]], axis=1)
        valid = np.isfinite(futures).all(axis=-1)
        valid[:, 0, scene.driven :] = False
        starts = np.concatenate([history.ego_states[-1:], history.states[rows, -1]])[:, :3]
        moved = np.where(valid[..., None], futures[..., :2] - starts[None, :, None, :2], 0.0)
        classes = np.concatenate([[int(AgentClass.CAR)], history.scene.classes[rows]])
        return TrainingSample(
            raster=lz4.frame.compress(raster.tobytes()),
            inputs=inputs,
            plans=plan_knots(scene.plans, scene.ego),
            futures=np.einsum("mntd,nde->mnte", moved, rotation_matrix(starts[:, 2])).astype(np.float32),
            valid=valid,
            classes=classes.astype(np.uint8),
            goal_lane=goal_lanes(inputs, *last_poses(futures[0], valid[0], scene)),
            goes_first=np.concatenate([[NO_CROSSING], goes_first(scene)[rows]]),
        )


def last_poses(
    futures: NDArray[np.float64], valid: NDArray[np.bool_], scene: SceneFutures
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Where agents were seen last: poses ``[N, 4]`` x, y, cos, sin in the ego frame, and whether they were ``[N]``.

    Args:
        futures: ``[N, T, 3]`` x, y, yaw, map frame.
        valid: ``[N, T]``.
        scene: Its ego gives the frame.
    """
    steps = valid.shape[1]
    last = steps - 1 - np.argmax(valid[:, ::-1], axis=1)
    there = np.asarray(valid.any(axis=1))
    pose = np.where(there[:, None], futures[np.arange(len(futures)), last], 0.0)
    ego = scene.ego
    xy = (pose[:, :2] - [ego.x, ego.y]) @ rotation_matrix(ego.yaw)
    turn = pose[:, 2] - ego.yaw
    return np.column_stack([xy, np.cos(turn), np.sin(turn)]), there


def goal_lanes(inputs: NetworkInputs, poses: NDArray[np.float64], there: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The lane piece each pose is in, int64 ``[N]``: the one with the nearest point that runs its way.

    Args:
        inputs: Have the lanes.
        poses: ``[N, 4]`` x, y [m], cos, sin of the heading, ego frame.
        there: ``[N]``; the others are in no lane.
    """
    lanes = inputs.lane_pose.astype(np.float64)
    own = inputs.lane_features[:, : 2 * PIECE_POINTS].reshape(-1, PIECE_POINTS, 2).astype(np.float64) * LENGTH_SCALE
    c, s = lanes[:, None, 2], lanes[:, None, 3]
    points = np.stack([c * own[..., 0] - s * own[..., 1], s * own[..., 0] + c * own[..., 1]], axis=-1)
    along = np.gradient(points, axis=1)
    along /= np.maximum(np.linalg.norm(along, axis=-1, keepdims=True), 1e-9)
    gap = np.linalg.norm(poses[:, None, None, :2] - (points + lanes[:, None, :2]), axis=-1)  # [N, M, points]
    same_way = np.einsum("nd,mpd->nmp", poses[:, 2:], along) > np.cos(GOAL_ANGLE)
    nearest = np.where(same_way, gap, np.inf).min(axis=2)
    lane = nearest.argmin(axis=1)
    found = there & (nearest[np.arange(len(poses)), lane] <= GOAL_REACH)
    return np.where(found, lane, NO_LANE).astype(np.int64)


def goes_first(scene: SceneFutures) -> NDArray[np.int64]:
    """Who passes before the ego (1) or after it (0) where their ways cross, `NO_CROSSING` without that, int64 ``[N]``.

    The way of each, and of the ego, is the longest of all plans: who yields under one may go under another. Who goes
    first is decided by what happened.
    """
    origin = np.array(scene.ego.centre)
    own = ego_ways(scene.plans, scene.ego, origin)
    now = np.broadcast_to(scene.scene.position[:, None, :2], (len(scene.plans), len(scene.scene), 1, 2))
    ways = longest(np.concatenate([now, scene.futures[..., :2]], axis=2)) - origin
    reach = reach_of(scene.ego.width, scene.scene.size[:, 1])
    places = crossing_places(longest(own)[None], ways, reach)[0]
    theirs = time_of_passing(scene.futures[0, ..., :2] - origin, places, reach)
    egos = time_of_passing(np.broadcast_to(own[0, 1:], (len(places), *own[0, 1:].shape)), places, reach)
    return np.where(np.isfinite(np.minimum(theirs, egos)), theirs < egos, NO_CROSSING).astype(np.int64)


def as_tracked(history: SceneHistory, rng: np.random.Generator) -> SceneHistory:
    """The history a tracker would have of agents that are known exactly: with errors, and some seen only lately."""
    valid = shortened(history.valid, rng)
    states = noisy(history.states, history.valid, rng) * valid[..., None]
    now, scene = states[:, -1], history.scene
    # LiDAR alone shows no indicators; a camera does not see all of them.
    unseen = rng.random(len(scene)) < (1.0 if rng.random() < NO_ATTRIBUTES_SHARE else NO_ATTRIBUTE_SHARE)
    moved = replace(
        scene,
        attributes=np.where(unseen[:, None], np.uint8(0), scene.attributes),  # 0 is unknown for all of them
        facing=np.where(unseen, np.float32(np.nan), scene.facing),
        position=np.concatenate([now[:, :2], scene.position[:, 2:]], axis=1),
        yaw=now[:, HistoryColumn.YAW],
        velocity=now[:, HistoryColumn.VX :],
    )
    return replace(history, scene=moved, states=states, valid=valid)


def noisy(history: NDArray[np.float64], valid: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.float64]:
    """History with the errors of a tracker: independent ones per step and a common one per agent."""
    scale = np.array([POSITION_NOISE, POSITION_NOISE, YAW_NOISE, VELOCITY_NOISE, VELOCITY_NOISE])
    n = len(history)
    noise = 0.5 * rng.standard_normal(history.shape) + rng.standard_normal((n, 1, history.shape[-1]))
    out = history + noise * scale
    out[..., HistoryColumn.YAW] = wrap_angle(out[..., HistoryColumn.YAW])
    return np.asarray(out * valid[..., None])


def shortened(valid: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Some agents were seen only lately."""
    steps = valid.shape[1]
    first = np.where(rng.random(len(valid)) < SHORT_TRACK_SHARE, rng.integers(1, steps, len(valid)), 0)
    return np.asarray(valid & (np.arange(steps) >= first[:, None]))
