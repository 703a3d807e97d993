"""`watcher classify`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from watcher.cli import completing
from watcher.cli.opening import open_vision
from watcher.cli.options import format_option, home_root
from watcher.cli.output import console, print_rows
from watcher.errors import WatcherError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from watcher.service.classify import Result
    from watcher.vision.vision import Vision


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--model",
    shell_complete=completing.models,
    help="The model; else the home's default, or efficientnet-lite0 where there is no home.",
)
@click.option("--top", type=click.IntRange(1, 5), default=3, show_default=True, help="How many labels to print.")
@click.option(
    "--annotate", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="Write annotated copies there."
)
@click.option("--heatmap", is_flag=True, help="Show in the annotated copies where the model looked.")
@format_option
@click.pass_context
def classify(
    ctx: click.Context,
    paths: tuple[Path, ...],
    model: str | None,
    top: int,
    annotate: Path | None,
    heatmap: bool,
    form: str,
) -> None:
    """Classify pictures, or folders of them, now. No home is needed.

    Prints one row for each picture, with its best labels and their scores, or why it could not be read. Exit code 1 if
    none could be read, else 0.

    Example: `watcher classify holiday/ cat.jpg --annotate labelled/`
    """
    from watcher.service.classify import classify as results_of
    from watcher.service.classify import is_copy, targets

    if heatmap and annotate is None:
        raise click.UsageError("--heatmap is drawn in annotated copies: say with --annotate DIR where to write them")
    within = annotate.resolve() if annotate else None  # whose copies, of another time, are no pictures to classify
    pictures = [
        each for each in targets(paths)
        if not (within and each.path.resolve().is_relative_to(within) and is_copy(each.path))
    ]  # fmt: skip
    if not pictures:
        raise WatcherError("there are no pictures in " + ", ".join(map(str, paths)))
    vision, batch_size = open_vision(home_root(ctx), model, heat=heatmap)
    results = list(_progress(results_of(pictures, vision, batch_size, annotate), len(pictures)))
    rows = [_row(result, vision, top) for result in results]
    if form == "json":
        _print_json(rows)
    else:
        _print_flat(rows, form, top)
    if all("error" in row for row in rows):
        ctx.exit(1)


def _row(result: Result, vision: Vision, top: int) -> dict[str, Any]:
    from watcher.intake.names import clean
    from watcher.vision.outcome import Failed

    card = vision.package.card
    row: dict[str, Any] = {"path": clean(str(result.path)), "model": card.name, "model_version": card.version}
    if isinstance(result.outcome, Failed):
        return row | {"error": result.outcome.reason}
    best = [{"label": label, "score": score} for label, score in result.outcome.predictions[:top]]
    return row | {"label": best[0]["label"], "score": best[0]["score"], "top": best}


def _print_json(rows: list[dict[str, Any]]) -> None:
    import json

    click.echo(json.dumps(rows, indent=1, ensure_ascii=False))


def _print_flat(rows: list[dict[str, Any]], form: str, top: int) -> None:
    """A line for each picture: its label and score, then the next ones, then why it could not be read."""
    empty: dict[str, Any] = {"label": None, "score": None, "next": "", "error": None, "top": []}
    flat = [empty | row for row in rows]
    for row in flat:
        row["next"] = ", ".join(f"{item['label']} {item['score']:.3f}" for item in row["top"][1:])
    columns = ["path", "model", "model_version", "label", "score", "error"]
    if top > 1:
        columns.insert(5, "next")
    print_rows(flat, form, columns, [name for name in columns if name != "error" or any(r["error"] for r in flat)])


def _progress(results: Iterable[Result], count: int) -> Iterator[Result]:
    if not sys.stderr.isatty():
        yield from results
        return
    from rich.progress import track

    yield from track(results, "Classifying", count, console=console(stderr=True), transient=True)
