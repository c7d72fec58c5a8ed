# SPDX-License-Identifier: Apache-2.0
"""No input of a client gives a 5xx, and every answer has a documented shape.

Requests are put together from pieces that have broken APIs before: paths, queries, headers,
bodies and patches. The seed is fixed; ``WATCHER_TEST_REQUESTS`` asks for more of them.
"""

import json
import os
import random
from typing import Any
from urllib.parse import quote

import pytest

from tests.functional.api.bench import NODE, STATE, Bench, fault
from watcher.api.root import FAMILIES, operations
from watcher.api.views import Resource, attributes
from watcher.db import models

REQUESTS = int(os.environ.get("WATCHER_TEST_REQUESTS", "1000"))
UNKNOWN = "6a0a707c-45ef-4758-b533-e55adddba8ce"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
IDENTS = (
    *(UNKNOWN, "dummy", "DUMMY", "1", "-1", "0", str(10**30), "detail", "state", "%00", "%ff"),
    *("x" * 300, quote("é🎉"), "a%2Fb", ".json", "x.json", "%20", "..", "a;b", "{}", "'", "%"),
)
TEXTS = (
    *("", "0", "-1", "1", "abc", "x" * 5000, "a\u00e9", "🎉", "\x00", "dummy", "asc", "desc"),
    *("uuid", "goal", "goal_name", "limit", UNKNOWN, "'; DROP TABLE audits; --", "%s%n", "\u0661"),
)
VALUES: tuple[Any, ...] = (
    *(None, "", "dummy", "basic", "x" * 300, "🎉", "\x00", True, False, 0, 1, -1, 2**70, 1.5),
    *(float("nan"), float("inf"), [], {}, [5], [[]], [{}], {"a": 1}, ["x"], {"para1": 2.0}),
    *("ONESHOT", "CONTINUOUS", "EVENT", "PENDING", "SKIPPED", "CANCELLED", "DELETED", "5"),
    *("*/5 * * * *", "2030-01-01", "0001-01-01", UNKNOWN, [{"compute": []}], [{"storage": 5}]),
    *("0 0 30 2 *", "* * * * * * *", "@reboot", "H * * * *", "1-0 * * * *"),
)
GOOD = (None, "1.0", "1.1", "1.4", "1.5", "1.6", "1.7", "latest")
VERSIONS = (*GOOD * 5, "9", "x", "1.7.7", "-1.1")
RAW = (b"", b"{", b"[]", b"null", b"5", b'"x"', b"[" * 9000, b'{"a": "\\ud800"}', b"\xff", b"[{}]")
VIEWS = [
    found
    for module, _ in FAMILIES.values()
    for found in vars(module).values()
    if isinstance(found, Resource)
]
NAMES = sorted(
    {attribute.name for resource in VIEWS for attribute in attributes(resource.view)}
    | {str(column.key) for resource in VIEWS for column in resource.model.__table__.columns}
    | {"goal", "strategy", "foo", "links", "-", "0", "para1", "audit_template_uuid"}
)
ARGUMENTS = sorted({name for operation in operations() for name in operation.query} | {"foo"})


