# SPDX-License-Identifier: Apache-2.0
"""How many requests there are, of what kind, and how long they take; and where each ends."""

import time
from collections.abc import Callable, Iterable
from typing import Any

from watcher import context
from watcher.telemetry import meters

ROUTE = "watcher.route"
"""Where in the WSGI environment a request's route is told, once it is found."""

NONE = "none"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Measured:
    """The outermost layer: observes each answer, whoever inside gives it.

    A path that nobody has is no route, so that strangers cannot invent label values.
    """

    def __init__(self, application: Callable[..., Iterable[bytes]]) -> None:
        self.application = application

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer a request."""
        asked = environ.get("REQUEST_METHOD", "")
        method = asked if asked in METHODS else "other"
        status = "500"
        begun_s = time.perf_counter()

        def start(line: str, *more: Any) -> Any:
            nonlocal status
            status = line.partition(" ")[0]
            return start_response(line, *more)

        try:
            return self.application(environ, start)
        finally:
            context.forget()  # the next request of this thread has no name yet
            labels = (environ.get(ROUTE, NONE), method, status)
            meters.API_REQUESTS.labels(*labels).observe(time.perf_counter() - begun_s)
