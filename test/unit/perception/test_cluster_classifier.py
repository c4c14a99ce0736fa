from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zoox_stack.core.classes import AgentClass
from zoox_stack.core.errors import ModelError
from zoox_stack.perception.cluster_classifier import ClusterClassifier
from zoox_stack.perception.cluster_features import Feature
from zoox_stack.training.cluster_samples import ClusterSamples
from zoox_stack.training.cluster_training import export, measure, train


def made_up(seed: int) -> ClusterSamples:
    """Long things are cars, short and tall ones people, others nothing."""
    random = np.random.default_rng(seed)
    labels = random.choice([0, 0, 1, 7], 3000)
    features = random.normal(0, 1, (3000, len(Feature))).astype(np.float32)
    features[:, Feature.LENGTH] += 6 * (labels == AgentClass.CAR)
    features[:, Feature.TOP] += 6 * (labels == AgentClass.PEDESTRIAN)
    return ClusterSamples(features, labels)


def test_what_is_learned_is_what_is_shipped(tmp_path: Path) -> None:
    network = train(made_up(0), epochs=150)
    result = measure(network, made_up(1))
    assert result["car"]["recall"] > 0.95
    assert result["pedestrian"]["precision"] > 0.95
    export(network, tmp_path / "network.onnx")
    features = made_up(2).features
    said = ClusterClassifier(str(tmp_path / "network.onnx"))(features)
    np.testing.assert_allclose(said, network(features), atol=1e-5)


def test_the_shipped_network_gives_probabilities() -> None:
    said = ClusterClassifier()(made_up(0).features)
    np.testing.assert_allclose(said.sum(axis=1), 1, atol=1e-5)
    assert ClusterClassifier()(np.zeros((0, len(Feature)), np.float32)).shape == (0, 10)


def test_a_file_that_is_missing_or_broken_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    for path in (broken, tmp_path / "nothing.onnx"):
        with pytest.raises(ModelError, match=path.name):
            ClusterClassifier(str(path))
