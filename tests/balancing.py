"""What tests of `watcher verify` share: a home with one picture of each state, and short ways to ask."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import homes
from sqlalchemy import text

from watcher.books.findings import Finding, Kind
from watcher.books.repair import Mended, repair
from watcher.books.verify import verify
from watcher.home import Home, open_home
from watcher.intake.claims import ClaimFolder
from watcher.intake.scan import look
from watcher.results import Database, Filter, ResultRow, find

BAD = b"no picture at all"


def make_template(root: Path, models: Path, **sections: dict[str, Any]) -> Home:
    """Two done, one duplicate, one failed."""
    home = homes.make(root, models, **sections)
    for path, data in {
        "s/a.png": homes.picture("red"),
        "b.jpg": homes.picture("blue", form="JPEG"),
        "bad.png": BAD,
    }.items():
        homes.drop(home.inbox, path, data)
    homes.run_once(home)
    homes.drop(home.inbox, "again.png", homes.picture("red"))
    homes.run_once(home)
    return home


def copied(template: Home, root: Path) -> Home:
    return open_home(shutil.copytree(template.root, root))


def claim(home: Home, path: str, owner: str) -> str:
    """A picture of the inbox, claimed; its id."""
    claims = ClaimFolder(home.inbox, owner)
    claims.make()
    seen = look(home.inbox, path)
    taken = claims.claim(seen) if seen else None
    assert taken
    return taken.id


def row(home: Home, path: str) -> ResultRow:
    """The newest row of a picture."""
    return next(row for row in homes.rows(home)[::-1] if row.path == path)


def original(home: Home, path: str) -> str | None:
    """Where the newest row of a picture says that its original is."""
    return value(home, f"SELECT original_path FROM images WHERE id = {row(home, path).id}")


def value(home: Home, query: str) -> Any:
    with Database.open(home.settings.database.url, home.root) as database, database.reading() as connection:
        return connection.scalar(text(query))


def change(home: Home, statement: str) -> None:
    """Makes the books say something else."""
    with Database.open(home.settings.database.url, home.root) as database, database.writing() as connection:
        connection.execute(text(statement))


def found(home: Home, **more: Any) -> list[Finding]:
    """What does not balance; nobody is at work."""
    return list(verify(home, pause=_never, **more))


def kinds(home: Home, **more: Any) -> list[Kind]:
    return [finding.kind for finding in found(home, **more)]


def only(home: Home, kind: Kind, **more: Any) -> Finding:
    """The one thing that does not balance."""
    [finding] = found(home, **more)
    assert finding.kind is kind, finding
    claimed = (Kind.CLAIM_RECORDED, Kind.CLAIM_ASTRAY)  # there names are longer than what people gave
    name = Path(finding.path or "").name.removesuffix(".reason.txt")
    assert name in finding.sentence or kind in claimed
    assert finding.repairable == ("--repair" in finding.sentence)
    return finding


def mended(home: Home, **more: Any) -> list[str]:
    """What a repair says that must mend everything; a second one has nothing to do, and all balances."""
    done = list(_mended(home, **more))
    assert list(repair(home, homes.NOON, **more)) == []
    assert found(home, **more) == []
    return done


def _mended(home: Home, **more: Any) -> Iterator[str]:
    for event in repair(home, homes.NOON, **more):
        assert isinstance(event, Mended) and event.fault is None, event
        yield event.done


def left(home: Home) -> list[Kind]:
    """What a repair cannot mend."""
    return [event.kind for event in repair(home, homes.NOON) if isinstance(event, Finding)]


def everything(home: Home) -> tuple[list[ResultRow], dict[str, bytes]]:
    """All rows, and all files of pictures with their bytes."""
    folders = (home.inbox, home.outbox, home.done, home.failed)
    with Database.open(home.settings.database.url, home.root, readonly=True) as database:
        rows = find(database, Filter())
    return rows, {
        str(folder / path): (folder / path).read_bytes() for folder in folders for path in homes.paths(folder)
    }


def _never(_: float) -> None:
    raise AssertionError("nobody is at work, and it waits")
