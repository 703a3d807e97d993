"""All checks, one after the other; what may hang or crash is asked for first, and waited for last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watcher.doctor import database, folders, machine, models, wishes
from watcher.doctor.asking import Asked, in_time
from watcher.doctor.findings import Finding, Level
from watcher.errors import SettingsError, WatcherError
from watcher.home import SETTINGS, open_home
from watcher.service.shares import Shares

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from datetime import datetime
    from pathlib import Path

    from watcher.doctor.folders import Looked
    from watcher.home import Home

# Importing TensorFlow takes seconds, and each model some more; on a slow machine many.
LOADING_SECONDS = 120.0
JOBS_SECONDS = 15.0


def examine(root: Path, now: datetime, *, quick: bool = False) -> Iterator[Finding]:
    """Everything about this machine, and about the home at `root` if there is one; `quick`: no model is loaded."""
    first = folders.ask("home", root)
    yield from machine.findings(now)
    seen = folders.looked(first)
    home = None
    if seen.answers:
        home = yield from _opened(root)
    if home is None:
        yield from (finding for finding in folders.findings(seen) if finding.level is Level.FAULT)
        yield from _run(None if quick else _loading(None, []), None)
    else:
        yield from _home(home, seen, now, quick=quick)


def _opened(root: Path) -> Generator[Finding, None, Home | None]:
    """The home, if one is there and its settings can be read. (What a generator returns, `yield from` gives.)"""
    try:
        if not (root / SETTINGS).exists():
            advice = "make one with `watcher init`, or say where it is with --home DIR or WATCHER_HOME"
            yield Finding("settings", SETTINGS, Level.NOTE, f"there is no home in {root}", advice)
            return None
        home = open_home(root)
    except SettingsError as fault:
        for line in fault.faults:
            yield Finding(
                "settings", SETTINGS, Level.FAULT, line, "mend that line; `watcher init` elsewhere shows a right one"
            )
        return None
    except (WatcherError, OSError) as fault:
        yield Finding("settings", SETTINGS, Level.FAULT, str(fault), "give this user the right to read it")
        return None
    yield Finding("settings", SETTINGS, Level.OK, f"{root / SETTINGS} is right")
    return home


def _ask_folders(home: Home, results: Path | None) -> dict[str, folders.Asking]:
    """All at once, each in a process of its own: one that hangs does not keep the others waiting."""
    shares = Shares(home)
    places = {name: home.root / folder for name, folder in home.settings.folders.model_dump().items()}
    if results is not None and results != home.root:
        places["database"] = results
    return {name: folders.ask(name, folder, shares.noted_for(folder)) for name, folder in places.items()}


def _home(home: Home, seen: Looked, now: datetime, *, quick: bool) -> Iterator[Finding]:
    where = database.target(home)
    asked = _ask_folders(home, None if isinstance(where, Finding) else database.folder(where))
    looks = {"home": seen} | {name: folders.looked(asking) for name, asking in asked.items()}
    there = looks["models"].answers
    loading = None if quick else _loading(home, models.wanted(home) if there else [])
    for look in looks.values():
        yield from folders.findings(look, watch=home.settings.intake.watch)
    yield from _safely(wishes.AREA, wishes.file(home))
    answering = [folder for name, folder in (("jobs", home.jobs), ("models", home.models)) if looks[name].answers]
    yield from _safely(wishes.AREA, wishes.rights(home, answering=answering))
    yield from _safely(wishes.DAEMON, wishes.daemon(home))
    if looks["inbox"].answers:
        yield from _safely(wishes.AREA, wishes.settings(home))
    if isinstance(where, Finding):
        yield where
    elif looks.get("database", seen).answers:
        yield from _safely(database.AREA, database.findings(home, where))
    if looks["jobs"].answers:
        yield from _safely(wishes.JOBS, _jobs(home, now))
    if there:
        yield from _safely(models.AREA, models.on_disk(home))
    yield from _run(loading, home)


def _safely(area: str, found: Iterator[Finding]) -> Iterator[Finding]:
    """What this user may not see is a finding, and keeps nothing else from being found."""
    try:
        yield from found
    except (OSError, WatcherError) as fault:
        advice = "ask as the daemon's user: `sudo -u USER watcher doctor`"
        yield Finding(area, "access", Level.FAULT, f"the rest cannot be looked at by this user: {fault}", advice)


def _jobs(home: Home, now: datetime) -> Iterator[Finding]:
    """Their pictures may be anywhere, also on a share whose server is gone."""
    found = in_time(lambda: wishes.jobs(home, now), JOBS_SECONDS)
    if found is None:
        told = f"their pictures cannot be looked at within {JOBS_SECONDS:.0f} seconds"
        advice = "see whether the share that a job's `source` is on answers"
        found = [Finding(wishes.JOBS, "sources", Level.FAULT, told, advice)]
    yield from found


def _loading(home: Home | None, names: list[str]) -> Asked:
    """TensorFlow and these models, in a process beside this one."""
    inference = home.settings.inference if home else None
    batch_size, engine = (inference.batch_size, inference.engine) if inference else (1, "auto")
    arguments = [str(home.models) if home else ".", str(batch_size), engine, *names]
    return Asked("watcher.doctor.loading", *arguments, seconds=LOADING_SECONDS)


def _run(loading: Asked | None, home: Home | None) -> Iterator[Finding]:
    if loading is None:
        yield models.installed()
        return
    inference = home.settings.inference if home else None
    timeout, batch_size = (inference.timeout_seconds, inference.batch_size) if inference else (LOADING_SECONDS, 1)
    yield from models.run(loading.answer(), timeout, batch_size, models.nvidia_cards())
