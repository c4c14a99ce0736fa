"""`LaunchDescription` as JSON, from the launcher to the supervisor."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from zoox_stack.launching.errors import Location
from zoox_stack.launching.model import LaunchDescription, Output, ParameterFile, ProcessDescription


def to_json(description: LaunchDescription, environment: Mapping[str, str]) -> bytes:
    """What the supervisor needs: the processes and the launcher's environment."""
    processes = [asdict(process) | {"output": process.output.value} for process in description.processes]
    data = {"file": description.file, "processes": processes, "environment": dict(environment)}
    return json.dumps(data, ensure_ascii=True).encode()


def from_json(data: bytes) -> tuple[LaunchDescription, dict[str, str]]:
    """Inverse of `to_json`, without the declared arguments."""
    content = json.loads(data)
    processes = tuple(_process(fields) for fields in content["processes"])
    return LaunchDescription(content["file"], (), processes), content["environment"]


def _process(fields: dict[str, Any]) -> ProcessDescription:
    return ProcessDescription(
        **fields
        | {
            "command": tuple(part if isinstance(part, str) else ParameterFile(**part) for part in fields["command"]),
            "environment": tuple((name, value) for name, value in fields["environment"]),
            "output": Output(fields["output"]),
            "location": Location(**fields["location"]),
        }
    )
