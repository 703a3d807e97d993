"""The doctor says of this machine and this home what is wrong and what to do, and leaves no trace."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

import homes
import pytest
import stocked
from click.testing import CliRunner

from watcher.cli.main import main
from watcher.doctor import folders, wishes
from watcher.doctor.asking import Asked, in_time
from watcher.doctor.examination import _safely
from watcher.doctor.findings import Finding, Level
from watcher.doctor.probe import look
from watcher.home import Home
from watcher.intake.events import Hints

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return stocked.make(tmp_path / "home", models={"default": "malaria", "routes": {}})


def told(home: Path, *args: str) -> tuple[int, list[dict[str, str]]]:
    """The exit code and the findings of a quick examination."""
    done = CliRunner().invoke(main, ["--home", str(home), "doctor", "--quick", "--format", "json", *args])
    assert done.stderr == ""
    found: list[dict[str, str]] = json.loads(done.stdout)
    return done.exit_code, found


def wrong(found: list[dict[str, str]]) -> dict[tuple[str, str], dict[str, str]]:
    """What is a warning or a fault about the home, whatever this machine is like."""
    return {
        (each["area"], each["subject"]): each
        for each in found
        if each["level"] in ("warning", "fault") and each["area"] != "machine" and "room" not in each["found"]
    }


def tree(root: Path) -> dict[str, int]:
    """Every file and folder, and when its names or bytes were changed."""
    return {
        str(path): path.stat().st_mtime_ns
        for path in root.rglob("*")
        if path.name != ".watcher.lock" and path.is_file()
    } | {str(path): 0 for path in root.rglob("*") if path.is_dir()}


def test_a_fit_home_has_no_faults(tmp_path: Path, tiny_home_models: Path) -> None:
    """Every part is looked at; a model is loaded and run; what was there is as it was, and nothing else is."""
    home = homes.make(tmp_path / "home", tiny_home_models)
    stocked.ClaimFolder(home.inbox, stocked.identity(home.root)).make()
    homes.drop(home.inbox, "a.png", homes.picture())
    before = tree(home.root)
    done = homes.watcher("doctor", "--format", "json", home=home.root)
    found = json.loads(done.stdout)
    assert wrong(found) == {}
    assert done.returncode == 0, done.stderr
    assert {each["area"] for each in found} >= {"machine", "folder", "settings", "daemon", "database", "models"}
    assert {each["subject"] for each in found if each["area"] == "folder"} >= {"home", "inbox", "models", "jobs"}
    assert [each["found"] for each in found if each["subject"] == "tiny/1"][1].startswith("runs (engine graph)")
    assert tree(home.root) == before


def test_it_leaves_nothing_beside_a_database_that_nobody_uses(home: Home, tmp_path: Path) -> None:
    """Neither where the daemon ended well, nor where its log was brought along from elsewhere; damage is told all the same."""
    stocked.many(home, 300)
    before = tree(home.root)
    assert "watcher.db can be read: 300 rows" in json.dumps(told(home.root)[1])
    assert tree(home.root) == before
    stocked.garble(stocked.file_of(home), 30_000, 20_000)
    before = tree(home.root)
    assert ("database", "soundness") in wrong(told(home.root)[1])
    assert tree(home.root) == before
    other = stocked.make(tmp_path / "other")
    with closing(sqlite3.connect(stocked.file_of(other), isolation_level=None)) as connection:
        connection.execute("CREATE TABLE mine (x)")
        for name in ("watcher.db", "watcher.db-wal"):
            shutil.copy(other.root / name, home.root / name)
        used = tree(other.root)
        assert "database" not in {area for area, _ in wrong(told(other.root)[1])}
        assert tree(other.root).keys() == used.keys()
    before = tree(home.root)
    (found,) = (each for each in told(home.root)[1] if each["subject"] == "results")
    assert "are still in its log" in found["found"]
    assert tree(home.root) == before


@pytest.mark.parametrize(
    "path", ["", "watcher.toml", "jobs", "models", "jobs/nightly.toml", "models/tiny", "models/tiny/1"]
)
@pytest.mark.parametrize("right", [0o020, 0o002])
def test_who_else_decides_what_the_daemon_does_is_told(home: Home, path: str, right: int) -> None:
    """A member of the group that can replace a job has a command run as the daemon."""
    (home.models / "tiny/1").mkdir(parents=True)
    (home.jobs / "nightly.toml").write_text("")
    assert list(wishes.rights(home, answering=[home.jobs, home.models])) == []
    place = home.root / path
    place.chmod(place.stat().st_mode | right)
    (found,) = wishes.rights(home, answering=[home.jobs, home.models])
    assert found.level is Level.WARNING
    assert f"others than the owner can change {place}, and so" in found.found
    for one in found.advice.strip("`").split("` and `"):
        subprocess.run(one.split(), check=True)
    assert list(wishes.rights(home, answering=[home.jobs, home.models])) == []


def test_an_open_home_is_a_warning(home: Home) -> None:
    home.root.chmod(0o2770)
    code, found = told(home.root)
    assert (code, wrong(found).keys()) == (0, {("settings", "rights"), ("models", "malaria")})


def test_people_get_a_table_with_what_to_do(home: Home) -> None:
    shutil.rmtree(home.done)
    done = CliRunner().invoke(main, ["--home", str(home.root), "doctor", "--quick"])
    assert done.exit_code == 1
    assert f"{home.done} is not there: No such file or directory. What to do: mount its share" in done.stdout
    assert re.fullmatch(r"\d+ things were looked at: 1 fault, \d warnings?, \d notes?\.", done.stdout.splitlines()[-1])


def test_each_thing_that_is_wrong_is_told_with_what_to_do(home: Home) -> None:
    """A folder gone, a file in the place of one, a job file that is none, a model that was changed."""
    shutil.rmtree(home.outbox)
    shutil.rmtree(home.failed)
    home.failed.write_text("")
    (home.jobs / "nightly.toml").write_text("model = 7\n")
    (home.jobs / "weekly.toml").write_text('model = "malaria"\nschedule = "@weekly"\n[data]\nsource = ["nowhere"]\n')
    assert homes.watcher("models", "fetch", "malaria", home=home.root).returncode == 0
    with (home.models / "malaria/1/model.keras").open("ab") as file:
        file.write(b"x")
    code, found = told(home.root)
    assert code == 1
    assert wrong(found).keys() == {
        ("folder", "outbox"), ("folder", "failed"), ("jobs", "nightly"), ("jobs", "weekly"), ("models", "malaria"),
    }  # fmt: skip
    assert all(each["advice"] for each in wrong(found).values())
    assert "was changed since it was stored" in wrong(found)["models", "malaria"]["found"]
    assert wrong(found)["models", "malaria"]["advice"] == "`watcher models fetch malaria`"
    assert "nowhere" in wrong(found)["jobs", "weekly"]["found"]


def test_a_warning_is_no_fault(home: Home) -> None:
    """A model that is not here yet keeps its pictures waiting, and nobody else."""
    code, found = told(home.root)
    assert (code, wrong(found).keys()) == (0, {("models", "malaria")})


def test_a_share_that_is_away_is_told_from_a_folder_that_is_gone(home: Home, tmp_path: Path) -> None:
    """By where it was mounted when it was last there."""
    (home.root / ".watcher-mounts").write_text(json.dumps({str(home.done): str(home.done)}))
    _, found = told(home.root)
    assert f"no share is mounted on {home.done}" in wrong(found)["folder", "done"]["found"]


def test_without_a_home_the_machine_is_looked_at(tmp_path: Path) -> None:
    code, found = told(tmp_path)
    assert code == 0
    assert {"machine", "settings", "models"} == {each["area"] for each in found}
    code, found = told(tmp_path / "nowhere")
    assert (code, wrong(found).keys()) == (1, {("folder", "home")})


def test_settings_with_faults_are_told_line_by_line(home: Home) -> None:
    (home.root / "watcher.toml").write_text("[intake]\nwatch = 7\n[nothing]\n")
    code, found = told(home.root)
    assert code == 1
    assert [each["found"].split(": ")[0][-2:] for each in found if each["area"] == "settings"] == [":2", ":3"]


def test_a_damaged_database_is_a_fault(home: Home) -> None:
    stocked.many(home, 300)
    stocked.garble(stocked.file_of(home), 30_000, 20_000)
    code, found = told(home.root)
    assert code == 1
    assert "it is damaged" in wrong(found)["database", "soundness"]["found"]


def test_a_server_that_is_not_there_is_told_without_its_password(home: Home) -> None:
    settings = home.root / "watcher.toml"
    url = "postgresql+psycopg://me:hush@127.0.0.1:1/results"
    settings.write_text(settings.read_text().replace("sqlite:///watcher.db", url))
    settings.chmod(0o644)
    code, found = told(home.root)
    assert code == 1
    assert wrong(found).keys() >= {("database", "server"), ("settings", "password")}
    assert "hush" not in json.dumps(found)


def test_a_route_in_other_letters_is_told(tmp_path: Path) -> None:
    """Its pictures would go to another model, and nobody would notice."""
    home = stocked.make(tmp_path / "home", models={"default": "malaria", "routes": {"cells": "malaria"}})
    (home.inbox / "Cells").mkdir()
    _, found = told(home.root)
    assert "pictures there go to the default model" in wrong(found)["settings", "route cells"]["found"]


def test_a_daemon_hears_nothing_of_it(home: Home) -> None:
    """What is tried in the inbox makes no hint, and can be taken for no picture."""
    hints = Hints(home.inbox, lambda: None)
    hints.start()
    try:
        facts, tried = look(home.inbox, None)
        homes.drop(home.inbox, "a.png", homes.picture())
        paths: set[str] = set()
        homes.wait_for(lambda: paths.update(hints.take()[0]) or "a.png" in paths, "the picture is heard of")
        assert paths <= {"a.png", ".half.part"}
    finally:
        hints.stop()
    assert tried is not None
    assert (facts.missing, facts.unreadable, facts.unwritable, tried.events) == (None, None, None, None)
    assert homes.paths(home.inbox) == {"a.png"}


def test_whose_rights_are_tested_is_said(open_folder: Path, without_rights: Any) -> None:
    """A folder that this user may not write is a fault where the daemon writes, and only noted elsewhere."""
    open_folder.chmod(0o755)
    with without_rights():
        if os.access(open_folder, os.W_OK, effective_ids=True):
            pytest.skip("this user owns what it makes")
        facts, tried = look(open_folder, None)
        for subject, level in (("inbox", Level.FAULT), ("corrections", Level.NOTE)):
            found = [
                each
                for each in folders.findings(folders.Looked(subject, open_folder, facts, tried))
                if "cannot be written" in each.found
            ]
            assert [each.level for each in found] == [level]
            assert "by this user (uid 65534" in found[0].found
    assert list(open_folder.iterdir()) == []


def test_what_this_user_may_not_see_is_told(open_folder: Path, without_rights: Any) -> None:
    """And keeps nothing else from being told."""
    home = stocked.make(open_folder / "home", models={"default": "malaria", "routes": {"cells": "malaria"}})
    home.root.chmod(0o755)
    home.inbox.chmod(0)
    with without_rights():
        if os.access(home.inbox, os.R_OK, effective_ids=True):
            pytest.skip("this user owns what it makes")
        found = list(_safely("settings", chain(wishes.file(home), wishes.settings(home))))
    home.inbox.chmod(0o755)
    assert [(each.subject, each.level) for each in found][-1] == ("access", Level.FAULT)
    assert "user" in [each.subject for each in found]


def test_a_folder_that_hangs_keeps_nobody_waiting(tmp_path: Path) -> None:
    """Here every folder takes too long; on a share whose server is gone it never ends."""
    seen = folders.looked(folders.ask("inbox", tmp_path, seconds=0.0))
    assert not seen.answers
    (found,) = folders.findings(seen)
    assert found.level is Level.FAULT
    assert "does not answer within" in found.found


def test_a_probe_that_was_killed_is_tidied_up_after(tmp_path: Path) -> None:
    """By the next one, an hour later; one that may be at work is left alone."""
    for name, age in (("old", 7200), ("new", 60)):
        folder = tmp_path / f".watcher-doctor-{name}"
        folder.mkdir()
        (folder / "file").write_text("")
        os.utime(folder, (datetime.now(UTC).timestamp() - age,) * 2)
    look(tmp_path, None)
    assert [path.name for path in tmp_path.iterdir()] == [".watcher-doctor-new"]


def test_what_hangs_in_a_thread_is_given_up() -> None:
    """And what it stumbles over is told as if it were asked here."""
    wait = threading.Event()
    assert in_time(lambda: [1, 2], 30) == [1, 2]
    assert in_time(lambda: [wait.wait(30)], 0.01) is None
    wait.set()
    with pytest.raises(ZeroDivisionError):
        in_time(lambda: [1 // 0], 30)


def test_a_child_that_crashes_is_an_answer() -> None:
    answer = Asked("watcher.doctor.nothing", seconds=30).answer()
    assert answer.code == 1
    assert "No module named" in answer.errors


@pytest.fixture
def port() -> Iterator[int]:
    """One on which something else listens."""
    import socket

    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


def test_a_port_that_is_taken_is_told(tmp_path: Path, port: int) -> None:
    home = stocked.make(tmp_path / "home", metrics={"listen": f"127.0.0.1:{port}"})
    assert ("settings", "metrics") in wrong(told(home.root)[1])


def test_what_it_says_is_a_value() -> None:
    assert Finding("a", "b", Level.OK, "c") == Finding("a", "b", Level.OK, "c")
