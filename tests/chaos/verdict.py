# SPDX-License-Identifier: Apache-2.0
"""What was lost, done twice, or is untrue, when everything has come to rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from tests.chaos.site import Site
from watcher.db import store
from watcher.db.models import Action, ActionPlan, Audit

ENDED = ("SUCCEEDED", "FAILED", "CANCELLED")
PLAN_ENDED = (*ENDED, "SUPERSEDED", "RECOMMENDED")
TOLD = ("FAILED", "CANCELLED", "SKIPPED", "SUPERSEDED")
"""States that must say why."""


class Rows:
    """All audits, plans and actions."""

    def __init__(self, site: Site) -> None:
        with site.database.reading() as session:
            self.audits = store.every(session, Audit)
            self.plans = store.every(session, ActionPlan)
            self.actions = store.every(session, Action)


def at_rest(site: Site) -> bool:
    """Whether nothing is left to be done."""
    return not any(_unended(Rows(site))) and not site.simulator.world.active


def violations(site: Site, promised: Mapping[str, int], *, disturbed: bool) -> list[str]:
    """Everything that is not as it must be; ``disturbed`` when work itself was made to fail.

    ``promised``: uuids of the audits that the API accepted, and how often each had to run.
    """
    rows = Rows(site)
    found = [*_unended(rows), *_untold(rows), *_lost(rows, promised, disturbed=disturbed)]
    return [*found, *_cloud(site, rows)]


def _unended(rows: Rows) -> Iterator[str]:
    for audit in rows.audits:
        if audit.state not in ENDED or audit.running_since:
            yield f"audit {audit.name} is {audit.state}: {audit.status_message}"
    for plan in rows.plans:
        if plan.state not in PLAN_ENDED:
            yield f"plan {plan.uuid} is {plan.state}: {plan.status_message}"
    ended = {plan.id for plan in rows.plans if plan.state in ENDED and plan.epoch}
    for one in rows.actions:
        if one.action_plan_id in ended and one.state not in (*ENDED, "SKIPPED"):
            yield f"action {one.uuid} of an ended plan is {one.state}"


def _untold(rows: Rows) -> Iterator[str]:
    for row in (*rows.audits, *rows.plans, *rows.actions):
        if row.state in TOLD and not row.status_message:
            yield f"{type(row).__name__} {row.uuid} is {row.state} and does not say why"


def _lost(rows: Rows, promised: Mapping[str, int], *, disturbed: bool) -> Iterator[str]:
    audits = {audit.uuid: audit for audit in rows.audits}
    runs = Counter(plan.audit_id for plan in rows.plans)
    for uuid, wanted in promised.items():
        audit = audits.get(uuid)
        if audit is None:
            yield f"audit {uuid} was accepted and is not there"
        elif not disturbed and (audit.state, runs[audit.id]) != ("SUCCEEDED", wanted):
            yield (
                f"audit {audit.name} is {audit.state} after {runs[audit.id]} runs of {wanted}:"
                f" {audit.status_message}"
            )
        elif runs[audit.id] > wanted:
            yield f"audit {audit.name} ran {runs[audit.id]} times, not {wanted}"
    begun = (plan for plan in rows.plans if plan.epoch)  # others were replaced by a later run's
    for plan in begun:
        if not disturbed and plan.state != "SUCCEEDED":
            yield f"plan {plan.uuid} is {plan.state}: {plan.status_message}"


def _cloud(site: Site, rows: Rows) -> Iterator[str]:
    """Each instance is on one host, where the plans say, and was not moved more than they ask."""
    world = site.simulator.world
    asked = Counter[str]()
    wanted: dict[str, str] = {}
    for one in sorted(rows.actions, key=lambda row: (row.action_plan_id, row.position)):
        if one.action_type == "migrate":
            server = one.input_parameters["resource_id"]
            asked[server] += 2 if one.state == "FAILED" else 1  # a failed one may be taken back
            if one.state == "SUCCEEDED":
                wanted[server] = one.input_parameters["destination_node"]
    moved = Counter(one.server.uuid for one in world.migrations)
    for uuid, times in moved.items():
        if times > asked[uuid]:
            yield f"instance {uuid} was moved {times} times, {asked[uuid]} were asked for"
    for server in world.servers.values():
        holders = [host.name for host in world.hosts.values() if server.uuid in host.consumers]
        if server.vm_state == "deleted":
            continue
        if holders != [server.host] or server.task_state:
            yield f"instance {server.uuid} on {server.host} is held by {holders}"
        if wanted.get(server.uuid, server.host) != server.host:
            yield f"instance {server.uuid} is on {server.host}, not on {wanted[server.uuid]}"
