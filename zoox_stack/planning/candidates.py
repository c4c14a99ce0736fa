"""Candidate plans: speed profiles along lateral shifts of the reference path.

Lateral motion is a quintic polynomial over arc length, so that a standing ego does not slide sideways and the plan
starts with the ego's offset, heading and curvature (after Werling, Ziegler, Kammel and Thrun, "Optimal trajectory
generation for dynamic street scenarios in a Frenet frame", 2010).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState
from zoox_stack.core.collision import PlanArrays
from zoox_stack.core.compiled import plain
from zoox_stack.core.geometry import wrap_angle
from zoox_stack.core.plans import EgoPlan
from zoox_stack.core.predictions import STEP, STEPS
from zoox_stack.planning.candidate_loop import drive_ways, shift_ways
from zoox_stack.planning.config import PlannerConfig
from zoox_stack.planning.lattice import Blocker, Lateral, Way, desired_speed, follow, specs, top_speed, ways
from zoox_stack.planning.motion_loop import Kinematics
from zoox_stack.planning.path_agents import PathAgents, lead_at
from zoox_stack.planning.reference_path import ReferencePath
from zoox_stack.planning.speed_profiles import LeadMotion, ProfileSpec, run_profiles, speed_caps
from zoox_stack.road_network.drivable import DrivableGrid

_GRID = 0.5  # [m] spacing of shifted paths
_LEAVES_LANE = int(Lateral.LANE_LEFT)
_TURNS_ABOVE = 0.7  # [m/s] below it the yaw rate says nothing of the steering
_AT_ONCE = 0.04  # [1/m] of curvature, by which the wheels turn in 0.2 s,
_UNNOTICED = 0.3  # [m/s^2] of lateral acceleration at most
_MOST_START_SLOPE = 1.5  # largest sideways slope a plan starts with


@dataclass(frozen=True, eq=False)
class Candidates:
    """C candidate plans; column i is at ``(i + 1) * STEP``; poses of base_link, map frame.

    Attributes:
        names: C unique names.
        profiles: C names of the speed profiles.
        laterals: uint8 ``[C]`` `Lateral`.
        motion: float64 ``[8, C, STEPS]``, rows `Kinematics`; the properties are views of it.
        distance: float64 ``[C, STEPS]`` travelled [m].
        target_d: float64 ``[C]`` centre of the lane driven to, relative to the reference path [m].
    """

    names: tuple[str, ...]
    profiles: tuple[str, ...]
    laterals: NDArray[np.uint8]
    motion: NDArray[np.float64]
    distance: NDArray[np.float64]
    target_d: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.names)

    @property
    def s(self) -> NDArray[np.float64]:
        """Along the reference path [m], ``[C, STEPS]``."""
        return self.motion[0]

    @property
    def d(self) -> NDArray[np.float64]:
        """To the left of it [m], ``[C, STEPS]``."""
        return self.motion[1]

    @property
    def x(self) -> NDArray[np.float64]:
        """Of base_link [m], ``[C, STEPS]``."""
        return self.motion[2]

    @property
    def y(self) -> NDArray[np.float64]:
        """Of base_link [m], ``[C, STEPS]``."""
        return self.motion[3]

    @property
    def yaw(self) -> NDArray[np.float64]:
        """-pi..pi [rad], ``[C, STEPS]``."""
        return self.motion[4]

    @property
    def curvature(self) -> NDArray[np.float64]:
        """Positive to the left [1/m], ``[C, STEPS]``."""
        return self.motion[5]

    @property
    def speed(self) -> NDArray[np.float64]:
        """>= 0 [m/s], ``[C, STEPS]``."""
        return self.motion[6]

    @property
    def acceleration(self) -> NDArray[np.float64]:
        """Mean over the step before [m/s^2], ``[C, STEPS]``."""
        return self.motion[7]

    @property
    def arrays(self) -> PlanArrays:
        """Poses for the collision check."""
        return PlanArrays(self.x, self.y, self.yaw, STEP)

    def plan(self, row: int) -> EgoPlan:
        """Candidate `row` as a plan whose id is the row."""
        return EgoPlan(
            row, self.names[row], STEP, self.x[row], self.y[row], self.yaw[row],
            self.speed[row], self.acceleration[row], self.curvature[row],
        )  # fmt: skip


def make_candidates(
    path: ReferencePath,
    ego: EgoState,
    agents: PathAgents,
    config: PlannerConfig,
    grid: DrivableGrid | None = None,
    blocker: Blocker | None = None,
) -> Candidates:
    """All candidate plans from the ego's present state along the path.

    Args:
        path: Reference path.
        ego: The ego.
        agents: Those near the path, whom to follow and to yield to.
        config: Limits.
        grid: Drivable ground, for where to pull over; None without a map.
        blocker: Who stands in the lane and is to be passed.
    """
    profiles, way_of, profile_of, every = _combine(path, ego, agents, config, grid, blocker)
    ahead = path.line.s >= path.ego_s
    stations = path.line.s[ahead] - path.ego_s
    cap = speed_caps(stations, path.line.curvature[ahead], desired_speed(path, config)[ahead], config)
    if len(stations) < 2:
        stations, cap = np.array([0.0, 1.0]), np.repeat(cap[-1:] if len(cap) else [config.cruise_speed], 2)
    driven = run_profiles(profiles, ego.speed, ego.acceleration, stations, cap, config)
    way, profile = np.array(way_of), np.array(profile_of)
    motion = np.empty((len(Kinematics), len(way), STEPS))
    _drive(path, ego, every, driven.distance, way, profile, config, motion[:6])
    motion[6], motion[7] = driven.speed[profile], driven.acceleration[profile]
    lateral = [int(w.lateral) for w in every]
    return Candidates(
        names=tuple([profiles[p].name + every[w].words for w, p in zip(way_of, profile_of, strict=True)]),
        profiles=tuple([profiles[p].name for p in profile_of]),
        laterals=np.array(lateral, np.uint8)[way],
        motion=motion,
        distance=driven.distance[profile],
        target_d=np.array([w.offset if kind >= _LEAVES_LANE else 0.0 for w, kind in zip(every, lateral, strict=True)])[
            way
        ],
    )


def _combine(
    path: ReferencePath,
    ego: EgoState,
    agents: PathAgents,
    config: PlannerConfig,
    grid: DrivableGrid | None,
    blocker: Blocker | None,
) -> tuple[list[ProfileSpec], list[int], list[int], list[Way]]:
    """Profiles, and for each candidate the row of its way and of its profile; the ways."""
    anywhere, in_lane = specs(path, ego, agents, config, blocker)
    profiles = anywhere + in_lane
    every = ways(path, ego, grid, config, blocker)
    top = top_speed(path, config)
    leads: dict[float, LeadMotion | None] = {0.0: None}  # who is followed in the middle of the lane is in `in_lane`
    way_of: list[int] = []
    profile_of: list[int] = []
    for w, way in enumerate(every):
        rows = [p for p, spec in enumerate(anywhere) if way.profiles is None or spec.name in way.profiles]
        if way.profiles is None:
            rows += range(len(anywhere), len(anywhere) + len(in_lane))
        if way.own is not None:
            rows.append(len(profiles))
            profiles.append(way.own)
        elif way.offset not in leads:
            leads[way.offset] = lead_at(agents, path, ego, way.offset)
            lead = leads[way.offset]
            if lead is not None:
                profiles.append(follow(lead, top, config))
        lead = leads.get(way.offset) if way.own is None else None
        if lead is not None:
            rows.append(next(p for p, spec in enumerate(profiles) if spec.lead is lead))
        way_of += [w] * len(rows)
        profile_of += rows
    return profiles, way_of, profile_of, every


def _drive(
    path: ReferencePath,
    ego: EgoState,
    every: list[Way],
    distance: NDArray[np.float64],
    way: NDArray[np.int64],
    profile: NDArray[np.int64],
    config: PlannerConfig,
    driven: NDArray[np.float64],
) -> None:
    """Fill in s, d, x, y, yaw and curvature of each candidate, ``[6, C, STEPS]``."""
    length = float(distance[:, -1].max()) + 2 * _GRID
    along = np.arange(0.0, 1.15 * length + 4 * _GRID, _GRID)
    point, heading, curvature = path.line.at(path.ego_s + along)
    error = float(wrap_angle(ego.yaw - heading[0]))
    scale = max(1 - curvature[0] * path.ego_d, 0.2)
    slope = float(np.clip(scale * np.tan(np.clip(error, -1.3, 1.3)), -_MOST_START_SLOPE, _MOST_START_SLOPE))
    bend = ego.yaw_rate / ego.speed if ego.speed > _TURNS_ABOVE else curvature[0]
    off = float(np.clip(bend - curvature[0], -config.max_curvature, config.max_curvature))
    start = np.tile([path.ego_d, slope, off * (1 + slope**2) ** 1.5], (len(every), 1))
    # Who keeps its lane does not carry on what the wheels make good at once: plan after plan, it would drift off the
    # path in every tight turn.
    at_once = min(_AT_ONCE, _UNNOTICED / max(ego.speed, 0.1) ** 2)
    steady = [w.lateral <= Lateral.NUDGE_RIGHT and not np.isfinite(w.back_from) for w in every]
    start[steady, 2] *= 1.0 - min(at_once / max(abs(off), 1e-9), 1.0)
    shifted = np.empty((len(every), 6, len(along)))
    shift_ways(
        plain(point, np.float64), plain(heading, np.float64), plain(curvature, np.float64),
        np.array([[w.offset, w.over, w.back_from, w.back_over] for w in every]), start,
        np.array([ego.x, ego.y, heading[0] + error]), _GRID, shifted,
    )  # fmt: skip
    drive_ways(
        shifted, plain(distance, np.float64), plain(way, np.int64), plain(profile, np.int64),
        path.ego_s, _GRID, driven,
    )  # fmt: skip
