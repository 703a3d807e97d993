"""`watcher run` without TensorFlow, which is soon thought to be dead, and whose parts stop while a file says so.

`stop scanning`, `stop classifying`: the loop hangs there. `stop turning`: the scheduler hangs. `end turning`: it ends.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from tiny_model import MeanColour

from watcher.cli.main import main
from watcher.intake.inbox import Inbox
from watcher.jobs import scheduler
from watcher.jobs.scheduler import Scheduler
from watcher.models import package
from watcher.models.registry import Registry
from watcher.service import counting, daemon, loading, loop, patience, pulse, watch

PATIENT_SECONDS = 0.5


def wait(file: Path) -> None:
    while file.exists():
        time.sleep(0.01)


def inject(root: Path) -> None:
    poll, turn, classify = Inbox.poll, Scheduler.turn, MeanColour.classify

    def poll_later(self, now):
        wait(root / "stop scanning")
        return poll(self, now)

    def turn_later(self, now):
        wait(root / "stop turning")
        if (root / "end turning").exists():
            raise SystemExit
        return turn(self, now)

    def classify_later(self, pictures):
        (root / "environment").write_text(json.dumps(dict(os.environ)))
        if (root / "stop classifying").exists():
            (root / "stop classifying").unlink()
            time.sleep(600)
        return classify(self, pictures)

    Inbox.poll, Scheduler.turn, MeanColour.classify = poll_later, turn_later, classify_later


def hurry() -> None:
    loop.TURN_SECONDS = loop.ANSWER_SECONDS = pulse.ANSWER_SECONDS = daemon.ANSWER_SECONDS = PATIENT_SECONDS
    loop.LONGEST_SLEEP_SECONDS = scheduler.LOOK_SECONDS = 0.1
    patience.FIRST_PAUSE_SECONDS, patience.LONGEST_PAUSE_SECONDS = 0.1, 0.2
    patience.Patience.__call__.__defaults__ = (PATIENT_SECONDS,)
    watch.LOOK_SECONDS, daemon.PICTURE_SECONDS = 0.1, 0.1
    counting.KEEP_SECONDS, counting.SHARE = 0.0, 0


if __name__ == "__main__":
    home = Path(sys.argv[1])
    hurry()
    inject(home)
    loading.Loader._by_keras = lambda self, name: MeanColour(Registry(self._home.models).current(name))
    daemon.import_keras = package.require_backend = lambda: None
    sys.argv[1:] = ["--home", str(home), "run"]
    main()
