"""Two small servers: the attacker's own site, which counts every call, and a careless one that serves files bare."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_PAGE = b"<!doctype html><meta charset=utf-8><title>harness</title><body></body>"


class Quiet(ThreadingHTTPServer):
    """Ends with its test and prints nothing."""

    daemon_threads = True
    request_queue_size = 512

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that leaves in the middle is none of our business."""


class Canary:
    """The attacker's site. `calls` are the paths that anybody has asked for, but for its own page."""

    def __init__(self, port: int) -> None:
        self.base = f"http://localhost:{port}"
        self.calls: list[str] = []

    @property
    def page(self) -> str:
        """An empty page on another site than the one under attack."""
        return f"{self.base}/page"


class _CanaryHandler(BaseHTTPRequestHandler):
    canary: Canary

    def do_GET(self) -> None:
        own = self.path in {"/page", "/favicon.ico"}
        if not own:
            self.canary.calls.append(self.path)
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(_PAGE)))
        self.send_header("Access-Control-Allow-Origin", "*")
        self.end_headers()
        self.wfile.write(_PAGE)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def canary() -> Iterator[Canary]:
    """The attacker's site, for the length of the block."""
    with _running(type("Handler", (_CanaryHandler,), {})) as server:
        site = Canary(server.server_address[1])
        server.RequestHandlerClass.canary = site  # type: ignore[attr-defined]
        yield site


class _CarelessHandler(BaseHTTPRequestHandler):
    files: Mapping[str, tuple[str, bytes]]

    def do_GET(self) -> None:
        media_type, content = self.files.get(self.path, ("text/plain", b""))
        self.send_response(200)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def careless(files: Mapping[str, tuple[str, bytes]]) -> Iterator[str]:
    """Serve these files by path under the types that their senders claim; the base URL."""
    with _running(type("Handler", (_CarelessHandler,), {"files": files})) as server:
        yield f"http://127.0.0.1:{server.server_address[1]}"


@contextmanager
def _running(handler: type[BaseHTTPRequestHandler]) -> Iterator[Quiet]:
    server = Quiet(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
