"""All runs of a fault campaign, some at a time; what a folder holds already is not driven again.

A run is kept as its recording and ``run.json``, which is written last. It is judged anew each time from the recording:
another judge or another expectation needs no other drive.
"""

from __future__ import annotations

import json
import os
import queue
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoox_stack.core import topics
from zoox_stack.core.machine import machine
from zoox_stack.core.share import share_folder
from zoox_stack.evaluation.fault_judge import Verdict, judge
from zoox_stack.evaluation.fault_run import read_evidence, run_fault
from zoox_stack.evaluation.fault_table import Fault, FaultKind
from zoox_stack.evaluation.planning_key import key_of
from zoox_stack.simulation.detections import NO_SENSORS

_NODES = ("perception", "prediction", "planner", "supervisor", "monitor", "simulator", "fault_injector")
_DOMAINS = 100  # higher ones have no ports of their own on Linux


@dataclass(frozen=True)
class Campaign:
    """What is to be driven: every fault in every town."""

    towns: tuple[str, ...]
    faults: tuple[Fault, ...]
    seed: int = 1
    duration: float = 30.0
    sensors: str = NO_SENSORS


@dataclass(frozen=True)
class FaultRun:
    """One run and what became of it.

    Attributes:
        fault: That was made.
        town: Where.
        verdict: What became of it.
        about: Where and when it was driven, as in ``run.json``.
        driven_now: False if it was there already.
    """

    fault: Fault
    town: str
    verdict: Verdict
    about: dict[str, Any]
    driven_now: bool


def run_campaign(
    campaign: Campaign, out: Path, jobs: int = 1, done: Callable[[FaultRun], None] = lambda _: None
) -> list[FaultRun]:
    """Drive what is not there yet.

    Args:
        campaign: What.
        out: Folder for the recordings.
        jobs: Runs at a time, each in a ROS domain of its own, from `ROS_DOMAIN_ID` on if that is set.
        done: Called with every run.
    """
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    domains: queue.SimpleQueue[int] = queue.SimpleQueue()
    first = os.environ.get("ROS_DOMAIN_ID", "")
    for slot in range(jobs):
        domains.put((int(first) + slot if first.isdecimal() else 1 + os.getpid() + slot) % _DOMAINS)

    def one(town: str, fault: Fault) -> FaultRun:
        domain = domains.get()
        try:
            run = _run(campaign, town, fault, out, domain)
        finally:
            domains.put(domain)
        done(run)
        return run

    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(one, town, fault) for town in campaign.towns for fault in campaign.faults]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _run(campaign: Campaign, town: str, fault: Fault, out: Path, domain: int) -> FaultRun:
    folder = out / f"{Path(town).stem}_{campaign.seed}" / fault.name
    real = fault.with_sweep(topics.DETECTIONS if campaign.sensors == NO_SENSORS else topics.LIDAR_POINTS)
    key = _key(campaign, town, real)
    about = _read(folder / "run.json")
    if about is not None and about.get("key") == key:
        evidence = read_evidence(folder / "bag", about["begun_ns"], about["failure"])
        return FaultRun(real, town, judge(real, evidence), about, driven_now=False)
    load = os.getloadavg()[0]
    evidence = run_fault(
        real, town, campaign.seed, folder, duration=campaign.duration, sensors=campaign.sensors, domain=domain
    )
    about = {
        "key": key, "fault": fault.name, "town": town, "seed": campaign.seed, "duration_s": campaign.duration,
        "sensors": campaign.sensors, "begun_ns": evidence.begun_ns, "failure": evidence.failure,
        "load_before": round(load, 1), **machine(),
    }  # fmt: skip
    part = folder / "run.json.part"
    part.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    part.replace(folder / "run.json")
    return FaultRun(real, town, judge(real, evidence), about, driven_now=True)


def _key(campaign: Campaign, town: str, fault: Fault) -> str:
    """What a recording depends on: not on who judges it, nor on what is expected."""
    share = share_folder()
    files = [Path(town) if town.endswith((".yaml", ".yml")) else share / "config" / "towns" / f"{town}.yaml"]
    files += sorted((share / "launch").glob("*.xml"))
    modules = [f"zoox_stack.nodes.{name}" for name in _NODES] + ["zoox_stack.evaluation.fault_launch"]
    topic = None if fault.topic is None else fault.topic.name
    values = [
        campaign.seed, campaign.duration, campaign.sensors, fault.kind.value, fault.node, topic, fault.amount,
        fault.lasts, fault.begin,
    ]  # fmt: skip
    return key_of(modules, files, {"run": values})


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def summarise(runs: Sequence[FaultRun]) -> dict[str, Any]:
    """Ready for JSON: every run, and counts."""
    faulty = [run for run in runs if run.fault.kind is not FaultKind.NONE]
    reactions = sorted(r for run in faulty if (r := run.verdict.manoeuvre_after) is not None)
    return {
        "runs": [row_of(run) for run in runs],
        "count": len(runs),
        "safe": sum(run.verdict.safe for run in runs),
        "as_expected": sum(run.verdict.expected for run in runs),
        "named": sum(bool(run.verdict.named) for run in runs),
        "unsafe": [f"{run.fault.name} in {run.town}" for run in runs if not run.verdict.safe],
        "unnamed": [f"{run.fault.name} in {run.town}" for run in runs if not run.verdict.named],
        "manoeuvres": len(reactions),
        "manoeuvres_within_200_ms": sum(r <= 0.2 for r in reactions),
        "manoeuvre_after_s": {
            "median": round(reactions[len(reactions) // 2], 3) if reactions else None,
            "longest": round(reactions[-1], 3) if reactions else None,
        },
    }


def row_of(run: FaultRun) -> dict[str, Any]:
    """One run, ready for JSON."""
    v = run.verdict
    return {
        "fault": run.fault.name, "kind": run.fault.kind.value, "node": run.fault.node,
        "topic": None if run.fault.topic is None else run.fault.topic.name, "town": run.town,
        "outcome": v.outcome.value, "safe": v.safe, "expected": v.expected, "named": v.named,
        "named_after_s": _rounded(v.named_after), "manoeuvre_after_s": _rounded(v.manoeuvre_after),
        "recovered_after_s": _rounded(v.recovered_after), "reaction_s": _rounded(v.reaction),
        "longest_gap_s": _rounded(v.longest_gap), "why": v.why, "other_events": list(v.other_events),
        "load_before": run.about.get("load_before"), "machine": run.about.get("machine"), "date": run.about.get("date"),
    }  # fmt: skip


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
