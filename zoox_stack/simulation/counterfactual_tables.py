"""The tables of a counterfactual set: their columns, and scenes to tables and back (docs/counterfactual-format.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from zoox_stack.core.classes import Attribute
from zoox_stack.core.predictions import STEPS
from zoox_stack.prediction.history import HISTORY_STEPS, HistoryColumn
from zoox_stack.simulation.samples import (
    CounterfactualSample,
    CounterfactualScene,
    PlanColumn,
    RefusedPlan,
    affected_by_plan,
    plausible_plans,
)

LOG_BRANCH = 0  # what really happened; the driven plans follow, keep first
_FLOATS = pa.list_(pa.float32())
_STATES = [(name, _FLOATS) for name in ("x", "y", "yaw", "speed")]
_HISTORY = [c.name.lower() for c in HistoryColumn]
_PLAN = [c.name.lower() for c in PlanColumn]
_ATTRIBUTES = [a.name.lower() for a in Attribute]
_SCENE_KEY = ("scene", pa.int32())

SCHEMAS: dict[str, pa.Schema] = {
    "agents": pa.schema(
        [
            _SCENE_KEY, ("agent", pa.int64()), ("is_ego", pa.bool_()), ("class", pa.uint8()),
            ("length", pa.float32()), ("width", pa.float32()), ("height", pa.float32()),
            *((name, pa.uint8()) for name in _ATTRIBUTES),
        ]
    ),
    "history": pa.schema([_SCENE_KEY, ("agent", pa.int64()), *((name, _FLOATS) for name in _HISTORY)]),
    "branches": pa.schema(
        [
            _SCENE_KEY, ("branch", pa.int16()), ("kind", pa.uint8()), ("name", pa.string()), ("driven", pa.bool_()),
            ("reason", pa.string()), ("plausible", pa.bool_()), ("plan_error_m", pa.float32()),
            *((name, _FLOATS) for name in _PLAN),
        ]
    ),
    "futures": pa.schema([_SCENE_KEY, ("agent", pa.int64()), ("branch", pa.int16()), *_STATES]),
    "affected": pa.schema(
        [
            _SCENE_KEY, ("branch", pa.int16()), ("agent", pa.int64()), ("max_displacement_m", pa.float32()),
            ("since_s", pa.float32()),
        ]
    ),
    "scenes": pa.schema(
        [
            _SCENE_KEY, ("town", pa.string()), ("seed", pa.int64()), ("stamp_ns", pa.int64()), ("ego", pa.int64()),
            ("agents", pa.int32()), ("branches", pa.int32()), ("refused", pa.int32()), ("affected", pa.int32()),
            ("identity_max_diff_m", pa.float64()), ("signal_ids", pa.list_(pa.int64())),
            ("signal_states", pa.list_(pa.uint8())),
        ]
    ),
}  # fmt: skip
TABLES = tuple(SCHEMAS)  # in the order of writing: a part with a file of scenes is whole
LOG_KIND = 255  # of the branch that is the log


def scene_tables(number: int, scene: CounterfactualScene) -> dict[str, pa.Table]:
    """One scene as rows of every table.

    Args:
        number: Of the scene in its set.
        scene: The scene.
    """
    s = scene.sample
    n, m = len(s.ids), len(s.behaviours)
    everyone = np.append(s.ids, s.ego_id)
    order = np.argsort(everyone, kind="stable")
    attributes = np.concatenate([s.attributes, np.zeros((1, len(Attribute)), np.uint8)])[order]
    sizes = np.concatenate([s.sizes, s.ego_size[None]])[order]
    tables: dict[str, dict[str, Any]] = {
        "agents": {
            "agent": everyone[order],
            "is_ego": everyone[order] == s.ego_id,
            "class": np.append(s.classes, np.uint8(scene.ego_class))[order],
            **dict(zip(("length", "width", "height"), sizes.T, strict=True)),
            **dict(zip(_ATTRIBUTES, attributes.T, strict=True)),
        }
    }
    history = np.concatenate([s.history, s.ego_history[None]])[order]
    known = np.concatenate([s.history_valid, np.ones((1, HISTORY_STEPS), bool)])[order]
    known = np.cumprod(known[:, ::-1], axis=1)[:, ::-1].astype(bool)  # without a break up to now
    tables["history"] = {"agent": everyone[order], **_lists(_HISTORY, history, known)}
    affected = affected_by_plan(s)
    tables["branches"] = _branch_columns(scene)
    valid = np.concatenate([scene.log_valid[None], s.futures_valid])
    states = np.concatenate([s.futures, scene.speeds[..., None]], axis=-1)
    log = np.concatenate([scene.log_futures, scene.log_speeds[..., None]], axis=-1)
    # Agent by agent: the branches of one agent are mostly alike, and next to each other they compress to little.
    futures = np.concatenate([log[None], states]).transpose(1, 0, 2, 3).reshape(n * (m + 1), STEPS, 4)
    tables["futures"] = {
        "agent": np.repeat(s.ids, m + 1),
        "branch": np.tile(np.arange(m + 1), n),
        **_lists(["x", "y", "yaw", "speed"], futures, valid.transpose(1, 0, 2).reshape(-1, STEPS)),
    }
    tables["affected"] = {
        "branch": [a.plan + 1 for a in affected],
        "agent": [int(s.ids[a.agent]) for a in affected],
        "max_displacement_m": [a.displacement for a in affected],
        "since_s": [a.since for a in affected],
    }
    tables["scenes"] = {
        "town": [s.town],
        "seed": [scene.seed],
        "stamp_ns": [s.stamp_ns],
        "ego": [s.ego_id],
        "agents": [n],
        "branches": [m],
        "refused": [len(scene.refused)],
        "affected": [len({a.agent for a in affected})],
        "identity_max_diff_m": [scene.identity_max_diff],
        "signal_ids": [s.signal_ids],
        "signal_states": [s.signal_states],
    }
    return {name: _table(name, number, columns) for name, columns in tables.items()}


def _branch_columns(scene: CounterfactualScene) -> dict[str, Any]:
    s = scene.sample
    m, r = len(s.behaviours), len(scene.refused)
    none: list[None] = [None] * r
    plans = np.concatenate([scene.log_ego[None], s.ego_plans, np.zeros((r, STEPS, len(PlanColumn)), np.float32)])
    driven = np.arange(1 + m + r) <= m
    plausible = plausible_plans(s).tolist()
    errors = [None if np.isnan(error) else float(error) for error in scene.plan_errors]
    return {
        "branch": np.arange(1 + m + r),
        "kind": [LOG_KIND, *s.behaviours.tolist(), *(plan.kind for plan in scene.refused)],
        "name": ["log", *scene.plan_names, *(plan.name for plan in scene.refused)],
        "driven": driven,
        "reason": [""] * (1 + m) + [plan.reason for plan in scene.refused],
        "plausible": [plausible[0], *plausible, *none],  # the log is the same motion as keep
        "plan_error_m": [None, *errors, *none],
        **_lists(_PLAN, plans, np.repeat(driven[:, None], STEPS, axis=1)),
    }


def _lists(names: Sequence[str], values: NDArray[Any], valid: NDArray[np.bool_]) -> dict[str, pa.Array]:
    """Columns of lists: of `values` ``[rows, steps, columns]`` the steps that are `valid` ``[rows, steps]``."""
    offsets = np.concatenate([[0], np.cumsum(valid.sum(axis=1))]).astype(np.int32)
    flat = values[valid].astype(np.float32)
    return {
        name: pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.ascontiguousarray(flat[:, column])))
        for column, name in enumerate(names)
    }


def _table(name: str, number: int, columns: Mapping[str, Any]) -> pa.Table:
    schema = SCHEMAS[name]
    rows = len(next(iter(columns.values())))
    filled = {"scene": np.full(rows, number, np.int32), **columns}
    arrays = [value if isinstance(value := filled[f.name], pa.Array) else pa.array(value, type=f.type) for f in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def scene_from_tables(tables: Mapping[str, pa.Table]) -> CounterfactualScene:
    """Inverse of `scene_tables`, of the rows of one scene.

    Raises:
        InvalidInputError: The rows do not fit together.
    """
    (row,) = tables["scenes"].to_pylist()
    agents = tables["agents"]
    is_ego = _column(agents, "is_ego")
    everyone = _column(agents, "agent")
    sizes = np.stack([_column(agents, name) for name in ("length", "width", "height")], axis=1)
    attributes = np.stack([_column(agents, name) for name in _ATTRIBUTES], axis=1)
    history, known = _from_lists(tables["history"], _HISTORY, HISTORY_STEPS, at_end=True)
    branches = tables["branches"]
    driven = _column(branches, "driven")
    m, n = int(driven.sum()) - 1, int((~is_ego).sum())
    plans, _ = _from_lists(branches.slice(0, m + 1), _PLAN, STEPS)
    states, valid = _from_lists(tables["futures"], ["x", "y", "yaw", "speed"], STEPS)
    states = states.reshape(n, m + 1, STEPS, 4).transpose(1, 0, 2, 3)
    valid = valid.reshape(n, m + 1, STEPS).transpose(1, 0, 2)
    names, kinds = branches["name"].to_pylist(), _column(branches, "kind")
    sample = CounterfactualSample(
        town=row["town"],
        stamp_ns=row["stamp_ns"],
        ids=everyone[~is_ego],
        classes=_column(agents, "class")[~is_ego],
        sizes=sizes[~is_ego],
        attributes=attributes[~is_ego],
        history=history[~is_ego].astype(np.float64),
        history_valid=known[~is_ego],
        ego_id=row["ego"],
        ego_history=history[is_ego][0].astype(np.float64),
        ego_size=sizes[is_ego][0],
        signal_ids=np.array(row["signal_ids"], np.int64),
        signal_states=np.array(row["signal_states"], np.uint8),
        behaviours=kinds[1 : m + 1],
        ego_plans=plans[1:],
        futures=states[1:, ..., :3],
        futures_valid=valid[1:],
    )
    reasons = branches["reason"].to_pylist()
    return CounterfactualScene(
        sample=sample,
        seed=row["seed"],
        ego_class=int(_column(agents, "class")[is_ego][0]),
        plan_names=tuple(names[1 : m + 1]),
        speeds=states[1:, ..., 3],
        plan_errors=np.array(branches["plan_error_m"].to_pylist()[1 : m + 1], np.float32),
        refused=tuple(RefusedPlan(int(kinds[i]), names[i], reasons[i]) for i in range(m + 1, len(names))),
        log_ego=plans[0],
        log_futures=states[0, ..., :3],
        log_speeds=states[0, ..., 3],
        log_valid=valid[0],
        identity_max_diff=row["identity_max_diff_m"],
    )


def _column(table: pa.Table, name: str) -> NDArray[Any]:
    return np.asarray(table[name].to_numpy())


def _from_lists(
    table: pa.Table, names: Sequence[str], steps: int, *, at_end: bool = False
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Values ``[rows, steps, columns]``, zero where not valid, and valid ``[rows, steps]``: the inverse of `_lists`."""
    parts = [table[name].combine_chunks() for name in names]
    lengths = np.asarray(parts[0].value_lengths().to_numpy(zero_copy_only=False), np.int64)
    at = np.arange(steps)
    valid = at >= steps - lengths[:, None] if at_end else at < lengths[:, None]
    values = np.zeros((len(table), steps, len(names)), np.float32)
    for column, part in enumerate(parts):
        values[valid, column] = part.flatten().to_numpy()
    return values, valid
