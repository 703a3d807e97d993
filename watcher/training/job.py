"""A job: what is to be trained, from which pictures, and how."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from watcher.settings import FolderName, ModelName
from watcher.toml_file import Section
from watcher.training.recipe import Count, Recipe

Sources = Annotated[
    tuple[FolderName, ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
    Field(strict=False),  # TOML has lists
]


class Data(Section):
    """The labelled pictures."""

    source: Sources = Field(
        default=(),
        description="a folder with a sub-folder for each label, or a CSV list, or several of them; relative to this file",
    )
    group_by: str | None = Field(
        default=None, description="what in a file's name names its group; unset: its sub-folder"
    )
    positive: str | None = Field(default=None, description="of two labels the one that sensitivity speaks of")
    pictures: Count | None = Field(default=None, description="so many of them, by chance; unset: all")


class Job(Section):
    """What `watcher train` needs to know."""

    model: ModelName
    data: Data = Data()
    training: Recipe = Recipe()
