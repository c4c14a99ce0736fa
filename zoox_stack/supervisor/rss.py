"""Responsibility-Sensitive Safety of the ego against every agent, by the library ad-rss.

Source: S. Shalev-Shwartz, S. Shammah and A. Shashua, "On a Formal Model of Safe and Scalable Self-driving Cars",
arXiv:1708.06374. The library's own world model is not used: it wants roads cut into segments side by side, while lanes
and conflicts are known here already. It is given what it makes of that, the relative constellation of ego and agent,
and it keeps what it needs to know of the past: which distance was safe when danger began decides who responds how.
Pedestrians get the same treatment with their own dynamics; the library's trajectory sets for them take more than ten
milliseconds each.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.errors import ZooxStackError
from zoox_stack.road_network.polyline import Polyline
from zoox_stack.supervisor.config import SupervisorConfig
from zoox_stack.supervisor.encounters import CROSSING, Encounter, Extent, Relation
from zoox_stack.supervisor.motion import Proposal

with warnings.catch_warnings():  # two of its parts register the same converter
    warnings.simplefilter("ignore", RuntimeWarning)
    from ad_rss import physics, rss

rss.core.setLogLevel("off")  # what it found is in what it returns

_FASTEST = 100.0  # [m/s] more the library does not take
_FURTHEST = 1e4  # [m]
_AMPLE, _SPARE = 1.3, 4.0  # factor and [m] on top of a safe distance from which on an encounter is left out
_STANDING = 0.1  # [m/s] slower trajectories need not brake any more


@dataclass(frozen=True)
class AgentSafety:
    """The ego against one agent.

    Attributes:
        agent_id: Id of the agent.
        relation: How their ways lie.
        dangerous: Neither the distance along nor the one across is safe.
        since_ns: Stamp at which that began [ns]; None while it is not dangerous.
        along: Present distance along [m]; in a crossing what the library compared.
        safe_along: Distance along that would be safe [m].
        across: Present distance across [m]; 0 where they overlap and in a crossing.
        safe_across: Distance across that would be safe [m].
    """

    agent_id: int
    relation: Relation
    dangerous: bool
    since_ns: int | None
    along: float
    safe_along: float
    across: float
    safe_across: float

    def __str__(self) -> str:
        relation = self.relation.name.lower().replace("_", " ")
        return f"agent {self.agent_id} ({relation}): {self.along:.1f} m of {self.safe_along:.1f} m"


@dataclass(frozen=True)
class ProperResponse:
    """What the ego has to do, from its response time on.

    Attributes:
        max_acceleration: Along [m/s^2]; negative: brake at least that hard, until it stands.
        min_acceleration: Along [m/s^2]; braking harder is not proper.
        brake_left: Motion to the left has to end, with at least the lateral braking.
        brake_right: The same to the right.
    """

    max_acceleration: float
    min_acceleration: float
    brake_left: bool
    brake_right: bool


@dataclass(frozen=True)
class RssReport:
    """Everything about one tick.

    Attributes:
        agents: Every encounter, in order.
        response: The proper response to all of them.
    """

    agents: tuple[AgentSafety, ...]
    response: ProperResponse

    @property
    def dangerous(self) -> tuple[AgentSafety, ...]:
        """Those that a response is due to, or theirs to the ego."""
        return tuple(agent for agent in self.agents if agent.dangerous)


class RssMonitor:
    """Keeps watch over encounters from tick to tick.

    Args:
        config: Dynamics that are assumed.
    """

    def __init__(self, config: SupervisorConfig) -> None:
        lateral = (config.rss_lateral_acceleration, config.rss_lateral_braking)
        braking = (config.rss_max_braking, config.rss_ego_braking, config.rss_correct_braking)
        other = (config.rss_max_braking, config.rss_other_braking, config.rss_correct_braking)
        walk, stop = config.rss_pedestrian_acceleration, config.rss_pedestrian_braking
        self._config = config
        self._ego = _dynamics(config, config.rss_response_time, config.rss_acceleration, braking, lateral)
        self._driver = _dynamics(config, config.rss_other_response_time, config.rss_acceleration, other, lateral)
        self._walker = _dynamics(
            config, config.rss_other_response_time, walk, (config.rss_max_braking, stop, stop), (walk, stop)
        )
        self._checking, self._resolving = rss.core.RssSituationChecking(), rss.core.RssResponseResolving()
        self._tick = 0
        self._since: dict[int, int] = {}

    def check(self, encounters: Sequence[Encounter], stamp_ns: int) -> RssReport:
        """Judge all encounters of one tick; ids must differ.

        Raises:
            ZooxStackError: The library refuses what it was given.
        """
        self._tick += 1
        situation = rss.core.RssSituationSnapshot()
        situation.time_index, situation.default_ego_vehicle_rss_dynamics = self._tick, self._ego
        for encounter in encounters:
            situation.constellations.append(self._constellation(encounter))
        states, answer = rss.state.RssStateSnapshot(), rss.state.ProperResponse()
        if not self._checking.checkSituation(situation, states):
            raise ZooxStackError(
                f"ad-rss does not accept the encounters with agents {[e.agent_id for e in encounters]}"
            )
        for row, encounter in enumerate(encounters):
            if encounter.relation == Relation.EGO_FIRST and self._can_stop(encounter.ego):
                # Whoever takes the ego's right of way is no danger yet while it can still let him have it.
                state = states.individual_responses[row]
                along = state.longitudinal_state
                along.is_safe = True
                state.longitudinal_state = along
                states.individual_responses[row] = state
        if not self._resolving.provideProperResponse(states, answer):
            raise ZooxStackError("ad-rss finds no proper response")
        agents = tuple(
            self._safety(encounter, state, stamp_ns)
            for encounter, state in zip(encounters, states.individual_responses, strict=True)
        )
        self._since = {a.agent_id: a.since_ns for a in agents if a.since_ns is not None}
        limits, brake = answer.acceleration_restrictions, rss.state.LateralResponse.BrakeMin
        response = ProperResponse(
            max_acceleration=limits.longitudinal_range.maximum.toBaseType,
            min_acceleration=limits.longitudinal_range.minimum.toBaseType,
            brake_left=answer.lateral_response_left == brake,
            brake_right=answer.lateral_response_right == brake,
        )
        return RssReport(agents, response)

    def _can_stop(self, ego: Extent) -> bool:
        """Whether the ego can stop before a crossing."""
        config = self._config
        way = _stopping(ego.speed, config.rss_response_time, config.rss_acceleration, config.rss_ego_braking)
        return ego.front > way + config.rss_standstill_gap

    def _safety(self, encounter: Encounter, state: Any, stamp_ns: int) -> AgentSafety:
        along = state.longitudinal_state.rss_state_information
        sides = [state.lateral_state_left, state.lateral_state_right]
        by_distance = rss.state.RssStateEvaluator.LateralDistance
        judged = [side.rss_state_information for side in sides if side.rss_state_information.evaluator == by_distance]
        across = judged[0] if judged else along
        dangerous = bool(rss.state.isDangerous(state))
        return AgentSafety(
            agent_id=encounter.agent_id,
            relation=encounter.relation,
            dangerous=dangerous,
            since_ns=self._since.get(encounter.agent_id, stamp_ns) if dangerous else None,
            along=along.current_distance.toBaseType,
            safe_along=along.safe_distance.toBaseType,
            across=across.current_distance.toBaseType,
            safe_across=across.safe_distance.toBaseType,
        )

    def _constellation(self, encounter: Encounter) -> Any:
        kinds, types = rss.world.ConstellationType, rss.world.ObjectType
        constellation = rss.core.RelativeConstellation()
        constellation.ego_id, constellation.object_id = 0, encounter.agent_id + 1
        # Another relation is another constellation: what was safe in the one says nothing about the other.
        constellation.constellation_id = (encounter.agent_id + 1) * len(Relation) + encounter.relation
        constellation.constellation_type = {
            Relation.SAME_DIRECTION: kinds.SameDirection,
            Relation.OPPOSITE: kinds.OppositeDirection,
            Relation.EGO_FIRST: kinds.IntersectionEgoHasPriority,
            Relation.AGENT_FIRST: kinds.IntersectionObjectHasPriority,
            Relation.NOBODY_FIRST: kinds.IntersectionSamePriority,
        }[encounter.relation]
        crossing = encounter.relation in CROSSING
        ego = _object(types.EgoVehicle, self._ego, encounter.ego, crossing)
        kind = types.Pedestrian if encounter.walker else types.OtherVehicle
        agent = _object(kind, self._walker if encounter.walker else self._driver, encounter.agent, crossing)
        if encounter.walker:  # may stand still at once
            agent.structured_object_state.velocity.speed_lon_min = physics.Speed(0.0)
        ego.structured_object_state.has_priority = encounter.relation == Relation.EGO_FIRST
        agent.structured_object_state.has_priority = encounter.relation == Relation.AGENT_FIRST
        constellation.ego_state, constellation.other_state = ego, agent
        _place(constellation.relative_position, encounter, crossing)
        return constellation


def matters(encounter: Encounter, config: SupervisorConfig) -> bool:
    """False where a distance is so far on the safe side that the library need not be asked, which is slow.

    Well before a distance gets dangerous it counts again, so that the library knows who was safe when danger began.
    """
    ego, agent = encounter.ego, encounter.agent
    mine = _stopping(ego.speed, config.rss_response_time, config.rss_acceleration, config.rss_ego_braking)
    its = _stopping(agent.speed, config.rss_other_response_time, config.rss_acceleration, config.rss_other_braking)
    if encounter.relation in CROSSING:
        return ego.front <= _AMPLE * mine + _SPARE
    if encounter.relation == Relation.OPPOSITE:
        mine = _stopping(ego.speed, config.rss_response_time, config.rss_acceleration, config.rss_correct_braking)
        its = _stopping(
            agent.speed, config.rss_other_response_time, config.rss_acceleration, config.rss_correct_braking
        )
        mine, its = mine + its, mine + its
    along = agent.rear - ego.front
    if along > _AMPLE * mine + _SPARE or ego.rear - agent.front > _AMPLE * its + _SPARE:
        return False
    aside = max(agent.right - ego.left, ego.right - agent.left)
    sideways = abs(ego.sideways) + abs(agent.sideways)
    push = config.rss_pedestrian_acceleration if encounter.walker else config.rss_lateral_acceleration
    drift = _stopping(sideways, config.rss_other_response_time, push, config.rss_lateral_braking)
    return aside <= _AMPLE * (2 * drift + 2 * config.rss_lateral_margin) + _SPARE / 4


def _stopping(speed: float, response: float, acceleration: float, braking: float) -> float:
    """Distance [m] of somebody who accelerates during the response time and then brakes."""
    fastest = speed + acceleration * response
    return (speed + fastest) / 2 * response + fastest * fastest / (2 * braking)


def _dynamics(
    config: SupervisorConfig,
    response_time: float,
    acceleration: float,
    braking: tuple[float, float, float],
    lateral: tuple[float, float],
) -> Any:
    """Assumed dynamics; `braking`: greatest, least, least in one's own lane; `lateral`: acceleration, least braking."""
    dynamics = rss.world.RssDynamics()
    greatest, least, correct = braking
    along, across = dynamics.alpha_lon, dynamics.alpha_lat
    along.accel_max, along.brake_max = physics.Acceleration(acceleration), physics.Acceleration(-greatest)
    along.brake_min = physics.Acceleration(-min(least, greatest))
    along.brake_min_correct = physics.Acceleration(-min(correct, least, greatest))
    across.accel_max, across.brake_min = physics.Acceleration(lateral[0]), physics.Acceleration(-lateral[1])
    dynamics.response_time = physics.Duration(response_time)
    dynamics.lateral_fluctuation_margin = physics.Distance(config.rss_lateral_margin)
    dynamics.min_longitudinal_safety_distance = physics.Distance(config.rss_standstill_gap)
    dynamics.max_speed_on_acceleration = physics.Speed(_FASTEST)
    # Settings of trajectory sets, which are not used but have to be valid.
    settings = dynamics.unstructured_settings
    settings.pedestrian_turning_radius = physics.Distance(2.0)
    settings.vehicle_min_radius = physics.Distance(3.5)
    settings.drive_away_max_angle = physics.Angle(2.4)
    settings.vehicle_yaw_rate_change = physics.AngularAcceleration(0.3)
    settings.vehicle_trajectory_calculation_step = physics.Duration(0.2)
    return dynamics


