"""When a job is due, reckoned from scratch: every minute that passes is looked at, and what the clock shows in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

EVERY_DAY, EVERY_MONTH = frozenset(range(1, 32)), frozenset(range(1, 13))
EVERY_WEEKDAY = frozenset(range(1, 8))
# Walls are counted in minutes from here.
ORIGIN = date(2000, 1, 1)
MINUTE = timedelta(minutes=1)
# So long before the first minute that is asked for the walk begins: it must know what the clock has shown already.
BEFORE = 2 * 1440


@dataclass(frozen=True)
class Fields:
    """What an expression means, written down by hand. Weekdays as ISO has them, Monday 1 to Sunday 7."""

    minutes: frozenset[int] = frozenset(range(60))
    hours: frozenset[int] = frozenset(range(24))
    days: frozenset[int] = EVERY_DAY
    months: frozenset[int] = EVERY_MONTH
    weekdays: frozenset[int] = EVERY_WEEKDAY
    either_day: bool = False
    real_time: bool = False


def walls(zone: ZoneInfo, first: datetime, minutes: int) -> NDArray[np.int32]:
    """What the clock shows in each of the minutes that pass from `first` on, as minutes since the origin."""
    origin = datetime(ORIGIN.year, 1, 1, tzinfo=UTC)
    offsets = np.empty(minutes, np.int32)

    def offset(minute: int) -> int:
        return int((first + minute * MINUTE).astimezone(zone).utcoffset() / MINUTE)

    for begin in range(0, minutes, 180):  # in three hours no clock is changed and changed back
        end = min(begin + 180, minutes)
        known = offset(begin)
        alike = offset(end) == known
        offsets[begin:end] = known if alike else [offset(minute) for minute in range(begin, end)]
    return np.int32((first - origin) // MINUTE) + np.arange(minutes, dtype=np.int32) + offsets


def matching(fields: Fields, shown: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Whether each reading of the clock is one that the fields name."""
    first, last = int(shown.min()) // 1440, int(shown.max()) // 1440
    days = []
    for number in range(first, last + 1):
        day = ORIGIN + timedelta(days=number)
        of_month, of_week = day.day in fields.days, day.isoweekday() in fields.weekdays
        right = of_month or of_week if fields.either_day else of_month and of_week
        days.append(right and day.month in fields.months)
    of_a_day = [minute // 60 in fields.hours and minute % 60 in fields.minutes for minute in range(1440)]
    return np.outer(days, of_a_day).ravel()[shown - first * 1440]


def due(fields: Fields, shown: NDArray[np.int32]) -> NDArray[np.bool_]:
    """In which minutes the job is due.

    In real time: in those whose reading matches. At a time of day: in those in which the clock first gets to a reading that
    matches, or past it.
    """
    if fields.real_time:
        return matching(fields, shown)
    furthest = np.concatenate([shown[:1] - 1, np.maximum.accumulate(shown)[:-1]])
    hits = matching(fields, shown) & (shown > furthest)
    for leap in np.flatnonzero(shown - furthest > 1):
        hits[leap] = matching(fields, np.arange(furthest[leap] + 1, shown[leap] + 1, dtype=np.int32)).any()
    return hits


def due_times(fields: Fields, shown: NDArray[np.int32], first: datetime) -> list[datetime]:
    """The due times from `first` on; `shown` begins `BEFORE` minutes earlier."""
    return [first + int(minute) * MINUTE for minute in np.flatnonzero(due(fields, shown)[BEFORE:])]
