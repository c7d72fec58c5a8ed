# SPDX-License-Identifier: Apache-2.0
"""kill -9 at every moment of a plan of 20 actions; on MariaDB, RabbitMQ and the simulated cloud.

The dead applier is started again, or, every other time, another one takes its plan over. By default
at a few moments, drawn with a fixed seed; at each one with ``WATCHER_LONG=1``.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import pytest
from oslo_config import cfg
from oslo_messaging import conffixture

from tests.functional.applier.plans import Watcher
from tests.integration import backends, mortal
from tests.integration.conftest import address
from tests.integration.settings import simulated
from watcher import config
from watcher.clients.session import Clients
from watcher.core import solution
from watcher.core.solution import disable_host, migrate, nop, sleep
from watcher.db.models import Action
from watcher.simulator import scheduler
from watcher.simulator.generate import generate
from watcher.simulator.server import Simulator

LONG = bool(os.environ.get("WATCHER_LONG"))
SAMPLE = 2
WORKERS = 2 + (os.cpu_count() or 1)
"""Lives that are lived side by side, each with a cloud, a database and a bus of its own."""
TABLES = Lock()
"""Alembic, which makes the tables, has globals."""
DOWN_S = 1
"""Seconds of silence after which another applier takes a plan over."""


class Way(NamedTuple):
    """How the plan goes when nobody is killed."""

    on_failure: str | None
    fails: int | None
    """Position of the action that fails."""
    end: str


WAYS = {
    "done": Way(None, None, "SUCCEEDED"),
    "rolled back": Way("rollback", 19, "FAILED"),
    "stopped": Way("stop", 1, "FAILED"),
    "went on": Way("continue", 1, "FAILED"),
}


class Life(NamedTuple):
    """What a life was like: moments before the death, and whether there was one."""

    moments: int
    died: bool


class Site:
    """One cloud and one plan of 20 actions on it."""

    def __init__(self, folder: Path, database_url: str, transport_url: str) -> None:
        self.simulator = Simulator(generate(7, 40, 24), speed=100)
        self.simulator.start()
        self._urls = database_url, transport_url
        self._folder = folder
        self.file = self.configuration("here")
        self.moments = folder / "moments"
        self.moments.unlink(missing_ok=True)

    def configuration(self, host: str) -> Path:
        """The file of an applier of this name."""
        file = self._folder / f"{host}.conf"
        text = simulated(
            self.simulator,
            *self._urls,
            host,
            DEFAULT__service_down_time=DOWN_S,
            DEFAULT__periodic_interval=1,
            nova__migration_interval=0.1,
            nova__migration_max_retries=100,
        )
        file.write_text(text, encoding="utf-8")
        return file

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


def twenty(site: Site, fails: int | None) -> tuple[list[solution.Action], list[list[int]]]:
    """A host disabled, two that only take time, 16 moves by twos, and one that waits for all."""
    moves = site.moves()
    ends = {end for move in moves for end in move[1:3]}
    hosts = site.simulator.world.hosts.values()
    spare = next(one for one in hosts if one.enabled and one.name not in ends)
    first = disable_host(spare.uuid, spare.name, "watcher_disabled")
    actions = [first, nop("begun"), sleep(0.05)]
    actions += [migrate(uuid, a, b, kind=kind) for uuid, a, b, kind in moves]
    actions += [nop("the end")]
    if fails is not None:
        actions[fails] = solution.Action("nop", {"message": "it fails", "fail_execute": True})
    parents = [[], [0], [0], *([number] if number % 2 else [0] for number in range(2, 18))]
    return actions, [*parents, list(range(19))]


def life(folder: Path, urls: tuple[str, str], way: Way, die_at: int, heir: str) -> Life:
    """One plan, one death, and an heir on this host."""
    site = Site(folder, *urls)
    conf = cfg.ConfigOpts()
    try:
        with conffixture.ConfFixture(conf):
            config.load(conf, ["--config-file", str(site.file)])
            conf.set_override("driver", ["noop"], "oslo_messaging_notifications")
            with TABLES:
                watcher = Watcher(conf, Clients(conf), name=f"a{die_at}")
            before = {one.uuid: one.host for one in site.simulator.world.servers.values()}
            actions, parents = twenty(site, way.fails)
            uuid = watcher.plan(*actions, parents=parents, on_failure=way.on_failure)
            first = mortal.born(site.file, site.moments, die_at)
            watcher.until(lambda: not first.is_alive() or watcher.over(uuid), 120, 0.1)
            died = not first.is_alive()
            first.kill()
            first.join()
            count = site.moments.stat().st_size
            second = mortal.born(site.configuration(heir), site.moments, 0)
            try:
                plan = watcher.ended(uuid, 120, 0.1)
            finally:
                second.kill()
                second.join()
            assert plan.state == way.end, plan.status_message
            check(site, watcher.actions(uuid), before, way)
            watcher.close()
            return Life(count, died)
    finally:
        site.simulator.stop()


def check(site: Site, rows: Sequence[Action], before: dict[str, str], way: Way) -> None:
    """All is done, or not begun, or taken back; everything is where it belongs, none ran twice."""
    told = [
        (one.position, one.state, one.status_message) for one in rows if one.state != "SUCCEEDED"
    ]
    world, undone = site.simulator.world, way.on_failure == "rollback"
    moves = {
        one.input_parameters["resource_id"]: one
        for one in rows[:20]
        if one.action_type == "migrate"
    }
    for server in world.servers.values():
        move = moves.get(server.uuid)
        wanted, times = before[server.uuid], 0
        if move is not None and move.state == "SUCCEEDED":
            times = 2 if undone else 1
            wanted = wanted if undone else move.input_parameters["destination_node"]
        assert (server.host, server.task_state) == (wanted, None), told
        asked = sum(one.server is server for one in world.migrations)
        assert asked == times, told
    allowed = [{"SUCCEEDED"}] * max(20, len(rows))
    if way.on_failure == "stop":
        allowed[2:19] = [{"SUCCEEDED", "CANCELLED"}] * 17
    if way.fails is not None:
        allowed[19] = {"CANCELLED"}  # unless it is the one
        allowed[way.fails] = {"FAILED"}
    assert all(one.state in states for one, states in zip(rows, allowed, strict=True)), told


def shard(folder: Path, way: Way, deaths: Iterable[int]) -> list[Life]:
    """Some lives, one after another; the heir of every other is another applier."""
    folder.mkdir()
    with (
        backends.database(address("mariadb", "database_mysql")) as database_url,
        backends.virtual_host(address("rabbitmq", "transport_url")) as transport_url,
    ):
        urls = (database_url, transport_url)
        heirs = ("here", "there")
        return [life(folder, urls, way, die_at, heirs[die_at % 2]) for die_at in deaths]


@pytest.mark.parametrize("name", WAYS)
def test_a_plan_survives_the_death_of_its_applier_at_any_moment(
    tmp_path: Path, needs: Callable[[str], None], name: str
) -> None:
    needs("mariadb")
    needs("rabbitmq")
    way = WAYS[name]
    with ThreadPoolExecutor(WORKERS) as pool:
        (whole,) = pool.submit(shard, tmp_path / "whole", way, [0]).result()
        chosen = list(range(1, whole.moments + 1))
        if not LONG:
            chosen = sorted(random.Random(1).sample(chosen, SAMPLE))
        folders = [tmp_path / str(number) for number in range(WORKERS)]
        shards = [chosen[number::WORKERS] for number in range(WORKERS)]
        lives = [one for some in pool.map(shard, folders, repeat(way), shards) for one in some]
    died = sum(one.died for one in lives)
    print(f"\n{name}: {whole.moments} moments, an applier killed at {died} of them: nothing lost")
    # How many moments there are depends on what had begun: some of the last may not come.
    assert died >= len(lives) / 2
