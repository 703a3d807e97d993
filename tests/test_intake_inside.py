"""The ways into a folder that follow no link."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from homes import drop

from watcher.intake.inside import folder_inside, make_folder, open_inside


def test_a_path_is_followed_through_folders_alone(tmp_path: Path) -> None:
    """The folder that it begins at may be a link; a part that is one, or leads up, is none."""
    drop(tmp_path, "real/a/b/c.png", b"1")
    (tmp_path / "root").symlink_to("real")
    (tmp_path / "real/link").symlink_to("a")
    (tmp_path / "real/a/d.png").symlink_to("b/c.png")
    with folder_inside(tmp_path / "root", "a/b", readable=True) as handle:
        assert os.listdir(handle) == ["c.png"]
    with open(open_inside(tmp_path / "root", "a/b/c.png"), "rb") as file:
        assert file.read() == b"1"
    before = len(os.listdir("/proc/self/fd"))
    for path in ("link/b/c.png", "a/b/../b/c.png", "a/d.png", "a/b/c.png/x", "a/none/x"):
        with pytest.raises(OSError):
            open_inside(tmp_path / "root", path)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_folder_is_made_below_no_link(tmp_path: Path) -> None:
    """Unless it is the root, or one above it."""
    (tmp_path / "real").mkdir()
    (tmp_path / "root").symlink_to("real")
    make_folder(tmp_path / "root/out/a/b", tmp_path / "root/out")
    (tmp_path / "real/out/link").symlink_to("a")
    for path in ("link", "link/b", "link/new"):
        with pytest.raises((FileExistsError, NotADirectoryError)):
            make_folder(tmp_path / "root/out" / path, tmp_path / "root/out")
    assert not (tmp_path / "real/out/a/new").exists()
