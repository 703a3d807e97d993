"""Lines of text in any script: which font, which order, and that they are really drawn."""

from __future__ import annotations

import ctypes
import ctypes.util
import importlib.util
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, features

from watcher.vision import fonts, lettering
from watcher.vision.bidi import levels, reorder
from watcher.vision.fonts import Face
from watcher.vision.lettering import Line, advance, clean, clusters, fitted, line, segments

SAMPLES = {
    "Latin": "Staffordshire bullterrier, \u1ebe \u0141",
    "Greek": "\u03ba\u03cd\u03c4\u03c4\u03b1\u03c1\u03bf",
    "Cyrillic": "\u043a\u043b\u0435\u0442\u043a\u0430",
    "Chinese": "感染细胞",
    "Japanese": "シェパード犬",
    "Korean": "감염된 세포",
    "Arabic": "خلية مصابة",
    "Hebrew": "תא נגוע",
    "Hindi": "संक्रमित कोशिका",
    "Bengali": "সংক্রমিত কোষ",
    "Tamil": "தொற்றுள்ள",
    "Telugu": "సోకిన కణం",
    "Gujarati": "ચેપગ્રસ્ત",
    "Gurmukhi": "ਸੰਕਰਮਿਤ",
    "Kannada": "ಸೋಂಕಿತ",
    "Malayalam": "രോഗബാധിത",
    "Sinhala": "ආසාදිත",
    "Thai": "เซลล์ที่ติดเชื้อ",
    "Lao": "ຕິດເຊື້ອ",
    "Khmer": "កោសិកា",
    "Burmese": "ဆဲလ်",
    "Amharic": "የተበከለ ሕዋስ",
    "Armenian": "վարակված",
    "Georgian": "ინფიცირებული",
    "signs": "5 µm ≤ x → ∞ ½",
    "emoji": "🐱 12",
}
WEIGHTS = (fonts.REGULAR, fonts.SEMIBOLD)
HAS_RAQM = features.check_feature("raqm")


def _same(one: Line, other: Line) -> bool:
    if one.ink is None or other.ink is None:
        return one.ink is other.ink
    return one.ink.size == other.ink.size and one.ink.tobytes() == other.ink.tobytes()


def _forget() -> None:
    for cached in (fonts.chain, fonts.font, lettering.segments, lettering._advance, lettering._kept):
        cached.cache_clear()


@pytest.fixture
def fresh() -> Iterator[None]:
    """Caches emptied before a test that changes what fonts there are, and after it."""
    _forget()
    yield
    _forget()


@pytest.mark.parametrize("script", SAMPLES)
def test_every_script_has_its_font(script: str) -> None:
    """No character of a sample falls to the last resort, and its line has ink over its whole width."""
    text = SAMPLES[script]
    assert all(not segment.face.last for segment in segments(text))
    assert all(fonts.has(segment.face, segment.text) for segment in segments(text))
    drawn = line(text, 40)
    assert drawn.ink
    assert 0.9 <= drawn.ink.width / drawn.width <= 1.2


@pytest.mark.parametrize(("one", "other"), [("感染", "健康"), ("קא", "בג"), ("ลอ", "กข"), ("猫", "犬")])
def test_different_labels_look_different(one: str, other: str) -> None:
    """Two labels of one script are not the same empty boxes, and neither is the last resort's frames."""
    assert not _same(line(one, 24), line(other, 24))
    last = fonts.font(Face(fonts.chain()[-1].path, last=True), 24)
    for text in (one, other):
        frames = Image.new("L", (200, 60))
        ImageDraw.Draw(frames).text((0, 40), text, 255, last, anchor="ls")
        ink = line(text, 24).ink
        assert ink is not None
        assert frames.crop(frames.getbbox()).tobytes() != ink.tobytes()


def test_what_nobody_covers_still_leaves_a_mark() -> None:
    """Runes, private characters and unassigned ones are drawn as the last resort's frames."""
    (segment,) = segments("\u16a0\ue000\U000e0fff")
    assert segment.face.last
    assert line("\u16a0", 24).ink


