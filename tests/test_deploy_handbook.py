"""deploy/README.md is what an administrator types from: its commands, files, settings and links are those that there are."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import click
import pytest
from test_help import parse, pieces

from watcher.settings import Settings, load

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
HANDBOOK = (DEPLOY / "README.md").read_text("utf-8")
FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
BLOCKS = [(found[1], found[2]) for found in FENCED.finditer(HANDBOOK)]
PROSE = FENCED.sub("", HANDBOOK)
# Before a command of ours, with all that is given before it.
OURS = re.compile(r"(?:^|\s|\(|;|\$\()(?:\S*/)?(watcher (?:-|[a-z]).*)")
# What comes after `watcher` and is no command of ours: the name of a user, a service, an image.
OTHERS = re.compile(
    r"sudo -u watcher (?!/)|-[go] watcher|--home-dir|useradd|usermod|docker (run|image)|-n watcher|\$@|install -d|systemctl|journalctl"
)


def typed() -> list[str]:
    """Every line for a shell, with those that go on in the next one made one."""
    return [line for kind, text in BLOCKS if kind in ("sh", "") for line in text.replace("\\\n", " ").splitlines()]


def commands(lines: list[str]) -> list[str]:
    """All calls of the program, without what is given around them."""
    parts = (part for line in lines for part in re.split(r"\|\||&&|\||;", line.split(" #")[0]))
    ours = (OURS.search(part) for part in parts if not OTHERS.search(part))
    return sorted({re.sub(r"2>&1|\)$|\) .*$", "", each[1]).strip().rstrip(")") for each in ours if each})


TO_TYPE = commands(typed())
SPOKEN_OF = commands(re.findall(r"`([^`\n]+)`", PROSE))


def slug(heading: str) -> str:
    """What a heading is called in a link."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("command", sorted({*TO_TYPE, *SPOKEN_OF}))
def test_a_command_can_be_typed(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is one, and takes these options. The text may speak of a command without its arguments, a block may not."""
    monkeypatch.setattr(click.Path, "convert", lambda self, value, param, ctx: Path(value))
    (words,) = pieces(command.replace("RUN", "12"))
    try:
        parse(words)
    except click.MissingParameter:
        assert command not in TO_TYPE


def test_the_commands_that_matter_are_among_them() -> None:
    """Else the test above would be of nothing."""
    found = {command.split()[1] for command in TO_TYPE}
    assert {"backup", "restore", "verify", "doctor", "status", "init", "reprocess", "results", "models"} <= found
    assert "watcher explain NAME" in SPOKEN_OF


def test_every_link_leads_somewhere() -> None:
    """To a file, and to a heading of it."""
    for target in re.findall(r"\]\(([^)\s]+)\)", PROSE):
        path, _, anchor = target.partition("#")
        file = (DEPLOY / path).resolve() if path else DEPLOY / "README.md"
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", FENCED.sub("", file.read_text("utf-8")), re.MULTILINE)
            assert anchor in set(map(slug, headings)), target


def test_every_file_of_the_folder_is_named() -> None:
    """None is left for people to find by chance."""
    for path in DEPLOY.iterdir():
        if path.name not in ("README.md", "healthcheck.py", "__pycache__"):
            assert path.name in HANDBOOK, path.name


def test_the_settings_that_it_shows_are_right(tmp_path: Path) -> None:
    """Whole tables, and single keys in the text."""
    for kind, text in BLOCKS:
        if kind == "toml":
            (tmp_path / "watcher.toml").write_text(text, "utf-8")
            assert load(tmp_path / "watcher.toml") != Settings()
    known = {key for table in Settings().model_dump().values() for key in table}
    for text in re.findall(r"`([a-z_]+ = [^`]+)`", PROSE):
        (key,) = tomllib.loads(text)
        assert key in known, text


def test_the_words_of_the_program_that_it_explains_are_its_words() -> None:
    """What a person sees and looks for here is what the program says."""
    text = "\n".join(path.read_text("utf-8") for path in (ROOT / "watcher").rglob("*.py"))
    for words in (
        "no share is mounted",
        "is not enabled",
        "has no schedule",
        "written by a newer Watcher",
        "starting anew",
    ):
        assert words in HANDBOOK and words in text, words


@pytest.mark.systemd
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")
def test_the_service_of_a_second_home_is_right(tmp_path: Path) -> None:
    """As the handbook makes it of the first, with another program in its place."""
    (line,) = (line for line in typed() if line.startswith("sed ") and "watcher.service" in line)
    made = subprocess.run(line.split(" | ")[0], shell=True, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "/srv/pictures" not in made
    unit = tmp_path / "watcher-cells.service"
    unit.write_text(made.replace("/opt/watcher/bin/watcher", "/bin/true"), "utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    said = [each for each in done.stderr.splitlines() if "watcher" in each]
    assert (done.returncode, said) == (0, [])


@pytest.mark.skipif(shutil.which("testparm") is None, reason="testparm is not here: apt-get install samba-common-bin")
def test_samba_understands_the_shares(tmp_path: Path) -> None:
    """All five, with no doubt about any; none shows what is Watcher's alone."""
    shares = (DEPLOY / "samba.conf").read_text("utf-8")
    (tmp_path / "smb.conf").write_text(f"[global]\n{shares}", "utf-8")
    done = subprocess.run(["testparm", "-s", str(tmp_path / "smb.conf")], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert not re.search(r"unknown|invalid|warning|error", done.stderr, re.IGNORECASE), done.stderr
    sections = re.findall(r"^\[(\w+)\]\n((?:\t.*\n)+)", done.stdout, re.MULTILINE)
    paths = {name: re.findall(r"\tpath = (\S+)", text)[0] for name, text in sections if name != "global"}
    assert paths == {name: f"/srv/pictures/{name}" for name in ("inbox", "outbox", "failed", "corrections", "done")}
    assert done.stdout.count("force user = watcher") == len(paths)
