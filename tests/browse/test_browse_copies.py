"""Copies and thumbnails: what of the outbox is given out, and what it may cost."""

from __future__ import annotations

import io
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import bombs
import pytest
import sites
import stocked
from meddled import COPIES, GOOD, SECRET, result
from PIL import Image
from sites import Server, encoded, served

from watcher.home import Home


@pytest.mark.parametrize("kind", ["copy", "thumb"])
def test_a_copy_is_given_out_as_what_it_is(bad_server: Server, bad: Home, kind: str) -> None:
    """Its bytes or a small version of them, as an image and nothing else, to be asked for again only when it changed."""
    answer = bad_server.get(f"/{kind}/{GOOD}", Cookie="a=b")
    assert answer.status == 200
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"].startswith("private, max-age")
    if kind == "copy":
        assert answer.body == (bad.outbox / "good.jpg").read_bytes()
        assert answer.headers["content-disposition"] == "inline; filename*=UTF-8''good.jpg"
        assert bad_server.get(f"/copy/{GOOD}", "HEAD").headers["content-length"] == str(len(answer.body))
    again = bad_server.get(f"/{kind}/{GOOD}", If_None_Match=answer.headers["etag"])
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize("number", range(1, len(COPIES) + 2))
@pytest.mark.parametrize("kind", ["copy", "thumb"])
def test_nothing_else_is_given_out(bad_server: Server, number: int, kind: str) -> None:
    """Not over a link, not from beside the outbox, nothing that is no picture: a drawing says so."""
    if number == GOOD:
        return
    answer = bad_server.get(f"/{kind}/{number}")
    assert (answer.status, answer.headers["content-type"]) == (404, "image/svg+xml"), COPIES[number - 2]
    assert "annotated copy" in answer.text
    assert SECRET not in answer.body


def test_a_copy_that_would_cost_minutes_is_not_opened(home: Home) -> None:
    """A JPEG of thousands of scans, one of too many pixels, one that is cut short: a drawing, and at once."""
    plain = encoded((64, 64))
    files = {
        "scans.jpg": bombs.jpeg(scans=3000, size=(1900, 1900)),
        "large.png": encoded((8, 8), "PNG")[:16] + (100_000).to_bytes(4, "big") * 2 + encoded((8, 8), "PNG")[24:],
        "short.jpg": plain[: plain.index(b"\xff\xda") + 20],
    }
    for number, (name, data) in enumerate(files.items()):
        (home.outbox / name).write_bytes(data)
        stocked.record(home, result(number, name, f"outbox/{name}"))
    with served(home) as server:
        start = time.monotonic()
        assert [server.get(f"/thumb/{number}").status for number in (1, 2, 3)] == [404] * 3
        assert time.monotonic() - start < 5


def test_a_thumbnail_is_the_picture_alone(tmp_path: Path) -> None:
    """Without the panel of its copy, no larger than the page needs, upright and whole."""
    from watcher.results.browse.outbox import Outbox
    from watcher.results.browse.thumbnails import SIDE, thumbnail

    outbox = Outbox(tmp_path, tmp_path / "outbox")
    for size, expected in (((1200, 900), (SIDE, 300)), ((142, 148), (142, 148)), ((3, 2000), (1, SIDE))):
        path = tmp_path / "outbox" / "a.jpg"
        sites.draw(path, 1, size, [("a label", 0.7), ("another", 0.3)], "tiny", 1)
        with outbox.copy("outbox/a.jpg") as copy:
            small = Image.open(io.BytesIO(thumbnail(copy, size)))
            whole = Image.open(io.BytesIO(thumbnail(copy, None)))
        assert small.size == expected
        assert whole.size[1] > small.size[1] or max(whole.size) == SIDE


COSTLY = """
import os, resource, sys
from pathlib import Path
from watcher.results.browse.outbox import NoCopy, Outbox
from watcher.results.browse.thumbnails import thumbnail
root = Path(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for name, size in (("a", (24, 18)), ("b", None), ("c", None)):
    with Outbox(root, root).copy(name) as copy:
        try:
            thumbnail(copy, size)
        except NoCopy as why:
            print(why)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_a_thumbnail_takes_little_memory(tmp_path: Path) -> None:
    """Not for a large JPEG in place of a small picture's copy, a large PNG with alpha, or a JPEG that comes in scans."""
    Image.new("L", (9000, 9000)).save(tmp_path / "a", "JPEG")
    Image.new("RGBA", (6000, 6000)).save(tmp_path / "b", "PNG", compress_level=1)
    Image.new("L", (9000, 9000)).save(tmp_path / "c", "JPEG")
    scans = (tmp_path / "c").read_bytes().replace(b"\xff\xd9", b"\xff\xda\xff\xd9")
    (tmp_path / "c").write_bytes(scans)
    done = subprocess.run(
        [sys.executable, "-c", COSTLY, str(tmp_path)], capture_output=True, text=True, check=True, timeout=60
    )
    *said, taken = done.stdout.splitlines()
    assert said == ["Its annotated copy is too large for a thumbnail"] * 3
    assert int(taken) < 100  # MiB


def test_one_large_thumbnail_is_made_at_a_time(tmp_path: Path) -> None:
    """The second waits for the first; small ones wait for none."""
    from watcher.results.browse import thumbnails
    from watcher.results.browse.outbox import Outbox

    Image.new("RGB", (4000, 3000)).save(tmp_path / "large", "PNG", compress_level=1)
    Image.new("RGB", (400, 300)).save(tmp_path / "small", "PNG")

    def made(name: str) -> bytes:
        with Outbox(tmp_path, tmp_path).copy(name) as copy:
            return thumbnails.thumbnail(copy, None)

    with ThreadPoolExecutor(1) as pool:
        with thumbnails._MANY:
            large = pool.submit(made, "large")
            assert made("small")
            time.sleep(0.3)
            assert not large.done()
        assert large.result(timeout=20)
