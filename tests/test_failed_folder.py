"""The folder of failed pictures and the notes in it."""

from __future__ import annotations

from pathlib import Path

import homes


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
