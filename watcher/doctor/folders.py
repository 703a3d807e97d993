"""The folders of a home: is each there, and does its file system do what the promise stands on?"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from watcher.doctor.asking import Answer, Asked
from watcher.doctor.findings import Finding, Level, said
from watcher.doctor.probe import Facts, Tried

AREA = "folder"
SECONDS = 5.0  # until a folder is thought to hang
# Without room for these the daemon stops; below those it is time to do something.
NO_ROOM, LITTLE_ROOM, NO_FILES, LITTLE_SHARE = 50e6, 1e9, 1000, 0.03
OFFSET_SECONDS = 5.0
# Where the daemon writes all the time. In the others it writes where a command or a job is to.
WRITTEN = ("home", "inbox", "outbox", "done", "failed", "database")


@dataclass(frozen=True, slots=True)
class Asking:
    """A folder that a child process is looking at."""

    subject: str
    folder: Path
    asked: Asked


def ask(subject: str, folder: Path, point: str | None = None, seconds: float = SECONDS) -> Asking:
    """Begins to look at a folder, whose share was mounted on `point` when it was last there."""
    points = [] if point is None else [point]
    return Asking(subject, folder, Asked("watcher.doctor.probe", str(folder), *points, seconds=seconds))


@dataclass(frozen=True, slots=True)
class Looked:
    """What a child process has told of a folder; `facts` is None where it did not answer."""

    subject: str
    folder: Path
    facts: Facts | None
    tried: Tried | None
    errors: str = ""

    @property
    def answers(self) -> bool:
        """Whether the folder can be looked at from here without danger to hang."""
        return self.facts is not None and self.facts.missing is None and self.facts.unreadable is None


def looked(asking: Asking) -> Looked:
    """Waits for the child process, or until it is thought to hang."""
    answer = asking.asked.answer()
    if answer.code != 0 or not answer.lines:
        return Looked(asking.subject, asking.folder, None, None, _why(answer))
    said_of = answer.lines[-1]
    tried = Tried(**said_of["tried"]) if said_of["tried"] else None
    return Looked(asking.subject, asking.folder, Facts(**said_of["facts"]), tried)


def _why(answer: Answer) -> str:
    if answer.code is None:
        return f"does not answer within {SECONDS:.0f} seconds"
    lines = answer.errors.strip().splitlines() or [f"the look at it ended with {answer.code}"]
    return f"cannot be looked at: {lines[-1]}"


def findings(look: Looked, *, watch: str = "auto") -> Iterator[Finding]:
    """What there is to say of a folder; of one that does all, one line."""
    tell = _Teller(look.subject, str(look.folder))
    facts, tried = look.facts, look.tried
    if facts is None:
        advice = "see whether its server and the network are up; `umount -l` and mount it again if they are"
        yield tell(Level.FAULT, look.errors, advice)
        return
    if facts.missing is not None:
        advice = "mount its share, or make the folder: `watcher init` makes what a home lacks"
        yield tell(Level.FAULT, f"is not there: {facts.missing}", advice)
        return
    if facts.away is not None:
        advice = "mount it again; or, if this is to be a plain folder now, give the command `watcher init`"
        yield tell(Level.FAULT, f"is empty ground: no share is mounted on {facts.away}", advice)
        return
    found = [*_rights(tell, facts), *_room(tell, facts), *(_tried(tell, facts, tried, watch) if tried else ())]
    yield from found
    if not any(finding.level in (Level.FAULT, Level.WARNING) for finding in found):
        yield tell(Level.OK, _summary(facts, tried))


class _Teller:
    """Makes findings of one folder."""

    def __init__(self, subject: str, folder: str) -> None:
        self.subject = subject
        self._folder = folder

    def __call__(self, level: Level, found: str, advice: str = "") -> Finding:
        return Finding(AREA, self.subject, level, f"{self._folder} {found}", advice)


def _summary(facts: Facts, tried: Tried | None) -> str:
    place = f"{facts.kind or 'an unknown file system'} ({'a share' if facts.network else 'local'})"
    can = "can be read and written" if tried else "can be read"
    return f"{can}; {place}, {said(facts.free)} free"


def _rights(tell: _Teller, facts: Facts) -> Iterator[Finding]:
    who = f"by this user (uid {os.geteuid()}; the folder belongs to uid {facts.owner})"
    if facts.unreadable is not None:
        advice = "give the daemon's user the right to read it, or ask as that user: `sudo -u USER watcher doctor`"
        yield tell(Level.FAULT, f"cannot be read {who}: {facts.unreadable}", advice)
    if facts.unwritable is not None:
        level = Level.FAULT if tell.subject in WRITTEN else Level.NOTE
        advice = "give the daemon's user the right to write there, or ask as that user: `sudo -u USER watcher doctor`"
        if facts.unwritable in (os.strerror(30), os.strerror(28)):  # EROFS, ENOSPC
            advice = "see why: its disk is full, or was mounted for reading only, perhaps because it is failing"
        yield tell(level, f"cannot be written {who}: {facts.unwritable}", advice if level is Level.FAULT else "")


def _room(tell: _Teller, facts: Facts) -> Iterator[Finding]:
    share = facts.free / facts.size if facts.size else 1.0
    if facts.free < NO_ROOM:
        yield tell(Level.FAULT, f"has no room: {said(facts.free)} free", "the daemon waits until there is: make room")
    elif facts.free < LITTLE_ROOM or (share < LITTLE_SHARE and facts.free < 20 * LITTLE_ROOM):
        yield tell(Level.WARNING, f"has little room: {said(facts.free)} free", "make room before it is full")
    if facts.free_files is not None and facts.files:
        few = facts.free_files / facts.files < LITTLE_SHARE
        if facts.free_files < NO_FILES or few:
            level = Level.FAULT if facts.free_files < NO_FILES else Level.WARNING
            advice = "each file takes an inode, however small: move files elsewhere, or make a file system with more"
            yield tell(level, f"has room for {facts.free_files:,} more files only", advice)


def _tried(tell: _Teller, facts: Facts, tried: Tried, watch: str) -> Iterator[Finding]:
    yield from _promise(tell, tried)
    if tell.subject == "inbox":
        yield from _inbox(tell, facts, tried, watch)
    yield from _names(tell, tried)
    if abs(tried.clock_offset) > OFFSET_SECONDS:
        direction = "ahead of" if tried.clock_offset > 0 else "behind"
        found = f"dates new files {abs(tried.clock_offset):,.0f} s {direction} this machine's clock"
        yield tell(Level.WARNING, found, "let its server and this machine both follow a time server (NTP)")
    if not tried.keeps_rights and tell.subject in WRITTEN:
        found = "keeps no rights: everybody who reaches it has those of the mount"
        yield tell(Level.NOTE, found, "set who may read and write by its mount options (uid=, gid=, file_mode=)")


def _promise(tell: _Teller, tried: Tried) -> Iterator[Finding]:
    """What no picture may be lost by."""
    advice = "use another file system or other mount options for it: Watcher moves every picture so"
    if tried.renaming is not None:
        yield tell(Level.FAULT, f"cannot rename files: {tried.renaming}", advice)
    if tried.not_replacing is not None:
        yield tell(Level.FAULT, f"cannot move a file without danger to another: {tried.not_replacing}", advice)
    if tried.linking is not None:
        found = f"has no hard links ({tried.linking}): where its renames cannot refuse to replace, names are looked at first"
        yield tell(Level.NOTE, found, "let no other program give names there at the same moment")
    if tried.syncing is not None:
        found = f"cannot be asked to write a folder to the disk: {tried.syncing}"
        yield tell(Level.NOTE, found, "after a power cut the last seconds are as its server has them")
    if tried.locking is not None and tell.subject == "home":
        found = f"has no locks: {tried.locking}"
        yield tell(Level.FAULT, found, "put the home on a local disk: two daemons could not tell of each other")


def _inbox(tell: _Teller, facts: Facts, tried: Tried, watch: str) -> Iterator[Finding]:
    if facts.claims_apart:
        advice = "unmount what is mounted on inbox/.watcher: a picture is taken by one rename, within one file system"
        yield tell(Level.FAULT, "has its folder .watcher on another file system", advice)
    if facts.network and watch == "events":
        advice = 'set watch = "auto" under [intake]: what other machines put there makes no events'
        yield tell(Level.WARNING, "is on a share, of which no events come", advice)
    elif facts.network:
        found = "is on a share: new pictures are found by looking, every few seconds at most"
        yield tell(Level.NOTE, found)
    elif tried.events is not None and watch != "scan":
        advice = "raise fs.inotify.max_user_instances and max_user_watches (sysctl); until then it is looked through"
        yield tell(Level.WARNING, f"gives no events: {tried.events}", advice)
    if tried.leasing is not None and not facts.network:
        found = f"cannot tell whether a file is still being written: {tried.leasing}"
        yield tell(Level.NOTE, found, "raise settle_seconds under [intake] if pictures come slowly")


def _names(tell: _Teller, tried: Tried) -> Iterator[Finding]:
    lacks = [
        *(["upper and lower case are one"] if not tried.cases_apart else []),
        *(["letters with accents are changed"] if not tried.forms_apart else []),
        *(["names of 255 bytes are refused"] if tried.long_names is not None else []),
        *(['names with : ? * " are refused'] if tried.odd_names is not None else []),
    ]
    if lacks:
        found = f"takes not every name: {', '.join(lacks)}"
        yield tell(Level.NOTE, found, "such pictures get another name, which the results tell")
