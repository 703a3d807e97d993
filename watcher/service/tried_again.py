"""Failed pictures that a person has put into the inbox again: their old rows count no more, as after `watcher retry`.

A picture is known again by its content, or by its path if it is done now: then it was mended, or a good copy took its
place. Where its content was never read, and it fails again, its path and its size tell. Nothing is said of a row whose
file is still in failed/: that one was not moved.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from watcher.intake.moves import stands
from watcher.results import State
from watcher.results.records import Superseded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from watcher.home import Home
    from watcher.intake.claims import ClaimFolder
    from watcher.results import Database, Finished
    from watcher.results.records import FailedBefore
    from watcher.service.shares import Shares


def reason(now: datetime) -> str:
    """What the row of a failed picture says once that was tried again."""
    return f"tried again on {now.astimezone(UTC).date().isoformat()}"


class TriedAgain:
    """Asks the results and the folder of failed pictures, for each batch that has come to its end."""

    def __init__(self, home: Home, claims: ClaimFolder, database: Database, shares: Shares) -> None:
        self._home = home
        self._claims = claims
        self._database = database
        self._shares = shares

    def earlier(self, batch: Sequence[Finished]) -> list[Superseded]:
        """The rows that these pictures had when they failed before. Raises OSError and DatabaseUnavailable."""
        ended = [row for row in batch if row.state is not State.VANISHED]
        contents = [row.sha256 for row in ended if row.sha256]
        before = {failed.id: failed for failed in (*self._database.failed(contents), *self._of_their_paths(ended))}
        if not before:
            return []
        self._shares.must_be_there(self._home.failed)
        in_claims = set(self._claims.ids())  # recorded by an earlier try of this step, and not put away yet
        gone = [
            failed
            for failed in before.values()
            if failed.claim not in in_claims and not stands(self._home.root / failed.original_path)
        ]
        self._shares.must_be_there(self._home.failed)  # still: or they are not gone
        self._claims.must_be_there()
        said = reason(batch[0].finished_at)
        return [Superseded(id=failed.id, reason=said) for failed in gone]

    def _of_their_paths(self, ended: Sequence[Finished]) -> Iterator[FailedBefore]:
        """Failed rows of the same paths that one of these pictures is another try of, whatever their contents."""
        later: dict[str, list[Finished]] = {}
        for row in ended:
            later.setdefault(row.path, []).append(row)
        for failed in self._database.failed_as(later):
            if any(_tries_again(row, failed) for row in later[failed.path]):
                yield failed


def _tries_again(row: Finished, failed: FailedBefore) -> bool:
    """Whether a picture of the same path is another try of a failed one, as far as can be told without their contents."""
    return row.state in (State.DONE, State.DUPLICATE) or (failed.sha256 is None and failed.size == row.size)
