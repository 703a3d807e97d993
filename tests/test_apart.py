"""A picture that the model stumbles over, and a model that cannot be run at all."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import homes
import numpy as np
import pytest
from numpy.typing import NDArray
from structlog.testing import capture_logs

from watcher.results import State
from watcher.service import patience
from watcher.service.apart import MOST_TRIES, EngineFault, classify_apart
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


def test_a_daemon_waits_for_its_model_and_says_so(
    tmp_path: Path, tiny_home_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`status` tells what is not possible; once it is, all goes on by itself."""
    monkeypatch.setattr(patience, "LONGEST_PAUSE_SECONDS", 0.1)
    home = homes.make(tmp_path, tiny_home_models)
    broken = threading.Event()
    broken.set()
    stumbling(monkeypatch, lambda _: broken.is_set())
    with capture_logs() as logs, homes.daemon_thread(home):
        homes.drop(home.inbox, "a.png", homes.picture("red"))
        [trouble] = homes.wait_for(lambda: status(home).troubles, "status tells of it")
        assert (trouble.what, "cannot be run" in trouble.reason) == ("classifying", True)
        assert "Not possible since" in homes.watcher("status", home=home.root).stdout
        broken.clear()
        homes.wait_for(lambda: homes.rows(home), "it is done")
        assert status(home).troubles == ()
    assert sum(line["event"].startswith("not possible now") for line in logs) == 1
    assert [row.state for row in homes.rows(home)] == [State.DONE]
