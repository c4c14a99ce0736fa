"""Sources of scenes: what a path stands for, the split, prepared samples, the order in an epoch."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.simulation.samples import CounterfactualSample
from zoox_stack.training import data_facts
from zoox_stack.training.config import TrainConfig
from zoox_stack.training.preparation import Prepared, prepare, sample_path
from zoox_stack.training.sample_file import Record, SampleFile
from zoox_stack.training.sources import Source, Unit, find_source, find_sources, split
from zoox_stack.training.stream import ahead, groups_of_epoch, share_of

CONFIG = TrainConfig(views=1, jobs=1)


@pytest.fixture
def sets(write_set: Callable[..., Path], tmp_path: Path, samples: list[CounterfactualSample]) -> Path:
    return write_set(tmp_path / "what_if", [samples[:2], samples[2:]])


def test_a_path_stands_for_bags_or_for_a_set(bags: Path, sets: Path) -> None:
    assert [unit.name for unit in find_source(bags).units] == ["evening", "morning", "noon"]
    assert [unit.name for unit in find_source(bags / "noon").units] == ["noon"]
    assert [unit.name for unit in find_source(sets).units] == ["what_if, part 00000", "what_if, part 00001"]


def test_bad_sources_are_named(bags: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="nowhere"):
        find_source(tmp_path / "nowhere")
    with pytest.raises(InvalidInputError, match="rosbag2 bags"):
        find_source(tmp_path)
    with pytest.raises(InvalidInputError, match="weight"):
        find_source(bags, 0.0)
    with pytest.raises(InvalidInputError, match="one for each of 1"):
        find_sources([bags], [1.0, 2.0])
    with pytest.raises(InvalidInputError, match=r"every bag once.*noon"):
        find_sources([bags, bags / "noon"])


def made_up(count: int, weight: float = 1.0, name: str = "logs") -> Source:
    return Source(Path(name), tuple(Unit(Path(f"{name}/{i}")) for i in range(count)), weight)


def test_the_split_is_by_whole_bags_of_every_source_and_repeatable() -> None:
    sources = [made_up(20), made_up(2, name="a"), made_up(1, name="b")]
    train, val = split(sources, 0.2, 5)
    assert [len(s.units) for s in train] == [16, 1, 1]
    assert [len(s.units) for s in val] == [4, 1]
    for source, left in zip(sources, train, strict=True):
        held = [u for s in val if s.path == source.path for u in s.units]
        assert sorted([*left.units, *held], key=str) == sorted(source.units, key=str)
    assert split(sources, 0.2, 5) == (train, val)
    assert split(sources, 0.2, 6) != (train, val)


def test_one_more_bag_leaves_most_where_they_were() -> None:
    _, val = split([made_up(30)], 0.1, 0)
    _, more = split([made_up(31)], 0.1, 0)
    assert len(set(val[0].units) & set(more[0].units)) >= 2


def test_one_bag_cannot_be_split() -> None:
    with pytest.raises(InvalidInputError, match="--val"):
        split([made_up(1)], 0.1, 0)


def test_samples_are_prepared_once(bags: Path, sets: Path, tmp_path: Path) -> None:
    sources = find_sources([bags, sets])
    first = prepare(sources, tmp_path / "samples", CONFIG)
    assert [len(one) for one in first] == [6, 4]  # each scene of a bag from the ego and from one other vehicle
    assert data_facts.notes(first) == []
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "samples").iterdir()}
    done: list[float] = []
    again = prepare(sources, tmp_path / "samples", CONFIG, done.append)
    assert again == first
    assert not done
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "samples").iterdir()} == stamps


def test_what_changed_or_broke_is_prepared_again_and_alike(bags: Path, tmp_path: Path) -> None:
    source = find_source(bags)
    [first] = prepare([source], tmp_path, CONFIG)
    broken = sample_path(tmp_path, source.units[1])
    whole = broken.read_bytes()
    broken.write_bytes(whole[: len(whole) // 2])
    os.utime(next(iter(source.units[2].files())), ns=(1, 1))
    done: list[float] = []
    [again] = prepare([source], tmp_path, CONFIG, done.append)
    assert len(done) == 2
    assert broken.read_bytes() == whole
    assert again.files[:2] == first.files[:2]
    assert again.files[2].fingerprint != first.files[2].fingerprint
    done.clear()
    prepare([source], tmp_path, TrainConfig(views=0, jobs=1), done.append)
    assert len(done) == 3


def test_logs_without_map_are_said_and_logs_without_agents_refused(
    write_bag: Callable[..., Path], tmp_path: Path
) -> None:
    write_bag(tmp_path / "logs/mapless", 0, has_map=False)
    write_bag(tmp_path / "logs/short", 1, seconds=3.5)
    [prepared] = prepare([find_source(tmp_path / "logs")], tmp_path / "samples", CONFIG)
    said = "\n".join(data_facts.notes([prepared]))
    assert "mapless: no map" in said
    assert "short: no scene: 1 s of history and 3 s of future" in said
    write_bag(tmp_path / "logs/lonely", 2, has_agents=False)
    with pytest.raises(InvalidInputError, match=r"lonely.*agents"):
        prepare([find_source(tmp_path / "logs")], tmp_path / "samples", CONFIG)


def prepared_of(plans: list[int], weight: float = 1.0, name: str = "x") -> Prepared:
    records = tuple(Record(0, 0, 0, count) for count in plans)
    return Prepared(made_up(1, weight, name), (SampleFile(Path(name), "", records, (), 0),))


def test_an_epoch_has_every_sample_once_with_equal_plans_in_a_batch() -> None:
    sources = [prepared_of([1, 3, 3, 1, 1, 3, 2]), prepared_of([1] * 5, name="y")]
    groups = groups_of_epoch(sources, 2, np.random.default_rng([0, 1]))
    assert groups == groups_of_epoch(sources, 2, np.random.default_rng([0, 1]))
    assert groups != groups_of_epoch(sources, 2, np.random.default_rng([0, 2]))
    assert all(len({file.records[i].plans for file, i in group}) == 1 and len(group) <= 2 for group in groups)
    flat = sorted((file.path.name, i) for group in groups for file, i in group)
    assert flat == [("x", i) for i in range(7)] + [("y", i) for i in range(5)]


def test_weights_say_how_often_samples_come() -> None:
    sources = [prepared_of([1] * 10, 2.5), prepared_of([1] * 10, 0.3, "y")]
    groups = groups_of_epoch(sources, 4, np.random.default_rng(0))
    names = [file.path.name for group in groups for file, _ in group]
    assert (names.count("x"), names.count("y")) == (25, 3)
    assert sum(len(group) for group in groups_of_epoch(sources, 4, None)) == 20


@pytest.mark.parametrize("ranks", [1, 2, 3, 5, 9])
def test_processes_share_an_epoch_evenly(ranks: int) -> None:
    groups = groups_of_epoch([prepared_of([1] * 7)], 1, None)
    shares = [share_of(groups, rank, ranks, even=True) for rank in range(ranks)]
    assert len({len(share) for share in shares}) == 1
    assert {place for share in shares for group in share for place in group} == {g[0] for g in groups}
    exact = [share_of(groups, rank, ranks, even=False) for rank in range(ranks)]
    assert sorted(place[1] for share in exact for group in share for place in group) == list(range(7))


def test_items_made_ahead_come_in_order_and_failures_come_through() -> None:
    assert list(ahead(range(20), lambda i: i * i)) == [(i, i * i) for i in range(20)]

    def fails(i: int) -> int:
        return 1 // (3 - i)

    found = []
    with pytest.raises(ZeroDivisionError):
        found.extend(item for item, _ in ahead(range(9), fails))
