"""StageTiming and StageTick."""

from __future__ import annotations

import numpy as np

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.timing import StageTick
from zoox_stack.msg import StageTiming
from zoox_stack.ros.conversions.basics import short_float, stamp_from_message, stamp_to_message


def stage_timing_to_message(tick: StageTick) -> StageTiming:
    """A tick as a message."""
    return StageTiming(
        stage=tick.stage,
        sequence=tick.sequence,
        input_stamp=stamp_to_message(tick.input_stamp_ns),
        received=stamp_to_message(tick.received_ns),
        published=stamp_to_message(tick.published_ns),
        cpu_time=float(tick.cpu_time),
        dropped_bad=tick.dropped_bad,
        dropped_old=tick.dropped_old,
    )


def stage_timing_from_message(message: StageTiming) -> StageTick:
    """The tick of a message; raises InvalidInputError without a stage name or with a broken CPU time."""
    if not message.stage:
        raise InvalidInputError("StageTiming.stage", "a name", "an empty string")
    if not (np.isfinite(message.cpu_time) and message.cpu_time >= 0):
        raise InvalidInputError("StageTiming.cpu_time", ">= 0 s", str(message.cpu_time))
    return StageTick(
        stage=message.stage,
        sequence=message.sequence,
        input_stamp_ns=stamp_from_message(message.input_stamp),
        received_ns=stamp_from_message(message.received),
        published_ns=stamp_from_message(message.published),
        cpu_time=short_float(message.cpu_time),
        dropped_bad=message.dropped_bad,
        dropped_old=message.dropped_old,
    )
