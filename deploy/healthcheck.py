"""Is the daemon alive? For HEALTHCHECK in the Dockerfile: exit code 0 if it says so, else 1 with the reason.

Asks /healthz where watcher.toml of $WATCHER_HOME has it listen; or, of another program, the address and path that is given, such
as 127.0.0.1:8001/-/versions.json. By Python's own library, so that the image needs no curl.
"""

from __future__ import annotations

import os
import sys
import tomllib
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path

SECONDS = 5.0
# Who listens at all addresses is asked at loopback.
ALL_ADDRESSES = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104  (nothing is bound here)


def address(home: Path) -> str:
    """Where the daemon listens, and what is asked for. Exits where it listens nowhere."""
    try:
        settings = tomllib.loads((home / "watcher.toml").read_text("utf-8"))
    except (OSError, ValueError) as fault:
        sys.exit(f"{home / 'watcher.toml'}: {fault}")
    listen = settings.get("metrics", {}).get("listen", "")
    if not listen:
        sys.exit('nothing can be asked: set listen = "127.0.0.1:9464" under [metrics] in watcher.toml')
    host, _, port = listen.rpartition(":")
    return f"{ALL_ADDRESSES.get(host, host)}:{port}/healthz"


def ask(where: str) -> str | None:
    """What is wrong; None if the answer is 200."""
    listen, _, path = where.partition("/")
    host, _, port = listen.rpartition(":")
    try:
        connection = HTTPConnection(host.strip("[]"), int(port), timeout=SECONDS)
        connection.request("GET", f"/{path}")
        answer = connection.getresponse()
        said = answer.read(1000).decode("utf-8", "replace").strip()
    except (OSError, HTTPException) as fault:
        return f"no answer from {where}: {fault}"
    return None if answer.status == HTTPStatus.OK else f"{where} says {answer.status}: {said}"


def main() -> None:
    given = sys.argv[1:]
    sys.exit(ask(given[0] if given else address(Path(os.environ.get("WATCHER_HOME", ".")))))


if __name__ == "__main__":
    main()
