"""What a daemon tells other commands stands in its home, even where the disk is full."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from watcher.service.note import NAME, SIZE, Behind, DaemonNote, Note, Trouble, Working, read

NOON, LATER = "2026-11-23T12:00:00+00:00", "2026-11-23T12:05:00+00:00"


@pytest.fixture
def note(tmp_path: Path) -> DaemonNote:
    note = DaemonNote(tmp_path)
    note.begin()
    return note


def test_what_is_noted_is_read_again(note: DaemonNote, tmp_path: Path) -> None:
    """Each part for itself."""
    note.use([Working("tiny", 2, "graph")])
    note.fall_behind([Behind("tiny", 1, "it is broken")])
    note.trouble("writing to the outbox", "No space left on device", NOON)
    assert read(tmp_path) == Note(
        (Working("tiny", 2, "graph"),),
        (Behind("tiny", 1, "it is broken"),),
        (Trouble("writing to the outbox", "No space left on device", NOON),),
    )


def test_a_trouble_is_as_old_as_its_beginning_and_ends_alone(note: DaemonNote, tmp_path: Path) -> None:
    """Whatever other reasons come to it, and whatever else is not possible."""
    note.trouble("writing", "locked", NOON)
    note.trouble("reading", "gone", NOON)
    note.trouble("writing", "full", LATER)
    assert read(tmp_path).troubles == (Trouble("reading", "gone", NOON), Trouble("writing", "full", NOON))
    note.trouble("reading", None, LATER)
    assert [trouble.what for trouble in read(tmp_path).troubles] == ["writing"]


def test_it_takes_no_room_that_it_has_not_got_already(note: DaemonNote, tmp_path: Path) -> None:
    """It is written in place, whatever it says."""
    before = os.stat(tmp_path / NAME)
    for number in range(40):
        note.trouble(f"step {number}", "x" * 10_000, NOON)
    after = os.stat(tmp_path / NAME)
    assert (after.st_ino, after.st_size, after.st_blocks) == (before.st_ino, SIZE, before.st_blocks)
    assert read(tmp_path).troubles[-1].what == "step 39"


def test_a_new_daemon_begins_with_an_empty_note(note: DaemonNote, tmp_path: Path) -> None:
    """What was true of the one before is not of this one."""
    note.use([Working("tiny", 2, "graph")])
    DaemonNote(tmp_path).begin()
    assert read(tmp_path) == Note()


def test_threads_may_write_at_once(note: DaemonNote, tmp_path: Path) -> None:
    """None undoes what another has said."""
    threads = [threading.Thread(target=note.trouble, args=(f"step {number}", "locked", NOON)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read(tmp_path).troubles) == 10


def test_one_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    """It is logged, once."""
    with capture_logs() as logs:
        note = DaemonNote(tmp_path / "absent")
        note.begin()
        note.use([Working("tiny", 1, "graph")])
    assert [line["log_level"] for line in logs] == ["warning"]
    assert note.said.working == (Working("tiny", 1, "graph"),)


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"working": 1}', json.dumps({"working": [], "behind": [{}]})])
def test_one_that_is_damaged_says_nothing(tmp_path: Path, text: str) -> None:
    """Nor does one that is not there."""
    assert read(tmp_path) == Note()
    (tmp_path / NAME).write_text(text)
    assert read(tmp_path) == Note()
