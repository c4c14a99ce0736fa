"""Losses: what they forgive and what they do not; the measures of who was told the plan."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the train extra (torch)")

from torch import Tensor  # noqa: E402
from torch.nn.functional import one_hot  # noqa: E402

from zoox_stack.core.classes import AgentClass  # noqa: E402
from zoox_stack.core.predictions import MODES, STEP, STEPS  # noqa: E402
from zoox_stack.datasets.scene_futures import SceneFutures  # noqa: E402
from zoox_stack.road_network.made_up import straight_road  # noqa: E402
from zoox_stack.training.batches import collate  # noqa: E402
from zoox_stack.training.learner import to_tensors  # noqa: E402
from zoox_stack.training.losses import (  # noqa: E402
    SMALL_DIFFERENCE,
    difference_loss,
    evaluate_batch,
    first_loss,
    goal_loss,
    mixture_loss,
    reaction_loss,
)
from zoox_stack.training.measures import STANDING, Happened, difference_between_plans, measures, sums_of  # noqa: E402
from zoox_stack.training.model import InteractionDecoder, SceneEncoder  # noqa: E402
from zoox_stack.training.samples import NO_CROSSING, NO_LANE, SampleMaker  # noqa: E402
from zoox_stack.training.tensor_batch import TensorBatch  # noqa: E402

PLANS, AGENTS = 3, 2
TIME = torch.arange(1, STEPS + 1) * STEP
ALL = torch.ones(1, PLANS, AGENTS, STEPS, dtype=torch.bool)
WEIGHT = torch.ones(1, AGENTS)


def braking() -> Tensor:
    """True futures ``[1, M, N, T, 2]``: under plan 1 agent 0 is slower by 1 m/s, under plan 2 by 2; agent 1 never."""
    futures = torch.zeros(1, PLANS, AGENTS, STEPS, 2)
    slower = torch.arange(PLANS)[:, None] * TIME
    futures[0, :, 0, :, 0], futures[0, :, 1, :, 0] = 8.0 * TIME - slower, 5.0 * TIME
    return futures


def caused(futures: Tensor) -> Tensor:
    """Displacements of all modes ``[1, M, N, K, T, 2]`` with the differences that these futures have."""
    return (futures - futures[:, :1])[:, :, :, None].expand(-1, -1, -1, MODES, -1, -1).clone()


def test_differences_as_they_were_cost_nothing_however_wrong_the_futures() -> None:
    truth = braking()
    mode = torch.zeros(1, AGENTS, dtype=torch.int64)
    wrong = caused(truth) + 30.0 * torch.randn(1, 1, AGENTS, MODES, STEPS, 2)  # the same under every plan
    assert float(difference_loss(wrong, mode, truth, ALL, WEIGHT)) == pytest.approx(0.0, abs=1e-4)
    assert float(reaction_loss(wrong, truth, ALL, WEIGHT)) > 1.0
    none = torch.zeros_like(wrong)
    assert float(difference_loss(none, mode, truth, ALL, WEIGHT)) > 1.0


def test_of_the_affected_the_chosen_mode_counts_and_of_the_others_all() -> None:
    truth = braking()
    mode = torch.tensor([[2, 2]])
    for agent, others_count in ((0, False), (1, True)):
        for wrong_mode, counts in ((2, True), (4, others_count)):
            moved = caused(truth)
            moved[:, 1, agent, wrong_mode, :, 1] += 1.0
            assert (float(difference_loss(moved, mode, truth, ALL, WEIGHT)) > 0.0) == counts, (agent, wrong_mode)


def test_the_size_of_the_loss_of_differences() -> None:
    truth = braking()
    moved = caused(truth)
    moved[:, 1, 0, 0, :, 1] += 1.0  # of one plan of three, of one agent
    mode = torch.zeros(1, AGENTS, dtype=torch.int64)
    # The agent that is not affected weighs twice: 1 and 2 times three plans.
    expected = (1.0 - SMALL_DIFFERENCE / 2) / (3 * 3)
    assert float(difference_loss(moved, mode, truth, ALL, WEIGHT)) == pytest.approx(expected, rel=1e-5)


def test_differences_where_a_future_is_not_known_do_not_count() -> None:
    truth = braking()
    valid = ALL.clone()
    valid[:, 1, :, 40:], valid[:, 0, :, 60:] = False, False
    moved = caused(truth)
    moved[:, 1, :, :, 40:] += 5.0
    moved[:, 2, :, :, 60:] += 5.0
    mode = torch.zeros(1, AGENTS, dtype=torch.int64)
    assert float(difference_loss(moved, mode, truth, valid, WEIGHT)) == pytest.approx(0.0, abs=1e-6)
    assert float(difference_loss(moved, mode, truth, ALL, WEIGHT)) > 0.1
    assert float(difference_loss(moved, mode, truth, ALL, torch.zeros(1, AGENTS))) == 0.0


def test_the_nearest_mode_under_each_plan_counts() -> None:
    truth = braking()
    found = truth[:, :, :, None] + torch.full((1, PLANS, AGENTS, MODES, STEPS, 2), 20.0)
    for plan, mode in ((0, 5), (1, 0), (2, 3)):  # each plan is met by another mode
        found[:, plan, :, mode] = truth[:, plan]
    assert float(reaction_loss(found, truth, ALL, WEIGHT)) == 0.0
    found[:, 2, 0, 3, :, 0] += 2.0
    # 2 - 0.5 by the loss that is smooth below 1 m; one of 2 agents under one of 3 plans.
    assert float(reaction_loss(found, truth, ALL, WEIGHT)) == pytest.approx(1.5 / 6, rel=1e-5)
    assert float(reaction_loss(found, truth, ALL, torch.tensor([[0.0, 1.0]]))) == 0.0


def test_who_goes_first_is_learned_where_ways_cross_only() -> None:
    goes = torch.tensor([[1, 0, NO_CROSSING, 1]])
    mask = torch.tensor([[1.0, 1.0, 1.0, 0.0]])
    right = torch.tensor([[9.0, -9.0, 50.0, -50.0]])
    assert float(first_loss(right, goes, mask)) < 1e-3
    assert float(first_loss(-right, goes, mask)) == pytest.approx(9.0, abs=1e-3)
    assert float(first_loss(right, torch.full_like(goes, NO_CROSSING), mask)) == 0.0


def test_the_goal_is_learned_where_there_is_one() -> None:
    logits = 20.0 * one_hot(torch.tensor([[3, 1, 0]]), 5).float()
    weight = torch.tensor([[1.0, 1.0, 1.0]])
    assert float(goal_loss(logits, torch.tensor([[3, 1, NO_LANE]]), weight)) < 1e-6
    assert float(goal_loss(logits, torch.tensor([[3, 2, NO_LANE]]), weight)) == pytest.approx(10.0, abs=1e-3)


def test_the_mixture_wants_the_mode_that_is_right_to_be_likely() -> None:
    errors = torch.full((1, 1, MODES), 5.0)
    errors[..., 2] = 0.0
    classes = torch.tensor([[int(AgentClass.CAR)]])

    def loss(likely: int, kind: AgentClass = AgentClass.CAR) -> float:
        logits = 6.0 * one_hot(torch.tensor([[likely]]), MODES).float()
        return float(mixture_loss(errors, logits, torch.full_like(classes, int(kind)), torch.ones(1, 1)))

    assert loss(2) < 0.1
    assert loss(1) == pytest.approx(5.0, abs=0.5)  # the mode itself, or its little probability
    assert loss(1, AgentClass.PEDESTRIAN) > loss(1)  # whose modes have to be nearer


@pytest.fixture
def batch(scenes: list[SceneFutures]) -> TensorBatch:
    network = straight_road(length=400.0).with_name("straight")
    return to_tensors(collate([SampleMaker(network).make(scene, None) for scene in scenes[:2]]), torch.device("cpu"))


def test_what_happened(batch: TensorBatch) -> None:
    valid, futures, mask = batch.valid.clone(), batch.futures.clone(), batch.agent_mask.clone()
    valid[0, 0, 1] = False  # of whom nothing is known
    valid[0, 0, 2, 20:] = False  # who is known for 2 s, in which it comes far
    futures[1, 0, 1] = torch.tensor([0.5 * STANDING, 0.0])
    mask[1, 2] = 0.0  # who is padding
    happened = Happened.of(replace(batch, valid=valid, futures=futures, agent_mask=mask))
    expected = mask * batch.valid[:, 0].any(-1)
    expected[0, 1] = 0.0
    assert torch.equal(happened.scored, expected)
    assert happened.scored[:, :3].tolist() == [[1.0, 0.0, 1.0], [1.0, 1.0, 0.0]]
    assert (happened.moving[0, 2], happened.moving[1, 1]) == (1.0, 0.0)


def test_whoever_knows_all_is_measured_without_an_error(batch: TensorBatch) -> None:
    truth = batch.futures[:, :, :, None].expand(-1, -1, -1, MODES, -1, -1)
    logits = torch.zeros(*batch.agent_mask.shape, MODES)
    found = measures(sums_of(batch, Happened.of(batch), truth[:, 0], logits, truth))
    affected = (difference_between_plans(batch.futures, batch.valid)[:, 1:] > 0.5).sum()
    assert found["affected"] == 2 * int(affected)  # under two plans of three
    assert found["agents"] == int(batch.agent_mask[:, 1:].sum())
    for name in ("min_ade_6", "ade_1", "min_fde_6", "fde_1", "affected_min_ade_6_told"):
        assert found[name] == 0.0
    assert found["affected_min_ade_6_not_told"] > 1.0
    aside = truth + torch.tensor([0.0, 3.0])
    found = measures(sums_of(batch, Happened.of(batch), aside[:, 0], logits, aside))
    assert found["min_ade_6"] == pytest.approx(3.0, rel=1e-5)
    assert found["affected_min_ade_6_told"] == pytest.approx(3.0, rel=1e-5)


def test_half_known_futures_are_not_counted_as_affected(batch: TensorBatch) -> None:
    valid = batch.valid.clone()
    valid[:, 1:, :, 50:] = False
    batch = replace(batch, valid=valid)
    truth = batch.futures[:, :, :, None].expand(-1, -1, -1, MODES, -1, -1)
    sums = sums_of(batch, Happened.of(batch), truth[:, 0], torch.zeros(*batch.agent_mask.shape, MODES), truth)
    assert sums["affected"] == 0
    assert sums["agents_8s"] > 0


def test_the_parts_add_up_and_all_of_the_network_learns(batch: TensorBatch) -> None:
    torch.manual_seed(0)
    goes_first = batch.goes_first.clone()
    goes_first[:, 1], goes_first[:, 2] = 1, 0
    encoder, decoder = SceneEncoder(), InteractionDecoder()
    outcome = evaluate_batch(encoder, decoder, replace(batch, goes_first=goes_first))
    outcome.loss.backward()
    parts = {name: value for name, value in outcome.parts.items() if name != "loss"}
    assert sum(parts.values()) == pytest.approx(outcome.parts["loss"], rel=1e-5)
    assert parts.keys() == {"mixture", "regression", "nll", "reaction", "difference", "goal", "first"}
    assert all(np.isfinite(value) and value > 0 for value in parts.values())
    for name, weight in [*encoder.named_parameters(), *decoder.named_parameters()]:
        assert weight.grad is not None, name
        assert torch.isfinite(weight.grad).all(), name
    for name, weight in decoder.reaction.named_parameters():
        assert float(weight.grad.abs().max()) > 0, name


def test_what_plans_cause_does_not_bend_the_futures_without_a_plan(batch: TensorBatch) -> None:
    other = batch.futures.clone()
    other[:, 1:] *= 0.5
    gradients, losses = [], []
    for futures in (batch.futures, other):
        torch.manual_seed(0)
        decoder = InteractionDecoder()
        outcome = evaluate_batch(SceneEncoder(), decoder, replace(batch, futures=futures))
        outcome.loss.backward()
        gradients.append([weight.grad for weight in decoder.future.parameters()])
        losses.append(outcome.parts)
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))
    assert losses[0]["reaction"] != losses[1]["reaction"]
    assert losses[0]["mixture"] == losses[1]["mixture"]
