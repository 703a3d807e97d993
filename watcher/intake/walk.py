"""The files below a folder of ours, one after the other: however many there are, they take no memory."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from watcher.intake.filters import is_hidden_folder
from watcher.intake.inside import folder_inside

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path


def files(
    root: Path, skip: Collection[Path] = (), closed: Callable[[Path, OSError], None] | None = None
) -> Iterator[Path]:
    """Every regular file below `root`, raw, but for what lies in hidden folders and in those of `skip`.

    Links are not followed; what goes away meanwhile is passed over. A folder that cannot be read is told to `closed`;
    without it that raises OSError.
    """
    pending = [""]
    while pending:
        folder = pending.pop()
        try:
            with folder_inside(root, folder, readable=True) as handle, os.scandir(handle) as entries:
                for entry in entries:
                    path = os.path.join(folder, entry.name)
                    if entry.is_file(follow_symlinks=False):
                        yield root / path
                    elif entry.is_dir(follow_symlinks=False) and not is_hidden_folder(entry.name):
                        pending += [] if root / path in skip else [path]
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as fault:
            if closed is None:
                raise
            closed(root / folder, fault)
