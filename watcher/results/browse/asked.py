"""What the gallery is asked for: its address as a filter of the results, and back again."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from urllib.parse import urlencode

from watcher.results.browse import words
from watcher.results.queries import Filter
from watcher.results.records import State

NEWEST, DOUBTFUL = "newest", "doubtful"
ORDERS = {NEWEST: "newest", DOUBTFUL: "most doubtful"}
LARGEST_ID = 2**63 - 1


class BadQuestion(Exception):
    """An address asks for what cannot be; the message says what would be right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A filter as its address has it: texts that people can read, change and send each other."""

    model: str = ""
    label: str = ""
    group: str = ""
    state: str = ""
    review: str = ""
    least: str = ""  # percent
    most: str = ""
    since: str = ""
    until: str = ""  # a day is meant as a whole
    order: str = ""

    @classmethod
    def of(cls, given: Mapping[str, str]) -> Self:
        """Raises BadQuestion."""
        asked = cls(**{name: given.get(name, "").strip() for name in NAMES})
        asked.filter()
        return asked

    def filter(self, **more: Any) -> Filter:
        """As the results room understands it. Raises BadQuestion."""
        if self.state and self.state not in set(State):
            raise BadQuestion(f"There is no such state: it is one of {', '.join(State)}")
        if self.order not in {"", *ORDERS}:
            raise BadQuestion(f"There is no such order: it is one of {', '.join(ORDERS)}")
        if self.order == DOUBTFUL:
            more |= {"sort": "score", "descending": False}
        return Filter(
            model=self.model or None,
            label=self.label or None,
            group=self.group or None,
            state=State(self.state) if self.state else None,
            needs_review=bool(self.review),
            min_score=_score(self.least),
            max_score=_score(self.most),
            since=_time(self.since),
            until=_time(self.until, end=True),
            **more,
        )

    def address(self, path: str = "/", **changes: object) -> str:
        """The filter as a link, with changes; what is empty is left out."""
        mine = {name: str(value) for name, value in changes.items() if name in NAMES}
        others = {name: value for name, value in changes.items() if name not in NAMES}
        chosen = replace(self, **mine)
        values = {name: getattr(chosen, name) for name in NAMES} | others
        query = urlencode({name: value for name, value in values.items() if value not in {"", None}})
        return f"{path}?{query}" if query else path

    def chips(self) -> Iterator[tuple[str, str]]:
        """What is filtered by, in words, and the address without it."""
        said = {
            "model": f"Model: {self.model}",
            "label": f"Label: {self.label}",
            "group": f"Group: {self.group}",
            "state": f"State: {self.state}",
            "review": "Needs review",
            "least": f"Score from {self.least} %",
            "most": f"Score to {self.most} %",
            "since": f"From {words.moment(self.since) if 'T' in self.since else words.day(self.since)}",
            "until": f"To {words.moment(self.until) if 'T' in self.until else words.day(self.until)}",
        }
        for name, text in said.items():
            if getattr(self, name):
                yield text, self.address(**{name: ""})

    @property
    def filtered(self) -> bool:
        return any(getattr(self, name) for name in NAMES if name != "order")

    @property
    def countable(self) -> bool:
        """Whether the counts that the database keeps tell how many pictures these are."""
        return not (self.least or self.most or self.since or self.until)


NAMES = tuple(field.name for field in fields(Asked))


def whole(text: str) -> int | None:
    """The id of a picture in an address; None where there is none. Raises BadQuestion."""
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and int(text[:20]) <= LARGEST_ID and len(text) < 20):
        raise BadQuestion("A picture has a number")
    return int(text)


def _score(text: str) -> float | None:
    if not text:
        return None
    with suppress(ValueError):
        if 0 <= (value := float(text)) <= 100 and math.isfinite(value):
            return value / 100
    raise BadQuestion("A score lies between 0 and 100 %")


def _time(text: str, *, end: bool = False) -> datetime | None:
    if not text:
        return None
    with suppress(ValueError, OverflowError):
        time = datetime.fromisoformat(text)
        aware = time if time.tzinfo else time.replace(tzinfo=UTC)
        is_day = len(text) <= len("2026-11-24")
        return (aware + timedelta(days=1) if end and is_day else aware).astimezone(UTC)
    raise BadQuestion("Write a day like 2026-11-24, or a time like 2026-11-24T14:00 (UTC)")
