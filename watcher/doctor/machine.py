"""The machine: its program, processor, memory, limits, clock and fonts."""

from __future__ import annotations

import ctypes
import os
import platform
import pwd
import re
import resource
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import watcher
from watcher.doctor.findings import Finding, Level, said

AREA = "machine"
LITTLE_MEMORY, FEW_WATCHES, FEW_INSTANCES, FEW_FILES = 2e9, 8192, 16, 1024
PROC, CGROUP = Path("/proc"), Path("/sys/fs/cgroup")
_UNSYNCHRONISED = 0x40  # STA_UNSYNC of adjtimex(2)


def findings(now: datetime) -> Iterator[Finding]:
    """All of it. `now` is aware."""
    yield program()
    yield from processor()
    yield cores()
    yield memory()
    yield from limits()
    yield clock(now)
    yield fonts()


def program() -> Finding:
    """What runs, and as whom: rights are that user's."""
    user = str(os.geteuid())
    with suppress(KeyError):
        user = pwd.getpwuid(os.geteuid()).pw_name
    found = (
        f"Watcher {watcher.__version__}, Python {platform.python_version()} ({sys.executable}), as the user {user}, "
        "whose rights are what is tested here"
    )
    return Finding(AREA, "program", Level.OK, found)


def processor(proc: Path = PROC) -> Iterator[Finding]:
    """Its name, and what it has for models."""
    try:
        text = (proc / "cpuinfo").read_text("ascii", "replace")
    except OSError:
        yield Finding(AREA, "processor", Level.OK, platform.machine())
        return
    name = _field(text, "model name") or platform.machine()
    flags = set(_field(text, "flags").split())
    if flags and "avx" not in flags:
        found = f"{name} has no AVX, which TensorFlow's wheels need"
        yield Finding(AREA, "processor", Level.FAULT, found, "use another machine, or a TensorFlow built for this one")
        return
    has = [said_so for flag, said_so in _FLAGS.items() if flag in flags]
    note = "" if "avx2" in flags or not flags else "; without AVX2 models are slow"
    yield Finding(AREA, "processor", Level.NOTE if note else Level.OK, f"{name} ({', '.join(has) or 'plain'}){note}")


_FLAGS = {"avx2": "AVX2", "avx512f": "AVX-512", "avx512_bf16": "AVX512-BF16", "amx_bf16": "AMX"}


def cores(cgroup: Path = CGROUP, proc: Path = PROC) -> Finding:
    """How many it may use: what is bound, or rationed, counts."""
    whole = os.cpu_count() or 1
    usable = float(len(os.sched_getaffinity(0)))
    rations = [_ration(text) for text in _limits(cgroup, proc, "cpu.max")]
    usable = min([usable, *filter(None, rations)])
    found = f"{usable:g} of {whole} cores may be used"
    if usable < 2:
        advice = "give it two or more: reading pictures and running the model share one"
        return Finding(AREA, "cores", Level.WARNING, found, advice)
    return Finding(AREA, "cores", Level.OK, found)


def _ration(text: str) -> float | None:
    quota, _, period = text.partition(" ")
    return float(quota) / float(period or 100_000) if quota.isdigit() else None


def memory(cgroup: Path = CGROUP, proc: Path = PROC) -> Finding:
    """How much there is, or a container may have."""
    text = (proc / "meminfo").read_text("ascii", "replace") if (proc / "meminfo").exists() else ""
    whole = 1024.0 * int((_field(text, "MemTotal").split() or ["0"])[0])
    free = 1024.0 * int((_field(text, "MemAvailable").split() or ["0"])[0])
    allowed = min([float(text) for text in _limits(cgroup, proc, "memory.max") if text.isdigit()] + [whole])
    found = f"{said(allowed)}{' (of a container)' if allowed < whole else ''}, {said(min(free, allowed))} available"
    if 0 < allowed < LITTLE_MEMORY:
        advice = "give it 2 GB or more; or set batch_size under [inference] to 8, and use a small model"
        return Finding(AREA, "memory", Level.WARNING, found, advice)
    return Finding(AREA, "memory", Level.OK, found)


