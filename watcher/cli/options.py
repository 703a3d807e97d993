"""What several commands take."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

import click

from watcher.home import find, open_home

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from watcher.home import Home
    from watcher.models.registry import Registry
    from watcher.settings import Settings

Function = TypeVar("Function", bound="Callable[..., object]")

FORMATS = ("table", "json", "csv")


def format_option(function: Function) -> Function:
    """`--format`, for every command that prints rows."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(FORMATS),
        default="table",
        show_default=True,
        help="How to print the rows.",
    )(function)


def facts_format_option(function: Function) -> Function:
    """`--format`, for commands whose answer is no rows."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(["table", "json"]),
        default="table",
        show_default=True,
        help="How to print it.",
    )(function)


def home_root(ctx: click.Context) -> Path:
    """The folder that `--home`, the environment or the current folder names."""
    given: Path | None = ctx.find_root().obj
    return find(given)


def the_home(ctx: click.Context) -> Home:
    """The opened home; what this process makes from here on gets the rights that its settings say.

    Raises HomeError or SettingsError.
    """
    home = open_home(home_root(ctx))
    keep_rights(home.settings)
    return home


def keep_rights(settings: Settings) -> None:
    """For this process, and for those that it starts."""
    os.umask(settings.permissions.mask)


def the_registry(ctx: click.Context) -> Registry:
    """The models of the home. Raises HomeError or SettingsError."""
    from watcher.models.registry import Registry

    return Registry(the_home(ctx).models)
