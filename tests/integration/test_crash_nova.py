# SPDX-License-Identifier: Apache-2.0
"""kill -9 at random points of plans on the real Nova, with MariaDB and RabbitMQ.

The dead applier is started again, or another one takes its plan over. Nova itself is asked what was
done, and how often. Twice by default, twenty times with ``WATCHER_LONG=1``.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from oslo_config import cfg
from oslo_messaging import conffixture

from tests.cloud.api import Cloud, Json
from tests.cloud.settings import credentials
from tests.functional.applier.plans import Watcher
from tests.integration import mortal
from tests.integration.settings import wired
from watcher import config
from watcher.clients.session import Clients
from watcher.core import solution
from watcher.core.solution import disable_host, enable_host, migrate
from watcher.db.models import Action

LIVES = 20 if os.environ.get("WATCHER_LONG") else 2
SEED = 20261128
MOMENTS = 180
"""Fewer than a plan has before its last action."""
LINGER_S = 0.2
"""A death comes up to so long after its moment: in the midst of a request, or of nothing."""
MOVES, DISABLED = 8, "compute-01"
ASKED = ("live-migration", "migrate", "confirmResize")
"""Nova's names of what an applier asks of it for a move."""


class Death(NamedTuple):
    """Where an applier dies, and what comes then."""

    moment: int
    linger_s: float
    undone: bool
    """Whether the last action fails, and all is to be taken back."""
    heir: str


