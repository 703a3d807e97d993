"""A new current version, taken up by a daemon that works, and one that cannot be."""

from __future__ import annotations

import gc
import json
import shutil
import weakref
from collections.abc import Callable
from pathlib import Path

import homes
import pytest
from structlog.testing import capture_logs
from versions import NEXT, NOON, SECOND, install_second, two_versions

from watcher.home import Home
from watcher.models.package import import_keras
from watcher.models.registry import Registry
from watcher.service import lock
from watcher.service.bench import Bench
from watcher.service.note import Behind, DaemonNote, read
from watcher.service.renewal import REFUSED_SECONDS, Renewal
from watcher.service.status import status
from watcher.vision.outcome import Classified, Picture
from watcher.vision.vision import Vision


class Works:
    """A bench with tiny/1 at work, its renewal, a clock, and what was loaded."""

    def __init__(self, registry: Registry, root: Path) -> None:
        self.registry = registry
        self.now = 100.0
        self.loads: list[str] = []
        self.while_loading: Callable[[], None] = lambda: None
        self.root = root
        root.mkdir(exist_ok=True)
        self.bench = Bench(self.load, lambda: self.now)
        self.renewal = Renewal(self.bench, registry, self.load, DaemonNote(root), lambda: self.now)
        assert self.bench.vision("tiny")
        self.renewal.look()

    def load(self, name: str) -> Vision:
        vision = Vision(self.registry.current(name), "graph", 4, 1)
        self.loads.append(vision.package.id)
        self.while_loading()
        return vision

    @property
    def working(self) -> str:
        return self.bench.loaded["tiny"].package.id

    def label(self, colour: str) -> str:
        """What the model at work says of a picture."""
        vision = self.bench.vision("tiny")
        assert vision
        found = vision.decode(homes.picture(colour))
        assert isinstance(found, Picture)
        [outcome] = vision.classify([found.pixels])
        assert isinstance(outcome, Classified)
        return outcome.predictions[0][0]


@pytest.fixture
def works(tmp_path: Path, tiny_home_models: Path) -> Works:
    return Works(two_versions(tmp_path / "models", tiny_home_models), tmp_path / "behind")


def test_a_promoted_version_takes_the_place_of_the_old_one(works: Works) -> None:
    """With its own input size and answers; looking again does nothing."""
    assert (works.working, works.label("red")) == ("tiny/1", "red")
    works.registry.promote("tiny", 2, NOON)
    with capture_logs() as logs:
        for _ in range(3):
            works.renewal.look()
    assert (works.working, works.label("red")) == ("tiny/2", NEXT["red"])
    assert [line["model"] for line in logs if line["event"] == "a new version is at work"] == ["tiny/2"]
    assert works.loads == ["tiny/1", "tiny/2"]


def test_what_has_not_changed_is_not_loaded_again(works: Works) -> None:
    """Nor where `current` was only written anew, or a candidate was stored beside it."""
    current = works.registry.root / "tiny/current"
    current.write_text(current.read_text())
    install_second(works.registry.root)
    works.renewal.look()
    works.registry.promote("tiny", 2, NOON)
    works.registry.rollback("tiny", NOON)
    works.renewal.look()
    assert works.loads == ["tiny/1"]


def test_the_old_version_is_let_go_once_nothing_needs_it(works: Works) -> None:
    """A picture that was decoded for it keeps it until then."""
    taken = works.bench.vision("tiny")
    assert taken
    engine = weakref.ref(taken.engine)
    works.registry.promote("tiny", 2, NOON)
    works.renewal.look()
    gc.collect()
    assert engine() is taken.engine
    del taken
    gc.disable()  # so that it is the renewal that frees it
    try:
        works.renewal.look()
        assert engine() is None
    finally:
        gc.enable()


def test_a_version_that_is_taken_back_while_it_is_loaded_never_works(works: Works) -> None:
    """What counts is what is current when it is ready."""
    works.registry.promote("tiny", 2, NOON)
    works.while_loading = lambda: works.registry.rollback("tiny", NOON) and None
    works.renewal.look()
    assert works.loads == ["tiny/1", "tiny/2"]
    assert works.working == "tiny/1"
    works.while_loading = lambda: None
    works.renewal.look()
    assert (works.working, works.loads) == ("tiny/1", ["tiny/1", "tiny/2"])


