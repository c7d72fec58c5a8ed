# SPDX-License-Identifier: Apache-2.0
"""Watcher's three daemons as processes on real services, and the clients that exist driving them."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import kombu
from keystoneauth1 import adapter
from oslo_config import cfg
from oslo_messaging import conffixture

from tests.cloud.api import Cloud, login
from tests.cloud.process import pause
from tests.cloud.settings import PASSWORD, Settings, credentials
from tests.integration import backends, leaks
from tests.integration import settings as settings_file
from tests.integration.runner import Runner, Running
from watcher import config

BIN = pathlib.Path(sys.executable).parent
DAEMONS = ("watcher-api", "watcher-decision-engine", "watcher-applier")
HOST = "watcher-1"


def configuration(
    settings: Settings, database: str, transport: str, influx: backends.Influx, **more: str
) -> str:
    """A watcher.conf for the test cloud; ``group__option=value`` adds or replaces an option."""
    login_as = credentials(settings, "watcher")
    auth = {"auth_type": "password", **login_as}
    groups: dict[str, dict[str, str]] = {
        "DEFAULT": {"transport_url": transport, "host": HOST, "debug": "true"},
        "api": {"workers": "1"},
        "database": {"connection": database},
        "keystone_authtoken": {"www_authenticate_uri": settings.auth_url, **auth},
        "watcher_clients_auth": auth,
        "nova": {"migration_interval": "0.5"},
        "watcher_decision_engine": {"continuous_audit_interval": "2"},
        "watcher_datasources": {"datasources": "influxdb", "query_max_retries": "2"},
        "influxdb": {"url": influx.url, "database": influx.database},
        "collector": {"api_query_max_retries": "2"},
        "oslo_messaging_notifications": {"driver": "messagingv2"},
    }
    return settings_file.text(groups, **more)


class Watcher:
    """A running Watcher and ways to talk to it."""

    def __init__(self, runner: Runner, settings: Settings, text: str, port: int) -> None:
        self.runner = runner
        self.settings = settings
        self.port = port
        self.file = runner.folder / "watcher.conf"
        self.file.write_text(text, encoding="utf-8")
        self.daemons: dict[str, Running] = {}

    def start(self) -> None:
        """Make the tables and start the three daemons."""
        self.manage("upgrade")
        for name in DAEMONS:
            command = [BIN / name, "--config-file", self.file]
            self.daemons[name] = self.runner.start(name, command)
        self.daemons["watcher-api"].wait_for_port(self.port)
        self.daemons["watcher-decision-engine"].wait_for_log("is ready", 90)
        self.daemons["watcher-applier"].wait_for_log("is ready", 90)

    def conf(self) -> cfg.ConfigOpts:
        """The configuration of the daemons, read in this process."""
        conf = cfg.ConfigOpts()
        conffixture.ConfFixture(conf).setUp()
        return config.load(conf, ["--config-file", str(self.file)])

    def notifications(self) -> Notifications:
        """What is announced on the bus from now on."""
        return Notifications(self.conf().transport_url)

    def manage(self, *words: str) -> str:
        """watcher-db-manage."""
        return run([BIN / "watcher-db-manage", "--config-file", self.file, *words])

    def environment(self, user: str = "admin", project: str = "admin") -> dict[str, str]:
        """What a client needs to log in."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("OS_")}
        login_as = credentials(self.settings, user, project)
        return {
            **kept,
            **{f"OS_{key.upper()}": value for key, value in login_as.items()},
            "OS_PASSWORD": PASSWORD,
            "OS_IDENTITY_API_VERSION": "3",
            "PYTHONWARNINGS": "ignore",
        }

    def optimize(self, *words: str) -> Any:
        """``openstack optimize ... -f json``."""
        command = [BIN / "openstack", "--os-infra-optim-api-version", "1.7", "optimize", *words]
        return parsed(run([*command, "-f", "json"], env=self.environment()))

    def watcher(self, *words: str) -> Any:
        """``watcher ... -f json``."""
        command = [BIN / "watcher", "--os-infra-optim-api-version", "1.7", *words, "-f", "json"]
        return parsed(run(command, env=self.environment()))

    def refused(self, *words: str, program: str = "openstack") -> str:
        """What a client command says that must fail."""
        front = [BIN / "openstack", "optimize"] if program == "openstack" else [BIN / "watcher"]
        done = subprocess.run(
            [str(word) for word in (*front, *words)],
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode != 0, done.stdout
        return done.stderr

    def api(self, user: str = "admin", project: str = "admin") -> adapter.Adapter:
        """Plain HTTP to our API with a real token."""
        return adapter.Adapter(
            login(self.settings, user, project),
            service_type="infra-optim",
            interface="public",
            endpoint_override=f"http://127.0.0.1:{self.port}",
            default_microversion="1.7",
            raise_exc=False,
        )

    def sdk(self) -> Any:
        """The Python SDK of python-watcherclient."""
        from watcherclient import client

        session = login(self.settings)
        return client.get_client("1", session=session, os_infra_optim_api_version="1.7")

    def wait(self, kind: str, ident: str, *ends: str, timeout_s: float = 180) -> dict[str, Any]:
        """The row of an audit or action plan once its state is one of ``ends``."""
        deadline = time.monotonic() + timeout_s
        api = self.api()
        while True:
            row: dict[str, Any] = api.get(f"/v1/{kind}/{ident}").json()
            if row.get("state") in ends:
                return row
            assert time.monotonic() < deadline, f"{kind} {ident} is {row}"
            pause(0.3)

    def ended(self, kind: str, ident: str, timeout_s: float = 180) -> dict[str, Any]:
        """The row once it has come to an end, whichever."""
        ends = ("SUCCEEDED", "FAILED", "CANCELLED", "SUPERSEDED")
        return self.wait(kind, ident, *ends, timeout_s=timeout_s)

    def audit(self, **body: Any) -> dict[str, Any]:
        """Create a ONESHOT audit over HTTP and wait for its end."""
        reply = self.api().post("/v1/audits", json={"audit_type": "ONESHOT", **body})
        assert reply.status_code == 201, reply.text
        return self.ended("audits", reply.json()["uuid"])

    def plan_of(self, audit_uuid: str) -> dict[str, Any]:
        """The action plan of an audit, in full."""
        found = self.api().get(f"/v1/action_plans/detail?audit_uuid={audit_uuid}").json()
        (plan,) = found["action_plans"]
        return dict(plan)

    def actions_of(self, plan_uuid: str) -> list[dict[str, Any]]:
        """The actions of a plan, in full, in order."""
        found = self.api().get(f"/v1/actions/detail?action_plan_uuid={plan_uuid}").json()
        return list(found["actions"])


class Notifications:
    """A reader of the notification queues, beside the daemons."""

    QUEUES = ("notifications.info", "notifications.error")

    def __init__(self, transport_url: str) -> None:
        self.url = transport_url.replace("rabbit://", "amqp://")
        exchange = kombu.Exchange("watcher", "topic", durable=False, auto_delete=False)
        self.queues = [
            kombu.Queue(name, exchange, name, durable=False, auto_delete=False)
            for name in self.QUEUES
        ]
        self.seen: list[dict[str, Any]] = []
        with kombu.Connection(self.url) as connection:
            for queue in self.queues:
                queue(connection.channel()).declare()
                queue(connection.channel()).purge()

    def until(self, event_type: str, timeout_s: float = 30) -> list[str]:
        """The event types in the order they came, up to and with this one."""
        deadline = time.monotonic() + timeout_s
        with kombu.Connection(self.url) as connection:
            while event_type not in (kinds := [one["event_type"] for one in self.seen]):
                assert time.monotonic() < deadline, f"no {event_type} among {kinds}"
                for queue in self.queues:
                    while (message := queue(connection.channel()).get(no_ack=True)) is not None:
                        body = message.payload
                        body = json.loads(body) if isinstance(body, str) else body
                        self.seen.append(json.loads(body["oslo.message"]))
                pause(0.1)
        return kinds


def run(command: Sequence[str | pathlib.Path], env: dict[str, str] | None = None) -> str:
    """The output of a command that must succeed."""
    words = [str(word) for word in command]
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stdout}\n{done.stderr}"
    return done.stdout


def parsed(text: str) -> Any:
    """The JSON in an output, None when there is none (delete prints nothing)."""
    return json.loads(text) if text.strip() else None


@contextmanager
def running(
    cloud: Cloud, addresses: dict[str, str], folder: pathlib.Path, **more: str
) -> Iterator[tuple[Watcher, backends.Influx]]:
    """The three daemons on a fresh MariaDB database, RabbitMQ virtual host and InfluxDB database."""
    with ExitStack() as stack:
        database = stack.enter_context(backends.database(addresses["database_mysql"]))
        transport = stack.enter_context(backends.virtual_host(addresses["transport_url"]))
        influx = stack.enter_context(backends.influx_database(addresses["influxdb_url"]))
        runner = Runner(folder)
        stack.callback(leaks.search, folder, leaks.within(database, transport))
        stack.callback(runner.close)
        port = more.setdefault("api__port", str(cloud.settings.ports["watcher"]))
        text = configuration(cloud.settings, database, transport, influx, **more)
        watcher = Watcher(runner, cloud.settings, text, int(port))
        watcher.start()
        yield watcher, influx
