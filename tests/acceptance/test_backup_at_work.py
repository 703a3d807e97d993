"""A backup that is taken in the middle of the work, restored, comes to books that balance, with every picture in them."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import threading
import time
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

import homes

from watcher.backup.making import make
from watcher.home import Home, open_home
from watcher.results import State

PICTURES, AT = 240, 60
FOLDERS = ("outbox", "inbox", "done", "failed")  # in the order that the documentation gives


def bring(home: Home, digests: dict[str, str]) -> None:
    """Pictures come in, some of them broken, until all have; notes their digests by path."""
    for number in range(PICTURES):
        path = f"s{number % 5}/{number}.png"
        data = b"no picture %d" % number if number % 20 == 7 else homes.picture("red", number)
        homes.drop(home.inbox, path, data)
        digests[path] = hashlib.sha256(data).hexdigest()
        time.sleep(0.004)


def copied(home: Home, folder: str, to: Path) -> None:
    """As `rsync -a --delete` copies a folder whose files come and go."""
    source, target = home.root / folder, to / folder
    found = {path.relative_to(source) for path in sorted(source.rglob("*")) if path.is_file()}
    for path in found:
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            shutil.copy2(source / path, target / path)
    for path in [path for path in target.rglob("*") if path.is_file()]:
        if path.relative_to(target) not in found:
            path.unlink()


def test_a_backup_taken_at_work_restores_to_books_that_balance(tmp_path: Path, tiny_home_models: Path) -> None:
    """The database first, then outbox, inbox, done and failed, twice, while pictures come and the daemon works on."""
    home = homes.make(tmp_path / "home", tmp_path / "home/models", folders={"models": "models"})
    shutil.copytree(tiny_home_models, home.models, dirs_exist_ok=True)
    digests: dict[str, str] = {}
    copy = tmp_path / "copy"
    with homes.daemon_thread(home):
        dropper = threading.Thread(target=bring, args=(home, digests))
        dropper.start()
        homes.wait_for(lambda: len(homes.paths(home.done)) >= AT, "some pictures are done")
        backup = make(home, tmp_path / "backup.tar", datetime.now(UTC))
        early = set(digests.values())
        for folder in (*FOLDERS, *FOLDERS):
            copied(home, folder, copy)
        dropper.join()
    shutil.rmtree(home.root)  # the disk is lost
    assert backup.pictures is not None
    assert AT // 2 <= backup.pictures < PICTURES

    done = homes.watcher("restore", tmp_path / "backup.tar", home=tmp_path / "new")
    assert done.returncode == 0, done.stderr
    new = open_home(tmp_path / "new")
    shutil.copytree(copy, new.root, dirs_exist_ok=True)
    repaired = homes.watcher("verify", "--repair", home=new.root)
    rows = homes.run_once(new)
    said = homes.watcher("verify", home=new.root)
    assert (said.returncode, said.stdout.splitlines()[-1]) == (0, "All balances."), (repaired.stdout, said.stdout)
    held = {row.sha256 for row in rows if row.state in (State.DONE, State.DUPLICATE, State.FAILED)}
    assert early - held == set()
    with closing(sqlite3.connect(new.root / "watcher.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
