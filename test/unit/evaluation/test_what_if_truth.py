"""Answers held against the truth."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from zoox_stack.core.agents import EgoState, TrackedAgents
from zoox_stack.core.classes import WhatIfStatus
from zoox_stack.core.constant_velocity import constant_velocity_prediction
from zoox_stack.core.plans import EgoPlan
from zoox_stack.core.predictions import MODES, STEP, STEPS, PredictedAgents
from zoox_stack.evaluation.report import write_report
from zoox_stack.evaluation.run import RecordedRun
from zoox_stack.evaluation.what_if_pictures import common_view, draw_question, tags_of
from zoox_stack.evaluation.what_if_questions import Question
from zoox_stack.evaluation.what_if_section import (
    WhatIfCheck,
    answers_apart,
    contact_of,
    decided,
    summary_of,
    ways_of,
)
from zoox_stack.evaluation.what_if_truth import (
    MATCH,
    Answer,
    Checked,
    Truth,
    check,
    likeliest_error,
    matches,
    most_telling,
)
from zoox_stack.simulation.rerun import SimulatedDrive

_TIMES = STEP * np.arange(1, STEPS + 1)
_STILL = np.zeros(STEPS)


def agents(positions: list[tuple[float, float]], velocity: float, ids: list[int], stamp_ns: int = 0) -> TrackedAgents:
    n = len(positions)
    return TrackedAgents.from_states(
        stamp_ns, np.array(ids), np.ones(n, np.uint8), np.array([[x, y, 0.8] for x, y in positions]).reshape(n, 3),
        np.zeros(n), np.tile([velocity, 0.0], (n, 1)), np.tile(np.float32([4.0, 2.0, 1.6]), (n, 1)),
        ego=EgoState(stamp_ns, 0.0, 0.0, speed=5.0),
    )  # fmt: skip


def futures(positions: list[tuple[float, float]], velocities: list[float]) -> np.ndarray:
    """``[T, N, 4]``: straight ahead."""
    result = np.zeros((STEPS, len(positions), 4))
    for n, ((x, y), v) in enumerate(zip(positions, velocities, strict=True)):
        result[:, n, 0], result[:, n, 1], result[:, n, 3] = x + v * _TIMES, y, 1.0
    return result


def plan(speed: float) -> EgoPlan:
    return EgoPlan(0, f"{speed:g} m/s", STEP, speed * _TIMES, _STILL, _STILL, _STILL + speed, _STILL, _STILL)


def predicted(scene: TrackedAgents, velocity: float) -> PredictedAgents:
    moving = replace(scene, velocity=np.tile([velocity, 0.0], (len(scene), 1)))
    return constant_velocity_prediction(moving, modes=MODES, steps=STEPS, step=STEP)


def checked(stamp_ns: int = 0, *, changed: bool = False, reaction: float = 3.0) -> Checked:
    """Three cars: the first, ahead, goes at 5 m/s, or at 5 - `reaction` if the ego goes; the others never react.

    The answer for the second plan is right, the unconditional one is that of the first plan.
    """
    places = [(30.0, 4.0), (40.0, 4.0), (-20.0, 0.0)]
    scene = agents([(30.4, 4.0), (-20.0, 0.0), (40.0, 3.0)], 5.0, [11, 12, 13], stamp_ns)  # as tracked
    truth = Truth(
        agents(places, 5.0, [1, 2, 3], stamp_ns),
        np.stack([futures(places, [5.0, 5.0, 5.0]), futures(places, [5.0 - reaction, 5.0, 5.0])]),
    )
    question = Question(
        stamp_ns, (plan(0.0), plan(8.0), plan(4.0)), (0, 1), 1 if changed else 0, np.zeros(3, np.float32), changed, True
    )
    answers = tuple(predicted(scene, v) for v in (5.0, 5.0 - reaction, 5.0))
    answer = Answer(predicted(scene, 5.0), answers, np.array([0.0, 0.25, 0.5], np.float32))
    return check(question, scene, answer, truth)


def test_only_those_who_react_are_held_against_the_truth() -> None:
    found = checked()
    np.testing.assert_allclose(found.truth.spread, [24.0, 0.0, 0.0])  # 3 m/s for 8 s
    assert found.scene.ids[found.tracks].tolist() == [11]
    assert found.truth.scene.ids[found.users].tolist() == [1]
    assert found.unseen == 0
    np.testing.assert_allclose(found.told, [[0.4], [0.4]], atol=1e-4)  # where the track is off
    away = np.abs(0.4 + 3.0 * _TIMES).mean()  # the plan was not known
    np.testing.assert_allclose(found.usual, [[0.4], [away]], atol=1e-3)
    assert f"off by {0.4:.2f} m" in summary_of([found])[1]
    assert f"by {(0.4 + away) / 2:.2f} m when it does not" in summary_of([found])[1]
    assert "better by more than 0.1 m in 50% of them and worse in 0%" in summary_of([found])[1]


def test_who_reacts_unseen_is_counted() -> None:
    known = checked()
    blind = check(known.question, agents([], 0.0, []), replace_futures(known.answer), known.truth)
    assert (len(blind.tracks), blind.unseen) == (0, 1)
    assert blind.told.shape == (2, 0)
    assert len(summary_of([blind])) == 1  # no errors to tell


def test_a_bystander_is_not_taken_for_the_one_who_reacts() -> None:
    known = checked()
    places = [(30.0, 0.0), (30.0, 1.5)]  # the first reacts and was not tracked; the second is tracked and does not
    truth = Truth(agents(places, 5.0, [1, 2]), np.stack([futures(places, [v, 5.0]) for v in (5.0, 2.0)]))
    scene = agents([(30.0, 1.4)], 5.0, [11])
    future = predicted(scene, 5.0)
    found = check(known.question, scene, Answer(future, (future,) * 3, known.answer.collisions), truth)
    assert (len(found.tracks), found.unseen) == (0, 1)


def test_what_the_answer_led_to() -> None:
    question = checked().question
    assert decided(question) == "The answer confirmed '0 m/s'."
    assert decided(checked(changed=True).question).endswith("the answer made it '8 m/s'.")
    assert "no plan was acceptable any more: '0 m/s'" in decided(replace(question, acceptable=False))


def test_answers_are_compared_for_the_plans_asked_about_in_the_drive() -> None:
    found = checked()
    assert answers_apart(found) == pytest.approx(0.5)
    assert answers_apart(replace(found, question=replace(found.question, recorded=np.float32([0.0, 0.2])))) == (
        pytest.approx(0.05)
    )


def replace_futures(answer: Answer) -> Answer:
    nobody = answer.unconditional.take(np.zeros(0, np.int64))
    return Answer(nobody, (nobody,) * len(answer.predictions), answer.collisions)


def test_those_who_leave_count_while_they_are_there() -> None:
    known = checked()
    leaving = known.truth.futures.copy()
    leaving[1, 10:, 0] = 0.0  # under the second plan the first leaves after 1 s
    found = check(known.question, known.scene, known.answer, Truth(known.truth.scene, leaving))
    np.testing.assert_allclose(found.truth.spread[0], 3.0, atol=1e-9)
    np.testing.assert_allclose(found.usual[1], np.abs(0.4 + 3.0 * _TIMES[:10]).mean(), atol=1e-3)
    assert [ways[2] is None for ways in ways_of(found, 1)] == [True]
    leaving[1, :, 0] = 0.0
    gone = check(known.question, known.scene, known.answer, Truth(known.truth.scene, leaving))
    assert len(gone.tracks) == 0  # it reacts to nothing that can be compared


def test_the_likeliest_future_counts() -> None:
    scene = agents([(0.0, 0.0)], 1.0, [1])
    base = predicted(scene, 1.0)
    probabilities = np.zeros((1, MODES), np.float32)
    probabilities[0, 2] = 1.0
    positions = base.positions.copy()
    positions[0, 2, :, 1] += 2.0
    prediction = replace(base, probabilities=probabilities, positions=positions)
    assert likeliest_error(prediction, 0, futures([(0.0, 0.0)], [1.0])[:, 0]) == pytest.approx(2.0, abs=1e-5)
    assert np.isnan(likeliest_error(prediction, 0, np.zeros((STEPS, 4))))


def test_matches_are_one_to_one_and_near() -> None:
    tracks = np.array([[0.0, 0.0], [1.0, 0.0], [50.0, 0.0]])
    users = np.array([[0.9, 0.0], [1.9, 0.0], [50.0, MATCH + 0.1]])
    rows, columns = matches(tracks, users)
    assert (rows.tolist(), columns.tolist()) == ([0, 1], [0, 1])  # together nearest, though track 1 is nearer to 0
    none, _ = matches(tracks, np.zeros((0, 2)))
    assert len(none) == 0


def test_the_most_telling_are_apart_and_in_order() -> None:
    second = 10**9
    weak, strong, near = checked(0, reaction=0.2), checked(5 * second, changed=True), checked(6 * second)
    late, nothing = checked(9 * second), checked(20 * second, reaction=0.0)
    assert strong.weight == 2 * near.weight
    assert nothing.weight == 0.0
    found = most_telling([late, nothing, near, weak, strong], most=4, apart=3.0)
    assert [c.question.stamp_ns for c in found] == [0, 5 * second, 9 * second]
    assert most_telling([late, nothing, near, weak, strong], most=1, apart=3.0) == [strong]


def test_followers_weigh_little_and_come_last() -> None:
    known = checked()
    moved = known.truth.futures.copy()
    moved[1, :, 2, 0] -= 4.0 * _TIMES  # the car behind reacts even more
    found = check(known.question, known.scene, known.answer, Truth(known.truth.scene, moved))
    assert found.truth.scene.ids[found.users].tolist() == [1, 3]
    assert found.weights.tolist() == pytest.approx([10.0, 1.0])
    assert found.drawn == 2


def test_contact_is_found_in_the_truth() -> None:
    known = checked()
    assert contact_of(known, 1) == ""
    crossing = known.truth.futures.copy()
    crossing[1, 30:, 1, :2] = [28.0, 0.0]  # stands in the ego's way from 3.1 s on
    found = replace(known, truth=Truth(known.truth.scene, crossing))
    # box middles: 28 m, and 1.4 + 8 t; lengths 4 and 4.8 m
    assert contact_of(found, 1) == "car, 3.1 s"
    # the ego stands and the car behind, which does not stop, has 20 - 2 - (2.4 - 1.4) m to go at 5 m/s
    assert contact_of(found, 0) == "car, 3.4 s"


def test_panels_show_what_reacts() -> None:
    found = checked()
    view = common_view(found)
    places = view.shares(np.array([[0.0, 0.0], [30.4, 4.0], [63.0, 0.0]]))
    assert ((places > 0) & (places < 1)).all()
    assert [tag.text for tag in tags_of(found, view)] == ["#11"]
    one, two = draw_question(RecordedRun(), None, found, view)
    assert one.shape == two.shape
    assert (one != two).any()
    assert list(ways_of(found, 1)) == [
        ("#11", pytest.approx(16.0, abs=0.1), pytest.approx(16.0), pytest.approx(40.0, abs=0.1))
    ]


@pytest.mark.parametrize("simulated", [None, SimulatedDrive("signal_grid", 1)])
def test_without_the_truth_the_section_says_why(simulated: SimulatedDrive | None) -> None:
    with WhatIfCheck(RecordedRun(), simulated) as checking:
        section = checking.section()
    assert section.panels == ()
    assert ("exact poses" if simulated else "recorded drive") in section.reason


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> RecordedRun:
    """12 s through a town with the whole stack in this process."""
    pytest.importorskip("libsumo", reason="needs the simulation extra (libsumo)")
    from zoox_stack.perception.pipeline import Perception
    from zoox_stack.planning.planner import Planner
    from zoox_stack.prediction.predictor import Predictor
    from zoox_stack.simulation.closed_loop import ClosedLoop
    from zoox_stack.simulation.detections import perfect_detections
    from zoox_stack.simulation.towns import build_town

    folder = tmp_path_factory.mktemp("drive")
    town = build_town("signal_grid", 1, folder)
    perception, predictor, planner = Perception(), Predictor(), Planner()
    network = town.net.network
    run = RecordedRun(network=network)
    predictor.set_road_network(network)
    planner.set_road_network(network)
    with ClosedLoop(town, 1, folder, duration=12.0) as loop:
        run.route = loop.route
        predictor.set_route(loop.route)
        planner.set_route(loop.route)
        for _ in range(120):
            ego = loop.scene.ego
            assert ego is not None
            stamp = ego.stamp_ns
            scene = perception.process_detections(perfect_detections(loop.scene), ego)
            futures = predictor.predict(scene, loop.signals)
            proposal = planner.propose(scene, futures, loop.signals)
            answer, status = None, WhatIfStatus.NOT_ASKED
            if proposal.request is not None:
                answer = predictor.what_if(replace(proposal.request, deadline=60.0))
                status = answer.status
            trajectory, decision = planner.decide(proposal, answer, status)
            run.tracks[stamp], run.predictions[stamp], run.decisions[stamp] = scene, futures, decision
            run.labels.append(loop.scene)
            run.true_egos.append(ego)
            run.signals.append(loop.signals)
            loop.step(trajectory)
    return run


@pytest.mark.slow
def test_a_drive_is_checked_in_the_same_world(drive: RecordedRun, tmp_path: Path) -> None:
    from zoox_stack.evaluation.replay_records import summarise

    result = summarise([]) | {
        "prediction_model": ["m"], "machine": "m", "date": "d", "conditional_decisions": 0,
        "prediction_errors_m": {"truth": "tracks"},
    }  # fmt: skip
    path = tmp_path / "report.html"
    write_report(drive, result, path, pictures=3, simulated=SimulatedDrive("signal_grid", 1, duration=12.0))
    html = path.read_text(encoding="utf-8")
    assert "signal_grid, seed 1" in html
    questions = re.search(r"(\d+) questions, one from every", html)
    assert questions is not None, re.findall(r"<h2>What if.*?</section>", html, re.DOTALL)
    assert int(questions[1]) >= 1
    difference = re.search(r"largest difference to the recording is\s+(\S+) m over ([\d,]+) positions", html)
    assert difference is not None
    assert float(difference[1]) < 1e-6
    assert int(difference[2].replace(",", "")) == sum(len(scene) for scene in drive.labels)
    shift = re.search(r"differ from those of the drive by at most ([\d.]+)\.", html)
    assert shift is not None
    assert float(shift[1]) < 0.02  # headings of the plans come from their positions


@pytest.mark.slow
def test_another_world_is_not_taken_for_the_same(drive: RecordedRun) -> None:
    labels = list(drive.labels)
    moved = labels[50].position + np.array([0.01, 0.0, 0.0])
    labels[50] = replace(labels[50], position=moved)
    with WhatIfCheck(replace(drive, labels=labels), SimulatedDrive("signal_grid", 1, duration=12.0)) as checking:
        assert "step 50: expected those of the world built again, found a difference of 0.01 m" in (
            checking.section().reason
        )
    with WhatIfCheck(drive, SimulatedDrive("signal_grid", 2, duration=12.0)) as checking:
        assert "state 0 of the ego" in checking.section().reason


@pytest.mark.slow
def test_answers_of_another_model_are_not_checked(drive: RecordedRun) -> None:
    others = {
        stamp: replace(d, collision_probabilities=(d.collision_probabilities + 0.3).clip(0, 1))
        for stamp, d in drive.decisions.items()
    }
    with WhatIfCheck(replace(drive, decisions=others), SimulatedDrive("signal_grid", 1, duration=12.0)) as checking:
        assert "are not those of the drive" in checking.section().reason
