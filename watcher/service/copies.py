"""The annotated copy of a claim: drawn, and put into the outbox. By the daemon, and again where one was lost."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from watcher.intake.inside import make_folder
from watcher.intake.moves import move_new, write_durably
from watcher.intake.names import clean
from watcher.service import review
from watcher.service.places import is_copy_of, put_copy, targets_for
from watcher.vision.annotate import annotate
from watcher.vision.encode import Caption, annotated_name, encode, suffix_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import Literal

    from PIL import Image

    from watcher.home import Home
    from watcher.intake.arrivals import Claim
    from watcher.vision.encode import Encoded
    from watcher.vision.heatmap import HeatMap


def draw(
    home: Home,
    claim: Claim,
    image: Image.Image,
    predictions: Sequence[tuple[str, float]],
    model: str,
    version: int,
    heat: HeatMap | None = None,
    *,
    doubtful: bool = False,
) -> Encoded:
    """The copy as a file's bytes. Raises ValueError or MemoryError where none can be made."""
    label, score = predictions[0]
    canvas = annotate(image, predictions, f"{model}/{version}", heat=heat, doubtful=doubtful)
    form = suffix_for(claim.path, home.settings.annotate.format)
    return encode(canvas, form, Caption(claim=claim.id, model=model, version=version, label=label, score=score))


def put(home: Home, claim: Claim, encoded: Encoded, before: Path | None = None) -> Path:
    """Writes the copy into the outbox, durable but for its name; where it stands then.

    That is `before`, if that is free and fits. May be repeated after a crash. Raises OSError.
    """
    outbox = home.outbox
    make_folder(outbox)
    half = _half(home, claim)
    write_durably(half, encoded.data)
    if before is not None and before.name == annotated_name(before.name, encoded.suffix):
        try:
            make_folder(before.parent, outbox)
            move_new(half, before)
        except OSError:
            pass  # another file's name, or a folder that is none any more
        else:
            return before
    return put_copy(half, outbox, claim, annotated_name(clean(claim.path), encoded.suffix))


def retract(home: Home, claim: Claim) -> None:
    """Removes the copy that an earlier process has left of a claim that comes to nothing. Raises OSError."""
    review.retract(home, claim)
    with suppress(FileNotFoundError):
        _half(home, claim).unlink()
    form = suffix_for(claim.path, home.settings.annotate.format)
    for target in _places(home, claim, ".png" if form == "png" else ".jpg"):
        if is_copy_of(claim.id, home.outbox, target):
            target.unlink()


def places(home: Home, claim: Claim) -> set[Path]:
    """All places that the copy of a claim may be given, whatever the settings said of its format."""
    return {*_places(home, claim, ".jpg"), *_places(home, claim, ".png")}


def first_places(home: Home, claim: Claim) -> list[Path]:
    """Where the copy of a picture stands whose name nothing else had."""
    return [next(_places(home, claim, suffix)) for suffix in (".jpg", ".png")]


def _places(home: Home, claim: Claim, suffix: Literal[".jpg", ".png"]) -> Iterator[Path]:
    return targets_for(home.outbox, claim, annotated_name(clean(claim.path), suffix))


def _half(home: Home, claim: Claim) -> Path:
    """Under which name a copy is written."""
    return home.outbox / f".watcher-{claim.id}.tmp"
