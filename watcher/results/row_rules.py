"""What every row of ours keeps to: so a row out of a damaged file that does not is known to be garbled."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from watcher.results.records import Part, State
from watcher.results.runs import RunState, Trigger

Row = Mapping[str, Any]
Test = Callable[[Any], bool]

_CLAIM = re.compile("[a-z2-7]{16}")
_KEPT = re.compile(r"\d+:\d+:-?\d+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SHA256 = re.compile("[0-9a-f]{64}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
MOST = 2**63
TINY = 1e-6  # by how much float32 sums may miss 0 and 1


def _text(value: Any) -> bool:
    return isinstance(value, str) and "\0" not in value


def _words(value: Any) -> bool:
    return _text(value) and value != ""


def _number(least: int) -> Test:
    return lambda value: type(value) is int and least <= value < MOST


def _share(value: Any) -> bool:
    return type(value) in {int, float} and math.isfinite(value) and -TINY <= value <= 1 + TINY


def _like(pattern: re.Pattern[str]) -> Test:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _time(value: Any) -> bool:
    if not (isinstance(value, str) and _TIME.fullmatch(value)):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _place(value: Any) -> bool:
    """Where a file is: clean, so without control characters."""
    return _words(value) and not _CONTROL.search(value)


def _path(value: Any) -> bool:
    """A place inside a folder."""
    return _place(value) and not {"", ".", ".."} & set(value.split(os.sep))


def _one_of(kind: type[State | Part | RunState | Trigger]) -> Test:
    words = {member.value for member in kind}
    return lambda value: isinstance(value, str) and value in words


def _or_none(test: Test) -> Test:
    return lambda value: value is None or test(value)


_COLUMNS: dict[str, dict[str, Test]] = {
    "model_versions": {
        "id": _number(1),
        "model": _words,
        "version": _number(0),
        "digest": _text,
        "engine": _text,
        "review_threshold": _or_none(_share),
        "created_at": _or_none(_time),
    },
    "images": {
        "id": _number(1),
        "claim": _like(_CLAIM),
        "name": _words,
        "path": _path,
        "grp": _text,
        "sha256": _or_none(_like(_SHA256)),
        "size": _or_none(_number(0)),
        "width": _or_none(_number(1)),
        "height": _or_none(_number(1)),
        "model_version_id": _or_none(_number(1)),
        "state": _one_of(State),
        "reason": _or_none(_text),
        "received_at": _time,
        "finished_at": _time,
        "outbox_path": _or_none(_place),
        "original_path": _or_none(_place),
        "kept": _or_none(_like(_KEPT)),
        "attempts": _number(0),
    },
    "predictions": {
        "image_id": _number(1),
        "model_version_id": _number(1),
        "rank": _number(1),
        "label": _text,
        "score": _share,
    },
    "taken_out": {"image_id": _number(1), "part": _one_of(Part), "accepted_at": _time},
    "job_schedules": {"home": _words, "job": _words, "schedule": _text, "timezone": _words, "since": _time},
    "job_runs": {
        "id": _number(1),
        "home": _words,
        "job": _words,
        "model": _words,
        "trigger": _one_of(Trigger),
        "state": _one_of(RunState),
        "times": _number(0),
        "tries": _number(0),
        "created_at": _time,
        **dict.fromkeys(("scheduled_at", "not_before", "started_at", "ended_at"), _or_none(_time)),
        **dict.fromkeys(("version_before", "candidate", "version_after", "pid"), _or_none(_number(0))),
        **dict.fromkeys(("reason", "settings", "metrics", "report_path", "log_path", "host"), _or_none(_text)),
    },
}
TABLES = tuple(_COLUMNS)


def columns_of(table: str) -> tuple[str, ...]:
    return tuple(_COLUMNS[table])


def keeps_to_the_rules(table: str, row: Row) -> bool:
    """Whether a row can be one of ours."""
    fitting = all(test(row[column]) for column, test in _COLUMNS[table].items())
    return fitting and (table != "images" or _is_image(row))


def _is_image(row: Row) -> bool:
    """A group is the folder, with or without its first part, which may be a route."""
    folder, name = os.path.split(row["path"])
    groups = {folder, folder.partition(os.sep)[2]}
    return row["name"] == name and row["grp"] in groups and (row["state"] != State.FAILED or bool(row["reason"]))
