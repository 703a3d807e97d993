"""Five years of schedules in four time zones, against a reckoning of our own: not one missed, not one doubled."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import takewhile
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from reckoning import BEFORE, MINUTE, Fields, due_times, walls

from watcher.jobs.planning import Policy, plan
from watcher.jobs.schedule import Schedule

FIRST, LAST = datetime(2026, 1, 1, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)
# Lord Howe changes by half an hour.
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC")
SUNDAY, FRIDAY = frozenset({7}), frozenset({5})


def at(hour: int, minute: int) -> dict[str, frozenset[int]]:
    return {"hours": frozenset({hour}), "minutes": frozenset({minute})}


SCHEDULES = {
    "30 2 * * *": Fields(**at(2, 30)),
    "15 2 * * *": Fields(**at(2, 15)),  # in every one of the gaps
    "45 1 * * *": Fields(**at(1, 45)),  # doubled in New York and on Lord Howe
    "*/30 * * * *": Fields(minutes=frozenset({0, 30}), real_time=True),
    "0 */2 * * *": Fields(minutes=frozenset({0}), hours=frozenset(range(0, 24, 2)), real_time=True),
    "*/15 2 * * *": Fields(minutes=frozenset(range(0, 60, 15)), hours=frozenset({2}), real_time=True),
    "0,15,30 1-3 * * *": Fields(minutes=frozenset({0, 15, 30}), hours=frozenset({1, 2, 3})),
    "0 0 31 * *": Fields(**at(0, 0), days=frozenset({31})),
    "20 2 * * 0": Fields(**at(2, 20), weekdays=SUNDAY),
    "20 2 * * 7": Fields(**at(2, 20), weekdays=SUNDAY),
    "0 12 13 * 5": Fields(**at(12, 0), days=frozenset({13}), weekdays=FRIDAY, either_day=True),
    "0 0 29 2 *": Fields(**at(0, 0), days=frozenset({29}), months=frozenset({2})),
}


@cache
def clock(zone: str) -> NDArray:
    """All the minutes of five years, and two days before."""
    return walls(ZoneInfo(zone), FIRST - BEFORE * MINUTE, int((LAST - FIRST) / MINUTE) + BEFORE)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("expression", SCHEDULES)
def test_a_daemon_that_comes_and_goes_plans_every_due_time_once(expression: str, zone: str) -> None:
    """Whenever it is started and stopped, whatever the policy, and also where the clock is set back meanwhile."""
    dice = random.Random(f"{expression} {zone}")
    expected = due_times(SCHEDULES[expression], clock(zone), FIRST)
    schedule = Schedule.parse(expression, zone)
    shift = timedelta(seconds=dice.choice([0, 17, 3599]))
    longest = 90 * (LAST - FIRST) / max(len(expected), 1000)  # off for longer, some would be told in sum
    planned = []
    since, now = FIRST - timedelta(seconds=1), FIRST
    while now < LAST + shift:
        now += timedelta(seconds=1) + longest * dice.random()
        for moment in (now, now - timedelta(hours=2), now) if dice.random() < 0.1 else (now,):
            policy = Policy(dice.choice(["none", "latest", "all"]), timedelta(hours=dice.randrange(48)), shift)
            plans = plan(schedule, policy, since, moment)
            assert all(since < slot.scheduled <= moment - shift and slot.times == 1 for slot in plans.slots)
            planned += [slot.scheduled for slot in plans.slots]
            since = plans.until
    assert [moment for moment in planned if moment < LAST] == expected


# Clocks that change by two hours (Troll), at midnight (the others), and by a whole day (Apia, 2011); the nights before.
NIGHTS = {
    "Europe/Berlin": [(2026, 3, 28), (2026, 10, 24)],
    "Australia/Lord_Howe": [(2026, 4, 4), (2026, 10, 3)],
    "Antarctica/Troll": [(2026, 3, 28), (2026, 10, 24)],
    "America/Havana": [(2026, 3, 7), (2026, 10, 31)],
    "America/Santiago": [(2026, 4, 4), (2026, 9, 5)],
    "Africa/Cairo": [(2026, 4, 23), (2026, 10, 29)],
    "Pacific/Apia": [(2011, 12, 29)],
}


@st.composite
def around_changes(draw: st.DrawFn) -> tuple[str, Fields, str, datetime]:
    """An expression with its meaning, a time zone, and a moment in the day before its clock changes."""
    zone = draw(st.sampled_from(sorted(NIGHTS)))
    night = datetime(*draw(st.sampled_from(NIGHTS[zone])), tzinfo=ZoneInfo(zone)).astimezone(UTC)
    texts, meant = [], {}
    numbers = {"minutes": range(60), "hours": (0, 1, 2, 3, 23)}
    for name, choice in numbers.items():
        some = draw(st.none() | st.frozensets(st.sampled_from(choice), min_size=1, max_size=6))
        texts.append("*" if some is None else ",".join(map(str, some)))
        meant |= {} if some is None else {name: some}
    weekdays = draw(st.none() | st.frozensets(st.integers(1, 7), min_size=1))
    texts += ["*", "*", "*" if weekdays is None else ",".join(map(str, weekdays))]
    meant |= {} if weekdays is None else {"weekdays": weekdays}
    fields = Fields(**meant, real_time="*" in texts[:2])
    return " ".join(texts), fields, zone, night + draw(st.integers(0, 1440)) * MINUTE


@settings(max_examples=120, deadline=None)
@given(around_changes())
def test_every_change_of_a_clock_is_as_reckoned(case: tuple[str, Fields, str, datetime]) -> None:
    """Also at midnight, by two hours, by a day, and whatever the expression."""
    expression, fields, zone, first = case
    shown = walls(ZoneInfo(zone), first - BEFORE * MINUTE, 3 * 1440 + BEFORE)
    due = Schedule.parse(expression, zone).after(first - timedelta(seconds=1))
    assert list(takewhile(lambda moment: moment < first + timedelta(days=3), due)) == due_times(fields, shown, first)


@settings(max_examples=40, deadline=None)
@given(around_changes(), st.sampled_from(sorted(NIGHTS)), st.data())
def test_a_restart_changes_nothing(case: tuple[str, Fields, str, datetime], where: str, data: st.DataObject) -> None:
    """What follows a moment is the same, wherever one began and in whatever time zone the moment is given."""
    expression, _, zone, first = case
    schedule = Schedule.parse(expression, zone)
    until = first + timedelta(days=4)
    whole = list(takewhile(lambda moment: moment < until, schedule.after(first)))
    moments = [first + minute * MINUTE for minute in data.draw(st.lists(st.integers(0, 4000), max_size=3))]
    for moment in (*moments, *whole[:: len(whole) // 4 + 1]):
        again = takewhile(lambda due: due < until, schedule.after(moment.astimezone(ZoneInfo(where))))
        assert list(again) == [due for due in whole if due > moment]