def test_han_characters_follow_the_language() -> None:
    """Kana make Han characters Japanese, hangul Korean, bopomofo traditional; alone they are simplified."""
    regions = [segments(text)[0].face.index for text in ("直す", "直한", "直ㄅ", "直")]
    assert regions == [fonts.JAPANESE, fonts.KOREAN, fonts.TRADITIONAL, fonts.SIMPLIFIED]
    assert not _same(line("直", 40), Line(line("直す", 40).ink))


@pytest.mark.skipif(not HAS_RAQM, reason="Pillow has no Raqm here: the FriBidi library is missing")
def test_scripts_are_shaped() -> None:
    """Arabic letters take their joined forms, and Devanagari consonants become one conjunct."""
    assert advance("ببب", 64) < 3 * advance("ب", 64) * 0.9
    assert advance("क्ष", 64) < (advance("क", 64) + advance("ष", 64)) * 0.9


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("abc", "abc"),
        ("אבג", "גבא"),
        ("cat חתול (סיאמי)", "cat (ימאיס) לותח"),
        ("חתול cat 12.5 (a)", "cat 12.5 (a) לותח"),
        ("قطة 12", "12 ةطق"),
        ("45 % אב", "בא % 45"),
    ],
)
def test_lines_stand_in_the_order_in_which_they_are_read(text: str, seen: str) -> None:
    """Right-to-left letters are turned, numbers and Latin words among them are not."""
    heights = levels(text)
    mirror = str.maketrans("()", ")(")
    drawn = [c.translate(mirror) if level % 2 else c for c, level in zip(text, heights, strict=True)]
    assert "".join(reorder(drawn, heights)) == seen


def test_pieces_in_several_fonts_stand_in_that_order() -> None:
    """A line that takes several fonts is put together from left to right as a reader expects it."""
    pieces = [(segment.text, segment.right_to_left) for segment in segments("חתול (cat) 猫 12")]
    assert pieces == [("猫 12", False), (") ", True), ("cat", False), ("(", True), ("חתול ", True)]


FRIBIDI = ctypes.util.find_library("fribidi")


@pytest.mark.skipif(FRIBIDI is None, reason="the FriBidi library is not installed")
@given(st.text("abאבجد12\u0661\u0662 .,-+%/:()[]é\u0301\u05b0", min_size=1, max_size=16).map(str.strip))
def test_the_order_is_that_of_fribidi(text: str) -> None:
    """Our levels are those of the reference that browsers and Raqm use."""
    library, size = ctypes.CDLL(FRIBIDI), len(text)
    codes = (ctypes.c_uint32 * size)(*map(ord, text))
    kinds, brackets = (ctypes.c_uint32 * size)(), (ctypes.c_uint32 * size)()
    library.fribidi_get_bidi_types(codes, size, kinds)
    library.fribidi_get_bracket_types(codes, size, kinds, brackets)
    found, neutral = (ctypes.c_int8 * size)(), ctypes.c_uint32(0x40)
    library.fribidi_get_par_embedding_levels_ex(kinds, brackets, size, ctypes.byref(neutral), found)
    assert levels(text) == list(found)


@given(st.text(st.characters()))
def test_any_text_becomes_one_harmless_line(text: str) -> None:
    """No control, line break, override or lone surrogate survives, and what is clean stays as it is."""
    kept = clean(text)
    forbidden = {unicodedata.category(c) for c in kept if c not in lettering.JOINERS} & {
        "Cc",
        "Cs",
        "Cf",
        "Zl",
        "Zp",
    }
    assert not forbidden
    assert kept == " ".join(kept.split())
    assert clean(kept) == kept


@given(st.text(st.characters(codec="utf-8")))
def test_clusters_lose_nothing(text: str) -> None:
    """The clusters of a text, one after another, are the text, and no mark is parted from its letter."""
    pieces = clusters(text)
    assert "".join(pieces) == text
    assert all(unicodedata.category(piece[0])[0] != "M" for piece in pieces[1:])


