"""What people ask of the results is answered right, and newest first."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import inspect, text

from watcher.results import (
    Database,
    Filter,
    Finished,
    ModelVersion,
    Prediction,
    ResultRow,
    State,
    derived,
    find,
)

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
MALARIA = ModelVersion(model="malaria", version=3, digest="d3", engine="keras", review_threshold=0.8)
XCEPTION = ModelVersion(model="xception", version=1, digest="d1", engine="keras")


def picture(number: int, **changes: Any) -> Finished:
    """The picture n.png, parasitized, finished n seconds after noon."""
    plain = Finished(
        claim=f"claim-{number}",
        name=f"{number}.png",
        path=f"malaria/{number}.png",
        sha256=f"{number:064x}",
        model=MALARIA,
        predictions=scores(Parasitized=0.9, Uninfected=0.1),
        state=State.DONE,
        received_at=NOON,
        finished_at=NOON + timedelta(seconds=number),
    )
    return replace(plain, **changes)


def scores(**labels: float) -> tuple[Prediction, ...]:
    return tuple(Prediction(label=label, score=score) for label, score in labels.items())


def names(database: Database, **wanted: Any) -> list[str]:
    return [row.name.removesuffix(".png") for row in find(database, Filter(**wanted))]


class TestFind:
    def test_the_newest_come_first(self, database: Database) -> None:
        """Rows are sorted by when they were finished, not recorded; limit keeps the newest."""
        database.record([picture(2), picture(3), picture(1)])
        assert names(database) == ["3", "2", "1"]
        assert names(database, limit=2) == ["3", "2"]
        assert names(database, limit=0) == []

    def test_pictures_finished_at_once_keep_their_order(self, database: Database) -> None:
        """Within one batch the later row comes first, each time."""
        database.record([picture(number, finished_at=NOON) for number in range(9)])
        assert names(database) == list("876543210")

    def test_a_row_has_what_the_view_has(self, database: Database) -> None:
        """A result comes back complete, in the words of the view."""
        database.record([picture(1, group="slide-12", width=64, height=48, outbox_path="outbox/1.png")])
        (row,) = find(database, Filter())
        assert replace(row, margin=0.8, id=1) == ResultRow(
            id=1, name="1.png", path="malaria/1.png", grp="slide-12", sha256=f"{1:064x}", width=64, height=48,
            model="malaria", model_version=3, label="Parasitized", score=0.9, margin=0.8, needs_review=0,
            state=State.DONE, reason=None, received_at="2026-11-23T12:00:00.000000Z",
            finished_at="2026-11-23T12:00:01.000000Z", outbox_path="outbox/1.png",
        )  # fmt: skip
        assert row.margin == pytest.approx(0.8)

    def test_each_filter_keeps_what_it_names(self, database: Database) -> None:
        """Every filter alone keeps the right pictures, with its bounds as documented."""
        database.record(
            [
                picture(1, predictions=scores(Parasitized=0.75, Uninfected=0.25)),
                picture(2, predictions=scores(Uninfected=0.5, Parasitized=0.5)),
                picture(3, model=XCEPTION, predictions=scores(tabby=0.25)),
                picture(4, state=State.FAILED, model=None, predictions=()),
            ]
        )
        second = NOON + timedelta(seconds=2)
        assert names(database, model="xception") == ["3"]
        assert names(database, label="Parasitized") == ["1"]  # the best label, not any
        assert names(database, state=State.FAILED) == ["4"]
        assert names(database, min_score=0.5) == ["2", "1"]
        assert names(database, max_score=0.5) == ["3", "2"]
        assert names(database, since=second) == ["4", "3", "2"]
        assert names(database, until=second) == ["1"]
        assert names(database, name="2.png") == names(database, name="malaria/2.png") == ["2"]
        assert names(database, id=find(database, Filter(name="3.png"))[0].id) == ["3"]

    def test_filters_narrow_together(self, database: Database) -> None:
        """All conditions must hold, and none of them is no condition."""
        database.record([picture(1), picture(2, group="a"), picture(3, group="a", state=State.DUPLICATE)])
        assert names(database, group="a", state=State.DONE, label="Parasitized") == ["2"]
        assert names(database, group="a", label="Uninfected") == []

    def test_a_group_includes_its_sub_groups_only(self, database: Database) -> None:
        """slide-12 has slide-12/a, but neither slide-120 nor any name that only starts or matches alike."""
        groups = [
            "slide-12",
            "slide-12/a",
            "slide-12/a/b",
            "slide-120",
            "slide-12.old",
            "SLIDE-12/a",
            "x/slide-12",
            "",
        ]
        database.record([picture(number, group=group) for number, group in enumerate(groups)])
        assert names(database, group="slide-12") == names(database, group="slide-12/") == ["2", "1", "0"]
        assert names(database, group="slide-12/a") == ["2", "1"]
        assert names(database, group="slide") == []

    @pytest.mark.parametrize("group", ["100%", "a_b", "it's", "back\\slash", "原虫", "ä"])
    def test_a_group_is_never_a_pattern(self, database: Database, group: str) -> None:
        """Signs that mean something in SQL, or lie outside ASCII, stand for themselves."""
        database.record([picture(1, group=group), picture(2, group=f"{group}/sub"), picture(3, group="100 axb/sub")])
        assert names(database, group=group) == ["2", "1"]

    def test_no_group_is_a_group_too(self, database: Database) -> None:
        """The empty group means the pictures that lie in none."""
        database.record([picture(1), picture(2, group="a")])
        assert names(database, group="") == ["1"]

    def test_a_filter_that_cannot_be_is_refused(self) -> None:
        """A negative limit, which databases read differently, and a time without a zone are mistakes."""
        with pytest.raises(ValueError, match="limit"):
            Filter(limit=-1)
        with pytest.raises(ValueError, match="time zone"):
            Filter(since=datetime(2026, 11, 23))


class TestView:
    @pytest.mark.parametrize(
        ("labels", "model", "margin", "needs_review"),
        [
            ({"a": 0.9, "b": 0.1}, MALARIA, 0.8, 0),
            ({"a": 0.8, "b": 0.2}, MALARIA, 0.6, 0),  # at the threshold is sure enough
            ({"a": 0.7, "b": 0.2, "c": 0.1}, MALARIA, 0.5, 1),
            ({"a": 0.7}, MALARIA, 0.7, 1),
            ({"a": 0.1}, XCEPTION, 0.1, 0),  # no threshold, no review
            ({}, MALARIA, None, None),
        ],
    )
    def test_margin_and_review(
        self,
        database: Database,
        labels: dict[str, float],
        model: ModelVersion,
        margin: float,
        needs_review: int,
    ) -> None:
        """Margin is the lead over the second label; a score below the model's threshold needs review."""
        database.record([picture(1, predictions=scores(**labels), model=model)])
        (row,) = find(database, Filter())
        assert row.margin == (None if margin is None else pytest.approx(margin))
        assert row.needs_review == needs_review

    def test_of_several_versions_the_one_that_counts_is_shown(self, database: Database) -> None:
        """A picture with predictions of two versions is one row, with those that its row points to."""
        later = replace(MALARIA, version=4, digest="d4")
        database.record([picture(1), picture(2, model=later, predictions=scores(Uninfected=0.6, Parasitized=0.4))])
        with database.reading() as connection:
            connection.execute(
                text(
                    "INSERT INTO predictions SELECT a.id, p.model_version_id, p.rank, p.label, p.score"
                    " FROM images a, images b, predictions p"
                    " WHERE a.name = '1.png' AND b.name = '2.png' AND p.image_id = b.id"
                )
            )
        shown = {row.name: (row.model_version, row.label) for row in find(database, Filter())}
        assert shown == {"1.png": (3, "Parasitized"), "2.png": (4, "Uninfected")}
        point = text("UPDATE images SET model_version_id = (SELECT id FROM model_versions WHERE version = 4)")
        with database.reading() as connection:
            connection.execute(point)
            derived.of_version(connection, 2)
        shown = {row.name: (row.model_version, row.label) for row in find(database, Filter())}
        assert shown == {"1.png": (4, "Uninfected"), "2.png": (4, "Uninfected")}

    def test_result_rows_are_the_view(self, database: Database) -> None:
        """ResultRow has exactly the columns of the view, in its order."""
        with database.reading() as connection:
            columns = [column["name"] for column in inspect(connection).get_columns("results")]
        assert [field.name for field in fields(ResultRow)] == columns
