"""Export a trained run to ONNX.

Writes ``scene_encoder.onnx``, ``interaction_decoder.onnx`` and ``MODEL_CARD.md``. Nothing is written if ONNX Runtime
and PyTorch disagree by more than `PARITY`. ``scene_encoder.fp16.onnx`` is written too if it predicts the same.
"""

from __future__ import annotations

import copy
import tempfile
import warnings
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import nn

from zoox_stack.core.errors import ModelError
from zoox_stack.prediction.channels import N_CHANNELS, RASTER_SIZE
from zoox_stack.prediction.features import HISTORY_FEATURES, KNOTS, PLAN_FEATURES, STATIC_FEATURES
from zoox_stack.prediction.history import HISTORY_STEPS
from zoox_stack.prediction.lane_pieces import PIECE_FEATURES
from zoox_stack.prediction.model_channels import channel_properties
from zoox_stack.prediction.network import DECODER_FILE, DECODER_SPEC, ENCODER_FILE, ENCODER_SPEC, HALF_ENCODER_FILE
from zoox_stack.prediction.onnx_session import make_session
from zoox_stack.prediction.providers import CUDA, has_nvidia_device
from zoox_stack.training.batches import Batch
from zoox_stack.training.calibration import calibrate
from zoox_stack.training.checkpoints import BEST, Progress, load, restore
from zoox_stack.training.half_precision import HALF_PARITY, half_difference, write_half
from zoox_stack.training.learner import weights_digest
from zoox_stack.training.model import WIDTH, InteractionDecoder, SceneEncoder
from zoox_stack.training.model_card import NO_LICENCE, Exported, model_card
from zoox_stack.training.sample_file import open_samples
from zoox_stack.training.stream import Place, grouped, read_batch
from zoox_stack.training.train import SAMPLES

# Largest allowed difference over 1 + the value (metres, square metres or probability), by provider. On CUDA,
# convolutions and products have the ten binary digits of TensorFloat-32.
PARITY = {"cpu": 1e-3, "cuda": 2e-2}
CARD_FILE = "MODEL_CARD.md"
_BATCH, _HALF_SCENES = 8, 12
_ANSWERS = "conditional"  # output of the decoder that holds the answers to plans
_TIES = 0.005  # share of them that may hang on a tie in made-up inputs
OPSET = 18
_DYNAMIC = {
    "agent_history": {1: "agents"},
    "agent_static": {1: "agents"},
    "agent_pose": {1: "agents"},
    "agent_mask": {1: "agents"},
    "agent_velocity": {1: "agents"},
    "embeddings": {1: "agents"},
    "lane_features": {1: "lanes"},
    "lane_pose": {1: "lanes"},
    "lane_mask": {1: "lanes"},
    "plans": {1: "plans"},
    "reacting": {0: "reacting"},
    "positions": {1: "agents"},
    "conditional": {1: "plans", 2: "reacting"},
    "covariances": {1: "agents"},
    "probabilities": {1: "agents"},
}


