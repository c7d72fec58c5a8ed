# SPDX-License-Identifier: Apache-2.0
"""What is asked of Watcher meanwhile: audits of every type, and plans that move instances."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.chaos.site import Site
from watcher.simulator import scheduler
from watcher.simulator.world import Host, Resources, Server

MOVES = 2
"""Instances that one plan moves."""


class Work:
    """Asks for audits, and remembers what was promised: uuid -> how many runs there must be."""

    def __init__(self, site: Site, chance: random.Random) -> None:
        self.site, self._chance = site, chance
        self.promised: dict[str, int] = {}
        self._number = 0
        self._arriving: dict[str, list[Resources]] = {}
        self._moved: set[str] = set()

    def once(self) -> bool:
        """A ONESHOT audit whose plan is only recommended."""
        return self._audit({"goal": "dummy", "audit_type": "ONESHOT"})

    def again(self, interval_s: int, runs: int) -> bool:
        """A CONTINUOUS audit that runs so often and ends."""
        begin = datetime.now(UTC).replace(tzinfo=None) + timedelta(seconds=5)
        end = begin + timedelta(seconds=interval_s * (runs - 0.3))
        body = {
            "goal": "dummy",
            "audit_type": "CONTINUOUS",
            "interval": str(interval_s),
            "start_time": begin.isoformat(timespec="seconds"),
            "end_time": end.isoformat(timespec="seconds"),
        }
        return self._audit(body, runs)

    def moves(self) -> bool:
        """An audit whose plan moves instances that no other plan has, as soon as it is made."""
        actions = []
        for _ in range(MOVES):
            found = self._move()
            if found:
                actions.append(found)
        if not actions:
            return False
        body = {
            "goal": "unclassified",
            "strategy": "actuator",
            "audit_type": "ONESHOT",
            "auto_trigger": True,
            "parameters": {"actions": [*actions, _nop()]},
        }
        return self._audit(body)

    def _audit(self, body: dict[str, Any], runs: int = 1) -> bool:
        self._number += 1
        given = {"name": f"audit {self._number}", "force": True, **body}
        answer = self.site.ask("POST", "/v1/audits", given)
        if answer is None:
            return False
        assert answer.status_code in (201, 409), answer.text
        if answer.status_code == 201:
            self.promised[answer.json()["uuid"]] = runs
        return True

    def _move(self) -> dict[str, Any] | None:
        with self.site.simulator.cloud.lock:
            world = self.site.simulator.world
            free = [
                one
                for one in world.servers.values()
                if one.uuid not in self._moved
                and one.vm_state == "active"
                and not one.locked
                and one.task_state is None
                and not world.group_of(one.uuid)
            ]
            self._chance.shuffle(free)
            for server in free:
                for host in world.hosts.values():
                    if self._fits(server, host):
                        self._moved.add(server.uuid)
                        self._arriving.setdefault(host.name, []).append(server.needs())
                        return _migrate(server, host)
        return None

    def _fits(self, server: Server, host: Host) -> bool:
        """Now, and when all arrived that are to arrive there."""
        coming = self._arriving.get(host.name, [])
        need = Resources(*(sum(amounts) for amounts in zip(server.needs(), *coming, strict=True)))
        return not scheduler.refusals(self.site.simulator.world, server, host, need)


def _migrate(server: Server, host: Host) -> dict[str, Any]:
    return {
        "action_type": "migrate",
        "resource_id": server.uuid,
        "input_parameters": {
            "migration_type": "live",
            "source_node": server.host,
            "destination_node": host.name,
            "resource_name": server.name,
        },
    }


def _nop() -> dict[str, Any]:
    return {"action_type": "nop", "input_parameters": {"message": "the last"}}
