"""The launch files of a run with a fault: those of the stack, with the fault injector put in."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path

from zoox_stack.core import topics
from zoox_stack.core.errors import ZooxStackError
from zoox_stack.evaluation.fault_table import Fault, FaultKind

SIMULATION = "simulation.launch.xml"
FILES = (SIMULATION, "stack.launch.xml")
BEFORE = "/before_fault"  # as in nodes/fault_injector.py
RECORDED = (topics.TRAJECTORY, topics.DIAGNOSTICS, topics.EVENTS, topics.GROUND_TRUTH_EGO)


def write_launch(source: Path, folder: Path, fault: Fault, *, seed: int, ready_timeout: float) -> Path:
    """Write the launch files of a run.

    Besides the fault, the recorder gets real time: a fault may move the simulated one.

    Args:
        source: Folder with the launch files of the stack (`FILES`).
        folder: Where the new ones go.
        fault: What is made, its topic a real one (`Fault.with_sweep`).
        seed: Of which messages are dropped.
        ready_timeout: How long the simulator waits for the stack [s].

    Returns:
        The one to launch; it takes the same arguments.

    Raises:
        ZooxStackError: The launch files have no such node any more.
    """
    trees = {name: ET.parse(source / name) for name in FILES}
    nodes = {
        str(node.get("name")): node
        for tree in trees.values() for node in tree.iter("node")
    }  # fmt: skip
    recorder, simulator = _node(nodes, "recorder"), _node(nodes, "simulator")
    for name, value in {"use_sim_time": "false", "topics": ",".join(topic.name for topic in RECORDED)}.items():
        ET.SubElement(recorder, "param", name=name, value=value, type="bool" if value == "false" else "str")
    ET.SubElement(simulator, "param", name="ready_timeout", value=str(float(ready_timeout)))
    if fault.of_messages:
        assert fault.topic is not None
        ET.SubElement(_node(nodes, fault.node), "remap", {"from": fault.topic.name, "to": BEFORE + fault.topic.name})
        trees[SIMULATION].getroot().append(_injector(fault, seed))
    folder.mkdir(parents=True, exist_ok=True)
    for name, tree in trees.items():
        tree.write(folder / name, encoding="utf-8", xml_declaration=True)
    return folder / SIMULATION


def launch_arguments(fault: Fault, town: str, seed: int, duration: float, sensors: str, bag: Path) -> dict[str, str]:
    """Arguments of the launch file."""
    values = {
        "town": town, "seed": str(seed), "duration": str(float(duration)), "sensors": sensors, "record": str(bag),
    }  # fmt: skip
    return values | ({"provider": "cuda"} if fault.kind is FaultKind.NO_GPU else {})


def _injector(fault: Fault, seed: int) -> ET.Element:
    assert fault.topic is not None
    node = ET.Element(
        "node", pkg="zoox_stack", exec="fault_injector", name="fault_injector", output="screen", on_exit="shutdown"
    )
    values: Mapping[str, str | float | int] = {
        "topic": fault.topic.name, "kind": fault.kind.value, "amount": float(fault.amount),
        "begin": float(fault.begin), "lasts": float(fault.lasts), "seed": seed,
    }  # fmt: skip
    for name, value in values.items():
        ET.SubElement(node, "param", name=name, value=str(value), type=type(value).__name__)
    return node


def _node(nodes: Mapping[str, ET.Element], name: str) -> ET.Element:
    if name not in nodes:
        raise ZooxStackError(f"the launch files have no node {name}; they have {', '.join(nodes)}")
    return nodes[name]
