"""Figures for monitoring: a home and its daemon over HTTP, on loopback, and only where the settings ask for it."""

from __future__ import annotations

import os
import shutil
import threading
import time
from pathlib import Path

import homes
import pytest
from monitored import Idle, answers, ask, figures, free_port, listening_home, watched
from structlog.testing import capture_logs

from watcher.home import Home
from watcher.models.registry import Registry
from watcher.results import Database
from watcher.results.runbook import RunBook
from watcher.results.runs import RunState
from watcher.service import counting
from watcher.service.counting import Counting
from watcher.service.first_sights import FirstSights
from watcher.service.identity import identity
from watcher.service.note import Working


@pytest.fixture
def home(tmp_path: Path, tiny_home_models: Path) -> Home:
    """Whose inbox can be read, though no daemon has ever run."""
    return listening_home(tmp_path, tiny_home_models)


def test_a_daemon_serves_the_counts_that_status_prints(tmp_path: Path, tiny_home_models: Path) -> None:
    """Every state, so that a graph of it begins at 0, and what it did since its start; after its end nothing listens."""
    home = homes.make(tmp_path, tiny_home_models, metrics={"listen": f"127.0.0.1:{free_port()}"})
    homes.drop(home.inbox, "old.png", homes.picture(seed=1))
    homes.run_once(home)
    homes.drop(home.inbox, "a.png", homes.picture())
    homes.drop(home.inbox, "broken.png", b"nothing")
    homes.drop(home.inbox, "notes.txt", b"text")
    with homes.daemon_thread(home):
        homes.wait_for(lambda: len(homes.rows(home)) == 3, "both are done")
        homes.wait_for(lambda: figures(home)["watcher_ready",] == 1, "it takes pictures")
        found = figures(home)
    states = {label[0]: value for (name, *label), value in found.items() if name == "watcher_pictures"}
    assert states == {
        "waiting": 0, "claimed": 0, "done": 2, "failed": 1, "duplicate": 0, "vanished": 0, "superseded": 0,
    }  # fmt: skip
    assert (found["watcher_readable",], found["watcher_alive",], found["watcher_left_alone",]) == (1, 1, 1)
    assert found["watcher_model_info", "graph", "tiny", "1"] == 1
    assert found["watcher_finished_pictures_total", "tiny", "done"] == 1
    assert found["watcher_finished_pictures_total", "", "failed"] == 1
    assert found["watcher_batch_pictures_sum",] == 2 and found["watcher_batch_seconds_count",] >= 1
    for stage in ("decoding", "classifying", "publishing", "recording", "releasing"):
        assert found["watcher_stage_seconds_sum", stage] > 0
    assert found["watcher_queue_depth", "batches_to_finish"] <= found["watcher_queue_limit", "batches_to_finish"] == 2
    assert time.time() - found["watcher_last_scan_timestamp_seconds",] < homes.PATIENCE_SECONDS
    assert len([name for name, *_ in found if name == "watcher_silence_seconds"]) == 3
    assert not answers(home)


def test_the_age_of_the_oldest_picture_comes_first(home: Home) -> None:
    """By our own clock: files that claim to be of 1970 have just come."""
    with watched(home):
        first = next(line for line in ask(home, "/metrics")[1].splitlines() if not line.startswith("#"))
        assert first == "watcher_oldest_waiting_seconds 0.0"


