# SPDX-License-Identifier: Apache-2.0
"""Moves happen when their time has come, and keep the books straight."""

import random
from dataclasses import dataclass

import pytest

from watcher.simulator import migrations
from watcher.simulator.clock import Clock
from watcher.simulator.cloud import Cloud
from watcher.simulator.generate import generate
from watcher.simulator.migrations import LIVE
from watcher.simulator.scheduler import NO_VALID_HOST, refusals
from watcher.simulator.world import Action, Migration, Server


@dataclass
class Hand:
    """A clock that a test winds."""

    at: float = 1_700_000_000.0

    def __call__(self) -> float:
        return self.at


class Bench:
    """A small cloud whose time is wound by hand."""

    def __init__(self, speed: float = 1.0) -> None:
        self.hand = Hand()
        self.cloud = Cloud(generate(1, 12, 60), Clock(speed, self.hand))
        self.world = self.cloud.world

    def movable(self) -> tuple[Server, str]:
        """A running server and a host that takes it."""
        for server in self.world.servers.values():
            for host in self.world.hosts.values():
                free = server.vm_state == "active" and server.task_state is None
                if free and not refusals(self.world, server, host, server.needs()):
                    return server, host.name
        raise AssertionError("nothing can be moved")

    def begin(
        self, server: Server, dest: str | None, kind: str = LIVE, **more: object
    ) -> Migration:
        """Ask for a move, and let the conductor see to it."""
        move = self.ask(server, dest, kind, **more)
        self.wind(self.cloud.clock.lasting(migrations.CONDUCT_S))
        return move

    def ask(self, server: Server, dest: str | None, kind: str = LIVE, **more: object) -> Migration:
        action = Action(f"req-{self.world.count()}", server.uuid, kind, "e", "u", "p", 0, 0)
        return migrations.begin(self.cloud, server, action, kind=kind, dest=dest, **more)  # type: ignore[arg-type]

    def wind(self, seconds: float) -> None:
        self.hand.at += seconds
        migrations.advance(self.world, self.hand.at)

    def check_books(self) -> None:
        """Every server holds its claim on exactly its host, or where it goes."""
        for server in self.world.servers.values():
            moves = [m for m in self.world.active.values() if m.server is server]
            here = {h.name for h in self.world.hosts.values() if server.uuid in h.consumers}
            claimed = False
            if server.vm_state == "deleted":
                assert not here
                assert not moves
            else:
                claimed = moves and moves[0].status != "requested"
                assert here == ({moves[0].dest} if claimed else {server.host})
            for move in moves if claimed else ():
                assert move.uuid in self.world.hosts[move.source].consumers
        known = set(self.world.servers) | {m.uuid for m in self.world.active.values()}
        for host in self.world.hosts.values():
            assert set(host.consumers) <= known


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_live_migration_goes_through_its_states_and_ends_on_its_destination(
    bench: Bench,
) -> None:
    server, dest = bench.movable()
    source = server.host
    move = bench.begin(server, dest)
    took = migrations.live_seconds(server)
    assert (move.status, server.task_state, server.host) == ("preparing", "migrating", source)
    bench.wind(took * 0.5)
    assert (move.status, server.host) == ("running", source)
    assert migrations.progress(move, bench.hand.at) == pytest.approx(0.5)
    bench.check_books()
    bench.wind(took * 0.4)
    assert move.status == "running"
    bench.wind(took * 0.11)
    assert (move.status, server.host, server.task_state) == ("completed", dest, None)
    assert move.action.result == "Success"
    bench.check_books()


def test_a_move_that_was_asked_for_has_no_record_yet(bench: Bench) -> None:
    server, dest = bench.movable()
    move = bench.ask(server, dest)
    assert server.task_state == "migrating"
    assert bench.world.migrations == []
    bench.wind(migrations.CONDUCT_S)
    assert bench.world.migrations == [move]
    assert move.created == bench.hand.at


@pytest.mark.parametrize("end", ["delete", "host_down"])
def test_a_move_that_never_got_a_record_leaves_nothing_behind(bench: Bench, end: str) -> None:
    server, dest = bench.movable()
    bench.ask(server, dest)
    if end == "delete":
        migrations.delete(bench.world, server, bench.hand.at)
    else:
        migrations.host_down(bench.world, server.host, bench.hand.at)
    bench.wind(100)
    assert bench.world.migrations == []
    assert server.task_state is None
    bench.check_books()


