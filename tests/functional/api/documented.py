# SPDX-License-Identifier: Apache-2.0
"""Checks an answer against the OpenAPI document of its microversion.

Everything a client of the tests meets is checked: that the document names the status for the
operation, the headers it demands, the content type, and the body to its last key.
"""

import json
import re
from functools import cache
from typing import Any
from urllib.parse import unquote

import jsonschema
import webtest
from microversion_parse import Version
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from watcher.api import microversions, root

HIDDEN = re.compile(
    r"Traceback|SELECT .* FROM |INSERT INTO |UPDATE .* SET |IntegrityError|sqlalchemy\.\w+|sqlite3\."
    r"| object at 0x|psycopg\.\w|pymysql\.\w|File \"/",
    re.IGNORECASE,
)
"""What no answer may hold: SQL, and what Python says to programmers."""

UNDOCUMENTED = (400, 401, 404, 405, 406, 413)
"""What is answered where no document has an operation: no such path or method, and what comes
before that is known."""


def check(answer: webtest.TestResponse, method: str, path: str) -> None:
    """Fail unless the document describes this answer."""
    assert not HIDDEN.search(answer.text), f"{method} {path[:200]}: {answer.text[:500]}"
    path = _canonical(path)
    if method == "OPTIONS" or path == "/healthcheck":
        return
    version = _version(answer)
    place, operation = _found(path, "get" if method == "HEAD" else method.lower(), version)
    told = f"{method} {path[:200]} -> {answer.status} at {version}: {answer.text[:300]}"
    if operation is None:
        assert answer.status_int in UNDOCUMENTED or _is_newer(place, method, answer), told
        assert method == "HEAD" or not _faults(ERROR, answer.json, version), told
        return
    response = operation["responses"].get(str(answer.status_int))
    assert response is not None, f"no such status in the document: {told}"
    response = _resolved(response, version)
    for name, header in response.get("headers", {}).items():
        assert name in answer.headers, f"{name} is missing: {told}"
        schema = _resolved(header, version)["schema"]
        assert not _faults(schema, answer.headers[name], version), f"{name}: {told}"
    _check_body(response, answer, version, method, told)


ERROR = {"$ref": "#/components/schemas/Error"}


def _check_body(response: Any, answer: Any, version: Version, method: str, told: str) -> None:
    content = response.get("content")
    if content is None:
        assert not answer.body, told
        assert "Content-Type" not in answer.headers, told
        return
    kind = answer.headers["Content-Type"].removesuffix("; charset=UTF-8")
    assert kind in content, told
    if method == "HEAD":
        assert not answer.body, told
        return
    schema = content[kind]["schema"]
    if kind != "application/json":
        assert schema == {"type": "string"}, told
        return
    body = json.loads(answer.body, parse_constant=_not_json)
    assert not _faults(schema, body, version), f"{_faults(schema, body, version)}: {told}"


def _version(answer: webtest.TestResponse) -> Version:
    """The version an answer is in; an answer in none is described alike by all."""
    named = answer.headers.get(microversions.HEADER)
    return (
        microversions.LATEST
        if named is None
        else microversions.negotiate({microversions.HEADER: named})
    )


def _canonical(path: str) -> str:
    """The path as the document writes it: no query, no last slash, no suffix, below /v1."""
    path = path.partition("?")[0]
    if path in ("", "/"):
        return "/"
    path = path.removesuffix("/").removesuffix(".json")
    if path.endswith("/openapi"):
        path += ".json"
    inside = path == "/v1" or path.startswith("/v1/") or path == "/healthcheck"
    return path if inside else f"/v1{path}"


@cache
def _places() -> list[tuple[re.Pattern[str], str]]:
    """A pattern for each path of the newest document, words before identifiers."""
    paths = sorted(root.description(microversions.LATEST)["paths"], key=lambda one: "{" in one)
    return [
        (re.compile("[^/]+".join(map(re.escape, re.split(r"\{\w+\}", path)))), path)
        for path in paths
    ]


def _found(path: str, method: str, version: Version) -> tuple[str, Any]:
    """The path in the document, "" for none, and the operation there, None for none."""
    for pattern, place in _places():
        if pattern.fullmatch(path) or pattern.fullmatch(unquote(path, errors="replace")):
            methods = root.description(version)["paths"].get(place, {})
            return place, methods.get(method)
    return "", None


def _is_newer(place: str, method: str, answer: webtest.TestResponse) -> bool:
    """Whether the newest document has the operation, and this refusal of it."""
    methods = root.description(microversions.LATEST)["paths"].get(place, {})
    responses = methods.get(method.lower(), {}).get("responses", {})
    return answer.status_int >= 400 and str(answer.status_int) in responses


def _resolved(value: Any, version: Version) -> Any:
    if "$ref" not in value:
        return value
    found: Any = root.description(version)
    for part in value["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return found


def _faults(schema: Any, value: Any, version: Version) -> list[str]:
    """What is wrong with a value, in words; nothing for one that fits."""
    return [
        error.message[:300] for error in _validator(json.dumps(schema), version).iter_errors(value)
    ]


@cache
def _validator(schema: str, version: Version) -> jsonschema.Draft202012Validator:
    text = schema.replace('"#/components', '"urn:watcher#/components')
    contents = {"components": root.description(version)["components"]}
    resource = Resource(contents=contents, specification=DRAFT202012)
    registry: Any = Registry().with_resource("urn:watcher", resource)
    return jsonschema.Draft202012Validator(
        json.loads(text), registry=registry, format_checker=jsonschema.FormatChecker(["uuid"])
    )


def _not_json(word: str) -> None:
    raise AssertionError(f"{word} is not JSON")
