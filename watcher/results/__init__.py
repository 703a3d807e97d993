"""The results: what became of every picture, in a database that anyone may query. See README.md here.

Importing this is cheap: SQLAlchemy comes with the first use of `Database` or `find`, Alembic with the first
upgrade of a database.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from watcher.results.errors import (
    BadDatabaseUrl,
    DatabaseDamaged,
    DatabaseError,
    DatabaseOnShare,
    DatabaseUnavailable,
    DriverMissing,
    NoDatabase,
    SchemaTooNew,
    SchemaTooOld,
)
from watcher.results.records import Finished, Known, ModelVersion, Prediction, Recorded, State

if TYPE_CHECKING:
    from watcher.results.database import Database
    from watcher.results.queries import Filter, ResultRow, find

__all__ = [
    "BadDatabaseUrl",
    "Database",
    "DatabaseDamaged",
    "DatabaseError",
    "DatabaseOnShare",
    "DatabaseUnavailable",
    "DriverMissing",
    "Filter",
    "Finished",
    "Known",
    "ModelVersion",
    "NoDatabase",
    "Prediction",
    "Recorded",
    "ResultRow",
    "SchemaTooNew",
    "SchemaTooOld",
    "State",
    "find",
]

_LATER = {"Database": "database", "Filter": "queries", "ResultRow": "queries", "find": "queries"}


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
