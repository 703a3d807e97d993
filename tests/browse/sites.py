"""What tests of the pages share: homes with results and copies, the real server, and what a browser would ask it."""

from __future__ import annotations

import http.client
import io
import json
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from select import select as readable
from typing import Any
from urllib.parse import urlsplit

from PIL import Image, ImageDraw, ImageFilter
from sqlalchemy import select

from watcher.home import Home, make_home, open_home
from watcher.results import Database, Filter, Finished, ModelVersion, Prediction, State, find
from watcher.results.runbook import RunBook
from watcher.results.runs import RunState
from watcher.results.superseding import Outdated, let_go, supersede
from watcher.results.tables import ImageRow
from watcher.settings import Settings
from watcher.vision.annotate import annotate
from watcher.vision.encode import Caption, encode

sys.path.append(str(Path(__file__).parents[1] / "bench"))

import millions

END = datetime(2026, 11, 24, 8, 30, tzinfo=UTC)
MADE = 100_000
PICTURES = MADE + 1  # with the one that was classified anew
WITH_COPIES = 120  # the newest
START_SECONDS = 60.0


@dataclass(frozen=True)
class Answer:
    """What the server said."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def ids(self, path: str = "picture") -> list[int]:
        """The pictures of a page, in its order."""
        return [int(found) for found in re.findall(rf'href="/{path}/(\d+)[?"]', self.text)]


@dataclass(frozen=True)
class Server:
    """The real command, which serves a home."""

    process: subprocess.Popen[str]
    address: str

    def get(self, path: str, method: str = "GET", **headers: str) -> Answer:
        """The answer to exactly this path: nothing of it is tidied on the way."""
        split = urlsplit(self.address)
        assert split.hostname and split.port
        with closing(http.client.HTTPConnection(split.hostname, split.port, timeout=30)) as connection:
            connection.putrequest(method, path, skip_host="Host" in headers)
            for name, value in headers.items():
                connection.putheader(name.replace("_", "-"), value)
            connection.endheaders()
            answer = connection.getresponse()
            names = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, names, answer.read())

    def sql(self, sql: str, **values: str) -> Answer:
        from urllib.parse import urlencode

        return self.get(f"/watcher.json?{urlencode({'sql': sql, '_shape': 'array'} | values)}")


def command(home: Home, *args: str) -> list[str]:
    return [sys.executable, "-m", "watcher", "--home", str(home.root), "browse", "--listen", "127.0.0.1:0", *args]


@contextmanager
def served(home: Home) -> Iterator[Server]:
    """The server, ended as Ctrl-C ends it, which must be at once and with nothing to say."""
    process = subprocess.Popen(command(home), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield Server(process, address(process))
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
        assert (process.returncode, said) == (0, "")
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def address(process: subprocess.Popen[str]) -> str:
    """Where it listens, as it says itself."""
    assert process.stdout
    assert readable([process.stdout], [], [], START_SECONDS)[0], "the server does not start"
    line = process.stdout.readline()
    found = re.search(r"http://\S+/", line)
    assert found, line or (process.stderr and process.stderr.read())
    return found[0]


def make(root: Path, **sections: dict[str, Any]) -> Home:
    """A home with an empty database."""
    make_home(root, Settings.model_validate(sections))
    home = open_home(root)
    with Database.open(home.settings.database.url, root) as database:
        database.migrate()
    return home


def make_large(root: Path) -> Home:
    """A year of pictures, of which the newest have copies; and what came of a job."""
    make_home(root, Settings())
    home = open_home(root)
    millions.make(root / "watcher.db", MADE, "0004", END)
    with Database.open(home.settings.database.url, root) as database:
        database.migrate()
        add_runs(database)
        classify_anew(database, home)
    with closing(sqlite3.connect(root / "watcher.db")) as connection:
        rows = connection.execute(
            "SELECT i.id, outbox_path, width, height, m.model, m.version FROM images AS i"
            " JOIN model_versions AS m ON m.id = i.model_version_id"
            " WHERE outbox_path IS NOT NULL ORDER BY i.id DESC LIMIT ?",
            (WITH_COPIES,),
        ).fetchall()
        for image, path, width, height, model, version in rows:
            ranked = "SELECT label, score FROM predictions WHERE image_id = ? ORDER BY rank"
            draw(root / path, image, (width, height), connection.execute(ranked, (image,)).fetchall(), model, version)
    return home


def classify_anew(database: Database, home: Home) -> None:
    """One picture that another version has classified since, as after `watcher reprocess`."""
    [old] = find(database, Filter(label="Parasitized", state=State.DONE, sort="id", descending=False, limit=1))
    with database.reading() as connection:
        statement = select(*(getattr(ImageRow, field.name) for field in fields(Outdated))).where(ImageRow.id == old.id)
        outdated = [Outdated(**dict(row._mapping)) for row in connection.execute(statement)]
    supersede(database, outdated, "put in line again by `watcher reprocess`")
    let_go(database, outdated)
    now = Finished(
        claim="anew", name=old.name, path=old.path, group=old.grp, sha256=old.sha256, size=21_000, width=142, height=148,
        model=ModelVersion(model="malaria", version=2, digest="d2", engine="graph", review_threshold=0.8),
        predictions=(Prediction(label="Uninfected", score=0.75), Prediction(label="Parasitized", score=0.25)),
        state=State.DONE, received_at=END, finished_at=END, outbox_path=f"outbox/{old.path}",
    )  # fmt: skip
    database.record([now])


def draw(
    path: Path, seed: int, size: tuple[int, int], predictions: Sequence[tuple[str, float]], model: str, version: int
) -> None:
    """An annotated copy, of something that looks like a cell."""
    path.parent.mkdir(parents=True, exist_ok=True)
    caption = Caption(claim=f"{seed:016x}", model=model, version=version, label=predictions[0][0], score=0.5)
    form = "png" if path.suffix == ".png" else "jpeg"
    path.write_bytes(encode(annotate(cell(seed, size), predictions, f"{model}/{version}"), form, caption).data)


def cell(seed: int, size: tuple[int, int] = (142, 148)) -> Image.Image:
    width, height = size
    image = Image.new("RGB", size, "#1a1519")
    pen = ImageDraw.Draw(image)
    tint = 200 + seed * 37 % 40, 130 + seed * 53 % 60, 140 + seed * 29 % 50
    inset = min(size) * (6 + seed % 5) // 100
    pen.ellipse((inset, inset, width - inset, height - inset), fill=tint)
    if seed % 3 == 0:
        x, y, r = width * (30 + seed * 7 % 40) // 100, height * (30 + seed * 11 % 40) // 100, min(size) // 14
        pen.ellipse((x - r, y - r, x + r, y + r), fill="#6a2a78")
    return image.filter(ImageFilter.GaussianBlur(min(size) / 90))


def add_runs(database: Database) -> None:
    """Four runs of a job: promoted, kept, failed, promoted."""
    book = RunBook(database, "a-home")
    for number, state in enumerate((RunState.PROMOTED, RunState.KEPT, RunState.FAILED, RunState.PROMOTED), 1):
        at = END - timedelta(days=7 * (5 - number))
        run = book.add("malaria", "malaria", at)
        figures = {
            name: {"value": value + number / 100, "low": value - 0.02, "high": value + 0.05}
            for name, value in {"accuracy": 0.91, "sensitivity": 0.88, "specificity": 0.93, "roc_auc": 0.95}.items()
        }
        failed = state is RunState.FAILED
        book.change(
            run.id,
            [RunState.QUEUED],
            state=state,
            reason="no pictures in <cells>: bring some"
            if failed
            else f"accuracy {0.91 + number / 100:.3f} on 1,146 pictures",
            candidate=None if failed else number,
            version_before=number - 1 or None,
            version_after=number if state is RunState.PROMOTED else number - 1,
            metrics=None if failed else json.dumps(figures | {"nonsense": [1, {}]}),
            started_at=at,
            ended_at=at + timedelta(minutes=50),
        )


def encoded(size: tuple[int, int] = (40, 30), form: str = "JPEG", **more: Any) -> bytes:
    buffer = io.BytesIO()
    cell(1, size).save(buffer, form, **more)
    return buffer.getvalue()
