"""The copies of a batch are made durable together."""

from __future__ import annotations

import os
import threading
from contextlib import closing
from pathlib import Path

import homes
import pytest
from test_finishing import Process

from watcher.vision.vision import Vision


def test_the_copies_of_a_batch_wait_for_the_disk_together(
    tmp_path: Path, tiny_home_models: Path, tiny_vision: Vision, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that answers only when eight files wait for it holds nothing up, though two threads draw."""
    home = homes.make(tmp_path / "home", tiny_home_models)
    for seed in range(8):
        homes.drop(home.inbox, f"{seed}.png", homes.picture("red", seed))
    process = Process(home, tiny_vision)
    with closing(process.finisher), process.database:
        batch = process.judged(*(f"{seed}.png" for seed in range(8)))
        eight, fsync = threading.Barrier(8), os.fsync

        def answer(handle: int) -> None:
            if threading.current_thread().name.startswith("publish"):
                eight.wait(10)
            fsync(handle)

        monkeypatch.setattr(os, "fsync", answer)
        assert all(published.copy for published in process.finisher.publish(batch))
