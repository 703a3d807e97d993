"""What tests of `watcher reprocess` share: the command, and a stand-in for the daemon that needs no model."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from datetime import UTC, datetime

import homes
from click.testing import CliRunner, Result
from PIL import Image

from watcher.cli.main import main
from watcher.home import Home
from watcher.intake.arrivals import Seen
from watcher.intake.claims import ClaimFolder
from watcher.intake.names import clean
from watcher.intake.scan import scan
from watcher.results import Database, Finished, ModelVersion, Prediction, State
from watcher.service.kept import not_kept
from watcher.service.places import Reservations, put_copy, put_original
from watcher.vision.encode import Caption, encode

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def tiny(version: int) -> ModelVersion:
    return ModelVersion(model="tiny", version=version, digest=f"{version}" * 64, engine="graph")


def with_tables(home: Home) -> Home:
    with Database.open(home.settings.database.url, home.root) as database:
        database.migrate()
    return home


def classified(home: Home, *paths: str, version: int = 2) -> None:
    """Pictures, each of its own content, that a version has classified."""
    for path in paths:
        homes.drop(home.inbox, path, f"content of {path}".encode())
        take_all(home, tiny(version), NOON)


def take_all(home: Home, model: ModelVersion, now: datetime, keep: Callable[[str], bool] = lambda _: False) -> None:
    """Does with what waits what the daemon does with its files and rows, at once. Pictures for whose paths `keep` is true stay in the inbox, as with `originals = "keep"`."""
    claims = ClaimFolder(home.inbox, "standin")
    claims.make()
    with Database.open(home.settings.database.url, home.root) as database:
        for seen in not_kept([item for item in scan(home.inbox) if isinstance(item, Seen)], database):
            _take(home, claims, database, seen, model, now, kept=keep(seen.path))


def _take(
    home: Home,
    claims: ClaimFolder,
    database: Database,
    seen: Seen,
    model: ModelVersion,
    now: datetime,
    *,
    kept: bool,
) -> None:
    claim = claims.claim(seen)
    assert claim is not None
    path, data = clean(seen.path), claims.file(claim).read_bytes()
    caption = Caption(claim=claim.id, model=model.model, version=model.version, label="red", score=0.9)
    half = home.outbox / f".watcher-{claim.id}.tmp"
    half.write_bytes(encode(Image.new("RGB", (8, 8)), "png", caption).data)
    copy = put_copy(half, home.outbox, claim, path)
    place = Reservations().choose(home.done, claim)
    row = Finished(
        claim=claim.id,
        name=os.path.basename(path),
        path=path,
        group=os.path.dirname(path),
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        model=model,
        predictions=(Prediction(label="red", score=0.9),),
        state=State.DONE,
        received_at=now,
        finished_at=now,
        outbox_path=home.relative(copy),
        original_path=f"inbox: {path}" if kept else home.relative(place),
        kept=str(seen.fingerprint) if kept else None,
    )
    database.record([row])
    if kept:
        claims.put_back(claim)
    else:
        put_original(claims.file(claim), place, claim, home.done)
        claims.clear(claim)


def run(home: Home, *args: str) -> Result:
    return CliRunner().invoke(main, ["--home", str(home.root), "reprocess", *args])


def said(home: Home, *args: str) -> str:
    result = run(home, *args)
    assert result.exit_code == 0, result.output
    return result.output


def states(home: Home) -> list[tuple[str, int | None, str]]:
    return [(row.path, row.model_version, row.state.value) for row in homes.rows(home)]
