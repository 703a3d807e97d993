"""A large download comes in the end, whatever breaks meanwhile, and no byte of it twice or of another file."""

from __future__ import annotations

import json
import random
import resource
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from archives import Host, hosted

from watcher.training.download import Download, NoDownload

DATA = random.Random(0).randbytes(300_000)
OTHER = random.Random(1).randbytes(200_000)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "set.zip.part"


class Try:
    """A download that waits for nothing but counts how often it would."""

    def __init__(self, url: str, part: Path, most: int = 1_000_000, timeout: float = 20) -> None:
        self.told: list[tuple[int, int | None]] = []
        self.waited: list[float] = []
        report = lambda done, total: self.told.append((done, total))  # noqa: E731
        self.download = Download(url, part, most, report, self.waited.append, timeout)

    def run(self) -> None:
        self.download.run()


def fails(url: str, part: Path, **more: float) -> str:
    """The one line that says why there is no download."""
    with pytest.raises(NoDownload) as fault:
        Try(url, part, **more).run()  # type: ignore[arg-type]
    assert "\n" not in str(fault.value)
    return str(fault.value)


def broken_off(host: Host, part: Path, after: int = 100_000) -> None:
    """Leaves a beginning, as Ctrl-C would."""

    def stop(done: int, total: int | None) -> None:
        if done >= after:
            raise KeyboardInterrupt

    host.breaks_after = [after]
    with pytest.raises(KeyboardInterrupt):
        Download(host.url, part, 1_000_000, stop).run()
    assert part.stat().st_size == after
    host.asked.clear()


def test_a_good_host_is_asked_once(part: Path) -> None:
    """Progress is told from nothing to all; a second call asks nobody."""
    with hosted(Host(DATA)) as host:
        trial = Try(host.url, part)
        trial.run()
    assert part.read_bytes() == DATA
    assert (trial.told[0], trial.told[-1]) == ((0, len(DATA)), (len(DATA), len(DATA)))
    assert trial.waited == []
    Try(host.url, part).run()  # with the host gone
    assert host.asked == [None]


def test_dropped_connections_are_taken_up_where_they_dropped(part: Path) -> None:
    """Each further request asks for the rest alone."""
    with hosted(Host(DATA, breaks_after=[100_000, 50_000, 1])) as host:
        Try(host.url, part).run()
    assert part.read_bytes() == DATA
    assert host.asked == [None, "bytes=100000-", "bytes=150000-", "bytes=150001-"]


def test_a_connection_that_falls_silent_is_given_up_for_another(part: Path) -> None:
    """After a timeout; what came before it is not asked for again."""
    with hosted(Host(DATA, breaks_after=[100_000], stalls=True)) as host:
        Try(host.url, part, timeout=0.2).run()
    assert host.asked[:2] == [None, "bytes=100000-"]
    assert part.read_bytes() == DATA


def test_a_later_run_goes_on(part: Path) -> None:
    """Also where the server has only a date, or a weak tag, which If-Range may not carry, or neither."""
    for etag, modified in (('"1"', None), (None, "Mon, 01 Oct 2018 12:00:00 GMT"), ('W/"1"', None), (None, None)):
        with hosted(Host(DATA, etag, modified)) as host:
            broken_off(host, part)
            trial = Try(host.url, part)
            trial.run()
            assert host.asked == ["bytes=100000-"]
            assert trial.told[0] == (100_000, len(DATA))
        assert part.read_bytes() == DATA
        trial.download.forget()
        assert list(part.parent.iterdir()) == []


@pytest.mark.parametrize("heeds_if_range", [True, False])
@pytest.mark.parametrize("etag", ['"2"', None])
def test_a_file_that_changed_is_begun_anew(part: Path, etag: str | None, heeds_if_range: bool) -> None:
    """By its tag or its date, whether or not the server knows If-Range: no file is put together of two."""
    with hosted(Host(DATA, None if etag is None else '"1"', heeds_if_range=heeds_if_range)) as host:
        broken_off(host, part)
        host.data, host.etag, host.modified = OTHER, etag, "Tue, 02 Oct 2018 12:00:00 GMT"
        Try(host.url, part).run()
    assert part.read_bytes() == OTHER


def test_a_file_of_another_length_is_begun_anew(part: Path) -> None:
    """Where the server tells nothing else: longer, and shorter than what is there (416)."""
    with hosted(Host(DATA, None, None)) as host:
        broken_off(host, part)
        host.data = OTHER
        Try(host.url, part).run()
        assert part.read_bytes() == OTHER
    with hosted(Host(DATA, None, None)) as host:
        broken_off(host, part, 250_000)
        host.data = OTHER
        Try(host.url, part).run()
        assert part.read_bytes() == OTHER


def test_a_server_that_knows_no_ranges_sends_all_again(part: Path) -> None:
    """What was there is replaced, not appended to."""
    with hosted(Host(DATA, ranges=False)) as host:
        broken_off(host, part)
        Try(host.url, part).run()
    assert part.read_bytes() == DATA


