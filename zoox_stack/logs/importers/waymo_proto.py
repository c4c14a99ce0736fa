"""The parts of the Waymo Open Motion Dataset's protobuf messages that are read, and records as messages.

Field numbers: waymo-research/waymo-open-dataset, ``protos/scenario.proto`` and ``protos/map.proto``. Enumerations are
read as numbers.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from zoox_stack.core.errors import ConfigurationError, InvalidInputError

# Message: field: (number, type); a type with * is repeated, one with a capital is another message.
MESSAGES: dict[str, dict[str, tuple[int, str]]] = {
    "Scenario": {
        "timestamps_seconds": (1, "double*"),
        "tracks": (2, "Track*"),
        "scenario_id": (5, "string"),
        "sdc_track_index": (6, "int32"),
        "dynamic_map_states": (7, "DynamicMapState*"),
        "map_features": (8, "MapFeature*"),
    },
    "Track": {"id": (1, "int32"), "object_type": (2, "int32"), "states": (3, "ObjectState*")},
    "ObjectState": {
        "center_x": (2, "double"),
        "center_y": (3, "double"),
        "center_z": (4, "double"),
        "length": (5, "float"),
        "width": (6, "float"),
        "height": (7, "float"),
        "heading": (8, "float"),
        "valid": (11, "bool"),
    },
    "DynamicMapState": {"lane_states": (1, "LaneState*")},
    "LaneState": {"lane": (1, "int64"), "state": (2, "int32"), "stop_point": (3, "MapPoint")},
    "MapPoint": {"x": (1, "double"), "y": (2, "double"), "z": (3, "double")},
    "MapFeature": {
        "id": (1, "int64"),
        "lane": (3, "Lane"),
        "road_line": (4, "Line"),
        "road_edge": (5, "Line"),
        "stop_sign": (7, "Area"),
        "crosswalk": (8, "Area"),
        "speed_bump": (9, "Area"),
        "driveway": (10, "Area"),
    },
    "Lane": {
        "speed_limit_mph": (1, "double"),
        "type": (2, "int32"),
        "polyline": (8, "MapPoint*"),
        "exit_lanes": (10, "int64*"),
    },
    "Line": {"type": (1, "int32"), "polyline": (2, "MapPoint*")},
    "Area": {"polygon": (1, "MapPoint*")},
}
_PACKAGE = "zoox_stack.waymo"


def parse_scenario(payload: bytes, thing: str) -> Any:
    """A record as a message ``Scenario``.

    Raises:
        InvalidInputError: It is none; `thing` says which.
        ConfigurationError: The library protobuf is not installed.
    """
    scenario_class = _classes()["Scenario"]
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        scenario = scenario_class.FromString(payload)
    except DecodeError as error:
        raise InvalidInputError(thing, "a protobuf message Scenario", str(error)) from error
    if not scenario.timestamps_seconds or not scenario.tracks:
        found = f"{len(scenario.timestamps_seconds)} times, {len(scenario.tracks)} tracks"
        raise InvalidInputError(thing, "a message Scenario with times and tracks", found)
    return scenario


@cache
def _classes() -> dict[str, Any]:
    """Classes of all messages by name, in a pool of their own: they do not get in the way of the dataset's library."""
    try:
        from google.protobuf import (  # type: ignore[import-untyped]
            descriptor_pb2,
            descriptor_pool,
            message_factory,
        )
    except ImportError as error:
        raise ConfigurationError("reading TFRecord files: expected the library protobuf, found none") from error
    field_type = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="zoox_stack_waymo.proto", package=_PACKAGE, syntax="proto2")
    for name, columns in MESSAGES.items():
        message = file.message_type.add(name=name)
        for column, (number, kind) in columns.items():
            repeated = field_type.LABEL_REPEATED if kind.endswith("*") else field_type.LABEL_OPTIONAL
            entry = message.field.add(name=column, number=number, label=repeated)
            kind = kind.rstrip("*")
            if kind in MESSAGES:
                entry.type, entry.type_name = field_type.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
            else:
                entry.type = getattr(field_type, f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in MESSAGES
    }
