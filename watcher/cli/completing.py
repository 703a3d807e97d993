"""What a shell proposes where a name of this home is wanted. Looks at folders alone, and never fails."""

from __future__ import annotations

import json
import os
import shlex
from contextlib import suppress
from typing import TYPE_CHECKING

from watcher.home import find, open_home

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import click

    from watcher.home import Home

CURRENT, CARD, JOB = "current", "model.json", ".toml"
STATES = ("done", "failed", "duplicate", "vanished", "superseded")


def models(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """The models that are here."""
    home = _home(ctx)
    return _fitting([folder.name for folder in _models(home)] if home else [], incomplete)


def to_fetch(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """The models that come with Watcher, or that it makes."""
    from watcher.models.builtin import fetchable

    return _fitting(fetchable(), incomplete)


def versions(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """The versions of the model that was named before."""
    home, name = _home(ctx), ctx.params.get("name")
    return _fitting(_versions(home.models / str(name)) if home and name else [], incomplete)


def models_with_versions(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """As `malaria/4`."""
    home = _home(ctx)
    folders = _models(home) if home else []
    return _fitting((f"{each.name}/{version}" for each in folders for version in _versions(each)), incomplete)


def labels(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """What the live models call pictures; of `--model` alone, if that was said."""
    home, name = _home(ctx), ctx.params.get("model")
    folders = _models(home) if home else []
    known = (label for each in folders if name in (None, each.name) for label in _labels(each))
    found = _fitting(known, incomplete)
    # Other shells put what they insert in quotes themselves.
    return [shlex.quote(each) for each in found] if "bash" in os.environ.get("_WATCHER_COMPLETE", "") else found


def states(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """What can have become of a picture."""
    return _fitting(STATES, incomplete)


def jobs(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """The jobs of this home."""
    home = _home(ctx)
    names = _names(home.jobs) if home else []
    return _fitting((name.removesuffix(JOB) for name in names if name.endswith(JOB)), incomplete)


def _fitting(names: Iterable[str], incomplete: str) -> list[str]:
    return sorted({name for name in names if name.startswith(incomplete) and name.isprintable()})


def _home(ctx: click.Context) -> Home | None:
    with suppress(Exception):  # a person who presses Tab is told nothing of faults
        return open_home(find(ctx.find_root().params.get("home")))
    return None


def _models(home: Home) -> list[Path]:
    return [home.models / name for name in _names(home.models) if (home.models / name / CURRENT).is_file()]


def _versions(folder: Path) -> list[str]:
    return [name for name in _names(folder) if name.isascii() and name.isdigit()]


def _labels(folder: Path) -> list[str]:
    with suppress(OSError, ValueError, KeyError, TypeError):
        live = (folder / CURRENT).read_text("ascii").strip()
        found = json.loads((folder / live / CARD).read_text("utf-8"))["labels"]
        return [label for label in found if isinstance(label, str)]
    return []


def _names(folder: Path) -> list[str]:
    with suppress(OSError):
        return [name for name in os.listdir(folder) if not name.startswith(".")]
    return []
