"""The rooms import each other only in the direction in which data flows."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "watcher"
EVERYWHERE = {
    "chunks",
    "clock",
    "locks",
    "errors",
    "repeated",
    "home",
    "settings",
    "mounts",
    "toml_file",
    "toml_lines",
    "formulas",
}
MAY_IMPORT = {
    "intake": set(),
    "models": set(),
    "vision": {"models"},
    "results": set(),
    "training": {"intake", "models", "vision"},
    "jobs": {"intake", "models", "vision", "results", "training"},
    "service": {"intake", "models", "vision", "results", "jobs"},
    "books": {"intake", "models", "vision", "results", "jobs", "service"},
    "backup": {"intake", "models", "results", "jobs", "service"},
    "doctor": {"intake", "models", "vision", "results", "jobs", "service"},
    "cli": {"intake", "models", "vision", "results", "training", "jobs", "service", "books", "backup", "doctor"},
}


def imported_rooms(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module] + [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("watcher.")}
    return found - {"__version__"}


def test_every_room_is_known() -> None:
    """A new room must be given its place in the flow before it can be used."""
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert rooms == set(MAY_IMPORT)


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_what_comes_before_it(room: str) -> None:
    """Data flows one way, and so do imports."""
    allowed = MAY_IMPORT[room] | EVERYWHERE | {room}
    for path in sorted((PACKAGE / room).rglob("*.py")):
        assert imported_rooms(path) <= allowed, path


def test_shared_modules_import_no_room() -> None:
    """What every room may use depends on none of them."""
    for name in EVERYWHERE:
        assert imported_rooms(PACKAGE / f"{name}.py") <= EVERYWHERE, name
