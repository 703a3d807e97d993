"""In which order the characters of a line stand when some of them are written from right to left.

A line is drawn piece by piece, each with its own font, so the order must be known before a font is
(Raqm would tell it only for a line in one font). This is the Unicode Bidirectional Algorithm, UAX #9
revision 50 (https://www.unicode.org/reports/tr9/), for one line without formatting characters, which
`lettering.clean` takes out.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from itertools import groupby
from typing import TypeVar
from unicodedata import bidirectional

Piece = TypeVar("Piece")

RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})
SEPARATORS = frozenset({("ES", "EN"), ("CS", "EN"), ("CS", "AN")})
NEUTRAL = frozenset({"B", "S", "WS", "ON"})
# The common ones of BidiBrackets.txt: round, square, curly, full-width round and square, corner, lenticular.
PAIRS = ("()", "[]", "{}", "\uff08\uff09", "\uff3b\uff3d", "\u300c\u300d", "\u3010\u3011")
CLOSING = {pair[0]: pair[1] for pair in PAIRS}


def levels(text: str) -> list[int]:
    """The embedding level of each character: even is left to right, odd right to left."""
    kinds = [bidirectional(character) or "L" for character in text]
    if RIGHT_TO_LEFT.isdisjoint(kinds):
        return [0] * len(text)
    base = 0 if next((kind for kind in kinds if kind in {"L", "R", "AL"}), "L") == "L" else 1  # P2, P3
    start = "R" if base else "L"
    kinds = _numbers(_weak(kinds, start), start)
    kinds = _neutrals(_brackets(kinds, text, start), start)
    return [_level(kind, base) for kind in kinds]


def reorder(pieces: list[Piece], heights: list[int]) -> list[Piece]:
    """`pieces` from left to right, each with its embedding level (rule L2)."""
    order = list(range(len(pieces)))
    for height in range(max(heights, default=0), 0, -1):
        turned: list[int] = []
        for high, places in groupby(order, key=lambda place: heights[place] >= height):
            run = list(places)
            turned += reversed(run) if high else run
        order = turned
    return [pieces[place] for place in order]


def _weak(kinds: list[str], start: str) -> list[str]:
    """Marks take the kind of what they mark (W1, X9), digits after Arabic letters are Arabic (W2, W3)."""
    result: list[str] = []
    strong = start
    for kind in kinds:
        if kind in {"NSM", "BN"}:
            result.append(result[-1] if result else start)
        else:
            result.append("AN" if kind == "EN" and strong == "AL" else kind)
        if result[-1] in {"L", "R", "AL"}:
            strong = result[-1]
    return ["R" if kind == "AL" else kind for kind in result]


def _numbers(kinds: list[str], start: str) -> list[str]:
    """Signs inside and beside a number belong to it (W4, W5), other signs are neutral (W6); W7."""
    inside = list(kinds)
    for at in range(1, len(kinds) - 1):
        before, kind, after = inside[at - 1], kinds[at], kinds[at + 1]
        if before == after and (kind, before) in SEPARATORS:
            inside[at] = before
    result: list[str] = []
    strong = start
    for before, run, after in _runs(inside, {"ET"}, start):
        beside = run[0] == "ET" and "EN" in {before, after}
        for kind in ["EN"] * len(run) if beside else run:
            strong = kind if kind in {"L", "R"} else strong
            latin = kind == "EN" and strong == "L"
            result.append("L" if latin else "ON" if kind in {"ES", "ET", "CS"} else kind)
    return result


def _brackets(kinds: list[str], text: str, start: str) -> list[str]:
    """Both brackets of a pair go with what they enclose, where that is clear (N0)."""
    result = list(kinds)
    for opening, closing in _pairs(text):
        inside = {_side(kind) for kind in result[opening + 1 : closing] if kind not in NEUTRAL}
        if start in inside:
            side = start
        elif inside:
            before = (_side(kind) for kind in reversed(result[:opening]) if kind not in NEUTRAL)
            side = next(before, start)
        else:
            continue
        result[opening] = result[closing] = side
    return result


def _pairs(text: str) -> list[tuple[int, int]]:
    """Where brackets open and close, in the order in which they open (BD16)."""
    pairs: list[tuple[int, int]] = []
    awaited: list[tuple[str, int]] = []
    for at, character in enumerate(text):
        if character in CLOSING:
            awaited.append((CLOSING[character], at))
        for depth in reversed(range(len(awaited))):
            if awaited[depth][0] == character:
                pairs.append((awaited[depth][1], at))
                del awaited[depth:]
                break
    return sorted(pairs)


def _neutrals(kinds: list[str], start: str) -> list[str]:
    """Neutral characters go with what surrounds them where both sides agree, else with the line (N1, N2)."""
    result: list[str] = []
    for before, run, after in _runs(kinds, NEUTRAL, start):
        side = _side(before) if _side(before) == _side(after) else start
        result += [side] * len(run) if run[0] in NEUTRAL else run
    return result


def _runs(kinds: list[str], alike: AbstractSet[str], start: str) -> Iterator[tuple[str, list[str], str]]:
    """The runs of kinds that are or are not `alike`, each with the kind before and the kind after it."""
    runs = [list(run) for _, run in groupby(kinds, key=alike.__contains__)]
    for at, run in enumerate(runs):
        yield runs[at - 1][-1] if at else start, run, runs[at + 1][0] if at + 1 < len(runs) else start


def _side(kind: str) -> str:
    return "L" if kind == "L" else "R"


def _level(kind: str, base: int) -> int:
    """I1, I2: numbers are read from left to right inside whatever is read from right to left."""
    if base:
        return 1 if kind == "R" else 2
    return {"L": 0, "R": 1}.get(kind, 2)
