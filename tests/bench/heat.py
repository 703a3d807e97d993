"""What heat maps cost the daemon: pictures a second with them, against without.

    python tests/bench/heat.py MODELS malaria cells/ [--pictures 512] [--engine graph-bfloat16]

MODELS is the `models` folder of a home. From files in the inbox to durable copies and rows, both; three rounds by turns, and
the median of their ratios.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

import free
import structlog
from daemon_overhead import BATCH, ROUNDS, daemon

from watcher.vision.vision import Vision


def rate(given: argparse.Namespace, vision: Vision, folder: Path) -> float:
    """Pictures a second, in a home of its own."""
    home = free.make(folder, given.models, given.model, annotate={"heatmap": vision.tells_heat})
    return 1 / (daemon(home, vision, free.found(given.folder), given.pictures).wall / given.pictures)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path)
    parser.add_argument("model")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=512)
    parser.add_argument("--engine", default="graph-bfloat16")
    given = parser.parse_args()
    structlog.configure(
        processors=[structlog.processors.KeyValueRenderer()], logger_factory=structlog.ReturnLoggerFactory()
    )
    package = free.package_of(given.models, given.model)
    cold, warm = (Vision(package, given.engine, BATCH, free.MOST_MEGAPIXELS, heat=heat) for heat in (False, True))
    print(free.machine())
    ratios = []
    with tempfile.TemporaryDirectory() as name:
        for number in range(ROUNDS):
            without = rate(given, cold, Path(name) / f"cold-{number}")
            heated = rate(given, warm, Path(name) / f"warm-{number}")
            ratios.append(heated / without)
            print(f"{without:.1f} pictures/s without, {heated:.1f} with heat maps, {ratios[-1]:.3f}")
    print(f"median {statistics.median(ratios):.3f}")


if __name__ == "__main__":
    main()
