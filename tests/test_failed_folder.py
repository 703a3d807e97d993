"""The folder of failed pictures and the notes in it."""

from __future__ import annotations

from pathlib import Path

import homes

from watcher.service.status import status


def test_the_note_of_a_picture_that_is_read_at_last_goes(tmp_path: Path, tiny_home_models: Path) -> None:
    """Moved back to the inbox with good content, it leaves no reason behind in failed."""
    home = homes.make(tmp_path, tiny_home_models)
    homes.drop(home.inbox, "s/a.png", b"not a picture")
    homes.run_once(home)
    assert homes.paths(home.failed) == {"s/a.png", "s/a.png.reason.txt"}
    (home.failed / "s/a.png").unlink()
    homes.drop(home.inbox, "s/a.png", homes.picture("red"))
    homes.run_once(home)
    assert homes.paths(home.failed) == set()


def test_a_folder_in_the_place_of_a_note_holds_nothing_up(tmp_path: Path, tiny_home_models: Path) -> None:
    """The failed picture and its note get another name."""
    home = homes.make(tmp_path, tiny_home_models)
    (home.failed / "a.png.reason.txt").mkdir()
    homes.drop(home.inbox, "a.png", b"not a picture")
    homes.run_once(home)
    [original] = [path for path in home.failed.iterdir() if path.suffix == ".png"]
    assert original.name.startswith("a~")
    assert Path(f"{original}.reason.txt").read_text().startswith("Watcher could not read")


def test_a_note_that_came_into_the_inbox_with_its_picture_is_known_for_what_it_is(
    tmp_path: Path, tiny_home_models: Path
) -> None:
    """It is left there, for nothing in the inbox is ever deleted; `status` and `explain` say that a person may."""
    home = homes.make(tmp_path, tiny_home_models)
    homes.drop(home.inbox, "s/a.png", b"not a picture")
    homes.run_once(home)
    for name in ("a.png", "a.png.reason.txt"):
        (home.failed / "s" / name).rename(home.inbox / "s" / name)
    homes.run_once(home)
    assert homes.paths(home.inbox) == {"s/a.png.reason.txt"}
    said = "a note of Watcher's own, which says why s/a.png failed; it can be deleted"
    assert [item.reason for item in status(home).left_alone_first] == [said]
    done = homes.watcher("explain", "inbox/s/a.png.reason.txt", home=home.root)
    assert (done.returncode, done.stdout) == (0, f"inbox/s/a.png.reason.txt is {said}.\n")


def test_other_texts_are_not_taken_for_notes(tmp_path: Path, tiny_home_models: Path) -> None:
    """Whatever they are called; nor is what a link leads to."""
    home = homes.make(tmp_path, tiny_home_models)
    homes.run_once(home)
    (home.inbox / "mine.png.reason.txt").write_text("Why: because.")
    (home.inbox / "link.png.reason.txt").symlink_to(home.inbox / "mine.png.reason.txt")
    assert not any("Watcher's own" in item.reason for item in status(home).left_alone_first)
