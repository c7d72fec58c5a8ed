# SPDX-License-Identifier: Apache-2.0
"""Route x method x status x microversion (contract rest-api 1.3, 1.4, 2.3), as one table.

A cell is a status, or two with the microversion from which the second holds. A method that a route
does not have is 405 and names those it has; HEAD is answered like GET.
"""

from collections.abc import Callable
from typing import Any

import pytest
from oslo_utils import uuidutils

from tests.functional.api.bench import NODE, STATE, Bench, replace
from watcher.api import microversions
from watcher.db import models

VERSIONS = tuple(str(version) for version in microversions.VERSIONS)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
TABLE = """
/                               GET 200
/v1                             GET 200
/v1/openapi.json                GET 200
/v1/goals                       GET 200
/v1/goals/detail                GET 200
/v1/goals/dummy                 GET 200
/v1/strategies                  GET 200
/v1/strategies/detail           GET 200
/v1/strategies/dummy            GET 200
/v1/strategies/dummy/state      GET 200
/v1/audit_templates             GET 200, POST 201
/v1/audit_templates/detail      GET 200
/v1/audit_templates/{template}  GET 200, PATCH 200, DELETE 204
/v1/audits                      GET 200, POST 201
/v1/audits/detail               GET 200
/v1/audits/{audit}              GET 200, PATCH 200, DELETE 204
/v1/action_plans                GET 200
/v1/action_plans/detail         GET 200
/v1/action_plans/{plan}         GET 200, PATCH 200, DELETE 204
/v1/action_plans/{plan}/start   POST 200
/v1/actions                     GET 200
/v1/actions/detail              GET 200
/v1/actions/{action}            GET 200, PATCH 400 1.5 200
/v1/scoring_engines             GET 200
/v1/scoring_engines/detail      GET 200
/v1/scoring_engines/dummy_scorer GET 200
/v1/services                    GET 200
/v1/services/detail             GET 200
/v1/services/{service}          GET 200
/v1/data_model                  GET 406 1.3 200
/v1/webhooks/{event}            POST 202
"""
BODIES: dict[str, Any] = {
    "POST /v1/audits": {"audit_type": "ONESHOT", "goal": "dummy"},
    "PATCH /v1/action_plans/{plan}": [replace("/state", "CANCELLED")],
    "PATCH /v1/actions/{action}": [replace("/state", "SKIPPED")],
}
HEADERS = ("OpenStack-API-Minimum-Version", "OpenStack-API-Maximum-Version", "Vary")


def parsed(table: str) -> dict[str, dict[str, tuple[str, ...]]]:
    """Path -> method -> (status,) or (status before, version, status from then on)."""
    found = {}
    for line in table.strip().splitlines():
        path, _, cells = line.partition(" ")
        words = (cell.split() for cell in cells.split(","))
        found[path] = {method: tuple(rest) for method, *rest in words}
    return found


ROUTES = parsed(TABLE)
CELLS = [(path, method) for path in ROUTES for method in METHODS]


@pytest.fixture(scope="module")
def fresh(shared: Bench) -> dict[str, Callable[[], Any]]:
    """What a path may name, made anew each time, so that no request meets what another left."""
    shared.listener.answers.update(get_strategy_info=STATE, get_data_model_info=[NODE])
    service = shared.put(models.Service(name="watcher-applier", host="h"))

    def template() -> Any:
        body = {"name": uuidutils.generate_uuid(), "goal": "dummy"}
        return shared.post("/v1/audit_templates", body)["uuid"]

    return {
        "{template}": template,
        "{audit}": lambda: shared.audit(state="SUCCEEDED").uuid,
        "{event}": lambda: shared.audit(audit_type="EVENT").uuid,
        "{plan}": lambda: shared.plan(actions=1).uuid,
        "{action}": lambda: shared.actions(shared.plan(actions=1))[0].uuid,
        "{service}": lambda: service.id,
    }


def expected(path: str, method: str, version: str) -> int:
    cell = ROUTES[path].get("GET" if method == "HEAD" else method, ("405",))
    late = len(cell) == 3 and VERSIONS.index(version) >= VERSIONS.index(cell[1])
    return int(cell[2] if late else cell[0])


def sent(path: str, method: str, number: int) -> Any:
    if f"{method} {path}" == "POST /v1/audit_templates":
        return {"name": f"new{number}", "goal": "dummy"}
    empty = {"POST": {}, "PATCH": [], "PUT": {}}
    return BODIES.get(f"{method} {path}", empty.get(method))


@pytest.mark.parametrize(("path", "method"), CELLS, ids=[f"1.3 {m} {p}" for p, m in CELLS])
def test_a_cell_of_the_table_of_routes(
    shared: Bench, fresh: dict[str, Callable[[], Any]], path: str, method: str
) -> None:
    for number, version in enumerate(VERSIONS):
        where = path
        for name, make in fresh.items():
            if name in where:
                where = where.replace(name, str(make()))
        status = expected(path, method, version)
        body = sent(path, method, number)
        answer = shared.call(method, where, body, version=version, status=status)
        if status == 405:
            has = {*ROUTES[path], *(["HEAD"] if "GET" in ROUTES[path] else [])}
            assert set(answer.headers["Allow"].split(", ")) == has
        if path == "/":
            assert not set(HEADERS) & set(answer.headers)
        else:
            assert answer.headers["OpenStack-API-Version"] == f"infra-optim {version}"
            assert [answer.headers[name] for name in HEADERS] == [
                *(VERSIONS[0], VERSIONS[-1], "OpenStack-API-Version"),
            ]
        if status == 201:
            place = f"http://localhost{path}/{answer.json['uuid']}"
            assert answer.headers["Location"] == place
        if status in (202, 204):
            assert answer.body == b""


def test_no_route_is_missing_in_the_table() -> None:
    from watcher.api.root import routes

    known = {
        tuple(
            "{}" if part in NAMED or part.startswith("{") else part for part in path.split("/")[2:]
        )
        for path in ROUTES
        if path not in ("/", "/v1", "/v1/openapi.json")
    }
    served = {tuple(part or "{}" for part in path) for path in routes()}
    assert known | OURS == served


OURS = {("action_plans", "{}", "retry"), ("action_plans", "{}", "report")}
"""Routes that the contract does not know (microversions 1.8 and 1.11)."""


NAMED = ("dummy", "dummy_scorer")
EITHER = [path for path, cells in ROUTES.items() if "GET" in cells and path.startswith("/v1/")]


@pytest.mark.parametrize("path", EITHER, ids=[f"1.3 {path}" for path in EITHER])
@pytest.mark.parametrize("form", ["{}/", "{}.json", "{}/?", "unversioned"])
def test_a_route_has_other_spellings(
    shared: Bench, fresh: dict[str, Callable[[], Any]], path: str, form: str
) -> None:
    for name, make in fresh.items():
        if name in path:
            path = path.replace(name, str(make()))
    other = path.removeprefix("/v1") if form == "unversioned" else form.format(path)
    if path.endswith(".json") and form == "{}.json":
        return  # one suffix is taken off, not two
    shared.call("GET", other, version="1.7", status=200)
