"""The supervisor: what the stack wants comes in, what the vehicle gets goes out; one step per tick.

It knows nothing of planner and model. It lets trajectories through that pass the gate and obey Responsibility-Sensitive
Safety while every stage it needs is alive, and stops the vehicle otherwise.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np

from zoox_stack.core.agents import EgoState, TrackedAgents, TrafficSignals
from zoox_stack.core.classes import TrajectorySource
from zoox_stack.core.plans import Trajectory
from zoox_stack.core.sight import Sight
from zoox_stack.supervisor.config import SupervisorConfig
from zoox_stack.supervisor.gate import Verdict, check_trajectory
from zoox_stack.supervisor.manoeuvres import KnownScene, Manoeuvre, Manoeuvres, Need
from zoox_stack.supervisor.motion import Proposal
from zoox_stack.supervisor.pull_over import RoadMap
from zoox_stack.supervisor.rss import RssReport
from zoox_stack.supervisor.safety import SafetyCheck
from zoox_stack.supervisor.sight import SightWatch
from zoox_stack.supervisor.watch import Stage, StageHealth, StageWatch


class FaultKind(IntEnum):
    """What may be wrong."""

    LOCALISATION = 0  # nobody knows where the ego is
    PERCEPTION = 1  # nobody sees
    PREDICTION = 2  # the planner does without; named, no reason to stop
    PLANNER = 3  # no trajectory that passes
    DANGER = 4  # what is driven brakes less than the proper response wants
    DRIFT = 5  # what is driven moves towards somebody beside it
    UNCHECKED = 6  # the safety check itself failed
    PLANNER_DANGER = 7  # a manoeuvre obeys, what the planner wants instead does not
    CLOCK = 8  # the clock leapt, the stamps did not; named, no reason to stop
    SIGHT = 9  # the sensors see nothing at all in a direction in which the way leads


_STAGE_FAULTS = {
    Stage.LOCALISATION: FaultKind.LOCALISATION,
    Stage.PERCEPTION: FaultKind.PERCEPTION,
    Stage.PREDICTION: FaultKind.PREDICTION,
    Stage.PLANNER: FaultKind.PLANNER,
}
_BLIND = (FaultKind.LOCALISATION, FaultKind.PERCEPTION)
_SOURCES = {
    Manoeuvre.NOMINAL: TrajectorySource.DECISION,
    Manoeuvre.COMFORT_STOP: TrajectorySource.COMFORT_STOP,
    Manoeuvre.PULL_OVER: TrajectorySource.PULL_OVER,
    Manoeuvre.EMERGENCY_STOP: TrajectorySource.EMERGENCY_STOP,
    Manoeuvre.STOPPED: TrajectorySource.STANDSTILL,
}


@dataclass(frozen=True)
class Fault:
    """Something wrong in this tick.

    Attributes:
        kind: What.
        need: What it asks for.
        since_ns: Steady time since when [ns].
        text: For people.
    """

    kind: FaultKind
    need: Need
    since_ns: int
    text: str


@dataclass(frozen=True, eq=False)
class SupervisorInputs:
    """What came since the last tick; None where nothing did.

    Attributes:
        now_ns: Clock of the stamps [ns].
        steady_ns: Clock that never runs back [ns]; where time is simulated, the simulated one.
        proposal: Newest trajectory of the planner.
        ego: Newest state of the ego.
        agents: Newest tracked agents.
        prediction_stamp_ns: Stamp of the newest predictions [ns].
        signals: Newest states of traffic signals that are not too old; these are given every tick.
        road: The map; given every tick.
        clock_off_ns: By how much the ROS clock is ahead of `now_ns`, which goes on without it [ns]; 0 if it is right.
        sight: Where the sensors see anything; None where nothing came, or there are no sensors.
    """

    now_ns: int
    steady_ns: int
    proposal: Proposal | None = None
    ego: EgoState | None = None
    agents: TrackedAgents | None = None
    prediction_stamp_ns: int | None = None
    signals: TrafficSignals | None = None
    road: RoadMap | None = None
    clock_off_ns: int = 0
    sight: Sight | None = None


@dataclass(frozen=True, eq=False)
class SupervisorOutput:
    """What a tick came to.

    Attributes:
        motion: What the vehicle is to do; None while there is nothing to go by.
        source: DECISION: the planner's trajectory as it was; else which manoeuvre.
        state: Of the manoeuvres.
        faults: Everything wrong now.
        verdict: On the trajectory that came in this tick; None if none did.
        health: Of every stage.
        rss: Of the newest scene; None where nobody sees, or nothing is driven.
        counters: Since the start, by name; see docs/supervisor.md.
    """

    motion: Proposal | None
    source: TrajectorySource
    state: Manoeuvre
    faults: tuple[Fault, ...]
    verdict: Verdict | None
    health: tuple[StageHealth, ...]
    rss: RssReport | None
    counters: dict[str, int]

    @property
    def trajectory(self) -> Trajectory | None:
        """The motion with the name of the state."""
        if self.motion is None:
            return None
        name = self.state.name.lower().replace("_", " ")
        return Trajectory(self.motion.stamp_ns, self.motion.plan(name), self.source)


class Supervisor:
    """Keeps what one tick has to know of the ones before; deterministic in its inputs.

    Args:
        config: Parameters.
        now_ns: Clock of the stamps [ns].
        steady_ns: Steady clock [ns].
    """

    def __init__(self, config: SupervisorConfig, now_ns: int, steady_ns: int) -> None:
        self._config = config
        self.counters: Counter[str] = Counter()
        self._watch = StageWatch(config, now_ns, steady_ns)
        self._clock_off_since: int | None = None  # steady time [ns]
        self._forget()

    def _forget(self) -> None:
        """Begin anew."""
        self._manoeuvres = Manoeuvres(self._config)
        self._safety = SafetyCheck(self._config)
        self._sight = SightWatch(self._config)
        self._wanted: Proposal | None = None  # newest of the planner that passed
        self._in_force: Proposal | None = None  # what was put out last
        self._refused: Verdict | None = None  # on the newest trajectory, if it was refused
        self._ego: EgoState | None = None
        self._agents: TrackedAgents | None = None
        self._danger_ns: dict[FaultKind, int] = {}

    def step(self, inputs: SupervisorInputs) -> SupervisorOutput:
        """One tick."""
        clock = self._watch.advance(inputs.now_ns, inputs.steady_ns)
        self.counters["clock jumps"] = self._watch.clock_jumps
        self.counters["stamps ahead of time"] = self._watch.ahead_of_time
        if clock.restarted:
            self._forget()
        elif clock.jump_ns:
            self._rebase(clock.jump_ns)
        self._hear(inputs)
        verdict = self._gate(inputs)
        health = self._watch.health()
        faults = self._stage_faults(health, inputs.steady_ns) + self._clock_faults(inputs) + self._sight_faults(inputs)
        lost = {fault.kind for fault in faults}
        sees = not lost.intersection(_BLIND)
        if not sees:
            self._safety.forget()
        dangers = self._look(inputs, lost) if sees else {}
        faults += self._dangers(dangers, inputs.steady_ns)
        motion = self._act(faults, sees, inputs)
        self._in_force = motion
        return SupervisorOutput(
            motion=motion,
            source=_SOURCES[self._manoeuvres.state],
            state=self._manoeuvres.state,
            faults=tuple(faults),
            verdict=verdict,
            health=health,
            rss=self._safety.report,
            counters=dict(self.counters),
        )

    def _rebase(self, jump_ns: int) -> None:
        """What is driven goes on at the new time; what was seen is of the old one."""
        if self._in_force is not None:
            self._in_force = replace(self._in_force, stamp_ns=self._in_force.stamp_ns + jump_ns)
        if self._wanted is not None:
            self._wanted = replace(self._wanted, stamp_ns=self._wanted.stamp_ns + jump_ns)
        self._manoeuvres.rebase(jump_ns)
        self._ego = self._agents = None

    def _hear(self, inputs: SupervisorInputs) -> None:
        ego, agents = inputs.ego, inputs.agents
        if ego is not None:
            if not np.isfinite([ego.x, ego.y, ego.yaw, ego.speed, ego.acceleration, ego.yaw_rate]).all():
                self.counters["bad ego states"] += 1
            elif self._watch.heard(Stage.LOCALISATION, ego.stamp_ns):
                self._ego = ego
        if agents is not None:
            columns = (agents.position, agents.yaw, agents.velocity, agents.size)
            if not all(np.isfinite(column).all() for column in columns):
                self.counters["bad scenes"] += 1
            elif self._watch.heard(Stage.PERCEPTION, agents.stamp_ns):
                self._agents = agents
        if inputs.sight is not None:
            self._sight.hear(inputs.sight, inputs.steady_ns)
        if inputs.prediction_stamp_ns is not None:
            self._watch.heard(Stage.PREDICTION, inputs.prediction_stamp_ns)

    def _gate(self, inputs: SupervisorInputs) -> Verdict | None:
        if inputs.proposal is None:
            return None
        newest = self._wanted.stamp_ns if self._wanted is not None else None
        # A vehicle lags behind a hard stop: the planner goes on from where it is, not from where it should be.
        stopping = self._manoeuvres.state != Manoeuvre.NOMINAL and self._ego is not None
        last = None if stopping else self._in_force
        verdict = check_trajectory(inputs.proposal, last, newest, self._ego, inputs.now_ns, self._config)
        self._refused = None if verdict.passed or verdict.repeated else verdict
        if verdict.passed:
            self._watch.heard(Stage.PLANNER, inputs.proposal.stamp_ns)
            self._wanted = inputs.proposal
            self.counters["trajectories passed"] += 1
        else:
            self.counters["trajectories repeated" if verdict.repeated else "trajectories refused"] += 1
            for rule in sorted({violation.rule for violation in verdict.violations}):
                self.counters[f"refused for {rule.name.lower()}"] += 1
        return verdict

    def _stage_faults(self, health: tuple[StageHealth, ...], steady_ns: int) -> list[Fault]:
        faults = []
        braking = self._manoeuvres.state == Manoeuvre.EMERGENCY_STOP  # who goes blind then does not let go
        if self._wanted is None and self._refused is not None and not self._refused.untimely:
            # Nothing to bridge the time with: who waits for a trajectory at least gets one to stand by.
            faults.append(
                Fault(FaultKind.PLANNER, Need.COMFORT, steady_ns, f"the first trajectory was refused: {self._refused}")
            )
        for stage in health:
            if stage.since_ns is None:
                continue
            kind, need = _STAGE_FAULTS[stage.stage], Need.COMFORT
            if kind == FaultKind.PREDICTION:
                need = Need.NONE
            elif kind in _BLIND:
                # Who sees something now and then is not blind, however long that has gone on.
                blind_for = min((steady_ns - stage.since_ns) * 1e-9, max(stage.silence, stage.age))
                need = Need.URGENT if braking or blind_for > self._config.blind_time else Need.COMFORT
            text = str(stage)
            if kind == FaultKind.PLANNER and self._refused is not None:
                text += f"; the newest trajectory was refused: {self._refused}"
            faults.append(Fault(kind, need, stage.since_ns, text))
        return faults

    def _clock_faults(self, inputs: SupervisorInputs) -> list[Fault]:
        """Nobody drives by that clock: it is told, and time goes on."""
        if not inputs.clock_off_ns:
            self._clock_off_since = None
            return []
        if self._clock_off_since is None:
            self._clock_off_since = inputs.steady_ns
            self.counters["clock leaps not followed"] += 1
        text = f"the clock is {inputs.clock_off_ns * 1e-9:+.2f} s off the ego states; time goes on by those"
        return [Fault(FaultKind.CLOCK, Need.NONE, self._clock_off_since, text)]

    def _sight_faults(self, inputs: SupervisorInputs) -> list[Fault]:
        """Who cannot see where it goes stops: as the planner would go on, or as it goes where there is no planner."""
        way = self._wanted or self._in_force
        text = self._sight.blind_ahead(way, self._ego, inputs.now_ns, inputs.steady_ns)
        since_ns = self._sight.since_ns
        return [] if since_ns is None else [Fault(FaultKind.SIGHT, Need.COMFORT, since_ns, text)]

    def _look(self, inputs: SupervisorInputs, lost: set[FaultKind]) -> dict[FaultKind, str]:
        """What is wrong about what is driven."""
        wanted = self._wanted if FaultKind.PLANNER not in lost else None
        stopping = self._manoeuvres.motion
        driven = wanted or self._in_force if stopping is None else stopping.proposal(inputs.now_ns)
        safety, now_ns = self._safety, inputs.now_ns
        if driven is None or self._ego is None or self._agents is None:
            safety.forget()
            return {}
        index = inputs.road.index if inputs.road is not None else None
        new = safety.look(driven, self._ego, self._agents, index, inputs.signals, now_ns)
        if safety.failure is not None:
            self.counters["failed safety checks"] += new
            return {FaultKind.UNCHECKED: safety.failure}
        report = safety.report
        if report is None or not report.dangerous:
            return {}
        found: dict[FaultKind, str] = {}
        who = ", ".join(str(agent) for agent in report.dangerous[:3])
        if text := safety.braking_missed(driven, now_ns):
            found[FaultKind.DANGER] = f"{text}; {who}"
        elif self._manoeuvres.state == Manoeuvre.EMERGENCY_STOP and report.response.max_acceleration < 0:
            found[FaultKind.DANGER] = f"still in danger; {who}"
        if text := safety.drift_missed(driven, now_ns):
            found[FaultKind.DRIFT] = f"{text}; {who}"
        if stopping is not None and wanted is not None:
            missed = safety.braking_missed(wanted, now_ns) or safety.drift_missed(wanted, now_ns)
            if missed:
                found[FaultKind.PLANNER_DANGER] = f"the planner {missed}; {who}"
        return found

    def _dangers(self, found: dict[FaultKind, str], steady_ns: int) -> list[Fault]:
        self._danger_ns = {kind: self._danger_ns.get(kind, steady_ns) for kind in found}
        return [
            Fault(kind, Need.URGENT if kind == FaultKind.DANGER else Need.COMFORT, self._danger_ns[kind], text)
            for kind, text in found.items()
        ]

    def _act(self, faults: list[Fault], sees: bool, inputs: SupervisorInputs) -> Proposal | None:
        need = max((fault.need for fault in faults), default=Need.NONE)
        before = self._manoeuvres.state
        known = KnownScene(
            in_force=self._in_force,
            ego=None if any(f.kind == FaultKind.LOCALISATION for f in faults) else self._ego,
            road=inputs.road,
            agents=self._agents if sees else None,
        )
        motion = self._manoeuvres.step(need, known, inputs.now_ns, inputs.steady_ns)
        state = self._manoeuvres.state
        if state != before:
            self.counters[f"to {state.name.lower()}"] += 1
            if before == Manoeuvre.NOMINAL:
                self.counters["interventions"] += 1
                for fault in faults:
                    if fault.need != Need.NONE:
                        self.counters[f"interventions for {fault.kind.name.lower()}"] += 1
        return self._wanted if state == Manoeuvre.NOMINAL else motion
