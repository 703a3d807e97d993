"""Pictures that were seen waiting and are no longer there: gone, or only renamed?"""

from __future__ import annotations

import ctypes
import os
import struct
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from watcher.intake.arrivals import Fingerprint, Gone, Seen
    from watcher.intake.company import Company

# statx(2), of which Python knows nothing: when a file was made, on file systems that keep that.
_STATX = getattr(ctypes.CDLL(None), "statx", None)
_CURRENT_FOLDER, _NOT_FOLLOWED, _BIRTH = -100, 0x100, 0x800
_SIZE, _BIRTH_AT = 256, 80
_NEVER = 2**63
# Pictures that are handed on in the time in which an old name of one of them may still be waited for.
REMEMBERED = 1000


class Missing:
    """Those not found in their places. A scan that began afterwards and finds them nowhere says that they are gone."""

    def __init__(self, inbox: Path, company: Company | None = None) -> None:
        self._inbox = inbox
        self._company = company
        self._noticed: dict[Fingerprint, tuple[int, Gone]] = {}  # after how many scans had begun
        self._inodes: dict[tuple[int, int], Fingerprint] = {}
        self._handed_on: OrderedDict[Fingerprint, str] = OrderedDict()  # the last of them, with their paths

    def __len__(self) -> int:
        return len(self._noticed)

    def miss(self, gone: Gone, begun: int) -> None:
        """Notes one that is not in its place, after so many scans had begun."""
        if self._handed_on.get(gone.fingerprint, gone.path) != gone.path:
            return  # a moment ago, by its new name
        self._noticed[gone.fingerprint] = (begun, gone)
        self._inodes[gone.fingerprint.device, gone.fingerprint.inode] = gone.fingerprint

    def find(self, seen: Seen) -> None:
        """Notes one that was seen: it may be one of those, renamed, and perhaps written to before that."""
        now = seen.fingerprint
        before = self._inodes.get((now.device, now.inode))
        if before and (before == now or _born(self._inbox / seen.path) < before.mtime_ns):
            self._forget(before)

    def hand_on(self, seen: Seen) -> None:
        """Notes one that is whole: no scan will find it any more."""
        self.find(seen)
        self._handed_on[seen.fingerprint] = seen.path
        if len(self._handed_on) > REMEMBERED:
            self._handed_on.popitem(last=False)

    def forget(self) -> None:
        """None of them is known to be gone."""
        self._noticed.clear()
        self._inodes.clear()
        self._handed_on.clear()

    def gone(self, begun: int) -> Iterator[Gone]:
        """Those that the last of so many scans has not found. Raises OSError if the inbox is away."""
        device = os.stat(self._inbox).st_dev
        for fingerprint, (noticed, gone) in list(self._noticed.items()):
            if noticed < begun:
                self._forget(fingerprint)
                # What lay on another file system, a share mounted anew, is not known to be gone; nor what is done elsewhere.
                elsewhere = fingerprint.device != device or (self._company and self._company.has_taken(gone))
                if not elsewhere:
                    yield gone

    def _forget(self, fingerprint: Fingerprint) -> None:
        self._noticed.pop(fingerprint, None)
        self._inodes.pop((fingerprint.device, fingerprint.inode), None)


def _born(path: Path) -> int:
    """When a file was made, in nanoseconds; never, where that is not known. Another file may have an older one's inode."""
    buffer = ctypes.create_string_buffer(_SIZE)
    if _STATX is None or _STATX(_CURRENT_FOLDER, os.fsencode(path), _NOT_FOLLOWED, _BIRTH, buffer) != 0:
        return _NEVER
    [known] = struct.unpack_from("I", buffer)
    seconds, nanoseconds = struct.unpack_from("qI", buffer, _BIRTH_AT)
    return int(seconds * 10**9 + nanoseconds) if known & _BIRTH else _NEVER
