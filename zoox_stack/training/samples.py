"""From a counterfactual sample of the simulator to the arrays the network learns from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import lz4.frame
import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import TrackedAgents, TrafficSignals
from zoox_stack.core.geometry import rotation_matrix, wrap_angle
from zoox_stack.core.predictions import STEPS
from zoox_stack.prediction.channels import RASTER_SIZE, Channel
from zoox_stack.prediction.features import (
    KNOT_STEPS,
    KNOTS,
    NetworkInputs,
    centre_knots,
    ego_from_row,
    network_inputs,
)
from zoox_stack.prediction.history import HistoryColumn, SceneHistory
from zoox_stack.prediction.lane_pieces import LanePieces
from zoox_stack.prediction.raster import SceneRasterizer
from zoox_stack.road_network.network import RoadNetwork
from zoox_stack.simulation.samples import CounterfactualSample, PlanColumn

SAMPLE_STAMP_NS = 1_000_000_000
# How tracks differ from the truth: standard deviations of what a tracker reports.
POSITION_NOISE, YAW_NOISE, VELOCITY_NOISE = 0.08, 0.03, 0.2  # [m], [rad], [m/s]
SHORT_TRACK_SHARE = 0.15  # of agents seen for less than the whole second


@dataclass(frozen=True, eq=False)
class TrainingSample:
    """One scene. N agents with the ego as row 0, M ego plans; the first plan is what really happened.

    Attributes:
        raster: Scene image, uint8 ``[C, 256, 256]``, LZ4-compressed bytes.
        inputs: Inputs of the decoder.
        plans: float32 ``[M, 16, 6]`` knots.
        futures: float32 ``[M, N, 80, 2]`` in each agent's own frame now [m].
        valid: bool ``[M, N, 80]``.
        classes: uint8 ``[N]``.
    """

    raster: bytes
    inputs: NetworkInputs
    plans: NDArray[np.float32]
    futures: NDArray[np.float32]
    valid: NDArray[np.bool_]
    classes: NDArray[np.uint8]

    def image(self) -> NDArray[np.uint8]:
        """The scene image, uint8 ``[C, 256, 256]``."""
        flat = np.frombuffer(lz4.frame.decompress(self.raster), np.uint8)
        return flat.reshape(len(Channel), RASTER_SIZE, RASTER_SIZE)


class SampleMaker:
    """Turns counterfactual samples of one town into training samples."""

    def __init__(self, network: RoadNetwork) -> None:
        self._rasterizer = SceneRasterizer(network)
        self._lanes = LanePieces.of(network)

    def make(self, sample: CounterfactualSample, rng: np.random.Generator | None) -> TrainingSample:
        """Make one sample; with `rng` the agents get the errors of a tracker."""
        history = noisy(sample.history, sample.history_valid, rng)
        shown = sample.history_valid if rng is None else shortened(sample.history_valid, rng)
        history = history * shown[..., None]
        ego = ego_from_row(SAMPLE_STAMP_NS, sample.ego_history[-1], sample.ego_size.astype(np.float64))
        now = history[:, -1]
        n = len(sample.ids)
        scene = TrackedAgents.from_states(
            SAMPLE_STAMP_NS,
            np.arange(n),
            sample.classes,
            np.concatenate([now[:, :2], np.zeros((n, 1))], axis=1),
            now[:, HistoryColumn.YAW],
            now[:, HistoryColumn.VX :],
            sample.sizes,
            ego=ego,
            attributes=sample.attributes,
        )
        scene_history = SceneHistory(scene, history, shown, sample.ego_history, np.ones(len(sample.ego_history), bool))
        signals = TrafficSignals(
            SAMPLE_STAMP_NS, sample.signal_ids, sample.signal_states, np.ones(len(sample.signal_ids), np.float32)
        )
        raster = self._rasterizer.render(scene_history, signals)
        inputs = network_inputs(scene_history, self._lanes, signals)
        at = np.arange(1, KNOTS) * KNOT_STEPS - 1
        knots = []
        for plan in sample.ego_plans:
            poses = np.concatenate([sample.ego_history[-1:, :3], plan[at, :3]])
            knots.append(centre_knots(poses, np.concatenate([[ego.speed], plan[at, PlanColumn.SPEED]]), ego))
        ego_futures = np.broadcast_to(sample.ego_plans[:, None, :, :2], (len(sample.ego_plans), 1, STEPS, 2))
        futures = np.concatenate([ego_futures, sample.futures[..., :2]], axis=1)
        starts = np.concatenate([sample.ego_history[-1:, :3], now[:, :3]])
        local = np.einsum("mntd,nde->mnte", futures - starts[None, :, None, :2], rotation_matrix(starts[:, 2]))
        valid = np.concatenate([np.ones((len(sample.ego_plans), 1, STEPS), bool), sample.futures_valid], axis=1)
        return TrainingSample(
            raster=lz4.frame.compress(raster.tobytes()),
            inputs=inputs,
            plans=np.stack(knots).astype(np.float32),
            futures=(local * valid[..., None]).astype(np.float32),
            valid=valid,
            classes=np.concatenate([[1], sample.classes]).astype(np.uint8),
        )


def noisy(
    history: NDArray[np.float64], valid: NDArray[np.bool_], rng: np.random.Generator | None
) -> NDArray[np.float64]:
    """History with the errors of a tracker: independent ones per step and a common one per agent."""
    if rng is None:
        return np.array(history)
    scale = np.array([POSITION_NOISE, POSITION_NOISE, YAW_NOISE, VELOCITY_NOISE, VELOCITY_NOISE])
    n = len(history)
    noise = 0.5 * rng.standard_normal(history.shape) + rng.standard_normal((n, 1, history.shape[-1]))
    out = history + noise * scale
    out[..., HistoryColumn.YAW] = wrap_angle(out[..., HistoryColumn.YAW])
    return np.asarray(out * valid[..., None])


def shortened(valid: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Some agents were seen only lately."""
    steps = valid.shape[1]
    first = np.where(rng.random(len(valid)) < SHORT_TRACK_SHARE, rng.integers(1, steps, len(valid)), 0)
    return np.asarray(valid & (np.arange(steps) >= first[:, None]))


