"""What a candidate costs: one table of terms, one function that fills it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState
from zoox_stack.core.collision import CollisionReport
from zoox_stack.core.compiled import plain
from zoox_stack.core.predictions import STEP, STEPS
from zoox_stack.planning.candidates import Candidates
from zoox_stack.planning.config import PlannerConfig
from zoox_stack.planning.lattice import desired_speed
from zoox_stack.planning.motion_loop import Term, measure_gaps
from zoox_stack.planning.path_agents import SIDE_MARGIN, PathAgents
from zoox_stack.planning.reference_path import ReferencePath

_SAFE_TIME_TO_COLLISION = 3.5  # [s]
RSS = np.array([0.3, 2.5, 7.0, 8.0, 0.8, 4.0, 0.3])  # as `motion_loop.Rss`, what the supervisor assumes too
_IMPOSED_UNIT = 10.0  # [m] of the way of others lost that counts as 1


@dataclass(frozen=True)
class CostTerm:
    """One row of the cost table.

    Attributes:
        name: Name of the term; its weight is the parameter ``weight_<name>``.
        unit: Of the term before weighting, empty if dimensionless.
        meaning: One sentence.
    """

    name: str
    unit: str
    meaning: str


COST_TERMS = (
    CostTerm("progress", "", "Share of the way lost against driving at the wanted speed"),
    CostTerm("acceleration", "m^2/s^4", "Mean square of the longitudinal acceleration"),
    CostTerm("jerk", "m^2/s^6", "Mean square of the longitudinal jerk"),
    CostTerm("lateral", "m^2/s^4", "Mean square of the lateral acceleration"),
    CostTerm(
        "lane_deviation",
        "m",
        "Mean distance from the nearest wanted lane centre; in intersections three times that from the path",
    ),
    CostTerm("speed_limit", "m^2/s^2", "Mean square of the speed above the wanted speed"),
    CostTerm("wrong_way", "", "Mean share of the ego's width in lanes of the opposite direction"),
    CostTerm("solid_line", "", "Share of the time over a kerb or a line that must not be crossed"),
    CostTerm("occlusion", "m^2/s^2", "Mean square of the speed above that at which it could stop for who is hidden"),
    CostTerm("collision", "", "Probability of a collision, later ones discounted"),
    CostTerm("headway", "", "Square of the share by which the time headway falls short, worst moment"),
    CostTerm("time_to_collision", "", "Square of the share by which the time to collision falls short, worst moment"),
    CostTerm(
        "straight_on", "", "1 where the boxes would meet within 1.1 s, were both to go straight on; less up to 1.8 s"
    ),
    CostTerm("passing", "", "Square of the share by which the distance to people and two-wheelers passed falls short"),
    CostTerm(
        "rss_margin", "", "Square of the share by which the distance that is safe by RSS falls short, worst moment"
    ),
    CostTerm("right_of_way", "m/s^2", "Braking of somebody who goes first, because the ego is there before"),
    CostTerm(
        "off_road", "", "Share of the corners of the ego's box off the drivable ground, and up to 0.1 for the deepest"
    ),
    CostTerm(
        "lane_change", "", "1 for leaving the lane, 0.2 for its centre; 0.8 to 4.8 for staying out of that of the route"
    ),
    CostTerm("slow_lane", "", "Share of the way lost in 20 s behind slower vehicles, more than in the best lane"),
    CostTerm("waiting", "", "1 for staying behind who stands for good, more the closer, as certain as that is by now"),
    CostTerm("consistency", "m", "Mean distance from the last chosen plan over the next 4 s"),
    CostTerm("discomfort", "", "Largest share by which a bound of comfort is exceeded, at most 1"),
    CostTerm("imposed_braking", "10 m", "Way the most affected agent loses because of the plan, by what_if"),
    CostTerm("unrecoverable", "", "1, and a tenth of the impact speed [m/s], if no way back is left, at most 3"),
)
COST_NAMES = tuple(term.name for term in COST_TERMS)
_PARAMETERS = tuple(f"weight_{name}" for name in COST_NAMES)
_COLUMN = {name: i for i, name in enumerate(COST_NAMES)}
_OF_TERMS = np.array([_COLUMN[term.name.lower()] for term in Term])
_MOST = np.array([{Term.JERK: 400.0, Term.CONSISTENCY: 10.0}.get(term, np.inf) for term in Term])  # more costs no more


def weights(config: PlannerConfig) -> NDArray[np.float64]:
    """Weight of every term, ``[M]``."""
    return np.array([getattr(config, name) for name in _PARAMETERS])


def motion_costs(
    candidates: Candidates,
    path: ReferencePath,
    terms: NDArray[np.float64],
    config: PlannerConfig,
    waiting: NDArray[np.float64] | None = None,
    lanes: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Terms that depend on the ego's motion and on what stands or drives slowly in its way; the others are 0.

    Args:
        candidates: C candidates.
        path: Reference path.
        terms: ``[C, 11]`` from `feasibility.check_motion`.
        config: Weights.
        waiting: ``[C]`` from `standing.waiting_term`; None: 0.
        lanes: ``[2, C]`` from `lane_choice.lane_terms`; None: 0.

    Returns:
        Weighted terms, ``[C, M]``.
    """
    raw = np.zeros((len(candidates), len(COST_NAMES)))
    here = float(np.interp(path.ego_s, path.line.s, desired_speed(path, config)))
    raw[:, _COLUMN["progress"]] = _lost_progress(candidates.distance[:, : config.judged_steps], here)
    raw[:, _OF_TERMS] = np.minimum(terms, _MOST)
    if waiting is not None:
        raw[:, _COLUMN["waiting"]] = waiting
    if lanes is not None:
        raw[:, _COLUMN["slow_lane"]], raw[:, _COLUMN["lane_change"]] = lanes
    return raw * weights(config)


