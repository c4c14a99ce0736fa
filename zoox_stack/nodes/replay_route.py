"""The way that a recorded drive took, as a route."""

from __future__ import annotations

from zoox_stack.core import topics
from zoox_stack.core.agents import EgoState
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.plans import Route
from zoox_stack.logs.bag_reader import BagReader
from zoox_stack.logs.codec import decode
from zoox_stack.logs.drive import RecordedDrive
from zoox_stack.road_network.network import RoadNetwork


def driven_route_of(reader: BagReader, start_ns: int | None, end_ns: int | None) -> tuple[Route, str]:
    """The lanes that were driven on; where there are none, the line.

    Args:
        reader: The bag.
        start_ns: Messages from here on count [ns]; None: all.
        end_ns: Messages up to here count [ns]; None: all.

    Returns:
        The route, and why it is only a line; empty if it has lanes.

    Raises:
        InvalidInputError: The bag has no odometry.
    """
    reader.require_topics([topics.KINEMATIC_STATE.name])
    egos: list[EgoState] = []
    for message in reader.messages([topics.KINEMATIC_STATE.name], start_ns, end_ns):
        ego = decode(message.type_name, message.data)
        if isinstance(ego, EgoState) and (not egos or ego.stamp_ns > egos[-1].stamp_ns):
            egos.append(ego)
    if not egos:
        raise InvalidInputError("driven route", f"messages on {topics.KINEMATIC_STATE.name}", "none in what is played")
    line = RecordedDrive("driven route", egos).route
    network = _network(reader)
    if network is None:
        return line, f"no map on {topics.ROAD_NETWORK.name}"
    from zoox_stack.planning.driven_route import driven_route  # NetworkX takes a while to import
    from zoox_stack.planning.routing import Router
    from zoox_stack.road_network.queries import LaneIndex

    try:
        return driven_route(Router(LaneIndex(network)), egos).as_route(), ""
    except InvalidInputError as error:
        return line, str(error)


def _network(reader: BagReader) -> RoadNetwork | None:
    """The last map of a bag."""
    network = None
    if topics.ROAD_NETWORK.name in reader.topics:
        for message in reader.messages([topics.ROAD_NETWORK.name]):
            value = decode(message.type_name, message.data)
            network = value if isinstance(value, RoadNetwork) else network
    return network
