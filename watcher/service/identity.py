"""Which claims are ours: every home has a short name of its own, which moves with it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from watcher.errors import HomeError
from watcher.intake.claims import new_id, short

if TYPE_CHECKING:
    from pathlib import Path

NAME = ".watcher-id"


def identity(root: Path) -> str:
    """The home's short name, made at the first call. Raises HomeError if it cannot be kept or was garbled."""
    path = root / NAME
    try:
        with path.open("x", encoding="ascii") as file:
            file.write(short(new_id()))
    except FileExistsError:
        pass
    except OSError as fault:
        raise HomeError(f"{path}: cannot be written: {fault.strerror}") from fault
    name = path.read_text("ascii", "replace").strip()
    if not re.fullmatch("[a-z2-7]{8}", name):
        raise HomeError(f"{path}: should hold 8 letters and digits; if no daemon of this home runs, delete it")
    return name
