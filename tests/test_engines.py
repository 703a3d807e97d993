"""Engines: all say the same of a picture, and the fastest that does is found out once."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import homes
import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from watcher.cli.main import main
from watcher.errors import ModelError
from watcher.models import trial_pictures
from watcher.models.engines import kept as keeping
from watcher.models.engines import opening, trials
from watcher.models.engines.kept import kept
from watcher.models.engines.opening import candidates, lack, open_engine
from watcher.models.engines.trials import ENDED, TOLERANCE, choose
from watcher.models.package import Package, import_keras
from watcher.models.registry import Registry
from watcher.settings import EngineName
from watcher.vision.photographs import views
from watcher.vision.trying import try_engines
from watcher.vision.vision import Vision

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
NAMES = [name for name in get_args(EngineName) if name != "auto"]
has_openvino = importlib.util.find_spec("openvino") is not None and importlib.util.find_spec("nncf") is not None


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Package:
    """A small convolutional network that tells apart three kinds of stripes, sure of itself, and its trial pictures."""
    keras = import_keras()
    layers = keras.layers
    keras.utils.set_random_seed(0)
    pixels = keras.Input((32, 32, 3))
    x = layers.Rescaling(1 / 127.5, -1)(pixels)
    for filters in (8, 16):
        x = layers.BatchNormalization()(layers.Conv2D(filters, 3, strides=2, use_bias=False)(x))
        x = layers.SeparableConv2D(filters, 3, activation="relu", padding="same")(x)
    model = keras.Model(pixels, layers.Dense(3, activation="softmax")(layers.GlobalMaxPooling2D()(x)))
    pictures, truth = stripes(300)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(pictures.astype(np.float32), truth, epochs=8, verbose=0)
    card = {
        "labels": ("flat", "lying", "standing"), "input_size": (32, 32), "resize": "squash",
        "base": "stripes", "weights": "made by a test", "verified": False,
    }  # fmt: skip
    package = Registry(tmp_path_factory.mktemp("models")).install("stripes", model, card, NOW)
    trial_pictures.write(package, stripes(150, seed=1)[0])
    return package


@pytest.fixture
def package(made: Package, tmp_path: Path) -> Package:
    """A copy of its own, for a choice is kept in it."""
    registry = Registry(tmp_path / "models")
    return registry.install_package("stripes", made, NOW)


def stripes(count: int, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    chance = np.random.default_rng(seed)
    truth = np.arange(count) % 3
    wave = np.where(np.arange(32) // 4 % 2, 60, -60)
    patterns = np.stack([np.zeros((32, 32)), np.repeat(wave[:, None], 32, 1), np.repeat(wave[None], 32, 0)])
    noise = chance.normal(0, 12, (count, 32, 32, 3))
    return (128 + patterns[truth][..., None] + noise).clip(0, 255).astype(np.uint8), truth


@pytest.mark.parametrize("name", NAMES)
def test_every_engine_says_the_same(package: Package, name: EngineName) -> None:
    """On the machine as it is: what cannot be had here is refused with what to do, and all else agrees."""
    if (fault := lack(package, name)) is not None:
        with pytest.raises(ModelError) as refused:
            open_engine(package, name)
        assert str(refused.value) == f"the engine {name} {fault}"
        if not has_openvino:
            pytest.skip("needs the extra openvino")
        return
    pictures, truth = stripes(40, seed=2)
    scores = open_engine(package, name).predict(pictures)
    expected = open_engine(package, "auto").predict(pictures)
    assert scores.dtype == np.float32
    assert np.abs(scores - expected).max() < (0.2 if name == "openvino-int8" else TOLERANCE)  # it is a small network
    assert (scores.argmax(axis=1) == truth).all()


@pytest.mark.skipif(not has_openvino, reason="needs the extra openvino")
def test_openvino_tells_nobody_that_it_is_used(package: Package, tmp_path: Path) -> None:
    """It would write its user's identity into his home, and send it away."""
    (tmp_path / "user").mkdir()
    code = """
import sys
from pathlib import Path
from watcher.models.engines.opening import open_engine
from watcher.models.package import read
open_engine(read(Path(sys.argv[1])), "openvino-int8")
assert sys.modules["openvino_telemetry"] is None
"""
    environment = {name: value for name, value in os.environ.items() if name != "CI"} | {"HOME": str(tmp_path / "user")}
    command = [sys.executable, "-c", code, str(package.folder)]
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=homes.PATIENCE_SECONDS)
    assert not (tmp_path / "user/intel").exists()


