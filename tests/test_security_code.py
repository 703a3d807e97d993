"""What the program never does: give anything to a shell, run what it has read, or take a model on trust."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from homes import drop, make, picture, rows, watcher

from watcher.models.registry import Registry

PACKAGE = Path(__file__).parents[1] / "watcher"
# Names that run a text as a program, or build objects out of bytes as these say.
RUNS_TEXT = {"eval", "exec", "compile", "__import__"}
RUNS_BYTES = {
    "pickle",
    "_pickle",
    "cPickle",
    "marshal",
    "shelve",
    "dill",
    "joblib",
    "cloudpickle",
    "jsonpickle",
    "yaml",
}
SHELLS = {"system", "popen", "getoutput", "getstatusoutput", "spawnl", "spawnlp", "create_subprocess_shell"}
PROGRAMS = {"run", "Popen", "call", "check_call", "check_output"}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def calls(path: Path) -> Iterator[tuple[ast.Call, str]]:
    """Every call in a module, with the last part of the called name."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            yield node, name


def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def keywords(call: ast.Call) -> dict[str | None, object]:
    return {word.arg: getattr(word.value, "value", word.value) for word in call.keywords}


def is_builtin(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Name)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_that_is_read_is_run(path: Path) -> None:
    """No shell, no evaluation, no unpickling; NumPy's files and models neither."""
    assert not imported(path) & RUNS_BYTES
    for call, name in calls(path):
        said = keywords(call)
        where = f"{path}:{call.lineno}"
        assert not (name in RUNS_TEXT and is_builtin(call)), where
        assert name not in SHELLS, where
        assert not said.get("shell"), where
        assert not said.get("allow_pickle"), where
        assert said.get("safe_mode", True) is True, where
        assert name != "enable_unsafe_deserialization", where
        if name in PROGRAMS and call.args:
            assert not isinstance(call.args[0], ast.Constant | ast.JoinedStr), where
        if name in ("fromstring", "parse") and isinstance(call.func, ast.Attribute):
            assert getattr(call.func.value, "id", "") not in ("ElementTree", "minidom", "sax"), where


def test_a_changed_model_is_not_used_by_the_daemon(tmp_path: Path, tiny_home_models: Path) -> None:
    """One bit is enough: its pictures wait, and a person is told why."""
    shutil.copytree(tiny_home_models, tmp_path / "models")
    home = make(tmp_path / "home", tmp_path / "models")
    file = Registry(home.models).current("tiny").folder / "model.keras"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    drop(home.inbox, "a.png", picture())
    done = watcher("run", "--once", home=home.root)
    assert "model.keras was changed since it was stored" in done.stderr
    assert rows(home) == []
    assert (home.inbox / "a.png").read_bytes() == picture()
