"""Reactions: from the past only, within their range, along the way an agent intends."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the train extra (torch)")

from torch import Tensor  # noqa: E402

from zoox_stack.core.predictions import MODES, STEP, STEPS  # noqa: E402
from zoox_stack.prediction.features import KNOT_STEPS, KNOTS  # noqa: E402
from zoox_stack.prediction.what_if import REACTION_RANGE  # noqa: E402
from zoox_stack.training.reaction import Reaction, followed_modes, on_way, smooth_matrix, way_table, who_is_followed  # noqa: E402

WIDTH = 8
TIME = torch.arange(1, STEPS + 1) * STEP
KNOT_TIME = TIME[KNOT_STEPS - 1 :: KNOT_STEPS]
ALONE, CERTAIN = torch.tensor([[[0.0, 0.0, 1.0, 0.0]]]), torch.ones(1, 1, 1)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def reaction() -> Reaction:
    """Random weights, all of which matter."""
    torch.manual_seed(3)
    made = Reaction(WIDTH)
    for weight in (made.when, made.bias, made.done):
        torch.nn.init.normal_(weight)
    return made


def always(faster: float, wide: float = 0.0) -> Reaction:
    """One that does the same whatever it sees; 1 is all it can."""
    made = Reaction(WIDTH)
    with torch.no_grad():
        for weight in made.parameters():
            weight.zero_()
        made.bias.fill_(1.0)
        made.done[0], made.done[1] = faster, wide  # times 40, in a hyperbolic tangent
    return made


def random_scene(agents: int, plans: int, seed: int = 0) -> dict[str, Tensor]:
    """Arguments of `Reaction`: a queue of agents that turn and change their speed, an ego that is near each of them."""
    draw = torch.Generator().manual_seed(seed)
    change = torch.cumsum(torch.randn(1, agents, MODES, KNOTS, 2, generator=draw), -2)
    velocity = torch.tensor([6.0, 0.0]) + torch.randn(1, agents, 2, generator=draw)
    position = velocity[:, :, None, None] * TIME[:, None] + torch.cumsum(
        change.repeat_interleave(KNOT_STEPS, -2) * STEP, -2
    )
    ego = torch.randn(1, plans, agents, KNOTS, 6, generator=draw)
    ego[..., :2] = 15.0 * ego[..., :2] + torch.tensor([20.0, 0.0])
    return {
        "intention": torch.randn(1, agents, MODES, WIDTH, generator=draw),
        "pose": torch.stack([torch.tensor([-9.0 * i, 0.0, 1.0, 0.0]) for i in range(agents)])[None],
        "velocity": velocity,
        "change": change,
        "position": position,
        "probability": torch.softmax(torch.randn(1, agents, MODES, generator=draw), -1),
        "ego": ego,
    }


def driven(reaction: Reaction, path: Tensor, velocity: Tensor) -> Tensor:
    """Where an agent comes ``[T, 2]`` that means to drive `path`, beside an ego that stands 5 m ahead of where it was.

    Args:
        reaction: Whose.
        path: ``[T, 2]`` [m].
        velocity: ``[J + 1, 2]`` at 0, 0.5, ..., 8.0 s [m/s].
    """
    ego = torch.zeros(1, 1, 1, KNOTS, 6)
    ego[..., 0] = 5.0
    change = (velocity[1:] - velocity[0]).expand(1, 1, 1, -1, -1)
    with torch.no_grad():
        moved = reaction(
            torch.zeros(1, 1, 1, WIDTH), ALONE, velocity[:1][None], change, path[None, None, None], CERTAIN, ego
        )
    return path + moved[0, 0, 0, 0]


def straight(speed: float) -> tuple[Tensor, Tensor]:
    """Path and velocities for `driven`."""
    direction = torch.tensor([1.0, 0.0])
    return speed * TIME[:, None] * direction, speed * direction.expand(KNOTS + 1, 2)


def right_angle(speed: float, corner: float) -> tuple[Tensor, Tensor]:
    """Straight on for `corner` metres, then to the left."""
    way = speed * TIME
    turned = speed * torch.cat([torch.zeros(1), KNOT_TIME]) >= corner
    velocity = torch.where(turned[:, None], torch.tensor([0.0, speed]), torch.tensor([speed, 0.0]))
    return torch.stack([way.clamp(max=corner), (way - corner).clamp(min=0.0)], -1), velocity


@pytest.mark.parametrize(("agents", "diverge"), [(1, 1), (3, 6), (7, 10), (12, 15)])
def test_reactions_are_bit_equal_until_plans_differ(reaction: Reaction, agents: int, diverge: int) -> None:
    scene = random_scene(agents, 3)
    other = scene["ego"].clone()
    other[:, 1, :, diverge:] += torch.tensor([4.0, -3.0, 0.2, 0.2, 2.0, 2.0])
    with torch.no_grad():
        first, second = (reaction(**scene | {"ego": plans})[0] for plans in (scene["ego"], other))
    until = diverge * KNOT_STEPS
    assert torch.equal(first[1, ..., :until, :], second[1, ..., :until, :])
    assert float(first[1, ..., :until, :].abs().max()) > 0.1
    later = (first - second)[1, ..., until:, :].abs().amax((-1, -2))
    assert float((later > 1e-3).float().mean()) > 0.25  # the others are out of range, or brake as hard as they can
    assert torch.equal(first[[0, 2]], second[[0, 2]])  # of the other plans


@pytest.mark.parametrize("diverge", [2, 9])
def test_two_plans_of_one_question_are_answered_alike_until_they_differ(reaction: Reaction, diverge: int) -> None:
    scene = random_scene(8, 4)  # agents come by fours when the network drives
    ego = scene["ego"]
    ego[:, 3] = ego[:, 0]
    ego[:, 3, :, diverge:] += torch.tensor([4.0, -3.0, 0.2, 0.2, 2.0, 2.0])
    with torch.no_grad():
        moved = reaction(**scene)[0]
    until = diverge * KNOT_STEPS
    assert torch.equal(moved[0, ..., :until, :], moved[3, ..., :until, :])
    assert not torch.equal(moved[0], moved[3])


def test_who_is_farther_than_the_range_and_follows_nobody_does_not_react_at_all(reaction: Reaction) -> None:
    scene = random_scene(4, 2)
    scene["pose"][0, :, 1] = torch.tensor([0.0, 300.0, 600.0, 900.0])
    ego, position = scene["ego"], scene["position"]
    ego[:, 1, 2:, :, :2] = torch.tensor([-4.0 * REACTION_RANGE, 0.0])
    ego[:, 1, 1, :8, :2] = position[0, 1, :, :36:5].mean(0)[:, :2] + torch.tensor([0.0, 3.0 * REACTION_RANGE])
    with torch.no_grad():
        moved = reaction(**scene)[0]
    assert (moved[1, 2:] == 0).all()
    assert (moved[1, 1, :, : 8 * KNOT_STEPS] == 0).all()
    assert (moved[0].abs().amax((-1, -2)) > 0.01).all()


def queue(*gaps: float, speed: float = 8.0) -> dict[str, Tensor]:
    """Arguments of `Reaction`: agents in one lane, `gaps` apart; the ego is near the first alone."""
    agents = 1 + len(gaps)
    place = torch.cat([torch.zeros(1), -torch.cumsum(torch.tensor(gaps), 0)])
    ego = torch.zeros(1, 1, agents, KNOTS, 6)
    ego[..., 0] = 10.0 - place[:, None] + 1e3 * (torch.arange(agents) > 0)[:, None]
    return {
        "intention": torch.zeros(1, agents, MODES, WIDTH),
        "pose": torch.stack([place, 0 * place, 1 + 0 * place, 0 * place], -1)[None],
        "velocity": torch.tensor([speed, 0.0]).expand(1, agents, 2),
        "change": torch.zeros(1, agents, MODES, KNOTS, 2),
        "position": (speed * TIME[:, None] * torch.tensor([1.0, 0.0])).expand(1, agents, MODES, -1, -1),
        "probability": torch.full((1, agents, MODES), 1.0 / MODES),
        "ego": ego,
    }


def test_a_queue_reacts_from_its_front(reaction: Reaction) -> None:
    scene = queue(12.0, 12.0)
    with torch.no_grad():
        moved = reaction(**scene)[0, 0].norm(dim=-1).amax(1)  # [N, T]
        scene["pose"][0, 0] = 0.0  # not there
        alone = reaction(**scene)[0, 0]
    began = [int((row > 1e-3).float().argmax()) for row in moved]
    assert 0 <= began[0] < began[1] <= began[2]  # the last sees the first too, over the one between
    assert (alone[1:] == 0).all()


def test_braking_goes_through_a_queue_by_what_is_heard_of_those_in_front() -> None:
    made = always(-1.0)
    with torch.no_grad():
        moved = made(**queue(12.0))[0, 0, :, 0]
        assert (made(**queue(80.0))[0, 0, 1] == 0).all()  # too far to follow
    assert float(moved[0, -1, 0]) < -50.0
    assert -60.0 < float(moved[1, -1, 0]) < -40.0  # once the one in front is late, it brakes as hard


@pytest.mark.parametrize(
    ("x", "y", "yaw", "low", "high"),
    [
        (10.0, 0.0, 0.0, 0.7, 1.0),  # in front
        (30.0, 0.0, 0.0, 0.2, 0.5),  # farther
        (10.0, 3.5, 0.0, 0.2, 0.7),  # in the lane beside: in part, it may come over
        (10.0, 10.0, 0.0, 0.0, 0.01),
        (-10.0, 0.0, 0.0, 0.0, 0.01),  # behind
        (10.0, 0.0, 180.0, 0.0, 1e-6),  # comes towards
        (10.0, 0.0, 90.0, 0.0, 1e-6),  # crosses
    ],
)
def test_who_is_followed(x: float, y: float, yaw: float, low: float, high: float) -> None:
    turn = np.radians(30.0)  # of all of it: the frame does not matter
    at = complex(x, y) * np.exp(1j * turn)
    angle = np.radians(yaw) + turn
    pose = torch.tensor(
        [[[5.0, -3.0, np.cos(turn), np.sin(turn)], [5 + at.real, at.imag - 3, np.cos(angle), np.sin(angle)]]]
    )
    pose = torch.cat([pose, torch.zeros(1, 1, 4)], 1).float()  # and one that is not there
    start, towards = torch.zeros(1, 3, 1, KNOTS, 2), torch.tensor([1.0, 0.0]).expand(1, 3, 1, KNOTS, 2)
    share, near = who_is_followed(pose, start, towards, torch.ones(1, 3, 1))
    assert low <= float(share[0, 0, 0, 1, 3]) <= high
    assert float(near[0, 0, 0, 3]) == pytest.approx(
        float(share[0, 0, 0, 1, 3]) / (max(x, 0.0) + 5.0), rel=0.01, abs=1e-3
    )
    assert (share[0, :, :, 2] == 0).all()
    assert (share[0, 0, 0, 0] == 0).all()


def test_the_nearest_in_front_is_followed_most_and_all_together_at_most_once() -> None:
    scene = queue(10.0, 10.0, 10.0)
    start, _, towards = Reaction(WIDTH)._way(scene["position"])
    share, _ = who_is_followed(scene["pose"], start[..., :KNOTS, :], towards, scene["probability"])
    assert (share.sum(3) < 1.0).all()
    last = share[0, 3, 0, :, 0]
    assert float(last[2]) > 2 * float(last[1]) > 4 * float(last[0])
    assert float(share[0, 0].max()) < 0.02


def test_what_is_heard_is_the_likely_mean_of_the_modes() -> None:
    share = torch.zeros(1, 2, MODES, 2, KNOTS)
    share[0, 1, :, 0] = 0.5
    probability = torch.softmax(torch.arange(2.0 * MODES), 0).view(1, 2, MODES)
    lag = torch.arange(2.0 * MODES)
    heard = lag[None, None] @ followed_modes(share, probability)[4]
    expected = 0.5 * float((probability[0, 0] * lag[:MODES]).sum())
    np.testing.assert_allclose(heard[0, 0], [0.0] * MODES + [expected] * MODES, rtol=1e-5)


def test_nobody_drives_backwards() -> None:
    for speed in (0.5, 1.5, 3.0, 10.0, 13.3):
        along = driven(always(-1.0), *straight(speed))[:, 0]
        knots = torch.cat([torch.zeros(1), along[KNOT_STEPS - 1 :: KNOT_STEPS]])
        assert float(knots.diff().min()) > -1e-4, speed
        # Between knots it is a parabola, which swings over where the agent stops.
        assert float((along.cummax(0).values - along).max()) <= 0.1, speed
        assert float(along[-1]) <= speed * speed / 12 + 0.26 * speed


def test_braking_as_hard_as_possible_is_6_metres_per_second_squared() -> None:
    knots = driven(always(-1.0), *straight(10.0))[KNOT_STEPS - 1 :: KNOT_STEPS, 0]
    # 10, 7, 4, 1, 0 m/s at 0, 0.5, 1.0, 1.5, 2.0 s.
    np.testing.assert_allclose(knots[:6], [4.25, 7.0, 8.25, 8.5, 8.5, 8.5], atol=1e-3)


@pytest.mark.parametrize(("speed", "corner"), [(10.0, 20.0), (10.0, 22.0), (5.0, 12.0)])
def test_who_brakes_stays_on_its_way_and_does_not_cut_the_corner(speed: float, corner: float) -> None:
    path, velocity = right_angle(speed, corner)
    found = driven(always(-1.0), path, velocity)
    knots = found[KNOT_STEPS - 1 :: KNOT_STEPS]
    assert float(off_right_angle(knots, corner).max()) < 0.03
    assert float(off_right_angle(found, corner).max()) < 1.0  # parabolas between the knots
    assert float((found[-1] - path[-1]).norm()) > 20.0  # far behind, and before the corner still


@pytest.mark.parametrize("faster", [-0.005, -0.001, 0.001])
def test_who_is_earlier_or_later_goes_round_the_same_corner(faster: float) -> None:
    path, velocity = right_angle(10.0, 20.0)
    knots = driven(always(faster), path, velocity)[KNOT_STEPS - 1 :: KNOT_STEPS]
    assert float(off_right_angle(knots, 20.0).max()) < 0.5
    assert 3.0 < float((knots[-1] - path[-1]).norm()) < 60.0


def off_right_angle(points: Tensor, corner: float) -> Tensor:
    """Distances of points ``[..., 2]`` to the way of `right_angle` [m]."""
    x, y = points.unbind(-1)
    first = torch.hypot((x - corner).clamp(min=0.0), y)
    return torch.minimum(first, torch.hypot(x - corner, (-y).clamp(min=0.0)))


@pytest.mark.parametrize("faster", [-0.002, 0.0005])
def test_a_turn_is_driven_at_another_time_but_where_it_was_meant(faster: float) -> None:
    radius, speed = 15.0, 6.0
    angle = TIME * speed / radius
    path = radius * torch.stack([torch.sin(angle), 1.0 - torch.cos(angle)], -1)
    angles = torch.cat([torch.zeros(1), KNOT_TIME]) * speed / radius
    found = driven(always(faster), path, speed * torch.stack([torch.cos(angles), torch.sin(angles)], -1))
    assert float((found[-1] - path[-1]).norm()) > 3.0
    on_it = found[:40] if faster > 0 else found  # later it is beyond the end
    off = (on_it - torch.tensor([0.0, radius])).norm(dim=-1) - radius
    assert float(off.abs().max()) < 0.2


def test_a_shift_aside_is_across_the_way() -> None:
    path, velocity = straight(8.0)
    moved = driven(always(0.0, 1.0), path, velocity) - path
    np.testing.assert_allclose(moved[:, 0], 0.0, atol=1e-4)
    assert float(moved[:, 1].diff().min()) > 0.0
    # 1 m/s more every half second: t^2 for a time t in seconds, as long as the ego is near.
    np.testing.assert_allclose(moved[KNOT_STEPS - 1 :: KNOT_STEPS, 1][:12], KNOT_TIME[:12] ** 2, rtol=1e-3)


def table_of(position: Tensor) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
    """Points, metres and what is looked up of one way ``[T, 2]``."""
    points, metres, towards = Reaction(WIDTH)._way(position[None, None, None])
    begins, backs, directions = way_table(points, metres, towards)
    pieces = torch.cat([backs, directions], -1)[0, 0].permute(2, 1, 0)
    return points[0, 0, 0], metres[0, 0, 0], (begins[0, 0].t(), pieces)


def test_at_its_points_a_way_is_there_and_after_the_end_it_goes_straight_on() -> None:
    angle = TIME * 0.3
    points, metres, table = table_of(20.0 * torch.stack([torch.sin(angle), 1.0 - torch.cos(angle)], -1))
    x, y, cos, sin = (value[:, 0] for value in on_way(table, metres[:-1, None]))
    np.testing.assert_allclose(torch.stack([x, y], -1), points[:-1], atol=1e-4)
    np.testing.assert_allclose(torch.hypot(cos, sin), 1.0, atol=1e-4)
    meant = torch.atan2((points[1:] - points[:-1])[:, 1], (points[1:] - points[:-1])[:, 0])
    assert float((torch.atan2(sin, cos) - meant + np.pi).remainder(2 * np.pi).sub(np.pi).abs().max()) < 0.1
    ends = on_way(table, metres[-1] + torch.tensor([[0.0], [5.0], [10.0]]))
    x, y, cos, sin = (value[:, 0] for value in ends)
    np.testing.assert_allclose(torch.stack([x, y], -1).diff(dim=0), 5.0 * torch.stack([cos, sin], -1)[1:], atol=1e-4)
    np.testing.assert_allclose([float(x[0]), float(y[0])], points[-1], atol=0.2)


def test_the_way_of_who_stands_points_where_it_heads_for() -> None:
    _, metres, table = table_of(torch.zeros(STEPS, 2))
    x, y, cos, sin = (float(value) for value in on_way(table, metres[:1, None]))
    assert (x, y, cos, sin) == pytest.approx((0.0, 0.0, 1.0, 0.0), abs=0.01)
    # Who came from the right and stopped after 2 s is headed for the left.
    came = torch.stack([torch.zeros(STEPS), (4.0 * TIME).clamp(max=8.0)], -1)
    _, metres, table = table_of(came)
    _, _, cos, sin = (float(value) for value in on_way(table, metres[5:6, None]))
    assert (cos, sin) == pytest.approx((0.0, 1.0), abs=0.05)


def test_smoothing_keeps_lines_and_parabolas() -> None:
    smooth = smooth_matrix()
    later = slice(KNOT_STEPS, None)  # before that nothing was displaced, which is no part of them
    np.testing.assert_allclose((KNOT_TIME @ smooth)[later], TIME[later], atol=1e-5)
    np.testing.assert_allclose((KNOT_TIME**2 @ smooth)[later], TIME[later] ** 2, atol=1e-4)
    np.testing.assert_allclose((torch.ones(KNOTS) @ smooth)[2 * KNOT_STEPS :], 1.0, atol=1e-6)


def test_smoothing_never_looks_ahead_and_goes_through_the_knots() -> None:
    smooth = smooth_matrix()
    for knot in range(KNOTS):
        assert (smooth[knot, : knot * KNOT_STEPS] == 0).all()
        assert smooth[knot, knot * KNOT_STEPS] != 0
    assert torch.equal(smooth[:, KNOT_STEPS - 1 :: KNOT_STEPS], torch.eye(KNOTS))


def test_creeping_backwards_is_no_new_heading() -> None:
    _, metres, table = table_of(torch.stack([-0.02 * TIME, torch.zeros(STEPS)], -1))
    _, _, cos, sin = (float(value) for value in on_way(table, metres[-2:-1, None]))
    assert (cos, sin) == pytest.approx((1.0, 0.0), abs=0.01)


@pytest.mark.parametrize("agents", [1, 5])
def test_other_plans_and_padding_rows_change_nothing(reaction: Reaction, agents: int) -> None:
    scene = random_scene(agents + 3, 8)
    ego = scene.pop("ego")
    for part in scene.values():
        part[:, agents:] = 0.0
    with torch.no_grad():
        together = reaction(**scene, ego=ego)
        for plan in (0, 5):
            of_real = {name: part[:, :agents] for name, part in scene.items()}
            alone = reaction(**of_real, ego=ego[:, plan : plan + 1, :agents])
            torch.testing.assert_close(together[:, plan, :agents], alone[:, 0], atol=2e-4, rtol=1e-5)
    assert torch.isfinite(together).all()
