"""The outbox's folder of doubtful results: a second name for each annotated copy that a person should look at.

It is theirs to clear: what is looked at and deleted there is missed by nobody. Only where a result comes to nothing does
Watcher remove its copy here, too.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from watcher.intake.inside import make_folder
from watcher.intake.moves import write_durably
from watcher.intake.names import clean
from watcher.service.places import is_copy_of, put_copy, targets_for
from watcher.vision.encode import annotated_name

if TYPE_CHECKING:
    from pathlib import Path

    from watcher.home import Home
    from watcher.intake.arrivals import Claim
    from watcher.vision.encode import Encoded

# Below the outbox.
REVIEW = "review"


def put(home: Home, claim: Claim, copy: Path, encoded: Encoded) -> Path:
    """Puts a copy that stands in the outbox into the folder, too; where it stands there.

    A hard link where the file system has them. May be repeated after a crash. Raises OSError, FileExistsError among
    them where something else has the folder's name.
    """
    folder = home.outbox / REVIEW
    make_folder(folder, home.outbox)
    half = _half(home, claim)
    with suppress(FileNotFoundError):
        half.unlink()
    try:
        os.link(copy, half, follow_symlinks=False)
    except OSError:
        write_durably(half, encoded.data)
    return put_copy(half, folder, claim, annotated_name(clean(claim.path), encoded.suffix))


def retract(home: Home, claim: Claim) -> None:
    """Removes what was put there of a claim, if it is there still. Raises OSError."""
    with suppress(FileNotFoundError):
        _half(home, claim).unlink()
    for suffix in (".jpg", ".png"):
        for target in targets_for(home.outbox / REVIEW, claim, annotated_name(clean(claim.path), suffix)):
            if is_copy_of(claim.id, home.outbox, target):
                target.unlink()


def _half(home: Home, claim: Claim) -> Path:
    return home.outbox / f".watcher-{claim.id}.review.tmp"
