"""Groups are summed up by label as one would by counting their pictures."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from test_results_queries import MALARIA, NOON, XCEPTION, picture, scores

from watcher.results import Database, Filter, State, find
from watcher.results.report import Line, Scope, report, wilson

SICK, WELL = scores(Parasitized=0.9, Uninfected=0.1), scores(Uninfected=0.7, Parasitized=0.3)
POSITIVE = {"malaria": "Parasitized"}


@pytest.fixture
def slides(database: Database) -> Database:
    """Slide 1: three cells, one sick, one failed. Slide 2: two cells, none sick. A failed picture alone; a cat."""
    newer = replace(MALARIA, version=4, digest="d4")
    database.record(
        [
            picture(1, group="slide-1", predictions=SICK),
            picture(2, group="slide-1", predictions=WELL),
            picture(3, group="slide-1", predictions=WELL, model=newer, state=State.DUPLICATE),
            picture(4, group="slide-1", predictions=SICK, state=State.SUPERSEDED),
            picture(5, group="slide-1", predictions=(), model=None, state=State.FAILED, reason="cut short"),
            picture(6, group="slide-1/a", predictions=WELL),
            picture(7, group="slide-2", predictions=WELL),
            picture(8, group="slide-2", predictions=WELL),
            picture(9, group="slide-3", predictions=(), model=None, state=State.FAILED, reason="cut short"),
            picture(10, group="slide-4", predictions=(), model=None, state=State.VANISHED),
            picture(11, predictions=scores(cat=0.8), model=XCEPTION),
        ]
    )
    return database


def told(database: Database, **scope: object) -> list[tuple[object, ...]]:
    lines = report(database, Scope(**scope), POSITIVE)  # type: ignore[arg-type]
    return [(line.grp, line.label, line.pictures, line.total, line.needs_review, line.failed) for line in lines]


def test_each_group_by_label(slides: Database) -> None:
    """The positive label first, also where there is none; versions together; what is superseded or vanished is not there."""
    assert told(slides) == [
        ("", "cat", 1, 1, 0, 0),
        ("slide-1", "Parasitized", 1, 3, 0, 0),
        ("slide-1", "Uninfected", 2, 3, 2, 0),
        ("slide-1", None, 0, 0, 0, 1),
        ("slide-1/a", "Parasitized", 0, 1, 0, 0),
        ("slide-1/a", "Uninfected", 1, 1, 1, 0),
        ("slide-2", "Parasitized", 0, 2, 0, 0),
        ("slide-2", "Uninfected", 2, 2, 2, 0),
        ("slide-3", None, 0, 0, 0, 1),
    ]


def test_one_group_and_those_below_it(slides: Database) -> None:
    assert {line[0] for line in told(slides, group="slide-1")} == {"slide-1", "slide-1/a"}
    assert {line[0] for line in told(slides, group="")} == {""}
    assert told(slides, group="slide") == []


def test_one_label_of_each_group(slides: Database) -> None:
    """A slide without a sick cell is 0 of its cells, and one without a result is told of."""
    assert told(slides, model="malaria", label="Parasitized") == [
        ("slide-1", "Parasitized", 1, 3, 0, 0),
        ("slide-1", None, 0, 0, 0, 1),
        ("slide-1/a", "Parasitized", 0, 1, 0, 0),
        ("slide-2", "Parasitized", 0, 2, 0, 0),
        ("slide-3", None, 0, 0, 0, 1),
    ]


def test_all_groups_as_one(slides: Database) -> None:
    """Failed pictures, which no model saw, are counted once."""
    assert told(slides, total=True) == [
        (None, "Parasitized", 1, 6, 0, 0),
        (None, "Uninfected", 5, 6, 5, 0),
        (None, "cat", 1, 1, 0, 0),
        (None, None, 0, 0, 0, 2),
    ]


def test_shares_have_intervals(slides: Database) -> None:
    line = next(report(slides, Scope(group="slide-1"), POSITIVE))  # which leaves no cursor behind
    assert (line.share, line.share_low, line.share_high) == (pytest.approx(1 / 3), *map(pytest.approx, wilson(1, 3)))


@pytest.mark.parametrize(
    ("since", "until"),
    [
        (0, 7200),
        (0, 3600),
        (1, 3600),
        (1799, 1801),
        (1800, 9000),
        (3599, 7201),
        (None, 5000),
        (5000, None),
        (5000, 5000),
    ],
)
def test_a_stretch_of_time_is_exact_to_the_second(database: Database, since: int | None, until: int | None) -> None:
    """However it cuts hours: what a report says is what counting the same pictures says."""
    batch = [
        picture(number, group=f"g{number % 2}", predictions=(SICK, WELL)[number % 3 % 2], finished_at=NOON + at)
        for number, at in enumerate(timedelta(seconds=300 * step + 1) for step in range(-2, 40))
    ]
    exact = [picture(100, finished_at=NOON), picture(101, finished_at=NOON + timedelta(hours=1))]
    database.record([*batch, *exact])
    stretch = {
        name: None if second is None else NOON + timedelta(seconds=second)
        for name, second in (("since", since), ("until", until))
    }
    counted = Counter((row.grp, row.label) for row in find(database, Filter(**stretch)))  # type: ignore[arg-type]
    found = {(line.grp, line.label): line.pictures for line in report(database, Scope(**stretch))}  # type: ignore[arg-type]
    assert found == counted


def test_there_is_nothing_to_report(database: Database) -> None:
    assert list(report(database, Scope(), POSITIVE)) == []


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (5, 10, 0.2366, 0.7634), (1, 1000, 0.000177, 0.005643)],
)
def test_intervals_are_wilson_s(count: int, total: int, low: float, high: float) -> None:
    """As tables of them say, and as scikit-learn's users know them; never outside 0 and 1."""
    assert wilson(count, total) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


def test_intervals_are_those_of_the_trained_models() -> None:
    """One formula in the whole of Watcher."""
    from watcher.training import metrics

    for count, total in ((0, 1), (3, 7), (999, 1000), (1, 1)):
        other = metrics.wilson(count, total)
        assert wilson(count, total) == (pytest.approx(other.low), pytest.approx(other.high))


def test_a_line_has_what_the_command_prints() -> None:
    from watcher.cli.report import COLUMNS

    assert tuple(Line.__dataclass_fields__) == tuple(COLUMNS)
