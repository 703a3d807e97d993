"""Which due times are to run and which are passed over, from the schedule, the clock and where we stood alone."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from watcher.jobs.schedule import Schedule

Catchup = Literal["none", "latest", "all"]

# A due time that is at most so late is run whatever the policy: a busy machine is no outage.
ON_TIME = timedelta(minutes=5)
# So many that are passed over are told one by one, so many that were missed are run; the newest each.
MOST_ROWS = 100
MOST_RUNS = 100
# Those, all that can be on time at once, and one more: what is older than so many newest is passed over and told in sum.
_KEPT = MOST_ROWS + MOST_RUNS + ON_TIME // timedelta(minutes=1) + 2


@dataclass(frozen=True, slots=True)
class Policy:
    """What becomes of due times that were missed, if no longer ago than `window`; `shift` is how much later each starts."""

    catchup: Catchup
    window: timedelta
    shift: timedelta


@dataclass(frozen=True, slots=True)
class Slot:
    """A due time, in UTC and as the schedule has it; the first of `times`, where it stands for several."""

    scheduled: datetime
    skipped: str | None  # why it is not to run
    times: int = 1


@dataclass(frozen=True, slots=True)
class Plan:
    """What there is to do, in the order of time; `until` is where the next plan is to begin."""

    slots: tuple[Slot, ...]
    until: datetime


def plan(schedule: Schedule, policy: Policy, since: datetime, now: datetime) -> Plan:
    """Every due time after `since` that should have started by `now`, each in one slot.

    Whoever stores `until` together with the slots loses none and doubles none, whatever stops or sets the clock back: before
    it is past `since` again, there is nothing. Memory is bounded; time is some microseconds for each due time, so two seconds
    for a job of every minute after a year's outage.
    """
    newest: deque[datetime] = deque(maxlen=_KEPT)
    first, count = since, 0
    for due in takewhile(lambda due: due + policy.shift <= now, schedule.after(since)):
        first = first if count else due
        count += 1
        newest.append(due)
    if not count:
        return Plan((), since)
    slots = _judged(newest, policy, now)
    skipped = [slot for slot in slots if slot.skipped]
    told = skipped[-MOST_ROWS:]
    in_sum = _in_sum(skipped[:-MOST_ROWS], first, count - len(newest), schedule)
    return Plan((*in_sum, *told, *slots[len(skipped) :]), newest[-1])


def next_time(schedule: Schedule, policy: Policy, since: datetime, now: datetime) -> datetime | None:
    """When there is next something to plan: `now` if there is already, None if there never will be."""
    due = next(schedule.after(since), None)
    return None if due is None else max(due + policy.shift, now)


def _judged(newest: deque[datetime], policy: Policy, now: datetime) -> list[Slot]:
    """Each with the reason if it is not to run. Those are older than all that are, whatever the policy."""
    latest_start = now - policy.shift
    missed = [due for due in newest if latest_start - due > ON_TIME]
    on_time = list(newest)[len(missed) :]
    slots = []
    for later, due in enumerate(reversed(missed)):
        superseded = policy.catchup == "latest" and (later > 0 or bool(on_time))
        slots.append(Slot(due, _reason(latest_start - due, later, superseded, policy)))
    return [*reversed(slots), *(Slot(due, None) for due in on_time)]


def _reason(late: timedelta, later: int, superseded: bool, policy: Policy) -> str | None:
    """Why one that was missed, as `later` ones were, is not to run."""
    if policy.catchup == "none":
        return "missed: nothing ran at that time, and catchup is none"
    if late > policy.window:
        return f"missed: longer ago than the window of {_said(policy.window)}"
    if superseded:
        return "missed: a later one is run in its place, as catchup is latest"
    if later >= MOST_RUNS:
        return f"missed: so many were missed that only the newest {MOST_RUNS} are run"
    return None


def _in_sum(skipped: list[Slot], first: datetime, earlier: int, schedule: Schedule) -> list[Slot]:
    """One slot for all that are too many to tell; `earlier` is how many came before, from `first` on."""
    times = earlier + len(skipped)
    if times <= 1:
        return skipped
    since, until = (f"{due.astimezone(schedule.zone):%Y-%m-%d %H:%M}" for due in (first, skipped[-1].scheduled))
    reason = f"missed: {times:,} times from {since} to {until} ({schedule.zone.key}), too many to tell one by one"
    return [Slot(first, reason, times)]


def _said(length: timedelta) -> str:
    """As a person says it: 1 day 12 hours."""
    minutes, seconds = divmod(int(length.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = {"day": days, "hour": hours, "minute": minutes, "second": seconds}
    return " ".join(f"{count} {unit}{'s' * (count != 1)}" for unit, count in parts.items() if count) or "0 seconds"
