"""What Datasette adds: tables for people, JSON and CSV for programs and spreadsheets, SQL of one's own within bounds."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

import pytest
import stocked
from meddled import result
from sites import PICTURES, Server, served

from watcher.home import Home
from watcher.results import Database, Filter, State, find


def test_datasette_shows_the_rows_with_thumbnails_and_facets(server: Server) -> None:
    """A number leads to our page; label, model, state and group are counted."""
    text = server.get("/watcher/results").text
    newest = server.get("/").ids()[0]
    assert f'<a class="watcher-picture" href="/picture/{newest}">' in text
    assert 'src="/thumb/' in text
    for facet in ("label", "model", "state", "grp"):
        assert f'data-column="{facet}"' in text
        assert f"<strong>{facet}" in text
    assert '<li><a href="/">Gallery</a></li>' in text


def test_datasette_gives_the_rows_to_programs(server: Server, large: Home) -> None:
    """As JSON and as CSV, and by questions that are ready."""
    with Database.open(large.settings.database.url, large.root, readonly=True) as database:
        failed = [row.id for row in find(database, Filter(state=State.FAILED))]
        labelled = find(database, Filter(label="label 002"))
    row = server.get("/watcher/results.json?_shape=array&_size=1").json[0]
    assert row["id"] == PICTURES
    lines = list(csv.DictReader(server.get("/watcher/results.csv?state=failed&_size=3").text.splitlines()))
    assert [int(line["id"]) for line in lines] == sorted(failed, reverse=True)[:3]
    for ready in ("pictures_a_day?since=2026-11-20", "scores?label=Parasitized", "to_review", "failures", "versions"):
        path, _, query = ready.partition("?")
        assert server.get(f"/watcher/{path}.json?{query}&_shape=array").json, ready
    everything = server.get("/watcher/results.csv?label=label%20002&_stream=1").text
    assert everything.count("\n") - 1 == len(labelled)


FORMULAS = ["=HYPERLINK(1).png", "@SUM(1)", "+1", "-1+1", '=a,"b"', "\t=1", "-1\n,2", "\uff1d1", "=1\n=2", "'=1", "a=1"]
RAISED = "with recursive n(i) as (select 1 union all select i + 1 from n limit 1000) "


def read_csv(server: Server, path: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(server.get(path).text, newline="")))


@pytest.mark.parametrize("stream", ["", "_stream=1", "_dl=1"])
def test_csv_holds_no_formulas(home: Home, stream: str) -> None:
    """Names and labels of anybody's making, and what SQL makes of them; numbers stay numbers. JSON has them as they are."""
    stocked.record(home, *(result(number, name, None) for number, name in enumerate(FORMULAS)))
    wanted = [name if name[0] in "'a" else f"'{name}" for name in FORMULAS]
    with served(home) as server:
        rows = read_csv(server, f"/watcher/results.csv?_sort=id&{stream}")
        assert [row["label"] for row in rows] == [row["grp"] for row in rows] == wanted
        assert [row["name"] for row in server.get("/watcher/results.json?_shape=array&_sort=id").json] == FORMULAS
        sql = urlencode({"sql": "select '@a' as \"=b\", -0.5 as x, -3 as y, 1 as z, '-1+1' as w"})
        assert read_csv(server, f"/watcher.csv?{sql}&{stream}") == [
            {"'=b": "'@a", "x": "-0.5", "y": "-3", "z": "1", "w": "'-1+1"}
        ]


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_csv_is_harmless_however_it_comes(size: int) -> None:
    """In pieces that end within a row, a quote or a letter."""
    import asyncio

    from watcher.results.browse.tabular import with_harmless_csv

    text = 'a,"=b ""\r\n=c"\r\n\uff1d1,-1\r\n=d'
    sent = []

    async def app(_scope: object, _receive: object, send: Any) -> None:
        head = [(b"content-type", b"text/plain; charset=utf-8")]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        body = text.encode()
        for start in range(0, len(body), size):
            await send({"type": "http.response.body", "body": body[start : start + size], "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def send(message: Any) -> None:
        sent.append(message.get("body", b""))

    asyncio.run(with_harmless_csv(app)({"type": "http", "path": "/a.csv"}, cast("Any", None), send))
    assert b"".join(sent).decode() == 'a,"\'=b ""\r\n=c"\r\n\'\uff1d1,-1\r\n\'=d'


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        (RAISED + "select printf('%25.1000000c', 'a') from n", "32 MiB"),
        (RAISED + "select printf('%.500000c', 'a') || '\U0001f9a0' from n", "32 MiB"),
        ("select hex(zeroblob(1000000))", "1 MiB"),
        ("select " + ", ".join(["printf('%.1000000c', 'a')"] * 60), "32 MiB"),
        ("select " + ", ".join(["printf('%.1000000c', 'a')"] * 500), "too many columns"),
    ],
    ids=["rows", "wide letters", "value", "columns", "many columns"],
)
def test_an_answer_is_bounded_in_memory(home: Home, sql: str, said: str) -> None:
    """It is broken off while it is fetched, and says why; the server stays small."""
    with served(home) as server:
        server.sql("select 1")
        answer = server.sql(sql)
        assert (answer.status, answer.json["ok"]) == (400, False)
        assert said in answer.json["error"]
        for form in (".csv", ""):
            server.get(f"/watcher{form}?{urlencode({'sql': sql})}")
        assert peak(server.process.pid) < 450 * 2**20


def peak(process: int) -> int:
    """The most memory that it has had, in bytes."""
    [line] = [line for line in Path(f"/proc/{process}/status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024
