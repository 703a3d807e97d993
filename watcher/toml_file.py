"""A TOML file as settings: every fault of it in one line, with the file, the line and what would be right."""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from watcher.errors import SettingsError
from watcher.toml_lines import line_of, lines_of_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from pydantic_core import ErrorDetails

    # Where in the settings, and what is wrong there.
    Fault = tuple[tuple[str | int, ...], str]
    # What a value should be, where pydantic's own words would not help a person.
    Expected = Callable[[ErrorDetails], str | None]

# How much of a wrong value is repeated.
LONGEST_ECHO = 80
# What may hold a password is not repeated at all, even where it stands in a wrong place of the table.
UNTOLD = "database"


class Section(BaseModel):
    """A table of a file. Strict: "2" is no number and 1 is no boolean, as TOML itself has it."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


Settings = TypeVar("Settings", bound=Section)


def load(
    path: Path,
    kind: type[Settings],
    expected: Expected = lambda _: None,
    more_faults: Callable[[dict[str, Any], list[Fault]], Iterable[Fault]] = lambda *_: (),
) -> Settings:
    """The settings in the TOML file at `path`.

    `more_faults` is asked for what no single value shows, given the file's values and the faults found. Raises
    SettingsError with one line `FILE:LINE: key: what is wrong` for every fault, all at once.
    """
    text = _text(path)
    values = _values(path, text)
    faults: list[Fault] = []
    settings = None
    try:
        settings = kind.model_validate(values)
    except ValidationError as invalid:
        faults += [(fault["loc"], _sentence(fault, kind, expected)) for fault in invalid.errors()]
    faults += more_faults(values, faults)
    if faults or settings is None:
        lines = lines_of_keys(text)
        found = sorted((line_of(lines, location), sentence) for location, sentence in faults)
        raise SettingsError(f"{path}:{line}: {sentence}" for line, sentence in found)
    return settings


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")  # editors on Windows shares write a byte order mark
    except UnicodeDecodeError as fault:
        line = fault.object[: fault.start].count(b"\n") + 1
        raise SettingsError([f"{path}:{line}: not UTF-8 text; save the file as UTF-8"]) from None
    except OSError as fault:
        raise SettingsError([f"{path}: cannot be read: {fault.strerror}"]) from None


def _values(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        said = re.search(r"\(at line (\d+), column \d+\)$", str(fault))
        line = int(said[1]) if said else text.rstrip().count("\n") + 1
        raise SettingsError([f"{path}:{line}: not TOML: {fault}"]) from None
    except (ValueError, RecursionError):
        raise SettingsError([f"{path}:1: not TOML: a number is too long, or brackets are nested too deeply"]) from None


def _sentence(fault: ErrorDetails, kind: type[Section], expected: Expected) -> str:
    """One fault, as a person who edits the file would want it said."""
    location = [str(part) for part in fault["loc"] if part != "[key]"]
    name = ".".join(map(key, location))
    if fault["type"] == "extra_forbidden":
        close = difflib.get_close_matches(location[-1], _keys_beside(kind, location), n=1)
        hint = f"; did you mean `{close[0]}`?" if close else ""
        return f"{name}: there is no such setting{hint}"
    if fault["type"] == "value_error":  # said by a check of ours, in whole sentences
        return f"{name}: {fault['msg'].removeprefix('Value error, ')}"
    if fault["type"] == "missing":
        return f"{name}: must be set"
    wanted = expected(fault) or _expected(fault)
    if fault["loc"][0] == UNTOLD:
        return f"{name}: should be {wanted}"
    return f"{name}: should be {wanted}, not {_said(fault['input'])}"


def _expected(fault: ErrorDetails) -> str:
    if fault["type"] in ("model_type", "dict_type"):
        return "a table"
    if fault["type"] == "string_too_short":
        return "a text that is not empty"
    return fault["msg"].removeprefix("Input should be ").replace("False", "false")


def _said(value: object) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except ValueError:
        return "so large a number"
    return text if len(text) <= LONGEST_ECHO else f"{text[:LONGEST_ECHO]}…"


def _keys_beside(kind: type[Section], location: list[str]) -> list[str]:
    """The settings that stand where the unknown one does."""
    place: Any = kind
    for part in location[:-1]:
        field = getattr(place, "model_fields", {}).get(part)
        place = field.annotation if field else None
    return list(getattr(place, "model_fields", {}))


def key(name: str) -> str:
    """A key as TOML writes it."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else value(name)


def value(given: object) -> str:
    """A value as TOML writes it: strings, numbers and booleans as in JSON, but for DEL."""
    return json.dumps(given, ensure_ascii=False).replace("\x7f", "\\u007f")
