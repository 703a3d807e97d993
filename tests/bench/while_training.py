"""How fast a daemon classifies while it also retrains, against how fast it does without.

    python tests/bench/while_training.py CELLS [--pictures 3000]

CELLS is a folder with one sub-folder of pictures for each label, such as the malaria cells. The same pictures go through
the malaria model that comes with Watcher three times: once as a warm-up, once alone, once while a job fine-tunes.
Prints pictures per second, from the first to the last result, and the ratio.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from datetime import timedelta
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import homes

from watcher.home import Home, make_home, open_home
from watcher.results import Database
from watcher.results.runbook import RunBook
from watcher.results.runs import RunState
from watcher.service.identity import identity
from watcher.settings import Settings

JOB = """
model = "tuned"
schedule = "* * * * *"
[data]
source = "{source}"
group_by = '^C(\\d+)'
[training]
base = "efficientnet-lite0"
input_size = 128
views = 1
precision = "float32"
[training.fine_tune]
epochs = 50
patience = 50
top = 0.9
"""


def classified(home: Home, pictures: list[Path], name: str) -> float:
    """Pictures per second, from the first result to the last."""
    target = home.inbox / "malaria" / name
    half = home.root / f"{name}.half"
    half.mkdir()
    for path in pictures:
        shutil.copy(path, half / path.name)
    target.parent.mkdir(exist_ok=True)
    half.rename(target)
    homes.wait_for(lambda: done(home, name)[0] >= len(pictures) or None, f"{name} is done")
    count, seconds = done(home, name)
    return count / seconds


def done(home: Home, group: str) -> tuple[int, float]:
    """How many results of a group there are, and the seconds between the first and the last."""
    found = [row.finished_at for row in homes.rows(home) if row.grp == group]
    if len(found) < 2:
        return len(found), 1.0
    first, last = (homes.datetime.fromisoformat(moment) for moment in (min(found), max(found)))
    return len(found), max((last - first) / timedelta(seconds=1), 0.001)


def trains(home: Home) -> bool:
    with Database.open(home.settings.database.url, home.root, readonly=True) as database:
        runs = [run for run in RunBook(database, identity(home.root)).active() if run.state is RunState.RUNNING]
    logs = "".join(path.read_text("utf-8") for path in home.job_logs.glob("*.log"))
    return bool(runs) and "Fine-tuning …" in logs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cells", type=Path)
    parser.add_argument("--pictures", type=int, default=3000)
    given = parser.parse_args()
    homes.PATIENCE_SECONDS = 1200.0
    pictures = list(islice(sorted(given.cells.rglob("*.png"), key=lambda path: path.name[::-1]), given.pictures))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "home"
        settings = {
            "intake": {"duplicates": "reclassify", "settle_seconds": 0.2, "watch": "scan", "rescan_seconds": 1},
            "models": {"default": "malaria"},
        }
        make_home(root, Settings.model_validate(settings))
        home = open_home(root)
        with homes.daemon_process(home):
            classified(home, pictures[:200], "warm-up")
            alone = classified(home, pictures, "alone")
            print(f"alone           {alone:7.1f} pictures/s", flush=True)
            (home.jobs / "tuned.toml").write_text(JOB.format(source=given.cells.absolute()), "utf-8")
            homes.wait_for(lambda: trains(home), "the job trains")
            time.sleep(10)
            beside = classified(home, pictures, "beside")
            print(f"while training  {beside:7.1f} pictures/s, and the job still trains: {trains(home)}")
    print(f"ratio {beside / alone:.2f}")


if __name__ == "__main__":
    main()
