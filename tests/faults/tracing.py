"""strace, its faults, and what it says of a run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

# What changes a file system, by what the tallies call it.
CHANGES = {
    "rename*": ("rename", "renameat", "renameat2"),
    "openat(O_CREAT)": ("open", "openat", "creat"),
    "write": ("write", "writev"),
    "pwrite64": ("pwrite64", "pwritev"),
    "sendfile": ("sendfile", "copy_file_range"),
    "fsync": ("fsync",),
    "fdatasync": ("fdatasync",),
    "unlink*": ("unlink", "unlinkat"),
    "rmdir": ("rmdir",),
    "ftruncate": ("ftruncate", "truncate", "fallocate"),
    "mkdir*": ("mkdir", "mkdirat"),
    "link*": ("link", "linkat"),
    "chmod*, utime*": ("chmod", "fchmod", "fchmodat", "utimensat", "setxattr", "fsetxattr"),
}
KIND = {call: kind for kind, calls in CHANGES.items() for call in calls}
ASKS = ("openat", "read", "pread64", "stat", "lstat", "fstat", "newfstatat", "statx", "getdents64", "readlink")
# These name a file by its handle alone; what they have in quotation marks is no path.
_BY_HANDLE = {
    "write", "writev", "pwrite64", "pwritev", "sendfile", "copy_file_range", "fsync", "fdatasync", "ftruncate",
    "fallocate", "fchmod", "fsetxattr", "read", "pread64", "fstat", "getdents64",
}  # fmt: skip


def _why_not() -> str:
    """Why no process can be followed here; empty where one can."""
    if shutil.which("strace") is None:
        return "strace is not here"
    tried = subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, text=True, check=False)
    return f"strace may follow nothing here: {tried.stderr.strip()}" if tried.returncode else ""


needs_strace = pytest.mark.skipif(bool(_why_not()), reason=_why_not())

_ENTRY = re.compile(r"(\d+) +(\w+)\((.*)")
_TOKEN = re.compile(r'(?:\d+|AT_FDCWD)<(?P<handle>(?:[^>\\]|\\.)*)>|"(?P<text>(?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|x[0-9a-f]{2}|.)", re.DOTALL)
_PLAIN = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"v": b"\v", b"f": b"\f"}


@dataclass(frozen=True, slots=True)
class Event:
    """A system call about something in a home. `name` is what strace can be told to look out for.

    `number`: of its thread's calls of this kind that have to do with this name, from 1.
    """

    call: str
    name: bytes
    number: int
    changes: bool


def command(
    pid: int, log: str, *, inject: Sequence[str], paths: Sequence[bytes] = (), calls: Sequence[str] = ()
) -> list[str | bytes]:
    """Follows a process. Only calls about `paths`, if there are any, are counted and met by what is injected."""
    names = {*calls, *(expression.partition(":")[0] for expression in inject)}
    return [
        "strace", "-f", "-y", "-s", "1", "-o", log, "-p", str(pid),
        "-e", "trace=" + ",".join(f"?{name}" for name in sorted(names)), "-e", "signal=none",
        *(part for expression in inject for part in ("-e", f"inject={expression}")),
        *(part for path in paths for part in ("-P", path)),
    ]  # fmt: skip


class Following:
    """strace at work on a process that waits."""

    def __init__(self, pid: int, log: str, **what: Any) -> None:
        self.log = log
        self._process = subprocess.Popen(
            command(pid, log, **what), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        while f"TracerPid:\t{self._process.pid}\n" not in Path(f"/proc/{pid}/status").read_text():
            if self._process.poll() is not None:
                raise RuntimeError(f"strace cannot follow: {self._process.stderr.read().decode()}")
            time.sleep(0.001)

    def end(self) -> bytes:
        """Waits until the process has ended; what strace has seen."""
        self._process.communicate()
        return Path(self.log).read_bytes()


def events(trace: bytes, *roots: str | Path) -> list[Event]:
    """The calls about something below `roots`, in their order.

    A call with two paths is known by its target, but `rename` by its source, which is all that strace looks at.
    """
    tops = tuple(os.fsencode(root) for root in roots)
    seen: dict[tuple[str, str, bytes], int] = {}
    found = []
    for line in trace.decode("utf-8", "surrogateescape").splitlines():
        if not (entry := _ENTRY.match(line)):
            continue
        thread, call, rest = entry[1], entry[2], entry[3]
        names = [(name, path) for name, path in _names(call, rest) if name]
        for name in {name for name, _ in names}:
            seen[thread, call, name] = seen.get((thread, call, name), 0) + 1
        if names and names[-1][1].startswith(tops):
            name = names[-1][0]
            changes = KIND.get(call) != "openat(O_CREAT)" or "O_CREAT" in rest or "O_TRUNC" in rest
            found.append(Event(call, name, seen[thread, call, name], changes))
    return found


def _names(call: str, arguments: str) -> list[tuple[bytes, bytes]]:
    """The names in a call, as strace looks at them, each with the whole path that it stands for."""
    names, folder = [], b""
    for token in _TOKEN.finditer(arguments):
        if token["handle"] is not None:
            folder = _plain(token["handle"])
            names.append((folder, folder))
        elif call not in _BY_HANDLE:
            text = _plain(token["text"])
            names.append((text, os.path.join(folder, text)))
    if call in _BY_HANDLE or call == "rename":
        return names[:1]
    return names


def _plain(text: str) -> bytes:
    """A path as strace writes it, as bytes."""
    return _ESCAPE.sub(lambda match: _character(match[1]), text.encode("utf-8", "surrogateescape"))


def _character(escape: bytes) -> bytes:
    if escape[:1].isdigit():
        return bytes([int(escape, 8)])
    return bytes([int(escape[1:], 16)]) if escape[:1] == b"x" else _PLAIN.get(escape, escape)
