"""Small made-up towns: road layouts drawn from a seed and built with SUMO's netconvert.

Every town has sidewalks, zebra crossings and junctions of several kinds. Coordinates are those of the plain layout:
netconvert is told not to shift them, so that positions from SUMO are map positions.
"""

from __future__ import annotations

import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.random import Generator

from zoox_stack.core.errors import ConfigurationError
from zoox_stack.road_network.importers.sumo_net import SumoNet, read_sumo_net

SIDEWALK_WIDTH = 2.4  # [m]
KMH = 1 / 3.6


@dataclass(frozen=True)
class Node:
    """A junction of the plain layout.

    Attributes:
        x: [m].
        y: [m].
        kind: SUMO node type, for example ``"traffic_light"``, ``"priority"``.
    """

    x: float
    y: float
    kind: str = "priority"


@dataclass(frozen=True)
class Street:
    """A road between two nodes, by default in both directions.

    Attributes:
        start: Node name.
        end: Node name.
        lanes: Vehicle lanes per direction.
        speed: [m/s].
        priority: Higher goes first at priority junctions.
        bend: [m] sideways shift of the middle of the road; 0 is straight.
        one_way: Only from start to end.
        sidewalk: With a sidewalk on the right of each direction.
    """

    start: str
    end: str
    lanes: int = 1
    speed: float = 50 * KMH
    priority: int = 3
    bend: float = 0.0
    one_way: bool = False
    sidewalk: bool = True


@dataclass(frozen=True)
class TownPlan:
    """A layout before netconvert.

    Attributes:
        name: Layout and seed, for example ``"signal_grid_3"``.
        nodes: By name.
        streets: All roads.
    """

    name: str
    nodes: dict[str, Node]
    streets: tuple[Street, ...]


@dataclass(frozen=True)
class Town:
    """A built town.

    Attributes:
        name: Layout and seed.
        net_path: SUMO network file.
        net: Its contents: the road network and what ties it to SUMO's names.
    """

    name: str
    net_path: Path
    net: SumoNet


def _grid(
    random: Generator, columns: int, rows: int, spacing: tuple[float, float], kind: Callable[[], str], arm: float
) -> tuple[dict[str, Node], list[tuple[str, str]]]:
    """Jittered grid with arms at its rim: nodes and pairs of neighbouring nodes."""
    xs = np.cumsum(random.uniform(*spacing, columns))
    ys = np.cumsum(random.uniform(*spacing, rows))
    nodes: dict[str, Node] = {}
    pairs: list[tuple[str, str]] = []
    for i in range(columns):
        for j in range(rows):
            dx, dy = random.uniform(-7, 7, 2)
            nodes[f"n{i}_{j}"] = Node(float(xs[i] + dx), float(ys[j] + dy), kind())
    for i in range(columns):
        for j in range(rows):
            if i + 1 < columns:
                pairs.append((f"n{i}_{j}", f"n{i + 1}_{j}"))
            if j + 1 < rows:
                pairs.append((f"n{i}_{j}", f"n{i}_{j + 1}"))
    rim = [(f"n{i}_0", 0, -1) for i in range(columns)] + [(f"n{i}_{rows - 1}", 0, 1) for i in range(columns)]
    rim += [(f"n0_{j}", -1, 0) for j in range(rows)] + [(f"n{columns - 1}_{j}", 1, 0) for j in range(rows)]
    for k, (inner, sx, sy) in enumerate(rim):
        node, reach = nodes[inner], arm * random.uniform(0.85, 1.15)
        side = random.uniform(-10, 10)
        nodes[f"e{k}"] = Node(node.x + sx * reach + abs(sy) * side, node.y + sy * reach + abs(sx) * side, "dead_end")
        pairs.append((f"e{k}", inner))
    return nodes, pairs


def _grid_size(random: Generator) -> tuple[int, int]:
    """Columns and rows: small, because the cost of simulating grows with the town and not with what one ego sees."""
    return ((2, 2), (2, 3), (3, 2), (2, 2))[int(random.integers(4))]


def signal_grid(random: Generator, name: str) -> TownPlan:
    """Signalised grid, one or two lanes per direction, left turns through oncoming traffic."""
    columns, rows = _grid_size(random)
    nodes, pairs = _grid(random, columns, rows, (85, 130), lambda: "traffic_light", 85)
    wide = {("x", int(random.integers(rows))), ("y", int(random.integers(columns)))}
    streets = []
    for a, b in pairs:
        inner = b if a.startswith("e") else a
        along_x = abs(nodes[a].x - nodes[b].x) > abs(nodes[a].y - nodes[b].y)
        i, j = (int(v) for v in inner[1:].split("_"))
        lanes = 2 if (("x", j) if along_x else ("y", i)) in wide else 1
        streets.append(Street(a, b, lanes, 50 * KMH, 3, float(random.normal(0, 2.5))))
    return TownPlan(name, nodes, tuple(streets))


