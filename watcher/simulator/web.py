# SPDX-License-Identifier: Apache-2.0
"""Requests, routes and answers, straight on WSGI."""

import json
import re
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode

from watcher.simulator.cloud import Cloud
from watcher.simulator.faults import AnswerFault
from watcher.simulator.migrations import advance

Handler = Callable[..., "Response"]
Route = tuple[str, str, Handler]
Version = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a token stands for."""

    user_id: str
    user_name: str
    project_id: str
    project_name: str
    roles: tuple[str, ...]

    @property
    def admin(self) -> bool:
        """May see and change the whole cloud."""
        return "admin" in self.roles


NOBODY = Identity("", "", "", "", ())


class Refusal(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes
    origin: str
    request_id: str
    identity: Identity = NOBODY
    version: Version = (0, 0)

    def arg(self, name: str, default: str | None = None) -> str | None:
        """A query parameter; the last one when it is given several times."""
        return self.query[name][-1] if name in self.query else default

    def json(self) -> Any:
        """The body as JSON.

        :raises Refusal: 400 when it is none
        """
        try:
            return json.loads(self.body)
        except ValueError:
            raise Refusal(400, "Malformed request body: it is not JSON") from None


@dataclass(slots=True)
class Response:
    """One answer; ``body`` becomes JSON unless it is bytes or None."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    def encoded(self) -> bytes:
        """The body as it goes over the wire."""
        if self.body is None:
            return b""
        if isinstance(self.body, bytes):
            return self.body
        return json.dumps(self.body, separators=(",", ":")).encode()


class App(ABC):
    """One service as a WSGI application.

    A subclass gives ``name``, ``routes`` and, where its service has its own, the form of an error
    and what is done before each request (token, microversion).
    """

    name = ""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self._routes = [
            (method, template, re.compile(_pattern(template)), handler)
            for method, template, handler in self.routes()
        ]

    @abstractmethod
    def routes(self) -> Sequence[Route]:
        """Method, template such as ``/servers/{server_id}``, and who answers."""

    def prepare(self, request: Request) -> Request:
        """Look at a request before it is handled.

        :raises Refusal: when it must not be
        """
        return request

    def error(self, request: Request, refusal: Refusal) -> Any:
        """The body of an error."""
        del request
        return {"error": {"code": refusal.status, "message": refusal.message}}

    def finish(self, request: Request, response: Response) -> None:  # noqa: B027 - a hook
        """Add to an answer what all answers of the service have."""

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        """Answer one WSGI request."""
        request = _read(environ)
        with self.cloud.lock:
            fault = self.cloud.faults.take_answer(self.name, request.method, request.path)
        if fault and fault.delay_s:
            self.cloud.stopping.wait(fault.delay_s)
        response = (
            None if fault and _replaces(fault) and not fault.after else self._answer(request)
        )
        if fault and fault.cut:
            environ["simulator.cut"]()
            return []
        if fault and fault.status is not None:
            response = Response(fault.body, fault.status, dict(fault.headers))
        if response is None:
            response = Response()
        return _send(request, response, start_response)

    def _answer(self, request: Request) -> Response:
        with self.cloud.lock:
            now = self.cloud.clock.now()
            advance(self.cloud.world, now)
            for tick in self.cloud.ticks:
                tick(now)
            try:
                template, handler, arguments = self._find(request)
                self.cloud.requests[self.name, request.method, template] += 1
                request = self.prepare(request)
                response = handler(request, **arguments)
            except Refusal as refusal:
                response = Response(self.error(request, refusal), refusal.status)
            self.finish(request, response)
        return response

    def _find(self, request: Request) -> tuple[str, Handler, dict[str, str]]:
        method = "GET" if request.method == "HEAD" else request.method
        known = False
        for wanted, template, pattern, handler in self._routes:
            match = pattern.fullmatch(request.path)
            if match and wanted == method:
                return template, handler, match.groupdict()
            known = known or match is not None
        if known:
            raise Refusal(405, "The method is not allowed for this resource.")
        raise Refusal(404, "The resource could not be found.")


def _pattern(template: str) -> str:
    return re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template.rstrip("/")) + "/?"


