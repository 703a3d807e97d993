"""People who drop pictures in every way they know, take some back and try others again; and the ledger of all of them."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from contextlib import suppress
from itertools import count

import homes

COLOURS = tuple(homes.COLOURS)
NOTE = ".reason.txt"


class People:
    """`ledger` has every file that was ever dropped, by content; what they took back is in their drawer."""

    def __init__(self, chance, inbox, failed, desk):
        self._chance = chance
        self._inbox = inbox
        self._failed = failed
        self._desk = desk
        self.drawer = desk / "drawer"
        self.drawer.mkdir(parents=True)
        self._numbers = count()
        self._copying = {}
        self._known = []
        self.ledger = Counter()
        self.labels = {}  # by SHA-256; broken ones have none
        self.taken_back = []  # the paths
        self.retried = Counter()
        self.renamed = {}  # the last new name of each path

    @property
    def are_copying(self):
        return bool(self._copying)

    @property
    def story(self):
        """What they have done, in numbers."""
        dropped, retried = self.ledger.total(), self.retried.total()
        return f"{dropped} dropped, {len(self.taken_back)} taken back, {retried} retried"

    def act(self):
        """Does one thing. A full disk keeps people from it, as it would."""
        ways = (
            (6, self._rename), (4, self._link), (4, self._copy), (3, self._folder), (4, self._one_name), (3, self._again),
            (3, self._broken), (3, self._take_back), (2, self._change_name), (3, self._retry),
        )  # fmt: skip
        [way] = self._chance.choices([way for _, way in ways], [weight for weight, _ in ways])
        with suppress(OSError):
            way()

    def go_on_copying(self):
        """Writes the next piece of each slow copy."""
        for target, pieces in list(self._copying.items()):
            if next(pieces, None) is None:
                del self._copying[target]

    def _paint(self):
        label = self._chance.choice(COLOURS)
        data = homes.picture(label, next(self._numbers), self._chance.choice(("PNG", "JPEG")))
        self.labels[sha(data)] = label
        self._known.append(data)
        return data

    def _name(self, kind):
        folder = self._chance.choice(("", "", "slide/", "slide/deep/", f"day {self._chance.randrange(4)}/"))
        return f"{folder}{kind} {next(self._numbers)}.{self._chance.choice(('png', 'jpg', 'PNG'))}"

    def _put_down(self, data):
        """On the desk, to be dropped from there."""
        path = self._desk / f"{next(self._numbers)}"
        try:
            path.write_bytes(data)
        except OSError:
            path.unlink()
            raise
        return path

    def _target(self, name):
        target = self._inbox / name
        target.parent.mkdir(parents=True, exist_ok=True)
        return target

    def _dropped(self, data):
        self.ledger[sha(data)] += 1

    def _rename(self, data=None, kind="renamed"):
        data = data or self._paint()
        os.rename(self._put_down(data), self._target(self._name(kind)))
        self._dropped(data)

    def _link(self):
        data = self._paint()
        os.link(self._put_down(data), self._target(self._name("linked")))
        self._dropped(data)

    def _copy(self):
        target = self._target(self._name("copied"))
        self._copying[target] = self._pieces(self._paint(), target)

    def _pieces(self, data, target):
        file = target.open("xb", buffering=0)
        with file:
            try:
                for start in range(0, len(data), 300):
                    file.write(data[start : start + 300])
                    yield True
            except OSError:
                target.unlink()  # while it is still open, so that nobody thinks it is whole
                self.taken_back.append(os.path.relpath(target, self._inbox))
                return
        self._dropped(data)

    def _folder(self):
        folder = self._desk / f"folder {next(self._numbers)}"
        folder.mkdir()
        dropped = [self._paint() for _ in range(self._chance.randint(2, 6))]
        for number, data in enumerate(dropped):
            (folder / f"{number}.png").write_bytes(data)
        os.rename(folder, self._inbox / folder.name)
        for data in dropped:
            self._dropped(data)

    def _one_name(self):
        """One after the other has the same name; none is written over."""
        data = self._paint()
        source = self._put_down(data)
        try:
            os.link(source, self._target("always/one name.png"))
        finally:
            source.unlink()
        self._dropped(data)

    def _again(self):
        if self._known:
            self._rename(self._chance.choice(self._known[-200:]), "again")

    def _broken(self):
        number = next(self._numbers)
        whole = homes.picture("red", number)
        data = self._chance.choice((whole[: len(whole) // 2], b"Dear %d,\n" % number, b"", b"\0" * 99 + b"%d" % number))
        source = self._put_down(data)
        os.rename(source, self._target(self._name("broken")))
        self._dropped(data)

    def _take_back(self):
        if path := self._any(self._inbox):
            os.rename(self._inbox / path, self.drawer / f"{next(self._numbers)}")
            self.taken_back.append(path)

    def _change_name(self):
        if path := self._any(self._inbox):
            name = self._name("changed")
            os.rename(self._inbox / path, self._target(name))
            self.renamed[path] = name

    def _retry(self):
        """Moves what has failed back to the inbox, by hand."""
        if path := self._any(self._failed):
            failed = self._failed / path
            data = failed.read_bytes()
            source = self._put_down(data)
            try:
                os.link(source, self._target(path))
            finally:
                source.unlink()
            failed.unlink()
            self.retried[sha(data)] += 1

    def _any(self, folder):
        """The path of some whole picture below a folder."""
        found = [path for path in visible(folder) if not path.endswith(NOTE) and folder / path not in self._copying]
        return self._chance.choice(found) if found else None


def last_name(renamed, path):
    """What a picture that had this path is called in the end."""
    while path in renamed:
        path = renamed[path]
    return path


def visible(folder):
    """What people see of the files below a folder: no claims, nothing that Watcher has in work."""
    return sorted(
        os.path.relpath(os.path.join(parent, name), folder)
        for parent, folders, names in os.walk(folder)
        for name in names
        if not name.startswith(".") and not os.path.relpath(parent, folder).startswith(".w")
    )


def sha(data):
    return hashlib.sha256(data).hexdigest()
