"""A data set's archive as a folder for each label: checked before anything is written, and there all at once or not."""

from __future__ import annotations

import lzma
import os
import shutil
import stat
import struct
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from watcher.errors import DataError
from watcher.intake.filters import has_picture_ending, is_hidden_folder, is_temporary
from watcher.intake.names import LONGEST, clean
from watcher.training.download import NO_ROOM, megabytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from watcher.training.datasets import DataSet

MOST_PICTURES = 10  # times as many as were published; so many entries can fill a disk without a byte in them
ENCRYPTED = 0x1  # a flag of a member (PKWARE's APPNOTE, 4.4.4)
DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, RuntimeError, ValueError)
SPARE_BYTES = 4096  # that a file system takes for a file beyond its bytes, about


class BadArchive(DataError):
    """The archive is damaged, or is not the set that it should be."""


@dataclass(frozen=True, slots=True)
class _Member:
    """A picture in the archive, and where it goes below the target."""

    info: zipfile.ZipInfo
    label: str
    name: str


def unpack(archive: Path, known: DataSet, target: Path, report: Callable[[int, int], None]) -> None:
    """Makes the folder `target` (absent, or empty) of the pictures in `archive`, each checked against its CRC.

    What is half done after a crash is beside it, as `.NAME.unpacking`, and is done anew. `report` is told
    (pictures so far, pictures in all). Raises BadArchive, with nothing written but there; DataError for a full disk.
    """
    half = target.with_name(f".{target.name}.unpacking")
    shutil.rmtree(half, ignore_errors=True)
    try:
        with zipfile.ZipFile(archive) as file:
            members = _members(file, known)
            _check_room(target.parent, members)
            for label in known.labels:
                (half / label).mkdir(parents=True)
            for number, member in enumerate(members, 1):
                with file.open(member.info) as source, (half / member.label / member.name).open("xb") as copy:
                    shutil.copyfileobj(source, copy)
                report(number, len(members))
        _put_in_place(half, target)
    except DAMAGE as fault:
        raise BadArchive(f"it is damaged, or is no zip archive ({fault or type(fault).__name__})") from fault
    except OSError as fault:
        if fault.errno is None:  # bz2's way to complain
            raise BadArchive(f"it is damaged ({fault})") from fault
        if fault.errno not in NO_ROOM:
            raise
        raise DataError(
            f"{target.parent} has no room left to unpack {archive.name}: make some and run again"
        ) from fault
    finally:
        shutil.rmtree(half, ignore_errors=True)


def _put_in_place(half: Path, target: Path) -> None:
    os.sync()  # or a power failure could leave the folder in place, and empty files in it
    if target.is_dir():
        target.rmdir()  # empty: fetching.py looked
    half.rename(target)


def _members(file: zipfile.ZipFile, known: DataSet) -> list[_Member]:
    """The pictures at `root/LABEL/NAME`; by-products are left out, what leads elsewhere damns the archive."""
    found = []
    for info in file.infolist():
        parts = info.filename.replace("\\", "/").split("/")
        _check_path(info, parts)
        if len(parts) == 3 and parts[0] == known.root and parts[1] in known.labels and _is_picture(info, parts[2]):
            found.append(_Member(info, parts[1], parts[2]))
    if len({(member.label, member.name) for member in found}) < len(found):
        raise BadArchive("it is not to be trusted: two pictures in it have one name")
    lacking = set(known.labels) - {member.label for member in found}
    if lacking:
        folders = " or ".join(f"{known.root}/{label}" for label in sorted(lacking))
        raise BadArchive(f"it is not the set {known.name}: there are no pictures in {folders}")
    size = sum(member.info.file_size for member in found)
    if size > known.most_bytes or len(found) > MOST_PICTURES * known.pictures:
        raise BadArchive(
            f"it is not the set {known.name}: {len(found):,} pictures with {megabytes(size)} are in it, "
            f"and {known.pictures:,} with {megabytes(known.most_bytes)} at most were expected"
        )
    return found


def _check_path(info: zipfile.ZipInfo, parts: list[str]) -> None:
    name = clean(info.filename)[:80]
    if ".." in parts or parts[0] == "" or ":" in parts[0]:
        raise BadArchive(f"it is not to be trusted: the path {name} in it leads out of the folder")
    if stat.S_ISLNK(info.external_attr >> 16):
        raise BadArchive(f"it is not to be trusted: {name} in it is a link")
    if info.flag_bits & ENCRYPTED:
        raise BadArchive(f"it cannot be read: {name} in it has a password")


def _is_picture(info: zipfile.ZipInfo, name: str) -> bool:
    sound = clean(name) == name and len(name.encode()) <= LONGEST
    return (
        sound and not info.is_dir() and has_picture_ending(name) and not (is_temporary(name) or is_hidden_folder(name))
    )


def _check_room(folder: Path, members: list[_Member]) -> None:
    needed = sum(member.info.file_size + SPARE_BYTES for member in members)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DataError(
            f"{folder} has {megabytes(free)} free, and {megabytes(needed)} are needed: make room, run again"
        )
