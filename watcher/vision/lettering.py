"""A line of text, in any script, as ink: cleaned, split by font and direction, shaped, cut to a width.

Shaping is Raqm's (HarfBuzz) where Pillow can load it. Where it cannot (it needs the system's FriBidi), lines
are still drawn in the right order, but Arabic letters do not join and Indic vowels stay unplaced.
"""

from __future__ import annotations

import math
import threading
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby

from PIL import Image, ImageDraw, ImageFont

from watcher.vision.bidi import levels, reorder
from watcher.vision.fonts import RAQM, REGULAR, Face, chain, face_for, font, has, region_of

LONGEST = 400  # characters: more never fit, and a line costs no more than these
ABOVE, BELOW = 1.5, 0.9  # em from the baseline: room for stacked vowels; what is heaped higher is cut
CACHED_SIZE = 32  # px per em: the ink of larger lines is not worth its memory
# FreeType fits letters to whole pixels, which at small sizes distorts them and the spaces between them. So
# small type is drawn some 64 px high and scaled down, which leaves each letter where it belongs.
FINE = 64
SHRINK = 0.85  # how much smaller a line is set before it loses its end
ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
JOINERS = "\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}"
MIRRORED = str.maketrans("()[]{}<>«»", ")(][}{><»«")

# FreeType faces are shared by all threads, and not safe to use at once (Pillow holds the interpreter lock
# while it draws, but a free-threaded interpreter has none).
_pen = threading.Lock()


@dataclass(frozen=True, slots=True)
class Line:
    """A drawn line: mode L ink (shared, never to be changed) and where it lies from the pen, in pixels."""

    ink: Image.Image | None
    left: int = 0
    top: int = 0
    width: int = 0

    @property
    def above(self) -> int:
        """How far the ink reaches above the baseline."""
        return -self.top if self.ink else 0

    @property
    def below(self) -> int:
        """How far the ink reaches below the baseline."""
        return self.top + self.ink.height if self.ink else 0


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a line in one font and one direction."""

    text: str
    face: Face
    right_to_left: bool = False


def clean(text: str) -> str:
    """`text` as one drawable line: no controls, line breaks, bidirectional overrides or lone surrogates."""
    text = text[:LONGEST]
    if not (text.isascii() and text.isprintable()):
        text = unicodedata.normalize("NFC", "".join(map(_drawable, text)))
    return " ".join(text.split())


def _drawable(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Cf" and character not in JOINERS:
        return ""
    return {"Cc": " ", "Cs": "\N{REPLACEMENT CHARACTER}"}.get(category, character)


def clusters(text: str) -> list[str]:
    """`text` in pieces that no font change and no ellipsis may part: a letter with its marks.

    A simplification of UAX #29's extended grapheme clusters: marks and joiners hold on to what is before
    them, viramas and joiners also to what follows.
    """
    pieces: list[str] = []
    held = False
    for character in text:
        extends = character in JOINERS or unicodedata.category(character)[0] == "M"
        if pieces and (held or extends or "\U0001f3fb" <= character <= "\U0001f3ff"):
            pieces[-1] += character
        else:
            pieces.append(character)
        held = character in JOINERS or unicodedata.combining(character) == 9
    return pieces


@lru_cache(maxsize=2048)
def segments(text: str) -> tuple[Segment, ...]:
    """A clean line in drawing order, from left to right."""
    if text.isascii():
        return (Segment(text, chain()[0]),) if text else ()
    pieces, heights = [], []
    numbered = zip(_faces(text), levels(text), text, strict=True)
    for (face, level), run in groupby(numbered, key=lambda part: part[:2]):
        pieces.append(Segment("".join(character for *_, character in run), face, level % 2 == 1))
        heights.append(level)
    return tuple(reorder(pieces, heights))


def _faces(text: str) -> Iterator[Face]:
    """The face of each character; blanks, digits and signs go with the letters before them."""
    region = region_of(text)
    letters = chain()[0]
    for cluster in clusters(text):
        seen = "".join(c for c in cluster if c not in JOINERS and not "\ufe00" <= c <= "\ufe0f") or " "
        letter = unicodedata.category(seen[0])[0] in "LM"
        stays = not letter and not letters.last and has(letters, seen)
        face = letters if stays else face_for(seen, region)
        letters = face if letter else letters
        for _ in cluster:
            yield face


def advance(text: str, size: int, weight: int = REGULAR) -> float:
    """How far a clean line moves the pen, in pixels."""
    scale = _scale(size)
    return sum(_advance(segment, size * scale, weight) for segment in segments(text)) / scale


def _scale(size: int) -> int:
    return max(1, min(4, FINE // size))


@lru_cache(maxsize=8192)
def _advance(segment: Segment, size: int, weight: int) -> float:
    with _pen:
        face = font(segment.face, size, weight)
        text, direction = _shaping(segment, face)
        return face.getlength(text, direction=direction)


def _shaping(segment: Segment, face: ImageFont.FreeTypeFont) -> tuple[str, str | None]:
    """What Pillow is given: Raqm turns and joins; the basic layout is handed characters already in order."""
    if face.layout_engine == RAQM:
        return segment.text, "rtl" if segment.right_to_left else "ltr"
    pieces = ["".join(c for c in cluster if c not in JOINERS) for cluster in clusters(segment.text)]
    if segment.right_to_left:
        return "".join(reversed(pieces)).translate(MIRRORED), None
    return "".join(pieces), None


def line(text: str, size: int, weight: int = REGULAR) -> Line:
    """`text`, cleaned, as ink at `size` pixels per em; its width is that of the pen's way, whole pixels."""
    text = clean(text)
    return _kept(text, size, weight) if size <= CACHED_SIZE else _ink(text, size, weight)


