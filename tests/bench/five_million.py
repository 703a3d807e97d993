"""How quick the results are with five million pictures in them, and what their counts cost each batch.

    python tests/bench/five_million.py [FOLDER] [--pictures 5000000]

FOLDER (else one that is removed again) is given two databases, of 10 GB together, unless they are there already: one as
it was before migration 0005, and the same migrated. Prints a Markdown table of what was asked, how long the answer took
the first time and as a median of five, and by which indexes; then the time to record a batch of 32 in each database, in
turns, in the one without its labels and counts.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).parents[1]))

import millions
import plans
from sqlalchemy import text

from watcher.results import Database, Filter, Finished, ModelVersion, Prediction, State, derived, find, recording
from watcher.results.queries import stream
from watcher.results.report import Scope, report

BEFORE, NOW = "before.db", "watcher.db"
OLD_FORM = "0004"
TIMES, BATCHES, BATCH = 5, 150, 32
MODEL = ModelVersion(model="malaria", version=4, digest="d4", engine="graph", review_threshold=0.8)

Question = tuple[str, Callable[[], object]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--pictures", type=int, default=5_000_000)
    options = parser.parse_args()
    if options.folder is None:
        with tempfile.TemporaryDirectory() as name:
            run(Path(name), options.pictures)
    else:
        options.folder.mkdir(parents=True, exist_ok=True)
        run(options.folder, options.pictures)


def run(folder: Path, pictures: int) -> None:
    make(folder, pictures)
    with Database.open(f"sqlite:///{NOW}", folder, readonly=True) as database:
        print("| asked | first, ms | then, ms | by |\n| --- | ---: | ---: | --- |")
        for name, question in questions(database):
            print(f"| {name} | {' | '.join(times(question))} | {by(database, question)} |", flush=True)
    record(folder)


def make(folder: Path, pictures: int) -> None:
    """Both databases, unless they are there."""
    if not (folder / BEFORE).exists():
        start = time.perf_counter()
        millions.make(folder / BEFORE, pictures, OLD_FORM, datetime.now(UTC))
        print(f"{pictures:,} pictures in {time.perf_counter() - start:.0f} s")
    if not (folder / NOW).exists():
        shutil.copyfile(folder / BEFORE, folder / NOW)
        start = time.perf_counter()
        with Database.open(f"sqlite:///{NOW}", folder) as database:
            database.migrate()
        sizes = " -> ".join(f"{(folder / name).stat().st_size / 1e9:.2f}" for name in (BEFORE, NOW))
        print(f"migrated in {time.perf_counter() - start:.0f} s, {sizes} GB")


def questions(database: Database) -> Iterator[Question]:
    for number, sql in plans.examples().items():
        yield f"query {number}", lambda sql=sql: ask(database, sql)
    yield "`status`: the states", database.counts
    for name, scope in scopes(datetime.now(UTC)).items():
        yield f"`report {name}`".replace(" `", "`"), lambda scope=scope: sum(1 for _ in report(database, scope))
    for name, wanted in filters(datetime.now(UTC)).items():
        yield f"`results {name} --limit 20`", lambda wanted=wanted: find(database, Filter(limit=20, **wanted))
    for name in ("", "--label", "--model", "--min-score", "--sort path"):
        wanted = filters(datetime.now(UTC))[name]
        yield (
            f"`results {name}`, all of them, the first 2,000".replace(" `", "`"),
            lambda wanted=wanted: next(stream(database, Filter(**wanted))),
        )


def ask(database: Database, sql: str) -> object:
    with database.reading() as connection:
        return connection.execute(text(sql)).all()


def scopes(now: datetime) -> dict[str, Scope]:
    month = now - timedelta(days=30)
    return {
        "": Scope(),
        "--total": Scope(total=True),
        "--group slide-12": Scope(group="slide-12"),
        "--model malaria --positive": Scope(model="malaria", label="Parasitized"),
        "--since, a month": Scope(since=month),
        "--group camera-07 --since, a month": Scope(group="camera-07", since=month),
    }


def filters(now: datetime) -> dict[str, dict[str, Any]]:
    return {
        "": {},
        "--model": {"model": "malaria"},
        "--model, a rare one": {"model": "galaxies"},
        "--label": {"label": "Parasitized"},
        "--label, a rare one": {"label": "label 900"},
        "--group": {"group": "camera-07"},
        "--state done": {"state": State.DONE},
        "--state vanished": {"state": State.VANISHED},
        "--needs-review": {"needs_review": True},
        "--needs-review --sort margin": {"needs_review": True, "sort": "margin", "descending": False},
        "--min-score": {"min_score": 0.9},
        "--min-score --max-score": {"min_score": 0.51, "max_score": 0.5101},
        "--since": {"since": now - timedelta(days=7)},
        "--until": {"until": now - timedelta(days=200)},
        "--path": {"name": "malaria/slide-12/cell_3.png"},
        "--path, a common name": {"name": "cell_3.png"},
        "--label --state vanished": {"label": "Parasitized", "state": State.VANISHED},
        "--group --label --min-score": {"group": "camera-07", "label": "label 001", "min_score": 0.9},
        "--sort score --desc": {"sort": "score"},
        "--sort path": {"sort": "path", "descending": False},
        "--state failed --sort received_at": {"state": State.FAILED, "sort": "received_at"},
    }


def times(question: Callable[[], object]) -> tuple[str, str]:
    """In milliseconds: the first time, and the median of the next ones."""
    taken = []
    for _ in range(1 + TIMES):
        start = time.perf_counter()
        question()
        taken.append(1000 * (time.perf_counter() - start))
    return f"{taken[0]:,.1f}", f"{median(taken[1:]):,.1f}"


def by(database: Database, question: Callable[[], object]) -> str:
    """The indexes and tables by which it is answered."""
    told = []
    for step in plans.steps(database, question):
        words = step.split()
        if words[0] in {"SEARCH", "SCAN"}:
            way = words[words.index("INDEX") + 1] if "INDEX" in words else "its key" if words[0] == "SEARCH" else "all"
            told.append(f"{words[1]}: {way}")
    return ", ".join(dict.fromkeys(told)).replace("ix_images_", "")


def record(folder: Path) -> None:
    """A batch of 32 into each database, in turns, so that other work on the machine slows both."""
    taken: dict[str, list[float]] = {BEFORE: [], NOW: []}
    with (
        Database.open(f"sqlite:///{BEFORE}", folder) as before,
        Database.open(f"sqlite:///{NOW}", folder) as now,
    ):
        for number in range(BATCHES):
            for name in (BEFORE, NOW) if number % 2 else (NOW, BEFORE):
                rows, start = batch(number), time.perf_counter()
                (_record_as_it_was if name == BEFORE else Database.record)({BEFORE: before, NOW: now}[name], rows)
                taken[name].append(time.perf_counter() - start)
    old, new = (1000 * median(taken[name][10:]) for name in (BEFORE, NOW))
    print(
        f"\nA batch of {BATCH}: {old:.1f} ms without labels and counts, {new:.1f} ms with them; ratio {new / old:.2f}"
    )


def _record_as_it_was(database: Database, rows: list[Finished]) -> None:
    """Without the columns and the counts that were not there."""
    with patch.object(recording, "_best", lambda _: {}), patch.object(derived, "count", lambda *_: None):
        database.record(rows)


def batch(number: int) -> list[Finished]:
    now, run = datetime.now(UTC), time.time_ns()
    return [
        Finished(
            claim=f"new-{run}-{number}-{at}",
            name=f"cell_{at}.png",
            path=f"malaria/new-{run % 9973}/cell_{at}.png",
            group=f"new-{run % 9973}",
            sha256=f"{(run + at) * 0x9E3779B97F4A7C15 % 2**256:064x}",
            size=21_000,
            width=142,
            height=148,
            model=MODEL,
            predictions=(
                Prediction(label="Uninfected", score=0.75 + at / 200),
                Prediction(label="Parasitized", score=0.25 - at / 200),
            ),
            state=State.DONE,
            received_at=now,
            finished_at=now,
            outbox_path=f"outbox/malaria/new-{run % 9973}/cell_{at}.png",
            original_path=f"done/malaria/new-{run % 9973}/cell_{at}.png",
        )
        for at in range(BATCH)
    ]


if __name__ == "__main__":
    main()
