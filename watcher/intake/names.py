"""One clean text for any name: what the database, the outbox and the other folders use.

A name on disk can be any bytes. Bytes that are not UTF-8 and control characters are written as
`%E9`, so that the text can be stored, printed and used as a file name again.
"""

from __future__ import annotations

import os
import re
import unicodedata

# The most bytes of one name on the file systems in use (ext4, XFS, NTFS and SMB count no fewer).
LONGEST = 255

_DIRECTIONS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_ROGUE = re.compile("[\ud800-\udfff]")


def clean(path: str) -> str:
    """`path`, raw and relative, as text that is valid UTF-8 without control characters.

    What is already clean comes back as it is. Two raw names can share one clean name.
    """
    text = os.fsencode(path).decode("utf-8", "surrogateescape")
    return "".join(map(_visible, text)) if _ROGUE.search(text) or not text.isprintable() else text


def _visible(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"%{code - 0xDC00:02X}"
    # Cc: control; Cf would hit the joiners that Indic and Arabic names and emoji need, except the
    # direction controls (UAX #9), with which a name can pass for another.
    if unicodedata.category(character) in ("Cc", "Zl", "Zp") or character in _DIRECTIONS:
        return "".join(f"%{byte:02X}" for byte in character.encode())
    return character


def tagged(path: str, tag: str) -> str:
    """`path` under a name that carries `tag`, for when its own name is taken: `a/b.png` → `a/b~tag.png`."""
    folder, name = os.path.split(fitting(path))
    return os.path.join(folder, _fit(name, f"~{tag}"))


def fitting(path: str) -> str:
    """`path` with each of its names cut to `LONGEST` bytes, endings kept: cleaning can lengthen a name."""
    return os.sep.join(map(_fit, path.split(os.sep)))


def _fit(name: str, tag: str = "") -> str:
    """The name with `tag` before its ending, the stem cut at a character where it is too long."""
    stem, ending = os.path.splitext(name)
    end = cut(tag + ending, LONGEST)
    return cut(stem, LONGEST - len(os.fsencode(end))) + end


def cut(text: str, size: int) -> str:
    """The longest beginning of `text`, clean or raw, that is at most `size` bytes on disk."""
    whole = os.fsencode(text)
    beginning = whole[: max(size, 0)]
    # Only a character that the cut itself split is dropped; raw bytes of a raw name stay.
    return os.fsdecode(beginning) if _ROGUE.search(text) else beginning.decode("utf-8", "ignore")
