"""Town files: what is right is read, what is wrong is named with file, key, expected and found."""

from __future__ import annotations

from pathlib import Path

import pytest

from zoox_stack.core.errors import ConfigurationError
from zoox_stack.simulation.terrain import Terrain
from zoox_stack.simulation.town_definition import load_town_definition, town_names
from zoox_stack.simulation.town_plan import Node

GOOD = """
description: Two streets.
layout:
  kind: grid
  columns: 3
demand:
  bicycles: 0.3
  vehicles_per_km: 5
"""
EXPLICIT = """
description: By hand.
layout:
  kind: explicit
  nodes:
    a: {x: 0.0, y: 0.0, kind: dead_end}
    b: {x: 100.0, y: 5.0}
  streets:
    - {start: a, end: b, lanes: 2, parking: true}
"""


def _file(folder: Path, text: str) -> Path:
    path = folder / "place.yaml"
    path.write_text(text)
    return path


def test_the_towns_of_the_package_are_described() -> None:
    expected = {
        "signal_grid", "roundabout", "arterial", "village", "bus_and_bike", "motorway_ramp", "downtown", "random",
        "priority_grid",
    }  # fmt: skip
    assert expected <= set(town_names())
    for name in town_names():
        definition = load_town_definition(name)
        assert definition.name == name
        assert len(definition.description) > 30
        assert definition.plan(1).streets


def test_a_file_is_read(tmp_path: Path) -> None:
    definition = load_town_definition(_file(tmp_path, GOOD))
    assert (definition.name, definition.kind, definition.description) == ("place", "grid", "Two streets.")
    assert definition.layout.columns == 3
    assert definition.demand.bicycles == 0.3
    assert definition.demand.vehicles_per_km == 5.0
    assert definition.demand.cars == load_town_definition("signal_grid").demand.cars
    assert definition.plan(4).name == "place_4"


def test_demand_may_be_left_out(tmp_path: Path) -> None:
    definition = load_town_definition(_file(tmp_path, GOOD[: GOOD.index("demand")]))
    assert definition.demand.vehicles_per_km > 0


