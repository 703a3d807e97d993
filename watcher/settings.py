"""The settings: what `watcher.toml` may say, its defaults, and every fault of a file with its line."""

from __future__ import annotations

import difflib
import json
import os
import re
import tomllib
from contextlib import suppress
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from watcher.errors import WatcherError
from watcher.toml_lines import line_of, lines_of_keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pydantic_core import ErrorDetails

    # Where in the settings, and what is wrong there.
    _Fault = tuple[tuple[str | int, ...], str]

# A model's name is a folder's name on every file system, so it is kept to what all of them allow.
ModelName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
RouteName = Annotated[str, StringConstraints(pattern=r"^[^./\\\x00-\x1f][^/\\\x00-\x1f]{0,254}$")]
FolderName = Annotated[str, StringConstraints(min_length=1, pattern=r"^[^\x00]+$")]


# How much of a wrong value is repeated.
LONGEST_ECHO = 80


class SettingsError(WatcherError):
    """The settings file has faults: one line for each."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


class _Section(BaseModel):
    # Strict: "2" is no number and 1 is no boolean, as TOML itself has it.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Folders(_Section):
    """Where things are: relative to this file's folder, or absolute, also on a share."""

    inbox: FolderName = Field(default="inbox", description="drop pictures here")
    outbox: FolderName = Field(default="outbox", description="annotated copies, in the same sub-folders")
    done: FolderName = Field(default="done", description="originals, afterwards")
    failed: FolderName = Field(default="failed", description="what could not be read, with the reason beside it")
    corrections: FolderName = Field(
        default="corrections", description="pictures that people put under their true label"
    )
    jobs: FolderName = Field(default="jobs", description="job files: scheduled retraining")
    models: FolderName = Field(default="models", description="model packages")


class Intake(_Section):
    """How pictures come in."""

    watch: Literal["auto", "events", "scan"] = Field(
        default="auto", description="auto (events on local disks, scans on network shares) | events | scan"
    )
    settle_seconds: float = Field(
        default=2.0, ge=0, le=3600, allow_inf_nan=False, description="a picture unchanged for so long is whole"
    )
    rescan_seconds: float = Field(
        default=60, ge=0.1, le=86400, allow_inf_nan=False, description="look through the whole inbox at least so often"
    )
    originals: Literal["move", "keep", "delete"] = Field(
        default="move", description="move (to done) | keep (in the inbox) | delete"
    )
    duplicates: Literal["reuse", "reclassify"] = Field(
        default="reuse", description="same content again: reuse its labels | reclassify it"
    )
    max_megapixels: float = Field(
        default=100, gt=0, le=2000, allow_inf_nan=False, description="larger pictures are set aside in failed"
    )


class Models(_Section):
    """Which model looks at which picture."""

    default: ModelName = Field(default="xception", description="for pictures that no route claims")
    routes: dict[RouteName, ModelName] = Field(
        default_factory=lambda: {"malaria": "malaria"}, description="first folder below the inbox -> model"
    )


class Inference(_Section):
    """How models are run."""

    executor: Literal["local"] = Field(default="local", description="local: in this process")
    engine: Literal["auto", "graph", "keras"] = Field(
        default="auto", description="auto (the fastest that is exact) | graph (TensorFlow) | keras (any backend)"
    )
    batch_size: int = Field(default=32, ge=1, le=1024, description="pictures that the model sees at once, at most")


class Annotate(_Section):
    """The annotated copy."""

    format: Literal["auto", "jpeg", "png"] = Field(
        default="auto", description="auto (PNG stays PNG, all else JPEG) | jpeg | png"
    )
    heatmap: Literal[False] = Field(default=False, description="false: no heat map is drawn")


class DatabaseSettings(_Section):
    """Where the results are written."""

    url: str = Field(
        default="sqlite:///watcher.db",
        pattern=r"^(sqlite(\+\w+)?:///|postgresql(\+\w+)?://)",
        description="an SQLAlchemy URL; a relative SQLite path starts at this file",
    )


class Metrics(_Section):
    """Figures for monitoring."""

    listen: Literal[""] = Field(default="", description="empty: nothing listens")


class Settings(_Section):
    """All of `watcher.toml`."""

    folders: Folders = Folders()
    intake: Intake = Intake()
    models: Models = Models()
    inference: Inference = Inference()
    annotate: Annotate = Annotate()
    database: DatabaseSettings = DatabaseSettings()
    metrics: Metrics = Metrics()


