# SPDX-License-Identifier: Apache-2.0
"""The applier on the real Nova, with MariaDB and RabbitMQ: what the simulator cannot prove.

Nova's fake hypervisors do what the metadata of a server tells them (tests/cloud/plugins).
"""

from __future__ import annotations

import pathlib
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from oslo_config import cfg
from oslo_messaging import conffixture

from tests.cloud.api import Cloud, Json
from tests.cloud.settings import credentials
from tests.functional.applier.plans import Watcher
from watcher import config
from watcher.actions.change_nova_service_state import ChangeNovaServiceState
from watcher.actions.migrate import Migrate
from watcher.clients.migrations import Migrations
from watcher.clients.session import Clients
from watcher.context import RequestContext
from watcher.core import solution
from watcher.core.errors import ActionFailed
from watcher.core.solution import disable_host, enable_host, migrate
from watcher.messaging.rpc import Applier

CONFIGURATION = """
[DEFAULT]
transport_url = {transport}
host = watcher-1
[database]
connection = {database}
[oslo_messaging_notifications]
driver = test
[nova]
migration_interval = 0.5
[watcher_clients_auth]
auth_type = password
"""


@pytest.fixture
def conf(
    cloud: Cloud, mariadb_url: str, transport_url: str, tmp_path: pathlib.Path
) -> Iterator[cfg.ConfigOpts]:
    file = tmp_path / "watcher.conf"
    login = credentials(cloud.settings, "watcher")
    lines = [f"{name} = {value}\n" for name, value in login.items()]
    text = CONFIGURATION.format(transport=transport_url, database=mariadb_url)
    file.write_text(text + "".join(lines))
    conf = cfg.ConfigOpts()
    with conffixture.ConfFixture(conf):
        config.load(conf, ["--config-file", str(file)])
        yield conf


@pytest.fixture
def watcher(conf: cfg.ConfigOpts) -> Iterator[Watcher]:
    watcher = Watcher(conf, Clients(conf))
    yield watcher
    watcher.close()


def host_of(server: Json) -> str:
    return str(server["OS-EXT-SRV-ATTR:host"])


def on(cloud: Cloud, host: str) -> Json:
    """A server on a host."""
    return cloud.servers(host=host)[0]


def handler(watcher: Watcher, action: solution.Action) -> Migrate:
    return Migrate(watcher.clients, action.input_parameters, threading.Event())


def test_a_host_is_emptied_and_its_service_disabled(cloud: Cloud, watcher: Watcher) -> None:
    """Live, with and without a destination, and cold: where the plan says."""
    host = "compute-01"
    service = next(row for row in cloud.services() if row["host"] == host)
    servers = cloud.servers(host=host)
    cold, free, *named = [server["id"] for server in servers]
    plan = watcher.plan(
        disable_host(service["id"], host, solution.DISABLED_BY_CONSOLIDATION),
        migrate(cold, host, "compute-02", kind="cold"),
        migrate(free, host),
        *(migrate(uuid, host, "compute-03") for uuid in named),
        parents=[[], *([[0]] * len(servers))],
    )
    watcher.applier()
    Applier(watcher.bus).launch_action_plan(RequestContext(), plan)
    row = watcher.ended(plan, timeout_s=120)
    assert row.state == "SUCCEEDED", row.status_message
    assert cloud.servers_by_host()[host] == []
    assert host_of(cloud.server(cold)) == "compute-02"
    assert {host_of(cloud.server(uuid)) for uuid in named} == {"compute-03"}
    assert {server["status"] for server in cloud.servers()} == {"ACTIVE"}
    service = next(row for row in cloud.services() if row["host"] == host)
    assert (service["status"], service["disabled_reason"]) == ("disabled", "watcher_disabled")


@pytest.mark.parametrize(
    ("way", "reason"),
    [
        ("check", "host compute-02 is told to refuse instance"),
        ("prepare", "host compute-02 cannot prepare for instance"),
        ("copy", ""),
    ],
)
def test_a_live_migration_that_fails_names_novas_reason(
    cloud: Cloud, watcher: Watcher, way: str, reason: str
) -> None:
    server = on(cloud, "compute-01")
    cloud.set_metadata(server["id"], fail_live_migration=way)
    plan = watcher.plan(migrate(server["id"], "compute-01", "compute-02"))
    row = watcher.run(plan, timeout_s=90)
    (action,) = watcher.actions(plan)
    assert (row.state, action.state) == ("FAILED", "FAILED")
    assert reason in str(action.status_message)
    assert "live migration" in str(row.status_message)
    after = cloud.server(server["id"])
    assert (host_of(after), after["status"]) == ("compute-01", "ACTIVE")


def test_a_cold_migration_that_fails_names_novas_reason(cloud: Cloud, watcher: Watcher) -> None:
    server = on(cloud, "compute-01")
    cloud.set_metadata(server["id"], fail_cold_migration="yes")
    plan = watcher.plan(migrate(server["id"], "compute-01", "compute-02", kind="cold"))
    assert watcher.run(plan, timeout_s=90).state == "FAILED"
    message = str(watcher.actions(plan)[0].status_message)
    assert "compute-01 cannot power off instance" in message
    after = cloud.settled(server["id"], "ACTIVE")
    assert host_of(after) == "compute-01"


