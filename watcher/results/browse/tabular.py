"""Datasette's CSV, in which a text that a spreadsheet would take for a formula is text, as it is in ours."""

from __future__ import annotations

import re

from watcher.formulas import defused
from watcher.results.browse.guard import App, Message, Receive, Scope, Send

_FIELD = re.compile('"(?P<quoted>[^"]*(?:""[^"]*)*)"|(?P<plain>[^,"\r\n]+)')
_NUMBER = re.compile(r"-[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?")  # as SQLite's are written


def with_harmless_csv(app: App) -> App:
    """`app`, of whose CSV each field that begins like a formula gets an apostrophe; it is sent on row by row."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        is_csv = scope["type"] == "http" and scope["path"].endswith(".csv")
        await app(scope, receive, _Harmless(send).send if is_csv else send)

    return answer


class _Harmless:
    """What is sent, made harmless if it is CSV. At most one row is kept until it is whole."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._is_csv = False
        self._kept = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            kind = dict(message["headers"]).get(b"content-type", b"")
            self._is_csv = kind.startswith((b"text/plain", b"text/csv"))
        elif self._is_csv:
            self._kept += message.get("body", b"")
            is_whole = self._kept.endswith(b"\n") and self._kept.count(b'"') % 2 == 0
            if message.get("more_body") and not is_whole:
                return
            message, self._kept = {**message, "body": harmless(self._kept)}, b""
        await self._send(message)


def harmless(rows: bytes) -> bytes:
    """Whole rows of CSV. A number stays one, also below zero."""
    return _FIELD.sub(_defused, rows.decode("utf-8", "replace")).encode()


def _defused(field: re.Match[str]) -> str:
    if field["quoted"] is not None:
        return f'"{defused(field["quoted"])}"'
    plain = field["plain"]
    return plain if _NUMBER.fullmatch(plain) else str(defused(plain))
