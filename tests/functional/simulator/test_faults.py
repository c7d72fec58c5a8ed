# SPDX-License-Identifier: Apache-2.0
"""What tests make go wrong, goes wrong; and what went on is counted."""

import time
from collections.abc import Callable

import pytest
from keystoneauth1 import exceptions
from keystoneauth1.adapter import Adapter
from keystoneauth1.session import Session
from novaclient import client as novaclient
from novaclient import exceptions as nova_exceptions

from tests.functional.simulator.bench import Bench, until
from watcher.core import errors
from watcher.simulator.server import Simulator


@pytest.fixture
def compute(session: Session) -> Adapter:
    """Nova without retries of the client's own."""
    return Adapter(session, service_type="compute", default_microversion="2.96", connect_retries=0)


@pytest.fixture
def bench(session: Session) -> Bench:
    return Bench(session)


def test_an_answer_is_replaced_as_often_as_was_said(
    simulator: Simulator, compute: Adapter
) -> None:
    fault = simulator.faults.add(
        service="compute", method="GET", path="^/v2.1/servers/detail$", status=503,
        body={"computeFault": {"code": 503, "message": "tired"}}, times=2,
    )  # fmt: skip
    assert compute.get("/servers").status_code == 200
    for _ in range(2):
        answer = compute.get("/servers/detail", raise_exc=False)
        assert (answer.status_code, answer.json()["computeFault"]["message"]) == (503, "tired")
    assert compute.get("/servers/detail").status_code == 200
    assert fault.hits == 2


def test_some_requests_pass_first_when_that_was_said(
    simulator: Simulator, compute: Adapter
) -> None:
    simulator.faults.add(path="/os-services", status=500, skip=2, times=None)
    answers = [compute.get("/os-services", raise_exc=False).status_code for _ in range(5)]
    assert answers == [200, 200, 500, 500, 500]
    simulator.faults.clear()
    assert compute.get("/os-services").status_code == 200


def test_a_cut_connection_is_a_connection_failure(simulator: Simulator, compute: Adapter) -> None:
    compute.get("/servers")
    simulator.faults.add(service="compute", path="/servers", cut=True)
    with pytest.raises(exceptions.ConnectFailure):
        compute.get("/servers")
    assert compute.get("/servers").status_code == 200


def test_an_answer_can_be_lost_after_the_work_was_done(
    simulator: Simulator, compute: Adapter, bench: Bench
) -> None:
    uuid, _source, dest = bench.movable()
    simulator.faults.add(method="POST", path=f"/servers/{uuid}/action", cut=True, after=True)
    body = {"os-migrateLive": {"host": dest, "block_migration": "auto"}}
    with pytest.raises(exceptions.ConnectFailure):
        compute.post(f"/servers/{uuid}/action", json=body)
    until(lambda: bench.server(uuid)["OS-EXT-SRV-ATTR:host"] == dest, "it moved all the same")


def test_a_delayed_answer_comes_late_and_holds_nobody_else_up(
    simulator: Simulator, compute: Adapter
) -> None:
    compute.get("/servers")
    simulator.faults.add(path="/os-services", delay_s=0.3)
    begin = time.monotonic()
    assert compute.get("/os-services").json()["services"]
    assert time.monotonic() - begin >= 0.3


def test_a_delayed_answer_does_not_hold_up_the_end(simulator: Simulator, compute: Adapter) -> None:
    compute.get("/servers")
    simulator.faults.add(path="/os-services", delay_s=60)
    with pytest.raises(exceptions.ConnectTimeout):
        compute.get("/os-services", timeout=0.05)
    begin = time.monotonic()
    simulator.stop()
    assert time.monotonic() - begin < 5


def test_requests_are_counted_by_route(simulator: Simulator, compute: Adapter) -> None:
    before = simulator.requests.copy()
    for uuid in list(simulator.world.servers)[:3]:
        compute.get(f"/servers/{uuid}")
    counted = simulator.requests - before
    assert counted["compute", "GET", "/v2.1/servers/{server_id}"] == 3


@pytest.mark.parametrize(
    ("outcome", "moved"), [("refused", False), ("error", False), ("error-after-move", True)]
)
def test_a_failed_migration_leaves_an_active_server_and_novas_text(
    simulator: Simulator, bench: Bench, outcome: str, moved: bool
) -> None:
    uuid, source, dest = bench.movable()
    simulator.faults.move(outcome, server=uuid, text="Migration error: no route to host")
    bench.live(uuid, dest)
    bench.ended(uuid, "error")
    server = bench.rests(uuid)
    assert server["OS-EXT-SRV-ATTR:host"] == (dest if moved else source)
    assert bench.last_details(uuid, "live-migration") == "Migration error: no route to host"
    bench.live(uuid, source if moved else dest)
    assert bench.ended(uuid, "error", "completed")["status"] == "completed"


def test_the_cloud_can_be_looked_at_without_http(simulator: Simulator, bench: Bench) -> None:
    uuid, _source, dest = bench.movable()
    bench.live(uuid, dest)
    bench.ended(uuid, "completed")
    cluster, _loads = simulator.look()
    row = cluster.instances.row_by_uuid[uuid]
    assert cluster.hosts.name[cluster.instances.host[row]] == dest


def test_an_unknown_outcome_is_refused(simulator: Simulator) -> None:
    with pytest.raises(errors.Invalid, match="'explodes'"):
        simulator.faults.move("explodes")


