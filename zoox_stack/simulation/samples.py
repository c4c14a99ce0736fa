"""One counterfactual sample, and files of many."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.predictions import STEPS
from zoox_stack.core.validation import checked_array
from zoox_stack.prediction.history import HISTORY_STEPS, HistoryColumn
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.simulation.episode import network_from_arrays, read_arrays, save_arrays


class PlanColumn(IntEnum):
    """Columns of `CounterfactualSample.ego_plans`; box centre, map frame."""

    X = 0
    Y = 1
    YAW = 2
    SPEED = 3
    ACCELERATION = 4


@dataclass(frozen=True, eq=False)
class CounterfactualSample:
    """One scene and its futures under M ego behaviours. N agents without the ego, T = 80 steps of 0.1 s, map frame.

    Attributes:
        town: Name of the road network.
        stamp_ns: Time of the scene [ns].
        ids: int64 ``[N]``, rising.
        classes: uint8 ``[N]`` `AgentClass`.
        sizes: float32 ``[N, 3]`` length, width, height [m].
        attributes: uint8 ``[N, 6]``, columns `Attribute`.
        history: float64 ``[N, 11, 5]``, columns `HistoryColumn`, last is now; zero where not valid.
        history_valid: bool ``[N, 11]``.
        ego_id: Id of the ego.
        ego_history: float64 ``[11, 5]``.
        ego_size: float32 ``[3]`` [m].
        signal_ids: int64 ``[S]``.
        signal_states: uint8 ``[S]`` `SignalState` now.
        behaviours: uint8 ``[M]`` `Behaviour` of each plan.
        ego_plans: float32 ``[M, T, 5]``, columns `PlanColumn`; step t is ``(t + 1) * 0.1`` s after the scene.
        futures: float32 ``[M, N, T, 3]`` x, y, yaw of the box centres; zero where not valid.
        futures_valid: bool ``[M, N, T]``; false once an agent has left.
    """

    town: str
    stamp_ns: int
    ids: NDArray[np.int64]
    classes: NDArray[np.uint8]
    sizes: NDArray[np.float32]
    attributes: NDArray[np.uint8]
    history: NDArray[np.float64]
    history_valid: NDArray[np.bool_]
    ego_id: int
    ego_history: NDArray[np.float64]
    ego_size: NDArray[np.float32]
    signal_ids: NDArray[np.int64]
    signal_states: NDArray[np.uint8]
    behaviours: NDArray[np.uint8]
    ego_plans: NDArray[np.float32]
    futures: NDArray[np.float32]
    futures_valid: NDArray[np.bool_]

    def __post_init__(self) -> None:
        n, m, s = len(self.ids), len(self.behaviours), len(self.signal_ids)
        columns = len(HistoryColumn)
        for name, dtype, shape in (
            ("ids", np.int64, (n,)),
            ("classes", np.uint8, (n,)),
            ("sizes", np.float32, (n, 3)),
            ("attributes", np.uint8, (n, 6)),
            ("history", np.float64, (n, HISTORY_STEPS, columns)),
            ("history_valid", np.bool_, (n, HISTORY_STEPS)),
            ("ego_history", np.float64, (HISTORY_STEPS, columns)),
            ("ego_size", np.float32, (3,)),
            ("signal_ids", np.int64, (s,)),
            ("signal_states", np.uint8, (s,)),
            ("behaviours", np.uint8, (m,)),
            ("ego_plans", np.float32, (m, STEPS, len(PlanColumn))),
            ("futures", np.float32, (m, n, STEPS, 3)),
            ("futures_valid", np.bool_, (m, n, STEPS)),
        ):
            array = checked_array(f"CounterfactualSample.{name}", getattr(self, name), dtype, shape)
            object.__setattr__(self, name, array)


MOST_ACCELERATION = 10.0  # [m/s^2] of an ego
_PER_AGENT = ("ids", "classes", "sizes", "attributes", "history", "history_valid")
_PER_SIGNAL = ("signal_ids", "signal_states")
_PER_SAMPLE = ("town", "stamp_ns", "ego_id", "ego_history", "ego_size", "behaviours", "ego_plans")


def affected_agents(sample: CounterfactualSample, distance: float = 1.0) -> NDArray[np.bool_]:
    """Agents whose place differs by more than `distance` [m] between two of the futures at one time, bool ``[N]``."""
    xy = np.where(sample.futures_valid[..., None], sample.futures[..., :2], np.nan)
    first = xy[:1]
    with np.errstate(invalid="ignore"):
        return np.asarray((np.hypot(*np.moveaxis(xy - first, -1, 0)) > distance).any(axis=(0, 2)))


def reacts_early(sample: CounterfactualSample, distance: float = 0.05) -> bool:
    """Whether someone's future differs from the first one by `distance` [m] before the ego's plan does by 1 mm.

    SUMO's drivers know what others intend (who has claimed a junction, who wants to change lane); in the rare cases
    where that shows, an effect precedes its cause, and a model must not learn from it.
    """
    plans, futures = sample.ego_plans[..., :2], sample.futures[..., :2]
    same = np.cumsum(np.hypot(*np.moveaxis(plans - plans[:1], -1, 0)) > 1e-3, axis=1) == 0
    moved = np.hypot(*np.moveaxis(futures - futures[:1], -1, 0)) > distance
    return bool((moved & sample.futures_valid & sample.futures_valid[:1] & same[:, None, :]).any())


def without_jumps(sample: CounterfactualSample, jump: float = 3.0) -> CounterfactualSample:
    """The sample with everything after a jump of more than `jump` [m] in one step marked as not valid.

    SUMO frees pedestrians that are stuck in a crowd by moving them; in the history what lies before the jump goes.
    """
    now = np.broadcast_to(sample.history[None, :, -1:, :2], (len(sample.behaviours), len(sample.ids), 1, 2))
    steps = np.diff(np.concatenate([now, sample.futures[..., :2]], axis=2), axis=2)
    jumps = (np.hypot(steps[..., 0], steps[..., 1]) > jump) & sample.futures_valid
    valid = sample.futures_valid & (np.cumsum(jumps, axis=2) == 0)
    past = np.diff(sample.history[..., :2], axis=1)
    leaps = (np.hypot(past[..., 0], past[..., 1]) > jump) & sample.history_valid[:, 1:] & sample.history_valid[:, :-1]
    known = sample.history_valid.copy()
    known[:, :-1] &= np.cumsum(leaps[:, ::-1], axis=1)[:, ::-1] == 0
    if np.array_equal(valid, sample.futures_valid) and np.array_equal(known, sample.history_valid):
        return sample
    return replace(
        sample,
        futures=np.where(valid[..., None], sample.futures, 0),
        futures_valid=valid,
        history=np.where(known[..., None], sample.history, 0),
        history_valid=known,
    )


def is_plausible(sample: CounterfactualSample) -> bool:
    """Whether nobody reacts early, and the ego neither stops dead nor leaps (SUMO does so in rare emergencies)."""
    calm = float(np.abs(sample.ego_plans[..., PlanColumn.ACCELERATION]).max()) < MOST_ACCELERATION
    return calm and not reacts_early(sample)


def save_samples(path: Path, samples: Sequence[CounterfactualSample]) -> None:
    """Write samples to one ``.npz`` file; the file appears only when it is complete."""
    arrays: dict[str, NDArray[Any]] = {
        "agent_counts": np.array([len(s.ids) for s in samples], np.int64),
        "signal_counts": np.array([len(s.signal_ids) for s in samples], np.int64),
    }
    for name in _PER_SAMPLE:
        arrays[name] = np.array([getattr(s, name) for s in samples])
    for name in _PER_AGENT + _PER_SIGNAL:
        arrays[name] = np.concatenate([getattr(s, name) for s in samples])
    for name in ("futures", "futures_valid"):
        arrays[name] = np.concatenate([getattr(s, name) for s in samples], axis=1)
    part = path.with_suffix(".part.npz")
    save_arrays(part, arrays, compress=False)
    part.replace(path)


def load_samples(path: Path) -> list[CounterfactualSample]:
    """Read a file of `save_samples`.

    Raises:
        InvalidInputError: Missing, damaged, or something else.
    """
    arrays = read_arrays(path)
    try:
        ends = np.cumsum(arrays["agent_counts"]), np.cumsum(arrays["signal_counts"])
        samples = []
        for i, (agents, signals) in enumerate(zip(arrays["agent_counts"], arrays["signal_counts"], strict=True)):
            rows = slice(int(ends[0][i] - agents), int(ends[0][i]))
            lights = slice(int(ends[1][i] - signals), int(ends[1][i]))
            values: dict[str, Any] = {name: arrays[name][i] for name in _PER_SAMPLE}
            values |= {name: arrays[name][rows] for name in _PER_AGENT}
            values |= {name: arrays[name][lights] for name in _PER_SIGNAL}
            values |= {name: arrays[name][:, rows] for name in ("futures", "futures_valid")}
            values |= {"town": str(values["town"]), "stamp_ns": int(values["stamp_ns"])}
            samples.append(CounterfactualSample(**values | {"ego_id": int(values["ego_id"])}))
    except (KeyError, IndexError) as error:
        raise InvalidInputError(f"samples {path}", f"array {error}", ", ".join(sorted(arrays))) from error
    return samples


def shard_paths(folder: Path) -> list[Path]:
    """Complete sample files of a training set, in order."""
    return sorted(path for path in folder.glob("shard_*.npz") if not path.name.endswith(".part.npz"))


def iterate_samples(folder: Path) -> Iterator[CounterfactualSample]:
    """All samples of a training set folder."""
    for path in shard_paths(folder):
        yield from load_samples(path)


def load_town_networks(folder: Path) -> dict[str, RoadNetwork]:
    """Road networks of a training set by town name."""
    return {path.stem: network_from_arrays(read_arrays(path)) for path in sorted((folder / "towns").glob("*.npz"))}
