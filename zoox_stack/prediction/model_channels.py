"""Does a model read the scene image that is drawn here? What exported files say about it, and how it differs."""

from __future__ import annotations

import json
from collections.abc import Mapping

from zoox_stack.prediction.channels import TABLE, channels_fingerprint

FINGERPRINT, CHANNEL_TABLE = "channels", "channel_table"  # properties of an ONNX file
Row = tuple[int, str, float]  # place in the image, encoding, scale


def channel_properties() -> dict[str, str]:
    """What an exported file says about the scene image it reads.

    The fingerprint decides whether it fits; the table, name, encoding and scale of every channel in order, says what
    differs if it does not.
    """
    table = [[info.channel.name, str(info.encoding), info.scale] for info in TABLE]
    return {FINGERPRINT: channels_fingerprint(), CHANNEL_TABLE: json.dumps(table)}


def channel_trouble(properties: Mapping[str, str]) -> str:
    """Why a file with these properties does not fit the scene image, with the channels that differ; empty if it does.

    Files exported before the table was kept are told apart by the fingerprint alone.
    """
    found, wanted = properties.get(FINGERPRINT, ""), channels_fingerprint()
    if found == wanted:
        return ""
    trouble = (
        f"expected a model trained on the scene image of this version (channels {wanted[:12]}), found "
        f"{found[:12] or 'no mark'}"
    )
    theirs = _table_of(properties.get(CHANNEL_TABLE, ""))
    if theirs is None:
        return trouble
    ours = {info.channel.name: (info.channel.value, str(info.encoding), info.scale) for info in TABLE}
    changes = [
        f"{name} ({', '.join(_changes(theirs[name], ours[name]))})"
        for name in ours
        if name in theirs and theirs[name] != ours[name]
    ]
    parts = (
        ("missing", [name for name in ours if name not in theirs]),
        ("extra", [name for name in theirs if name not in ours]),
        ("changed", changes),
    )
    told = "; ".join(f"{kind} {', '.join(names)}" for kind, names in parts if names)
    return f"{trouble}: {told or 'the same channels, drawn in another way or of another region'}"


def _changes(theirs: Row, ours: Row) -> list[str]:
    """What is said of one channel where both differ."""
    texts = (("place {}", "{}"), ("{}", "{}"), ("scale {:.4g}", "{:.4g}"))
    return [
        f"{a.format(have)}, expected {b.format(want)}"
        for (a, b), have, want in zip(texts, theirs, ours, strict=True)
        if have != want
    ]


def _table_of(text: str) -> dict[str, Row] | None:
    """Inverse of what `channel_properties` writes; None if there is no table, or one that cannot be read."""
    try:
        return {
            str(name): (place, str(kind), float(scale)) for place, (name, kind, scale) in enumerate(json.loads(text))
        }
    except (ValueError, TypeError):
        return None
