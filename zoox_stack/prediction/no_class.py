"""Agents of no known class: the network has learned from road users alone, and would let poles walk.

What stands is taken for a thing that goes on standing. What moves is some road user: the network is told the likeliest.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.agents import TrackedAgents
from zoox_stack.core.classes import AgentClass
from zoox_stack.prediction.futures import STANDING_SPEED

_SAYS_SOMETHING = 0.1  # probability of a class below which its name is no better than a guess by length
_PERSON, _CYCLE = 1.2, 2.4  # [m] of longer sides


def things(scene: TrackedAgents) -> NDArray[np.bool_]:
    """Which agents ``[N]`` keep their velocity, and nothing else: hazards, and what is of no class and stands."""
    standing = (scene.classes == AgentClass.UNKNOWN) & (scene.speed < STANDING_SPEED)
    return np.asarray(standing | (scene.classes == AgentClass.HAZARD))


def with_likeliest_classes(scene: TrackedAgents) -> TrackedAgents:
    """The scene in which whoever is of no class and moves has the class it most likely has if it is a road user.

    Where the class probabilities do not say, its length does.
    """
    rows = np.flatnonzero((scene.classes == AgentClass.UNKNOWN) & ~things(scene))
    if not len(rows):
        return scene
    probabilities = np.array(scene.class_probabilities[rows])
    probabilities[:, [AgentClass.UNKNOWN, AgentClass.HAZARD]] = 0.0
    length = scene.size[rows, 0]
    by_length = np.select(
        [length < _PERSON, length < _CYCLE], [AgentClass.PEDESTRIAN, AgentClass.BICYCLE], AgentClass.CAR
    )
    classes = np.array(scene.classes)
    told = probabilities.max(axis=1) >= _SAYS_SOMETHING
    classes[rows] = np.where(told, probabilities.argmax(axis=1), by_length)
    return replace(scene, classes=classes)
