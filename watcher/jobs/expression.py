"""What a person may write as a schedule and as a time zone, and what is said where it is wrong."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

SHORT = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
# Any will do; whether a schedule ever comes must not depend on today.
_SOME_DAY = datetime(2000, 1, 1)  # noqa: DTZ001 - as a clock on the wall shows it
# How much of what is wrong is repeated.
_LONGEST_ECHO = 80


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    size: int
    right: str


_FIELDS = (
    _Field("minute", 60, "* or 0 to 59, as in 30 or 0,30 or 10-20 or */15"),
    _Field("hour", 24, "* or 0 to 23, as in 2 or 8,20 or 9-17 or */6"),
    _Field("day of month", 31, "* or 1 to 31, as in 1 or 1,15 or 1-7 or */2, or L for the last"),
    _Field("month", 12, "* or 1 to 12 or JAN to DEC, as in 6 or JAN,JUL or 4-9 or */3"),
    _Field("day of week", 7, "* or 0 to 7 (0 and 7 are Sunday) or SUN to SAT, as in MON or SAT,SUN or MON-FRI"),
)
_FIVE = f"cron has five: {', '.join(field.name for field in _FIELDS)}, as in 30 2 * * * for every day at 02:30"
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven")


def fields(expression: str) -> list[str]:
    """The five fields of an expression that has been checked."""
    return SHORT.get(expression.lower(), expression).upper().split()


def checked(expression: str) -> str:
    """The expression without needless spaces; raises ValueError with a sentence if it is no schedule."""
    expression = " ".join(expression.split())
    if expression.startswith("@") and expression.lower() not in SHORT:
        raise ValueError(_no_short_form(expression))
    given = fields(expression)
    if len(given) != len(_FIELDS):
        raise ValueError(_not_five(expression, len(given)))
    for place, text in enumerate(given):
        _check_field(place, text)
    if not _comes(given):
        day, month, weekday = given[2:]
        of_the_week = "" if weekday == "*" else f" that is a day of week {weekday}"
        raise ValueError(
            f"{_echo(expression)} never comes: month {month} has no day {day}{of_the_week}; "
            "give days that the month has, or L for its last"
        )
    return expression


def _no_short_form(expression: str) -> str:
    if expression.lower() == "@reboot":
        return (
            "@reboot cannot be used, for how often this computer starts says nothing about when to train; "
            "give a time, such as @daily"
        )
    close = difflib.get_close_matches(expression[:_LONGEST_ECHO].lower(), SHORT, n=1)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(SHORT)}"
    return f"there is no {_echo(expression)}; {hint}"


def _not_five(expression: str, count: int) -> str:
    if f"@{expression.lower()}" in SHORT:
        return f"{_echo(expression)} needs an @ before it: @{expression.lower()}"
    number = _NUMBERS[count] if count < len(_NUMBERS) else count
    said = f"{_echo(expression)} has {number} field{'s' * (count != 1)}; {_FIVE}"
    return said if count < len(_FIELDS) else f"{said}; leave out seconds, years and commands"


def _check_field(place: int, text: str) -> None:
    field = _FIELDS[place]
    try:
        CronSim(" ".join(text if other == place else "*" for other in range(len(_FIELDS))), _SOME_DAY)
    except (CronSimError, ValueError):
        raise ValueError(f"the {field.name} {_echo(text)} cannot be read; it should be {field.right}") from None
    for step in map(int, re.findall(r"/(\d+)", text)):
        if step > field.size:  # to cron, */90 is every hour: its steps begin anew with every hour
            raise ValueError(
                f"the {field.name} {_echo(text)} steps by {step}, but only {field.size} can follow each other there; "
                f"make the step smaller, or use another field"
            )


def _comes(given: list[str]) -> bool:
    try:
        next(CronSim(f"0 0 {' '.join(given[2:])}", _SOME_DAY))
    except (CronSimError, StopIteration):  # at once, or after fifty years looked through in vain
        return False
    return True


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def zone_named(timezone: str) -> ZoneInfo:
    """The time zone; raises ValueError with a sentence, and the likeliest right name, if there is none."""
    if timezone in _zones():
        return ZoneInfo(timezone)
    raise ValueError(f"there is no time zone {_echo(timezone)}; {_close_zone(timezone)}")


def _close_zone(timezone: str) -> str:
    """By its whole name or its city; GMT+2 has none, for the zone of that name lies on the other side of Greenwich."""
    names: dict[str, str] = {}
    for zone in ("UTC", *sorted(zone for zone in _zones() if "/" in zone)):  # no letters that mean many things
        names.setdefault(zone.lower(), zone)
        names.setdefault(zone.rpartition("/")[2].lower(), zone)
    wanted = timezone[:_LONGEST_ECHO].lower()
    for name in () if re.search(r"[\d+]", wanted) else (wanted, wanted.rpartition("/")[2]):
        if close := difflib.get_close_matches(name, names, n=1, cutoff=0.87):
            return f"did you mean {names[close[0]]}?"
    return "give a continent and a city, such as Europe/Berlin, or UTC"


def _echo(text: str) -> str:
    return repr(text if len(text) <= _LONGEST_ECHO else f"{text[:_LONGEST_ECHO]}…")