def example_inputs(
    agents: int, lanes: int, plans: int, seed: int
) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
    """Random but sensible inputs of the encoder and of the decoder."""
    rng = np.random.default_rng(seed)

    def poses(n: int) -> NDArray[np.float32]:
        yaw = rng.uniform(-np.pi, np.pi, n)
        xy = rng.uniform(-40, 60, (n, 2))
        return np.concatenate([xy, np.stack([np.cos(yaw), np.sin(yaw)], axis=1)], axis=1).astype(np.float32)[None]

    def normal(*shape: int) -> NDArray[np.float32]:
        return rng.standard_normal((1, *shape)).astype(np.float32)

    pose = poses(agents)
    encoder: dict[str, NDArray[Any]] = {
        "raster": rng.integers(0, 256, (1, N_CHANNELS, RASTER_SIZE, RASTER_SIZE), dtype=np.uint8),
        "agent_history": normal(agents, HISTORY_STEPS, HISTORY_FEATURES),
        "agent_static": normal(agents, STATIC_FEATURES),
        "agent_pose": pose,
        "lane_features": normal(lanes, PIECE_FEATURES),
        "lane_pose": poses(lanes),
        "agent_mask": np.ones((1, agents), np.float32),
        "lane_mask": np.ones((1, lanes), np.float32),
    }
    decoder: dict[str, NDArray[Any]] = {
        "embeddings": normal(agents, WIDTH),
        "agent_pose": pose,
        "agent_velocity": 5 * normal(agents, 2),
        "plans": 5 * normal(plans, KNOTS, PLAN_FEATURES),
        "reacting": np.sort(rng.permutation(agents)[: max(1, agents // 2)]).astype(np.int64),
    }
    return encoder, decoder


def export_module(
    module: nn.Module, inputs: dict[str, NDArray[Any]], outputs: list[str], path: Path, metadata: dict[str, str]
) -> None:
    """Write one ONNX file with metadata."""
    axes = {name: _DYNAMIC[name] for name in [*inputs, *outputs] if name in _DYNAMIC}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer warns about every shape it reads; the parity check is what counts
        torch.onnx.export(
            module,
            tuple(torch.from_numpy(a) for a in inputs.values()),
            str(path),
            input_names=list(inputs),
            output_names=outputs,
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )
    model = onnx.load(str(path))
    onnx.helper.set_model_props(model, metadata)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def largest_difference(
    module: nn.Module,
    path: Path,
    spec: Any,
    cases: Sequence[dict[str, NDArray[Any]]],
    provider: str = "cpu",
    ties: float = 0.0,
) -> float:
    """Largest difference between PyTorch on the CPU and ONNX Runtime over `cases`, relative to 1 + the value.

    Infinite where either gives what is no number.

    Args:
        module: In PyTorch.
        path: The same as ONNX.
        spec: Its inputs and outputs.
        cases: Inputs.
        provider: Of ONNX Runtime.
        ties: Share of the answers (an agent under a plan, in an output ``[plans, ?, agents, ...]``) that may differ by
            more: who is nearest in front is a decision, and where two are equally near the last binary digit makes it.
    """
    session = make_session(path, provider, 0, spec=spec)
    worst = 0.0
    with torch.no_grad():
        for inputs in cases:
            expected = module(*(torch.from_numpy(a) for a in inputs.values()))
            found = session.run(inputs)
            for name, tensor in zip(
                spec.outputs, expected if isinstance(expected, tuple) else (expected,), strict=True
            ):
                with np.errstate(invalid="ignore"):  # of infinite values, which give NaN here
                    gap = np.abs(found[name] - tensor.numpy()) / (1.0 + np.abs(tensor.numpy()))
                gap = np.nan_to_num(gap, nan=np.inf)
                if ties and name == _ANSWERS:
                    gap = np.sort(gap.reshape(*gap.shape[:3], -1).max(axis=3, initial=0.0), axis=None)
                    gap = gap[: len(gap) - int(ties * len(gap))]
                worst = max(worst, float(gap.max(initial=0.0)))
    return worst


def export(run: Path, out: Path, name: str, licence: str = NO_LICENCE) -> Exported:
    """Export the best weights of a run.

    The mode probabilities are calibrated on the validation samples of the run first.

    Args:
        run: Folder of the run.
        out: Folder for the ONNX files and the card.
        name: Of the model.
        licence: Of the weights, for the card.

    Raises:
        InvalidInputError: There is no such run, or its samples are gone.
        ModelError: The checkpoint does not fit this version, or parity fails.
    """
    progress, states = load(run / BEST)
    encoder, decoder = SceneEncoder().eval(), InteractionDecoder().eval()
    restore(run / BEST, {"encoder": encoder, "decoder": decoder}, states)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    calibration = calibrate(encoder.to(device), decoder.to(device), validation_groups(run, progress), device)
    encoder, decoder = encoder.cpu(), decoder.cpu()
    version = weights_digest({"encoder": encoder, "decoder": decoder})[:12]
    metadata = {"name": name, "run": version, "licence": licence, **channel_properties()}
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out) as folder:
        paths = Path(folder) / ENCODER_FILE, Path(folder) / DECODER_FILE
        first = example_inputs(9, 7, 3, seed=0)
        folded = copy.deepcopy(encoder)
        folded.image.fold_scale()
        export_module(folded, first[0], list(ENCODER_SPEC.outputs), paths[0], metadata)
        export_module(decoder, first[1], list(DECODER_SPEC.outputs), paths[1], metadata)
        parity = checked_parity(run, encoder, decoder, paths)
        half = Path(folder) / HALF_ENCODER_FILE
        half_gap = checked_half(run, progress, (*paths, half))
        written = [*paths, half] if half_gap <= HALF_PARITY else [*paths]
        exported = Exported(
            run=version,
            parity=parity,
            half_difference=half_gap,
            sizes={path.name: path.stat().st_size for path in written},
            parameters={
                path.name: sum(p.numel() for p in module.parameters())
                for path, module in zip(paths, (encoder, decoder), strict=True)
            },
            surprise=calibration.surprise,
        )
        card = model_card(name, licence, datetime.now(tz=UTC).date().isoformat(), exported, progress)
        (Path(folder) / CARD_FILE).write_text(card, encoding="utf-8")
        (out / HALF_ENCODER_FILE).unlink(missing_ok=True)  # of an earlier export
        for path in (*written, Path(folder) / CARD_FILE):
            path.replace(out / path.name)
    return exported


def validation_groups(run: Path, progress: Progress) -> list[list[Place]]:
    """The validation samples of a run.

    Raises:
        InvalidInputError: Their files are gone or damaged.
    """
    files = [open_samples(run / SAMPLES / name) for name in progress.data["val"]["files"]]
    return grouped([(file, number) for file in files for number in range(len(file))], _BATCH)


def checked_half(run: Path, progress: Progress, paths: tuple[Path, Path, Path]) -> float:
    """Write the encoder in half precision, the last of `paths`; how much differs what is predicted from real scenes."""
    encoder, decoder, half = paths
    write_half(encoder, half)
    groups = validation_groups(run, progress)
    places = [group[0] for group in groups[:: max(1, len(groups) // _HALF_SCENES)]]
    cases = [decoder_case(read_batch([place])) for place in places]
    providers = parity_providers()
    return max(half_difference(encoder, half, decoder, cases, provider) for provider in providers)


def decoder_case(batch: Batch) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
    """Inputs of the encoder and of the decoder, without the embeddings, from a batch of one scene."""
    question = {name: getattr(batch, name) for name in ("agent_pose", "agent_velocity", "plans")}
    question["reacting"] = np.arange(batch.agent_pose.shape[1], dtype=np.int64)
    return {name: getattr(batch, name) for name in ENCODER_SPEC.inputs}, question


def parity_providers() -> list[str]:
    """Where ONNX Runtime is compared: on the CPU, and on the GPU where there is one."""
    has_cuda = has_nvidia_device() and CUDA in onnxruntime.get_available_providers()
    return ["cpu", "cuda"] if has_cuda else ["cpu"]


def checked_parity(
    run: Path, encoder: nn.Module, decoder: nn.Module, paths: tuple[Path, Path]
) -> dict[str, dict[str, float]]:
    """Largest differences between PyTorch and ONNX Runtime on the CPU, and on the GPU where there is one.

    Raises:
        ModelError: They are larger than `PARITY`.
    """
    cases = [example_inputs(n, m, p, seed=n) for n, m, p in ((1, 1, 1), (17, 40, 8), (64, 96, 16))]
    found = {
        provider: {
            paths[0].name: largest_difference(encoder, paths[0], ENCODER_SPEC, [c[0] for c in cases], provider),
            paths[1].name: largest_difference(decoder, paths[1], DECODER_SPEC, [c[1] for c in cases], provider, _TIES),
        }
        for provider in parity_providers()
    }
    for provider, gaps in found.items():
        if not max(gaps.values()) <= PARITY[provider]:
            raise ModelError(
                f"export of {run}: expected PyTorch and ONNX Runtime ({provider}) within {PARITY[provider]:g}, found "
                f"{gaps}. Nothing was written"
            )
    return found
