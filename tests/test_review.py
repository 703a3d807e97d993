"""`outbox/review/`: the annotated copies of doubtful results stand there, too."""

from __future__ import annotations

import io
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import homes
import numpy as np
import pytest
from balancing import found
from PIL import Image

from watcher.home import Home
from watcher.intake.arrivals import Claim, Fingerprint
from watcher.intake.claims import ClaimFolder, new_id
from watcher.intake.scan import look
from watcher.models.package import Package, load
from watcher.models.registry import Registry
from watcher.service import copies, review
from watcher.service.identity import identity
from watcher.service.reprocess import Which, reprocess
from watcher.vision.encode import Caption, Encoded, encode, read_caption

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def doubtful(seed: int = 0) -> bytes:
    """A gray picture, of which the tiny model cannot say which colour it is."""
    gray = np.random.default_rng(seed).integers(120, 136, (18, 24, 3)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(gray).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, tiny_package: Package) -> Path:
    """Two versions of the tiny model that ask for a look at what they are not sure of; the first is current."""
    registry = Registry(tmp_path_factory.mktemp("review") / "models")
    card = tiny_package.card.model_dump(exclude={"name", "version", "digest", "libraries", "created_at"})
    for number in range(2):
        when = NOON + timedelta(hours=number)
        registry.install("tiny", load(tiny_package), card | {"review_threshold": 0.7}, when, promote=False)
    return registry.root


@pytest.fixture
def home(tmp_path: Path, models: Path) -> Home:
    return homes.make(tmp_path / "home", models)


def sentences(home: Home) -> list[str]:
    """What does not balance."""
    return [finding.sentence for finding in found(home)]


def in_review(home: Home) -> set[str]:
    return homes.paths(home.outbox / review.REVIEW)


def a_claim(path: str) -> Claim:
    return Claim(new_id(), path, Fingerprint(0, 0, 1, 1))


def a_copy(home: Home, claim: Claim, colour: str = "gray") -> tuple[Path, Encoded]:
    caption = Caption(claim=claim.id, model="tiny", version=1, label="red", score=0.4)
    encoded = encode(Image.new("RGB", (8, 8), colour), "png", caption)
    return copies.put(home, claim, encoded), encoded


def test_the_copy_of_a_doubtful_result_stands_in_review_too_and_that_of_a_sure_one_does_not(home: Home) -> None:
    homes.drop(home.inbox, "s/doubt.png", doubtful())
    homes.drop(home.inbox, "s/sure.png", homes.picture("red"))
    homes.run_once(home)
    assert in_review(home) == {"s/doubt.png"}
    assert {row.path: row.needs_review for row in homes.rows(home)} == {"s/doubt.png": 1, "s/sure.png": 0}
    assert (home.outbox / "s/doubt.png").samefile(home.outbox / "review/s/doubt.png"), "it takes no room of its own"
    assert sentences(home) == []


def test_who_has_looked_deletes_it_there_and_nothing_is_missed(home: Home) -> None:
    homes.drop(home.inbox, "doubt.png", doubtful())
    homes.run_once(home)
    (home.outbox / "review/doubt.png").unlink()
    homes.run_once(home)
    assert in_review(home) == set()
    assert (home.outbox / "doubt.png").is_file()
    assert sentences(home) == []


def test_a_duplicate_of_what_is_doubtful_is_doubtful(home: Home) -> None:
    homes.drop(home.inbox, "one.png", doubtful())
    homes.run_once(home)
    homes.drop(home.inbox, "two.png", doubtful())
    homes.run_once(home)
    assert in_review(home) == {"one.png", "two.png"}


def test_a_group_that_is_called_review_keeps_its_copies_beside_those_of_others(home: Home) -> None:
    """`inbox/review/a.png` and a doubtful `inbox/a.png` want the same place."""
    homes.drop(home.inbox, "a.png", doubtful())
    homes.run_once(home)
    homes.drop(home.inbox, "review/a.png", homes.picture("blue"))
    homes.run_once(home)
    assert (home.outbox / "review/a.png").samefile(home.outbox / "a.png")
    row = next(row for row in homes.rows(home) if row.path == "review/a.png")
    assert row.outbox_path
    assert row.outbox_path.startswith("outbox/review/a~")
    assert (home.root / row.outbox_path).is_file()
    assert sentences(home) == []


