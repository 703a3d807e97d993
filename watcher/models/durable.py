"""Files that are on the disk when the function returns: a power cut leaves the old content or the new.

They belong to models, which only their owner may change, whatever the umask.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def closed(path: str, flags: int) -> int:
    """For `open`: a new file that at most its owner may change."""
    return os.open(path, flags | os.O_CLOEXEC, 0o644)


def sync(path: Path) -> None:
    """Has a file's content, or a folder's names, written to the disk. Raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if path.is_dir():
            with contextlib.suppress(OSError):  # shares that cannot sync a folder
                os.fsync(handle)
        else:
            os.fsync(handle)
    finally:
        os.close(handle)


def sync_all(folder: Path) -> None:
    """Has a folder and the files in it written to the disk. Raises OSError."""
    for path in folder.iterdir():
        sync(path)
    sync(folder)


def replace_text(path: Path, text: str) -> None:
    """Gives a file a new content in one step. Raises OSError."""
    replace_bytes(path, text.encode())


def replace_bytes(path: Path, content: bytes) -> None:
    """Gives a file a new content in one step. Raises OSError."""
    half = path.with_name(f".{path.name}.tmp")
    with open(half, "wb", opener=closed) as file:
        file.write(content)
    sync(half)
    os.replace(half, path)
    sync(path.parent)


def append_line(path: Path, line: str) -> None:
    """Adds a line, in one write; after a line that a power cut left half, on a new one. Raises OSError."""
    with open(path, "ab+", opener=closed) as file:
        end = file.seek(0, os.SEEK_END)
        if end:
            file.seek(end - 1)
        whole = not end or file.read(1) == b"\n"
        file.write((b"" if whole else b"\n") + f"{line}\n".encode())
        file.flush()
        os.fsync(file.fileno())
    sync(path.parent)
