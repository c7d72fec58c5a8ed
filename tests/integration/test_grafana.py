# SPDX-License-Identifier: Apache-2.0
"""The Grafana source: its proxy played here, a real InfluxDB behind it.

No package has a Grafana server. What its proxy does is little: it looks at the token, takes the
data source's id from the path, and hands the request on with the database's own credentials
(/api/datasources/proxy/ID/..., Grafana's data source API).
"""

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from tests.integration.backends import Influx
from tests.integration.stores import HOSTS, INSTANCES, cluster, configured, measured
from tests.worlds import uuid
from watcher.core.errors import NoMetrics, ServiceDown
from watcher.core.metrics import Aggregate, Metric, Query
from watcher.datasources.choice import DataSources
from watcher.datasources.grafana import Grafana

ROOT = "/api/datasources/proxy/7"
TOKEN = "glsa_for-tests-only"


@pytest.fixture
def proxy(influxdb_auth: Influx) -> Iterator[str]:
    class Proxy(BaseHTTPRequestHandler):
        def _hand_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                return self._answer(401, b'{"message": "Invalid API key"}')
            if not self.path.startswith(ROOT + "/"):
                return self._answer(404, b'{"message": "Data source not found"}')
            kind = self.headers.get("Content-Type")
            reply = requests.request(
                self.command,
                influxdb_auth.url + self.path.removeprefix(ROOT),
                data=body,
                headers={"Content-Type": kind} if kind else {},
                auth=(influxdb_auth.username, influxdb_auth.password),
                timeout=30,
            )
            return self._answer(reply.status_code, reply.content)

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = _hand_on  # noqa: N815 - as http.server looks for them

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/api/datasources/proxy/"
    server.shutdown()
    thread.join()
    server.server_close()


ALL = 'SELECT {0}("busy") FROM "cpu" WHERE time > now() - {2}s GROUP BY "host"'
EACH = """SELECT {0}("busy") FROM "vm" WHERE "uuid" = '{1}' AND time > now() - {2}s"""


@pytest.fixture
def conf(proxy: str, influxdb_auth: Influx, tmp_path: Path) -> Callable[..., Any]:
    at = int(time.time()) - 2
    moments = [at - 10 * step for step in range(6)]
    influxdb_auth.write(
        f"cpu,host=node-{host} busy={10 * host + step % 2} {moment}"
        for step, moment in enumerate(moments)
        for host in range(HOSTS)
    )
    influxdb_auth.write(
        f"vm,uuid={uuid(f'vm{row}')} busy={row} {moment}"
        for moment in moments
        for row in range(0, INSTANCES, 2)
    )

    def made(query: str = EACH, token: str = TOKEN, project: str = "7") -> Any:
        panel = {"project": project, "db": influxdb_auth.database}
        changes = {
            "host_cpu_usage": {**panel, "query": ALL},
            "instance_cpu_usage": {**panel, "query": query},
        }
        options = {"base_url": proxy, "token": token}
        return configured(tmp_path, "grafana", {"grafana_client": options}, {"grafana": changes})

    return made


def test_hosts_by_one_query_and_instances_by_one_statement_each(conf: Callable[..., Any]) -> None:
    sources = DataSources(conf())
    for aggregate, more in ((Aggregate.MEAN, 0.5), (Aggregate.MIN, 0), (Aggregate.MAX, 1)):
        assert measured(sources, Metric.HOST_CPU_USAGE, aggregate=aggregate) == {
            f"node-{host}": 10 * host + more for host in range(HOSTS)
        }
    assert measured(sources, Metric.INSTANCE_CPU_USAGE) == {
        f"vm{row}": row for row in range(0, INSTANCES, 2)
    }
    assert sources.state([Query(Metric.HOST_CPU_USAGE), Query(Metric.HOST_POWER)]) == (
        "grafana: available",
        [{"host_cpu_usage": "available"}, {"host_power": "not available"}],
    )


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"token": "wrong"}, ServiceDown, r"credentials are refused \(HTTP 401\)"),
        ({"project": "8"}, ServiceDown, "HTTP 404: Data source not found"),
        ({"query": "SELECT {0}( FROM vm"}, ServiceDown, "error parsing query"),
        ({"query": "SELECT {0}(nothing) FROM vm WHERE uuid = '{1}'"}, NoMetrics, "has no value"),
        ({"query": 'SELECT {0}("busy"), count("busy") FROM vm GROUP BY "uuid"'}, None, ""),
    ],
)
def test_what_is_wrong_is_told(
    conf: Callable[..., Any], change: dict[str, str], error: Any, text: str
) -> None:
    found = conf(**change)
    source = Grafana(found, {"instance_cpu_usage": _panel(found)})
    query = Query(Metric.INSTANCE_CPU_USAGE)
    if error is None:
        assert source.fetch(query, cluster())[1].measured == INSTANCES // 2
        return
    with pytest.raises(error, match=text):
        source.fetch(query, cluster())


def _panel(conf: Any) -> Any:
    text = Path(conf.watcher_decision_engine.metric_map_path).read_text(encoding="utf-8")
    return yaml.safe_load(text)["grafana"]["instance_cpu_usage"]