def test_what_is_put_in_line_again_leaves_the_folder_and_comes_back_if_it_is_doubtful_still(
    tmp_path: Path, home: Home, models: Path
) -> None:
    homes.drop(home.inbox, "doubt.png", doubtful())
    homes.run_once(home)
    before = read_caption(home.outbox / "review/doubt.png")
    Registry(models).promote("tiny", 2, NOON)
    try:
        reprocess(home, Which(model="tiny", version=1), NOON)
        assert in_review(home) == set()
        homes.run_once(home)
    finally:
        Registry(models).promote("tiny", 1, NOON)
    after = read_caption(home.outbox / "review/doubt.png")
    assert before
    assert after
    assert (before.version, after.version) == (1, 2)
    assert sentences(home) == []


def test_a_second_try_after_a_crash_replaces_its_own_and_no_other(home: Home) -> None:
    mine, others = a_claim("a.png"), a_claim("a.png")
    review.put(home, others, *a_copy(home, others))
    for colour in ("gray", "black"):
        place = review.put(home, mine, *a_copy(home, mine, colour))
    assert len(in_review(home)) == 2
    assert Image.open(place).getpixel((0, 0)) == (0, 0, 0)
    review.retract(home, mine)
    assert in_review(home) == {"a.png"}
    left = read_caption(home.outbox / "review/a.png")
    assert left
    assert left.claim == others.id


def test_half_of_a_second_name_that_a_crash_has_left_is_used_or_removed(home: Home) -> None:
    homes.run_once(home)
    claim = a_claim("a.png")
    half = home.outbox / f".watcher-{claim.id}.review.tmp"
    half.write_bytes(b"half")
    assert sentences(home) == [f"outbox/{half.name} is half of a file, of a process that died: --repair removes it."]
    place = review.put(home, claim, *a_copy(home, claim))
    assert read_caption(place)
    assert not half.exists()
    half.write_bytes(b"half")
    copies.retract(home, claim)
    assert not half.exists()
    assert in_review(home) == set()


def test_where_no_links_can_be_had_the_copy_is_written_twice(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_more: object) -> None:
        raise PermissionError

    claim = a_claim("a.png")
    copy, encoded = a_copy(home, claim)
    monkeypatch.setattr(os, "link", refuse)
    place = review.put(home, claim, copy, encoded)
    assert not place.samefile(copy)
    assert place.read_bytes() == copy.read_bytes()


def test_what_an_earlier_process_doubted_and_the_next_does_not_leaves_the_folder(home: Home, models: Path) -> None:
    """It died before its row was there; the version that goes on with the picture is surer."""
    homes.drop(home.inbox, "a.png", homes.picture("red"))
    claims = ClaimFolder(home.inbox, identity(home.root))
    claims.make()
    seen = look(home.inbox, "a.png")
    assert seen
    claim = claims.claim(seen)
    assert claim
    claims.attempt(claim)
    review.put(home, claim, *a_copy(home, claim))
    (row,) = homes.run_once(home)
    assert (row.state, row.needs_review) == ("done", 0)
    assert in_review(home) == set()


@pytest.mark.parametrize("what", ["a file", "a link"])
def test_where_something_else_has_the_folders_name_all_goes_on_without_it(
    tmp_path: Path, home: Home, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    place = home.outbox / review.REVIEW
    if what == "a file":
        place.write_text("mine")
    else:
        place.symlink_to(elsewhere)
    for number in range(3):
        homes.drop(home.inbox, f"{number}.png", doubtful(number))
    assert [(row.state, row.needs_review) for row in homes.run_once(home)] == [("done", 1)] * 3
    assert homes.paths(home.outbox) >= {"0.png", "1.png", "2.png"}
    assert not list(elsewhere.iterdir())
    assert capsys.readouterr().out.count("doubtful results cannot be put apart") == 1
