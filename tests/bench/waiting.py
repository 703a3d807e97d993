"""What a daemon costs that has nothing to do, and how soon one picture is done that comes then.

    python tests/bench/waiting.py one MODELS xception photos/ [--times 50]
    python tests/bench/waiting.py idle MODELS malaria cells/ [--files 100000] [--seconds 60]

MODELS is the `models` folder of a home; the real daemon runs, with its own process. `one`: single pictures are dropped into an
idle inbox with `settle_seconds = 0.2`; the median of the time until the row of each is committed, beside what was wanted: the
quiet period, twice what the model takes for one, and 100 ms. `idle`: the share of a core that the daemon takes with so many
files in `done/`, so many rows, and an empty inbox.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import free

from watcher.home import Home
from watcher.results import Database
from watcher.vision.vision import Vision

SETTLE_SECONDS = 0.2
ROOM_SECONDS = 0.1


def one_by_one(home: Home, pictures: Sequence[Path], times: int) -> list[float]:
    """Seconds from each drop to its row."""
    found = []
    with closing(sqlite3.connect(home.root / "watcher.db", timeout=60)) as database:
        for number in range(times):
            path = pictures[number % len(pictures)]
            half = home.inbox / f".{number}.part"
            shutil.copyfile(path, half)
            with half.open("ab") as file:
                file.write(number.to_bytes(4, "big"))
            begun = time.perf_counter()
            half.rename(home.inbox / f"{number}{path.suffix}")
            while database.execute("SELECT count(*) FROM images").fetchone()[0] <= number:
                time.sleep(0.002)
            found.append(time.perf_counter() - begun)
            time.sleep(0.3)  # until the original has been moved, and all is quiet
    return found


def for_one(vision: Vision, path: Path) -> float:
    """Seconds that the model takes for one picture."""
    pixels = vision.decode(path.read_bytes()).pixels
    times = []
    for _ in range(20):
        with free.measured() as cost:
            vision.classify([pixels])
        times.append(cost[0].wall)
    return statistics.median(times)


def latency(given: argparse.Namespace, home: Home, pictures: Sequence[Path]) -> None:
    model = for_one(Vision(free.package_of(given.models, given.model), given.engine, 32, 100), pictures[0])
    with free.homes.daemon_process(home):
        seconds = one_by_one(home, pictures, given.times + 1)[1:]
    wanted = SETTLE_SECONDS + 2 * model + ROOM_SECONDS
    print(
        f"the model takes {1000 * model:.0f} ms for one; until the row: median {1000 * statistics.median(seconds):.0f} ms, "
        f"slowest {1000 * max(seconds):.0f} ms of {len(seconds)}; wanted {1000 * wanted:.0f} ms"
    )


def idle(given: argparse.Namespace, home: Home, pictures: Sequence[Path]) -> None:
    data = pictures[0].read_bytes()
    for number in range(given.files):
        folder = home.done / f"{number // 1000}"
        folder.mkdir(exist_ok=True)
        (folder / f"{number}.png").write_bytes(data[:100])
    with Database.open(home.settings.database.url, home.root) as database:
        database.migrate()
    with free.homes.daemon_process(home) as process:
        time.sleep(10)
        before = used(process.pid)
        time.sleep(given.seconds)
        share = (used(process.pid) - before) / given.seconds
    print(f"{given.files:,} files in done/: {share:.2%} of a core over {given.seconds} s; wanted below 0.50%")


def used(process: int) -> float:
    user, system = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["one", "idle"])
    parser.add_argument("models", type=Path)
    parser.add_argument("model")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--engine", default="graph")
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--disk", type=Path, help="where to work; else the system's folder for temporary files")
    given = parser.parse_args()
    given.models = given.models.absolute()
    print(free.machine())
    with tempfile.TemporaryDirectory(dir=given.disk) as name:
        intake = {"settle_seconds": SETTLE_SECONDS, "watch": "auto", "rescan_seconds": 60}
        inference = {"engine": given.engine}
        home = free.make(Path(name) / "home", given.models, given.model, intake=intake, inference=inference)
        (latency if given.what == "one" else idle)(given, home, free.found(given.folder))


if __name__ == "__main__":
    main()
