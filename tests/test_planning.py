"""Planning: what is run, what is passed over and why, after every kind of absence."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watcher.jobs.planning import MOST_ROWS, MOST_RUNS, ON_TIME, Catchup, Plan, Policy, Slot, next_time, plan
from watcher.jobs.schedule import Schedule

DAILY = Schedule.parse("30 2 * * *", "Europe/Berlin")
MINUTELY = Schedule.parse("* * * * *", "UTC")
DAY, MINUTE, SECOND = timedelta(days=1), timedelta(minutes=1), timedelta(seconds=1)
FIRST = datetime(2026, 6, 1, 0, 30, tzinfo=UTC)  # a time at which DAILY is due
CATCHUPS: tuple[Catchup, ...] = ("none", "latest", "all")


def policy(catchup: Catchup = "latest", window: timedelta = 3 * DAY, shift: timedelta = timedelta()) -> Policy:
    return Policy(catchup, window, shift)


def run(found: Plan) -> list[datetime]:
    return [slot.scheduled for slot in found.slots if not slot.skipped]


def reasons(found: Plan) -> list[str]:
    return [slot.skipped for slot in found.slots if slot.skipped]


@pytest.mark.parametrize("catchup", CATCHUPS)
def test_nothing_is_planned_before_it_is_due(catchup: Catchup) -> None:
    """Nor does it move on from where it stood; at the very moment it is planned."""
    since = FIRST - DAY
    assert plan(DAILY, policy(catchup), since, FIRST - SECOND) == Plan((), since)
    assert plan(DAILY, policy(catchup), since, FIRST) == Plan((Slot(FIRST, None),), FIRST)
    assert plan(DAILY, policy(catchup), FIRST, FIRST) == Plan((), FIRST)


@pytest.mark.parametrize("catchup", CATCHUPS)
def test_a_little_late_is_on_time(catchup: Catchup) -> None:
    """Up to five minutes, whatever the policy and its window; all of them, where there are several."""
    strict = policy(catchup, timedelta())
    assert run(plan(DAILY, strict, FIRST - SECOND, FIRST + 9 * SECOND)) == [FIRST]
    assert run(plan(DAILY, strict, FIRST - SECOND, FIRST + ON_TIME)) == [FIRST]
    assert run(plan(DAILY, strict, FIRST - SECOND, FIRST + ON_TIME + SECOND)) == []
    assert run(plan(MINUTELY, strict, FIRST, FIRST + 4 * MINUTE)) == [FIRST + n * MINUTE for n in range(1, 5)]


def test_catchup_none_runs_nothing_that_was_missed() -> None:
    """It is on record all the same."""
    found = plan(DAILY, policy("none"), FIRST - SECOND, FIRST + 2 * DAY)
    reason = "missed: nothing ran at that time, and catchup is none"
    assert found.slots == (Slot(FIRST, reason), Slot(FIRST + DAY, reason), Slot(FIRST + 2 * DAY, None))
    assert found.until == FIRST + 2 * DAY


def test_catchup_latest_runs_one_for_all_that_were_missed() -> None:
    """The newest of them."""
    found = plan(DAILY, policy(), FIRST - SECOND, FIRST + 2 * DAY + timedelta(hours=5))
    reason = "missed: a later one is run in its place, as catchup is latest"
    assert found.slots == (Slot(FIRST, reason), Slot(FIRST + DAY, reason), Slot(FIRST + 2 * DAY, None))


def test_catchup_latest_takes_one_that_is_on_time_for_those_before_it() -> None:
    """A model that is trained now need not be trained for yesterday too."""
    found = plan(DAILY, policy(), FIRST - SECOND, FIRST + DAY)
    assert run(found) == [FIRST + DAY]
    assert reasons(found) == ["missed: a later one is run in its place, as catchup is latest"]


def test_catchup_all_runs_every_one_in_order() -> None:
    """Those missed, and the one on time."""
    found = plan(DAILY, policy("all"), FIRST - SECOND, FIRST + 2 * DAY)
    assert found.slots == tuple(Slot(FIRST + n * DAY, None) for n in range(3))


@pytest.mark.parametrize(("catchup", "expected"), [("latest", [1]), ("all", [0, 1])])
def test_what_is_within_the_window_is_caught_up(catchup: Catchup, expected: list[int]) -> None:
    """To the second; what was missed longer ago is not, and says so."""
    now = FIRST + DAY + timedelta(hours=12)
    within = plan(DAILY, policy(catchup, timedelta(days=1, hours=12)), FIRST - SECOND, now)
    assert run(within) == [FIRST + n * DAY for n in expected]
    beyond = plan(DAILY, policy(catchup, timedelta(days=1, hours=12)), FIRST - SECOND, now + SECOND)
    assert run(beyond) == [FIRST + DAY]
    assert reasons(beyond) == ["missed: longer ago than the window of 1 day 12 hours"]
    late = plan(DAILY, policy(catchup, 90 * MINUTE), FIRST - SECOND, now)
    assert reasons(late) == ["missed: longer ago than the window of 1 hour 30 minutes"] * 2
    assert run(late) == []


def test_a_window_of_nothing_is_said_too() -> None:
    """As 0 seconds."""
    found = plan(DAILY, policy("all", timedelta()), FIRST - SECOND, FIRST + DAY / 2)
    assert reasons(found) == ["missed: longer ago than the window of 0 seconds"]


def test_a_shifted_job_is_due_when_its_shift_is_over() -> None:
    """Lateness is counted from then, for being on time and for the window; the due time is told as the schedule has it."""
    shifted = policy("latest", timedelta(hours=1), shift=20 * MINUTE)
    start = FIRST + 20 * MINUTE
    assert plan(DAILY, shifted, FIRST - SECOND, start - SECOND).slots == ()
    for late in (timedelta(), ON_TIME, timedelta(hours=1)):
        assert plan(DAILY, shifted, FIRST - SECOND, start + late) == Plan((Slot(FIRST, None),), FIRST)
    assert run(plan(DAILY, shifted, FIRST - SECOND, start + timedelta(hours=1, seconds=1))) == []
    assert run(plan(DAILY, policy("none", shift=20 * MINUTE), FIRST - SECOND, start + ON_TIME)) == [FIRST]


def test_a_clock_set_back_brings_nothing_a_second_time() -> None:
    """Until it is past where it was."""
    since = plan(DAILY, policy("all"), FIRST - SECOND, FIRST).until
    assert plan(DAILY, policy("all"), since, FIRST - 3 * DAY) == Plan((), since)
    assert plan(DAILY, policy("all"), since, FIRST + DAY).slots == (Slot(FIRST + DAY, None),)


def test_a_year_of_minutes_is_a_hundred_rows_and_one() -> None:
    """None is left out of the sum, and memory stays small."""
    schedule = Schedule.parse("* * * * *", "Europe/Berlin")
    now = FIRST + timedelta(days=30)
    tracemalloc.start()
    found = plan(schedule, policy("latest", DAY), FIRST, now)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1_000_000
    in_sum, *told = found.slots
    assert sum(slot.times for slot in found.slots) == 30 * 1440
    assert in_sum.scheduled == FIRST + MINUTE
    assert in_sum.times == 30 * 1440 - 6 - MOST_ROWS
    assert in_sum.skipped == (
        "missed: 43,094 times from 2026-06-01 02:31 to 2026-07-01 00:44 (Europe/Berlin), too many to tell one by one"
    )
    assert [slot.scheduled for slot in told] == [now - n * MINUTE for n in reversed(range(106))]
    assert len(reasons(found)) == MOST_ROWS + 1


@pytest.mark.parametrize(("missed", "rows"), [(MOST_ROWS, 100), (MOST_ROWS + 1, 101), (MOST_ROWS + 2, 101)])
def test_a_sum_of_one_is_that_one(missed: int, rows: int) -> None:
    """With its own reason; from two on they are summed up."""
    found = plan(DAILY, policy("none"), FIRST - SECOND, FIRST + (missed - 1) * DAY + DAY / 2)
    assert len(found.slots) == rows
    assert sum(slot.times for slot in found.slots) == missed
    if missed == MOST_ROWS + 2:
        assert reasons(found)[0].startswith("missed: 2 times from 2026-06-01 02:30 to 2026-06-02 02:30 (Europe/Berlin)")
    else:
        assert set(reasons(found)) == {"missed: nothing ran at that time, and catchup is none"}


@pytest.mark.parametrize("missed", [MOST_RUNS, MOST_RUNS + 1, MOST_RUNS + MOST_ROWS, 250, 400])
def test_catchup_all_has_an_end(missed: int) -> None:
    """The newest hundred are run, and the one on time; the others say why not."""
    daily = Schedule.parse("30 0 * * *", "UTC")
    found = plan(daily, policy("all", 1000 * DAY), FIRST - SECOND, FIRST + missed * DAY)
    assert run(found) == run(Plan(found.slots[-MOST_RUNS - 1 :], FIRST))
    assert len(run(found)) == MOST_RUNS + 1
    assert sum(slot.times for slot in found.slots) == missed + 1
    if missed > MOST_RUNS:
        assert reasons(found)[-1] == "missed: so many were missed that only the newest 100 are run"


@pytest.mark.parametrize("minutes", range(MOST_ROWS + MOST_RUNS + 4, MOST_ROWS + MOST_RUNS + 11))
def test_at_the_bounds_none_is_lost(minutes: int) -> None:
    """Where as many as can be are on time, run late, and told one by one."""
    found = plan(MINUTELY, policy("all"), FIRST, FIRST + minutes * MINUTE)
    assert sum(slot.times for slot in found.slots) == minutes
    assert len(run(found)) == MOST_RUNS + 6
    assert len(found.slots) == min(minutes, MOST_RUNS + 6 + MOST_ROWS + 1)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["* * * * *", "*/7 * * * *", "30 2 * * *", "5,50 1-3 * * *"]),
    st.sampled_from(CATCHUPS),
    st.timedeltas(timedelta(), 2 * DAY),
    st.timedeltas(timedelta(), DAY),
    st.timedeltas(-DAY, 2 * DAY),
)
def test_every_due_time_is_in_one_slot(
    expression: str, catchup: Catchup, window: timedelta, shift: timedelta, absence: timedelta
) -> None:
    """In order, those skipped first, the last at `until`, never more than the bounds; whatever the absence."""
    schedule = Schedule.parse(expression, "Europe/Berlin")
    since = datetime(2026, 10, 24, 12, tzinfo=UTC)
    now = since + absence
    due = [moment for moment, _ in zip(schedule.after(since), range(2881), strict=False) if moment + shift <= now]
    found = plan(schedule, Policy(catchup, window, shift), since, now)
    assert sum(slot.times for slot in found.slots) == len(due)
    assert found.until == (due[-1] if due else since)
    single = [slot.scheduled for slot in found.slots if slot.times == 1]
    assert single == due[len(due) - len(single) :]
    assert [slot.scheduled for slot in found.slots if slot.times > 1] == due[:1][: len(found.slots) - len(single)]
    assert [bool(slot.skipped) for slot in found.slots] == sorted([bool(slot.skipped) for slot in found.slots])[::-1]
    assert len(reasons(found)) <= MOST_ROWS + 1
    assert len(run(found)) <= MOST_RUNS + 6


@given(st.timedeltas(timedelta(), DAY), st.timedeltas(-2 * DAY, 2 * DAY))
def test_one_may_sleep_until_the_next_time(shift: timedelta, passed: timedelta) -> None:
    """Until then there is nothing to plan, and then there is; if there is something already, it is now."""
    now = FIRST + passed
    until = next_time(DAILY, policy(shift=shift), FIRST, now)
    assert until is not None
    assert until >= now
    assert plan(DAILY, policy(shift=shift), FIRST, until).slots
    if until > now:
        assert not plan(DAILY, policy(shift=shift), FIRST, until - timedelta(microseconds=1)).slots


def test_moments_may_be_told_in_any_time_zone() -> None:
    """Also within the hour that autumn doubles, whose readings come twice."""
    zone = ZoneInfo("Europe/Berlin")
    half_hourly = Schedule.parse("*/30 * * * *", "Europe/Berlin")
    since = datetime(2026, 10, 25, 2, 40, tzinfo=zone)  # for the first time
    now = datetime(2026, 10, 25, 2, 31, tzinfo=zone, fold=1)
    found = plan(half_hourly, policy("all"), since, now)
    assert run(found) == [datetime(2026, 10, 25, 1, minute, tzinfo=UTC) for minute in (0, 30)]
    following = next_time(half_hourly, policy("all"), found.until, now)
    assert following == datetime(2026, 10, 25, 2, tzinfo=UTC)
