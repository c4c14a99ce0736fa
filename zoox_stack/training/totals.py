"""Losses and measures added up over batches."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from zoox_stack.training.losses import Outcome
from zoox_stack.training.measures import measures


@dataclass
class Totals:
    """Sums over the batches of an epoch.

    Attributes:
        count: Scenes.
        parts: Losses by name, each times its scenes.
        sums: As of `Outcome.sums`.
    """

    count: int = 0
    parts: dict[str, float] = field(default_factory=dict)
    sums: dict[str, float] = field(default_factory=dict)

    def add(self, outcome: Outcome, scenes: int) -> None:
        """Add a batch."""
        self._add({name: value * scenes for name, value in outcome.parts.items()}, outcome.sums, scenes)

    def _add(self, parts: dict[str, float], sums: dict[str, float], count: int) -> None:
        self.count += count
        for mine, more in ((self.parts, parts), (self.sums, sums)):
            for name, value in more.items():
                mine[name] = mine.get(name, 0.0) + value

    @classmethod
    def of(cls, many: Iterable[dict[str, Any]]) -> Totals:
        """The sum of several, each as by `vars`."""
        total = cls()
        for one in many:
            total._add(one["parts"], one["sums"], one["count"])
        return total

    def means(self) -> dict[str, float]:
        """Mean losses per scene, and the measures."""
        return {name: value / max(self.count, 1) for name, value in self.parts.items()} | measures(self.sums)
