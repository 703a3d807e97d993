"""`watcher test`: a model on random pictures whose labels are known."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from watcher.cli import completing
from watcher.cli.opening import open_vision
from watcher.cli.options import format_option, home_root
from watcher.cli.output import print_rows
from watcher.errors import DataError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from watcher.service.classify import Result
    from watcher.training.examples import Example
    from watcher.vision.vision import Vision

COLUMNS = ("path", "group", "model", "model_version", "truth", "label", "score", "right", "note", "copy")

MOST_WINDOWS = 3
MOST_NAMES = 5


@click.command()
@click.argument("folder", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--model",
    shell_complete=completing.models,
    help="The model; else the home's default, or efficientnet-lite0 where there is no home.",
)
@click.option("--count", type=click.IntRange(1), default=1, show_default=True, help="How many pictures, no two alike.")
@click.option("--seed", type=int, help="Draws the same pictures again; else they are others each time.")
@click.option("--group-by", metavar="REGEX", help="The part of a file's name that is its group, to be shown.")
@click.option(
    "--annotate",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Where the annotated pictures go.  [default: tested, here]",
)
@click.option("--show/--no-show", default=None, help="Show them on this screen, or not.  [default: if there is one]")
@format_option
@click.pass_context
def test(
    ctx: click.Context,
    folder: Path,
    model: str | None,
    count: int,
    seed: int | None,
    group_by: str | None,
    annotate: Path | None,
    show: bool | None,
    form: str,
) -> None:
    """Try a model on a random picture of FOLDER, which has a sub-folder for each label.

    Prints its truth beside what the model says, and saves the annotated picture, which says both. FOLDER may
    also be a list: a CSV file whose first line names path and label.

    Example: `watcher test cells/ --model malaria`
    """
    from watcher.training.examples import find_examples

    copies = _copies(folder, annotate)
    examples = list(find_examples(folder, group_by))
    random.Random(seed).shuffle(examples)  # noqa: S311  (nobody gains by guessing it)
    vision, batch_size = open_vision(home_root(ctx), model)
    _must_know(vision, examples, folder)
    tried = list(_try(examples, folder, vision, count, batch_size, copies))
    rows = [_row(example, result, vision) for example, result in tried]
    _print(rows, form)
    _show([result.copy for _, result in tried if result.copy], wanted=show, form=form)


def _must_know(vision: Vision, examples: Sequence[Example], folder: Path) -> None:
    """Raises DataError where nothing could be right: the sub-folders are then groups, or labels of another model."""
    card = vision.package.card
    labels = sorted({example.label for example in examples})
    if not set(labels) & set(card.labels):
        raise DataError(
            f"{folder}: no sub-folder has the name of a label of {card.name} ({_some(card.labels)}); there are "
            f"{_some(labels)}: name them so, or say which --model they are for"
        )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:MOST_NAMES]) + (", …" if len(names) > MOST_NAMES else "")


def _copies(folder: Path, given: Path | None) -> Path:
    """Where the annotated pictures go: not to those that are tested, or they would be drawn themselves."""
    within = folder.resolve()
    for copies in (given,) if given else (Path("tested"), within.with_name("tested")):
        if not copies.resolve().is_relative_to(within):
            return copies
    raise UsageError(f"annotated pictures would join those of {folder}: name another place with --annotate DIR")


def _try(
    examples: Sequence[Example], folder: Path, vision: Vision, count: int, batch_size: int, annotate: Path
) -> Iterator[tuple[Example, Result]]:
    """The first `count` examples that can be read; says of the others why not. Raises DataError if none can."""
    from watcher.intake.names import clean
    from watcher.service.classify import Target, classify
    from watcher.vision.outcome import Failed

    at = done = 0
    while done < count and at < len(examples):
        batch = examples[at : at + count - done]
        at += len(batch)
        targets = [Target(example.path, _name(example.path, folder), example.label) for example in batch]
        for example, result in zip(batch, classify(targets, vision, batch_size, annotate), strict=True):
            if isinstance(result.outcome, Failed):
                click.echo(f"watcher: {clean(str(example.path))}: {result.outcome.reason}; trying another", err=True)
            else:
                done += 1
                yield example, result
    if not done:
        raise DataError(f"{folder}: none of the {len(examples):,} pictures can be read")
    if done < count:
        click.echo(f"watcher: there are no more than {done:,} pictures to try", err=True)


def _name(path: Path, folder: Path) -> str:
    """What a copy is called: its path in the folder; a list's pictures may lie anywhere."""
    return os.path.relpath(path, folder) if path.is_relative_to(folder) else path.name


def _row(example: Example, result: Result, vision: Vision) -> dict[str, Any]:
    from watcher.intake.names import clean
    from watcher.vision.outcome import Classified

    assert isinstance(result.outcome, Classified)
    card = vision.package.card
    label, score = result.outcome.predictions[0]
    unknown = example.label not in card.labels
    return {
        "path": clean(str(example.path)),
        "group": example.group,
        "model": card.name,
        "model_version": card.version,
        "truth": example.label,
        "label": label,
        "score": score,
        "right": label == example.label,
        "note": f"{card.name} knows no label {example.label}" if unknown else None,
        "copy": clean(str(result.copy)) if result.copy else None,
    }


def _print(rows: list[dict[str, Any]], form: str) -> None:
    if form != "table":
        print_rows(rows, form, COLUMNS)
        return
    told = [row | {"says": row["label"], "verdict": "right" if row["right"] else "wrong"} for row in rows]
    columns = ["path", "truth", "says", "score", "verdict", *(["note"] if any(row["note"] for row in rows) else [])]
    print_rows(told, form, columns)
    if len(rows) > 1:
        click.echo(f"{sum(row['right'] for row in rows):,} of {len(rows):,} right.")
    for row in rows:
        click.echo(f"Annotated: {row['copy']}")


def _show(copies: Sequence[Path], *, wanted: bool | None, form: str) -> None:
    """Opens the pictures in the desktop's viewer. Unless it is asked for, only before a person at a terminal."""
    if wanted is False or (wanted is None and (form != "table" or not sys.stdout.isatty())):
        return
    if has_screen():
        from PIL import Image, ImageShow

        for copy in copies[:MOST_WINDOWS]:
            with Image.open(copy) as picture:
                if not ImageShow.show(picture, copy.name):
                    break
        else:
            return
    if wanted:
        click.echo("watcher: there is no screen, or no program to show pictures with; see the saved ones", err=True)


def has_screen() -> bool:
    """Whether windows can be opened from here."""
    return sys.platform in ("darwin", "win32") or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
