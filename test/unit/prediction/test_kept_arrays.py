"""Arrays that are used again: nothing is left in them, nothing that was given out changes by them."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.plans import EgoPlan
from zoox_stack.core.predictions import STEP, STEPS, PredictedAgents, WhatIfRequest
from zoox_stack.prediction.config import PredictionConfig
from zoox_stack.prediction.features import network_inputs
from zoox_stack.prediction.history import HistoryBuffer
from zoox_stack.prediction.kept_arrays import KeptOutputs, PaddedArrays
from zoox_stack.prediction.network import EMBEDDING_SIZE, PredictionNetwork
from zoox_stack.prediction.onnx_session import make_session
from zoox_stack.prediction.predictor import Predictor
from zoox_stack.prediction.raster import SceneRasterizer
from zoox_stack.road_network.made_up import crossing

STAMP = 10**15


def test_padded_rows_are_zero_again() -> None:
    padded = PaddedArrays()
    first = padded.put("a", np.ones((7, 2), np.float32), 8)
    assert first.shape == (1, 8, 2)
    assert first[0].sum(axis=1).tolist() == [2.0] * 7 + [0.0]
    second = padded.put("a", np.full((3, 2), 5.0, np.float32), 8)
    assert np.shares_memory(first, second)
    assert second[0].sum(axis=1).tolist() == [10.0] * 3 + [0.0] * 5
    assert not np.shares_memory(second, padded.put("b", np.ones((3, 2), np.float32), 8))
    assert not np.shares_memory(second, padded.put("a", np.ones((3, 2), np.float32), 4))
    assert second[0].sum() == 30.0


def adding(path: Path) -> Path:
    """A model that adds `a` and `b` ``[rows, 3]``."""
    onnx = pytest.importorskip("onnx")
    tensors = [onnx.helper.make_tensor_value_info(name, 1, ["rows", 3]) for name in ("a", "b", "total")]
    node = onnx.helper.make_node("Add", ["a", "b"], ["total"])
    graph = onnx.helper.make_graph([node], "sum", tensors[:2], tensors[2:])
    opset = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=9), str(path))
    return path


def test_a_session_that_keeps_its_outputs_writes_into_them_again(tmp_path: Path) -> None:
    path, rng = adding(tmp_path / "m.onnx"), np.random.default_rng(0)
    keeping, usual = make_session(path, "cpu", 1, keeps_outputs=True), make_session(path, "cpu", 1)
    given: dict[int, NDArray[Any]] = {}
    for rows in (3, 5, 3, 3, 0, 5, 0, 3):
        inputs = {name: rng.standard_normal((rows, 3)).astype(np.float32) for name in "ab"}
        found = keeping.run(inputs)["total"]
        np.testing.assert_array_equal(found, inputs["a"] + inputs["b"])
        assert rows == 0 or rows not in given or np.shares_memory(found, given[rows])
        given[rows] = found
        ordinary = usual.run(inputs)["total"]
        assert not np.shares_memory(ordinary, usual.run(inputs)["total"])
        turned = keeping.run(dict(reversed(inputs.items())))["total"]
        np.testing.assert_array_equal(turned, ordinary)


def test_not_every_shape_is_kept_for_ever() -> None:
    kept = KeptOutputs()
    for rows in range(1, 200):
        kept.keep({"a": np.zeros((rows, 1))}, [np.zeros(rows)])
    assert 1 <= len(kept) <= 32
    assert kept.of({"a": np.zeros((199, 1))}) is not None
    assert kept.of({"a": np.zeros((1, 1))}) is None


def scene(agents: int, step: int) -> TrackedAgents:
    rng = np.random.default_rng(agents)
    yaw, stamp = rng.uniform(-np.pi, np.pi, agents), STAMP + step * 100_000_000
    velocity = rng.uniform(0, 9, agents)[:, None] * np.column_stack([np.cos(yaw), np.sin(yaw)])
    place = np.column_stack([rng.uniform(-20, 60, agents), rng.uniform(-40, 40, agents), np.zeros(agents)])
    return TrackedAgents.from_states(
        stamp, np.arange(agents), rng.choice([1, 2, 7], agents).astype(np.uint8), place, yaw, velocity,
        np.tile(np.float32([4.5, 1.9, 1.6]), (agents, 1)), ego=EgoState(stamp, 0.0, 0.0, speed=7.0),
    )  # fmt: skip


def plans() -> tuple[EgoPlan, ...]:
    zero, speed = np.zeros(STEPS), np.linspace(7.0, 0.0, STEPS)
    ways = (np.cumsum(speed) * STEP, 7.0 * STEP * np.arange(1, STEPS + 1))
    return tuple(EgoPlan(i, "plan", STEP, way, zero, zero, speed, zero, zero) for i, way in enumerate(ways))


def test_alternating_sizes_give_what_a_new_network_gives() -> None:
    network, rasterizer = PredictionNetwork(None, "cpu", 1), SceneRasterizer(crossing())
    rng = np.random.default_rng(0)
    for agents in (60, 3, 60, 17, 20, 1, 13, 49):
        history = HistoryBuffer().push(scene(agents, 0))
        image, inputs = rasterizer.render(history), network_inputs(history, None)
        knots = rng.normal(0, 5, (1 + agents % 3, 16, 6)).astype(np.float32)
        new = PredictionNetwork(None, "cpu", 1)
        embeddings, wanted = network.encode(image, inputs), new.encode(image, inputs)
        assert embeddings.shape == (agents + 1, EMBEDDING_SIZE)
        assert embeddings.tobytes() == wanted.tobytes()
        for asked in (None, knots):
            one, other = (n.decode(embeddings, inputs.agent_pose, inputs.agent_velocity, asked) for n in (network, new))
            for f in fields(one):
                assert getattr(one, f.name).tobytes() == getattr(other, f.name).tobytes(), f.name


def bits(predicted: PredictedAgents) -> tuple[bytes, ...]:
    return tuple(getattr(predicted, n).tobytes() for n in ("probabilities", "positions", "headings", "covariances"))


def test_what_is_pinned_does_not_change() -> None:
    predictor = Predictor(PredictionConfig(provider="cpu", threads=1, kept_scenes=6))
    predictor.set_road_network(crossing())
    predictions, answers = [], []
    for step, agents in enumerate((30, 30, 31, 5, 64, 30)):
        predictions.append(predictor.predict(scene(agents, step)))
        answers.append(predictor.what_if(WhatIfRequest(0, plans(), 60.0)))
    before = [bits(p) for p in predictions], [[bits(p) for p in a.predictions] for a in answers]
    for step, answer in enumerate(answers):
        again = predictor.what_if(WhatIfRequest(STAMP + step * 100_000_000, plans(), 60.0))
        assert [bits(p) for p in again.predictions] == [bits(p) for p in answer.predictions]
        assert again.collision_probabilities.tolist() == answer.collision_probabilities.tolist()
    assert before == ([bits(p) for p in predictions], [[bits(p) for p in a.predictions] for a in answers])
    fresh = Predictor(PredictionConfig(provider="cpu", threads=1))
    fresh.set_road_network(crossing())
    assert bits(fresh.predict(scene(30, 0))) == bits(predictions[0])


def test_every_scene_is_drawn_into_the_same_image(monkeypatch: pytest.MonkeyPatch) -> None:
    images = []
    render = SceneRasterizer.render

    def watched(self: SceneRasterizer, *args: Any, **keywords: Any) -> NDArray[np.uint8]:
        images.append(render(self, *args, **keywords))
        return images[-1]

    monkeypatch.setattr(SceneRasterizer, "render", watched)
    predictor = Predictor(PredictionConfig(provider="cpu", threads=1))
    predictor.predict(scene(3, 0))
    predictor.set_road_network(crossing())
    predictor.predict(scene(30, 1))
    assert len(images) == 2
    assert images[0] is images[1]
