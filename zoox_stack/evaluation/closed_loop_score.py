"""nuPlan's closed-loop score of a drive, and everything else that is counted of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from types import MappingProxyType
from typing import Any

import numpy as np

from zoox_stack.core.classes import Blame, EventKind
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.evaluation.closed_loop_comfort import comfort_of
from zoox_stack.evaluation.closed_loop_drive import ClosedLoopDrive
from zoox_stack.evaluation.closed_loop_junctions import Junction, JunctionKind, passages
from zoox_stack.evaluation.closed_loop_map import DriveMap
from zoox_stack.evaluation.closed_loop_metrics import (
    AT_FAULT,
    collision_score,
    collisions,
    drivable_area_score,
    driving_direction_score,
    farthest_against,
    farthest_off_road,
    making_progress_score,
    overspeed,
    progress_ratio,
    speed_limit_score,
    ways,
)
from zoox_stack.evaluation.closed_loop_ttc import time_to_collision, time_to_collision_score

# Weights of the metrics that are averaged; all others are multiplied.
WEIGHTS: Mapping[str, float] = MappingProxyType({
    "time_to_collision": 5.0, "progress": 5.0, "speed_limit": 4.0, "comfort": 2.0,
})  # fmt: skip


@dataclass(frozen=True)
class ClosedLoopScore:
    """The eight metrics, each 0..1.

    Attributes:
        no_at_fault_collisions: 0, 0.5 or 1; multiplied.
        drivable_area: 0 or 1; multiplied.
        driving_direction: 0, 0.5 or 1; multiplied.
        making_progress: 0 or 1; multiplied.
        time_to_collision: 0 or 1; weighs 5.
        progress: Weighs 5.
        speed_limit: Weighs 4.
        comfort: 0 or 1; weighs 2.
    """

    no_at_fault_collisions: float
    drivable_area: float
    driving_direction: float
    making_progress: float
    time_to_collision: float
    progress: float
    speed_limit: float
    comfort: float

    @property
    def total(self) -> float:
        """Product of the multiplied metrics and the weighted mean of the others, 0..1."""
        factor = self.no_at_fault_collisions * self.drivable_area * self.driving_direction * self.making_progress
        mean = sum(weight * float(getattr(self, name)) for name, weight in WEIGHTS.items()) / sum(WEIGHTS.values())
        return factor * mean


@dataclass(frozen=True)
class Measures:
    """What the metrics are made of.

    Attributes:
        off_road: Farthest off drivable ground [m].
        against: Longest way against the lanes within a second [m].
        way: Of the ego along the route [m].
        expert_way: Of the expert in the same time [m].
        least_time_to_collision: [s], inf if nothing was near.
        most_overspeed: [m/s].
        uncomfortable: Bounds of comfort that were not kept.
    """

    off_road: float
    against: float
    way: float
    expert_way: float
    least_time_to_collision: float
    most_overspeed: float
    uncomfortable: tuple[str, ...]


@dataclass(frozen=True)
class ScoredPassage:
    """One junction of a drive.

    Attributes:
        number: Of the junction along the route.
        kind: What it asks.
        score: Of the part of the drive.
        seconds: How long the part took [s].
        passed: Whether the junction was left behind.
    """

    number: int
    kind: JunctionKind
    score: float
    seconds: float
    passed: bool


@dataclass(frozen=True)
class ScoredDrive:
    """A drive and what it is worth.

    Attributes:
        town: Where.
        seed: Of traffic and route.
        planner: Who decided.
        duration: Driven [s].
        score: By metric.
        measures: What it is made of.
        collisions: Class of the other and blame, by name, for each.
        events: How often each kind of event happened, by name; near misses only those that the ego is blamed for.
        interventions: Times at which something else than the planner's decision began to drive.
        latencies_ms: How long each decision took [ms].
        passages: Junctions that the drive came to.
    """

    town: str
    seed: int
    planner: str
    duration: float
    score: ClosedLoopScore
    measures: Measures
    collisions: tuple[tuple[str, str], ...]
    events: Mapping[str, int]
    interventions: int
    latencies_ms: tuple[float, ...]
    passages: tuple[ScoredPassage, ...]

    @property
    def at_fault_collisions(self) -> int:
        """Number of collisions that the ego had to avoid."""
        blamed = {blame.name.lower() for blame in AT_FAULT}
        return sum(blame in blamed for _, blame in self.collisions)

    def to_values(self) -> dict[str, Any]:
        """Ready for JSON; an infinite time to collision becomes None."""
        values = asdict(self)
        if not np.isfinite(self.measures.least_time_to_collision):
            values["measures"]["least_time_to_collision"] = None
        return values

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> ScoredDrive:
        """Back from what `to_values` gave.

        Raises:
            InvalidInputError: Something else.
        """
        try:
            measures = dict(values["measures"])
            if measures["least_time_to_collision"] is None:
                measures["least_time_to_collision"] = float("inf")
            measures["uncomfortable"] = tuple(measures["uncomfortable"])
            parts = [{**part, "kind": JunctionKind(part["kind"])} for part in values["passages"]]
            made: dict[str, Any] = {
                "score": ClosedLoopScore(**values["score"]),
                "measures": Measures(**measures),
                "collisions": tuple((str(kind), str(blame)) for kind, blame in values["collisions"]),
                "latencies_ms": tuple(values["latencies_ms"]),
                "passages": tuple(ScoredPassage(**part) for part in parts),
            }
            return cls(**{f.name: values[f.name] for f in fields(cls) if f.name not in made}, **made)
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidInputError("values of a scored drive", "those written by this version", repr(error)) from error


def metrics_of(drive: ClosedLoopDrive, place: DriveMap) -> tuple[ClosedLoopScore, Measures]:
    """Score of a drive, or of a part of one, and what it is made of."""
    ego = drive.ego
    lanes = place.lanes_under(ego.centre, ego.yaw)
    off_road, against = farthest_off_road(ego, place), farthest_against(ego, lanes)
    way, expert_way = ways(drive)
    ratio = 1.0 if drive.route is None else progress_ratio(way, expert_way)
    excess = overspeed(ego, lanes, place)
    times = time_to_collision(drive, lanes, place)
    uncomfortable = comfort_of(ego).exceeded
    score = ClosedLoopScore(
        no_at_fault_collisions=collision_score(drive.events),
        drivable_area=drivable_area_score(off_road),
        driving_direction=driving_direction_score(against),
        making_progress=making_progress_score(ratio),
        time_to_collision=time_to_collision_score(times),
        progress=ratio,
        speed_limit=speed_limit_score(excess, ego.step),
        comfort=float(not uncomfortable),
    )
    least, most = float(times.min()), float(excess.max())
    return score, Measures(off_road, against, way, expert_way, least, most, uncomfortable)


def score_drive(drive: ClosedLoopDrive, place: DriveMap, junctions: Sequence[Junction] = ()) -> ScoredDrive:
    """Everything that is counted of a drive.

    Args:
        drive: The drive.
        place: Its map.
        junctions: Of its route.
    """
    score, measures = metrics_of(drive, place)
    parts = []
    for passage in passages(drive, junctions):
        part, junction = passage.drive, passage.junction
        value = metrics_of(part, place)[0].total
        parts.append(ScoredPassage(junction.number, junction.kind, value, part.duration, passage.passed))
    events = {kind.name.lower(): 0 for kind in EventKind}
    for event in drive.events:
        events[event.kind.name.lower()] += event.kind is not EventKind.NEAR_MISS or event.blame in AT_FAULT
    return ScoredDrive(
        town=drive.town,
        seed=drive.seed,
        planner=drive.planner,
        duration=(len(drive.ego) - 1) * drive.ego.step,
        score=score,
        measures=measures,
        collisions=tuple((e.agent_class.name.lower(), Blame(e.blame).name.lower()) for e in collisions(drive.events)),
        events=events,
        interventions=drive.interventions,
        latencies_ms=tuple((drive.latencies * 1e3).tolist()),
        passages=tuple(parts),
    )
