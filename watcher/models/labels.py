"""Labels name folders: people put pictures there, to teach a model and to correct it."""

from __future__ import annotations

import unicodedata

LONGEST_LABEL = 200

# Control characters, halves of characters, line and paragraph separators. Joiners stay: many scripts need them.
_UNFIT = ("Cc", "Cs", "Zl", "Zp")
# With these a name can pass for another (UAX #9).
_DIRECTIONS = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")


def label_fault(label: str) -> str | None:
    """Why a label cannot be a folder's name, and what to do; None if it can."""
    if (
        "/" in label
        or label.startswith(".")
        or not label.strip()
        or any(unicodedata.category(one) in _UNFIT or unicodedata.bidirectional(one) in _DIRECTIONS for one in label)
        or len(label.encode()) > LONGEST_LABEL
    ):
        return (
            f"the label {label[:60]!r} cannot be a folder's name: do without '/', a dot at its beginning "
            f"and control characters, in 1 to {LONGEST_LABEL} bytes"
        )
    return None
