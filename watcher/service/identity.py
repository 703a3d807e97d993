"""Which claims are ours: every home has a short name of its own, which moves with it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from watcher.errors import HomeError
from watcher.intake.claims import new_id, short
from watcher.intake.moves import move_new, stands, sync, write_durably

if TYPE_CHECKING:
    from pathlib import Path

NAME = ".watcher-id"


def identity(root: Path) -> str:
    """The home's short name, made at the first call. Raises HomeError if it cannot be kept or was garbled."""
    path = root / NAME
    try:
        if not stands(path):
            half = root / f"{NAME}.tmp"
            write_durably(half, short(new_id()).encode())
            move_new(half, path)
            sync(root)
    except OSError as fault:
        raise HomeError(f"{path}: cannot be written: {fault.strerror}") from fault
    name = path.read_text("ascii", "replace").strip()
    if not re.fullmatch("[a-z2-7]{8}", name):
        raise HomeError(f"{path}: should hold 8 letters and digits; if no daemon of this home runs, delete it")
    return name
