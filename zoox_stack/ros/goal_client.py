"""Sets a goal in a running graph and hears how far it still is."""

from __future__ import annotations

import os
import time

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from zoox_stack.core import topics
from zoox_stack.core.errors import InvalidInputError, ZooxStackError
from zoox_stack.core.routes import GoalAnswer, RouteProgress
from zoox_stack.msg import RouteProgress as RouteProgressMessage
from zoox_stack.planning.lane_ends import Goal
from zoox_stack.ros.conversions.routes import goal_answer_from_message, goal_to_message, route_progress_from_message
from zoox_stack.ros.qos import subscription_profile
from zoox_stack.ros.transport import prepare_transport
from zoox_stack.srv import SetGoal

_LOOK = 0.1  # [s] between looks at the graph


class GoalClient:
    """A node of its own. Use as a context manager.

    Attributes:
        progress: The newest that the planner has told, None before.
        heard: When that was, on the monotonic clock [s].
    """

    def __init__(self) -> None:
        prepare_transport()
        self._context = Context()
        rclpy.init(context=self._context, signal_handler_options=SignalHandlerOptions.NO)
        self._node = Node("goal", context=self._context, enable_rosout=False, start_parameter_services=False)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._service = self._node.create_client(SetGoal, topics.SET_GOAL_SERVICE)
        self.progress: RouteProgress | None = None
        self.heard = time.monotonic()
        topic = topics.ROUTE_PROGRESS
        self._node.create_subscription(
            RouteProgressMessage, topic.name, self._on_progress, subscription_profile(topic.qos)
        )

    def __enter__(self) -> GoalClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.shutdown(context=self._context)

    def set_goal(self, goal: Goal, patience: float) -> GoalAnswer:
        """Set a goal.

        Args:
            goal: Where to drive.
            patience: How long a planner is looked for, and how long its answer is waited for [s].

        Raises:
            ZooxStackError: There is no planner, or it does not answer.
        """
        end = time.monotonic() + patience
        while not self._service.service_is_ready():
            if time.monotonic() > end:
                domain = os.environ.get("ROS_DOMAIN_ID", "0")
                raise ZooxStackError(
                    f"{topics.SET_GOAL_SERVICE}: expected a running graph, found no planner within {patience:g} s in "
                    f"ROS domain {domain}. Start one: zoox-stack launch zoox_stack simulation.launch.xml"
                )
            self.spin(_LOOK)
        future = self._service.call_async(goal_to_message(goal))
        self._executor.spin_until_future_complete(future, timeout_sec=patience)
        if not future.done():
            raise ZooxStackError(f"{topics.SET_GOAL_SERVICE}: no answer within {patience:g} s")
        self.heard = time.monotonic()
        return goal_answer_from_message(future.result())

    def spin(self, seconds: float) -> None:
        """Take messages for about so long."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left)

    def _on_progress(self, message: RouteProgressMessage) -> None:
        self.heard = time.monotonic()
        try:
            self.progress = route_progress_from_message(message)
        except InvalidInputError as error:
            self._node.get_logger().warning(str(error))
