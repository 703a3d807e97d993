"""Schedules: what a person may write, what it means, and what is said where it means nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watcher.jobs.schedule import Schedule, shift

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)  # a Thursday


def due(expression: str, count: int, after: datetime = NEW_YEAR, zone: str = "UTC") -> list[str]:
    """The first due times, as a clock in the zone shows them."""
    moments = islice(Schedule.parse(expression, zone).after(after), count)
    return [f"{moment.astimezone(ZoneInfo(zone)):%y-%m-%d %H:%M}" for moment in moments]


def fault(expression: str, timezone: str = "UTC") -> str:
    with pytest.raises(ValueError) as raised:
        Schedule.parse(expression, timezone)
    return str(raised.value)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("30 2 * * *", ["26-01-01 02:30", "26-01-02 02:30", "26-01-03 02:30"]),
        ("*/20 8,20 * * *", ["26-01-01 08:00", "26-01-01 08:20", "26-01-01 08:40", "26-01-01 20:00"]),
        ("*/60 */24 * * *", ["26-01-02 00:00", "26-01-03 00:00"]),
        ("0 12 13 * 5", ["26-01-02 12:00", "26-01-09 12:00", "26-01-13 12:00", "26-01-16 12:00"]),
        ("0 0 */2 * 5", ["26-01-09 00:00", "26-01-23 00:00", "26-02-13 00:00"]),
        ("0 0 * * 0", ["26-01-04 00:00", "26-01-11 00:00"]),
        ("0 0 * * 7", ["26-01-04 00:00", "26-01-11 00:00"]),
        ("0 0 * jan,Feb mon-wed", ["26-01-05 00:00", "26-01-06 00:00", "26-01-07 00:00", "26-01-12 00:00"]),
        ("0 0 31 * *", ["26-01-31 00:00", "26-03-31 00:00", "26-05-31 00:00", "26-07-31 00:00"]),
        ("0 0 29 2 *", ["28-02-29 00:00", "32-02-29 00:00"]),
        ("0 0 L * *", ["26-01-31 00:00", "26-02-28 00:00", "26-03-31 00:00"]),
        ("0 0 * * 5L", ["26-01-30 00:00", "26-02-27 00:00"]),
        ("0 0 * * MON#1", ["26-01-05 00:00", "26-02-02 00:00"]),
    ],
)
def test_five_fields_are_times(expression: str, expected: list[str]) -> None:
    """Where both days are given either will do, unless one begins with a star; Sunday is 0 and 7."""
    assert due(expression, len(expected)) == expected


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("@hourly", "0 * * * *"),
        ("@daily", "0 0 * * *"),
        ("@Midnight", "0 0 * * *"),
        ("@weekly", "0 0 * * 0"),
        ("@monthly", "0 0 1 * *"),
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
    ],
)
def test_short_forms_are_cron_expressions(short: str, long: str) -> None:
    """In small and capital letters."""
    assert due(short, 9) == due(long, 9)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "UTC"])
def test_a_due_time_is_after_the_moment_asked_about(zone: str) -> None:
    """Not at it, not a second later than it could be, and in UTC."""
    at = datetime(2026, 6, 1, 2, 30, tzinfo=ZoneInfo(zone))
    schedule = Schedule.parse("30 2 * * *", zone)
    first = next(schedule.after(at - timedelta(microseconds=1)))
    assert first == at
    assert first.tzinfo is UTC
    assert next(schedule.after(at)) == at + timedelta(days=1)


def test_a_time_that_spring_leaves_out_comes_at_the_first_moment_after_it() -> None:
    """Once, however many of them there are; the days around it are as ever."""
    before = datetime(2026, 3, 28, 12, tzinfo=UTC)
    assert due("30 2 * * *", 2, before, "Europe/Berlin") == ["26-03-29 03:00", "26-03-30 02:30"]
    expected = ["26-03-29 03:00", "26-03-29 03:30", "26-03-30 02:00"]
    assert due("0,30 2-3 * * *", 3, before, "Europe/Berlin") == expected
    assert due("10 2 * * *", 1, datetime(2026, 10, 3, tzinfo=UTC), "Australia/Lord_Howe") == ["26-10-04 02:30"]


def test_a_time_that_autumn_shows_twice_comes_once() -> None:
    """The first time, and not again where one asks in the midst of the doubled hour."""
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    schedule = Schedule.parse("30 2 * * *", "Europe/Berlin")
    assert next(schedule.after(first - timedelta(hours=3))) == first
    for minutes in (0, 29, 30, 45, 60, 75, 120):
        assert next(schedule.after(first + timedelta(minutes=minutes))) == first + timedelta(hours=25)


def test_what_begins_with_a_star_runs_in_real_time() -> None:
    """Through both changes, at even intervals; a doubled hour is run through twice, one left out not at all."""
    for day in (datetime(2026, 3, 28, 22, tzinfo=UTC), datetime(2026, 10, 24, 22, tzinfo=UTC)):
        moments = islice(Schedule.parse("*/30 * * * *", "Europe/Berlin").after(day), 12)
        assert list(moments) == [day + timedelta(minutes=30 * n) for n in range(1, 13)]
    twice = ["26-10-25 02:00", "26-10-25 02:30", "26-10-25 02:00", "26-10-25 02:30", "26-10-26 02:00"]
    assert due("*/30 2 * * *", 5, datetime(2026, 10, 24, 12, tzinfo=UTC), "Europe/Berlin") == twice
    assert due("*/30 2 * * *", 1, datetime(2026, 3, 28, 12, tzinfo=UTC), "Europe/Berlin") == ["26-03-30 02:00"]


def test_half_an_hours_change_loses_no_even_hour() -> None:
    """On Lord Howe island; CronSim by itself forgets the one after the change."""
    night = datetime(2026, 4, 4, 12, tzinfo=UTC)
    expected = ["26-04-05 00:00", "26-04-05 02:00", "26-04-05 04:00"]
    assert due("0 */2 * * *", 3, night, "Australia/Lord_Howe") == expected


def test_needless_spaces_are_forgotten() -> None:
    """So that an expression is shown as it is meant."""
    assert Schedule.parse("  30  2 * *\t* ", "UTC") == Schedule("30 2 * * *", ZoneInfo("UTC"))


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("75 2 * * *", "the minute '75' cannot be read; it should be * or 0 to 59"),
        ("30 24 * * *", "the hour '24' cannot be read; it should be * or 0 to 23"),
        ("30 2 0 * *", "the day of month '0' cannot be read; it should be * or 1 to 31"),
        ("30 2 * Juni *", "the month 'JUNI' cannot be read; it should be * or 1 to 12 or JAN to DEC"),
        ("30 2 * * SAT-SUN", "the day of week 'SAT-SUN' cannot be read; it should be * or 0 to 7"),
        ("30 2 * * ?", "the day of week '?' cannot be read"),
        ("*/0 * * * *", "the minute '*/0' cannot be read"),
        (
            "*/90 * * * *",
            "the minute '*/90' steps by 90, but only 60 can follow each other there; make the step smaller",
        ),
        (
            "0 0 30 2 *",
            "'0 0 30 2 *' never comes: month 2 has no day 30; give days that the month has, or L for its last",
        ),
        ("0 0 */30 2 mon#5", "never comes: month 2 has no day */30 that is a day of week MON#5"),
        (
            "30 2 * *",
            "'30 2 * *' has four fields; cron has five: minute, hour, day of month, month, day of week, as in",
        ),
        ("0 30 2 * * *", "'0 30 2 * * *' has six fields; cron has five: minute, hour,"),
        ("0 30 2 * * *", "leave out seconds, years and commands"),
        ("1 " * 12, "has 12 fields"),
        ("", "'' has no fields"),
        ("tomorrow", "'tomorrow' has one field; cron has five"),
        ("Daily", "'Daily' needs an @ before it: @daily"),
        ("@dayly", "there is no '@dayly'; did you mean @daily?"),
        ("@", "there is no '@'; there are @hourly, @daily,"),
        (
            "@reboot",
            "@reboot cannot be used, for how often this computer starts says nothing about when to train; give",
        ),
        ("9" * 5000 + " * * * *", "…' cannot be read; it should be"),
    ],
)
def test_what_is_no_schedule_is_refused(expression: str, said: str) -> None:
    """With the field by its name, and what would be right."""
    assert said in fault(expression)


@pytest.mark.parametrize(
    ("timezone", "said"),
    [
        ("Europe/Belrin", "there is no time zone 'Europe/Belrin'; did you mean Europe/Berlin?"),
        ("europe/berlin", "did you mean Europe/Berlin?"),
        ("New York", "did you mean America/New_York?"),
        ("Germany/Berlin", "did you mean Europe/Berlin?"),
        ("Narnia", "give a continent and a city, such as Europe/Berlin, or UTC"),
        ("Europe/Munich", "give a continent and a city"),
        ("CEST", "give a continent and a city"),
        ("utc", "did you mean UTC?"),
        ("UTC+2", "give a continent and a city"),
        ("GMT-5", "give a continent and a city"),
        ("", "there is no time zone ''; give"),
        ("Europe", "there is no time zone 'Europe'"),
        ("../../etc/passwd", "there is no time zone"),
        ("right/Europe/Berlin", "did you mean Europe/Berlin?"),
        ("x\0", "there is no time zone 'x\\x00'; give"),
        ("e" * 5000, "…'; give"),
    ],
)
def test_what_is_no_time_zone_is_refused(timezone: str, said: str) -> None:
    """With the likeliest right one; none for GMT+2, for Etc/GMT+2 lies on the other side of the world."""
    assert said in fault("@daily", timezone)


@given(st.text("0123456789*/-,#LWMONJAN@? ", max_size=20), st.integers(0, 5))
def test_whatever_is_written_comes_or_is_refused_in_a_sentence(text: str, place: int) -> None:
    """No expression is taken that never comes, and none raises anything but the sentence."""
    expression = " ".join([*["*"] * place, text, *["*"] * (4 - place)])
    said = ""
    try:
        schedule = Schedule.parse(expression, "UTC")
    except ValueError as refused:
        said = str(refused)
    assert "; " in said if said else next(schedule.after(NEW_YEAR)) > NEW_YEAR


def test_a_job_is_always_shifted_alike() -> None:
    """Also by the next release, and by names that are no valid text."""
    assert shift("malaria nightly", timedelta(hours=1)) == timedelta(seconds=3481)
    assert shift("malaria weekly", timedelta(hours=1)) == timedelta(seconds=3065)
    assert shift("na\udcefve", timedelta(hours=1)) == timedelta(seconds=736)


@settings(max_examples=50)
@given(
    st.text(max_size=20), st.timedeltas(timedelta(microseconds=1), timedelta(days=9)) | st.just(timedelta(seconds=1))
)
def test_a_shift_is_less_than_the_jitter(job: str, jitter: timedelta) -> None:
    """By whole seconds."""
    found = shift(job.encode(errors="replace").decode(), jitter)
    assert timedelta() <= found < jitter
    assert not found.microseconds


def test_many_jobs_are_spread() -> None:
    """Over the whole of the jitter, nearly evenly; without jitter all are on time."""
    shifts = [shift(f"job {n}", timedelta(minutes=10)) for n in range(1000)]
    for minute in range(10):
        assert 70 < sum(timedelta(minutes=minute) <= each < timedelta(minutes=minute + 1) for each in shifts) < 130
    assert shift("job 1", timedelta()) == timedelta()
