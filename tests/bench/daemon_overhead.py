"""What the daemon costs beside what it is for: against its model alone, and against one loop that does without it.

    python tests/bench/daemon_overhead.py model MODELS xception photos/ [--pictures 200] [--engine graph]
    python tests/bench/daemon_overhead.py rest MODELS malaria cells/ [--pictures 1000]

MODELS is the `models` folder of a home. `model`: pictures a second of the daemon, from files to durable copies and rows,
against those of the model in full batches of decoded pictures, before and after; and, which holds on a busy machine, too, the
model's share of the daemon's use of the processors. `rest`: with an engine that costs nothing,
the processors' time for each picture against that of one loop that reads, decodes, resizes, draws, encodes and writes the
same files durably; and pictures a second. Three rounds by turns, and their medians. Files are removed at the very end: ext4
looks long for a free number where many files were deleted a moment ago.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import tempfile
from collections.abc import Callable, Sequence
from itertools import cycle, islice
from pathlib import Path

import free
import structlog
from PIL import Image

from watcher.home import Home
from watcher.models.package import Package
from watcher.results import State
from watcher.vision.annotate import annotate
from watcher.vision.decode import fit
from watcher.vision.encode import Caption, encode, suffix_for
from watcher.vision.vision import Vision

ROUNDS = 3
BATCH = 32


def alone(vision: Vision, pictures: Sequence[Path], count: int) -> free.Cost:
    """Of one picture."""
    decoded = [vision.decode(path.read_bytes()).pixels for path in pictures[: 2 * BATCH]]
    pixels = list(islice(cycle(decoded), count // BATCH * BATCH))
    vision.classify(pixels[:BATCH])
    with free.measured() as cost:
        for start in range(0, len(pixels), BATCH):
            vision.classify(pixels[start : start + BATCH])
    return free.Cost(cost[0].wall / len(pixels), cost[0].cpu / len(pixels))


def daemon(home: Home, vision: Vision, pictures: Sequence[Path], count: int) -> free.Cost:
    free.copies(pictures, home.inbox, count)
    with free.measured() as cost:
        free.empty(home, lambda _: vision)
    states = [row.state for row in free.homes.rows(home)]
    assert states == [State.DONE] * count, f"{states.count(State.DONE)} of {count}"
    return cost[0]


def by_hand(folder: Path, package: Package, pictures: Sequence[Path], count: int) -> free.Cost:
    """What somebody writes who thinks of nothing else."""
    (folder / "in").mkdir()
    (folder / "out").mkdir()
    free.copies(pictures, folder / "in", count)
    card = package.card
    scores = tuple((label, 0.2) for label in card.labels[:5])
    with free.measured() as cost:
        for path in sorted((folder / "in").iterdir()):
            image = Image.open(io.BytesIO(path.read_bytes())).convert("RGB")
            fit(image, card)
            canvas = annotate(image, scores, package.id)
            caption = Caption(path.stem, card.name, card.version, scores[0][0], scores[0][1])
            write(folder / "out" / path.name, encode(canvas, suffix_for(path.name, "auto"), caption).data)
        sync(folder / "out")
    return cost[0]


def write(path: Path, data: bytes) -> None:
    half = path.with_name(f".{path.name}.half")
    with half.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    half.rename(path)


def sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


def against_model(given: argparse.Namespace, pictures: Sequence[Path], fresh: Callable[[], Path]) -> None:
    package = free.package_of(given.models, given.model)
    vision = Vision(package, given.engine, BATCH, free.MOST_MEGAPIXELS)
    ratios, shares = [], []
    for _ in range(ROUNDS):
        before = alone(vision, pictures, given.pictures // 2)
        cost = daemon(free.make(fresh(), given.models, given.model), vision, pictures, given.pictures)
        after = alone(vision, pictures, given.pictures // 2)
        model, whole = 2 / (before.wall + after.wall), given.pictures / cost.wall
        ratios.append(whole / model)
        shares.append((before.cpu + after.cpu) / 2 * given.pictures / cost.cpu)
        print(
            f"{vision.engine.name}: model alone {model:.1f}, daemon {whole:.1f} pictures/s, {ratios[-1]:.3f}; "
            f"of the daemon's use of the processors the model has {shares[-1]:.3f}",
            flush=True,
        )
    print(f"median {statistics.median(ratios):.3f}, of the processors {statistics.median(shares):.3f}")


def without_model(given: argparse.Namespace, pictures: Sequence[Path], fresh: Callable[[], Path]) -> None:
    package = free.package_of(given.models, given.model)
    vision = free.free_vision(package, BATCH)
    daemon(
        free.make(fresh(), given.models, given.model), vision, pictures, 3 * BATCH
    )  # loads what is loaded at first use
    ratios, rates = [], []
    for _ in range(ROUNDS):
        hand = by_hand(fresh(), package, pictures, given.pictures)
        ours = daemon(free.make(fresh(), given.models, given.model), vision, pictures, given.pictures)
        ratios.append(ours.cpu / hand.cpu)
        rates.append(given.pictures / ours.wall)
        each = 1000 / given.pictures
        print(
            f"by hand {each * hand.cpu:.2f} ms of the processors a picture, {given.pictures / hand.wall:.0f}/s; "
            f"daemon {each * ours.cpu:.2f} ms, {rates[-1]:.0f}/s; {ratios[-1]:.2f} x",
            flush=True,
        )
    print(f"median {statistics.median(ratios):.2f} x, {statistics.median(rates):.0f} pictures/s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["model", "rest"])
    parser.add_argument("models", type=Path)
    parser.add_argument("model")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int)
    parser.add_argument("--engine", default="graph")
    parser.add_argument("--disk", type=Path, help="where to work; else the system's folder for temporary files")
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    given.pictures = given.pictures or (200 if given.what == "model" else 1000)
    given.models = given.models.absolute()
    print(free.machine())
    pictures = free.found(given.folder)
    with tempfile.TemporaryDirectory(dir=given.disk) as name:

        def fresh() -> Path:
            return Path(tempfile.mkdtemp(dir=name))

        (against_model if given.what == "model" else without_model)(given, pictures, fresh)


if __name__ == "__main__":
    main()
