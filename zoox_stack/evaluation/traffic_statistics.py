"""What traffic is like in numbers: the same statistics of simulated and of recorded traffic.

Measured on every road user that *travels*: that gets more than 2 m away from where it began (parked cars and cones do
not). Motion is sampled every half second. A number is given only where there is enough to tell: at least `LEAST`
values, for the first and last percent at least `LEAST_FOR_TAILS`; its count stands beside it.

==========================  =========================================================================================
quantity                    definition
==========================  =========================================================================================
agents                      Distinct road users, those that travel, and the mean number present at an instant.
speed                       [m/s] while moving (at least 0.3 m/s), see `Motion`.
longitudinal, lateral       Accelerations [m/s^2], see `Motion`; lateral of those faster than 0.5 m/s.
jerk, yaw_rate              [m/s^3], [rad/s] of moving ones, see `Motion`.
time_headway                [s] front to front over the follower's speed, while that is over 2 m/s, up to 10 s. The
                            Highway Capacity Manual measures it between fronts passing a point; with a steady speed that
                            is the same, and short recordings have few passages.
distance_gap                [m] bumper to bumper to the leader in the lane, follower faster than 2 m/s.
standing_gap                [m] the same while both stand, up to 10 m: how queues are packed.
time_to_collision           [s] gap over closing speed, the least of each pair of follower and leader that ever closes
                            in (by 0.1 m/s or more), up to 20 s (Hayward, J. C., "Near-miss determination through use
                            of a scale of danger", 1972).
accepted_gap                [s] see `accepted_gaps`.
post_encroachment           [s] see `post_encroachment_times`, up to 10 s.
stop                        [s] a stretch of at least 1 s slower than 0.3 m/s, begun and ended within the recording.
                            Parking (see `Stops`) is neither a stop nor presence.
standing_per_agent          [s] all its standing, whole or not.
standing_share              Of the time road users that travel are present.
stops_per_minute            Stops (whole or not) per minute that road users that travel are present.
lane_changes_per_minute     Per minute that motor vehicles move in lanes with a neighbour, see `lane_changes`.
==========================  =========================================================================================
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.classes import AgentClass
from zoox_stack.evaluation.traffic_conflicts import accepted_gaps, passages, post_encroachment_times
from zoox_stack.evaluation.traffic_lanes import FOLLOWERS, SAMPLING, Following, following, lane_changes, lane_samples
from zoox_stack.evaluation.traffic_motion import motion_of
from zoox_stack.evaluation.traffic_recording import TrafficRecording
from zoox_stack.evaluation.traffic_waiting import STANDING, stops

LEAST = 20  # values for a mean, a median or a tail of 5 %
LEAST_FOR_TAILS = 100  # values for a tail of 1 %
LONGEST_HEADWAY = 10.0  # [s]
LONGEST_TTC = 20.0  # [s]
_DRIVING = 2.0  # [m/s] below, headways over speed say nothing
_CLOSING = 0.1  # [m/s]
_QUEUE = 10.0  # [m] who stands farther behind another does not queue behind it
GROUPS: Mapping[str, tuple[AgentClass, ...]] = {
    "vehicles": FOLLOWERS,
    "bicycles": (AgentClass.BICYCLE,),
    "pedestrians": (AgentClass.PEDESTRIAN,),
}
_PERCENTILES = {"p1": 1, "p5": 5, "p50": 50, "p95": 95, "p99": 99}


@dataclass(frozen=True, eq=False)
class TrafficSamples:
    """Measured values of one or several recordings, before they are summarised.

    Attributes:
        values: Values by quantity and group (a class or a name of `GROUPS`, empty where there is only one).
        totals: Sums by quantity and group.
    """

    values: Mapping[tuple[str, str], NDArray[np.float32]]
    totals: Mapping[tuple[str, str], float]


def collect(recording: TrafficRecording) -> TrafficSamples:
    """Measure one recording.

    Without a map, or with one without lanes, there are no headways, accepted gaps and lane changes.
    """
    values: dict[tuple[str, str], NDArray[np.float32]] = {}
    totals: dict[tuple[str, str], float] = defaultdict(float)
    totals["recordings", ""], totals["seconds", ""] = 1, recording.duration
    totals["instants", ""] = len(recording.stamps_ns)
    for kind in np.unique(recording.classes).tolist():
        name, mine = AgentClass(kind).name, recording.classes == kind
        totals["distinct", name] = int(mine.sum())
        totals["travelling", name] = int((mine & recording.travels).sum())
        totals["rows", name] = int(mine[recording.agent].sum())
    _add_motion(recording, values)
    _add_waiting(recording, values, totals)
    found = passages(recording)
    for name, second in (
        ("vehicles", FOLLOWERS),
        ("bicycles", GROUPS["bicycles"]),
        ("pedestrians", GROUPS["pedestrians"]),
    ):
        times = post_encroachment_times(recording, found, FOLLOWERS, second)
        values["post_encroachment", f"vehicles and {name}"] = times.astype(np.float32)
    samples = lane_samples(recording)
    if samples is not None:
        _add_following(following(samples), recording.travels, values, totals)
        values["accepted_gap", ""] = accepted_gaps(recording, found, samples).astype(np.float32)
        changes = lane_changes(samples)
        totals["lane_changes", ""], totals["lane_change_minutes", ""] = changes.changes, changes.minutes
    return TrafficSamples(values, dict(totals))


def merged(parts: Iterable[TrafficSamples]) -> TrafficSamples:
    """Several recordings as one; each must have road users of its own."""
    values: dict[tuple[str, str], list[NDArray[np.float32]]] = defaultdict(list)
    totals: dict[tuple[str, str], float] = defaultdict(float)
    for part in parts:
        for key, array in part.values.items():
            values[key].append(array)
        for key, total in part.totals.items():
            totals[key] += total
    return TrafficSamples({key: np.concatenate(arrays) for key, arrays in values.items()}, dict(totals))


def summarise(samples: TrafficSamples) -> dict[str, Any]:
    """The statistics, ready for JSON; what cannot be told is None.

    Returns:
        ``recordings``, ``seconds``; ``agents``, ``speed``, ``longitudinal``, ``lateral``, ``jerk`` and ``yaw_rate`` by
        class; ``stop``, ``standing_per_agent``, ``standing_share`` and ``stops_per_minute`` by group;
        ``post_encroachment`` by pair; and ``time_headway``, ``distance_gap``, ``standing_gap``, ``time_to_collision``,
        ``accepted_gap`` and ``lane_changes_per_minute`` once. Distributions have ``n``, ``mean`` and percentiles.
    """
    totals = samples.totals

    def total(quantity: str, group: str = "") -> float:
        return totals.get((quantity, group), 0.0)

    instants = max(total("instants"), 1.0)
    result: dict[str, Any] = {"recordings": int(total("recordings")), "seconds": round(total("seconds"), 1)}
    kinds = [name for quantity, name in totals if quantity == "distinct"]
    result["agents"] = {
        name: {
            "distinct": int(total("distinct", name)),
            "travelling": int(total("travelling", name)),
            "mean_present": round(total("rows", name) / instants, 2),
        }
        for name in sorted(kinds, key=lambda name: AgentClass[name])
    }
    by_group: dict[str, dict[str, Any]] = defaultdict(dict)
    for (quantity, group), array in samples.values.items():
        by_group[quantity][group] = distribution(array)
    for quantity in ("speed", "longitudinal", "lateral", "jerk", "yaw_rate", "stop", "standing_per_agent"):
        result[quantity] = by_group[quantity]
    result["post_encroachment"] = by_group["post_encroachment"]
    result["stops_cut_off"] = {group: int(total("stops_cut_off", group)) for group in GROUPS}
    for quantity, part, whole in (
        ("standing_share", "standing_rows", "present_rows"),
        ("stops_per_minute", "stops", "present_minutes"),
    ):
        result[quantity] = {group: _rate(total(part, group), total(whole, group)) for group in GROUPS}
    for quantity in ("time_headway", "distance_gap", "standing_gap", "time_to_collision", "accepted_gap"):
        result[quantity] = by_group[quantity].get("", distribution(np.zeros(0, np.float32)))
    result["following_pairs"] = int(total("following_pairs"))
    result["overlapping_pairs"] = int(total("overlapping_pairs"))
    ttc, pairs = samples.values.get(("time_to_collision", ""), np.zeros(0, np.float32)), total("following_pairs")
    result["pairs_below_1.5_s_to_collision"] = _rate(float((ttc < 1.5).sum()), pairs) if pairs >= LEAST else None
    result["lane_changes"] = int(total("lane_changes"))
    result["lane_changes_per_minute"] = _rate(total("lane_changes"), total("lane_change_minutes"), least=1.0)
    result["lane_change_minutes"] = round(total("lane_change_minutes"), 2)
    return result


def distribution(values: NDArray[Any]) -> dict[str, float | int | None]:
    """Count, mean and percentiles; None where there are too few values."""
    n = len(values)
    result: dict[str, float | int | None] = {"n": n, "mean": None, **dict.fromkeys(_PERCENTILES)}
    if n >= LEAST:
        result["mean"] = round(float(np.mean(values, dtype=np.float64)), 3)
        for name, percent in _PERCENTILES.items():
            if n >= LEAST_FOR_TAILS or 5 <= percent <= 95:
                result[name] = round(float(np.percentile(values, percent)), 3)
    return result


def _rate(part: float, whole: float, least: float = 0.0) -> float | None:
    return round(part / whole, 4) if whole > least else None


def _add_motion(recording: TrafficRecording, values: dict[tuple[str, str], NDArray[np.float32]]) -> None:
    motion = motion_of(recording)
    chosen = recording.travels[recording.agent] & recording.sampled(SAMPLING) & np.isfinite(motion.speed)
    moving = chosen & (motion.speed >= STANDING)
    kinds = recording.classes[recording.agent]
    for kind in np.unique(kinds[chosen]).tolist():
        name, mine = AgentClass(kind).name, kinds == kind
        for quantity, array, rows in (
            ("speed", motion.speed, moving),
            ("longitudinal", motion.longitudinal, moving),
            ("lateral", motion.lateral, moving & (motion.speed > 0.5)),
            ("jerk", motion.jerk, moving & np.isfinite(motion.jerk)),
            ("yaw_rate", motion.yaw_rate, moving),
        ):
            values[quantity, name] = array[mine & rows].astype(np.float32)


def _add_waiting(
    recording: TrafficRecording,
    values: dict[tuple[str, str], NDArray[np.float32]],
    totals: dict[tuple[str, str], float],
) -> None:
    found = stops(recording)
    present, standing = np.ones(len(recording.agent), bool), recording.speed < STANDING
    for start, end in zip(found.start[found.parked].tolist(), found.end[found.parked].tolist(), strict=True):
        present[start : end + 1] = False
    for group, classes in GROUPS.items():
        mine = recording.of_classes(classes) & recording.travels
        chosen, rows = mine[found.agent] & ~found.parked, mine[recording.agent] & present
        values["stop", group] = found.duration[chosen & found.whole].astype(np.float32)
        totals["stops", group] = int(chosen.sum())
        totals["stops_cut_off", group] = int((chosen & ~found.whole).sum())
        totals["present_rows", group] = int(rows.sum())
        totals["present_minutes", group] = float(rows.sum()) * recording.period / 60
        totals["standing_rows", group] = int((rows & standing).sum())
        each = np.bincount(recording.agent[rows & standing], minlength=len(recording.ids))[mine]
        values["standing_per_agent", group] = (each * recording.period).astype(np.float32)


def _add_following(
    pairs: Following,
    travels: NDArray[np.bool_],
    values: dict[tuple[str, str], NDArray[np.float32]],
    totals: dict[tuple[str, str], float],
) -> None:
    apart = pairs.gap > 0
    driving = apart & (pairs.speed > _DRIVING)
    headway = pairs.headway[driving] / pairs.speed[driving]
    values["time_headway", ""] = headway[headway <= LONGEST_HEADWAY].astype(np.float32)
    values["distance_gap", ""] = pairs.gap[driving].astype(np.float32)
    queue = apart & (pairs.speed < STANDING) & (pairs.leader_speed < STANDING) & (pairs.gap < _QUEUE)
    queue &= travels[pairs.leader]
    values["standing_gap", ""] = pairs.gap[queue].astype(np.float32)
    pair = pairs.follower * len(travels) + pairs.leader
    totals["following_pairs", ""] = len(np.unique(pair))
    totals["overlapping_pairs", ""] = len(np.unique(pair[~apart]))
    closing = pairs.speed - pairs.leader_speed
    rows = np.flatnonzero(apart & (closing > _CLOSING))
    ttc = pairs.gap[rows] / closing[rows]
    rows, ttc = rows[ttc <= LONGEST_TTC], ttc[ttc <= LONGEST_TTC]
    order = np.lexsort((ttc, pair[rows]))
    first = np.diff(pair[rows][order], prepend=-1) != 0
    values["time_to_collision", ""] = ttc[order][first].astype(np.float32)
