"""SQLite's write-ahead log, as far as it must be understood to tell whether it is garbled.

SQLite takes a log up to the first frame whose checksum is wrong, and says nothing of what follows: so results that
were committed can be gone without any error. A frame carries the two salts of its log, which change each time that the
log begins anew; behind the end of what counts, frames have older ones. One with the present salts behind a wrong
one, or a transaction without its end, tells of damage, or of a crash in the middle of writing. (https://www.sqlite.org/fileformat2.html#walformat)
"""

from __future__ import annotations

import struct
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

HEADER, FRAME = 32, 24  # bytes
MAGIC = 0x377F0682  # and one more for checksums over big-endian words
_WORD = 2**32 - 1

Sums = tuple[int, int]


def is_garbled(log: Path) -> bool:
    """Whether a log holds frames that SQLite does not reach. Raises OSError where it is there and cannot be read.

    Reading it is safe at any time, unlike its database: SQLite holds no locks on it.
    """
    try:
        with log.open("rb") as file:
            return _is_garbled(file)
    except FileNotFoundError:
        return False


def _is_garbled(file: IO[bytes]) -> bool:
    header = file.read(HEADER)
    if not header:
        return False
    if len(header) < HEADER:
        return True
    magic, _, page, _, *salts, one, two = struct.unpack(">8I", header)
    words = ">" if magic & 1 else "<"
    if magic | 1 != MAGIC | 1 or (one, two) != (sums := _add((0, 0), header[:24], words)):
        return True
    ended = True
    while len(frame := file.read(FRAME + page)) == FRAME + page:
        now = _add(_add(sums, frame[:8], words), frame[FRAME:], words)
        if list(struct.unpack(">4I", frame[8:24])) != [*salts, *now]:
            break
        sums, ended = now, frame[4:8] != b"\0\0\0\0"  # the last of a transaction says how long the database is then
    return not ended or _goes_on(file, frame, page, salts)


def _goes_on(file: IO[bytes], frame: bytes, page: int, salts: list[int]) -> bool:
    """Whether this frame, or any behind it, belongs to the log of these salts."""
    while len(frame) >= 16:
        if list(struct.unpack(">2I", frame[8:16])) == salts:
            return True
        frame = file.read(FRAME + page)
    return False


def _add(sums: Sums, data: bytes, words: str) -> Sums:
    one, two = sums
    for left, right in struct.iter_unpack(f"{words}2I", data):
        one = (one + left + two) & _WORD
        two = (two + right + one) & _WORD
    return one, two
