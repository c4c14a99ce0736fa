"""What every simulated drive needs and takes long to load; imported by the server that workers are forked from."""

from __future__ import annotations

from contextlib import suppress

from zoox_stack.core.errors import ConfigurationError
from zoox_stack.logs.message_definitions import typestore
from zoox_stack.simulation.world import load_libsumo

with suppress(ConfigurationError):  # the drive itself says it better
    load_libsumo()
    typestore()