class Generator:
    """Makes one request after the other out of a seed."""

    def __init__(self, seed: int, idents: tuple[str, ...]) -> None:
        self.random = random.Random(seed)
        self.idents = (*IDENTS, *idents * 8)
        self.operations = [
            op for op in operations() for _ in range(1 if op.method == "GET" else 3)
        ]

    def pick(self, choices: Any) -> Any:
        return self.random.choice(choices)

    def path(self, pattern: tuple[str, ...]) -> str:
        parts = [self.pick(self.idents) if part[0] == "{" else part for part in pattern]
        if self.random.random() < 0.05:
            parts.append(self.pick(self.idents))
        path = "/".join(["", *self.pick((("v1",), ("v1",), ("v1",), (), ("v2",))), *parts])
        query = "&".join(
            f"{self.pick(ARGUMENTS)}={quote(self.pick(TEXTS))}"
            for _ in range(self.pick((0, 0, 0, 1, 2)))
        )
        return path + self.pick(("", "", "/", ".json")) + (f"?{query}" if query else "")

    def body(self, operation: Any) -> bytes | None:
        if self.random.random() < 0.1:
            return bytes(self.pick(RAW))
        if operation.method == "PATCH":
            value: Any = [self.change() for _ in range(self.pick((0, 1, 1, 2, 3)))]
        elif operation.method == "POST":
            value = self.filled(operation)
        else:
            return None
        return json.dumps(value).encode()

    def change(self) -> Any:
        if self.random.random() < 0.05:
            return self.pick(VALUES)
        if self.random.random() < 0.2:
            state = self.pick(("SKIPPED", "PENDING", "CANCELLED", "ONGOING", "CANCELLING"))
            return {"op": "replace", "path": "/state", "value": state}
        depth = self.pick((1, 1, 1, 2, 3))
        path = "/" + "/".join(self.pick(NAMES) for _ in range(depth))
        change = {"op": self.pick(("add", "replace", "remove", "test")), "path": path}
        return change if self.random.random() < 0.1 else {**change, "value": self.pick(VALUES)}

    def filled(self, operation: Any) -> dict[str, Any]:
        declared = [item.name for item in getattr(operation.body, "_wsme_attributes", ())]
        name = self.pick(("t", f"n{self.random.random()}"))
        good = {"name": name, "goal": "dummy", "audit_type": "ONESHOT"}
        body = {name: good[name] for name in declared if name in good}
        for _ in range(self.pick((0, 1, 2, 3))):
            body[self.pick([*declared, "foo"])] = self.pick(VALUES)
        return body


def prepared(bench: Bench) -> tuple[str, ...]:
    """Rows in many states, and their uuids."""
    template = bench.post("/v1/audit_templates", {"name": "t", "goal": "dummy"})
    audits = [bench.audit(state=state) for state in ("PENDING", "ONGOING", "SUCCEEDED")]
    audits.append(bench.audit(audit_type="CONTINUOUS", interval="5", state="ONGOING"))
    audits.append(bench.audit(audit_type="EVENT"))
    plans = [bench.plan(state=state) for state in ("RECOMMENDED", "PENDING", "ONGOING")]
    actions = [action for plan in plans for action in bench.actions(plan)]
    bench.put(models.Service(name="watcher-applier", host="h"))
    bench.listener.answers.update(get_strategy_info=STATE, get_data_model_info=[NODE])
    return (template["uuid"], *(row.uuid for row in (*audits, *plans, *actions)))


def hammer(bench: Bench, seed: int, requests: int) -> dict[int, int]:
    """Send random requests, check every answer, and count the answers by status."""
    made = Generator(seed, prepared(bench))
    met: dict[int, int] = {}
    for _ in range(requests):
        operation = made.pick(made.operations)
        method = operation.method if made.random.random() < 0.9 else made.pick(METHODS)
        version, body = made.pick(VERSIONS), made.body(operation)
        path = made.path(operation.path)
        answer = bench.call(method, path, body, version=version)
        told = (seed, method, path[:200], version, body and body[:300], answer.text[:300])
        assert answer.status_int < 500, told
        met[answer.status_int] = met.get(answer.status_int, 0) + 1
        assert answer.headers["x-openstack-request-id"].startswith("req-"), told
        if answer.status_int >= 400 and method not in ("HEAD", "OPTIONS"):
            assert fault(answer), told
        elif answer.body:
            assert json.loads(answer.body, parse_constant=pytest.fail) is not None, told
    print(f"seed {seed}: {requests} requests, answers by status: {dict(sorted(met.items()))}")
    return met


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_no_request_gives_a_5xx_and_all_answers_have_their_shape(bench: Bench, seed: int) -> None:
    assert {200, 201, 400, 404, 405, 406} <= set(hammer(bench, seed, REQUESTS))
