"""DetectedAgents, TrackedAgents and TrafficSignals as messages of the type store."""

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
from zoox_stack.logs.codec_basics import flat, header, new, read_header, unflat

_ATTRIBUTES = ("turn_signal", "brake_light", "emergency_light", "door_open", "phone_in_hand", "child")
_EGO = (
    "yaw", "speed", "lateral_velocity", "acceleration", "yaw_rate", "length", "width", "height", "rear_axle_to_centre",
)  # fmt: skip


def ego_state(ego: EgoState | None) -> Any:
    """zoox_stack/EgoState; None becomes "not defined"."""
    numbers = {name: 0.0 if ego is None else getattr(ego, name) for name in _EGO}
    position = np.zeros(3) if ego is None else np.array([ego.x, ego.y, ego.z])
    return new("zoox_stack/msg/EgoState", is_defined=ego is not None, position=position, **numbers)


def read_ego_state(message: Any, stamp_ns: int) -> EgoState | None:
    """Inverse of `ego_state`."""
    if not message.is_defined:
        return None
    x, y, z = (float(v) for v in message.position)
    return EgoState(stamp_ns, x, y, z, **{name: float(getattr(message, name)) for name in _EGO})


def agent_attributes(row: NDArray[np.uint8], facing: float) -> Any:
    """zoox_stack/AgentAttributes of a row ``[6]`` and facing [rad], NaN where not defined."""
    defined = bool(np.isfinite(facing))
    return new(
        "zoox_stack/msg/AgentAttributes",
        **dict(zip(_ATTRIBUTES, row.tolist(), strict=True)),
        is_defined_facing=defined,
        facing=float(facing) if defined else 0.0,
    )


