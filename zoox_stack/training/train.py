"""Train the network: ``python -m zoox_stack.training.train --data DIR --out RUN``.

DIR holds the folders ``train`` and ``val`` written by ``python -m zoox_stack.simulation.make_training_set``. The run
folder holds a checkpoint after every epoch (start again with ``--resume``), ``log.jsonl`` and ``curves.png``.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track

from zoox_stack.prediction.channels import channels_fingerprint
from zoox_stack.simulation.counterfactual_store import CounterfactualSet
from zoox_stack.training.losses import TensorBatch, evaluate_batch, measures
from zoox_stack.training.model import InteractionDecoder, SceneEncoder
from zoox_stack.training.samples import Batch, SampleMaker, TrainingSample, batches, collate


def make_part(folder: Path, number: int, seed: int) -> list[TrainingSample]:
    """Training samples of one part of a set."""
    scenes = CounterfactualSet(folder)
    makers: dict[str, SampleMaker] = {}
    rng = np.random.default_rng(seed)
    samples = []
    for sample in scenes.training_samples(number):
        if sample.town not in makers:
            makers[sample.town] = SampleMaker(scenes.networks[sample.town])
        samples.append(makers[sample.town].make(sample, rng))
    return samples


def prepare(folder: Path, seed: int, jobs: int, limit: int | None) -> list[TrainingSample]:
    """All training samples of a folder, in order."""
    parts = CounterfactualSet(folder).parts[:limit]
    if not parts:
        raise SystemExit(f"{folder}: expected scenes, found none. Run zoox_stack.simulation.make_training_set first.")
    seeds = [int(s) for s in np.random.SeedSequence(seed).generate_state(len(parts))]
    with ProcessPoolExecutor(jobs) as pool:
        parts_made = pool.map(make_part, [folder] * len(parts), parts, seeds)
        made = track(parts_made, f"preparing {folder.name}", total=len(parts))
        return [sample for part in made for sample in part]


def to_tensors(batch: Batch, device: torch.device) -> TensorBatch:
    """Copy a batch to a device."""
    return TensorBatch(**{f.name: torch.from_numpy(getattr(batch, f.name)).to(device) for f in fields(batch)})


def run_epoch(
    encoder: SceneEncoder,
    decoder: InteractionDecoder,
    samples: list[TrainingSample],
    size: int,
    device: torch.device,
    optimiser: torch.optim.Optimizer | None = None,
    schedule: torch.optim.lr_scheduler.LRScheduler | None = None,
    rng: np.random.Generator | None = None,
    label: str = "",
) -> dict[str, float]:
    """One pass over `samples`; learns if there is an optimiser. Returns mean losses and measures."""
    encoder.train(optimiser is not None)
    decoder.train(optimiser is not None)
    parts: dict[str, float] = {}
    sums: dict[str, float] = {}
    count = 0
    groups = list(batches(samples, size, rng))
    with torch.set_grad_enabled(optimiser is not None):
        for group in track(groups, label):
            outcome = evaluate_batch(encoder, decoder, to_tensors(collate(group), device))
            if optimiser is not None:
                optimiser.zero_grad()
                outcome.loss.backward()
                torch.nn.utils.clip_grad_norm_([*encoder.parameters(), *decoder.parameters()], 5.0)
                optimiser.step()
                if schedule is not None:
                    schedule.step()
            for key, value in outcome.parts.items():
                parts[key] = parts.get(key, 0.0) + value * len(group)
            for key, value in outcome.sums.items():
                sums[key] = sums.get(key, 0.0) + value
            count += len(group)
    return {k: v / count for k, v in parts.items()} | measures(sums)


def rate_share(progress: float) -> float:
    """Share of the highest learning rate: rises over the first tenth, then falls as a cosine to one hundredth."""
    if progress < 0.1:
        return 0.05 + 0.95 * progress / 0.1
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min((progress - 0.1) / 0.9, 1.0)))


def draw_curves(log: list[dict[str, Any]], path: Path) -> None:
    """Learning curves as a picture."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(11, 4))
    epochs = [entry["epoch"] for entry in log]
    for split, style in (("train", "--"), ("val", "-")):
        axes[0].plot(epochs, [entry[split]["loss"] for entry in log], style, label=split)
    axes[0].set(xlabel="epoch", ylabel="loss")
    for key, label in (
        ("min_ade_6", "minADE, 6 modes"),
        ("ade_1", "ADE, likeliest mode"),
        ("cv_ade", "ADE, constant velocity"),
        ("affected_ade_told", "affected agents, told the plan"),
        ("affected_ade_not_told", "affected agents, not told"),
    ):
        axes[1].plot(epochs, [entry["val"][key] for entry in log], label=label)
    axes[1].set(xlabel="epoch", ylabel="validation error [m]", ylim=(0, None))
    for axis in axes:
        axis.legend()
        axis.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    plt.close(figure)