def _object(kind: Any, dynamics: Any, extent: Extent, crossing: bool) -> Any:
    state = rss.core.RelativeObjectState()
    state.object_type, state.dynamics = kind, dynamics
    free = state.unstructured_object_state  # not used, but has to be valid
    free.yaw, free.steering_angle = physics.Angle(0.0), physics.Angle(0.0)
    free.yaw_rate = physics.AngularVelocity(0.0)
    free.dimension.length, free.dimension.width = physics.Distance(1.0), physics.Distance(1.0)
    free.center_point.x, free.center_point.y = physics.Distance(0.0), physics.Distance(0.0)
    free.speed_range.minimum, free.speed_range.maximum = physics.Speed(0.0), physics.Speed(0.0)
    lane = state.structured_object_state
    speed = physics.Speed(min(max(extent.speed, 0.0), _FASTEST))
    # The library counts to the right.
    aside = physics.Speed(float(np.clip(-extent.sideways, -_FASTEST, _FASTEST)))
    lane.velocity.speed_lon_min, lane.velocity.speed_lon_max = speed, speed
    lane.velocity.speed_lat_min, lane.velocity.speed_lat_max = aside, aside
    lane.is_in_correct_lane = True
    enter = min(max(extent.front, 0.0), _FURTHEST) if crossing else 0.0
    leave = min(max(extent.leave, enter), _FURTHEST) if crossing else _FURTHEST
    lane.distance_to_enter_intersection = physics.Distance(enter)
    lane.distance_to_leave_intersection = physics.Distance(leave)
    return state


