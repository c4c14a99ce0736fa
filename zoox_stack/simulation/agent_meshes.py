"""What road users look like to a LiDAR. x is forward, the centre of the box is x = y = 0, the ground is z = 0.

Every mesh fills the box of its agent. An open door is a road user of its own, beside the car that has it.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from zoox_stack.core.classes import AgentClass
from zoox_stack.simulation.meshes import FRONT, GLASS, SIDES, Mesh, blob, box, cylinder, frustum, join, tube

VAN_HEIGHT = 1.8  # [m] cars from this height on are vans
ARTICULATED_LENGTH = 9.0  # [m] trucks from this length on are tractors with a trailer
_TYRE, _METAL, _CLOTH, _SKIN, _TARPAULIN, _FUR = 0.08, 0.5, 0.35, 0.45, 0.6, 0.25


@lru_cache(maxsize=4096)
def agent_mesh(kind: AgentClass, length: float, width: float, height: float, *, phase: float = 0.0) -> Mesh:
    """A road user that fills its box.

    Args:
        kind: Class.
        length: [m].
        width: [m].
        height: [m].
        phase: [rad] of the stride of pedestrians, animals and pedalling cyclists: 0 is the widest step, with the left
            leg ahead; pi the widest with the right one ahead; at pi / 2 the legs pass each other.
    """
    match kind:
        case AgentClass.CAR if height >= VAN_HEIGHT:
            shape = _van(length, width, height)
        case AgentClass.CAR:
            shape = _car(length, width, height)
        case AgentClass.TRUCK if length >= ARTICULATED_LENGTH:
            shape = _articulated_truck(length, width, height)
        case AgentClass.TRUCK:
            shape = _truck(length, width, height)
        case AgentClass.BUS:
            shape = _bus(length, width, height)
        case AgentClass.TRAILER:
            shape = _trailer(length, width, height)
        case AgentClass.MOTORCYCLE:
            shape = _motorcyclist(length, width, height)
        case AgentClass.BICYCLE:
            shape = _cyclist(length, width, height, phase)
        case AgentClass.PEDESTRIAN:
            shape = _pedestrian(length, width, height, phase)
        case AgentClass.ANIMAL:
            shape = _animal(length, width, height, phase)
        case _:
            shape = box((-length / 2, length / 2), (-width / 2, width / 2), (0.0, height))
    return shape.within((-length / 2, -width / 2, 0.0), (length / 2, width / 2, height))


def _wheels(axles: tuple[float, ...], half_width: float, radius: float, tread: float = 0.22) -> Mesh:
    """A wheel on either side at every x of `axles`."""
    return join(*(
        tube((x, side * (half_width - tread), radius), (x, side * half_width, radius), radius, sides=8, closed=True)
        for x in axles for side in (-1, 1)
    )).painted(_TYRE)  # fmt: skip


def _car(length: float, width: float, height: float) -> Mesh:
    x, y, clearance = length / 2, width / 2, 0.13 * height
    inner = 0.97 * y
    body = box((-x, x), (-y, y), (clearance, 0.48 * height))
    bonnet = frustum((-x, x, -y, y), (-0.95 * x, 0.5 * x, -inner, inner), (0.48 * height, 0.6 * height))
    sill, roof = (-0.46 * length, 0.22 * length, -inner, inner), (-0.34 * length, 0.05 * length, -0.78 * y, 0.78 * y)
    cabin = frustum(sill, roof, (0.6 * height, height)).painted(GLASS, SIDES)
    return join(body, bonnet, cabin, _wheels((-0.3 * length, 0.31 * length), y, 0.21 * height))


def _van(length: float, width: float, height: float) -> Mesh:
    x, y, clearance = length / 2, width / 2, 0.11 * height
    load = box((-x, 0.18 * length), (-y, y), (clearance, height))
    nose = frustum((0.18 * length, x, -y, y), (0.18 * length, 0.92 * x, -y, y), (clearance, 0.5 * height))
    cabin = frustum((0.18 * length, 0.9 * x, -y, y), (0.18 * length, 0.24 * length, -0.9 * y, 0.9 * y),
                    (0.5 * height, 0.97 * height)).painted(GLASS, SIDES)  # fmt: skip
    return join(load, nose, cabin, _wheels((-0.3 * length, 0.33 * length), y, 0.16 * height))


def _cab(x: tuple[float, float], half_width: float, height: float) -> Mesh:
    """Driver's cab of a truck."""
    y = (-half_width, half_width)
    lower, roof = box(x, y, (0.4, 0.5 * height)), box(x, y, (0.82 * height, height))
    windows = frustum((*x, *y), (x[0], x[1] - 0.08, *y), (0.5 * height, 0.82 * height)).painted(GLASS, FRONT)
    return join(lower, windows, roof)


