"""What the pages do not do: give out anything but copies of the outbox, change anything, or run what a name says."""

from __future__ import annotations

import os
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import bombs
import pytest
import sites
import stocked
from sites import Server, encoded, served

from watcher.home import Home
from watcher.results import State

SECRET = b"not for everyone"
HOSTILE = {
    "script": "<script>alert(1)</script>.png",
    "quotes": "\"'><img src=x onerror=alert(1)>.png",
    "bidi": "\u202egnp.exe\u2066.png",
    "lines": "one\ntwo\r\n\x1b[31m.png",
    "long": "long " * 800 + ".png",
    "emoji": "👩🏽\u200d🔬🦠.png",
    "template": "{{ 7 * 7 }}{% raw %}.png",
}


class Read(HTMLParser):
    """What a browser would make of a page: its texts, its programs and styles, and what leads elsewhere."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.shown = ""
        self.programs: set[str] = set()
        self.foreign: set[str] = set()
        self.feed(html)

    def handle_data(self, data: str) -> None:
        self.shown += data

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        ours = not given.get("src", "").startswith("/assets/")
        if tag == "style" or (tag == "script" and ours and "/-/static/" not in given.get("src", "")):
            self.programs.add(tag)
        self.programs |= {name for name in given if name.startswith("on") or name == "style"}
        self.foreign |= {given[name] for name in ("src", "href", "action") if re.match(r"\w*:?//", given.get(name, ""))}
        self.shown += "".join(given.get(name, "") for name in ("alt", "title", "aria-label", "placeholder"))


def result(number: int, name: str, copy: str | None) -> stocked.Finished:
    model = replace(stocked.MODEL, model=name[:60]) if number >= 100 else stocked.MODEL
    return stocked.Finished(
        claim=f"{number:x}", name=name, path=f"{name}/{name}", group=name, sha256=f"{number:064x}", size=1, width=40,
        height=30, model=model, predictions=(stocked.Prediction(label=name, score=0.5),), state=State.DONE,
        reason=name, received_at=stocked.NOON, finished_at=stocked.NOON, outbox_path=copy,
    )  # fmt: skip


def failed(number: int, name: str) -> stocked.Finished:
    return stocked.Finished(
        claim=f"{number:x}", name=name, path=f"{name}/{name}", group=name, state=State.FAILED, reason=name,
        received_at=stocked.NOON, finished_at=stocked.NOON,
    )  # fmt: skip


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home whose rows and outbox whoever could has meddled with."""
    home = sites.make(tmp_path_factory.mktemp("bad") / "home")
    (home.root / "secret.png").write_bytes(SECRET)
    (home.root / "secret.jpg").write_bytes(encoded())
    meddle(home)
    copies = [None, *COPIES]
    rows = [result(number, "a.jpg", copy and copy.format(root=home.root)) for number, copy in enumerate(copies)]
    hostile = [result(100 + number, name, "outbox/good.jpg") for number, name in enumerate(HOSTILE.values())]
    unread = [failed(200 + number, name) for number, name in enumerate(HOSTILE.values())]
    stocked.record(home, *rows, *hostile, *unread)
    return home


GOOD = 2  # the number of the first row with a copy
COPIES = [
    "outbox/good.jpg",
    "outbox/../secret.jpg",
    "outbox/./good.jpg",
    "outbox//good.jpg",
    "secret.jpg",
    "{root}/secret.jpg",
    "/etc/passwd",
    "../../../../etc/passwd",
    "outbox/link.jpg",
    "outbox/folder/secret.jpg",
    "outbox/pipe.jpg",
    "outbox/good.jpg/x",
    "outbox/text.jpg",
    "outbox/page.jpg",
    "outbox",
    "outbox/",
    "outbox/a\0b.jpg",
    "outbox/gone.jpg",
    "outbox/" + "a" * 5000,
    "outbox\\good.jpg",
]


def meddle(home: Home) -> None:
    (home.outbox / "good.jpg").write_bytes(encoded())
    (home.outbox / "link.jpg").symlink_to("../secret.jpg")
    (home.outbox / "folder").symlink_to("..")
    os.mkfifo(home.outbox / "pipe.jpg")
    (home.outbox / "text.jpg").write_bytes(SECRET)
    (home.outbox / "page.jpg").write_text("<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>")


@pytest.fixture(scope="module")
def bad_server(bad: Home) -> Iterator[Server]:
    with served(bad) as running:
        yield running


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


@pytest.mark.parametrize(
    "path",
    [
        "/copy/../secret.jpg",
        "/copy/..%2fsecret.jpg",
        "/copy/%2e%2e/secret.jpg",
        "/copy/2/../../secret.jpg",
        "/copy//etc/passwd",
        "/copy/%2fetc%2fpasswd",
        "/thumb/2%00",
        "/assets/../plugin.py",
        "/assets/..%2fplugin.py",
        "/assets/%2e%2e/%2e%2e/%2e%2e/cli/main.py",
        "/assets//etc/passwd",
        "/assets/",
        "/outbox/good.jpg",
        "/-/static/../../app.py",
        "/../../../../etc/passwd",
        "/watcher.db",
    ],
)
def test_no_address_leads_to_another_file(bad_server: Server, path: str) -> None:
    """Whatever it is made of."""
    answer = bad_server.get(path)
    assert answer.status in {301, 302, 400, 403, 404}
    assert b"root:" not in answer.body and b"import" not in answer.body and b"SQLite format" not in answer.body


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


