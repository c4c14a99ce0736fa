"""Runs: learning, going on exactly, starting from another run, ending early, several processes, bad input."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the train extra (torch)")

from zoox_stack.cli import main  # noqa: E402
from zoox_stack.core.errors import ConfigurationError, InvalidInputError, ModelError, ZooxStackError  # noqa: E402
from zoox_stack.datasets.scene_futures import SceneFutures  # noqa: E402
from zoox_stack.road_network.made_up import straight_road  # noqa: E402
from zoox_stack.training import checkpoints, learner  # noqa: E402
from zoox_stack.training import train as train_module  # noqa: E402
from zoox_stack.training.batches import collate  # noqa: E402
from zoox_stack.training.config import TrainConfig  # noqa: E402
from zoox_stack.training.learner import compute_in, rate_share, to_tensors  # noqa: E402
from zoox_stack.training.losses import evaluate_batch, gaussian_nll  # noqa: E402
from zoox_stack.training.measures import difference_between_plans  # noqa: E402
from zoox_stack.training.model import InteractionDecoder, SceneEncoder  # noqa: E402
from zoox_stack.training.model_card import Exported, model_card  # noqa: E402
from zoox_stack.training.samples import SampleMaker  # noqa: E402
from zoox_stack.training.sources import find_source, split  # noqa: E402
from zoox_stack.training.train import END_DONE, END_MINUTES, END_PATIENCE, TrainResult, train  # noqa: E402

NETWORK = straight_road(length=400.0).with_name("straight")
CPU = torch.device("cpu")
EXPORTED = Exported("0123", {"cpu": {"a.onnx": 1e-5}}, 0.1, {"a.onnx": 10}, {"a.onnx": 2}, (2.0, 1.0))
CONFIG = TrainConfig(epochs=2, batch=1, rate=1e-3, views=0, jobs=1, threads=1, device="cpu")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def run(bags: Path, out: Path, config: TrainConfig = CONFIG, **options: Any) -> TrainResult:
    return train(config, *split([find_source(bags)], config.val_share, config.seed), out, **options)


@pytest.fixture(scope="module")
def whole(bags: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    """Two epochs in one go."""
    return run(bags, tmp_path_factory.mktemp("runs") / "whole")


def test_padding_changes_nothing(scenes: list[SceneFutures]) -> None:
    torch.manual_seed(0)
    encoder = SceneEncoder().eval()
    made = [SampleMaker(NETWORK).make(scene, None) for scene in scenes]
    with torch.no_grad():
        alone = encoder(*to_tensors(collate(made[:1]), CPU).encoder_inputs())
        together = encoder(*to_tensors(collate(made), CPU).encoder_inputs())
    np.testing.assert_allclose(alone[0].numpy(), together[0, : alone.shape[1]].numpy(), atol=2e-4)


def test_affected_agents_are_those_whose_future_depends_on_the_plan(scenes: list[SceneFutures]) -> None:
    batch = to_tensors(collate([SampleMaker(NETWORK).make(scenes[0], None)]), CPU)
    gap = difference_between_plans(batch.futures, batch.valid)[0]
    assert bool((gap[1:] > 1.0).all())


def test_likelihood_is_best_where_the_covariance_is_right() -> None:
    error = torch.tensor([[1.0, 0.0]])
    losses = [float(gaussian_nll(error, torch.tensor([[v, 0.0, v]]))) for v in (0.05, 0.5, 50.0)]
    assert losses[1] < min(losses[0], losses[2])


def test_the_loss_is_finite_on_every_part(scenes: list[SceneFutures]) -> None:
    torch.manual_seed(0)
    batch = to_tensors(collate([SampleMaker(NETWORK).make(scene, None) for scene in scenes]), CPU)
    outcome = evaluate_batch(SceneEncoder(), InteractionDecoder(), batch)
    assert all(np.isfinite(v) for v in outcome.parts.values())
    assert outcome.sums["affected"] > 0


def test_half_precision_is_close_and_gives_float32(scenes: list[SceneFutures]) -> None:
    torch.manual_seed(0)
    encoder = SceneEncoder().eval()
    inputs = to_tensors(collate([SampleMaker(NETWORK).make(scenes[0], None)]), CPU).encoder_inputs()
    with torch.no_grad():
        exact = encoder(*inputs)
        compute_in(torch.bfloat16, encoder, CPU)
        half = encoder(*inputs)
    assert half.dtype == torch.float32
    assert 0 < float((half - exact).abs().max()) < 0.1 * float(exact.abs().max())


def test_the_rate_rises_then_falls() -> None:
    shares = [rate_share(p) for p in (0.0, 0.1, 0.5, 1.0, 1.5)]
    assert shares[1] == pytest.approx(1.0)
    assert shares[0] < shares[2] < shares[1]
    assert shares[3] == shares[4] == pytest.approx(0.01)


def test_a_run_learns_and_leaves_its_files(whole: TrainResult) -> None:
    assert whole.end == END_DONE
    log = [json.loads(line) for line in (whole.out / "log.jsonl").read_text().splitlines()]
    assert log == list(whole.log)
    assert [entry["epoch"] for entry in log] == [1, 2]
    assert all(entry["steps"] == 2 for entry in log)
    assert log[1]["val"]["loss"] < log[0]["val"]["loss"]
    assert (whole.out / "curves.png").stat().st_size > 1000
    assert {path.name for path in whole.out.iterdir()} == {
        "samples", "last.pt", "best.pt", "log.jsonl", "curves.png"
    }  # fmt: skip
    losses = [entry["val"]["loss"] for entry in log]
    assert whole.best == 1 + losses.index(min(losses))


def test_a_run_goes_on_exactly_from_within_an_epoch(
    whole: TrainResult, bags: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(0, 10**6, 60))  # a minute passes whenever the time is asked for
    monkeypatch.setattr(train_module, "monotonic", lambda: float(next(clock)))
    first = run(bags, tmp_path / "run", replace(CONFIG, minutes=2.5))
    assert first.end == END_MINUTES
    assert not first.is_finished
    progress, _ = checkpoints.load(tmp_path / "run/last.pt")
    assert (progress.epoch, progress.step) == (0, 1)
    monkeypatch.undo()
    rest = run(bags, tmp_path / "run", resume=True)
    assert rest.digest == whole.digest
    unlike = {"seconds": 0}
    assert [entry | unlike for entry in rest.log] == [entry | unlike for entry in whole.log]


def test_a_finished_run_can_be_made_longer_but_not_other(whole: TrainResult, bags: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="--resume"):
        run(bags, whole.out)
    with pytest.raises(InvalidInputError, match=r"batch 1 and 2"):
        run(bags, whole.out, replace(CONFIG, batch=2), resume=True)
    with pytest.raises(InvalidInputError, match=r"other samples"):
        train(CONFIG, [find_source(bags / "noon")], [find_source(bags / "evening")], whole.out, resume=True)
    again = run(bags, whole.out, resume=True)
    assert again.digest == whole.digest
    assert again.log == whole.log


def test_training_starts_from_another_run(whole: TrainResult, bags: Path, tmp_path: Path) -> None:
    tuned = run(bags, tmp_path / "tuned", replace(CONFIG, epochs=1, rate=1e-8), start=whole.out)
    best = whole.log[whole.best - 1]["val"]["loss"]
    assert tuned.log[0]["val"]["loss"] == pytest.approx(best, rel=0.05)
    longer = run(bags, tuned.out, replace(CONFIG, epochs=2, rate=1e-8), resume=True)  # which keeps the start
    assert len(longer.log) == 2
    progress, _ = checkpoints.load(tuned.out / "last.pt")
    found, _ = checkpoints.load(whole.out / "best.pt")
    start = progress.data["start"]
    assert (start["config"], start["data"], start["epoch"]) == (found.config, found.data, whole.best)
    card = model_card("mine", "MIT", "today", EXPORTED, progress)
    assert f"from weights {start['weights'][:12]} (epoch {whole.best})" in card
    assert re.search(
        r"^zoox-stack train .* --out RUN_START\nzoox-stack train .* --from RUN_START --out RUN$", card, re.M
    )
    with pytest.raises(InvalidInputError, match="a checkpoint"):
        run(bags, tmp_path / "other", start=tmp_path)


def test_training_stops_when_it_gets_no_better(bags: Path, tmp_path: Path) -> None:
    config = replace(CONFIG, epochs=50, patience=1, rate=1e-8, watch="cv_ade")  # which no training changes
    result = run(bags, tmp_path / "run", config)
    assert (result.end, result.best, len(result.log)) == (END_PATIENCE, 1, 2)


def test_a_wrong_measure_to_watch_is_named_before_the_work(bags: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"min_ade_6.*'joy'"):
        run(bags, tmp_path / "run", replace(CONFIG, watch="joy"))
    assert not (tmp_path / "run/last.pt").exists()


def test_a_loss_that_is_no_number_ends_training(bags: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_sense(*arguments: Any) -> Any:
        outcome = evaluate_batch(*arguments)
        return replace(outcome, parts=outcome.parts | {"loss": float("nan")})

    monkeypatch.setattr(learner, "evaluate_batch", without_sense)
    with pytest.raises(ZooxStackError, match="--rate"):
        run(bags, tmp_path / "run")
    assert not (tmp_path / "run/last.pt").exists()


def test_half_precision_learns_too(bags: Path, tmp_path: Path) -> None:
    config = replace(CONFIG, epochs=1, precision="fp16")  # with a gradient scaler
    result = run(bags, tmp_path / "run", config)
    assert np.isfinite(result.log[0]["val"]["loss"])
    _, states = checkpoints.load(tmp_path / "run/last.pt")
    assert states["scaler"]["scale"] > 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_an_error(bags: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="ask for auto or cpu"):
        run(bags, tmp_path / "run", replace(CONFIG, device="cuda"))


def test_a_checkpoint_of_other_channels_is_refused(
    whole: TrainResult, bags: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "channels_fingerprint", lambda: "0123456789abcdef")
    with pytest.raises(ModelError, match="channels 0123456789ab"):
        checkpoints.load(whole.out / "best.pt")


@pytest.mark.parametrize("change", [{"steps_ahead": 3}, {"step": None}])
def test_a_checkpoint_of_another_version_is_named(
    whole: TrainResult, tmp_path: Path, change: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """A field more than this version knows, and one less."""
    path = tmp_path / "best.pt"
    states = torch.load(whole.out / "best.pt", weights_only=True)
    progress = json.loads(states["progress"]) | change
    states["progress"] = json.dumps({name: value for name, value in progress.items() if value is not None})
    torch.save(states, path)
    with pytest.raises(ModelError, match=rf"best\.pt.*another.*\b{next(iter(change))}\b"):
        checkpoints.load(path)
    assert main(["export", "--run", str(tmp_path), "--out", str(tmp_path / "models")]) == 2
    assert "best.pt" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"no checkpoint", None])
def test_a_damaged_checkpoint_is_named(whole: TrainResult, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "best.pt"
    path.write_bytes((whole.out / "best.pt").read_bytes()[:2000] if content is None else content)
    with pytest.raises(InvalidInputError, match=r"best\.pt"):
        checkpoints.load(path)


def test_logs_too_short_for_a_scene_are_refused(write_bag: Callable[..., Path], tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_bag(tmp_path / "logs" / name, 0, seconds=3.0)
    with pytest.raises(InvalidInputError, match="3 s of future"):
        run(tmp_path / "logs", tmp_path / "run")


# Only a script can tell of both processes; people start the command itself, see docs/training.md.
DISTRIBUTED = """
import json, os, sys
from pathlib import Path
from zoox_stack.training.config import TrainConfig
from zoox_stack.training.sources import find_source, split
from zoox_stack.training.train import train
if __name__ == "__main__":
    logs, out = map(Path, sys.argv[1:])
    config = TrainConfig(epochs=2, batch=1, rate=1e-3, views=0, jobs=1, threads=1, device="cpu")
    result = train(config, *split([find_source(logs)], 0.1, 0), out)
    found = [result.digest, [entry["steps"] for entry in result.log], result.best]
    Path(f"{out}.{os.environ['RANK']}").write_text(json.dumps(found))
