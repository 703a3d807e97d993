"""Names that are two on one file system and one on another: every picture has a place of its own, and its row says which."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from homes import drop, make, paths, picture, run_once
from hypothesis import given
from hypothesis import strategies as st
from ledger import tally

from watcher.home import Home
from watcher.intake.arrivals import Claim, Fingerprint
from watcher.intake.claims import new_id
from watcher.intake.names import clean
from watcher.results import State
from watcher.service import finishing, notes, places
from watcher.service.places import Reservations, alike
from watcher.vision.encode import read_caption

# In each row, what some file system takes for one name: by case, by Unicode form, by what Windows cuts off.
SAME = [
    ("a.png", "A.PNG", "a.PNG"),
    ("straße.png", "STRASSE.PNG", "Straße.png"),
    ("é.png", "e\u0301.png", "E\u0301.png", "É.png"),
    ("ﬁ.png", "fi.png", "FI.png"),
    ("\u03c3.png", "ς.png", "Σ.png"),
    ("한.png", "\u1112\u1161\u11ab.png"),
    ("a\u200db.png", "ab.png"),
    ("s./a.png", "s/a.png", "S /a.png"),
    ("K.png", "k.png", "\u212a.png"),
]
DIFFERENT = ["a.png", "b.png", "a .png", "ä.png", "1.png", "s/a.png", "st/a.png", "i.png", "\u0131.png"]
# What servers of Windows refuse, or take for a device.
RESERVED = [
    *("CON.png", "nul.png", "PRN.jpg", "com1.png", "LPT9.png", "AUX/a.png", "dot./a.png", "blank /b.png"),
    *("a:b.png", "what?.png", "star*.png", 'quote".png', "less<.png", "more>.png", "pipe|.png", "back\\slash.png"),
    *(" first.png", "-rf.png", "$(x).png", "%41.png", "~1.png", "a\nb.png", "\x01.png", "trailing .png"),
]


def claim(path: str) -> Claim:
    return Claim(new_id(), path, Fingerprint(1, 2, 3, 4))


@pytest.mark.parametrize("names", SAME, ids=[names[0] for names in SAME])
def test_names_that_a_file_system_may_take_for_one_are_not_given_out_twice(tmp_path: Path, names: list[str]) -> None:
    """Of one batch, before anything stands there that could tell."""
    reserved = Reservations()
    given_out = [reserved.choose(tmp_path, claim(name), ".reason.txt") for name in names]
    assert given_out[0] == tmp_path / names[0]
    assert len({alike(path) for path in given_out}) == len(names)


def test_names_that_are_two_everywhere_are_left_as_they_are(tmp_path: Path) -> None:
    """Nobody gets `~` for nothing."""
    reserved = Reservations()
    assert [reserved.choose(tmp_path, claim(name)) for name in DIFFERENT] == [tmp_path / name for name in DIFFERENT]


def test_a_file_and_a_folder_of_one_name_in_another_case_are_two(tmp_path: Path) -> None:
    """`X.png/a.png` and `x.png` cannot both stand where case does not count."""
    reserved = Reservations()
    assert reserved.choose(tmp_path, claim("X.png/a.png")) == tmp_path / "X.png/a.png"
    assert reserved.choose(tmp_path, claim("x.png")).name.startswith("x~")
    assert reserved.choose(tmp_path, claim("b.png")) == tmp_path / "b.png"
    assert reserved.choose(tmp_path, claim("B.png/a.png")).parent == tmp_path


@given(st.text(), st.sampled_from(["NFC", "NFD"]))
def test_what_is_alike_stays_so(text: str, form: str) -> None:
    """In any case and either form."""
    import unicodedata

    path = Path(f"/x{text}".replace("\0", ""))
    for other in (str(path).upper(), str(path).casefold(), unicodedata.normalize(form, str(path))):
        assert alike(Path(other)) == alike(path)


def put(home: Home) -> dict[str, tuple[Path, Path | None]]:
    """Where the original and the copy of each picture are, as recorded, by content."""
    with sqlite3.connect(home.root / "watcher.db") as database:
        found = database.execute("SELECT sha256, original_path, outbox_path FROM images").fetchall()
    return {sha: (home.root / original, home.root / copy if copy else None) for sha, original, copy in found}


def check(home: Home, dropped: dict[str, bytes]) -> None:
    """Everything that was dropped has a row whose paths hold it and its copy, and there is nothing besides."""
    import hashlib

    places = put(home)
    assert set(places) == {hashlib.sha256(data).hexdigest() for data in dropped.values()}
    for sha, (original, copy) in places.items():
        assert hashlib.sha256(original.read_bytes()).hexdigest() == sha
        if copy:
            caption = read_caption(copy)
            assert caption
    originals = {original for original, _ in places.values()}
    assert len(originals) == len(places)
    assert len({copy for _, copy in places.values() if copy}) == len(paths(home.outbox))
    notes = {path for path in paths(home.failed) if path.endswith(".reason.txt")}
    assert len(notes) + len(originals) == len(paths(home.done)) + len(paths(home.failed))


def batch(names: list[str]) -> dict[str, bytes]:
    """Pictures, and some that cannot be read, no two alike."""
    return {name: picture("red", seed) if seed % 4 else b"no picture %d" % seed for seed, name in enumerate(names, 1)}


ALL = [name for names in SAME for name in names] + RESERVED
ONE_NAME = "names that some file systems take for one, or refuse"


def test_all_of_them_in_one_batch(tmp_path: Path, tiny_home_models: Path) -> None:
    """On whatever file system the tests run; those that cannot be read, too."""
    home = make(tmp_path / "home", tiny_home_models, inference={"batch_size": 64})
    dropped = batch(ALL)
    for name, data in dropped.items():
        drop(home.inbox, name, data)
    found = run_once(home)
    assert sorted(row.path for row in found) == sorted(map(clean, ALL))
    assert {row.state for row in found} == {State.DONE, State.FAILED}
    check(home, dropped)
    tally(ONE_NAME, tried=len(ALL))


def test_where_colons_are_refused_the_row_says_what_the_files_are_called(
    tmp_path: Path, tiny_home_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copy, original, failed picture and note; the daemon goes on. For systems where nothing can be mounted."""
    home = make(tmp_path / "home", tiny_home_models)

    def refusing(real: Callable[..., None]) -> Callable[..., None]:
        def refuse(*args: object) -> None:
            if any(":" in str(arg) and home.inbox not in arg.parents for arg in args if isinstance(arg, Path)):
                raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
            real(*args)

        return refuse

    monkeypatch.setattr(places, "move_new", refusing(places.move_new))
    monkeypatch.setattr(finishing, "write_note", refusing(notes.write_note))
    dropped = {"a:b.png": picture(), "s/c:d.png": b"x", "e.png": picture("blue")}
    for name, data in dropped.items():
        drop(home.inbox, name, data)
    run_once(home)
    check(home, dropped)


