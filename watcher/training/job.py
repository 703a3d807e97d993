"""A job file: what is to be trained, from which pictures, and how."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from watcher import toml_file
from watcher.settings import A_MODELS_NAME, FolderName, ModelName
from watcher.toml_file import Section
from watcher.training.recipe import Count, Recipe

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


class Data(Section):
    """The labelled pictures."""

    source: FolderName | None = Field(
        default=None, description="a folder with a sub-folder for each label, or a CSV list; relative to this file"
    )
    group_by: str | None = Field(
        default=None, description="what in a file's name names its group; unset: its sub-folder"
    )
    positive: str | None = Field(default=None, description="of two labels the one that sensitivity speaks of")
    pictures: Count | None = Field(default=None, description="so many of them, by chance; unset: all")


class Job(Section):
    """All of a job file."""

    model: ModelName
    data: Data = Data()
    training: Recipe = Recipe()


def read_job(path: Path) -> Job:
    """The job in the TOML file at `path`. Raises SettingsError, which names every fault and its line."""
    return toml_file.load(path, Job, _expected)


def _expected(fault: ErrorDetails) -> str | None:
    return A_MODELS_NAME if fault["loc"] == ("model",) and fault["type"] == "string_pattern_mismatch" else None
