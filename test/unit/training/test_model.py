"""The network's building blocks."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the train extra (torch)")

from zoox_stack.core.predictions import MODES, STEP, STEPS  # noqa: E402
from zoox_stack.prediction.channels import TABLE, Group  # noqa: E402
from zoox_stack.prediction.features import KNOT_STEPS, KNOTS  # noqa: E402
from zoox_stack.prediction.what_if import REACTION_RANGE  # noqa: E402
from zoox_stack.training.export import example_inputs  # noqa: E402
from zoox_stack.training.first_layer import PATCH, convolved_sparsely  # noqa: E402
from zoox_stack.training.model import (  # noqa: E402
    ANCHOR,
    WIDTH,
    ImageEncoder,
    InteractionDecoder,
    SceneEncoder,
    covariance,
    integration_matrix,
    relative_poses,
    spread_matrix,
)


def test_integration_of_a_linear_change_of_velocity_is_exact() -> None:
    knots = np.arange(1, KNOTS + 1) * KNOT_STEPS * STEP
    time = np.arange(1, STEPS + 1) * STEP
    moved = integration_matrix().numpy() @ (1.5 * knots)
    np.testing.assert_allclose(moved, 0.75 * time**2, rtol=1e-5)


def test_integration_never_looks_ahead() -> None:
    matrix = integration_matrix().numpy()
    for step in range(STEPS):
        last_knot = -(-(step + 1) // KNOT_STEPS)  # first knot at or after this step
        assert (matrix[step, last_knot:] == 0).all()


def test_spread_interpolates_and_sums_to_one() -> None:
    matrix = spread_matrix().numpy()
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0, rtol=1e-6)
    assert matrix[KNOT_STEPS - 1, 0] == pytest.approx(1.0)
    assert matrix[-1, -1] == pytest.approx(1.0)


def test_covariances_are_positive_definite_whatever_the_network_says() -> None:
    raw = torch.randn(1000, 3, generator=torch.Generator().manual_seed(0)) * 20
    xx, xy, yy = covariance(raw).unbind(-1)
    assert bool((xx * yy - xy * xy > 0).all())


def test_relative_pose_of_a_neighbour_to_the_left() -> None:
    me = torch.tensor([[[10.0, 5.0, 0.0, 1.0]]])  # facing +y
    other = torch.tensor([[[8.0, 5.0, 0.0, 1.0]]])  # 2 m to the left, same heading
    x, y, cos, sin, distance, _ = relative_poses(me, other)[0, 0, 0].tolist()
    assert (x * 20, y * 20) == pytest.approx((0.0, 2.0), abs=1e-5)
    assert (cos, sin) == pytest.approx((1.0, 0.0), abs=1e-6)
    assert distance * 20 == pytest.approx(2.0, abs=1e-3)


def decode(plans: torch.Tensor, pose: torch.Tensor) -> torch.Tensor:
    torch.manual_seed(3)
    decoder = InteractionDecoder().eval()
    torch.nn.init.normal_(decoder.reaction.done)
    n = pose.shape[1]
    with torch.no_grad():
        alone, _, probabilities, told = decoder(
            torch.randn(1, n, WIDTH), pose, torch.randn(1, n, 2), plans, torch.arange(n)
        )
    np.testing.assert_allclose(probabilities.sum(-1).numpy(), 1.0, rtol=1e-5)
    assert told.shape == (1, plans.shape[1], n, MODES, STEPS, 2)
    return torch.cat([alone, told[0]])


def random_plans(count: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, count, KNOTS, 6, generator=generator) * 5


def test_the_future_of_a_plan_cannot_reach_back() -> None:
    plans = random_plans(1, 0).repeat(1, 2, 1, 1)
    diverge = 6
    plans[0, 1, diverge:] += 7.0
    positions = decode(plans, torch.tensor([[[5.0, 2.0, 1.0, 0.0]]]))
    until = diverge * KNOT_STEPS
    assert torch.equal(positions[1, ..., :until, :], positions[2, ..., :until, :])
    assert not torch.equal(positions[1], positions[2])


def test_no_reaction_beyond_the_range() -> None:
    pose = torch.tensor([[[0.0, 5 * REACTION_RANGE, 1.0, 0.0], [4.0, 3.0, 1.0, 0.0]]])
    positions = decode(random_plans(3, 1), pose)
    assert torch.equal(positions[1:, 0], positions[:1, 0].expand(3, -1, -1, -1))
    assert not torch.equal(positions[1, 1], positions[0, 1])


def _encoder_inputs(seed: int) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(array) for name, array in example_inputs(5, 7, 2, seed)[0].items()}


@pytest.mark.parametrize(
    ("part", "changed"),
    [("graph", {"agent_history", "agent_pose", "lane_features"}), ("map", {"lane_features", "raster"})],
)
def test_a_network_without_a_part_does_not_see_it(part: str, changed: set[str]) -> None:
    torch.manual_seed(0)
    encoder = SceneEncoder().eval()
    inputs, others = _encoder_inputs(0), _encoder_inputs(1)
    other = dict(inputs)
    for name in changed:
        other[name] = others[name].clone()
        if name.startswith("agent"):
            other[name][:, 0] = inputs[name][:, 0]  # the first agent is the same
    if part == "map":
        shown = [info.channel for info in TABLE if info.group not in (Group.MAP, Group.SIGNAL, Group.ROUTE)]
        other["raster"][:, shown] = inputs["raster"][:, shown]
    with torch.no_grad():
        assert not torch.equal(encoder(**inputs)[:, 0], encoder(**other)[:, 0])
        encoder.do_without(part)
        torch.testing.assert_close(encoder(**inputs)[:, 0], encoder(**other)[:, 0], atol=1e-5, rtol=0)


def test_both_ways_to_compute_the_first_layer_agree() -> None:
    torch.manual_seed(0)
    encoder, raster = ImageEncoder(), _encoder_inputs(0)["raster"]
    encoder.shown[3] = 0.0
    empty = torch.full_like(raster, 128)
    empty[:, 7:9, 40:50, 100:103] = raster[:, 7:9, 40:50, 100:103]
    for image in (raster, empty):
        with torch.no_grad():
            weight = encoder.stem.weight * (encoder.scale * encoder.shown[:, None, None])
            sparse = convolved_sparsely(image, weight, encoder.stem.bias)
            torch.testing.assert_close(sparse, encoder.convolved(image), atol=1e-4, rtol=1e-4)


def test_the_sparse_first_layer_has_the_gradients_of_the_whole() -> None:
    torch.manual_seed(0)
    image = torch.zeros(2, 3, 64, 64, dtype=torch.uint8)
    image[0, 1, 10:20, 30:33], image[1, 2], image[:, 0] = 200, torch.randint(0, 255, (64, 64), dtype=torch.uint8), 128
    weight, bias = torch.randn(5, 3, PATCH, PATCH, requires_grad=True), torch.randn(5, requires_grad=True)
    out = torch.randn(2, 5, 16, 16)
    whole = torch.nn.functional.conv2d(image.float(), weight, bias, stride=PATCH)
    sparse = convolved_sparsely(image, weight, bias)
    torch.testing.assert_close(sparse, whole, atol=1e-2, rtol=1e-4)
    for one, other in zip(
        torch.autograd.grad(sparse, (weight, bias), out), torch.autograd.grad(whole, (weight, bias), out), strict=True
    ):
        torch.testing.assert_close(one, other, atol=0.05, rtol=1e-3)


def test_one_mode_keeps_the_velocity() -> None:
    torch.manual_seed(0)
    decoder = InteractionDecoder().eval()
    velocity = torch.tensor([[[3.0, -1.0], [0.0, 0.0]]])
    with torch.no_grad():
        position = decoder.futures(torch.randn(1, 2, WIDTH), velocity)[1]
    time = torch.arange(1, STEPS + 1) * STEP
    torch.testing.assert_close(position[0, :, ANCHOR], velocity[0, :, None] * time[:, None], atol=1e-4, rtol=0)
    assert float((position[0, 0, ANCHOR + 1] - position[0, 0, ANCHOR]).abs().max()) > 1e-3
