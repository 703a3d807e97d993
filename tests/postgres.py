"""A PostgreSQL server of the tests' own: in a temporary folder, on a socket in there, and ended with them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from watcher.results import Database

# Where Debian puts programs that are not for everybody.
PLACES = (*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True), *map(Path, os.get_exec_path()))
USER = "postgres"  # the server refuses to be root
PATIENCE_SECONDS = 60.0
# A server that nobody needs after a crash need not wait for the disk.
SETTINGS = ("listen_addresses=", "fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=32MB")
TEMPLATE = "watcher"


def programs() -> Path | None:
    """The folder of PostgreSQL's server programs."""
    return next((place for place in PLACES if (place / "initdb").is_file() and (place / "postgres").is_file()), None)


class Server:
    """One that runs; `fresh` makes databases with the newest schema, which are copied from one that was migrated."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made = 0

    def url(self, name: str) -> str:
        return f"postgresql+psycopg://{USER}@/{name}?host={self._folder}"

    @contextmanager
    def empty(self, template: str = "template1") -> Iterator[str]:
        """The URL of a new database, which is dropped afterwards."""
        self._made += 1
        name = f"test_{self._made}"
        self.say(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield self.url(name)
        finally:
            self.say(f"DROP DATABASE {name} WITH (FORCE)")

    @contextmanager
    def migrated(self) -> Iterator[str]:
        """As `empty`, with Watcher's tables."""
        with self.empty(TEMPLATE) as url:
            yield url

    def say(self, statement: str) -> None:
        import psycopg

        with closing(
            psycopg.connect(f"host={self._folder} user={USER} dbname=postgres", autocommit=True)
        ) as connection:
            connection.execute(statement.encode())


@contextmanager
def server() -> Iterator[Server]:
    """One for the block. Raises FileNotFoundError where PostgreSQL is not installed."""
    place = programs()
    if place is None:
        raise FileNotFoundError("PostgreSQL's server is not installed")
    folder = Path(tempfile.mkdtemp(prefix="watcher-pg-"))  # a socket's path must be short
    options: dict[str, Any] = {"cwd": folder, "stdout": subprocess.DEVNULL}
    if os.geteuid() == 0:
        shutil.chown(folder, USER)
        options |= {"user": USER, "group": USER, "extra_groups": []}
    try:
        subprocess.run(
            [place / "initdb", "-D", "data", "-U", USER, "-A", "trust", "-N", "-E", "UTF8"], check=True, **options
        )
        settings = [part for setting in SETTINGS for part in ("-c", setting)]
        command = [place / "postgres", "-D", "data", "-k", folder, *settings]
        with (folder / "log").open("wb") as log, subprocess.Popen(command, stderr=log, **options) as process:
            try:
                yield _ready(Server(folder), process)
            finally:
                process.send_signal(signal.SIGINT)  # those who are connected are not waited for
                process.wait(PATIENCE_SECONDS)
    finally:
        shutil.rmtree(folder)


def _ready(server: Server, process: subprocess.Popen[bytes]) -> Server:
    import psycopg

    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            server.say(f"CREATE DATABASE {TEMPLATE}")
            break
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > until:
                raise
            time.sleep(0.05)
    with Database.open(server.url(TEMPLATE), Path("/")) as database:
        database.migrate()
    return server
