"""Whether somebody is in danger and what is driven answers it; what takes long is done once per scene."""

from __future__ import annotations

from dataclasses import replace

from zoox_stack.core.agents import EgoState, TrackedAgents, TrafficSignals
from zoox_stack.core.ego_buffer import moved
from zoox_stack.core.errors import ZooxStackError
from zoox_stack.road_network.queries import LaneIndex, LanePath
from zoox_stack.supervisor.config import SupervisorConfig
from zoox_stack.supervisor.encounters import EncounterFinder, ego_way, lanes_under
from zoox_stack.supervisor.motion import Proposal
from zoox_stack.supervisor.rss import RssMonitor, RssReport, braking_missed, drift_missed, matters


class SafetyCheck:
    """RSS of the newest scene, and trajectories against it.

    The scene is judged when it comes, along the way of what is driven then. A trajectory that comes later, along the
    same lanes, is only held against the answer, which takes next to no time.

    Args:
        config: Limits.
    """

    def __init__(self, config: SupervisorConfig) -> None:
        self._config = config
        self._finder, self._rss = EncounterFinder(config), RssMonitor(config)
        self._way: LanePath | None = None
        self._driven: Proposal | None = None  # last looked up in the map
        self._stays = False  # whether it stays on the lanes of the way
        self._index: LaneIndex | None = None
        self._scene: TrackedAgents | None = None
        self.report: RssReport | None = None
        self.failure: str | None = None

    def look(
        self,
        driven: Proposal,
        ego: EgoState,
        agents: TrackedAgents,
        index: LaneIndex | None,
        signals: TrafficSignals | None,
        now_ns: int,
    ) -> bool:
        """Judge the scene, if it is new or what is driven leads over other lanes; False if it was known.

        Sets `report`, or `failure` if the library refuses.

        Args:
            driven: A checked trajectory.
            ego: Newest state.
            agents: Newest scene.
            index: The map.
            signals: States of traffic signals.
            now_ns: [ns].
        """
        old = agents is self._scene and index is self._index
        if old and (index is None or self._leads_along(driven, index)):
            return False
        self._scene, self._index, self.report, self.failure = agents, index, None, None
        self._driven, self._stays = driven, True
        try:
            here = moved(ego, now_ns)
            self._way = ego_way(here, driven, index, self._config.rss_range)
            met = self._finder.find(here, _at(agents, now_ns), self._way, index, signals)
            self.report = self._rss.check([one for one in met if matters(one, self._config)], now_ns)
        except ZooxStackError as error:
            self.failure = str(error)
        return True

    def forget(self) -> None:
        """The scene counts no more."""
        self._scene = self.report = self.failure = None

    def braking_missed(self, driven: Proposal, now_ns: int) -> str | None:
        """How a trajectory brakes less than the scene asks for; None if it obeys."""
        if self.report is None or not self.report.dangerous:
            return None
        return braking_missed(driven, self.report.response, now_ns, self._config)

    def drift_missed(self, driven: Proposal, now_ns: int) -> str | None:
        """How a trajectory moves on to a closed side; None if it does not.

        Towards whom it overlaps with already, seen along the way, it cannot move on: in front or behind him.
        """
        if self.report is None or self._way is None or not any(one.across > 0 for one in self.report.dangerous):
            return None
        return drift_missed(driven, self._way.line, self.report.response, now_ns, self._config)

    def _leads_along(self, driven: Proposal, index: LaneIndex) -> bool:
        """Whether a trajectory stays on the lanes of the way."""
        if self._way is None:
            return False
        if driven is not self._driven:
            self._driven = driven
            self._stays = lanes_under(driven, index) <= set(self._way.lanes.tolist())
        return self._stays


def _at(agents: TrackedAgents, now_ns: int) -> TrackedAgents:
    """The agents a little later, with constant velocities."""
    dt = (now_ns - agents.stamp_ns) * 1e-9
    if not len(agents) or dt == 0.0:
        return agents
    position = agents.position.copy()
    position[:, :2] += agents.velocity * dt
    return replace(agents, position=position)
