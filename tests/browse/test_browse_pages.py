"""What the pages show of 100,000 results, and that it is what the database says."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import plans
import pytest
from sites import PICTURES, Server, make, served

from watcher.home import Home
from watcher.results import Database, Filter, State, find
from watcher.results.browse import dashboard, gallery, picture, runs
from watcher.results.browse.asked import Asked

MOST_SECONDS = 2.0  # on a busy machine; most take a twentieth of it


@pytest.fixture(scope="module")
def database(large: Home) -> Iterator[Database]:
    with Database.open(large.settings.database.url, large.root, readonly=True) as opened:
        yield opened


def ids(database: Database, **wanted: Any) -> list[int]:
    return [row.id for row in find(database, Filter(**wanted))]


FILTERS = [
    ("", {}),
    ("label=Parasitized", {"label": "Parasitized"}),
    ("model=malaria&state=done", {"model": "malaria", "state": State.DONE}),
    ("state=failed", {"state": State.FAILED}),
    ("review=1", {"needs_review": True}),
    ("least=60&most=70&label=Uninfected", {"min_score": 0.6, "max_score": 0.7, "label": "Uninfected"}),
    ("group=slide-1", {"group": "slide-1"}),
    (
        "since=2026-11-01&until=2026-11-03",
        {"since": datetime.fromisoformat("2026-11-01T00:00Z"), "until": datetime.fromisoformat("2026-11-04T00:00Z")},
    ),
]


@pytest.mark.parametrize(("query", "wanted"), FILTERS, ids=[query or "all" for query, _ in FILTERS])
def test_a_filter_shows_what_the_results_say(
    server: Server, database: Database, query: str, wanted: dict[str, Any]
) -> None:
    """The newest first, and page after page, without a gap and none twice; and back again."""
    expected = ids(database, limit=gallery.SIZE * 3, **wanted)
    first = server.get(f"/?{query}").ids()
    assert first == expected[: gallery.SIZE]
    if len(expected) > gallery.SIZE * 2:
        second = server.get(f"/?{query}&after={first[-1]}").ids()
        third = server.get(f"/?{query}&after={second[-1]}").ids()
        assert first + second + third == expected
        assert server.get(f"/?{query}&before={third[0]}").ids() == second


def test_the_most_doubtful_come_first(server: Server, database: Database) -> None:
    """By their score, the lowest first; those without one are none of them."""
    expected = ids(database, label="Parasitized", sort="score", descending=False, limit=2 * gallery.SIZE)
    first = server.get("/?label=Parasitized&order=doubtful").ids()
    second = server.get(f"/?label=Parasitized&order=doubtful&after={first[-1]}").ids()
    assert first + second == expected
    everywhere = server.get("/?order=doubtful").ids()
    assert everywhere == ids(database, min_score=0, sort="score", descending=False, limit=gallery.SIZE)


@pytest.mark.parametrize("sort", ["finished_at", "score", "path", "id"])
@pytest.mark.parametrize("descending", [True, False])
def test_what_comes_after_a_picture_is_the_rest(database: Database, sort: str, descending: bool) -> None:
    """Also among many that are alike in the column of the order."""
    wanted: dict[str, Any] = {"group": "camera-07", "sort": sort, "descending": descending, "min_score": 0}
    every = ids(database, **wanted)
    for place in (0, 1, 47, len(every) - 2, len(every) - 1):
        assert ids(database, **wanted, after=every[place]) == every[place + 1 :]


def test_pictures_of_one_moment_are_paged_by_their_numbers(home: Home) -> None:
    """A batch is finished at once."""
    import stocked

    stocked.record(home, *(_finished(number) for number in range(120)))
    with served(home) as server:
        shown = [image for query in ("", "?after=73", "?after=25") for image in server.get(f"/{query}").ids()]
    assert shown == list(range(120, 0, -1))


def _finished(number: int) -> Any:
    import stocked

    return stocked.Finished(
        claim=f"{number:x}", name="a.png", path="a.png", state=State.VANISHED, received_at=stocked.NOON,
        finished_at=stocked.NOON,
    )  # fmt: skip


def test_the_counts_beside_the_filters_are_right(server: Server, database: Database) -> None:
    """The number of pictures that fit stands above them, and that of each value beside it."""
    text = server.get("/?label=Parasitized&state=done").text
    number = len(ids(database, label="Parasitized", state=State.DONE))
    assert f"<h1>{number:,} pictures</h1>" in text
    facet = re.search(r"<bdi>done</bdi><span>([\d,]+)</span>", text)
    assert facet and facet[1] == f"{number:,}"


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("state=lost", "one of done, failed"),
        ("order=random", "one of newest"),
        ("least=120", "between 0 and 100"),
        ("least=nan", "between 0 and 100"),
        ("since=yesterday", "Write a day like"),
        ("after=x", "A picture has a number"),
        ("after=99999999999999999999999", "A picture has a number"),
        ("until=9999-12-31", "Write a day like"),
    ],
)
def test_an_address_that_makes_no_sense_is_told(server: Server, query: str, said: str) -> None:
    answer = server.get(f"/?{query}")
    assert answer.status == 400
    assert said in answer.text


def test_nothing_that_fits_is_no_fault(server: Server) -> None:
    answer = server.get("/?label=unicorn")
    assert answer.status == 200
    assert "No picture fits" in answer.text


def test_a_home_without_pictures_says_where_to_drop_some(home: Home) -> None:
    with served(home) as server:
        text = server.get("/").text
        assert "No picture yet: drop some into the inbox" in text
        assert "inbox/malaria/" in text
        assert "No picture yet" in server.get("/dashboard").text
        assert "No job has run yet" in server.get("/runs").text


def test_a_picture_s_page_leads_to_those_beside_it(server: Server, database: Database) -> None:
    """Within the filter that it was reached by."""
    fitting = ids(database, label="Parasitized", limit=3)
    text = server.get(f"/picture/{fitting[1]}?label=Parasitized").text
    assert f'rel="prev" href="/picture/{fitting[0]}?label=Parasitized"' in text
    assert f'rel="next" href="/picture/{fitting[2]}?label=Parasitized"' in text


def test_a_picture_s_page_tells_its_history(server: Server, database: Database) -> None:
    """What superseded it, and what other versions said of the same content."""
    old = find(database, Filter(state=State.SUPERSEDED, limit=1))[0]
    text = server.get(f"/picture/{old.id}").text
    newer = re.search(r'Its place has taken <a href="/picture/(\d+)"', text)
    assert newer
    assert "put in line again" in text
    page = server.get(f"/picture/{newer[1]}").text
    assert f'takes the place of <a href="/picture/{old.id}"' in page
    assert "What versions said of this content" in page
    assert "malaria/2" in page


def test_there_is_no_page_for_a_picture_that_there_is_not(server: Server) -> None:
    for path in ("/picture/999999999", "/thumb/999999999", "/copy/999999999", "/picture/x", "/nowhere/at/all/x"):
        assert server.get(path).status == 404, path


def test_the_dashboard_counts_every_picture(server: Server, database: Database) -> None:
    """As `status` and `report` do."""
    text = server.get("/dashboard?days=90").text
    counts = database.counts()
    assert f"<dd>{PICTURES:,}</dd>" in text
    assert f">{counts[State.FAILED]:,}</a>" in text
    for title in (
        "Pictures a day by label",
        "Needs review",
        "Failures a day",
        "Scores by label",
        "Why pictures failed",
    ):
        assert title in text
    assert "it is cut short" in text
    assert server.get("/dashboard?model=galaxies&days=7").text.count("<h3>") == 3


def test_the_runs_of_jobs_show_their_figures(server: Server) -> None:
    """The newest first, with the reason, and a chart for each figure."""
    text = server.get("/runs").text
    assert re.findall(r'id="run-(\d)"', text) == ["4", "3", "2", "1"]
    assert "no pictures in &lt;cells&gt;: bring some" in text
    assert text.count('<figure class="chart little">') == 4
    assert "v4, went live: 0.950 (0.890 to 0.960)" in text


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/?order=doubtful",
        "/?label=label%20042&order=doubtful",
        "/?group=camera-07&review=1",
        "/?after=500",
        "/picture/50000?label=Parasitized",
        "/dashboard?days=90",
        "/runs",
        "/watcher",
        "/watcher/results",
    ],
)
def test_no_page_takes_long(server: Server, path: str) -> None:
    """Whatever is asked for, and however far one has gone."""
    server.get(path)
    start = time.monotonic()
    assert server.get(path).status == 200
    assert time.monotonic() - start < MOST_SECONDS


def scans(plan: list[str]) -> list[str]:
    """The steps that go through a whole table, but for those that read it in the wanted order and stop after a page."""
    assert not [step for step in plan if "ORDER BY" in step and "TERM" in step]
    in_order = re.compile(r"SCAN images USING INDEX ix_images_(finished_at|score)$")
    return [step for step in plans.scans(plan) if not in_order.match(step)]


def ask(database: Database, question: Any, *values: Any) -> list[str]:
    def run() -> None:
        with database.reading() as connection:
            question(connection, *values)

    return plans.steps(database, run)


@pytest.mark.parametrize(
    "asked",
    [
        Asked(),
        Asked(order="doubtful"),
        Asked(label="Parasitized", order="doubtful"),
        Asked(model="malaria", review="1"),
        Asked(group="slide-7", state="done", least="50"),
        Asked(since="2026-11-01", label="label 003"),
    ],
    ids=str,
)
def test_pictures_are_found_by_an_index(database: Database, asked: Asked) -> None:
    """No question of the gallery goes through a table of millions, nor do those for what is beside a picture."""
    for after, before in ((None, None), (40_000, None), (None, 40_000)):
        assert scans(ask(database, gallery.gallery, asked, after, before)) == []
    assert scans(ask(database, gallery.neighbours, asked, 40_000)) == []


def test_all_other_questions_are_answered_by_an_index(database: Database) -> None:
    """Or out of the counts, which are small."""
    for image in (5, 40_000, ids(database, state=State.SUPERSEDED, limit=1)[0]):
        assert plans.scans(ask(database, picture.picture, image)) == []
        assert plans.scans(ask(database, picture.copy_of, image)) == []
    for model in ("", "malaria"):
        assert plans.scans(ask(database, dashboard.dashboard, model, 30)) == []
    assert plans.scans(ask(database, runs.jobs)) == []


def test_results_of_another_home_are_shown_without_their_copies(large: Home, tmp_path: Any) -> None:
    """Its folders are elsewhere, and are none of ours."""
    other = make(
        tmp_path / "home", folders={"outbox": "copies"}, database={"url": f"sqlite:///{large.root}/watcher.db"}
    )
    with served(other) as server:
        newest = server.get("/").ids()[0]
        assert server.get(f"/picture/{newest}").status == 200
        answer = server.get(f"/thumb/{newest}")
        assert (answer.status, answer.headers["content-type"]) == (404, "image/svg+xml")
