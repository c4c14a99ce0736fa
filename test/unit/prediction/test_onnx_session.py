"""ONNX sessions: what they check, what they compute, what they say when something is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from zoox_stack.core.errors import ConfigurationError, ModelError
from zoox_stack.prediction import cuda_graphs, providers
from zoox_stack.prediction.cuda_graphs import CapturedRuns
from zoox_stack.prediction.onnx_session import DeviceBuffers, ModelSpec, Session, TensorSpec, make_session
from zoox_stack.prediction.providers import CPU, CUDA, default_threads, physical_cores

SPEC = ModelSpec(
    inputs={"a": TensorSpec("float32", (None, 3)), "b": TensorSpec("float32", (None, 3))},
    outputs={"total": TensorSpec("float32", (None, 3))},
)


def save_model(
    path: Path,
    *,
    columns: int = 3,
    rows: int | str = "rows",
    kind: int = TensorProto.FLOAT,
    names: tuple[str, str] = ("a", "b"),
    opset: int = 17,
    metadata: dict[str, str] | None = None,
) -> Path:
    """A model with two outputs: total = a + b, product = a * b."""
    inputs = [helper.make_tensor_value_info(name, kind, [rows, columns]) for name in names]
    outputs = [helper.make_tensor_value_info(name, kind, [rows, columns]) for name in ("total", "product")]
    nodes = [helper.make_node("Add", list(names), ["total"]), helper.make_node("Mul", list(names), ["product"])]
    graph = helper.make_graph(nodes, "sum", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    helper.set_model_props(model, metadata or {})
    onnx.save(model, str(path))
    return path


def test_runs_and_gives_the_outputs_of_the_spec(tmp_path: Path) -> None:
    session = make_session(save_model(tmp_path / "m.onnx", metadata={"name": "sum"}), "cpu", 1, spec=SPEC)
    a, b = np.arange(6, dtype=np.float32).reshape(2, 3), np.full((2, 3), 2, np.float32)
    outputs = session.run({"a": a, "b": b})
    assert list(outputs) == ["total"]
    np.testing.assert_array_equal(outputs["total"], a + b)
    assert session.provider == CPU
    assert session.metadata == {"name": "sum"}
    assert session.inputs == SPEC.inputs


def test_without_a_spec_all_outputs_come(tmp_path: Path) -> None:
    session = make_session(save_model(tmp_path / "m.onnx"), "cpu")
    a = np.arange(3, dtype=np.float32)[None]
    outputs = session.run({"a": a, "b": a})
    np.testing.assert_array_equal(outputs["product"], a * a)
    np.testing.assert_array_equal(outputs["total"], 2 * a)


def test_strided_and_empty_inputs(tmp_path: Path) -> None:
    session = make_session(save_model(tmp_path / "m.onnx"), "cpu")
    a = np.arange(60, dtype=np.float32).reshape(3, 20).T[::2]
    np.testing.assert_array_equal(session.run({"a": a, "b": a[::-1]})["total"], a + a[::-1])
    none = np.zeros((0, 3), np.float32)
    assert session.run({"a": none, "b": none})["total"].shape == (0, 3)


def test_two_runs_give_equal_bits(tmp_path: Path) -> None:
    session = make_session(save_model(tmp_path / "m.onnx"), "cpu", 2)
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 500, 3)).astype(np.float32)
    first, second = (session.run({"a": a, "b": b})["product"] for _ in range(2))
    assert first.tobytes() == second.tobytes()


def test_warm_up_runs_the_model(tmp_path: Path) -> None:
    assert make_session(save_model(tmp_path / "m.onnx"), "cpu", spec=SPEC).warm_up(4) > 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"columns": 4}, ["input a", "float32 [any, 3]", "float32 [any, 4]"]),
        ({"rows": 5}, ["input a", "[any, 3]", "[5, 3]"]),
        ({"kind": TensorProto.DOUBLE}, ["input a", "float32", "float64"]),
        ({"names": ("a", "c")}, ["inputs ['a', 'b']", "['a', 'c']"]),
    ],
)
def test_another_model_is_refused(tmp_path: Path, change: dict[str, Any], words: list[str]) -> None:
    path = save_model(tmp_path / "other.onnx", **change)
    with pytest.raises(ModelError) as caught:
        make_session(path, "cpu", spec=SPEC)
    for word in [str(path), *words]:
        assert word in str(caught.value)


def test_missing_output_and_other_rank_are_refused(tmp_path: Path) -> None:
    path = save_model(tmp_path / "m.onnx")
    with pytest.raises(ModelError, match=r"expected outputs \['mean'\], found \['product', 'total'\]"):
        make_session(path, "cpu", spec=ModelSpec(SPEC.inputs, {"mean": TensorSpec("float32", (None, 3))}))
    with pytest.raises(ModelError, match="output total"):
        make_session(path, "cpu", spec=ModelSpec(SPEC.inputs, {"total": TensorSpec("float32", (1, None, 3))}))


def test_a_length_of_the_spec_may_be_free_in_the_file(tmp_path: Path) -> None:
    spec = ModelSpec({name: TensorSpec("float32", (1, 3)) for name in "ab"}, SPEC.outputs)
    assert make_session(save_model(tmp_path / "m.onnx"), "cpu", spec=spec).inputs["a"].shape == (None, 3)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"a": np.zeros((1, 3), np.float32)}, "expected inputs"),
        ({"a": np.zeros((1, 3), np.float32), "b": np.zeros((1, 3))}, "input b: expected float32.*found float64"),
        ({"a": np.zeros((1, 3), np.float32), "b": np.zeros((1, 4), np.float32)}, r"input b: .*found float32 \[1, 4\]"),
        ({"a": np.zeros((4, 3), np.float32), "b": np.zeros((5, 3), np.float32)}, "the run failed"),
    ],
)
def test_wrong_inputs_are_refused(tmp_path: Path, inputs: dict[str, Any], words: str) -> None:
    session = make_session(save_model(tmp_path / "m.onnx"), "cpu", spec=SPEC)
    with pytest.raises(ModelError, match=words):
        session.run(inputs)


@pytest.mark.parametrize("keep", [0, 1, 40, -20])
def test_truncated_files_are_refused(tmp_path: Path, keep: int) -> None:
    whole = save_model(tmp_path / "m.onnx").read_bytes()
    path = tmp_path / "cut.onnx"
    path.write_bytes(whole[:keep])
    with pytest.raises(ModelError, match=r"cut\.onnx: expected"):
        make_session(path, "cpu", spec=SPEC)


def test_text_and_missing_files_are_refused(tmp_path: Path) -> None:
    text = tmp_path / "text.onnx"
    text.write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(ModelError, match="broken or truncated"):
        make_session(text, "cpu")
    with pytest.raises(ModelError, match="expected an ONNX file, found none"):
        make_session(tmp_path / "absent.onnx", "cpu")


def test_an_unknown_opset_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"expected opset \d+ or older"):
        make_session(save_model(tmp_path / "m.onnx", opset=99), "cpu")


def test_unknown_operator_is_refused(tmp_path: Path) -> None:
    tensor = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Nonsense", ["x"], ["x2"])], "g", [tensor], [
        helper.make_tensor_value_info("x2", TensorProto.FLOAT, [1])
    ])  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), tmp_path / "m.onnx")
    with pytest.raises(ModelError, match="Nonsense"):
        make_session(tmp_path / "m.onnx", "cpu")


def test_unknown_provider_and_threads_are_refused(tmp_path: Path) -> None:
    path = save_model(tmp_path / "m.onnx")
    with pytest.raises(ConfigurationError, match="expected one of auto, cpu, cuda, tensorrt, found 'gpu'"):
        make_session(path, "gpu")
    with pytest.raises(ConfigurationError, match="threads"):
        make_session(path, "cpu", -1)


def test_a_provider_that_is_not_built_in_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CPU])
    with pytest.raises(ModelError, match=f"expected provider {CUDA}, found {CPU} in this build"):
        make_session(save_model(tmp_path / "m.onnx"), "cuda")


class _FellBack:
    """What ONNX Runtime gives when CUDA does not load: a session on the CPU, and no error."""

    def __init__(self, path: str, options: Any, **_: Any) -> None:
        self._real = _REAL_SESSION(path, options, providers=[CPU])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


_REAL_SESSION = onnxruntime.InferenceSession


def _without_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(onnxruntime, "InferenceSession", _FellBack)


def test_a_silent_fall_back_is_an_error_when_asked_explicitly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_model(tmp_path / "m.onnx")
    _without_cuda(monkeypatch)
    with pytest.raises(ModelError, match=f"expected provider {CUDA}, found {CPU} after loading.*cuDNN 9"):
        make_session(path, "cuda")


def test_auto_says_that_it_took_the_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = save_model(tmp_path / "m.onnx")
    _without_cuda(monkeypatch)
    monkeypatch.setattr(providers, "has_nvidia_device", lambda: True)
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None, raising=False)
    session = make_session(path, "auto", spec=SPEC)
    assert session.provider == CPU
    assert "CUDA did not load" in session.note
    assert "m.onnx runs on CPUExecutionProvider" in caplog.text


def test_auto_without_a_gpu_takes_the_cpu_quietly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(providers, "has_nvidia_device", lambda: False)
    session = make_session(save_model(tmp_path / "m.onnx"))
    assert isinstance(session, Session)
    assert (session.provider, session.note, caplog.text) == (CPU, "", "")


def test_device_buffers_are_used_again() -> None:
    buffers = DeviceBuffers("cpu")  # the same code as on a GPU, on a device that every machine has
    first = buffers.put("a", np.ones((2, 3), np.float32))
    second = buffers.put("a", np.full((2, 3), 7, np.float32))
    assert first is second
    np.testing.assert_array_equal(second.numpy(), 7)
    for rows in range(300):
        buffers.put("a", np.zeros((rows, 1), np.float32))
    assert len(buffers) <= 128


def test_captured_runs_give_what_ordinary_runs_give(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_model(tmp_path / "m.onnx")
    session, rng = make_session(path, "cpu"), np.random.default_rng(0)
    names = list(session.outputs)
    # On the CPU nothing is captured, but all that is done around it is the same.
    captured = CapturedRuns(onnxruntime.InferenceSession(str(path), providers=[CPU]), names, "cpu")
    earlier = []
    for rows in (3, 5, 3, 3, 5, 0, 0):
        inputs = {
            name: np.ascontiguousarray(rng.standard_normal([rows if n is None else n for n in spec.shape]), np.float32)
            for name, spec in session.inputs.items()
        }
        found = captured.run(inputs)
        wanted = session.run(inputs)
        for name, array in zip(names, found, strict=True):
            np.testing.assert_array_equal(array, wanted[name])
        earlier.append((found, [array.copy() for array in found]))
    assert len(captured) == 3
    for found, kept in earlier:  # later runs do not write into what was given out
        for one, other in zip(found, kept, strict=True):
            np.testing.assert_array_equal(one, other)
    monkeypatch.setattr(cuda_graphs, "_MOST_GRAPHS", 3)
    captured.run({name: np.ones([7 if n is None else n for n in s.shape], "f4") for name, s in session.inputs.items()})
    assert len(captured) == 3


def test_cuda_graphs_need_cuda(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_model(tmp_path / "m.onnx")
    with pytest.raises(ConfigurationError, match="cuda_graph: expected provider cuda or auto, found cpu"):
        make_session(path, "cpu", cuda_graph=True)
    monkeypatch.setattr(providers, "has_nvidia_device", lambda: False)
    assert "no CUDA graphs" in make_session(path, "auto", cuda_graph=True).note
    asked = []
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(onnxruntime, "InferenceSession", lambda *_, providers, **__: asked.append(providers) or 1 / 0)
    with pytest.raises(ModelError):
        make_session(path, "cuda", cuda_graph=True)
    assert asked == [[(CUDA, {"enable_cuda_graph": "1"}), (CPU, {})]]


@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (2, 1), (4, 3), (64, 4)])
def test_a_core_is_left_to_the_other_nodes(cores: int, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert 1 <= physical_cores() <= 4096
    monkeypatch.setattr("zoox_stack.prediction.providers.physical_cores", lambda: cores)
    assert default_threads() == threads


def test_properties_are_asked_before_shapes(tmp_path: Path) -> None:
    path = save_model(tmp_path / "m.onnx", columns=4, metadata={"made": "elsewhere"})
    with pytest.raises(ModelError, match=r"m\.onnx: made elsewhere\. Train and export it again"):
        make_session(path, "cpu", spec=SPEC, trouble_with=lambda found: f"made {found['made']}")
    with pytest.raises(ModelError, match="input a"):
        make_session(path, "cpu", spec=SPEC, trouble_with=lambda _: "")
