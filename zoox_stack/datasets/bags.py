"""Scenes with their futures from rosbag2 logs: the log contains the future, nobody labels it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core import topics
from zoox_stack.core.agents import EgoState, TrackedAgents, TrafficSignals
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.plans import Route
from zoox_stack.core.predictions import STEP, STEPS
from zoox_stack.datasets.scene_futures import LOG, SceneFutures, held, plan_along
from zoox_stack.logs.bag_reader import BagReader
from zoox_stack.logs.codec import decode
from zoox_stack.prediction.history import HistoryBuffer, SceneHistory, ego_row
from zoox_stack.road_network.network import RoadNetwork

_TOLERANCE_NS = 50_000_000  # [ns] a scene may be off the regular grid of time
_SCENES = (topics.GROUND_TRUTH, topics.TRACKED_AGENTS)  # the first that is there
_EGOS = (topics.GROUND_TRUTH_EGO, topics.KINEMATIC_STATE)
_BAG_MARKS = ("metadata.yaml",)
_BAG_FILES = (".mcap", ".db3")


@dataclass(frozen=True, eq=False)
class LoggedInstant:
    """A scene of a log with what followed. N agents, T = 80 steps of 0.1 s, map frame.

    Attributes:
        history: The last second; its scene has an ego.
        futures: float64 ``[N, T, 3]`` x, y [m], yaw [rad] of the box centres; NaN where an agent is not there.
        egos: float64 ``[T, 3]`` of the ego's box centre; NaN where it is not known, as after the end of the log.
        signals: States of the traffic signals now, None if nobody told.
    """

    history: SceneHistory
    futures: NDArray[np.float64]
    egos: NDArray[np.float64]
    signals: TrafficSignals | None


@dataclass(eq=False)
class LoggedScenes:
    """What a log knows about agents and ego over time, stamps rising.

    Attributes:
        path: Of the bag.
        scenes: Everyone, with the ego.
        network: The map, None without one.
        route: Of the ego, None without one.
        signals: States of the traffic signals.
        tracked: The scenes are a tracker's, not the truth.
        labelled: The scenes are labels of a recording, put there by people: speeds may know a little of what follows.
    """

    path: Path
    scenes: Sequence[TrackedAgents]
    network: RoadNetwork | None = None
    route: Route | None = None
    signals: Sequence[TrafficSignals] = field(default_factory=list)
    tracked: bool = False
    labelled: bool = False

    def __post_init__(self) -> None:
        self._stamps = np.array([scene.stamp_ns for scene in self.scenes], np.int64)

    @classmethod
    def read(cls, bag: Path) -> LoggedScenes:
        """Read a bag; an incomplete one as far as it is whole.

        Agents are those of the ground truth where there is one, else the recorded tracks.

        Raises:
            InvalidInputError: There is no readable bag, or it knows no agents or no ego.
        """
        with BagReader(bag, recover=True) as reader:
            agents = next((t for t in _SCENES if _count(reader, t)), None)
            egos = next((t for t in _EGOS if _count(reader, t)), None)
            if agents is None or egos is None:
                missing, wanted = ("agents", _SCENES) if agents is None else ("ego", _EGOS)
                remedy = "Record it, or run zoox-stack replay over the bag and use its recording"
                expected = " or ".join(topic.name for topic in wanted)
                raise InvalidInputError(f"bag {bag}: {missing}", expected, "no message of it", remedy)
            wanted_topics = [agents, egos, topics.TRAFFIC_SIGNALS, topics.ROAD_NETWORK, topics.ROUTE]
            found: dict[str, list[object]] = {topic.name: [] for topic in wanted_topics}
            for message in reader.messages([t.name for t in wanted_topics if t.name in reader.topics]):
                found[message.topic].append(decode(message.type_name, message.data))
        return cls(
            bag,
            _with_egos(found[agents.name], found[egos.name]),  # type: ignore[arg-type]
            network=found[topics.ROAD_NETWORK.name][-1] if found[topics.ROAD_NETWORK.name] else None,  # type: ignore[arg-type]
            route=found[topics.ROUTE.name][-1] if found[topics.ROUTE.name] else None,  # type: ignore[arg-type]
            signals=found[topics.TRAFFIC_SIGNALS.name],  # type: ignore[arg-type]
            tracked=agents is topics.TRACKED_AGENTS,
            labelled=agents is topics.GROUND_TRUTH and egos is not topics.GROUND_TRUTH_EGO,
        )

    def futures(
        self, every: float = 1.0, *, first: float = 1.0, shortest: float = STEPS * STEP, from_others: bool = False
    ) -> Iterator[SceneFutures]:
        """Scenes in order of time, each with what followed.

        Args:
            every: Time between the scenes [s].
            first: Of the log that is history only [s].
            shortest: Scenes of which less than this is known after them are left out [s]. In a scene of which less than
                8 s are known, the ego's plan goes on as it was, and nothing is known of anybody.
            from_others: Where the ego is not there to the end, see the scene from the nearest vehicle that is;
                otherwise it is left out: without the ego's future it is not known what it did.
        """
        for instant in self.instants(every, first=first):
            scene = instant.history.scene
            assert scene.ego is not None
            there = np.asarray(np.isfinite(instant.egos).all(axis=1))
            known = int(np.flatnonzero(there | np.isfinite(instant.futures[..., 0]).any(axis=0)).max(initial=-1)) + 1
            gone = np.asarray(~there[:known])
            if known < round(shortest / STEP) or (gone.any() and not from_others):
                continue
            egos = held(np.where(there[:, None], instant.egos, ego_row(scene.ego)[:3]), known)
            found = SceneFutures(
                source=f"{self.path.name}, {(scene.stamp_ns - int(self._stamps[0])) * 1e-9:.1f} s",
                history=instant.history,
                plans=(plan_along(egos, scene.ego, 0, LOG),),
                futures=instant.futures[None],
                network=self.network,
                signals=instant.signals,
                route=self.route,
                tracked=self.tracked,
                driven=known,
            )
            if not gone.any():
                yield found
                continue
            others = found.possible_egos()
            if len(others):
                gap = np.hypot(*(scene.position[others, :2] - scene.ego.centre).T)
                seen = found.seen_from(int(others[gap.argmin()]))
                futures = seen.futures.copy()
                futures[0, -1, ~there] = np.nan  # the ego of the log, which is the last agent now
                yield replace(seen, futures=futures)

    def instants(self, every: float = 1.0, *, first: float = 1.0) -> Iterator[LoggedInstant]:
        """Scenes with an ego in order of time, each with what followed as far as the log goes.

        Args:
            every: Time between the scenes [s].
            first: Of the log that is history only [s].
        """
        if not len(self._stamps):
            return
        history = HistoryBuffer()
        due = int(self._stamps[0]) + round(first * 1e9)
        for scene in self.scenes:
            seen = history.push(scene)
            if scene.stamp_ns < due - _TOLERANCE_NS or scene.ego is None or not len(scene):
                continue
            due += round(every * 1e9)
            if due <= scene.stamp_ns:
                due = scene.stamp_ns + round(every * 1e9)
            futures, egos = self._after(scene)
            yield LoggedInstant(seen, futures, egos, self._signals_at(scene.stamp_ns))

    def _after(self, scene: TrackedAgents) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Where the agents of a scene are in the next 8 s ``[N, T, 3]``, and the ego's box centre ``[T, 3]``."""
        n = len(scene)
        futures, egos = np.full((n, STEPS, 3), np.nan), np.full((STEPS, 3), np.nan)
        for step in range(STEPS):
            later = self._at(scene.stamp_ns + round((step + 1) * STEP * 1e9))
            if later is None:
                continue
            if later.ego is not None:
                egos[step] = ego_row(later.ego)[:3]
            if len(later):
                rows = np.searchsorted(later.ids, scene.ids).clip(max=len(later) - 1)
                there = later.ids[rows] == scene.ids
                futures[there, step, :2] = later.position[rows[there], :2]
                futures[there, step, 2] = later.yaw[rows[there]]
        return futures, egos

    def _at(self, stamp_ns: int) -> TrackedAgents | None:
        row = int(np.searchsorted(self._stamps, stamp_ns))
        near = [r for r in (row - 1, row) if 0 <= r < len(self._stamps)]
        best = min(near, key=lambda r: abs(int(self._stamps[r]) - stamp_ns))
        return self.scenes[best] if abs(int(self._stamps[best]) - stamp_ns) <= _TOLERANCE_NS else None

    def _signals_at(self, stamp_ns: int) -> TrafficSignals | None:
        before = [signals for signals in self.signals if signals.stamp_ns <= stamp_ns]
        return before[-1] if before else None


