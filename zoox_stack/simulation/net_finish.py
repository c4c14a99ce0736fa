"""What netconvert leaves to be done in a network: arrows for left turns, parking lanes, bus stops."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import defaultdict
from pathlib import Path

from zoox_stack.simulation.town_plan import PARKING_CLASS, PROTECTED_LEFT, TownPlan
from zoox_stack.simulation.turn_speeds import slow_down_turns

BUS_STOP_LENGTH = 16.0  # [m]
_LEAST_LANE = 50.0  # [m] length of a lane with a bus stop
_BUS_STOP_PLACE = 0.55  # of the lane, where the front of the bus is


def finish_net(plan: TownPlan, net_path: Path, additional_path: Path) -> bool:
    """Change the network file in place, write the bus stops to a file of their own.

    Args:
        plan: What the network was made of.
        net_path: SUMO network.
        additional_path: Of bus stops; not written where there are none.

    Returns:
        Whether there are bus stops.
    """
    tree = ET.parse(net_path)
    root = tree.getroot()
    for lane in root.iter("lane"):
        if lane.get("disallow") == "all":  # netconvert gives those no connections
            del lane.attrib["disallow"]
            lane.set("allow", PARKING_CLASS)
    _protect_left_turns(plan, root)
    slow_down_turns(root)
    tree.write(net_path)
    stops = _bus_stops(plan, root)
    if len(stops):
        ET.indent(stops)
        ET.ElementTree(stops).write(additional_path)
    return len(stops) > 0


def _protect_left_turns(plan: TownPlan, root: ET.Element) -> None:
    """Show red to left turns while oncoming traffic drives, where they have a phase of their own."""
    turns: dict[str, set[int]] = defaultdict(set)
    for link in root.findall("connection"):
        junction = link.get("tl", "")
        if link.get("dir") in ("l", "L") and link.attrib["from"].endswith("-pocket"):
            turns[junction].add(int(link.attrib["linkIndex"]))
    for program in root.findall("tlLogic"):
        if plan.nodes[program.attrib["id"]].kind != PROTECTED_LEFT:
            continue
        phases = program.findall("phase")
        for k in turns[program.attrib["id"]]:
            states = [phase.attrib["state"][k] for phase in phases]
            if "G" in states:
                for phase, state in zip(phases, states, strict=True):
                    if state == "g":
                        row = phase.attrib["state"]
                        phase.set("state", f"{row[:k]}r{row[k + 1 :]}")


def _bus_stops(plan: TownPlan, root: ET.Element) -> ET.Element:
    """One stop per direction of the streets that have some, on the rightmost lane that buses may use."""
    stops = ET.Element("additional")
    served = {f"{a}-{b}" for s in plan.streets if s.bus_stop for a, b in ((s.start, s.end), (s.end, s.start))}
    for edge in root.findall("edge"):
        lanes = [lane for lane in edge.findall("lane") if "bus" in lane.get("allow", "bus").split()]
        length = float(lanes[0].attrib["length"]) if lanes else 0.0
        if edge.attrib["id"] in served and length >= _LEAST_LANE:
            front = length * _BUS_STOP_PLACE
            ET.SubElement(
                stops, "busStop", id=f"bus_stop_{edge.attrib['id']}", lane=lanes[0].attrib["id"],
                startPos=f"{front - BUS_STOP_LENGTH:.2f}", endPos=f"{front:.2f}",
            )  # fmt: skip
    return stops