def _limits(cgroup: Path, proc: Path, name: str) -> Iterator[str]:
    """What the control group of this process says, and those around it (cgroups(7), version 2)."""
    group = ""
    with suppress(OSError):
        said_of = (proc / "self" / "cgroup").read_text("utf-8", "replace")
        group = next((line[3:] for line in said_of.splitlines() if line.startswith("0::")), "")
    folder = cgroup / group.strip("/")
    for place in (folder, *folder.parents):
        if place.is_relative_to(cgroup):
            with suppress(OSError):
                yield (place / name).read_text("ascii").strip()


def limits(proc: Path = PROC) -> Iterator[Finding]:
    """How many files and folders it may have open, or watched."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    found = f"{soft:,} files may be open"
    if soft < FEW_FILES:
        advice = f"raise it: `ulimit -n {FEW_FILES}`, or LimitNOFILE={FEW_FILES} in the service ({hard:,} is allowed)"
        yield Finding(AREA, "open files", Level.WARNING, found, advice)
    else:
        yield Finding(AREA, "open files", Level.OK, found)
    watches, instances = (_number(proc / f"sys/fs/inotify/max_user_{name}") for name in ("watches", "instances"))
    if watches is None or instances is None:
        yield Finding(
            AREA, "inotify", Level.NOTE, "its limits cannot be read, so folders may have to be looked through"
        )
        return
    found = f"{watches:,} folders may be watched, by {instances:,} watches of this user"
    if watches < FEW_WATCHES or instances < FEW_INSTANCES:
        advice = (
            "`sysctl fs.inotify.max_user_watches=524288 fs.inotify.max_user_instances=512`, and the same in "
            "/etc/sysctl.d: an inbox with more folders than that is looked through instead"
        )
        yield Finding(AREA, "inotify", Level.WARNING, found, advice)
    else:
        yield Finding(AREA, "inotify", Level.OK, found)


def clock(now: datetime) -> Finding:
    """Whether it can be right: times of results and schedules go by it."""
    newest = datetime.fromtimestamp(Path(watcher.__file__).stat().st_mtime, now.tzinfo)
    shown = f"it is {now:%Y-%m-%d %H:%M:%S} UTC, here {now.astimezone():%H:%M %Z}"
    if now < newest - timedelta(days=1):
        found = f"{shown}, which is before this program was installed ({newest:%Y-%m-%d})"
        return Finding(AREA, "clock", Level.FAULT, found, "set it: `timedatectl set-ntp true`, or `date -s`")
    if _is_unsynchronised():
        found = f"{shown}; the kernel does not know it to follow a time server"
        return Finding(AREA, "clock", Level.NOTE, found, "`timedatectl set-ntp true`, unless something else sets it")
    return Finding(AREA, "clock", Level.OK, shown)


def _is_unsynchronised() -> bool:
    """By adjtimex(2), which anybody may ask; False where it cannot be told."""
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "adjtimex") or sys.maxsize < 2**32:
        return False
    fields = (ctypes.c_long * 64)()  # struct timex, larger than it is; `status` is the sixth of its words
    if libc.adjtimex(ctypes.byref(fields)) < 0:
        return False
    return bool(ctypes.cast(fields, ctypes.POINTER(ctypes.c_int))[10] & _UNSYNCHRONISED)


def fonts() -> Finding:
    """Whether the labels of annotated copies can be drawn, in every script."""
    from watcher.vision.fonts import chain, repertoire

    faces = [face for face in chain() if face.path]
    bad = [face.path for face in faces if not repertoire(face.path)]
    if bad or not faces or not faces[-1].last:
        found = f"{bad[0]} cannot be read" if bad else "fonts are missing"
        advice = "install Watcher anew, with its dependencies: until then boxes stand for some letters"
        return Finding(AREA, "fonts", Level.WARNING, found, advice)
    return Finding(AREA, "fonts", Level.OK, f"{len(faces)} fonts, for all scripts")


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text("ascii"))
    except (OSError, ValueError):
        return None


def _field(text: str, name: str) -> str:
    found = re.search(rf"^{name}\s*:\s*(.*)$", text, re.MULTILINE)
    return found[1].strip() if found else ""
