"""A claim that had been published, and goes back to the inbox after all, leaves no copy behind: it comes again as another."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing

import homes
from ledger import tally


def test_the_copy_of_a_claim_that_goes_back_is_taken_back(tmp_path, daemons):
    """Its daemon was killed before it could record it, and the next one has no model for it."""
    models = tmp_path / "models"
    shutil.copytree(daemons.models, models)
    home = daemons.make_home(tmp_path / "home", folders={"models": str(models)})
    log = tmp_path / "log"
    daemons.start(home, log)
    with closing(sqlite3.connect(home.root / "watcher.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        homes.drop(home.inbox, "a.png", homes.picture("red"))
        homes.wait_for(lambda: homes.paths(home.outbox) == {"a.png"}, "its copy is published")
        daemons.kill()
    models.rename(tmp_path / "elsewhere")
    with daemons.running(home, log):
        homes.wait_for((home.inbox / "a.png").exists, "it is put back")
        assert homes.paths(home.outbox) == set()
    (tmp_path / "elsewhere").rename(models)
    with daemons.running(home, log):
        homes.wait_for(lambda: homes.paths(home.done), "it is done")
    assert homes.paths(home.outbox) == {"a.png"}
    assert len(homes.rows(home)) == 1
    tally("SIGKILL after publishing, and no model at the next start", tried=1)
