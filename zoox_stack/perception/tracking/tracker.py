"""Tracker: detections of one stamp after the other in, tracked agents out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import N_CLASSES, DetectedAgents, EgoState, TrackedAgents
from zoox_stack.core.classes import VEHICLE_CLASSES, AgentClass
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.frames import Frame
from zoox_stack.core.geometry import rotation_matrix, wrap_angle
from zoox_stack.perception.box_fit import extend_away
from zoox_stack.perception.config import PerceptionConfig
from zoox_stack.perception.lane_directions import LaneDirections
from zoox_stack.perception.tracking import filter as kalman
from zoox_stack.perception.tracking import lifecycle, matching, motion
from zoox_stack.perception.tracking.duplicates import duplicates
from zoox_stack.perception.tracking.measurements import Measurements
from zoox_stack.perception.tracking.motion import State, shrunk
from zoox_stack.perception.tracking.tracks import Tracks
from zoox_stack.perception.view import View

_NS = 1e-9
_MEASURED = np.eye(3, 6)  # (x, y, yaw) of the state
_VELOCITY = np.eye(2, 6, k=3)  # (vx, vy) of the state
_YAW = np.eye(1, 6, k=2)
_VELOCITY_NOISE = np.eye(2) * 0.5**2  # [m^2/s^2] of a measured velocity
_CLASS_MEMORY = 0.97  # exponent on earlier class evidence per detection: old evidence fades
# Sweeps look at the same side of a thing again and again: the classes of a sensor's detections are no independent
# evidence. Exponents on earlier and on new evidence.
_SEEN_MEMORY, _SEEN_WEIGHT = 0.95, 0.3
_CLASS_DOUBT = 0.03  # share of the uniform distribution mixed into a detection's class probabilities
_SIZE_GAIN = 0.15  # share of the difference to a whole box taken over per detection
_SIZE_GROWTH, _SIZE_SHRINKAGE = 0.4, 0.05  # the same for boxes that may be seen in part
_HEIGHT_GAIN = 0.3
_ACCELERATION_TIME = 0.5  # [s] time constant of the smoothed acceleration
_MAX_ACCELERATION = 12.0  # [m/s^2]
_DIRECTION_VOTE = 0.3  # log-odds of a detector's word on front and rear, per detection
_MOTION_VOTE = 2.0  # log-odds per metre moved along the heading
_LANE_VOTE = 1.0  # log-odds per second of a lane's word on front and rear, and at once at birth
_MAX_EVIDENCE = 3.0
_SURE = 0.8  # probability of belonging to no class
_STOOD = 1.0  # [s] for which what stands beside the road is watched before it is no longer put out
_OFF = 3.0  # [m] beside the road, beyond which vehicles are put out only once they have moved
_LEAST_WAY = 0.8  # [m] that something has to go to have moved, however short it is
_UNKNOWN_COAST = 0.5  # [s] that what is of no class lives without detection
_STANDING_NOISE = np.eye(3) * 0.05**2  # [m^2/s^2, rad^2/s^2] of velocity and yaw rate of what is taken to stand
_MEMORY_OF_ATTRIBUTES = 1.0  # [s] after which an attribute not seen again is unknown


@dataclass
class Tracker:
    """Kalman filter and Hungarian assignment with log-odds life cycle.

    Detections are put into a fixed order first: the result does not depend on the order they come in.

    Attributes:
        config: Parameters.
        tracks: Live tracks, confirmed or not.
    """

    config: PerceptionConfig = field(default_factory=PerceptionConfig)
    tracks: Tracks = field(default_factory=Tracks.empty)
    _next_id: int = 0
    _stamp_ns: int | None = None

    def clear(self) -> None:
        """Drop all tracks. Ids go on rising."""
        self.tracks = Tracks.empty()
        self._stamp_ns = None

    def step(
        self,
        detections: DetectedAgents,
        *,
        directed: bool = True,
        sensor_xy: NDArray[np.float64] | None = None,
        ego: EgoState | None = None,
        lanes: LaneDirections | None = None,
        off_road: Callable[[NDArray[np.float64]], NDArray[np.float64]] | None = None,
        view: View | None = None,
    ) -> TrackedAgents:
        """Go on to the stamp of the detections and take them in.

        Args:
            detections: In the map frame, newer than the last ones.
            directed: The yaw of a detection tells front from rear; else it is that of an axis.
            sensor_xy: Position of the sensor ``[2]``, map frame [m], if boxes may be seen in part only.
            ego: Passed on to the result.
            lanes: If given, they tell front from rear of vehicles that show neither: most drive and park along them.
            off_road: Distance ``[N]`` [m] of points ``[N, 2]`` from the drivable area. If given, what is surely of no
                class, stands beside the road and has stood there for a while is not put out: poles, trees, walls.
            view: What the sensor sees past. If given, who would be seen where it should be, and is not, is gone.

        Raises:
            InvalidInputError: Wrong frame, or a stamp that is not newer.
        """
        if detections.frame is not Frame.MAP:
            raise InvalidInputError("DetectedAgents.frame", str(Frame.MAP), str(detections.frame))
        if self._stamp_ns is not None and detections.stamp_ns <= self._stamp_ns:
            raise InvalidInputError("DetectedAgents.stamp_ns", f"> {self._stamp_ns}", str(detections.stamp_ns))
        dt = 0.0 if self._stamp_ns is None else (detections.stamp_ns - self._stamp_ns) * _NS
        self._stamp_ns = detections.stamp_ns
        measured = Measurements.from_detections(detections)
        before = self.tracks.mean[:, State.VX : State.VY + 1].copy()
        self._predict(dt)
        rows, columns = self._match(measured, dt)
        if sensor_xy is not None:
            measured = self._completed(measured, rows, columns, sensor_xy)
        self._update(measured, rows, columns, dt, directed, partial=sensor_xy is not None)
        self._smooth_acceleration(before, dt)
        self._end(rows, dt, view)
        self._begin(measured, columns)
        if lanes is not None and not directed:
            self._turn_along(lanes, dt)
        self._notice_moving()
        self.tracks = self.tracks.select(~duplicates(self.tracks, measured.stamp_ns))
        shown = self._confirmed()
        if off_road is not None:
            shown &= ~self._roadside(off_road)
        return self._output(ego, shown, partial=sensor_xy is not None)

    def _predict(self, dt: float) -> None:
        t = self.tracks
        classes = t.classes.argmax(axis=1)
        t.mean, t.covariance = kalman.predict(
            t.mean, t.covariance, motion.transition(dt), motion.process_noise(classes, dt)
        )

    def _match(self, measured: Measurements, dt: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Rows of tracks and of detections that belong together: confirmed tracks choose first."""
        t, c = self.tracks, self.config
        noise = motion.measurement_noise(measured.classes.argmax(axis=1), measured.yaw)[:, :2, :2]
        cost = matching.match_cost(
            t.mean[:, :2], t.covariance[:, :2, :2], t.classes, measured.position[:, :2], noise, measured.classes,
            gate=c.gate, max_distance=c.max_speed * dt + 2.0, class_weight=c.class_weight,
        )  # fmt: skip
        free = np.ones(len(measured), bool)
        pairs = []
        for chosen in (np.flatnonzero(t.confirmed), np.flatnonzero(~t.confirmed)):
            left = np.flatnonzero(free)
            i, j = matching.assign(cost[np.ix_(chosen, left)], c.gate + c.class_weight)
            free[left[j]] = False
            pairs.append((chosen[i], left[j]))
        rows, columns = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
        order = np.argsort(rows)
        return rows[order], columns[order]

    def _completed(
        self,
        measured: Measurements,
        rows: NDArray[np.intp],
        columns: NDArray[np.intp],
        sensor_xy: NDArray[np.float64],
    ) -> Measurements:
        """Detections whose boxes are completed, away from the sensor, to the size their vehicle is known to have."""
        t = self.tracks
        turn = wrap_angle(2 * (measured.yaw[columns] - t.mean[rows, State.YAW])) / 2
        known = np.isin(t.classes[rows].argmax(axis=1), VEHICLE_CLASSES) & (np.abs(turn) < np.pi / 4)
        rows, columns = rows[known], columns[known]
        seen = measured.size[columns, :2]
        target = np.maximum(seen, t.size[rows, :2])
        position = measured.position.copy()
        position[columns, :2] = extend_away(position[columns, :2], measured.yaw[columns], seen, target, sensor_xy)
        return replace(measured, position=position)

    def _update(
        self,
        measured: Measurements,
        rows: NDArray[np.intp],
        columns: NDArray[np.intp],
        dt: float,
        directed: bool,
        partial: bool,
    ) -> None:
        t = self.tracks
        if len(rows) == 0:
            return
        # Yaw of a box is taken as that of an axis; which end is the front is decided by evidence below.
        turn = wrap_angle(measured.yaw[columns] - t.mean[rows, State.YAW])
        folded = wrap_angle(2 * turn) / 2
        sideways = np.abs(folded) > np.pi / 4
        noise = motion.measurement_noise(t.classes[rows].argmax(axis=1), measured.yaw[columns])
        noise[sideways, 2, 2] *= 25.0
        innovation = np.column_stack([measured.position[columns, :2] - t.mean[rows, :2], folded])
        mean, covariance = kalman.update(t.mean[rows], t.covariance[rows], innovation, _MEASURED, noise)
        velocity = measured.velocity[columns]
        has = measured.has_velocity[columns]
        mean[has], covariance[has] = kalman.update(
            mean[has], covariance[has], velocity[has] - mean[has, 3:5], _VELOCITY,
            np.broadcast_to(_VELOCITY_NOISE, (int(has.sum()), 2, 2)),
        )  # fmt: skip
        t.mean[rows], t.covariance[rows] = mean, covariance
        if not directed:
            self._align_with_motion(rows)
        self._decide_front(rows, np.abs(turn) <= np.pi / 2, dt, directed)
        self._learn(measured, rows, columns, sideways, partial)

    def _align_with_motion(self, rows: NDArray[np.intp]) -> None:
        """Where boxes show an axis at best, the direction of motion is a second measurement of yaw."""
        t = self.tracks
        velocity = t.mean[rows, State.VX : State.VY + 1]
        speed = np.hypot(velocity[:, 0], velocity[:, 1])
        vehicle = np.isin(t.classes[rows].argmax(axis=1), VEHICLE_CLASSES)
        spread = np.sqrt(np.trace(t.covariance[rows, 3:5, 3:5], axis1=1, axis2=2) / 2)
        # Who walks looks where it goes; boxes say nothing about that.
        moving = (speed > np.where(vehicle, 2.0, 0.4)) & (speed > np.where(vehicle, 3.0, 1.5) * spread)
        rows, velocity = rows[moving], velocity[moving]
        angle = np.arctan2(velocity[:, 1], velocity[:, 0]) - t.mean[rows, State.YAW]
        innovation = np.where(vehicle[moving], wrap_angle(2 * angle) / 2, wrap_angle(angle))[:, None]
        noise = (0.2 + spread[moving] / speed[moving]) ** 2
        t.mean[rows], t.covariance[rows] = kalman.update(
            t.mean[rows], t.covariance[rows], innovation, _YAW, noise[:, None, None]
        )

    def _decide_front(self, rows: NDArray[np.intp], agrees: NDArray[np.bool_], dt: float, directed: bool) -> None:
        """Weigh the detector's word and the motion on front and rear; turn tracks whose evidence went negative."""
        t = self.tracks
        heading = t.mean[rows, State.YAW]
        forward = t.mean[rows, State.VX] * np.cos(heading) + t.mean[rows, State.VY] * np.sin(heading)
        vote = np.where(np.abs(forward) > 1.0, _MOTION_VOTE * dt * np.clip(forward, -5, 5), 0.0)
        if directed:
            vote = vote + np.where(agrees, _DIRECTION_VOTE, -_DIRECTION_VOTE)
        evidence = np.clip(t.heading_evidence[rows] + vote, -_MAX_EVIDENCE, _MAX_EVIDENCE)
        t.mean[rows, State.YAW] = wrap_angle(heading + np.where(evidence < 0, np.pi, 0.0))
        t.heading_evidence[rows] = np.abs(evidence)

    def _turn_along(self, lanes: LaneDirections, dt: float) -> None:
        """The lane's word on front and rear of vehicles: decisive while nothing else is known, weak against motion."""
        t = self.tracks
        rows = np.flatnonzero(np.isin(t.classes.argmax(axis=1), VEHICLE_CLASSES))
        word = lanes.agreement(t.mean[rows, :2], t.mean[rows, State.YAW])
        vote = _LANE_VOTE * word * np.where(t.hits[rows] == 1, 1.0, dt)
        evidence = np.clip(t.heading_evidence[rows] + vote, -_MAX_EVIDENCE, _MAX_EVIDENCE)
        turned = np.where(evidence < 0, np.pi, 0.0)
        t.mean[rows, State.YAW] = wrap_angle(t.mean[rows, State.YAW] + turned)
        t.heading_evidence[rows] = np.abs(evidence)

    def _notice_moving(self) -> None:
        """Who has left the place where it was first seen moves; a wall of which ever more is seen does not."""
        t = self.tracks
        left = np.hypot(*(t.mean[:, :2] - t.birthplace).T)
        spread = np.sqrt(np.trace(t.covariance[:, :2, :2], axis1=1, axis2=2))
        t.moved = t.moved | (left > np.maximum(t.size[:, 0], _LEAST_WAY) + 2 * spread)

    def _learn(
        self,
        measured: Measurements,
        rows: NDArray[np.intp],
        columns: NDArray[np.intp],
        sideways: NDArray[np.bool_],
        partial: bool,
    ) -> None:
        """Existence, class, size, height and attributes."""
        t = self.tracks
        t.log_odds[rows] = lifecycle.hit_log_odds(t.log_odds[rows], measured.score[columns])
        t.hits[rows] += 1
        t.updated_ns[rows] = measured.stamp_ns
        memory, weight = (_SEEN_MEMORY, _SEEN_WEIGHT) if partial else (_CLASS_MEMORY, 1.0)
        t.classes[rows] = _fused(t.classes[rows], measured.classes[columns], memory, weight)
        difference = measured.size[columns] - t.size[rows]
        gain = (
            np.where(difference > 0, _SIZE_GROWTH, _SIZE_SHRINKAGE)
            if partial
            else np.full(difference.shape, _SIZE_GAIN)
        )
        gain[sideways, :2] = 0.0
        t.size[rows] += gain * difference
        t.z[rows] += _HEIGHT_GAIN * (measured.position[columns, 2] - t.z[rows])
        observed = measured.attributes[columns] > 0
        t.attributes[rows] = np.where(observed, measured.attributes[columns], t.attributes[rows])
        t.attributes_ns[rows] = np.where(observed, measured.stamp_ns, t.attributes_ns[rows])
        seen = np.isfinite(measured.facing[columns])
        t.facing[rows] = np.where(seen, measured.facing[columns], t.facing[rows])
        t.facing_ns[rows] = np.where(seen, measured.stamp_ns, t.facing_ns[rows])

    def _smooth_acceleration(self, before: NDArray[np.float64], dt: float) -> None:
        t = self.tracks
        if dt <= 0 or len(t) == 0:
            return
        # The first steps of a track find its velocity: their change is not acceleration.
        settled = (t.hits > 4)[:, None]
        raw = np.where(settled, (t.mean[:, State.VX : State.VY + 1] - before) / dt, 0.0)
        raw = np.clip(raw, -_MAX_ACCELERATION, _MAX_ACCELERATION)
        t.acceleration = t.acceleration + (1 - np.exp(-dt / _ACCELERATION_TIME)) * (raw - t.acceleration)

    def _end(self, matched: NDArray[np.intp], dt: float, view: View | None) -> None:
        """Misses, confirmations, deaths; attributes not seen for long become unknown."""
        t, c = self.tracks, self.config
        if len(t) == 0 or self._stamp_ns is None:
            return
        missed = np.ones(len(t), bool)
        missed[matched] = False
        t.log_odds[missed] = lifecycle.miss_log_odds(t.log_odds[missed], t.confirmed[missed], dt)
        if view is not None:
            rows = np.flatnonzero(missed & t.confirmed)
            clear = view.clear(t.mean[rows, :2], t.size[rows])
            t.log_odds[rows] = lifecycle.absent_log_odds(t.log_odds[rows], clear, dt)
        t.confirmed = t.confirmed | lifecycle.newly_confirmed(t.log_odds, t.hits, c.confirm_probability, c.min_hits)
        unseen = np.asarray((self._stamp_ns - t.updated_ns) * _NS, dtype=np.float64)
        stale = (self._stamp_ns - t.attributes_ns) * _NS > _MEMORY_OF_ATTRIBUTES
        t.attributes = np.where(stale, np.uint8(0), t.attributes)
        t.facing = np.where((self._stamp_ns - t.facing_ns) * _NS > _MEMORY_OF_ATTRIBUTES, np.nan, t.facing)
        # What was never known to be a road user is not missed for long: it was a piece, or has another name by now.
        unknown = t.classes.argmax(axis=1) == AgentClass.UNKNOWN
        longest = np.where(unknown, min(_UNKNOWN_COAST, c.max_coast), c.max_coast)
        self.tracks = t.select(lifecycle.alive(t.log_odds, unseen, t.confirmed, c.death_probability, longest))

    def _begin(self, measured: Measurements, matched: NDArray[np.intp]) -> None:
        """Tracks from detections that belong to none, unless they lie inside a vehicle seen this very moment."""
        unmatched = np.ones(len(measured), bool)
        unmatched[matched] = False
        unmatched &= measured.score >= self.config.birth_score
        new = np.flatnonzero(unmatched)
        new = new[~self._inside_vehicle(measured.position[new, :2])]
        if len(new) == 0:
            return
        n, stamp = len(new), np.full(len(new), measured.stamp_ns, np.int64)
        classes = _fused(np.full((n, N_CLASSES), 1 / N_CLASSES), measured.classes[new])
        yaw = wrap_angle(measured.yaw[new])
        has = measured.has_velocity[new]
        velocity = np.where(has[:, None], measured.velocity[new], 0.0)
        mean = np.column_stack([measured.position[new, :2], yaw, velocity, np.zeros(n)])
        covariance = motion.birth_covariance(classes.argmax(axis=1), yaw)
        covariance[has, 3:5, 3:5] = _VELOCITY_NOISE
        log_odds = lifecycle.birth_log_odds(measured.score[new])
        hits = np.ones(n, np.int64)
        born = Tracks(
            ids=self._next_id + np.arange(n, dtype=np.int64),
            mean=mean,
            covariance=covariance,
            z=measured.position[new, 2].copy(),
            size=measured.size[new],
            classes=classes,
            log_odds=log_odds,
            confirmed=lifecycle.newly_confirmed(log_odds, hits, self.config.confirm_probability, self.config.min_hits),
            hits=hits,
            born_ns=stamp,
            updated_ns=stamp.copy(),
            heading_evidence=np.full(n, _DIRECTION_VOTE),
            acceleration=np.zeros((n, 2)),
            attributes=measured.attributes[new].copy(),
            attributes_ns=np.broadcast_to(stamp[:, None], (n, measured.attributes.shape[1])).copy(),
            facing=measured.facing[new],
            facing_ns=stamp.copy(),
            birthplace=measured.position[new, :2].copy(),
            moved=np.zeros(n, bool),
        )
        self._next_id += n
        self.tracks = self.tracks.joined(born)

    def _inside_vehicle(self, xy: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which points lie in the inner 80 % of a vehicle that was updated at this stamp."""
        t = self.tracks
        vehicles = (t.updated_ns == self._stamp_ns) & np.isin(t.classes.argmax(axis=1), VEHICLE_CLASSES)
        gap = xy[:, None] - t.mean[vehicles, :2]
        local = np.einsum("vij,nvi->nvj", rotation_matrix(t.mean[vehicles, State.YAW]), gap)
        return np.asarray((np.abs(local) < 0.4 * t.size[vehicles, :2]).all(axis=2).any(axis=1))

    def _confirmed(self) -> NDArray[np.bool_]:
        known = self.tracks.classes.argmax(axis=1) != AgentClass.UNKNOWN
        return np.asarray(self.tracks.confirmed & (known | self.config.report_unknown))

    def _roadside(self, off_road: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> NDArray[np.bool_]:
        """What stands beside the road and surely is no road user, or a vehicle only if it is one on private ground.

        Once it has moved, or comes to the road, it is shown.
        """
        t = self.tracks
        assert self._stamp_ns is not None
        sure = t.classes[:, AgentClass.UNKNOWN] > _SURE
        sure &= (self._stamp_ns - t.born_ns) * _NS >= _STOOD
        vehicle = np.isin(t.classes.argmax(axis=1), VEHICLE_CLASSES)
        beside = off_road(t.mean[:, :2])
        beside = np.where(np.isfinite(beside), beside, 0.0)
        return np.asarray(~t.moved & ((sure & (beside > t.size[:, 1] / 2)) | (vehicle & (beside > _OFF))))

    def _output(self, ego: EgoState | None, shown: NDArray[np.bool_], partial: bool) -> TrackedAgents:
        assert self._stamp_ns is not None
        t = self.tracks.select(shown)
        n = len(t)
        velocity = t.mean[:, State.VX : State.VY + 1].copy()
        if partial:
            velocity = shrunk(velocity, t.covariance[:, 3:5, 3:5], t.hits)
        # What belongs to no class and has not left its place stands: its middle moves as more or less of it is seen.
        standing = (t.classes.argmax(axis=1) == AgentClass.UNKNOWN) & ~t.moved & partial
        velocity[standing] = 0.0
        covariance = t.covariance.copy()
        covariance[standing, 3:] = covariance[standing, :, 3:] = 0.0
        covariance[standing, 3:, 3:] = _STANDING_NOISE
        return TrackedAgents(
            stamp_ns=self._stamp_ns,
            ids=t.ids,
            classes=t.classes.argmax(axis=1).astype(np.uint8),
            class_probabilities=t.classes.astype(np.float32),
            existence=lifecycle.probability(t.log_odds).astype(np.float32),
            position=np.column_stack([t.mean[:, :2], t.z]) if n else np.zeros((0, 3)),
            yaw=wrap_angle(t.mean[:, State.YAW]),
            velocity=velocity,
            acceleration=np.where(standing[:, None], 0.0, t.acceleration),
            yaw_rate=np.where(standing, 0.0, t.mean[:, State.YAW_RATE]),
            size=t.size.astype(np.float32),
            covariance=covariance.astype(np.float32),
            age=((self._stamp_ns - t.born_ns) * _NS).astype(np.float32),
            time_since_update=((self._stamp_ns - t.updated_ns) * _NS).astype(np.float32),
            attributes=t.attributes,
            facing=t.facing.astype(np.float32),
            ego=ego,
        )


def _fused(
    belief: NDArray[np.float64],
    evidence: NDArray[np.float64],
    memory: float = _CLASS_MEMORY,
    weight: float = 1.0,
) -> NDArray[np.float64]:
    """Bayes fusion of class probabilities ``[T, 10]``; old evidence fades, no class is ever ruled out for good."""
    likelihood = (1 - _CLASS_DOUBT) * evidence + _CLASS_DOUBT / N_CLASSES
    fused = np.maximum(belief, 1e-6) ** memory * likelihood**weight
    return np.asarray(fused / fused.sum(axis=1, keepdims=True))
