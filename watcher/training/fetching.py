"""A published set of labelled pictures, from its publisher or from a file at hand into a folder."""

from __future__ import annotations

import fcntl
import os
import urllib.parse
import urllib.request
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from watcher.errors import DataError, UsageError
from watcher.training.datasets import Contents, contents
from watcher.training.download import Download, NoDownload
from watcher.training.unpack import BadArchive, unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from watcher.training.datasets import DataSet


@dataclass(frozen=True, slots=True)
class Fetched:
    """What is in the folder now."""

    contents: Contents
    was_there: bool


def fetch(
    known: DataSet, target: Path, report: Callable[[str, int, int | None], None], url: str | None = None
) -> Fetched:
    """Makes the folder `target` with one sub-folder of pictures for each label, unless it is there.

    `url` is http(s), file:// or a path, of another copy of the archive. The download grows beside the target as
    `NAME.zip.part` and is removed when it is unpacked; a `NAME.zip` that somebody put there is used, and kept.
    `report` is told (`Downloading` or `Unpacking`, how much so far, of how much or None). Raises DataError, and
    UsageError for an address that is none.
    """
    target = Path(os.path.abspath(target))
    if (there := _there(known, target)) is not None:
        return Fetched(there, was_there=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    with _alone(target.parent):
        archive = _at_hand(known, target, url)
        if archive is not None:
            _unpack(archive, known, target, report, "get it again")
        else:
            address = url or known.url
            download = Download(
                address,
                target.with_name(f"{known.name}.zip.part"),
                known.most_bytes,
                lambda done, total: report("Downloading", done, total),
            )
            _download(download, known, target, own=url is None)
            try:
                _unpack(download.part, known, target, report, "it was removed, so run the command again")
            except BadArchive:
                download.forget()
                raise
            download.forget()
    return Fetched(contents(target, known), was_there=False)


def _there(known: DataSet, target: Path) -> Contents | None:
    """What an earlier run left; None if there is nothing. Raises DataError for anything else in the way."""
    if not os.path.lexists(target):
        return None
    if not target.is_dir():
        raise DataError(f"{target} is in the way: it is no folder; name another with --into")
    inside = set(os.listdir(target))
    if not inside:
        return None
    found = contents(target, known) if inside >= set(known.labels) else None
    if found is None or not all(found.counts.values()):
        raise DataError(
            f"{target} is in the way: it holds something else than the set {known.name}, and was left as it is; "
            "name another folder with --into"
        )
    return found


def _at_hand(known: DataSet, target: Path, url: str | None) -> Path | None:
    """The archive as a file of this machine, if it is one."""
    if url is None:
        beside = target.with_name(f"{known.name}.zip")
        return beside if beside.is_file() else None
    parts = urllib.parse.urlsplit(url)
    if parts.scheme in ("http", "https") and parts.netloc:
        return None
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        path = Path(urllib.request.url2pathname(parts.path))
    elif "://" in url:
        raise UsageError(f"--url takes an address that begins with https://, http:// or file://, or a path, not {url}")
    else:
        path = Path(os.path.expanduser(url))
    if not path.is_file():
        raise DataError(f"{path}: there is no such file; --url takes the path of the zip archive, or its address")
    return path


def _download(download: Download, known: DataSet, target: Path, *, own: bool) -> None:
    try:
        download.run()
    except NoDownload as fault:
        source = known.url if own else f"it, or {known.url},"
        raise NoDownload(
            f"{fault}. Without internet here: download {source} on another machine, put it here as "
            f"{target.with_name(f'{known.name}.zip')} and run the command again, or name its place with --url PATH"
        ) from fault


def _unpack(
    archive: Path, known: DataSet, target: Path, report: Callable[[str, int, int | None], None], remedy: str
) -> None:
    try:
        unpack(archive, known, target, lambda done, total: report("Unpacking", done, total))
    except BadArchive as fault:
        raise BadArchive(f"{archive}: {fault}; {remedy}") from fault


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two at once would write one file; a lock on the folder itself leaves nothing behind."""
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with suppress(OSError):  # some network drives cannot lock folders
            _lock(handle, folder)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, folder: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as fault:
        raise DataError(f"another `watcher datasets fetch` is at work in {folder}: wait for it") from fault
