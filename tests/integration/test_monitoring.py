# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus scrapes three daemons with the dashboard and the alerts of the documentation."""

from __future__ import annotations

import json
import random
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from tests.chaos.site import Site
from tests.chaos.work import Work
from tests.cloud.process import free_port
from tests.cloud.servers import HOME
from tests.integration.conftest import missing
from tests.telemetry import Scrape, health

MONITORING = Path(__file__).resolve().parents[2] / "doc/source/admin/monitoring"
RULES = yaml.safe_load((MONITORING / "alerts.yaml").read_text(encoding="utf-8"))
PANELS = json.loads((MONITORING / "dashboard.json").read_text(encoding="utf-8"))["panels"]
BIN = HOME / "debian/usr/bin"
SEED = 20261128
WAIT_S = 30


@dataclass
class Monitored:
    """Watcher, its cloud, and the Prometheus that looks at it."""

    site: Site
    work: Work
    ports: dict[str, int]
    url: str

    def ask(self, query: str) -> list[dict[str, Any]]:
        """The answer to an instant query, which must be one."""
        answer = requests.get(f"{self.url}/api/v1/query", params={"query": query}, timeout=10)
        told = answer.json()
        assert told["status"] == "success", f"{query}: {told}"
        return list(told["data"]["result"])

    def fires(self, alert: str) -> bool:
        """Whether an alert fires now."""
        told = requests.get(f"{self.url}/api/v1/alerts", timeout=10).json()["data"]["alerts"]
        return any(
            one["labels"]["alertname"] == alert and one["state"] == "firing" for one in told
        )

    def until(self, come: Callable[[], object], what: str) -> None:
        """Wait for something to come true."""
        assert self.site.until(come, WAIT_S), what


def prometheus(site: Site, ports: dict[str, int]) -> str:
    """A Prometheus of our own with the alerts of the documentation; they need not last here."""
    for rule in RULES["groups"][0]["rules"]:
        rule.pop("for", None)
    folder = site.runner.folder
    (folder / "alerts.yaml").write_text(yaml.safe_dump(RULES), encoding="utf-8")
    targets = [f"127.0.0.1:{port}" for port in ports.values()]
    conf = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(folder / "alerts.yaml")],
        "scrape_configs": [{"job_name": "watcher", "static_configs": [{"targets": targets}]}],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(conf), encoding="utf-8")
    port = free_port([*ports.values(), *site.ports.values()])
    command = [
        BIN / "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
    ]
    site.runner.start("prometheus", command).wait_for_port(port)
    return f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not (BIN / "promtool").exists():
        missing("Prometheus", "tools/services up prometheus")
    return tmp_path_factory.mktemp("monitoring")


@pytest.fixture
def monitored(folder: Path, mariadb_url: str, transport_url: str) -> Iterator[Monitored]:
    site = Site(folder, mariadb_url, transport_url, seed=SEED)
    ports = dict[str, int]()
    for name in ("decision_engine", "applier", "api"):
        ports[name] = free_port(ports.values())
    site.options = {
        "api__workers": 2,
        "metrics__enabled": "true",
        **{f"metrics__{name}_port": port for name, port in ports.items()},
        "watcher_datasources__datasources": "influxdb",
        "influxdb__url": site.simulator.urls.influxdb,
        "influxdb__database": "telegraf",
    }
    ports["the other process of the API"] = ports["api"] + 1
    try:
        site.begin(1, 1, 1)
        yield Monitored(site, Work(site, random.Random(SEED)), ports, prometheus(site, ports))
    finally:
        for one in site.runner.started:
            one.kill()  # how they stop is tested elsewhere
        site.close()


