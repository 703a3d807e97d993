"""`watcher train`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from watcher.cli import completing
from watcher.cli.options import the_home
from watcher.errors import DataError, ModelError, UsageError
from watcher.home import exists

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from watcher.models.package import Package
    from watcher.models.registry import Registry
    from watcher.training.job import Job
    from watcher.training.running import Trained

STOPPED = 130  # as shells have it for Ctrl-C
# Which options are settings of which table of a job, by the same name.
TABLES = {"data": ("group_by", "positive"), "training": ("base", "weights", "held_out", "seed")}


@click.command()
@click.argument("source", required=False, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--job",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A job file to go by; the options below change what it says.",
)
@click.option("--model", shell_complete=completing.models, help="What the model is to be called.")
@click.option("--base", help="vgg16, xception, efficientnet-lite0 or another name in keras.applications.")
@click.option("--weights", metavar="imagenet|none|FILE", help="What the base knows at the start.")
@click.option("--teacher-weights", metavar="imagenet|FILE", help="The same for the job's teacher, if it has one.")
@click.option(
    "--group-by", metavar="REGEX", help="What in a file's name names its group: a slide, a patient, a camera."
)
@click.option("--positive", metavar="LABEL", help="Of two labels the one that sensitivity speaks of.")
@click.option("--pictures", metavar="N|all", help="Learn from so many of them, chosen by chance.")
@click.option(
    "--held-out",
    type=click.FloatRange(0, 0.5),
    metavar="SHARE",
    help="How many of the pictures only judge, such as 0.15; 0: none, where there are too few.",
)
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), help="The same seed gives the same model.")
@click.option("--promote/--no-promote", default=False, help="Make it live; else it is only if it is the first version.")
@click.pass_context
def train(ctx: click.Context, /, source: Path | None, file: Path | None, promote: bool, **options: Any) -> None:
    r"""Train a model on SOURCE: a folder with one sub-folder of pictures for each label, or a CSV list.

    The pictures are split by group into those that teach, those that choose and calibrate, and those held out to
    judge. The model is kept in the home as a new version, with a report. A training that was stopped goes on where it was
    when the same command is given again.

    Prints how good it is on pictures that it has not seen, and where its report is. Exit code 130 if it was stopped.

    Example: `watcher train cells/ --model malaria --group-by '^C(\d+)'`
    """
    home = the_home(ctx)
    job, sources = _job(file, source, options)
    from watcher.cli import logs
    from watcher.cli.watching import Onlooker
    from watcher.clock import utc
    from watcher.models.registry import Registry
    from watcher.training.running import find_pictures, run_job

    logs.configure(quiet=True)
    try:
        with Onlooker() as onlooker:
            pictures = find_pictures(job, sources)
            trained = run_job(Registry(home.models), job, pictures, onlooker, utc, promote=promote)
    except KeyboardInterrupt:
        click.echo("watcher: stopped; the same command goes on from here", err=True)
        ctx.exit(STOPPED)
    except OSError as fault:
        where = f"{fault.filename}: " if fault.filename else ""
        message = f"{where}{fault.strerror or fault}; when that is mended, the same command goes on from here"
        raise DataError(message) from fault
    _print(trained, Registry(home.models))


def _job(file: Path | None, source: Path | None, options: dict[str, Any]) -> tuple[Job, tuple[Path, ...]]:
    """What the file and the options say together, and where the pictures are. Raises UsageError, SettingsError."""
    from pydantic import ValidationError

    from watcher.training.job import Job

    given = _said(file) if file else {"data": {}, "training": {}}
    _change(given, options)
    if "model" not in given:
        raise UsageError("say what the model is to be called with --model NAME, or name a --job")
    try:
        job = Job.model_validate(given)
    except ValidationError as fault:
        raise UsageError(_sentence(fault.errors()[0])) from None
    return job, _sources(source, job)


def _said(file: Path) -> dict[str, Any]:
    """What a job file says of the training itself, not of when it is due."""
    from watcher.jobs.files import read_job
    from watcher.training.job import Data

    said = read_job(file).model_dump(include={"model", "data", "training"})
    said["data"] = {name: said["data"][name] for name in Data.model_fields}
    return said


def _change(given: dict[str, Any], options: dict[str, Any]) -> None:
    """Puts into a job what the options say. Raises UsageError."""
    number, base = options["pictures"], options["base"]
    if number not in (None, "all") and not re.fullmatch("[0-9]{1,9}", number):
        raise UsageError(f"--pictures is a number or `all`, not {number[:40]!r}")
    if base not in (None, given["training"].get("base")):
        given["training"]["blocks"] = ()  # they were those of another base
    if options["model"] is not None:
        given["model"] = options["model"]
    for table, names in TABLES.items():
        given[table] |= {name: options[name] for name in names if options[name] is not None}
    if options["teacher_weights"] is not None:
        given["training"].setdefault("teacher", {})["weights"] = options["teacher_weights"]
    if number is not None:
        given["data"]["pictures"] = None if number == "all" else int(number)


def _sentence(fault: ErrorDetails) -> str:
    """What is wrong with an option; what a file says was looked at before."""
    if fault["type"] == "value_error":  # said by a check of ours, in a whole sentence
        return f"--{str(fault['loc'][-1]).replace('_', '-')}: {fault['msg'].removeprefix('Value error, ')}"
    wanted = fault["msg"].removeprefix("Input should be ")
    if fault["loc"] == ("model",):
        wanted = (
            "a name of at most 64 lower-case letters, digits, '.', '_' and '-' that begins with a letter or a digit"
        )
    return f"--{str(fault['loc'][-1]).replace('_', '-')} should be {wanted}, not {str(fault['input'])[:80]!r}"


def _sources(source: Path | None, job: Job) -> tuple[Path, ...]:
    """Where the labelled pictures are. Raises UsageError."""
    if source is not None and exists(source):
        raise UsageError(
            f"{source} is a home, whose inbox and outbox are no labels: name the folder of pictures itself"
        )
    if source is not None:
        return (source,)
    if not job.data.source:
        raise UsageError("say where the labelled pictures are: a folder with one sub-folder for each label")
    return tuple(map(Path, job.data.source))


def _print(trained: Trained, registry: Registry) -> None:
    from watcher.training.held_out import HELD_OUT_GROUPS
    from watcher.training.report import REPORT
    from watcher.training.wording import caution, headline

    package, metrics = trained.package, trained.metrics
    click.echo(f"{package.id} is trained.")
    for sentence in headline(metrics):
        click.echo(sentence)
    trained_on = package.card.trained_on
    if trained_on is not None and not trained_on.settings[HELD_OUT_GROUPS]:
        click.echo("No pictures were held out, so it was judged by those it was chosen by: expect less of new ones.")
    if warned := caution(metrics):
        click.echo(warned)
    click.echo(f"The report: {package.folder / REPORT}")
    click.echo(_whether_live(package, registry))


def _whether_live(package: Package, registry: Registry) -> str:
    """What is damaged beside the new version does not undo the training."""
    name, version = package.card.name, package.card.version
    promote = f"`watcher models promote {name} {version}`"
    try:
        live = registry.current(name).card.version
    except ModelError as fault:
        return f"No version of {name} can be used as it is: {fault}. {promote} makes this one live."
    if live == version:
        return "It is live: a daemon that runs takes it up by itself."
    return f"Version {live} is still live; {promote} changes that."
