"""`watcher models …`: the model registry."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from watcher.cli import completing
from watcher.cli.evaluate import evaluate
from watcher.cli.helping import Group
from watcher.cli.options import facts_format_option, format_option, the_registry
from watcher.cli.output import print_rows
from watcher.cli.trying import try_
from watcher.cli.versions import promote, rollback, which
from watcher.errors import UsageError
from watcher.settings import ModelName

if TYPE_CHECKING:
    from watcher.models.package import Card, Package


def _summary(package: Package, *, live: bool) -> dict[str, Any]:
    card = package.card
    return {
        "model": card.name,
        "version": card.version,
        "current": live,
        "labels": len(card.labels),
        "input": f"{card.input_size[0]} x {card.input_size[1]}",
        "base": card.base,
        "weights": card.weights + ("" if card.verified else " (unverified)"),
        "created_at": card.created_at.isoformat(timespec="seconds"),
    }


@click.group(cls=Group)
def models() -> None:
    """List, show, fetch and import models; choose the version that is used.

    Example: `watcher models list`
    """


for command in (evaluate, promote, rollback, try_, which):
    models.add_command(command)


@models.command("list")
@format_option
@click.pass_context
def list_models(ctx: click.Context, form: str) -> None:
    """List every version of every model, one a row; those that are damaged are told of on standard error.

    Example: `watcher models list --format json`
    """
    from watcher.errors import ModelError

    rows = []
    for found in the_registry(ctx).all():
        if isinstance(found, ModelError):
            click.echo(f"watcher: {found}", err=True)
        else:
            rows.append(_summary(found[0], live=found[1]))
    columns = ("model", "version", "current", "labels", "input", "base", "weights", "created_at")
    print_rows(rows, form, columns)


@models.command()
@click.argument("name", shell_complete=completing.models)
@facts_format_option
@click.pass_context
def show(ctx: click.Context, name: str, form: str) -> None:
    """Show what is known of a model's current version: labels, input, weights, what it was trained on, digest.

    Example: `watcher models show xception`
    """
    from watcher.models.package import card_json

    package = the_registry(ctx).current(name)
    if form == "json":
        click.echo(json.dumps(card_json(package) | {"folder": str(package.folder)}, indent=1, ensure_ascii=False))
        return
    for key, value in _facts(package).items():
        click.echo(f"{key:>14}  {value}")


def _facts(package: Package) -> dict[str, str]:
    card = package.card
    return {
        "model": package.id,
        "labels": ", ".join(card.labels[:10]) + (f" … ({len(card.labels)} in all)" if len(card.labels) > 10 else ""),
        **({"positive label": card.positive_label} if card.positive_label else {}),
        "input": f"RGB, {card.input_size[0]} x {card.input_size[1]}, by {card.resize} ({card.crop_share:g})",
        "base": card.base,
        "weights": card.weights,
        "checked": "weights as published" if card.verified else "no, weights unverified",
        **_origin(card),
        "digest": card.digest,
        "saved with": ", ".join(f"{name} {version}" for name, version in card.libraries.items()),
        "created at": card.created_at.isoformat(timespec="seconds"),
        "folder": str(package.folder),
    }


def _origin(card: Card) -> dict[str, str]:
    """From what it was trained, where its card says so."""
    if (made := card.trained_on) is None:
        return {}
    return {
        "trained on": f"{made.pictures:,} pictures in {made.groups:,} groups, seed {made.seed}",
        "data digest": made.data_digest,
        "settings": ", ".join(f"{name} {value}" for name, value in made.settings.items()),
    }


@models.command()
@click.argument("name", shell_complete=completing.to_fetch)
@click.pass_context
def fetch(ctx: click.Context, name: str) -> None:
    """Make a built-in model: xception or efficientnet-lite0 with ImageNet weights, or malaria, which comes with Watcher.

    Xception's weights, 92 MB, are downloaded by Keras and checked; the others need no download.

    Example: `watcher models fetch xception`
    """
    registry = the_registry(ctx)
    from watcher.clock import utc
    from watcher.models.builtin import fetch as fetch_model
    from watcher.models.builtin import is_here

    if is_here(registry, name):
        click.echo(f"{registry.current(name).id} is here already.")
        return
    click.echo(f"{fetch_model(registry, name, utc()).id} is ready.")


@models.command("import")
@click.argument("name")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--labels",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="One label a line, in the order of the outputs; for a single sigmoid, the label that 0 stands for comes first.",
)
@click.option(
    "--preprocess",
    type=click.Choice(["none", "tf", "torch"]),
    default="none",
    show_default=True,
    help="What a .keras file still needs before it: tf scales to -1..1, torch by ImageNet's mean and deviation.",
)
@click.option(
    "--resize",
    type=click.Choice(["squash", "crop"]),
    default="squash",
    show_default=True,
    help="How a picture comes to the size of the input: its sides scaled apart, or the middle cut out.",
)
@click.pass_context
def import_(
    ctx: click.Context,
    name: str,
    path: Path,
    labels: Path | None,
    preprocess: Literal["none", "tf", "torch"],
    resize: Literal["squash", "crop"],
) -> None:
    """Bring a model: a .keras file, a model package's folder, or weights for a built-in architecture.

    A .keras file takes RGB 0..255 (or say --preprocess) and gives one probability for each label. It is
    loaded in Keras' safe mode: code in it is never run.

    Example: `watcher models import xception xception_weights_tf_dim_ordering_tf_kernels.h5`
    """
    _check_name(name)
    registry = the_registry(ctx)
    from watcher.clock import utc
    from watcher.models.importing import import_model

    package = import_model(registry, name, path, utc(), labels=labels, preprocess=preprocess, resize=resize)
    click.echo(f"{package.id} is ready: {package.card.weights}. A daemon that runs takes it up by itself.")
    if not package.card.verified:
        click.echo(
            "Nothing vouches for these weights: try the model on pictures whose labels you know.", file=sys.stderr
        )


def _check_name(name: str) -> None:
    from pydantic import TypeAdapter, ValidationError

    try:
        TypeAdapter(ModelName).validate_python(name)
    except ValidationError:
        raise UsageError(f"{name!r} cannot be a model's name: lower-case letters, digits, '.', '_' and '-'") from None