def interaction_costs(
    candidates: Candidates,
    rows: NDArray[np.int64],
    ego: EgoState,
    agents: PathAgents,
    report: CollisionReport,
    danger: NDArray[np.float64],
    config: PlannerConfig,
    imposed: NDArray[np.float64] | None = None,
    counted: NDArray[np.bool_] | None = None,
    on_priority: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Terms that depend on the futures of others; the others are 0.

    Args:
        candidates: All candidates.
        rows: ``[N]`` the candidates meant.
        ego: The ego.
        agents: Agents near the path in the futures meant.
        report: Collisions of these N candidates.
        danger: ``[N, A]`` from `straight_on`.
        config: Weights.
        imposed: ``[N]`` way lost by the most affected agent [m]; None: unknown, counts as 0.
        counted: ``[N, B]`` which of the agents count for which candidate; None: all for all.
        on_priority: ``[N]`` from `right_of_way.imposed_on_priority` [m/s^2]; None: 0.

    Returns:
        Weighted terms, ``[N, M]``.
    """
    raw = np.zeros((len(rows), len(COST_NAMES)))
    raw[:, _COLUMN["collision"]] = report.risk
    raw[:, _COLUMN["straight_on"]] = danger.max(axis=1, initial=0.0)
    for column, shortfall in zip(
        ("headway", "time_to_collision", "rss_margin", "passing"),
        _gaps(candidates, rows, ego, agents, counted, config),
        strict=True,
    ):
        raw[:, _COLUMN[column]] = shortfall.max(axis=1, initial=0.0)
    if imposed is not None:
        raw[:, _COLUMN["imposed_braking"]] = imposed / _IMPOSED_UNIT
    if on_priority is not None:
        raw[:, _COLUMN["right_of_way"]] = on_priority
    return raw * weights(config)


def _lost_progress(distance: NDArray[np.float64], wanted: float) -> NDArray[np.float64]:
    """Share of the way ``[C, T]`` lost, ``[C]``, 0..1: half for the way at the end, half for the mean way until then.

    The mean makes an ego that has to stop anyway get there soon, instead of crawling. Measured against the wanted
    speed, or against the fastest candidate where even that cannot reach it.
    """
    lost, steps = np.zeros(len(distance)), distance.shape[1]
    for way, usual in (
        (distance[:, -1], wanted * steps * STEP),
        (distance.mean(axis=1), wanted * (steps + 1) / 2 * STEP),
    ):
        farthest = float(way.max(initial=0.0))
        best = min(max(usual, 2.0), farthest) if farthest > 2.0 else max(usual, 2.0)
        lost += 0.5 * np.clip(1 - way / best, 0, None)
    return lost


def _gaps(
    candidates: Candidates,
    rows: NDArray[np.int64],
    ego: EgoState,
    agents: PathAgents,
    counted: NDArray[np.bool_] | None,
    config: PlannerConfig,
) -> NDArray[np.float64]:
    """Shortfalls to agents ahead in the way and beside it, ``[4, N, B]``, 0..1.

    Of the time headway, the time to collision, the RSS distance and the distance when going past.
    """
    short = np.zeros((4, len(rows), len(agents)))
    if len(agents) and len(rows):
        until = agents.time <= config.judged_time + STEP / 2
        columns = np.maximum(np.round(agents.time[until] / STEP).astype(int) - 1, 0)
        picked = np.ix_(rows, columns)
        to_front = ego.rear_axle_to_centre + ego.length / 2
        before, after = np.ix_(rows, np.maximum(columns - 1, 0)), np.ix_(rows, np.minimum(columns + 1, STEPS - 1))
        slope = (candidates.d[after] - candidates.d[before]) / np.maximum(
            candidates.s[after] - candidates.s[before], 0.1
        )
        front, aside = candidates.s[picked] + to_front, candidates.d[picked] + slope * to_front
        measure_gaps(
            np.stack([front, aside, candidates.speed[picked]]), agents.time[until],
            plain(agents.s[:, until], np.float64), plain(agents.d[:, until], np.float64),
            plain(agents.speed[:, until], np.float64), plain(agents.half_along[:, until], np.float64),
            plain(agents.half_across[:, until], np.float64),
            plain(agents.probability, np.float64),
            np.ones(short.shape[1:], bool) if counted is None else plain(counted, np.bool_),
            ego.length / 2, ego.width / 2 + SIDE_MARGIN, config.time_headway, _SAFE_TIME_TO_COLLISION,
            config.risk_discount_time, RSS, short[0], short[1], short[2], short[3],
        )  # fmt: skip
    return short
