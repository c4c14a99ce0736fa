"""Class probabilities of clusters by a small network, learned from simulated sweeps (`zoox_stack/models`)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import zoox_stack.core
from zoox_stack.core.agents import N_CLASSES
from zoox_stack.core.errors import ModelError
from zoox_stack.perception.cluster_features import Feature

SHIPPED = Path(zoox_stack.core.__file__).parents[1] / "models" / "cluster_classifier.onnx"


class ClusterClassifier:
    """A network with input ``features`` float32 ``[C, 29]`` (`Feature`) and output ``probabilities`` ``[C, 10]``.

    UNKNOWN means that a cluster is no road user, or not a whole one, or more than one.

    Args:
        path: ONNX file; empty for the one shipped with the package.

    Raises:
        ModelError: The file is missing, broken, or has other inputs or outputs.
    """

    def __init__(self, path: str = "") -> None:
        import onnxruntime  # takes half a second, which perception of ready detections saves

        self.path = Path(path) if path else SHIPPED
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        try:
            self._session = onnxruntime.InferenceSession(str(self.path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime has no common base of its errors
            raise ModelError(f"{self.path}: {error}") from error
        shapes = [(node.name, node.shape[1:]) for node in (*self._session.get_inputs(), *self._session.get_outputs())]
        wanted = [("features", [len(Feature)]), ("probabilities", [N_CLASSES])]
        if shapes != wanted:
            raise ModelError(f"{self.path}: expected {wanted}, found {shapes}")

    def __call__(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Probabilities ``[C, 10]``, columns `AgentClass`, rows sum to 1."""
        if len(features) == 0:
            return np.zeros((0, N_CLASSES))
        (probabilities,) = self._session.run(["probabilities"], {"features": features})
        return np.asarray(probabilities, np.float64)
