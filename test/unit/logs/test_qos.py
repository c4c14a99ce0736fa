"""QoS as rosbag2 stores it, in all its versions."""

from __future__ import annotations

import pytest

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.topics import TOPICS, QosClass
from zoox_stack.logs.qos import PROFILES, QosProfile, dump_profiles, parse_profiles


def test_there_and_back() -> None:
    profiles = tuple(PROFILES.values())
    assert parse_profiles(dump_profiles(profiles), "/t") == profiles
    assert parse_profiles([p.to_dict() for p in profiles], "/t") == profiles


def test_numbers_of_older_bags() -> None:
    text = "- history: 1\n  depth: 1\n  reliability: 1\n  durability: 1\n  liveliness: 1\n"
    (profile,) = parse_profiles(text, "/map")
    assert profile == QosProfile(durability="transient_local", depth=1)
    assert profile.latched


def test_what_is_not_there_or_not_known() -> None:
    assert parse_profiles("", "/t") == parse_profiles(None, "/t") == ()
    (profile,) = parse_profiles("- reliability: 99\n  history: nonsense\n", "/t")
    assert (profile.reliability, profile.history) == ("unknown", "unknown")
    with pytest.raises(InvalidInputError, match="QoS profiles of /t"):
        parse_profiles("{ broken", "/t")
    with pytest.raises(InvalidInputError, match="a list of profiles"):
        parse_profiles("7", "/t")


def test_every_class_has_a_profile_and_what_is_sent_once_is_latched() -> None:
    assert set(PROFILES) == set(QosClass)
    latched = {t.name for t in TOPICS.values() if PROFILES[t.qos].latched}
    assert latched == {"/map/road_network", "/planning/route", "/sensing/calibration"}
