"""The server: one socket, one process, one database that is only read. It ends when it is told to."""

from __future__ import annotations

import errno
import ipaddress
import logging
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import uvicorn
from datasette.app import Datasette
from datasette.plugins import pm

from watcher.results import Database, DatabaseUnavailable
from watcher.results.browse import described, picture
from watcher.results.browse.copies import Copies
from watcher.results.browse.guard import LOCAL
from watcher.results.browse.outbox import Outbox
from watcher.results.browse.pages import ASSETS, Pages
from watcher.results.browse.plugin import Plugin
from watcher.results.browse.questions import Questions
from watcher.results.browse.readonly import ReadOnly
from watcher.results.browse.site import DATABASE, BrowseError, CannotOpen, Site
from watcher.results.connect import target
from watcher.results.lookups import counts

TEMPLATES = Path(__file__).parent / "templates"
BACKLOG = 128
END_SECONDS = 1  # for answers that are under way
SETTINGS = {
    "allow_download": False,  # while a daemon writes, the file alone is not the database
    "default_page_size": 50,
    "facet_time_limit_ms": 300,
    "force_https_urls": False,
    "max_csv_mb": 200,
    "max_returned_rows": 1000,
    "num_sql_threads": 3,
    "sql_time_limit_ms": 1000,
    "suggest_facets": False,
    "truncate_cells_html": 200,
}


def serve(site: Site, host: str, port: int, say: Callable[[str], None]) -> None:
    """Until SIGTERM or Ctrl-C. `say` gets the lines that people read before that.

    Raises BrowseError where nothing can listen there, or the database is none of SQLite's, and DatabaseError.
    """
    found = target(site.url, site.root)
    if found.file is None:
        raise BrowseError(
            f"the results are in {found.where}, and `watcher browse` shows SQLite databases: "
            "look at them with a program for PostgreSQL, or with `watcher results`"
        )
    with _opened(site) as database, _listening(host, port) as listening:
        address = listening.getsockname()[0]
        only_here = ipaddress.ip_address(address.partition("%")[0]).is_loopback
        names = (_named(host).lower(), _named(address), *LOCAL) if only_here else None
        if not only_here:
            say(f"Everyone who can reach this machine can see the results and their pictures at {host}:{port}.")
        server = _server(site, database, found.file, names)
        say(f"http://{_named(host)}:{listening.getsockname()[1]}/")
        server.run([listening])


def _opened(site: Site) -> Database:
    """Raises DatabaseError, CannotOpen."""
    try:
        return Database.open(site.url, site.root, readonly=True)
    except DatabaseUnavailable as fault:
        if told := CannotOpen.of(fault):
            raise told from None
        raise


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, datasette: Datasette, end: Callable[[], None]) -> None:
        super().__init__(config)
        self._datasette = datasette
        self._end = end

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await self._datasette.invoke_startup()
        await super().startup(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._end()
        await super().shutdown(sockets)


def _server(site: Site, database: Database, file: Path, names: Sequence[str] | None) -> _Server:
    questions = Questions(database)
    copies = Copies(Outbox(site.root, site.outbox), recorded=lambda image: questions.ask(picture.copy_of, image))
    pm.unregister(name="datasette.handle_exception")  # it would print all values of a program that meets a fault
    pm.register(Plugin(Pages(site, questions), copies, names=names, where=database.where))
    with database.reading() as connection:
        pictures = sum(counts(connection).values())
    datasette = Datasette(
        settings=SETTINGS,
        metadata=described.metadata(pictures),
        template_dir=str(TEMPLATES),
        static_mounts=[("assets", str(ASSETS))],
    )
    datasette.remove_database("_memory")
    reading = ReadOnly(datasette, file)
    datasette.add_database(reading, name=DATABASE)

    def end() -> None:
        questions.close()
        copies.close()
        reading.end()

    return _Server(_config(datasette.app()), datasette, end)


def _config(app: Any) -> uvicorn.Config:
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)  # what a person has to know we say
    return uvicorn.Config(
        app,
        access_log=False,
        limit_concurrency=200,
        log_config=None,
        log_level=None,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=END_SECONDS,
        ws="none",
    )


def _listening(host: str, port: int) -> socket.socket:
    """A socket that takes connections already. Raises BrowseError."""
    where = f"{_named(host)}:{port}"
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except OSError as fault:
        if fault.errno == errno.EADDRINUSE:
            other = f"{_named(host)}:{port + 1 if port < 65535 else port - 1}"
            raise BrowseError(
                f"another program listens at {where} already: end it, or choose another port with --listen {other}"
            ) from None
        raise BrowseError(f"nothing can listen at {where}: {fault.strerror or fault}") from None


def _named(host: str) -> str:
    """As addresses of pages have it."""
    return f"[{host}]" if ":" in host else host
