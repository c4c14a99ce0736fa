"""Names of the sensor rigs that come with the package."""

from __future__ import annotations

from zoox_stack.core.share import share_folder


def sensor_rigs() -> list[str]:
    """Names of the rigs that come with the package."""
    return sorted(path.stem for path in (share_folder() / "config" / "sensors").glob("*.yaml"))
