"""Which route the ego follows: one that is given, or the way to a goal; and new ones where these do not lead on."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from zoox_stack.core import topics
from zoox_stack.core.agents import EgoState, TrackedAgents, TrafficSignals
from zoox_stack.core.classes import GoalStatus
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.plans import Route
from zoox_stack.core.routes import GoalAnswer, RouteProgress
from zoox_stack.planning.lane_ends import Goal, LaneGoal
from zoox_stack.planning.route_block import Block, BlockWatch
from zoox_stack.planning.route_config import RouteConfig
from zoox_stack.planning.route_progress import Following, RouteFollower
from zoox_stack.planning.routing import PlannedRoute, Router
from zoox_stack.road_network.queries import LaneIndex

_OWN = 16  # own routes that are known again when they come back


@dataclass(frozen=True, eq=False)
class RouteChange:
    """What the planner is to follow from now on.

    Attributes:
        route: The way; None: along the lanes.
        stop_at_end: Its end is the goal.
        is_new: It was planned here, and others have to be told.
    """

    route: Route | None
    stop_at_end: bool = False
    is_new: bool = False


class RouteGuide:
    """Keeps the route. The newest word counts: a goal takes the place of a route that was given, and the other way.

    * A goal: the way there, with a stop at its end.
    * A route with lanes: along these; when it is missed, a new way to the end of its last lane. No stop there.
    * A route without lanes, as of a recorded drive: along its line. There is no other way.

    Where something blocks a lane of the route for long, the lane is closed for a while and another way is taken, if
    there is one. After each call `take_change` tells what the planner has to follow.

    Args:
        config: Parameters.
    """

    def __init__(self, config: RouteConfig | None = None) -> None:
        self.config = config or RouteConfig()
        self._router: Router | None = None
        self._no_router = "none yet"
        self._follower: RouteFollower | None = None  # with a route, or None
        self._watch: BlockWatch | None = None
        self._ego: EgoState | None = None
        self._given: Route | None = None
        self._goal: Goal | None = None  # one that was set
        self._route_stamp = 0
        self._rerouted = 0
        self._problem = self._blocked = self._refused = ""
        self._closed: dict[int, tuple[float, int]] = {}  # by row: place [m] and until when [ns]
        self._own: deque[tuple[int, bytes, bytes]] = deque(maxlen=_OWN)
        self._change: RouteChange | None = None
        self._progress: RouteProgress | None = None

    def take_change(self) -> RouteChange | None:
        """What is to be followed from now on; None if that is what it was."""
        change, self._change = self._change, None
        return change

    def reset(self) -> None:
        """A log begins again: forget the ego and closed lanes, keep the map and where to drive."""
        self._ego, self._progress, self._closed, self._blocked = None, None, {}, ""
        if self._follower is not None:
            self._follower.closed = {}

    def describe(self) -> dict[str, str]:
        """For /diagnostics: what is followed, what is wrong, and what was refused last."""
        way = "none" if self._given is None else "given"
        if self._goal is not None:
            way = f"to {self._goal}"
        progress = self._progress
        if progress is not None and self._follower is not None:
            way += ", reached" if progress.reached else f", {progress.remaining:.0f} m left"
        problem = progress.problem if progress is not None else self._problem
        return {"route": way, "route problem": problem or "none", "refused": self._refused or "none"}

    # --- where to drive ---------------------------------------------------------------------------------------------

    def set_index(self, index: LaneIndex | None) -> None:
        """Use another map. What was to be followed is looked up on it again."""
        self._router, self._follower, self._watch, self._closed = None, None, None, {}
        self._problem = self._blocked = ""
        try:
            self._router = Router(index, self.config) if index is not None else None
            self._no_router = "none yet"
        except InvalidInputError as error:
            self._no_router = str(error)
        self._change = RouteChange(None)
        if self._given is not None:
            try:
                self._follow_given(self._given)
            except InvalidInputError as error:
                self._problem = str(error)

    def give(self, route: Route) -> None:
        """A route comes from outside; own ones that come back are passed over.

        Raises:
            InvalidInputError: It names lanes that the map does not have or that do not lead into each other. What was
                followed before stays.
        """
        if _key(route) in self._own:
            return
        try:
            self._follow_given(route)
        except InvalidInputError as error:
            self._refused = str(error)
            raise
        self._given, self._goal = route, None

    def set_goal(self, goal: Goal) -> GoalAnswer:
        """Drive to a goal from where the ego is; if that cannot be what was followed before stays."""
        answer = self._answer(goal)
        if not answer.accepted:
            self._refused = answer.message
        return answer

    def refuse(self, reason: str) -> GoalAnswer:
        """A goal that is none: numbers that are not finite, a kind that is unknown."""
        self._refused = reason
        return GoalAnswer(GoalStatus.BAD_GOAL, reason)

    def _answer(self, goal: Goal) -> GoalAnswer:
        if self._router is None:
            remedy = f"A map comes on {topics.ROAD_NETWORK.name}."
            error = InvalidInputError(str(goal), "a map with lanes for cars", self._no_router, remedy)
            return GoalAnswer(GoalStatus.NO_MAP, str(error))
        if self._ego is None:
            remedy = f"It comes with {topics.TRACKED_AGENTS.name}; is odometry published?"
            error = InvalidInputError(str(goal), "to know where the ego is", "nothing yet", remedy)
            return GoalAnswer(GoalStatus.NO_EGO, str(error))
        try:
            route = self._plan(goal)
        except InvalidInputError as error:
            return GoalAnswer(GoalStatus.NO_ROUTE, str(error))
        self._goal, self._given = goal, None
        return GoalAnswer(GoalStatus.ACCEPTED, "", route.stamp_ns, route.length, route.travel_time, route.lane_changes)

    def _plan(self, goal: Goal) -> PlannedRoute:
        """Plan to a goal and follow that, as of now."""
        if self._router is None or self._ego is None:
            raise InvalidInputError(str(goal), "a map and the ego", "not both")
        follower = RouteFollower(self._router)
        follower.closed = self._open_places()
        route = follower.set_goal(self._ego, goal)
        self._follower, self._rerouted = follower, 0
        self._problem = self._blocked = ""
        self._set_out(route, stop_at_end=True)
        return route

    def _follow_given(self, route: Route) -> None:
        follower = None
        if self._router is not None:
            line = self._router.given(route)
            follower = RouteFollower(self._router)
            follower.closed = self._open_places()
            follower.follow(line, LaneGoal(int(route.lane_ids[-1])) if len(route.lane_ids) else None)
            self._watch = BlockWatch(self._router.index, line.path, self.config)
        self._follower, self._rerouted, self._blocked = follower, 0, ""
        self._problem = "" if follower is not None else f"no map with lanes for cars: {self._no_router}"
        self._route_stamp = route.stamp_ns
        self._change = RouteChange(route)

    def _set_out(self, planned: PlannedRoute, *, stop_at_end: bool) -> None:
        """Tell that a planned route is the one to follow."""
        assert self._router is not None
        route = planned.as_route()
        self._own.append(_key(route))
        self._watch = BlockWatch(self._router.index, planned.path, self.config)
        self._route_stamp = route.stamp_ns
        self._change = RouteChange(route, stop_at_end, is_new=True)

    # --- on the way -------------------------------------------------------------------------------------------------

    def update(self, scene: TrackedAgents, signals: TrafficSignals | None = None) -> RouteProgress:
        """Where the ego is on its way; to be called with each scene.

        Args:
            scene: Agents and ego.
            signals: States of the traffic signals, None if none are known.

        Raises:
            InvalidInputError: The scene has no ego.
        """
        ego = scene.ego
        if ego is None:
            raise InvalidInputError("scene.ego", "the state of the ego", "none", "is odometry published?")
        self._ego = ego
        follower = self._follower
        if follower is None:
            self._again()
            follower = self._follower
        if follower is None:
            self._progress = RouteProgress(ego.stamp_ns, problem=self._problem)
            return self._progress
        self._open_again(ego.stamp_ns)
        following = follower.update(ego)
        if following.rerouted:
            self._taken(follower)
        elif not following.missed and not following.reached and self._watch is not None:
            block = self._watch.update(scene, ego, following.travelled, signals)
            if block is not None and self._go_round(block, ego):
                following = follower.update(ego)
        if abs(ego.speed) > self.config.standing_speed:
            self._blocked = ""
        self._progress = self._told(following, follower)
        return self._progress

    def _again(self) -> None:
        """Plan to a goal from before the map changed, once."""
        if self._goal is None or self._router is None or self._problem:
            return
        try:
            self._plan(self._goal)
        except InvalidInputError as error:
            self._problem = str(error)

    def _go_round(self, block: Block, ego: EgoState) -> bool:
        """Take another way than along a lane where something stands; False if there is none."""
        assert self._follower is not None
        assert self._router is not None
        waited = f"{block.text} for {self.config.blocked_time:g} s"
        goal = self._follower.goal
        if goal is None:
            self._blocked = f"{waited}, and the route is a line without another way"
            return False
        until = ego.stamp_ns + round(self.config.closed_time * 1e9)
        closed = {**self._closed, block.row: (block.s, until)}
        try:
            route = self._router.plan(ego, goal, {row: s for row, (s, _) in closed.items()})
        except InvalidInputError as error:
            self._blocked = f"{waited}; {error}"
            return False
        self._closed = closed
        self._follower.closed = self._open_places()
        self._follower.follow(route, goal)
        self._taken(self._follower)
        return True

    def _taken(self, follower: RouteFollower) -> None:
        """The follower has a new route."""
        assert isinstance(follower.route, PlannedRoute)
        self._rerouted += 1
        self._blocked = ""
        self._set_out(follower.route, stop_at_end=self._goal is not None)

    def _open_places(self) -> dict[int, float]:
        return {row: s for row, (s, _) in self._closed.items()}

    def _open_again(self, now_ns: int) -> None:
        over = [row for row, (_, until) in self._closed.items() if until <= now_ns]
        for row in over:
            del self._closed[row]
        if over and self._follower is not None:
            self._follower.closed = self._open_places()

    def _told(self, following: Following, follower: RouteFollower) -> RouteProgress:
        assert follower.route is not None
        return RouteProgress(
            stamp_ns=following.stamp_ns,
            route_stamp_ns=self._route_stamp,
            has_goal=self._goal is not None,
            travelled=following.travelled,
            remaining=following.remaining,
            remaining_time=max(follower.route.time_left(following.travelled), 0.0),
            offset=following.offset,
            reached=following.reached and self._goal is not None,
            off_route=following.missed,
            rerouted=self._rerouted,
            problem=following.problem or self._blocked,
        )


def _key(route: Route) -> tuple[int, bytes, bytes]:
    """By which a route is known again."""
    return route.stamp_ns, route.lane_ids.tobytes(), route.points.tobytes()
