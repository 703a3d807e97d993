"""A home whose rows and outbox whoever could has meddled with."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import sites
import stocked
from sites import encoded

from watcher.home import Home
from watcher.results import State

SECRET = b"not for everyone"
HOSTILE = {
    "script": "<script>alert(1)</script>.png",
    "quotes": "\"'><img src=x onerror=alert(1)>.png",
    "bidi": "\u202egnp.exe\u2066.png",
    "lines": "one\ntwo\r\n\x1b[31m.png",
    "long": "long " * 800 + ".png",
    "emoji": "👩🏽\u200d🔬🦠.png",
    "template": "{{ 7 * 7 }}{% raw %}.png",
}

GOOD = 2  # the number of the first row with a copy
COPIES = [
    "outbox/good.jpg",
    "outbox/../secret.jpg",
    "outbox/./good.jpg",
    "outbox//good.jpg",
    "secret.jpg",
    "{root}/secret.jpg",
    "/etc/passwd",
    "../../../../etc/passwd",
    "outbox/link.jpg",
    "outbox/folder/secret.jpg",
    "outbox/pipe.jpg",
    "outbox/good.jpg/x",
    "outbox/text.jpg",
    "outbox/page.jpg",
    "outbox",
    "outbox/",
    "outbox/a\0b.jpg",
    "outbox/gone.jpg",
    "outbox/" + "a" * 5000,
    "outbox\\good.jpg",
]


def make(root: Path) -> Home:
    home = sites.make(root)
    (home.root / "secret.png").write_bytes(SECRET)
    (home.root / "secret.jpg").write_bytes(encoded())
    meddle(home)
    copies = [None, *COPIES]
    rows = [result(number, "a.jpg", copy and copy.format(root=home.root)) for number, copy in enumerate(copies)]
    hostile = [result(100 + number, name, "outbox/good.jpg") for number, name in enumerate(HOSTILE.values())]
    unread = [failed(200 + number, name) for number, name in enumerate(HOSTILE.values())]
    stocked.record(home, *rows, *hostile, *unread)
    return home


def meddle(home: Home) -> None:
    (home.outbox / "good.jpg").write_bytes(encoded())
    (home.outbox / "link.jpg").symlink_to("../secret.jpg")
    (home.outbox / "folder").symlink_to("..")
    os.mkfifo(home.outbox / "pipe.jpg")
    (home.outbox / "text.jpg").write_bytes(SECRET)
    (home.outbox / "page.jpg").write_text("<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>")


def result(number: int, name: str, copy: str | None) -> stocked.Finished:
    model = replace(stocked.MODEL, model=name[:60]) if number >= 100 else stocked.MODEL
    return stocked.Finished(
        claim=f"{number:x}", name=name, path=f"{name}/{name}", group=name, sha256=f"{number:064x}", size=1, width=40,
        height=30, model=model, predictions=(stocked.Prediction(label=name, score=0.5),), state=State.DONE,
        reason=name, received_at=stocked.NOON, finished_at=stocked.NOON, outbox_path=copy,
    )  # fmt: skip


def failed(number: int, name: str) -> stocked.Finished:
    return stocked.Finished(
        claim=f"{number:x}", name=name, path=f"{name}/{name}", group=name, state=State.FAILED, reason=name,
        received_at=stocked.NOON, finished_at=stocked.NOON,
    )  # fmt: skip
