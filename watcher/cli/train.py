"""`watcher train`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from watcher.cli.options import the_home
from watcher.errors import DataError, UsageError
from watcher.home import exists

if TYPE_CHECKING:
    from watcher.training.job import Job
    from watcher.training.running import Trained

STOPPED = 130  # as shells have it for Ctrl-C


@click.command()
@click.argument("source", required=False, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--job",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A job file to go by; the options below change what it says.",
)
@click.option("--model", help="What the model is to be called.")
@click.option("--base", help="vgg16, xception, efficientnet-lite0 or another name in keras.applications.")
@click.option("--weights", metavar="imagenet|none|FILE", help="What the base knows at the start.")
@click.option("--teacher-weights", metavar="imagenet|FILE", help="The same for the job's teacher, if it has one.")
@click.option(
    "--group-by", metavar="REGEX", help="What in a file's name names its group: a slide, a patient, a camera."
)
@click.option("--positive", metavar="LABEL", help="Of two labels the one that sensitivity speaks of.")
@click.option("--pictures", metavar="N|all", help="Learn from so many of them, chosen by chance.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), help="The same seed gives the same model.")
@click.option("--promote/--no-promote", default=False, help="Make it live; else it is only if it is the first version.")
@click.pass_context
def train(ctx: click.Context, /, source: Path | None, file: Path | None, promote: bool, **options: Any) -> None:
    r"""Train a model on SOURCE: a folder with one sub-folder of pictures for each label, or a CSV list.

    The pictures are split by group into those that teach, those that choose and calibrate, and those held out to
    judge. The model is kept in the home as a new version, with a report. A training that was stopped goes on where it was
    when the same command is given again.

    Example: `watcher train cells/ --model malaria --group-by '^C(\d+)'`
    """
    home = the_home(ctx)
    job, pictures = _job(file, source, options)
    from watcher.cli.watching import Onlooker
    from watcher.clock import utc
    from watcher.models.registry import Registry
    from watcher.training.running import run_job

    try:
        with Onlooker() as onlooker:
            trained = run_job(Registry(home.models), job, pictures, onlooker, utc, promote=promote)
    except KeyboardInterrupt:
        click.echo("watcher: stopped; the same command goes on from here", err=True)
        ctx.exit(STOPPED)
    except OSError as fault:
        where = f"{fault.filename}: " if fault.filename else ""
        message = f"{where}{fault.strerror or fault}; when that is mended, the same command goes on from here"
        raise DataError(message) from fault
    _print(trained, live=Registry(home.models).current(job.model).card.version)


def _job(file: Path | None, source: Path | None, options: dict[str, Any]) -> tuple[Job, Path]:
    """What the file and the options say together, and where the pictures are. Raises UsageError, SettingsError."""
    from pydantic import ValidationError

    from watcher.training.job import Job, read_job

    given = read_job(file).model_dump() if file else {"data": {}, "training": {}}
    number = options["pictures"]
    if number not in (None, "all") and not re.fullmatch("[0-9]{1,9}", number):
        raise UsageError(f"--pictures is a number or `all`, not {number[:40]!r}")
    changes = {
        ("model",): options["model"],
        ("training", "base"): options["base"],
        ("training", "weights"): options["weights"],
        ("training", "seed"): options["seed"],
        ("data", "group_by"): options["group_by"],
        ("data", "positive"): options["positive"],
    }
    if options["base"] and file and options["base"] != given["training"]["base"]:
        given["training"]["blocks"] = ()  # they were those of another base
    for (*tables, key), value in changes.items():
        if value is not None:
            (given[tables[0]] if tables else given)[key] = value
    if options["teacher_weights"] is not None:
        given["training"].setdefault("teacher", {})["weights"] = options["teacher_weights"]
    if number is not None:
        given["data"]["pictures"] = None if number == "all" else int(number)
    if "model" not in given:
        raise UsageError("say what the model is to be called with --model NAME, or name a --job")
    try:
        job = Job.model_validate(given)
    except ValidationError as fault:
        first = fault.errors()[0]
        raise UsageError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}, not {first['input']!r}") from None
    if source is not None and exists(source):
        raise UsageError(
            f"{source} is a home, whose inbox and outbox are no labels: name the folder of pictures itself"
        )
    if source is None and (file is None or job.data.source is None):
        raise UsageError("say where the labelled pictures are: a folder with one sub-folder for each label")
    if source is None:
        assert file is not None
        assert job.data.source is not None
        source = file.parent / job.data.source
    return job, source


def _print(trained: Trained, *, live: int) -> None:
    from watcher.training.report import REPORT
    from watcher.training.wording import headline

    package = trained.package
    click.echo(f"{package.id} is trained.")
    for sentence in headline(trained.metrics):
        click.echo(sentence)
    click.echo(f"The report: {package.folder / REPORT}")
    if live == package.card.version:
        click.echo("It is live: a daemon that runs takes it up by itself.")
    else:
        click.echo(
            f"Version {live} is still live; `watcher models promote {package.card.name} {package.card.version}` changes that."
        )
