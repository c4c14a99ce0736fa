"""Samples, a short training run that can be resumed, and the export."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the train extra (torch)")
pytest.importorskip("onnx", reason="the export needs the train extra (onnx)")

from zoox_stack.core.errors import ModelError  # noqa: E402
from zoox_stack.core.predictions import STEP, STEPS  # noqa: E402
from zoox_stack.prediction.predictor import PredictionConfig, Predictor  # noqa: E402
from zoox_stack.road_network.made_up import straight_road  # noqa: E402
from zoox_stack.simulation.counterfactual_store import write_manifest, write_map, write_part  # noqa: E402
from zoox_stack.simulation.samples import CounterfactualSample, CounterfactualScene  # noqa: E402
from zoox_stack.training import export as export_module  # noqa: E402
from zoox_stack.training.losses import difference_between_plans, evaluate_batch, gaussian_nll  # noqa: E402
from zoox_stack.training.model import InteractionDecoder, SceneEncoder  # noqa: E402
from zoox_stack.training.samples import SampleMaker, batches, collate  # noqa: E402
from zoox_stack.training.train import to_tensors, train  # noqa: E402

NETWORK = straight_road(length=400.0)


def test_futures_start_where_the_agents_are(samples: list[CounterfactualSample]) -> None:
    made = SampleMaker(NETWORK).make(samples[0], None)
    assert made.image().shape[0] == 60
    first = np.linalg.norm(made.futures[:, :, 0], axis=-1)
    assert (first < 15 * STEP).all()
    assert (made.futures[0, 0, -1, 0] > 8 * 3.9).all()  # the ego drives along its own x
    np.testing.assert_allclose(made.plans[0, 0, :2], made.plans[1, 0, :2])  # all plans start at the ego


def test_tracker_errors_are_seeded(samples: list[CounterfactualSample]) -> None:
    maker = SampleMaker(NETWORK)
    a, b, exact = (
        maker.make(samples[0], None if seed is None else np.random.default_rng(seed)) for seed in (1, 1, None)
    )
    assert a.raster == b.raster
    assert np.array_equal(a.inputs.agent_history, b.inputs.agent_history)
    assert not np.array_equal(a.inputs.agent_history, exact.inputs.agent_history)


def test_padding_changes_nothing(samples: list[CounterfactualSample]) -> None:
    torch.manual_seed(0)
    encoder = SceneEncoder().eval()
    made = [SampleMaker(NETWORK).make(s, None) for s in samples]
    with torch.no_grad():
        alone = encoder(*to_tensors(collate(made[:1]), torch.device("cpu")).encoder_inputs())
        together = encoder(*to_tensors(collate(made), torch.device("cpu")).encoder_inputs())
    np.testing.assert_allclose(alone[0].numpy(), together[0, : alone.shape[1]].numpy(), atol=2e-4)


def test_affected_agents_are_those_whose_future_depends_on_the_plan(samples: list[CounterfactualSample]) -> None:
    batch = to_tensors(collate([SampleMaker(NETWORK).make(samples[0], None)]), torch.device("cpu"))
    gap = difference_between_plans(batch.futures, batch.valid)[0]
    assert bool((gap[1:] > 1.0).all())


def test_likelihood_is_best_where_the_covariance_is_right() -> None:
    error = torch.tensor([[1.0, 0.0]])
    losses = [float(gaussian_nll(error, torch.tensor([[v, 0.0, v]]))) for v in (0.05, 0.5, 50.0)]
    assert losses[1] < min(losses[0], losses[2])


def test_batches_are_shuffled_by_seed_and_complete(samples: list[CounterfactualSample]) -> None:
    made = [SampleMaker(NETWORK).make(s, None) for s in samples]
    order = [[id(s) for group in batches(made, 3, np.random.default_rng(5)) for s in group] for _ in range(2)]
    assert order[0] == order[1]
    assert sorted(order[0]) == sorted(id(s) for s in made)


def as_scene(sample: CounterfactualSample) -> CounterfactualScene:
    """The sample with the rest made up."""
    m, n = len(sample.behaviours), len(sample.ids)
    return CounterfactualScene(
        sample=sample, seed=0, ego_class=1, plan_names=tuple(f"plan {i}" for i in range(m)),
        speeds=np.ones((m, n, STEPS), np.float32), plan_errors=np.full(m, np.nan, np.float32), refused=(),
        log_ego=sample.ego_plans[0], log_futures=sample.futures[0], log_speeds=np.ones((n, STEPS), np.float32),
        log_valid=sample.futures_valid[0], identity_max_diff=0.0,
    )  # fmt: skip


def write_set(folder: Path, samples: list[CounterfactualSample]) -> None:
    for split in ("train", "val"):
        write_map(folder / split, NETWORK.with_name("straight"))
        write_manifest(folder / split, {})
        write_part(folder / split, 0, 0, [as_scene(sample) for sample in samples])


def arguments(data: Path, out: Path, epochs: int, *, resume: bool = False) -> argparse.Namespace:
    return argparse.Namespace(
        data=str(data), out=str(out), epochs=epochs, batch=2, rate=1e-3, seed=0, jobs=1, device="cpu", shards=None,
        resume=resume, threads=1,
    )  # fmt: skip


def test_training_learns_resumes_and_exports(tmp_path: Path, samples: list[CounterfactualSample]) -> None:
    write_set(tmp_path / "data", samples)
    last = train(arguments(tmp_path / "data", tmp_path / "run", 2))
    again = train(arguments(tmp_path / "data", tmp_path / "run", 3, resume=True))
    log = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    assert [entry["epoch"] for entry in log] == [1, 2, 3]
    assert log[1] == last
    assert again["val"]["loss"] < log[0]["val"]["loss"]
    assert (tmp_path / "run/curves.png").stat().st_size > 1000

    summary = export_module.export(tmp_path / "run", tmp_path / "models", "test-model")
    assert max(summary["parity"].values()) < export_module.PARITY
    predictor = Predictor(PredictionConfig(model_dir=str(tmp_path / "models"), provider="cpu", threads=1))
    assert predictor.model == f"test-model {summary['run']}"
    assert "Apache-2.0" in (tmp_path / "models/MODEL_CARD.md").read_text()


def test_an_export_that_differs_is_not_written(
    tmp_path: Path, samples: list[CounterfactualSample], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_set(tmp_path / "data", samples[:2])
    train(arguments(tmp_path / "data", tmp_path / "run", 1))
    monkeypatch.setattr(export_module, "PARITY", 0.0)
    with pytest.raises(ModelError, match="within 0"):
        export_module.export(tmp_path / "run", tmp_path / "models", "test-model")
    assert not list((tmp_path / "models").glob("*.onnx"))


def test_the_loss_is_finite_on_every_part(samples: list[CounterfactualSample]) -> None:
    torch.manual_seed(0)
    batch = to_tensors(collate([SampleMaker(NETWORK).make(s, None) for s in samples]), torch.device("cpu"))
    outcome = evaluate_batch(SceneEncoder(), InteractionDecoder(), batch)
    assert all(np.isfinite(v) for v in outcome.parts.values())
    assert outcome.sums["affected"] > 0
    assert batch.futures.shape[3] == STEPS
