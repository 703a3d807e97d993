"""The daemon without TensorFlow as it runs for days: it watches until SIGTERM, and takes what kills it.

Started as a program it loads everything once and then forks a daemon for each line that it reads, a JSON object with
`home`, `log`, `longest_pause`, `answer` and `user`, so that a start costs what the start itself does. It says the daemon's number, and how
that ended.
"""

from __future__ import annotations

import _thread
import faulthandler
import json
import os
import signal
import sys
import threading
import time
import traceback
from datetime import timedelta
from pathlib import Path

from tiny_daemon import hear, say, tiny
from tiny_model import MeanColour

from watcher.cli import logs
from watcher.errors import WatcherError
from watcher.home import open_home
from watcher.intake.events import Hints
from watcher.intake.settle import Settler
from watcher.models.registry import Registry
from watcher.results import connect
from watcher.service import daemon, loop, patience
from watcher.service.daemon import Daemon
from watcher.service.reading import Reader


def main():
    tiny.main(["once", sys.argv[1]], prog_name="watcher", standalone_mode=False)  # loads what is loaded at first use
    say("ready")
    while line := hear():
        request = json.loads(line)
        if not (child := os.fork()):
            as_daemon(request)
        say(child)
        say(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def as_daemon(request):
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    faulthandler.register(signal.SIGUSR1)  # for whoever wonders what it is waiting for
    code = 70
    try:
        hurry(request["longest_pause"], request["answer"])
        hold(Path(request["home"]))
        break_listening(Path(request["home"]) / "break listening")
        shift_clock(Path(request["home"]) / "clock")
        if user := request["user"]:
            os.setgroups([])
            os.setgid(user)
            os.setuid(user)
        code = watch(request["home"])
    except BaseException:  # noqa: BLE001  (told in the log)
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def hurry(longest_pause, answer):
    """Waits that a test can wait for."""
    patience.FIRST_PAUSE_SECONDS, patience.LONGEST_PAUSE_SECONDS = min(0.5, longest_pause / 2), longest_pause
    patience.Patience.__call__.__defaults__ = (answer,)
    loop.LONGEST_SLEEP_SECONDS = min(1.0, longest_pause)
    connect.BUSY_MS = 500


def hold(root):
    """While there is a file `hold WHEN` in the home, the daemon stops there, and says so by a file `held WHEN`.

    `waiting`: before the second look at what was quiet; `claimed`: before it is read; `in the batch`: before it is
    classified.
    """
    settled, read, classify = Settler.settled, Reader.read, MeanColour.classify

    def wait(when):
        while (root / f"hold {when}").exists():
            (root / f"held {when}").touch()
            time.sleep(0.01)

    def settled_later(self, now, look):
        if self.next_due <= now:
            wait("waiting")
        return settled(self, now, look)

    def read_later(self, taken):
        wait("claimed")
        return read(self, taken)

    def classify_later(self, pictures):
        wait("in the batch")
        return classify(self, pictures)

    Settler.settled, Reader.read, MeanColour.classify = settled_later, read_later, classify_later


def break_listening(file):
    """While there is this file, whoever hears of an event dies."""
    hear_of = Hints.on_any_event

    def on_any_event(self, event):
        if file.exists():
            raise RuntimeError("the listening is broken")
        hear_of(self, event)

    Hints.on_any_event = on_any_event


def shift_clock(file):
    """The clock is wrong by the hours that a file in the home says."""
    right = daemon.utc
    daemon.utc = lambda: right() + timedelta(hours=int(file.read_text()) if file.exists() else 0)


def watch(root):
    """What `watcher run` does; its exit code."""
    stop, wake = threading.Event(), threading.Event()

    def end():
        stop.set()
        wake.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: _thread.start_new_thread(end, ()))
    logs.configure()
    home = open_home(Path(root))
    registry = Registry(home.models)
    load = lambda name: MeanColour(registry.current(name))  # noqa: E731
    try:
        Daemon(home, lambda _: None, wake, stop, load).run(once=False)
    except (WatcherError, OSError) as fault:
        os.write(2, f"watcher: {fault}\n".encode())
        return 1
    return 0


if __name__ == "__main__":
    main()