@pytest.fixture(scope="module")
def without_case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file system for which A and a are one, with Windows' rules for names: NTFS, mounted as such."""
    program = shutil.which("lowntfs-3g")
    if program is None or shutil.which("mkfs.ntfs") is None:
        pytest.skip("ntfs-3g is not here")
    folder = tmp_path_factory.mktemp("ntfs")
    image, point = folder / "image", folder / "mounted"
    point.mkdir()
    with image.open("wb") as file:
        file.truncate(64 << 20)
    made = subprocess.run(["mkfs.ntfs", "-q", "-f", "-F", str(image)], capture_output=True, text=True, check=False)
    options = "ignore_case,windows_names"
    mounted = subprocess.run(
        [program, "-o", options, str(image), str(point)], capture_output=True, text=True, check=False
    )
    if made.returncode or mounted.returncode or not os.path.ismount(point):
        pytest.skip(f"nothing can be mounted here: {mounted.stderr.strip()}")
    yield point
    subprocess.run(["umount", str(point)], check=True)


@pytest.mark.mounts
def test_on_a_file_system_without_case_and_with_windows_rules(
    tmp_path: Path, tiny_home_models: Path, without_case: Path
) -> None:
    """In one batch and in batches that follow each other: none takes the place of another, and no row is wrong."""
    (without_case / "Probe").touch()
    assert (without_case / "pROBE").exists()
    folders = {name: str(without_case / name) for name in ("outbox", "done", "failed")}
    home = make(tmp_path / "home", tiny_home_models, folders=folders, inference={"batch_size": 16})
    dropped = batch(ALL)
    for name, data in dropped.items():
        drop(home.inbox, name, data)
    run_once(home)
    more = {name: picture("blue", 1000 + seed) for seed, name in enumerate(ALL)}
    for name, data in more.items():
        drop(home.inbox, name, data)
    run_once(home)
    check(home, {**{f"1/{name}": data for name, data in dropped.items()}, **more})
    tally(ONE_NAME, tried=2 * len(ALL))
