"""Obstacles of CommonRoad scenarios, made up here, and of the real ones where they are at hand."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from zoox_stack.core.classes import AgentClass
from zoox_stack.core.errors import InvalidInputError
from zoox_stack.logs.importers.commonroad import HEIGHT, load_commonroad_traffic

DATA = Path(os.environ.get("ZOOX_STACK_DATA", Path(__file__).parents[5] / "shared" / "data"))
SAMPLE = DATA / "ngsim_commonroad" / "sample" / "USA_US101-22_3_T-1.xml"
RECTANGLE = "<shape><rectangle><length>4.5</length><width>1.8</width></rectangle></shape>"


def state(step: int, x: float, y: float = 0.0, yaw: float = 0.0, tag: str = "state") -> str:
    return (
        f"<{tag}><position><point><x>{x}</x><y>{y}</y></point></position><orientation><exact>{yaw}</exact>"
        f"</orientation><time><exact>{step}</exact></time></{tag}>"
    )


def obstacle(number: int, *states: str, kind: str = "car", role: str = "dynamic", shape: str = RECTANGLE) -> str:
    first, *rest = states
    trajectory = f"<trajectory>{''.join(rest)}</trajectory>" if rest else ""
    return f'<obstacle id="{number}"><role>{role}</role><type>{kind}</type>{shape}{first}{trajectory}</obstacle>'


def write(folder: Path, *elements: str, period: str = "0.1", root: str = "commonRoad") -> Path:
    path = folder / "made_up.xml"
    path.write_text(f'<{root} timeStepSize="{period}" benchmarkID="MADE_UP-1">{"".join(elements)}</{root}>')
    return path


def moving(number: int, steps: range, speed: float, **options: str) -> str:
    first, *rest = steps
    states = [state(step, speed * 0.1 * step) for step in rest]
    return obstacle(number, state(first, speed * 0.1 * first, tag="initialState"), *states, **options)


def test_obstacles_become_scenes(tmp_path: Path) -> None:
    traffic = load_commonroad_traffic(
        write(tmp_path, moving(7, range(21), 10.0), moving(3, range(5, 11), 5.0, kind="bus"))
    )
    assert traffic.name == "MADE_UP-1"
    assert [len(scene) for scene in traffic.scenes] == [1] * 5 + [2] * 6 + [1] * 10
    assert np.unique(np.diff([scene.stamp_ns for scene in traffic.scenes])).tolist() == [100_000_000]
    scene = traffic.scenes[8]
    assert scene.ids.tolist() == [3, 7]
    assert scene.classes.tolist() == [AgentClass.BUS, AgentClass.CAR]
    np.testing.assert_allclose(scene.velocity, [[5, 0], [10, 0]], atol=1e-9)
    np.testing.assert_allclose(scene.size[0], [4.5, 1.8, HEIGHT], rtol=1e-6)
    assert traffic.skipped == {}


def test_a_static_obstacle_is_always_there(tmp_path: Path) -> None:
    parked = obstacle(2, state(0, 30.0, tag="initialState"), kind="parkedVehicle", role="static")
    traffic = load_commonroad_traffic(write(tmp_path, moving(1, range(11), 10.0), parked))
    assert [len(scene) for scene in traffic.scenes] == [2] * 11
    assert all(scene.position[1, 0] == 30.0 and scene.velocity[1, 0] == 0.0 for scene in traffic.scenes)


def test_version_2020a(tmp_path: Path) -> None:
    text = moving(1, range(4), 10.0).replace("obstacle", "dynamicObstacle").replace("<role>dynamic</role>", "")
    still = obstacle(2, state(0, 30.0, tag="initialState"), kind="pillar").replace("obstacle", "staticObstacle")
    traffic = load_commonroad_traffic(write(tmp_path, text, still))
    assert [len(scene) for scene in traffic.scenes] == [2] * 4
    assert traffic.scenes[0].classes.tolist() == [AgentClass.CAR, AgentClass.HAZARD]


def test_what_cannot_be_read_is_counted(tmp_path: Path) -> None:
    circle = "<shape><circle><radius>0.4</radius></circle></shape>"
    polygon = "<shape><polygon></polygon></shape>"
    inexact = "<state><time><exact>1</exact></time></state>"
    first = state(0, 0.0, tag="initialState")
    traffic = load_commonroad_traffic(
        write(
            tmp_path, obstacle(1, first, shape=circle, kind="pedestrian"), obstacle(2, first, shape=polygon),
            obstacle(3, first, inexact), obstacle(4, first, kind="hovercraft"),
        )
    )  # fmt: skip
    assert traffic.scenes[0].ids.tolist() == [1, 3, 4]
    np.testing.assert_allclose(traffic.scenes[0].size[0, :2], 0.8, rtol=1e-6)
    assert traffic.unknown_classes == {"hovercraft": 1}
    assert traffic.skipped == {
        "obstacle that is neither a rectangle nor a circle": 1,
        "state without an exact point, heading or time": 1,
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("commonRoad", "openDrive"), "root element <commonRoad>"),
        (('timeStepSize="0.1"', 'timeStepSize="0"'), "timeStepSize"),
        (('timeStepSize="0.1"', ""), "timeStepSize"),
        (("<x>10.0</x>", "<x>nan</x>"), "obstacle 1"),
        (("<x>10.0</x>", "<x>ten</x>"), "ten"),
        (("<exact>10</exact></time>", "<exact>-1</exact></time>"), "a step >= 0"),
        (("<length>4.5</length>", ""), "CommonRoad"),
        (("</commonRoad>", ""), "XML"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    path = write(tmp_path, moving(1, range(11), 10.0))
    text = path.read_text()
    assert change[0] in text
    path.write_text(text.replace(*change))
    with pytest.raises(InvalidInputError, match=message):
        load_commonroad_traffic(path)


def test_a_scenario_without_obstacles_and_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="at least one obstacle"):
        load_commonroad_traffic(write(tmp_path))
    with pytest.raises(InvalidInputError, match="readable"):
        load_commonroad_traffic(tmp_path / "nowhere.xml")


@pytest.mark.skipif(not SAMPLE.is_file(), reason=f"no NGSIM scenario at {SAMPLE}; set ZOOX_STACK_DATA")
def test_a_real_scenario() -> None:
    traffic = load_commonroad_traffic(SAMPLE)
    assert len(traffic.scenes) == 167
    assert len({i for scene in traffic.scenes for i in scene.ids.tolist()}) == 54
    assert traffic.skipped == {}
    speeds = np.concatenate([scene.speed for scene in traffic.scenes])
    assert 10 < np.median(speeds) < 20  # the motorway flows
