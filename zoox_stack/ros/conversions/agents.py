"""TrackedAgents, DetectedAgents, TrafficSignals and their parts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import (
    N_ATTRIBUTES,
    N_CLASSES,
    STATE_DIM,
    DetectedAgents,
    EgoState,
    TrackedAgents,
    TrafficSignals,
)
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.frames import Frame
from zoox_stack.msg import AgentAttributes, DetectedAgent, TrackedAgent
from zoox_stack.msg import DetectedAgents as DetectedAgentsMessage
from zoox_stack.msg import EgoState as EgoStateMessage
from zoox_stack.msg import TrackedAgents as TrackedAgentsMessage
from zoox_stack.msg import TrafficSignals as TrafficSignalsMessage
from zoox_stack.ros.conversions.basics import (
    MAX_AGENTS,
    check_count,
    flat,
    header_to_message,
    stamp_and_frame,
    unflat,
)

ATTRIBUTE_NAMES = ("turn_signal", "brake_light", "emergency_light", "door_open", "phone_in_hand", "child")
_EGO_SCALARS = (
    "yaw", "speed", "lateral_velocity", "acceleration", "yaw_rate", "length", "width", "height", "rear_axle_to_centre",
)  # fmt: skip


def ego_state_to_message(ego: EgoState | None) -> EgoStateMessage:
    """Ego without its stamp, which is that of the message around it; None becomes "not defined"."""
    if ego is None:
        return EgoStateMessage(is_defined=False)
    return EgoStateMessage(
        is_defined=True,
        position=np.array([ego.x, ego.y, ego.z]),
        **{name: getattr(ego, name) for name in _EGO_SCALARS},
    )


def ego_state_from_message(message: EgoStateMessage, stamp_ns: int) -> EgoState | None:
    """Inverse of `ego_state_to_message`; raises InvalidInputError on numbers that are not finite or sizes <= 0."""
    if not message.is_defined:
        return None
    x, y, z = (float(v) for v in message.position)
    return EgoState(stamp_ns, x, y, z, **{name: getattr(message, name) for name in _EGO_SCALARS})


def attributes_to_messages(attributes: NDArray[np.uint8], facing: NDArray[np.float32]) -> list[AgentAttributes]:
    """Rows ``[N, 6]`` and facing ``[N]`` [rad], NaN where not defined, as messages."""
    messages = []
    for row, angle, defined in zip(attributes.tolist(), facing.tolist(), np.isfinite(facing).tolist(), strict=True):
        message = AgentAttributes(is_defined_facing=defined, facing=angle if defined else 0.0)
        (
            message.turn_signal,
            message.brake_light,
            message.emergency_light,
            message.door_open,
            message.phone_in_hand,
            message.child,
        ) = row
        messages.append(message)
    return messages


def attributes_from_messages(messages: list[AgentAttributes]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Inverse of `attributes_to_messages`; raises InvalidInputError if a defined facing is not finite."""
    values = [
        (m.turn_signal, m.brake_light, m.emergency_light, m.door_open, m.phone_in_hand, m.child) for m in messages
    ]
    for message in messages:
        if message.is_defined_facing and not np.isfinite(message.facing):
            raise InvalidInputError("AgentAttributes.facing", "a finite number where defined", str(message.facing))
    facing = [m.facing if m.is_defined_facing else np.nan for m in messages]
    return np.array(values, np.uint8).reshape(-1, N_ATTRIBUTES), np.array(facing, np.float32)


def stack(rows: list[Any], dtype: type, *shape: int) -> NDArray[Any]:
    """Rows of fixed-size message fields as one array ``[N, *shape]``."""
    return np.array(rows, dtype).reshape(len(rows), *shape)


def tracked_agents_to_message(scene: TrackedAgents) -> TrackedAgentsMessage:
    """The scene as a message.

    Raises:
        InvalidInputError: The ego's stamp is not that of the scene; the message has room for one only.
    """
    if scene.ego is not None and scene.ego.stamp_ns != scene.stamp_ns:
        raise InvalidInputError("TrackedAgents.ego.stamp_ns", str(scene.stamp_ns), str(scene.ego.stamp_ns))
    columns = zip(
        scene.ids.tolist(),
        scene.classes.tolist(),
        scene.class_probabilities,
        scene.existence.tolist(),
        scene.position,
        scene.yaw.tolist(),
        scene.velocity,
        scene.acceleration,
        scene.yaw_rate.tolist(),
        scene.covariance.reshape(-1, STATE_DIM * STATE_DIM),
        scene.size,
        scene.age.tolist(),
        scene.time_since_update.tolist(),
        attributes_to_messages(scene.attributes, scene.facing),
        strict=True,
    )
    agents = [
        TrackedAgent(
            id=agent_id,
            agent_class=agent_class,
            class_probabilities=class_probabilities,
            existence_probability=existence,
            position=position,
            yaw=yaw,
            velocity=velocity,
            acceleration=acceleration,
            yaw_rate=yaw_rate,
            covariance=covariance,
            size=size,
            age=age,
            time_since_update=time_since_update,
            attributes=attributes,
        )
        for (
            agent_id,
            agent_class,
            class_probabilities,
            existence,
            position,
            yaw,
            velocity,
            acceleration,
            yaw_rate,
            covariance,
            size,
            age,
            time_since_update,
            attributes,
        ) in columns
    ]
    return TrackedAgentsMessage(
        header=header_to_message(scene.stamp_ns), ego=ego_state_to_message(scene.ego), agents=agents
    )


