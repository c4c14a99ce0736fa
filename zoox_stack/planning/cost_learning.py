"""Cost weights from the choices of a good driver: inverse reinforcement learning with an anchor action.

After Geng, Nassif, Manzanares, Reppen and Sircar, "Deep PQR: Solving Inverse Reinforcement Learning using Anchor
Actions", ICML 2020: the policy P, the action values Q, the rewards R, one after the other. Theirs are networks; here
all three are linear in the terms of the cost table, because weights of that table are what is wanted.

- **P**: the driver takes candidate ``a`` of scene ``s`` with probability ``exp(-theta . terms(s, a))`` over the sum of
  that: a conditional logit (McFadden, 1974).
- **Q**: only differences of values follow from P. One action whose reward is known, the anchor, gives the rest: the ego
  that stops gets what the known table says, and ``V(s) = Q(s, anchor) - alpha log P(anchor | s)``.
- **R**: ``reward(s, a) = Q(s, a) - discount E[V(next) | s, a]``, and minus it is the cost.

``alpha``, how many cost units a choice may be off before it becomes e times less likely, is fixed by the anchor too: a
plan that loses nothing costs nothing, and the ego that stands costs what is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import lsq_linear, minimize, minimize_scalar

from zoox_stack.core.errors import InvalidInputError

_Array = NDArray[np.float64]
_HOTTEST, _COLDEST = 1e-4, 1e3  # multiples of weights that are tried
_ITERATIONS = 500
_RIDGE = 1e-3  # of the regression of values; its inputs have unit spread


@dataclass(frozen=True, eq=False)
class Choices:
    """S scenes with A candidates each (any number), R candidates in all, M cost terms, F features of a scene.

    Attributes:
        terms: float64 ``[R, M]`` unweighted, scene after scene.
        first: int64 ``[S]`` row of the first candidate of each scene, rising from 0.
        chosen: int64 ``[S]`` row of the candidate that the driver took; -1 if it took none of them.
        anchor: int64 ``[S]`` row of the candidate that stops; -1 where there is none.
        stands: bool ``[S]`` the ego stands, so that the anchor is to go on standing.
        features: float64 ``[S, F]`` what the value of a scene may depend on; the first is 1.
        following: int64 ``[S]`` the scene a decision later, -1 if it is not known.
        log: int64 ``[S]`` number of the log that the scene is from.
        distances: float64 ``[R]`` mean distance of each candidate from what the driver did [m].
    """

    terms: _Array
    first: NDArray[np.int64]
    chosen: NDArray[np.int64]
    anchor: NDArray[np.int64]
    stands: NDArray[np.bool_]
    features: _Array
    following: NDArray[np.int64]
    log: NDArray[np.int64]
    distances: _Array

    def __len__(self) -> int:
        return len(self.first)

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """Candidates of each scene, ``[S]``."""
        return np.diff(self.first, append=len(self.terms))

    @cached_property
    def scene(self) -> NDArray[np.int64]:
        """Scene of each candidate, ``[R]``."""
        return np.repeat(np.arange(len(self)), self.counts)

    @cached_property
    def decided(self) -> NDArray[np.int64]:
        """Scenes in which the driver took one of at least two candidates."""
        return np.flatnonzero((self.chosen >= 0) & (self.counts > 1))

    @cached_property
    def spread(self) -> _Array:
        """Standard deviation of each term among the candidates of a scene, mean over scenes, ``[M]``; 0: all alike."""
        if not len(self):
            return np.zeros(self.terms.shape[1])
        mean = np.add.reduceat(self.terms, self.first) / self.counts[:, None]
        square = np.add.reduceat((self.terms - mean[self.scene]) ** 2, self.first)
        spread = np.sqrt(square.sum(axis=0) / len(self.terms))
        return np.asarray(np.where(spread > 1e-9, spread, 0.0))

    def take(self, scenes: NDArray[np.int64]) -> Choices:
        """Only these scenes, which may come more than once; a scene is followed by its next if that comes after it."""
        counts = self.counts[scenes]
        first = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64) if len(scenes) else np.zeros(0, np.int64)
        rows = np.repeat(self.first[scenes] - first, counts) + np.arange(counts.sum())
        moved = first - self.first[scenes]
        after = np.append(scenes[1:], -1)
        return Choices(
            terms=self.terms[rows],
            first=first,
            chosen=np.where(self.chosen[scenes] >= 0, self.chosen[scenes] + moved, -1),
            anchor=np.where(self.anchor[scenes] >= 0, self.anchor[scenes] + moved, -1),
            stands=self.stands[scenes],
            features=self.features[scenes],
            following=np.where(
                (self.following[scenes] >= 0) & (self.following[scenes] == after), np.arange(len(scenes)) + 1, -1
            ),
            log=self.log[scenes],
            distances=self.distances[rows],
        )

    def of_logs(self, logs: Sequence[int]) -> Choices:
        """The scenes of some logs, log after log; a log may come more than once."""
        rows = [np.flatnonzero(self.log == log) for log in logs]
        return self.take(np.concatenate(rows) if rows else np.zeros(0, np.int64))


@dataclass(frozen=True)
class LearningSettings:
    """How weights are learned.

    Attributes:
        discount: What comes a decision later counts this much less, 0 up to, not including, 1. With 0 the weights
            make the planner, which looks no farther than its plans, choose as the driver does.
        prior: Strength with which the policy is drawn to the known weights, in choices: what the choices hardly say
            stays as it was.
    """

    discount: float = 0.0
    prior: float = 1.0


@dataclass(frozen=True, eq=False)
class LearnedCosts:
    """Weights ``[M]``, and what they are made of.

    Attributes:
        weights: Of the cost table, >= 0, in the unit of the known weights.
        policy: theta of the policy.
        temperature: alpha [cost]: the policy takes a plan that costs so much more e times less often.
        seen: bool ``[M]`` terms in which candidates differ; the other weights are the known ones.
    """

    weights: _Array
    policy: _Array
    temperature: float
    seen: NDArray[np.bool_]


@dataclass(frozen=True)
class PolicyScore:
    """How well weights tell what the driver does.

    Attributes:
        choices: Number of choices.
        log_likelihood: Mean per choice [nat].
        temperature: At which it is that [cost].
        within: Share of the choices that are among the cheapest 1, 5, 20 candidates.
        distance: Mean distance of the cheapest candidate from what the driver did [m].
    """

    choices: int
    log_likelihood: float
    temperature: float
    within: tuple[float, float, float]
    distance: float


WITHIN = (1, 5, 20)


def learn_costs(choices: Choices, known: _Array, settings: LearningSettings | None = None) -> LearnedCosts:
    """Weights with which a driver would choose like that.

    Args:
        choices: What the driver took, and what it could have taken.
        known: Weights of which the cost of standing is taken, ``[M]``.
        settings: How.

    Raises:
        InvalidInputError: There is no choice, the anchor is never there, or the driver does not mind standing: then
            the scale is not to be known.
    """
    settings = settings or LearningSettings()
    if not len(choices.decided):
        raise InvalidInputError("choices", "at least one choice of the driver", "none")
    _check_anchor(choices)
    theta = fit_policy(choices, known / best_temperature(choices, known), settings.prior)
    return _scaled(choices, known, theta, settings)


def relearn_costs(
    choices: Choices, known: _Array, learned: LearnedCosts, logs: Sequence[int], settings: LearningSettings
) -> LearnedCosts:
    """`learn_costs` from other logs among the same `choices`, starting from what was `learned`: for the bootstrap."""
    drawn = choices.of_logs(logs)
    _check_anchor(drawn)
    centre = known / best_temperature(drawn, known)
    return _scaled(drawn, known, fit_policy(drawn, centre, settings.prior, start=learned.policy), settings)


def fit_policy(choices: Choices, centre: _Array, prior: float, start: _Array | None = None) -> _Array:
    """P: the most likely theta >= 0, ``[M]``.

    Args:
        choices: At least one.
        centre: Mean of a Gaussian prior; terms in which candidates do not differ stay there.
        prior: Strength, for terms of unit spread.
        start: Where to begin.
    """
    scale = choices.spread
    used = np.flatnonzero(scale > 0)
    decided = choices.take(choices.decided)
    terms = decided.terms[:, used] / scale[used]
    taken = np.add.reduce(terms[decided.chosen])
    middle = (centre * scale)[used]

    def loss(theta: _Array) -> tuple[float, _Array]:
        share, log_total = _softmax(-(terms @ theta), decided)
        away = theta - middle
        value = theta @ taken + log_total.sum() + 0.5 * prior * (away @ away)
        return float(value), np.asarray(taken - share @ terms + prior * away)

    found = minimize(
        loss, ((centre if start is None else start) * scale)[used], jac=True, method="L-BFGS-B",
        bounds=[(0.0, None)] * len(used), options={"maxiter": _ITERATIONS, "ftol": 1e-10, "gtol": 1e-6},
    )  # fmt: skip
    theta = centre.copy()
    theta[used] = found.x / scale[used]
    return theta


def log_policy(choices: Choices, theta: _Array) -> _Array:
    """Log of the probability of each candidate, ``[R]``."""
    utility = -(choices.terms @ theta)
    return np.asarray(utility - _softmax(utility, choices)[1][choices.scene])


def best_temperature(choices: Choices, weights: _Array) -> float:
    """Temperature at which weights make the choices most likely [cost]."""
    decided = choices.take(choices.decided)
    costs = decided.terms @ weights
    taken = float(costs[decided.chosen].sum())

    def loss(log_k: float) -> float:
        k = float(np.exp(log_k))
        return k * taken + float(_softmax(-k * costs, decided)[1].sum())

    found = minimize_scalar(loss, bounds=(np.log(_HOTTEST), np.log(_COLDEST)), method="bounded")
    return float(np.exp(-found.x))


def score_policy(choices: Choices, weights: _Array, temperature: float) -> PolicyScore:
    """Score weights at a temperature on choices."""
    decided = choices.take(choices.decided)
    if not len(decided):
        raise InvalidInputError("choices", "at least one choice of the driver", "none")
    costs = decided.terms @ weights
    logs = log_policy(decided, weights / temperature)[decided.chosen]
    taken = costs[decided.chosen][decided.scene]
    order = np.arange(len(costs)) < decided.chosen[decided.scene]
    cheaper = np.add.reduceat(((costs < taken) | ((costs == taken) & order)).astype(int), decided.first)
    best = [
        start + int(costs[start : start + n].argmin()) for start, n in zip(decided.first, decided.counts, strict=True)
    ]
    return PolicyScore(
        choices=len(decided),
        log_likelihood=float(logs.mean()),
        temperature=temperature,
        within=tuple(float((cheaper < most).mean()) for most in WITHIN),  # type: ignore[arg-type]
        distance=float(decided.distances[best].mean()),
    )


# --- Q and R ----------------------------------------------------------------------------------------------------------


def _check_anchor(choices: Choices) -> None:
    if not (choices.stands & (choices.anchor >= 0)).any():
        found = f"none in {len(choices)} scenes"
        raise InvalidInputError(
            "choices", "scenes in which the ego stands and may stay (the anchor of the scale)", found,
            "Add logs in which the driver waits: at signals, in queues, giving way",
        )  # fmt: skip


def _scaled(choices: Choices, known: _Array, theta: _Array, settings: LearningSettings) -> LearnedCosts:
    """Q and R for a policy: everything is affine in the temperature, which the anchor then fixes."""
    anchored = choices.stands & (choices.anchor >= 0)
    standing = choices.terms[choices.anchor[anchored]].mean(axis=0)
    seen = choices.spread > 0
    slope, offset = theta.copy(), np.zeros_like(theta)
    if settings.discount > 0:
        of_reward, of_policy = _next_values(choices, known, theta, settings.discount)
        slope, offset = slope + settings.discount * of_policy, settings.discount * of_reward
    wanted, given, varied = float(known @ standing), float(offset @ standing), float(slope @ standing)
    temperature = (wanted - given) / varied if abs(varied) > 1e-12 else -1.0
    if not (np.isfinite(temperature) and temperature > 0):
        raise InvalidInputError(
            "choices", f"a driver to whom standing is worth a cost of {wanted:.3g}", "one who would rather stand",
            "Are the logs those of a driver that gets on?",
        )  # fmt: skip
    weights = _not_negative(choices, temperature * slope + offset)
    return LearnedCosts(np.where(seen, weights, known), theta, temperature, seen)


def _next_values(choices: Choices, known: _Array, theta: _Array, discount: float) -> tuple[_Array, _Array]:
    """Q: how the value of what follows depends on the terms of the plan chosen, ``[M]`` each.

    The value is ``V = V0 + alpha V1``. Both obey ``V(s) = h(s) + discount E[V(next) | s, anchor]``, V0 with the known
    reward of the anchor as h, V1 with minus the log of its probability. E is a ridge regression on the terms of the
    plan and the features of the scene, over all decisions with a known next scene. So both are solutions of linear
    equations.

    Returns:
        Derivatives of E[V0] and of E[V1] with respect to the terms.
    """
    there = choices.anchor >= 0
    before = np.flatnonzero((choices.chosen >= 0) & (choices.following >= 0))
    before = before[there[choices.following[before]]]
    if not len(before):
        raise InvalidInputError("choices", "scenes one decision apart, for a discount above 0", "none")
    after = choices.following[before]
    scale = np.where(choices.spread > 0, choices.spread, np.inf)
    wide = np.where(choices.features.std(axis=0) > 1e-9, choices.features.std(axis=0), 1.0)

    def inputs(scenes: NDArray[np.int64], rows: NDArray[np.int64]) -> _Array:
        return np.concatenate([choices.terms[rows] / scale, choices.features[scenes] / wide], axis=1)

    taken = inputs(before, choices.chosen[before])
    ridge = _RIDGE * len(before) * np.eye(taken.shape[1])
    ridge[choices.terms.shape[1], choices.terms.shape[1]] = 1e-9  # the constant is free
    regress = np.linalg.solve(taken.T @ taken + ridge, taken.T)
    next_anchor = choices.anchor[after]
    left = np.eye(taken.shape[1]) - discount * regress @ inputs(after, next_anchor)
    h0 = -(choices.terms[next_anchor] @ known)
    h1 = -log_policy(choices, theta)[next_anchor]
    c0, c1 = (np.linalg.solve(left, regress @ h)[: len(scale)] / scale for h in (h0, h1))
    return np.asarray(c0), np.asarray(c1)


def _not_negative(choices: Choices, weights: _Array) -> _Array:
    """R: the weights >= 0 whose differences of cost between candidates are nearest to those of `weights`."""
    used = np.flatnonzero(choices.spread > 0)
    if (weights[used] >= 0).all():
        return weights
    mean = np.add.reduceat(choices.terms, choices.first) / choices.counts[:, None]
    apart = (choices.terms - mean[choices.scene])[:, used] / choices.spread[used]
    root = np.linalg.cholesky(apart.T @ apart / len(apart) + 1e-9 * np.eye(len(used))).T
    found = lsq_linear(root, root @ (weights * choices.spread)[used], bounds=(0.0, np.inf), method="bvls")
    result = weights.copy()
    result[used] = np.maximum(found.x, 0.0) / choices.spread[used]
    return result


def _softmax(utility: _Array, choices: Choices) -> tuple[_Array, _Array]:
    """Probability of each candidate ``[R]``, and the log of the sum of exponentials of each scene ``[S]``."""
    top = np.maximum.reduceat(utility, choices.first)
    raised = np.exp(utility - top[choices.scene])
    total = np.add.reduceat(raised, choices.first)
    return raised / total[choices.scene], np.log(total) + top


def joined(parts: Sequence[Choices]) -> Choices:
    """All scenes of several, in order."""
    row = np.cumsum([0, *(len(part.terms) for part in parts)])
    scene = np.cumsum([0, *(len(part) for part in parts)])

    def moved(name: str, by: NDArray[np.int64]) -> NDArray[np.int64]:
        each = (getattr(part, name) for part in parts)
        return np.concatenate([np.where(values >= 0, values + n, -1) for values, n in zip(each, by, strict=False)])

    def all_of(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(part, name) for part in parts])

    return Choices(
        terms=all_of("terms"),
        first=moved("first", row),
        chosen=moved("chosen", row),
        anchor=moved("anchor", row),
        stands=all_of("stands"),
        features=all_of("features"),
        following=moved("following", scene),
        log=all_of("log"),
        distances=all_of("distances"),
    )
