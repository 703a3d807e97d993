"""Which font draws which character: a fixed chain, and the first that has a character draws it.

The fonts come from wheels that Watcher depends on (Noto Sans and the scripts it lacks, Noto Sans CJK,
and the DejaVu and Last Resort fonts that matplotlib carries; all under the SIL Open Font License or the
Bitstream Vera licence). They are found without importing their packages. A wheel that is missing
shortens the chain; with none at all Pillow's built-in Latin font serves.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont, features

REGULAR, SEMIBOLD = 440, 600

# Raqm shapes every script. Pillow's wheels bring it, but not the FriBidi library that it needs.
RAQM, BASIC = ImageFont.Layout.RAQM, ImageFont.Layout.BASIC
ENGINE = RAQM if features.check_feature("raqm") else BASIC

SCRIPTS = (
    "Arabic Hebrew Devanagari Bengali Tamil Telugu Gujarati Gurmukhi Kannada Malayalam Oriya Sinhala "
    "Thai Lao Khmer Myanmar Ethiopic Armenian Georgian"
)

# The faces of Noto Sans CJK's collection. They share one repertoire and differ in how a region writes
# the same Han character; simplified Chinese has the most readers, so it serves where nothing tells.
JAPANESE, KOREAN, SIMPLIFIED, TRADITIONAL = range(4)
CJK = "NotoSansCJK-VF.otf.ttc"

# Has a glyph for every code point there is: a frame that names the script.
LAST_RESORT = "LastResortHE-Regular.ttf"


@dataclass(frozen=True, slots=True)
class Face:
    """One typeface: a file and its place in a collection; no path means Pillow's own font."""

    path: str = ""
    index: int = 0
    last: bool = False  # takes whatever no other face has


@lru_cache(maxsize=1)
def chain() -> tuple[Face, ...]:
    """The faces at hand, in the order in which they are asked; the last of them takes everything."""
    scripts = [f"NotoSans{script}[wght].ttf" for script in SCRIPTS.split()]
    wanted = [
        *_files("manimgx_fonts", "", "NotoSans[wght].ttf", *scripts),
        *_files("manimgx_fonts_cjk", "", CJK),
        *_files("manimgx_fonts", "", "NotoSansSymbols[wght].ttf", "NotoEmoji[wght].ttf"),
        *_files("matplotlib", "mpl-data/fonts/ttf", "DejaVuSans.ttf", LAST_RESORT),
    ]
    faces = [Face(str(file), last=file.name == LAST_RESORT) for file in wanted if file.is_file()]
    if not faces or not faces[-1].last:
        faces.append(Face(last=True))
    return tuple(faces)


def _files(package: str, folder: str, *names: str) -> list[Path]:
    """Where an installed package keeps these files; asking for the spec runs none of the package's code."""
    spec = importlib.util.find_spec(package)
    roots = (spec and spec.submodule_search_locations) or ()
    return [Path(root, folder, name) for root in roots for name in names]


@lru_cache(maxsize=64)
def repertoire(path: str) -> frozenset[int]:
    """The code points that a font file (the first font of a collection) maps to a glyph; of a bad file, none.

    Read with fontTools: Pillow does not tell, it draws an empty box instead.
    """
    from fontTools.ttLib import TTFont, TTLibError  # type: ignore[import-untyped, unused-ignore]

    try:
        with open(path, "rb") as file, TTFont(file, fontNumber=0, lazy=True) as font:
            return frozenset(font.getBestCmap() or ())
    except (OSError, TTLibError):
        return frozenset()


def has(face: Face, characters: str) -> bool:
    """Whether `face` has a glyph for each of `characters`."""
    return face.last or repertoire(face.path).issuperset(map(ord, characters))


def face_for(characters: str, region: int = SIMPLIFIED) -> Face:
    """The first face that has all of `characters` (one cluster); Han characters as `region` writes them."""
    face = next(face for face in chain() if has(face, characters))
    return replace(face, index=region) if face.path.endswith(CJK) else face


def region_of(text: str) -> int:
    """Whose Han characters `text` means: kana tell Japanese, hangul Korean, bopomofo traditional Chinese."""
    for character in text:
        if "\u3040" <= character <= "\u30ff" or "\uff66" <= character <= "\uff9f":
            return JAPANESE
        if "\uac00" <= character <= "\ud7a3" or "\u1100" <= character <= "\u11ff":
            return KOREAN
        if "\u3105" <= character <= "\u312f":
            return TRADITIONAL
    return SIMPLIFIED


@lru_cache(maxsize=256)
def font(face: Face, size: int, weight: int = REGULAR) -> ImageFont.FreeTypeFont:
    """`face` at `size` pixels per em, at `weight` (OpenType 1..1000) where the face can vary it.

    The object belongs to whoever holds the drawing lock (`lettering`): FreeType faces are not
    thread-safe (https://freetype.org/freetype2/docs/reference/ft2-face_creation.html#ft_face).
    """
    if not face.path:
        return _builtin(size)
    try:
        found = ImageFont.truetype(face.path, size, face.index, layout_engine=ENGINE)
    except OSError:
        return _builtin(size)
    try:
        axes = found.get_variation_axes()
    except OSError:
        return found  # not a variable font
    found.set_variation_by_axes([_setting(axis, weight) for axis in axes])
    return found


def _setting(axis: ImageFont.Axis, weight: int) -> float:
    """Where to put an axis: the weight as near as it goes, any other at its default."""
    low, normal, high = axis["minimum"] or 0, axis["default"] or 0, axis["maximum"] or 0
    return min(max(weight, low), high) if axis.get("name") == b"Weight" else normal


def _builtin(size: int) -> ImageFont.FreeTypeFont:
    found = ImageFont.load_default(size)
    assert isinstance(found, ImageFont.FreeTypeFont)  # with a size it is, or Pillow has raised ImportError
    return found