def _load(x: tuple[float, float], half_width: float, z: tuple[float, float]) -> Mesh:
    """A closed load space on a narrower chassis."""
    space = box(x, (-half_width, half_width), z).painted(_TARPAULIN)
    return join(space, box(x, (-0.45 * half_width, 0.45 * half_width), (0.55, z[0])))


def _truck(length: float, width: float, height: float) -> Mesh:
    x, y, cab = length / 2, width / 2, min(2.2, 0.3 * length)
    return join(
        _cab((x - cab, x), y, 0.85 * height),
        _load((-x, x - cab - 0.25), y, (1.0, height)),
        _wheels((-0.28 * length, x - 0.6 * cab), y, 0.5, 0.3),
    )


def _articulated_truck(length: float, width: float, height: float) -> Mesh:
    x, y, cab = length / 2, width / 2, 2.1
    return join(
        _cab((x - cab, x), y, 0.88 * height),
        box((x - cab - 2.2, x - cab), (-0.45 * y, 0.45 * y), (0.55, 0.95)),
        _load((-x, x - cab - 0.7), y, (1.15, height)),
        _wheels((-x + 1.6, -x + 2.9, x - cab - 1.3, x - 0.6 * cab), y, 0.5, 0.3),
    )


def _trailer(length: float, width: float, height: float) -> Mesh:
    x, y = length / 2, width / 2
    floor = min(1.0, 0.45 * height)
    wheels = _wheels((-0.15 * length, 0.05 * length), y, 0.9 * floor / 2, 0.2)
    drawbar = tube((0.4 * length, 0.0, floor), (x, 0.0, 0.45 * floor), 0.06, sides=4)
    return join(_load((-x, 0.42 * length), y, (floor, height)), wheels, drawbar)


def _bus(length: float, width: float, height: float) -> Mesh:
    x, y = (-length / 2, length / 2), (-width / 2, width / 2)
    return join(
        box(x, y, (0.3, 0.4 * height)),
        box(x, y, (0.4 * height, 0.78 * height)).painted(GLASS, SIDES),
        box(x, y, (0.78 * height, height)),
        _wheels((-0.27 * length, 0.28 * length), width / 2, 0.48, 0.28),
    )


def _rider(seat: tuple[float, float], height: float, half_width: float, hands: tuple[float, float]) -> Mesh:
    """Torso, arms and head above a seat; seat and hands are (x, z) [m]."""
    shoulder = (seat[0] + 0.22, 0.82 * height)
    head, reach = 0.065 * height, 0.8 * half_width
    arms = [
        tube((shoulder[0], side * 0.55 * half_width, shoulder[1]), (hands[0], side * reach, hands[1]), 0.05, sides=5)
        for side in (-1, 1)
    ]
    torso = tube((seat[0], 0, seat[1]), (shoulder[0], 0, shoulder[1]), 0.13, end_radius=0.17)
    face = blob((shoulder[0] + 0.06, 0, height - 1.15 * head), (head, 0.9 * head, 1.15 * head), sides=6)
    return join(torso.painted(_CLOTH), join(*arms).painted(_CLOTH), face.painted(_SKIN))


def _bars(x: float, half_width: float, z: float) -> Mesh:
    return tube((x, -half_width, z), (x, half_width, z), 0.03, sides=4)


def _wheel_pair(hub: float, radius: float, tread: float) -> Mesh:
    """One wheel behind the other, hubs at -hub and hub."""
    wheels = [tube((x, -tread / 2, radius), (x, tread / 2, radius), radius, sides=8, closed=True) for x in (-hub, hub)]
    return join(*wheels).painted(_TYRE)


def _motorcyclist(length: float, width: float, height: float) -> Mesh:
    x, y, radius = length / 2, width / 2, 0.15 * length
    wheels = _wheel_pair(x - radius, radius, 0.16)
    tank = box((-0.25 * length, 0.2 * length), (-0.16, 0.16), (0.5 * radius, 0.5 * height))
    tail = box((-0.42 * length, -0.1 * length), (-0.13, 0.13), (0.38 * height, 0.5 * height))
    fork = tube((x - radius, 0, radius), (0.2 * length, 0, 0.6 * height), 0.06, sides=5)
    legs = [tube((-0.15 * length, s * 0.15, 0.5 * height), (0.05 * length, s * 0.26, 0.2 * height), 0.08, sides=5)
            for s in (-1, 1)]  # fmt: skip
    rider = _rider((-0.15 * length, 0.5 * height), height, y, (0.2 * length, 0.6 * height))
    return join(wheels, tank, tail, fork, _bars(0.2 * length, y, 0.6 * height), join(*legs).painted(_CLOTH), rider)


