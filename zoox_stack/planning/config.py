"""Parameters of the planner, declared once."""

from __future__ import annotations

from dataclasses import dataclass

from zoox_stack.core.parameters import parameter
from zoox_stack.core.predictions import STEP


@dataclass(frozen=True)
class PlannerConfig:
    """Parameters of the planner; the horizon is that of predictions (80 steps of 0.1 s)."""

    # Questions and deadlines
    shortlist: int = parameter(
        8, "Most candidates put to what_if in one question; with less than 2 nothing is asked", low=0, high=16
    )
    prediction_deadline: float = parameter(
        0.05, "How long the node waits for the predictions of a scene", unit="s", low=0.0, high=1.0
    )
    answer_deadline: float = parameter(
        0.07, "Latest end of all waiting, from the arrival of the scene: then the node decides with what is there",
        unit="s", low=0.0, high=2.0,
    )  # fmt: skip
    what_if_deadline: float = parameter(
        0.03, "How long the node waits for the answer to a what-if question", unit="s", low=0.0, high=1.0
    )
    # Vehicle limits
    max_acceleration: float = parameter(2.5, "Strongest acceleration", unit="m/s^2", low=0.1, high=10.0)
    max_deceleration: float = parameter(8.0, "Strongest braking", unit="m/s^2", low=1.0, high=12.0)
    max_lateral_acceleration: float = parameter(4.0, "Strongest lateral acceleration", unit="m/s^2", low=0.5, high=12.0)
    max_curvature: float = parameter(0.24, "Sharpest turn of base_link", unit="1/m", low=0.01, high=1.0)
    max_steering_rate: float = parameter(0.7, "Fastest turn of the front wheels", unit="rad/s", low=0.05, high=5.0)
    wheelbase: float = parameter(2.8, "From the rear to the front axle", unit="m", low=0.3, high=15.0)
    friction: float = parameter(
        0.9, "Share of gravity that the tyres hold in all directions together", low=0.1, high=2.0
    )
    # Comfort
    comfort_acceleration: float = parameter(1.5, "Usual acceleration", unit="m/s^2", low=0.1, high=5.0)
    comfort_deceleration: float = parameter(2.0, "Usual braking", unit="m/s^2", low=0.1, high=5.0)
    comfort_lateral_acceleration: float = parameter(
        2.5, "Lateral acceleration wanted at most in curves", unit="m/s^2", low=0.2, high=8.0
    )
    comfort_yaw_acceleration: float = parameter(
        1.5, "How fast the ego begins and ends to turn at most", unit="rad/s^2", low=0.1, high=10.0
    )
    comfort_jerk: float = parameter(4.0, "Usual jerk", unit="m/s^3", low=0.5, high=50.0)
    emergency_jerk: float = parameter(20.0, "Jerk of an emergency stop", unit="m/s^3", low=0.5, high=100.0)
    # Driving
    cruise_speed: float = parameter(13.9, "Wanted speed where the map gives no limit", unit="m/s", low=0.5, high=60.0)
    max_speed: float = parameter(33.0, "Wanted speed never exceeds this", unit="m/s", low=0.5, high=60.0)
    time_headway: float = parameter(1.3, "Wanted time to the vehicle ahead", unit="s", low=0.3, high=5.0)
    standstill_gap: float = parameter(2.5, "Wanted distance to a standing vehicle ahead", unit="m", low=0.5, high=10.0)
    stop_line_margin: float = parameter(1.0, "Distance kept before a stop line", unit="m", low=0.0, high=5.0)
    nudge: float = parameter(1.0, "Sideways offset of candidates that keep the lane", unit="m", low=0.0, high=2.0)
    max_route_distance: float = parameter(
        8.0, "A route further from the ego than this is not followed", unit="m", low=1.0, high=50.0
    )
    judged_time: float = parameter(
        8.0, "Limits, the ego's motion, collisions and gaps count until then; later they neither rule out nor cost",
        unit="s", low=0.5, high=8.0,
    )  # fmt: skip
    signal_max_age: float = parameter(2.0, "Older states of traffic signals are not used", unit="s", low=0.0, high=30.0)
    signal_confidence: float = parameter(0.5, "Less certain states of traffic signals are not used", low=0.0, high=1.0)
    # Collisions
    collision_limit: float = parameter(
        0.5,
        "A candidate is ruled out when its predicted futures overlap with at least this probability",
        low=0.01,
        high=1.0,
    )
    collision_limit_time: float = parameter(
        3.5, "Only overlaps before this time rule a candidate out; later ones cost", unit="s", low=0.5, high=8.0
    )
    risk_discount_time: float = parameter(
        2.0, "Time constant with which later collisions weigh less", unit="s", low=0.5, high=100.0
    )
    start_ticks: int = parameter(
        3, "Decisions in a row for driving off, before an ego that stands does", low=1, high=50
    )
    standing_risk: float = parameter(
        0.4, "Share of its weight that a predicted collision has while the ego stands", low=0.0, high=1.0
    )
    trust_followers: bool = parameter(
        True, "Who drives behind the ego in its lane keeps its distance; false in traffic that reacts to nobody"
    )
    right_of_way_trust: float = parameter(
        0.9, "Share of the drivers that give way to a plan where they have to, if what_if is asked", low=0.0, high=1.0
    )
    # Weights of the cost terms; meanings and units stand in zoox_stack.planning.costs
    weight_progress: float = parameter(6.0, "Weight of lost progress", low=0.0, high=1e4)
    weight_acceleration: float = parameter(0.1, "Weight of longitudinal acceleration", low=0.0, high=1e4)
    weight_jerk: float = parameter(0.02, "Weight of longitudinal jerk", low=0.0, high=1e4)
    weight_lateral: float = parameter(0.1, "Weight of lateral acceleration", low=0.0, high=1e4)
    weight_lane_deviation: float = parameter(1.0, "Weight of distance from the lane centre", low=0.0, high=1e4)
    weight_speed_limit: float = parameter(0.5, "Weight of speed above the limit", low=0.0, high=1e4)
    weight_collision: float = parameter(80.0, "Weight of the discounted collision probability", low=0.0, high=1e4)
    weight_headway: float = parameter(4.0, "Weight of following too closely", low=0.0, high=1e4)
    weight_time_to_collision: float = parameter(6.0, "Weight of closing in on a vehicle ahead", low=0.0, high=1e4)
    weight_straight_on: float = parameter(
        12.0, "Weight of a second or less to a collision, were all to go straight on", low=0.0, high=1e4
    )
    weight_off_road: float = parameter(40.0, "Weight of leaving the drivable ground", low=0.0, high=1e4)
    weight_lane_change: float = parameter(1.5, "Weight of changing lane", low=0.0, high=1e4)
    weight_slow_lane: float = parameter(10.0, "Weight of staying behind slower vehicles", low=0.0, high=1e4)
    weight_consistency: float = parameter(0.1, "Weight of departing from the last chosen plan", low=0.0, high=1e4)
    weight_discomfort: float = parameter(10.0, "Weight of exceeding the bounds of comfort", low=0.0, high=1e4)
    weight_imposed_braking: float = parameter(1.5, "Weight of making others slow down", low=0.0, high=1e4)
    weight_unrecoverable: float = parameter(20.0, "Weight of leaving no way back", low=0.0, high=1e4)
    weight_wrong_way: float = parameter(2.0, "Weight of driving in lanes of the opposite direction", low=0.0, high=1e4)
    weight_solid_line: float = parameter(1.0, "Weight of crossing solid lines and kerbs", low=0.0, high=1e4)
    weight_occlusion: float = parameter(
        0.1, "Weight of driving faster than sight allows past hidden places", low=0.0, high=1e4
    )
    weight_passing: float = parameter(4.0, "Weight of going past people closely", low=0.0, high=1e4)
    weight_rss_margin: float = parameter(4.0, "Weight of being closer than is safe by RSS", low=0.0, high=1e4)
    weight_right_of_way: float = parameter(1.5, "Weight of taking the right of way from others", low=0.0, high=1e4)
    weight_waiting: float = parameter(6.0, "Weight of waiting behind who stands for good", low=0.0, high=1e4)

    @property
    def judged_steps(self) -> int:
        """Steps of candidates that count."""
        return round(self.judged_time / STEP)