@pytest.mark.parametrize("number", range(len(HOSTILE)), ids=HOSTILE)
def test_a_name_is_text_on_every_page(bad_server: Server, number: int) -> None:
    """As path, group, label, model and reason: no tag, no control character, nothing that turns the direction."""
    image = len(COPIES) + 2 + number
    pictures = [f"/picture/{image}", f"/picture/{image + len(HOSTILE)}"]
    for path in ("/", *pictures, "/dashboard", "/?group=%3Cscript%3E", "/%3Cscript%3E", "/watcher/results"):
        text = bad_server.get(path).text
        assert path.startswith("/watcher") or Read(text).programs == set()
        assert "<script>alert" not in text
        assert "<img src=x" not in text
        if not path.startswith("/watcher"):
            assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", Read(text).shown), path
            assert "49" not in re.findall(r"<bdi>([^<]*)</bdi>", text)
            assert max(map(len, re.findall(r"<bdi>([^<]*)</bdi>", text)), default=0) < 1000


def test_no_page_tells_where_the_home_is(bad_server: Server, bad: Home) -> None:
    """Nor does SQL, or a fault."""
    questions = [
        "select * from pragma_database_list",
        "select file from pragma_database_list()",
        "select x from nothing",
    ]
    pages = [
        "/",
        "/picture/1",
        "/dashboard",
        "/runs",
        "/watcher",
        "/-/metadata",
        "/-/plugins",
        "/-/settings",
        "/-/versions",
    ]
    answers = [bad_server.get(page) for page in pages] + [bad_server.sql(question) for question in questions]
    for answer in answers:
        assert str(bad.root).encode() not in answer.body.replace(b"\\/", b"/")
    for closed in ("databases", "databases.json", "threads", "threads.json", "permissions", "logout"):
        assert bad_server.get(f"/-/{closed}").status == 404


@pytest.mark.parametrize(
    "sql",
    [
        "delete from images",
        "with x as (select 1) delete from images",
        "attach database '/tmp/x.db' as x",
        "select load_extension('x')",
        "select writefile('/tmp/x', 'x')",
        "select * from pragma_journal_mode('delete')",
        "select 1; delete from images",
        "create table x (y)",
        "vacuum into '/tmp/x.db'",
        "select length(randomblob(100000000))",
    ],
)
def test_sql_changes_nothing(bad_server: Server, bad: Home, sql: str) -> None:
    """It is refused, and the database is as it was."""
    before = (bad.root / "watcher.db").read_bytes()
    answer = bad_server.sql(sql)
    assert answer.status == 400
    assert answer.json["ok"] is False
    assert (bad.root / "watcher.db").read_bytes() == before


def test_the_connection_itself_would_refuse(bad: Home) -> None:
    """Not only the check of what is asked: a statement that got past it could not write either."""
    from datasette.app import Datasette

    from watcher.results.browse.readonly import ReadOnly

    with closing(ReadOnly(Datasette(), bad.root / "watcher.db").connect()) as connection:
        for sql in ("DELETE FROM images", "ATTACH ':memory:' AS x", "CREATE TEMP TABLE x (y)", "PRAGMA database_list"):
            with pytest.raises(sqlite3.DatabaseError, match=r"not authorized|prohibited"):
                connection.execute(sql)
        assert connection.execute("SELECT count(*) FROM images").fetchone()[0] > 0
    with pytest.raises(sqlite3.OperationalError):
        ReadOnly(Datasette(), bad.root / "watcher.db").connect(write=True)


def test_a_question_that_takes_long_is_broken_off(bad_server: Server) -> None:
    """Others are answered meanwhile, and after."""
    start = time.monotonic()
    endless = "with recursive n(x) as (select 1 union all select x + 1 from n) select count(*) from n"
    assert bad_server.sql(endless).status == 400
    assert time.monotonic() - start < 5
    assert bad_server.get("/").status == 200


@pytest.mark.parametrize("path", ["/", "/picture/1", "/dashboard", "/runs", "/nowhere/x/y/z"])
def test_our_pages_run_and_fetch_nothing_from_elsewhere(bad_server: Server, path: str) -> None:
    """No program and no style stands in them, and a browser would refuse any."""
    answer = bad_server.get(path)
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy or answer.status == 404
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert Read(answer.text).programs == set()
    assert Read(answer.text).foreign == set()


def test_datasette_s_pages_fetch_nothing_from_elsewhere(bad_server: Server) -> None:
    answer = bad_server.get("/watcher/results")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert {at for at in Read(answer.text).foreign if not at.startswith(bad_server.address)} == {
        "https://datasette.io/"
    }


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "localhost.evil"])
def test_another_site_s_name_for_this_machine_is_not_answered(bad_server: Server, host: str) -> None:
    """So that no page of that site can read what is here."""
    answer = bad_server.get("/", Host=host)
    assert (answer.status, b"gallery" in answer.body.lower()) == (421, False)
    for own in ("localhost", "127.0.0.1:99", "LOCALHOST:8001"):
        assert bad_server.get("/", Host=own).status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE"])
def test_nothing_can_be_sent(bad_server: Server, method: str) -> None:
    assert bad_server.get("/watcher", method).status in {400, 405}


def test_a_thumbnail_is_the_picture_alone(tmp_path: Path) -> None:
    """Without the panel of its copy, no larger than the page needs, upright and whole."""
    import io

    from PIL import Image

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