def _ink(text: str, size: int, weight: int) -> Line:
    scale = _scale(size)
    width = math.ceil(advance(text, size, weight))
    side, base = size // 2, math.ceil(ABOVE * size)  # `side` lets letters lean over their ends
    sheet = Image.new("L", ((width + 2 * side) * scale, (base + math.ceil(BELOW * size)) * scale))
    pencil = ImageDraw.Draw(sheet)
    pen = float(side * scale)
    for segment in segments(text):
        with _pen:
            face = font(segment.face, size * scale, weight)
            shaped, direction = _shaping(segment, face)
            pencil.text((pen, base * scale), shaped, 255, face, anchor="ls", direction=direction)
        pen += _advance(segment, size * scale, weight)
    if scale > 1:
        sheet = sheet.reduce(scale)
    box = sheet.getbbox()
    if box is None:
        return Line(None, width=width)
    return Line(sheet.crop(box), box[0] - side, box[1] - base, width)


_kept = lru_cache(maxsize=1024)(_ink)


def fitted(text: str, width: float, size: int, weight: int = REGULAR) -> Line:
    """`text` in at most `width` pixels: as it is, a little smaller, or smaller and without its end."""
    text = clean(text)
    full = advance(text, size, weight)
    if full <= width:
        return line(text, size, weight)
    size = max(math.ceil(size * SHRINK), min(size - 1, math.floor(size * width / full)))
    if advance(text, size, weight) <= width:
        return line(text, size, weight)
    return line(_cut(text, width, size, weight), size, weight)


def _cut(text: str, width: float, size: int, weight: int) -> str:
    """As much of `text` as fits with an ellipsis behind it; nothing where not even that fits."""
    pieces = clusters(text)
    fits, over = -1, len(pieces)
    while over - fits > 1:
        middle = (fits + over) // 2
        if advance(_shortened(pieces, middle), size, weight) <= width:
            fits = middle
        else:
            over = middle
    return _shortened(pieces, fits) if fits >= 0 else ""


def _shortened(pieces: list[str], count: int) -> str:
    return "".join(pieces[:count]).rstrip() + ELLIPSIS
