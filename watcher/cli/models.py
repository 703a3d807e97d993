"""`watcher models …`: the model registry."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from watcher.cli.options import format_option, the_home
from watcher.cli.output import print_rows
from watcher.errors import UsageError
from watcher.settings import ModelName

if TYPE_CHECKING:
    from watcher.models.package import Package
    from watcher.models.registry import Registry


def _registry(ctx: click.Context) -> Registry:
    from watcher.models.registry import Registry

    return Registry(the_home(ctx).models)


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


@click.group()
def models() -> None:
    """List, show, fetch and import models.

    Example: `watcher models list`
    """


@models.command("list")
@format_option
@click.pass_context
def list_models(ctx: click.Context, form: str) -> None:
    """List every version of every model.

    Example: `watcher models list --format json`
    """
    from watcher.errors import ModelError

    rows = []
    for found in _registry(ctx).all():
        if isinstance(found, ModelError):
            click.echo(f"watcher: {found}", err=True)
        else:
            rows.append(_summary(found[0], live=found[1]))
    columns = ("model", "version", "current", "labels", "input", "base", "weights", "created_at")
    print_rows(rows, form, columns)


@models.command()
@click.argument("name")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.pass_context
def show(ctx: click.Context, name: str, form: str) -> None:
    """Show what is known of a model's current version.

    Example: `watcher models show xception`
    """
    from watcher.models.package import card_json

    package = _registry(ctx).current(name)
    if form == "json":
        click.echo(json.dumps(card_json(package) | {"folder": str(package.folder)}, indent=1, ensure_ascii=False))
        return
    card = package.card
    labels = ", ".join(card.labels[:10]) + (f" … ({len(card.labels)} in all)" if len(card.labels) > 10 else "")
    facts = {
        "model": package.id,
        "labels": labels,
        "input": f"RGB, {card.input_size[0]} x {card.input_size[1]}, by {card.resize} ({card.crop_share:g})",
        "base": card.base,
        "weights": card.weights,
        "checked": "weights as published" if card.verified else "no, weights unverified",
        "digest": card.digest,
        "saved with": ", ".join(f"{name} {version}" for name, version in card.libraries.items()),
        "created at": card.created_at.isoformat(timespec="seconds"),
        "folder": str(package.folder),
    }
    for key, value in facts.items():
        click.echo(f"{key:>12}  {value}")


@models.command()
@click.argument("name")
@click.pass_context
def fetch(ctx: click.Context, name: str) -> None:
    """Make a built-in model (xception, efficientnet-lite0) with its ImageNet weights.

    Xception's weights, 92 MB, are downloaded by Keras and checked; efficientnet-lite0 needs no download.

    Example: `watcher models fetch xception`
    """
    registry = _registry(ctx)
    from watcher.clock import utc
    from watcher.models.builtin import fetch as fetch_model
    from watcher.models.package import is_whole

    if registry.has(name) and (here := registry.current(name)).card.verified and is_whole(here):
        click.echo(f"{here.id} is here already.")
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
@click.option("--resize", type=click.Choice(["squash", "crop"]), default="squash", show_default=True)
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
    registry = _registry(ctx)
    from watcher.clock import utc
    from watcher.models.importing import import_model

    package = import_model(registry, name, path, utc(), labels=labels, preprocess=preprocess, resize=resize)
    click.echo(f"{package.id} is ready: {package.card.weights}. A daemon that runs takes it up when it next scans,")
    click.echo("or at its next start if it has loaded an earlier version.")
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
