"""From poses and lane ids to places on lanes where a route can begin and end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from zoox_stack.core.agents import EgoState
from zoox_stack.core.classes import LaneType
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.geometry import wrap_angle
from zoox_stack.core.validation import check_finite_scalar
from zoox_stack.planning.route_config import RouteConfig
from zoox_stack.road_network.queries import LaneIndex

_METRES_PER_RADIAN = 4.0  # how much a wrong heading counts against a distance when lanes are compared
_AS_GOOD = 1.0  # [m] lanes that fit so much worse than the best are taken into account too
_AGAINST = 2 * np.pi / 3  # [rad] a lane that differs so much from a heading runs against it
_ANY = 4.0  # [rad] no two headings differ so much
_OTHER_TYPES = tuple(kind for kind in LaneType if kind != LaneType.VEHICLE)


@dataclass(frozen=True)
class PoseGoal:
    """A place to drive to, map frame, for base_link.

    Attributes:
        x: [m].
        y: [m].
        yaw: [rad] that the lane there has to run in, within 60 degrees; None: any.
    """

    x: float
    y: float
    yaw: float | None = None

    def __post_init__(self) -> None:
        for name in ("x", "y", "yaw"):
            if name != "yaw" or self.yaw is not None:
                object.__setattr__(self, name, check_finite_scalar(f"goal {name}", getattr(self, name)))

    def __str__(self) -> str:
        return f"goal at x, y = {self.x:.1f}, {self.y:.1f}"


@dataclass(frozen=True)
class LaneGoal:
    """A lane to drive to the end of: the bumper comes to its end, where a stop line may be.

    Attributes:
        lane_id: Of the road network.
    """

    lane_id: int

    def __str__(self) -> str:
        return f"goal on lane {self.lane_id}"


Goal = PoseGoal | LaneGoal


@dataclass(frozen=True)
class LaneEnd:
    """A place on a lane where a route begins or ends.

    Attributes:
        row: Lane row.
        s: Arc length along the lane [m].
        misfit: How badly a pose fits [m]: its distance to the centre line, and 4 m for each radian of its heading.
    """

    row: int
    s: float
    misfit: float = 0.0


class LaneEndFinder:
    """Finds the lanes where routes can begin and end. In intersections, where lanes lie across each other, several.

    Args:
        index: The map.
        config: Parameters.
    """

    def __init__(self, index: LaneIndex, config: RouteConfig) -> None:
        self._index, self._network, self._config = index, index.network, config

    def starts(self, ego: EgoState) -> list[LaneEnd]:
        """Places where the ego is, the best first.

        Raises:
            InvalidInputError: It is beside all lanes, or faces against them.
        """
        x, y, yaw = ego.x, ego.y, ego.yaw
        reach = self._config.largest_offset
        rows = self._index.near(x, y, yaw, radius=reach)
        against = self._against(x, y, yaw, rows)
        if rows and not against:
            return _best(self._ends(rows, x, y, yaw))
        thing = f"start at x, y = {x:.1f}, {y:.1f}"
        if against:
            raise InvalidInputError(
                thing, "a heading within 60 degrees of the lane",
                f"yaw {wrap_angle(yaw):.2f} rad on {self._headings(against, x, y)}",
                "Turn round, or set the goal when the ego drives with the traffic.",
            )  # fmt: skip
        raise InvalidInputError(
            thing, f"a lane within {reach:g} m", self._nearest(x, y), "Drive onto a lane before setting a goal."
        )

    def goals(self, goal: Goal, front: float = 0.0) -> list[LaneEnd]:
        """Places where a goal is, the best first.

        Args:
            goal: Where to.
            front: From base_link to the bumper [m], which comes to the end of a lane that is the goal.

        Raises:
            InvalidInputError: No such lane, or none for cars; the goal lies off the road, or against the traffic.
        """
        if isinstance(goal, LaneGoal):
            return [self._lane_goal(goal, front)]
        x, y, reach = goal.x, goal.y, self._config.largest_offset
        if goal.yaw is None:
            rows = self._index.near(x, y, 0.0, radius=reach, max_heading_error=_ANY)
        else:
            rows = self._index.near(x, y, goal.yaw, radius=reach)
        cars = [row for row in rows if self._network.lane_types[row] == LaneType.VEHICLE]
        self._refuse_other_lanes(goal, cars)
        against = [] if goal.yaw is None else self._against(x, y, goal.yaw, cars)
        if cars and not against:
            return _best(self._ends(cars, x, y, goal.yaw))
        if goal.yaw is not None and against:
            raise InvalidInputError(
                str(goal), f"a lane within 60 degrees of its yaw {wrap_angle(goal.yaw):.2f} rad",
                self._headings(against, x, y), "Leave the yaw out, or choose the lane of the other direction.",
            )  # fmt: skip
        raise InvalidInputError(
            str(goal), f"a lane for cars within {reach:g} m", self._nearest(x, y), "Choose a place on the road."
        )

    def _lane_goal(self, goal: LaneGoal, front: float) -> LaneEnd:
        (row,) = self._index.rows_of([goal.lane_id])
        kind = LaneType(int(self._network.lane_types[row]))
        if kind != LaneType.VEHICLE or row not in self._index.lines:
            found = f"a lane of type {kind.name}" if kind != LaneType.VEHICLE else "a lane without length"
            raise InvalidInputError(str(goal), "a lane for cars", found, "`zoox-stack map show --ids` shows them.")
        length = self._index.lines[row].length
        return LaneEnd(row, max(length - front, length / 2))

    def _refuse_other_lanes(self, goal: PoseGoal, cars: Sequence[int]) -> None:
        """A goal within a lane that cars may not use is not moved to the one beside it."""
        x, y = goal.x, goal.y
        if any(_within(self._index, row, x, y) for row in cars):
            return
        for row in self._others.near(x, y, 0.0, radius=self._config.largest_offset, max_heading_error=_ANY):
            if _within(self._others, row, x, y):
                kind = LaneType(int(self._network.lane_types[row])).name
                found = f"lane {self._network.lane_ids[row]} of type {kind}"
                raise InvalidInputError(str(goal), "a lane for cars", found, "Choose a place on a lane for cars.")

    @cached_property
    def _others(self) -> LaneIndex:
        """Lanes that cars may not use."""
        return LaneIndex(self._network, types=_OTHER_TYPES)

    def _against(self, x: float, y: float, yaw: float, fitting: Sequence[int]) -> list[int]:
        """Lanes against which a pose faces: those it lies in; where no lane fits, all that are near."""
        if any(_within(self._index, row, x, y) for row in fitting):
            return []
        reach = self._config.largest_offset
        if not fitting:
            return self._index.near(x, y, yaw, radius=reach, max_heading_error=_ANY)
        turned = self._index.near(x, y, yaw + np.pi, radius=reach, max_heading_error=np.pi - _AGAINST)
        return [row for row in turned if _within(self._index, row, x, y)]

    def _ends(self, rows: Sequence[int], x: float, y: float, yaw: float | None) -> list[LaneEnd]:
        foot = self._index.project(np.repeat([[x, y]], len(rows), axis=0), np.array(rows))
        s = np.clip(foot.s, 0.0, [self._index.lines[row].length for row in rows])
        misfit = np.abs(foot.d) + np.abs(foot.s - s)
        if yaw is not None:
            misfit += _METRES_PER_RADIAN * np.abs(wrap_angle(yaw - foot.heading))
        return [LaneEnd(row, *values) for row, *values in zip(rows, s.tolist(), misfit.tolist(), strict=True)]

    def _headings(self, rows: Sequence[int], x: float, y: float) -> str:
        foot = self._index.project(np.repeat([[x, y]], len(rows), axis=0), np.array(rows))
        ids = self._network.lane_ids[list(rows)]
        return ", ".join(f"lane {i} that runs at {h:.2f} rad" for i, h in zip(ids, foot.heading, strict=True))

    def _nearest(self, x: float, y: float) -> str:
        """Words for the nearest lane, however far away."""
        cars = [row for row in self._index.lines if self._network.lane_types[row] == LaneType.VEHICLE]
        gap = {row: np.hypot(*(self._index.lines[row].xy - [x, y]).T) for row in cars}
        row = min(cars, key=lambda k: (float(gap[k].min()), k))
        at = self._index.lines[row].xy[int(gap[row].argmin())]
        name = self._network.lane_ids[row]
        return f"lane {name} {gap[row].min():.1f} m away, nearest at x, y = {at[0]:.1f}, {at[1]:.1f}"


def _within(index: LaneIndex, row: int, x: float, y: float) -> bool:
    """Whether a point lies in a lane."""
    foot = index.project(np.array([[x, y]]), np.array([row]))
    along = 0.0 <= float(foot.s[0]) <= index.lines[row].length
    return along and abs(float(foot.d[0])) <= index.width(row) / 2


def _best(ends: list[LaneEnd]) -> list[LaneEnd]:
    """The ends that fit about as well as the best one; misfits count from there."""
    least = min(end.misfit for end in ends)
    kept = [LaneEnd(end.row, end.s, end.misfit - least) for end in ends if end.misfit <= least + _AS_GOOD]
    return sorted(kept, key=lambda end: (end.misfit, end.row))
