"""What a picture costs once the database has a million rows, against what it costs when it has none.

    python tests/bench/many_rows.py MODELS malaria cells/ [--rows 1000000] [--pictures 500]

MODELS is the `models` folder of a home. An engine that costs nothing, so that the files and the database are what is
measured. Two homes take turns, three rounds of new pictures each. Prints the processors' time for each picture, that of what
the database is asked and told of it, and their ratios.
"""

from __future__ import annotations

import argparse
import hashlib
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import free
import structlog

from watcher.home import Home
from watcher.intake.claims import new_id
from watcher.results import Database, Finished, Prediction, State
from watcher.service.daemon import Daemon
from watcher.service.publishing import version_of
from watcher.vision.vision import Vision

ROUNDS = 3
CHUNK = 2000
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def fill(home: Home, vision: Vision, rows: int) -> None:
    model = version_of(vision)
    labels = vision.package.card.labels[:2]
    with Database.open(home.settings.database.url, home.root) as database:
        for start in range(0, rows, CHUNK):
            database.record([row(number, model, labels) for number in range(start, min(start + CHUNK, rows))])


def row(number, model, labels) -> Finished:
    at = BEGIN + timedelta(seconds=number)
    name, score = f"{number}.png", 0.5 + number % 500 / 1000
    return Finished(
        claim=new_id(), name=name, path=f"slide-{number // 1000}/{name}", group=f"slide-{number // 1000}",
        sha256=hashlib.sha256(f"{number}".encode()).hexdigest(), size=12_000, width=130, height=130, model=model,
        state=State.DONE, received_at=at, finished_at=at, attempts=1, outbox_path=f"outbox/{name}",
        original_path=f"done/{name}",
        predictions=tuple(Prediction(label=label, score=s) for label, s in zip(labels, (score, 1 - score), strict=True)),
    )  # fmt: skip


@contextmanager
def watched(spent: list[float]) -> Iterator[None]:
    """Adds up the processors' time of what a daemon asks and tells the database for each batch."""
    methods = {name: getattr(Database, name) for name in ("record", "classified", "failed")}

    def timed(method):
        def call(*args, **more):
            begun = time.thread_time()
            try:
                return method(*args, **more)
            finally:
                spent[0] += time.thread_time() - begun

        return call

    for name, method in methods.items():
        setattr(Database, name, timed(method))
    try:
        yield
    finally:
        for name, method in methods.items():
            setattr(Database, name, method)


def of_each(home: Home, vision: Vision) -> float:
    """Milliseconds of the processors for each picture after the first batch: a start looks at some of the database."""
    seen: list[tuple[int, float]] = []
    daemon = Daemon(
        home,
        lambda rows: seen.append((len(rows), time.process_time())),
        threading.Event(),
        threading.Event(),
        lambda _: vision,
    )
    daemon.run(once=True)
    return 1000 * (seen[-1][1] - seen[0][1]) / sum(pictures for pictures, _ in seen[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path)
    parser.add_argument("model")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--pictures", type=int, default=500)
    parser.add_argument("--disk", type=Path, help="where to work; else the system's folder for temporary files")
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    vision = free.free_vision(free.package_of(given.models.absolute(), given.model))
    pictures = free.found(given.folder)
    with tempfile.TemporaryDirectory(dir=given.disk) as name:
        homes = {
            rows: free.make(Path(name) / f"{rows}", given.models.absolute(), given.model) for rows in (0, given.rows)
        }
        fill(homes[given.rows], vision, given.rows)
        print(f"{given.rows:,} rows are there", flush=True)
        costs: dict[int, list[tuple[float, float]]] = {rows: [] for rows in homes}
        for turn in range(ROUNDS + 1):
            for rows, home in homes.items():
                free.copies(pictures[turn * given.pictures :], home.inbox, given.pictures)
                spent = [0.0]
                with watched(spent), free.measured() as cost:
                    free.empty(home, lambda _: vision)
                each = 1000 / given.pictures
                if turn:  # the first loads what is loaded at first use
                    costs[rows].append((each * cost[0].cpu, each * spent[0]))
                    print(
                        f"{rows:>9,} rows: {each * cost[0].cpu:.2f} ms, the database {each * spent[0]:.3f} ms",
                        flush=True,
                    )
    for place, what in enumerate(("a picture", "the database")):
        few, many = (statistics.median(cost[place] for cost in found) for found in costs.values())
        print(f"{what}: {many / few:.2f} x")


if __name__ == "__main__":
    main()
