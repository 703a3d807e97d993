"""A picture that the model stumbles over, and a model that cannot be run at all."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import homes
import numpy as np
import pytest
from numpy.typing import NDArray
from structlog.testing import capture_logs

from watcher.home import Home
from watcher.intake.arrivals import Claim, Seen
from watcher.intake.claims import ClaimFolder
from watcher.intake.scan import scan
from watcher.models.importing import import_model
from watcher.models.registry import Registry
from watcher.results import Database, State
from watcher.service import patience
from watcher.service.apart import MOST_TRIES, EngineFault, classify_apart
from watcher.service.daemon import Daemon
from watcher.service.identity import identity
from watcher.service.status import status
from watcher.vision.outcome import Classified, Failed
from watcher.vision.vision import Vision


def plain(value: int) -> NDArray[np.uint8]:
    return np.full((16, 16, 3), value, np.uint8)


BAD = 7  # every picture of this value makes the model stumble


def stumbling(monkeypatch: pytest.MonkeyPatch, whenever: Any) -> list[int]:
    """Makes `Vision.classify` raise for batches of which `whenever` is true; the sizes of all batches."""
    sizes: list[int] = []
    real = Vision.classify

    def classify(self: Vision, pictures: Sequence[NDArray[np.uint8]]) -> list[Classified]:
        sizes.append(len(pictures))
        if whenever(pictures):
            raise RuntimeError("OOM when allocating\nand a page of C++")
        return real(self, pictures)

    monkeypatch.setattr(Vision, "classify", classify)
    return sizes


def has_bad(pictures: Sequence[NDArray[np.uint8]]) -> bool:
    return any((picture == BAD).all() for picture in pictures)


@pytest.mark.parametrize("bad", [{0}, {31}, {3, 17}, set(), set(range(32))])
def test_the_rest_of_a_batch_comes_through(tiny_vision: Vision, monkeypatch: pytest.MonkeyPatch, bad: set[int]) -> None:
    """In order, with the labels that they have without the bad ones; each bad one has the reason."""
    pictures = [plain(BAD if place in bad else 50 + place) for place in range(32)]
    expected = tiny_vision.classify(pictures)
    stumbling(monkeypatch, has_bad)
    outcomes = classify_apart(tiny_vision, pictures)
    for place, outcome in enumerate(outcomes):
        if place in bad:
            assert outcome == Failed("the model tiny/1 cannot be run on this picture: OOM when allocating")
        else:
            assert outcome == expected[place]


def test_a_bad_one_is_tried_three_times(tiny_vision: Vision, monkeypatch: pytest.MonkeyPatch) -> None:
    """And found in few steps."""
    sizes = stumbling(monkeypatch, has_bad)
    classify_apart(tiny_vision, [plain(BAD if place == 5 else 90) for place in range(16)])
    assert sum(size == 1 for size in sizes) == 1 + MOST_TRIES + 1  # its neighbour, its tries, the gray one


def test_a_passing_fault_is_none(tiny_vision: Vision, monkeypatch: pytest.MonkeyPatch) -> None:
    """What worked at the second try was not the picture's fault."""
    faults = [True]
    stumbling(monkeypatch, lambda _: faults.pop() if faults else False)
    assert isinstance(classify_apart(tiny_vision, [plain(90)])[0], Classified)


