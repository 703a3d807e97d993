"""What the doctor makes of what was found: of file systems, machines and models that are not at hand here."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from watcher.doctor import folders, machine, models
from watcher.doctor.asking import Answer
from watcher.doctor.findings import Finding, Level, said
from watcher.doctor.probe import Facts, Tried

FINE = Tried(
    renaming=None, not_replacing=None, linking=None, events=None, leasing=None, locking=None, syncing=None,
    long_names=None, odd_names=None, cases_apart=True, forms_apart=True, keeps_rights=True, clock_offset=0.0,
)  # fmt: skip
THERE = Facts(missing=None, kind="ext4", free=10**11, size=10**12, free_files=10**6, files=10**7)
SHARE = replace(THERE, kind="cifs", network=True)


def of(subject: str, facts: Facts, tried: Tried | None, watch: str = "auto") -> list[Finding]:
    return list(folders.findings(folders.Looked(subject, Path("/srv/x"), facts, tried), watch=watch))


@pytest.mark.parametrize(
    ("subject", "facts", "tried", "level", "words"),
    [
        ("done", THERE, {"renaming": "Invalid argument"}, Level.FAULT, "cannot rename files"),
        ("done", THERE, {"not_replacing": "a file has taken the place"}, Level.FAULT, "without danger to another"),
        ("done", SHARE, {"linking": "Operation not permitted"}, Level.NOTE, "has no hard links"),
        ("done", THERE, {"syncing": "Invalid argument"}, Level.NOTE, "cannot be asked to write a folder"),
        ("home", THERE, {"locking": "two have got one lock"}, Level.FAULT, "has no locks"),
        ("inbox", SHARE, {}, Level.NOTE, "new pictures are found by looking"),
        ("inbox", THERE, {"events": "Too many open files"}, Level.WARNING, "gives no events"),
        ("inbox", THERE, {"leasing": "Invalid argument"}, Level.NOTE, "still being written"),
        ("inbox", replace(THERE, claims_apart=True), {}, Level.FAULT, ".watcher on another file system"),
        ("outbox", SHARE, {"cases_apart": False, "odd_names": "No"}, Level.NOTE, "upper and lower case are one, names with"),
        ("outbox", SHARE, {"forms_apart": False}, Level.NOTE, "letters with accents are changed"),
        ("outbox", SHARE, {"clock_offset": -90.0}, Level.WARNING, "dates new files 90 s behind this machine's clock"),
        ("outbox", SHARE, {"keeps_rights": False}, Level.NOTE, "keeps no rights"),
        ("done", replace(THERE, free=10**6), {}, Level.FAULT, "has no room: 1 MB free"),
        ("done", replace(THERE, free=5 * 10**8), {}, Level.WARNING, "has little room: 500 MB free"),
        ("done", replace(THERE, free_files=10), {}, Level.FAULT, "has room for 10 more files only"),
        ("done", replace(THERE, unreadable="Permission denied"), {}, Level.FAULT, "cannot be read by this user"),
    ],
)  # fmt: skip
def test_a_file_system_that_lacks_something(
    subject: str, facts: Facts, tried: dict[str, Any], level: Level, words: str
) -> None:
    """It is told, as badly as it is; a fault or a warning with what to do."""
    found = [each for each in of(subject, facts, replace(FINE, **tried)) if words in each.found]
    assert [each.level for each in found] == [level]
    assert found[0].advice or level is Level.NOTE


def test_one_that_lacks_nothing_is_one_line() -> None:
    (found,) = of("inbox", THERE, FINE)
    assert (found.level, found.found) == (Level.OK, "/srv/x can be read and written; ext4 (local), 100 GB free")


def test_what_the_settings_ask_for_counts() -> None:
    """Events on a share never come; and where folders are looked through anyway, nobody misses them."""
    assert of("inbox", SHARE, FINE, watch="events")[0].level is Level.WARNING
    assert of("inbox", THERE, replace(FINE, events="none"), watch="scan")[0].level is Level.OK


@pytest.mark.parametrize(
    ("limits", "usable", "level"),
    [
        ({"": "max 100000"}, None, Level.OK),
        ({"": "max 100000", "a/b": "150000 100000"}, "1.5", Level.WARNING),
        ({"a": "50000 100000", "a/b": "max 100000"}, "0.5", Level.WARNING),
        ({}, None, Level.OK),
    ],
)
def test_rationed_cores_are_counted(tmp_path: Path, limits: dict[str, str], usable: str | None, level: Level) -> None:
    """Whichever group around the process sets the ration."""
    proc = group(tmp_path, "cpu.max", limits)
    found = machine.cores(tmp_path / "cgroup", proc)
    if usable is not None:
        assert found.found.startswith(f"{usable} of ")
        assert found.level is level


def test_a_container_s_memory_is_what_counts(tmp_path: Path) -> None:
    proc = group(tmp_path, "memory.max", {"a/b": "1500000000", "a": "max"})
    (proc / "meminfo").write_text("MemTotal:       16000000 kB\nMemAvailable:    8000000 kB\n")
    found = machine.memory(tmp_path / "cgroup", proc)
    assert found.level is Level.WARNING
    assert found.found == "1.5 GB (of a container), 1.5 GB available"


def group(root: Path, name: str, limits: dict[str, str]) -> Path:
    """A made-up control group a/b, and the folder of processes that tells of it."""
    for folder, text in {"a/b": None, **limits}.items():
        (root / "cgroup" / folder).mkdir(parents=True, exist_ok=True)
        if text is not None:
            (root / "cgroup" / folder / name).write_text(f"{text}\n")
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text("0::/a/b\n")
    return root / "proc"


def test_a_processor_is_told_by_what_models_need(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("model name\t: Old One\nflags\t\t: fpu sse2\n")
    assert [each.level for each in machine.processor(tmp_path)] == [Level.FAULT]
    (tmp_path / "cpuinfo").write_text("model name\t: New One\nflags\t\t: avx avx2 avx512f amx_bf16\n")
    assert [each.found for each in machine.processor(tmp_path)] == ["New One (AVX2, AVX-512, AMX)"]


def test_low_limits_of_inotify_are_told(tmp_path: Path) -> None:
    for name, number in (("watches", 100), ("instances", 128)):
        path = tmp_path / f"sys/fs/inotify/max_user_{name}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{number}\n")
    found = [each for each in machine.limits(tmp_path) if each.subject == "inotify"]
    assert [each.level for each in found] == [Level.WARNING]
    assert "max_user_watches=524288" in found[0].advice


def test_a_clock_before_the_program_is_wrong() -> None:
    assert machine.clock(datetime(2001, 1, 1, tzinfo=UTC)).level is Level.FAULT


KERAS = {"keras": "3.15", "backend": "tensorflow", "tensorflow": "2.21", "gpus": [], "for_gpus": False}
RUNS = {"model": "m", "id": "m/1", "engine": "graph", "tried": True, "seconds": 0.01}


@pytest.mark.parametrize(
    ("answer", "cards", "level", "words"),
    [
        (Answer((), -4, ""), [], Level.FAULT, "ended by SIGILL, for this processor lacks"),
        (Answer((), None, ""), [], Level.FAULT, "it takes too long"),
        (Answer(({"fault": "no TensorFlow here"},), 0, ""), [], Level.FAULT, "no TensorFlow here"),
        (Answer((KERAS,), 0, ""), ["NVIDIA L4"], Level.WARNING, "NVIDIA L4 is here, and TensorFlow does not use it"),
        (Answer((KERAS | {"for_gpus": True},), 0, "x\nW Cannot dlopen some GPU libraries.\ny"), ["G"], Level.WARNING, "dlopen"),
        (Answer((KERAS | {"gpus": ["NVIDIA L4"]},), 0, ""), ["G"], Level.OK, "computes on NVIDIA L4"),
        (Answer((KERAS, {"loading": "m"}), -9, ""), [], Level.FAULT, "SIGKILL, perhaps for want of memory"),
        (Answer((KERAS, {"loading": "m"}, {"model": "m", "fault": "no"}), 0, ""), [], Level.FAULT, "cannot be run: no"),
        (Answer((KERAS, {"loading": "m"}, RUNS), 0, ""), [], Level.OK, "runs (engine graph)"),
        (Answer((KERAS, {"loading": "m"}, RUNS | {"tried": False}), 0, ""), [], Level.NOTE, "no other engines were tried"),
        (Answer((KERAS, {"loading": "m"}, RUNS | {"seconds": 1.0}), 0, ""), [], Level.WARNING, "32 s of the 120"),
    ],
)  # fmt: skip
def test_what_a_child_has_told_of_tensorflow(answer: Answer, cards: list[str], level: Level, words: str) -> None:
    """However it ended, that is a finding, with what to do unless all is well."""
    found = [each for each in models.run(answer, 120.0, 32, cards) if words in each.found]
    assert [each.level for each in found] == [level]
    assert found[0].advice or level is Level.OK


def test_nvidia_s_cards_are_known_by_the_kernel(tmp_path: Path) -> None:
    """By name where its driver tells, else by the device."""
    assert models.nvidia_cards(tmp_path / "gpus", tmp_path) == []
    (tmp_path / "nvidia0").write_text("")
    assert models.nvidia_cards(tmp_path / "gpus", tmp_path) == ["an NVIDIA GPU"]
    (tmp_path / "gpus/0000:01").mkdir(parents=True)
    (tmp_path / "gpus/0000:01/information").write_text("Model: \t\t NVIDIA L4\nIRQ: 7\n")
    assert models.nvidia_cards(tmp_path / "gpus", tmp_path) == ["NVIDIA L4"]


def test_amounts_are_said_shortly() -> None:
    assert [said(number) for number in (0, 999, 1500, 2e9, 7.25e12, 4e15)] == [
        "0 B", "999 B", "1.5 kB", "2 GB", "7.25 TB", "4,000 TB",
    ]  # fmt: skip