def arterial(random: Generator, name: str) -> TownPlan:
    """A wide road with lane drops, a slip road that merges, side streets that give way and a signal."""
    nodes: dict[str, Node] = {}
    streets: list[Street] = []
    count = int(random.integers(3, 5))
    xs = np.cumsum(random.uniform(85, 130, count))
    ys = np.cumsum(random.normal(0, 8, count))
    signals = {int(random.integers(1, count))}
    for i in range(count):
        nodes[f"m{i}"] = Node(float(xs[i]), float(ys[i]), "traffic_light" if i in signals else "priority")
    nodes["west"] = Node(float(xs[0] - 110), float(ys[0]), "dead_end")
    nodes["east"] = Node(float(xs[-1] + 110), float(ys[-1]), "dead_end")
    chain = ["west", *(f"m{i}" for i in range(count)), "east"]
    for i, (a, b) in enumerate(pairwise(chain)):
        lanes = (2, 3, 2, 3, 2, 2, 3)[i % 7]
        streets.append(Street(a, b, lanes, 60 * KMH, 6, float(random.normal(0, 2))))
    for i in range(count):
        for side in (-1, 1):
            if i not in signals and random.random() < 0.25:
                continue
            end = f"s{i}{'n' if side > 0 else 's'}"
            reach = random.uniform(70, 100)
            nodes[end] = Node(nodes[f"m{i}"].x + random.uniform(-20, 20), nodes[f"m{i}"].y + side * reach, "dead_end")
            streets.append(Street(end, f"m{i}", 1, 40 * KMH, 2, float(random.normal(0, 3))))
    # a slip road that joins the main road beside the way from the west
    nodes["ramp"] = Node(float(xs[0] - 120), float(ys[0] - 45), "dead_end")
    streets.append(Street("ramp", "m0", 1, 50 * KMH, 2, 4.0, one_way=True, sidewalk=False))
    return TownPlan(name, nodes, tuple(streets))


def priority_grid(random: Generator, name: str) -> TownPlan:
    """Narrow streets: give-way, stop, all-way-stop and right-before-left junctions with zebra crossings."""
    kinds = ("priority", "priority", "priority_stop", "allway_stop", "right_before_left", "traffic_light")
    columns, rows = _grid_size(random)
    nodes, pairs = _grid(random, columns, rows, (80, 115), lambda: str(random.choice(kinds)), 80)
    main = int(random.integers(rows))
    streets = []
    for a, b in pairs:
        inner = b if a.startswith("e") else a
        j = int(inner.split("_")[1])
        along_x = abs(nodes[a].x - nodes[b].x) > abs(nodes[a].y - nodes[b].y)
        first = along_x and j == main
        speed = 50 * KMH if first else float(random.choice([30, 40])) * KMH
        streets.append(Street(a, b, 1, speed, 5 if first else 2, float(random.normal(0, 4))))
    return TownPlan(name, nodes, tuple(streets))


def roundabout(random: Generator, name: str) -> TownPlan:
    """A roundabout with three to five arms, each leading over a junction with side streets."""
    nodes: dict[str, Node] = {}
    streets: list[Street] = []
    arms = int(random.integers(3, 6))
    radius = random.uniform(16, 24)
    angles = np.arange(arms) * 2 * np.pi / arms + random.uniform(-0.15, 0.15, arms)
    kinds = ("priority", "priority_stop", "traffic_light", "allway_stop")
    for i, angle in enumerate(angles):
        out = np.array([np.cos(angle), np.sin(angle)])
        across = np.array([-out[1], out[0]])
        reach = random.uniform(75, 105)
        for label, point, kind in (
            (f"r{i}", out * radius, "priority"),
            (f"a{i}", out * reach, str(random.choice(kinds))),
            (f"o{i}", out * (reach + random.uniform(70, 95)), "dead_end"),
            (f"l{i}", out * (reach + 10) + across * random.uniform(60, 85), "dead_end"),
        ):
            nodes[label] = Node(float(point[0]), float(point[1]), kind)
    for i in range(arms):
        step = (angles[(i + 1) % arms] - angles[i]) % (2 * np.pi)
        bulge = -radius * (1 - np.cos(step / 2))  # the ring bends to the right of its chords
        ring = Street(f"r{i}", f"r{(i + 1) % arms}", 1, 30 * KMH, 9, bulge, one_way=True, sidewalk=False)
        streets += [
            ring,
            Street(f"a{i}", f"r{i}", 1, 40 * KMH, 3, float(random.normal(0, 3))),
            Street(f"o{i}", f"a{i}", 1, 50 * KMH, 3, float(random.normal(0, 3))),
            Street(f"l{i}", f"a{i}", 1, 30 * KMH, 1, float(random.normal(0, 3))),
        ]
    return TownPlan(name, nodes, tuple(streets))


