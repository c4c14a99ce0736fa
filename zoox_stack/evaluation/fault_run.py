"""One run of the fault campaign: the whole graph in a town, a fault on the way, and what was recorded."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from zoox_stack.core import topics
from zoox_stack.core.classes import TrajectorySource
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.share import share_folder
from zoox_stack.evaluation.fault_judge import Driven, Evidence, SeenEgo, Told
from zoox_stack.evaluation.fault_launch import RECORDED, launch_arguments, write_launch
from zoox_stack.evaluation.fault_process import ProcessFault, pid_of
from zoox_stack.evaluation.fault_table import Ending, Fault, FaultKind
from zoox_stack.logs.bag_reader import BagReader
from zoox_stack.logs.codec import decode, decode_message
from zoox_stack.simulation.detections import NO_SENSORS

_LOOK = 0.02  # [s] between looks at the clock
_READY = 240.0  # [s] for the stack to start on a busy machine
_READY_FOR_NOTHING = 45.0  # [s] where it is not to start
_SLOW = 20.0  # real time per simulated time beyond which a run is given up
_INJECTOR = "fault_injector/fault"  # as in nodes/fault_injector.py


def run_fault(
    fault: Fault, town: str, seed: int, folder: Path, *, duration: float, sensors: str, domain: int
) -> Evidence:
    """Drive once.

    Args:
        fault: What is made.
        town: Where.
        seed: Of town, traffic, route, and of which messages are dropped.
        folder: For the recording, the launch files and the output of the nodes; emptied first.
        duration: Of the drive [s].
        sensors: Name of a sensor rig; ``none`` for detections without error.
        domain: ROS domain of this run alone.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    fault = fault.with_sweep(topics.DETECTIONS if sensors == NO_SENSORS else topics.LIDAR_POINTS)
    bag = (folder / "bag").absolute()
    ready = _READY_FOR_NOTHING if fault.ending is Ending.REFUSED else _READY
    launch = write_launch(share_folder() / "launch", folder / "launch", fault, seed=seed, ready_timeout=ready)
    arguments = launch_arguments(fault, town, seed, duration, sensors, bag)
    command = [sys.executable, "-m", "zoox_stack.cli", "launch", str(launch.absolute())]
    command += [f"{name}:={value}" for name, value in arguments.items()]
    environment = {
        **os.environ, "ROS_DOMAIN_ID": str(domain), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "PYTHONUNBUFFERED": "1",
    }  # fmt: skip
    if fault.kind is FaultKind.NO_GPU:
        environment["CUDA_VISIBLE_DEVICES"] = "-1"
    log = folder / "nodes.log"
    with log.open("wb") as sink:
        process = subprocess.Popen(command, stdout=sink, stderr=sink, env=environment)
        begun_ns, failure = _follow(fault, process, domain, _READY + _SLOW * duration)
    if process.returncode and not failure:
        failure = f"the launch ended with exit code {process.returncode}; see {log}"
    return read_evidence(bag, begun_ns, failure)


def _follow(fault: Fault, process: subprocess.Popen[bytes], domain: int, patience: float) -> tuple[int | None, str]:
    """Wait for the end; meanwhile do to a process what is to be done. Returns when that began, and what went wrong."""
    harm = ProcessFault(fault, lambda: pid_of(fault.node, process.pid))
    begun_ns = None
    end = time.monotonic() + patience
    try:
        if fault.of_process or fault.kind is FaultKind.NONE:
            from zoox_stack.ros.clock_watch import ClockWatch

            with ClockWatch(domain) as clock:
                while process.poll() is None and time.monotonic() < end:
                    clock.spin(_LOOK)
                    if fault.of_process:
                        harm.at(clock.driven)
                        begun_ns = harm.begun_ns
                    elif begun_ns is None and clock.driven >= fault.begin:
                        begun_ns = time.time_ns()
        else:
            process.wait(patience)
    except subprocess.TimeoutExpired:
        pass
    finally:
        harm.end()
        gave_up = process.poll() is None
        if gave_up:
            process.send_signal(signal.SIGINT)
            process.wait()
    return begun_ns, f"given up after {patience:g} s" if gave_up else ""


def read_evidence(bag: Path, begun_ns: int | None, failure: str = "") -> Evidence:
    """What a recording says.

    Args:
        bag: With times of reception as log times.
        begun_ns: When the fault began, if the recording does not say so itself [ns].
        failure: Why the run ended early.
    """
    trajectories, egos, told, events = [], [], [], []
    try:
        with BagReader(bag, recover=True) as reader:
            for message in reader.messages([topic.name for topic in RECORDED if topic.name in reader.topics]):
                at = message.stamp_ns
                if message.topic == topics.TRAJECTORY.name:
                    source = TrajectorySource(decode_message(message.type_name, message.data).source)
                    trajectories.append(Driven(at, source))
                elif message.topic == topics.GROUND_TRUTH_EGO.name:
                    ego = decode(message.type_name, message.data)
                    egos.append(SeenEgo(at, ego.stamp_ns, ego.speed))
                elif message.topic == topics.EVENTS.name:
                    events.append(decode(message.type_name, message.data))
                else:
                    told += _told(at, decode_message(message.type_name, message.data))
    except InvalidInputError as error:
        return Evidence(begun_ns, failure=failure or str(error))
    for status in told:
        if begun_ns is None and status.name == _INJECTOR and status.message == "on":
            begun_ns = status.received_ns
    return Evidence(begun_ns, trajectories, egos, told, events, failure)


def _told(at: int, message: Any) -> list[Told]:
    return [
        Told(at, status.name, int(status.level), status.message, {entry.key: entry.value for entry in status.values})
        for status in message.status
    ]
