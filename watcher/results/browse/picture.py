"""All that is known of one picture: its labels, what other versions said of the same content, and its history."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from watcher.results.browse import words
from watcher.results.records import Part, State
from watcher.results.tables import ImageRow, JobRunRow, ModelVersionRow, PredictionRow, TakenOutRow

# Arrivals of one content that are looked at, and shown: a camera in the dark may give thousands of them.
MOST, SHOWN = 1000, 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A label with its score."""

    label: str
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a version of a model said of the content, for which picture."""

    model: str
    version: int
    image: int
    finished_at: str
    labels: Sequence[Label]
    counts: bool  # for the picture that is shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something in the history of a picture."""

    at: str | None
    text: str
    link: str = ""
    linked: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A page's picture."""

    row: Any  # of images, with model and version
    verdicts: Sequence[Verdict]
    history: Sequence[Event]
    arrivals: Sequence[Any]  # others of the same content
    more_arrivals: bool


def picture(connection: Connection, image: int) -> Picture | None:
    """The picture of an id; None where there is none."""
    row = connection.execute(
        select(ImageRow.__table__, *_VERSION).outerjoin(_VERSIONS, _OF_IMAGE).where(ImageRow.id == image)
    ).one_or_none()
    if row is None:
        return None
    same = _same_content(connection, row)
    return Picture(
        row=row,
        verdicts=_verdicts(connection, row, same),
        history=list(_history(connection, row)),
        arrivals=same[:SHOWN],
        more_arrivals=len(same) > SHOWN,
    )


def copy_of(connection: Connection, image: int) -> tuple[str | None, tuple[int, int] | None] | None:
    """Where the annotated copy of a picture is, and the picture's size; None for no such picture."""
    columns = ImageRow.outbox_path, ImageRow.width, ImageRow.height
    row = connection.execute(select(*columns).where(ImageRow.id == image)).one_or_none()
    if row is None:
        return None
    return row.outbox_path, (row.width, row.height) if row.width and row.height else None


_VERSIONS: Any = ModelVersionRow.__table__
_OF_IMAGE = ModelVersionRow.id == ImageRow.model_version_id
_VERSION = (
    ModelVersionRow.model,
    ModelVersionRow.version,
    ModelVersionRow.engine,
    ModelVersionRow.review_threshold,
    ModelVersionRow.created_at.label("made_at"),
)
_ARRIVAL = (
    ImageRow.id,
    ImageRow.path,
    ImageRow.state,
    ImageRow.label,
    ImageRow.score,
    ImageRow.received_at,
    ImageRow.finished_at,
    ImageRow.model_version_id,
    ModelVersionRow.model,
    ModelVersionRow.version,
)


def _same_content(connection: Connection, row: Any) -> list[Any]:
    """Other arrivals of the same bytes, the newest first."""
    if row.sha256 is None:
        return []
    some = select(ImageRow.id).where(ImageRow.sha256 == row.sha256).limit(MOST).subquery()
    found = (
        select(*_ARRIVAL)
        .outerjoin(_VERSIONS, _OF_IMAGE)
        .where(ImageRow.id.in_(select(some.c.id)), ImageRow.id != row.id)
        .order_by(ImageRow.id.desc())
    )
    return list(connection.execute(found))


def _verdicts(connection: Connection, row: Any, same: Sequence[Any]) -> list[Verdict]:
    """Of each version the newest: first what counts here, then the newest versions."""
    at = {row.id: row.finished_at} | {other.id: other.finished_at for other in same}
    found: dict[tuple[str, int], Verdict] = {}
    newest_first = [row.id, *(other.id for other in same)][:SHOWN]
    said = (
        select(PredictionRow.__table__, ModelVersionRow.model, ModelVersionRow.version)
        .join(ModelVersionRow, ModelVersionRow.id == PredictionRow.model_version_id)
        .where(PredictionRow.image_id.in_(newest_first))
        .order_by(PredictionRow.image_id.desc(), PredictionRow.model_version_id, PredictionRow.rank)
    )
    for model, version, image, of_version, labels in _grouped(connection.execute(said)):
        counts = image == row.id and of_version == row.model_version_id
        if counts or (model, version) not in found:
            found[model, version] = Verdict(
                model=model,
                version=version,
                image=image,
                finished_at=_text(at[image]) or "",
                labels=labels,
                counts=counts,
            )
    return sorted(found.values(), key=lambda verdict: (not verdict.counts, verdict.model, -verdict.version))