def test_a_stuck_migration_shows_no_progress_until_it_is_aborted(
    simulator: Simulator, bench: Bench
) -> None:
    uuid, source, dest = bench.movable()
    simulator.faults.move("stuck")
    bench.live(uuid, dest)
    record = bench.ended(uuid, "running")
    seen = [bench.nova.server_migrations.list(uuid)[0] for _ in range(2)]
    assert seen[0].id == record["id"]
    assert 0 < seen[0].memory_remaining_bytes == seen[1].memory_remaining_bytes
    bench.nova.server_migrations.live_migration_abort(uuid, record["id"])
    assert bench.newest_migration(uuid)["status"] == "cancelled"
    assert bench.rests(uuid)["OS-EXT-SRV-ATTR:host"] == source
    with pytest.raises(nova_exceptions.NotFound, match="not in progress"):
        bench.nova.server_migrations.live_migration_abort(uuid, record["id"])


def test_a_stuck_migration_can_be_forced_to_its_end(simulator: Simulator, bench: Bench) -> None:
    uuid, _source, dest = bench.movable()
    simulator.faults.move("stuck")
    bench.live(uuid, dest)
    record = bench.ended(uuid, "running")
    bench.nova.server_migrations.live_migrate_force_complete(uuid, record["id"])
    bench.ended(uuid, "completed")
    assert bench.rests(uuid)["OS-EXT-SRV-ATTR:host"] == dest


def test_a_server_that_somebody_deletes_is_gone(simulator: Simulator, bench: Bench) -> None:
    uuid, _source, dest = bench.movable()
    simulator.faults.move("stuck")
    bench.live(uuid, dest)
    bench.ended(uuid, "running")
    simulator.delete_server(uuid)
    with pytest.raises(nova_exceptions.NotFound):
        bench.nova.servers.get(uuid)
    assert bench.newest_migration(uuid)["status"] == "error"
    assert not bench.providers_of(uuid)
    deleted = bench.get("/servers/detail", all_tenants="1", deleted="true")["servers"]
    assert [(one["id"], one["status"]) for one in deleted] == [(uuid, "DELETED")]


def test_a_server_is_deleted_through_the_api(bench: Bench) -> None:
    uuid, _source, _dest = bench.movable()
    bench.nova.servers.delete(uuid)
    until(lambda: uuid not in {one["id"] for one in bench.servers()}, "it is deleted")


def test_a_host_without_power_is_down_and_its_moves_fail(
    simulator: Simulator, bench: Bench
) -> None:
    uuid, source, dest = bench.movable()
    simulator.faults.move("stuck")
    bench.live(uuid, dest)
    bench.ended(uuid, "running")
    simulator.host_down(source)
    assert bench.service(source)["state"] == "down"
    assert bench.newest_migration(uuid)["status"] == "error"
    assert bench.server(uuid)["host_status"] == "DOWN"
    bench.live(uuid, dest)
    bench.ended(uuid, "error")
    assert "is unavailable at this time" in bench.last_details(uuid, "live-migration")
    simulator.host_up(source)
    bench.live(uuid, dest)
    bench.ended(uuid, "completed")


@pytest.mark.parametrize("what", ["delete_server", "host_down", "host_up"])
def test_faults_of_what_does_not_exist_are_refused(simulator: Simulator, what: str) -> None:
    act: Callable[[str], None] = getattr(simulator, what)
    with pytest.raises(errors.NotFound):
        act("nowhere")


def test_before_2_30_a_named_host_is_not_asked_for_its_consent(
    session: Session, bench: Bench
) -> None:
    uuid, _source, dest = bench.movable()
    bench.nova.services.disable_log_reason(bench.service(dest)["id"], "contract test")
    old = novaclient.Client("2.25", session=session)
    old.servers.live_migrate(uuid, host=dest, block_migration="auto")
    until(lambda: bench.server(uuid)["OS-EXT-SRV-ATTR:host"] == dest, "it moved all the same")


@pytest.mark.parametrize(
    ("body", "version"),
    [
        ({"os-migrateLive": {"host": None}}, "2.30"),
        ({"os-migrateLive": {"host": None, "block_migration": "auto", "force": True}}, "2.68"),
        ({"migrate": {"host": "node-01"}}, "2.55"),
        ({"dance": None}, "2.96"),
        ({}, "2.96"),
        ({"resize": {"flavorRef": "none"}}, "2.96"),
    ],
)
def test_malformed_actions_are_bad_requests(
    compute: Adapter, bench: Bench, body: dict[str, object], version: str
) -> None:
    uuid, _source, _dest = bench.movable()
    url = f"/servers/{uuid}/action"
    with pytest.raises(exceptions.BadRequest):
        compute.post(url, json=body, microversion=version)


def test_a_body_that_is_no_json_is_a_bad_request(compute: Adapter, bench: Bench) -> None:
    uuid, _source, _dest = bench.movable()
    with pytest.raises(exceptions.BadRequest):
        compute.post(f"/servers/{uuid}/action", data="{", microversion="2.96")


@pytest.mark.parametrize(
    "query", ["limit=x", "changes-since=yesterday", "marker=none", "limit=-1"]
)
def test_malformed_queries_are_bad_requests(compute: Adapter, query: str) -> None:
    with pytest.raises(exceptions.BadRequest):
        compute.get(f"/servers/detail?all_tenants=1&{query}")
