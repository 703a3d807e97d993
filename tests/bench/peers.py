"""The daemon beside other ways to classify a folder of pictures: same pictures, same weights, same labels out.

    python tests/bench/peers.py MODELS xception photos/ [--pictures 200] [--engines graph graph-bfloat16] [--python PYTHON]

MODELS is the `models` folder of a home. Each way goes from files in a folder to labels and annotated copies, ours also to
rows, durable both; what is loaded and compiled before the first picture counts for none. The ways take turns, three rounds
after one of a batch, and the table shows their medians, and the share of pictures with the same best label as the first
way. Ray Data and LitServe take part where PYTHON, else this interpreter, has `ray` and `litserve`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import free
import structlog

from watcher.vision.vision import Vision

ROUNDS = 3
BATCH = 32
HERE = Path(__file__).parent
PEERS = {
    "article": "the article's loop",
    "tf.data": "tf.data + `predict`",
    "Ray Data": "Ray Data",
    "LitServe": "LitServe",
}
Labels = dict[str, str]
Way = Callable[[Path, Path], tuple[float, Labels]]


def ours(models: Path, model: str, vision: Vision, source: Path, target: Path) -> tuple[float, Labels]:
    """The daemon."""
    home = free.make(target / "home", models, model)
    for path in source.iterdir():
        os.link(path, home.inbox / path.name)
    with free.measured() as cost:
        free.empty(home, lambda _: vision)
    return cost[0].wall, {row.name: row.label or "" for row in free.homes.rows(home)}


def started(way: str, python: str, models: Path, model: str) -> subprocess.Popen[str]:
    """A way in a process of its own, ready; raises RuntimeError with what it said last where it cannot be had."""
    paths = [str(HERE.parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    program = subprocess.Popen(
        [python, HERE / "peer_ways.py", way, models, model],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if way in ("Ray Data", "LitServe") else None,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    try:
        heard(program, "ready")
    except RuntimeError:
        said = program.stderr.read().strip().splitlines()[-1:] if program.stderr else []
        raise RuntimeError("".join(said)) from None
    if program.stderr:  # or it would wait for somebody to read it
        threading.Thread(target=program.stderr.read, daemon=True).start()
    return program


def heard(program: subprocess.Popen[str], start: str) -> str:
    assert program.stdout
    for line in program.stdout:
        if line.startswith(start):
            return line
    raise RuntimeError("it has ended")


def external(program: subprocess.Popen[str], source: Path, target: Path) -> tuple[float, Labels]:
    assert program.stdin
    program.stdin.write(json.dumps([str(source), str(target)]) + "\n")
    program.stdin.flush()
    answer = json.loads(heard(program, "{"))
    return answer["seconds"], answer["labels"]


def ways(given: argparse.Namespace) -> dict[str, Way]:
    found: dict[str, Way] = {}
    for way in given.ways:
        try:
            found[PEERS[way]] = partial(external, started(way, given.python, given.models, given.model))
        except RuntimeError as fault:
            print(f"{PEERS[way]} does not take part: {fault}", flush=True)
    package = free.package_of(given.models, given.model)
    for engine in given.engines:
        vision = Vision(package, engine, BATCH, free.MOST_MEGAPIXELS)
        found[f"Watcher, {engine}"] = partial(ours, given.models, given.model, vision)
    return found


def compare(given: argparse.Namespace, folder: Path) -> None:
    source, few = folder / "source", folder / "few"
    for place, count in ((source, given.pictures), (few, BATCH)):
        place.mkdir()
        free.copies(free.found(given.folder), place, count)
    taking_part = ways(given)
    rates: dict[str, list[float]] = {name: [] for name in taking_part}
    labels: dict[str, Labels] = {}
    for turn in range(ROUNDS + 1):
        for name, way in taking_part.items():
            target = Path(tempfile.mkdtemp(dir=folder))
            seconds, said = way(source if turn else few, target)
            if turn:
                rates[name].append(given.pictures / seconds)
                labels[name] = said
                print(f"{name}: {rates[name][-1]:.1f} pictures/s", flush=True)
    show(given, rates, labels)


def show(given: argparse.Namespace, rates: dict[str, list[float]], labels: dict[str, Labels]) -> None:
    medians = {name: statistics.median(found) for name, found in rates.items()}
    first, reference = next(iter(labels.items()))
    print(f"\n{given.model}, {given.pictures} pictures, {free.machine()}, medians of {ROUNDS} rounds\n")
    print(f"| way | pictures/s | against {first} | same label |\n| --- | ---: | ---: | ---: |")
    for name, rate in medians.items():
        same = sum(label == reference[picture] for picture, label in labels[name].items()) / len(reference)
        print(f"| {name} | {rate:.1f} | {rate / medians[first]:.2f} x | {same:.1%} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path)
    parser.add_argument("model")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--engines", nargs="+", default=["graph"])
    parser.add_argument("--ways", nargs="*", default=list(PEERS), choices=list(PEERS))
    parser.add_argument("--python", default=sys.executable, help="an interpreter that has ray and litserve")
    parser.add_argument("--disk", type=Path, help="where to work; else the system's folder for temporary files")
    given = parser.parse_args()
    given.models = given.models.absolute()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    with tempfile.TemporaryDirectory(dir=given.disk) as name:
        compare(given, Path(name))


if __name__ == "__main__":
    main()
