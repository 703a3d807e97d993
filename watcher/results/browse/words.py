"""Numbers, times and names as people read them on a page."""

from __future__ import annotations

import re
from datetime import datetime

# What moves a cursor, ends a line or sets the direction of writing (UAX #9): here it only shows that it was there.
_HARMFUL = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
LONGEST = 400  # letters of a text that a page shows
THIN = "\N{NARROW NO-BREAK SPACE}"
NOTHING = "\N{EN DASH}"


def tidy(text: object, longest: int = LONGEST) -> str:
    """A name or a reason of anybody's making, harmless and not too long; what is escaped in HTML is still to be so."""
    shown = _HARMFUL.sub("\N{REPLACEMENT CHARACTER}", str(text))
    return shown if len(shown) <= longest else shown[: longest - 1] + "\N{HORIZONTAL ELLIPSIS}"


def number(value: int | None) -> str:
    return NOTHING if value is None else f"{value:,}"


def percent(share: float | None) -> str:
    """`share` (0..1) with one decimal; what is not quite all or nothing is never rounded to it."""
    if share is None:
        return NOTHING
    text = f"{100 * share:.1f}"
    if text == "100.0" and share < 1:
        text = "> 99.9"
    elif text == "0.0" and share > 0:
        text = "< 0.1"
    return f"{text}{THIN}%"


def part(some: int, of: int) -> str:
    return percent(some / of) if of else NOTHING


def moment(text: str | datetime | None) -> str:
    """24 Nov 2026, 08:30 UTC."""
    return _formed(text, "{day} {0:%b %Y, %H:%M} UTC")


def plain_moment(text: str | datetime | None) -> str:
    """24 Nov 2026, 08:30: where a page says once that times are UTC."""
    return _formed(text, "{day} {0:%b %Y, %H:%M}")


def second(text: str | datetime | None) -> str:
    """24 Nov 2026, 08:30:05 UTC."""
    return _formed(text, "{day} {0:%b %Y, %H:%M:%S} UTC")


def day(text: str | datetime | None) -> str:
    """24 Nov 2026."""
    return _formed(text, "{day} {0:%b %Y}")


def short_day(text: str | None) -> str:
    """24 Nov."""
    return _formed(text, "{day} {0:%b}")


def iso(text: str | datetime | None) -> str:
    """For programs."""
    return text.isoformat() if isinstance(text, datetime) else text or ""


def _formed(text: str | datetime | None, form: str) -> str:
    if not text:
        return NOTHING
    try:
        found = text if isinstance(text, datetime) else datetime.fromisoformat(text)
    except ValueError:  # a database may say anything
        return tidy(text, 40)
    return form.format(found, day=found.day)


def plural(count: int, one: str, more: str | None = None) -> str:
    """1 picture, 1,234 pictures."""
    return f"{number(count)} {one if count == 1 else more or one + 's'}"


FILTERS = {
    "tidy": tidy,
    "number": number,
    "percent": percent,
    "iso": iso,
    "moment": moment,
    "plain_moment": plain_moment,
    "second": second,
    "day": day,
    "short_day": short_day,
    "plural": plural,
}
