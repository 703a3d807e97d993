"""The stages of a picture's way, each done by itself and measured: what the daemon does at the same time, in threads."""

from __future__ import annotations

import hashlib
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from watcher.clock import utc
from watcher.intake.arrivals import Seen
from watcher.intake.claims import ClaimFolder
from watcher.intake.moves import sync
from watcher.intake.scan import scan
from watcher.models.registry import Registry
from watcher.results import Database
from watcher.service import copies
from watcher.service.finishing import Finisher
from watcher.service.identity import identity
from watcher.service.routes import Routes
from watcher.service.work import Judged, Published, Read, Taken
from watcher.vision.decode import decode, fit, pixels_of
from watcher.vision.outcome import Failed, Picture

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from PIL import Image

    from watcher.home import Home
    from watcher.intake.arrivals import Claim
    from watcher.vision.vision import Vision

STAGES = ("read", "decode", "resize", "infer", "annotate", "publish", "record", "release")


@dataclass(frozen=True, slots=True)
class Stage:
    """Milliseconds a picture: of the processors, all cores together, and by the clock where it is done alone."""

    name: str
    cpu_ms: float
    wall_ms: float


class Stopwatch:
    """Adds up what each stage takes, of this process and by the clock."""

    def __init__(self) -> None:
        self._cpu = dict.fromkeys(STAGES, 0.0)
        self._wall = dict.fromkeys(STAGES, 0.0)

    @contextmanager
    def over(self, stage: str) -> Iterator[None]:
        begun, used = time.perf_counter(), time.process_time()
        yield
        self._cpu[stage] += time.process_time() - used
        self._wall[stage] += time.perf_counter() - begun

    def stages(self, pictures: int) -> tuple[Stage, ...]:
        """What each has taken of one of so many pictures."""
        return tuple(
            Stage(name, 1000 * self._cpu[name] / pictures, 1000 * self._wall[name] / pictures) for name in STAGES
        )


class StageByStage:
    """Takes what is in the inbox of a home that nothing else uses through the stages, a batch at a time."""

    def __init__(self, home: Home, database: Database, vision: Vision) -> None:
        self._home = home
        self._vision = vision
        self._claims = ClaimFolder(home.inbox, identity(home.root))
        routes = Routes(home.settings.models, Registry(home.models))
        self._finisher = Finisher(home, self._claims, routes, database, utc, threads=2)

    def run(self) -> tuple[Stage, ...]:
        """What the stages take of a picture, after a first one that warms up. Raises OSError."""
        self._claims.make()
        seen = [item for item in scan(self._home.inbox) if isinstance(item, Seen)]
        size = self._home.settings.inference.batch_size
        watch = Stopwatch()
        try:
            self._batch(seen[:1], Stopwatch())
            for start in range(1, len(seen), size):
                self._batch(seen[start : start + size], watch)
        finally:
            self._finisher.close()
        return watch.stages(len(seen) - 1)

    def _batch(self, batch: Sequence[Seen], watch: Stopwatch) -> None:
        home, vision, card = self._home, self._vision, self._vision.package.card
        with watch.over("read"):
            files = [self._read(seen) for seen in batch]
        with watch.over("decode"):
            images = [self._decoded(data) for _, data, _ in files]
        with watch.over("resize"):
            pictures = [Picture(image, fit(image, card)) for image in images]
        with watch.over("infer"):
            outcomes = vision.classify([picture.pixels for picture in pictures])
        judged = [
            Judged(Read(Taken(claim, vision, utc()), claim, picture, sha256, len(data)), outcome)
            for (claim, data, sha256), picture, outcome in zip(files, pictures, outcomes, strict=True)
        ]
        with watch.over("annotate"):
            drawn = [
                copies.draw(home, claim, picture.image, outcome.predictions, card.name, card.version)
                for (claim, _, _), picture, outcome in zip(files, pictures, outcomes, strict=True)
            ]
        with watch.over("publish"):
            places = [copies.put(home, claim, copy) for (claim, _, _), copy in zip(files, drawn, strict=True)]
            sync(home.outbox)
        published = [Published(item, place) for item, place in zip(judged, places, strict=True)]
        with watch.over("record"):
            rows = self._finisher.rows(published)
            self._finisher.record(rows)
        with watch.over("release"):
            self._finisher.release(published, rows)

    def _read(self, seen: Seen) -> tuple[Claim, bytes, str]:
        claim = self._claims.claim(seen)
        assert claim is not None  # nobody else is in this inbox
        claim = self._claims.attempt(claim)
        with open(self._claims.open(claim), "rb", closefd=True) as file:
            data = file.read()
        return claim, data, hashlib.sha256(data).hexdigest()

    def _decoded(self, data: bytes) -> Image.Image:
        most = self._home.settings.intake.max_megapixels
        assert pixels_of(data) <= most * 1e6
        image = decode(data, most)
        assert not isinstance(image, Failed)  # it was decoded before
        return image