LAYOUTS: dict[str, Callable[[Generator, str], TownPlan]] = {
    "signal_grid": signal_grid,
    "arterial": arterial,
    "priority_grid": priority_grid,
    "roundabout": roundabout,
}


def plan_town(layout: str, seed: int) -> TownPlan:
    """Draw a layout.

    Args:
        layout: A key of `LAYOUTS`.
        seed: The same seed gives the same town.

    Raises:
        ConfigurationError: Unknown layout.
    """
    if layout not in LAYOUTS:
        raise ConfigurationError(f"town layout: expected one of {', '.join(LAYOUTS)}, found {layout!r}")
    random = np.random.default_rng([seed, list(LAYOUTS).index(layout)])
    return LAYOUTS[layout](random, f"{layout}_{seed}")


def build_town(layout: str, seed: int, folder: Path) -> Town:
    """Draw a layout and run netconvert on it.

    Args:
        layout: A key of `LAYOUTS`.
        seed: The same seed gives the same town.
        folder: Where the SUMO files go.

    Raises:
        ConfigurationError: Unknown layout, SUMO not installed, or netconvert failed.
    """
    plan = plan_town(layout, seed)
    folder.mkdir(parents=True, exist_ok=True)
    net_path = folder / f"{plan.name}.net.xml"
    _write_plain(plan, folder)
    command = [
        str(sumo_binary("netconvert")), "--node-files", str(folder / f"{plan.name}.nod.xml"),
        "--edge-files", str(folder / f"{plan.name}.edg.xml"), "--output-file", str(net_path),
        "--offset.disable-normalization", "--crossings.guess", "--crossings.guess.speed-threshold", "17",
        "--walkingareas", "--default.crossing-width", "3.5",
        "--no-turnarounds", "--junctions.corner-detail", "6", "--junctions.internal-link-detail", "12",
        "--tls.default-type", "static", "--tls.cycle.time", "50", "--tls.left-green.time", "0",
        "--default.junctions.radius", "6", "--rectangular-lane-cut", "--no-warnings",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise ConfigurationError(f"netconvert failed for town {plan.name}: {(done.stderr or done.stdout).strip()}")
    return Town(plan.name, net_path, read_sumo_net(net_path))


def sumo_binary(name: str) -> Path:
    """Path of a SUMO program from the eclipse-sumo package.

    Raises:
        ConfigurationError: The package is not installed.
    """
    try:
        import sumo
    except ImportError as error:
        raise ConfigurationError("SUMO is not installed: pip install 'zoox_stack[simulation]'") from error
    return Path(sumo.SUMO_HOME) / "bin" / name


def _write_plain(plan: TownPlan, folder: Path) -> None:
    nodes = ET.Element("nodes")
    for name, node in plan.nodes.items():
        ET.SubElement(nodes, "node", id=name, x=f"{node.x:.2f}", y=f"{node.y:.2f}", type=node.kind)
    edges = ET.Element("edges")
    for street in plan.streets:
        ways = [(street.start, street.end, street.bend)]
        if not street.one_way:
            ways.append((street.end, street.start, -street.bend))
        for start, end, bend in ways:
            edge = ET.SubElement(
                edges, "edge", {"from": start}, id=f"{start}-{end}", to=end, numLanes=str(street.lanes),
                speed=f"{street.speed:.3f}", priority=str(street.priority),
                spreadType="center" if street.one_way else "right",
                shape=_bent(plan.nodes[start], plan.nodes[end], bend),
            )  # fmt: skip
            if street.sidewalk:
                edge.set("sidewalkWidth", str(SIDEWALK_WIDTH))
    ET.ElementTree(nodes).write(folder / f"{plan.name}.nod.xml")
    ET.ElementTree(edges).write(folder / f"{plan.name}.edg.xml")


def _bent(a: Node, b: Node, bend: float) -> str:
    """Points of a road whose middle lies `bend` metres to the left of the straight line."""
    p, q = np.array([a.x, a.y]), np.array([b.x, b.y])
    along = q - p
    left = np.array([-along[1], along[0]]) / np.hypot(*along)
    t = np.linspace(0, 1, 9)[:, None]
    points = p + t * along + 4 * t * (1 - t) * bend * left
    return " ".join(f"{x:.2f},{y:.2f}" for x, y in points)
