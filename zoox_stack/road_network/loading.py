"""Any map file as `RoadNetwork`. The only part of the map code that knows about logs: a bag may hold a map."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.topics import ROAD_NETWORK
from zoox_stack.road_network.importers.broken_file import reading
from zoox_stack.road_network.importers.report import ImportReport, report_of
from zoox_stack.road_network.network import RoadNetwork

_SCENARIONET_HEIGHTS = {"nuscenes": False, "waymo": True}  # whether lane points have heights
_SQLITE = b"SQLite format 3\x00"
_MCAP = b"\x89MCAP"


@dataclass(frozen=True)
class MapFormat:
    """One format of maps.

    Attributes:
        description: For people.
        load: Reads a path.
    """

    description: str
    load: Callable[[Path], tuple[RoadNetwork, ImportReport]]


# Importers are loaded when they are needed: each brings libraries of its own, some of them optional.


def _lanelet2(path: Path) -> tuple[RoadNetwork, ImportReport]:
    from zoox_stack.road_network.importers.lanelet2_osm import load_lanelet2

    return load_lanelet2(path)


def _commonroad(path: Path) -> tuple[RoadNetwork, ImportReport]:
    from zoox_stack.road_network.importers.commonroad import load_commonroad

    return load_commonroad(path)


def _av2(path: Path) -> tuple[RoadNetwork, ImportReport]:
    from zoox_stack.road_network.importers.av2 import load_av2_map

    network = load_av2_map(path)
    return network, report_of(network, FORMATS["av2"].description)


def _sumo(path: Path) -> tuple[RoadNetwork, ImportReport]:
    from zoox_stack.road_network.importers.sumo_net import read_sumo_net

    net = read_sumo_net(path)
    return net.network, report_of(net.network, FORMATS["sumo"].description, lane_rows=net.lane_rows)


def _scenarionet(path: Path) -> tuple[RoadNetwork, ImportReport]:
    from zoox_stack.logs.importers.restricted_pickle import load_numbers
    from zoox_stack.road_network.importers.scenarionet import import_map_features

    scene: Any = load_numbers(path)
    with reading(str(path), "a ScenarioNet scene with map_features"):
        dataset, features = str(scene["metadata"]["dataset"]), scene["map_features"]
        name = str(scene["metadata"].get("map") or scene["id"])
    if dataset not in _SCENARIONET_HEIGHTS:
        raise InvalidInputError(str(path), f"a scene of {' or '.join(_SCENARIONET_HEIGHTS)}", repr(dataset))
    imported = import_map_features(features, name, has_height=_SCENARIONET_HEIGHTS[dataset])
    form = FORMATS["scenarionet"].description
    return imported.network, report_of(imported.network, form, imported.skipped, imported.lane_rows)


def _bag(path: Path) -> tuple[RoadNetwork, ImportReport]:
    from zoox_stack.logs.bag_reader import BagReader
    from zoox_stack.logs.codec import decode

    with BagReader(path, recover=True) as reader:  # a map is whole even where the rest of the bag is not
        reader.require_topics({ROAD_NETWORK.name: ROAD_NETWORK.type_name})
        for message in reader.messages([ROAD_NETWORK.name]):
            network: RoadNetwork = decode(message.type_name, message.data)
            return network, report_of(network, FORMATS["bag"].description)
    raise InvalidInputError(str(path), f"a message on {ROAD_NETWORK.name}", "none")


FORMATS = {
    "lanelet2": MapFormat("Lanelet2 map (.osm)", _lanelet2),
    "av2": MapFormat("Argoverse 2 map archive (log_map_archive_*.json)", _av2),
    "commonroad": MapFormat("CommonRoad scenario (.xml)", _commonroad),
    "sumo": MapFormat("SUMO network (.net.xml)", _sumo),
    "scenarionet": MapFormat("ScenarioNet scene (.pkl)", _scenarionet),
    "bag": MapFormat(f"bag with {ROAD_NETWORK.name} (.mcap, .db3 or its folder)", _bag),
}
_ROOTS = {"osm": "lanelet2", "net": "sumo", "commonRoad": "commonroad"}


def load_map(path: Path | str, kind: str = "auto") -> tuple[RoadNetwork, ImportReport]:
    """Read a map.

    Args:
        path: A file of one of `FORMATS`, or the folder of a bag.
        kind: A key of `FORMATS`; ``auto``: what the contents say, whatever the name.

    Returns:
        The map, and what of the file is in it and what is not.

    Raises:
        InvalidInputError: Missing, of no known format, not of the format given, or broken.
    """
    path = Path(path)
    if kind != "auto" and kind not in FORMATS:
        raise InvalidInputError("kind of map", f"auto or one of {', '.join(FORMATS)}", repr(kind))
    if not path.exists():
        raise InvalidInputError(str(path), _expected(), "nothing of that name")
    form = FORMATS[kind_of(path) if kind == "auto" else kind]
    with reading(str(path), f"a sound {form.description}"):
        return form.load(path)


def kind_of(path: Path) -> str:
    """Key in `FORMATS` of a file, from its contents.

    Raises:
        InvalidInputError: Not readable or of no known format.
    """
    if path.is_dir():
        return "bag"
    try:
        with path.open("rb") as stream:
            head = stream.read(64)
    except OSError as error:
        raise InvalidInputError(str(path), _expected(), str(error)) from error
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith((_MCAP, _SQLITE)):
        return "bag"
    if head.startswith(b"\x80"):  # pickles from protocol 2 on
        return "scenarionet"
    if text.startswith(b"{"):
        return "av2"
    if text.startswith(b"<"):
        root = _root_of(path)
        if root in _ROOTS:
            return _ROOTS[root]
        raise InvalidInputError(str(path), _expected(), f"XML with root element <{root}>")
    raise InvalidInputError(
        str(path), _expected(), f"a file that begins with {head[:12]!r}" if head else "an empty file"
    )


def _root_of(path: Path) -> str:
    try:
        for _, element in ET.iterparse(path, events=("start",)):
            return element.tag.rpartition("}")[2]
    except (ET.ParseError, OSError, UnicodeDecodeError, ValueError) as error:
        raise InvalidInputError(str(path), "readable XML", str(error)) from error
    return ""


def _expected() -> str:
    return "a map: " + ", ".join(form.description for form in FORMATS.values())
