"""Lanes cut into short pieces: the map nodes of the graph network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import TrafficSignals
from zoox_stack.core.classes import LaneTurn, LaneType, SignalState
from zoox_stack.core.geometry import resample, rotation_matrix
from zoox_stack.road_network.network import RoadNetwork

PIECE_POINTS = 10
POINT_SPACING = 3.0  # [m]; a piece is about 27 m long
SPEED_SCALE = 20.0  # [m/s]
LENGTH_SCALE = 20.0  # [m]
PIECE_FEATURES = 2 * PIECE_POINTS + len(LaneType) + len(LaneTurn) + 1 + 2 + len(SignalState)


@dataclass(frozen=True, eq=False)
class LanePieces:
    """All pieces of a road network. P pieces.

    Attributes:
        lane_rows: int64 ``[P]`` lane of each piece.
        pose: float64 ``[P, 3]`` x, y, yaw of the middle, map frame.
        features: float32 ``[P, PIECE_FEATURES]``: points relative to the middle, lane type, turn, in intersection,
            speed limit with a known flag, signal state (filled per tick).
        governed: int64 ``[G, 2]`` piece and row of a signal that governs its lane; a lane may have several.
        signal_ids: int64 of the signals.
    """

    lane_rows: NDArray[np.int64]
    pose: NDArray[np.float64]
    features: NDArray[np.float32]
    governed: NDArray[np.int64]
    signal_ids: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.lane_rows)

    @classmethod
    def of(cls, network: RoadNetwork) -> LanePieces:
        """Cut every lane of `network`; done once per map."""
        rows: list[int] = []
        poses: list[NDArray[np.float64]] = []
        shapes: list[NDArray[np.float64]] = []
        for lane, line in enumerate(network.centre_lines):
            points = resample(line[:, :2], POINT_SPACING)
            count = max(1, round((len(points) - 1) / (PIECE_POINTS - 1)))
            for samples in np.array_split(np.linspace(0, len(points) - 1, count * PIECE_POINTS), count):
                piece = np.stack([np.interp(samples, np.arange(len(points)), points[:, d]) for d in (0, 1)], axis=1)
                direction = piece[-1] - piece[0]
                yaw = float(np.arctan2(direction[1], direction[0]))
                middle = piece[PIECE_POINTS // 2]
                rows.append(lane)
                poses.append(np.array([middle[0], middle[1], yaw]))
                shapes.append((piece - middle) @ rotation_matrix(yaw) / LENGTH_SCALE)
        lane_rows = np.array(rows, np.int64)
        governed = [
            (piece, signal)
            for signal, lanes in enumerate(network.signal_lanes)
            for piece in np.flatnonzero(np.isin(lane_rows, lanes)).tolist()
        ]
        features = np.zeros((len(rows), PIECE_FEATURES), np.float32)
        if rows:
            limits = network.lane_speed_limits[lane_rows]
            known = np.isfinite(limits)
            features = np.concatenate(
                [
                    np.stack(shapes).reshape(len(rows), -1),
                    np.eye(len(LaneType))[network.lane_types[lane_rows]],
                    np.eye(len(LaneTurn))[network.lane_turns[lane_rows]],
                    network.lane_in_intersection[lane_rows, None],
                    np.where(known, limits, 0.0)[:, None] / SPEED_SCALE,
                    known[:, None],
                    np.zeros((len(rows), len(SignalState))),
                ],
                axis=1,
            ).astype(np.float32)
        return cls(
            lane_rows=lane_rows,
            pose=np.stack(poses) if poses else np.zeros((0, 3)),
            features=features,
            governed=np.array(governed, np.int64).reshape(-1, 2),
            signal_ids=np.asarray(network.signal_ids),
        )

    def features_with_signals(self, chosen: NDArray[np.int64], signals: TrafficSignals | None) -> NDArray[np.float32]:
        """Features of the pieces `chosen` with the current signal states filled in; all zero: no signal there.

        Where a lane has several signals, all states that are known count, as in the scene image.
        """
        features = self.features[chosen].copy()
        states = np.full(len(self.signal_ids), int(SignalState.UNKNOWN))
        if signals is not None and len(signals.ids):
            order = np.argsort(signals.ids)
            at = np.searchsorted(signals.ids[order], self.signal_ids).clip(max=len(order) - 1)
            found = signals.ids[order][at] == self.signal_ids
            states[found] = signals.states[order][at][found]
        place = np.full(len(self), -1)
        place[chosen] = np.arange(len(chosen))
        piece, signal = place[self.governed[:, 0]], self.governed[:, 1]
        here = piece >= 0
        shown = features[:, PIECE_FEATURES - len(SignalState) :]
        shown[piece[here], states[signal[here]]] = 1.0
        known = np.delete(shown, int(SignalState.UNKNOWN), axis=1).any(axis=1)
        shown[known, int(SignalState.UNKNOWN)] = 0.0
        return features
