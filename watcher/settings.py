"""The settings: what `watcher.toml` may say, its defaults, and every fault of a file with its line."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, StringConstraints, ValidationError, WrapValidator
from pydantic_core import PydanticCustomError

from watcher import toml_file
from watcher.toml_file import Section

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import ValidatorFunctionWrapHandler
    from pydantic_core import ErrorDetails

    from watcher.toml_file import Fault

# A model's name is a folder's name on every file system, so it is kept to what all of them allow.
ModelName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
A_MODELS_NAME = "a model's name: at most 64 lower-case letters, digits, '.', '_' and '-'"
RouteName = Annotated[str, StringConstraints(pattern=r"^[^./\\\x00-\x1f][^/\\\x00-\x1f]{0,254}$")]
FolderName = Annotated[str, StringConstraints(min_length=1, pattern=r"^[^\x00]+$")]
# The ways to run a model: `models/engines`.
EngineName = Literal[
    "auto",
    "keras",
    "graph",
    "graph-bfloat16",
    "graph-float16",
    "xla",
    "xla-float16",
    "openvino",
    "openvino-bfloat16",
    "openvino-int8",
]
# A port is at most 65535.
PORT = r"([1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d{2}|655[0-2]\d|6553[0-5])"
Listen = Annotated[str, StringConstraints(pattern=rf"^$|^([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]):{PORT}$")]
# node_exporter reads no other names.
TextFile = Annotated[str, StringConstraints(pattern=r"^$|^[^\x00]*[^/\x00]\.prom$")]
# Not the owner's own digit: Watcher must be able to read and write what it has made.
Umask = Annotated[str, StringConstraints(pattern=r"^0?0[0-7]{2}$")]
A_UMASK = "three digits from 0 to 7, of which the first is 0, like 027"


def _as_one(given: Any, check: ValidatorFunctionWrapHandler) -> Any:
    """Of a value that may be one thing or another, pydantic would say everything that it is not."""
    try:
        return check(given)
    except ValidationError:
        raise PydanticCustomError("union", "one or the other") from None


Heatmap = Annotated[bool | list[RouteName], WrapValidator(_as_one)]


class Folders(Section):
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


class Permissions(Section):
    """Who else may use what Watcher makes. Originals keep the rights that they came with."""

    umask: Umask = Field(
        default="027", description="027: its group may read | 007: and write, as in a shared inbox | 022: all may read"
    )

    @property
    def mask(self) -> int:
        return int(self.umask, 8)


class Intake(Section):
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


class Models(Section):
    """Which model looks at which picture."""

    default: ModelName = Field(default="xception", description="for pictures that no route claims")
    routes: dict[RouteName, ModelName] = Field(
        default_factory=lambda: {"malaria": "malaria"}, description="first folder below the inbox -> model"
    )


class Inference(Section):
    """How models are run."""

    executor: Literal["local"] = Field(default="local", description="local: in this process")
    engine: EngineName = Field(
        default="auto",
        description="auto (the fastest that gives the same labels) | keras | graph | graph-bfloat16 | graph-float16 | "
        "xla | xla-float16 | openvino | openvino-bfloat16 | openvino-int8",
    )
    batch_size: int = Field(default=32, ge=1, le=1024, description="pictures that the model sees at once, at most")
    timeout_seconds: float = Field(
        default=120,
        ge=1,
        le=86400,
        allow_inf_nan=False,
        description="what takes longer hangs: the daemon starts anew, and sets the picture aside at the third time",
    )


class Annotate(Section):
    """The annotated copy."""

    format: Literal["auto", "jpeg", "png"] = Field(
        default="auto", description="auto (PNG stays PNG, all else JPEG) | jpeg | png"
    )
    heatmap: Heatmap = Field(
        default=False, description='show where the model looked: false | true | for some routes: ["malaria"]'
    )

    def heats(self, route: str | None) -> bool:
        """Whether copies of pictures of a route, or of none, are to show where the model looked."""
        return self.heatmap if isinstance(self.heatmap, bool) else route in self.heatmap


class DatabaseSettings(Section):
    """Where the results are written."""

    url: str = Field(
        default="sqlite:///watcher.db",
        repr=False,  # it may hold a password
        pattern=r"^(sqlite(\+\w+)?:///|postgresql(\+\w+)?://)",
        description="an SQLAlchemy URL; a relative SQLite path starts at this file",
    )


class Metrics(Section):
    """Figures for monitoring."""

    listen: Listen = Field(
        default="",
        description='"127.0.0.1:9464": /metrics for Prometheus, /healthz and /readyz; empty: nothing listens',
    )
    textfile: TextFile = Field(
        default="",
        description='"/var/lib/node_exporter/watcher.prom": the same as a file, every 15 seconds; empty: none',
    )


class Log(Section):
    """What the daemon says on standard error."""

    format: Literal["auto", "human", "json"] = Field(
        default="auto", description="auto (human on a terminal, else JSON) | human | json"
    )


class Settings(Section):
    """All of `watcher.toml`."""

    folders: Folders = Folders()
    permissions: Permissions = Permissions()
    intake: Intake = Intake()
    models: Models = Models()
    inference: Inference = Inference()
    annotate: Annotate = Annotate()
    database: DatabaseSettings = DatabaseSettings()
    metrics: Metrics = Metrics()
    log: Log = Log()

    def heats(self, model: str) -> bool:
        """Whether any route that leads to a model asks for heat maps."""
        routes = (route for route, name in self.models.routes.items() if name == model)
        return any(map(self.annotate.heats, (*routes, *((None,) if self.models.default == model else ()))))


def load(path: Path) -> Settings:
    """The settings in the TOML file at `path`.

    Raises SettingsError with one line `FILE:LINE: key: what is wrong` for every fault, all at once.
    """
    return toml_file.load(path, Settings, _expected, lambda values, faults: _more_faults(path, values, faults))


def _more_faults(path: Path, values: dict[str, Any], faults: list[Fault]) -> Iterator[Fault]:
    yield from _folder_faults(path, values, faults)
    yield from _route_faults(values)


def _route_faults(values: dict[str, Any]) -> Iterator[Fault]:
    with suppress(ValidationError, AttributeError):  # which are told of already
        heatmap = Annotate.model_validate(values.get("annotate", {})).heatmap
        routes = Models.model_validate(values.get("models", {})).routes
        for name in heatmap if isinstance(heatmap, list) else ():
            if name not in routes:
                yield ("annotate", "heatmap"), f"annotate.heatmap: {json.dumps(name)} is no route of [models.routes]"


def _folder_faults(path: Path, values: dict[str, Any], faults: list[Fault]) -> Iterator[Fault]:
    given = values.get("folders", {})
    wrong = {location[1] for location, _ in faults if location[0] == "folders" and len(location) > 1}
    with suppress(ValidationError, AttributeError):  # where it is no table, that is among the faults already
        sound = {key: value for key, value in given.items() if key not in wrong}
        yield from _misplaced(Folders.model_validate(sound), path.parent)


def _misplaced(folders: Folders, root: Path) -> Iterator[Fault]:
    """Output inside the inbox would be taken for new pictures, without end; two kinds in one folder would mix."""
    places = {name: Path(os.path.realpath(root / folder)) for name, folder in folders.model_dump().items()}
    for one, other in combinations(places, 2):
        inner, outer = (one, other) if places[other] in places[one].parents else (other, one)
        location = ("folders", inner if inner in folders.model_fields_set else outer)
        if places[one] == places[other]:
            yield location, f"folders.{one} and folders.{other} are the same folder, {places[one]}: give each its own"
        elif places[outer] in places[inner].parents and "inbox" in (one, other):
            yield location, f"folders.{inner} lies inside folders.{outer}, {places[outer]}: move it out of there"


def _expected(fault: ErrorDetails) -> str | None:
    """What a setting of ours should be, where the general words would not do."""
    if fault["loc"] == ("database", "url"):
        return "like sqlite:///watcher.db or postgresql+psycopg://user:password@host/database"
    if fault["loc"] == ("metrics", "listen"):
        return "an address and a port, like 127.0.0.1:9464, or empty"
    if fault["loc"] == ("metrics", "textfile"):
        return "a file whose name ends in .prom, like /var/lib/node_exporter/watcher.prom, or empty"
    if fault["loc"] == ("permissions", "umask"):
        return f"{A_UMASK}, in quotes"
    if fault["loc"] == ("annotate", "heatmap"):
        return 'true, false or a list of routes, like ["malaria"]'
    if fault["type"] != "string_pattern_mismatch":
        return None
    if fault["loc"][-1] == "[key]":
        return "a folder's name: without slashes, not empty, and no dot at its beginning"
    if fault["loc"][0] == "models":
        return A_MODELS_NAME
    return "a folder's name"


def commented(settings: Settings | None = None) -> str:
    """A `watcher.toml` that says every setting with its meaning, made from the settings themselves."""
    settings = settings or Settings()
    out = ["# Watcher's settings: every one that there is. A line that is deleted means its default.\n"]
    for name in Settings.model_fields:
        section: Section = getattr(settings, name)
        out.append(f"\n# {(type(section).__doc__ or '').strip()}\n[{name}]\n")
        tables = ""
        for key, entry in type(section).model_fields.items():
            value = getattr(section, key)
            if isinstance(value, dict):
                rows = "".join(f"{toml_file.key(k)} = {toml_file.value(v)}\n" for k, v in value.items())
                tables += f"\n# {entry.description}\n[{name}.{key}]\n{rows}"
            else:
                out.append(f"{key} = {toml_file.value(value)}".ljust(32) + f"  # {entry.description}\n")
        out.append(tables)
    return "".join(out)
