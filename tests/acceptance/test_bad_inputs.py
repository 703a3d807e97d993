"""What people drop that is no good: it ends in failed with a reason, or is left alone and explained; all else goes on."""

from __future__ import annotations

import csv
import io
import os
import struct
import zlib
from pathlib import Path

import homes
import pytest

from watcher.home import Home

LONG = "n" * 251 + ".png"
GOOD_NAMES = {
    b"-rf.png": "-rf.png",
    b"caf\xe9.png": "caf%E9.png",
    b"two\nlines.png": "two%0Alines.png",
    LONG.encode(): LONG,
    "日本 🐼.png".encode(): "日本 🐼.png",
    b"x.jpg/inside.png": "x.jpg/inside.png",
}


def huge_png() -> bytes:
    """30,000 x 30,000 pixels of one bit each, whole and valid, in 100 KB."""
    side = 30_000
    compress = zlib.compressobj(1)
    row = bytes(1 + side // 8)
    pixels = b"".join(compress.compress(row * 100) for _ in range(side // 100)) + compress.flush()

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


BAD = {
    "truncated.jpg": (homes.picture("red", form="JPEG", size=(200, 200))[:2000], "cut short"),
    "truncated.png": (homes.picture("red", size=(200, 200))[:9000], "cut short"),
    "empty.png": (b"", "the file is empty"),
    "text.jpg": (b"Dear Sir or Madam,\n", "it is text, not a picture"),
    "huge.png": (huge_png(), "it is 30000 x 30000 pixels"),
    "-bad.png": (b"\x00" * 100, "it is not a picture"),
    "b" * 251 + ".png": (b"", "the file is empty"),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, tiny_home_models: Path) -> Home:
    """A home after `run --once` over all of it. Do not change it."""
    home = homes.make(tmp_path_factory.mktemp("home"), tiny_home_models)
    (home.inbox / "link.png").symlink_to(home.root / "watcher.toml")
    (home.inbox / "folder link").symlink_to(home.root)
    os.mkfifo(home.inbox / "pipe.png")
    (home.inbox / "notes.txt").write_text("x")
    for number, name in enumerate(GOOD_NAMES):
        homes.drop(home.inbox, name, homes.picture("red", number))
    for name, (data, _) in BAD.items():
        homes.drop(home.inbox, name, data)
    homes.drop(home.inbox, b"bad\xff\n.png", b"")
    done = homes.watcher("run", "--once", home=home.root)
    assert done.returncode == 0, done.stderr
    return home


def test_odd_names_come_through_in_clean_text(home: Home) -> None:
    """The database, the outbox and done have names that can be printed, stored and shared."""
    rows = [row for row in homes.rows(home) if row.state == "done"]
    assert {row.path for row in rows} == set(GOOD_NAMES.values())
    assert homes.paths(home.outbox) == homes.paths(home.done) == set(GOOD_NAMES.values())


def test_what_cannot_be_read_ends_in_failed_with_a_reason(home: Home) -> None:
    """One that a person understands, in the row and beside the file, which is as it was."""
    reasons = {row.path: row.reason or "" for row in homes.rows(home) if row.state == "failed"}
    assert set(reasons) == {*BAD, "bad%FF%0A.png"}
    for name, (data, said) in BAD.items():
        assert said in reasons[name]
        assert (home.failed / name).read_bytes() == data
        # A name too long for a note's ending is cut, and tells it apart by the claim's id.
        notes = [path for path in home.failed.glob("*.reason.txt") if path.name.startswith(name[:230])]
        assert [reasons[name] in note.read_text() for note in notes] == [True]
    assert len(homes.paths(home.failed)) == 2 * len(reasons)


def test_what_is_no_file_is_left_alone_and_explained(home: Home) -> None:
    """It stays in the inbox, and `status` says why; the books balance."""
    found = homes.watcher_json("status", home=home.root)
    reasons = {item["path"]: item["reason"] for item in found["left_alone_first"]}
    assert set(reasons) == {"link.png", "folder link", "pipe.png", "notes.txt", "x.jpg"}
    assert found["left_alone"] == 5
    assert {path.name for path in home.inbox.iterdir()} == {".watcher", *reasons}
    assert os.listdir(home.inbox / ".watcher") == []
    assert (found["done"], found["failed"], found["total"]) == (6, len(BAD) + 1, len(BAD) + 7)


def test_odd_names_can_be_printed_anywhere(home: Home) -> None:
    """As a table, CSV and JSON, also where the terminal knows no Unicode."""
    count = len(GOOD_NAMES) + len(BAD) + 1
    plain = os.environ | {"PYTHONIOENCODING": "ascii:strict", "LC_ALL": "C"}
    assert len(homes.watcher_json("results", home=home.root)) == count
    assert (
        len(list(csv.DictReader(io.StringIO(homes.watcher("results", "--format", "csv", home=home.root).stdout))))
        == count
    )
    for form in ("table", "csv", "json"):
        done = homes.watcher("results", "--format", form, home=home.root, env=plain)
        assert (done.returncode, done.stderr) == (0, "")
        assert "caf%E9.png" in done.stdout
