"""Definitions that any tool can parse."""

from __future__ import annotations

import pytest
from rosbags.typesys import get_types_from_msg

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.topics import TOPICS
from zoox_stack.logs.message_definitions import definition_folder, knows, message_definition, type_hash, typestore


def test_our_definitions_keep_their_comments() -> None:
    text = message_definition("zoox_stack/msg/TrackedAgents")
    assert text.startswith("# The scene at one instant")
    assert "MSG: zoox_stack/EgoState" in text
    assert "MSG: std_msgs/Header" in text
    assert text.count("MSG: zoox_stack/AgentAttributes") == 1


@pytest.mark.parametrize("type_name", sorted({topic.type_name for topic in TOPICS.values()}))
def test_each_definition_is_complete(type_name: str) -> None:
    types = get_types_from_msg(message_definition(type_name), type_name)
    for name, (_, fields) in types.items():
        assert fields == typestore().fielddefs[name][1]
    assert type_hash(type_name).startswith("RIHS01_")


def test_every_message_file_is_in_the_type_store() -> None:
    names = [path.stem for path in definition_folder().glob("*.msg")]
    assert len(names) >= 14
    assert all(knows(f"zoox_stack/msg/{name}") for name in names)


def test_unknown_types_are_named() -> None:
    for function in (message_definition, type_hash):
        with pytest.raises(InvalidInputError, match="birds/msg/Tit"):
            function("birds/msg/Tit")