def _cyclist(length: float, width: float, height: float, phase: float) -> Mesh:
    x, y, radius, saddle = length / 2, width / 2, 0.18 * length, 0.52 * height
    wheels = _wheel_pair(x - radius, radius, 0.05)
    head = 0.25 * length
    crank = (-0.02 * length, 0.9 * radius)
    tubes = [
        tube((-x + radius, 0, radius), (crank[0], 0, crank[1]), 0.03, sides=4),
        tube((crank[0], 0, crank[1]), (-0.12 * length, 0, saddle), 0.03, sides=4),
        tube((crank[0], 0, crank[1]), (head, 0, 0.5 * height), 0.03, sides=4),
        tube((-0.12 * length, 0, 0.9 * saddle), (head, 0, 0.5 * height), 0.03, sides=4),
        tube((x - radius, 0, radius), (head, 0, 0.56 * height), 0.03, sides=4),
    ]
    legs = []
    for side in (-1, 1):
        foot = (crank[0] + 0.17 * np.cos(phase) * side, crank[1] + 0.17 * np.sin(phase) * side)
        legs.append(
            tube((-0.12 * length, side * 0.1, saddle), (foot[0], side * 0.12, max(foot[1], 0.1)), 0.07, sides=5)
        )
    rider = _rider((-0.12 * length, saddle), height, y, (head, 0.58 * height))
    return join(wheels, *tubes, _bars(head, y, 0.58 * height), join(*legs).painted(_CLOTH), rider)


def _pedestrian(length: float, width: float, height: float, phase: float) -> Mesh:
    x, y, hip, shoulder = length / 2, width / 2, 0.5 * height, 0.81 * height
    limb, head = 0.045 * height, 0.068 * height
    swing = float(np.cos(phase))
    parts = []
    for side in (-1, 1):
        step = swing * side
        lift = 0.05 * height * abs(float(np.sin(phase))) * (side > 0)
        foot = ((x - 1.3 * limb) * step, side * 0.3 * y, lift)
        leg = tube(foot, (0.0, side * 0.35 * y, hip), 0.9 * limb, end_radius=1.5 * limb)
        sole = box((foot[0] - 1.2 * limb, foot[0] + 1.3 * limb), (foot[1] - limb, foot[1] + limb), (lift, lift + limb))
        arm = tube((0.0, side * (y - limb), shoulder), (-0.7 * x * step, side * (y - limb), 0.47 * height), 0.8 * limb,
                   sides=5)  # fmt: skip
        parts += [leg, sole, arm, tube((0.0, 0.0, shoulder), (0.0, side * y, shoulder), limb, sides=5)]
    torso = cylinder(1.0, (hip - 0.03 * height, shoulder + limb), top_radius=1.1).scaled(
        min(0.45 * x, 0.09 * height), 0.75 * y, 1.0
    )
    face = blob((0, 0, height - 1.1 * head), (head, 0.9 * head, 1.1 * head), sides=6).painted(_SKIN)
    return join(join(torso, *parts).painted(_CLOTH), face)


def _animal(length: float, width: float, height: float, phase: float) -> Mesh:
    """Four legs, trotting: opposite legs move together."""
    x, y, back = length / 2, width / 2, 0.72 * height
    limb = 0.12 * width
    body = blob((-0.05 * length, 0, 0.58 * height), (0.38 * length, y, 0.2 * height))
    legs = []
    for along in (-0.3, 0.22):
        for side in (-1, 1):
            step = 0.12 * length * float(np.cos(phase)) * side * (1 if along > 0 else -1)
            hip = (along * length, side * 0.55 * y, 0.55 * height)
            legs.append(tube((along * length + step, side * 0.5 * y, 0.0), hip, limb, end_radius=1.6 * limb, sides=5))
    neck = tube((0.2 * length, 0, 0.65 * height), (0.34 * length, 0, 0.88 * height), 1.8 * limb)
    head = blob((0.36 * length, 0, 0.88 * height), (0.14 * length, 0.3 * y, 0.12 * height))
    tail = tube((-0.4 * length, 0, 0.65 * height), (-x, 0, back), 0.5 * limb, sides=4)
    return join(body, *legs, neck, head, tail).painted(_FUR)
