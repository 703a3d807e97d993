"""A daemon without TensorFlow, so that a run takes a moment: all of the real one but the engine.

Started as a program it loads everything once and then forks a process for each line that it reads, so that a run
costs what the run itself does. That process says its number and waits for a word: whoever wants to trace it can.
"""

from __future__ import annotations

import ctypes
import hashlib
import itertools
import json
import os
import secrets
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NoReturn

import alembic.command  # what alembic loads at first use is loaded here, once for all forked processes
import alembic.runtime.migration  # noqa: F401
import click
import tiny_model

from watcher.cli import logs
from watcher.cli.main import Commands
from watcher.home import open_home
from watcher.service.daemon import Daemon

MOST_WAIT_SECONDS = 0.02
MAY_BE_FOLLOWED = 0x59616D61  # PR_SET_PTRACER: where only parents may follow a process, by anyone


class Hasty(threading.Event):
    """An event for which nobody waits long: the daemon's pauses before it tries again are waits for `stop`."""

    def wait(self, timeout: float | None = None) -> bool:
        return super().wait(MOST_WAIT_SECONDS if timeout is None else min(timeout, MOST_WAIT_SECONDS))


class Tiny(Commands):
    """Faults become exit codes as in the real command."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        return once


@click.group(cls=Tiny)
@click.option("--debug", is_flag=True)
def tiny(**_: bool) -> None:
    pass


@click.command()
@click.argument("root", type=click.Path(path_type=Path))
def once(root: Path) -> None:
    """What `watcher run --once` does, when it is not on a terminal."""
    logs.configure()
    home = open_home(root)
    load = partial(tiny_model.load, home.models)
    Daemon(home, lambda _: None, threading.Event(), Hasty(), load).run(once=True)


def numbered(prefix: str) -> Callable[[int], bytes]:
    """Random bytes that are known beforehand, so that the names of claims, and so all paths of a run, are."""
    numbers = itertools.count()

    def token_bytes(size: int) -> bytes:
        return hashlib.sha256(f"{prefix} {next(numbers)}".encode()).digest()[:size]

    return token_bytes


def main() -> None:
    run(sys.argv[1], "warm")  # what is loaded at first use is loaded now
    say("ready")
    while line := hear():
        request = json.loads(line)
        if not (child := os.fork()):
            as_child(request)
        say(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def as_child(request: dict[str, str]) -> NoReturn:
    ctypes.CDLL(None).prctl(MAY_BE_FOLLOWED, ctypes.c_ulong(-1))
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    say(os.getpid())
    hear()
    os.dup2(log, 1)
    os.dup2(log, 2)
    code = 70
    try:
        code = run(request["home"], request["ids"])
    finally:
        sys.stderr.flush()
        os._exit(code)


def run(home: str, ids: str) -> int:
    """The exit code of a run whose claims have the ids that begin so."""
    secrets.token_bytes = numbered(ids)
    try:
        tiny.main(["once", home], prog_name="watcher")
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def say(word: object) -> None:
    os.write(1, f"{word}\n".encode())


def hear() -> str:
    """The next line from whoever started us; read without a buffer, for the processes read in turns."""
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(0, 1)):
        line += byte
    return line.decode().strip()


if __name__ == "__main__":
    main()