def train(args: argparse.Namespace) -> dict[str, Any]:
    """Train as the command line says; returns the last log entry."""
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    device = torch.device(args.device)
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    train_set = prepare(Path(args.data) / "train", args.seed, args.jobs, args.shards)
    val_set = prepare(Path(args.data) / "val", args.seed + 1, args.jobs, args.shards)
    encoder, decoder = SceneEncoder().to(device), InteractionDecoder().to(device)
    parameters = [*encoder.parameters(), *decoder.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=args.rate, weight_decay=1e-2)
    steps = args.epochs * len(list(batches(train_set, args.batch, None)))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: rate_share(step / max(steps, 1)))
    log: list[dict[str, Any]] = []
    checkpoint = out / "checkpoint.pt"
    if args.resume and checkpoint.exists():
        state = torch.load(checkpoint, map_location=device, weights_only=True)
        for module, key in (
            (encoder, "encoder"),
            (decoder, "decoder"),
            (optimiser, "optimiser"),
            (schedule, "schedule"),
        ):
            module.load_state_dict(state[key])
        log = json.loads(state["log"])
    started = time.monotonic()
    for epoch in range(len(log), args.epochs):
        rng = np.random.default_rng([args.seed, epoch])
        entry: dict[str, Any] = {"epoch": epoch + 1, "train_scenes": len(train_set), "val_scenes": len(val_set)}
        entry["train"] = run_epoch(
            encoder,
            decoder,
            train_set,
            args.batch,
            device,
            optimiser,
            schedule,
            rng,
            f"epoch {epoch + 1}/{args.epochs}",
        )
        entry["val"] = run_epoch(encoder, decoder, val_set, args.batch, device, label="validation")
        entry["seconds"] = round(time.monotonic() - started, 1)
        log.append(entry)
        state = {
            "encoder": encoder.state_dict(),
            "decoder": decoder.state_dict(),
            "optimiser": optimiser.state_dict(),
            "schedule": schedule.state_dict(),
            "log": json.dumps(log),
            "channels": channels_fingerprint(),
        }
        torch.save(state, checkpoint.with_suffix(".tmp"))
        checkpoint.with_suffix(".tmp").replace(checkpoint)
        (out / "log.jsonl").write_text("".join(json.dumps(e) + "\n" for e in log))
        draw_curves(log, out / "curves.png")
        print(json.dumps({"epoch": entry["epoch"], "seconds": entry["seconds"]} | entry["val"]), flush=True)
    return log[-1]


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", required=True, help="folder with train/ and val/")
    parser.add_argument("--out", required=True, help="run folder")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--batch", type=int, default=8, help="scenes per step")
    parser.add_argument("--rate", type=float, default=1.5e-3, help="highest learning rate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes that prepare samples")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="threads of PyTorch")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--shards", type=int, default=None, help="use only the first parts of each set")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    train(parser.parse_args())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
