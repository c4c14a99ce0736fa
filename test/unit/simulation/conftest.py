"""One small town for all tests of the simulation; tests that need SUMO skip where it is not installed."""

from __future__ import annotations

import pytest

from zoox_stack.simulation.towns import Town, build_town


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Town:
    pytest.importorskip("libsumo", reason="needs the simulation extra (libsumo)")
    pytest.importorskip("sumo", reason="needs the simulation extra (eclipse-sumo)")
    return build_town("signal_grid", 3, tmp_path_factory.mktemp("towns"))
