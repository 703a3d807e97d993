"""Which version of a model was classifying at a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from watcher.results import Database, Finished, ModelVersion, Prediction, State
from watcher.results.tables import utc_text
from watcher.results.usage import query, used_at

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def version(number: int, digest: str = "", model: str = "malaria") -> ModelVersion:
    return ModelVersion(model=model, version=number, digest=digest or f"d{number}", engine="keras")


def at(minute: float) -> datetime:
    return NOON + timedelta(minutes=minute)


def finished(minute: float, model: ModelVersion | None, state: State = State.DONE) -> Finished:
    return Finished(
        claim=f"{minute}-{model.key if model else ''}",
        name="a.png",
        path="a.png",
        model=model,
        predictions=(Prediction(label="Parasitized", score=0.9),) if model else (),
        state=state,
        received_at=NOON,
        finished_at=at(minute),
    )


@pytest.fixture
def used(database: Database) -> Database:
    """Version 1 until minute 10, then 2, back to 1 from minute 30; another model and failures all the while."""
    minutes = {1: [0, 5, 10, 30, 40], 2: [11, 20]}
    rows = [finished(minute, version(number)) for number, when in minutes.items() for minute in when]
    rows += [finished(minute, version(9, model="xception")) for minute in (-5, 12, 50)]
    database.record([*rows, finished(15, None, State.FAILED)])
    return database


@pytest.mark.parametrize(
    ("minute", "number"), [(0, 1), (10, 1), (10.99, 1), (11, 2), (16, 2), (29.99, 2), (30, 1), (45, 1), (10**6, 1)]
)
def test_it_is_the_version_of_the_last_picture_by_then(used: Database, minute: float, number: int) -> None:
    """After a rollback the old version again; what other models did, or what failed, does not count."""
    [found] = used_at(used, "malaria", at(minute)).versions
    assert (found.model, found.version, found.digest) == ("malaria", number, f"d{number}")


def test_it_says_when_a_version_was_used(used: Database) -> None:
    """The picture that answers, and the version's first and last."""
    [found] = used_at(used, "malaria", at(16)).versions
    assert (found.classified_at, found.first_used_at, found.last_used_at) == tuple(
        utc_text(at(minute)) for minute in (11, 11, 20)
    )


def test_before_the_first_picture_there_is_none(used: Database) -> None:
    """It says when the first was; of a model that was never used not even that."""
    found = used_at(used, "malaria", at(-1))
    assert (found.versions, found.first_used_at) == ((), utc_text(NOON))
    found = used_at(used, "cats", at(0))
    assert (found.versions, found.first_used_at) == ((), None)


def test_two_versions_at_the_same_moment_are_both_named(database: Database) -> None:
    """Two packages of one number are two versions."""
    database.record([finished(0, version(1, "one")), finished(0, version(1, "other"))])
    assert [found.digest for found in used_at(database, "malaria", NOON).versions] == ["one", "other"]


def test_a_time_needs_a_zone(used: Database) -> None:
    """Nobody could say which moment it means."""
    with pytest.raises(ValueError, match="has no time zone"):
        used_at(used, "malaria", datetime(2026, 11, 23))


def test_it_looks_into_one_index_only(tmp_path: Path) -> None:
    """Each of the looks is a search, whose end is the answer, in however many pictures."""
    with Database.open("sqlite:///watcher.db", tmp_path) as opened:
        opened.migrate()
        with opened.reading() as connection:
            literal = query("malaria", NOON).compile(connection, compile_kwargs={"literal_binds": True})
            plan = [step.detail for step in connection.execute(text(f"EXPLAIN QUERY PLAN {literal}"))]
    looks = [step for step in plan if "images" in step]
    assert len(looks) == 3
    assert all(
        "SEARCH images USING COVERING INDEX ix_images_model_version_id_finished_at (model_version_id=?" in step
        for step in looks
    )
    assert not [step for step in plan if step.startswith("SCAN")]
