"""From a claim to pixels: the file is opened once, hashed and decoded from the same bytes."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from collections import Counter
from typing import TYPE_CHECKING

import structlog

from watcher.intake.arrivals import Fingerprint
from watcher.intake.moves import stands
from watcher.intake.names import clean
from watcher.repeated import Repeated
from watcher.service.watch import Timing, untimed
from watcher.service.work import Changed, Read, Vanished
from watcher.vision.decode import pixels_of
from watcher.vision.outcome import Failed, Picture

log = structlog.get_logger()

if TYPE_CHECKING:
    from watcher.intake.arrivals import Claim
    from watcher.intake.claims import ClaimFolder
    from watcher.service.work import Taken

# A picture of the most pixels, four channels of 16 bits, not compressed, and room for metadata.
BYTES_PER_PIXEL = 8
METADATA_BYTES = 64_000_000

# What this machine lacks for the moment says nothing about the file.
SHORT_OF = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
# Nor does what a share says whose server is away.
NO_ANSWER = (
    errno.ENODEV, errno.ENOTCONN, errno.ESTALE, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ECONNABORTED,
)  # fmt: skip
# How often a file is tried that stands there and yet cannot be read, as one on a bad sector.
MOST_READS = 3

GONE = "it disappeared from the claim folder before it could be read"


class PixelBudget:
    """How many pixels may be decoded at a time: a batch of huge scans must not fill the memory.

    A picture that alone is larger than the budget is let in when nothing else is.
    """

    def __init__(self, pixels: int) -> None:
        self._pixels = pixels
        self._used = 0
        self._freed = threading.Condition()

    @property
    def used(self) -> int:
        return self._used

    @property
    def most(self) -> int:
        return self._pixels

    def acquire(self, pixels: int) -> None:
        with self._freed:
            self._freed.wait_for(lambda: self._used == 0 or self._used + pixels <= self._pixels)
            self._used += pixels

    def release(self, pixels: int) -> None:
        with self._freed:
            self._used -= pixels
            self._freed.notify_all()


class Reader:
    """Reads claimed pictures, in any thread."""

    def __init__(
        self, claims: ClaimFolder, budget: PixelBudget, max_megapixels: float, timing: Timing = untimed
    ) -> None:
        self._claims = claims
        self._budget = budget
        self._timing = timing
        self._max_pixels = int(max_megapixels * 1e6)
        self._max_bytes = int(max_megapixels * 1e6 * BYTES_PER_PIXEL) + METADATA_BYTES
        self._faults: Counter[Fingerprint] = Counter()
        self._repeated = Repeated()

    @property
    def pixels(self) -> tuple[int, int]:
        """How many are decoded at the moment, and at most."""
        return self._budget.used, self._budget.most

    def read(self, taken: Taken) -> Read:
        """The attempt is counted on disk before the file is opened. A picture's fault is a value."""
        claim = taken.claim
        try:
            claim = self._claims.attempt(claim)
            data = self._bytes(self._claims.open(claim), claim.fingerprint)
        except (FileNotFoundError, NotADirectoryError):
            return Read(taken, claim, Vanished(GONE) if self._is_gone(claim) else Changed())
        except PermissionError as fault:
            if claim is taken.claim:  # not even counted: it is the folder that refuses, and no fault of the picture
                return Read(taken, claim, self._not_read(claim, fault))
            return Read(taken, claim, Failed(f"Watcher may not read the file: {fault.strerror}"))
        except OSError as fault:
            return Read(taken, claim, self._not_read(claim, fault))
        if not isinstance(data, bytes):
            return Read(taken, claim, data)
        sha256 = hashlib.sha256(data).hexdigest()
        pixels = pixels_of(data)
        if pixels > self._max_pixels:  # `decode` refuses it before it takes any memory
            pixels = 0
        self._budget.acquire(pixels)
        content: Picture | Failed | None = None
        try:
            with self._timing(f"decoding {clean(claim.path)}", 1):
                content = taken.vision.decode(data)
        finally:
            if not isinstance(content, Picture):
                self._budget.release(pixels)
        return Read(taken, claim, content, sha256, len(data), pixels if isinstance(content, Picture) else 0)

    def forget(self, read: Read) -> None:
        """To be called, once, when a picture's pixels are no longer needed."""
        self._budget.release(read.pixels)

    def _is_gone(self, claim: Claim) -> bool:
        """Whether a claimed picture that was not found is gone: an inbox whose share went away has lost nothing."""
        try:
            return self._claims.is_there() and not stands(self._claims.file(claim))
        except OSError:
            return False

    def _not_read(self, claim: Claim, fault: OSError) -> Changed | Failed:
        """Back to the inbox with it, unless that has been tried often enough."""
        if fault.errno not in (*SHORT_OF, *NO_ANSWER):
            self._faults[claim.fingerprint] += 1
        if self._faults[claim.fingerprint] >= MOST_READS:
            del self._faults[claim.fingerprint]
            return Failed(f"the file cannot be read: {fault.strerror}")
        facts = {"path": clean(claim.path), "reason": fault.strerror or str(fault)}
        self._repeated.say(fault.errno, log.warning, "a picture could not be read; it goes back to wait", **facts)
        return Changed()

    def _bytes(self, handle: int, settled: Fingerprint) -> bytes | Changed | Failed:
        with open(handle, "rb", closefd=True) as file:
            if settled.size > self._max_bytes:
                return Failed(
                    f"the file has {settled.size / 1e6:.0f} MB; at most {self._max_bytes / 1e6:.0f} MB are read"
                )
            data = file.read(settled.size + 1)
            same = Fingerprint.of(os.fstat(handle)) == settled and len(data) == settled.size
        return data if same else Changed()
