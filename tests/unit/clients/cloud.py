# SPDX-License-Identifier: Apache-2.0
"""A Nova that says what it is told to say, over HTTP."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from oslo_config import cfg

from watcher.clients.session import OPTIONS, Clients

Answers = dict[str, list[tuple[int, Any]]]
"""Path -> status and body of each answer in turn; the last one is given for ever."""


@contextmanager
def nova(answers: Answers) -> Iterator[Clients]:
    """Clients of a Nova with these answers; '/' is that to discovery."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            turns = answers[self.path.partition("?")[0]]
            status, body = turns.pop(0) if len(turns) > 1 else turns[0]
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield Clients(_configured(f"http://127.0.0.1:{server.server_port}"))
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def versions(newest: str) -> dict[str, Any]:
    """The version document of a Nova that knows microversions up to this one."""
    version = {
        "id": "v2.1",
        "status": "CURRENT",
        "version": newest,
        "min_version": "2.1",
        "links": [{"rel": "self", "href": "/"}],
    }
    return {"version": version}


def _configured(url: str) -> cfg.ConfigOpts:
    conf = cfg.ConfigOpts()
    for group in OPTIONS:
        group.register(conf)
    conf.set_override("auth_type", "none", "watcher_clients_auth")
    conf.set_override("endpoint_override", url, "nova")
    conf.set_override("http_retry_interval", 0.1, "nova")
    conf([])
    return conf