def load(path: Path) -> Settings:
    """The settings in the TOML file at `path`.

    Raises SettingsError with one line `FILE:LINE: key: what is wrong` for every fault, all at once.
    """
    text = _text(path)
    values = _values(path, text)
    faults: list[_Fault] = []
    try:
        settings = Settings.model_validate(values)
    except ValidationError as invalid:
        faults += [(fault["loc"], _sentence(fault)) for fault in invalid.errors()]
    given = values.get("folders", {})
    wrong = {location[1] for location, _ in faults if location[0] == "folders" and len(location) > 1}
    with suppress(ValidationError, AttributeError):  # where it is no table, that is among the faults already
        sound = {key: value for key, value in given.items() if key not in wrong}
        faults += _misplaced(Folders.model_validate(sound), path.parent)
    if faults:
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


def _misplaced(folders: Folders, root: Path) -> Iterator[_Fault]:
    """Output inside the inbox would be taken for new pictures, without end; two kinds in one folder would mix."""
    places = {name: Path(os.path.realpath(root / folder)) for name, folder in folders.model_dump().items()}
    for one, other in combinations(places, 2):
        inner, outer = (one, other) if places[other] in places[one].parents else (other, one)
        location = ("folders", inner if inner in folders.model_fields_set else outer)
        if places[one] == places[other]:
            yield location, f"folders.{one} and folders.{other} are the same folder, {places[one]}: give each its own"
        elif places[outer] in places[inner].parents and "inbox" in (one, other):
            yield location, f"folders.{inner} lies inside folders.{outer}, {places[outer]}: move it out of there"


def _sentence(fault: ErrorDetails) -> str:
    """One fault, as a person who edits the file would want it said."""
    location = [str(part) for part in fault["loc"] if part != "[key]"]
    key = ".".join(map(_key, location))
    if fault["type"] == "extra_forbidden":
        close = difflib.get_close_matches(location[-1], _keys_beside(location), n=1)
        hint = f"; did you mean `{close[0]}`?" if close else ""
        return f"{key}: there is no such setting{hint}"
    if key == "database.url":  # which may hold a password
        return f"{key}: should be like sqlite:///watcher.db or postgresql+psycopg://user:password@host/database"
    return f"{key}: should be {_expected(fault)}, not {_said(fault['input'])}"


def _expected(fault: ErrorDetails) -> str:
    if fault["type"] in ("model_type", "dict_type"):
        return "a table"
    if fault["type"] == "string_too_short":
        return "a text that is not empty"
    if fault["type"] == "string_pattern_mismatch":
        if fault["loc"][-1] == "[key]":
            return "a folder's name: without slashes, not empty, and no dot at its beginning"
        if fault["loc"][0] == "models":
            return "a model's name: at most 64 lower-case letters, digits, '.', '_' and '-'"
        return "a folder's name"
    return fault["msg"].removeprefix("Input should be ").replace("False", "false")


def _said(value: object) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except ValueError:
        return "so large a number"
    return text if len(text) <= LONGEST_ECHO else f"{text[:LONGEST_ECHO]}…"


def _keys_beside(location: list[str]) -> list[str]:
    """The settings that stand where the unknown one does."""
    place: Any = Settings
    for part in location[:-1]:
        field = getattr(place, "model_fields", {}).get(part)
        place = field.annotation if field else None
    return list(getattr(place, "model_fields", {}))


def commented(settings: Settings | None = None) -> str:
    """A `watcher.toml` that says every setting with its meaning, made from the settings themselves."""
    settings = settings or Settings()
    out = ["# Watcher's settings: every one that there is. A line that is deleted means its default.\n"]
    for name in Settings.model_fields:
        section: _Section = getattr(settings, name)
        out.append(f"\n# {(type(section).__doc__ or '').strip()}\n[{name}]\n")
        tables = ""
        for key, entry in type(section).model_fields.items():
            value = getattr(section, key)
            if isinstance(value, dict):
                rows = "".join(f"{_key(k)} = {_toml(v)}\n" for k, v in value.items())
                tables += f"\n# {entry.description}\n[{name}.{key}]\n{rows}"
            else:
                out.append(f"{key} = {_toml(value)}".ljust(32) + f"  # {entry.description}\n")
        out.append(tables)
    return "".join(out)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _toml(name)


def _toml(value: object) -> str:
    # Strings, numbers and booleans are written alike in TOML and JSON, but for DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
