"""The daemon's own small web server: /metrics for Prometheus, /healthz and /readyz for whoever supervises."""

from __future__ import annotations

import socket
import sys
import threading
import time
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, ClassVar

import structlog
from prometheus_client.exposition import choose_encoder

from watcher.repeated import Repeated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.registry import Collector

    from watcher.service.health import Health

log = structlog.get_logger()

# A client that says nothing for so long, or takes nothing, is let go.
CLIENT_SECONDS = 10.0
# So many are answered at a time; who comes beyond that is turned away, and comes again.
MOST_CLIENTS = 16
# An address that is taken, or is not this machine's yet, is tried again.
AGAIN_SECONDS = 15.0
PLAIN = "text/plain; charset=utf-8"
FINE = "ok\n"


class Pages:
    """What is answered, whoever asks."""

    def __init__(self, figures: Collector, health: Health) -> None:
        self._figures = figures
        self._health = health

    def page(self, path: str, accept: str) -> tuple[HTTPStatus, str, bytes]:
        """Status, kind and body of the answer for a path."""
        match path.partition("?")[0]:
            case "/metrics":
                encode, kind = choose_encoder(accept)
                return HTTPStatus.OK, kind, encode(self._figures)
            case "/healthz":
                return _verdict(self._health.dead())
            case "/readyz":
                return _verdict(self._health.obstacle())
        return HTTPStatus.NOT_FOUND, PLAIN, b"there are /metrics, /healthz and /readyz\n"


def _verdict(fault: str | None) -> tuple[HTTPStatus, str, bytes]:
    status = HTTPStatus.SERVICE_UNAVAILABLE if fault else HTTPStatus.OK
    return status, PLAIN, (f"{fault}\n" if fault else FINE).encode("utf-8", "replace")


class _Handler(BaseHTTPRequestHandler):
    timeout = CLIENT_SECONDS
    pages: ClassVar[Pages]

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def version_string(self) -> str:
        return "Watcher"

    def log_message(self, *_: object) -> None:
        """Requests are not logged: they come several times a minute."""

    def _answer(self, *, with_body: bool) -> None:
        status, kind, body = self.pages.page(self.path, self.headers.get("Accept", ""))
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if with_body:
            self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    timeout = 0.5  # how often it looks whether to stop
    block_on_close = False  # a client that is slow, or a share that hangs, does not keep the daemon from ending

    def __init__(self, host: str, port: int, handler: type[_Handler]) -> None:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        self.address_family = found[0][0]
        self._free = threading.BoundedSemaphore(MOST_CLIENTS)
        self._repeated = Repeated()
        self._since: dict[socket.socket, float] = {}
        super().__init__((host, port), handler)

    def server_bind(self) -> None:
        """Without the name of this machine, which may take a name server's time."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = "watcher", self.server_address[1]

    def process_request(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
        assert isinstance(request, socket.socket)
        self._let_go()
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        self._since[request] = time.monotonic()
        try:
            super().process_request(request, client_address)
        except BaseException:  # no thread to be had
            self._over(request)
            raise

    def _let_go(self) -> None:
        """Of whoever has sent a little now and then for too long: a timeout is for each silence alone."""
        for request, since in list(self._since.items()):
            if time.monotonic() > since + CLIENT_SECONDS:
                with suppress(OSError):
                    request.shutdown(socket.SHUT_RDWR)

    def _over(self, request: socket.socket) -> None:
        del self._since[request]
        self._free.release()

    def process_request_thread(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        assert isinstance(request, socket.socket)
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._over(request)

    def handle_error(self, _request: object, _client_address: object) -> None:
        """Whoever went away, or said nothing, has not been answered; that is no affair of ours."""
        fault = sys.exception()
        if not isinstance(fault, OSError):
            self._repeated.say(
                repr(fault), log.error, "a question for monitoring cannot be answered", reason=repr(fault)
            )


@contextmanager
def listening(listen: str, pages: Pages) -> Iterator[None]:
    """Serves an address, like 127.0.0.1:9464, while the block runs, once it can be had."""
    stop = threading.Event()
    handler = type("Handler", (_Handler,), {"pages": pages})
    thread = threading.Thread(target=_keep_serving, args=(listen, handler, stop), name="monitoring", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _keep_serving(listen: str, handler: type[_Handler], stop: threading.Event) -> None:
    host, _, port = listen.rpartition(":")
    repeated = Repeated()
    while not stop.is_set():
        try:
            server = _Server(host.strip("[]"), int(port), handler)
        except OSError as fault:
            facts = {"listen": listen, "reason": fault.strerror or str(fault)}
            repeated.say(facts["reason"], log.error, "nothing listens for monitoring; trying again", **facts)
            stop.wait(AGAIN_SECONDS)
            continue
        log.info("listening for monitoring", address=f"http://{listen}/metrics")
        with server:
            while not stop.is_set():
                server.handle_request()
