"""What tracks are worth beside the truth: rows collected scene by scene, made into numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import TrackedAgents
from zoox_stack.core.classes import CYCLIST_CLASSES, VEHICLE_CLASSES, AgentClass
from zoox_stack.core.geometry import wrap_angle
from zoox_stack.evaluation.perception_matching import SceneMatch, TrackKind

LEAST_POINTS = 10  # on a road user that has to be found
MOST_RANGE = 60.0  # [m] from the ego to a road user that has to be found, and to a track that is judged
MOVING = 1.0  # [m/s]
RANGES = (0.0, 20.0, 40.0, MOST_RANGE)  # [m] of the rows of the tables
GROUPS: dict[str, tuple[AgentClass, ...]] = {
    "car": (AgentClass.CAR,),
    "large_vehicle": tuple(kind for kind in VEHICLE_CLASSES if kind != AgentClass.CAR),
    "cyclist": CYCLIST_CLASSES,
    "pedestrian": (AgentClass.PEDESTRIAN,),
    "animal": (AgentClass.ANIMAL,),
    "other": (AgentClass.UNKNOWN, AgentClass.HAZARD),
}
_BINS = 10  # of the existence probability


@dataclass(frozen=True, eq=False)
class TruthRows:
    """Road users that had to be found, one row per road user and sweep.

    Attributes:
        log: int64 ``[R]`` number of the log.
        stamp_ns: int64 ``[R]``.
        agent: int64 ``[R]`` id.
        kind: int64 ``[R]`` `AgentClass`.
        distance: float64 ``[R]`` from the ego [m].
        track: int64 ``[R]`` id of its track, -1: not found. The rest is NaN (class -1) for those.
        said: int64 ``[R]`` class of the track.
        age: float64 ``[R]`` of the track [s].
        position_error: float64 ``[R]`` [m].
        heading_error: float64 ``[R]`` [rad], 0..pi.
        velocity_error: float64 ``[R]`` length of the difference of velocities [m/s].
        speed_error: float64 ``[R]`` difference of speeds, without sign [m/s].
        velocity_nees: float64 ``[R]`` squared error of velocity in units of its covariance; 2 on average if that is
            right.
    """

    log: NDArray[np.int64]
    stamp_ns: NDArray[np.int64]
    agent: NDArray[np.int64]
    kind: NDArray[np.int64]
    distance: NDArray[np.float64]
    track: NDArray[np.int64]
    said: NDArray[np.int64]
    age: NDArray[np.float64]
    position_error: NDArray[np.float64]
    heading_error: NDArray[np.float64]
    velocity_error: NDArray[np.float64]
    speed_error: NDArray[np.float64]
    velocity_nees: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TrackRows:
    """Tracks that are judged, one row per track and sweep; road users that need not be found are left out.

    Attributes:
        kind: int64 ``[R]`` `TrackKind`.
        said: int64 ``[R]`` class of the track.
        distance: float64 ``[R]`` from the ego [m].
        existence: float64 ``[R]``.
        speed: float64 ``[R]`` [m/s].
        on_road: bool ``[R]`` its middle is on the drivable area; False without a map.
    """

    kind: NDArray[np.int64]
    said: NDArray[np.int64]
    distance: NDArray[np.float64]
    existence: NDArray[np.float64]
    speed: NDArray[np.float64]
    on_road: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class PerceptionScores:
    """Rows of any number of sweeps.

    Attributes:
        truth: Road users that had to be found.
        tracks: Tracks that are judged.
        sweeps: How many there were.
        seconds: float64 ``[sweeps]`` that perception took for each [s].
    """

    truth: TruthRows
    tracks: TrackRows
    sweeps: int
    seconds: NDArray[np.float64]

    @classmethod
    def joined(cls, parts: Sequence[PerceptionScores]) -> PerceptionScores:
        """Of several parts together."""
        return cls(
            truth=TruthRows(**_columns([part.truth for part in parts], TruthRows)),
            tracks=TrackRows(**_columns([part.tracks for part in parts], TrackRows)),
            sweeps=sum(part.sweeps for part in parts),
            seconds=np.concatenate([part.seconds for part in parts]),
        )


def _columns(parts: Sequence[Any], kind: type) -> dict[str, NDArray[Any]]:
    return {f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(kind)}


def score_scene(
    tracks: TrackedAgents,
    truth: TrackedAgents,
    match: SceneMatch,
    points: NDArray[np.int64],
    on_road: NDArray[np.bool_],
    seconds: float,
    log: int = 0,
) -> PerceptionScores:
    """Rows of one sweep.

    Args:
        tracks: N tracks.
        truth: M road users, with the ego.
        match: Who is who.
        points: ``[M]`` on each road user.
        on_road: ``[N]`` tracks on the drivable area.
        seconds: That perception took [s].
        log: Number of the log.
    """
    assert truth.ego is not None
    here = truth.ego.centre
    far = np.hypot(*(truth.position[:, :2] - here).T)
    wanted = (points >= LEAST_POINTS) & (far <= MOST_RANGE)
    track_of = np.full(len(truth), -1, np.int64)
    matched = np.flatnonzero(match.truth_of >= 0)
    track_of[match.truth_of[matched]] = matched
    rows = np.flatnonzero(wanted)
    i = track_of[rows]
    found = i >= 0

    def of_track(values: NDArray[Any], none: float) -> NDArray[Any]:
        filled = np.full((len(rows), *values.shape[1:]), none, values.dtype)
        filled[found] = values[i[found]]
        return filled

    position = of_track(tracks.position[:, :2], np.nan) - truth.position[rows, :2]
    velocity = of_track(tracks.velocity, np.nan)
    error = velocity - truth.velocity[rows]
    covariance = of_track(tracks.covariance[:, 3:5, 3:5].astype(np.float64), np.nan)
    nees = np.full(len(rows), np.nan)
    nees[found] = np.einsum(
        "ni,nij,nj->n", error[found], np.linalg.inv(covariance[found] + 1e-9 * np.eye(2)), error[found]
    )
    truth_rows = TruthRows(
        log=np.full(len(rows), log, np.int64),
        stamp_ns=np.full(len(rows), truth.stamp_ns, np.int64),
        agent=truth.ids[rows],
        kind=truth.classes[rows].astype(np.int64),
        distance=far[rows],
        track=of_track(tracks.ids, -1),
        said=of_track(tracks.classes.astype(np.int64), -1),
        age=of_track(tracks.age.astype(np.float64), np.nan),
        position_error=np.hypot(*position.T),
        heading_error=np.abs(wrap_angle(of_track(tracks.yaw, np.nan) - truth.yaw[rows])),
        velocity_error=np.hypot(*error.T),
        speed_error=np.abs(np.hypot(*velocity.T) - truth.speed[rows]),
        velocity_nees=nees,
    )
    distance = np.hypot(*(tracks.position[:, :2] - here).T)
    needless = (match.truth_of >= 0) & ~wanted[match.truth_of] if len(truth) else np.zeros(len(tracks), bool)
    judged = np.flatnonzero((distance <= MOST_RANGE) & ~needless)
    track_rows = TrackRows(
        kind=match.kinds[judged],
        said=tracks.classes[judged].astype(np.int64),
        distance=distance[judged],
        existence=tracks.existence[judged].astype(np.float64),
        speed=tracks.speed[judged],
        on_road=on_road[judged],
    )
    return PerceptionScores(truth_rows, track_rows, 1, np.array([seconds]))


def summarise(scores: PerceptionScores) -> dict[str, Any]:
    """Numbers of everything, by class and by range, ready for JSON."""
    t, n = scores.truth, max(scores.sweeps, 1)
    everyone = np.ones(len(t.agent), bool)
    classes = {name: np.isin(t.kind, kinds) for name, kinds in GROUPS.items()}
    ranges = {f"{low:.0f}-{high:.0f}": (low, high) for low, high in pairwise(RANGES)}
    return {
        "sweeps": scores.sweeps,
        "all": _overall(scores, _found(scores, everyone) | _tracks(scores, np.ones(len(scores.tracks.kind), bool))),
        "classes": {
            name: _found(scores, rows) | _tracks(scores, np.isin(scores.tracks.said, GROUPS[name]))
            for name, rows in classes.items()
            if rows.any()
        },
        "ranges": {
            name: _found(scores, (t.distance > low) & (t.distance <= high))
            | _tracks(scores, (scores.tracks.distance > low) & (scores.tracks.distance <= high))
            for name, (low, high) in ranges.items()
        },
        "false_per_sweep": _false(scores.tracks, n),
        "existence": _calibration(scores.tracks),
        "ms": _percentiles(1e3 * scores.seconds),
    }


def _overall(scores: PerceptionScores, made: dict[str, Any]) -> dict[str, Any]:
    """With MOTA (Bernardin, Stiefelhagen, "Evaluating multiple object tracking performance", 2008) and AP."""
    k, wanted = scores.tracks, made["road_users"]
    known = k.said != AgentClass.UNKNOWN
    false = int((known & (k.kind != TrackKind.ROAD_USER)).sum())
    missed = int((scores.truth.track < 0).sum())
    made["mota"] = _rounded(1 - (missed + false + made["id_switches"]) / wanted, 4) if wanted else None
    order = np.argsort(-k.existence, kind="stable")
    hits = (k.kind == TrackKind.ROAD_USER)[order].cumsum()
    precision = np.maximum.accumulate((hits / np.arange(1, len(hits) + 1))[::-1])[::-1]
    made["ap"] = _rounded((precision * np.diff(hits, prepend=0)).sum() / wanted, 4) if wanted else None
    return made


def _found(scores: PerceptionScores, rows: NDArray[np.bool_]) -> dict[str, Any]:
    """Of the road users `rows`: how many were found, and how well."""
    t = scores.truth
    hit = rows & (t.track >= 0)
    switches = _switches(t, hit)
    return {
        "road_users": int(rows.sum()),
        "recall": _share(hit.sum(), rows.sum()),
        "class_accuracy": _share((hit & (t.said == t.kind)).sum(), hit.sum()),
        "id_switches": switches,
        "position_error": _spread(t.position_error[hit]),
        "heading_error_deg": _spread(np.rad2deg(t.heading_error[hit])),
        "speed_error": _spread(t.speed_error[hit]),
        "velocity_error": _spread(t.velocity_error[hit]),
        "velocity_error_young": _spread(t.velocity_error[hit & (t.age < 1.0)]),
        "velocity_nees_median": _rounded(np.median(t.velocity_nees[hit])) if hit.any() else None,
    }


def _tracks(scores: PerceptionScores, rows: NDArray[np.bool_]) -> dict[str, Any]:
    """Of the tracks `rows` that have a class: how many are road users; and MOTA and AP where the rows are everyone."""
    k = scores.tracks
    known = rows & (k.said != AgentClass.UNKNOWN)
    true = k.kind == TrackKind.ROAD_USER
    return {"tracks": int(known.sum()), "precision": _share((known & true).sum(), known.sum())}


def _switches(t: TruthRows, hit: NDArray[np.bool_]) -> int:
    """How often a road user got another track than the last one it had."""
    rows = np.flatnonzero(hit)
    rows = rows[np.lexsort((t.stamp_ns[rows], t.agent[rows], t.log[rows]))]
    same = (t.agent[rows][1:] == t.agent[rows][:-1]) & (t.log[rows][1:] == t.log[rows][:-1])
    return int((same & (t.track[rows][1:] != t.track[rows][:-1])).sum())


def _false(k: TrackRows, sweeps: int) -> dict[str, Any]:
    """Tracks that are no road users, per sweep, by what they are."""
    known = k.said != AgentClass.UNKNOWN
    made: dict[str, Any] = {}
    for kind in (TrackKind.PIECE, TrackKind.GHOST):
        rows = k.kind == kind
        made[kind.name.lower()] = {
            "known_class": _rounded((rows & known).sum() / sweeps),
            "unknown": _rounded((rows & ~known).sum() / sweeps),
            "on_road": _rounded((rows & k.on_road).sum() / sweeps),
            "moving": _rounded((rows & (k.speed > MOVING)).sum() / sweeps),
            "moving_within_30_m": _rounded((rows & (k.speed > MOVING) & (k.distance < 30)).sum() / sweeps),
        }
    return made


def _calibration(k: TrackRows) -> dict[str, Any]:
    """Expected calibration error of the existence probability of tracks with a class."""
    known = k.said != AgentClass.UNKNOWN
    said, true = k.existence[known], (k.kind == TrackKind.ROAD_USER)[known]
    if not len(said):
        return {"ece": None}
    slot = np.minimum((said * _BINS).astype(int), _BINS - 1)
    counts, sums, hits = (np.bincount(slot, weights=w, minlength=_BINS) for w in (None, said, true))
    return {"ece": _rounded(np.abs(sums - hits).sum() / counts.sum())}


def _share(part: Any, whole: Any) -> float | None:
    return _rounded(part / whole, 4) if whole else None


def _spread(values: NDArray[np.float64]) -> dict[str, float] | None:
    if not len(values):
        return None
    return {
        "median": _rounded(np.median(values)), "p90": _rounded(np.percentile(values, 90)),
        "rmse": _rounded(np.sqrt(np.mean(values**2))),
    }  # fmt: skip


def _percentiles(values: NDArray[np.float64]) -> dict[str, float] | None:
    if not len(values):
        return None
    p50, p99 = np.percentile(values, [50, 99])
    return {"p50": _rounded(p50, 1), "p99": _rounded(p99, 1)}


def _rounded(value: Any, digits: int = 3) -> float:
    return round(float(value), digits)
