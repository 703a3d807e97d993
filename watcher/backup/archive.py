"""The file that a backup is: a tar archive that any system unpacks, with a list of digests that `sha256sum -c` reads."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tarfile
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FACTS, SUMS = "backup.json", "SHA256SUMS"
CHUNK = 2**20


class Reading(io.RawIOBase):
    """A file that is read to its end once, with a digest of what was read."""

    def __init__(self, file: IO[bytes], progress: Callable[[int], None] = lambda _: None) -> None:
        super().__init__()
        self._file, self._progress, self._digest = file, progress, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._digest.update(data)
        self._progress(len(data))
        return data

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


class Writer:
    """Writes an archive to an open file, one member after the other; `progress` is told each number of bytes."""

    def __init__(self, file: IO[bytes], progress: Callable[[int], None] = lambda _: None) -> None:
        self._tar = tarfile.TarFile(fileobj=file, mode="w", format=tarfile.PAX_FORMAT, copybufsize=CHUNK)
        self._progress = progress
        self._sums: dict[str, str] = {}

    def add(self, name: str, path: Path) -> None:
        """Adds a file as long as it is now. Raises OSError, also where it is cut meanwhile."""
        with path.open("rb") as file:
            member = self._tar.gettarinfo(arcname=name, fileobj=file)
            member.type, member.size = tarfile.REGTYPE, os.fstat(file.fileno()).st_size  # never a link to another
            reading = Reading(file, self._progress)
            self._tar.addfile(member, reading)
        self._sums[name] = reading.sha256

    def add_bytes(self, name: str, path: Path, data: bytes) -> None:
        """Adds what was read of a file before. Raises OSError."""
        status = path.stat()
        self._add(name, data, status.st_mtime, stat.S_IMODE(status.st_mode))
        self._progress(len(data))

    def add_text(self, name: str, text: str, now: float) -> None:
        """Adds a file of our own."""
        self._add(name, text.encode("utf-8", "surrogateescape"), now, 0o600)

    def _add(self, name: str, data: bytes, modified: float, mode: int) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mtime, member.mode = len(data), int(modified), mode
        self._tar.addfile(member, io.BytesIO(data))
        self._sums[name] = hashlib.sha256(data).hexdigest()

    def end(self, now: float) -> None:
        """Adds the list of digests, and what ends an archive."""
        self.add_text(SUMS, "".join(_line(name, digest) for name, digest in self._sums.items()), now)
        self._tar.close()


def sums(text: str) -> dict[str, str]:
    """The digests of a list, by name. Raises ValueError for a line that is none."""
    found = {}
    for line in text.removesuffix("\n").split("\n"):  # not splitlines, for a name may hold what ends a line elsewhere
        escaped, rest = line.startswith("\\"), line.removeprefix("\\")
        digest, name = rest[:64], rest[66:]
        if len(rest) < 67 or rest[64:66] != "  ":
            raise ValueError(line)
        found[_unescape(name) if escaped else name] = digest
    return found


def is_backup(file: Path) -> bool:
    """Whether a file begins as a backup does. Raises OSError where it cannot be read."""
    try:
        with tarfile.open(file, "r:") as tar:
            first = tar.next()
    except tarfile.TarError:
        return False
    return first is not None and first.name == FACTS


def _line(name: str, digest: str) -> str:
    """As sha256sum writes it, which puts a backslash before a line whose name has one, or an end of line."""
    if not any(character in name for character in "\\\n\r"):
        return f"{digest}  {name}\n"
    escaped = name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    return f"\\{digest}  {escaped}\n"


def _unescape(name: str) -> str:
    pieces = name.split("\\\\")
    return "\\".join(piece.replace("\\n", "\n").replace("\\r", "\r") for piece in pieces)


def members(tar: tarfile.TarFile) -> Iterator[tuple[tarfile.TarInfo, IO[bytes]]]:
    """The files of an archive, one after the other. Raises ValueError for what no backup holds, tarfile.TarError."""
    for member in tar:
        if member.isdir():
            continue
        parts = member.name.split("/")
        if not member.isreg() or member.name.startswith("/") or {"", ".", ".."} & set(parts):
            raise ValueError(member.name)
        file = tar.extractfile(member)
        assert file is not None
        yield member, file