@pytest.mark.parametrize("file", ["model.keras", "model.json"])
def test_a_damaged_version_leaves_the_old_one_at_work(works: Works, file: str) -> None:
    """One line in the log and a note, until it is mended."""
    path = works.registry.root / "tiny/2" / file
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    (works.registry.root / "tiny/current").write_text("2\n")
    with capture_logs() as logs:
        for _ in range(3):
            works.renewal.look()
    [line] = logs
    assert (line["log_level"], line["model"]) == ("warning", "tiny/1")
    assert file in line["reason"]
    assert read(works.root).behind == (Behind("tiny", 1, line["reason"]),)
    assert works.label("red") == "red"
    path.write_bytes(whole)
    works.renewal.look()
    assert (works.working, read(works.root).behind) == ("tiny/2", ())


def test_a_version_with_a_program_in_it_is_not_run(works: Works, tmp_path: Path) -> None:
    """However it came to be current: the reason is told, and the old version works on."""
    keras = import_keras()
    ran = tmp_path / "ran"
    name = str(ran)
    pixels = keras.Input((20, 24, 3))
    x = keras.layers.Lambda(lambda x: (open(name, "w").close(), x)[1], output_shape=(20, 24, 3))(pixels)
    x = keras.layers.Dense(3, activation="softmax")(keras.layers.GlobalAveragePooling2D()(x))
    works.registry.install("tiny", keras.Model(pixels, x), SECOND, NOON)
    ran.unlink(missing_ok=True)
    works.renewal.look()
    [behind] = read(works.root).behind
    assert (behind.working, works.working) == (1, "tiny/1")
    assert "it has a Lambda layer, which is a program" in behind.reason
    assert not ran.exists()


def test_a_rollback_ends_the_trouble(works: Works) -> None:
    """The version that works is current again, and there is nothing to tell."""
    works.registry.promote("tiny", 2, NOON)
    (works.registry.root / "tiny/2/model.keras").unlink()
    works.renewal.look()
    assert [behind.working for behind in read(works.root).behind] == [1]
    works.registry.rollback("tiny", NOON)
    works.renewal.look()
    assert read(works.root).behind == ()
    assert works.loads == ["tiny/1"]


def test_what_the_machine_lacked_is_tried_again_after_a_while(works: Works) -> None:
    """A full GPU says nothing about the version, and may be free later; any fault leaves the old one at work."""

    def full() -> None:
        raise RuntimeError("out of memory\nand a page of tensors")

    works.registry.promote("tiny", 2, NOON)
    works.while_loading = full
    works.renewal.look()
    assert read(works.root).behind == (Behind("tiny", 1, "out of memory"),)
    works.while_loading = lambda: None
    works.renewal.look()
    assert works.working == "tiny/1"
    works.now += REFUSED_SECONDS
    works.renewal.look()
    assert (works.working, read(works.root).behind) == ("tiny/2", ())


def test_models_that_went_away_leave_the_loaded_one_at_work(works: Works) -> None:
    """A share that is lost for a while does not stop the work."""
    away = works.registry.root.with_name("away")
    works.registry.root.rename(away)
    works.renewal.look()
    assert (works.working, works.label("blue")) == ("tiny/1", "blue")
    away.rename(works.registry.root)
    works.renewal.look()
    assert read(works.root).behind == ()


@pytest.fixture
def home(tmp_path: Path, tiny_home_models: Path) -> Home:
    shutil.copytree(tiny_home_models, tmp_path / "models")
    return homes.make(tmp_path / "home", tmp_path / "models")


def test_status_tells_of_a_model_that_is_behind_while_the_daemon_runs(home: Home) -> None:
    """It works, so no picture waits; of a daemon that was killed the note says nothing."""
    DaemonNote(home.root).fall_behind([Behind("tiny", 1, "it is broken")])
    (home.models / "tiny/1/model.json").write_text("{")
    with lock.held(home.lock, NOON):
        found = status(home)
        told = homes.watcher("status", home=home.root).stdout
    assert (found.models_behind, found.models_missing) == ((Behind("tiny", 1, "it is broken"),), ())
    assert "tiny/1 still works, for the current version cannot be used: it is broken; mend it, or go back with" in told
    found = status(home)
    assert (found.models_behind, [wait.model for wait in found.models_missing]) == ((), ["tiny"])


def test_a_daemon_takes_back_what_an_earlier_one_had_noted(home: Home) -> None:
    """At its start."""
    DaemonNote(home.root).fall_behind([Behind("tiny", 1, "it is broken")])
    homes.run_once(home)
    assert read(home.root).behind == ()
    assert json.loads(homes.watcher("status", "--format", "json", home=home.root).stdout)["models_behind"] == []
