"""Messages that break a rule are refused, and the error names the field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

from geometry_msgs.msg import Quaternion

from zoox_stack.core.agents import DetectedAgents, EgoState, TrackedAgents
from zoox_stack.core.classes import GoalStatus, WhatIfStatus
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.frames import Frame
from zoox_stack.core.plans import EgoPlan
from zoox_stack.core.predictions import PlanEffects, PredictedAgents, WhatIfAnswer, WhatIfRequest
from zoox_stack.core.routes import GoalAnswer, RouteProgress
from zoox_stack.planning.lane_ends import PoseGoal
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.ros.conversions import agents, odometry, plans, predictions, road_network, routes
from zoox_stack.ros.conversions.basics import stamp_from_message, stamp_to_message

EGO = EgoState(5, 1.0, 2.0)


def scene(n: int = 2) -> Any:
    return agents.tracked_agents_to_message(
        TrackedAgents.from_states(
            5, np.arange(n), np.ones(n), np.zeros((n, 3)), np.zeros(n), np.zeros((n, 2)), np.ones((n, 3)), ego=EGO
        )
    )


def detections(n: int = 2) -> Any:
    probabilities = np.full((n, 10), 0.1)
    return agents.detected_agents_to_message(
        DetectedAgents(5, Frame.MAP, probabilities, np.ones(n), np.zeros((n, 3)), np.zeros(n), np.ones((n, 3)))
    )


def futures(a: int = 2, k: int = 3, t: int = 4) -> Any:
    return predictions.predicted_agents_to_message(
        PredictedAgents(
            5, np.arange(a), np.full((a, k), 1 / k), np.zeros(2), np.zeros((a, k, t, 2)), np.zeros((a, k, t)),
            np.zeros((a, k, t, 3)),
        )
    )  # fmt: skip


def effects() -> Any:
    third = np.full(2, 1 / 3)
    return predictions.plan_effects_to_message(PlanEffects(np.array([1, 2]), third, third, third))


def answer() -> Any:
    return predictions.what_if_answer_to_message(
        WhatIfAnswer(
            WhatIfStatus.OK, "", 5, True, (predictions.predicted_agents_from_message(futures()),), np.zeros(1), 0.1,
            (predictions.plan_effects_from_message(effects()),),
        )
    )  # fmt: skip


def plan(points: int = 3) -> EgoPlan:
    return EgoPlan(0, "p", 0.1, *(np.zeros(points) for _ in range(6)))


def question() -> Any:
    return predictions.what_if_request_to_message(WhatIfRequest(5, (plan(), plan()), 0.1))


def set_agent(**values: Any) -> Callable[[Any], None]:
    def change(message: Any) -> None:
        for name, value in values.items():
            setattr(message.agents[1], name, value)

    return change


def set_field(**values: Any) -> Callable[[Any], None]:
    def change(message: Any) -> None:
        for name, value in values.items():
            setattr(message, name, value)

    return change


def set_frame(message: Any) -> None:
    message.header.frame_id = "odom"


def set_attribute(message: Any) -> None:
    message.agents[0].attributes.child = 3


def set_facing(message: Any) -> None:
    message.agents[0].attributes.is_defined_facing = True
    message.agents[0].attributes.facing = float("nan")


def set_ego(message: Any) -> None:
    message.ego.speed = float("inf")


NAN3 = np.array([0.0, np.nan, 0.0])
SCENE, DETECTIONS = agents.tracked_agents_from_message, agents.detected_agents_from_message
FUTURES = predictions.predicted_agents_from_message


@pytest.mark.parametrize(
    ("make", "change", "convert", "named"),
    [
        (scene, set_frame, SCENE, "frame_id"),
        (scene, set_agent(position=NAN3), SCENE, "position"),
        (scene, set_agent(id=0), SCENE, "ids"),
        (scene, set_agent(id=-1), SCENE, "ids"),
        (scene, set_agent(agent_class=10), SCENE, "classes"),
        (scene, set_agent(existence_probability=1.5), SCENE, "existence"),
        (scene, set_agent(size=np.zeros(3, np.float32)), SCENE, "size"),
        (scene, set_attribute, SCENE, "attributes"),
        (scene, set_facing, SCENE, "facing"),
        (scene, set_ego, SCENE, "EgoState.speed"),
        (lambda: scene(2001), lambda m: None, SCENE, "agents"),
        (detections, set_frame, DETECTIONS, "frame_id"),
        (detections, set_agent(yaw=float("nan")), DETECTIONS, "yaw"),
        (detections, set_agent(is_defined_velocity=True, velocity=NAN3[:2]), DETECTIONS, "velocity"),
        (detections, set_agent(score=-0.1), DETECTIONS, "score"),
        (futures, set_field(steps=5), FUTURES, "positions"),
        (futures, set_field(modes=2**32 - 1), FUTURES, "modes"),
        (futures, set_field(step=0.0), FUTURES, "step"),
        (futures, set_field(source=9), FUTURES, "source"),
        (futures, lambda m: m.probabilities.__setitem__(0, 0.9), FUTURES, "probabilities"),
        (futures, lambda m: m.positions.__setitem__(0, float("nan")), FUTURES, "positions"),
        (futures, lambda m: m.headings.pop(), FUTURES, "headings"),
        (effects, lambda m: m.goes_first.pop(), predictions.plan_effects_from_message, "goes_first"),
        (effects, lambda m: m.displacement.__setitem__(0, -1.0), predictions.plan_effects_from_message, "displacement"),
        (effects, lambda m: m.agent_ids.reverse(), predictions.plan_effects_from_message, "rising"),
        (answer, set_field(effects=[]), predictions.what_if_answer_from_message, "one per plan"),
        (question, set_field(plans=[]), predictions.what_if_request_from_message, "plans"),
        (question, set_field(deadline=0.0), predictions.what_if_request_from_message, "deadline"),
        (question, set_field(deadline=float("nan")), predictions.what_if_request_from_message, "deadline"),
        (question, lambda m: m.plans[1].x.pop(), predictions.what_if_request_from_message, r"plans\[1\]"),
        (question, lambda m: m.plans[1].y.__setitem__(0, float("inf")), predictions.what_if_request_from_message, "y"),
    ],
)
def test_broken_messages_are_refused(
    make: Callable[[], Any], change: Callable[[Any], None], convert: Callable[[Any], Any], named: str
) -> None:
    message = make()
    if make in (scene, detections, futures, effects, answer, question):
        convert(message)  # whole before it is broken
    change(message)
    with pytest.raises(InvalidInputError, match=named):
        convert(message)


def test_ego_of_another_time_does_not_fit_into_the_scene() -> None:
    with pytest.raises(InvalidInputError, match="ego"):
        agents.tracked_agents_to_message(TrackedAgents.empty(6, EGO))


def test_half_measured_velocity_does_not_fit_into_the_message() -> None:
    velocity = np.array([[1.0, np.nan]])
    broken = DetectedAgents(
        5, Frame.MAP, np.full((1, 10), 0.1), [1.0], np.zeros((1, 3)), [0.0], np.ones((1, 3)), velocity
    )
    with pytest.raises(InvalidInputError, match="velocity"):
        agents.detected_agents_to_message(broken)


def test_the_planners_own_words_are_no_answers() -> None:
    with pytest.raises(InvalidInputError, match="TIMEOUT"):
        predictions.what_if_answer_to_message(WhatIfAnswer(WhatIfStatus.TIMEOUT))
    message = predictions.what_if_answer_to_message(WhatIfAnswer(WhatIfStatus.OK))
    message.status = 101
    with pytest.raises(InvalidInputError, match="status"):
        predictions.what_if_answer_from_message(message)


def test_plan_messages_have_a_length_limit() -> None:
    with pytest.raises(InvalidInputError, match="at most 1000"):
        plans.ego_plan_from_message(plans.ego_plan_to_message(plan(1001)))


def test_odometry_needs_its_frames_and_a_unit_quaternion() -> None:
    box = odometry.VehicleBox()
    message = odometry.odometry_to_message(EGO)
    message.child_frame_id = "imu"
    with pytest.raises(InvalidInputError, match="child_frame_id"):
        odometry.odometry_from_message(message, box)
    message = odometry.odometry_to_message(EGO)
    message.pose.pose.orientation = Quaternion(x=0.0, y=0.0, z=0.0, w=0.0)
    with pytest.raises(InvalidInputError, match="unit quaternion"):
        odometry.odometry_from_message(message, box)


def test_road_network_links_must_point_to_lanes() -> None:
    message = road_network.road_network_to_message(RoadNetwork())
    message.successor_values.append(3)
    with pytest.raises(InvalidInputError, match="successors"):
        road_network.road_network_from_message(message)


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [("x", np.nan, "goal x"), ("y", np.inf, "goal y"), ("yaw", -np.inf, "goal yaw"), ("kind", 2, "SetGoal.kind")],
)
def test_goals_are_finite_and_of_a_known_kind(field: str, value: Any, named: str) -> None:
    message = routes.goal_to_message(PoseGoal(1.0, 2.0, 0.5))
    setattr(message, field, value)
    with pytest.raises(InvalidInputError, match=named):
        routes.goal_from_message(message)


def test_answers_and_progress_that_cannot_be() -> None:
    answered = routes.goal_answer_to_message(GoalAnswer(GoalStatus.NO_MAP, "none"))
    answered.status = 9
    with pytest.raises(InvalidInputError, match=r"SetGoal\.status"):
        routes.goal_answer_from_message(answered)
    for value in (-1.0, np.inf):
        message = routes.route_progress_to_message(RouteProgress(5))
        message.remaining = value
        with pytest.raises(InvalidInputError, match=r"RouteProgress\.remaining"):
            routes.route_progress_from_message(message)


@pytest.mark.parametrize("stamp_ns", [0, 1, 999_999_999, 10**9, -1, 1_700_000_000_123_456_789])
def test_stamps_keep_every_nanosecond(stamp_ns: int) -> None:
    assert stamp_from_message(stamp_to_message(stamp_ns)) == stamp_ns


def test_stamps_beyond_the_message_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="32 bits"):
        stamp_to_message(2**31 * 10**9)
    message = stamp_to_message(0)
    message.nanosec = 10**9
    with pytest.raises(InvalidInputError, match="nanosec"):
        stamp_from_message(message)
