"""What the settings and the job files ask for: does it fit this home?"""

from __future__ import annotations

import os
import pwd
import socket
import stat
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from watcher.doctor.findings import Finding, Level
from watcher.home import SETTINGS
from watcher.jobs.folder import read_folder
from watcher.jobs.standing import standings
from watcher.jobs.validation import doubts
from watcher.service.lock import holder
from watcher.service.note import read

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from watcher.home import Home

AREA, DAEMON, JOBS = "settings", "daemon", "jobs"
MOST_NAMED = 5


def file(home: Home) -> Iterator[Finding]:
    """Whose `watcher.toml` is, and who may see it."""
    yield from _secret(home)
    yield from _user(home)


def rights(home: Home, *, answering: Sequence[Path]) -> Iterator[Finding]:
    """Whether others than its owner decide what the daemon does. Of the folders outside, those that answer are looked at."""
    places = [home.root, home.root / SETTINGS]
    for folder in answering:
        places += [*(above for above in reversed(folder.parents) if above.is_relative_to(home.root)), folder]
    if home.jobs in answering:
        places += home.jobs.glob("*.toml")
    if home.models in answering:
        places += [path for pattern in ("[!.]*", "[!.]*/[!.]*") for path in home.models.glob(pattern)]
    opened = [path for path in dict.fromkeys(places) if _others_write(path)]
    if opened:
        named = ", ".join(map(str, opened[:MOST_NAMED])) + (", …" if len(opened) > MOST_NAMED else "")
        found = f"others than the owner can change {named}, and so what the daemon does"
        closed = [str(path) for path in (*answering, home.root / SETTINGS)]
        advice = f"`chmod go-w {home.root}` and `chmod -R go-w {' '.join(closed)}`"
        yield Finding(AREA, "rights", Level.WARNING, found, advice)


def _others_write(path: Path) -> bool:
    with suppress(FileNotFoundError):
        return bool(path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH))
    return False


def settings(home: Home) -> Iterator[Finding]:
    """What `watcher.toml` says, beside what is there. The inbox must answer."""
    if finding := _who_brings(home):
        yield finding
    for route in home.settings.models.routes:
        yield _route(home.inbox, route)
    if finding := _listen(home):
        yield finding
    if finding := _textfile(home):
        yield finding


def _secret(home: Home) -> Iterator[Finding]:
    path = home.root / SETTINGS
    url = home.settings.database.url
    rights = stat.S_IMODE(path.stat().st_mode)
    if "@" in url and rights & stat.S_IROTH:
        found = f"{path} holds the database's password, and everybody may read it"
        yield Finding(AREA, "password", Level.WARNING, found, f"`chmod o-r {path}`")


def _user(home: Home) -> Iterator[Finding]:
    """The daemon has rights of its own; what another user finds need not be true for it."""
    owner = (home.root / SETTINGS).stat().st_uid
    if owner == os.geteuid():
        return
    name = str(owner)
    with suppress(KeyError):
        name = pwd.getpwuid(owner).pw_name
    found = f"the home belongs to {name}, and rights were tested as another user"
    yield Finding(
        AREA, "user", Level.NOTE, found, f"`sudo -u {name} watcher --home {home.root} doctor` tests as the daemon"
    )


def _who_brings(home: Home) -> Finding | None:
    """Whether anybody but the owner can put pictures into the inbox; a share may have rights of its own."""
    rights = stat.S_IMODE(home.inbox.stat().st_mode)
    if rights & (stat.S_IWGRP | stat.S_IWOTH):
        return None
    found = f"only its owner may put pictures into {home.inbox} (its rights are {rights:04o})"
    advice = f'for the group: umask = "007" under [permissions], and `chmod g+ws {home.inbox}`'
    return Finding(AREA, "umask", Level.NOTE, found, advice)


def _route(inbox: Path, route: str) -> Finding:
    subject = f"route {route}"
    if (inbox / route).is_dir():
        return Finding(AREA, subject, Level.OK, f"its folder {inbox / route} is there")
    alike = [name for name in os.listdir(inbox) if name.casefold() == route.casefold()]
    if alike:
        found = f"{inbox / alike[0]} is not its folder, which is called {route}: pictures there go to the default model"
        return Finding(AREA, subject, Level.WARNING, found, "give the two one name, here or under [models.routes]")
    advice = f"`mkdir {inbox / route}`, for people to see where to put such pictures"
    return Finding(AREA, subject, Level.NOTE, f"{inbox / route} is not there yet", advice)


def _textfile(home: Home) -> Finding | None:
    textfile = home.settings.metrics.textfile
    if not textfile:
        return None
    folder = (home.root / textfile).parent
    if os.access(folder, os.W_OK | os.X_OK):
        return Finding(AREA, "textfile", Level.OK, f"the file for monitoring can be written into {folder}")
    found = f"the file for monitoring cannot be written into {folder}, which is not there or closed to this user"
    return Finding(
        AREA, "textfile", Level.WARNING, found, "make the folder, or choose another textfile under [metrics]"
    )


def _listen(home: Home) -> Finding | None:
    """Whether the port for figures is free; the daemon that runs has it itself."""
    listen = home.settings.metrics.listen
    if not listen or holder(home.lock):
        return None
    host, _, port = listen.rpartition(":")
    try:
        family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
        with closing(socket.socket(family)) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind((host.strip("[]"), int(port)))
    except OSError as fault:
        found = f"nothing can listen at {listen}: {fault.strerror or fault}"
        return Finding(AREA, "metrics", Level.FAULT, found, "choose another listen under [metrics], or free that one")
    return Finding(AREA, "metrics", Level.OK, f"{listen} is free")


def jobs(home: Home, now: datetime) -> Iterator[Finding]:
    """Every job file: right, and its pictures there. The folder of jobs must answer."""
    standing = {one.job: one for one in standings(home, None, now)}
    for found in read_folder(home.jobs):
        if found.faults:
            told = "; ".join(found.faults)
            yield Finding(
                JOBS, found.name, Level.FAULT, f"it cannot be run: {told}", f"`watcher jobs validate {found.name}`"
            )
            continue
        said = doubts(found, home)
        yield from (
            Finding(JOBS, found.name, Level.WARNING, f"it would fail: {doubt}", "mend it there") for doubt in said
        )
        one = standing.get(found.name)
        if not said and one is not None:
            when = f"runs next at {one.next}" if one.next else "runs only by hand"
            yield Finding(JOBS, found.name, Level.OK, f"it is right, and {when}")


def daemon(home: Home) -> Iterator[Finding]:
    """Whether one runs, and what it cannot do at the moment."""
    if home.lock.exists() and not os.access(home.lock, os.R_OK | os.W_OK):
        yield Finding(DAEMON, "process", Level.NOTE, "whether one runs cannot be told by this user")
        return
    who = holder(home.lock)
    if who is None:
        yield Finding(DAEMON, "process", Level.NOTE, "none runs", "`watcher run`, or start its service")
        return
    yield Finding(DAEMON, "process", Level.OK, f"it runs: {who}")
    note = read(home.root)
    for trouble in note.troubles:
        found = f"not possible since {trouble.since}: {trouble.what}. {trouble.reason}"
        yield Finding(DAEMON, "trouble", Level.WARNING, found, "it goes on by itself once it can")
    for behind in note.behind:
        found = f"{behind.model}/{behind.working} works, for the current version cannot be used: {behind.reason}"
        advice = f"mend it, or `watcher models rollback {behind.model}`"
        yield Finding(DAEMON, behind.model, Level.WARNING, found, advice)
