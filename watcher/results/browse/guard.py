"""What stands before every page: who may ask, and what a browser may do with the answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

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
LOCAL = ("localhost", "127.0.0.1", "[::1]")


def guarded(app: App, *, only_here: bool) -> App:
    """`app` behind these rules. With `only_here` it answers to this machine's own names alone.

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

        if only_here and _host(scope) not in LOCAL:
            said = "This server is for its own machine: open it as http://127.0.0.1, with its port."
            await _refuse(send_guarded, 421, said)
        elif scope["method"] not in {"GET", "HEAD"}:
            await _refuse(send_guarded, 405, "Nothing can be changed here.")
        else:
            await app(scope, receive, send_guarded)

    return answer


def _host(scope: Scope) -> str:
    """The name under which we were asked, without its port."""
    given = next((value for name, value in scope["headers"] if name == b"host"), b"").decode("latin-1").lower()
    name, _, port = given.rpartition(":")
    return name if name and port.isdigit() else given


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
