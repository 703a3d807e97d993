"""What can be wrong between the books and the disk."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Each kind of imbalance that `watcher verify` finds: words that scripts may rely on."""

    FOLDER_AWAY = "folder_away"  # a folder is not there, or empty: an unmounted share
    DATABASE_DAMAGED = "database_damaged"  # SQLite's own checks find faults
    NO_DATABASE = "no_database"  # pictures are done, and no books say so
    COPY_MISSING = "copy_missing"  # the annotated copy of a result
    COPY_OF_ANOTHER = "copy_of_another"  # another file has the name of a result's copy
    COPY_MOVED = "copy_moved"  # it stands elsewhere in the outbox
    COPY_EXTRA = "copy_extra"  # a second one, or one of a result that counts no more
    COPY_UNKNOWN = "copy_unknown"  # of an arrival that the books do not know
    PREDICTIONS_MISSING = "predictions_missing"  # a result without labels
    ORIGINAL_MISSING = "original_missing"  # it was put away, and is not there
    ORIGINAL_CHANGED = "original_changed"  # another file, or other bytes, stand in its place
    ORIGINAL_MOVED = "original_moved"  # it stands elsewhere
    ORIGINAL_SHARED = "original_shared"  # an earlier result and a later one name the same
    ORIGINAL_UNKNOWN = "original_unknown"  # a picture in done/ that no row names
    NOTE_MISSING = "note_missing"  # why a picture failed, beside it
    REPROCESS_BEGUN = "reprocess_begun"  # put in line again, and not to the end
    CLAIM_RECORDED = "claim_recorded"  # recorded, and still in the claim folder
    CLAIM_ASTRAY = "claim_astray"  # on its way back into the inbox, and left there
    CLAIM_UNKNOWN = "claim_unknown"  # something in the claim folder that is nobody's claim
    LEFTOVER = "leftover"  # half of a file, of a process that has died
    UNREADABLE = "unreadable"  # it may not be looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that does not balance, with what to do about it."""

    kind: Kind
    path: str | None
    """The file, clean, relative to the home if inside."""
    row: int | None
    """The number of the row in the results."""
    sentence: str
    repairable: bool


class CannotMend(Exception):
    """What was thought to be mendable is not; the message says why."""
