# SPDX-License-Identifier: Apache-2.0
"""A metric store that misbehaves as it is told."""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Act = Callable[[BaseHTTPRequestHandler], None]


class Store:
    """Its address, what it does next (the last one for ever) and what it was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.acts: list[Act] = []
        self.seen: list[dict[str, Any]] = []

    def does(self, *acts: Act) -> str:
        """Set what it does; return its address."""
        self.acts, self.seen = list(acts), []
        return self.url


def reply(payload: Any, status: int = 200, **headers: str) -> Act:
    """An answer; bytes as they are, anything else as JSON."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()

    def act(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return act


def dribble(handler: BaseHTTPRequestHandler) -> None:
    """A byte every tenth of a second: each wait is short, the answer never ends."""
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    ended = threading.Event()
    for _ in range(100):
        handler.wfile.write(b" ")
        ended.wait(0.1)


def cut(handler: BaseHTTPRequestHandler) -> None:
    """Half an answer, then the connection is gone."""
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    handler.wfile.write(b'{"status": ')
    handler.close_connection = True


@contextlib.contextmanager
def serving(tls: Any = None) -> Iterator[Store]:
    """A store that listens; ``tls`` is an SSLContext."""
    store = Store()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            parts = urlsplit(self.path)
            form = {key: values[0] for key, values in parse_qs(body or parts.query).items()}
            seen = {"method": self.command, "path": parts.path, "headers": dict(self.headers)}
            store.seen.append({**seen, "body": body, "form": form})
            act = store.acts.pop(0) if len(store.acts) > 1 else store.acts[0]
            with contextlib.suppress(OSError):  # whoever asked has gone
                act(self)

        do_GET = do_POST = _handle  # noqa: N815 - as http.server looks for them

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    scheme = "https" if tls is not None else "http"
    store.url = f"{scheme}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield store
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
