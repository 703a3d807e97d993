"""The note beside a failed picture, which says why it failed: how it is written, and known again wherever it went."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from watcher.intake.inside import open_inside
from watcher.intake.moves import write_durably
from watcher.intake.names import clean
from watcher.service.places import note_of

if TYPE_CHECKING:
    from pathlib import Path

    from watcher.intake.arrivals import Claim

REASON_ENDING = ".reason.txt"
REASON = """\
Watcher could not read this picture:

    {name}

Why: {reason}.

To try again, put a good copy into the inbox, or move this one back there once the cause is mended.
This note can be deleted.
"""
STRAY = "a note of Watcher's own, which says why {} failed; it can be deleted"
_NOTE = re.compile(r"Watcher could not read this picture:\n\n    (?P<path>[^\n]+)\n\nWhy: (?P<why>.+)\.\n\n", re.DOTALL)
LONGEST = 20_000


def write_note(original: Path, claim: Claim, reason: str) -> None:
    """Writes beside the place of a failed picture, in a folder that is there, why it failed, durably. Raises OSError."""
    half = original.parent / f".watcher-{claim.id}.tmp"
    write_durably(half, REASON.format(name=clean(claim.path), reason=reason).encode())
    os.replace(half, note_of(original, claim, REASON_ENDING))


def read_note(folder: Path, path: str) -> tuple[str, str] | None:
    """The path of a failed picture and why it failed, as the note `path` in `folder` says; None if it is none of ours.

    No link is followed. Raises OSError.
    """
    with open(open_inside(folder, path), encoding="utf-8", errors="replace", closefd=True) as file:
        match = _NOTE.match(file.read(LONGEST))
    return (match["path"], match["why"]) if match and clean(match["path"]) == match["path"] else None


def stray_note(folder: Path, path: str) -> str | None:
    """What to say of a note that stands without its picture; None if it is none of ours, or cannot be read."""
    if not path.endswith(REASON_ENDING):
        return None
    try:
        said = read_note(folder, path)
    except OSError:
        return None
    return STRAY.format(said[0]) if said else None
