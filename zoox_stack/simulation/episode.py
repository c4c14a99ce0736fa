"""A recorded piece of simulated traffic, and its file."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import N_ATTRIBUTES, N_CLASSES
from zoox_stack.core.classes import SignalState
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.ragged import Ragged
from zoox_stack.core.validation import checked_array
from zoox_stack.prediction.history import HistoryColumn
from zoox_stack.road_network.network import RoadNetwork

_RAGGED = (
    "centre_lines", "left_boundaries", "right_boundaries", "successors", "yields", "lines", "areas", "signal_lanes",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Episode:
    """Traffic over T steps of 0.1 s with N agents in all, map frame.

    Attributes:
        network: The map.
        stamps_ns: int64 ``[T]`` [ns].
        ids: int64 ``[N]``, rising.
        classes: uint8 ``[N]`` `AgentClass`.
        sizes: float32 ``[N, 3]`` length, width, height [m].
        states: float32 ``[T, N, 5]``, columns `HistoryColumn`, of box centres; zero where not valid.
        valid: bool ``[T, N]``: present.
        attributes: uint8 ``[T, N, 6]``, columns `Attribute`.
        signal_states: uint8 ``[T, S]`` `SignalState`, in the order of `network.signal_ids`.
        ego_id: One of `ids` that plays the ego, -1 if none does.
    """

    network: RoadNetwork
    stamps_ns: NDArray[np.int64]
    ids: NDArray[np.int64]
    classes: NDArray[np.uint8]
    sizes: NDArray[np.float32]
    states: NDArray[np.float32]
    valid: NDArray[np.bool_]
    attributes: NDArray[np.uint8]
    signal_states: NDArray[np.uint8]
    ego_id: int = -1

    def __post_init__(self) -> None:
        t, n, s = len(self.stamps_ns), len(self.ids), len(self.network.signal_ids)
        for name, dtype, shape, high in (
            ("stamps_ns", np.int64, (t,), None),
            ("ids", np.int64, (n,), None),
            ("classes", np.uint8, (n,), N_CLASSES - 1),
            ("sizes", np.float32, (n, 3), 100),
            ("states", np.float32, (t, n, len(HistoryColumn)), None),
            ("valid", np.bool_, (t, n), None),
            ("attributes", np.uint8, (t, n, N_ATTRIBUTES), None),
            ("signal_states", np.uint8, (t, s), max(SignalState)),
        ):
            array = checked_array(f"Episode.{name}", getattr(self, name), dtype, shape, high=high)
            object.__setattr__(self, name, array)
        if self.ego_id >= 0 and self.ego_id not in self.ids:
            raise InvalidInputError("Episode.ego_id", "one of ids, or -1", str(self.ego_id))


def episode_arrays(episode: Episode) -> dict[str, NDArray[Any]]:
    """An episode as plain arrays, the map's names beginning with ``network.``."""
    arrays = {f.name: np.asarray(getattr(episode, f.name)) for f in fields(episode) if f.name != "network"}
    return arrays | network_arrays(episode.network)


def episode_from_arrays(arrays: dict[str, NDArray[Any]]) -> Episode:
    """Inverse of `episode_arrays`; other arrays are left alone.

    Raises:
        InvalidInputError: An array is missing or does not fit.
    """
    try:
        values: dict[str, Any] = {f.name: arrays[f.name] for f in fields(Episode) if f.name != "network"}
    except KeyError as error:
        raise InvalidInputError("episode arrays", f"array {error}", ", ".join(sorted(arrays))) from error
    return Episode(network=network_from_arrays(arrays), **values | {"ego_id": int(values["ego_id"])})


def save_episode(path: Path, episode: Episode) -> None:
    """Write an episode as a compressed ``.npz``."""
    save_arrays(path, episode_arrays(episode))


def load_episode(path: Path) -> Episode:
    """Read an episode.

    Raises:
        InvalidInputError: Not a file of an episode.
    """
    return episode_from_arrays(read_arrays(path))


def save_arrays(path: Path, arrays: dict[str, NDArray[Any]], *, compress: bool = True) -> None:
    """Write arrays to an ``.npz`` file."""
    save: Any = np.savez_compressed if compress else np.savez
    save(path, **arrays)


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """All arrays of an ``.npz`` file.

    Raises:
        InvalidInputError: Missing or damaged.
    """
    try:
        with Path(path).open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except Exception as error:  # zipfile, zlib and numpy raise many kinds for damaged files
        raise InvalidInputError(f"file {path}", "a readable .npz file", str(error)) from error


def network_arrays(network: RoadNetwork) -> dict[str, NDArray[Any]]:
    """A road network as plain arrays, names beginning with ``network.``."""
    arrays: dict[str, NDArray[Any]] = {}
    for f in fields(network):
        value = getattr(network, f.name)
        if isinstance(value, Ragged):
            arrays[f"network.{f.name}.values"], arrays[f"network.{f.name}.offsets"] = value.values, value.offsets
        else:
            arrays[f"network.{f.name}"] = np.asarray(value)
    return arrays


def network_from_arrays(arrays: dict[str, NDArray[Any]]) -> RoadNetwork:
    """Inverse of `network_arrays`.

    Raises:
        InvalidInputError: An array is missing or does not fit.
    """
    values: dict[str, Any] = {}
    try:
        for f in fields(RoadNetwork):
            key = f"network.{f.name}"
            if f.name == "yields" and key + ".values" not in arrays:
                continue  # a file from before maps knew who gives way
            if f.name in _RAGGED:
                values[f.name] = Ragged(arrays[key + ".values"], arrays[key + ".offsets"])
            else:
                values[f.name] = str(arrays[key]) if f.name == "name" else arrays[key]
    except KeyError as error:
        raise InvalidInputError("road network arrays", f"array {error}", ", ".join(sorted(arrays))) from error
    return RoadNetwork(**values)