def _place(position: Any, encounter: Encounter, crossing: bool) -> None:
    """Fill the relative position of the ego to the agent."""
    along, across = rss.core.LongitudinalRelativePosition, rss.core.LateralRelativePosition
    ego, agent = encounter.ego, encounter.agent
    # Before a crossing places are distances to it: who is in front has the smaller ones.
    sign = -1.0 if crossing else 1.0
    name, gap = _relative((sign * ego.rear, sign * ego.front), (sign * agent.rear, sign * agent.front))
    position.longitudinal_position = {
        1: along.InFront, -1: along.AtBack, 2: along.OverlapFront, -2: along.OverlapBack, 0: along.Overlap,
    }[name]  # fmt: skip
    position.longitudinal_distance = physics.Distance(min(gap, _FURTHEST))
    position.lateral_position, position.lateral_distance = across.Overlap, physics.Distance(0.0)
    if not crossing:
        name, gap = _relative((ego.right, ego.left), (agent.right, agent.left))
        position.lateral_position = {
            1: across.AtLeft, -1: across.AtRight, 2: across.OverlapLeft, -2: across.OverlapRight, 0: across.Overlap,
        }[name]  # fmt: skip
        position.lateral_distance = physics.Distance(gap)


def _relative(mine: tuple[float, float], other: tuple[float, float]) -> tuple[int, float]:
    """Where one range lies to another: 1 beyond it, -1 before it, 2 and -2 partly, 0 neither; and the gap between."""
    if mine[0] > other[1]:
        return 1, mine[0] - other[1]
    if other[0] > mine[1]:
        return -1, other[0] - mine[1]
    if mine[0] > other[0] and mine[1] > other[1]:
        return 2, 0.0
    if mine[0] < other[0] and mine[1] < other[1]:
        return -2, 0.0
    return 0, 0.0


