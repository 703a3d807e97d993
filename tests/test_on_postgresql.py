"""A home whose results are on a PostgreSQL server: the daemon, the books, and what `doctor` says of the server."""

from __future__ import annotations

import json
from pathlib import Path

import homes
import pytest
from balancing import found
from postgres import Server

from watcher.home import Home

pytestmark = pytest.mark.postgres


def home_on(url: str, folder: Path, models: Path) -> Home:
    return homes.make(folder, models, database={"url": url})


def said_by_doctor(home: Home) -> tuple[int, dict[str, dict[str, str]]]:
    done = homes.watcher("doctor", "--quick", "--format", "json", home=home.root)
    findings = [each for each in json.loads(done.stdout) if each["area"] == "database"]
    return done.returncode, {each["subject"]: each for each in findings}


def test_pictures_go_their_way_and_all_balances(tmp_path: Path, tiny_home_models: Path, postgresql: Server) -> None:
    with postgresql.empty() as url:
        home = home_on(url, tmp_path / "home", tiny_home_models)
        for name, data in {"s/a.png": homes.picture("red"), "b.png": homes.picture("blue"), "bad.png": b"none"}.items():
            homes.drop(home.inbox, name, data)
        homes.run_once(home)
        homes.drop(home.inbox, "again.png", homes.picture("red"))
        homes.run_once(home)
        assert {row.path: (row.state, row.label) for row in homes.rows(home)} == {
            "s/a.png": ("done", "red"), "b.png": ("done", "blue"), "bad.png": ("failed", None), "again.png": ("duplicate", "red"),
        }  # fmt: skip
        assert found(home) == []
        assert homes.watcher("report", home=home.root).returncode == 0
        assert "done         2" in homes.watcher("status", "--format", "table", home=home.root).stdout


def test_doctor_finds_a_good_server_good(tmp_path: Path, tiny_home_models: Path, postgresql: Server) -> None:
    with postgresql.migrated() as url:
        code, findings = said_by_doctor(home_on(url, tmp_path / "home", tiny_home_models))
    assert {name: each["level"] for name, each in findings.items()}.items() >= {
        "server": "ok",
        "privileges": "ok",
    }.items()
    assert "PostgreSQL" in findings["server"]["found"]
    assert code == 0, findings


def test_doctor_says_what_a_user_of_the_server_may_not_do(
    tmp_path: Path, tiny_home_models: Path, postgresql: Server
) -> None:
    with postgresql.migrated() as url:
        postgresql.say("DROP ROLE IF EXISTS looker")
        postgresql.say("CREATE ROLE looker LOGIN")
        try:
            home = home_on(url.replace("postgres@", "looker@"), tmp_path / "home", tiny_home_models)
            code, findings = said_by_doctor(home)
        finally:
            postgresql.say("DROP ROLE looker")
    assert code == 1
    assert findings["privileges"]["level"] == "fault"
    assert findings["privileges"]["advice"]
