"""Traffic over time, wherever it was recorded: the common input of the traffic statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import N_CLASSES, TrackedAgents
from zoox_stack.core.classes import AgentClass, SignalState
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.validation import checked_array
from zoox_stack.prediction.history import HistoryColumn
from zoox_stack.road_network.network import RoadNetwork

EGO_ID = -1  # of the recording car among the agents of a drive
TRAVEL = 2.0  # [m] an agent that never gets this far from where it began is parked or placed, not traffic


@dataclass(frozen=True, eq=False)
class TrafficRecording:
    """Road users over time, one row per road user and instant at which it is present.

    Rows instead of a grid of instants and agents, because in ten minutes of a town ten times more road users pass
    through than are there at once. T instants, N agents, R rows, S signals.

    Attributes:
        name: For messages.
        stamps_ns: int64 ``[T]`` rising [ns].
        ids: int64 ``[N]``, unique.
        classes: uint8 ``[N]`` `AgentClass`.
        sizes: float32 ``[N, 3]`` length, width, height [m].
        agent: int32 ``[R]`` row of `ids`, not falling.
        step: int32 ``[R]`` row of `stamps_ns`, rising within an agent.
        states: float64 ``[R, 5]``, columns `HistoryColumn`, of box centres, map frame.
        network: The map, None where there is none.
        signal_states: uint8 ``[T, S]`` `SignalState` in the order of `network.signal_ids`; None: not recorded.
    """

    name: str
    stamps_ns: NDArray[np.int64]
    ids: NDArray[np.int64]
    classes: NDArray[np.uint8]
    sizes: NDArray[np.float32]
    agent: NDArray[np.int32]
    step: NDArray[np.int32]
    states: NDArray[np.float64]
    network: RoadNetwork | None = None
    signal_states: NDArray[np.uint8] | None = None

    def __post_init__(self) -> None:
        t, n, r = len(self.stamps_ns), len(self.ids), len(self.agent)
        for name, dtype, shape, low, high in (
            ("stamps_ns", np.int64, (t,), None, None),
            ("ids", np.int64, (n,), None, None),
            ("classes", np.uint8, (n,), None, N_CLASSES - 1),
            ("sizes", np.float32, (n, 3), 0, 100),
            ("agent", np.int32, (r,), 0, n - 1),
            ("step", np.int32, (r,), 0, t - 1),
            ("states", np.float64, (r, len(HistoryColumn)), None, None),
        ):
            array = checked_array(f"TrafficRecording.{name}", getattr(self, name), dtype, shape, low=low, high=high)
            object.__setattr__(self, name, array)
        if (np.diff(self.stamps_ns) <= 0).any():
            raise InvalidInputError("TrafficRecording.stamps_ns", "rising stamps", "equal or falling ones")
        order = self.agent.astype(np.int64) * max(t, 1) + self.step
        if (np.diff(order) <= 0).any():
            raise InvalidInputError("TrafficRecording rows", "agent by agent, each with rising steps", "another order")
        if self.signal_states is not None:
            signals = 0 if self.network is None else len(self.network.signal_ids)
            name = "TrafficRecording.signal_states"
            states = checked_array(name, self.signal_states, np.uint8, (t, signals), high=max(SignalState))
            object.__setattr__(self, "signal_states", states)

    @classmethod
    def from_rows(
        cls,
        name: str,
        stamps_ns: NDArray[np.int64],
        steps: NDArray[Any],
        ids: NDArray[np.int64],
        states: NDArray[Any],
        users: Mapping[int, tuple[int, Sequence[float]]],
        network: RoadNetwork | None = None,
        signal_states: NDArray[np.uint8] | None = None,
    ) -> TrafficRecording:
        """From rows in any order.

        Args:
            name: For messages.
            stamps_ns: ``[T]`` rising [ns].
            steps: ``[R]`` row of `stamps_ns`.
            ids: ``[R]`` of the agents.
            states: ``[R, 5]``, columns `HistoryColumn`.
            users: Class and size (length, width, height) of every id.
            network: The map.
            signal_states: ``[T, S]``.
        """
        order = np.lexsort((steps, ids))
        distinct, agent = np.unique(np.asarray(ids)[order], return_inverse=True)
        return cls(
            name=name,
            stamps_ns=stamps_ns,
            ids=distinct,
            classes=np.array([users[i][0] for i in distinct.tolist()], np.uint8),
            sizes=np.array([users[i][1] for i in distinct.tolist()], np.float32).reshape(-1, 3),
            agent=agent.astype(np.int32),
            step=np.asarray(steps)[order].astype(np.int32),
            states=np.asarray(states, np.float64).reshape(-1, len(HistoryColumn))[order],
            network=network,
            signal_states=signal_states,
        )

    @classmethod
    def from_scenes(
        cls,
        name: str,
        scenes: Sequence[TrackedAgents],
        network: RoadNetwork | None = None,
        signal_states: NDArray[np.uint8] | None = None,
    ) -> TrafficRecording:
        """From labelled scenes with rising stamps; the ego, where there is one, is a car with the id `EGO_ID`.

        Class and size of an agent are those of the last scene it is in.
        """
        users: dict[int, tuple[int, Sequence[float]]] = {}
        steps: list[NDArray[np.int64]] = []
        ids: list[NDArray[np.int64]] = []
        states: list[NDArray[np.float64]] = []
        for row, scene in enumerate(scenes):
            for agent, kind, size in zip(scene.ids.tolist(), scene.classes.tolist(), scene.size.tolist(), strict=True):
                users[agent] = kind, size
            ids.append(scene.ids)
            states.append(np.column_stack([scene.position[:, :2], scene.yaw, scene.velocity]))
            if scene.ego is not None:
                ego = scene.ego
                users[EGO_ID] = int(AgentClass.CAR), (ego.length, ego.width, ego.height)
                velocity = ego.speed * np.array([np.cos(ego.yaw), np.sin(ego.yaw)])
                ids.append(np.array([EGO_ID]))
                states.append(np.array([[*ego.centre, ego.yaw, *velocity]]))
            steps.append(np.full(len(scene) + (scene.ego is not None), row))
        none = np.zeros((0, len(HistoryColumn)))
        return cls.from_rows(
            name,
            np.array([scene.stamp_ns for scene in scenes], np.int64),
            np.concatenate([np.zeros(0, np.int64), *steps]),
            np.concatenate([np.zeros(0, np.int64), *ids]),
            np.concatenate([none, *states]),
            users,
            network,
            signal_states,
        )

    @property
    def duration(self) -> float:
        """From the first to the last instant [s]."""
        return float(self.stamps_ns[-1] - self.stamps_ns[0]) * 1e-9 if len(self.stamps_ns) else 0.0

    @cached_property
    def period(self) -> float:
        """Usual time between two instants [s]; 0 with fewer than two."""
        return float(np.median(np.diff(self.stamps_ns))) * 1e-9 if len(self.stamps_ns) > 1 else 0.0

    @cached_property
    def time(self) -> NDArray[np.float64]:
        """Time of each row since the first instant [s], ``[R]``."""
        return np.asarray((self.stamps_ns - self.stamps_ns[:1])[self.step] * 1e-9, np.float64)

    @property
    def position(self) -> NDArray[np.float64]:
        """``[R, 2]`` [m]."""
        return self.states[:, : HistoryColumn.YAW]

    @property
    def yaw(self) -> NDArray[np.float64]:
        """``[R]`` [rad]."""
        return self.states[:, HistoryColumn.YAW]

    @property
    def velocity(self) -> NDArray[np.float64]:
        """As recorded, ``[R, 2]`` [m/s]."""
        return self.states[:, HistoryColumn.VX :]

    @cached_property
    def speed(self) -> NDArray[np.float64]:
        """As recorded, ``[R]`` [m/s]."""
        return np.hypot(self.velocity[:, 0], self.velocity[:, 1])

    @cached_property
    def first_rows(self) -> NDArray[np.int64]:
        """First row of each agent that has rows, in order."""
        return np.flatnonzero(np.diff(self.agent, prepend=-1))

    @cached_property
    def travels(self) -> NDArray[np.bool_]:
        """Whether each agent gets more than `TRAVEL` away from where it began, ``[N]``."""
        reached = np.zeros(len(self.ids))
        if len(self.agent):
            first = self.first_rows
            start = np.repeat(first, np.diff(first, append=len(self.agent)))
            away = np.hypot(*(self.position - self.position[start]).T)
            reached[self.agent[first]] = np.maximum.reduceat(away, first)
        return np.asarray(reached > TRAVEL)

    def follows(self, steps: int = 1) -> NDArray[np.bool_]:
        """Whether the row `steps` later is the same agent that many instants later, without gap; ``[R - steps]``."""
        return np.asarray(
            (self.agent[steps:] == self.agent[:-steps]) & (self.step[steps:] - self.step[:-steps] == steps)
        )

    def stride(self, seconds: float) -> int:
        """Instants in about `seconds`, at least one."""
        return max(1, round(seconds / self.period)) if self.period > 0 else 1

    def sampled(self, seconds: float) -> NDArray[np.bool_]:
        """Rows of every instant that is `seconds` after the one before, ``[R]``."""
        return np.asarray(self.step % self.stride(seconds) == 0)

    def of_classes(self, classes: Sequence[AgentClass]) -> NDArray[np.bool_]:
        """Which agents are of these classes, ``[N]``."""
        return np.isin(self.classes, [int(kind) for kind in classes])
