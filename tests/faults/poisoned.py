"""A daemon that does not survive one picture: `poisoned.py HOME decoder|engine|drawing hangs|holds|dies`.

What `holds` hangs without giving back the interpreter's lock.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
from tiny_model import MeanColour

from watcher.cli import logs
from watcher.cli.run import start_anew
from watcher.home import open_home
from watcher.models.registry import Registry
from watcher.service import copies, daemon, watch
from watcher.service.daemon import Daemon
from watcher.vision.outcome import Picture

POISON = 7  # the value of all pixels of such a picture
root, part, way = Path(sys.argv[1]), sys.argv[2], sys.argv[3]


def suffer(pixels):
    if np.all(pixels == POISON):
        with (root / "harmed").open("a") as file:
            file.write(".")
        while way == "hangs":
            time.sleep(3600)
        while way == "holds":
            ctypes.PyDLL(None).pause()
        os.kill(os.getpid(), signal.SIGKILL)


class Poisoned(MeanColour):
    def decode(self, data):
        picture = super().decode(data)
        if part == "decoder" and isinstance(picture, Picture):
            suffer(picture.pixels)
        return picture

    def classify(self, pictures):
        if part == "engine":
            for pixels in pictures:
                suffer(pixels)
        return super().classify(pictures)


def draw(home, claim, image, *more, **named):
    if part == "drawing":
        suffer(np.asarray(image))
    return really_draw(home, claim, image, *more, **named)


really_draw, copies.draw = copies.draw, draw
daemon.PICTURE_SECONDS, watch.LAST_RESORT_SECONDS, watch.LOOK_SECONDS = 0.1, 0.5, 0.1
logs.configure()
home = open_home(root)
stop = threading.Event()
load = lambda name: Poisoned(Registry(home.models).current(name))  # noqa: E731
Daemon(home, lambda _: None, threading.Event(), stop, load, start_anew=lambda lock: start_anew(stop, lock)).run(
    once=True
)
