"""Recorded logs of any kind the package reads as `TrafficRecording`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core import topics
from zoox_stack.core.agents import TrackedAgents, TrafficSignals
from zoox_stack.core.classes import SignalState
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.evaluation.traffic_recording import TrafficRecording
from zoox_stack.logs.bag_reader import BagReader
from zoox_stack.logs.codec import decode
from zoox_stack.logs.drive import RecordedDrive
from zoox_stack.road_network.network import RoadNetwork

_AV2_POSES = "city_SE3_egovehicle.feather"


def load_recording(path: Path) -> TrafficRecording:
    """Read one log with labels.

    Args:
        path: A bag with ground truth (folder, ``.mcap``, ``.db3``), a CommonRoad scenario (``.xml``), the folder of an
            Argoverse 2 sensor log, or a nuScenes scene (``.pkl``, ScenarioNet).

    Raises:
        InvalidInputError: Not such a log, or one without labelled road users.
    """
    # Importers are loaded when they are needed: each brings libraries of its own, some of them optional.
    if path.suffix == ".xml":
        from zoox_stack.logs.importers.commonroad import load_commonroad_traffic
        from zoox_stack.road_network.importers.commonroad import load_commonroad

        traffic = load_commonroad_traffic(path)
        return TrafficRecording.from_scenes(traffic.name, traffic.scenes, load_commonroad(path)[0])
    if path.suffix == ".pkl":
        from zoox_stack.logs.importers.scenarionet import load_nuscenes_scene

        return _of_drive(load_nuscenes_scene(path))
    if (path / _AV2_POSES).exists():
        from zoox_stack.logs.importers.av2 import load_av2_log

        return _of_drive(load_av2_log(path))
    return _of_bag(path)


def find_logs(words: Sequence[str]) -> dict[str, list[Path]]:
    """Logs of words ``PATH`` or ``NAME=PATTERN``: paths by name, those of one name pooled.

    Args:
        words: Without a name, the last part of the path is the name. The last part of
            a pattern may hold ``*``, ``?`` and ``[...]``.

    Raises:
        InvalidInputError: A word without a file, a log that is there twice, or two of one name.
    """
    found: dict[str, list[Path]] = {}
    for word in words:
        name, _, pattern = word.partition("=")
        named = bool(name and pattern) and not Path(word).exists()
        paths = sorted(Path(pattern).parent.glob(Path(pattern).name)) if named else [Path(word)]
        if not paths or not all(path.exists() for path in paths):
            raise InvalidInputError(f"log {word}", "a bag, an .xml, a .pkl or a folder", "nothing of that name")
        name = name if named else Path(word).stem
        if name in found and not named:
            raise InvalidInputError(f"log {word}", f"one log {name}", "two", f"Give it another name: NAME={word}")
        group = found.setdefault(name, [])
        if {path.resolve() for path in group} & {path.resolve() for path in paths}:
            raise InvalidInputError(f"log {word}", f"every log once in {name}", "one for the second time")
        group.extend(paths)
    return found


def signal_table(
    stamps_ns: NDArray[np.int64], signals: Iterable[TrafficSignals], network: RoadNetwork
) -> NDArray[np.uint8]:
    """What each signal last showed at each instant, ``[T, S]`` `SignalState`; UNKNOWN before it is first seen.

    Args:
        stamps_ns: ``[T]`` rising [ns].
        signals: Observations with rising stamps.
        network: Gives the order of the signals.
    """
    table = np.full((len(stamps_ns), len(network.signal_ids)), SignalState.UNKNOWN, np.uint8)
    columns = {int(identity): column for column, identity in enumerate(network.signal_ids)}
    for seen in signals:
        first = int(np.searchsorted(stamps_ns, seen.stamp_ns))
        for identity, state in zip(seen.ids.tolist(), seen.states.tolist(), strict=True):
            if identity in columns:
                table[first:, columns[identity]] = state
    return table


def _of_drive(drive: RecordedDrive) -> TrafficRecording:
    return _of_scenes(drive.name, drive.ground_truth, drive.road_network, drive.signals)


def _of_bag(path: Path) -> TrafficRecording:
    with BagReader(path) as reader:
        reader.require_topics({topics.GROUND_TRUTH.name: topics.GROUND_TRUTH.type_name})
        network: RoadNetwork | None = None
        if topics.ROAD_NETWORK.name in reader.topics:
            for message in reader.messages([topics.ROAD_NETWORK.name]):
                network = decode(message.type_name, message.data)
        scenes = list(_decoded(reader, topics.GROUND_TRUTH.name))
        seen = _decoded(reader, topics.TRAFFIC_SIGNALS.name) if topics.TRAFFIC_SIGNALS.name in reader.topics else ()
        return _of_scenes(path.stem, scenes, network, list(seen))


def _decoded(reader: BagReader, topic: str) -> Iterator[Any]:
    return (decode(message.type_name, message.data) for message in reader.messages([topic]))


def _of_scenes(
    name: str, scenes: Sequence[TrackedAgents], network: RoadNetwork | None, signals: Sequence[TrafficSignals]
) -> TrafficRecording:
    if not any(len(scene) for scene in scenes):
        raise InvalidInputError(f"log {name}", "labelled road users", "none")
    stamps = np.array([scene.stamp_ns for scene in scenes], np.int64)
    table = signal_table(stamps, signals, network) if network is not None and signals else None
    return TrafficRecording.from_scenes(name, scenes, network, table)
