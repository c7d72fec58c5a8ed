# SPDX-License-Identifier: Apache-2.0
"""Migrations against the simulated Nova, by the handler alone."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.functional.applier.conftest import Lab
from watcher.actions.migrate import Migrate
from watcher.clients.migrations import Migrations, Move
from watcher.core.errors import ActionFailed, Conflict, Invalid, ServiceDown, Skip
from watcher.simulator.clock import Clock
from watcher.simulator.world import Server


def handler(lab: Lab, server: Server, to: str | None, kind: str = "live", **more: Any) -> Migrate:
    parameters = {
        "resource_id": server.uuid,
        "migration_type": kind,
        "source_node": server.host,
        "destination_node": to,
        **more,
    }
    return Migrate(lab.clients, parameters, threading.Event())


def test_a_live_migration_ends_on_the_host_it_was_sent_to(lab: Lab) -> None:
    server = lab.server()
    source, to = server.host, lab.roomy(server)
    move = handler(lab, server, to)
    assert move.check() == {"host": source, "status": "ACTIVE", "migration": 0}
    move.perform()
    assert (server.host, server.vm_state) == (to, "active")


def test_a_paused_instance_is_migrated_live(lab: Lab) -> None:
    server = lab.server()
    server.vm_state = "paused"
    to = lab.roomy(server)
    move = handler(lab, server, to)
    move.check()
    move.perform()
    assert (server.host, server.vm_state) == (to, "paused")


def test_without_a_destination_the_scheduler_chooses(lab: Lab) -> None:
    server = lab.server()
    source = server.host
    move = handler(lab, server, None)
    move.check()
    move.perform()
    assert server.host != source


@pytest.mark.parametrize("state", ["active", "stopped"])
def test_a_cold_migration_is_confirmed_and_rests_as_it_was(lab: Lab, state: str) -> None:
    server = lab.server()
    server.vm_state = state
    to = lab.roomy(server)
    move = handler(lab, server, to, "cold")
    move.check()
    move.perform()
    assert (server.host, server.vm_state) == (to, state)
    assert lab.simulator.world.migrations[-1].status == "confirmed"


def test_an_instance_that_is_gone_is_skipped(lab: Lab) -> None:
    server = lab.server()
    move = handler(lab, server, lab.roomy(server))
    lab.simulator.delete_server(server.uuid)
    with pytest.raises(Skip, match=f"instance {server.uuid} is gone"):
        move.check()


def test_a_locked_instance_is_skipped(lab: Lab) -> None:
    server = lab.server()
    move = handler(lab, server, lab.roomy(server))
    server.locked = True
    with pytest.raises(Skip, match=f"instance {server.uuid} is locked"):
        move.check()


def test_an_instance_that_has_left_its_source_is_skipped(lab: Lab) -> None:
    server = lab.server()
    move = handler(lab, server, lab.roomy(server), source_node="elsewhere")
    with pytest.raises(Skip, match=f"not on elsewhere any more but on {server.host}"):
        move.check()


def test_a_stopped_instance_cannot_be_migrated_live(lab: Lab) -> None:
    server = lab.server()
    server.vm_state = "stopped"
    with pytest.raises(ActionFailed, match="is SHUTOFF; a live migration needs ACTIVE or PAUSED"):
        handler(lab, server, lab.roomy(server)).check()


def test_a_destination_must_be_known_enabled_and_up(lab: Lab) -> None:
    server = lab.server()
    to = lab.roomy(server)
    with pytest.raises(ActionFailed, match="Compute service on host nowhere could not be found"):
        handler(lab, server, "nowhere").check()
    host = lab.simulator.world.hosts[to]
    host.enabled, host.disabled_reason = False, "rack is hot"
    with pytest.raises(ActionFailed, match=rf"host {to} is disabled \(rack is hot\)"):
        handler(lab, server, to).check()
    host.enabled, host.up = True, False
    with pytest.raises(ActionFailed, match=f"host {to} is down"):
        handler(lab, server, to).check()


@pytest.mark.parametrize("kind", ["live", "cold"])
def test_what_nova_finds_out_later_fails_with_its_own_words(lab: Lab, kind: str) -> None:
    server = lab.server()
    to = lab.roomy(server)
    lab.simulator.faults.move("refused", server=server.uuid, text="CPU doesn't have avx512.")
    move = handler(lab, server, to, kind)
    move.check()
    with pytest.raises(ActionFailed, match=r"ended as error: CPU doesn't have avx512\."):
        move.perform()
    assert move.undo() == ""


def test_what_nova_refuses_at_once_fails_with_its_own_words(lab: Lab) -> None:
    server = lab.server()
    move = handler(lab, server, lab.roomy(server))
    move.check()
    server.task_state = "rebooting"
    with pytest.raises(Conflict, match=r"Nova: Cannot 'os-migrateLive' instance .* rebooting"):
        move.perform()
    server.task_state = None
    with pytest.raises(Invalid, match=r"Nova: Compute host nowhere could not be found\."):
        handler(lab, server, "nowhere").perform()


def test_a_live_migration_without_progress_fails_and_is_aborted(lab: Lab) -> None:
    lab.conf.set_override("migration_max_retries", 5, "nova")
    server = lab.server()
    source, to = server.host, lab.roomy(server)
    lab.simulator.faults.move("stuck", server=server.uuid)
    move = handler(lab, server, to)
    move.check()
    with pytest.raises(ActionFailed, match=r"is running and made no progress for 0\.5 s"):
        move.perform()
    assert move.undo() == "the live migration was aborted"
    assert (server.host, server.task_state) == (source, None)


def test_an_instance_that_moved_although_nova_says_error_is_moved_back(lab: Lab) -> None:
    server = lab.server()
    source, to = server.host, lab.roomy(server)
    lab.simulator.faults.move("error-after-move", server=server.uuid, text="Port binding failed.")
    move = handler(lab, server, to)
    move.check()
    with pytest.raises(ActionFailed, match="Port binding failed"):
        move.perform()
    assert server.host == to
    assert move.undo() == f"the instance was moved back from {to} to {source}"
    assert server.host == source


def test_a_cold_migration_that_cannot_be_confirmed_is_reverted(lab: Lab) -> None:
    server = lab.server()
    source, to = server.host, lab.roomy(server)
    move = handler(lab, server, to, "cold")
    move.check()
    lab.simulator.faults.add(
        service="compute",
        method="POST",
        path="/action",
        status=500,
        body={"computeFault": {"code": 500, "message": "The confirm broke."}},
        skip=1,
    )
    with pytest.raises(Exception, match=r"The confirm broke\."):
        move.perform()
    assert move.undo() == "the cold migration was reverted"
    assert (server.host, server.vm_state) == (source, "active")


def test_an_answer_that_is_lost_does_not_move_an_instance_twice(lab: Lab) -> None:
    server = lab.server()
    to = lab.roomy(server)
    lab.simulator.faults.add(
        service="compute", method="POST", path="/action", cut=True, after=True
    )
    move = handler(lab, server, to)
    move.check()
    move.perform()
    assert server.host == to
    assert len(lab.simulator.world.migrations) == 1


def test_nova_falling_silent_meanwhile_is_no_failure(lab: Lab) -> None:
    server = lab.server()
    to = lab.roomy(server)
    move = handler(lab, server, to)
    move.check()
    lab.simulator.faults.add(
        service="compute", method="GET", path="os-migrations", status=503, skip=2, times=3
    )
    move.perform()
    assert server.host == to


def test_an_abort_leaves_the_instance_on_its_source(lab: Lab) -> None:
    server = lab.server()
    source = server.host
    lab.simulator.faults.move("stuck", server=server.uuid)
    move = handler(lab, server, lab.roomy(server))
    failures: list[str] = []

    def perform() -> None:
        try:
            move.perform()
        except ActionFailed as error:
            failures.append(str(error))

    thread = threading.Thread(target=perform)
    thread.start()
    lab.until(lambda: [one.status for one in lab.simulator.world.migrations] == ["running"])
    move.abort()
    thread.join(10)
    assert "ended as cancelled" in failures[0]
    assert (server.host, server.task_state) == (source, None)


def test_ten_moves_are_followed_by_one_reader(lab: Lab) -> None:
    """Each move is looked for by itself until its record is there; then all are read at once."""
    world = lab.simulator.world
    for host in world.hosts.values():
        host.ratios = (64.0, 64.0, 64.0)
    world.groups.clear()  # two of one group might want the same host at once
    moves = [handler(lab, one, lab.roomy(one)) for one in lab.servers(10)]
    threads = [threading.Thread(target=move.perform) for move in moves]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert {one.status for one in world.migrations} == {"completed"}
    asked = lab.simulator.requests["compute", "GET", "/os-migrations"]
    polls = Migrations.of(lab.clients).polls
    assert 0 < polls < 40
    assert asked <= polls + 10 * 3


def test_a_slow_migration_and_those_in_its_queue_are_not_without_progress(lab: Lab) -> None:
    """Three from one host, with a bound of half a second without progress."""
    lab.conf.set_override("migration_max_retries", 5, "nova")
    lab.simulator.cloud.clock = Clock(speed=5)
    servers = lab.servers(3)
    for host in lab.simulator.world.hosts.values():
        host.ratios = (64.0, 64.0, 64.0)
    for server in servers:
        server.host = servers[0].host
    moves = [handler(lab, server, lab.roomy(server)) for server in servers]
    began = time.monotonic()
    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(move.perform) for move in moves]:
            done.result(60)
    assert time.monotonic() - began > 1
    assert {one.status for one in lab.simulator.world.migrations} == {"completed"}


def test_an_instance_that_nova_put_elsewhere_fails_and_is_moved_back(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = lab.server()
    source, to = server.host, lab.roomy(server)
    move = handler(lab, server, to)
    follow = Migrations.follow

    def elsewhere(*arguments: Any) -> Any:
        ended = follow(*arguments)
        if server.host == to:
            server.host = next(
                name for name in lab.simulator.world.hosts if name not in (source, to)
            )
        return ended

    monkeypatch.setattr(Migrations, "follow", elsewhere)
    with pytest.raises(ActionFailed, match=r"but instance .* is on") as failure:
        move.perform()
    assert failure.value.phase == "post_condition"
    assert move.undo().endswith(f"to {source}")
    assert server.host == source


def test_a_cold_migration_that_nova_confirms_by_itself_is_done(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[DEFAULT] resize_confirm_window in nova.conf."""
    server = lab.server()
    to = lab.roomy(server)
    move = handler(lab, server, to, "cold")
    look = Migrations._look

    def confirmed(self: Migrations, asked: Move) -> None:
        look(self, asked)
        if asked.status == "finished":
            self.confirm(asked)
            look(self, asked)

    monkeypatch.setattr(Migrations, "_look", confirmed)
    move.perform()
    assert (server.host, server.vm_state) == (to, "active")


def test_a_cold_migration_cannot_be_aborted(lab: Lab) -> None:
    server = lab.server()
    with pytest.raises(ActionFailed, match="cannot be aborted"):
        handler(lab, server, lab.roomy(server), "cold").abort()


def test_a_cold_migration_that_nova_is_still_at_is_left_to_nova(lab: Lab) -> None:
    lab.conf.set_override("migration_max_retries", 3, "nova")
    server = lab.server()
    lab.simulator.faults.move("stuck", server=server.uuid)
    move = handler(lab, server, lab.roomy(server), "cold")
    with pytest.raises(ActionFailed, match="is migrating and made no progress"):
        move.perform()
    with pytest.raises(ActionFailed, match="Nova is still at the cold migration"):
        move.undo()


def test_a_post_that_nova_never_took_fails_with_what_was_wrong(lab: Lab) -> None:
    server = lab.server()
    lab.simulator.faults.add(service="compute", method="POST", path="/action", cut=True)
    move = handler(lab, server, lab.roomy(server))
    with pytest.raises(ServiceDown, match="Nova does not answer"):
        move.perform()
    assert move.undo() == ""
    assert lab.simulator.world.migrations == []
