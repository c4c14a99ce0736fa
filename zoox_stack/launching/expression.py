"""``$(eval …)``: a small part of Python's expressions, evaluated without Python's ``eval``.

Allowed: literals, arithmetic, comparison, ``in``, ``and``/``or``/``not``, ``a if b else c``, lists and tuples, calls of
a few functions, ``pi``. Within this part the value is the one ``ros2 launch`` computes.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable
from typing import Any

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}
_NAMES: dict[str, Any] = {"pi": math.pi}
_CALLS: dict[str, Callable[..., Any]] = {
    "abs": abs, "bool": bool, "float": float, "int": int, "len": len, "max": max, "min": min, "round": round,
    "str": str, "ceil": math.ceil, "cos": math.cos, "floor": math.floor, "radians": math.radians, "sin": math.sin,
    "sqrt": math.sqrt,
}  # fmt: skip
_LONGEST = 1000  # characters of an expression, and of any text or list it makes


def evaluate_expression(text: str) -> str:
    """Value of an expression as text.

    Raises:
        ValueError: Not an expression, not allowed, or it fails.
    """
    if len(text) > _LONGEST:
        raise ValueError(f"expression of {len(text)} characters, at most {_LONGEST} are allowed")
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except SyntaxError as error:
        raise ValueError(f"not an expression: {error.msg}") from error
    try:
        return str(_value(tree.body))
    except (ArithmeticError, TypeError, KeyError, IndexError, RecursionError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


def _value(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=value) if isinstance(value, (str, int, float, bool, type(None))):
            return value
        case ast.List(elts=items):
            return [_value(item) for item in items]
        case ast.Tuple(elts=items):
            return tuple(_value(item) for item in items)
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
            return _UNARY[type(op)](_value(operand))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return _binary(op, _value(left), _value(right))
        case ast.BoolOp(op=op, values=values):
            result: Any = None
            for item in values:
                result = _value(item)
                if bool(result) is isinstance(op, ast.Or):
                    break
            return result
        case ast.Compare(left=left, ops=ops, comparators=comparators) if all(type(op) in _COMPARE for op in ops):
            a = _value(left)
            for comparison, comparator in zip(ops, comparators, strict=True):
                b = _value(comparator)
                if not _COMPARE[type(comparison)](a, b):
                    return False
                a = b
            return True
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return _value(body) if _value(test) else _value(orelse)
        case ast.Name(id=name) if name in _NAMES:
            return _NAMES[name]
        case ast.Name(id=name):
            raise ValueError(f"unknown name {name} (put text into quotes: '{name}')")
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _CALLS:
            return _CALLS[name](*(_value(a) for a in args))
    raise ValueError(f"{ast.unparse(node)} is not allowed in $(eval …) of zoox-stack launch")


def _binary(op: ast.operator, a: Any, b: Any) -> Any:
    sized = [x for x in (a, b) if isinstance(x, (str, list, tuple))]
    if isinstance(op, ast.Mod) and isinstance(a, str):
        raise ValueError("text formatting is not allowed in $(eval …) of zoox-stack launch")
    if isinstance(op, ast.Mult) and sized and len(sized[0]) * max(int(b if sized[0] is a else a), 0) > _LONGEST:
        raise ValueError(f"a result longer than {_LONGEST}")
    return _BINARY[type(op)](a, b)
