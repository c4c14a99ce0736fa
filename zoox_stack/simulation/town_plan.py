"""A town on paper: junctions and streets, before SUMO's netconvert makes lanes of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from zoox_stack.core.parameters import parameter

KMH = 1 / 3.6  # [m/s]
PROTECTED_LEFT = "protected_left"  # a traffic light with arrows for left turns
ZEBRA = "zebra"  # no junction: a zebra crossing between two
JOINT = "joint"  # no junction: a street goes on, with other lanes or without
PARKING_CLASS = "custom1"  # SUMO vehicle class of nobody: parking lanes are not driven on
DEAD_END = "dead_end"
JUNCTION_KINDS = (
    "traffic_light", PROTECTED_LEFT, "priority", "priority_stop", "allway_stop", "right_before_left"
)  # fmt: skip
NODE_KINDS = (*JUNCTION_KINDS, ZEBRA, JOINT, DEAD_END)


@dataclass(frozen=True)
class Node:
    """A junction, or another place where streets meet or end.

    Attributes:
        x: [m].
        y: [m].
        kind: One of `NODE_KINDS`; names of SUMO's node types, but for those that are constants here.
    """

    x: float = parameter(0.0, "east", unit="m", low=-20_000.0, high=20_000.0)
    y: float = parameter(0.0, "north", unit="m", low=-20_000.0, high=20_000.0)
    kind: str = parameter("priority", "what the junction is", choices=NODE_KINDS)


@dataclass(frozen=True)
class Street:
    """A road between two nodes, by default in both directions.

    From the kerb to the middle a direction has: sidewalk, parking lane, bike lane, bus lane, lanes, half the median.
    """

    start: str = parameter("", "name of a node")
    end: str = parameter("", "name of another node")
    lanes: int = parameter(1, "lanes for cars, per direction", low=1, high=5)
    speed: float = parameter(50 * KMH, "speed limit", unit="m/s", low=1.0, high=60.0)
    priority: int = parameter(3, "at priority junctions the higher one goes first", low=0, high=20)
    bend: float = parameter(0.0, "shift of the middle of the road to the left", unit="m", low=-200.0, high=200.0)
    one_way: bool = parameter(False, "only from start to end")
    sidewalk: float = parameter(2.4, "width of the sidewalk of each direction, 0: none", unit="m", low=0.0, high=10.0)
    lane_width: float = parameter(3.2, "width of the lanes for cars", unit="m", low=2.2, high=5.0)
    parking: bool = parameter(False, "cars park along the kerb")
    bike_lane: bool = parameter(False, "bicycles have a lane of their own")
    bus_lane: bool = parameter(False, "buses have a lane of their own")
    bus_stop: bool = parameter(False, "a bus stop in each direction")
    median: float = parameter(0.0, "between the directions", unit="m", low=0.0, high=30.0)
    motorway: bool = parameter(False, "for motor vehicles only")


@dataclass(frozen=True)
class Connection:
    """A way from lane to lane that is laid down; edges without any get those that netconvert guesses.

    Attributes:
        start: Edge, ``"a-b"`` for the street from node a to node b.
        start_lane: Lane for cars, counted from the right.
        end: Edge.
        end_lane: Lane for cars, counted from the right.
    """

    start: str
    start_lane: int
    end: str
    end_lane: int


@dataclass(frozen=True)
class TownPlan:
    """A layout before netconvert.

    Attributes:
        name: Town and seed, for example ``"signal_grid_3"``.
        nodes: By name.
        streets: All roads.
        connections: See `Connection`.
    """

    name: str
    nodes: dict[str, Node]
    streets: tuple[Street, ...]
    connections: tuple[Connection, ...] = field(default=())
