"""Coming to a stand along a path: jerk-limited, never further than what was driven before would have gone."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zoox_stack.core.geometry import arc_lengths, wrap_angle
from zoox_stack.core.predictions import STEP, STEPS
from zoox_stack.road_network.queries import LaneIndex
from zoox_stack.supervisor.config import SupervisorConfig
from zoox_stack.supervisor.motion import MotionState, Proposal, state_at

_TICK = 0.02  # [s] between the states of a stop
_LEAST_STEP = 0.02  # [m] between points of a path
_SPACING = 0.5  # [m] between points where a path is lengthened
_JOIN = 15.0  # [m] over which a lengthened path comes back to the middle of its lane
_FADE = 20.0  # [m] over which a curve straightens where no lane is known
_LEAST_FRICTION = 0.3  # share of the tyres' grip that is left for braking however sharp the curve
_RELEASE_JERK = 8.0  # [m/s^3] with which harder braking than wanted is let go, at least
_CREEP = 0.1  # [m/s] a motion that ends slower than this ends standing
GRAVITY = 9.81  # [m/s^2]


@dataclass(frozen=True, eq=False)
class StopPath:
    """A path with its headings; P >= 2 points, arrays ``[P]`` or ``[P, 2]``.

    Attributes:
        s: Arc length [m], from 0, strictly rising.
        xy: [m] of base_link, map frame.
        yaw: [rad], without jumps.
        curvature: [1/m].
    """

    s: NDArray[np.float64]
    xy: NDArray[np.float64]
    yaw: NDArray[np.float64]
    curvature: NDArray[np.float64]

    @classmethod
    def through(cls, xy: NDArray[Any], yaw: NDArray[Any], curvature: NDArray[Any]) -> StopPath:
        """A path through points with headings; those that come too close to the one before are left out."""
        keep = [0]
        for row in range(1, len(xy)):
            if math.dist(xy[row], xy[keep[-1]]) >= _LEAST_STEP:
                keep.append(row)
        xy, yaw = xy[keep], np.unwrap(yaw[keep])
        return cls(arc_lengths(xy), xy, yaw, curvature[keep])

    def at(self, s: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Positions ``[..., 2]``, headings and curvatures ``[...]`` at arc lengths, which are cut off at the ends."""
        s = np.clip(np.asarray(s, dtype=np.float64), 0.0, self.s[-1])
        yaw = wrap_angle(np.interp(s, self.s, self.yaw))
        return self._places(s), yaw, np.interp(s, self.s, self.curvature)

    def _places(self, s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Cubic Hermite interpolation (scipy has it, and needs a third of a second to be imported)."""
        row = np.clip(np.searchsorted(self.s, s, side="right") - 1, 0, len(self.s) - 2)
        step = self.s[row + 1] - self.s[row]
        t = ((s - self.s[row]) / step)[..., None]
        tangent = np.stack([np.cos(self.yaw), np.sin(self.yaw)], axis=1)
        leave, arrive = tangent[row] * step[..., None], tangent[row + 1] * step[..., None]
        way = self.xy[row + 1] - self.xy[row]
        return np.asarray(
            self.xy[row] + t * (leave + t * (3 * way - 2 * leave - arrive + t * (leave + arrive - 2 * way)))
        )


def path_onward(
    start: MotionState, before: Proposal | None, now_ns: int, length: float, index: LaneIndex | None
) -> StopPath:
    """The path from a state along what was driven before, then along its lane, without a map straightening out.

    Args:
        start: Where it begins.
        before: The motion that `start` is part of; None if there was none.
        now_ns: Time of `start` [ns].
        length: [m] it has to reach at least.
        index: The map.
    """
    xy, yaw = np.array([[start.x, start.y]]), np.array([start.yaw])
    curvature = np.array([start.curvature])
    if before is not None:
        times = before.stamp_ns * 1e-9 + (np.arange(len(before.x)) + 1) * before.step
        later = times > now_ns * 1e-9 + 1e-6
        xy = np.concatenate([xy, np.stack([before.x[later], before.y[later]], axis=1)])
        yaw = np.concatenate([yaw, before.yaw[later]])
        curvature = np.concatenate([curvature, before.curvature[later]])
    missing = length - float(arc_lengths(xy)[-1]) if len(xy) > 1 else length
    ahead = _SPACING * np.arange(1, max(int(np.ceil(missing / _SPACING)), 2) + 1)
    end = MotionState(float(xy[-1, 0]), float(xy[-1, 1]), float(yaw[-1]), 0.0, 0.0, float(curvature[-1]))
    rest = _along_lane(end, ahead, index) or _straightening(end, ahead)
    return StopPath.through(
        np.concatenate([xy, rest[0]]), np.concatenate([yaw, rest[1]]), np.concatenate([curvature, rest[2]])
    )


_Points = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


def _along_lane(end: MotionState, ahead: NDArray[Any], index: LaneIndex | None) -> _Points | None:
    """Points along the lane from a pose, joined smoothly; None where no lane fits."""
    lane = index.path_ahead(end.x, end.y, end.yaw, float(ahead[-1]) + 2.0) if index is not None else None
    if lane is None:
        return None
    here = lane.line.project(np.array([[end.x, end.y]]))
    slope = math.tan(float(np.clip(wrap_angle(end.yaw - here.heading[0]), -0.5, 0.5)))
    u = np.minimum(ahead / _JOIN, 1.0)
    # Cubic Hermite: from the present offset and slope to the middle of the lane.
    d = float(here.d[0]) * (1 - 3 * u**2 + 2 * u**3) + slope * _JOIN * u * (1 - u) ** 2
    xy, heading, _ = lane.line.at(float(here.s[0]) + ahead)
    xy = xy + d[:, None] * np.stack([-np.sin(heading), np.cos(heading)], axis=1)
    whole = np.concatenate([[[end.x, end.y]], xy])
    tangent = np.gradient(whole, axis=0)
    yaw = np.unwrap(np.arctan2(tangent[:, 1], tangent[:, 0]))
    return xy, yaw[1:], np.gradient(yaw, arc_lengths(whole))[1:]


def _straightening(end: MotionState, ahead: NDArray[Any]) -> _Points:
    """Points along a curve that fades into a straight line."""
    curvature = end.curvature * np.clip(1.0 - ahead / _FADE, 0.0, 1.0)
    yaw = end.yaw + np.cumsum(curvature) * _SPACING
    middle = yaw - curvature * _SPACING / 2
    step = _SPACING * np.stack([np.cos(middle), np.sin(middle)], axis=1)
    return np.array([end.x, end.y]) + np.cumsum(step, axis=0), yaw, curvature


@dataclass(frozen=True, eq=False)
class Braking:
    """How to brake.

    Attributes:
        deceleration: [m/s^2] > 0.
        jerk: [m/s^3].
        friction: Deceleration along and across together that the tyres hold [m/s^2].
        stop_before: Arc length at which it must stand, however hard that is [m].
    """

    deceleration: float
    jerk: float
    friction: float
    stop_before: float = math.inf

    @classmethod
    def comfort(cls, config: SupervisorConfig, stop_before: float = math.inf) -> Braking:
        """A stop that passengers hardly mind."""
        return cls(config.comfort_deceleration, config.comfort_jerk, config.friction * GRAVITY, stop_before)

    @classmethod
    def emergency(cls, config: SupervisorConfig) -> Braking:
        """As hard as the tyres hold."""
        friction = config.friction * GRAVITY
        return cls(min(friction, config.max_deceleration), config.emergency_jerk, friction)


@dataclass(frozen=True, eq=False)
class StopMotion:
    """A stop along a path, defined at every time; K states every 0.02 s, arrays ``[K]``.

    Attributes:
        path: Where.
        start_ns: Time of the first state [ns].
        s: Arc length [m].
        speed: [m/s].
        acceleration: [m/s^2].
    """

    path: StopPath
    start_ns: int
    s: NDArray[np.float64]
    speed: NDArray[np.float64]
    acceleration: NDArray[np.float64]

    @property
    def end(self) -> float:
        """Arc length at which it stands [m]."""
        return float(self.s[-1])

    def shifted(self, offset_ns: int) -> StopMotion:
        """The same at another time."""
        return replace(self, start_ns=self.start_ns + offset_ns)

    def place(self, now_ns: int) -> tuple[float, float, float]:
        """Arc length [m], speed [m/s] and acceleration [m/s^2] at a time."""
        s, speed, acceleration = self._at(np.array([(now_ns - self.start_ns) * 1e-9]))
        return float(s[0]), float(speed[0]), float(acceleration[0])

    def state(self, now_ns: int) -> MotionState:
        """The state at a time."""
        return state_at(self.proposal(now_ns - round(STEP * 1e9)), now_ns)

    def proposal(self, now_ns: int) -> Proposal:
        """The trajectory from a time on."""
        s, speed, acceleration = self._at((now_ns - self.start_ns) * 1e-9 + STEP * np.arange(1, STEPS + 1))
        xy, yaw, curvature = self.path.at(s)
        return Proposal(now_ns, STEP, xy[:, 0], xy[:, 1], yaw, speed, acceleration, curvature)

    def _at(self, time: NDArray[Any]) -> _Points:
        grid = _TICK * np.arange(len(self.s))
        s, speed, acceleration = (np.interp(time, grid, column) for column in (self.s, self.speed, self.acceleration))
        return s, speed, acceleration


def stop_along(
    path: StopPath,
    place: tuple[float, float, float],
    braking: Braking,
    now_ns: int,
    before: Proposal | None = None,
) -> StopMotion:
    """Brake to a stand.

    At each time it brakes at least as hard as the motion before would have done then: so it is never faster and never
    gets further, and what that motion stopped for is not driven into. The release of the brakes at the end keeps the
    jerk: braking is at most ``sqrt(2 jerk speed)``.

    Args:
        path: Where.
        place: Arc length [m], speed [m/s], acceleration [m/s^2] to begin with.
        braking: How.
        now_ns: When it begins [ns].
        before: The motion before.
    """
    s, speed, acceleration = place
    ceiling = _accelerations(before, now_ns)
    step = braking.jerk * _TICK
    states = [(s, speed, acceleration)]
    bends = np.abs(np.interp(np.arange(0.0, path.s[-1] + 1.0), path.s, path.curvature)).tolist()
    while speed > 0.0:
        bend = bends[min(int(s), len(bends) - 1)]
        grip = math.sqrt(
            max(braking.friction**2 - (speed * speed * bend) ** 2, (_LEAST_FRICTION * braking.friction) ** 2)
        )
        room = max(braking.stop_before - s, 0.05)
        needed = max(braking.deceleration, speed * speed / (2 * room))
        target = -min(needed, grip, max(math.sqrt(2 * braking.jerk * speed), 0.05))
        release = step if acceleration >= -needed else max(step, _RELEASE_JERK * _TICK)
        acceleration += min(max(target - acceleration, -step), release)
        if len(states) <= len(ceiling):
            acceleration = min(acceleration, ceiling[len(states) - 1])
        after = speed + acceleration * _TICK
        if after <= 0.0:
            s, speed, acceleration = s - speed * speed / (2 * acceleration), 0.0, 0.0
        else:
            s, speed = s + (speed + after) / 2 * _TICK, after
        states.append((s, speed, acceleration))
    columns = np.array(states).T
    columns[2, -1] = 0.0
    return StopMotion(path, now_ns, columns[0], columns[1], columns[2])


def _accelerations(before: Proposal | None, now_ns: int) -> list[float]:
    """What a motion would accelerate from now on, every 0.02 s until its end; empty without one [m/s^2].

    It is taken from the speeds, so that a motion that brakes at least as hard is nowhere faster.
    """
    if before is None:
        return []
    slopes = np.concatenate([before.acceleration[:1], np.diff(before.speed) / before.step])
    times = np.arange((now_ns - before.stamp_ns) * 1e-9 + _TICK / 2, before.step * len(before.x), _TICK)
    rows = np.clip(np.ceil(times / before.step).astype(np.int64) - 1, 0, len(slopes) - 1)
    return [float(a) for a in slopes[rows]]


def way_to_stand(before: Proposal | None, now_ns: int) -> float:
    """How far a motion goes from now on until it stands [m]; infinite if it does not, or without one."""
    if before is None or before.speed[-1] > _CREEP:
        return math.inf
    here = state_at(before, now_ns)
    later = before.stamp_ns * 1e-9 + (np.arange(len(before.x)) + 1) * before.step > now_ns * 1e-9
    x, y = np.append(here.x, before.x[later]), np.append(here.y, before.y[later])
    return float(np.hypot(np.diff(x), np.diff(y)).sum())


def stopping_distance(speed: float, config: SupervisorConfig) -> float:
    """More than a comfortable stop can take [m]."""
    ramp = 2.0 + config.comfort_deceleration / config.comfort_jerk
    return speed * speed / (2 * config.comfort_deceleration) + (ramp + 4.0) * speed + 10.0
