# SPDX-License-Identifier: Apache-2.0
"""From HTTP to a function and back: the only place that knows status numbers.

``@expose`` turns a function of a resource into an Operation: method, path, policy rule, query
arguments and body, each said once. ``serve`` runs one in the order token, version, route, policy,
parse, look-up, semantics (the first three are done when it is called), inside one database
session. Whatever is raised becomes the error envelope of contract rest-api 4.1.
"""

import json
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import webob.exc
import wsme.exc
from microversion_parse import Version
from oslo_config import cfg
from oslo_utils import strutils, uuidutils
from pecan.hooks import PecanHook
from sqlalchemy.orm import Session
from webob import Request, Response

from watcher.api import bodies, microversions, strict, types, views
from watcher.api.policies import Policy
from watcher.context import RequestContext, named
from watcher.core import errors
from watcher.db.engine import Database, after_commit
from watcher.messaging import rpc

LOG = logging.getLogger(__name__)

OK = HTTPStatus.OK
CREATED = HTTPStatus.CREATED
ACCEPTED = HTTPStatus.ACCEPTED
NO_CONTENT = HTTPStatus.NO_CONTENT

STATUS: Mapping[type[errors.WatcherError], HTTPStatus] = {
    errors.Invalid: HTTPStatus.BAD_REQUEST,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.NotAcceptable: HTTPStatus.NOT_ACCEPTABLE,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""The families of the error tree and what they are called in HTTP."""

_OF_THE_BODY = frozenset({"Content-Type", "Content-Length"})

JSON = "application/json"

GUARDS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-cache",
}
"""Headers of what a browser shows: it brings its own style, runs nothing and fetches nothing."""

Answer = views.Item | views.Page | Callable[[Version], types.Schema] | None


@dataclass(frozen=True)
class Operation:
    """One thing a client can do: a function of a resource and how it is reached.

    ``path`` holds the segments below ``/v1``; a segment in braces is an identifier and becomes a
    positional argument. A body is the function's last positional argument. ``answer`` is what
    comes back: an item, a page, or by version the schema of what is neither; None is nothing.
    The rule is not asked when the option of [api] named by ``switch`` is off. Before the
    microversion ``since`` an answer is NotAcceptable, or ``refusal``. ``finds`` says that NotFound
    is an answer although no identifier is in the path. ``kinds`` are the media types there are of
    the answer, the one first that is given to who does not say; of another than JSON the function
    gives back a Document.
    """

    function: Callable[..., Any]
    method: str
    path: tuple[str, ...]
    rule: str
    answer: Answer
    query: tuple[str, ...] = ()
    body: bodies.Kind = None
    status: HTTPStatus = OK
    switch: str | None = None
    since: Version = microversions.BASE
    refusal: type[errors.WatcherError] = errors.NotAcceptable
    finds: bool = False
    kinds: tuple[str, ...] = (JSON,)

    @property
    def idents(self) -> tuple[str, ...]:
        """The names of the identifiers in the path."""
        return tuple(part[1:-1] for part in self.path if part.startswith("{"))

    def check_version(self, version: Version) -> None:
        """Raise the refusal when the negotiated microversion does not have this operation."""
        if version < self.since:
            raise self.refusal(
                f"{self.method} /v1/{'/'.join(self.path)} needs microversion {self.since}"
                f" or higher; the request asked for {version}"
            )


@dataclass(frozen=True)
class Document:
    """An answer that is no JSON: its media type and its text."""

    kind: str
    text: str


def expose(
    method: str, path: str, rule: str, answer: Answer = None, **more: Any
) -> Callable[[Callable[..., Any]], Operation]:
    """Make a function an Operation; see there for the arguments."""

    def exposed(function: Callable[..., Any]) -> Operation:
        segments = tuple(filter(None, path.split("/")))
        return Operation(function, method, segments, rule, answer, **more)

    return exposed


@dataclass(frozen=True)
class Api:
    """What the operations work with, made once for the whole application."""

    conf: cfg.ConfigOpts
    database: Database
    policy: Policy
    engine: rpc.DecisionEngine
    applier: rpc.Applier


@dataclass(frozen=True)
class Call:
    """One request, seen from inside: who asks, in which version, and the session it works in."""

    api: Api
    session: Session
    context: RequestContext
    version: Version
    query: Mapping[str, str]
    host_url: str
    show_deleted: bool
    writes: bool
    kind: str = JSON

    def needs(self, version: Version, what: str) -> None:
        """Raise NotAcceptable when the negotiated microversion does not know ``what`` yet."""
        if self.version < version:
            raise errors.NotAcceptable(
                f"{what} needs microversion {version}, the request asked for {self.version}"
            )

    def shown(self, resource: views.Resource, row: Any, *, detail: bool = True) -> dict[str, Any]:
        """The row as this request may see it."""
        return views.render(resource, row, self.version, self.host_url, detail=detail)

    def ring(self, cast: Callable[[Any, str], Any], uuid: str) -> None:
        """Tell a daemon about a row once it is committed.

        A message is a doorbell only: when the bus is down the row is kept, and the daemon finds it
        at its next look into the database.
        """

        def rung() -> None:
            try:
                with named(uuid):
                    cast(self.context, uuid)
            except errors.Unavailable as error:
                with named(uuid):
                    LOG.warning(
                        "no message sent about %s, it will be picked up later: %s", uuid, error
                    )

        after_commit(self.session, rung)


def serve(api: Api, operation: Operation, idents: tuple[str, ...], request: Request) -> Response:
    """Run an operation for a request and make the answer."""
    context = caller(api, request, idents)
    if operation.switch is None or api.conf.api[operation.switch]:
        api.policy.check(context, operation.rule)
    version = request.context["version"]
    query = arguments(request, operation.query)
    operation.check_version(version)
    positional = (*idents, *bodies.read(operation.body, request, version))
    writes = operation.method != "GET"
    show_deleted = not writes and _show_deleted(api, context, request)

    def work(session: Session) -> Any:
        seen = (query, request.host_url, show_deleted, writes)
        call = Call(api, session, context, version, *seen, request.context.get("kind", JSON))
        return operation.function(call, *positional)

    if writes:
        result = api.database.settle(work)
    else:
        with api.database.reading() as session:
            result = work(session)
    return answer(operation, result, request)


def answer(operation: Operation, result: Any, request: Request) -> Response:
    """The response for what an operation gave back; None is an answer without a body."""
    response = Response(status=int(operation.status))
    if result is None:
        response.content_type = None
        response.content_length = 0
        return response
    if operation.status is CREATED:
        collection = operation.path[0]
        response.location = f"{request.application_url}/v1/{collection}/{result['uuid']}"
    if operation.kinds != (JSON,):
        response.vary = ("Accept",)
        response.headers.update(GUARDS)
    if isinstance(result, Document):
        response.content_type, response.charset = result.kind, "UTF-8"
        response.text = result.text
        return response
    return _json(response, result)


def kind(operation: Operation, request: Request) -> str:
    """The media type of the answer that the client likes best; a path may end in ``.json``.

    Raises NotAcceptable when he likes none of those there are.
    """
    if request.path_info.endswith(".json"):
        return JSON
    liked = request.accept.acceptable_offers(operation.kinds)
    if not liked:
        raise errors.NotAcceptable(
            f"{str(request.accept)[:80]} is not there; there are {', '.join(operation.kinds)}"
        )
    return str(liked[0][0])


def caller(api: Api, request: Request, idents: Iterable[str]) -> RequestContext:
    """Who asks, about which row. Without authentication who names no roles is an administrator."""
    context = RequestContext.from_environ(request.environ)
    if not api.conf.enable_authentication and "X-Roles" not in request.headers:
        context.roles = ["admin"]
    context.auth_token = None  # not for the bus: the daemons act in their own name
    context.resource_uuid = next(filter(uuidutils.is_uuid_like, idents), None)
    context.update_store()
    return context


def arguments(request: Request, allowed: Collection[str]) -> dict[str, str]:
    """The query arguments; Invalid for one that is unknown, repeated, or no text."""
    found = request.GET
    unknown = sorted(set(found) - set(allowed))
    if unknown:
        known = f"known: {', '.join(sorted(allowed))}" if allowed else "there are none here"
        raise errors.Invalid(f"unknown query argument {', '.join(unknown)[:80]} ({known})")
    for name in found:
        if len(found.getall(name)) > 1:
            raise errors.Invalid(f"query argument {name} is given more than once")
        strict.check(found[name])
    return dict(found)


def _show_deleted(api: Api, context: RequestContext, request: Request) -> bool:
    asked = strutils.bool_from_string(request.headers.get("X-Show-Deleted", ""))
    return asked and api.policy.allows(context, "admin_api")


def document(value: Any) -> Response:
    """The response for a JSON value that no operation made."""
    return _json(Response(), value)


def _json(response: Response, value: Any) -> Response:
    response.content_type = JSON
    response.charset = None
    response.body = json.dumps(value, allow_nan=False).encode()
    return response


def failure(status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    """The error envelope: a JSON object whose one value is itself JSON text (rest-api 4.1)."""
    fault = {
        "debuginfo": None,
        "faultcode": "Client" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "Server",
        "faultstring": text,
    }
    response = Response(status=status)
    response.headers.update(headers or {})
    return _json(response, {"error_message": json.dumps(fault)})


def enveloped(response: Response) -> Response:
    """The response, in the error envelope if it is an error that has none.

    The answer to a missing token keeps its own form, which clients know. The headers are kept: the
    error of a HEAD has no body to tell it by.
    """
    status = response.status_int
    if status < HTTPStatus.BAD_REQUEST or status == HTTPStatus.UNAUTHORIZED:
        return response
    if b"error_message" in response.body:
        return response
    kept = {name: value for name, value in response.headers.items() if name not in _OF_THE_BODY}
    return failure(status, response.status, kept)


def status_of(error: type[BaseException]) -> HTTPStatus:
    """The status of an error class: that of its family, else 500."""
    for family in error.__mro__:
        if family in STATUS:
            return STATUS[family]
    return HTTPStatus.INTERNAL_SERVER_ERROR


class Errors(PecanHook):
    """Turns whatever was raised into the error envelope."""

    def on_error(self, state: Any, error: Exception) -> Response:
        """The answer for an error; one that is not ours is logged and told without its text."""
        if isinstance(error, webob.exc.HTTPException):
            headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
            return failure(error.status_int, error.detail or error.explanation, headers)
        if isinstance(error, wsme.exc.ClientSideError):
            return failure(HTTPStatus.BAD_REQUEST, _input_text(error))
        if isinstance(error, UnicodeDecodeError):
            return failure(HTTPStatus.BAD_REQUEST, "the URL is not valid UTF-8")
        status = status_of(type(error))
        if status is not HTTPStatus.INTERNAL_SERVER_ERROR:
            return failure(status, str(error))
        LOG.error("%s %s failed", state.request.method, state.request.url, exc_info=error)
        return failure(status, "the service met an unexpected error; its log has the reason")


def _input_text(error: wsme.exc.ClientSideError) -> str:
    """WSME's complaint in one sentence, without the value: it may be large, or a secret."""
    if isinstance(error, wsme.exc.InvalidInput):
        return f"{error.fieldname}: {error.msg}"
    if isinstance(error, wsme.exc.UnknownAttribute):
        return f"unknown or read-only attribute {', '.join(sorted(error.attributes))[:200]}"
    return str(error.faultstring)
