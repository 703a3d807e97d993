"""What must balance after a soak: by the ledger that people kept, the files, SQLite and Pillow."""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from contextlib import closing
from types import SimpleNamespace

from oracle import Wrong, _copies, _integrity, _rows
from people import NOTE, last_name, sha, visible

GIVEN_UP = "Watcher stopped 3 times"
"""What may be said of a good picture that was in work in three crashes."""


def wrong(home, inbox, people):
    """What is wrong."""
    database = home.root / "watcher.db"
    rows = _rows(database)
    stage = SimpleNamespace(root=home.root, aside=home.outbox.parent)
    return [
        *_integrity(database),
        *_kept(home, inbox, people),
        *_counted(home, database, people),
        *_judged(database, people),
        *_vanished(rows, people),
        *_copies(stage, rows),
        *_half(home, inbox),
    ]


def _contents(folder):
    return Counter(sha((folder / path).read_bytes()) for path in visible(folder) if not path.endswith(NOTE))


def _kept(home, inbox, people):
    """Every file that was dropped is somewhere, byte by byte, once for each time that it was dropped."""
    found = sum((_contents(folder) for folder in (inbox, home.done, home.failed, people.drawer)), Counter())
    for data, number in (people.ledger - found).items():
        yield Wrong("lost", f"{number} of {data}, which was {people.labels.get(data, 'broken')}")
    for data, number in (found - people.ledger).items():
        yield Wrong("doubled", f"{number} of {data}, which was {people.labels.get(data, 'broken')}")


def _counted(home, database, people):
    """Every arrival that came to its end has one row; that of a picture which was given up unread knows no content."""
    ended = _contents(home.done) + _contents(home.failed) + people.retried
    query = "SELECT sha256, count(*) FROM images WHERE state != 'vanished' GROUP BY sha256"
    with closing(sqlite3.connect(database)) as connection:
        rows = Counter(dict(connection.execute(query)))
        given_up = connection.execute(f"SELECT count(*) FROM images WHERE reason LIKE '{GIVEN_UP}%'").fetchone()[0]
    unread = rows.pop(None, 0)
    if (ended - rows).total() != unread or unread > given_up:
        yield from (Wrong("lost", f"{number} rows of {data}") for data, number in (ended - rows).items())
        yield from [Wrong("doubled", f"{unread} rows of contents unknown")] * bool(unread)
    yield from (Wrong("doubled", f"{number} rows too many of {data}") for data, number in (rows - ended).items())


def _judged(database, people):
    query = """SELECT path, sha256, state, reason,
        (SELECT label FROM predictions WHERE image_id = images.id AND rank = 1) FROM images WHERE state != 'vanished'"""
    with closing(sqlite3.connect(database)) as connection:
        for path, data, state, reason, label in connection.execute(query):
            given_up = state == "failed" and (reason or "").startswith(GIVEN_UP)
            if label != people.labels.get(data) and not given_up:
                yield Wrong("false", f"{path} is {state} and {label}, not {people.labels.get(data)}: {reason}")


def _vanished(rows, people):
    """Only what was taken back has vanished, by its last name or by one that it had had a moment before."""
    vanished = Counter(row.path for row in rows if row.state == "vanished")
    taken_back = Counter(people.taken_back)
    unseen = taken_back - vanished
    for path in (vanished - taken_back).elements():
        name = last_name(people.renamed, path)
        if unseen[name]:
            unseen[name] -= 1
        else:
            yield Wrong("false", f"{path}, which became {name}, has vanished, and nobody has taken it back")


def _half(home, inbox):
    for folder in (inbox, home.outbox, home.done, home.failed):
        for parent, _, names in os.walk(folder):
            for name in names:
                if name.endswith(".tmp"):
                    yield Wrong("stray", f"half-written: {parent}/{name}")