def test_a_model_that_cannot_be_run_is_not_the_pictures_fault(
    tiny_vision: Vision, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plain gray picture shows it."""
    stumbling(monkeypatch, lambda _: True)
    with pytest.raises(EngineFault, match="the model tiny/1 cannot be run: OOM when allocating"):
        classify_apart(tiny_vision, [plain(90)] * 4)


def test_two_of_one_bad_content_fail_both(
    tmp_path: Path, tiny_home_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each with its row and its original in failed/; the good ones of the batch are done."""
    home = homes.make(tmp_path, tiny_home_models)
    for name in ("a.png", "b.png"):
        homes.drop(home.inbox, name, homes.picture("red", 1))
    homes.drop(home.inbox, "c.png", homes.picture("blue", 2))
    stumbling(monkeypatch, lambda pictures: any(picture[..., 0].mean() > 150 for picture in pictures))
    rows = homes.run_once(home)
    assert {row.path: row.state for row in rows} == {
        "a.png": State.FAILED, "b.png": State.FAILED, "c.png": State.DONE,
    }  # fmt: skip
    assert {"a.png", "b.png"} <= homes.paths(home.failed)


@pytest.fixture
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses that a test can wait for."""
    monkeypatch.setattr(patience, "FIRST_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(patience, "LONGEST_PAUSE_SECONDS", 0.1)


@pytest.mark.usefixtures("brisk")
def test_a_daemon_waits_for_its_model_and_says_so(
    tmp_path: Path, tiny_home_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`status` tells what is not possible; once it is, all goes on by itself."""
    home = homes.make(tmp_path, tiny_home_models)
    broken = threading.Event()
    broken.set()
    stumbling(monkeypatch, lambda _: broken.is_set())
    with capture_logs() as logs, homes.daemon_thread(home):
        homes.drop(home.inbox, "a.png", homes.picture("red"))
        [trouble] = homes.wait_for(lambda: status(home).troubles, "status tells of it")
        assert (trouble.what, "cannot be run" in trouble.reason) == ("using the model tiny", True)
        assert "Not possible since" in homes.watcher("status", home=home.root).stdout
        broken.clear()
        homes.wait_for(lambda: homes.rows(home), "it is done")
        assert status(home).troubles == ()
    assert [line["event"] for line in logs if line.get("model") == "tiny"] == [
        "a model cannot be run now; its pictures wait until it can",
        "a model can be used again",
    ]  # fmt: skip
    assert [row.state for row in homes.rows(home)] == [State.DONE]


@pytest.fixture
def two_models(tmp_path: Path, tiny_home_models: Path) -> Home:
    """A home with `tiny` and, for the route `cells`, `cells`, which are the same."""
    models = tmp_path / "models"
    shutil.copytree(tiny_home_models / "tiny", models / "tiny")
    import_model(Registry(models), "cells", models / "tiny" / "1", homes.NOON)
    return homes.make(tmp_path / "home", models, models={"default": "tiny", "routes": {"cells": "cells"}})


def break_cells(monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, list[int]]:
    """Until the event is set the model `cells` cannot be run; how often that was tried."""
    mended, tries = threading.Event(), []
    real = Vision.classify

    def classify(self: Vision, pictures: Sequence[NDArray[np.uint8]]) -> list[Classified]:
        if self.package.card.name == "cells" and not mended.is_set():
            tries.append(len(pictures))
            raise RuntimeError("out of memory")
        return real(self, pictures)

    monkeypatch.setattr(Vision, "classify", classify)
    return mended, tries


@pytest.mark.usefixtures("brisk")
def test_the_pictures_of_other_models_go_on(two_models: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the model that cannot be run wait in the inbox, not claimed; they have lost no attempt when it can again."""
    home = two_models
    mended, _ = break_cells(monkeypatch)
    with capture_logs() as logs, homes.daemon_thread(home):
        for seed in range(20):
            homes.drop(home.inbox, f"cells/{seed}.png", homes.picture("blue", seed))
        homes.wait_for(lambda: status(home).troubles, "status tells of it")
        for seed in range(20):
            homes.drop(home.inbox, f"{seed}.png", homes.picture("red", seed))
        homes.wait_for(lambda: len(homes.rows(home)) == 20, "the others are done")
        waiting = {f"cells/{seed}.png" for seed in range(20)}
        homes.wait_for(lambda: homes.paths(home.inbox) == waiting, "none is claimed")
        mended.set()
        homes.wait_for(lambda: len(homes.rows(home)) == 40, "all are done")
        assert status(home).troubles == ()
    assert {(row.model, row.state) for row in homes.rows(home)} == {("tiny", State.DONE), ("cells", State.DONE)}
    with Database.open(home.settings.database.url, home.root) as database, database.reading() as connection:
        assert set(connection.exec_driver_sql("SELECT attempts FROM images")) == {(1,)}
    assert sum(line["event"].startswith("a model cannot be run now") for line in logs) == 1
    assert homes.paths(home.inbox) == set()


def test_a_model_that_cannot_be_run_is_tried_seldom(two_models: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a plain picture, after pauses that grow; nothing is claimed and put back for that."""
    home = two_models
    _, tries = break_cells(monkeypatch)
    claims: list[str] = []
    real = ClaimFolder.claim

    def claim(self: ClaimFolder, seen: Seen) -> Claim | None:
        claims.append(seen.path)
        return real(self, seen)

    monkeypatch.setattr(ClaimFolder, "claim", claim)
    with homes.daemon_thread(home):
        homes.drop(home.inbox, "cells/a.png", homes.picture("blue"))
        homes.wait_for(lambda: status(home).troubles, "status tells of it")
        first = len(tries)
        homes.wait_for(lambda: len(tries) == first + 2, "it is tried again")  # after 0.5 and 1 seconds
        assert claims == ["cells/a.png"]
        assert tries[first:] == [1, 1]


@pytest.mark.usefixtures("brisk")
def test_what_never_needed_the_model_does_not_wait_for_it(two_models: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is no picture fails, though those of its batch go back to the inbox."""
    home = two_models
    break_cells(monkeypatch)
    for seed in range(3):
        homes.drop(home.inbox, f"cells/{seed}.png", homes.picture("blue", seed))
    homes.drop(home.inbox, "cells/none.png", b"none")
    homes.run_once(home)
    assert [(row.path, row.state) for row in homes.rows(home)] == [("cells/none.png", State.FAILED)]
    assert homes.paths(home.inbox) == {f"cells/{seed}.png" for seed in range(3)}


def test_once_does_not_wait_for_a_model_that_cannot_be_run(two_models: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does what it can, ends, and says which model that is and why."""
    home = two_models
    break_cells(monkeypatch)
    for seed in range(20):
        homes.drop(home.inbox, f"cells/{seed}.png", homes.picture("blue", seed))
        homes.drop(home.inbox, f"{seed}.png", homes.picture("red", seed))
    refused = Daemon(home, lambda _: None, threading.Event(), threading.Event()).run(once=True)
    assert refused == {"cells": "the model cells/1 cannot be run: out of memory"}
    assert {row.model for row in homes.rows(home)} == {"tiny"}
    assert homes.paths(home.done) == {f"{seed}.png" for seed in range(20)}
    [wait] = status(home, refused).models_missing
    assert (wait.model, wait.pictures, wait.reason) == ("cells", 20, refused["cells"])
    assert status(home).models_missing == ()


@pytest.mark.usefixtures("brisk")
def test_an_old_claim_whose_model_cannot_be_run_goes_back(two_models: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an earlier process left holds up no start."""
    home = two_models
    for seed in range(3):
        homes.drop(home.inbox, f"cells/{seed}.png", homes.picture("blue", seed))
    claims = ClaimFolder(home.inbox, identity(home.root))
    claims.make()
    for item in list(scan(home.inbox)):
        assert isinstance(item, Seen)
        claim = claims.claim(item)
        assert claim
        claims.attempt(claim)
    break_cells(monkeypatch)
    homes.drop(home.inbox, "a.png", homes.picture("red"))
    assert [row.path for row in homes.run_once(home)] == ["a.png"]
    assert homes.paths(home.inbox) == {f"cells/{seed}.png" for seed in range(3)}