def test_what_waits_grows_old(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where its model is missing."""
    monkeypatch.setattr(counting, "KEEP_SECONDS", 0.0)
    monkeypatch.setattr(counting, "SHARE", 0)
    homes.drop(home.inbox, "gone/a.png", homes.picture())
    os.utime(home.inbox / "gone" / "a.png", (0, 0))
    with watched(home):
        begun = time.monotonic()
        ages = [figures(home)["watcher_oldest_waiting_seconds",] for _ in range(3)]
        assert sorted(ages) == ages and 0 < ages[-1] <= time.monotonic() - begun
        found = figures(home)
        assert found["watcher_waiting_for_model", "absent"] == found["watcher_pictures", "waiting"] == 1
        (home.inbox / "gone" / "a.png").unlink()
        assert figures(home)["watcher_oldest_waiting_seconds",] == 0


def test_troubles_are_told_since_when_they_are(home: Home) -> None:
    """And the models that are loaded."""
    with watched(home) as it:
        it.note.trouble("writing to the outbox", "No space left on device", "2026-11-23T12:00:00+00:00")
        it.note.use([Working("tiny", 3, "openvino")])
        found = figures(home)
    assert found["watcher_trouble", "writing to the outbox"] == 1
    assert found["watcher_trouble_since_timestamp_seconds", "writing to the outbox"] == homes.NOON.timestamp()
    assert found["watcher_model_info", "openvino", "tiny", "3"] == 1


def test_what_is_in_hand_is_told_with_its_bounds(home: Home) -> None:
    """As soon as there is a loop."""
    with watched(home) as it:
        assert ("watcher_queue_depth", "pictures_claimed") not in figures(home)
        it.health.begins(Idle())
        found = figures(home)
    assert (found["watcher_queue_depth", "pictures_claimed"], found["watcher_queue_limit", "pictures_claimed"]) == (
        3,
        16,
    )
    assert found["watcher_last_scan_seconds",] == 0.25
    assert found["watcher_last_scan_timestamp_seconds",] == pytest.approx(time.time() - 10, abs=5)


def test_runs_of_jobs_are_counted_and_what_needs_review(home: Home) -> None:
    """A run that found no better model has done its work, too."""
    with Database.open(home.settings.database.url, home.root) as database:
        database.migrate()
        book = RunBook(database, identity(home.root))
        for state, hour in ((RunState.KEPT, 3), (RunState.PROMOTED, 2), (RunState.FAILED, 4), (RunState.QUEUED, 5)):
            run = book.add("cells", "tiny", homes.NOON)
            book.change(run.id, set(RunState), state=state, ended_at=homes.NOON.replace(hour=hour))
    models = Registry(home.models)
    assert models.current("tiny").card.review_threshold is None
    with watched(home):
        found = figures(home)
    runs = {labels[1]: value for (name, *labels), value in found.items() if name == "watcher_job_runs_total"}
    assert runs == {"kept": 1, "promoted": 1, "failed": 1}
    last = found["watcher_job_last_success_timestamp_seconds", "cells"]
    assert last == homes.NOON.replace(hour=3).timestamp()


def test_the_share_that_needs_review_is_of_what_was_classified(
    tmp_path: Path, tiny_home_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And counted anew since the start."""
    models = tmp_path / "models"
    shutil.copytree(tiny_home_models, models)
    card = models / "tiny" / "1" / "model.json"
    monkeypatch.setattr(counting, "KEEP_SECONDS", 0.0)
    card.write_text(card.read_text().replace('"review_threshold": null', '"review_threshold": 0.999999'))
    home = homes.make(tmp_path / "home", models, metrics={"listen": f"127.0.0.1:{free_port()}"})
    homes.drop(home.inbox, "broken.png", b"nothing")
    homes.drop(home.inbox, "a.png", homes.picture())
    with homes.daemon_thread(home):
        homes.wait_for((home.done / "a.png").exists, "it is done")
        homes.wait_for(lambda: figures(home).get(("watcher_pictures", "done")) == 1, "it is counted")
        found = figures(home)
    assert found["watcher_needs_review_ratio", "tiny"] == found["watcher_review_pictures_total", "tiny"] == 1


def test_free_room_is_told_of_each_folder_that_is_there(home: Home) -> None:
    """As the system has it."""
    home.outbox.rmdir()
    with watched(home):
        found = figures(home)
    room = os.statvfs(home.root)
    assert found["watcher_disk_free_bytes", "home"] == pytest.approx(room.f_bavail * room.f_frsize, rel=0.2)
    assert {labels[0] for name, *labels in found if name == "watcher_disk_free_bytes"} == {"home", "inbox"}


def test_what_cannot_be_read_is_a_figure_too(home: Home) -> None:
    """And no fault of the server; what is not on a disk is told all the same, and the log has one line."""
    shutil.rmtree(home.inbox)
    with capture_logs() as logs, watched(home):
        found = [figures(home) for _ in range(3)][-1]
    assert found["watcher_readable",] == 0 and found["watcher_alive",] == 1
    assert ("watcher_pictures", "done") not in found
    assert [line["event"] for line in logs if line["log_level"] == "warning"] == [
        "the figures for monitoring are incomplete"
    ]


def test_a_share_that_hangs_keeps_nobody_waiting(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The age of what waits grows; once the share answers, all is told again."""
    homes.drop(home.inbox, "a.png", homes.picture())
    answer, real = threading.Event(), counting.status
    with watched(home):
        assert figures(home)["watcher_readable",] == 1
        monkeypatch.setattr(counting, "ANSWER_SECONDS", 0.1)
        monkeypatch.setattr(counting, "status", lambda *a, **b: answer.wait(homes.PATIENCE_SECONDS) and real(*a, **b))
        home_age = figures(home)["watcher_oldest_waiting_seconds",]
        for_now = Counting(home, FirstSights())
        assert for_now.found() is None and for_now.found() is None
        assert sum(thread.name == "counting" for thread in threading.enumerate()) == 1
        assert figures(home)["watcher_oldest_waiting_seconds",] > home_age > 0
        answer.set()
        found = homes.wait_for(for_now.found, "it answers")
        assert found.status.waiting == 1


def test_one_answer_serves_who_asks_often(home: Home) -> None:
    """For a while, which is longer where to look takes long."""
    now = 0.0
    found = Counting(home, FirstSights(), lambda: now)

    def waiting() -> int:
        counted = found.found()
        assert counted is not None
        return counted.status.waiting

    assert waiting() == 0
    homes.drop(home.inbox, "a.png", homes.picture())
    assert waiting() == 0
    now = counting.KEEP_SECONDS + 1
    assert waiting() == 1
