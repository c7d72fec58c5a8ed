# SPDX-License-Identifier: Apache-2.0
"""What goes wrong: each fault lasts as long as its context."""

from __future__ import annotations

import random
import signal
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from sqlalchemy import text

from tests.chaos.site import Site
from tests.cloud import servers

Fault = Callable[[Site, random.Random], AbstractContextManager[None]]
SKEW_S = 300
LIBRARIES = servers.HOME / "debian/usr/lib" / str(sysconfig.get_config_var("MULTIARCH"))
FAKETIME = LIBRARIES / "faketime/libfaketimeMT.so.1"


@contextmanager
def bus_down(site: Site, _chance: random.Random) -> Iterator[None]:
    """RabbitMQ is away."""
    site.bus_wire.cut()
    yield
    site.bus_wire.restore()


@contextmanager
def database_down(site: Site, _chance: random.Random) -> Iterator[None]:
    """The database is away."""
    site.database_wire.cut()
    yield
    site.database_wire.restore()


@contextmanager
def connections_killed(site: Site, _chance: random.Random) -> Iterator[None]:
    """The database's administrator ends all connections."""
    with site.database.engine.connect() as connection:
        find = "SELECT id FROM information_schema.processlist WHERE db = DATABASE()"
        for ident in list(connection.scalars(text(f"{find} AND id <> CONNECTION_ID()"))):
            connection.execute(text(f"KILL {int(ident)}"))
    yield


@contextmanager
def nova_errors(site: Site, chance: random.Random) -> Iterator[None]:
    """Nova answers every other request with an error."""
    with _answers(site, status=chance.choice((500, 503, 429)), skip=1, times=4):
        yield


@contextmanager
def nova_cut(site: Site, chance: random.Random) -> Iterator[None]:
    """Connections to Nova break, before or after it did what it was asked for."""
    with _answers(site, cut=True, after=chance.random() < 0.5, times=3):
        yield


@contextmanager
def never_ends(site: Site, _chance: random.Random) -> Iterator[None]:
    """The next live migration makes no progress."""
    with _moves(site, "stuck"):
        yield


@contextmanager
def fails_after_the_move(site: Site, _chance: random.Random) -> Iterator[None]:
    """The next migration is an error for Nova although the instance arrived."""
    with _moves(site, "error-after-move"):
        yield


@contextmanager
def fails(site: Site, _chance: random.Random) -> Iterator[None]:
    """The next migration ends with an error, the instance where it was."""
    with _moves(site, "error"):
        yield


@contextmanager
def instance_deleted(site: Site, chance: random.Random) -> Iterator[None]:
    """Somebody deletes an instance that is being moved, if there is one, or any other."""
    with site.simulator.cloud.lock:
        world = site.simulator.world
        moving = [one.server.uuid for one in world.active.values()]
        alive = [one.uuid for one in world.servers.values() if one.vm_state != "deleted"]
    site.simulator.delete_server(chance.choice(sorted(moving or alive)))
    yield


@contextmanager
def host_down(site: Site, chance: random.Random) -> Iterator[None]:
    """A hypervisor loses its power."""
    name = chance.choice(sorted(site.simulator.world.hosts))
    site.simulator.host_down(name)
    yield
    site.simulator.host_up(name)


@contextmanager
def killed(site: Site, chance: random.Random) -> Iterator[None]:
    """A daemon is killed, and started again by whoever watches over it."""
    name = chance.choice(sorted(site.running))
    site.kill(name)
    yield
    site.start(name, ready=False)


@contextmanager
def frozen(site: Site, chance: random.Random) -> Iterator[None]:
    """A daemon stands still, and goes on as if nothing had been."""
    name = chance.choice(sorted(site.running))
    site.signal(name, signal.SIGSTOP)
    yield
    site.signal(name, signal.SIGCONT)


@contextmanager
def clock_wrong(site: Site, chance: random.Random) -> Iterator[None]:
    """A decision engine or applier whose clock is five minutes wrong takes the place of one."""
    name = chance.choice([one for one in sorted(site.running) if one not in site.ports])
    site.kill(name)
    site.start(name, ready=False, **skewed(chance.choice((-SKEW_S, SKEW_S))))
    yield


FAULTS: dict[str, Fault] = {
    "RabbitMQ down": bus_down,
    "database down": database_down,
    "database connections killed": connections_killed,
    "Nova answers errors": nova_errors,
    "Nova's connections cut": nova_cut,
    "live migration never ends": never_ends,
    "migration fails after the move": fails_after_the_move,
    "migration fails": fails,
    "instance deleted": instance_deleted,
    "host down": host_down,
    "daemon killed": killed,
    "daemon frozen": frozen,
    "clock five minutes wrong": clock_wrong,
}
HARMLESS = ("daemon killed", "daemon frozen")
"""What must not make any work fail."""


def skewed(seconds: int) -> dict[str, str]:
    """The environment of a process whose clock is wrong by so many seconds."""
    servers.unpack("libfaketime", FAKETIME)
    return {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME": f"{seconds:+d}s",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


@contextmanager
def _answers(site: Site, **fault: object) -> Iterator[None]:
    with site.simulator.cloud.lock:
        site.simulator.faults.add(service="compute", **fault)
    yield
    with site.simulator.cloud.lock:
        site.simulator.faults.clear()


@contextmanager
def _moves(site: Site, outcome: str) -> Iterator[None]:
    with site.simulator.cloud.lock:
        site.simulator.faults.move(outcome)
    yield
    with site.simulator.cloud.lock:
        site.simulator.faults.clear()
