"""Loading a model: whoever waits for it can read why, and nobody takes that for a fault."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import homes
import pytest

from watcher.models.engines import trials
from watcher.models.registry import Registry
from watcher.service import health
from watcher.service.health import Health
from watcher.service.loading import Loader
from watcher.service.note import DaemonNote
from watcher.service.pulse import Pulses
from watcher.service.watch import Watch
from watcher.vision.vision import Vision

TRYING = "trying the engines of tiny, once on this machine, which can take minutes"


@pytest.fixture
def told() -> list[tuple[str, str | None]]:
    return []


@pytest.fixture
def loader(tmp_path: Path, tiny_home_models: Path, told: list[tuple[str, str | None]]) -> Loader:
    """With models of its own, for which no engine was tried yet."""
    models = shutil.copytree(tiny_home_models, tmp_path / "models")
    home = homes.make(tmp_path / "home", models, inference={"engine": "auto"})
    tell = lambda what, reason: told.append((what, reason))  # noqa: E731
    return Loader(home, Registry(models), threading.Event(), tell, Watch(), Pulses())


def test_it_is_told_while_engines_are_tried_and_pictures_wait(
    loader: Loader, told: list[tuple[str, str | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once on a machine."""
    monkeypatch.setattr(trials, "candidates", lambda _: ("graph-bfloat16",))
    loader.now("tiny")
    assert told == [("classifying with tiny", TRYING), ("classifying with tiny", None)]
    loader.now("tiny")
    assert len(told) == 2


def test_a_version_for_which_nobody_waits_is_not_told_of(
    loader: Loader, told: list[tuple[str, str | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one before goes on working."""
    monkeypatch.setattr(trials, "candidates", lambda _: ())
    loader.beside("tiny")
    assert told == [] and loader.obstacle is None


def test_what_takes_long_to_load_is_no_fault_and_a_reason(tmp_path: Path, tiny_home_models: Path) -> None:
    """It is loaded while the inbox is read, which is to answer soon; here nobody is told that it does not."""
    home = homes.make(tmp_path, tiny_home_models)
    watch, pulses, late = Watch(), Pulses(), []
    told = Health(pulses, DaemonNote(home.root), threading.Event())
    meanwhile: list[Callable[[], None]] = []

    def load(model: str) -> Vision:
        for look in meanwhile:
            look()
        raise MemoryError

    loader = Loader(home, Registry(home.models), threading.Event(), lambda *_: None, watch, pulses, load)
    told.ask(lambda: loader.obstacle)

    def look() -> None:
        watch.look()
        assert told.obstacle() == "the model tiny is being loaded"
        assert pulses.doing(health.LOOP) == "loading the model tiny"

    meanwhile.append(look)
    with pulses.part(health.LOOP, "scanning", 10), watch.over(0, lambda: late.append("late")):
        with pytest.raises(MemoryError):
            loader.now("tiny")
        assert late == [] and loader.obstacle is None
        watch.look()
        assert late == ["late"]
