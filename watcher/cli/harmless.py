"""What a name can do to a terminal: move the cursor, change the title, turn the direction of writing. Here it cannot.

Names are made clean where they come in (`intake/names.py`); this is the last gate, for all that a command prints.
"""

from __future__ import annotations

import io
import re
import sys
from typing import Any, TextIO

# The control characters but for tab and line feed, what ends a line or a paragraph, and what sets its direction (UAX #9).
_HARMFUL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def harmless(text: str) -> str:
    r"""`text` with each such character as `\u001b`: in JSON that still means the same."""
    return _HARMFUL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class Harmless:
    """A text stream that prints no control characters."""

    def __init__(self, raw: TextIO) -> None:
        self.raw = raw

    def write(self, text: str) -> int:
        self.raw.write(harmless(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        if name == "buffer":  # whoever asks for it writes past us
            raise AttributeError(name)
        return getattr(self.raw, name)


def guard_streams() -> None:
    """From here on this process prints nothing harmful, and a letter that the terminal lacks is no fault."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
        if stream is not None and not isinstance(stream, Harmless):
            setattr(sys, name, Harmless(stream))


def unguarded(stream: Any) -> TextIO:
    """For what draws on a terminal and has made harmless all that it shows."""
    raw: TextIO = stream.raw if isinstance(stream, Harmless) else stream
    return raw