def braking_missed(proposal: Proposal, response: ProperResponse, now_ns: int, config: SupervisorConfig) -> str | None:
    """How a trajectory brakes less than the proper response wants; None if it obeys.

    It counts from the response time on, for `rss_window`: a response is due until the danger is over, and what is due
    later is seen later. Standing obeys, and so does braking that takes less than half the distance to be kept.

    Args:
        proposal: A checked trajectory.
        response: What is due.
        now_ns: [ns].
        config: Response time and tolerances.
    """
    if response.max_acceleration >= 0:
        return None
    _, due = _due(proposal, now_ns, config)
    if not due.any():
        return "ends before the response time"
    # The last decimetres of a stop are softer.
    soft = proposal.speed**2 <= -proposal.acceleration * config.rss_standstill_gap
    moving = due & (proposal.speed > _STANDING) & ~soft
    hardest = float(proposal.acceleration[moving].max(initial=-np.inf))
    if hardest <= response.max_acceleration + config.rss_tolerance:
        return None
    return f"accelerates {hardest:.1f} m/s^2, due is at most {response.max_acceleration:.1f} m/s^2"


def drift_missed(
    proposal: Proposal, line: Polyline, response: ProperResponse, now_ns: int, config: SupervisorConfig
) -> str | None:
    """How a trajectory moves on to a side that the proper response closes; None if it does not.

    Args:
        proposal: A checked trajectory.
        line: The lane that sideways is measured against.
        response: What is due.
        now_ns: [ns].
        config: Response time and tolerances.
    """
    times, due = _due(proposal, now_ns, config)
    for side, name, brake in ((1.0, "left", response.brake_left), (-1.0, "right", response.brake_right)):
        if not brake or not due.any():
            continue
        found = _drift(proposal, line, side, times, due, config)
        if found > config.rss_drift_tolerance:
            return f"moves to the {name} {found:.2f} m/s faster than it may"
    return None


def _due(
    proposal: Proposal, now_ns: int, config: SupervisorConfig
) -> tuple[NDArray[np.floating[Any]], NDArray[np.bool_]]:
    """Times from now [s], and which of them a response is looked for at."""
    times = (proposal.stamp_ns - now_ns) * 1e-9 + proposal.step * np.arange(1, len(proposal.x) + 1)
    due = (times >= config.rss_response_time) & (times <= config.rss_response_time + config.rss_window)
    return times, due


def _drift(
    proposal: Proposal,
    line: Polyline,
    side: float,
    times: NDArray[Any],
    due: NDArray[np.bool_],
    config: SupervisorConfig,
) -> float:
    """By how much motion to a side is faster than one that is being braked [m/s], at most 0 if it is not."""
    offset = side * line.project(np.stack([proposal.x, proposal.y], axis=1)).d
    drift = np.gradient(offset, proposal.step)
    waited = np.maximum(times - config.rss_response_time, 0.0)
    first = max(float(drift[np.argmax(due)]), 0.0)
    allowed = np.maximum(first - config.rss_lateral_braking * waited, 0.0)
    return float((drift - allowed)[due].max())
