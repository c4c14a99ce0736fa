"""Nodes must not overwrite what rclpy keeps in attributes of the same object; rclpy would fail in strange places."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

import rclpy
from rclpy.node import Node

PACKAGE = Path(__file__).resolve().parents[2] / "zoox_stack"
FILES = [PACKAGE / "ros" / "node.py", *sorted((PACKAGE / "nodes").glob("*.py"))]


def names_of(node_class: ast.ClassDef) -> set[str]:
    """Methods, and attributes that are assigned to."""
    names = {n.name for n in node_class.body if isinstance(n, ast.FunctionDef) and n.name != "__init__"}
    for item in ast.walk(node_class):
        if isinstance(item, ast.Attribute) and isinstance(item.ctx, ast.Store):
            names.add(item.attr)
    return names


def is_node(base: ast.expr) -> bool:
    text = ast.unparse(base)
    return text == "Node" or text.startswith(("StackNode[", "InputNode["))


def test_no_name_of_rclpy_is_taken() -> None:
    context = rclpy.Context()
    rclpy.init(args=[], context=context)
    try:
        node = Node("names", context=context)
        taken = set(vars(node)) | {name for name in dir(Node) if not name.startswith("__")}
        node.destroy_node()
    finally:
        context.try_shutdown()
    checked = 0
    for file in FILES:
        for item in ast.walk(ast.parse(file.read_text())):
            if isinstance(item, ast.ClassDef) and any(is_node(base) for base in item.bases):
                checked += 1
                assert not names_of(item) & taken, f"{file.name}: {item.name}"
    assert checked == 11  # the bases StackNode and InputNode, and nine nodes
