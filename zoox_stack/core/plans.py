"""Ego motions over time: candidates, trajectories, decisions, routes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import PredictionSource, Rejection, TrajectorySource, WhatIfStatus
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.validation import checked_array


@dataclass(frozen=True, eq=False)
class EgoPlan:
    """A motion of the ego. Point ``i`` is at ``stamp + (i + 1) * step``; poses of base_link, map frame.

    Attributes:
        id: Identifies the plan within its message.
        name: For people.
        step: [s].
        x: float64 ``[T]`` [m].
        y: float64 ``[T]`` [m].
        yaw: float64 ``[T]`` [rad].
        speed: float64 ``[T]`` [m/s].
        acceleration: float64 ``[T]`` [m/s^2].
        curvature: float64 ``[T]`` [1/m].
    """

    id: int
    name: str
    step: float
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    yaw: NDArray[np.float64]
    speed: NDArray[np.float64]
    acceleration: NDArray[np.float64]
    curvature: NDArray[np.float64]

    def __post_init__(self) -> None:
        n = len(self.x)
        if n == 0:
            raise InvalidInputError("EgoPlan", "at least one point", "none")
        for name in ("x", "y", "yaw", "speed", "acceleration", "curvature"):
            object.__setattr__(self, name, checked_array(f"EgoPlan.{name}", getattr(self, name), np.float64, (n,)))
        if not (np.isfinite(self.step) and self.step > 0):
            raise InvalidInputError("EgoPlan.step", "> 0 s", str(self.step))

    def __len__(self) -> int:
        return len(self.x)

    @property
    def xy(self) -> NDArray[np.float64]:
        """Positions, shape ``[T, 2]`` [m]."""
        return np.stack([self.x, self.y], axis=1)


@dataclass(frozen=True, eq=False)
class Trajectory:
    """What the ego is to do next.

    Attributes:
        stamp_ns: Stamp of the sweep this answers [ns].
        plan: The motion.
        source: How it came about.
    """

    stamp_ns: int
    plan: EgoPlan
    source: TrajectorySource = TrajectorySource.DECISION


@dataclass(frozen=True, eq=False)
class Route:
    """The way to follow.

    Attributes:
        stamp_ns: When it was made [ns].
        points: float64 ``[P, 3]`` reference line, map frame, driving direction [m].
        lane_ids: int64 ``[L]`` ids of RoadNetwork lanes along the way; empty for a logged drive.
    """

    stamp_ns: int
    points: NDArray[np.float64]
    lane_ids: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", checked_array("Route.points", self.points, np.float64, (None, 3)))
        object.__setattr__(self, "lane_ids", checked_array("Route.lane_ids", self.lane_ids, np.int64, (None,)))
        if len(self.points) < 2:
            raise InvalidInputError("Route.points", "at least 2 points", str(len(self.points)))


@dataclass(frozen=True, eq=False)
class PlanDecision:
    """Why the planner chose what it chose. C candidates, T steps, M cost terms, N asked plans.

    Attributes:
        stamp_ns: Stamp of the sweep answered [ns].
        predictions_from: Where unconditional predictions came from.
        answer_status: Outcome of the what-if question.
        conditional: The final choice used conditional futures.
        chosen: Row of the chosen candidate.
        explanation: One sentence.
        names: C names.
        origin: float64 ``[2]`` [m] that positions are relative to.
        step: [s].
        positions: float32 ``[C, T, 2]`` of base_link, relative to origin [m].
        speeds: float32 ``[C, T]`` [m/s].
        rejections: uint8 ``[C]`` `Rejection`.
        cost_names: M names.
        costs: float32 ``[C, M]`` weighted, dimensionless, >= 0.
        totals: float32 ``[C]``.
        asked: uint32 ``[N]`` candidate rows put to what_if.
        collision_probabilities: float32 ``[N]``; NaN without an answer.
        conditional_totals: float32 ``[N]``; NaN without an answer.
        rejected: uint32 ``[len(Rejection)]`` how many of all candidates there were fell by what, those left out of this
            decision (see `shortened`) included.
    """

    stamp_ns: int
    predictions_from: PredictionSource
    answer_status: WhatIfStatus
    conditional: bool
    chosen: int
    explanation: str
    names: tuple[str, ...]
    origin: NDArray[np.float64]
    step: float
    positions: NDArray[np.float32]
    speeds: NDArray[np.float32]
    rejections: NDArray[np.uint8]
    cost_names: tuple[str, ...]
    costs: NDArray[np.float32]
    totals: NDArray[np.float32]
    asked: NDArray[np.uint32]
    collision_probabilities: NDArray[np.float32]
    conditional_totals: NDArray[np.float32]
    rejected: NDArray[np.uint32] = field(default_factory=lambda: np.zeros(0, np.uint32))

    def __post_init__(self) -> None:
        c, m, n = len(self.names), len(self.cost_names), len(self.asked)
        t = np.shape(self.positions)[1] if np.ndim(self.positions) == 3 else -1
        f32 = np.float32
        name = "PlanDecision."
        for attribute, array in (
            ("origin", checked_array(name + "origin", self.origin, np.float64, (2,))),
            ("positions", checked_array(name + "positions", self.positions, f32, (c, t, 2))),
            ("speeds", checked_array(name + "speeds", self.speeds, f32, (c, t))),
            ("rejections", checked_array(name + "rejections", self.rejections, np.uint8, (c,), high=max(Rejection))),
            ("costs", checked_array(name + "costs", self.costs, f32, (c, m))),
            ("totals", checked_array(name + "totals", self.totals, f32, (c,))),
            ("asked", checked_array(name + "asked", self.asked, np.uint32, (n,), high=max(c - 1, 0))),
            (
                "collision_probabilities",
                checked_array(name + "collision_probabilities", self.collision_probabilities, f32, (n,), finite=False),
            ),
            (
                "conditional_totals",
                checked_array(name + "conditional_totals", self.conditional_totals, f32, (n,), finite=False),
            ),
        ):
            object.__setattr__(self, attribute, array)
        if not 0 <= self.chosen < max(c, 1):
            raise InvalidInputError(name + "chosen", f"0..{c - 1}", str(self.chosen))
        if not len(self.rejected):
            counted = np.bincount(self.rejections, minlength=len(Rejection)).astype(np.uint32)
            object.__setattr__(self, "rejected", counted)

    @property
    def changed(self) -> bool:
        """Whether the answer made another candidate win than the best before it, which is the first asked about."""
        return self.answer_status == WhatIfStatus.OK and len(self.asked) > 0 and self.chosen != int(self.asked[0])

    def shortened(self, most: int) -> PlanDecision:
        """The same decision told with at most `most` candidates: the chosen one, those asked about, the cheapest.

        A quarter of the places goes to those that fell, also the cheapest of them.
        """
        c = len(self.names)
        if c <= most:
            return self
        keep = list(dict.fromkeys([self.chosen, *(int(row) for row in self.asked)]))
        order = np.argsort(self.totals, kind="stable")
        order = order[~np.isin(order, keep)]
        fallen = self.rejections[order] != int(Rejection.KEPT)
        places = max(most - len(keep), 0)
        for_fallen = min(most // 4, places, int(fallen.sum()))
        good = order[~fallen][: places - for_fallen]
        keep += [*good.tolist(), *order[fallen][: places - len(good)].tolist()]
        rows = np.sort(np.array(keep))
        at = {int(row): i for i, row in enumerate(rows)}
        return replace(
            self,
            chosen=at[self.chosen],
            names=tuple(self.names[row] for row in rows),
            positions=self.positions[rows],
            speeds=self.speeds[rows],
            rejections=self.rejections[rows],
            costs=self.costs[rows],
            totals=self.totals[rows],
            asked=np.array([at[int(row)] for row in self.asked], np.uint32),
        )

    @property
    def acceptable(self) -> bool:
        """Whether the chosen candidate may be driven; if not, no other may either, and it is the safest stop."""
        return bool(self.rejections[self.chosen] == Rejection.KEPT)
