"""Gentle hills: a smooth height field drawn from a seed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zoox_stack.core.agents import TrackedAgents
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.core.parameters import parameter

_WAVES = 6


@dataclass(frozen=True)
class Terrain:
    """Height of the ground over the map plane: a sum of long sine waves in all directions."""

    amplitude: float = parameter(0.0, "largest height above and below zero; 0: flat", unit="m", low=0.0, high=100.0)
    wavelength: float = parameter(
        120.0, "shortest wave; the longest is three times as long", unit="m", low=20.0, high=2000.0
    )
    seed: int = parameter(0, "of directions and phases", low=0)

    def __post_init__(self) -> None:
        if not 0 <= self.amplitude <= self.wavelength / 20:
            raise InvalidInputError("Terrain.amplitude", f"0 .. {self.wavelength / 20} m", str(self.amplitude))
        if not self.wavelength >= 20:
            raise InvalidInputError("Terrain.wavelength", "at least 20 m", str(self.wavelength))

    @cached_property
    def _waves(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Wave vectors ``[W, 2]`` [rad/m], phases ``[W]`` [rad], amplitudes ``[W]`` [m]."""
        random = np.random.default_rng([self.seed, 17])
        length = self.wavelength * np.linspace(1.0, 3.0, _WAVES)
        direction = random.uniform(-np.pi, np.pi, _WAVES)
        vectors = (2 * np.pi / length)[:, None] * np.stack([np.cos(direction), np.sin(direction)], axis=1)
        share = length / length.sum()  # long waves are higher
        return vectors, random.uniform(-np.pi, np.pi, _WAVES), self.amplitude * share

    def height(self, points: ArrayLike) -> NDArray[np.float64]:
        """Height [m] at points ``[..., 2]`` [m], shape ``[...]``."""
        vectors, phases, amplitudes = self._waves
        return np.asarray(np.sin(np.asarray(points, float) @ vectors.T + phases) @ amplitudes)

    def gradient(self, points: ArrayLike) -> NDArray[np.float64]:
        """Slope (dz/dx, dz/dy) at points ``[..., 2]`` [m], shape ``[..., 2]``."""
        vectors, phases, amplitudes = self._waves
        return np.asarray((np.cos(np.asarray(points, float) @ vectors.T + phases) * amplitudes) @ vectors)

    def lifted(self, agents: TrackedAgents) -> TrackedAgents:
        """Agents and ego of a flat world (the ground is z = 0) put on this ground."""
        if self.amplitude == 0:
            return agents
        position = agents.position.copy()
        position[:, 2] += self.height(position[:, :2])
        ego = agents.ego
        if ego is not None:
            ego = replace(ego, z=ego.z + float(self.height((ego.x, ego.y))))
        return replace(agents, position=position, ego=ego)

    def orientation(self, points: ArrayLike, yaw: ArrayLike) -> NDArray[np.float64]:
        """Rotations from the body to the map frame of bodies that stand on the ground, shape ``[..., 3, 3]``.

        Args:
            points: ``[..., 2]`` [m].
            yaw: ``[...]`` [rad] heading in the map plane.
        """
        yaw = np.asarray(yaw, float)
        slope = self.gradient(points)
        up = np.concatenate([-slope, np.ones((*yaw.shape, 1))], axis=-1)
        up /= np.linalg.norm(up, axis=-1, keepdims=True)
        heading = np.stack([np.cos(yaw), np.sin(yaw)], axis=-1)
        ahead = np.concatenate([heading, (heading * slope).sum(axis=-1, keepdims=True)], axis=-1)
        ahead /= np.linalg.norm(ahead, axis=-1, keepdims=True)
        return np.stack([ahead, np.cross(up, ahead), up], axis=-1)
