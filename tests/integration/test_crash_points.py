# SPDX-License-Identifier: Apache-2.0
"""kill -9 at every moment of a plan of 20 actions; on MariaDB, RabbitMQ and the simulated cloud.

By default at half a dozen moments, drawn with a fixed seed; at each one with ``WATCHER_LONG=1``.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from oslo_config import cfg
from oslo_messaging import conffixture

from tests.functional.applier.plans import Watcher
from tests.integration import mortal
from tests.integration.settings import simulated
from watcher import config
from watcher.clients.session import Clients
from watcher.core import solution
from watcher.core.solution import disable_host, migrate, nop, sleep
from watcher.simulator import scheduler
from watcher.simulator.generate import generate
from watcher.simulator.server import Simulator

LONG = bool(os.environ.get("WATCHER_LONG"))
SAMPLE = 6


class Site:
    """One cloud and one plan of 20 actions on it."""

    def __init__(self, folder: Path, database_url: str, transport_url: str) -> None:
        self.simulator = Simulator(generate(7, 40, 24), speed=100)
        self.simulator.start()
        self.file = folder / "watcher.conf"
        self.moments = folder / "moments"
        self.moments.unlink(missing_ok=True)
        text = simulated(
            self.simulator,
            database_url,
            transport_url,
            "here",
            nova__migration_interval=0.1,
            nova__migration_max_retries=100,
        )
        self.file.write_text(text, encoding="utf-8")

    def moves(self) -> list[tuple[str, str, str, str]]:
        """16 moves, each to a host of its own: instance, source, destination, kind."""
        world = self.simulator.world
        found: list[tuple[str, str, str, str]] = []
        for server in world.servers.values():
            if server.vm_state != "active" or server.locked:
                continue
            taken = {destination for _, _, destination, _ in found}
            for name, host in world.hosts.items():
                fits = not scheduler.refusals(world, server, host, server.needs())
                if name not in taken and fits:
                    kind = "cold" if len(found) % 4 == 3 else "live"
                    found.append((server.uuid, server.host, name, kind))
                    break
            if len(found) == 16:
                return found
        raise AssertionError("the cloud has no room for 16 moves")


def twenty(site: Site, *, fails: bool) -> tuple[list[solution.Action], list[list[int]]]:
    """A host disabled, 16 moves of which every other waits for the one before, and the rest."""
    moves = site.moves()
    ends = {end for move in moves for end in move[1:3]}
    hosts = site.simulator.world.hosts.values()
    spare = next(one for one in hosts if one.enabled and one.name not in ends)
    first = disable_host(spare.uuid, spare.name, "watcher_disabled")
    actions = [first, *(migrate(uuid, a, b, kind=kind) for uuid, a, b, kind in moves)]
    parents: list[list[int]] = [[]]
    parents += [[number] if number % 2 else [0] for number in range(16)]
    last = solution.Action("nop", {"message": "the end", "fail_execute": fails})
    actions += [sleep(0.05), nop("almost"), last]
    parents += [[1], [2], list(range(19))]
    return actions, parents


def life(tmp_path: Path, urls: tuple[str, str], die_at: int, *, fails: bool) -> int:
    """One plan, one death, one resurrection; how many moments there were before the death."""
    site = Site(tmp_path, *urls)
    conf = cfg.ConfigOpts()
    try:
        with conffixture.ConfFixture(conf):
            config.load(conf, ["--config-file", str(site.file)])
            watcher = Watcher(conf, Clients(conf), name=f"a{die_at}-{fails}")
            before = {one.uuid: one.host for one in site.simulator.world.servers.values()}
            actions, parents = twenty(site, fails=fails)
            uuid = watcher.plan(
                *actions, parents=parents, on_failure="rollback" if fails else None
            )
            first = mortal.born(site.file, site.moments, die_at)
            watcher.until(lambda: not first.is_alive() or watcher.over(uuid), 120)
            first.kill()
            first.join()
            count = site.moments.stat().st_size
            second = mortal.born(site.file, site.moments, 0)
            try:
                plan = watcher.ended(uuid, 120)
            finally:
                second.kill()
                second.join()
            check(site, watcher, uuid, before, plan.state, fails=fails)
            watcher.close()
            return count
    finally:
        site.simulator.stop()


def check(
    site: Site, watcher: Watcher, uuid: str, before: dict[str, str], state: str, *, fails: bool
) -> None:
    """The plan is done or wholly taken back, everything is where it belongs, nothing ran twice."""
    rows = watcher.actions(uuid)
    told = [
        (one.position, one.state, one.status_message) for one in rows if one.state != "SUCCEEDED"
    ]
    assert state == ("FAILED" if fails else "SUCCEEDED"), told
    world = site.simulator.world
    moves = {
        one.input_parameters["resource_id"]: one
        for one in rows[:20]
        if one.action_type == "migrate"
    }
    for server in world.servers.values():
        move = moves.get(server.uuid)
        wanted = before[server.uuid]
        if move is not None and not fails:
            wanted = move.input_parameters["destination_node"]
        assert (server.host, server.task_state) == (wanted, None), told
        asked = sum(one.server is server for one in world.migrations)
        assert asked == (0 if move is None else 2 if fails else 1), told
    states = [one.state for one in rows]
    assert states[:20] == ["SUCCEEDED"] * 19 + (["FAILED"] if fails else ["SUCCEEDED"]), told
    assert set(states[20:]) <= {"SUCCEEDED"}, told


@pytest.mark.parametrize("fails", [False, True], ids=["done", "rolled back"])
def test_a_plan_survives_the_death_of_its_applier_at_any_moment(
    tmp_path: Path, mariadb_url: str, transport_url: str, fails: bool
) -> None:
    urls = (mariadb_url, transport_url)
    moments = life(tmp_path, urls, 0, fails=fails)
    chosen = list(range(1, moments + 1))
    if not LONG:
        chosen = sorted(random.Random(1).sample(chosen, SAMPLE // 2))
    for die_at in chosen:
        life(tmp_path, urls, die_at, fails=fails)
    print(f"\n{moments} moments, an applier killed at {len(chosen)} of them: nothing lost")
