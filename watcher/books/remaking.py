"""An annotated copy made anew from the original and what the books say of it; no model is needed for that."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from watcher.books.findings import CannotMend
from watcher.intake.arrivals import Claim, Fingerprint
from watcher.intake.moves import sync
from watcher.results import audit
from watcher.service import copies
from watcher.vision.decode import decode
from watcher.vision.outcome import Failed

if TYPE_CHECKING:
    from watcher.books.books import Books
    from watcher.results.audit import Entry


def claim_of(entry: Entry) -> Claim:
    """The claim that a row was made for, as far as names and captions need it."""
    return Claim(entry.claim, entry.path, Fingerprint(0, 0, entry.size or 0, 0))


def remake(books: Books, entry: Entry) -> str:
    """Makes the copy of a result, where its row says if that is free, and corrects the row if not; says so.

    Raises CannotMend, OSError and what writing to the database may raise.
    """
    source = books.source(entry)
    with books.open(source) as file:
        data = file.read()
    labels = audit.predictions(books.database, entry)
    if not labels or entry.model is None or entry.version is None:
        raise CannotMend("the row has no labels")
    if entry.sha256 is not None and hashlib.sha256(data).hexdigest() != entry.sha256:
        raise CannotMend(f"{books.said(source)} is not the picture that was classified")
    image = decode(data, books.home.settings.intake.max_megapixels)
    if isinstance(image, Failed):
        raise CannotMend(f"{books.said(source)} cannot be read any more: {image.reason}")
    claim = claim_of(entry)
    scores = [(label.label, label.score) for label in labels]
    try:
        given = books.home, claim, image, scores, entry.model, entry.version
        encoded = copies.draw(*given, doubtful=bool(entry.needs_review))
    except (ValueError, MemoryError) as fault:
        raise CannotMend(f"it cannot be drawn: {fault or type(fault).__name__}") from fault
    before = books.place(entry.outbox_path) if entry.outbox_path else None
    copy = copies.put(books.home, claim, encoded, before)
    sync(copy.parent)
    if copy != before:
        audit.correct(books.database, entry.id, outbox_path=books.home.relative(copy))
    without = ", without a heat map" if books.home.settings.annotate.heatmap else ""
    return f"The annotated copy of row {entry.id} ({entry.path}) is made anew{without}, in {books.said(copy)}."