def test_it_ends_where_a_server_without_ranges_always_drops(part: Path) -> None:
    """Tries that bring no more than an earlier one are not progress."""
    with hosted(Host(DATA, ranges=False, breaks_after=[1000] * 99)) as host:
        said = fails(host.url, part)
    assert "the connection ended after 0.0 MB of 0.3 MB" in said
    assert len(host.asked) < 10


def test_all_of_a_file_whose_length_nobody_said_is_whole(part: Path) -> None:
    """A beginning of such a file, for which nobody vouches, is begun anew."""
    with hosted(Host(DATA, None, None, says_length=False)) as host:
        broken_off(host, part)
        Try(host.url, part).run()
        assert host.asked == [None]
        assert part.read_bytes() == DATA
        Try(host.url, part).run()
    assert len(host.asked) == 1


def test_a_whole_file_that_was_not_known_to_be_one_is_taken(part: Path) -> None:
    """The server says that nothing lies beyond it."""
    with hosted(Host(DATA, says_length=False)) as host:
        broken_off(host, part, len(DATA))
        Try(host.url, part).run()
    assert host.asked == [f"bytes={len(DATA)}-"]
    assert part.read_bytes() == DATA


def test_a_body_shorter_than_announced_is_kept(part: Path) -> None:
    """It is said how much came, and a later run completes it."""
    with hosted(Host(DATA[:200_000], more=100_000)) as host:
        trial = Try(host.url, part)
        with pytest.raises(NoDownload, match=r"0\.2 MB of 0\.3 MB.*the 0\.2 MB that came are kept, and the next run"):
            trial.run()
        assert trial.waited == [1, 1, 2, 4, 8, 16]
        assert part.read_bytes() == DATA[:200_000]
        host.data, host.more = DATA, 0
        Try(host.url, part).run()
    assert part.read_bytes() == DATA


def test_a_busy_server_is_asked_again(part: Path) -> None:
    """After a pause; a plain refusal is final."""
    with hosted(Host(DATA, statuses=[503, 429, 200])) as host:
        trial = Try(host.url, part)
        trial.run()
        assert len(host.asked) == 3
        assert trial.waited == [1, 2]
    trial.download.forget()
    with hosted(Host(DATA, statuses=[404])) as host:
        assert "the server says 404 Not Found" in fails(host.url, part)
        assert len(host.asked) == 1


def test_without_internet_it_is_said_at_once(part: Path) -> None:
    """Nothing listens, or the address is none: no waiting."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        assert "Connection refused" in fails(f"http://127.0.0.1:{closed.getsockname()[1]}/a.zip", part)
    assert "cannot be downloaded" in fails("http://127.0.0.1:port/a b", part)
    assert not part.exists()


def test_a_server_that_says_nothing_is_given_up(part: Path) -> None:
    """After a timeout, and some more tries."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        said = fails(f"http://127.0.0.1:{mute.getsockname()[1]}/a.zip", part, timeout=0.05)
    assert "nothing came for too long" in said


def test_what_is_too_large_is_not_taken(part: Path) -> None:
    """Announced or not, no disk is filled."""
    with hosted(Host(DATA)) as host:
        assert "0.3 MB is more than the set can be" in fails(host.url, part, most=299_999)
        assert not part.exists()
    with hosted(Host(DATA, says_length=False)) as host:
        assert "more than 0.3 MB came" in fails(host.url, part, most=299_999)
    assert not part.exists()


def test_a_beginning_of_unknown_origin_is_not_built_on(part: Path) -> None:
    """A part without its card, with a broken one, of another address, or longer than the file."""
    good = {"url": "", "etag": '"1"', "modified": None, "total": len(DATA)}
    for card in (None, "{", '{"a": 1}', json.dumps(good | {"url": "http://other/"})):
        with hosted(Host(DATA)) as host:
            part.write_bytes(b"x" * 1000)
            if card:
                Path(f"{part}.json").write_text(card)
            Try(host.url, part).run()
            assert host.asked == [None]
            assert part.read_bytes() == DATA
        Path(f"{part}.json").unlink()
    with hosted(Host(DATA)) as host:
        part.write_bytes(DATA + b"x")
        Path(f"{part}.json").write_text(json.dumps(good | {"url": host.url}))
        Try(host.url, part).run()
    assert part.read_bytes() == DATA


@pytest.fixture
def _small_disk() -> Iterator[None]:
    """No file can grow beyond 150,000 bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("_small_disk")
def test_a_full_disk_is_said(part: Path) -> None:
    """What fits is kept, for when there is room."""
    with hosted(Host(DATA)) as host:
        assert f"{part.parent} has no room" in fails(host.url, part)
    assert part.read_bytes() == DATA[:150_000]


def test_a_folder_that_cannot_be_written_is_not_the_internets_fault(part: Path) -> None:
    """It is no reason to try again."""
    part.mkdir()
    with hosted(Host(DATA)) as host, pytest.raises(OSError, match="directory"):
        Try(host.url, part).run()
