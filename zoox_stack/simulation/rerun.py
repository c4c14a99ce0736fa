"""A recorded drive in closed loop once more: the same town and seed, with the ego put where it was, step by step.

The traffic is deterministic, so that the world is built again as it was; at any step it can be forked to see what would
have come of another plan.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.geometry import wrap_angle
from zoox_stack.core.plans import EgoPlan
from zoox_stack.simulation.closed_loop import ClosedLoop
from zoox_stack.simulation.forking import in_fork
from zoox_stack.simulation.towns import build_town
from zoox_stack.simulation.world import EGO_ID, STEP, TrafficWorld

X_Y_YAW, PRESENT, COLUMNS = slice(0, 3), 3, 4  # columns of one road user at one step of a branch
SAME_WORLD = 1e-3  # [m] a world that is farther from the recording is not the same
_SAME = 1e-6  # [m], [rad] between an ego that is put somewhere and its recording
_REMEDY = (
    "Is it the recording of this town, seed, duration and warm-up, with every step in it? Was the town, the vehicle or "
    "the simulator changed since?"
)


@dataclass(frozen=True)
class SimulatedDrive:
    """What has to be known of a drive in closed loop to drive it again.

    Attributes:
        town: Name of a town or path of a town file.
        seed: Of town, traffic and route.
        duration: For so long new traffic appeared [s].
        warm_up: Traffic before the ego appeared [s].
    """

    town: str
    seed: int
    duration: float = 60.0
    warm_up: float = 20.0


class Rerun(ClosedLoop):
    """A closed loop whose ego does not drive but is put where it is to be."""

    def put(self, ego: EgoState) -> None:
        """Go on by 0.1 s, at the end of which the ego is there.

        Raises:
            ZooxStackError: SUMO ended or lost the ego.
        """
        body = self._ego
        assert body is not None, "the drive has not begun"
        body.x, body.y, body.yaw, body.speed, body.acceleration = ego.x, ego.y, ego.yaw, ego.speed, ego.acceleration
        if ego.speed > 0:  # a standing ego keeps its steering, which nobody sees
            body.steering = float(np.arctan(ego.yaw_rate * body.config.wheelbase / ego.speed))
        self._advance()


def rerun(
    drive: SimulatedDrive, egos: Sequence[EgoState], folder: Path, recorded: Mapping[int, TrackedAgents] | None = None
) -> Iterator[Rerun]:
    """Drive again; the world is given at every step, the first included, and must not be stepped.

    Args:
        drive: Which drive.
        egos: Recorded states of the ego, without error and without a gap, from the first step on.
        folder: Where the town's files go.
        recorded: Recorded ground truth by stamp, to compare with; without it a drive of another duration, whose traffic
            is another one, can be taken for this one.

    Raises:
        ConfigurationError: Unknown town, or SUMO is not installed.
        InvalidInputError: The recording does not begin as this drive does, steps are missing, the ego has another size,
            or somebody is elsewhere.
        ZooxStackError: SUMO ended or lost the ego.
    """
    town = build_town(drive.town, drive.seed, folder)
    truth = {} if recorded is None else recorded
    loop = Rerun(town, drive.seed, folder, duration=drive.duration, warm_up=drive.warm_up)
    with loop:
        for number, ego in enumerate(egos):
            if number:
                loop.put(ego)
            _check_ego(number, loop.scene.ego, ego)
            if ego.stamp_ns in truth:
                _check_others(number, truth[ego.stamp_ns], loop.scene)
            yield loop
        if not egos:
            raise InvalidInputError("recorded states of the ego", "at least one", "none")


def largest_difference(recorded: TrackedAgents, now: TrackedAgents) -> float:
    """Largest way [m] of a corner from a recorded road user to the same one now; infinite if one of them is missing.

    A recording ends at some distance from the ego: who is farther away than everybody in it need not be in it.
    """
    if not np.isin(recorded.ids, now.ids).all():
        return float("inf")
    rows = np.searchsorted(now.ids, recorded.ids)
    if now.ego is not None and len(now):
        gap = np.hypot(*(now.position[:, :2] - now.ego.centre).T)
        if (np.delete(gap, rows) < gap[rows].max(initial=0.0) - SAME_WORLD).any():
            return float("inf")
    moved = np.hypot(*(now.position[rows, :2] - recorded.position[:, :2]).T)
    turned = np.abs(wrap_angle(now.yaw[rows] - recorded.yaw)) * np.hypot(*recorded.size[:, :2].T) / 2
    return float((moved + turned).max(initial=0.0))


def _check_ego(number: int, now: EgoState | None, recorded: EgoState) -> None:
    assert now is not None
    if not np.allclose(_sizes(now), _sizes(recorded), rtol=0, atol=_SAME):
        form = "{:.2f} x {:.2f} x {:.2f} m, rear axle {:.2f} m behind the middle"
        raise InvalidInputError(
            f"recorded state {number} of the ego", form.format(*_sizes(now)), form.format(*_sizes(recorded)), _REMEDY
        )
    apart = max(abs(now.x - recorded.x), abs(now.y - recorded.y), abs(float(wrap_angle(now.yaw - recorded.yaw))))
    if now.stamp_ns != recorded.stamp_ns or apart > _SAME:
        raise InvalidInputError(
            f"recorded state {number} of the ego",
            f"x = {now.x:.3f}, y = {now.y:.3f} m at {now.stamp_ns} ns",
            f"x = {recorded.x:.3f}, y = {recorded.y:.3f} m at {recorded.stamp_ns} ns",
            _REMEDY,
        )


def _sizes(ego: EgoState) -> tuple[float, float, float, float]:
    return ego.length, ego.width, ego.height, ego.rear_axle_to_centre


def _check_others(number: int, recorded: TrackedAgents, now: TrackedAgents) -> None:
    apart = largest_difference(recorded, now)
    if apart > SAME_WORLD:
        found = f"a difference of {apart:.3g} m" if np.isfinite(apart) else "others"
        raise InvalidInputError(
            f"recorded road users at step {number}", "those of the world built again", found, _REMEDY
        )


def drive_plan(
    world: TrafficWorld, plan: EgoPlan, ids: NDArray[np.int64], rear_axle_to_centre: float
) -> NDArray[np.float64]:
    """What `ids` do if the ego drives a plan, exactly; computed in a fork, the world itself does not move.

    Args:
        world: The traffic now.
        plan: Poses of base_link every 0.1 s.
        ids: Road users to watch.
        rear_axle_to_centre: Of the ego [m].

    Returns:
        float64 ``[T, len(ids), 4]``: x, y [m], yaw [rad] of box centres, and 1 while present without a break.

    Raises:
        InvalidInputError: The plan has other steps than the world.
        ZooxStackError: The fork died.
    """
    if abs(plan.step - STEP) > 1e-6:
        raise InvalidInputError(f"plan '{plan.name}'", f"steps of {STEP} s", f"{plan.step:g} s")
    x = plan.x + rear_axle_to_centre * np.cos(plan.yaw)
    y = plan.y + rear_axle_to_centre * np.sin(plan.yaw)
    poses = np.stack([x, y, plan.yaw, plan.speed], axis=1).tolist()

    def work(result: NDArray[np.float64]) -> None:
        there = np.ones(len(ids), bool)
        for step, pose in enumerate(poses):
            world.steer(EGO_ID, *pose)
            snapshot = world.step(lights=False)
            rows, present = snapshot.rows(ids)
            there &= present
            result[step, there, X_Y_YAW] = snapshot.states[rows[there], :3]
            result[step, there, PRESENT] = 1.0

    return in_fork(work, (len(plan), len(ids), COLUMNS))
