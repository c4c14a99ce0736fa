"""Scenarios of the Waymo Open Motion Dataset as `RecordedDrive`.

The ego is the recording car (``sdc``). Nocturne's JSON does not say which one that was: there the vehicle that is there
longest becomes the ego, of several the one nearest to the middle of the traffic.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import TrafficSignals
from zoox_stack.core.classes import AgentClass, SignalState
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.ragged import Ragged
from zoox_stack.logs.drive import RecordedDrive
from zoox_stack.logs.importers.chosen_ego import drive_seen_from, longest_present_vehicle
from zoox_stack.logs.importers.motion import ClassTable, LabelledTrack, scenes_from_tracks
from zoox_stack.logs.importers.waymo_formats import LaneLight, MotionScenario, read_scenarios
from zoox_stack.road_network.importers.scenarionet import ImportedMap, import_map_features
from zoox_stack.road_network.network import RoadNetwork

CLASSES = {
    "VEHICLE": AgentClass.CAR,
    "PEDESTRIAN": AgentClass.PEDESTRIAN,
    "CYCLIST": AgentClass.BICYCLE,
}
SIGNAL_STATES = {
    "UNKNOWN": SignalState.UNKNOWN,
    "STOP": SignalState.RED,
    "ARROW_STOP": SignalState.RED,
    "CAUTION": SignalState.YELLOW,
    "ARROW_CAUTION": SignalState.YELLOW,
    "GO": SignalState.GREEN,
    "ARROW_GO": SignalState.GREEN,
    "FLASHING_STOP": SignalState.FLASHING_RED,
    "FLASHING_CAUTION": SignalState.FLASHING_YELLOW,
}
START_NS = 1_000_000_000  # the files count from 0, which as a stamp means "none"
_NAMED = 5  # scenarios of a file that a message names


def load_waymo_scenario(path: Path | str, scenario: str | None = None) -> RecordedDrive:
    """Read one scenario.

    Detections are the labels without their identities. Velocities of the ground truth are differences of positions
    over 0.1 s to either side, not those of the file.

    Args:
        path: A TFRecord file of Scenario protos, a ScenarioNet pickle (``.pkl``), or nocturne's ``.json``.
        scenario: Id of the scenario; None: the only one of the file.

    Raises:
        InvalidInputError: Not such a file, no such scenario in it, or several and none chosen.
    """
    path, names = Path(path), []
    chosen: MotionScenario | None = None
    for found in read_scenarios(path):
        names.append(found.name)
        if scenario in (None, found.name):
            chosen = found if chosen is None else chosen
            if scenario is not None or len(names) > _NAMED:
                break
    listed = ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
    if chosen is None:
        raise InvalidInputError(str(path), f"scenario {scenario}" if scenario else "a scenario", listed or "none")
    if scenario is None and len(names) > 1:
        raise InvalidInputError(str(path), "one scenario", f"{listed}", "Choose one with --scenario")
    return drive_of_scenario(chosen)


def drive_of_scenario(scenario: MotionScenario) -> RecordedDrive:
    """A scenario as the drive of its recording car.

    Raises:
        InvalidInputError: Its times do not rise, tracks are of another length, or there is no vehicle in it.
    """
    thing = f"scenario {scenario.name}"
    times = scenario.times
    if len(times) < 2 or not (np.diff(times) > 0).all():
        raise InvalidInputError(f"{thing}: times", "at least two, rising", f"{len(times)} values")
    stamps = START_NS + np.rint((times - times[0]) * 1e9).astype(np.int64)
    table, skipped = ClassTable(CLASSES), Counter(scenario.skipped)
    tracks = _labelled(scenario, table, skipped)
    scenes = scenes_from_tracks(stamps, tracks, {})
    imported = import_map_features(scenario.features, scenario.name, has_height=scenario.has_height)
    skipped.update({f"map feature: {reason}": count for reason, count in imported.skipped.items()})
    network, signals = _with_signals(imported, scenario.lights, stamps, skipped)
    return drive_seen_from(
        scenario.name,
        scenes,
        longest_present_vehicle(scenes) if scenario.recorder is None else scenario.recorder,
        network,
        signals=signals,
        unknown_classes=dict(table.unknown),
        skipped=dict(skipped),
    )


def _labelled(scenario: MotionScenario, table: ClassTable, skipped: Counter[str]) -> list[LabelledTrack]:
    """Tracks with the steps that can be used; ids are their rows."""
    tracks = []
    for row, track in enumerate(scenario.tracks):
        if len(track.valid) != len(scenario.times):
            thing = f"scenario {scenario.name}: track {row}"
            raise InvalidInputError(thing, f"{len(scenario.times)} steps", str(len(track.valid)))
        finite = np.isfinite(track.position).all(axis=1) & np.isfinite(track.yaw)
        usable = track.valid & finite & (track.size > 0).all(axis=1)
        if (track.valid & ~usable).any():
            skipped["box without size or position"] += int((track.valid & ~usable).sum())
        steps = np.flatnonzero(usable)
        if len(steps):
            kind = table.of(track.kind, len(steps))
            tracks.append(LabelledTrack(row, kind, steps, track.position[steps], track.yaw[steps], track.size[steps]))
    return tracks


def _with_signals(
    imported: ImportedMap, lights: Mapping[str, LaneLight], stamps: NDArray[np.int64], skipped: Counter[str]
) -> tuple[RoadNetwork, list[TrafficSignals]]:
    """The map with a signal for each lane that has a light, and what they showed."""
    lanes = [lane for lane in lights if lane in imported.lane_rows]
    if len(lanes) < len(lights):
        skipped["traffic light of a lane that is not in the map"] += len(lights) - len(lanes)
    if not lanes:
        return imported.network, []
    network = replace(
        imported.network,
        signal_ids=np.arange(len(lanes), dtype=np.int64),
        signal_positions=np.array([lights[lane].stop_point for lane in lanes]),
        signal_lanes=Ragged.from_rows([[imported.lane_rows[lane]] for lane in lanes], np.int32),
    )
    seen: dict[int, list[tuple[int, SignalState]]] = {}
    for number, lane in enumerate(lanes):
        for step, word in lights[lane].states:
            seen.setdefault(step, []).append((number, SIGNAL_STATES.get(word, SignalState.UNKNOWN)))
    signals = [
        TrafficSignals(
            int(stamps[step]),
            np.array([number for number, _ in states]),
            np.array([state for _, state in states], np.uint8),
            np.ones(len(states), np.float32),
        )
        for step, states in sorted(seen.items())
        if step < len(stamps)
    ]
    return network, signals
