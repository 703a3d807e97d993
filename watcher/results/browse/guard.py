"""What stands before every page: who may ask, and what a browser may do with the answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

OURS = (
    "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)
# Datasette's own pages have programs and styles in them; they, too, can fetch nothing from elsewhere.
DATASETTES = (
    "default-src 'none'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline';"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
PICTURE = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
ALWAYS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
PAGES = ("/", "/dashboard", "/runs")
PICTURES = ("/thumb/", "/copy/")
LOCAL = ("127.0.0.1", "localhost", "[::1]")
SQL = ("sql", "_where")  # what SQL stands under in an address


def guarded(app: App, *, names: Sequence[str] | None) -> App:
    """`app` behind these rules. It answers to these names alone, the first of which it recommends; to all, if None.

    A page of another site can have its own name lead here (DNS rebinding), and would then read what we answer.
    """

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        headers = _headers(scope["path"])

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": _merged(message.get("headers", []), headers, message["status"])}
            await send(message)

        if names is not None and _header(scope, b"host", without_port=True) not in names:
            said = f"This server is for its own machine: open it as http://{names[0]}, with its port."
            await _refuse(send_guarded, 421, said)
        elif _is_foreign(scope):
            await _refuse(
                send_guarded, 403, "Another site asks for this. Copy its address into the browser, if you want it."
            )
        elif scope["method"] not in {"GET", "HEAD"}:
            await _refuse(send_guarded, 405, "Nothing can be changed here.")
        else:
            await app(scope, receive, send_guarded)

    return answer


def _is_foreign(scope: Scope) -> bool:
    """Whether a page of another site asks, other than by a link to a page of ours: what it has us do costs time."""
    if _header(scope, b"sec-fetch-site") != "cross-site":
        return False
    is_link = (_header(scope, b"sec-fetch-mode"), _header(scope, b"sec-fetch-dest")) == ("navigate", "document")
    asked = parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
    return not is_link or any(name in SQL for name, _ in asked)


def _header(scope: Scope, wanted: bytes, *, without_port: bool = False) -> str:
    given = next((value for name, value in scope["headers"] if name == wanted), b"").decode("latin-1").lower()
    name, _, port = given.rpartition(":")
    return name if without_port and name and port.isdigit() else given


def _headers(path: str) -> dict[str, str]:
    if path.startswith(PICTURES):
        # A copy keeps its address and may be drawn anew, so a browser asks soon whether it still is what it has.
        caching = "private, max-age=60, must-revalidate"
        return ALWAYS | {"content-security-policy": PICTURE, "cache-control": caching}
    if path in PAGES or path.startswith("/picture/"):
        return ALWAYS | {"content-security-policy": OURS, "cache-control": "private, no-cache"}
    if path.startswith("/assets/"):
        return ALWAYS | {"content-security-policy": OURS, "cache-control": "private, max-age=86400"}
    return ALWAYS | {"content-security-policy": DATASETTES}


def _merged(given: Any, ours: dict[str, str], status: int) -> list[tuple[bytes, bytes]]:
    """Ours instead of theirs, but for how long a fault may be kept: not at all."""
    if status >= 400:
        ours = ours | {"cache-control": "no-store"}
    kept = [(name, value) for name, value in given if name.decode("latin-1").lower() not in ours]
    return kept + [(name.encode(), value.encode()) for name, value in ours.items()]


async def _refuse(send: Send, status: int, said: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(said)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": said.encode()})
