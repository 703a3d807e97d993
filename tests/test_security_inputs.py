"""Whatever is put into settings, job files and file names: a clear answer, and no picture lost."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import sqlite3
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import pytest
from homes import drop, make, paths, picture, run_once
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from watcher.errors import SettingsError
from watcher.intake.claims import FOLDER
from watcher.intake.filters import has_picture_ending
from watcher.intake.names import LONGEST, clean
from watcher.intake.scan import is_visible
from watcher.jobs.files import JobFile, read_job
from watcher.settings import Settings, load
from watcher.toml_file import Section
from watcher.vision.encode import read_caption

LEAVES = st.one_of(
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        ["", ".", "..", "/", "a/b", "\x00", "\ud7ff", "@daily", "0 2 * * *", "7d", "(", "a" * 300, "\u202e"]
    ),
    st.datetimes().map(lambda moment: moment.replace(microsecond=0)),
    st.dates(),
    st.times().map(lambda moment: moment.replace(microsecond=0)),
)
KEYS = st.one_of(st.text(max_size=8), st.sampled_from(["x", "", "a.b", "route", "malaria", "\x7f"]))
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=6
)


def trees(kind: type[Section]) -> st.SearchStrategy[dict[str, Any]]:
    """Tables with the keys that there are, and some that there are not, and any values."""

    def value(annotation: Any) -> st.SearchStrategy[Any]:
        if isinstance(annotation, type) and issubclass(annotation, Section):
            return st.one_of(trees(annotation), VALUES)
        return VALUES

    known = {name: value(field.annotation) for name, field in kind.model_fields.items()}
    some = st.fixed_dictionaries({}, optional=known)
    return st.builds(lambda one, other: {**other, **one}, some, st.dictionaries(KEYS, VALUES, max_size=1))


def toml(value: Any) -> str:
    """Any tree as an inline value of TOML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{text(key)} = {toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return {"nan": "nan", "inf": "inf", "-inf": "-inf"}.get(repr(value), repr(value))
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return text(value)


def text(value: str) -> str:
    escaped = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return escaped.encode("utf-8", "replace").decode()


def file_of(tree: dict[str, Any]) -> str:
    return "\n".join(f"{text(key)} = {toml(value)}" for key, value in tree.items())


def answer(path: Path, read: Any, kind: type[Section]) -> None:
    """Settings, or faults of a line each that name the file and a line in it."""
    try:
        assert isinstance(read(path), kind)
    except SettingsError as fault:
        for line in fault.faults:
            assert re.match(re.escape(str(path)) + r":\d+: \S", line)
            assert "\n" not in line


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(trees(Settings))
def test_any_values_are_settings_or_a_settings_error(
    tmp_path_factory: pytest.TempPathFactory, tree: dict[str, Any]
) -> None:
    """Of right names and wrong kinds, as somebody's program might write them."""
    path = tmp_path_factory.getbasetemp() / "any-watcher.toml"
    path.write_text(file_of(tree), "utf-8")
    answer(path, load, Settings)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(trees(JobFile).map(file_of), st.text(), st.binary()))
def test_any_text_or_values_are_a_job_or_a_settings_error(
    tmp_path_factory: pytest.TempPathFactory, content: str | bytes
) -> None:
    """A faulty job file must not end the daemon."""
    path = tmp_path_factory.getbasetemp() / "any-job.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    answer(path, read_job, JobFile)


def odd_names() -> list[bytes]:
    """A hundred names of pictures: every byte that a name can have, in no order, and what programs stumble over."""
    chance = random.Random(5)
    found = [
        *(b"$(touch x).png", b"`id`.png", b"; rm -rf ~.png", b"a\nb.png", b"\x1b[2J.png", b"-rf.png", b"--help.png"),
        *(
            b"%2F..%2F..%2Fx.png",
            b"%s%n%d.png",
            b"{0}{name}.png",
            b"%00.png",
            b"..png",
            b"...png",
            b" .png",
            b".\xff.png",
        ),
        *(b"=cmd|x.png", b"'\".png", b"<script>.png", b"&amp;.png", b"a,b.png", b"\t.png", b"\r.png", b"\x7f.png"),
        *(
            "\u202egnp.exe.png".encode(),
            "\ufeff.png".encode(),
            "e\u0301.png".encode(),
            "é.png".encode(),
            "ÀÈ.PNG".encode(),
        ),
        *(
            b"\xed\xa0\x80.png",
            b"\xc0\xaf.png",
            b"\xf4\x90\x80\x80.png",
            b"\xff\xfe.png",
            b"x" * 251 + b".png",
            b"\xff" * 251 + b".png",
        ),
        *(
            b"sub\xff/a.png",
            b"%2F/a.png",
            b"a.png/b.png",
            b"..a/b.png",
            "日本語/写真.png".encode(),
            b"*/?.png",
            b"~/a.png",
        ),
        *("/".join(["d" * 200] * 5).encode() + b"/a.png", b"\xff" * 200 + b"/" + b"\xfe" * 200 + b"/a.png"),
        *(
            b"CON.png",
            b"nul.png",
            b"a:b.png",
            b"back\\slash.png",
            b"a.png .png",
            b"watcher.db.png",
            b"a.reason.txt.png",
        ),
    ]
    every = bytes(byte for byte in range(1, 256) if byte != ord("/"))
    found += [bytes([byte]) + b"-.png" for byte in every[::7]]
    while len(found) < 110:
        found.append(bytes(chance.choices(every, k=chance.choice((1, 5, 60, 200)))) + b".png")
    return list(dict.fromkeys(found))


def is_looked_at(path: str) -> bool:
    return is_visible(path) and has_picture_ending(path)


def test_pictures_under_any_names_have_a_row_a_copy_and_their_original(tmp_path: Path, tiny_home_models: Path) -> None:
    """Whatever bytes they are; but for names that are passed over, which stay."""
    home = make(tmp_path / "home", tiny_home_models, inference={"batch_size": 32})
    dropped = {name: picture("green", seed) for seed, name in enumerate(odd_names())}
    left = {name for name in dropped if not is_looked_at(os.fsdecode(name))}
    for name, data in dropped.items():
        drop(home.inbox, name, data)
    found = run_once(home)
    taken = {name: data for name, data in dropped.items() if name not in left}
    assert len(taken) > 90
    assert sorted(row.path for row in found) == sorted(clean(os.fsdecode(name)) for name in taken)
    with sqlite3.connect(home.root / "watcher.db") as database:
        recorded = database.execute("SELECT sha256, original_path, outbox_path FROM images").fetchall()
    assert {sha for sha, _, _ in recorded} == {hashlib.sha256(data).hexdigest() for data in taken.values()}
    for sha, original, copy in recorded:
        assert hashlib.sha256((home.root / original).read_bytes()).hexdigest() == sha
        assert read_caption(home.root / copy)
    assert len(paths(home.outbox)) == len(paths(home.done)) == len(taken)
    assert all(len(os.fsencode(part)) <= LONGEST for path in paths(home.done) for part in path.split("/"))
    assert paths(home.inbox) == {os.fsdecode(name) for name in left}
    assert not os.listdir(home.inbox / FOLDER)
    assert not (home.root / "x").exists()