def test_the_destination_is_claimed_first_and_the_source_is_held_until_the_end(
    bench: Bench,
) -> None:
    server, dest = bench.movable()
    source = server.host
    move = bench.begin(server, dest)
    assert bench.world.hosts[dest].consumers[server.uuid] == server.needs()
    assert bench.world.hosts[source].consumers[move.uuid] == server.needs()
    bench.wind(1000)
    assert move.uuid not in bench.world.hosts[source].consumers


def test_speed_shortens_what_happens_and_nothing_else() -> None:
    slow, fast = Bench(speed=1), Bench(speed=20)
    moves = [bench.begin(*bench.movable()) for bench in (slow, fast)]
    assert moves[0].server.uuid == moves[1].server.uuid
    assert moves[0].seconds == pytest.approx(20 * moves[1].seconds)
    assert fast.hand.at - slow.hand.at == pytest.approx(migrations.CONDUCT_S * (1 / 20 - 1))


def test_a_second_live_migration_from_a_host_waits_for_the_first(bench: Bench) -> None:
    by_host: dict[str, list[Server]] = {}
    for server in bench.world.servers.values():
        if server.vm_state == "active" and bench.world.group_of(server.uuid) is None:
            by_host.setdefault(server.host, []).append(server)
    first, second, third = max(by_host.values(), key=len)[:3]
    moves = [bench.ask(server, None) for server in (first, second, third)]
    bench.wind(migrations.CONDUCT_S)
    assert [move.status for move in moves] == ["preparing", "queued", "queued"]
    bench.wind(moves[0].seconds + 0.001)
    assert [move.status for move in moves] == ["completed", "preparing", "queued"]
    bench.wind(moves[1].seconds + moves[2].seconds)
    assert {move.status for move in moves} == {"completed"}
    assert moves[2].updated - moves[0].created == pytest.approx(
        sum(move.seconds for move in moves)
    )


def test_looking_rarely_or_often_gives_the_same_history() -> None:
    histories = []
    for step in (0.1, 500.0):
        bench = Bench()
        movable = [s for s in bench.world.servers.values() if s.vm_state == "active"][:20]
        for server in movable:
            bench.ask(server, None)
        for _ in range(int(500 / step)):
            bench.wind(step)
        histories.append([(m.status, m.dest, round(m.updated, 3)) for m in bench.world.migrations])
    assert histories[0] == histories[1]


def test_what_the_scheduler_refuses_ends_in_error_with_its_text(bench: Bench) -> None:
    server, dest = bench.movable()
    source = server.host
    bench.world.hosts[dest].enabled = False
    move = bench.begin(server, dest)
    assert (move.status, move.action.details) == ("error", NO_VALID_HOST)
    assert (server.host, server.task_state) == (source, None)
    bench.check_books()


def test_a_forced_host_is_not_asked_for_its_consent(bench: Bench) -> None:
    server, dest = bench.movable()
    bench.world.hosts[dest].enabled = False
    move = bench.begin(server, dest, forced=True)
    bench.wind(1000)
    assert (move.status, server.host) == ("completed", dest)


def test_a_move_from_a_dead_host_is_refused(bench: Bench) -> None:
    server, dest = bench.movable()
    bench.world.hosts[server.host].up = False
    move = bench.begin(server, dest)
    assert move.action.details == f"Compute service of {server.host} is unavailable at this time."


@pytest.mark.parametrize(
    ("outcome", "status", "moved"),
    [("error", "error", False), ("error-after-move", "error", True), ("refused", "error", False)],
)
def test_a_chosen_outcome_is_what_becomes_of_the_move(
    bench: Bench, outcome: str, status: str, moved: bool
) -> None:
    bench.cloud.faults.move(outcome, text="the wire was cut")
    server, dest = bench.movable()
    source = server.host
    move = bench.begin(server, dest)
    bench.wind(1000)
    assert move.status == status
    assert move.action.details == "the wire was cut"
    assert server.host == (dest if moved else source)
    assert (server.vm_state, server.task_state) == ("active", None)
    bench.check_books()


def test_a_stuck_migration_runs_until_it_is_aborted(bench: Bench) -> None:
    bench.cloud.faults.move("stuck")
    server, dest = bench.movable()
    source = server.host
    move = bench.begin(server, dest)
    bench.wind(100_000)
    assert (move.status, server.task_state) == ("running", "migrating")
    migrations.abort(bench.world, move, bench.hand.at)
    assert (move.status, server.host, server.task_state) == ("cancelled", source, None)
    bench.check_books()


