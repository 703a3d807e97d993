"""The settings file: what `init` writes, and what an edited one means."""

from __future__ import annotations

import re
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from watcher.settings import Annotate, Folders, Inference, Intake, Models, Settings, commented, load

# As the design has them: scripts and documentation rely on these.
DESIGN = """
[folders]
inbox = "inbox"
outbox = "outbox"
[intake]
watch = "auto"
settle_seconds = 2.0
rescan_seconds = 60
originals = "move"
duplicates = "reuse"
max_megapixels = 100
[models]
default = "xception"
[models.routes]
malaria = "malaria"
[inference]
executor = "local"
engine = "auto"
batch_size = 32
[annotate]
format = "auto"
heatmap = false
[database]
url = "sqlite:///watcher.db"
[metrics]
listen = ""
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file is to be."""
    return tmp_path / "watcher.toml"


def load_text(path: Path, text: str | bytes) -> Settings:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load(path)


def leaves(values: dict[str, Any], above: str = "") -> dict[str, Any]:
    """The values by dotted key."""
    found = {}
    for key, value in values.items():
        found |= leaves(value, f"{above}{key}.") if isinstance(value, dict) else {f"{above}{key}": value}
    return found


def test_the_generated_file_holds_the_designs_keys_and_defaults(path: Path) -> None:
    """Every key that the design names stands in the file, with its default."""
    written, designed = leaves(tomllib.loads(commented())), leaves(tomllib.loads(DESIGN))
    assert {key: written[key] for key in designed} == designed
    assert load_text(path, DESIGN) == Settings()


def test_the_generated_file_is_every_setting_and_means_the_defaults(path: Path) -> None:
    """Nothing is left out, and reading it changes nothing."""
    assert load_text(path, commented()) == Settings()
    assert leaves(tomllib.loads(commented())).keys() == leaves(Settings().model_dump()).keys()


def test_every_line_of_the_generated_file_is_explained() -> None:
    """Each setting has a comment beside it, each table one above it, and the choices are among the comments."""
    lines = commented().splitlines()
    for above, line in pairwise(lines):
        if line.startswith("["):
            assert re.fullmatch(r"# \S.*", above)
        elif "=" in line and line != 'malaria = "malaria"':
            assert re.search(r"  # \S", line)
    for choices in (Intake, Inference, Annotate):
        for name, field in choices.model_fields.items():
            for choice in get_args(field.annotation) if get_origin(field.annotation) is Literal else ():
                assert str(choice).lower() in next(line for line in lines if line.startswith(f"{name} =")).lower()


def test_an_empty_file_means_the_defaults(path: Path) -> None:
    """Every setting may be left out."""
    assert load_text(path, "") == load_text(path, "# nothing\n") == load_text(path, "[intake]\n") == Settings()


def test_one_line_changes_one_setting(path: Path) -> None:
    """What is not said keeps its default."""
    changed = load_text(path, "[intake]\nsettle_seconds = 5\n")
    assert changed.intake.settle_seconds == 5
    assert leaves(changed.model_dump()) == leaves(Settings().model_dump()) | {"intake.settle_seconds": 5}


@pytest.mark.parametrize(
    "text",
    [
        'intake.originals = "keep"',
        'intake = { originals = "keep" }',
        '[intake]\r\noriginals = "keep"\r\n',
        '"intake"."originals" = \'keep\'',
        '\ufeff[intake]\noriginals = "keep"',
    ],
)
def test_toml_may_be_written_in_any_of_its_ways(path: Path, text: str) -> None:
    """Dotted keys, inline tables, quotes, Windows' line ends and its byte order mark mean the same."""
    assert load_text(path, text).intake.originals == "keep"


def test_routes_replace_the_default_ones(path: Path) -> None:
    """The table of routes says all routes; an empty one says there are none."""
    assert load_text(path, "[models.routes]\n").models.routes == {}
    assert load_text(path, '[models]\nroutes = { "Blut & Co" = "malaria" }').models.routes == {"Blut & Co": "malaria"}


def test_settings_cannot_be_changed_by_accident() -> None:
    """They are frozen once read."""
    with pytest.raises(ValidationError):
        Settings().intake.settle_seconds = 1  # type: ignore[misc]


text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
folder = text.filter(lambda name: "\0" not in name)
model = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,63}", fullmatch=True)
route = st.from_regex(r"[^./\\\x00-\x1f\ud800-\udfff][^/\\\x00-\x1f\ud800-\udfff]{0,20}", fullmatch=True)


@given(st.builds(Settings, models=st.builds(Models, default=model, routes=st.dictionaries(route, model, max_size=3))))
def test_whatever_is_set_is_written_so_that_it_is_read_again(settings: Settings) -> None:
    """Routes in any script, with blanks and quotes, survive being written."""
    assert Settings.model_validate(tomllib.loads(commented(settings))) == settings


@given(st.builds(Folders, inbox=folder, outbox=folder), st.floats(0, 3600), st.integers(1, 1024))
def test_folders_and_numbers_are_written_so_that_they_are_read_again(
    folders: Folders, seconds: float, batch: int
) -> None:
    """Folders of any name, with quotes, control characters and DEL, and numbers of any size survive being written."""
    settings = Settings(folders=folders, intake=Intake(settle_seconds=seconds), inference=Inference(batch_size=batch))
    assert Settings.model_validate(tomllib.loads(commented(settings))) == settings
