"""A picture that hangs or kills the decoder or the engine is set aside at the third time; all others come through."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import homes
import pytest
from ledger import tally
from PIL import Image
from tiny_model import install

from watcher.results import State

OTHERS = 12
"""Pictures beside the bad one: with it, two batches."""
MOST_STARTS = 10
WAYS = {"hangs": "hangs", "holds": "hangs and lets nothing else run", "dies": "dies"}


def poison() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (24, 18), (7, 7, 7)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("part", "way"),
    [
        ("decoder", "hangs"),
        ("decoder", "holds"),
        ("decoder", "dies"),
        ("engine", "hangs"),
        ("engine", "dies"),
        ("drawing", "hangs"),
    ],
)
def test_one_bad_picture_harms_no_other(tmp_path: Path, part: str, way: str) -> None:
    """One that hangs costs no restart by anybody: the daemon starts itself anew.

    Unless it keeps the interpreter's lock: then the daemon ends, and says in its log where that was.
    """
    install(tmp_path / "models")
    home = homes.make(tmp_path, tmp_path / "models", inference={"batch_size": 8, "timeout_seconds": 1})
    for seed in range(OTHERS):
        homes.drop(home.inbox, f"{seed}.png", homes.picture("red", seed))
    homes.drop(home.inbox, "0-bad.png", poison())
    script = Path(__file__).with_name("poisoned.py")
    command = [sys.executable, str(script), str(home.root), part, way]
    starts = 1
    while (done := subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)).returncode:
        assert done.returncode == {"dies": -9, "holds": 1}[way], done.stderr
        assert ("in suffer" in done.stderr) == (way == "holds")
        starts += 1
        assert starts < MOST_STARTS
    assert starts == (1 if way == "hangs" else 4)
    assert (home.root / "harmed").read_text() == "..."
    rows = {row.path: row for row in homes.rows(home)}
    assert (
        rows.pop("0-bad.png").reason
        == "Watcher stopped 3 times while it worked on this picture, which may be the cause"
    )
    assert {path: row.state for path, row in rows.items()} == {f"{seed}.png": State.DONE for seed in range(OTHERS)}
    assert homes.paths(home.failed) == {"0-bad.png", "0-bad.png.reason.txt"}
    assert homes.paths(home.outbox) == homes.paths(home.done) == rows.keys()
    assert homes.paths(home.inbox) == set()
    tally(f"a picture on which the {part} {WAYS[way]}", tried=3)
