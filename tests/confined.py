"""Runs a command as deploy/watcher.service has it run, without systemd: `python confined.py begin WRITABLE COMMAND…`, as root.

A file system that can be written only at WRITABLE, a /dev and a /proc of its own, no capability but CAP_LEASE, no new
privileges, and systemd's filter of system calls. What the unit says is read from it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import subprocess
import sys
from pathlib import Path

UNIT = Path(__file__).parents[1] / "deploy" / "watcher.service"
DEVICES = ("null", "zero", "full", "random", "urandom")
NOBODY = 65534
ALLOW, DENY = 0x7FFF0000, 0x00050000 | errno.EPERM


def unit(key: str) -> list[str]:
    """The values of a key of the unit."""
    lines = UNIT.read_text("utf-8").splitlines()
    return [line.partition("=")[2] for line in lines if line.startswith(f"{key}=")]


def calls(group: str) -> set[str]:
    """The system calls of one of systemd's groups."""
    said = subprocess.run(["systemd-analyze", "syscall-filter", group], capture_output=True, text=True, check=True)
    found: set[str] = set()
    for line in said.stdout.splitlines()[1:]:
        name = line.strip()
        if name.startswith("@"):
            found |= calls(name)
        elif name and not name.startswith("#"):
            found.add(name)
    return found


def allowed() -> set[str]:
    found: set[str] = set()
    for value in unit("SystemCallFilter"):
        found = found - calls(value[1:]) if value.startswith("~") else found | calls(value)
    return found


def filter_calls(names: set[str]) -> None:
    """From here on all other system calls say EPERM, in this process and those it starts."""
    seccomp = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    seccomp.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(seccomp.seccomp_init(ctypes.c_uint32(DENY)))
    for name in sorted(names):
        number = seccomp.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:
            seccomp.seccomp_rule_add(context, ctypes.c_uint32(ALLOW), number, 0)
    if seccomp.seccomp_load(context):
        raise OSError("the filter of system calls cannot be set")


def mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)


def confine(writable: str) -> None:
    """A view of the file system as the unit gives it; /home and /root are left, for the interpreter may be there."""
    mount("--make-rprivate", "/")
    mount("--bind", writable, writable)
    mount("-t", "tmpfs", "tmpfs", "/var/tmp")
    mount("-t", "tmpfs", "tmpfs", "/mnt")
    for name in DEVICES:
        Path("/mnt", name).touch()
        mount("--bind", f"/dev/{name}", f"/mnt/{name}")
    os.mkdir("/mnt/shm")
    mount("--move", "/mnt", "/dev")
    mount("-t", "tmpfs", "tmpfs", "/dev/shm")
    os.chmod("/dev/shm", 0o1777)
    mount("-t", "proc", "-o", "hidepid=invisible,subset=pid", "proc", "/proc")
    mount("-o", "remount,bind,ro", "/")


def as_user() -> list[str]:
    """Nobody, where nobody may reach the interpreter; else root, who without capabilities is a user like others."""
    may_enter = all(folder.stat().st_mode & 0o005 == 0o005 for folder in Path(sys.executable).resolve().parents)
    return [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if may_enter else []


def main(stage: str, *words: str) -> None:
    if stage == "begin":
        inner = [sys.executable, __file__, "view", *words]
        os.execvp("unshare", ["unshare", "--mount", "--ipc", *inner])
    if stage == "view":
        confine(words[0])
        (capability,) = (value.removeprefix("CAP_").lower() for value in unit("CapabilityBoundingSet"))
        only = f"-all,+{capability}"
        rights = [f"--bounding-set={only}", f"--inh-caps={only}", f"--ambient-caps={only}", "--no-new-privs"]
        inner = [sys.executable, __file__, "filter", *words[1:]]
        os.execvp("setpriv", ["setpriv", *as_user(), *rights, *inner])
    if stage == "filter":
        filter_calls(allowed())
        os.execvp(words[0], words)


if __name__ == "__main__":
    main(*sys.argv[1:])
