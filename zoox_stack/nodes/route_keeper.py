"""The planner node's part for routes: takes routes and goals, keeps the planner on the way, tells how far it is."""

from __future__ import annotations

from typing import Any

from zoox_stack.core import topics
from zoox_stack.core.agents import TrackedAgents, TrafficSignals
from zoox_stack.core.classes import GoalStatus
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.plans import Route
from zoox_stack.core.routes import GoalAnswer
from zoox_stack.planning.planner import Planner
from zoox_stack.planning.route_config import RouteConfig
from zoox_stack.planning.route_guide import RouteGuide
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.ros.conversions.plans import route_from_message, route_to_message
from zoox_stack.ros.conversions.road_network import road_network_from_message
from zoox_stack.ros.conversions.routes import goal_answer_to_message, goal_from_message, route_progress_to_message
from zoox_stack.ros.node import StackNode
from zoox_stack.srv import SetGoal

_PROGRESS_PERIOD = 0.2  # [s] between messages on the progress
_NEVER = -(2**62)  # [ns] before all stamps


class RouteKeeper:
    """Owns `/map/road_network` and `/planning/route` of the planner node, its progress and its goal service.

    Args:
        node: The node; map and route are the next topics it subscribes to.
        planner: Gets map and route.
        config: Parameters.
    """

    def __init__(self, node: StackNode[Any], planner: Planner, config: RouteConfig) -> None:
        self._node, self._planner, self._guide = node, planner, RouteGuide(config)
        self._route = node.publisher(topics.ROUTE)
        self._progress = node.publisher(topics.ROUTE_PROGRESS)
        self._told_ns = _NEVER
        self._own: Route | None = None
        self._listeners = 0
        node.subscribe(topics.ROAD_NETWORK, road_network_from_message, self._on_network)
        node.subscribe(topics.ROUTE, route_from_message, self._on_route)
        node.create_service(SetGoal, topics.SET_GOAL_SERVICE, self._on_goal)

    def diagnostic_values(self) -> dict[str, str]:
        """For /diagnostics."""
        return self._guide.describe()

    def reset(self) -> None:
        """A log began anew."""
        self._guide.reset()
        self._told_ns = _NEVER

    def keep(self, scene: TrackedAgents, signals: TrafficSignals | None) -> None:
        """Where the ego is on its way, and whether there is another one now; called once a trajectory is out."""
        progress = self._guide.update(scene, signals)
        self._follow()
        if self._route.get_subscription_count() > self._listeners:
            self._tell_route()
        if scene.stamp_ns - self._told_ns >= _PROGRESS_PERIOD * 1e9:
            self._told_ns = scene.stamp_ns
            self._progress.publish(route_progress_to_message(progress))

    def _on_network(self, network: RoadNetwork, _received_ns: int) -> None:
        self._planner.set_route(None)  # its lanes are those of another map
        self._planner.set_road_network(network)
        self._guide.set_index(self._planner.index)
        self._follow()

    def _on_route(self, route: Route, _received_ns: int) -> None:
        self._guide.give(route)
        self._follow()

    def _on_goal(self, message: SetGoal.Request, _response: SetGoal.Response) -> SetGoal.Response:
        try:
            answer = self._guide.set_goal(goal_from_message(message))
            self._follow()
        except InvalidInputError as error:
            answer = self._guide.refuse(str(error))
        except Exception as error:  # noqa: BLE001 - the caller gets an answer whatever fails here
            self._node.drop_bad(topics.SET_GOAL_SERVICE, f"{type(error).__name__}: {error}")
            answer = GoalAnswer(GoalStatus.NO_ROUTE, f"{type(error).__name__}: {error}")
        outcome = "on its way" if answer.accepted else f"refused: {answer.message}"
        self._node.get_logger().info(f"goal {outcome}")
        return goal_answer_to_message(answer)

    def _follow(self) -> None:
        """Tell planner and graph where the way goes now."""
        change = self._guide.take_change()
        if change is None:
            return
        self._planner.set_route(change.route, stop_at_end=change.stop_at_end)
        self._told_ns = _NEVER
        self._own = change.route if change.is_new else None
        self._tell_route()

    def _tell_route(self) -> None:
        """Publish the own route, again for those who come later: they may have got an older one from someone else."""
        self._listeners = self._route.get_subscription_count()
        if self._own is not None:
            self._route.publish(route_to_message(self._own))
