"""An ONNX model of one addition, written byte by byte: the `onnx` package is not needed to run the stack."""

from __future__ import annotations

_FLOAT = 1
_IR_VERSION, _OPSET = 8, 13


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _block(field: int, content: bytes | str) -> bytes:
    data = content.encode() if isinstance(content, str) else content
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _tensor(name: str) -> bytes:
    """ValueInfoProto of a float tensor of shape [1]."""
    shape = _block(1, _number(1, 1))
    return _block(1, name) + _block(2, _block(1, _number(1, _FLOAT) + _block(2, shape)))


def tiny_model() -> bytes:
    """ModelProto of ``y = x + x``, x and y float32 ``[1]``. Field numbers are those of ONNX's onnx.proto."""
    node = _block(1, "x") + _block(1, "x") + _block(2, "y") + _block(4, "Add")
    graph = _block(1, node) + _block(2, "tiny") + _block(11, _tensor("x")) + _block(12, _tensor("y"))
    return _number(1, _IR_VERSION) + _block(7, graph) + _block(8, _number(2, _OPSET))