@given(st.text(st.characters(), max_size=80), st.integers(0, 300), st.sampled_from([13, 19, 70]))
def test_a_fitted_line_never_exceeds_its_width(text: str, width: int, size: int) -> None:
    """Whatever the text and the room, the pen stays inside, and ink leans out by half an em at most."""
    drawn = fitted(text, width, size)
    assert drawn.width <= width
    if drawn.ink:
        assert -size / 2 <= drawn.left
        assert drawn.left + drawn.ink.width <= drawn.width + size / 2
        assert drawn.above <= lettering.ABOVE * size + 1
        assert drawn.below <= lettering.BELOW * size + 1


def test_a_long_line_is_first_shrunk_and_then_cut() -> None:
    """A line slightly too long is drawn smaller and whole, a much longer one ends in an ellipsis."""
    text = "Norwegian elkhound"
    full = line(text, 20).width
    assert _same(fitted(text, full, 20), line(text, 20))
    assert any(_same(fitted(text, full * 0.92, 20), line(text, size)) for size in (17, 18))
    cuts = [line(text[:end].rstrip() + lettering.ELLIPSIS, 17) for end in range(len(text))]
    for room in range(cuts[0].width, line(text, 17).width):
        longest = max((cut for cut in cuts if cut.width <= room), key=lambda cut: cut.width)
        assert fitted(text, room, 20).width == longest.width
    assert fitted(text, 1, 20).ink is None


def test_the_headline_is_bolder() -> None:
    """The weight axis is really set: semibold letters carry more ink, in Latin as in Chinese."""
    for text in ("Uninfected", "感染细胞"):
        light, bold = (np.asarray(line(text, 32, weight).ink, np.int64).mean() for weight in WEIGHTS)
        assert bold > 1.05 * light


def test_threads_agree_with_one_thread(fresh: None) -> None:
    """Lines drawn by eight threads at once, with cold caches, are those that one thread draws."""
    work = [(text, size) for text in SAMPLES.values() for size in (13, 19, 40, 70)]
    alone = [line(*job) for job in work]
    _forget()
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda job: line(*job), work))
    assert all(map(_same, alone, together))


def test_without_font_wheels_latin_is_still_drawn(fresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no font package installed, Pillow's own font serves and nothing fails."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert fonts.chain() == (Face(last=True),)
    for text in SAMPLES.values():
        assert line(text, 20).ink


def test_bad_font_files_are_passed_over(fresh: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A font file that cannot be read covers nothing, and drawing with it falls back to Pillow's font."""
    bad = Face(str(tmp_path / "bad.ttf"))
    Path(bad.path).write_bytes(b"\0\1\0\0 no font")
    assert fonts.repertoire(bad.path) == frozenset()
    monkeypatch.setattr(fonts, "chain", lambda: (bad, Face(last=True)))
    monkeypatch.setattr(lettering, "chain", fonts.chain)
    assert line("label", 20).ink


def test_without_raqm_the_order_is_kept(fresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """With Pillow's basic layout Hebrew, which needs no shaping, looks the same, and no script fails."""
    shaped = line("תא (נגוע) ab", 40).ink
    _forget()
    monkeypatch.setattr(fonts, "ENGINE", fonts.BASIC)
    plain = line("תא (נגוע) ab", 40).ink
    assert shaped is not None
    assert plain is not None
    one, other = (np.asarray(ink.resize((200, 36)), float) for ink in (shaped, plain))
    assert np.abs(one - other).mean() < 20 < np.abs(one - other[:, ::-1]).mean()
    for text in SAMPLES.values():
        assert line(text, 20).ink


def test_no_heavy_package_is_imported() -> None:
    """Drawing an English label imports neither matplotlib, whose fonts are used, nor fontTools."""
    code = (
        "import sys; from watcher.vision.lettering import line; assert line('Parasitized', 20).ink;"
        "print(*{'matplotlib', 'fontTools', 'manimgx_fonts', 'numpy'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []
