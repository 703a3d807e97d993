"""`watcher browse`: where it serves, when it cannot, and how it ends."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import threading
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import homes
import pytest
import sites
import stocked
from click.testing import CliRunner
from sites import address, command, served

from watcher.cli.main import main
from watcher.home import Home, make_home, open_home
from watcher.settings import Settings


def browse(home: Home, *args: str, **more: Any) -> subprocess.CompletedProcess[str]:
    return homes.watcher("browse", *args, home=home.root, **more)


def said(done: subprocess.CompletedProcess[str]) -> str:
    """The one line of a fault."""
    assert done.returncode == 1, done.stdout + done.stderr
    [line] = done.stderr.splitlines()
    return line


def test_without_a_database_it_says_what_makes_one(tmp_path: Path) -> None:
    """And makes none."""
    make_home(tmp_path)
    before = homes.paths(tmp_path)
    assert "`watcher run` makes the database" in said(browse(open_home(tmp_path)))
    assert homes.paths(tmp_path) == before


def test_an_older_database_is_left_as_it_is(home: Home) -> None:
    """The daemon brings it up to date."""
    with closing(sqlite3.connect(home.root / "watcher.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    assert "start `watcher run` once to upgrade it" in said(browse(home))


def test_postgresql_is_refused_without_its_password(tmp_path: Path) -> None:
    url = "postgresql+psycopg://someone:hunter2@db.example/results"
    make_home(tmp_path, Settings.model_validate({"database": {"url": url}}))
    line = said(browse(open_home(tmp_path)))
    assert "shows SQLite databases" in line and "`watcher results`" in line
    assert "hunter2" not in line


def test_without_datasette_it_says_how_to_get_it(home: Home, tmp_path: Path) -> None:
    (tmp_path / "datasette").mkdir()
    (tmp_path / "datasette" / "__init__.py").write_text("raise ModuleNotFoundError(name='datasette')")
    done = browse(home, env=os.environ | {"PYTHONPATH": str(tmp_path)})
    assert said(done) == "watcher: `watcher browse` needs Datasette: `pip install 'watcher[browse]'`"


def test_a_port_in_use_is_told(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = said(browse(home, "--listen", f"127.0.0.1:{port}"))
    assert f"another program listens at 127.0.0.1:{port} already" in line and "--listen" in line


@pytest.mark.parametrize("listen", ["8001", "localhost", "127.0.0.1:99999", "http://localhost:80", "::1:80"])
def test_a_place_that_makes_no_sense_is_wrong_usage(home: Home, listen: str) -> None:
    done = CliRunner().invoke(main, ["--home", str(home.root), "browse", "--listen", listen])
    assert done.exit_code == 2
    assert "write an address and a port, like 127.0.0.1:8001" in done.stderr


def test_serving_everyone_is_warned_of(home: Home) -> None:
    """And answers to any name, as a proxy or a colleague may use."""
    process = subprocess.Popen(
        [*command(home)[:-1], "0.0.0.0:0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        server = sites.Server(process, address(process).replace("0.0.0.0", "127.0.0.1"))
        assert server.get("/", Host="lab.example").status == 200
    finally:
        process.send_signal(signal.SIGTERM)
        _, warning = process.communicate(timeout=20)
    assert "Everyone who can reach this machine can see the results" in warning


def test_the_address_that_it_says_is_answered(home: Home) -> None:
    """Also where it is another one of this machine's own; a foreign name is not."""
    process = subprocess.Popen(
        [*command(home)[:-1], "127.0.0.2:0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        server = sites.Server(process, address(process))
        assert server.address.startswith("http://127.0.0.2:")
        assert server.get("/").status == 200
        refused = server.get("/", Host="evil.example")
        assert (refused.status, "http://127.0.0.2" in refused.text) == (421, True)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)


def test_where_nothing_can_be_written_it_says_what_to_do(home: Home) -> None:
    """SQLite then reads a database only while a daemon has it open."""
    stocked.add(home, "a.png", stocked.encoded(1))
    confined = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    if confined and shutil.which("setpriv") is None:
        pytest.skip("root can write everywhere")
    home.root.chmod(0o555)
    try:
        done = subprocess.run([*confined, *command(home)], capture_output=True, text=True, timeout=60, check=False)
    finally:
        home.root.chmod(0o755)
    line = said(done)
    assert "it can be read only while the daemon runs" in line
    assert "Start the daemon (`watcher run`)" in line


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_at_once_also_in_the_middle_of_answers(large: Home, number: signal.Signals) -> None:
    """Questions that run are broken off, and connections that are kept open wait for nothing."""
    with subprocess.Popen(command(large), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            server = sites.Server(process, address(process))
            server.get("/")
            idle = socket.create_connection(("127.0.0.1", int(server.address.rsplit(":", 1)[1].strip("/"))))
            endless = "with recursive n(x) as (select 1 union all select x + 1 from n) select count(*) from n"
            asking = [threading.Thread(target=_ask, args=(server, endless)) for _ in range(24)]
            for thread in asking:
                thread.start()
            time.sleep(0.3)
            start = time.monotonic()
            process.send_signal(number)
            _, errors = process.communicate(timeout=20)
            assert time.monotonic() - start < 4
            assert (process.returncode, errors) == (0, "")
            for thread in asking:
                thread.join()
            idle.close()
        finally:
            process.kill()


def _ask(server: sites.Server, sql: str) -> None:
    with suppress(OSError, http.client.HTTPException):  # its connection may be cut
        server.sql(sql)


def test_what_a_daemon_records_is_shown_at_once(home: Home) -> None:
    """It reads beside one that writes, and writes nothing itself."""
    with served(home) as server:
        assert "No picture yet" in server.get("/").text
        for number in range(3):
            stocked.add(home, f"s1/{number}.png", stocked.encoded(number))
            assert server.get("/").ids()[0] == number + 1
            assert server.get(f"/thumb/{number + 1}").status == 200
            assert server.get("/watcher/images.json?_shape=array").json[0]["id"] == number + 1


def test_a_database_that_is_rebuilt_is_the_one_that_is_shown(home: Home) -> None:
    """Not the one that was set aside under it."""
    stocked.add(home, "old.png", stocked.encoded(1))
    with served(home) as server:
        assert "old.png" in server.get("/").text
        assert server.sql("select name from images").json == [{"name": "old.png"}]
        new = sites.make(home.root.parent / "new")
        stocked.add(new, "new.png", stocked.encoded(2))
        with closing(sqlite3.connect(new.root / "watcher.db")) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for end in ("-wal", "-shm"):
            (home.root / f"watcher.db{end}").unlink(missing_ok=True)
        os.replace(new.root / "watcher.db", home.root / "watcher.db")
        assert "new.png" in server.get("/").text
        assert server.sql("select name from images").json == [{"name": "new.png"}]
        (home.root / "watcher.db").unlink()
        answer = server.get("/")
        assert answer.status == 503
        assert "its file is gone" in answer.text
        assert str(home.root) not in answer.text


def test_a_fault_of_ours_is_one_line_for_whoever_started_it(home: Home) -> None:
    """And a page that says no more than that it failed."""
    stocked.add(home, "a.png", stocked.encoded(1))
    with closing(sqlite3.connect(home.root / "watcher.db")) as connection, connection:
        connection.execute("UPDATE images SET finished_at = 'never'")
    process = subprocess.Popen(command(home), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        answer = sites.Server(process, address(process)).get("/picture/1")
        assert (answer.status, "This page failed" in answer.text) == (500, True)
    finally:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert errors.startswith("watcher: a page failed, ValueError: ") and errors.count("\n") == 1