def tracked_agents_from_message(message: TrackedAgentsMessage) -> TrackedAgents:
    """The scene of a message; raises InvalidInputError if any number breaks the rules of `TrackedAgents`."""
    stamp_ns, _ = stamp_and_frame("TrackedAgents", message.header)
    agents = message.agents
    check_count("TrackedAgents.agents", len(agents), MAX_AGENTS)
    attributes, facing = attributes_from_messages([a.attributes for a in agents])
    return TrackedAgents(
        stamp_ns=stamp_ns,
        ids=np.array([a.id for a in agents], np.int64),
        classes=np.array([a.agent_class for a in agents], np.uint8),
        class_probabilities=stack([a.class_probabilities for a in agents], np.float32, N_CLASSES),
        existence=np.array([a.existence_probability for a in agents], np.float32),
        position=stack([a.position for a in agents], np.float64, 3),
        yaw=np.array([a.yaw for a in agents], np.float64),
        velocity=stack([a.velocity for a in agents], np.float64, 2),
        acceleration=stack([a.acceleration for a in agents], np.float64, 2),
        yaw_rate=np.array([a.yaw_rate for a in agents], np.float64),
        size=stack([a.size for a in agents], np.float32, 3),
        covariance=stack([a.covariance for a in agents], np.float32, STATE_DIM, STATE_DIM),
        age=np.array([a.age for a in agents], np.float32),
        time_since_update=np.array([a.time_since_update for a in agents], np.float32),
        attributes=attributes,
        facing=facing,
        ego=ego_state_from_message(message.ego, stamp_ns),
    )


def detected_agents_to_message(detections: DetectedAgents) -> DetectedAgentsMessage:
    """Detections as a message.

    Raises:
        InvalidInputError: A velocity is neither finite nor NaN in both components (measured or not measured).
    """
    velocity = detections.velocity
    facing, attributes = detections.facing, detections.attributes
    assert velocity is not None
    assert facing is not None
    assert attributes is not None
    measured: NDArray[np.bool_] = np.asarray(np.isfinite(velocity).all(axis=1))
    if not np.isnan(velocity[~measured]).all():
        raise InvalidInputError("DetectedAgents.velocity", "rows all finite or all NaN", "rows that mix them")
    velocity = np.where(measured[:, None], velocity, 0.0)
    agents = [
        DetectedAgent(
            class_probabilities=class_probabilities,
            score=score,
            position=position,
            yaw=yaw,
            size=size,
            is_defined_velocity=is_defined,
            velocity=v,
            attributes=attribute,
        )
        for class_probabilities, score, position, yaw, size, is_defined, v, attribute in zip(
            detections.class_probabilities,
            detections.score.tolist(),
            detections.position,
            detections.yaw.tolist(),
            detections.size,
            measured.tolist(),
            velocity,
            attributes_to_messages(attributes, facing),
            strict=True,
        )
    ]
    return DetectedAgentsMessage(header=header_to_message(detections.stamp_ns, detections.frame), agents=agents)


def detected_agents_from_message(message: DetectedAgentsMessage) -> DetectedAgents:
    """Detections of a message; raises InvalidInputError if any number breaks the rules of `DetectedAgents`."""
    stamp_ns, frame = stamp_and_frame("DetectedAgents", message.header, (Frame.MAP, Frame.BASE_LINK))
    agents = message.agents
    check_count("DetectedAgents.agents", len(agents), MAX_AGENTS)
    attributes, facing = attributes_from_messages([a.attributes for a in agents])
    velocity = stack([a.velocity for a in agents], np.float64, 2)
    measured = np.array([a.is_defined_velocity for a in agents], np.bool_)
    if not np.isfinite(velocity[measured]).all():
        raise InvalidInputError("DetectedAgents.velocity", "finite numbers where defined", "NaN or infinite")
    velocity[~measured] = np.nan
    return DetectedAgents(
        stamp_ns=stamp_ns,
        frame=frame,
        class_probabilities=stack([a.class_probabilities for a in agents], np.float32, N_CLASSES),
        score=np.array([a.score for a in agents], np.float32),
        position=stack([a.position for a in agents], np.float64, 3),
        yaw=np.array([a.yaw for a in agents], np.float64),
        size=stack([a.size for a in agents], np.float32, 3),
        velocity=velocity,
        attributes=attributes,
        facing=facing,
    )


def traffic_signals_to_message(signals: TrafficSignals) -> TrafficSignalsMessage:
    """Signal states as a message."""
    return TrafficSignalsMessage(
        header=header_to_message(signals.stamp_ns),
        ids=flat(signals.ids, np.int64),
        states=flat(signals.states, np.uint8),
        confidences=flat(signals.confidence, np.float32),
    )


def traffic_signals_from_message(message: TrafficSignalsMessage) -> TrafficSignals:
    """Signal states of a message; raises InvalidInputError on lists of different length or unknown states."""
    stamp_ns, _ = stamp_and_frame("TrafficSignals", message.header)
    return TrafficSignals(
        stamp_ns,
        unflat("TrafficSignals.ids", message.ids, np.int64, (-1,)),
        unflat("TrafficSignals.states", message.states, np.uint8, (-1,)),
        unflat("TrafficSignals.confidences", message.confidences, np.float32, (-1,)),
    )
