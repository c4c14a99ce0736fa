"""What a check of a map found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Severity(IntEnum):
    """How bad a finding is."""

    ERROR = 0  # the map is wrong there; what drives on it will go wrong
    WARNING = 1  # probably wrong, or it may be meant so
    NOTE = 2  # worth knowing


@dataclass(frozen=True)
class Finding:
    """One finding.

    Attributes:
        severity: How bad.
        check: Name of the check.
        element: For example ``lane 12``.
        x: Where [m], NaN if it concerns the whole map.
        y: Where [m].
        text: What is wrong.
        remedy: What to do.
    """

    severity: Severity
    check: str
    element: str
    x: float
    y: float
    text: str
    remedy: str

    @classmethod
    def at(
        cls, severity: Severity, check: str, element: str, place: NDArray[Any] | None, text: str, remedy: str
    ) -> Finding:
        """A finding at a place ``[2 or more]``; None: the whole map."""
        x, y = (np.nan, np.nan) if place is None else (float(place[0]), float(place[1]))
        return cls(severity, check, element, x, y, text, remedy)

    def as_dict(self) -> dict[str, Any]:
        """Plain types for JSON; places in whole centimetres, null for the whole map."""
        place = None if np.isnan(self.x) else [round(self.x, 2), round(self.y, 2)]
        return {
            "severity": self.severity.name.lower(), "check": self.check, "element": self.element, "place": place,
            "text": self.text, "remedy": self.remedy,
        }  # fmt: skip
