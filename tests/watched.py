"""An inbox under a clock of our own, for tests of all that `poll` may meet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from watcher.intake.arrivals import Gone, Seen
from watcher.intake.claims import ClaimFolder
from watcher.intake.events import Hints
from watcher.intake.inbox import Inbox
from watcher.intake.settle import Settler

RESCAN = 60.0
SETTLE = 2.0


class Watched:
    """What the inbox hands on is claimed, by a real rename, as the daemon does."""

    def __init__(self, root: Path, hints: Hints | None = None, room: int = 10_000) -> None:
        self.root = root
        self.claims = ClaimFolder(root, "homeaaaa")
        self.claims.make()
        self.now = 100.0
        self.wanted = lambda seen: seen
        self.settler = Settler(SETTLE, room)
        self.inbox = Inbox(root, self.settler, self.pick, RESCAN, hints)

    def pick(self, pictures: Sequence[Seen]) -> Iterable[Seen]:
        return self.wanted(pictures)

    def drop(self, *paths: str, data: bytes = b"picture") -> None:
        for path in paths:
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path).write_bytes(data)

    def poll(self, after: float = 0.0, most: int = 10**9) -> list[str]:
        """The paths that one poll hands on, gone ones with a minus, until there are `most`; time is `after` later."""
        self.now += after
        told: list[str] = []
        for item in self.inbox.poll(self.now):
            if isinstance(item, Gone):
                told.append(f"-{item.path}")
            elif self.claims.claim(item):
                told.append(item.path)
            else:
                self.inbox.wait_again(item, self.now)
            if len(told) >= most:
                break
        return told

    def until_idle(self, most: int = 10**9) -> list[str]:
        """All that comes, as the daemon's loop would see it, until there is nothing to do before the next scan."""
        told = self.poll(most=most)
        for _ in range(10_000):
            if self.inbox.idle and self.inbox.next_look() > self.now:
                return told
            self.now = max(self.now, self.inbox.next_look())
            told += self.poll(most=most)
        raise AssertionError("the inbox never comes to rest")
