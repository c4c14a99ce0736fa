"""The parameters of the supervisor fit each other."""

from __future__ import annotations

from zoox_stack.core.parameters import build, describe
from zoox_stack.supervisor.config import SupervisorConfig
from zoox_stack.supervisor.stops import Braking

CONFIG = SupervisorConfig()


def test_defaults_lie_in_their_own_ranges() -> None:
    values = {info.name: info.default for info in describe(SupervisorConfig)}
    assert build(SupervisorConfig, values, "supervisor") == CONFIG


def test_an_emergency_stop_passes_the_gate_and_is_a_proper_response() -> None:
    emergency = Braking.emergency(CONFIG)
    assert CONFIG.rss_ego_braking <= emergency.deceleration <= CONFIG.max_deceleration
    assert emergency.deceleration <= CONFIG.rss_max_braking
    assert emergency.jerk <= CONFIG.max_jerk


def test_a_silent_stage_is_acted_on_within_200_ms_at_looks_every_20_ms() -> None:
    assert CONFIG.lost_periods * CONFIG.period + 0.02 <= 0.2
    assert 2 * CONFIG.lost_periods * CONFIG.localisation_period + 0.02 <= 0.2
