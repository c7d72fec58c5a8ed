# SPDX-License-Identifier: Apache-2.0
"""What the body of a request may be: the fields of an object, a JSON patch, or nothing.

::

    class AuditPost(Body):
        audit_type = field(types.text, mandatory=True)
        start_time = field(types.text, since=microversions.TIMES)   # 406 before that
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import webob.exc
import wsme.types
from microversion_parse import Version
from webob import Request
from wsme.rest.json import fromjson

from watcher.api import microversions, strict
from watcher.core.errors import Invalid, NotAcceptable

JSON_TYPES = ("application/json", "application/json-patch+json")


class field(wsme.types.wsattr):  # noqa: N801 - reads as the keyword it is
    """One field of a body; without ``mandatory`` it may be left out or null.

    ``since`` is the first microversion in which it may have a value.
    """

    def __init__(
        self, datatype: Any, *, mandatory: bool = False, since: Version = microversions.BASE
    ) -> None:
        default = wsme.types.Unset if mandatory else None
        super().__init__(datatype, mandatory=mandatory, default=default)
        self.since = since

    def __get__(self, instance: Any, owner: Any) -> Any:
        """The value in a body; WSME does not say its type."""
        return super().__get__(instance, owner)


class Body(wsme.types.Base):
    """A JSON object with fields."""


class Nothing(Body):
    """The body of an operation without arguments: ``{}`` or no body at all."""


class Anything:
    """The body of an operation that does not look at it, so long as it is JSON."""


@dataclass(frozen=True)
class Patch:
    """The body of an operation that takes a JSON patch of these attributes.

    See ``watcher.api.patching``.
    """

    attributes: Mapping[str, wsme.types.UserType]


Kind = type[Body] | type[Anything] | Patch | None
"""What an operation says about its body; None: it has none, and what is sent is not looked at."""


def fields(kind: type[Body]) -> tuple[field, ...]:
    """The fields of a body in the order they were written."""
    return tuple(wsme.types.list_attributes(kind))


def read(kind: Kind, request: Request, version: Version) -> tuple[Any, ...]:
    """The parsed body as a tuple of one, or of none when there is nothing to hand on.

    Raises Invalid, NotAcceptable for a field that is newer than the version, WSME's errors for
    wrong fields, and webob's HTTPUnsupportedMediaType.
    """
    if kind is None:
        return ()
    raw = request.body
    if not raw.strip():
        if kind in (Nothing, Anything):
            return ()
        raise Invalid("the request needs a JSON body")
    if request.content_type not in JSON_TYPES:
        raise webob.exc.HTTPUnsupportedMediaType("the body must be application/json")
    value = strict.loads(raw)
    if kind is Anything:
        return ()
    if isinstance(kind, Patch):
        return (value,)
    if not isinstance(value, dict):
        raise Invalid("the body must be a JSON object")
    parsed = fromjson(kind, value)
    if kind is Nothing:
        return ()
    _check_age(kind, parsed, version)
    return (parsed,)


def _check_age(kind: Any, parsed: Any, version: Version) -> None:
    for one in fields(kind):
        if version < one.since and getattr(parsed, one.name) not in (None, {}):
            raise NotAcceptable(
                f"{one.name} needs microversion {one.since}, the request asked for {version}"
            )
