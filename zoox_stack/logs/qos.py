"""Quality of service as rosbag2 stores it beside each topic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.topics import QosClass

_NAMES: dict[str, tuple[str, ...]] = {  # rmw enumerations; older bags store the number instead of the name
    "history": ("system_default", "keep_last", "keep_all", "unknown"),
    "reliability": ("system_default", "reliable", "best_effort", "unknown", "best_available"),
    "durability": ("system_default", "transient_local", "volatile", "unknown", "best_available"),
    "liveliness": ("system_default", "automatic", "manual_by_node", "manual_by_topic", "unknown", "best_available"),
}
_FOREVER = {"sec": 9223372036, "nsec": 854775807}  # rmw's "infinite"


@dataclass(frozen=True)
class QosProfile:
    """What a publisher of a recorded topic offered; names as in rosbag2.

    Attributes:
        reliability: ``reliable`` or ``best_effort``.
        durability: ``volatile`` or ``transient_local``.
        history: ``keep_last`` or ``keep_all``.
        depth: Queue length with ``keep_last``.
        liveliness: ``automatic`` or one of the manual kinds.
    """

    reliability: str = "reliable"
    durability: str = "volatile"
    history: str = "keep_last"
    depth: int = 10
    liveliness: str = "automatic"

    @property
    def latched(self) -> bool:
        """True if late subscribers get the last message too."""
        return self.durability == "transient_local"

    def to_dict(self) -> dict[str, Any]:
        """The form of ``metadata.yaml`` version 9 (ROS 2 Jazzy)."""
        return {
            "history": self.history,
            "depth": self.depth,
            "reliability": self.reliability,
            "durability": self.durability,
            "deadline": dict(_FOREVER),
            "lifespan": dict(_FOREVER),
            "liveliness": self.liveliness,
            "liveliness_lease_duration": dict(_FOREVER),
            "avoid_ros_namespace_conventions": False,
        }


PROFILES: dict[QosClass, QosProfile] = {
    QosClass.SENSOR_DATA: QosProfile(reliability="best_effort", depth=5),
    QosClass.RELIABLE: QosProfile(depth=10),
    QosClass.LATCHED: QosProfile(durability="transient_local", depth=1),
    QosClass.CLOCK: QosProfile(reliability="best_effort", depth=1),
}


def dump_profiles(profiles: tuple[QosProfile, ...]) -> str:
    """YAML text of profiles, as in the channel metadata of MCAP and the ``topics`` table of sqlite3."""
    return yaml.safe_dump([p.to_dict() for p in profiles], sort_keys=False).strip() if profiles else ""


def parse_profiles(stored: str | list[dict[str, Any]] | None, topic: str) -> tuple[QosProfile, ...]:
    """Profiles from YAML text (metadata version <= 8) or from already parsed YAML (version 9).

    Raises:
        InvalidInputError: Not a list of profiles.
    """
    thing = f"QoS profiles of {topic}"
    try:
        items = yaml.safe_load(stored) if isinstance(stored, str) else stored
    except yaml.YAMLError as error:
        raise InvalidInputError(thing, "YAML", str(error).splitlines()[0]) from error
    if not items:
        return ()
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise InvalidInputError(thing, "a list of profiles", type(items).__name__)
    return tuple(
        QosProfile(**{key: _name(key, item.get(key)) for key in _NAMES}, depth=int(item.get("depth") or 0))
        for item in items
    )


def _name(key: str, value: Any) -> str:
    """Name of an enumeration value stored as name or number; ``unknown`` for a number of the future."""
    names = _NAMES[key]
    if isinstance(value, int):
        return names[value] if 0 <= value < len(names) else "unknown"
    return value if value in names else "unknown"
