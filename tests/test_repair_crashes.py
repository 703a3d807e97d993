"""`watcher verify --repair`, killed before any of its steps: the same command ends what was begun."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import homes
import pytest
from balancing import change, value
from crashes import EVERY, crash_before_some_steps
from ledger import tally
from reprocessing import NOON, take_all, tiny, with_tables

from watcher.home import Home
from watcher.intake.claims import FOLDER, ClaimFolder
from watcher.intake.scan import look
from watcher.results import State
from watcher.service.identity import identity
from watcher.service.way_back import owner_again

CRASH = """
import shutil, sys
sys.path.insert(0, {tests!r})
from ledger import tally
from reprocessing import NOON
from test_repair_crashes import check_all_balances
from watcher.home import open_home
from watcher.books.findings import Finding
from watcher.books.repair import repair

def prepare(folder):
    global home
    home = open_home(shutil.copytree({template!r}, folder / "home"))
    done = Path({done!r}) / folder.name
    shutil.move(home.done, done)
    home.done.symlink_to(done)

def work(folder):
    list(repair(home, NOON))

def check(folder):
    assert not [event for event in repair(home, NOON) if isinstance(event, Finding)]
    check_all_balances(home)
"""
PICTURES = ("lost.png", "moved.png", "begun.png", "recorded.png")


def unbalanced(home: Home) -> Home:
    """One of each that can be mended and takes more than one step."""
    for seed, name in enumerate(PICTURES):
        homes.drop(home.inbox, name, homes.picture("red", seed))
    take_all(home, tiny(1), NOON)
    (home.outbox / "lost.png").unlink()
    os.rename(home.done / "moved.png", home.done / "elsewhere.png")
    (home.done / "unknown.png").write_bytes(homes.picture("green"))
    claim = value(home, "SELECT claim FROM images WHERE path = 'recorded.png'")
    os.rename(home.done / "recorded.png", home.inbox / FOLDER / f"{identity(home.root)}.{claim}.1.recorded.png")
    change(home, "UPDATE images SET state = 'superseded' WHERE path = 'begun.png'")
    homes.drop(home.inbox, "back.png", homes.picture("blue"))
    claims = ClaimFolder(home.inbox, owner_again(home))
    seen = look(home.inbox, "back.png")
    assert seen and claims.claim(seen)
    return home


def check_all_balances(home: Home) -> None:
    """Every picture is once where it belongs, and has one copy if it has a result."""
    assert homes.paths(home.inbox) == {"back.png", "begun.png", "unknown.png"}
    assert homes.paths(home.done.readlink()) == {"lost.png", "elsewhere.png", "recorded.png"}
    live = [row for row in homes.rows(home) if row.state is State.DONE]
    assert {row.path for row in live} == {*PICTURES} - {"begun.png"}
    assert homes.paths(home.outbox) == {str(row.outbox_path).removeprefix("outbox/") for row in live}


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, if there is one: it is quick, and what is moved to another file system takes the most steps."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else tmp_path) as name:
        yield Path(name)


def test_a_crash_before_any_step_loses_and_doubles_nothing(tmp_path: Path, memory: Path) -> None:
    """Copies, originals, rows and claims are as one whole repair leaves them."""
    home = unbalanced(with_tables(homes.make(tmp_path / "home", tmp_path / "models")))
    script = CRASH.format(
        tests=os.fspath(Path(__file__).parent), template=os.fspath(home.root), done=os.fspath(tmp_path)
    )
    tried = crash_before_some_steps(script, memory)
    assert tried > 50 / EVERY
    tally("SIGKILL while `watcher verify --repair` mends", tried=tried)
