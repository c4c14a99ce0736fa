"""Training of the classifier of clusters (`zoox_stack/perception/cluster_classifier.py`): NumPy alone, in a minute."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import N_CLASSES
from zoox_stack.core.classes import AgentClass
from zoox_stack.perception.cluster_features import Feature
from zoox_stack.training.cluster_samples import ClusterSamples

HIDDEN = (64, 48)
_BATCH = 2048
_RATE = 3e-3
_DECAY = 1e-4  # of the weights, each step, times the rate
_JITTER = 0.1  # of every feature each time it is looked at, in standard deviations: real shapes are not quite these
_RARE = 0.2  # exponent on how rare a class is, for the weight of its clusters
_OPSET = 17


@dataclass(frozen=True, eq=False)
class Network:
    """Features, standardised, through layers with ReLU to class probabilities.

    Attributes:
        mean: float32 ``[29]``.
        scale: float32 ``[29]``.
        weights: One ``[in, out]`` per layer.
        biases: One ``[out]`` per layer.
    """

    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    weights: list[NDArray[np.float32]]
    biases: list[NDArray[np.float32]]

    def __call__(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities ``[N, 10]``."""
        return self.activations(features)[-1]

    def activations(self, features: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Input and output of every layer."""
        values = [np.clip((features - self.mean) / self.scale, -6, 6)]
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            made = values[-1] @ weight + bias
            if number < len(self.weights) - 1:
                values.append(np.maximum(made, 0))
            else:
                made = np.exp(made - made.max(axis=1, keepdims=True))
                values.append(made / made.sum(axis=1, keepdims=True))
        return values


def train(
    samples: ClusterSamples, *, epochs: int = 40, seed: int = 0, report: Callable[[str], None] = lambda _: None
) -> Network:
    """Minimise the weighted cross-entropy with Adam (Kingma, Ba, 2015); the rate falls to zero as a cosine.

    Rare classes count a little more than others; features are jittered.

    Args:
        samples: To learn from.
        epochs: How often each is looked at.
        seed: Of weights and order.
        report: Told how it goes.
    """
    random = np.random.default_rng(seed)
    mean, scale = samples.features.mean(axis=0), samples.features.std(axis=0) + 1e-3
    sizes = (len(Feature), *HIDDEN, N_CLASSES)
    weights = [random.normal(0, np.sqrt(2 / a), (a, b)).astype(np.float32) for a, b in pairwise(sizes)]
    network = Network(mean, scale, weights, [np.zeros(b, np.float32) for b in sizes[1:]])
    counts = np.bincount(samples.labels, minlength=N_CLASSES)
    importance = ((counts.max() / np.maximum(counts, 1)) ** _RARE).clip(1, 4).astype(np.float32)
    parameters = [*network.weights, *network.biases]
    first, second = ([np.zeros_like(p) for p in parameters] for _ in range(2))
    steps, step = epochs * (len(samples.labels) // _BATCH + 1), 0
    for epoch in range(epochs):
        order = random.permutation(len(samples.labels))
        loss = 0.0
        for begin in range(0, len(order), _BATCH):
            rows = order[begin : begin + _BATCH]
            labels = samples.labels[rows]
            jitter = _JITTER * scale * random.standard_normal((len(rows), len(Feature)), dtype=np.float32)
            values = network.activations(samples.features[rows] + jitter)
            weight = importance[labels] / len(rows)
            loss += float(-(np.log(values[-1][np.arange(len(rows)), labels] + 1e-9) * importance[labels]).sum())
            error = values[-1].copy()
            error[np.arange(len(rows)), labels] -= 1
            error *= weight[:, None]
            of_weights, of_biases = list(weights), list(network.biases)
            for layer in range(len(weights) - 1, -1, -1):
                of_weights[layer], of_biases[layer] = values[layer].T @ error, error.sum(axis=0)
                if layer:
                    error = (error @ weights[layer].T) * (values[layer] > 0)
            step += 1
            rate = _RATE * 0.5 * (1 + np.cos(np.pi * step / steps))
            for p, slope, m, v in zip(parameters, [*of_weights, *of_biases], first, second, strict=True):
                m += 0.1 * (slope - m)
                v += 0.001 * (slope * slope - v)
                p -= rate * (m / (1 - 0.9**step) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8) + _DECAY * p)
        report(f"epoch {epoch + 1}: loss {loss / len(order):.4f}")
    return network


def measure(network: Network, samples: ClusterSamples) -> dict[str, dict[str, float]]:
    """Recall and precision of every class, in which the likeliest class is what the network says."""
    said = network(samples.features).argmax(axis=1)
    made = {}
    for kind in AgentClass:
        true, told = samples.labels == kind, said == kind
        if true.any():
            both = float((true & told).sum())
            made[kind.name.lower()] = {
                "clusters": int(true.sum()),
                "recall": round(both / true.sum(), 3),
                "precision": round(both / max(told.sum(), 1), 3),
            }
    return made


def export(network: Network, path: Path) -> None:
    """Write the network as the ONNX file that `ClusterClassifier` takes."""
    from onnx import TensorProto, checker, helper, numpy_helper, save

    tensors = {"mean": network.mean, "scale": network.scale, "low": np.float32(-6), "high": np.float32(6)}
    nodes = [
        helper.make_node("Sub", ["features", "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "scale"], ["scaled"]),
        helper.make_node("Clip", ["scaled", "low", "high"], ["x0"]),
    ]
    last = len(network.weights) - 1
    for number, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
        tensors |= {f"w{number}": weight, f"b{number}": bias}
        nodes.append(helper.make_node("Gemm", [f"x{number}", f"w{number}", f"b{number}"], [f"y{number}"]))
        if number < last:
            nodes.append(helper.make_node("Relu", [f"y{number}"], [f"x{number + 1}"]))
    nodes.append(helper.make_node("Softmax", [f"y{last}"], ["probabilities"], axis=1))
    graph = helper.make_graph(
        nodes,
        "cluster_classifier",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["clusters", len(Feature)])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["clusters", N_CLASSES])],
        [numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in tensors.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=9)
    checker.check_model(model)
    save(model, str(path))
