"""What is recorded: a batch whole or not at all, each claim once, and what the daemon asks of it later."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from watcher.results import (
    Database,
    Filter,
    Finished,
    Known,
    ModelVersion,
    Prediction,
    Recorded,
    State,
    find,
)

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
MALARIA = ModelVersion(model="malaria", version=3, digest="d3", engine="keras", review_threshold=0.8)
BEST = (Prediction(label="Parasitized", score=0.9), Prediction(label="Uninfected", score=0.1))


def finished(claim: str, **changes: Any) -> Finished:
    plain = Finished(
        claim=claim,
        name=f"{claim}.png",
        path=f"malaria/{claim}.png",
        sha256=f"sha-{claim}",
        size=1234,
        width=64,
        height=48,
        model=MALARIA,
        predictions=BEST,
        state=State.DONE,
        received_at=NOON,
        finished_at=NOON,
        outbox_path=f"outbox/malaria/{claim}.png",
        original_path=f"done/malaria/{claim}.png",
    )
    return replace(plain, **changes)


def rows_of(database: Database, table: str) -> int:
    with database.reading() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


class TestRecord:
    def test_a_recorded_claim_tells_what_is_left_to_release(self, database: Database) -> None:
        """After a crash, a recorded claim gives back where its files belong; an unknown one gives nothing."""
        database.record([finished("a", kept="7:8:9"), finished("b")])
        assert database.recorded(["a", "never"]) == {
            "a": Recorded(
                state=State.DONE,
                original_path="done/malaria/a.png",
                outbox_path="outbox/malaria/a.png",
                kept="7:8:9",
            )
        }

    def test_recording_a_batch_again_changes_nothing(self, database: Database) -> None:
        """A step repeated after a crash leaves the first result, and adds only what was missing."""
        database.record([finished("a"), finished("b")])
        database.record([finished("b", state=State.FAILED, original_path="failed/b.png"), finished("c")])
        assert database.counts()[State.DONE] == 3
        assert database.recorded(["b"])["b"].original_path == "done/malaria/b.png"
        assert rows_of(database, "predictions") == 6

    def test_how_a_version_runs_is_learned_where_a_rebuild_did_not_know(self, database: Database) -> None:
        """With its next result; what is known stays as it was first."""
        engines = []
        for claim, engine in (("a", "unknown"), ("b", "graph"), ("c", "unknown"), ("d", "keras")):
            database.record([finished(claim, model=replace(MALARIA, engine=engine))])
            with database.reading() as connection:
                engines.append(connection.execute(text("SELECT engine FROM model_versions")).scalar_one())
        assert engines == ["unknown", "graph", "graph", "graph"]

    def test_a_claim_twice_in_one_batch_is_recorded_once(self, database: Database) -> None:
        """Of two results for the same claim, the first stays."""
        database.record([finished("a"), finished("a", state=State.FAILED)])
        assert database.recorded(["a"])["a"].state is State.DONE
        assert rows_of(database, "images") == 1

    def test_a_batch_with_a_bad_row_leaves_nothing(self, database: Database) -> None:
        """One transaction: not the good rows of the batch, nor the model version that they brought."""
        no_name: Any = None
        with pytest.raises(IntegrityError):
            database.record([finished("good"), finished("bad", name=no_name)])
        assert [rows_of(database, table) for table in ("images", "predictions", "model_versions")] == [
            0,
            0,
            0,
        ]

    def test_an_empty_batch_is_no_work(self, database: Database) -> None:
        """Recording nothing succeeds."""
        database.record([])
        assert rows_of(database, "images") == 0

    def test_a_picture_without_a_model_or_a_size_is_recorded(self, database: Database) -> None:
        """A failed picture has a reason, and nothing else that was never known."""
        failed = finished(
            "a", model=None, predictions=(), sha256=None, size=None, width=None, height=None,
            state=State.FAILED, reason="cut off after 12 bytes", outbox_path=None,
        )  # fmt: skip
        database.record([failed])
        (row,) = find(database, Filter())
        assert (row.state, row.reason, row.label) == (State.FAILED, "cut off after 12 bytes", None)

    def test_a_model_version_is_stored_once(self, database: Database) -> None:
        """Model, version and digest identify it: another digest is another version, another engine is not."""
        database.record([finished("a"), finished("b", model=replace(MALARIA, engine="onnx"))])
        database.record([finished("c"), finished("d", model=replace(MALARIA, digest="other"))])
        assert rows_of(database, "model_versions") == 2

    @pytest.mark.parametrize("label", ["原虫", "طفيلي", "Паразит", "naïve 🦟", "it's; DROP TABLE images --", "%_\\"])
    def test_labels_may_be_in_any_script(self, database: Database, label: str) -> None:
        """A label comes back as it went in, and is found by itself."""
        database.record([finished("a", name=f"{label}.png", predictions=(Prediction(label=label, score=1.0),))])
        (row,) = find(database, Filter(label=label))
        assert (row.label, row.name) == (label, f"{label}.png")

    def test_times_are_stored_in_utc_at_one_width(self, database: Database) -> None:
        """A time of any zone is stored as UTC with six digits, so that text sorts as time."""
        paris = datetime(2026, 11, 23, 1, 30, tzinfo=timezone(timedelta(hours=1)))
        database.record([finished("a", received_at=paris, finished_at=paris.replace(microsecond=5))])
        (row,) = find(database, Filter())
        assert row.received_at == "2026-11-23T00:30:00.000000Z"
        assert row.finished_at == "2026-11-23T00:30:00.000005Z"

    def test_threads_may_share_a_database(self, database: Database) -> None:
        """Batches recorded from several threads at once are all there."""

        def work(number: int) -> None:
            for batch in range(5):
                database.record([finished(f"{number}-{batch}-{row}") for row in range(8)])

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert database.counts()[State.DONE] == 4 * 5 * 8
        assert rows_of(database, "model_versions") == 1


class TestFinished:
    def test_a_naive_time_is_refused(self) -> None:
        """A time without a zone is a mistake of the caller, found where it is made."""
        with pytest.raises(ValueError, match="no time zone"):
            finished("a", received_at=datetime(2026, 11, 23))

    def test_predictions_need_the_model_that_made_them(self) -> None:
        """Labels of unknown origin cannot be recorded."""
        with pytest.raises(ValueError, match="no model"):
            finished("a", model=None)

    def test_a_score_that_is_no_number_is_refused(self) -> None:
        """NaN, which databases treat each in their own way, does not reach one."""
        with pytest.raises(ValueError, match="Parasitized"):
            Prediction(label="Parasitized", score=float("nan"))


class TestLookups:
    def test_known_content_gives_the_labels_of_its_first_picture(self, database: Database) -> None:
        """Content that this very version classified comes back best label first, with its first picture."""
        database.record([finished("a"), finished("b", sha256="sha-a", state=State.DUPLICATE), finished("c")])
        assert database.classified(["sha-a", "never seen"], MALARIA) == {
            "sha-a": Known(predictions=BEST, name="a.png", path="malaria/a.png")
        }

    @pytest.mark.parametrize(
        "other", [replace(MALARIA, version=4), replace(MALARIA, digest="x"), replace(MALARIA, model="m")]
    )
    def test_another_model_version_knows_nothing(self, database: Database, other: ModelVersion) -> None:
        """A result of any other model, version or package is not reused, be that recorded or not."""
        database.record([finished("a")])
        assert database.classified(["sha-a"], other) == {}
        database.record([finished("b", model=other)])
        assert database.classified(["sha-a"], other) == {}

    def test_labels_by_another_version_are_not_mixed_in(self, database: Database) -> None:
        """Of a picture with predictions of two versions, only those of the version asked for come back."""
        database.record([finished("a"), finished("b", model=replace(MALARIA, version=4))])
        with database.reading() as connection:
            connection.execute(
                text(
                    "INSERT INTO predictions SELECT a.id, b.model_version_id, 1, 'other', 1.0"
                    " FROM images a, images b WHERE a.claim = 'a' AND b.claim = 'b'"
                )
            )
        assert database.classified(["sha-a"], MALARIA)["sha-a"].predictions == BEST

    @pytest.mark.parametrize("state", [State.FAILED, State.VANISHED, State.SUPERSEDED])
    def test_only_results_that_hold_are_reused(self, database: Database, state: State) -> None:
        """A picture that failed, vanished or was superseded teaches nothing about its content."""
        database.record([finished("a", state=state)])
        assert database.classified(["sha-a"], MALARIA) == {}

    def test_kept_originals_are_known_by_path_and_fingerprint(self, database: Database) -> None:
        """A path that held two pictures has both fingerprints; a path whose original moved has none."""
        database.record([finished("a", path="x.png", kept="1:2:3"), finished("b", path="x.png", kept="4:5:6")])
        database.record([finished("c", path="moved.png")])
        assert database.kept(["x.png", "moved.png", "new.png"]) == {"x.png": {"1:2:3", "4:5:6"}}

    def test_counts_name_every_state(self, database: Database) -> None:
        """States without a picture count 0."""
        assert database.counts() == dict.fromkeys(State, 0)
        database.record([finished("a"), finished("b"), finished("c", state=State.VANISHED)])
        assert database.counts() == dict.fromkeys(State, 0) | {State.DONE: 2, State.VANISHED: 1}

    def test_questions_may_be_of_any_length(self, database: Database) -> None:
        """More values than one statement may hold are asked for in turns; none asks nothing."""
        database.record([finished(str(number)) for number in range(1300)])
        numbers = [str(number) for number in range(1300)]
        assert len(database.recorded(numbers * 2)) == 1300
        assert len(database.classified((f"sha-{number}" for number in numbers), MALARIA)) == 1300
        assert database.recorded([]) == {}
