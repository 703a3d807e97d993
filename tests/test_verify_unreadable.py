"""`watcher verify` where files cannot be read: each is told of, the rest is looked at; a share that goes ends it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import homes
import pytest
from balancing import BAD, copied, found, kinds, make_template, row
from rights import of_everybody
from test_mounts import table

from watcher.books import books
from watcher.books import verify as verifying
from watcher.books.findings import Finding, Kind
from watcher.books.repair import accept_gone, repair
from watcher.books.verify import verify
from watcher.home import Home
from watcher.results import Database, audit, taken_out
from watcher.service.shares import NAME, Shares


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, tiny_home_models: Path) -> Home:
    return make_template(tmp_path_factory.mktemp("unreadable") / "home", tiny_home_models)


@pytest.fixture
def home(tmp_path: Path, template: Home) -> Home:
    return copied(template, tmp_path / "home")


@pytest.fixture
def close(home: Home) -> Iterator[None]:
    yield
    for folder, _, names in os.walk(home.root):
        os.chmod(folder, 0o750)
        for name in names:
            os.chmod(os.path.join(folder, name), 0o640)


def without_rights(home: Home, *paths: str) -> list[Finding]:
    """What is found while nobody may use these files."""
    for path in paths:
        os.chmod(home.root / path, 0)
    with of_everybody():
        findings = found(home)
    for path in paths:
        os.chmod(home.root / path, 0o750)
    return findings


@pytest.mark.usefixtures("close")
class TestClosed:
    def test_a_copy_that_may_not_be_read_is_one_finding_and_the_rest_is_looked_at(self, home: Home) -> None:
        (home.done / "s/a.png").unlink()
        findings = without_rights(home, "outbox/b.jpg")
        assert {(finding.kind, finding.path) for finding in findings} == {
            (Kind.UNREADABLE, "outbox/b.jpg"),
            (Kind.ORIGINAL_MISSING, "done/s/a.png"),
        }
        assert "cannot be read (Permission denied)" in next(f for f in findings if f.kind is Kind.UNREADABLE).sentence

    def test_of_a_moved_copy_while_what_stands_in_its_place_may_not_be_read(self, home: Home) -> None:
        """Nobody can say which of the two is a second one, so neither is removed."""
        (home.outbox / "s/b.png").write_bytes((home.outbox / "s/a.png").read_bytes())
        [finding] = without_rights(home, "outbox/s/a.png")
        assert (finding.kind, finding.path) == (Kind.UNREADABLE, "outbox/s/a.png")

    def test_an_original_whose_like_turned_up_elsewhere(self, home: Home) -> None:
        """It may have been moved or copied there; the one in its place cannot be asked."""
        (home.done / "x.jpg").write_bytes((home.done / "b.jpg").read_bytes())
        (home.done / "y.png").write_bytes(homes.picture("green"))
        findings = without_rights(home, "done/b.jpg")
        assert {(finding.kind, finding.path) for finding in findings} == {
            (Kind.UNREADABLE, "done/b.jpg"),
            (Kind.ORIGINAL_UNKNOWN, "done/y.png"),
        }

    @pytest.mark.parametrize("folder", ["outbox", "done", "failed"])
    def test_a_folder_that_may_not_be_looked_through_is_told_of(self, home: Home, folder: str) -> None:
        """And what stands beside it is looked at all the same."""
        (home.root / folder / "zz").mkdir()
        (home.root / folder / "aa.png").write_bytes(homes.picture("green"))
        (home.outbox / "s/a.png").unlink()
        findings = without_rights(home, f"{folder}/zz")
        assert (Kind.UNREADABLE, f"{folder}/zz") in {(finding.kind, finding.path) for finding in findings}
        assert "Permission denied" in next(f for f in findings if f.kind is Kind.UNREADABLE).sentence
        others = {finding.kind for finding in findings} - {Kind.UNREADABLE}
        assert others == {Kind.COPY_MISSING} | ({Kind.ORIGINAL_UNKNOWN} if folder != "outbox" else set())

    def test_failed_pictures_whose_folder_is_closed(self, home: Home) -> None:
        """It is told of once, and none of them is said to lack its note."""
        for name in ("1.png", "2.png"):
            homes.drop(home.inbox, f"t/{name}", BAD + name.encode())
        homes.run_once(home)
        [finding] = without_rights(home, "failed/t")
        assert (finding.kind, finding.path) == (Kind.UNREADABLE, "failed/t")

    def test_a_kept_original_s_folder_is_closed(self, tmp_path: Path, tiny_home_models: Path) -> None:
        """Then a lost copy cannot be made anew, and why is said."""
        home = make_template(tmp_path / "keep", tiny_home_models, intake={"originals": "keep"})
        (home.outbox / "s/a.png").unlink()
        [finding] = without_rights(home, "inbox/s")
        assert (finding.kind, finding.row) == (Kind.COPY_MISSING, row(home, "s/a.png").id)
        assert "its original, inbox: s/a.png, cannot be read: Permission denied" in finding.sentence


class TestShares:
    """A share that goes away in the middle of it; `point` is where it was mounted."""

    @pytest.fixture
    def going(self, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
        """The outbox goes while its files are held against the books: an empty mount point stands in its place."""
        mounted = table(tmp_path, (str(home.outbox), "nfs4"))
        Shares(home, mounted).remember()
        monkeypatch.setattr(books, "Shares", partial(Shares, table=mounted))
        monkeypatch.setattr(verifying, "Shares", partial(Shares, table=mounted))
        real = audit.with_predictions

        def go(database: Database, ids: Iterable[int]) -> set[int]:
            if not (home.root / "elsewhere").exists():
                home.outbox.rename(home.root / "elsewhere")
                home.outbox.mkdir()
                table(tmp_path)
            return real(database, ids)

        monkeypatch.setattr(audit, "with_predictions", go)
        return home

    @pytest.mark.parametrize("work", [verify, repair, accept_gone])
    def test_it_ends_in_one_error_and_nothing_is_said_to_be_missing(self, going: Home, work: object) -> None:
        """Nor mended, nor accepted."""
        assert callable(work)
        events: list[object] = []
        with pytest.raises(OSError, match=r"no share is mounted on .*outbox"):
            events.extend(work(going) if work is verify else work(going, homes.NOON))
        assert events == [] and homes.paths(going.outbox) == set()
        with Database.open(going.settings.database.url, going.root, readonly=True) as database:
            assert taken_out.days(database) == {}

    def test_a_share_that_was_away_from_the_start_is_told_of_once(self, home: Home) -> None:
        (home.root / NAME).write_text(f'{{"{home.outbox}": "/mnt/never-mounted"}}')
        assert kinds(home) == [Kind.FOLDER_AWAY]
