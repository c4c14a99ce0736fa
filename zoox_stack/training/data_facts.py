"""What a run learned from, for people and for the model card."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from zoox_stack.core.classes import AgentClass
from zoox_stack.training.checkpoints import Progress
from zoox_stack.training.preparation import Prepared
from zoox_stack.training.sources import SHORTEST


def facts(train: Sequence[Prepared], val: Sequence[Prepared]) -> dict[str, Any]:
    """Sources, scenes and agents by class, ready for JSON; names only, no folders of this machine."""
    return {"train": _of(train), "val": _of(val)}


def start(found: Progress, digest: str) -> dict[str, Any]:
    """Of the run whose weights another one starts from, ready for JSON: how it was trained, and a digest of them."""
    return {
        "weights": digest,
        "config": found.config,
        "processes": found.processes,
        "epoch": found.best or found.epoch,
        "data": found.data,
    }


def _of(prepared: Sequence[Prepared]) -> dict[str, Any]:
    files = [file for one in prepared for file in one.files]
    agents = [sum(file.classes[int(kind)] for file in files) for kind in AgentClass]
    return {
        "scenes": sum(len(file) for file in files),
        "scenes_without_map": sum(file.without_map for file in files),
        "agents": {kind.name.lower(): count for kind, count in zip(AgentClass, agents, strict=True) if count},
        "files": [file.path.name for file in files],
        "sources": [
            {
                "name": one.source.path.name,
                "kind": one.source.kind,
                "units": len(one.files),
                "scenes": len(one),
                "weight": one.source.weight,
            }
            for one in prepared
        ],
    }


def fingerprint(train: Sequence[Prepared], val: Sequence[Prepared]) -> str:
    """SHA-256 over all samples and weights: a run goes on with the same ones only."""
    parts = [
        f"{role} {one.source.weight} {' '.join(file.fingerprint for file in one.files)}"
        for role, many in (("train", train), ("val", val))
        for one in many
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def notes(prepared: Sequence[Prepared]) -> list[str]:
    """What is worth saying about the samples: bags without a map, and bags too short for a scene."""
    said = []
    for one in prepared:
        pairs = list(zip(one.source.units, one.files, strict=True))
        for what, names in (
            ("no map; learned from without lanes", [u.name for u, f in pairs if len(f) and f.without_map]),
            (
                f"no scene: 1 s of history and {SHORTEST:g} s of future are needed",
                [u.name for u, f in pairs if not len(f)],
            ),
        ):
            if names:
                more = f" and {len(names) - 3} more" if len(names) > 3 else ""
                said.append(f"{one.source.path}: {', '.join(names[:3])}{more}: {what}")
    return said
