"""Folders on shares that go away: an empty mount point is no empty folder.

A home remembers, in `.watcher-mounts`, on which mount point each of its folders stands. While nothing is mounted there,
the folder is away: what it holds is unknown, and what was written would be hidden once the share is back.
"""

from __future__ import annotations

import errno
import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from watcher import mounts
from watcher.intake.moves import sync, write_durably

if TYPE_CHECKING:
    from pathlib import Path

    from watcher.home import Home

NAME = ".watcher-mounts"


class Shares:
    """Where the folders of a home that hold pictures stand. Threads may ask at once."""

    def __init__(self, home: Home, table: Path = mounts.MOUNTS) -> None:
        self._home = home
        self._table = table
        self._points = _read(home.root / NAME)
        self._there: dict[Path, os.stat_result] = {}  # as they were when they were last known to be there

    def noted_for(self, folder: Path) -> str | None:
        """The mount point on which a folder stood when it was last known to be there. Looks at nothing but the note."""
        return self._points.get(str(folder))

    def remember(self, *, anew: bool = False) -> bool:
        """Notes where folders stand that are there; with `anew`, of the others that they are plain folders now.

        Whether that was news. Raises OSError if it cannot be written.
        """
        points = dict(self._points)
        for folder in (self._home.inbox, self._home.outbox, self._home.done, self._home.failed):
            point = mounts.point_of(folder, self._table)
            if point is not None and (anew or self.missing_for(folder) is None):
                points[str(folder)] = point
        if points != self._points:
            path = self._home.root / NAME
            half = path.with_name(f"{NAME}.tmp")
            try:
                write_durably(half, json.dumps(points, indent=1).encode())
                os.replace(half, path)
            except OSError:
                with suppress(OSError):
                    half.unlink()
                raise
            sync(path.parent)
            self._points = points
            return True
        return False

    def renew(self) -> bool:
        """Takes folders that are away for plain ones from now on; whether any was. Raises OSError."""
        return bool(self._points) and self.remember(anew=True)

    def missing_for(self, folder: Path) -> str | None:
        """The mount point on which a folder stood and on which nothing is mounted; None for a folder that is there."""
        point = self._points.get(str(folder))
        if point is None or mounts.is_point(point, self._table) or mounts.point_of(folder, self._table) is None:
            return None
        return point

    def must_be_there(self, folder: Path) -> None:
        """Raises OSError while the share of a folder is not mounted. Quick, so it can be asked before every file."""
        known, now = self._there.get(folder), _look(folder)
        if known and now and os.path.samestat(known, now):
            return
        if self.missing_for(folder) is not None:
            # Somebody may have said meanwhile, with `watcher init`, that it is a plain folder.
            self._points = _read(self._home.root / NAME) or self._points
            if (point := self.missing_for(folder)) is not None:
                raise OSError(errno.ENODEV, away(folder, point))
        again = _look(folder)
        if now and again and os.path.samestat(now, again):  # else the share has just come, or gone
            self._there[folder] = now


def away(folder: Path, point: str) -> str:
    """What to say of a folder that is away."""
    return (
        f"{folder} is not there: no share is mounted on {point}. "
        "Mount it again; or, if this is to be a plain folder now, give the command `watcher init`"
    )


def _look(folder: Path) -> os.stat_result | None:
    try:
        return os.stat(folder)
    except FileNotFoundError:
        return None


def _read(path: Path) -> dict[str, str]:
    """An empty one where nothing is known, or the file was garbled."""
    try:
        points = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return {str(folder): str(point) for folder, point in points.items()} if isinstance(points, dict) else {}