def test_an_explicit_place_is_what_is_written(tmp_path: Path) -> None:
    plan = load_town_definition(_file(tmp_path, EXPLICIT)).plan(1)
    assert plan.nodes == {"a": Node(0.0, 0.0, "dead_end"), "b": Node(100.0, 5.0)}
    (street,) = plan.streets
    assert (street.start, street.end, street.lanes, street.parking, street.one_way) == ("a", "b", 2, True, False)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("kind: grid", "kind: spiral", r"layout\.kind: expected one of grid, .*found 'spiral'"),
        ("kind: grid", "columns: 2", r"layout\.kind: expected one of grid, .*found None"),
        ("columns: 3", "colums: 3", r"layout\.colums does not exist; did you mean columns\?"),
        ("columns: 3", "columns: three", r"layout\.columns: expected int, found str 'three'"),
        ("columns: 3", "columns: 3.5", r"layout\.columns: expected int, found float 3\.5"),
        ("columns: 3", "columns: 0", r"layout\.columns: expected 1 \.\. 20 ?, found 0"),
        ("columns: 3", "arm: .nan", r"layout\.arm: expected a finite number"),
        ("columns: 3", "kinds: [volcano]", r"kinds: expected some of traffic_light, .*found volcano"),
        ("columns: 3", "kinds: []", r"kinds: expected some of traffic_light"),
        ("columns: 3", "longest_block: 50.0", r"longest_block: expected at least shortest_block 85\.0, found 50\.0"),
        ("bicycles: 0.3", "bycicles: 0.3", r"demand\.bycicles does not exist; did you mean bicycles\?"),
        ("bicycles: 0.3", "bicycles: 3.0", r"demand\.bicycles: expected 0\.0 \.\. 1\.0 ?, found 3\.0"),
        ("bicycles: 0.3", "bicycles: many", r"demand\.bicycles: expected float, found str 'many'"),
        ("description: Two streets.", "", r"expected description, found layout, demand"),
        ("description: Two streets.", "description: 7", r"description: expected text, found int 7"),
        ("description:", "size: 3\ndescription:", r"expected description, layout, demand, terrain, found 'size'"),
        ("demand:\n  bicycles: 0.3\n  vehicles_per_km: 5", "demand: 3", r"demand: expected a mapping, found int 3"),
        ("layout:\n  kind: grid\n  columns: 3", "layout: grid", r"layout: expected a mapping, found str 'grid'"),
        ("kind: grid", "kind: [grid", r"expected YAML, found"),
        ("columns: 3", "1: 2", r"layout\.1 does not exist; known are columns"),
        ("bicycles: 0.3", "1: 2", r"demand\.1 does not exist; known are"),
        ("columns: 3", "kinds: [3]", r"layout\.kinds: expected str, found int 3"),
        ("columns: 3", "kinds: [zebra]", r"kinds: expected some of traffic_light, .*found zebra"),
        ("columns: 3", "kinds: [traffic_light, joint]", r"kinds: expected some of traffic_light, .*found .*joint"),
        ("columns: 3", "kinds: [dead_end]", r"kinds: expected some of traffic_light, .*found dead_end"),
        ("kind: grid\n  columns: 3", "kind: roundabout\n  kinds: [protected_left]", r"found protected_left"),
        (
            "bicycles: 0.3", "cars: 0\n  vans: 0\n  trucks: 0\n  buses: 0\n  motorcycles: 0\n  bicycles: 0",
            "shares of vehicle kinds: expected at least one above 0",
        ),
        ("demand:", "terrain: {amplitude: 20.0}\ndemand:", r"Terrain\.amplitude: expected 0 \.\. 6\.0 m, found 20\.0"),
        ("demand:", "terrain: {amplitud: 2.0}\ndemand:", r"terrain\.amplitud does not exist; did you mean amplitude"),
        ("demand:", "terrain: 3\ndemand:", r"terrain: expected a mapping, found int 3"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(ConfigurationError, match=message) as error:
        load_town_definition(_file(tmp_path, GOOD.replace(old, new)))
    assert str(tmp_path / "place.yaml") in str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("end: b", "end: c", r"layout\.streets\[0\]: expected a node of a, b, found 'c'"),
        ("x: 100.0, ", "", r"layout\.nodes\.b: expected x and y, found y"),
        ("kind: dead_end", "kind: bridge", r"layout\.nodes\.a\.kind: expected one of .*found 'bridge'"),
        ("lanes: 2", "lanes: 9", r"layout\.streets\[0\]\.lanes: expected 1 \.\. 5 ?, found 9"),
        ("parking: true", "parkin: true", r"layout\.streets\[0\]\.parkin does not exist; did you mean parking\?"),
        ("- {start: a, end: b, lanes: 2, parking: true}", "a street", r"layout\.streets: expected a list of mappings"),
        ("b: {x: 100.0, y: 5.0}", "b: [100.0, 5.0]", r"layout\.nodes: expected a mapping from names"),
        ("  streets:", "  roads:", r"layout: expected nodes and streets, found nodes, roads"),
        ("end: b", "end: a", r"layout\.streets\[0\]: expected two different nodes, found a twice"),
        (
            "- {start: a, end: b, lanes: 2, parking: true}", "- {start: a, end: b}\n    - {start: b, end: a}",
            r"layout\.streets\[1\]: expected one street between two nodes, found another one between b and a",
        ),
        ("kind: explicit", "kind: explicit\n  seed: 3", r"layout: expected nodes and streets, found seed"),
        ("x: 0.0,", "x: 0.0, 3: 4,", r"layout\.nodes\.a\.3 does not exist; known are x, y, kind"),
        ("lanes: 2", "1: 2", r"layout\.streets\[0\]\.1 does not exist"),
        ("    b: {", "    1: {x: 1, y: 1}\n    b: {", r"layout\.nodes: expected names that are text, found 1"),
        ("x: 100.0, y: 5.0", "x: 0.5, y: 0.0", r"layout\.nodes: expected nodes 1\.0 m apart.*a and b at one place"),
        ("    b: {", "    c: {x: 9, y: 9}\n    b: {", r"nodes\.c: expected 1 street at least at a priority, found 0"),
        ("y: 5.0", "y: 5.0, kind: zebra", r"layout\.nodes\.b: expected 2 streets at a zebra, found 1"),
        ("y: 5.0", "y: 5.0, kind: joint", r"layout\.nodes\.b: expected 2 streets at least at a joint, found 1"),
        ("y: 5.0", "y: 5.0, kind: protected_left", r"layout\.nodes\.b: expected a street with a median of 3.*found 0"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_an_explicit_place_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in EXPLICIT
    with pytest.raises(ConfigurationError, match=message):
        load_town_definition(_file(tmp_path, EXPLICIT.replace(old, new)))


FORK = """
description: By hand.
layout:
  kind: explicit
  nodes:
    a: {x: 0.0, y: 0.0, kind: KIND}
    b: {x: 100.0, y: 0.0}
    c: {x: 0.0, y: 100.0}
    d: {x: 0.0, y: -100.0}
  streets:
    - {start: a, end: b, one_way: true}
    - {start: a, end: c, one_way: true}
"""


@pytest.mark.parametrize(
    ("kind", "more", "message"),
    [
        ("zebra", "", r"nodes\.a: expected a street that leads to the zebra, found only ways from it"),
        ("zebra", "    - {start: d, end: a}\n", r"nodes\.a: expected 2 streets at a zebra, found 3"),
        ("dead_end", "", r"nodes\.a: expected 1 street at a dead_end, found 2"),
        ("protected_left", "    - {start: d, end: a, median: 2.9}\n", r"nodes\.a: expected a street with a median"),
    ],
)
def test_streets_have_to_fit_a_node(tmp_path: Path, kind: str, more: str, message: str) -> None:
    text = FORK.replace("KIND", kind) + more
    text = text if more else text.replace("    d: {x: 0.0, y: -100.0}\n", "")
    with pytest.raises(ConfigurationError, match=message):
        load_town_definition(_file(tmp_path, text))
    fitting = FORK.replace("KIND", "protected_left") + "    - {start: d, end: a, median: 3.0}\n"
    assert len(load_town_definition(_file(tmp_path, fitting)).plan(1).streets) == 3


def test_a_town_may_have_hills(tmp_path: Path) -> None:
    assert load_town_definition(_file(tmp_path, GOOD)).terrain == Terrain()
    hilly = GOOD + "terrain: {amplitude: 2, wavelength: 150, seed: 4}\n"
    assert load_town_definition(_file(tmp_path, hilly)).terrain == Terrain(2.0, 150.0, 4)
    assert load_town_definition("priority_grid").terrain.amplitude > 1.0


@pytest.mark.parametrize("speeds", ["[]", "[fast]", "[true]"])
def test_speeds_are_numbers(tmp_path: Path, speeds: str) -> None:
    text = f"description: A web.\nlayout:\n  kind: web\n  speeds: {speeds}\n"
    with pytest.raises(ConfigurationError, match=r"speeds: expected (numbers|float)"):
        load_town_definition(_file(tmp_path, text))


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "just words"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"place\.yaml: expected a mapping, found (NoneType|list|str)"):
        load_town_definition(_file(tmp_path, text))


def test_a_missing_file_and_an_unreadable_one_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"gone\.yaml: expected a readable file, found No such file"):
        load_town_definition(tmp_path / "gone.yaml")
    path = tmp_path / "binary.yaml"
    path.write_bytes(b"\xff\xfe\x00bad")
    with pytest.raises(ConfigurationError, match=r"binary\.yaml: expected YAML"):
        load_town_definition(path)


def test_an_unknown_name_lists_the_towns() -> None:
    with pytest.raises(ConfigurationError, match=r"expected one of arterial, .*or a \.yaml file, found 'atlantis'"):
        load_town_definition("atlantis")
