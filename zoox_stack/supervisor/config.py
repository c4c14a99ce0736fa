"""Parameters of the supervisor, declared once. Meanings and reasons stand in docs/supervisor.md."""

from __future__ import annotations

from dataclasses import dataclass

from zoox_stack.core.parameters import parameter


@dataclass(frozen=True)
class SupervisorConfig:
    """Parameters of the supervisor; trajectories have 80 steps of 0.1 s."""

    # Times that pass the gate
    max_trajectory_age: float = parameter(
        0.3, "A trajectory whose stamp is older when it arrives is refused", unit="s", low=0.01, high=5.0
    )
    stamp_tolerance: float = parameter(0.05, "A stamp may lie this far ahead of now", unit="s", low=0.0, high=1.0)
    # Places that pass the gate
    start_along: float = parameter(
        1.5, "Largest distance along the heading from the ego to its trajectory", unit="m", low=0.0, high=10.0
    )
    start_across: float = parameter(0.6, "The same across the heading", unit="m", low=0.0, high=5.0)
    start_heading: float = parameter(
        0.2, "Largest difference of heading between ego and trajectory", unit="rad", low=0.0, high=1.6
    )
    start_speed: float = parameter(
        2.0, "Largest difference of speed between ego and trajectory", unit="m/s", low=0.0, high=10.0
    )
    jump_distance: float = parameter(
        1.0, "Largest distance between two trajectories in a row at the same time", unit="m", low=0.0, high=10.0
    )
    jump_heading: float = parameter(0.2, "The same for headings", unit="rad", low=0.0, high=1.6)
    jump_speed: float = parameter(2.0, "The same for speeds", unit="m/s", low=0.0, high=10.0)
    # Motions that pass the gate
    max_speed: float = parameter(36.0, "Highest speed of a trajectory", unit="m/s", low=0.5, high=80.0)
    max_acceleration: float = parameter(3.5, "Strongest acceleration of a trajectory", unit="m/s^2", low=0.1, high=10.0)
    max_deceleration: float = parameter(9.0, "Strongest braking of a trajectory", unit="m/s^2", low=1.0, high=12.0)
    max_lateral_acceleration: float = parameter(
        5.0, "Strongest lateral acceleration of a trajectory", unit="m/s^2", low=0.5, high=12.0
    )
    max_jerk: float = parameter(
        85.0, "Largest change of acceleration per time; it has to let a full braking begin and end", unit="m/s^3",
        low=1.0, high=500.0,
    )  # fmt: skip
    max_curvature: float = parameter(0.26, "Sharpest turn of base_link", unit="1/m", low=0.01, high=1.0)
    max_steering_rate: float = parameter(
        1.6,
        "Fastest change of the angle of the front wheels; plans along lanes that begin as arcs ask for 1.1",
        unit="rad/s",
        low=0.05,
        high=10.0,
    )
    wheelbase: float = parameter(2.8, "From the rear to the front axle", unit="m", low=0.3, high=15.0)
    motion_tolerance: float = parameter(
        0.3, "Positions, headings, speeds and accelerations may disagree by this much per step [m or m/s]",
        unit="m", low=0.01, high=5.0,
    )  # fmt: skip
    # Watch
    period: float = parameter(0.1, "Between two outputs of a stage", unit="s", low=0.01, high=1.0)
    localisation_period: float = parameter(0.05, "Between two ego states", unit="s", low=0.001, high=1.0)
    lost_periods: float = parameter(
        1.75,
        "A stage that is silent for more periods than this is lost; localisation for twice as many",
        low=1.0,
        high=50.0,
    )
    max_content_age: float = parameter(
        0.35, "A stage whose newest output is about a time longer ago is lost", unit="s", low=0.01, high=5.0
    )
    recovered_outputs: int = parameter(5, "A lost stage is back after as many good outputs in a row", low=1, high=100)
    brief_silence: float = parameter(
        0.28, "A stage that was silent for no longer than this was only late, and is back after two", unit="s",
        low=0.0, high=5.0,
    )  # fmt: skip
    startup_time: float = parameter(
        10.0, "A stage that was never heard of is lost only this long after the start", unit="s", low=0.0, high=120.0
    )
    clock_jump: float = parameter(
        0.5,
        "The clocks of stamps and of the computer may drift apart this much per tick",
        unit="s",
        low=0.01,
        high=60.0,
    )
    # Manoeuvres
    comfort_deceleration: float = parameter(1.0, "Braking of a comfortable stop", unit="m/s^2", low=0.3, high=3.0)
    comfort_jerk: float = parameter(2.0, "Jerk of a comfortable stop", unit="m/s^3", low=0.3, high=20.0)
    friction: float = parameter(
        0.8, "Share of gravity that the tyres hold, along and across together", low=0.1, high=1.2
    )
    emergency_jerk: float = parameter(20.0, "Jerk of an emergency stop", unit="m/s^3", low=1.0, high=100.0)
    blind_time: float = parameter(
        2.0, "A vehicle that cannot see or does not know where it is brakes in comfort this long, then as it can",
        unit="s", low=0.0, high=20.0,
    )  # fmt: skip
    sight_time: float = parameter(
        4.0, "So much of the way ahead has to lie in directions in which the sensors see anything", unit="s",
        low=0.5, high=8.0,
    )  # fmt: skip
    recovery_time: float = parameter(
        1.0, "Time without any fault before the planner drives again", unit="s", low=0.0, high=60.0
    )
    brief_fault: float = parameter(
        0.4, "A fault that was over sooner, and was not urgent, ends a manoeuvre after `brief_recovery_time`",
        unit="s", low=0.0, high=10.0,
    )  # fmt: skip
    brief_recovery_time: float = parameter(
        0.3, "Time without any fault after a brief one before the planner drives again", unit="s", low=0.0, high=60.0
    )
    release_time: float = parameter(
        0.5,
        "Time without an urgent fault before an emergency stop becomes a comfortable one",
        unit="s",
        low=0.0,
        high=10.0,
    )
    standing_speed: float = parameter(0.05, "Slower than this is standing", unit="m/s", low=0.0, high=0.5)
    pull_over: bool = parameter(True, "Stop at the side where there is room, instead of in the lane")
    pull_over_side: int = parameter(-1, "Side to pull over to: -1 right, 1 left", choices=(-1, 1))
    pull_over_most: float = parameter(4.5, "Furthest sideways way of a pull-over", unit="m", low=0.5, high=10.0)
    pull_over_least: float = parameter(
        0.8, "Less room than this at the side is not worth a pull-over", unit="m", low=0.1, high=5.0
    )
    pull_over_lateral_acceleration: float = parameter(
        1.0, "Lateral acceleration of a pull-over", unit="m/s^2", low=0.1, high=3.0
    )
    # RSS; other road users' values are what they are assumed to do at worst
    rss_range: float = parameter(120.0, "Agents further away are not looked at", unit="m", low=10.0, high=500.0)
    rss_existence: float = parameter(0.5, "Agents less certain to exist are not looked at", low=0.0, high=1.0)
    rss_response_time: float = parameter(0.3, "Response time of the ego", unit="s", low=0.05, high=5.0)
    rss_other_response_time: float = parameter(
        0.8, "Response time of other drivers and of pedestrians", unit="s", low=0.05, high=5.0
    )
    rss_acceleration: float = parameter(
        2.5, "Strongest acceleration during the response time", unit="m/s^2", low=0.1, high=10.0
    )
    rss_ego_braking: float = parameter(
        7.0, "Least braking of the ego as proper response", unit="m/s^2", low=0.5, high=10.0
    )
    rss_other_braking: float = parameter(
        4.0, "Least braking of others as proper response", unit="m/s^2", low=0.5, high=10.0
    )
    rss_correct_braking: float = parameter(
        3.0, "Least braking in one's own lane towards somebody in the wrong one", unit="m/s^2", low=0.5, high=10.0
    )
    rss_max_braking: float = parameter(8.0, "Strongest braking of anybody", unit="m/s^2", low=1.0, high=12.0)
    rss_lateral_acceleration: float = parameter(
        0.2, "Lateral acceleration during the response time", unit="m/s^2", low=0.0, high=5.0
    )
    rss_lateral_braking: float = parameter(0.8, "Least lateral braking", unit="m/s^2", low=0.1, high=5.0)
    rss_lateral_margin: float = parameter(0.1, "Sideways fluctuation of a driver", unit="m", low=0.0, high=1.0)
    rss_standstill_gap: float = parameter(
        0.3, "Distance that has to remain between vehicles that stopped", unit="m", low=0.0, high=5.0
    )
    rss_pedestrian_acceleration: float = parameter(
        0.5, "Acceleration of a pedestrian during the response time, in any direction", unit="m/s^2", low=0.0, high=5.0
    )
    rss_pedestrian_braking: float = parameter(2.0, "Least braking of a pedestrian", unit="m/s^2", low=0.1, high=8.0)
    rss_window: float = parameter(
        1.0,
        "After the response time a trajectory has to obey the proper response this long",
        unit="s",
        low=0.1,
        high=8.0,
    )
    rss_tolerance: float = parameter(
        0.3, "By which it may miss the acceleration of the proper response", unit="m/s^2", low=0.0, high=3.0
    )
    rss_drift_tolerance: float = parameter(
        0.3, "Speed by which it may still move to a closed side", unit="m/s", low=0.0, high=3.0
    )
