"""Alembic runs this file for each command. The connection, in its transaction, comes from our caller."""

from __future__ import annotations

from alembic import context

from watcher.results.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite cannot alter most of a table in place
)
with context.begin_transaction():
    context.run_migrations()
