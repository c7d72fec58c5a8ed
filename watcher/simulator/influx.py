# SPDX-License-Identifier: Apache-2.0
"""InfluxDB 1.x: /ping, /query in InfluxQL, /write; the history is that of the world.

As the real server does, it answers most errors of a statement inside a 200.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs

from watcher.simulator.clock import iso
from watcher.simulator.cloud import Cloud
from watcher.simulator.influxql import Select, Show, SyntaxRefusal, parse
from watcher.simulator.series import UndefinedFunction, select
from watcher.simulator.telegraf import NAMES, Frame, measurement
from watcher.simulator.web import App, Refusal, Request, Response, Route

DATABASE = "telegraf"
_EPOCHS = {"ns": 1e9, "u": 1e6, "µ": 1e6, "ms": 1e3, "s": 1, "m": 1 / 60, "h": 1 / 3600}


class Influx(App):
    """The metric history.

    :ivar users: passwords by name; empty means that nobody has to log in
    """

    name = "influxdb"

    def __init__(self, cloud: Cloud, users: Mapping[str, str] | None = None) -> None:
        self.users = dict(users or {})
        super().__init__(cloud)

    def routes(self) -> Sequence[Route]:
        """Those of 1.6; Flux and /health are not among them."""
        return [
            ("GET", "/ping", self._ping),
            ("GET", "/query", self._query),
            ("POST", "/query", self._query),
            ("POST", "/write", self._write),
        ]

    def prepare(self, request: Request) -> Request:
        """Basic authentication, where users are configured; /ping is open."""
        if self.users and request.path != "/ping":
            name, password = _credentials(request)
            if name is None:
                raise Refusal(401, "unable to parse authentication credentials")
            if name not in self.users or self.users[name] != password:
                raise Refusal(401, "authorization failed")
        return request

    def error(self, request: Request, refusal: Refusal) -> Any:
        """One word and its text."""
        del request
        return {"error": refusal.message}

    def finish(self, request: Request, response: Response) -> None:
        """How the server names itself."""
        response.headers["X-Influxdb-Version"] = "1.6.7"
        response.headers["X-Influxdb-Build"] = "OSS"
        response.headers["Request-Id"] = request.request_id
        if response.status == 401:
            response.headers["WWW-Authenticate"] = 'Basic realm="InfluxDB"'

    def _ping(self, request: Request) -> Response:
        del request
        return Response(None, 204)

    def _write(self, request: Request) -> Response:
        """Points are taken and forgotten: the history is that of the world."""
        if request.arg("db") != DATABASE:
            raise Refusal(404, f'database not found: "{request.arg("db") or ""}"')
        return Response(None, 204)

    def _query(self, request: Request) -> Response:
        form = dict(request.query)
        if request.headers["content-type"].startswith("application/x-www-form-urlencoded"):
            form |= parse_qs(request.body.decode(), keep_blank_values=True)
        text = form.get("q", [""])[-1]
        if not text:
            raise Refusal(400, 'missing required parameter "q"')
        try:
            statements = parse(text, self.cloud.clock.now())
        except SyntaxRefusal as refusal:
            raise Refusal(400, str(refusal)) from None
        database, unit = form.get("db", [""])[-1], form.get("epoch", [""])[-1]
        results: list[dict[str, Any]] = []
        for number, statement in enumerate(statements):
            results.append({"statement_id": number, **self._result(statement, database, unit)})
            if "error" in results[-1]:
                break
        return Response({"results": results})

    def _result(self, statement: Select | Show, database: str, unit: str) -> dict[str, Any]:
        if isinstance(statement, Show) and statement.what == "DATABASES":
            return _series([_one("databases", ["name"], [["_internal"], [DATABASE]])])
        if not database:
            return {"error": "database name required"}
        if database != DATABASE:
            return {"error": f"database not found: {database}"}
        if isinstance(statement, Show):
            return _series(self._shown(statement))
        now = self.cloud.clock.now()
        try:
            rows = select(statement, self._measurement, now)
        except UndefinedFunction as error:
            return {"error": str(error)}
        columns = ["time", *(call.name for call in statement.calls)]
        name = _innermost(statement)
        return _series(
            [
                _one(name, columns, [_timed(value, unit) for value in row.values], row.tags)
                for row in rows
            ]
        )

    def _measurement(self, name: str) -> Frame | None:
        return None if name in self.cloud.faults.hidden else measurement(name, self.cloud.world)

    def _shown(self, statement: Show) -> list[dict[str, Any]]:
        names = [name for name in NAMES if name not in self.cloud.faults.hidden]
        if statement.what == "MEASUREMENTS":
            return [_one("measurements", ["name"], [[name] for name in names])] if names else []
        wanted = [name for name in names if statement.measurement in (None, name)]
        frames = [(name, frame) for name in wanted if (frame := self._measurement(name))]
        if statement.what == "FIELD KEYS":
            head = ["fieldKey", "fieldType"]
            return [
                _one(name, head, [[field, "float"] for field in sorted(frame.fields)])
                for name, frame in frames
            ]
        if statement.what == "TAG KEYS":
            return [
                _one(name, ["tagKey"], [[tag] for tag in sorted(frame.tags)])
                for name, frame in frames
            ]
        key = statement.key or ""
        return [
            _one(name, ["key", "value"], [[key, value] for value in sorted(set(frame.tags[key]))])
            for name, frame in frames
            if key in frame.tags
        ]


def _credentials(request: Request) -> tuple[str | None, str]:
    """Name and password, from the header or from u and p of the query."""
    kind, _space, rest = request.headers.get("authorization", "").partition(" ")
    if kind == "Basic":
        try:
            name, _colon, password = base64.b64decode(rest).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None, ""
        return name, password
    return request.arg("u"), request.arg("p") or ""


def _innermost(statement: Select) -> str:
    source = statement.source
    return source if isinstance(source, str) else _innermost(source)


def _timed(value: list[Any], unit: str) -> list[Any]:
    """A row with its time as the request wants it."""
    moment = value[0]
    shown = int(moment * _EPOCHS[unit]) if unit in _EPOCHS else iso(moment, zone="Z")
    return [shown, *value[1:]]


def _one(
    name: str, columns: list[str], values: list[list[Any]], tags: dict[str, str] | None = None
) -> dict[str, Any]:
    return {"name": name, **({"tags": tags} if tags else {}), "columns": columns, "values": values}


def _series(found: list[dict[str, Any]]) -> dict[str, Any]:
    return {"series": found} if found else {}
