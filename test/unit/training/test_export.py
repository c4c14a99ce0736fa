"""From logs to a model: the whole way, parity, calibration, the card."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch", reason="training needs the train extra (torch)")
pytest.importorskip("onnx", reason="the export needs the train extra (onnx)")

from zoox_stack.cli import main  # noqa: E402
from zoox_stack.core.errors import ConfigurationError, ModelError  # noqa: E402
from zoox_stack.core.parameters import build, describe  # noqa: E402
from zoox_stack.core.predictions import MODES, STEP, STEPS  # noqa: E402
from zoox_stack.prediction.features import NetworkInputs  # noqa: E402
from zoox_stack.prediction.model_channels import channel_properties  # noqa: E402
from zoox_stack.prediction.network import DECODER_SPEC, HALF_ENCODER_FILE, PredictionNetwork  # noqa: E402
from zoox_stack.prediction.onnx_session import make_session  # noqa: E402
from zoox_stack.simulation.samples import CounterfactualSample  # noqa: E402
from zoox_stack.training import cli  # noqa: E402
from zoox_stack.training import export as export_module  # noqa: E402
from zoox_stack.training.calibration import Calibration, calibrate, fit_calibration  # noqa: E402
from zoox_stack.training.checkpoints import load, save  # noqa: E402
from zoox_stack.training.config import TrainConfig  # noqa: E402
from zoox_stack.training.export import example_inputs, export, largest_difference, validation_groups  # noqa: E402
from zoox_stack.training.model import InteractionDecoder, SceneEncoder  # noqa: E402
from zoox_stack.training.preparation import prepare  # noqa: E402
from zoox_stack.training.sources import find_source  # noqa: E402
from zoox_stack.training.stream import groups_of_epoch  # noqa: E402

FAST = ["--epochs", "1", "--batch", "2", "--views", "1", "--jobs", "1", "--threads", "1", "--device", "cpu"]


@pytest.fixture(scope="module")
def models(
    bags: Path,
    make_sample: Callable[..., CounterfactualSample],
    write_set: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Learned from bags and from a counterfactual set."""
    folder = tmp_path_factory.mktemp("learned")
    write_set(folder / "what_if", [[make_sample(seed, agents=5)] for seed in range(2)])
    words = ["--logs", str(bags), str(folder / "what_if"), "--weights", "1", "2", "--name", "mine", "--licence", "MIT"]
    assert main(["learn", *words, "--out", str(folder / "models"), *FAST]) == 0
    return folder / "models"


def test_learning_ends_in_two_files_that_predict(models: Path) -> None:
    network = PredictionNetwork(models, "cpu", 1)
    assert network.name.startswith("mine ")
    assert {path.name for path in models.iterdir()} - {HALF_ENCODER_FILE} == {
        "scene_encoder.onnx", "interaction_decoder.onnx", "MODEL_CARD.md", "run"
    }  # fmt: skip
    properties = {p.key: p.value for p in onnx.load(str(models / "scene_encoder.onnx")).metadata_props}
    assert properties["licence"] == "MIT"
    assert channel_properties().items() <= properties.items()


def test_the_card_says_what_it_is_made_of(models: Path) -> None:
    card = (models / "MODEL_CARD.md").read_text()
    for text in (
        PredictionNetwork(models, "cpu", 1).name,
        "| drives | 2 bags | 4 | 1 |",  # of three one is for validation, each scene seen from two vehicles
        "| what_if | 1 part of a counterfactual set | 1 | 2 |",
        "| licence | MIT |",
        "minADE, 6 modes [m]",
        "zoox-stack train --logs drives what_if --weights 1 2 --epochs 1 --batch 2 --views 1 --device cpu --out RUN",
        "Never seen in training: truck",
    ):
        assert text in card
    assert str(models.parent) not in card