@dataclass(frozen=True, eq=False)
class Batch:
    """Samples padded to the same number of agents, lanes and plans; arrays as in `TrainingSample` with a batch axis."""

    raster: NDArray[np.uint8]
    agent_history: NDArray[np.float32]
    agent_static: NDArray[np.float32]
    agent_pose: NDArray[np.float32]
    agent_velocity: NDArray[np.float32]
    lane_features: NDArray[np.float32]
    lane_pose: NDArray[np.float32]
    agent_mask: NDArray[np.float32]
    lane_mask: NDArray[np.float32]
    plans: NDArray[np.float32]
    futures: NDArray[np.float32]
    valid: NDArray[np.bool_]
    classes: NDArray[np.uint8]


def collate(samples: Sequence[TrainingSample]) -> Batch:
    """Pad and stack. All samples must have the same number of plans."""
    n = max(len(s.classes) for s in samples)
    m = max(len(s.inputs.lane_pose) for s in samples)

    def padded(arrays: Sequence[NDArray[np.generic]], axis: int, size: int) -> NDArray[np.generic]:
        out = []
        for array in arrays:
            widths = [(0, size - array.shape[axis] if a == axis else 0) for a in range(array.ndim)]
            out.append(np.pad(array, widths))
        return np.stack(out)

    def agents(name: str) -> NDArray[np.generic]:
        return padded([getattr(s.inputs, name) for s in samples], 0, n)

    def lanes(name: str) -> NDArray[np.generic]:
        return padded([getattr(s.inputs, name) for s in samples], 0, m)

    return Batch(
        raster=np.stack([s.image() for s in samples]),
        agent_history=agents("agent_history"),  # type: ignore[arg-type]
        agent_static=agents("agent_static"),  # type: ignore[arg-type]
        agent_pose=agents("agent_pose"),  # type: ignore[arg-type]
        agent_velocity=agents("agent_velocity"),  # type: ignore[arg-type]
        lane_features=lanes("lane_features"),  # type: ignore[arg-type]
        lane_pose=lanes("lane_pose"),  # type: ignore[arg-type]
        agent_mask=padded([np.ones(len(s.classes), np.float32) for s in samples], 0, n),  # type: ignore[arg-type]
        lane_mask=padded([np.ones(len(s.inputs.lane_pose), np.float32) for s in samples], 0, m),  # type: ignore[arg-type]
        plans=np.stack([s.plans for s in samples]),
        futures=padded([s.futures for s in samples], 1, n),  # type: ignore[arg-type]
        valid=padded([s.valid for s in samples], 1, n),  # type: ignore[arg-type]
        classes=padded([s.classes for s in samples], 0, n),  # type: ignore[arg-type]
    )


def batches(
    samples: Sequence[TrainingSample], size: int, rng: np.random.Generator | None
) -> Iterator[Sequence[TrainingSample]]:
    """Groups of `size` samples with equal numbers of plans, shuffled with `rng`, in order without."""
    by_plans: dict[int, list[int]] = {}
    for index, sample in enumerate(samples):
        by_plans.setdefault(len(sample.plans), []).append(index)
    groups: list[list[int]] = []
    for indices in by_plans.values():
        order = list(indices) if rng is None else [indices[i] for i in rng.permutation(len(indices))]
        groups += [order[i : i + size] for i in range(0, len(order), size)]
    for g in range(len(groups)) if rng is None else rng.permutation(len(groups)):
        yield [samples[i] for i in groups[g]]