def test_what_no_host_can_take_names_the_scheduler(cloud: Cloud, watcher: Watcher) -> None:
    """A named destination that is full: Nova says so after it has accepted the request."""
    server = on(cloud, "compute-01")
    plan = watcher.plan(migrate(server["id"], "compute-01"))
    for service in cloud.services():
        if service["host"] != "compute-01":
            cloud.set_service(service["host"], enabled=False, reason="test")
    assert watcher.run(plan, timeout_s=90).state == "FAILED"
    message = str(watcher.actions(plan)[0].status_message)
    assert "No valid host was found" in message


def test_a_live_migration_without_progress_is_aborted(
    cloud: Cloud, watcher: Watcher, conf: cfg.ConfigOpts
) -> None:
    conf.set_override("migration_max_retries", 8, "nova")
    server = on(cloud, "compute-01")
    cloud.set_metadata(server["id"], live_migration_seconds="120")
    plan = watcher.plan(migrate(server["id"], "compute-01", "compute-02"))
    assert watcher.run(plan, timeout_s=90).state == "FAILED"
    message = str(watcher.actions(plan)[0].status_message)
    assert "made no progress for 4 s" in message
    assert message.endswith("; undone: the live migration was aborted")
    after = cloud.settled(server["id"], "ACTIVE")
    assert host_of(after) == "compute-01"
    assert cloud.migrations(server["id"])[0]["status"] == "cancelled"


def test_a_cold_migration_that_was_not_confirmed_is_reverted(
    cloud: Cloud, watcher: Watcher
) -> None:
    server = on(cloud, "compute-01")
    move = handler(watcher, migrate(server["id"], "compute-01", "compute-02", kind="cold"))
    moves = Migrations.of(watcher.clients)
    move._move = moves.begin(server["id"], "compute-02", live=False)
    moves.follow(move._move, frozenset({"finished"}), threading.Event())
    assert move.undo() == "the cold migration was reverted"
    after = cloud.server(server["id"])
    assert (host_of(after), after["status"]) == ("compute-01", "ACTIVE")


def test_a_server_that_waits_for_confirmation_is_not_migrated(
    cloud: Cloud, watcher: Watcher
) -> None:
    server = on(cloud, "compute-01")
    cloud.cold_migrate(server["id"], "compute-02")
    cloud.settled(server["id"], "VERIFY_RESIZE")
    plan = watcher.plan(migrate(server["id"], "compute-02", "compute-03", kind="cold"))
    watcher.run(plan)
    message = str(watcher.actions(plan)[0].status_message)
    assert "is VERIFY_RESIZE; a cold migration needs ACTIVE or SHUTOFF" in message


def test_a_paused_server_moves_live_and_a_stopped_one_cold(cloud: Cloud, watcher: Watcher) -> None:
    paused, stopped = (server["id"] for server in cloud.servers(host="compute-01")[:2])
    cloud.act(paused, "pause")
    cloud.act(stopped, "os-stop")
    cloud.settled(paused, "PAUSED")
    cloud.settled(stopped, "SHUTOFF")
    plan = watcher.plan(
        migrate(paused, "compute-01", "compute-02"),
        migrate(stopped, "compute-01", "compute-02", kind="cold"),
    )
    row = watcher.run(plan, timeout_s=90)
    assert row.state == "SUCCEEDED", row.status_message
    rest = {uuid: cloud.server(uuid) for uuid in (paused, stopped)}
    assert {host_of(server) for server in rest.values()} == {"compute-02"}
    assert [rest[paused]["status"], rest[stopped]["status"]] == ["PAUSED", "SHUTOFF"]


def test_a_drain_that_fails_gives_the_host_back(cloud: Cloud, watcher: Watcher) -> None:
    server = on(cloud, "compute-01")
    service = next(row for row in cloud.services() if row["host"] == "compute-01")
    cloud.set_metadata(server["id"], fail_live_migration="check")
    plan = watcher.plan(
        disable_host(service["id"], "compute-01", solution.DISABLED_BY_CONSOLIDATION),
        migrate(server["id"], "compute-01", "compute-02"),
        parents=[[], [0]],
    )
    assert watcher.run(plan, timeout_s=90).state == "FAILED"
    assert watcher.states(plan) == ["SUCCEEDED", "FAILED", "SUCCEEDED"]
    after = next(row for row in cloud.services() if row["host"] == "compute-01")
    assert (after["status"], after["disabled_reason"]) == ("enabled", None)


def test_a_service_disabled_by_somebody_else_stays_so(cloud: Cloud, watcher: Watcher) -> None:
    cloud.set_service("compute-06", enabled=False, reason="disk is dying")
    service = next(row for row in cloud.services() if row["host"] == "compute-06")
    parameters: dict[str, Any] = enable_host(service["id"], "compute-06").input_parameters
    change = ChangeNovaServiceState(watcher.clients, parameters, threading.Event())
    with pytest.raises(ActionFailed, match="disk is dying"):
        change.check()