def _grouped(said: Any) -> Iterator[tuple[str, int, int, int, list[Label]]]:
    found: dict[tuple[str, int, int, int], list[Label]] = {}
    for row in said:
        key = row.model, row.version, row.image_id, row.model_version_id
        found.setdefault(key, []).append(Label(label=row.label, score=row.score))
    for (model, version, image, of_version), labels in found.items():
        yield model, version, image, of_version, labels


def _history(connection: Connection, row: Any) -> Iterator[Event]:
    """From its coming to what became of it, in the order of time as far as that is known."""
    if row.model:
        yield from _making(connection, row)
    before = _nearest(connection, row, later=False)
    if before is not None and before.state is State.SUPERSEDED:
        link, linked = f"/picture/{before.id}", f"picture {before.id}"
        yield Event(at=None, text="It takes the place of", link=link, linked=linked)
    attempts = "" if row.attempts <= 1 else f", after {row.attempts} attempts"
    yield Event(at=_text(row.received_at), text=f"It came in as {words.tidy(row.path)}")
    by = f" by {words.tidy(row.model, 80)}/{row.version}" if row.model else ""
    yield Event(at=_text(row.finished_at), text=_BECAME[row.state].format(by=by, attempts=attempts))
    if row.reason:
        yield Event(at=None, text=words.tidy(row.reason))
    if row.state is State.SUPERSEDED and (after := _nearest(connection, row, later=True)) is not None:
        yield Event(at=None, text="Its place has taken", link=f"/picture/{after.id}", linked=f"picture {after.id}")
    taken = select(TakenOutRow.part, TakenOutRow.accepted_at).where(TakenOutRow.image_id == row.id)
    for part, at in connection.execute(taken):
        what = "annotated copy" if part is Part.COPY else "original"
        yield Event(at=_text(at), text=f"Its {what} was taken out on purpose")


_BECAME = {
    State.DONE: "It was classified{by}{attempts}",
    State.DUPLICATE: "Its content was known, so it was given the labels of an earlier picture{by}",
    State.FAILED: "It could not be read{attempts}, and was set aside",
    State.VANISHED: "It was gone before it could be read",
    State.SUPERSEDED: "Its result{by} counts no more: it was put in line again",
}


def _making(connection: Connection, row: Any) -> Iterator[Event]:
    """Where the version comes from that classified it."""
    run = connection.execute(
        select(JobRunRow.id, JobRunRow.job)
        .where(JobRunRow.model == row.model, JobRunRow.candidate == row.version)
        .order_by(JobRunRow.id.desc())
        .limit(1)
    ).one_or_none()
    made = f"{words.tidy(row.model, 80)}/{row.version} was made"
    if run:
        text = f"{made} by a run of the job {words.tidy(run.job, 80)},"
        yield Event(at=_text(row.made_at), text=text, link=f"/runs#run-{run.id}", linked=f"run {run.id}")
    elif row.made_at:
        yield Event(at=_text(row.made_at), text=made)


def _nearest(connection: Connection, row: Any, *, later: bool) -> Any:
    """The arrival under the same path that came next, or last before it."""
    condition = ImageRow.id > row.id if later else ImageRow.id < row.id
    order = ImageRow.id if later else ImageRow.id.desc()
    found = select(ImageRow.id, ImageRow.state).where(ImageRow.path == row.path, condition)
    return connection.execute(found.order_by(order).limit(1)).one_or_none()


def _text(moment: Any) -> str | None:
    return None if moment is None else moment.isoformat()