def test_the_alerts_are_as_promtool_wants_them(folder: Path) -> None:
    command = [BIN / "promtool", "check", "rules", MONITORING / "alerts.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_dashboard_and_alerts_are_answered_by_a_real_prometheus(monitored: Monitored) -> None:
    work_is_done(monitored)
    queries_are_answered(monitored)
    what_is_counted_is_the_truth(monitored)
    an_alert_fires_for_a_failed_audit(monitored)
    a_database_that_is_away_is_told(monitored)
    a_bus_that_is_away_is_told(monitored)


def work_is_done(monitored: Monitored) -> None:
    """A plan that migrates, and an audit that reads metrics."""
    asked = {"goal": "server_consolidation", "audit_type": "ONESHOT", "name": "a", "force": True}
    assert monitored.work.moves()
    answer = monitored.site.ask("POST", "/v1/audits", asked)
    assert answer is not None
    assert answer.status_code == 201
    for query in (
        'watcher_state_changes_total{kind="action_plan",state="SUCCEEDED"} > 0',
        'watcher_audits{state="SUCCEEDED"} > 1',
        "watcher_datasource_coverage_ratio",
    ):
        monitored.until(lambda query=query: monitored.ask(query), query)


def queries() -> Iterator[str]:
    for panel in PANELS:
        for target in panel["targets"]:
            yield target["expr"].replace("$__rate_interval", "1m")


def known(monitored: Monitored) -> set[str]:
    names = {"up", "process_resident_memory_bytes", "process_cpu_seconds_total"}
    for port in monitored.ports.values():
        scrape = Scrape(port)
        names |= scrape.names
        linted(scrape.text)
    return names


def linted(text: str) -> None:
    """Prometheus' own tool has nothing to say against names, units and help."""
    command = [BIN / "promtool", "check", "metrics"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def queries_are_answered(monitored: Monitored) -> None:
    """Without an error, by names there are; panels have something to show."""
    names = known(monitored)
    rules = [one["expr"] for one in RULES["groups"][0]["rules"]]
    for query in (*queries(), *rules):
        monitored.ask(query)
        used = set(re.findall(r"\b(?:watcher|process)_\w+", query))
        assert used <= names | UNSHOWN, query
        if query not in rules and not used & UNSHOWN:
            monitored.until(lambda query=query: monitored.ask(query), query)
    assert [one for one in rules if monitored.ask(one)] == []


UNSHOWN = {"watcher_notifications_heard_total", "watcher_actions_running"}
"""What is shown only once there was some: Nova's notifications, actions at work."""


def what_is_counted_is_the_truth(monitored: Monitored) -> None:
    """Sums over all daemons, and what several of them show, against the API."""
    site = monitored.site

    def rows(kind: str) -> list[Any]:
        answer = site.ask("GET", f"/v1/{kind}")
        assert answer is not None
        return list(answer.json()[kind])

    def shows() -> bool:
        audits = monitored.ask("sum(max by (state) (watcher_audits))")
        plans = monitored.ask("sum(max by (state) (watcher_action_plans))")
        moves = monitored.ask('sum(watcher_state_changes_total{kind="audit",state="PENDING"})')
        return [int(float(one[0]["value"][1])) for one in (audits, plans, moves)] == [
            len(rows("audits")),
            len(rows("action_plans")),
            len(rows("audits")),
        ]

    monitored.until(shows, "the numbers of the API")
    migrated = monitored.ask('sum(watcher_migrations_total{type="live",state="SUCCEEDED"})')
    done = [one for one in rows("actions") if one["action_type"] == "migrate"]
    succeeded = sum(one["state"] == "SUCCEEDED" for one in done)
    assert float(migrated[0]["value"][1]) == succeeded > 0


def an_alert_fires_for_a_failed_audit(monitored: Monitored) -> None:
    assert not monitored.fires("WatcherAuditFailed")
    actions = [{"action_type": "nonsense", "input_parameters": {}}]
    asked = {
        "goal": "unclassified",
        "strategy": "actuator",
        "audit_type": "ONESHOT",
        "name": "b",
        "force": True,
        "parameters": {"actions": actions},
    }
    answer = monitored.site.ask("POST", "/v1/audits", asked)
    assert answer is not None
    assert answer.status_code == 201, answer.text
    monitored.until(lambda: monitored.fires("WatcherAuditFailed"), "the alert")


def unhealthy(monitored: Monitored, check: str) -> None:
    """All three say 503 and what is wrong."""
    for name, port in monitored.ports.items():

        def told(port: int = port) -> bool:
            status, said = health(port)
            return status == 503 and "reason" in said["checks"][check]

        monitored.until(told, f"{name}: {check}")


def healthy(monitored: Monitored) -> None:
    for name, port in monitored.ports.items():
        monitored.until(lambda port=port: health(port)[0] == 200, f"{name} is healthy")


def a_database_that_is_away_is_told(monitored: Monitored) -> None:
    healthy(monitored)
    monitored.site.database_wire.cut()
    unhealthy(monitored, "database")
    monitored.until(lambda: monitored.fires("WatcherDatabaseDown"), "the alert")
    scrape = Scrape(monitored.ports["decision_engine"])
    assert scrape("database_up") == 0
    assert scrape("model_objects", kind="hosts") > 0
    monitored.site.database_wire.restore()
    healthy(monitored)


def a_bus_that_is_away_is_told(monitored: Monitored) -> None:
    monitored.site.bus_wire.cut()
    unhealthy(monitored, "bus")
    monitored.site.bus_wire.restore()
    healthy(monitored)
