"""Why a file in the inbox is not taken: the same that the scan goes by, in words."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from watcher.intake.arrivals import LeftAlone
from watcher.intake.filters import TEMPORARY, is_temporary, temporary_pattern
from watcher.intake.passed_over import why
from watcher.intake.scan import LONGEST_PATH, scan

DEEP = "/".join(["d" * 200] * 7)
TREE = {
    "a.png": None,
    "s/b.JPG": None,
    "s/100%.png": None,
    ".hidden/c.png": "the folder .hidden is hidden",
    "s/@eaDir/c.png": "the folder s/@eaDir is one that systems keep",
    "a.png.part": "its name fits *.part",
    "s/.b.png": "its name fits .*",
    "~$b.png": "its name fits ~$*",
    "Thumbs.db": "its name fits thumbs.db",
    "notes.txt": "its name does not end like a picture's",
    f"{DEEP}/e.png": f"its path is longer than {LONGEST_PATH} bytes",
}


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    for path in TREE:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("x")
    (tmp_path / "link.png").symlink_to("/etc/hostname")
    (tmp_path / "elsewhere").symlink_to("/etc")
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    return tmp_path


def test_each_filter_says_what_it_is(inbox: Path) -> None:
    """The pattern, the folder, the link: what a person can change."""
    said = {path: why(inbox, path) for path in TREE}
    assert {path for path, reason in said.items() if reason is None} == {
        path for path, text in TREE.items() if not text
    }
    for path, text in TREE.items():
        assert (said[path] or "").startswith(text or ""), path
    assert "symbolic link" in str(why(inbox, "link.png"))
    assert "the folder elsewhere is a symbolic link" in str(why(inbox, "elsewhere/hostname"))
    assert why(inbox, "pipe.png") == "not a regular file"
    assert str(why(inbox, "folder.png")).startswith("a folder, though its name ends like a picture's")
    assert str(why(inbox, "s")).startswith("a folder; the pictures in it are taken")


def test_it_agrees_with_the_scan(inbox: Path) -> None:
    """What the scan takes has no reason; what it leaves alone or passes over has one."""
    found = list(scan(inbox))
    taken = {item.path for item in found if not isinstance(item, LeftAlone)}
    alone = {item.path for item in found if isinstance(item, LeftAlone)}
    here = {str(path.relative_to(inbox)) for path in inbox.rglob("*") if not path.is_dir() or path.is_symlink()}
    assert {path for path in here if why(inbox, path) is None} == taken
    assert all(why(inbox, path) for path in alone)


def test_what_is_gone_has_no_reason(inbox: Path) -> None:
    """It is the caller who must say so."""
    with pytest.raises(FileNotFoundError):
        why(inbox, "gone.png")


@pytest.mark.parametrize("pattern", TEMPORARY)
def test_a_name_is_temporary_for_a_pattern_that_is_told(pattern: str) -> None:
    """Whatever the case of its letters."""
    name = pattern.replace("*", "X").upper()
    told = temporary_pattern(name)
    assert told is not None and is_temporary(name)
    assert not is_temporary("X.PNG") and temporary_pattern("X.PNG") is None