def deaths() -> Iterator[Death]:
    """Drawn with a fixed seed; the plan is undone in every other, the heir another in each two."""
    chance = random.Random(SEED)
    for number in range(LIVES):
        undone, heir = bool(number % 2), ("here", "there")[number // 2 % 2]
        moment = chance.randrange(1, MOMENTS * (1 + undone))
        yield Death(moment, chance.choice((0.0, chance.uniform(0, LINGER_S))), undone, heir)


class Ledger:
    """What Nova says of its servers: where they are, and what was asked for each so far."""

    def __init__(self, cloud: Cloud) -> None:
        self.servers = {server["id"]: server for server in cloud.servers()}
        self.migrations = {uuid: len(cloud.migrations(uuid)) for uuid in self.servers}
        self.asked = {uuid: Counter(asked(cloud, uuid)) for uuid in self.servers}

    def host(self, uuid: str) -> str:
        """Where a server is."""
        return str(self.servers[uuid]["OS-EXT-SRV-ATTR:host"])


def asked(cloud: Cloud, server: str) -> list[str]:
    """The moves and confirmations that Nova took for a server."""
    actions: list[Json] = cloud.nova.get(f"/servers/{server}/os-instance-actions").json()[
        "instanceActions"
    ]
    return [one["action"] for one in actions if one["action"] in ASKED]


def moves(ledger: Ledger, chance: random.Random) -> list[solution.Action]:
    """Moves of some servers to where there is most memory left, every fourth of them cold."""
    used = Counter[str]()
    for uuid, server in ledger.servers.items():
        used[ledger.host(uuid)] += server["flavor"]["ram"]
    used.pop(DISABLED, None)
    movable = sorted(uuid for uuid in ledger.servers if ledger.host(uuid) in used)
    found: list[solution.Action] = []
    for number, uuid in enumerate(chance.sample(movable, MOVES)):
        source = ledger.host(uuid)
        destination = min(sorted(used.keys() - {source}), key=used.__getitem__)
        used[destination] += ledger.servers[uuid]["flavor"]["ram"]
        kind = "cold" if number % 4 == 3 else "live"
        found.append(migrate(uuid, source, destination, kind=kind))
    return found


def plan(cloud: Cloud, watcher: Watcher, moving: Sequence[solution.Action], undone: bool) -> str:
    """A host disabled, moves of which every other waits for the one before, the host enabled."""
    service = next(one for one in cloud.services() if one["host"] == DISABLED)["id"]
    last = solution.Action("nop", {"message": "the end", "fail_execute": undone})
    actions = [disable_host(service, DISABLED, "watcher_disabled"), *moving]
    actions += [enable_host(service, DISABLED), last]
    parents = [[], *([number] if number % 2 else [0] for number in range(MOVES))]
    parents += [list(range(1 + MOVES))]
    return watcher.plan(
        *actions,
        parents=[*parents, [1 + MOVES]],
        on_failure="rollback" if undone else "continue",
    )


class Lab:
    """The cloud, and appliers that can be killed."""

    def __init__(self, cloud: Cloud, database: str, transport: str, folder: Path) -> None:
        self.cloud, self._folder = cloud, folder
        self._wires = database, transport
        self.moments = folder / "moments"

    def file(self, host: str) -> Path:
        """The configuration of an applier of this name."""
        file = self._folder / f"{host}.conf"
        text = wired(
            credentials(self.cloud.settings, "watcher"),
            *self._wires,
            host,
            DEFAULT__service_down_time=1,
            DEFAULT__periodic_interval=1,
            nova__migration_interval=0.5,
        )
        file.write_text(text, encoding="utf-8")
        return file

    def life(self, watcher: Watcher, chance: random.Random, death: Death) -> bool:
        """One plan, one death and an heir; whether the death came before the end."""
        before = Ledger(self.cloud)
        moving = moves(before, chance)
        uuid = plan(self.cloud, watcher, moving, death.undone)
        self.moments.unlink(missing_ok=True)
        first = mortal.born(self.file("here"), self.moments, death.moment, death.linger_s)
        watcher.until(lambda: not first.is_alive() or watcher.over(uuid), 120, 0.1)
        died = not watcher.over(uuid)
        first.kill()
        first.join()
        second = mortal.born(self.file(death.heir), self.moments, 0)
        try:
            row = watcher.ended(uuid, 120, 0.1)
        finally:
            second.kill()
            second.join()
        wanted = "FAILED" if death.undone else "SUCCEEDED"
        assert row.state == wanted, (death, row.status_message)
        check(self.cloud, before, watcher.actions(uuid), moving, death)
        return died


def check(
    cloud: Cloud,
    before: Ledger,
    rows: Sequence[Action],
    moving: Sequence[solution.Action],
    death: Death,
) -> None:
    """Every server is on the one host where it should be, after as many requests as moves."""
    told = (
        death,
        [
            (row.position, row.state, row.status_message)
            for row in rows
            if row.state != "SUCCEEDED"
        ],
    )
    states = [row.state for row in rows]
    failed = states.pop(2 + MOVES)
    assert failed == ("FAILED" if death.undone else "SUCCEEDED"), told
    assert set(states) == {"SUCCEEDED"}, told
    assert len(rows) == (3 + MOVES) + death.undone * (2 + MOVES), told
    by_server = {one.resource_id: one for one in moving}
    after = Ledger(cloud)
    for uuid, server in after.servers.items():
        move, times = by_server.get(uuid), 0
        wanted, verbs = before.host(uuid), Counter[str]()
        if move is not None:
            times = 2 if death.undone else 1
            wanted = wanted if death.undone else move.parameters["destination_node"]
            live = move.parameters["migration_type"] == "live"
            verbs.update(["live-migration"] if live else ["migrate", "confirmResize"])
            verbs.update(["live-migration"] * death.undone)
        assert (after.host(uuid), server["status"]) == (wanted, "ACTIVE"), (told, server)
        assert after.migrations[uuid] - before.migrations[uuid] == times, (told, server)
        assert after.asked[uuid] - before.asked[uuid] == verbs, (told, server)
    assert {one["status"] for one in cloud.services()} == {"enabled"}, told


def test_a_plan_on_the_real_nova_survives_the_death_of_its_applier_at_random_points(
    cloud: Cloud, mariadb_url: str, transport_url: str, tmp_path: Path
) -> None:
    lab = Lab(cloud, mariadb_url, transport_url, tmp_path)
    conf, chance, died = cfg.ConfigOpts(), random.Random(SEED), 0
    with conffixture.ConfFixture(conf):
        config.load(conf, ["--config-file", str(lab.file("here"))])
        conf.set_override("driver", ["noop"], "oslo_messaging_notifications")
        watcher = Watcher(conf, Clients(conf))
        begun_s = time.monotonic()
        for death in deaths():
            died += lab.life(watcher, chance, death)
        took_s = (time.monotonic() - begun_s) / LIVES
        watcher.close()
    print(
        f"\nreal Nova: {LIVES} plans of {3 + MOVES} actions, {died} appliers killed: nothing lost"
    )
    print(f"{took_s:.1f} s each")
    assert died > 0.8 * LIVES
