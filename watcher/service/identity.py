"""Which claims are ours: every home has a short name of its own, which moves with it."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

from watcher.errors import HomeError, HomeUnavailable
from watcher.intake.claims import new_id, short
from watcher.intake.moves import move_new, stands, sync, write_durably

if TYPE_CHECKING:
    from pathlib import Path

NAME = ".watcher-id"


def identity(root: Path) -> str:
    """The home's short name, made at the first call.

    Raises HomeUnavailable if it cannot be kept or read, HomeError if it was garbled.
    """
    path = root / NAME
    try:
        if not stands(path):
            _make(path)
    except OSError as fault:
        raise HomeUnavailable(f"{path}: cannot be written: {fault.strerror}") from fault
    try:
        name = path.read_text("ascii", "replace").strip()
    except OSError as fault:
        raise HomeUnavailable(f"{path}: cannot be read: {fault.strerror}") from fault
    if not re.fullmatch("[a-z2-7]{8}", name):
        raise HomeError(f"{path}: should hold 8 letters and digits; if no daemon of this home runs, delete it")
    return name


def _make(path: Path) -> None:
    """All who come at the same time, such as a daemon and a `status`, agree on the name that stood first."""
    half = path.with_name(f"{NAME}.{new_id()}.tmp")
    write_durably(half, short(new_id()).encode())
    with suppress(FileExistsError, FileNotFoundError):  # somebody was quicker, and has tidied up
        move_new(half, path)
    sync(path.parent)
    for half in path.parent.glob(f"{NAME}.*tmp"):
        half.unlink(missing_ok=True)
