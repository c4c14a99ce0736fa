"""Training from prepared samples: epochs, validation, checkpoints, the end."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from zoox_stack.core.errors import ConfigurationError, InvalidInputError
from zoox_stack.simulation.progress import progress_bar
from zoox_stack.training import data_facts
from zoox_stack.training.checkpoints import BEST, LAST, Progress, load, restore, save
from zoox_stack.training.config import TrainConfig, differences
from zoox_stack.training.curves import draw_curves
from zoox_stack.training.learner import Learner, weights_digest
from zoox_stack.training.preparation import Prepared, prepare
from zoox_stack.training.sources import Source
from zoox_stack.training.stream import ahead, groups_of_epoch, read_batch, share_of
from zoox_stack.training.team import Team, joined_team
from zoox_stack.training.totals import Totals

SAMPLES = "samples"
END_DONE, END_PATIENCE, END_MINUTES = "all epochs", "no better for long enough", "time is up"
Tell = Callable[[str], None]


@dataclass(frozen=True)
class TrainResult:
    """How a call of `train` ended.

    Attributes:
        out: Folder of the run.
        log: One entry per epoch: ``epoch``, ``steps``, ``seconds``, ``rate``, and ``train`` and ``val`` with measures.
        best: Number of the best epoch, from 1; 0 if there is none yet.
        end: Why it ended.
        digest: Of the last weights.
        notes: What is worth knowing about the logs.
    """

    out: Path
    log: tuple[dict[str, Any], ...]
    best: int
    end: str
    digest: str
    notes: tuple[str, ...]

    @property
    def is_finished(self) -> bool:
        """Whether there is nothing to go on with."""
        return self.end != END_MINUTES


def train(
    config: TrainConfig,
    sources: Sequence[Source],
    val_sources: Sequence[Source],
    out: Path,
    *,
    start: Path | None = None,
    resume: bool = False,
    tell: Tell = lambda _text: None,
) -> TrainResult:
    """Prepare samples and learn from them, in this process and those beside it.

    Args:
        config: How.
        sources: To learn from.
        val_sources: To validate with.
        out: Folder of the run: ``samples``, checkpoints ``last.pt`` and ``best.pt``, ``log.jsonl``, ``curves.png``.
        start: Run whose best weights to start from.
        resume: Go on from where the run in `out` stopped, if it has begun.
        tell: Called with lines for people.

    Raises:
        InvalidInputError: Logs cannot be read or have no agents; there is another run in `out`, or one of other data.
        ConfigurationError: The device, or the measure to watch, does not exist.
        ModelError: The checkpoint to start from is of another network.
        ZooxStackError: The loss is not a number any more.
    """
    began = monotonic()
    with joined_team(config.device, config.threads) as team:
        if not resume and (out / LAST).exists():
            raise InvalidInputError(str(out), "a new folder", "a run", "Go on with --resume, or name another folder")
        prepared = _prepared(config, (sources, val_sources), out / SAMPLES, team)
        run = _Run(config, prepared, out, team, began, tell)
        run.begin(start, resume)
        return run.go()


def _prepared(
    config: TrainConfig, sources: tuple[Sequence[Source], Sequence[Source]], folder: Path, team: Team
) -> tuple[list[Prepared], list[Prepared]]:
    """Samples for training and validation, prepared by the first process."""
    every = [*sources[0], *sources[1]]
    made: list[Prepared] = []
    if team.is_first:
        with progress_bar("preparing samples", sum(len(source.units) for source in every)) as advance:
            made = prepare(every, folder, config, advance)
    team.wait()
    if not team.is_first:
        made = prepare(every, folder, config, thorough=False)
    train_set, val_set = made[: len(sources[0])], made[len(sources[0]) :]
    for name, part in (("training", train_set), ("validation", val_set)):
        if not sum(len(one) for one in part):
            paths = ", ".join(str(one.source.path) for one in part) or "no source"
            remedy = "A scene needs 1 s of history and 3 s of future, with agents and an ego"
            raise InvalidInputError(f"logs for {name} ({paths})", "scenes", "none", remedy)
    return train_set, val_set


class _Run:
    """The state of a run, and what is done with it."""

    def __init__(
        self,
        config: TrainConfig,
        prepared: tuple[list[Prepared], list[Prepared]],
        out: Path,
        team: Team,
        began: float,
        tell: Tell,
    ) -> None:
        self._config, self._out, self._team, self._began = config, out, team, began
        self._tell: Tell = tell if team.is_first else lambda _text: None
        self._train, self._val = prepared
        self._learner = Learner(config, team)
        self._progress = Progress(
            asdict(config), data_facts.facts(*prepared), data_facts.fingerprint(*prepared), team.size
        )
        self._notes = tuple(data_facts.notes([*self._train, *self._val]))
        for note in self._notes:
            self._tell(note)

    def begin(self, start: Path | None, resume: bool) -> None:
        """Take over weights, and where the run was."""
        self._check_watch()
        last = self._out / LAST
        if resume and last.exists():
            self._go_on(last)
        elif start is not None:
            path = start / BEST if start.is_dir() else start
            found, states = load(path)
            restore(path, self._learner.modules, states)
            self._progress.data["start"] = data_facts.start(found, weights_digest(self._learner.modules))
            self._tell(f"starting from {path}")

    def _check_watch(self) -> None:
        """Before hours of work, not after the first epoch."""
        totals = Totals()
        totals.add(self._learner.measure(read_batch(groups_of_epoch(self._val, 1, None)[0])), 1)
        known = totals.means()
        if self._config.watch not in known:
            raise ConfigurationError(f"watch: expected one of {', '.join(sorted(known))}, found {self._config.watch!r}")

    def _go_on(self, last: Path) -> None:
        found, states = load(last)
        other = differences(found.config, asdict(self._config))
        if found.fingerprint != self._progress.fingerprint:
            other.append("other samples")
        if found.processes != self._team.size:
            other.append(f"{found.processes} processes and {self._team.size}")
        if other:
            remedy = "Give the arguments of the run, or start another one with --from"
            raise InvalidInputError(f"run {self._out}", "the run that --resume goes on with", "; ".join(other), remedy)
        restore(last, {**self._learner.modules, **self._learner.others}, states)
        data = self._progress.data | {key: found.data[key] for key in found.data.keys() & {"start"}}
        self._progress.__dict__.update(vars(found) | {"config": asdict(self._config), "data": data})
        self._tell(f"going on after epoch {found.epoch}, step {found.step}")

    def go(self) -> TrainResult:
        """Learn until the end."""
        state, end = self._progress, END_DONE
        while state.epoch < self._config.epochs:
            if self._patience_is_over():
                end = END_PATIENCE
                break
            whole = self._epoch()
            if not whole:
                end = END_MINUTES
                break
        return TrainResult(
            self._out, tuple(state.log), state.best, end, weights_digest(self._learner.modules), self._notes
        )

    def _patience_is_over(self) -> bool:
        waited = self._progress.epoch - self._progress.best
        return bool(self._config.patience) and bool(self._progress.best) and waited >= self._config.patience

    def _time_is_up(self) -> bool:
        """Decided by the first process to notice, for all."""
        if not self._config.minutes:
            return False
        return self._team.any(monotonic() - self._began > 60.0 * self._config.minutes)

    def _epoch(self) -> bool:
        """The rest of an epoch; False if time was up before its end."""
        config, state, team = self._config, self._progress, self._team
        began = monotonic()
        rng = np.random.default_rng([config.seed, state.epoch])
        groups = share_of(groups_of_epoch(self._train, config.batch, rng), team.rank, team.size, even=True)
        totals = Totals.of([state.totals] if state.totals and team.is_first else [])
        label = f"epoch {state.epoch + 1}/{config.epochs}"
        with progress_bar(label, len(groups)) if team.is_first else nullcontext(lambda _done: None) as advance:
            for group, batch in ahead(groups[state.step :], read_batch):
                if self._time_is_up():
                    break
                done = (state.epoch + state.step / len(groups)) / config.epochs
                totals.add(self._learner.step(batch, state.epoch, state.step, done), len(group))
                state.step += 1
                advance(state.step)
        self._learner.level()
        state.totals = vars(Totals.of(team.gathered(vars(totals))))
        if state.step < len(groups):
            self._keep(LAST)
            self._tell(f"{label}: stopped after step {state.step} of {len(groups)}; --resume goes on")
            return False
        entry = {
            "epoch": state.epoch + 1,
            "steps": len(groups),
            "rate": self._learner.optimiser.param_groups[0]["lr"],
            "train": Totals.of([state.totals]).means(),
            "val": self._validated().means(),
        }
        entry["seconds"] = round(monotonic() - began, 2)
        state.epoch, state.step, state.totals = state.epoch + 1, 0, {}
        self._judge(entry)
        return True

    def _validated(self) -> Totals:
        groups = share_of(
            groups_of_epoch(self._val, self._config.batch, None), self._team.rank, self._team.size, even=False
        )
        totals = Totals()
        for group, batch in ahead(groups, read_batch):
            totals.add(self._learner.measure(batch), len(group))
        return Totals.of(self._team.gathered(vars(totals)))

    def _judge(self, entry: dict[str, Any]) -> None:
        """Note an epoch, and keep it, as the best one if it is."""
        state, watch = self._progress, self._config.watch
        value = entry["val"][watch]
        is_best = not state.best or value < state.log[state.best - 1]["val"][watch]
        state.log.append(entry)
        state.best = entry["epoch"] if is_best else state.best
        if is_best:
            self._keep(BEST)
        self._keep(LAST)
        if self._team.is_first:
            lines = "".join(json.dumps(line) + "\n" for line in state.log)
            (self._out / ".log.jsonl.part").write_text(lines, encoding="utf-8")
            (self._out / ".log.jsonl.part").replace(self._out / "log.jsonl")
            draw_curves(state.log, self._out / "curves.png")
        shown = {"loss": entry["train"]["loss"], f"validation {watch}": value, **_few(entry["val"])}
        text = ", ".join(f"{name} {number:.3f}" for name, number in shown.items())
        self._tell(f"epoch {entry['epoch']}/{self._config.epochs}: {text}{', the best so far' if is_best else ''}")

    def _keep(self, name: str) -> None:
        if self._team.is_first:
            others = self._learner.others if name == LAST else None
            save(self._out / name, self._progress, self._learner.modules, others)
        self._team.wait()


def _few(values: dict[str, float]) -> dict[str, float]:
    return {name: values[name] for name in ("min_ade_6", "cv_ade") if name in values}
