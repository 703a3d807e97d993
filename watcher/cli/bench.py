"""`watcher bench`: how fast this machine is, and what the limit is."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

import click

from watcher.cli import completing
from watcher.cli.opening import open_vision
from watcher.cli.options import facts_format_option, home_root
from watcher.cli.output import print_rows
from watcher.settings import EngineName

if TYPE_CHECKING:
    from watcher.models.engines.kept import Choice
    from watcher.service.measuring import Measured
    from watcher.vision.vision import Vision

DIGITS = 3


@click.command()
@click.option(
    "--model",
    shell_complete=completing.models,
    help="The model; else the home's default, or efficientnet-lite0 where there is no home.",
)
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Pictures to measure with; else photographs that come with Watcher's dependencies.",
)
@click.option(
    "--engine",
    type=click.Choice(get_args(EngineName)),
    metavar="ENGINE",
    help=f"How to run the model, one of {', '.join(get_args(EngineName))}; else as the settings say.",
)
@click.option("--pictures", "count", type=click.IntRange(2), help="How many; else what takes about ten seconds.")
@facts_format_option
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Draw the stages there (.png, .svg).",
)
@click.pass_context
def bench(
    ctx: click.Context,
    model: str | None,
    folder: Path | None,
    engine: str | None,
    count: int | None,
    form: str,
    plot: Path | None,
) -> None:
    """Measure what this machine can do, stage by stage, against the model alone, and say what the limit is.

    A daemon runs in a temporary home beside yours, whose inbox, results and outbox are not touched. Stop your own
    daemon meanwhile, or both are slow.

    Example: `watcher bench --model malaria --folder cells/ --plot stages.png`
    """
    from watcher.cli import logs
    from watcher.home import exists
    from watcher.models.engines.opening import gpu
    from watcher.service.limits import caveat, limit
    from watcher.service.measuring import found, measure

    logs.configure(quiet=True)
    root = home_root(ctx)
    files = found(folder)
    vision, batch_size = open_vision(root, model, cast("EngineName | None", engine))
    measured = measure(vision, files, batch_size, root if exists(root) else None, count)
    why = _why(vision, batch_size, given=engine)
    sentence = limit(measured, on_gpu=gpu() is not None and not vision.engine.name.startswith("openvino"))
    if plot:
        _draw(measured, f"{vision.package.id}, engine {vision.engine.name}", plot)
    report = _report(measured, vision, batch_size) | {
        "engine_because": why,
        "limit": sentence,
        "caveat": " ".join(filter(None, (_too_few(count, batch_size), caveat(measured)))) or None,
    }
    if form == "json":
        click.echo(json.dumps(report, indent=1, ensure_ascii=False))
    else:
        _print(report)


def _too_few(count: int | None, batch_size: int) -> str | None:
    if count is None or count >= batch_size:
        return None
    return f"With {count} pictures no batch of {batch_size} is full, so the daemon seems slower beside the model than it is."


def _report(measured: Measured, vision: Vision, batch_size: int) -> dict[str, Any]:
    from watcher.models.engines.kept import processor

    return {
        "machine": processor(),
        "cores": measured.cores,
        "model": vision.package.id,
        "engine": vision.engine.name,
        "batch_size": batch_size,
        "pictures": measured.pictures,
        "megapixels": round(measured.megapixels, DIGITS),
        "stages": [
            {name: round(value, DIGITS) if isinstance(value, float) else value for name, value in asdict(stage).items()}
            for stage in measured.stages
        ],
        "model_alone": round(measured.alone, DIGITS),
        "daemon": round(measured.whole, DIGITS),
        "daemon_cpu_ms": round(measured.whole_cpu_ms, DIGITS),
        "ratio": round(measured.ratio, DIGITS),
    }


def _print(report: dict[str, Any]) -> None:
    click.echo(
        f"{report['model']} on {report['machine']}, {report['cores']} cores, in batches of {report['batch_size']}; "
        f"{report['pictures']:,} pictures of {report['megapixels']:.2f} megapixels"
    )
    click.echo(f"Engine {report['engine']}: {report['engine_because']}")
    click.echo("Each stage by itself, in milliseconds a picture (cpu: all cores together; wall: by the clock):")
    print_rows(report["stages"], "table", ("name", "cpu_ms", "wall_ms"))
    click.echo(f"model alone  {report['model_alone']:9.1f} pictures/s, decoded already")
    click.echo(f"daemon       {report['daemon']:9.1f} pictures/s, from files to durable copies and rows")
    click.echo(f"ratio        {report['ratio']:9.2f}")
    click.echo(report["limit"])
    if report["caveat"]:
        click.echo(report["caveat"])


def _why(vision: Vision, batch_size: int, given: str | None) -> str:
    from watcher.models.engines.kept import kept

    if given and given != "auto":
        return "as --engine says."
    choice = kept(vision.package, batch_size)
    if choice is None:
        return (
            f"no others were tried on this machine; `watcher models try {vision.package.card.name}` finds the fastest."
        )
    if choice.engine != vision.engine.name:
        return f"as the settings say; the trials of {choice.at[:10]} chose {choice.engine}."
    return _of_trials(choice)


def _of_trials(choice: Choice) -> str:
    rates = ", ".join(f"{trial.engine} {trial.rate:.0f}/s" for trial in choice.trials if trial.refusal is None)
    refused = "".join(f"; {trial.engine} was refused: {trial.refusal}" for trial in choice.trials if trial.refusal)
    return f"chosen by the trials of {choice.at[:10]} ({rates or 'it alone is worth it here'}{refused})."


def _draw(measured: Measured, title: str, file: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    stages = measured.stages[::-1]
    bars = axes.barh([stage.name for stage in stages], [stage.cpu_ms for stage in stages], color="#0072b2")
    axes.bar_label(bars, fmt="%.2f", padding=3)
    axes.margins(x=0.12)
    axes.set_xlabel("milliseconds of the processors for each picture")
    axes.set_title(f"{title}: alone {measured.alone:.1f}, daemon {measured.whole:.1f} pictures/s")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(file)
