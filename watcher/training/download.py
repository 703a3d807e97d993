"""One large file from the internet, in as many tries as it takes; what has come is never fetched twice.

The file grows as `NAME.part`; beside it `NAME.part.json` keeps what the server said it is. The next try, now or
next week, asks for the rest alone (RFC 9110, 14: Range and If-Range), and begins anew where it became another.
"""

from __future__ import annotations

import errno
import http.client
import json
import os
import re
import time
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from watcher.errors import DataError

if TYPE_CHECKING:
    import io
    from collections.abc import Callable, Sequence
    from http.client import HTTPMessage
    from pathlib import Path

TIMEOUT_SECONDS = 30.0  # without a byte
WAITS_SECONDS = (1.0, 2.0, 4.0, 8.0, 16.0)  # before a further try; so many in vain, one after the other, are enough
CHUNK = 1 << 18  # bytes
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
TRY_AGAIN = (408, 425, 429, 500, 502, 503, 504)


class NoDownload(DataError):
    """The file cannot be had; what has come is kept for the next try, unless the message says otherwise."""


class _BrokenOff(Exception):
    """A try ended early; the next may go on."""


@dataclass(frozen=True, slots=True)
class _Identity:
    """What tells whether a server still has the file that we hold the beginning of."""

    url: str
    etag: str | None = None
    modified: str | None = None
    total: int | None = None  # bytes

    @property
    def validator(self) -> str | None:
        """For If-Range, which takes no weak tags (RFC 9110, 13.1.5)."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.modified


@dataclass(slots=True)
class Download:
    """Brings `url` into `part`, at most `most` bytes; `report` is told (bytes so far, bytes in all or None)."""

    url: str
    part: Path
    most: int
    report: Callable[[int, int | None], None]
    pause: Callable[[float], None] = time.sleep
    timeout: float = TIMEOUT_SECONDS
    answered: bool = False  # so the server can be reached, and is worth waiting for

    def run(self, waits: Sequence[float] = WAITS_SECONDS) -> None:
        """Until the file is whole. Raises NoDownload; on that and on Ctrl-C what has come stays in `part`."""
        best, vain = self._size(), 0
        while not self._whole():
            try:
                self._try()
            except _BrokenOff as broken:
                vain = 0 if self._size() > best else vain + 1
                best = max(best, self._size())
                if vain > len(waits) or not (self.answered or _passing(broken.__cause__)):
                    raise NoDownload(f"{self.url} cannot be downloaded ({broken}){self._kept()}") from broken
                self.pause(waits[max(vain - 1, 0)])
            except OSError as fault:
                if fault.errno not in NO_ROOM:
                    raise
                raise NoDownload(
                    f"{self.part.parent} has no room for the rest of the download: make some and run the command again"
                    f"{self._kept()}"
                ) from fault

    def forget(self) -> None:
        """Removes what has come."""
        for path in (self.part, self._card):
            path.unlink(missing_ok=True)

    @property
    def _card(self) -> Path:
        return self.part.with_name(f"{self.part.name}.json")

    def _size(self) -> int:
        try:
            return self.part.stat().st_size
        except FileNotFoundError:
            return 0

    def _known(self) -> _Identity:
        try:
            known = _Identity(**json.loads(self._card.read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return _Identity(self.url)
        return known if known.url == self.url else _Identity(self.url)

    def _whole(self) -> bool:
        total = self._known().total
        return total is not None and total == self._size()

    def _kept(self) -> str:
        size = self._size()
        return f"; the {megabytes(size)} that came are kept, and the next run goes on from there" if size else ""

    def _try(self) -> None:
        """One request; returns when the server has sent all that it announced."""
        known, size = self._known(), self._size()
        if known == _Identity(self.url) or (known.total or size) < size:
            self.forget()  # of unknown origin, or too long: not the beginning of this file
            size = 0
        headers = {"Accept-Encoding": "identity", "User-Agent": "watcher"}
        if size:
            headers["Range"] = f"bytes={size}-"
            if known.validator:
                headers["If-Range"] = known.validator
        request = urllib.request.Request(self.url, headers=headers)  # noqa: S310  (fetching.py lets http and https in)
        try:
            answer = urllib.request.urlopen(request, timeout=self.timeout)  # noqa: S310
        except urllib.error.HTTPError as fault:
            fault.close()
            self._refused(fault, size)
        except (http.client.HTTPException, OSError) as fault:
            raise _BrokenOff(_words(fault)) from fault
        else:
            with answer:
                self.answered = True
                self._take(answer, known, size)

    def _refused(self, fault: urllib.error.HTTPError, size: int) -> None:
        if fault.code == 416 and size:  # nothing lies beyond what we have: it is whole, or it is another
            total = re.fullmatch(r"bytes \*/(\d+)", fault.headers.get("Content-Range", ""))
            if total and int(total[1]) == size:
                self._remember(_Identity(self.url, total=size))
            else:
                self.forget()
                raise _BrokenOff("the file there has changed") from fault
        elif fault.code in TRY_AGAIN:
            raise _BrokenOff(f"the server says {fault.code} {fault.reason}") from fault
        else:
            raise NoDownload(f"{self.url}: the server says {fault.code} {fault.reason}{self._kept()}") from fault

    def _take(self, answer: http.client.HTTPResponse, known: _Identity, size: int) -> None:
        found, start = self._identity(answer.headers, answer.status), 0
        if answer.status == 206:
            if not _goes_on(answer.headers, known, found, size):
                self.forget()
                raise _BrokenOff("the file there has changed")
            found, start = replace(known, total=known.total or found.total), size
        if (found.total or 0) > self.most:
            raise NoDownload(
                f"{self.url}: {megabytes(found.total or 0)} is more than the set can be; nothing was taken"
            )
        if not start:
            self.forget()  # before the new card, or a crash would leave it beside the old bytes
        self._remember(found)
        with self.part.open("ab", buffering=0) as file:
            done = self._pour(answer, file, start, found.total)
        if found.total is None:
            self._remember(replace(found, total=done))
        elif done < found.total:
            raise _BrokenOff(f"the connection ended after {megabytes(done)} of {megabytes(found.total)}")

    def _pour(self, answer: http.client.HTTPResponse, file: io.FileIO, done: int, total: int | None) -> int:
        self.report(done, total)
        while chunk := _read(answer, CHUNK if total is None else min(CHUNK, total - done)):
            if done + len(chunk) > self.most:
                self.forget()
                raise NoDownload(f"{self.url}: more than {megabytes(self.most)} came, which the set cannot be")
            view = memoryview(chunk)
            while view:  # unbuffered, so that what is written is on disk whatever ends us; a write may take a part
                view = view[file.write(view) :]
            done += len(chunk)
            self.report(done, total)
        return done

    def _identity(self, headers: HTTPMessage, status: int) -> _Identity:
        length, total = headers.get("Content-Length", ""), None
        if status == 206:
            at = re.fullmatch(r"bytes \d+-\d+/(\d+)", headers.get("Content-Range", ""))
            total = int(at[1]) if at else None
        elif length.isascii() and length.isdigit():
            total = int(length)
        return _Identity(self.url, headers.get("ETag"), headers.get("Last-Modified"), total)

    def _remember(self, found: _Identity) -> None:
        half = self._card.with_name(f"{self._card.name}.tmp")
        half.write_text(json.dumps(asdict(found)), "utf-8")
        os.replace(half, self._card)


def megabytes(size: int) -> str:
    """`size` in bytes, for people."""
    return f"{size / 1e6:,.1f} MB" if size < 99_950_000 else f"{size / 1e6:,.0f} MB"


def _goes_on(headers: HTTPMessage, known: _Identity, found: _Identity, size: int) -> bool:
    """Whether a part begins where ours ends, and is of the same file, as far as the server tells."""
    at = re.match(r"bytes (\d+)-", headers.get("Content-Range", ""))
    same = ((known.etag, found.etag), (known.modified, found.modified), (known.total, found.total))
    return at is not None and int(at[1]) == size and all(a == b for a, b in same if a is not None and b is not None)


def _read(answer: http.client.HTTPResponse, most: int) -> bytes:
    """What there is, for `read` would lose what came before a silence; nothing at the end, or for no bytes."""
    try:
        return answer.read1(most) if most else b""
    except (http.client.HTTPException, OSError) as fault:
        raise _BrokenOff(_words(fault)) from fault


def _passing(cause: BaseException | None) -> bool:
    """Whether waiting may help before a server has ever answered: not if its name or host is not to be found."""
    if isinstance(cause, urllib.error.HTTPError):
        return True
    reason = cause.reason if isinstance(cause, urllib.error.URLError) else cause
    return isinstance(reason, (TimeoutError, ConnectionResetError))


def _words(fault: BaseException) -> str:
    reason = fault.reason if isinstance(fault, urllib.error.URLError) else fault
    if isinstance(reason, TimeoutError):
        return "nothing came for too long"
    text = str(getattr(reason, "strerror", None) or reason)
    return text.splitlines()[0] if text else type(reason).__name__
