"""The annotated copy of a classified picture: drawn, put into the outbox and, if it is doubtful, among those to be reviewed."""

from __future__ import annotations

from dataclasses import replace
from threading import BoundedSemaphore
from typing import TYPE_CHECKING

import structlog

from watcher.repeated import Repeated
from watcher.results import ModelVersion
from watcher.service import copies, review
from watcher.service.watch import Timing, untimed
from watcher.service.work import Published
from watcher.vision.decode import seen_of
from watcher.vision.heatmap import HeatMap
from watcher.vision.outcome import Classified, Failed, Picture

if TYPE_CHECKING:
    from pathlib import Path

    from watcher.home import Home
    from watcher.intake.arrivals import Claim
    from watcher.models.package import Card
    from watcher.service.routes import Routes
    from watcher.service.work import Judged
    from watcher.vision.encode import Encoded
    from watcher.vision.vision import Vision

log = structlog.get_logger()


class Publisher:
    """Publishes one picture, in any thread; `threads` at most draw at a time. May be repeated after a crash."""

    def __init__(self, home: Home, routes: Routes, threads: int, timing: Timing = untimed) -> None:
        self._home = home
        self._routes = routes
        self._drawing = BoundedSemaphore(threads)
        self._timing = timing
        self._repeated = Repeated()

    def __call__(self, judged: Judged, picture: Picture, outcome: Classified) -> Published:
        """The copy, durable but for its name; or why none could be made. Raises OSError."""
        claim, vision = judged.read.claim, judged.read.taken.vision
        card, doubtful = vision.package.card, version_of(vision).doubts(outcome.predictions[0][1])
        try:
            # What takes memory and a core, where writing takes neither; and may hang on a picture, as a decoder may.
            with self._drawing, self._timing("drawing an annotated copy", 1):
                heat = self._heat(claim, picture, outcome, card)
                model = card.name, card.version
                given = self._home, claim, picture.image, outcome.predictions, *model, heat
                encoded = copies.draw(*given, doubtful=doubtful)
        except (ValueError, MemoryError) as fault:
            failed = Failed(f"no annotated copy of it could be made: {fault or type(fault).__name__}")
            return Published(replace(judged, outcome=failed), None)
        copy = copies.put(self._home, claim, encoded)
        if doubtful:
            return Published(judged, copy, self._for_review(claim, copy, encoded))
        if claim.attempts > 1:  # an earlier process may have doubted it
            review.retract(self._home, claim)
        return Published(judged, copy)

    def _heat(self, claim: Claim, picture: Picture, outcome: Classified, card: Card) -> HeatMap | None:
        if outcome.heat is None or not self._home.settings.annotate.heats(self._routes.route_of(claim.path)):
            return None
        return HeatMap(outcome.heat, seen_of(picture.image.size, card))

    def _for_review(self, claim: Claim, copy: Path, encoded: Encoded) -> Path | None:
        try:
            return review.put(self._home, claim, copy, encoded)
        except (FileExistsError, NotADirectoryError) as fault:
            facts = {"folder": review.REVIEW, "reason": fault.strerror}
            self._repeated.say("", log.warning, "doubtful results cannot be put apart", **facts)
            return None


def version_of(vision: Vision) -> ModelVersion:
    """What the results say of the model that made them."""
    card = vision.package.card
    return ModelVersion(
        model=card.name,
        version=card.version,
        digest=card.digest,
        engine=vision.engine.name,
        review_threshold=card.review_threshold,
        created_at=card.created_at,
    )
