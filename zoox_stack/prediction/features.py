"""What the network is given besides the scene image: agents, lanes and ego plans as arrays.

Everything is relative: agents and lanes have a pose in the ego frame (BASE_LINK at the scene's stamp, the frame of the
scene image), and their own data are in their own frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState, TrafficSignals
from zoox_stack.core.classes import AgentClass, Attribute, TriState, TurnSignal
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.geometry import to_local, wrap_angle
from zoox_stack.core.plans import EgoPlan
from zoox_stack.core.predictions import STEP, STEPS
from zoox_stack.prediction.history import HISTORY_STEPS, HistoryColumn, SceneHistory
from zoox_stack.prediction.lane_pieces import PIECE_FEATURES, LanePieces

POSITION_SCALE = 20.0  # [m]
VELOCITY_SCALE = 10.0  # [m/s]
HISTORY_FEATURES = 7  # x, y, cos, sin, vx, vy, valid
_ATTRIBUTE_SIZES = tuple(len(TurnSignal) if a is Attribute.TURN_SIGNAL else len(TriState) for a in Attribute)
STATIC_FEATURES = len(AgentClass) + 3 + sum(_ATTRIBUTE_SIZES) + 1  # class, size, attributes, is ego
MAX_LANE_PIECES = 96
LANE_REACH = 110.0  # [m] lanes farther than this from the ego are left out
KNOT_STEPS = 5  # a knot every 5 steps: 0.5 s
KNOTS = STEPS // KNOT_STEPS  # 16, at 0, 0.5, ..., 7.5 s
PLAN_FEATURES = 6  # x, y, cos, sin, vx, vy in the ego frame


@dataclass(frozen=True, eq=False)
class NetworkInputs:
    """Agents and lanes of one scene as `scene_encoder.onnx` takes them; pose and velocity go to the decoder too.

    As made by `network_inputs`, row 0 of the agents is the ego: N = agents + 1. M lanes.

    Attributes:
        agent_history: float32 ``[N, 11, 7]`` in the agent's own frame now, scaled.
        agent_static: float32 ``[N, STATIC_FEATURES]``.
        agent_pose: float32 ``[N, 4]`` x, y [m], cos, sin of the heading, ego frame.
        agent_velocity: float32 ``[N, 2]`` [m/s], own frame.
        lane_features: float32 ``[M, PIECE_FEATURES]``, M >= 1 (one all-zero row without a map).
        lane_pose: float32 ``[M, 4]`` as agent_pose.
    """

    agent_history: NDArray[np.float32]
    agent_static: NDArray[np.float32]
    agent_pose: NDArray[np.float32]
    agent_velocity: NDArray[np.float32]
    lane_features: NDArray[np.float32]
    lane_pose: NDArray[np.float32]


def network_inputs(
    history: SceneHistory, lanes: LanePieces | None, signals: TrafficSignals | None = None
) -> NetworkInputs:
    """Build the decoder's inputs.

    Raises:
        InvalidInputError: The scene has no ego.
    """
    scene, ego = history.scene, history.scene.ego
    if ego is None:
        raise InvalidInputError("SceneHistory.scene.ego", "an ego state", "none")
    states = np.concatenate([history.ego_states[None], history.states])
    valid = np.concatenate([history.ego_valid[None], history.valid])
    now = states[:, -1]
    size = np.concatenate([[[ego.length, ego.width, ego.height]], scene.size])
    classes = np.concatenate([[int(AgentClass.CAR)], scene.classes]).astype(np.int64)
    attributes = np.concatenate([np.zeros((1, len(Attribute)), np.uint8), scene.attributes]).astype(np.int64)
    is_ego = np.zeros((len(states), 1))
    is_ego[0] = 1.0
    one_hot = [np.eye(width)[attributes[:, column]] for column, width in enumerate(_ATTRIBUTE_SIZES)]
    static = np.concatenate([np.eye(len(AgentClass))[classes], size / [5.0, 2.0, 2.0], *one_hot, is_ego], axis=1)
    velocity = _rotate(now[:, HistoryColumn.VX : HistoryColumn.VY + 1], -now[:, HistoryColumn.YAW])
    lane_features, lane_pose = _lane_inputs(lanes, ego, signals)
    return NetworkInputs(
        agent_history=_own_frame_history(states, valid).astype(np.float32),
        agent_static=static.astype(np.float32),
        agent_pose=_poses(now[:, :3], ego).astype(np.float32),
        agent_velocity=velocity.astype(np.float32),
        lane_features=lane_features.astype(np.float32),
        lane_pose=lane_pose.astype(np.float32),
    )


def plan_knots(plans: tuple[EgoPlan, ...], ego: EgoState) -> NDArray[np.float32]:
    """Ego plans at 0, 0.5, ..., 7.5 s: float32 ``[P, 16, 6]``: box centre x, y [m], cos, sin, vx, vy [m/s], ego frame.

    Raises:
        InvalidInputError: A plan is not 80 steps of 0.1 s.
    """
    states = np.empty((len(plans), KNOTS, 4))  # x, y, yaw of the rear axle, speed
    states[:, 0] = ego.x, ego.y, ego.yaw, ego.speed
    at = slice(KNOT_STEPS - 1, (KNOTS - 1) * KNOT_STEPS, KNOT_STEPS)
    for row, plan in enumerate(plans):
        if len(plan) != STEPS or abs(plan.step - STEP) > 1e-6:
            raise InvalidInputError(
                f"EgoPlan {plan.id}", f"{STEPS} points every {STEP} s", f"{len(plan)} points every {plan.step:g} s"
            )
        for column, values in enumerate((plan.x, plan.y, plan.yaw, plan.speed)):
            states[row, 1:, column] = values[at]
    yaw, speed = states[..., 2], states[..., 3:]
    states[..., :2] += ego.rear_axle_to_centre * np.stack([np.cos(yaw), np.sin(yaw)], axis=-1)
    pose = _poses(states[..., :3], ego)
    return np.concatenate([pose, pose[..., 2:] * speed], axis=-1).astype(np.float32)


def ego_from_row(stamp_ns: int, row: NDArray[np.float64], size: NDArray[np.float64]) -> EgoState:
    """An ego state whose box centre has the `HistoryColumn` values `row`: makes any vehicle an ego."""
    reach = 0.3 * float(size[0])
    yaw = float(row[HistoryColumn.YAW])
    c, s = np.cos(yaw), np.sin(yaw)
    vx, vy = row[HistoryColumn.VX], row[HistoryColumn.VY]
    return EgoState(
        stamp_ns=stamp_ns,
        x=float(row[HistoryColumn.X] - reach * c),
        y=float(row[HistoryColumn.Y] - reach * s),
        yaw=yaw,
        speed=float(vx * c + vy * s),
        lateral_velocity=float(-vx * s + vy * c),
        length=float(size[0]),
        width=float(size[1]),
        height=float(size[2]),
        rear_axle_to_centre=reach,
    )


def _lane_inputs(
    lanes: LanePieces | None, ego: EgoState, signals: TrafficSignals | None
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    far = np.array([[1e4, 0.0, 1.0, 0.0]])  # a lane nobody is near stands for "no map here"
    if lanes is None or not len(lanes):
        return np.zeros((1, PIECE_FEATURES), np.float32), far
    ahead = np.array([ego.x + 30.0 * np.cos(ego.yaw), ego.y + 30.0 * np.sin(ego.yaw)])
    distance = np.hypot(*(lanes.pose[:, :2] - ahead).T)
    near = np.flatnonzero(distance < LANE_REACH)
    if not len(near):
        return np.zeros((1, PIECE_FEATURES), np.float32), far
    chosen = near[np.argsort(distance[near], kind="stable")[:MAX_LANE_PIECES]]
    return lanes.features_with_signals(chosen, signals), _poses(lanes.pose[chosen], ego)


def _poses(poses: NDArray[np.float64], ego: EgoState) -> NDArray[np.float64]:
    """Map-frame poses ``[..., 3]`` as x, y, cos, sin in the ego frame, ``[..., 4]``."""
    turn = poses[..., 2:] - ego.yaw
    xy = to_local(poses[..., :2], (ego.x, ego.y), ego.yaw)
    return np.concatenate([xy, np.cos(turn), np.sin(turn)], axis=-1)


def _own_frame_history(states: NDArray[np.float64], valid: NDArray[np.bool_]) -> NDArray[np.float64]:
    now = states[:, -1]
    features = np.zeros((len(states), HISTORY_STEPS, HISTORY_FEATURES))
    back = -now[:, HistoryColumn.YAW, None]
    offset = states[..., :2] - now[:, None, :2]
    turn = wrap_angle(states[..., HistoryColumn.YAW] - now[:, None, HistoryColumn.YAW])
    features[..., 0:2] = _rotate(offset, back) / POSITION_SCALE
    features[..., 2], features[..., 3] = np.cos(turn), np.sin(turn)
    features[..., 4:6] = _rotate(states[..., HistoryColumn.VX :], back) / VELOCITY_SCALE
    features[..., 6] = 1.0
    return np.asarray(features * valid[..., None])


def _rotate(vectors: NDArray[np.float64], angle: NDArray[np.float64]) -> NDArray[np.float64]:
    c, s = np.cos(angle), np.sin(angle)
    x, y = vectors[..., 0], vectors[..., 1]
    return np.stack([c * x - s * y, s * x + c * y], axis=-1)