"""


def torchrun(*words: str) -> tuple[str, str]:
    """Run two processes; what they said."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *words]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as team:
        try:
            out, err = team.communicate(timeout=200)
        finally:
            team.terminate()  # and it ends its processes
    assert team.returncode == 0, err[-3000:]
    return out, err


def test_two_processes_learn_the_same_weights(whole: TrainResult, bags: Path, tmp_path: Path) -> None:
    (tmp_path / "learn.py").write_text(DISTRIBUTED)
    torchrun(*map(str, (tmp_path / "learn.py", bags, tmp_path / "run")))
    found = [json.loads((tmp_path / f"run.{rank}").read_text()) for rank in range(2)]
    assert found[0] == found[1]
    digest, steps, _ = found[0]
    assert steps == [1, 1]  # two scenes, one for each process
    assert digest != whole.digest
    log = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    assert len(log) == 2
    progress, _ = checkpoints.load(tmp_path / "run/last.pt")
    assert (progress.processes, progress.epoch) == (2, 2)

    words = [
        "--logs",
        str(bags),
        "--out",
        str(tmp_path / "run"),
        "--resume",
        "--json",
        "--device",
        "cpu",
        "--threads",
        "1",
    ]
    same = ["--batch", "1", "--rate", "0.001", "--views", "0"]
    out, _ = torchrun("-m", "--", "zoox_stack.cli", "train", *words, *same, "--epochs", "3")
    assert json.loads(out)["epochs"] == 3  # one object: the other process is silent


def test_the_command_says_what_is_wrong(bags: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, text in (
        (["--logs", str(tmp_path / "none")], "nothing at this place"),
        (["--logs", str(bags), "--batch", "0"], "train.batch"),
        (["--logs", str(bags / "noon")], "--val"),
        (["--logs", str(bags), "--val", str(bags / "noon")], "every bag once"),
    ):
        assert main(["train", *words, "--out", str(tmp_path / "run")]) == 2
        assert text in capsys.readouterr().err