def _replaces(fault: AnswerFault) -> bool:
    return fault.cut or fault.status is not None


def _read(environ: Mapping[str, Any]) -> Request:
    length = int(environ.get("CONTENT_LENGTH") or 0)
    headers = {
        name[5:].replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    headers["content-type"] = environ.get("CONTENT_TYPE") or ""
    return Request(
        method=environ["REQUEST_METHOD"],
        path=unquote(environ["PATH_INFO"]) or "/",
        query=parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True),
        headers=headers,
        body=environ["wsgi.input"].read(length) if length else b"",
        origin=f"{environ['wsgi.url_scheme']}://{environ['HTTP_HOST']}{environ['SCRIPT_NAME']}",
        request_id=f"req-{uuid.uuid4()}",
    )


def _send(request: Request, response: Response, start_response: Callable[..., Any]) -> list[bytes]:
    body = response.encoded()
    headers = {
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "X-Openstack-Request-Id": request.request_id,
        **response.headers,
    }
    phrase = HTTPStatus(response.status).phrase
    start_response(f"{response.status} {phrase}", list(headers.items()))
    return [] if request.method == "HEAD" else [body]


def negotiate(request: Request, service: str, low: Version, high: Version) -> Request:
    """The request with the microversion it asks for.

    :raises Refusal: 406 beyond what there is, 400 when it is no version
    """
    asked = _asked(request.headers.get("openstack-api-version", ""), service)
    if service == "compute":
        asked = asked or request.headers.get("x-openstack-nova-api-version")
    if asked is None:
        return replace(request, version=low)
    if asked == "latest":
        return replace(request, version=high)
    match = re.fullmatch(r"(\d+)\.(\d+)", asked)
    if match is None:
        raise Refusal(400, f"API Version String {asked} is of invalid format.")
    version = (int(match[1]), int(match[2]))
    if not low <= version <= high:
        raise Refusal(
            406,
            f"Version {asked} is not supported by the API. Minimum is {written(low)}"
            f" and maximum is {written(high)}.",
        )
    return replace(request, version=version)


def _asked(header: str, service: str) -> str | None:
    for part in header.split(","):
        words = part.split()
        if len(words) == 2 and words[0] == service:
            return words[1]
    return None


def written(version: Version) -> str:
    """A version as text."""
    return f"{version[0]}.{version[1]}"


def page(
    request: Request, items: Sequence[Any], key: Callable[[Any], str], most: int = 1000
) -> tuple[Sequence[Any], str | None]:
    """The part of a list that limit and marker ask for, and the query of the next one.

    :raises Refusal: 400 for a marker that is not there, or a limit that is no number
    """
    limit_text = request.arg("limit")
    if limit_text is not None and not limit_text.isdecimal():
        raise Refusal(400, f"limit must be a non-negative integer, not {limit_text!r}")
    limit = min(int(limit_text) if limit_text else most, most)
    marker, start = request.arg("marker"), 0
    if marker:
        start = 1 + next((at for at, item in enumerate(items) if key(item) == marker), -1)
        if not start:
            raise Refusal(400, f"Marker {marker} could not be found.")
    rows = items[start : start + limit]
    more = limit and start + limit < len(items)
    return rows, (next_query(request.query, key(rows[-1])) if more else None)


def next_query(query: Mapping[str, Iterable[str]], marker: str) -> str:
    """The query string of the page after a marker."""
    kept = {name: list(values) for name, values in query.items() if name != "marker"}
    return urlencode({**kept, "marker": marker}, doseq=True)


def listing(
    request: Request, name: str, rows: Sequence[Any], following: str | None = None
) -> Response:
    """Rows under a name, with Nova's link to the next page when there is one."""
    body: dict[str, Any] = {name: rows}
    if following is not None:
        href = f"{request.origin}{request.path}?{following}"
        body[f"{name}_links"] = [{"rel": "next", "href": href}]
    return Response(body)


def need_admin(request: Request, rule: str) -> None:
    """Only admins pass.

    :raises Refusal: 403 naming the policy rule
    """
    if not request.identity.admin:
        raise Refusal(403, f"Policy doesn't allow {rule} to be performed.")