def test_learning_again_makes_nothing_anew(models: Path, bags: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (models / "scene_encoder.onnx").read_bytes()
    stamps = {path: path.stat().st_mtime_ns for path in (models / "run").rglob("*") if path.is_file()}
    words = ["--logs", str(bags), str(models.parent / "what_if"), "--weights", "1", "2", "--name", "mine"]
    assert main(["learn", *words, "--licence", "MIT", "--out", str(models), *FAST, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["train"]["epochs"] == 1
    assert max(told["export"]["parity"]["cpu"].values()) < export_module.PARITY["cpu"]
    assert (models / "scene_encoder.onnx").read_bytes() == before
    assert {path: path.stat().st_mtime_ns for path in (models / "run").rglob("*") if path.is_file()} == stamps


def test_learning_needs_nothing_but_logs(
    write_bag: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`zoox-stack learn --logs DIR`: the model comes into `models` of the current folder, and training ends early."""
    seen: list[TrainConfig] = []
    whole = cli._trained

    def trained(args: Namespace, *more: Any, **options: Any) -> Any:
        values = {info.name: getattr(args, info.name) for info in describe(TrainConfig)}
        seen.append(build(TrainConfig, values, "train"))
        for word, value in zip(FAST[::2], FAST[1::2], strict=True):  # quick, and otherwise as it comes
            name = word[2:]
            setattr(args, name, type(getattr(args, name))(value))
        return whole(args, *more, **options)

    monkeypatch.setattr(cli, "_trained", trained)
    for number in range(2):
        write_bag(tmp_path / "logs" / f"drive_{number}", number)
    monkeypatch.chdir(tmp_path)
    assert main(["learn", "--logs", "logs"]) == 0
    assert str(tmp_path / "models") in capsys.readouterr().out
    assert PredictionNetwork(tmp_path / "models", "cpu", 1).name.startswith("zoox-stack ")
    assert seen == [replace(TrainConfig(), patience=cli.LEARN_PATIENCE)]
    assert TrainConfig().patience == 0 < cli.LEARN_PATIENCE < TrainConfig().epochs


def test_an_export_that_differs_is_not_written(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(export_module, "PARITY", {"cpu": 0.0, "cuda": 0.0})
    with pytest.raises(ModelError, match="within 0"):
        export(models / "run", tmp_path / "models", "test-model")
    assert not list((tmp_path / "models").iterdir())
    assert main(["export", "--run", str(models / "run"), "--out", str(tmp_path / "models")]) == 2
    assert "Nothing was written" in capsys.readouterr().err


def test_the_encoder_in_half_precision_is_there_only_if_it_predicts_the_same(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = tmp_path / HALF_ENCODER_FILE
    monkeypatch.setattr(export_module, "HALF_PARITY", 1.0)
    exported = export(models / "run", tmp_path, "mine")
    assert 0 < exported.half_difference < 0.1
    assert exported.sizes[half.name] == half.stat().st_size < 0.6 * exported.sizes["scene_encoder.onnx"]
    assert f"{exported.half_difference:.1e}" in (tmp_path / "MODEL_CARD.md").read_text()

    inputs = example_inputs(9, 7, 3, 0)[0]
    agents = NetworkInputs(*(inputs[name][0] for name in (
        "agent_history", "agent_static", "agent_pose", "agent_pose", "lane_features", "lane_pose"
    )))  # fmt: skip
    found = {}
    for precision in ("auto", "fp32", "fp16"):
        network = PredictionNetwork(tmp_path, "cpu", 1, precision)
        assert network.precision == ("fp16" if precision == "fp16" else "fp32")  # auto: only GPUs are faster so
        found[precision] = network.encode(inputs["raster"][0], agents)
    np.testing.assert_array_equal(found["auto"], found["fp32"])
    assert not np.array_equal(found["fp16"], found["fp32"])
    np.testing.assert_allclose(found["fp16"], found["fp32"], atol=0.1, rtol=0.1)

    monkeypatch.setattr(export_module, "HALF_PARITY", 0.0)
    assert half.name not in export(models / "run", tmp_path, "mine").sizes
    with pytest.raises(ModelError, match=r"fp16.*Export the run again"):
        PredictionNetwork(tmp_path, "cpu", 1, "fp16")
    with pytest.raises(ConfigurationError, match="precision"):
        PredictionNetwork(tmp_path, "cpu", 1, "int8")


@pytest.fixture(scope="module")
def reacting(tmp_path_factory: pytest.TempPathFactory) -> tuple[InteractionDecoder, Path]:
    """A decoder with strong reactions, and its file."""
    torch.manual_seed(0)
    decoder = InteractionDecoder().eval()
    for weight in (decoder.reaction.when, decoder.reaction.bias, decoder.reaction.done):
        torch.nn.init.normal_(weight)
    path = tmp_path_factory.mktemp("decoder") / "decoder.onnx"
    export_module.export_module(decoder, example_inputs(9, 7, 3, 0)[1], list(DECODER_SPEC.outputs), path, {})
    return decoder, path


def test_strong_reactions_are_exported_as_they_are(reacting: tuple[InteractionDecoder, Path]) -> None:
    cases = [example_inputs(agents, 7, plans, agents)[1] for agents, plans in ((1, 1), (5, 3), (13, 8))]
    assert largest_difference(*reacting, DECODER_SPEC, cases) < export_module.PARITY["cpu"]
    with torch.no_grad():
        alone, _, _, told = reacting[0](*(torch.from_numpy(array) for array in cases[2].values()))
    moved = told - alone[:, None, torch.from_numpy(cases[2]["reacting"])]
    assert float(moved.abs().max()) > 1.0


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_network_that_gives_no_numbers_is_not_exported(bad: float, models: Path, tmp_path: Path) -> None:
    progress, states = load(models / "run/best.pt")
    encoder, decoder = SceneEncoder().eval(), InteractionDecoder().eval()
    name = next(name for name, weight in states["decoder"].items() if weight.is_floating_point() and weight.ndim > 1)
    states["decoder"][name].view(-1)[0] = bad
    encoder.load_state_dict(states["encoder"])
    decoder.load_state_dict(states["decoder"])
    path = tmp_path / "decoder.onnx"
    inputs = example_inputs(9, 7, 3, 0)[1]
    export_module.export_module(decoder, inputs, list(DECODER_SPEC.outputs), path, {})
    assert largest_difference(decoder, path, DECODER_SPEC, [inputs]) == float("inf")
    copy_of_run = tmp_path / "run"
    copytree(models / "run", copy_of_run)
    save(copy_of_run / "best.pt", progress, {"encoder": encoder, "decoder": decoder})
    with pytest.raises(ModelError, match="Nothing was written"):
        export(copy_of_run, tmp_path / "models", "no numbers")
    assert not list((tmp_path / "models").iterdir())


@pytest.mark.parametrize(("agents", "plans", "diverge"), [(3, 2, 3), (5, 3, 8), (13, 7, 14)])
def test_exported_answers_are_bit_equal_until_plans_differ(
    reacting: tuple[InteractionDecoder, Path], agents: int, plans: int, diverge: int
) -> None:
    inputs = example_inputs(agents, 7, plans, agents)[1] | {"reacting": np.arange(agents)}
    inputs["plans"][:, -1] = inputs["plans"][:, 0]
    inputs["plans"][:, -1, diverge:] += 4.0
    told = make_session(reacting[1], "cpu", 1, spec=DECODER_SPEC).run(inputs)["conditional"][0]
    until = 5 * diverge
    np.testing.assert_array_equal(told[0, ..., :until, :], told[-1, ..., :until, :])
    assert not np.array_equal(told[0], told[-1])


def test_a_folder_that_is_no_run_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "--run", str(tmp_path), "--out", str(tmp_path / "models")]) == 2
    assert "best.pt: expected a checkpoint" in capsys.readouterr().err


def test_validation_samples_of_a_run_are_found(models: Path) -> None:
    progress, _ = load(models / "run/best.pt")
    groups = validation_groups(models / "run", progress)
    assert sum(len(group) for group in groups) == progress.data["val"]["scenes"] == 3


@pytest.mark.parametrize("true", [0.5, 1.0, 2.5])
def test_one_temperature_is_found_where_that_is_all(true: float) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (20_000, MODES))
    right = np.array([rng.choice(MODES, p=p) for p in softmax(logits / true)])
    found = fit_calibration(softmax(logits), right)
    assert np.abs(softmax(calibrated(found, logits)) - softmax(logits / true)).mean() < 0.01
    assert found.surprise[1] < found.surprise[0] + 1e-3


def test_modes_that_are_likelier_than_they_say_and_by_what_others_say_are_found() -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 1, (40_000, MODES))
    logits -= logits.mean(axis=1, keepdims=True)
    scaling = 0.4 * np.eye(MODES)
    scaling[0, 3] = 0.5  # where the fourth seems likely it is the first
    probability = softmax(logits @ scaling.T + [0.8, 0, 0, -0.5, 0, 0])
    right = (rng.random((len(logits), 1)) > np.cumsum(probability, axis=1)).sum(axis=1)
    found = fit_calibration(softmax(logits), right)
    assert np.abs(softmax(calibrated(found, logits)) - probability).mean() < 0.01
    assert found.surprise[1] < found.surprise[0] - 0.1


def test_from_few_cases_little_is_learned() -> None:
    assert np.array_equal(fit_calibration(np.zeros((0, MODES)), np.zeros(0, np.int64)).scaling, np.eye(MODES))
    logits = np.random.default_rng(2).normal(0, 1, (5, MODES))
    found = fit_calibration(softmax(logits), np.zeros(5, np.int64))
    assert np.abs(found.offset).max() < 0.1
    assert np.abs(found.scaling - np.diag(np.diag(found.scaling))).max() < 0.1


def calibrated(found: Calibration, logits: np.ndarray) -> np.ndarray:
    return np.asarray((logits - logits.mean(axis=1, keepdims=True)) @ found.scaling.T + found.offset)


def softmax(logits: np.ndarray) -> np.ndarray:
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


class Overconfident(torch.nn.Module):  # type: ignore[misc]
    """Sure that everyone goes on at half speed; with the mode that is right among the others."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scaling", torch.eye(MODES))
        self.register_buffer("offset", torch.zeros(MODES))

    def forward(self, embeddings, agent_pose, agent_velocity, plans, reacting):  # type: ignore[no-untyped-def]
        time = torch.arange(1, STEPS + 1)[:, None] * STEP
        share = torch.tensor([0.5, 1.0, 1.5, 2.0, 2.5, 3.0])[:, None, None]
        positions = agent_velocity[:, :, None, None] * share * time
        logits = torch.tensor([8.0, 0, 0, 0, 0, 0]).expand(*positions.shape[:3])
        logits = logits - logits.mean(-1, keepdim=True)
        return positions, None, torch.softmax(logits @ self.scaling.T + self.offset, -1), None


def test_calibration_cools_down_a_network_that_is_too_sure(bags: Path, tmp_path: Path) -> None:
    prepared = prepare([find_source(bags)], tmp_path, TrainConfig(views=0, jobs=1))
    decoder = Overconfident()
    found = calibrate(SceneEncoder(), decoder, groups_of_epoch(prepared, 2, None), torch.device("cpu"))  # type: ignore[arg-type]
    assert found.surprise[1] < 2.0 < found.surprise[0]
    velocity = torch.ones(1, 1, 2)
    assert float(decoder(None, None, velocity, None, None)[2][0, 0, 0]) < 0.5
    np.testing.assert_allclose(decoder.scaling, found.scaling, rtol=1e-6)
