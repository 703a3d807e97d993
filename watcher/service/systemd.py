"""What systemd is told of the daemon, by its own protocol (man sd_notify), where it asks to be told.

Thirty lines, so no library: `sdnotify` had its last release in 2017, `systemd-python` and `cysystemd` need a compiler and
systemd's headers.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import MutableMapping

SOCKET, WATCHDOG, WATCHDOG_PID = "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"


class Systemd:
    """Who has started this process, if it wants to hear of it; `environment` is what it has said of that.

    `watchdog_seconds`: how long it waits for the next ping, None if for none.
    """

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        name = environment.get(SOCKET, "")
        self._address = "\0" + name[1:] if name[:1] == "@" else name if name[:1] == "/" else None
        asked = self._address and environment.get(WATCHDOG_PID, str(os.getpid())) == str(os.getpid())
        with suppress(ValueError):
            microseconds = int(environment.get(WATCHDOG, "0")) if asked else 0
            self.watchdog_seconds = microseconds / 1e6 if microseconds > 0 else None

    watchdog_seconds: float | None = None

    @classmethod
    def taken_from(cls, environment: MutableMapping[str, str]) -> Self:
        """Takes what it has said out of the environment: this process is meant, and none that it starts."""
        said = {name: environment.pop(name) for name in (SOCKET, WATCHDOG, WATCHDOG_PID) if name in environment}
        return cls(said)

    @property
    def listens(self) -> bool:
        return self._address is not None

    def say(self, **fields: str | int) -> None:
        """Sends one message. That nobody hears it stops no work, and it never waits."""
        if self._address is None:
            return
        lines = (f"{name}={' '.join(str(value).splitlines())}" for name, value in fields.items())
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.setblocking(False)
            channel.sendto("\n".join(lines).encode("utf-8", "replace"), self._address)
