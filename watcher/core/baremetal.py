# SPDX-License-Identifier: Apache-2.0
"""The machines behind the compute hosts, as bare metal management (Ironic) knows them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from watcher.core.cluster import Bools, Hosts, Ints, Words, frozen, words

NO_HOST = -1
"""Host row of a machine that is no compute host of this cloud."""
ON, OFF = "power on", "power off"
"""Ironic's words for the power states that last."""


class MachineRecord(NamedTuple):
    """One machine as a collector delivers it.

    ``compute_node`` says which compute host it is, by uuid, service host name or hypervisor host
    name (Ironic's ``extra.compute_node_id``); without it ``name`` does.
    """

    uuid: str
    name: str = ""
    power_state: str = ""
    """``power on``, ``power off``, ``rebooting``, ``error``, or '' when nobody knows."""
    target_power_state: str = ""
    """What it is on the way to, or ''."""
    provision_state: str = ""
    maintenance: bool = False
    maintenance_reason: str = ""
    compute_node: str = ""


@dataclass(frozen=True, eq=False)
class Machines:
    """The machines: each array has one entry per machine, sorted by uuid."""

    uuid: Words
    name: Words
    power_state: Words
    target_power_state: Words
    provision_state: Words
    maintenance: Bools
    maintenance_reason: Words
    compute_node: Words
    in_scope: Bools
    taken_at: float = 0.0
    origin: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.uuid)

    @cached_property
    def settled(self) -> Bools:
        """Machines whose power may be switched: in scope, no maintenance, not changing now."""
        calm = (self.target_power_state == "") & np.isin(self.power_state, (ON, OFF))
        return frozen(self.in_scope & ~self.maintenance & calm)

    def host_rows(self, hosts: Hosts) -> Ints:
        """The row of each machine's compute host, or NO_HOST.

        Only a machine that names the host's uuid or exact name is that host, and only if no other
        machine does: to switch off the wrong one would be worse than to switch off none.
        """
        rows = {uuid: row for row, uuid in enumerate(hosts.uuid)} | hosts.row_by_name
        labels = zip(self.compute_node, self.name, strict=True)
        found = np.fromiter(
            (rows.get(said or name, NO_HOST) for said, name in labels), np.int64, len(self)
        )
        claims = np.bincount(found[found != NO_HOST], minlength=len(hosts))
        claimed = np.append(claims, 0)[found] == 1  # NO_HOST is -1: the appended one
        return np.where(claimed, found, NO_HOST)

    def with_scope(self, in_scope: Bools) -> "Machines":
        """The same machines, of which only some are in scope."""
        return replace(self, in_scope=frozen(in_scope))


def assemble_machines(
    records: Sequence[MachineRecord],
    *,
    taken_at: float = 0.0,
    origin: Mapping[str, Any] | None = None,
) -> Machines:
    """Build the columns from records in any order; rows come out sorted by uuid."""
    ordered = sorted(records)
    columns = {name: [getattr(one, name) for one in ordered] for name in MachineRecord._fields}
    maintenance = np.array(columns.pop("maintenance"), dtype=np.bool_)
    return Machines(
        **{name: words(values) for name, values in columns.items()},
        maintenance=frozen(maintenance),
        in_scope=frozen(np.ones(len(ordered), dtype=np.bool_)),
        taken_at=taken_at,
        origin=origin or {},
    )


def machine_records(machines: Machines) -> list[MachineRecord]:
    """The records that ``assemble_machines`` makes these of, but for their scope."""
    columns = [getattr(machines, name).tolist() for name in MachineRecord._fields]
    return list(map(MachineRecord._make, zip(*columns, strict=True)))
