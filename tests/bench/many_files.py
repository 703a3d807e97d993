"""What a backlog costs: memory that does not grow with it, and time that grows no faster than it does.

    python tests/bench/many_files.py [--counts 1000 20000 200000] [--folder /dev/shm]

For each count a daemon starts on an inbox with so many files, hard links of a few tiny pictures, and takes them all; the
model is one that costs nothing, so what is measured is the files and the database. Prints the peak of the daemon's
resident memory, the time by the clock and that of the processor, and as ratios to the first count the memory and the
processor's time for each file. FOLDER should be a disk in memory: a real one is measured by its `fsync`.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "faults"))

import homes
from lasting import Daemons

from watcher.home import Home

DIFFERENT = 64
A_FOLDER = 1000


def backlog(home: Home, count: int) -> None:
    """Puts so many files into the inbox."""
    pictures = home.root / "pictures"
    pictures.mkdir()
    for seed in range(DIFFERENT):
        (pictures / f"{seed}").write_bytes(homes.picture("red", seed))
    for number in range(count):
        if number % A_FOLDER == 0:
            (home.inbox / f"{number // A_FOLDER}").mkdir()
        os.link(pictures / f"{number % DIFFERENT}", home.inbox / f"{number // A_FOLDER}" / f"{number}.png")


def recorded(home: Home) -> int:
    """How many pictures have their row."""
    with closing(sqlite3.connect(home.root / "watcher.db", timeout=60)) as database:
        return int(database.execute("SELECT count(*) FROM images").fetchone()[0])


def peak(process: int) -> float:
    """The most memory that a process has had, in MB."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1000


def used(process: int) -> float:
    """The seconds that a process has had of the processors."""
    user, system = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def measure(daemons: Daemons, folder: Path, count: int) -> tuple[float, float, float]:
    """Peak memory in MB, seconds, and seconds of the processor, of taking a backlog."""
    home = daemons.make_home(folder / "home", intake={"originals": "delete"}, inference={"batch_size": 32})
    with daemons.running(home, folder / "log"):
        pass  # makes the database
    backlog(home, count)
    start = time.monotonic()
    with daemons.running(home, folder / "log"):
        while recorded(home) < count:
            time.sleep(0.2)
        seconds, memory, work = time.monotonic() - start, peak(daemons.number), used(daemons.number)
    assert recorded(home) == count
    return memory, seconds, work


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--counts", type=int, nargs="+", default=[1000, 20_000, 200_000])
    parser.add_argument("--folder", type=Path)
    args = parser.parse_args()
    first: tuple[int, float, float] | None = None
    for count in args.counts:
        with tempfile.TemporaryDirectory(dir=args.folder) as name:
            daemons = Daemons(Path(name))
            try:
                (Path(name) / "run").mkdir()
                memory, seconds, work = measure(daemons, Path(name) / "run", count)
            finally:
                daemons.close()
        first = first or (count, memory, work)
        print(
            f"{count:>9,} files: {memory:6.1f} MB, {memory / first[1]:4.2f} x; {seconds:7.1f} s; "
            f"{work:7.1f} s of the processor, {work / count / (first[2] / first[0]):4.2f} x for each file",
            flush=True,
        )


if __name__ == "__main__":
    main()
