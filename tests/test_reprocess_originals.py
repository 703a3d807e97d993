"""What `watcher reprocess` does with originals that are not, or cannot be, where they were."""

from __future__ import annotations

from pathlib import Path

import homes
import pytest
from PIL import Image
from reprocessing import NOON, classified, said, states, take_all, tiny, with_tables
from sqlalchemy import text
from versions import two_versions

from watcher.home import Home
from watcher.results import Database
from watcher.vision.encode import Caption, encode

SOMEBODY = "their originals were moved, changed or removed by somebody"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, tiny_home_models: Path) -> Path:
    """Two versions of `tiny`, of which the first, right one is current."""
    return two_versions(tmp_path_factory.mktemp("reprocess") / "models", tiny_home_models).root


@pytest.fixture
def home(tmp_path: Path, models: Path) -> Home:
    return with_tables(homes.make(tmp_path / "home", models))


def test_those_that_were_deleted_keep_their_results(home: Home) -> None:
    """A doubtful result is better than none, and the person is told how many there are."""
    classified(home, "a.png", "b.png", "c.png")
    sql(home, "UPDATE images SET original_path = NULL WHERE name < 'c'")
    for name in ("a.png", "b.png"):
        (home.done / name).unlink()
    assert said(home, "--version", "tiny/2").splitlines() == [
        "1 picture is in line again; `watcher run` takes it up.",
        "2 pictures cannot be classified again: their originals were deleted.",
    ]
    assert states(home) == [("a.png", 2, "done"), ("b.png", 2, "done"), ("c.png", 2, "superseded")]
    assert homes.paths(home.outbox) == {"a.png", "b.png"}


def test_those_that_somebody_moved_or_changed_keep_their_results(home: Home) -> None:
    """What stands under their names now is left alone."""
    classified(home, *(f"{number}.png" for number in range(7)))
    for number in range(3):
        (home.done / f"{number}.png").unlink()
    (home.done / "3.png").write_bytes(b"cropped")
    (home.done / "4.png").unlink()
    (home.done / "4.png").symlink_to("5.png")
    (home.done / "5.png").rename(home.done / "kept safe.png")
    assert said(home, "--version", "tiny/2").splitlines() == [
        "1 picture is in line again; `watcher run` takes it up.",
        f"6 pictures cannot be classified again: {SOMEBODY}: 0.png, 1.png, 2.png, 3.png, 4.png, …",
    ]
    assert homes.paths(home.inbox) == {"6.png"}
    assert homes.paths(home.done) == {"3.png", "4.png", "kept safe.png"}
    assert [state for _, _, state in states(home)] == ["done"] * 6 + ["superseded"]


def test_one_that_was_dropped_again_by_hand_goes_once(home: Home) -> None:
    """Of two rows that name the same place, the file there is the later one's."""
    classified(home, "a.png")
    (home.done / "a.png").rename(home.inbox / "a.png")
    take_all(home, tiny(2), NOON)
    assert said(home, "--version", "tiny/2").splitlines()[0].startswith("1 picture is in line again")
    assert states(home) == [("a.png", 2, "done"), ("a.png", 2, "superseded")]


def test_a_name_that_is_taken_in_the_inbox_is_not_written_over(home: Home) -> None:
    """The picture goes in line beside the other, and both are classified."""
    classified(home, "s/a.png")
    homes.drop(home.inbox, "s/a.png", b"another")
    said(home, "--version", "tiny/2")
    assert (home.inbox / "s/a.png").read_bytes() == b"another"
    [beside] = homes.paths(home.inbox) - {"s/a.png"}
    assert beside.startswith("s/a~")
    take_all(home, tiny(1), NOON)
    assert homes.paths(home.done) == homes.paths(home.outbox) == {"s/a.png", beside}
    assert "Nothing to do" in said(home, "--version", "tiny/2")


def test_a_picture_in_a_very_long_path_goes_back_there(home: Home) -> None:
    """A path too long for one name in the claim folder."""
    path = "/".join(["a folder with quite a long name"] * 12) + "/a.png"
    classified(home, path)
    said(home, "--version", "tiny/2")
    assert homes.paths(home.inbox) == {path}
    assert list((home.inbox / ".watcher").iterdir()) == []


def test_a_copy_that_is_another_ones_stays(home: Home) -> None:
    """By what the copy itself says, not by its name."""
    classified(home, "a.png", "b.png")
    caption = Caption(claim="another", model="tiny", version=2, label="red", score=0.5)
    (home.outbox / "a.png").write_bytes(encode(Image.new("RGB", (8, 8)), "png", caption).data)
    said(home, "--version", "tiny/2")
    assert homes.paths(home.outbox) == {"a.png"}


def sql(home: Home, statement: str) -> None:
    with Database.open(home.settings.database.url, home.root) as database, database.writing() as connection:
        connection.execute(text(statement))
