"""Weighted futures of agents, and the what-if question and answer."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import PredictionSource, WhatIfStatus
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.plans import EgoPlan
from zoox_stack.core.validation import checked_array

STEP = 0.1  # [s] between the steps of predictions and plans
STEPS = 80  # 8 s
MODES = 6
_PER_AGENT = ("agent_ids", "probabilities", "positions", "headings", "covariances")


@dataclass(frozen=True, eq=False)
class PredictedAgents:
    """Several futures with probabilities for each of A agents: K modes, T steps, map frame.

    Step ``t`` (0..T-1) is at ``stamp + (t + 1) * step``. Positions are relative to `origin` so that float32
    is precise anywhere on a map.

    Attributes:
        stamp_ns: Time of the scene predicted from [ns].
        agent_ids: int64 ``[A]``.
        probabilities: float32 ``[A, K]``, rows sum to 1.
        origin: float64 ``[2]`` [m], map frame.
        positions: float32 ``[A, K, T, 2]`` box centre relative to `origin`, map axes [m].
        headings: float32 ``[A, K, T]`` [rad], map axes.
        covariances: float32 ``[A, K, T, 3]`` xx, xy, yy [m^2].
        step: [s].
        source: Who made it.
        model: Name and version of the model, empty for a rule.
        provider: ONNX Runtime provider, empty for a rule.
        scene_age: From the scene's stamp to the computation [s].
    """

    stamp_ns: int
    agent_ids: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    origin: NDArray[np.float64]
    positions: NDArray[np.float32]
    headings: NDArray[np.float32]
    covariances: NDArray[np.float32]
    step: float = STEP
    source: PredictionSource = PredictionSource.MODEL
    model: str = ""
    provider: str = ""
    scene_age: float = 0.0

    def __post_init__(self) -> None:
        if np.ndim(self.positions) != 4:
            raise InvalidInputError("PredictedAgents.positions", "4 axes", f"{np.ndim(self.positions)}")
        a, k, t, _ = np.shape(self.positions)
        name = "PredictedAgents."
        f32 = np.float32
        for attribute, array in (
            ("agent_ids", checked_array(name + "agent_ids", self.agent_ids, np.int64, (a,))),
            (
                "probabilities",
                checked_array(name + "probabilities", self.probabilities, f32, (a, k), low=0, high=1.001),
            ),
            ("origin", checked_array(name + "origin", self.origin, np.float64, (2,))),
            ("positions", checked_array(name + "positions", self.positions, f32, (a, k, t, 2))),
            ("headings", checked_array(name + "headings", self.headings, f32, (a, k, t))),
            ("covariances", checked_array(name + "covariances", self.covariances, f32, (a, k, t, 3))),
        ):
            object.__setattr__(self, attribute, array)
        if a and np.abs(self.probabilities.sum(axis=1) - 1.0).max() > 1e-3:
            raise InvalidInputError(name + "probabilities", "rows that sum to 1", f"{self.probabilities.sum(axis=1)}")
        if not (np.isfinite(self.step) and self.step > 0):
            raise InvalidInputError(name + "step", "> 0 s", str(self.step))

    def __len__(self) -> int:
        return len(self.agent_ids)

    @property
    def modes(self) -> int:
        """K."""
        return int(self.positions.shape[1])

    @property
    def steps(self) -> int:
        """T."""
        return int(self.positions.shape[2])

    def take(self, rows: NDArray[np.int64]) -> PredictedAgents:
        """Only the agents `rows` (any order, doubles allowed)."""
        return self._unchecked(**{name: getattr(self, name)[rows] for name in _PER_AGENT})

    def aged(self, scene_age: float) -> PredictedAgents:
        """The same with another `scene_age` [s]."""
        return self._unchecked(scene_age=scene_age)

    def _unchecked(self, **changes: Any) -> PredictedAgents:
        """`replace` without checks, for changes that cannot break what was checked before."""
        changed = copy(self)
        for name, value in changes.items():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False
            object.__setattr__(changed, name, value)
        return changed

    @classmethod
    def concatenate(cls, parts: Sequence[PredictedAgents]) -> PredictedAgents:
        """The agents of all parts, one after the other; everything else from the first. Modes and steps must agree."""
        first = parts[0]
        return replace(
            first,
            agent_ids=np.concatenate([part.agent_ids for part in parts]),
            probabilities=np.concatenate([part.probabilities for part in parts]),
            positions=np.concatenate(
                [part.positions + (part.origin - first.origin).astype(np.float32) for part in parts]
            ),
            headings=np.concatenate([part.headings for part in parts]),
            covariances=np.concatenate([part.covariances for part in parts]),
        )

    @property
    def map_positions(self) -> NDArray[np.float64]:
        """Positions in the map frame, float64 ``[A, K, T, 2]`` [m]."""
        return self.positions.astype(np.float64) + self.origin


@dataclass(frozen=True, eq=False)
class WhatIfRequest:
    """A question: if the ego does X, Y or Z, how will the others adjust?

    Attributes:
        scene_stamp_ns: Scene the plans start from [ns]; 0 asks for the newest.
        plans: One question each.
        deadline: How long the caller waits [s].
        affected_only: Leave out agents whose future under a plan is the unconditional one.
    """

    scene_stamp_ns: int
    plans: tuple[EgoPlan, ...]
    deadline: float
    affected_only: bool = False


@dataclass(frozen=True, eq=False)
class PlanEffects:
    """What one plan of the ego does to the A agents near it; nobody else is moved or hit by it or crosses its way.

    Attributes:
        agent_ids: int64 ``[A]``, strictly rising.
        collision_probability: float32 ``[A]`` of the ego hitting the agent within the horizon.
        displacement: float32 ``[A]`` largest distance between the future under the plan and the unconditional one,
            mean over the modes by their probabilities [m].
        goes_first: float32 ``[A]`` probability that the agent is at the place where both ways cross or merge before
            the ego is; NaN where they do not (see `zoox_stack.prediction.crossings`).
    """

    agent_ids: NDArray[np.int64]
    collision_probability: NDArray[np.float32]
    displacement: NDArray[np.float32]
    goes_first: NDArray[np.float32]

    def __post_init__(self) -> None:
        a, f32, name = len(self.agent_ids), np.float32, "PlanEffects."
        for attribute, array in (
            ("agent_ids", checked_array(name + "agent_ids", self.agent_ids, np.int64, (a,))),
            (
                "collision_probability",
                checked_array(name + "collision_probability", self.collision_probability, f32, (a,), low=0, high=1.001),
            ),
            ("displacement", checked_array(name + "displacement", self.displacement, f32, (a,), low=0)),
            (
                "goes_first",
                checked_array(name + "goes_first", self.goes_first, f32, (a,), finite=False, low=0, high=1.001),
            ),
        ):
            object.__setattr__(self, attribute, array)
        if bool((self.agent_ids[1:] <= self.agent_ids[:-1]).any()):
            raise InvalidInputError(name + "agent_ids", "strictly rising ids", np.array2string(self.agent_ids))

    def __len__(self) -> int:
        return len(self.agent_ids)


@dataclass(frozen=True, eq=False)
class WhatIfAnswer:
    """Conditional futures, one `PredictedAgents` per plan in the order asked.

    Attributes:
        status: Outcome.
        message: Empty if OK, else what was expected and found.
        scene_stamp_ns: Scene answered from [ns].
        conditional: True if the futures depend on the plans.
        predictions: One per plan.
        collision_probabilities: float32 ``[N]``.
        compute_time: Time spent on the question: model, collision probabilities and effects [s].
        effects: One per plan.
    """

    status: WhatIfStatus
    message: str = ""
    scene_stamp_ns: int = 0
    conditional: bool = False
    predictions: tuple[PredictedAgents, ...] = ()
    collision_probabilities: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    compute_time: float = 0.0
    effects: tuple[PlanEffects, ...] = ()
