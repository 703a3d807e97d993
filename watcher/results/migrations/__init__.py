"""How a database gets from any earlier form to the present one. Imports Alembic: import this late.

To add a migration: write versions/000N_what_changes.py by hand (`alembic revision --autogenerate` sees
neither views nor CHECKs), number it one higher, and set `tables.SCHEMA`; tests/test_migrations.py then says
whether it fits the tables. Never change a migration that was released. Foreign keys are off meanwhile; on
SQLite drop the view before `op.batch_alter_table`, and make it again after.
"""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection


def config(connection: Connection | None = None) -> Config:
    """Alembic's settings, from the package alone: no alembic.ini, no current folder, no logging."""
    settings = Config(attributes={"connection": connection})
    settings.set_main_option("script_location", "watcher.results:migrations")
    settings.set_main_option("path_separator", "os")
    return settings


def upgrade(connection: Connection) -> None:
    """Apply what is missing, inside the transaction that the connection is in."""
    command.upgrade(config(connection), "head")
