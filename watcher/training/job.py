"""A job: what is to be trained, from which pictures, and how."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from watcher.settings import FolderName, ModelName
from watcher.toml_file import Section
from watcher.training.recipe import Count, Recipe


def _expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error as fault:
        raise ValueError(f"{text!r} is no regular expression: {fault}") from None
    return text


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
    group_by: Annotated[str, AfterValidator(_expression)] | None = Field(
        default=None, description="what in a file's name names its group; unset: its sub-folder"
    )
    positive: str | None = Field(default=None, description="of two labels the one that sensitivity speaks of")
    pictures: Count | None = Field(default=None, description="so many of them, by chance; unset: all")


class Job(Section):
    """What `watcher train` needs to know."""

    model: ModelName
    data: Data = Data()
    training: Recipe = Recipe()
