"""When a job is due: a cron expression in a time zone, as moments, none missed and none doubled by a clock change."""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import cache
from itertools import dropwhile, takewhile
from typing import TYPE_CHECKING

from cronsim import CronSim

from watcher.jobs.expression import checked, fields, zone_named

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

_DAY, _MINUTE, _SECOND = timedelta(days=1), timedelta(minutes=1), timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a job is due: five-field cron or @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually, in a time zone.

    As in Debian's cron, where minute and hour are both given, the job is at a time of day: one that the clock leaves out in
    spring comes at the first moment after it, one that it shows twice in autumn comes once. Where either begins with a star,
    the job runs in real time. Where day of month and day of week are both given, either will do; also L (the month's last
    day), 5L (its last Friday) and 5#2 (its second) are understood.

    CronSim reckons the days and the times of a day, and the time zone is put to them here: across clock changes CronSim
    itself forgets some (`0 */2 * * *` where the clock changes by half an hour) and, asked from within a doubled hour, repeats.
    """

    expression: str
    zone: ZoneInfo

    @classmethod
    def parse(cls, expression: str, timezone: str) -> Schedule:
        """What a person wrote; raises ValueError with one sentence that says what is wrong and what would be right."""
        return cls(checked(expression), zone_named(timezone))

    def after(self, moment: datetime) -> Iterator[datetime]:
        """Every due time after `moment`, in UTC, ascending, none twice, one by one as they are asked for.

        What follows any of them is the same from wherever one began, so it may be asked anew after every stop. One costs
        some microseconds.
        """
        last = moment.astimezone(UTC)
        minute, hour, *_ = fields(self.expression)
        in_real_time = minute.startswith("*") or hour.startswith("*")
        walls = self._walls(self._least_shown_after(last))
        for due in _as_shown(walls) if in_real_time else map(_once, walls):
            if due > last:
                yield due
                last = due

    def _least_shown_after(self, moment: datetime) -> datetime:
        """What the clock never falls behind after `moment`. It is what it shows, unless it is about to be set back."""
        soon = min((moment + later).astimezone(self.zone).replace(tzinfo=None) - later for later in (timedelta(), _DAY))
        return soon.replace(tzinfo=self.zone)

    def _walls(self, first: datetime) -> Iterator[datetime]:
        """What the clock shows when the job is due, from `first` on, were it never changed: days times times of day."""
        minute, hour, *day = fields(self.expression)
        times = _times(minute, hour)
        midnight = datetime.combine(first, time())
        days = CronSim(f"0 0 {' '.join(day)}", midnight - _SECOND)
        walls = (datetime.combine(day, at, self.zone) for day in days for at in times)
        return dropwhile(lambda wall: wall < first, walls)


def _once(wall: datetime) -> datetime:
    """The first moment at which the clock shows `wall`, or else has passed it."""
    while _shown(wall, again=True) < _shown(wall):
        wall += _MINUTE
    return _shown(wall)


def _as_shown(walls: Iterator[datetime]) -> Iterator[datetime]:
    """Every moment at which the clock shows one of `walls`, be that never, once or twice."""
    second_showings: deque[datetime] = deque()  # they come after all the first ones
    for wall in walls:
        first, second = _shown(wall), _shown(wall, again=True)
        if second < first:
            continue
        while second_showings and second_showings[0] < first:
            yield second_showings.popleft()
        yield first
        if first < second:
            second_showings.append(second)
    yield from second_showings


def _shown(wall: datetime, *, again: bool = False) -> datetime:
    """When the clock shows `wall`, or shows it again, which is later if it does so twice.

    Where the clock leaves it out, "again" is the earlier: each is reckoned as if the clock were at its other side (PEP 495).
    """
    return wall.replace(fold=again).astimezone(UTC)


@cache
def _times(minute: str, hour: str) -> tuple[time, ...]:
    """The times of a day that two fields name."""
    midnight = datetime(2000, 1, 1)  # noqa: DTZ001 - any day without clock changes
    of_the_day = takewhile(lambda at: at < midnight + _DAY, CronSim(f"{minute} {hour} * * *", midnight - _SECOND))
    return tuple(at.time() for at in of_the_day)


def shift(job: str, jitter: timedelta) -> timedelta:
    """How much later than due `job` starts, always the same: whole seconds, at least 0 and less than `jitter`.

    So many jobs that are due at midnight do not start at once. Names need not be valid text, for they are files' names.
    """
    seconds = jitter // _SECOND
    if seconds <= 0:
        return timedelta()
    digest = hashlib.sha256(job.encode(errors="surrogateescape")).digest()
    return timedelta(seconds=int.from_bytes(digest) % seconds)