def test_a_stuck_migration_ends_when_it_is_forced(bench: Bench) -> None:
    bench.cloud.faults.move("stuck")
    server, dest = bench.movable()
    move = bench.begin(server, dest)
    bench.wind(60)
    migrations.force_complete(bench.cloud, move)
    bench.wind(2)
    assert (move.status, server.host) == ("completed", dest)


@pytest.mark.parametrize("confirm", [True, False])
def test_a_cold_migration_waits_to_be_confirmed_or_reverted(bench: Bench, confirm: bool) -> None:
    server, dest = bench.movable()
    source = server.host
    move = bench.begin(server, dest, kind="migration")
    assert server.task_state == "resize_prep"
    bench.wind(1000)
    assert (move.status, server.vm_state, server.host) == ("finished", "resized", dest)
    bench.check_books()
    migrations.settle(bench.cloud, move, move.action, confirm=confirm)
    bench.wind(2)
    assert move.status == ("confirmed" if confirm else "reverted")
    assert (server.vm_state, server.host) == ("active", dest if confirm else source)
    bench.check_books()


def test_a_stopped_server_is_stopped_again_after_its_cold_migration(bench: Bench) -> None:
    server, dest = bench.movable()
    server.vm_state = "stopped"
    move = bench.begin(server, dest, kind="migration")
    bench.wind(1000)
    migrations.settle(bench.cloud, move, move.action, confirm=True)
    bench.wind(2)
    assert server.vm_state == "stopped"


def test_a_reverted_resize_gives_the_old_flavor_and_claim_back(bench: Bench) -> None:
    server, _dest = bench.movable()
    old = server.flavor
    flavor = bench.world.flavors["9"]
    move = bench.begin(server, None, kind="resize", flavor=flavor)
    bench.wind(1000)
    assert server.flavor == flavor
    migrations.settle(bench.cloud, move, move.action, confirm=False)
    bench.wind(2)
    assert server.flavor == old
    assert bench.world.hosts[server.host].consumers[server.uuid] == server.needs(old)


def test_deleting_a_server_on_its_way_ends_the_move_and_frees_everything(bench: Bench) -> None:
    server, dest = bench.movable()
    move = bench.begin(server, dest)
    migrations.delete(bench.world, server, bench.hand.at)
    assert (move.status, server.vm_state) == ("error", "deleted")
    bench.wind(1000)
    assert (move.status, server.vm_state) == ("error", "deleted")
    bench.check_books()


@pytest.mark.parametrize("end", ["source", "dest"])
def test_a_host_without_power_ends_the_moves_from_and_to_it(bench: Bench, end: str) -> None:
    server, dest = bench.movable()
    source = server.host
    move = bench.begin(server, dest)
    name = {"source": source, "dest": dest}[end]
    migrations.host_down(bench.world, name, bench.hand.at)
    assert move.status == "error"
    assert name in str(move.action.details)
    assert server.host == source
    bench.check_books()


def _one_deed(bench: Bench, chance: random.Random) -> None:
    """Something happens in the cloud, or nothing."""
    server = chance.choice(list(bench.world.servers.values()))
    deed = chance.choice(["move"] * 5 + ["delete", "fault", "abort", "settle", "nothing"])
    finished = [m for m in bench.world.active.values() if m.status == "finished"]
    running = [m for m in bench.world.active.values() if m.kind == LIVE]
    if deed == "move" and server.task_state is None and server.vm_state == "active":
        dest = chance.choice([None, *bench.world.hosts])
        bench.begin(server, dest, kind=chance.choice([LIVE, LIVE, "migration"]))
    elif deed == "delete":
        migrations.delete(bench.world, server, bench.hand.at)
    elif deed == "fault":
        bench.cloud.faults.move(chance.choice(["error", "refused", "error-after-move"]))
    elif deed == "abort" and running:
        migrations.abort(bench.world, running[0], bench.hand.at)
    elif deed == "settle" and finished and finished[0].server.task_state is None:
        confirm = chance.random() < 0.5
        migrations.settle(bench.cloud, finished[0], finished[0].action, confirm=confirm)


@pytest.mark.parametrize("seed", range(5))
def test_the_books_are_straight_after_any_story(seed: int) -> None:
    bench, chance = Bench(), random.Random(seed)
    for _ in range(150):
        _one_deed(bench, chance)
        bench.wind(chance.random() * 5)
        bench.check_books()
        for host in bench.world.hosts.values():
            assert all(used <= most for used, most in zip(host.used, host.capacity, strict=True))
    assert {move.status for move in bench.world.migrations} > {"completed", "error"}
