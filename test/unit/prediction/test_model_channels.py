"""A model of another scene image is refused, and the channels that differ are named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from zoox_stack.core.errors import ModelError
from zoox_stack.prediction.channels import N_CHANNELS, Channel
from zoox_stack.prediction.model_channels import channel_properties, channel_trouble
from zoox_stack.prediction.network import SHIPPED_MODELS, PredictionNetwork

OTHER = "0123456789abcdef" * 4


def table() -> list[list[object]]:
    rows = json.loads(channel_properties()["channel_table"])
    assert isinstance(rows, list)
    return rows


def test_what_is_exported_fits_and_says_every_channel() -> None:
    assert channel_trouble(channel_properties()) == ""
    assert len(table()) == N_CHANNELS
    assert table()[Channel.EGO_SPEED] == ["EGO_SPEED", "amount", 0.2]
    assert table()[Channel.CHILD] == ["CHILD", "tri-state", 0.0]


def changed() -> list[tuple[str, list[list[object]], list[str], list[str]]]:
    """Name, table of the model, what is said of it, what is not."""
    missing = [row for row in table() if row[0] != "FACING_SIN"]
    extra = [*table(), ["WIPERS", "tri-state", 0.0]]
    other = table()
    other[Channel.CHILD][1] = "mask"
    other[Channel.VELOCITY_X][2] = 0.5
    swapped = table()
    swapped[6], swapped[7] = swapped[7], swapped[6]
    renamed = table()
    renamed[Channel.ROUTE][0] = "WAY"
    return [
        ("missing", missing, ["missing FACING_SIN"], ["extra", "changed"]),
        ("extra", extra, ["extra WIPERS"], ["missing", "changed"]),
        (
            "changed",
            other,
            ["changed VELOCITY_X (scale 0.5, expected 0.3), CHILD (mask, expected tri-state)"],
            ["missing", "extra"],
        ),
        ("moved", swapped, ["LANE_VEHICLE (place 7, expected 6)", "LANE_BUS (place 6, expected 7)"], ["missing"]),
        ("renamed", renamed, ["missing ROUTE; extra WAY"], ["changed"]),
        ("drawn in another way", table(), ["the same channels, drawn in another way"], ["missing", "changed"]),
    ]


@pytest.mark.parametrize(("name", "rows", "said", "not_said"), changed(), ids=[c[0] for c in changed()])
def test_the_difference_is_named(
    name: str, rows: list[list[object]], said: list[str], not_said: list[str], tmp_path: Path
) -> None:
    onnx = pytest.importorskip("onnx")
    for file in SHIPPED_MODELS.glob("*.onnx"):
        model = onnx.load(str(file))
        properties = {"name": name, "run": "1", "channels": OTHER, "channel_table": json.dumps(rows)}
        onnx.helper.set_model_props(model, properties)
        onnx.save(model, str(tmp_path / file.name))
    with pytest.raises(ModelError) as caught:
        PredictionNetwork(tmp_path, "cpu", 1)
    text = str(caught.value)
    for words in (str(tmp_path), "scene image of this version", OTHER[:12], "Train and export it again", *said):
        assert words in text
    difference = text.split(OTHER[:12])[1]
    assert not any(words in difference for words in not_said)


@pytest.mark.parametrize("text", ["", "no table", "[1, 2]", '[["A", "mask"]]', "null", '[["A", "mask", "wide"]]'])
def test_without_a_table_the_fingerprint_decides(text: str) -> None:
    found = channel_trouble({"channels": OTHER, "channel_table": text})
    assert found.endswith(f"found {OTHER[:12]}")
    fits = {name: value for name, value in channel_properties().items() if name == "channels"}
    assert channel_trouble({**fits, "channel_table": text}) == ""
    assert channel_trouble({}).endswith("found no mark")