def find_bags(path: Path) -> list[Path]:
    """Bags at a path: the path itself, or everything in the folder and the folders in it, in order of their names.

    Raises:
        InvalidInputError: There is none.
    """
    if path.is_file() or any((path / mark).exists() for mark in _BAG_MARKS):
        return [path]
    found: list[Path] = []
    if path.is_dir():
        for entry in sorted(path.iterdir()):
            if entry.is_dir():
                inside = any((entry / mark).exists() for mark in _BAG_MARKS)
                inside = inside or any(file.suffix in _BAG_FILES for file in entry.iterdir())
                found += [entry] if inside else []
            elif entry.suffix in _BAG_FILES:
                found.append(entry)
    if not found:
        raise InvalidInputError(str(path), "rosbag2 bags", "none", "Give a bag, or a folder of bags")
    return found


def _count(reader: BagReader, topic: topics.Topic) -> int:
    return reader.topics[topic.name].count if topic.name in reader.topics else 0


def _with_egos(scenes: list[TrackedAgents], egos: list[EgoState]) -> list[TrackedAgents]:
    """Scenes in order of their stamps, each with the ego nearest in time."""
    stamps = np.array([ego.stamp_ns for ego in egos], np.int64)
    order = np.argsort(stamps, kind="stable")
    stamps = stamps[order]
    last, result = -1, []
    for scene in sorted(scenes, key=lambda s: s.stamp_ns):
        if scene.stamp_ns <= last:
            continue
        last = scene.stamp_ns
        row = int(np.searchsorted(stamps, scene.stamp_ns))
        near = [r for r in (row - 1, row) if 0 <= r < len(stamps)]
        best = min(near, key=lambda r: abs(int(stamps[r]) - scene.stamp_ns))
        if abs(int(stamps[best]) - scene.stamp_ns) > _TOLERANCE_NS:
            result.append(replace(scene, ego=None))
        else:
            result.append(replace(scene, ego=replace(egos[order[best]], stamp_ns=scene.stamp_ns)))
    return result
