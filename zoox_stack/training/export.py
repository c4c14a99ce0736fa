"""Export a trained run to ONNX: ``python -m zoox_stack.training.export --run RUN --out DIR``.

Writes ``scene_encoder.onnx``, ``interaction_decoder.onnx`` and ``MODEL_CARD.md``. Nothing is written if ONNX Runtime
and PyTorch disagree by more than `PARITY`.
"""

# ruff: noqa: E501  (rows of the model card are one line)
from __future__ import annotations

import argparse
import copy
import hashlib
import json
import tempfile
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from zoox_stack.core.errors import ModelError
from zoox_stack.prediction.channels import N_CHANNELS, RASTER_SIZE, channels_fingerprint
from zoox_stack.prediction.features import HISTORY_FEATURES, KNOTS, PLAN_FEATURES, STATIC_FEATURES
from zoox_stack.prediction.history import HISTORY_STEPS
from zoox_stack.prediction.lane_pieces import PIECE_FEATURES
from zoox_stack.prediction.network import DECODER_FILE, DECODER_SPEC, ENCODER_FILE, ENCODER_SPEC
from zoox_stack.prediction.onnx_session import make_session
from zoox_stack.training.model import WIDTH, InteractionDecoder, SceneEncoder

PARITY = 1e-3  # largest allowed difference over 1 + the value: metres, square metres or probability
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


def largest_difference(module: nn.Module, path: Path, spec: Any, cases: list[dict[str, NDArray[Any]]]) -> float:
    """Largest difference between PyTorch and ONNX Runtime (CPU) over `cases`, relative to 1 + the value."""
    session = make_session(path, "cpu", 0, spec=spec)
    worst = 0.0
    with torch.no_grad():
        for inputs in cases:
            expected = module(*(torch.from_numpy(a) for a in inputs.values()))
            found = session.run(inputs)
            for name, tensor in zip(
                spec.outputs, expected if isinstance(expected, tuple) else (expected,), strict=True
            ):
                gap = np.abs(found[name] - tensor.numpy()) / (1.0 + np.abs(tensor.numpy()))
                worst = max(worst, float(gap.max()))
    return worst


def export(run: Path, out: Path, name: str) -> dict[str, Any]:
    """Export a run; returns a summary.

    Raises:
        ModelError: The checkpoint does not fit this version, or parity fails.
    """
    state = torch.load(run / "checkpoint.pt", map_location="cpu", weights_only=True)
    if state["channels"] != channels_fingerprint():
        raise ModelError(f"{run}: trained on another scene image than this version draws; train it again")
    encoder, decoder = SceneEncoder().eval(), InteractionDecoder().eval()
    encoder.load_state_dict(state["encoder"])
    decoder.load_state_dict(state["decoder"])
    digest = weights_digest({**state["encoder"], **state["decoder"]})
    metadata = {"name": name, "run": digest[:12], "channels": channels_fingerprint(), "licence": "Apache-2.0"}
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out) as folder:
        first = example_inputs(9, 7, 3, seed=0)
        encoder_path, decoder_path = Path(folder) / ENCODER_FILE, Path(folder) / DECODER_FILE
        folded = copy.deepcopy(encoder)
        folded.image.fold_scale()
        export_module(folded, first[0], list(ENCODER_SPEC.outputs), encoder_path, metadata)
        export_module(decoder, first[1], list(DECODER_SPEC.outputs), decoder_path, metadata)
        cases = [example_inputs(n, m, p, seed=n) for n, m, p in ((1, 1, 1), (17, 40, 8), (64, 96, 16))]
        parity = {
            "encoder": largest_difference(encoder, encoder_path, ENCODER_SPEC, [c[0] for c in cases]),
            "decoder": largest_difference(decoder, decoder_path, DECODER_SPEC, [c[1] for c in cases]),
        }
        if max(parity.values()) > PARITY:
            raise ModelError(f"export of {run}: expected PyTorch and ONNX Runtime within {PARITY}, found {parity}")
        sizes = {p.name: p.stat().st_size for p in (encoder_path, decoder_path)}
        for path in (encoder_path, decoder_path):
            path.replace(out / path.name)
    counts = {
        "encoder": sum(p.numel() for p in encoder.parameters()),
        "decoder": sum(p.numel() for p in decoder.parameters()),
    }
    summary = {
        "run": digest[:12],
        "parity": parity,
        "bytes": sizes,
        "parameters": counts,
        "log": json.loads(state["log"])[-1],
    }
    (out / "MODEL_CARD.md").write_text(model_card(name, summary))
    return summary


def weights_digest(weights: dict[str, Tensor]) -> str:
    """SHA-256 over all weights: the version of a model."""
    digest = hashlib.sha256()
    for key in sorted(weights):
        digest.update(key.encode())
        digest.update(weights[key].contiguous().numpy().tobytes())
    return digest.hexdigest()


def model_card(name: str, summary: dict[str, Any]) -> str:
    """The model card as Markdown."""
    log = summary["log"]
    val = log["val"]
    return f"""# {name} {summary["run"]}

Predicts every road user of a scene 8 s ahead (6 modes, 80 steps of 0.1 s) and how that changes under a plan of the ego.

| | |
|---|---|
| files | `{ENCODER_FILE}` ({summary["bytes"][ENCODER_FILE] / 1e6:.1f} MB), `{DECODER_FILE}` ({summary["bytes"][DECODER_FILE] / 1e6:.1f} MB) |
| parameters | {summary["parameters"]["encoder"]:,} + {summary["parameters"]["decoder"]:,} |
| training data | {log["train_scenes"]} scenes of SUMO traffic made by `python -m zoox_stack.simulation.make_training_set`, each with several ego behaviours and what everybody did under each; no recorded data |
| training | `python -m zoox_stack.training.train`, {log["epochs"] if "epochs" in log else log["epoch"]} epochs, exported {datetime.now(tz=UTC).date().isoformat()} |
| PyTorch and ONNX Runtime differ by | {max(summary["parity"].values()):.1e} at most, relative to 1 + the value |
| licence | Apache-2.0 |

## Measured on held-out simulated scenes
{log["val_scenes"]} scenes, other seeds than in training; agents that move more than 2 m.

| measure | model | constant velocity |
|---|---|---|
| ADE of the likeliest mode | {val["ade_1"]:.2f} m | {val["cv_ade"]:.2f} m |
| minADE, 6 modes | {val["min_ade_6"]:.2f} m | |
| FDE at 8 s of the likeliest mode | {val["fde_1"]:.2f} m | {val["cv_fde"]:.2f} m |
| minFDE at 8 s, 6 modes | {val["min_fde_6"]:.2f} m | |

Agents whose future depends on the ego's plan by more than 1 m ({val["affected"]:.0f} cases), ADE of the mode that fits
what really happened: **{val["affected_ade_told"]:.2f} m** when told the plan, {val["affected_ade_not_told"]:.2f} m when not told.

## Limits
Trained on simulated traffic only: real drivers differ, and animals were never seen. Reactions are limited to agents
within 50 m of the plan. Mode probabilities do not depend on the plan.
"""


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--run", required=True, help="run folder of zoox_stack.training.train")
    parser.add_argument("--out", required=True, help="folder for the ONNX files and the model card")
    parser.add_argument("--name", default="zoox-sumo-small")
    args = parser.parse_args()
    print(json.dumps(export(Path(args.run), Path(args.out), args.name), indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
