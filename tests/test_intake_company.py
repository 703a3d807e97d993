"""Daemons that share an inbox: what one has taken, the other does not think taken back by a person."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from watcher.intake.arrivals import Gone, Seen
from watcher.intake.claims import FOLDER
from watcher.intake.company import ALONE_AFTER_SECONDS, KEEP_SECONDS, MARKS, TOUCH_SECONDS, Company
from watcher.intake.scan import look


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    (tmp_path / FOLDER).mkdir()
    return tmp_path


def drop(inbox: Path, name: str = "a.png") -> Seen:
    (inbox / name).write_bytes(b"a picture")
    seen = look(inbox, name)
    assert seen
    return seen


def gone(seen: Seen) -> Gone:
    return Gone(seen.path, seen.fingerprint)


def together(inbox: Path) -> tuple[Company, Company]:
    """Two that know of each other since 0."""
    one, other = Company(inbox, "aaaaaaaa"), Company(inbox, "bbbbbbbb")
    for company in (one, other, one):
        company.look(0)
    return one, other


def test_what_another_has_taken_is_known(inbox: Path) -> None:
    """Of this very file: not of another size, time or name, and not what is one's own."""
    one, other = together(inbox)
    seen = drop(inbox)
    one.takes(seen, 1)
    assert other.has_taken(gone(seen))
    assert not one.has_taken(gone(seen))
    os.utime(inbox / "a.png", (1, 1))
    later = look(inbox, "a.png")
    assert later and not other.has_taken(gone(later))
    assert not other.has_taken(gone(drop(inbox, "b.png")))


def test_alone_no_mark_is_made(inbox: Path) -> None:
    """It would cost a file for each picture."""
    one = Company(inbox, "aaaaaaaa")
    one.look(0)
    one.takes(drop(inbox), 1)
    assert not (inbox / FOLDER / MARKS).exists()


def test_a_newcomer_is_heard_at_once(inbox: Path) -> None:
    """Not only at the next time to touch."""
    one = Company(inbox, "aaaaaaaa")
    one.look(0)
    other = Company(inbox, "bbbbbbbb")
    other.look(0.1)
    one.look(0.2)
    seen = drop(inbox)
    one.takes(seen, 0.3)
    assert other.has_taken(gone(seen))


@pytest.mark.parametrize("leaves", [True, False])
def test_who_has_ended_is_company_no_more(inbox: Path, leaves: bool) -> None:
    """Killed or not: its file is touched no more. Its marks count as long as they stand."""
    one, other = together(inbox)
    seen = drop(inbox)
    other.takes(seen, 1)
    if leaves:
        other.leave()
    for now in range(0, int(ALONE_AFTER_SECONDS) + 20, 5):
        one.look(now)
    one.takes(drop(inbox, "b.png"), ALONE_AFTER_SECONDS + 20)
    assert len(os.listdir(inbox / FOLDER / MARKS)) == 1
    assert one.has_taken(gone(seen))


def test_who_lives_stays_company(inbox: Path) -> None:
    """However long."""
    one, other = together(inbox)
    for now in range(0, int(3 * ALONE_AFTER_SECONDS), int(TOUCH_SECONDS)):
        one.look(now)
        other.look(now + 1)
    seen = drop(inbox)
    one.takes(seen, 3 * ALONE_AFTER_SECONDS)
    assert other.has_taken(gone(seen))


def test_old_marks_go(inbox: Path) -> None:
    """Those of an earlier process, too."""
    one, _ = together(inbox)
    one.takes(drop(inbox), 1)
    again = Company(inbox, "aaaaaaaa")
    again.look(0)
    assert len(os.listdir(inbox / FOLDER / MARKS)) == 1
    again.look(KEEP_SECONDS + 1)
    assert os.listdir(inbox / FOLDER / MARKS) == []


def test_an_inbox_that_is_away_has_no_company(inbox: Path) -> None:
    """The scan says what is wrong."""
    one, _ = together(inbox)
    shutil.rmtree(inbox / FOLDER)
    one.look(TOUCH_SECONDS + 1)
    one.leave()


def test_who_was_held_up_trusts_nothing_that_it_had_seen(inbox: Path) -> None:
    """The others have taken it for ended meanwhile, and marked nothing for it."""
    one, other = together(inbox)
    assert not one.was_held_up()
    for now in range(0, 500, 5):
        other.look(now)
    one.look(500)
    assert one.was_held_up()
    assert not one.was_held_up()
    alone = Company(inbox, "cccccccc")
    alone.look(0)
    one.leave()
    other.leave()
    assert not alone.was_held_up()
