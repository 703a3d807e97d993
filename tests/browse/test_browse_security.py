"""What the pages do not do: give out anything but copies of the outbox, change anything, or run what a name says."""

from __future__ import annotations

import re
import sqlite3
import time
from contextlib import closing
from html.parser import HTMLParser

import pytest
from meddled import COPIES, GOOD, HOSTILE
from sites import Server

from watcher.home import Home


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
    before = everything(bad)
    answer = bad_server.sql(sql)
    assert answer.status == 400
    assert answer.json["ok"] is False
    assert everything(bad) == before


def everything(home: Home) -> list[str]:
    """The database as SQL: a write may still be in the log beside its file."""
    with closing(sqlite3.connect(home.root / "watcher.db")) as connection:
        return [*connection.iterdump(), *map(str, connection.execute("PRAGMA journal_mode"))]


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


LINK = {"Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}
FRAME = {"Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "iframe"}
IMAGE = {"Sec_Fetch_Mode": "no-cors", "Sec_Fetch_Dest": "image"}


@pytest.mark.parametrize(
    ("path", "how", "status"),
    [
        ("/", LINK, 200),
        ("/?label=a", LINK, 200),
        ("/watcher/results?label=a", LINK, 200),
        ("/watcher?sql=select+1", LINK, 403),
        ("/watcher.json?%73ql=select+1", LINK, 403),
        ("/watcher/results?_where=1", LINK, 403),
        ("/watcher/results.json", IMAGE, 403),
        (f"/thumb/{GOOD}", IMAGE, 403),
        ("/", FRAME, 403),
        ("/", {}, 403),
    ],
)
def test_pages_of_other_sites_can_only_link_here(
    bad_server: Server, path: str, how: dict[str, str], status: int
) -> None:
    """They can have a browser ask for nothing else, and not for SQL: what it costs is ours. Our own pages can."""
    assert bad_server.get(path, Sec_Fetch_Site="cross-site", **how).status == status
    for ours in ("same-origin", "none"):
        assert bad_server.get(path, Sec_Fetch_Site=ours, **how).status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE"])
def test_nothing_can_be_sent(bad_server: Server, method: str) -> None:
    assert bad_server.get("/watcher", method).status in {400, 405}
