"""Minimal-risk manoeuvres: the state machine that decides how to come to a stand, and when the planner drives again."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.supervisor.config import SupervisorConfig
from zoox_stack.supervisor.motion import MotionState, Proposal, state_at
from zoox_stack.supervisor.pull_over import RoadMap, pull_over_path
from zoox_stack.supervisor.stops import (
    Braking,
    StopMotion,
    StopPath,
    path_onward,
    stop_along,
    stopping_distance,
    way_to_stand,
)

_EGO_STANDS = 0.3  # [m/s] a measured speed below it may be noise
_ENDS_BEFORE = 0.05  # [m] before the end of what was driven a stop ends, when that stood there


class Need(IntEnum):
    """What the faults of a tick ask for, the most urgent last."""

    NONE = 0
    COMFORT = 1
    URGENT = 2


class Manoeuvre(IntEnum):
    """States."""

    NOMINAL = 0
    COMFORT_STOP = 1
    PULL_OVER = 2
    EMERGENCY_STOP = 3
    STOPPED = 4


@dataclass(frozen=True, eq=False)
class KnownScene:
    """What a manoeuvre can go by.

    Attributes:
        in_force: The trajectory driven until now; None if there was none yet.
        ego: Where the ego is; None if that is not known.
        road: The map; None without one.
        agents: Newest tracked agents; None if nobody can say where they are.
    """

    in_force: Proposal | None = None
    ego: EgoState | None = None
    road: RoadMap | None = None
    agents: TrackedAgents | None = None


class Manoeuvres:
    """The state machine; see docs/supervisor.md for its table.

    Args:
        config: Limits and times.
    """

    def __init__(self, config: SupervisorConfig) -> None:
        self._config = config
        self.state = Manoeuvre.NOMINAL
        self.motion: StopMotion | None = None
        self._without_fault_ns: int | None = None  # steady time since when there is none
        self._begun_ns = 0  # steady time at which the manoeuvre began
        self._was_urgent = False  # since then
        self._without_urgent_ns: int | None = None
        self._stop_before = math.inf

    def rebase(self, jump_ns: int) -> None:
        """The clock of the stamps jumped."""
        if self.motion is not None:
            self.motion = self.motion.shifted(jump_ns)

    def step(self, need: Need, scene: KnownScene, now_ns: int, steady_ns: int) -> Proposal | None:
        """One tick.

        Args:
            need: What the faults of this tick ask for.
            scene: What is known.
            now_ns: Clock of the stamps [ns].
            steady_ns: Steady clock [ns].

        Returns:
            The trajectory of the manoeuvre; None in NOMINAL, or where neither a trajectory nor the ego is known.
        """
        self._count(need, steady_ns)
        if self.state == Manoeuvre.NOMINAL:
            self._begun_ns, self._was_urgent = steady_ns, False
        self._was_urgent |= need == Need.URGENT
        if self.state == Manoeuvre.NOMINAL and need != Need.NONE:
            self._begin(need, scene, now_ns)
        elif self.state != Manoeuvre.NOMINAL:
            self._go_on(need, scene, now_ns, steady_ns)
        return None if self.motion is None else self.motion.proposal(now_ns)

    def _count(self, need: Need, steady_ns: int) -> None:
        if need != Need.NONE:
            self._without_fault_ns = None
        elif self._without_fault_ns is None:
            self._without_fault_ns = steady_ns
        if need == Need.URGENT:
            self._without_urgent_ns = None
        elif self._without_urgent_ns is None:
            self._without_urgent_ns = steady_ns

    def _begin(self, need: Need, scene: KnownScene, now_ns: int) -> None:
        before, config = scene.in_force, self._config
        start = state_at(before, now_ns) if before is not None else None
        if start is None and scene.ego is not None:
            start = MotionState.of_ego(scene.ego)
        if start is None:
            self.state = Manoeuvre.STOPPED  # nothing was ever driven
            return
        lanes = scene.road.index if scene.road is not None else None
        path = path_onward(start, before, now_ns, stopping_distance(start.speed, config), lanes)
        place = (0.0, start.speed, start.acceleration)
        self._stop_before = way_to_stand(before, now_ns) - _ENDS_BEFORE
        if need == Need.URGENT:
            self._take(Manoeuvre.EMERGENCY_STOP, stop_along(path, place, Braking.emergency(config), now_ns, before))
            return
        comfort = Braking.comfort(config, self._stop_before)
        motion = stop_along(path, place, comfort, now_ns, before)
        aside = self._aside(path, motion.end, start.speed, scene)
        if aside is None:
            self._take(Manoeuvre.COMFORT_STOP, motion)
        else:
            self._take(Manoeuvre.PULL_OVER, stop_along(aside, place, comfort, now_ns, before))

    def _aside(self, path: StopPath, stop_at: float, speed: float, scene: KnownScene) -> StopPath | None:
        if not self._config.pull_over or scene.ego is None or scene.road is None or scene.agents is None:
            return None
        return pull_over_path(path, stop_at, speed, scene.ego, scene.road, scene.agents, self._config)

    def _take(self, state: Manoeuvre, motion: StopMotion) -> None:
        self.state, self.motion = state, motion

    def _go_on(self, need: Need, scene: KnownScene, now_ns: int, steady_ns: int) -> None:
        if self._since(self._without_fault_ns, steady_ns) >= self._recovery_time():
            self.state, self.motion = Manoeuvre.NOMINAL, None
        elif self.motion is None:
            self._begin_late(need, scene, now_ns)
        else:
            self._follow_ego(scene.ego, now_ns)
            self._change(need, self.motion, scene, now_ns, steady_ns)

    def _begin_late(self, need: Need, scene: KnownScene, now_ns: int) -> None:
        """A fault from before anything was driven goes on; by now there may be something to stop."""
        moves = scene.ego is not None and scene.ego.speed > _EGO_STANDS
        if need != Need.NONE and (moves or scene.in_force is not None):
            self._begin(need, scene, now_ns)

    def _change(self, need: Need, motion: StopMotion, scene: KnownScene, now_ns: int, steady_ns: int) -> None:
        """Another state, if there is reason."""
        config = self._config
        place = motion.place(now_ns)
        stands = place[1] <= config.standing_speed
        if stands and (scene.ego is None or scene.ego.speed <= _EGO_STANDS):
            self.state = Manoeuvre.STOPPED
        elif need == Need.URGENT and self.state != Manoeuvre.EMERGENCY_STOP:
            harder = stop_along(motion.path, place, Braking.emergency(config), now_ns, scene.in_force)
            self._take(Manoeuvre.EMERGENCY_STOP, harder)
        elif self._released(steady_ns) or (self.state == Manoeuvre.STOPPED and not stands):
            softer = stop_along(motion.path, place, Braking.comfort(config, self._stop_before), now_ns)
            self._take(Manoeuvre.COMFORT_STOP, softer)

    def _recovery_time(self) -> float:
        """Without any fault before the planner drives again [s]; less after something that was merely late."""
        config, ended = self._config, self._without_fault_ns
        if ended is None or self._was_urgent or (ended - self._begun_ns) * 1e-9 > config.brief_fault:
            return config.recovery_time
        return min(config.brief_recovery_time, config.recovery_time)

    def _released(self, steady_ns: int) -> bool:
        """Whether an emergency stop may become a comfortable one."""
        calm = self._since(self._without_urgent_ns, steady_ns) >= self._config.release_time
        return self.state == Manoeuvre.EMERGENCY_STOP and calm

    def _follow_ego(self, ego: EgoState | None, now_ns: int) -> None:
        """Begin anew from where the ego is along the path, if it brakes other than it should."""
        if ego is None or self.motion is None:
            return
        wanted = self.motion.state(ego.stamp_ns)
        config = self._config
        behind = (wanted.x - ego.x) * np.cos(ego.yaw) + (wanted.y - ego.y) * np.sin(ego.yaw)
        if abs(behind) <= config.start_along and abs(wanted.speed - ego.speed) <= config.start_speed:
            return
        now = self.motion.place(now_ns)
        place = (max(now[0] - float(behind), 0.0), max(ego.speed, 0.0), now[2])
        braking = Braking.emergency(config)
        if self.state != Manoeuvre.EMERGENCY_STOP:
            braking = Braking.comfort(config, self._stop_before)
        path = _long_enough(self.motion.path, place[0] + stopping_distance(place[1], config), now_ns)
        self.motion = stop_along(path, place, braking, now_ns)

    @staticmethod
    def _since(start_ns: int | None, steady_ns: int) -> float:
        return -1.0 if start_ns is None else (steady_ns - start_ns) * 1e-9


def _long_enough(path: StopPath, length: float, now_ns: int) -> StopPath:
    """A path that is straightened on where it is too short."""
    missing = length - float(path.s[-1])
    if missing <= 0:
        return path
    xy, yaw, curvature = path.at(path.s[-1])
    end = MotionState(float(xy[0]), float(xy[1]), float(yaw), 0.0, 0.0, float(curvature))
    rest = path_onward(end, None, now_ns, missing, None)
    return StopPath.through(
        np.concatenate([path.xy, rest.xy[1:]]),
        np.concatenate([path.yaw, rest.yaw[1:]]),
        np.concatenate([path.curvature, rest.curvature[1:]]),
    )
