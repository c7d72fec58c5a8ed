# SPDX-License-Identifier: Apache-2.0
"""``saving_energy``: switches off hosts that are empty, and some on again when they run short."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from watcher.core.baremetal import NO_HOST, OFF, ON
from watcher.core.cluster import Bools, Cluster, Ints
from watcher.core.errors import Invalid
from watcher.core.metrics import Metrics, Query
from watcher.core.parameters import param
from watcher.core.solution import DISABLED_FOR_MAINTENANCE, OUR_REASONS, Action, Solution, power


@dataclass(frozen=True)
class Parameters:
    """How many empty hosts are kept ready."""

    free_used_percent: float = param(
        10.0, "Empty hosts kept on, in percent of the hosts with instances.", minimum=0
    )
    min_free_hosts_num: int = param(1, "Empty hosts that are kept on in any case.", minimum=0)


class SavingEnergy:
    """Keeps as many empty hosts ready as are needed, and switches the others off.

    Needed are ``free_used_percent`` of the hosts with instances, rounded down, and
    ``min_free_hosts_num`` at least. The largest empty hosts are kept on, and the largest are
    switched on first. A host is switched off only when it is empty and up, and when it is enabled
    or Watcher itself disabled it: one that somebody disabled is being worked on. Machines in
    maintenance, in change, outside the scope, or not clearly the machine of one host are left as
    they are. The action disables a host before it is switched off, and enables it when it is back.

    No instance is moved: run a consolidation before, so that there are empty hosts.
    """

    name: ClassVar[str] = "saving_energy"
    display_name: ClassVar[str] = "Saving Energy Strategy"
    goal: ClassVar[str] = "saving_energy"
    planner: ClassVar[str] = "weight"
    parameters = Parameters

    def models(self, parameters: Parameters) -> Sequence[str]:  # noqa: ARG002
        """The machines, besides compute."""
        return ("baremetal",)

    def queries(self, parameters: Parameters) -> Sequence[Query]:  # noqa: ARG002
        """Nothing is measured."""
        return ()

    def solve(
        self,
        cluster: Cluster,
        metrics: Metrics,  # noqa: ARG002
        parameters: Parameters,
    ) -> Solution:
        """The plan. Raises Invalid when the machines were not read."""
        machines = cluster.baremetal
        if machines is None:
            raise Invalid("saving_energy needs the machines of the bare metal service")
        table = _Table(cluster, machines.host_rows(cluster.hosts))
        need = int(
            max(table.in_use * parameters.free_used_percent / 100, parameters.min_free_hosts_num)
        )
        ready = table.ordered(table.empty & cluster.hosts.usable)
        spare = table.ordered(table.empty & table.ours & (table.is_on))
        surplus = [*ready[need:], *spare]
        off = [row for row in surplus if table.switchable[row] and table.is_on[row]]
        lacking = max(0, need - len(ready))
        on = table.ordered(table.empty & table.is_off & table.switchable)[:lacking]
        actions = [table.switch(row, on=True) for row in on]
        actions += [table.switch(row, on=False) for row in off]
        indicators = {
            "hosts_in_use_count": table.in_use,
            "free_hosts_needed_count": need,
            "free_hosts_ready_count": len(ready),
            "hosts_powered_off_count": len(off),
            "hosts_powered_on_count": len(on),
        }
        return Solution(tuple(actions), indicators, table.notes(need, len(ready), len(on)))


class _Table:
    """What is known of the power of each host, as columns over the hosts."""

    def __init__(self, cluster: Cluster, host_rows: Ints) -> None:
        self._cluster = cluster
        assert cluster.baremetal is not None
        hosts, machines = cluster.hosts, cluster.baremetal
        size = len(hosts)
        self._machine: Ints = np.full(size, NO_HOST, dtype=np.int64)
        known = np.flatnonzero(host_rows != NO_HOST)
        self._machine[host_rows[known]] = known
        # NO_HOST is -1, so it picks what is appended: no machine, no power, nothing to switch.
        state = np.append(machines.power_state, "")[self._machine]
        self.is_on: Bools = (state == ON) & hosts.up
        self.is_off: Bools = state == OFF
        held = np.bincount(cluster.instances.host[cluster.instances.host >= 0], minlength=size)
        self.empty: Bools = (held == 0) & hosts.in_scope & hosts.known
        self.in_use = int(((held > 0) & hosts.in_scope).sum())
        reasons = hosts.disabled_reason
        ours = (str(reason).startswith(OUR_REASONS) for reason in reasons)
        self.ours: Bools = ~hosts.enabled & np.fromiter(ours, np.bool_, size)
        self.ours &= reasons != DISABLED_FOR_MAINTENANCE
        settled = np.append(machines.settled, False)[self._machine]
        self.switchable: Bools = settled & (hosts.enabled | self.ours)

    def ordered(self, chosen: Bools) -> list[int]:
        """The rows of these hosts, the largest first."""
        rows = np.flatnonzero(chosen)
        size = self._cluster.hosts.capacity[rows]
        order = np.lexsort((rows, -size[:, 1], -size[:, 0]))
        return [int(row) for row in rows[order]]

    def switch(self, row: int, *, on: bool) -> Action:
        """The action for a host."""
        machines = self._cluster.baremetal
        assert machines is not None
        return power(
            str(machines.uuid[self._machine[row]]), str(self._cluster.hosts.name[row]), on=on
        )

    def notes(self, need: int, ready: int, switched_on: int) -> tuple[str, ...]:
        """What stays as it is, and why."""
        said = []
        if len(self._cluster.hosts) and (self._machine == NO_HOST).all():
            said.append(
                "no machine of the bare metal service is a compute host: set extra.compute_node_id"
                " of each node to the uuid or name of its host, or name the node as the host"
            )
        if ready + switched_on < need:
            said.append(
                f"{need} empty hosts are wanted, and there are {ready + switched_on} that are on"
                " or can be switched on"
            )
        strange = self.empty & self.is_on & ~self.switchable
        if strange.any():
            said.append(
                f"{int(strange.sum())} empty hosts are left on: disabled by somebody, in"
                " maintenance, or in change"
            )
        return tuple(said)
