"""RoadNetwork: every column of the dataclass has one flat field in the message."""

from __future__ import annotations

from typing import Any

import numpy as np

from zoox_stack.msg import RoadNetwork as RoadNetworkMessage
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.ros.conversions.basics import (
    flat,
    header_to_message,
    ragged_from_fields,
    ragged_to_fields,
    stamp_and_frame,
    unflat,
)

_COLUMNS: dict[str, type] = {
    "lane_ids": np.int64,
    "lane_types": np.uint8,
    "lane_turns": np.uint8,
    "lane_speed_limits": np.float32,
    "lane_widths": np.float32,
    "left_boundary_types": np.uint8,
    "right_boundary_types": np.uint8,
    "left_neighbours": np.int32,
    "right_neighbours": np.int32,
    "line_ids": np.int64,
    "line_types": np.uint8,
    "area_ids": np.int64,
    "area_types": np.uint8,
    "signal_ids": np.int64,
}
# dataclass field: (values field, offsets field, dtype, numbers per value)
_RAGGED: dict[str, tuple[str, str, type, int | None]] = {
    "centre_lines": ("centre_points", "centre_offsets", np.float64, 3),
    "left_boundaries": ("left_points", "left_offsets", np.float64, 3),
    "right_boundaries": ("right_points", "right_offsets", np.float64, 3),
    "lines": ("line_points", "line_offsets", np.float64, 3),
    "areas": ("area_points", "area_offsets", np.float64, 3),
    "successors": ("successor_values", "successor_offsets", np.int32, None),
    "yields": ("yield_values", "yield_offsets", np.int32, None),
    "signal_lanes": ("signal_lane_values", "signal_lane_offsets", np.int32, None),
}


def road_network_to_message(network: RoadNetwork, stamp_ns: int = 0) -> RoadNetworkMessage:
    """The map as a message.

    Args:
        network: The map.
        stamp_ns: When it was loaded [ns]; the dataclass does not hold it.
    """
    message = RoadNetworkMessage(header=header_to_message(stamp_ns), name=network.name)
    for name, dtype in _COLUMNS.items():
        setattr(message, name, flat(getattr(network, name), dtype))
    message.lane_in_intersection = network.lane_in_intersection.tolist()
    message.signal_positions = flat(network.signal_positions, np.float64)
    for name, (values, offsets, dtype, _) in _RAGGED.items():
        value_field, offset_field = ragged_to_fields(getattr(network, name), dtype)
        setattr(message, values, value_field)
        setattr(message, offsets, offset_field)
    return message


def road_network_from_message(message: RoadNetworkMessage) -> RoadNetwork:
    """The map of a message; raises InvalidInputError if rows, links or numbers do not fit together."""
    stamp_and_frame("RoadNetwork", message.header)
    columns: dict[str, Any] = {
        name: unflat(f"RoadNetwork.{name}", getattr(message, name), dtype, (-1,)) for name, dtype in _COLUMNS.items()
    }
    for name, (values, offsets, dtype, width) in _RAGGED.items():
        columns[name] = ragged_from_fields(
            f"RoadNetwork.{name}", getattr(message, values), getattr(message, offsets), dtype, width
        )
    return RoadNetwork(
        name=message.name,
        lane_in_intersection=np.array(message.lane_in_intersection, np.bool_),
        signal_positions=unflat("RoadNetwork.signal_positions", message.signal_positions, np.float64, (-1, 3)),
        **columns,
    )
