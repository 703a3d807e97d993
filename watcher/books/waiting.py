"""Why a picture in the inbox is where it is: what it waits for, who has it, or why it is left alone."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from watcher.intake.claims import ClaimFolder
from watcher.intake.names import clean
from watcher.intake.writers import is_being_written
from watcher.models.registry import Registry
from watcher.service.identity import NAME, identity
from watcher.service.lock import holder
from watcher.service.note import Note, read
from watcher.service.reception import MOST_ATTEMPTS
from watcher.service.routes import Routes
from watcher.service.way_back import owner_again

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from watcher.home import Home
    from watcher.intake.arrivals import Claim

NO_DAEMON = "no daemon runs; start one with `watcher run`"


class Waiting:
    """What can be said of a home's inbox at one moment."""

    def __init__(self, home: Home, now: datetime) -> None:
        self._home = home
        self._now = now
        self._daemon = holder(home.lock)
        self._note = read(home.root) if self._daemon else Note()
        self._routes = Routes(home.settings.models, Registry(home.models))
        # A home that has never run has no name yet, and no claims.
        has_name = (home.root / NAME).exists()
        self._own = {identity(home.root): "", owner_again(home): "again"} if has_name else {}

    def claims(self) -> list[tuple[str, Claim]]:
        """All claims with their owners."""
        return ClaimFolder(self._home.inbox, "").holdings()

    def why_waits(self, path: str) -> str:
        """What the picture at `path`, raw and relative to the inbox, waits for. Raises OSError."""
        status = os.stat(self._home.inbox / path, follow_symlinks=False)
        seconds = self._now.timestamp() - max(status.st_mtime, status.st_ctime)
        since = f", unchanged for {_span(seconds)}" if seconds >= 0 else ""
        return f"{clean(path)} waits in the inbox{since}: {'; '.join(self._obstacles(path, seconds))}."

    def _obstacles(self, path: str, seconds: float) -> Iterator[str]:
        model, intake = self._routes.model_of(path), self._home.settings.intake
        known = True
        if self._daemon is None:
            yield NO_DAEMON
        yield from self._troubles()
        works = {behind.model for behind in self._note.behind}
        if model not in works and (reason := self._routes.obstacles().get(model)):
            yield f"its model {model} cannot be used: {reason}"
        elif is_being_written(self._home.inbox / path):
            yield "a program of this machine still has it open for writing"
        elif 0 <= seconds < intake.settle_seconds:
            yield f"it is taken when it has not changed for {intake.settle_seconds:g} seconds"
        else:
            known = self._daemon is None or bool(self._note.troubles)
        if not known:
            yield (
                "the daemon takes it after those before it, or once it has looked through the inbox again, which it "
                f"does every {intake.rescan_seconds:g} seconds at least"
            )

    def why_claimed(self, owner: str, claim: Claim) -> str:
        """Who has a claimed picture, and how far it is."""
        path = clean(claim.path)
        times = f"opened {claim.attempts} time{'' if claim.attempts == 1 else 's'} so far"
        if owner not in self._own:
            return f"{path} is in work for another home that watches this inbox ({owner}), {times}."
        if self._own[owner] == "again":
            return (
                f"{path} is on its way back into the inbox, where `watcher reprocess` or `retry` puts it; if that was "
                "stopped, `watcher verify --repair` does."
            )
        if self._daemon is None:
            return (
                f"{path} was in work when the daemon ended, {times}: the next `watcher run` goes on with it. After "
                f"{MOST_ATTEMPTS} times it is put aside, into the folder of failed pictures."
            )
        return f"{'; '.join([f'{path} is in work, {times}: the daemon ({self._daemon}) has claimed it', *self._troubles()])}."

    def _troubles(self) -> Iterator[str]:
        """What the daemon cannot do at the moment, which may hold up any picture."""
        for trouble in self._note.troubles:
            yield (
                f"the daemon goes on as soon as it can, for since {trouble.since} it has trouble {trouble.what}: "
                f"{trouble.reason}"
            )


def _span(seconds: float) -> str:
    """A length of time in its two largest units."""
    whole = int(seconds)
    units = (
        ("day", whole // 86400),
        ("hour", whole // 3600 % 24),
        ("minute", whole // 60 % 60),
        ("second", whole % 60),
    )
    first = next((at for at, (_, number) in enumerate(units) if number), len(units) - 1)
    said = [f"{number} {name}{'' if number == 1 else 's'}" for name, number in units[first : first + 2]]
    return " and ".join(part for at, part in enumerate(said) if at == 0 or not part.startswith("0 "))
