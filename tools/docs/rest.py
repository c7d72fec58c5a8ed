# SPDX-License-Identifier: Apache-2.0
"""The REST reference, drawn from the OpenAPI document of the newest microversion."""

import json
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from tools.docs import rst
from watcher.api import microversions, openapi, root, schemas

Operation = tuple[str, str, dict[str, Any]]

INTRO = f"""
This page is drawn from the declarations that serve the API, as they are in microversion
{microversions.LATEST}. The service gives the same as an OpenAPI 3.1 document:
``GET {openapi.PATH}``, with any valid token, answers with the document of the microversion named
by the request's ``{microversions.HEADER}`` header. That of {microversions.LATEST} is here, too:
:download:`openapi.json`.

Every request but ``GET /`` needs a token. An error (status 400 and above, but for 401) is a JSON
object whose ``error_message`` is a text that holds JSON; its ``faultstring`` says what is wrong.
"""


def document() -> dict[str, Any]:
    """The document of the newest microversion."""
    return root.description(microversions.LATEST)


def reference() -> str:
    """The page."""
    written = document()
    operations = [
        (method.upper(), path, operation)
        for path, methods in written["paths"].items()
        for method, operation in methods.items()
    ]
    parts: list[str] = []
    for tag, members in groupby(operations, key=lambda found: found[2].get("tags", [""])[0]):
        parts.append(rst.heading(tag.replace("_", " ").capitalize() or "Documents"))
        parts.extend(part for member in members for part in _operation(member))
    parts += [rst.heading("What is shown and what is sent"), *_schemas()]
    return rst.page("rest", "REST reference", INTRO, *parts)


def as_json() -> str:
    """The document as a file."""
    return json.dumps(document(), indent=1) + "\n"


def _operation(found: Operation) -> Iterator[str]:
    method, path, operation = found
    yield rst.heading(f"{method} {path}", "~")
    description = operation.get("description")
    yield (
        rst.text(". ".join(filter(None, (operation["summary"], description)))).rstrip(".") + ".\n"
    )
    statuses = ", ".join(operation["responses"])
    facts = [f"Answers: {statuses}."]
    if "x-openstack-policy" in operation:
        facts.append(f"Policy: {rst.code(operation['x-openstack-policy'])}.")
    since = operation.get(schemas.SINCE, "1.0")
    if since != "1.0":
        facts.append(f"Since microversion {since}.")
    body = operation.get("requestBody")
    if body:
        facts.append(f"Body: {_link(body['content']['application/json']['schema'])}.")
    shown = next(iter(operation["responses"].values())).get("content", {})
    references = (one["schema"] for one in shown.values() if "$ref" in one["schema"])
    facts.extend(f"Shows: {_link(schema)}." for schema in references)
    yield " ".join(facts) + "\n"
    rows = [
        (rst.code(one["name"]), one["in"], _kind(one["schema"]), rst.text(one["description"]))
        for one in operation.get("parameters", ())
        if "$ref" not in one
    ]
    yield rst.table(("Argument", "In", "Type", "Meaning"), rows, "20 10 30 40")


def _schemas() -> Iterator[str]:
    for name, schema in document()["components"]["schemas"].items():
        yield f".. _rest-{name.lower()}:\n"
        yield rst.heading(name, "~")
        yield rst.text(" ".join(schema.get("description", "").split())) + "\n"
        needed = schema.get("required", ())
        rows = [
            (
                rst.code(field),
                _kind(inner),
                "yes" if field in needed else "no",
                inner.get(schemas.SINCE, "1.0"),
            )
            for field, inner in schema.get("properties", {}).items()
        ]
        yield rst.table(("Name", "Type", "Always", "Since"), rows, "25 55 10 10")
        if not rows:
            yield f"{_kind(schema)}.\n"


def _link(schema: dict[str, Any]) -> str:
    name = schema["$ref"].rpartition("/")[2]
    return f":ref:`rest-{name.lower()}`"


def _kind(schema: dict[str, Any]) -> str:
    """A schema in a few words."""
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(map(_kind, schema["anyOf"])))
    if "enum" in schema:
        return ", ".join(rst.code(one) for one in schema["enum"])
    if "const" in schema:
        return rst.code(schema["const"])
    kinds = schema.get("type", "any JSON")
    word = kinds if isinstance(kinds, str) else " or ".join(kinds)
    limit = schema.get("maxLength")
    if "format" in schema:
        word = schema["format"]
    return f"{word} of at most {limit} characters" if limit else str(word)