def test_engines_take_any_number_of_pictures(package: Package) -> None:
    """One, and fewer than there are requests in flight."""
    for name in ("auto", *candidates(package)):
        engine = open_engine(package, name)
        one, three = stripes(1)[0], stripes(3)[0]
        assert engine.predict(three)[:1] == pytest.approx(engine.predict(one), abs=TOLERANCE)


class Told:
    """An engine that gives what a test says, in the time that it says."""

    def __init__(self, name: str, answer: NDArray[np.float32] | BaseException, seconds: float = 0.0) -> None:
        self.name = name
        self.answer = answer
        self.seconds = seconds

    def predict(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        time.sleep(self.seconds)
        if isinstance(self.answer, BaseException):
            raise self.answer
        return np.resize(self.answer, (len(pixels), 2))


SURE = np.tile(np.array([[0.9, 0.1], [0.1, 0.9]], np.float32), (100, 1))
PIXELS = np.zeros((200, 32, 32, 3), np.uint8)


def with_engines(monkeypatch: pytest.MonkeyPatch, exact: NDArray[np.float32], *others: Told) -> None:
    engines = {"graph": Told("graph", exact, 0.02)} | {each.name: each for each in others}
    monkeypatch.setattr(trials, "candidates", lambda _: tuple(each.name for each in others))
    monkeypatch.setattr(trials, "open_engine", lambda _, name: engines[name])


def changed(pictures: int, by: float = 0.85) -> NDArray[np.float32]:
    """The scores, those of some pictures shifted from the best label to the other."""
    scores = SURE.copy()
    rows, best = np.arange(pictures), SURE[:pictures].argmax(axis=1)
    scores[rows, best] -= np.float32(by)
    scores[rows, 1 - best] += np.float32(by)
    return scores


@pytest.mark.parametrize(
    ("answer", "refusal"),
    [
        (SURE, None),
        (changed(200, 0.04), None),
        (changed(2), "it gives another label to 1.0% of the pictures"),
        (changed(200, 0.06), "a score is off by 0.060"),
        (changed(1), "a score is off by 0.850"),
        (np.full_like(SURE, np.nan), "it gives no numbers"),
        (RuntimeError("no such device\nand a page of C++"), "it cannot be run here: no such device"),
    ],
)
def test_an_engine_must_say_what_the_exact_one_says(
    package: Package, monkeypatch: pytest.MonkeyPatch, answer: NDArray[np.float32] | Exception, refusal: str | None
) -> None:
    """It is ten times as fast, and taken only if it agrees; the reason why not is kept."""
    with_engines(monkeypatch, SURE, Told("xla", answer, 0.002))
    choice = choose(package, lambda: PIXELS, 200, NOW)
    assert choice.engine == ("graph" if refusal else "xla")
    assert [trial.refusal for trial in choice.trials] == [None, refusal]
    assert kept(package, 200) == choice


def test_a_toss_up_counts_for_nothing(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the exact engine itself can hardly decide, another label is no fault; where it never can, nothing is proven."""
    close = SURE.copy()
    close[:50] = 0.49, 0.51
    turned = close.copy()
    turned[:50] = 0.51, 0.49
    with_engines(monkeypatch, close, Told("xla", turned, 0.002))
    assert choose(package, lambda: PIXELS, 200, NOW).engine == "xla"
    with_engines(monkeypatch, np.full_like(SURE, 0.5), Told("xla", np.full_like(SURE, 0.5), 0.002))
    [_, trial] = choose(package, lambda: PIXELS, 200, NOW).trials
    assert trial.refusal == "the model is sure of 0 of the trial pictures: 100 or more are needed to check it by"


def test_a_slower_engine_is_not_taken(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    """However right it is."""
    with_engines(monkeypatch, SURE, Told("xla", SURE, 0.03))
    choice = choose(package, lambda: PIXELS, 100, NOW)
    assert choice.engine == "graph"
    assert choice.trials[1].rate < choice.trials[0].rate


def test_engines_are_tried_once(made: Package, package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    """On each machine, for each size of a batch; another machine's choice stays beside ours."""
    with_engines(monkeypatch, SURE, Told("xla", SURE, 0.002))
    monkeypatch.setattr(keeping, "processor", lambda: "another")
    first = try_engines(package, 8, NOW)
    monkeypatch.setattr(keeping, "processor", lambda: "ours")
    assert kept(package, 8) is None
    with_engines(monkeypatch, SURE, Told("xla", RuntimeError("not here")))
    assert try_engines(package, 8, NOW).engine == "graph"
    assert kept(package, 4) is None
    monkeypatch.setattr(keeping, "processor", lambda: "another")
    with_engines(monkeypatch, SURE, Told("xla", RuntimeError("must not be asked")))
    assert try_engines(package, 8, NOW) == first
    assert try_engines(package, 8, NOW, again=True).engine == "graph"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"x": 1}', "\udcff"])
def test_a_damaged_note_of_choices_is_made_anew(package: Package, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """It is a memory, not a truth."""
    (package.folder / keeping.FILE).write_bytes(text.encode("utf-8", "surrogateescape"))
    assert kept(package, 8) is None
    with_engines(monkeypatch, SURE, Told("xla", SURE, 0.002))
    choose(package, lambda: PIXELS, 8, NOW)
    assert kept(package, 8)


def test_where_nothing_can_be_kept_nothing_is_tried(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or every start would take minutes: a registry that is read only, for example."""
    with_engines(monkeypatch, SURE, Told("xla", AssertionError("tried")))
    (package.folder / keeping.FILE).mkdir()
    assert choose(package, lambda: PIXELS, 8, NOW).engine == "graph"


def test_an_engine_that_ends_the_process_is_tried_once(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next start goes on without it; only a person who says so has it tried again."""
    with_engines(monkeypatch, SURE, Told("xla", KeyboardInterrupt()), Told("keras", SURE, 0.002))
    with pytest.raises(KeyboardInterrupt):
        try_engines(package, 8, NOW)
    assert kept(package, 8) is None
    choice = try_engines(package, 8, NOW)
    assert (choice.engine, {trial.engine: trial.refusal for trial in choice.trials}["xla"]) == ("keras", ENDED)
    with_engines(monkeypatch, SURE, Told("xla", SURE, 0.0002), Told("keras", SURE, 0.002))
    assert try_engines(package, 8, NOW).engine == "keras"
    assert try_engines(package, 8, NOW, again=True).engine == "xla"


def test_trials_are_given_up_when_the_daemon_is_to_end(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next start tries them."""
    with_engines(monkeypatch, SURE, Told("xla", SURE, 0.002))
    assert try_engines(package, 8, NOW, given_up=lambda: True).engine == "graph"
    assert kept(package, 8) is None
    assert try_engines(package, 8, NOW).engine == "xla"


def test_auto_is_what_was_chosen(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    """By whoever opens the model; what a person names in the settings goes before it."""
    assert Vision(package, "auto", 8, 1).engine.name == "graph"
    with_engines(monkeypatch, SURE, Told("xla", SURE, 0.0002))
    choose(package, lambda: PIXELS, 8, NOW)
    monkeypatch.undo()
    assert Vision(package, "auto", 8, 1).engine.name == "xla"
    assert Vision(package, "graph", 8, 1).engine.name == "graph"


def test_a_real_trial_ends_with_a_right_engine(package: Package) -> None:
    """Of all that this machine has; each was timed, and is exact enough or says why not."""
    choice = try_engines(package, 16, NOW, again=True)
    assert {trial.engine for trial in choice.trials} == {"graph", *candidates(package)}
    assert all(trial.rate > 0 for trial in choice.trials)
    chosen = next(trial for trial in choice.trials if trial.engine == choice.engine)
    assert (chosen.refusal, chosen.agreement, chosen.deviation < TOLERANCE) == (None, 1.0, True)


def test_trial_pictures_are_kept_with_a_package(package: Package) -> None:
    """At the model's size, hardly changed; what is damaged or of another size is named."""
    pictures = stripes(5, seed=3)[0]
    trial_pictures.write(package, pictures)
    read = trial_pictures.read(package)
    assert read.shape == pictures.shape and np.abs(read.astype(int) - pictures).mean() < 4
    trial_pictures.write(package, views_of_another_size())
    with pytest.raises(ModelError, match="not of the model's size, 32 x 32"):
        trial_pictures.read(package)
    (package.folder / trial_pictures.FILE).write_bytes(b"PK")
    with pytest.raises(ModelError, match="cannot be read"):
        trial_pictures.read(package)


def views_of_another_size() -> list[NDArray[np.uint8]]:
    return [np.zeros((8, 8, 3), np.uint8)]


def test_photographs_stand_in_for_trial_pictures(package: Package) -> None:
    """The same at every call, no two alike."""
    found = views(package.card, 12)
    assert found.shape == (12, 32, 32, 3) and found.dtype == np.uint8
    assert (found == views(package.card, 12)).all()
    assert len({picture.tobytes() for picture in found}) == 12


@pytest.mark.parametrize("flag", ["avx512_bf16", "amx_bf16", ""])
def test_bfloat16_is_tried_where_the_processor_has_it(
    package: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flag: str
) -> None:
    """Elsewhere it is slower than float32, and the trial a waste."""
    flags = tmp_path / "cpuinfo"
    flags.write_text(f"flags : fpu sse2 {flag}\n")
    monkeypatch.setattr(opening, "_CPU_FLAGS", flags)
    opening._has_bfloat16.cache_clear()
    try:
        assert ("graph-bfloat16" in candidates(package)) == bool(flag)
    finally:
        opening._has_bfloat16.cache_clear()


def test_the_command_shows_every_trial(made: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With pictures of a folder, which become the package's own; what is no picture is passed over."""
    home = homes.make(tmp_path, tmp_path / "models")
    Registry(home.models).install_package("stripes", made, NOW)
    cells = tmp_path / "cells"
    (cells / "a").mkdir(parents=True)
    for number in range(4):
        (cells / "a" / f"{number}.png").write_bytes(homes.picture("red", number))
    (cells / "notes.txt").write_text("no picture")
    with_engines(monkeypatch, SURE, Told("xla", changed(2), 0.002))
    arguments = ["--home", str(home.root), "models", "try", "stripes"]
    done = CliRunner().invoke(main, [*arguments, str(cells), "--format", "json"], catch_exceptions=False)
    [graph, xla] = json.loads(done.stdout)
    assert (graph["engine"], graph["chosen"], xla["chosen"]) == ("graph", True, False)
    assert "the model is sure of 4 of the trial pictures" in xla["refused_because"]
    assert len(trial_pictures.read(Registry(home.models).current("stripes"))) == 4
    (tmp_path / "empty").mkdir()
    none = CliRunner().invoke(main, [*arguments, str(tmp_path / "empty")])
    assert none.exit_code == 1 and "holds no picture that can be read" in none.stderr
