"""Which models are ready: loaded once, left in peace where they cannot be used, and taken up again."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from structlog.testing import capture_logs

from watcher.models.registry import Registry
from watcher.service.bench import REFUSED_SECONDS, Bench
from watcher.vision.outcome import Classified
from watcher.vision.vision import Vision


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def loads() -> list[str]:
    return []


@pytest.fixture
def load(tmp_path: Path, loads: list[str]) -> Callable[[str], Vision]:
    def load(name: str) -> Vision:
        loads.append(name)
        return Vision(Registry(tmp_path).current(name), "graph", 2, 1)

    return load


def test_a_model_is_loaded_once(tmp_path: Path, tiny_home_models: Path, load: Any, loads: list[str]) -> None:
    """Its second picture finds it ready."""
    shutil.copytree(tiny_home_models / "tiny", tmp_path / "tiny")
    bench = Bench(load, Clock())
    assert bench.vision("tiny") is bench.vision("tiny") is not None
    assert loads == ["tiny"]


def test_a_missing_model_is_taken_as_soon_as_it_is_there(tmp_path: Path, tiny_home_models: Path, load: Any) -> None:
    """The log mentions it once, and nobody waits for a clock after it was imported."""
    bench = Bench(load, Clock())
    with capture_logs() as logs:
        assert [bench.vision("tiny") for _ in range(3)] == [None, None, None]
    assert [line["model"] for line in logs] == ["tiny"]
    shutil.copytree(tiny_home_models / "tiny", tmp_path / "tiny")
    assert bench.vision("tiny") is not None


def test_a_damaged_model_is_left_in_peace_for_a_while(
    tmp_path: Path, tiny_home_models: Path, load: Any, loads: list[str]
) -> None:
    """To find the damage a whole file was read, so that is not done for every picture."""
    shutil.copytree(tiny_home_models / "tiny", tmp_path / "tiny")
    model = tmp_path / "tiny" / "1" / "model.keras"
    whole = model.read_bytes()
    model.write_bytes(whole[:-1])
    clock = Clock()
    bench = Bench(load, clock)
    assert bench.vision("tiny") is None
    model.write_bytes(whole)
    assert bench.vision("tiny") is None
    assert loads == ["tiny"]
    clock.now += REFUSED_SECONDS
    assert bench.vision("tiny") is not None


def test_a_damaged_model_is_tried_again_when_something_has_changed(
    tmp_path: Path, tiny_home_models: Path, load: Any
) -> None:
    """After a model was fetched nobody waits for the clock."""
    shutil.copytree(tiny_home_models / "tiny", tmp_path / "tiny")
    model = tmp_path / "tiny" / "1" / "model.keras"
    whole = model.read_bytes()
    model.write_bytes(b"")
    bench = Bench(load, Clock())
    assert bench.vision("tiny") is None
    model.write_bytes(whole)
    bench.try_again()
    assert bench.vision("tiny") is not None


def test_what_a_library_raises_while_it_loads_a_model_is_not_the_end(tmp_path: Path) -> None:
    """As where a GPU has no memory left; `status` is told, until it can be loaded."""
    clock, told, faults = Clock(), [], [MemoryError("no room\non the GPU")]

    def load(name: str) -> Vision:
        if faults:
            raise faults[0]
        return Stumbling()

    bench = Bench(load, clock, trouble=lambda *what: told.append(what))
    assert bench.vision("tiny") is None
    assert bench.refused == {"tiny": "tiny cannot be loaded: no room"}
    faults.clear()
    assert bench.vision("tiny") is None
    clock.now += REFUSED_SECONDS
    assert bench.vision("tiny") is not None
    assert bench.refused == {}
    assert told == [("using the model tiny", "tiny cannot be loaded: no room"), ("using the model tiny", None)]
    assert bench.came_back()  # so the inbox is looked through for its pictures
    assert not bench.came_back()


class Package:
    class card:  # noqa: N801
        version = 1
        input_size = (4, 4)

    id = "tiny/1"


class Stumbling:
    """A model that cannot be run unless it is told that it can."""

    package = Package

    def __init__(self) -> None:
        self.works = False
        self.tries = 0

    def classify(self, pictures: Sequence[NDArray[np.uint8]]) -> list[Classified]:
        self.tries += 1
        if not self.works:
            raise RuntimeError("out of memory")
        return [Classified((("red", 1.0),))] * len(pictures)


def test_a_model_that_cannot_be_run_is_tried_after_pauses_that_grow() -> None:
    """Up to half a minute; it is told of once, and once when it is over."""
    clock, told, model = Clock(), [], Stumbling()
    bench = Bench(lambda _: model, clock, trouble=lambda *what: told.append(what))
    assert bench.vision("tiny") is model
    with capture_logs() as logs:
        bench.lay_off("tiny", model, "the model tiny/1 cannot be run: out of memory")
        assert bench.vision("tiny") is None and bench.rests(model)
        pauses = []
        for _ in range(9):
            pauses.append(bench.next_try - clock.now)
            assert not bench.came_back()
            clock.now = bench.next_try
            assert not bench.came_back()
        assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
        assert model.tries == 9
        model.works = True
        clock.now = bench.next_try
        assert bench.came_back()
    assert bench.vision("tiny") is model and not bench.rests(model)
    assert bench.next_try == math.inf
    assert [line["log_level"] for line in logs] == ["error", "info"]
    assert [reason is None for _, reason in told] == [False, True]


def test_a_model_that_works_only_now_and_then_is_not_tried_the_more_often() -> None:
    """What a plain picture shows does not begin the pauses anew; a while without a fault does."""
    clock, model = Clock(), Stumbling()
    bench = Bench(lambda _: model, clock)
    bench.vision("tiny")
    model.works = True
    pauses = []
    for wait in (0, 0, 0, 100, 0):
        clock.now += wait
        bench.lay_off("tiny", model, "out of memory")
        pauses.append(bench.next_try - clock.now)
        clock.now = bench.next_try
        assert bench.came_back()
    assert pauses == [0.5, 1, 2, 0.5, 1]


def test_a_new_version_takes_the_place_of_one_that_cannot_be_run() -> None:
    """At once; and what pictures of the old one say of it afterwards does not count against the new one."""
    old, new = Stumbling(), Stumbling()
    bench = Bench(lambda _: old, Clock())
    bench.vision("tiny")
    bench.lay_off("tiny", old, "out of memory")
    bench.replace("tiny", new)
    assert bench.vision("tiny") is new
    assert bench.came_back()
    bench.lay_off("tiny", old, "out of memory")
    assert bench.vision("tiny") is new and bench.refused == {}
