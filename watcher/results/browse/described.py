"""What Datasette is told of the database: what its tables and columns mean, and questions that are ready to be asked."""

from __future__ import annotations

from typing import Any

from watcher.results.browse.site import DATABASE
from watcher.results.tables import Base, ImageRow

FACETS = ("label", "model", "state", "grp")
# Datasette counts the values of a facet itself. Of more pictures than these it could not in the time that it has; the
# gallery has them from the counts that the database keeps, however many there are.
MOST_COUNTED = 500_000
HIDDEN = ("alembic_version", "counts_by_group", "counts_by_hour", "counts_by_score", "taken_out", "job_schedules")
UNCLEAR = ("grp", "margin", "needs_review")  # columns of pictures whose names do not say what they are
VIEWS = {
    "results": "One row for each picture that came in. A number opens its page.",
    "labels_by_group": "How many pictures of a group have a label.",
    "labels_by_hour": "The same for each hour in which they were finished (UTC).",
    "labels_by_score": "How the scores of each label are spread, in twentieths.",
    "changed_labels": "Pictures that got another label when they were classified anew.",
}
QUESTIONS = {
    "pictures_a_day": (
        "Pictures a day by label",
        """SELECT substr(hour, 1, 10) AS day, model, label, sum(pictures) AS pictures, sum(to_review) AS to_review
FROM labels_by_hour
WHERE hour >= :since AND state IN ('done', 'duplicate')
GROUP BY 1, 2, 3
ORDER BY day DESC, pictures DESC""",
    ),
    "scores": (
        "How the scores of a label are spread",
        """SELECT score_from, score_to, sum(pictures) AS pictures
FROM labels_by_score
WHERE label = :label AND state IN ('done', 'duplicate')
GROUP BY score_from, score_to
ORDER BY score_from""",
    ),
    "to_review": (
        "Pictures that a person should look at, the least certain first",
        """SELECT id, name, grp, label, score, margin, outbox_path
FROM results
WHERE needs_review = 1 AND state IN ('done', 'duplicate')
ORDER BY margin
LIMIT 200""",
    ),
    "failures": (
        "What failed, and why, the newest first",
        """SELECT id, path, reason, finished_at
FROM results
WHERE state = 'failed'
ORDER BY finished_at DESC
LIMIT 200""",
    ),
    "versions": (
        "Results of each version of a model",
        """SELECT model, model_version, sum(pictures) AS pictures, sum(to_review) AS to_review
FROM labels_by_score
WHERE state IN ('done', 'duplicate')
GROUP BY model, model_version
ORDER BY model, model_version""",
    ),
}


def metadata(pictures: int) -> dict[str, Any]:
    """For a database of so many pictures."""
    tables: dict[str, Any] = {name: {"description": says} for name, says in VIEWS.items()}
    for table in Base.metadata.sorted_tables:
        columns = {column.name: column.comment for column in table.columns if column.comment}
        tables[table.name] = {"description": table.comment or "", "columns": columns}
    images = tables[ImageRow.__tablename__]
    images |= {"columns": {name: images["columns"][name] for name in UNCLEAR}, "sort_desc": "id"}
    tables["results"] |= {"columns": images["columns"], "sort_desc": "id"}
    tables["job_runs"]["sort_desc"] = "id"
    if pictures <= MOST_COUNTED:
        tables["results"]["facets"] = list(FACETS)
    for name in HIDDEN:
        tables.setdefault(name, {})["hidden"] = True
    queries = {name: {"title": title, "sql": sql} for name, (title, sql) in QUESTIONS.items()}
    return {"title": "Watcher", "databases": {DATABASE: {"tables": tables, "queries": queries}}}
