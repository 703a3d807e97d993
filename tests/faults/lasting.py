"""Daemons that run until they are told to end, and homes for them: started within a moment, killed at will."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import homes
from tiny_model import install

from watcher.home import make_home, open_home
from watcher.settings import Settings

HERE = Path(__file__).parent
END_SECONDS = 60.0
NOBODY = 65534


class Daemons:
    """The program that forks daemons, one at a time; started by the command `before`, if that is told."""

    def __init__(self, folder, before=()):
        self.models = folder / "models"
        install(self.models)
        self.number = 0  # of the process; 0 while none runs
        outside = {key: value for key, value in os.environ.items() if not key.startswith("COV")}
        path = os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH")]))
        self._server = subprocess.Popen(
            [*before, sys.executable, HERE / "lasting_daemon.py", self.make_home(folder / "first").root],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,  # what `select` waits for is not hidden in a buffer
            env=outside | {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": path},
            start_new_session=True,
        )
        assert self._hear() == "ready"

    def make_home(self, root, **sections):
        """A home with a model that needs no TensorFlow, quick to take pictures; `sections` change its settings."""
        plain = {
            "folders": {"models": str(self.models)},
            "intake": {"settle_seconds": 0.05, "rescan_seconds": 0.2, "watch": "scan"},
            "models": {"default": "tiny", "routes": {}},
            "inference": {"batch_size": 4},
        }
        for name, changes in sections.items():
            plain[name] = plain.get(name, {}) | changes
        make_home(root, Settings.model_validate(plain))
        return open_home(root)

    def start(self, home, log, *, longest_pause=0.2, answer=60.0, user=0, until="watching"):
        """Starts a daemon for a home, and waits until its log says `until`.

        After a fault of the world it pauses at most for so long; for an answer of the system it waits for so long.
        """
        self._log = log
        begin = log.stat().st_size if log.exists() else 0
        pauses = {"longest_pause": longest_pause, "answer": answer}
        self._say(json.dumps({"home": str(home.root), "log": str(log), "user": user, **pauses}))
        self.number = int(self._hear())
        try:
            if until:
                homes.wait_for(lambda: until in said(log, begin) or self.has_ended, f"the daemon says {until}")
                assert not self.has_ended, said(log, begin)
        except BaseException:
            self.clear()  # or its exit code would be taken for the next one's
            raise

    def signal(self, number):
        """Sends a signal, of which a daemon that has just ended by itself hears no more."""
        with suppress(ProcessLookupError):
            os.kill(self.number, number)

    def kill(self):
        """Ends the daemon as a power cut would; the exit code."""
        self.signal(signal.SIGKILL)
        return self.ended()

    def end(self):
        """Ends the daemon as a person would; the exit code."""
        self.signal(signal.SIGTERM)
        return self.ended()

    def ended(self):
        """Waits for its end; the exit code. Raises AssertionError with what all its threads do, if it does not end."""
        if not select.select([self._server.stdout], [], [], END_SECONDS)[0]:
            self.signal(signal.SIGUSR1)
            time.sleep(1)
            raise AssertionError(f"the daemon does not end: {said(self._log)[-8000:]}")
        code, self.number = int(self._hear()), 0
        return code

    def close(self):
        self.clear()
        self._server.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._server.wait(END_SECONDS)
        with suppress(ProcessLookupError):  # a test that was broken off may have left a daemon
            os.killpg(self._server.pid, signal.SIGKILL)
        self._server.wait()
        self._server.stdout.close()

    @contextmanager
    def running(self, home, log, **more):
        """A daemon during a block, ended by SIGTERM after it; killed if the block fails."""
        self.start(home, log, **more)
        try:
            yield self
            if self.number:
                assert self.end() == 0, said(log)
        finally:
            self.clear()

    def clear(self):
        """Kills the daemon if it still runs."""
        if self.number:
            if self.has_ended:
                self.ended()
            else:
                self.kill()

    @property
    def has_ended(self):
        """Whether it has, although nobody has ended it."""
        return bool(select.select([self._server.stdout], [], [], 0)[0])

    def _say(self, word):
        self._server.stdin.write(f"{word}\n".encode())
        self._server.stdin.flush()

    def _hear(self):
        assert select.select([self._server.stdout], [], [], END_SECONDS)[0], "no answer"
        return self._server.stdout.readline().decode().strip()


def give_away(folder):
    """To that user, with all that is in it."""
    for parent, folders, files in os.walk(folder):
        for name in (".", *folders, *files):
            os.chown(Path(parent, name), NOBODY, NOBODY)


def said(log, begin=0):
    """What a daemon has logged from there on."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(begin)
        return file.read().decode(errors="replace")
