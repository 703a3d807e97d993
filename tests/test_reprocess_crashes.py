"""`watcher reprocess`, killed before any of its steps: the same command ends what was begun."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import homes
import pytest
from crashes import EVERY, crash_before_some_steps
from ledger import tally
from reprocessing import NOON, classified, take_all, tiny, with_tables
from versions import two_versions

from watcher.home import Home, open_home
from watcher.results import State
from watcher.service.reprocess import Which, reprocess
from watcher.vision.encode import read_caption

BAD = Which(model="tiny", version=2)
CRASH = """
import sys
sys.path.insert(0, {tests!r})
from test_reprocess_crashes import *

def prepare(folder):
    global home
    home = crash_home(folder, Path({template!r}), Path({done!r}) / folder.name)

def work(folder):
    reprocess(home, BAD, NOON)

def check(folder):
    if {daemon}:
        take_all(home, tiny(1), NOON, keep=is_kept)
    reprocess(home, BAD, NOON)
    check_all_done_once(home)
"""
MOVED = ("a.png", "/".join(["long folder name"] * 16) + "/b.png")
KEPT = "kept/c.png"


def is_kept(path: str) -> bool:
    return path == KEPT


def crash_home(folder: Path, template: Path, done: Path) -> Home:
    """A home whose pictures the second version has classified; one name was dropped again. `done` is where it says."""
    home = open_home(shutil.copytree(template, folder / "home"))
    shutil.move(home.done, done)
    home.done.symlink_to(done)
    homes.drop(home.inbox, KEPT, b"kept")
    take_all(home, tiny(2), NOON, keep=is_kept)
    homes.drop(home.inbox, "a.png", b"another")
    return home


def check_all_done_once(home: Home) -> None:
    """Every picture has one result that counts, by the first version, its original and one copy, and none waits."""
    take_all(home, tiny(1), NOON, keep=is_kept)
    rows = homes.rows(home)
    live = [row for row in rows if row.state is State.DONE]
    assert {row.model_version for row in live} == {1}
    assert len(live) == len({row.sha256 for row in live}) == 4
    old = [row for row in rows if row.state is State.SUPERSEDED]
    assert sorted((row.path, row.outbox_path) for row in old) == [(path, None) for path in sorted((*MOVED, KEPT))]
    done = os.fspath(home.done.readlink())
    contents = sorted(Path(parent, name).read_text() for parent, _, names in os.walk(done) for name in names)
    assert contents == sorted(["another", *(f"content of {path}" for path in MOVED)])
    assert homes.paths(home.inbox) == {KEPT}
    assert homes.paths(home.outbox) == {str(row.outbox_path).removeprefix("outbox/") for row in live}
    for row in live:
        caption = read_caption(home.root / str(row.outbox_path))
        assert caption and caption.version == 1
    assert reprocess(home, BAD, NOON).in_line == 0


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, which is another file system than the test's own."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK) or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second file system here")
    with tempfile.TemporaryDirectory(dir=memory) as name:
        yield Path(name)


@pytest.mark.parametrize(("disks", "daemon"), [(1, True), (2, True), (1, False)])
def test_a_crash_before_any_step_loses_and_doubles_nothing(
    tmp_path: Path, tiny_home_models: Path, memory: Path, disks: int, daemon: bool
) -> None:
    """The same command ends what was begun, also where a daemon has taken up what stood in line meanwhile."""
    home = with_tables(homes.make(tmp_path / "home", two_versions(tmp_path / "models", tiny_home_models).root))
    classified(home, *MOVED)
    script = CRASH.format(
        tests=os.fspath(Path(__file__).parent),
        template=os.fspath(home.root),
        done=os.fspath(tmp_path if disks == 2 else memory),
        daemon=daemon,
    )
    (memory / "homes").mkdir()
    tried = crash_before_some_steps(script, memory / "homes")
    assert tried > 30 / EVERY
    tally("SIGKILL while `watcher reprocess` puts pictures in line", tried=tried)
