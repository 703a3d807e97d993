"""The home: where it is looked for, what `init` makes, and that it never overwrites."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from homes import watcher

from watcher.errors import HomeError, SettingsError
from watcher.home import SETTINGS, exists, find, make_home, open_home
from watcher.settings import Folders, Settings

FOLDERS = {"inbox", "outbox", "done", "failed", "corrections", "jobs", "models"}


def test_the_option_comes_before_the_environment_and_that_before_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--home, else WATCHER_HOME, else the current folder; always absolute."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WATCHER_HOME", "env")
    assert find(Path("given")) == tmp_path / "given"
    assert find(None) == tmp_path / "env"
    monkeypatch.setenv("WATCHER_HOME", "")
    assert find(None) == tmp_path
    monkeypatch.delenv("WATCHER_HOME")
    assert find(None) == tmp_path
    assert find(Path("/a/../b/.")) == Path("/b")


def test_a_tilde_is_somebodys_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """WATCHER_HOME in a service file may say ~; a person who does not exist is no exception."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert find(Path("~/pictures")) == tmp_path / "pictures"
    assert find(Path("~nobody-of-this-name/x")) == tmp_path / "~nobody-of-this-name" / "x"


def test_init_makes_the_settings_and_the_folders(tmp_path: Path) -> None:
    """A new home has the file and every folder, and is said to."""
    root = tmp_path / "new" / "home"
    made = make_home(root)
    assert made == [root / SETTINGS, *(root / name for name in Folders.model_fields)]
    assert {path.name for path in root.iterdir()} == FOLDERS | {SETTINGS}
    home = open_home(root)
    assert home.settings == Settings()
    assert set(home.all_folders) == {root / name for name in FOLDERS}
    assert (home.inbox, home.outbox, home.done) == (root / "inbox", root / "outbox", root / "done")
    assert (home.failed, home.models) == (root / "failed", root / "models")


def test_init_never_overwrites(tmp_path: Path) -> None:
    """Made again, a home keeps its settings and pictures to the byte and gets only what it lacks."""
    make_home(tmp_path)
    settings = b'# mine\r\n[folders]\r\noutbox = "elsewhere"\r\n'
    (tmp_path / SETTINGS).write_bytes(settings)
    (tmp_path / "inbox" / "a.jpg").write_bytes(b"picture")
    (tmp_path / "jobs").rmdir()
    assert make_home(tmp_path) == [tmp_path / "elsewhere", tmp_path / "jobs"]
    assert (tmp_path / SETTINGS).read_bytes() == settings
    assert (tmp_path / "inbox" / "a.jpg").read_bytes() == b"picture"
    assert make_home(tmp_path) == []


def test_init_on_faulty_settings_says_so_and_changes_nothing(tmp_path: Path) -> None:
    """A file with faults is reported, not replaced, and no folder is made by it."""
    (tmp_path / SETTINGS).write_text("[folders]\ninbox = 3\n")
    with pytest.raises(SettingsError, match=r"folders\.inbox"):
        make_home(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [SETTINGS]


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    """Where a folder cannot be made, what is in the way is said."""
    (tmp_path / "outbox").write_text("")
    with pytest.raises(HomeError, match=r"cannot make a home in .*/outbox: File exists"):
        make_home(tmp_path)
    with pytest.raises(HomeError, match="cannot make a home in"):
        make_home(tmp_path / "outbox")


def test_no_home_says_how_to_get_one(tmp_path: Path) -> None:
    """A folder without settings is no home."""
    assert not exists(tmp_path)
    with pytest.raises(HomeError, match="make one with `watcher init`, or say where it is with --home DIR"):
        open_home(tmp_path)


def test_folders_may_be_elsewhere(tmp_path: Path) -> None:
    """Relative folders start at the home, absolute ones do not; results name paths accordingly."""
    home_root = tmp_path / "home"
    make_home(home_root, Settings(folders=Folders(inbox="../share/in", outbox=str(tmp_path / "out"))))
    home = open_home(home_root)
    assert os.path.samefile(home.inbox, tmp_path / "share" / "in")
    assert home.outbox == tmp_path / "out"
    assert home.relative(home.done / "a" / "b.jpg") == "done/a/b.jpg"
    assert home.relative(tmp_path / "out" / "b.jpg") == str(tmp_path / "out" / "b.jpg")


def test_the_command_makes_a_home_once(tmp_path: Path) -> None:
    """`watcher init` tells what it made, and at the second time that it changed nothing; exit code 0 both times."""
    first = watcher("init", home=tmp_path / "home")
    assert (first.returncode, first.stderr) == (0, "")
    assert "watcher.toml" in first.stdout
    before = (tmp_path / "home" / SETTINGS).read_bytes()
    second = watcher("init", home=tmp_path / "home")
    assert (second.returncode, second.stderr) == (0, "")
    assert "nothing was changed" in second.stdout
    assert (tmp_path / "home" / SETTINGS).read_bytes() == before


def test_the_command_reports_every_fault_with_exit_code_1(tmp_path: Path) -> None:
    """Each fault is a line on standard error; there is no traceback."""
    make_home(tmp_path)
    (tmp_path / SETTINGS).write_text("[intake]\nwach = 1\nsettle_seconds = 'x'\n")
    done = watcher("init", home=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        f"watcher: {tmp_path}/watcher.toml:2: intake.wach: there is no such setting; did you mean `watch`?",
        f'watcher: {tmp_path}/watcher.toml:3: intake.settle_seconds: should be a valid number, not "x"',
    ]
