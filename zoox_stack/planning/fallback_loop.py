"""The loops of `zoox_stack.planning.fallback`: how badly others may behave, and whether a way back is left then."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.compiled import compiled

_GOES_NOWHERE = 1.0  # [m] predicted ways shorter than this are those of somebody who stays
_STOPS_AT_LAST = 0.5  # [m/s] who is that slow at the end of its predicted way has a reason to stop there
_STANDS = 0.3  # [m/s]
_SEEN = 2.0  # [s] who has stood for so long is seen and braked for by everybody,
_REACTS, _BRAKES = 0.7, 5.0  # [s], [m/s^2] and sooner by who can react and brake in less
_BEHIND_REACTS = 1.5  # [s] within which who drives up from behind has reacted
_BEHIND_COS = 0.65  # of the angle between headings up to which a contact is one from behind
_LEAST_IMPACT = 1.0  # [m/s]


@compiled(
    "void(f4[:, :, :, ::1], f4[:, :, ::1], i8[:, ::1], f8[:, ::1], f8[::1], f8[::1], f8[:, ::1], f8, f8, f8,"
    "f8[:, :, :, :, ::1])"
)
def worst_motions(
    positions: NDArray[np.float32],
    headings: NDArray[np.float32],
    modes: NDArray[np.int64],
    start: NDArray[np.float64],
    yaw: NDArray[np.float64],
    speed: NDArray[np.float64],
    push: NDArray[np.float64],
    brake: float,
    step: float,
    dt: float,
    poses: NDArray[np.float64],
) -> None:
    """Agents on their predicted ways, not giving way or braking hard.

    Args:
        positions: ``[A, K, T, 2]`` predicted box centres [m].
        headings: ``[A, K, T]`` [rad].
        modes: ``[A, M]`` the futures whose ways are taken, -1 none.
        start: ``[A, 2]`` box centres now, relative to the same origin [m].
        yaw: ``[A]`` now [rad].
        speed: ``[A]`` now [m/s].
        push: ``[A, 2]`` acceleration [m/s^2] and speed up to which it is kept up [m/s].
        brake: Hardest braking [m/s^2], > 0.
        step: Between predicted positions [s].
        dt: Between samples [s].
        poses: ``[A, M, 2, Q, 4]`` x, y [m], yaw [rad], speed [m/s] of who keeps on (0) and who brakes (1), at q * dt;
            filled. NaN where `modes` is -1.
    """
    steps, samples = positions.shape[2], poses.shape[3]
    for i in range(len(start)):
        for m in range(modes.shape[1]):
            k = modes[i, m]
            if k < 0:
                poses[i, m] = np.nan
                continue
            length, x, y = 0.0, start[i, 0], start[i, 1]
            last = 0.0
            for t in range(steps):
                last = math.hypot(positions[i, k, t, 0] - x, positions[i, k, t, 1] - y)
                length += last
                x, y = positions[i, k, t, 0], positions[i, k, t, 1]
            ends = last / step < _STOPS_AT_LAST
            for kind in range(2):
                v0 = speed[i]
                place, behind = 0, 0.0  # piece of the way, and where it begins
                x0, y0 = start[i, 0], start[i, 1]
                for q in range(samples):
                    time = q * dt
                    if kind == 1:
                        braking = min(time, v0 / brake)
                        way, v = v0 * braking - brake * braking * braking / 2.0, v0 - brake * braking
                    else:
                        rising = 0.0
                        if push[i, 0] > 0.0 and push[i, 1] > v0:
                            rising = min(time, (push[i, 1] - v0) / push[i, 0])
                        v = v0 + push[i, 0] * rising
                        way = v0 * rising + push[i, 0] * rising * rising / 2.0 + v * (time - rising)
                    if length < _GOES_NOWHERE:
                        way, v = 0.0, 0.0
                    elif ends and way > length:
                        way, v = length, 0.0
                    piece = 0.0
                    while place < steps:
                        piece = math.hypot(positions[i, k, place, 0] - x0, positions[i, k, place, 1] - y0)
                        if behind + piece >= way:
                            break
                        behind += piece
                        x0, y0 = positions[i, k, place, 0], positions[i, k, place, 1]
                        place += 1
                    if place == steps:  # beyond the end, straight on
                        angle = headings[i, k, steps - 1]
                        poses[i, m, kind, q, 0] = x0 + (way - behind) * math.cos(angle)
                        poses[i, m, kind, q, 1] = y0 + (way - behind) * math.sin(angle)
                    else:
                        share = (way - behind) / piece if piece > 0.0 else 0.0
                        poses[i, m, kind, q, 0] = x0 + share * (positions[i, k, place, 0] - x0)
                        poses[i, m, kind, q, 1] = y0 + share * (positions[i, k, place, 1] - y0)
                        angle = yaw[i] if place == 0 and share < 0.5 else headings[i, k, place]
                    poses[i, m, kind, q, 2] = angle
                    poses[i, m, kind, q, 3] = v


@compiled("b1(f8, f8, f8, f8, f8, f8, f8, f8, f8, f8)")
def _touch(
    x: float, y: float, turn_a: float, la: float, wa: float, bx: float, by: float, turn_b: float, lb: float, wb: float
) -> bool:
    """Whether two boxes with half lengths and half widths overlap: separating axes."""
    dx, dy = bx - x, by - y
    ca, sa, cb, sb = math.cos(turn_a), math.sin(turn_a), math.cos(turn_b), math.sin(turn_b)
    c, s = abs(ca * cb + sa * sb), abs(sa * cb - ca * sb)
    if abs(dx * ca + dy * sa) > la + lb * c + wb * s or abs(dy * ca - dx * sa) > wa + lb * s + wb * c:
        return False
    return not (abs(dx * cb + dy * sb) > lb + la * c + wa * s or abs(dy * cb - dx * sb) > wb + la * s + wa * c)


@compiled(
    "void(f8[:, :, ::1], f8[:, ::1], i8[::1], f8[::1], f8[:, :, :, :, ::1], f8[:, ::1], i8, f8, f8, f8, f8, f8[::1],"
    "i8[::1])"
)
def impact_speeds(
    motion: NDArray[np.float64],
    distance: NDArray[np.float64],
    rows: NDArray[np.int64],
    box: NDArray[np.float64],
    poses: NDArray[np.float64],
    half: NDArray[np.float64],
    commitment: int,
    braking: float,
    jerk: float,
    step: float,
    dt: float,
    impact: NDArray[np.float64],
    agent: NDArray[np.int64],
) -> None:
    """How hard the better of two ways out ends: braking along the plan's own way, or going on as planned.

    Args:
        motion: ``[8, C, T]`` of the candidates, rows `motion_loop.Kinematics`.
        distance: ``[C, T]`` travelled [m].
        rows: ``[N]`` the candidates meant.
        box: Of the ego: half length, half width, middle before base_link [m], speed [m/s], acceleration [m/s^2], and
            x, y [m], yaw [rad] of base_link.
        poses: ``[A, M, 2, Q, 4]`` from `worst_motions`, map frame.
        half: ``[A, 2]`` half length and width [m].
        commitment: Steps of the plan that are driven anyway.
        braking: Of the fallback [m/s^2], > 0.
        jerk: With which it begins [m/s^3].
        step: Of the plans [s].
        dt: Of the poses [s]; a multiple of `step`.
        impact: ``[N]`` filled: speed at which the two boxes meet [m/s], 0 where nobody is met.
        agent: ``[N]`` filled: row of whom it meets the hardest, -1 nobody.
    """
    agents, modes, samples, steps = poses.shape[0], poses.shape[1], poses.shape[3], motion.shape[2]
    every = round(dt / step)
    ego = np.empty((samples, 5))  # x, y of the middle, yaw, speed, since when it stands
    radius = math.hypot(box[0], box[1])
    # Where each agent may be at all.
    low, high = np.full((agents, 2), np.inf), np.full((agents, 2), -np.inf)
    for i in range(agents):
        margin = math.hypot(half[i, 0], half[i, 1])
        for m in range(modes):
            for kind in range(2):
                for q in range(samples):
                    for axis in range(2):
                        value = poses[i, m, kind, q, axis]
                        if not math.isnan(value):
                            low[i, axis] = min(low[i, axis], value - margin)
                            high[i, axis] = max(high[i, axis], value + margin)
    for n in range(len(rows)):
        c = rows[n]
        impact[n], agent[n] = np.inf, -1
        for option in range(2):
            v, a, way, place, stood = box[3], box[4], 0.0, 0, -1.0
            x_low = y_low = np.inf
            x_high = y_high = -np.inf
            for q in range(samples):
                if q > 0:
                    for sub in range(every):
                        t = (q - 1) * every + sub
                        planned = min(t, steps - 1)
                        if option == 1 or t < commitment:
                            way, v, a = distance[c, planned], motion[6, c, planned], motion[7, c, planned]
                        else:
                            a = max(a - jerk * step, -braking) if a > -braking else a
                            new = max(v + a * step, 0.0)
                            way, v = way + (v + new) / 2.0 * step, new
                            if way > distance[c, planned]:  # the plan itself brakes harder
                                way, v = distance[c, planned], motion[6, c, planned]
                while place < steps - 1 and distance[c, place] < way:
                    place += 1
                before_way = distance[c, place - 1] if place > 0 else 0.0
                piece = distance[c, place] - before_way
                share = min(max((way - before_way) / piece, 0.0), 1.0) if piece > 1e-6 else 0.0
                xb = motion[2, c, place - 1] if place > 0 else box[5]
                yb = motion[3, c, place - 1] if place > 0 else box[6]
                turn = motion[4, c, place] if share > 0.0 or place > 0 else box[7]
                ego[q, 0] = xb + share * (motion[2, c, place] - xb) + box[2] * math.cos(turn)
                ego[q, 1] = yb + share * (motion[3, c, place] - yb) + box[2] * math.sin(turn)
                ego[q, 2], ego[q, 3] = turn, v
                stood = -1.0 if v > _STANDS else (q * dt if stood < 0.0 else stood)
                ego[q, 4] = stood
                x_low, x_high = min(x_low, ego[q, 0] - radius), max(x_high, ego[q, 0] + radius)
                y_low, y_high = min(y_low, ego[q, 1] - radius), max(y_high, ego[q, 1] + radius)
            worst, who = 0.0, -1
            for i in range(agents):
                if low[i, 0] > x_high or high[i, 0] < x_low or low[i, 1] > y_high or high[i, 1] < y_low:
                    continue
                reach = radius + math.hypot(half[i, 0], half[i, 1])
                for m in range(modes):
                    for kind in range(2):
                        if math.isnan(poses[i, m, kind, 0, 0]):
                            continue
                        for q in range(samples):
                            px, py, angle = poses[i, m, kind, q, 0], poses[i, m, kind, q, 1], poses[i, m, kind, q, 2]
                            dx, dy = px - ego[q, 0], py - ego[q, 1]
                            if dx * dx + dy * dy > reach * reach:
                                continue
                            if not _touch(
                                ego[q, 0], ego[q, 1], ego[q, 2], box[0], box[1], px, py, angle, half[i, 0], half[i, 1]
                            ):
                                continue
                            if q == 0:
                                break  # the boxes overlap already: no plan changes that
                            time, va = q * dt, poses[i, m, kind, q, 3]
                            if ego[q, 4] >= 0.0 and time - ego[q, 4] >= min(_SEEN, _REACTS + va / _BRAKES):
                                break
                            if ego[q, 4] == 0.0 and box[3] < _STANDS:
                                break  # it stands already, and stays
                            ahead = -(dx * math.cos(angle) + dy * math.sin(angle))
                            along = math.cos(angle - ego[q, 2])
                            if time > _BEHIND_REACTS and along > _BEHIND_COS and ahead > half[i, 0] / 2.0:
                                break
                            speed = math.hypot(
                                va * math.cos(angle) - ego[q, 3] * math.cos(ego[q, 2]),
                                va * math.sin(angle) - ego[q, 3] * math.sin(ego[q, 2]),
                            )
                            if max(speed, _LEAST_IMPACT) > worst:
                                worst, who = max(speed, _LEAST_IMPACT), i
                            break
            if worst < impact[n]:
                impact[n], agent[n] = worst, who