def read_attributes(agents: list[Any]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Attributes ``[N, 6]`` and facing ``[N]`` of messages that have a field of that name."""
    parts = [agent.attributes for agent in agents]
    for part in parts:
        if part.is_defined_facing and not np.isfinite(part.facing):
            raise InvalidInputError("AgentAttributes.facing", "a finite number where defined", str(part.facing))
    table = np.array([[getattr(p, name) for name in _ATTRIBUTES] for p in parts], np.uint8)
    facing = np.array([p.facing if p.is_defined_facing else np.nan for p in parts], np.float32)
    return table.reshape(-1, N_ATTRIBUTES), facing


def column(agents: list[Any], name: str, dtype: type, *shape: int) -> NDArray[Any]:
    """One field of all messages as an array ``[N, *shape]``."""
    return np.array([getattr(agent, name) for agent in agents], dtype).reshape(len(agents), *shape)


def detected_agents(detections: DetectedAgents) -> Any:
    """zoox_stack/DetectedAgents."""
    d = detections
    assert d.velocity is not None  # these three are filled on construction
    assert d.attributes is not None
    assert d.facing is not None
    measured: NDArray[np.bool_] = np.asarray(np.isfinite(d.velocity).all(axis=1))
    velocity = np.where(measured[:, None], d.velocity, 0.0)
    agents = [
        new(
            "zoox_stack/msg/DetectedAgent",
            class_probabilities=flat(d.class_probabilities[i], np.float32),
            score=float(d.score[i]),
            position=flat(d.position[i], np.float64),
            yaw=float(d.yaw[i]),
            size=flat(d.size[i], np.float32),
            is_defined_velocity=bool(measured[i]),
            velocity=flat(velocity[i], np.float64),
            attributes=agent_attributes(d.attributes[i], float(d.facing[i])),
        )
        for i in range(len(d))
    ]
    return new("zoox_stack/msg/DetectedAgents", header=header(d.stamp_ns, d.frame), agents=agents)


def read_detected_agents(message: Any) -> DetectedAgents:
    """Inverse of `detected_agents`."""
    stamp_ns, frame = read_header("DetectedAgents", message.header, (Frame.MAP, Frame.BASE_LINK))
    agents = message.agents
    measured = np.array([a.is_defined_velocity for a in agents], np.bool_)
    velocity = column(agents, "velocity", np.float64, 2)
    if not np.isfinite(velocity[measured]).all():
        raise InvalidInputError("DetectedAgents.velocity", "finite numbers where defined", "NaN or infinity")
    attributes, facing = read_attributes(agents)
    return DetectedAgents(
        stamp_ns=stamp_ns,
        frame=frame,
        class_probabilities=column(agents, "class_probabilities", np.float32, N_CLASSES),
        score=column(agents, "score", np.float32),
        position=column(agents, "position", np.float64, 3),
        yaw=column(agents, "yaw", np.float64),
        size=column(agents, "size", np.float32, 3),
        velocity=np.where(measured[:, None], velocity, np.nan),
        attributes=attributes,
        facing=facing,
    )


def check_ego_stamp(scene: TrackedAgents) -> None:
    """A scene has one stamp.

    Raises:
        InvalidInputError: The ego's stamp is not that of the scene.
    """
    if scene.ego is not None and scene.ego.stamp_ns != scene.stamp_ns:
        raise InvalidInputError("TrackedAgents.ego.stamp_ns", str(scene.stamp_ns), str(scene.ego.stamp_ns))


def tracked_agents(scene: TrackedAgents) -> Any:
    """zoox_stack/TrackedAgents.

    Raises:
        InvalidInputError: The ego's stamp is not that of the scene.
    """
    s = scene
    check_ego_stamp(s)
    agents = [
        new(
            "zoox_stack/msg/TrackedAgent",
            id=int(s.ids[i]),
            agent_class=int(s.classes[i]),
            class_probabilities=flat(s.class_probabilities[i], np.float32),
            existence_probability=float(s.existence[i]),
            position=flat(s.position[i], np.float64),
            yaw=float(s.yaw[i]),
            velocity=flat(s.velocity[i], np.float64),
            acceleration=flat(s.acceleration[i], np.float64),
            yaw_rate=float(s.yaw_rate[i]),
            covariance=flat(s.covariance[i], np.float32),
            size=flat(s.size[i], np.float32),
            age=float(s.age[i]),
            time_since_update=float(s.time_since_update[i]),
            attributes=agent_attributes(s.attributes[i], float(s.facing[i])),
        )
        for i in range(len(s))
    ]
    return new("zoox_stack/msg/TrackedAgents", header=header(s.stamp_ns), ego=ego_state(s.ego), agents=agents)


def read_tracked_agents(message: Any) -> TrackedAgents:
    """Inverse of `tracked_agents`."""
    stamp_ns, _ = read_header("TrackedAgents", message.header)
    agents = message.agents
    attributes, facing = read_attributes(agents)
    return TrackedAgents(
        stamp_ns=stamp_ns,
        ids=column(agents, "id", np.int64),
        classes=column(agents, "agent_class", np.uint8),
        class_probabilities=column(agents, "class_probabilities", np.float32, N_CLASSES),
        existence=column(agents, "existence_probability", np.float32),
        position=column(agents, "position", np.float64, 3),
        yaw=column(agents, "yaw", np.float64),
        velocity=column(agents, "velocity", np.float64, 2),
        acceleration=column(agents, "acceleration", np.float64, 2),
        yaw_rate=column(agents, "yaw_rate", np.float64),
        size=column(agents, "size", np.float32, 3),
        covariance=column(agents, "covariance", np.float32, STATE_DIM, STATE_DIM),
        age=column(agents, "age", np.float32),
        time_since_update=column(agents, "time_since_update", np.float32),
        attributes=attributes,
        facing=facing,
        ego=read_ego_state(message.ego, stamp_ns),
    )


def signals(observed: TrafficSignals) -> Any:
    """zoox_stack/TrafficSignals."""
    return new(
        "zoox_stack/msg/TrafficSignals",
        header=header(observed.stamp_ns),
        ids=flat(observed.ids, np.int64),
        states=flat(observed.states, np.uint8),
        confidences=flat(observed.confidence, np.float32),
    )


def read_signals(message: Any) -> TrafficSignals:
    """Inverse of `signals`."""
    stamp_ns, _ = read_header("TrafficSignals", message.header)
    ids = unflat("TrafficSignals.ids", message.ids, np.int64, (-1,))
    return TrafficSignals(stamp_ns, ids, np.asarray(message.states), np.asarray(message.confidences))
