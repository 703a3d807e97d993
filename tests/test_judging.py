"""Which pictures go to the model, and which are given the labels of an earlier one."""

from __future__ import annotations

import copy
import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import homes
import pytest

from watcher.intake.arrivals import Claim, Fingerprint
from watcher.intake.claims import new_id
from watcher.results import Database, Finished, Prediction, State
from watcher.service import judging
from watcher.service.judging import Judge
from watcher.service.publishing import version_of
from watcher.service.work import Read, Taken, Vanished
from watcher.vision.outcome import Classified, Failed
from watcher.vision.vision import Vision

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database.open("sqlite:///watcher.db", tmp_path) as opened:
        opened.migrate()
        yield opened


def read(vision: Vision, path: str, data: bytes) -> Read:
    claim = Claim(new_id(), path, Fingerprint(1, 2, len(data), 3))
    content = vision.decode(data)
    return Read(Taken(claim, vision, NOW), claim, content, hashlib.sha256(data).hexdigest(), len(data))


def best(outcome: object) -> str:
    assert isinstance(outcome, Classified)
    return outcome.predictions[0][0]


def test_every_picture_gets_its_own_outcome_in_order(database: Database, tiny_vision: Vision) -> None:
    """What could not be read keeps its reason among those that could."""
    batch = [
        read(tiny_vision, "b.png", homes.picture("blue")),
        read(tiny_vision, "x.png", b""),
        read(tiny_vision, "r.png", homes.picture("red")),
        replace(read(tiny_vision, "v.png", b""), content=Vanished("gone")),
        read(tiny_vision, "g.png", homes.picture("green")),
    ]
    judged = Judge(database, reuse=True)(batch)
    assert [item.read for item in judged] == batch
    assert [best(judged[i].outcome) for i in (0, 2, 4)] == ["blue", "red", "green"]
    assert judged[1].outcome == Failed("the file is empty")
    assert judged[3].outcome == Vanished("gone")
    assert [item.same_as for item in judged] == [None] * 5


def test_the_same_content_in_a_batch_is_classified_once(database: Database, tiny_vision: Vision) -> None:
    """The second picture has the outcome of the first, and says whose it is."""
    batch = [read(tiny_vision, name, homes.picture("red")) for name in ("a/first.png", "b/second.png")]
    first, second = Judge(database, reuse=True)(batch)
    assert (first.same_as, second.same_as) == (None, "a/first.png")
    assert second.outcome == first.outcome


def test_the_same_content_in_the_next_batch_is_not_classified_again(database: Database, tiny_vision: Vision) -> None:
    """Although the first batch may not be recorded yet."""
    judge = Judge(database, reuse=True)
    [first] = judge([read(tiny_vision, "first.png", homes.picture("red"))])
    [second] = judge([read(tiny_vision, "second.png", homes.picture("red"))])
    assert (second.same_as, second.outcome) == ("first.png", first.outcome)


def recorded(database: Database, vision: Vision, data: bytes, digest: str | None = None) -> None:
    """Somebody classified `data` before, and was sure of something else than the model would say now."""
    model = version_of(vision)
    database.record([
        Finished(
            claim=new_id(),
            name="old.png",
            path="old.png",
            sha256=hashlib.sha256(data).hexdigest(),
            model=replace(model, digest=digest) if digest else model,
            predictions=(Prediction(label="blue", score=0.75), Prediction(label="red", score=0.25)),
            state=State.DONE,
            received_at=NOW,
            finished_at=NOW,
        )
    ])  # fmt: skip


def test_content_that_was_recorded_before_is_given_its_labels(database: Database, tiny_vision: Vision) -> None:
    """A new process knows from the database what this version has said."""
    recorded(database, tiny_vision, homes.picture("red"))
    [judged] = Judge(database, reuse=True)([read(tiny_vision, "new.png", homes.picture("red"))])
    assert judged.outcome == Classified((("blue", 0.75), ("red", 0.25)))
    assert judged.same_as == "old.png"


def test_what_another_model_said_is_not_reused(database: Database, tiny_vision: Vision) -> None:
    """The same name and version with another digest is another model."""
    recorded(database, tiny_vision, homes.picture("red"), digest="other")
    [judged] = Judge(database, reuse=True)([read(tiny_vision, "new.png", homes.picture("red"))])
    assert (best(judged.outcome), judged.same_as) == ("red", None)


def test_what_an_earlier_version_said_is_not_reused(database: Database, tiny_vision: Vision) -> None:
    """Nor where it has the same weights: its card may have changed, as a temperature or a label does."""
    vision = copy.copy(tiny_vision)
    card = vision.package.card.model_copy(update={"version": 2, "temperature": 2.0})
    vision.package = replace(vision.package, card=card)
    judge = Judge(database, reuse=True)
    [first] = judge([read(tiny_vision, "first.png", homes.picture("red"))])
    [second] = judge([read(vision, "second.png", homes.picture("red"))])
    assert second.same_as is None
    assert second.outcome != first.outcome


def test_reclassify_looks_at_everything(database: Database, tiny_vision: Vision) -> None:
    """With `duplicates = "reclassify"` no picture is a duplicate."""
    recorded(database, tiny_vision, homes.picture("red"))
    batch = [read(tiny_vision, name, homes.picture("red")) for name in ("a.png", "b.png")]
    judged = Judge(database, reuse=False)(batch)
    assert [(best(item.outcome), item.same_as) for item in judged] == [("red", None), ("red", None)]


def test_an_earlier_picture_is_named_in_clean_text(database: Database, tiny_vision: Vision) -> None:
    """A raw name could not be written to the database."""
    names = os.fsdecode(b"caf\xe9\n.png"), "b.png"
    judged = Judge(database, reuse=True)([read(tiny_vision, name, homes.picture("red")) for name in names])
    assert judged[1].same_as == "caf%E9%0A.png"


def test_only_so_many_contents_are_remembered(
    database: Database, tiny_vision: Vision, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon that runs for years does not grow; the oldest content is the database's to know."""
    monkeypatch.setattr(judging, "REMEMBERED", 1)
    judge = Judge(database, reuse=True)
    judge([read(tiny_vision, "r.png", homes.picture("red")), read(tiny_vision, "b.png", homes.picture("blue"))])
    blue, red = judge([
        read(tiny_vision, "b2.png", homes.picture("blue")),
        read(tiny_vision, "r2.png", homes.picture("red")),
    ])  # fmt: skip
    assert (blue.same_as, red.same_as) == ("b.png", None)
